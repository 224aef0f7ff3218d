"""The language of terminals, as far as logs speak it: escape sequences and marks."""

from __future__ import annotations

import re
from typing import Final

# Every repetition is possessive, and every string ends with its line: nothing here looks at a character twice.
_SEQUENCE = r"\[[0-?]*+[ -/]*+[@-~]?"
_STRING = r"[\]PX^_][^\x07\x1b\n]*+(?:\x07|\x1b\\)?"
# an escape before any other character is dropped alone, so that no text is lost with it
_SINGLE = r" [FGLMN]|[!-/]++[0-~]|[0-_`a-dl-o|}~]"
_REST = rf"(?:{_SEQUENCE}|{_STRING}|{_SINGLE})?"
_MARK = r"_bk;t=(\d++)[^\x07\x1b\n]*+\x07"

MARK: Final = re.compile(rf"\x1b{_MARK}")
"""When a line was written, in milliseconds since the Unix epoch."""

ANY_MARK: Final = re.compile(r"\x1b_bk;(d?)t=(\d{1,18})(?!\d)[^\x07\x1b\n]*+\x07")
"""The same, or how much later than the mark before it."""

INVISIBLE: Final = re.compile(rf"\x1b{_REST}")
"""What shows nothing where nothing moves."""

INVISIBLE_BUT_MARKS: Final = re.compile(rf"\x1b(?!{_MARK}){_REST}")
"""The same, without the marks."""

_IMAGE = r"\](?:1337;File=|1338;)[^\x07\x1b\n]*+(?:\x07|\x1b\\)"

# what is to the right of the end of a line need not be erased
MOVING: Final = re.compile(rf"\x1b(?:\[(?!0*[JK])[0-;]*+[A-HJKX`adefsu]|[78cM]|{_IMAGE})")
"""An escape sequence that makes a line more than the sum of its parts."""

TOKEN: Final = re.compile(
    r"([^\x00-\x08\x0a-\x1f\x7f-\x9f]++)|([\r\x08])|\x1b\[([0-?]*+)([@-~])|\x1b([78cM])"
    rf"|\x1b({_IMAGE})|\x1b({_MARK})|\x1b{_REST}"
)
"""A part of a line: text (1), a control (2, 5), parameters and name of a sequence (3, 4), an image (6), a mark (7)."""

_SILENT = (*map(chr, (*range(7), 0x0B, 0x0C, *range(0x0E, 0x1B), *range(0x1C, 0x20), 0x7F)),)
_SILENT_BEYOND_ASCII = (*map(chr, range(0x80, 0xA0)),)
_ALL_SILENT = re.compile(f"[{''.join(_SILENT + _SILENT_BEYOND_ASCII)}]+")
_RETURNS = re.compile(r"\r\r+")
_LINK = re.compile(r"\x1b\]1339;([^\x07\x1b\n]*+)(?:\x07|\x1b\\)")
_PARAMETER = re.compile(r"(content|url)=(?:'([^']*)'|\"([^\"]*)\"|([^;]*))")
_ERASE_REST = re.compile(r"\x1b\[0*[JK]")  # there is nothing below the last line
_ERASED = "\0"
_LONGEST_NUMBER: Final = 18  # digits; a longer one does not fit into Go's int64, and counts as malformed


def without_marks(shown: str) -> str:
    """Take the marks, and bells, out of what a terminal shows."""
    return MARK.sub("", shown).replace("\x07", "")


def plainer(text: str) -> str:
    """Bring what logs write in several ways into one, and drop what does nothing."""
    silent = _SILENT if text.isascii() else _SILENT + _SILENT_BEYOND_ASCII
    if any(char in text for char in silent):
        text = _ALL_SILENT.sub("", text)
    if "\r\r" in text:
        text = _RETURNS.sub("\r", text)
    if "\r" in text:
        text = "\n".join(text.split("\r\n"))  # twice as fast as replace()
    return _LINK.sub(_content, text) if "\x1b" in text and "\x1b]1339;" in text else text


def _content(link: re.Match[str]) -> str:
    """Give the text of a link, as Buildkite writes them; else its URL."""
    told = {name: single or double or bare for name, single, double, bare in _PARAMETER.findall(link[1])}
    return told.get("content") or told.get("url") or ""


def number_at(parameters: list[str], place: int = 0) -> int:
    """Return a parameter of a sequence; 1 if it is missing or malformed."""
    digits = parameters[place] if place < len(parameters) else ""
    return int(digits) if len(digits) <= _LONGEST_NUMBER and digits.isdecimal() else 1


def overwritten(line: str, *, columns: int, marks: bool) -> str | None:
    """Return what is left of a line that returns to its beginning again and again, and moves in no other way.

    Args:
        line: The line.
        columns: How many cells a row has.
        marks: Whether the last mark of the line is kept.

    Returns:
        None if the line takes more than one row: that takes cells.
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
        if _ERASED in part:  # what it has not written itself
            break
    return mark + shown
