"""Paths and query strings, as the server reads them: Rails' way of lists and maps, times in UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from math import isfinite
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from buildkite_orm.jsonvalues import as_mapping, as_several

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Query = list[tuple[str, str]]


def encode_path(*segments: str | int) -> str:
    """Join path segments, each encoded; one that would change the path is refused.

    Raises:
        ValueError: A segment is empty, `.` or `..`, or has a control character.
    """
    return "/".join(_segment(str(segment)) for segment in segments)


def encode_query(params: Mapping[str, object], *, lists: Sequence[str] = ()) -> Query:
    """Turn filters into query pairs; None is left out.

    Args:
        params: The filters, by their names in the API.
        lists: Names that the API documents as lists (`state[]`) even for one value.

    Raises:
        ValueError: A datetime has no zone, or a list is empty.
        TypeError: A value is of no kind that a query can carry.
    """
    pairs: Query = []
    for name, value in params.items():
        if value is not None:
            pairs.extend(_pairs(name, value, as_list=name in lists))
    return pairs


def encode_body(fields: Mapping[str, object], options: type | None = None, *required: str) -> dict[str, Any]:
    """Turn the fields of a write into what JSON can say; None is said as null, what is left out is not said.

    Args:
        fields: The fields, by their names in the API.
        options: The TypedDict that names those there are.
        required: Further names.

    Raises:
        TypeError: A field is not known, or its value is nothing that JSON can say.
        ValueError: A datetime has no zone, or a number is none.
    """
    known = set(required) | set(getattr(options, "__annotations__", fields))
    if unknown := sorted(fields.keys() - known):
        msg = f"there is no field {', '.join(unknown)}; there are: {', '.join(sorted(known))}"
        raise TypeError(msg)
    return {name: _sayable(name, value) for name, value in fields.items()}


def encode_time(moment: datetime, name: str = "time") -> str:
    """Write an aware datetime in UTC, to the second where it has no fraction.

    Raises:
        ValueError: The datetime has no zone, so that nobody can know which moment it means.
    """
    if moment.tzinfo is None or moment.utcoffset() is None:
        msg = f"{name}={moment!r} has no time zone; say which: {name}=datetime(…, tzinfo=UTC), or .astimezone()"
        raise ValueError(msg)
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def to_query_string(pairs: Query) -> str:
    """Encode query pairs for a URL."""
    return urlencode(pairs, quote_via=quote)


def _segment(segment: str) -> str:
    if segment in {"", ".", ".."} or not segment.isprintable():
        msg = f"{segment!r} cannot be part of a path"
        raise ValueError(msg)
    return quote(segment, safe="")


def _sayable(name: str, value: object) -> Any:
    if isinstance(value, datetime):
        return encode_time(value, name)
    if (mapping := as_mapping(value)) is not None:
        return {str(key): _sayable(f"{name}.{key}", item) for key, item in mapping.items()}
    if (several := as_several(value)) is not None:
        return [_sayable(name, item) for item in several]
    if isinstance(value, float) and not isfinite(value):
        msg = f"{name}={value!r}: JSON has no such number"
        raise ValueError(msg)
    if value is None or isinstance(value, str | int | float):
        return value
    msg = f"{name}={value!r}: JSON has nothing for a {type(value).__name__}"
    raise TypeError(msg)


def _pairs(name: str, value: object, *, as_list: bool) -> Query:
    if (mapping := as_mapping(value)) is not None:
        return [(f"{name}[{key}]", _scalar(f"{name}[{key}]", item)) for key, item in mapping.items()]
    if (several := as_several(value)) is not None:
        if not several:
            msg = f"{name}={value!r}: an empty list would be no filter at all; leave it out, or name something"
            raise ValueError(msg)
        return [(f"{name}[]", _scalar(name, item)) for item in several]
    return [(f"{name}[]" if as_list else name, _scalar(name, value))]


def _scalar(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, datetime):
        return encode_time(value, name)
    msg = f"{name}={value!r}: a filter is a string, number, bool, aware datetime, or a list of these"
    raise TypeError(msg)
