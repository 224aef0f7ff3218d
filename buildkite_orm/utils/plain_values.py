"""Values of the caller's enums, and of other libraries, as the plain values that they stand for.

What is sent or compared goes through here, so that a member of an enum is never sent as `Branch.MAIN`.
"""

from __future__ import annotations

import operator
import os
from collections import UserString
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final, cast
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Callable

SCALARS: Final = "a string, number, bool, aware datetime, UUID, path, or a member of an enum of strings or numbers"
_EXACT: Final = frozenset({str, int, float, bool, type(None), datetime, dict, list})


def as_plain(value: object) -> object:
    """Return the plain value that another stands for; what stands for none is returned as it is.

    A member of an enum stands for its value, whatever `str()` makes of it; a scalar of numpy or pandas, and whatever
    else has `__index__` or `item()`, for its number or string; a UUID and a path for their text.
    """
    if type(value) in _EXACT:
        return value
    for kinds, convert in _CONVERSIONS:
        if isinstance(value, kinds):
            return convert(value)
    return _scalar_of_library(value)


def as_plain_data(value: object) -> object:
    """Return a value with all in its dicts and lists as `as_plain` returns it."""
    if isinstance(value, dict):
        known = cast("dict[object, object]", value)
        return {as_plain(key): as_plain_data(item) for key, item in known.items()}
    if isinstance(value, list):
        return [as_plain_data(item) for item in cast("list[object]", value)]
    return as_plain(value)


def as_index(name: str, value: object) -> int:
    """Return a whole number, as the caller means it.

    Raises:
        TypeError: It is none.
    """
    plain = as_plain(value)
    if isinstance(plain, bool) or not isinstance(plain, int):
        msg = f"{name} is a whole number, not {value!r}, which is {kind_of(value)}"
        raise TypeError(msg)
    return plain


def as_path(name: str, value: object) -> str:
    """Return a path as a string, as the caller means it.

    Raises:
        TypeError: It is none, or one of bytes.
    """
    plain = _as_text(value)
    if not isinstance(plain, str):
        msg = f"{name} is a path or a string, not {value!r}, which is {kind_of(value)}"
        raise TypeError(msg)
    return str.__str__(plain)


def _as_text(value: object) -> object:
    return os.fspath(cast("os.PathLike[str]", value)) if isinstance(value, os.PathLike) else as_plain(value)


def as_number(name: str, value: object) -> float:
    """Return a number, as of seconds, as the caller means it.

    Raises:
        TypeError: It is none.
    """
    plain = as_plain(value)
    if isinstance(plain, Decimal):
        plain = float(plain)
    if isinstance(plain, bool) or not isinstance(plain, int | float):
        msg = f"{name} is a number, not {value!r}, which is {kind_of(value)}"
        raise TypeError(msg)
    return plain


def kind_of(value: object) -> str:
    """Name the type of a value that is refused, and for a date what to give in its place."""
    name = f"a {type(value).__name__}"
    is_day = isinstance(value, date) and not isinstance(value, datetime)
    return f"{name} without a time of day: give datetime(…, tzinfo=UTC)" if is_day else name


def _plain_time(value: datetime) -> datetime:
    """Return a time of a subclass, as pandas has one, as a datetime that compares and prints as all do."""
    try:
        time = (value.hour, value.minute, value.second, value.microsecond)
        return datetime(value.year, value.month, value.day, *time, tzinfo=value.tzinfo, fold=value.fold)
    except (TypeError, ValueError):  # pandas' NaT, which is no time
        return value


def _scalar_of_library(value: object) -> object:
    """Return the number or string that another library's scalar stands for; anything else as it is."""
    kind = type(value)
    # item() makes numbers of numpy's times, in whatever unit those have
    is_whole = hasattr(kind, "__index__") and getattr(getattr(value, "dtype", None), "kind", "") not in {"m", "M"}
    try:
        if hasattr(kind, "item") and getattr(value, "ndim", 0) == 0:
            single: object = cast("Any", value).item()
            return single if isinstance(single, str | bool | float) or (isinstance(single, int) and is_whole) else value
        return operator.index(cast("int", value)) if is_whole else value
    except (TypeError, ValueError):  # as of a series of several values
        return value


# In this order: a member of an enum of strings is a string too.
_CONVERSIONS: Final[tuple[tuple[Any, Callable[[Any], object]], ...]] = (
    (Enum, lambda member: as_plain(member.value)),
    (str, str.__str__),
    (int, int.__index__),
    (float, float.__float__),
    (UUID | UserString, str),
    (PurePath, PurePath.as_posix),
    (datetime, _plain_time),
)
