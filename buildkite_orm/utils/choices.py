"""The filters and fields of a TypedDict, or the parameters of a method, and their values if a `Literal` lists them."""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, cast, get_args, get_origin, is_typeddict

from buildkite_orm.utils.close_names import close_value
from buildkite_orm.utils.json_types import as_mapping, as_several
from buildkite_orm.utils.plain_values import as_plain, as_plain_data, kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    Options = type | Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Choices:
    """The values of one field.

    Attributes:
        values: The known values.
        enum: The name of the enum that wraps a new value, if there is one.
    """

    values: tuple[str | int, ...]
    enum: str | None


class CheckedFilters(dict[str, object]):
    """Filters that were checked, as plain values: a new value is not wrapped any more."""


def checked_filters(
    filters: Mapping[str, object], options: type | None, listing: str, hint: Callable[[str, Iterable[str]], str]
) -> CheckedFilters:
    """Check filters, and return them as plain values.

    Args:
        filters: The filters.
        options: The TypedDict that has the known ones; None if there are none.
        listing: The name of the listing.
        hint: Returns what to use in place of a filter that is not among those given, as the end of a sentence.

    Raises:
        TypeError: A filter is not known, or is a time, and the value is none.
        ValueError: A value is not one that there is.
    """
    if isinstance(filters, CheckedFilters):
        return filters
    names: set[str] = set(getattr(options, "__annotations__", ()))
    if unknown := sorted(filters.keys() - names):
        known = ", ".join(sorted(names)) or "none"
        hints = "".join(dict.fromkeys(hint(name, sorted(names)) for name in unknown))
        msg = f"{listing} has no filter {', '.join(unknown)}; it has: {known}{hints}"
        raise TypeError(msg)
    check_choices(filters, options)
    _check_times(filters, options)
    return CheckedFilters({name: as_plain_data(value) for name, value in filters.items()})


def check_choices(fields: Mapping[str, object], options: Options | None, prefix: str = "") -> None:
    """Check the fields whose values are listed, also those of mappings in them.

    A member of an enum is accepted, also one with a new value.

    Args:
        fields: The fields.
        options: The TypedDict that has them, or the method whose parameters they are.
        prefix: The name of the field that they are in, with a dot after it.

    Raises:
        ValueError: A value is not one that there is.
    """
    if options is None:
        return
    for name, choices in choices_of(options).items():
        for each in _several(fields.get(name)):
            plain = as_plain(each)
            if isinstance(each, Enum) or isinstance(plain, bool) or not isinstance(plain, str | int):
                continue
            if plain not in choices.values:
                raise ValueError(_problem(f"{prefix}{name}", plain, choices))
    for name, inner in _nested_of(options).items():
        for each in _several(fields.get(name)):
            if (mapping := as_mapping(each)) is not None:
                check_choices(cast("Mapping[str, object]", mapping), inner, f"{prefix}{name}.")


def _check_times(filters: Mapping[str, object], options: type | None) -> None:
    for name in () if options is None else _times_of(options):
        value = as_plain(filters.get(name))
        if value is not None and not isinstance(value, datetime):
            now = "datetime.now(UTC) - timedelta(days=7)"
            msg = f"{name}={value!r}: a datetime with a time zone is needed, as {now}, not {kind_of(value)}"
            raise TypeError(msg)


def _several(value: object) -> list[object]:
    several = as_several(value)
    return [value] if several is None else several


@cache
def choices_of(options: Options) -> dict[str, Choices]:
    """Return the fields of a TypedDict, or the parameters of a method, whose values are listed."""
    names = vars(sys.modules[options.__module__])
    found = {name: _choices(annotation, names) for name, annotation in _annotations_of(options).items()}
    return {name: choices for name, choices in found.items() if choices is not None}


@cache
def _times_of(options: Options) -> tuple[str, ...]:
    """Return the fields of a TypedDict that are times."""
    return tuple(name for name, annotation in _annotations_of(options).items() if annotation == "datetime")


@cache
def _nested_of(options: Options) -> dict[str, type]:
    """Return the fields that are mappings, or lists of them, with the TypedDict that has their fields."""
    names = vars(sys.modules[options.__module__])
    found: dict[str, type] = {}
    for name, annotation in _annotations_of(options).items():
        for part in ast.walk(ast.parse(annotation or "None", mode="eval")):
            if isinstance(part, ast.Name) and is_typeddict(kind := names.get(part.id)):
                found[name] = cast("type", kind)
    return found


def _annotations_of(options: Options) -> dict[str, str]:
    """Return annotations as text, which is what they are while they are not evaluated."""
    annotations = cast("dict[str, Any]", getattr(options, "__annotations__", {}))
    texts = {
        name: each if isinstance(each, str) else getattr(each, "__forward_arg__", "")
        for name, each in annotations.items()
    }
    return {name: text for name, text in texts.items() if name != "return"}


def _choices(annotation: str, names: Mapping[str, Any]) -> Choices | None:
    if not annotation:
        return None
    values: dict[str | int, None] = {}
    enum = None
    for part in ast.walk(ast.parse(annotation, mode="eval")):
        if isinstance(part, ast.Subscript) and ast.unparse(part.value) == "Literal":
            values |= dict.fromkeys(_literals(part.slice))
        if not isinstance(part, ast.Name):
            continue
        if part.id in {"str", "int"}:
            return None
        known = names.get(part.id)
        if get_origin(known) is Literal:
            values |= dict.fromkeys(get_args(known))
        if isinstance(known, type) and issubclass(known, Enum):
            enum = part.id
    return Choices(tuple(values), enum) if values else None


def _literals(node: ast.expr) -> Iterator[str | int]:
    for each in node.elts if isinstance(node, ast.Tuple) else [node]:
        if isinstance(each, ast.Constant) and isinstance(each.value, str | int) and not isinstance(each.value, bool):
            yield each.value


def _problem(name: str, value: str | int, choices: Choices) -> str:
    known = [str(each) for each in choices.values]
    close = close_value(value, known) if isinstance(value, str) else None
    maybe = "." if close is None else f"; did you mean {close!r}?"
    new = f" A value that is newer than this library is passed as {choices.enum}({value!r})" if choices.enum else ""
    return f"{name}={value!r}: the values are {', '.join(known)}{maybe}{new}"
