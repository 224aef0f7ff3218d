"""Conversion of enum members, and of values of other libraries, to plain values.

All values that are sent or compared are converted, so that an enum member is never sent as `Branch.MAIN`.
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
    """Return the plain value of another value; a value without one is returned unchanged.

    The plain value of an enum member is its value; of a scalar of numpy or pandas, and of anything else that has
    `__index__` or `item()`, its number or string; of a UUID or a path, its text.
    """
    if type(value) in _EXACT:
        return value
    for kinds, convert in _CONVERSIONS:
        if isinstance(value, kinds):
            return convert(value)
    return _scalar_of_library(value)


def as_plain_data(value: object) -> object:
    """Return a value with `as_plain` applied to everything in its dicts and lists."""
    if isinstance(value, dict):
        known = cast("dict[object, object]", value)
        return {as_plain(key): as_plain_data(item) for key, item in known.items()}
    if isinstance(value, list):
        return [as_plain_data(item) for item in cast("list[object]", value)]
    return as_plain(value)


def as_index(name: str, value: object) -> int:
    """Return an integer argument as an int.

    Raises:
        TypeError: It is not an integer.
    """
    plain = as_plain(value)
    if isinstance(plain, bool) or not isinstance(plain, int):
        msg = f"{name} is a whole number, not {value!r}, which is {kind_of(value)}"
        raise TypeError(msg)
    return plain


def as_path(name: str, value: object) -> str:
    """Return a path argument as a string.

    Raises:
        TypeError: It is not a path, or a path of bytes.
    """
    plain = _as_text(value)
    if not isinstance(plain, str):
        msg = f"{name} is a path or a string, not {value!r}, which is {kind_of(value)}"
        raise TypeError(msg)
    return str.__str__(plain)


def _as_text(value: object) -> object:
    return os.fspath(cast("os.PathLike[str]", value)) if isinstance(value, os.PathLike) else as_plain(value)


def as_number(name: str, value: object) -> float:
    """Return a number argument, such as seconds, as a float or int.

    Raises:
        TypeError: It is not a number.
    """
    plain = as_plain(value)
    if isinstance(plain, Decimal):
        plain = float(plain)
    if isinstance(plain, bool) or not isinstance(plain, int | float):
        msg = f"{name} is a number, not {value!r}, which is {kind_of(value)}"
        raise TypeError(msg)
    return plain


def kind_of(value: object) -> str:
    """Return the name of a rejected value's type; for a date, with the value to pass instead."""
    name = f"a {type(value).__name__}"
    is_day = isinstance(value, date) and not isinstance(value, datetime)
    return f"{name} without a time of day: pass datetime(…, tzinfo=UTC)" if is_day else name


def _plain_time(value: datetime) -> datetime:
    """Return a time of a subclass, such as that of pandas, as a plain datetime."""
    try:
        time = (value.hour, value.minute, value.second, value.microsecond)
        return datetime(value.year, value.month, value.day, *time, tzinfo=value.tzinfo, fold=value.fold)
    except (TypeError, ValueError):  # pandas' NaT, which is not a time
        return value


def _scalar_of_library(value: object) -> object:
    """Return the number or string of another library's scalar; any other value unchanged."""
    kind = type(value)
    # item() converts numpy's times to numbers of various units
    is_whole = hasattr(kind, "__index__") and getattr(getattr(value, "dtype", None), "kind", "") not in {"m", "M"}
    try:
        if hasattr(kind, "item") and getattr(value, "ndim", 0) == 0:
            single: object = cast("Any", value).item()
            return single if isinstance(single, str | bool | float) or (isinstance(single, int) and is_whole) else value
        return operator.index(cast("int", value)) if is_whole else value
    except (TypeError, ValueError):  # such as a series of several values
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
