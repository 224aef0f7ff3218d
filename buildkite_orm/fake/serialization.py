"""Write every body that the fake sends: JSON and text, whatever is in them."""

from __future__ import annotations

import json
import sys
from typing import Any, cast

_DEEPEST = 100
_Nested = dict[object, object] | list[object] | tuple[object, ...]
_LARGEST = sys.float_info.max


def to_json(value: Any) -> bytes:
    """Return a value as JSON; this never fails.

    What JSON has no form for is replaced: a number that is not finite by null, an object of another type by its text,
    what is nested deeper than 100 levels by null. Half a surrogate pair is written as an escape sequence.
    """
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError):
        return json.dumps(_writable(value, _DEEPEST), allow_nan=False, separators=(",", ":")).encode()


def to_bytes(text: str) -> bytes:
    """Return a text as UTF-8, half a surrogate pair in it as a question mark."""
    return text.encode(errors="replace")


def _writable(value: Any, levels: int) -> Any:
    """Copy a value so that JSON can hold it."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int | float):
        return value if -_LARGEST <= value <= _LARGEST else None  # NaN is neither
    if isinstance(value, dict | list | tuple):
        return _copied(cast("_Nested", value), levels - 1) if levels else None
    return _text(value)


def _copied(value: _Nested, levels: int) -> Any:
    if isinstance(value, dict):
        return {_text(key): _writable(item, levels) for key, item in value.items()}
    return [_writable(item, levels) for item in value]


def _text(value: Any) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - whatever an object of somebody else's does
        return object.__repr__(value)
