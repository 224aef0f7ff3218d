"""Paths, query strings and bodies: lists and maps as Rails reads them, times in UTC.

Values of other libraries and of the caller's enums are sent as plain values (`as_plain`), or rejected.
"""

from __future__ import annotations

from datetime import UTC, datetime
from math import isfinite
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote, urlencode

from buildkite_orm.utils.choices import check_choices
from buildkite_orm.utils.close_names import meant
from buildkite_orm.utils.json_types import as_mapping, as_object, as_several
from buildkite_orm.utils.plain_values import SCALARS, as_plain, kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Query = list[tuple[str, str]]


def encode_path(*segments: object) -> str:
    """Join path segments, each encoded; a segment that would change the path is rejected.

    Raises:
        TypeError: A segment is neither a string nor an integer, nor convertible to one.
        ValueError: A segment is empty, `.` or `..`, or has a control character.
    """
    before = "the path"
    encoded: list[str] = []
    for segment in segments:
        encoded.append(_segment(before, segment))
        before = encoded[-1]
    return "/".join(encoded)


def encode_query(params: Mapping[str, object], *, lists: Sequence[str] = ()) -> Query:
    """Return filters as query pairs; None is omitted.

    Args:
        params: The filters, by their names in the API.
        lists: Names that the API documents as lists (`state[]`), even for one value.

    Raises:
        ValueError: A datetime has no time zone, or a list is empty.
        TypeError: A query cannot carry a value of this type.
    """
    pairs: Query = []
    for name, value in params.items():
        if value is not None:
            pairs.extend(_pairs(name, value, as_list=name in lists))
    return pairs


def encode_body(
    fields: Mapping[str, object],
    options: type | None = None,
    *required: str,
    extra: Mapping[str, object] | None = None,
    method: Callable[..., Any] | None = None,
) -> dict[str, Any]:
    """Return the fields of a write as JSON values; None becomes null.

    Args:
        fields: The fields, by their names in the API.
        options: The TypedDict that names the known fields.
        required: Further known names.
        extra: Further fields, by any name.
        method: The method that has fields as parameters: their annotations may list the values.

    Raises:
        TypeError: A field is not known, or given twice, or JSON cannot express its value.
        ValueError: A datetime has no time zone, a number is not finite, or a value is not one of those listed.
    """
    known = set(required) | set(getattr(options, "__annotations__", fields))
    if unknown := sorted(fields.keys() - known):
        hints = "".join(f"; use {right}=" for right in dict.fromkeys(meant(name, known) for name in unknown) if right)
        msg = f"there is no field {', '.join(unknown)}; there are: {', '.join(sorted(known))}{hints}"
        raise TypeError(msg)
    check_choices(fields, options)
    check_choices(fields, method)
    extra = extra or {}
    if twice := sorted(fields.keys() & extra.keys()):
        msg = f"extra= repeats {', '.join(twice)}; pass each field once"
        raise TypeError(msg)
    return {name: _json_value(name, value) for name, value in {**fields, **extra}.items()}


def encode_json(body: object) -> object:
    """Return a mapping as JSON values; any other body, such as a file, is returned unchanged."""
    fields = as_object(body)
    return body if fields is None else encode_body(fields)


def encode_time(moment: datetime, name: str = "time") -> str:
    """Format an aware datetime in UTC, without a fraction if it has none.

    Raises:
        ValueError: The datetime has no time zone, so its moment is unknown.
    """
    moment = cast("datetime", as_plain(moment))
    if moment.tzinfo is None or moment.utcoffset() is None:
        msg = f"{name}={moment!r} has no time zone; add one: {name}=datetime(…, tzinfo=UTC), or .astimezone()"
        raise ValueError(msg)
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def to_query_string(pairs: Query) -> str:
    """Encode query pairs for a URL."""
    return urlencode(pairs, quote_via=quote)


def _segment(before: str, segment: object) -> str:
    plain = as_plain(segment)
    if isinstance(plain, bool) or not isinstance(plain, str | int):
        msg = f"{before}/{segment!r}: a part of a path is a string, a whole number or a UUID, not {kind_of(segment)}"
        raise TypeError(msg)
    text = str(plain)
    if text in {"", ".", ".."} or not text.isprintable():
        msg = f"{text!r} cannot be part of a path"
        raise ValueError(msg)
    return quote(text, safe="")


def _json_value(name: str, value: object) -> Any:
    value = as_plain(value)
    if isinstance(value, datetime):
        return encode_time(value, name)
    if (mapping := as_mapping(value)) is not None:
        keys = {key: _key(name, key) for key in mapping}
        return {keys[key]: _json_value(f"{name}.{keys[key]}", item) for key, item in mapping.items()}
    if (several := as_several(value)) is not None:
        return [_json_value(name, item) for item in several]
    if isinstance(value, float) and not isfinite(value):
        msg = f"{name}={value!r}: JSON has no such number"
        raise ValueError(msg)
    if value is None or isinstance(value, str | int | float):
        return value
    msg = f"{name}: JSON has nothing for {kind_of(value)}; give {SCALARS}, None, or a list or mapping of these"
    raise TypeError(msg)


def _pairs(name: str, value: object, *, as_list: bool) -> Query:
    value = as_plain(value)
    if (mapping := as_mapping(value)) is not None:
        named = [(f"{name}[{_key(name, key)}]", item) for key, item in mapping.items()]
        return [(full, _scalar(full, item)) for full, item in named]
    if (several := as_several(value)) is not None:
        if not several:
            msg = f"{name}={value!r}: an empty list would be no filter at all; leave it out, or name something"
            raise ValueError(msg)
        return [(f"{name}[]", _scalar(name, item)) for item in several]
    return [(f"{name}[]" if as_list else name, _scalar(name, value))]


def _key(name: str, key: object) -> str:
    plain = as_plain(key)
    if isinstance(plain, bool) or not isinstance(plain, str | int):
        msg = f"{name}: a key is a string, not {key!r}, which is {kind_of(key)}"
        raise TypeError(msg)
    return str(plain)


def _scalar(name: str, value: object) -> str:
    plain = as_plain(value)
    if isinstance(plain, bool):
        return "true" if plain else "false"
    if isinstance(plain, str):
        return _checked_text(name, plain)
    if isinstance(plain, int):
        return str(plain)
    if isinstance(plain, datetime):
        return encode_time(plain, name)
    msg = f"{name}={value!r}: a filter is {SCALARS}, or a list of these; not {kind_of(value)}"
    raise TypeError(msg)


def _checked_text(name: str, text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        msg = f"{name}={text!r}: it has half of a character (a surrogate), which no URL can carry"
        raise ValueError(msg) from None
    return text
