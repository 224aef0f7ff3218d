"""Escape sequences and time marks, as logs contain them."""

from __future__ import annotations

import re
from typing import Final

# All repetitions are possessive and every string ends with its line, so that no character is matched twice.
_SEQUENCE = r"\[[0-?]*+[ -/]*+[@-~]?"
_STRING = r"[\]PX^_][^\x07\x1b\n]*+(?:\x07|\x1b\\)?"
# before any other character only the escape itself is dropped, so that no text is lost
_SINGLE = r" [FGLMN]|[!-/]++[0-~]|[0-_`a-dl-o|}~]"
_REST = rf"(?:{_SEQUENCE}|{_STRING}|{_SINGLE})?"
_MARK = r"_bk;t=(\d++)[^\x07\x1b\n]*+\x07"

MARK: Final = re.compile(rf"\x1b{_MARK}")
"""The time at which a line was written, in milliseconds since the Unix epoch."""

ANY_MARK: Final = re.compile(r"\x1b_bk;(d?)t=(\d{1,18})(?!\d)[^\x07\x1b\n]*+\x07")
"""The same, or the milliseconds since the mark before it (`dt`)."""

INVISIBLE: Final = re.compile(rf"\x1b{_REST}")
"""A sequence that shows nothing, unless it moves the cursor."""

INVISIBLE_BUT_MARKS: Final = re.compile(rf"\x1b(?!{_MARK}){_REST}")
"""The same, except time marks."""

_IMAGE = r"\](?:1337;File=|1338;)[^\x07\x1b\n]*+(?:\x07|\x1b\\)"

# nothing is to the right of the end of a line, so erasing there is no movement
MOVEMENT: Final = re.compile(rf"\x1b(?:\[(?!0*[JK])[0-;]*+[A-HJKX`adefsu]|[78cM]|{_IMAGE})")
"""A sequence that moves the cursor or erases, so that a line differs from the sum of its texts."""

TOKEN: Final = re.compile(
    r"([^\x00-\x08\x0a-\x1f\x7f-\x9f]++)|([\r\x08])|\x1b\[([0-?]*+)([@-~])|\x1b([78cM])"
    rf"|\x1b({_IMAGE})|\x1b({_MARK})|\x1b{_REST}"
)
"""A part of a line: text (1), a control (2, 5), parameters and name of a sequence (3, 4), an image (6), a mark (7)."""

_INVISIBLE_ASCII = (*map(chr, (*range(7), 0x0B, 0x0C, *range(0x0E, 0x1B), *range(0x1C, 0x20), 0x7F)),)
_INVISIBLE_C1 = (*map(chr, range(0x80, 0xA0)),)
_ANY_INVISIBLE = re.compile(f"[{''.join(_INVISIBLE_ASCII + _INVISIBLE_C1)}]+")
_RETURNS = re.compile(r"\r\r+")
_LINK = re.compile(r"\x1b\]1339;([^\x07\x1b\n]*+)(?:\x07|\x1b\\)")
_PARAMETER = re.compile(r"(content|url)=(?:'([^']*)'|\"([^\"]*)\"|([^;]*))")
_ERASE_REST = re.compile(r"\x1b\[0*[JK]")  # `J` too: nothing is below the last line
_ERASED = "\0"
_MAX_DIGITS: Final = 18  # a longer number does not fit into an int64 of Go, and counts as malformed


def without_marks(shown: str) -> str:
    """Remove marks and bells from rendered text."""
    return MARK.sub("", shown).replace("\x07", "")


def normalize(text: str) -> str:
    """Drop invisible control characters, unify line ends, and replace links by their text."""
    silent = _INVISIBLE_ASCII if text.isascii() else _INVISIBLE_ASCII + _INVISIBLE_C1
    if any(char in text for char in silent):
        text = _ANY_INVISIBLE.sub("", text)
    if "\r\r" in text:
        text = _RETURNS.sub("\r", text)
    if "\r" in text:
        text = "\n".join(text.split("\r\n"))  # twice as fast as str.replace
    return _LINK.sub(_link_text, text) if "\x1b" in text and "\x1b]1339;" in text else text


def _link_text(link: re.Match[str]) -> str:
    """Return the content of a Buildkite link, or its URL."""
    parameters = {name: single or double or bare for name, single, double, bare in _PARAMETER.findall(link[1])}
    return parameters.get("content") or parameters.get("url") or ""


def parameter_at(parameters: list[str], place: int = 0) -> int:
    """Return a numeric parameter of a sequence; 1 if it is missing or malformed."""
    digits = parameters[place] if place < len(parameters) else ""
    return int(digits) if len(digits) <= _MAX_DIGITS and digits.isdecimal() else 1


def apply_returns(line: str, *, columns: int, marks: bool) -> str | None:
    """Return the text of a line in which carriage returns are the only movements.

    Args:
        line: The line.
        columns: The number of cells of a row.
        marks: Whether to keep the last mark of the line.

    Returns:
        None if the line takes more than one row, which must be drawn into cells.
    """
    mark = ""
    if "\x1b" in line:
        found = MARK.findall(line) if marks else None
        mark = f"\x1b_bk;t={found[-1]}\x07" if found else ""
        line = INVISIBLE.sub("", _ERASE_REST.sub(_ERASED, line))
    shown = ""
    for part in reversed(line.replace("\x07", "").split("\r")):
        written = part.replace(_ERASED, "")
        if len(written) > columns:
            return None
        shown += written[len(shown) :]
        if _ERASED in part:  # erases what the parts before it wrote
            break
    return mark + shown
