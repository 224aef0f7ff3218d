r"""Models whose text may have half of a character (a lone surrogate), which pydantic cannot serialize by itself.

JSON can contain `"\ud83d"`, the first half of an emoji that was cut, and Python keeps it. pydantic writes UTF-8, which
cannot. Only models with such text are serialized by this module.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, cast

from pydantic import BaseModel
from pydantic_core import PydanticSerializationError

if TYPE_CHECKING:
    from collections.abc import Callable

_NOT_WRITABLE: Final = (PydanticSerializationError, UnicodeEncodeError)
_MARK: Final = "\U0010f8ff"  # a private character; the next character stands for the surrogate, or for the mark itself
_AWAY: Final = {half: _MARK + chr(half + 0x800) for half in range(0xD800, 0xE000)} | {ord(_MARK): 2 * _MARK}
_MARKED: Final = re.compile(f"{_MARK}(.)", re.DOTALL)


class SurrogateSafeModel(BaseModel):
    """A model that can be dumped with any text, which is unchanged in the dump."""

    if not TYPE_CHECKING:  # type checkers use pydantic's signatures

        def model_dump(self, **options: Any) -> dict[str, Any]:
            """Return the fields as a dictionary; see pydantic's `BaseModel.model_dump`."""
            try:
                return super().model_dump(**options)
            except _NOT_WRITABLE:
                pass
            return _replaced(BaseModel.model_dump(_replaced(self, _away), **options), _back)

        def model_dump_json(self, **options: Any) -> str:
            r"""Return the fields as JSON, halves of characters as `\ud83d`; see `BaseModel.model_dump_json`."""
            try:
                return super().model_dump_json(**options)
            except _NOT_WRITABLE:
                pass
            indent = options.pop("indent", None)
            options.pop("ensure_ascii", None)
            data = self.model_dump(mode="json", **options)
            return json.dumps(data, indent=indent, separators=(",", ":") if indent is None else None)


def _away(text: str) -> str:
    return text.translate(_AWAY)


def _back(text: str) -> str:
    return _MARKED.sub(lambda found: _MARK if found[1] == _MARK else chr(ord(found[1]) - 0x800), text)


def _replaced(value: object, change: Callable[[str], str]) -> Any:
    """Return a value with its text changed, also inside of dicts, lists and models."""
    if isinstance(value, str):
        text = change(value)
        return value if text == value else type(value)(text)
    if isinstance(value, dict):
        known = cast("dict[object, object]", value)
        return {_replaced(key, change): _replaced(item, change) for key, item in known.items()}
    if isinstance(value, list):
        return [_replaced(item, change) for item in cast("list[object]", value)]
    if isinstance(value, BaseModel):
        twin = value.model_copy()
        object.__setattr__(twin, "__dict__", _replaced(value.__dict__, change))
        object.__setattr__(twin, "__pydantic_extra__", _replaced(value.__pydantic_extra__, change))
        return twin
    return value


def is_writable(text: str) -> bool:
    """Return whether a text can be written in UTF-8, which half of a character cannot."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
