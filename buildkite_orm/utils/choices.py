"""The filters and fields that a TypedDict names, and their values if the annotation lists them in a `Literal`."""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, cast, get_args, get_origin

from buildkite_orm.utils.json_types import as_several
from buildkite_orm.utils.plain_values import as_plain, as_plain_data

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, slots=True)
class Choices:
    """The values of one field.

    Attributes:
        values: The known values.
        enum: The name of the enum that wraps a new value, if there is one.
    """

    values: tuple[str, ...]
    enum: str | None


class CheckedFilters(dict[str, object]):
    """Filters that were checked, as plain values: a new value is not wrapped any more."""


def checked_filters(filters: Mapping[str, object], options: type | None, listing: str) -> CheckedFilters:
    """Check filters, and return them as plain values.

    Args:
        filters: The filters.
        options: The TypedDict that has the known ones; None if there are none.
        listing: The name of the listing.

    Raises:
        TypeError: A filter is not known.
        ValueError: A value is not one that there is.
    """
    if isinstance(filters, CheckedFilters):
        return filters
    names: set[str] = set(getattr(options, "__annotations__", ()))
    if unknown := sorted(filters.keys() - names):
        known = ", ".join(sorted(names)) or "none"
        msg = f"{listing} has no filter {', '.join(unknown)}; it has: {known}"
        raise TypeError(msg)
    check_choices(filters, options)
    return CheckedFilters({name: as_plain_data(value) for name, value in filters.items()})


def check_choices(fields: Mapping[str, object], options: type | None) -> None:
    """Check the fields whose values are listed; a member of an enum is accepted, also one with a new value.

    Args:
        fields: The fields.
        options: The TypedDict that has them.

    Raises:
        ValueError: A value is not one that there is.
    """
    for name, choices in choices_of(options).items() if options is not None else ():
        value = fields.get(name)
        several = as_several(value)
        for each in [value] if several is None else several:
            if isinstance(each, Enum) or not isinstance(plain := as_plain(each), str) or plain in choices.values:
                continue
            raise ValueError(_problem(name, plain, choices))


@cache
def choices_of(options: type) -> dict[str, Choices]:
    """Return the fields of a TypedDict whose values are listed."""
    names = vars(sys.modules[options.__module__])
    annotations = cast("dict[str, Any]", getattr(options, "__annotations__", {}))
    found = {name: _choices(getattr(each, "__forward_arg__", ""), names) for name, each in annotations.items()}
    return {name: choices for name, choices in found.items() if choices is not None}


def _choices(annotation: str, names: Mapping[str, Any]) -> Choices | None:
    if not annotation:
        return None
    values: dict[str, None] = {}
    enum = None
    for part in ast.walk(ast.parse(annotation, mode="eval")):
        if isinstance(part, ast.Subscript) and ast.unparse(part.value) == "Literal":
            values |= dict.fromkeys(_literals(part.slice))
        if not isinstance(part, ast.Name):
            continue
        if part.id == "str":
            return None
        known = names.get(part.id)
        if get_origin(known) is Literal:
            values |= dict.fromkeys(get_args(known))
        if isinstance(known, type) and issubclass(known, Enum):
            enum = part.id
    return Choices(tuple(values), enum) if values else None


def _literals(node: ast.expr) -> Iterator[str]:
    for each in node.elts if isinstance(node, ast.Tuple) else [node]:
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield each.value


def _problem(name: str, value: str, choices: Choices) -> str:
    close = get_close_matches(value, choices.values, n=1)
    maybe = f"; did you mean {close[0]!r}?" if close else "."
    new = f" A value that is newer than this library is passed as {choices.enum}({value!r})" if choices.enum else ""
    return f"{name}={value!r}: the values are {', '.join(choices.values)}{maybe}{new}"
