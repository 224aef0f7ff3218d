"""Numbers in text that a server sent."""

from __future__ import annotations

from typing import Final

_DIGITS: Final = 18  # as many as fit into 64 bits


def parse_decimal(text: str | None) -> int | None:
    """Return the number that ASCII digits spell, None for anything else.

    `int()` and `str.isdigit()` are no substitute: they accept signs, spaces, underscores and the digits of other
    scripts, and `int()` raises ValueError for `²` and for more than 4,300 digits.

    Args:
        text: The text, of at most 18 digits.
    """
    if text is None or len(text) > _DIGITS or not (text.isascii() and text.isdigit()):
        return None
    return int(text)
