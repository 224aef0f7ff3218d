"""Serialize every body that the fake sends, as JSON or text."""

from __future__ import annotations

import json
import re
import secrets
import sys
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable

_DEEPEST = 100
_Nested = dict[object, object] | list[object] | tuple[object, ...]
_LARGEST = sys.float_info.max
_MARK = secrets.token_hex(16)  # random, so that no text of a payload is taken for one
_MARKED = re.compile(f'"{_MARK}:([0-9]+)"')


class Shared:
    """A value that occurs many times in a payload, and is serialized once.

    Attributes:
        value: The value.
    """

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


def to_json(value: Any) -> bytes:
    """Return a value as JSON; never fail.

    Values that JSON does not support are replaced: infinite numbers and NaN by null, objects of other types by their
    text, values nested deeper than 100 levels by null. A lone surrogate becomes an escape sequence.
    """
    shared: dict[str, Shared] = {}

    def mark(item: Any) -> str:
        if not isinstance(item, Shared):
            raise TypeError
        shared[str(id(item))] = item
        return f"{_MARK}:{id(item)}"

    try:
        text = _dumps(value, mark)
        if shared:
            texts = {name: _dumps(each.value) for name, each in shared.items()}
            text = _MARKED.sub(lambda found: texts[found[1]], text)
        return text.encode()
    except (TypeError, ValueError, RecursionError):
        return json.dumps(_writable(value, _DEEPEST), allow_nan=False, separators=(",", ":")).encode()


def _dumps(value: Any, default: Callable[[Any], str] | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=default)


def to_bytes(text: str) -> bytes:
    """Return a text as UTF-8; a lone surrogate becomes a question mark."""
    return text.encode(errors="replace")


def _writable(value: Any, levels: int) -> Any:
    """Return a copy of a value that can be serialized."""
    if isinstance(value, Shared):
        value = value.value
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
