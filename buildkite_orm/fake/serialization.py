"""Serialize every body that the fake sends, as JSON or text."""

from __future__ import annotations

import json
import sys
from typing import Any, cast

_DEEPEST = 100
_Nested = dict[object, object] | list[object] | tuple[object, ...]
_LARGEST = sys.float_info.max


def to_json(value: Any) -> bytes:
    """Return a value as JSON; never fail.

    Values that JSON does not support are replaced: infinite numbers and NaN by null, objects of other types by their
    text, values nested deeper than 100 levels by null. A lone surrogate becomes an escape sequence.
    """
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError):
        return json.dumps(_writable(value, _DEEPEST), allow_nan=False, separators=(",", ":")).encode()


def to_bytes(text: str) -> bytes:
    """Return a text as UTF-8; a lone surrogate becomes a question mark."""
    return text.encode(errors="replace")


def _writable(value: Any, levels: int) -> Any:
    """Return a copy of a value that can be serialized."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int | float):
        return value if -_LARGEST <= value <= _LARGEST else None  # false for NaN too
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
    except Exception:  # noqa: BLE001 - `__str__` of a foreign object may raise anything
        return object.__repr__(value)
