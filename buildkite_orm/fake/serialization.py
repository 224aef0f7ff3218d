"""Write every body that the fake sends: JSON and text, whatever is in them."""

from __future__ import annotations

import json
import math
from typing import Any, cast

_DEEPEST = 100
_LONGEST_INTEGER = 2**1024


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
    if isinstance(value, int):
        return int(value) if abs(value) < _LONGEST_INTEGER else None
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if not isinstance(value, dict | list | tuple):
        return _text(value)
    if levels == 0:
        return None
    if isinstance(value, dict):
        items = cast("dict[Any, Any]", value).items()
        return {_text(key): _writable(item, levels - 1) for key, item in items}
    return [_writable(item, levels - 1) for item in cast("list[Any]", value)]


def _text(value: Any) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - whatever an object of somebody else's does
        return object.__repr__(value)
