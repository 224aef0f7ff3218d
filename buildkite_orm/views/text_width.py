"""The width of text in a terminal; truncating and padding text to a width."""

from __future__ import annotations

import unicodedata
from typing import Final

from buildkite_orm.utils.text import one_line

_JOINER: Final = "\u200d"
_EMOJI_STYLE: Final = "\ufe0f"
_WIDE: Final = ("W", "F")
_ZERO: Final = ("Mn", "Me", "Cf")


def text_width(text: str) -> int:
    """Return how many columns of a terminal a text takes; joined emoji count as one."""
    if text.isascii():
        return len(text)
    total, previous = 0, ""
    for char in text:
        total += _char_width(char, previous)
        previous = char
    return total


def truncate(text: str, width: int) -> str:
    """Truncate a text to a width, with an ellipsis; joined and combining characters stay with the one before them."""
    if text_width(text) <= width:
        return text
    end, used, previous = 0, 0, ""
    for index, char in enumerate(text):
        step = _char_width(char, previous)
        if step and used + step > width - 1:
            break
        used, end, previous = used + step, index + 1, char
    return f"{text[:end].rstrip(f' {_JOINER}')}…"


def pad(text: str, width: int, *, right: bool) -> str:
    """Bring a text to a width: truncate it, or add spaces before it (`right`) or after it."""
    shown = truncate(text, width)
    space = " " * (width - text_width(shown))
    return f"{space}{shown}" if right else f"{shown}{space}"


def fit_line(text: str, width: int) -> str:
    """Return the first line of any text, escaped for display and truncated to a width."""
    return truncate(one_line(text, width), width)


def _char_width(char: str, previous: str) -> int:
    if char == _EMOJI_STYLE:  # makes an emoji, which is wide, of the character before it
        return 2 - _base_width(previous) if previous else 0
    return 0 if previous == _JOINER else _base_width(char)


def _base_width(char: str) -> int:
    if unicodedata.category(char) in _ZERO:
        return 0
    return 2 if unicodedata.east_asian_width(char) in _WIDE else 1
