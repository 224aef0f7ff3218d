"""The language of terminals, as far as logs speak it: escape sequences, marks, and the columns that characters take."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

# Every repetition is possessive, and every string ends with its line: nothing here looks at a character twice.
_SEQUENCE = r"\[[0-?]*+[ -/]*+[@-~]?"
_STRING = r"[\]PX^_][^\x07\x1b\n]*+(?:\x07|\x1b\\)?"
_REST = rf"(?:{_SEQUENCE}|{_STRING}|[ -/]*+[0-~])?"
_MARK = r"_bk;t=(\d++)[^\x07\x1b\n]*+\x07"

MARK: Final = re.compile(rf"\x1b{_MARK}")
"""When a line was written, in milliseconds since the Unix epoch."""

ANY_MARK: Final = re.compile(r"\x1b_bk;(d?)t=(\d{1,18})(?!\d)[^\x07\x1b\n]*+\x07")
"""The same, or how much later than the mark before it."""

INVISIBLE: Final = re.compile(rf"\x1b{_REST}")
"""What shows nothing where nothing moves."""

INVISIBLE_BUT_MARKS: Final = re.compile(rf"\x1b(?!{_MARK}){_REST}")
"""The same, without the marks."""

# what is to the right of the end of a line need not be erased
MOVING: Final = re.compile(r"\x1b(?:\[(?!0*[JK])[0-?]*+[A-HJKX`adefsu]|[78c])")
"""An escape sequence that makes a line more than the sum of its parts."""

TOKEN: Final = re.compile(
    rf"([^\x00-\x1f\x7f-\x9f]++)|([\r\x08\t\x0b\x0c])|\x1b\[([0-?]*+)([@-~])|\x1b([78c])|\x1b({_MARK})|\x1b{_REST}"
)
"""A part of a line: text (1), a control (2, 5), parameters and name of a sequence (3, 4), a mark (6)."""

TAB: Final = 8

_SILENT = (*map(chr, (*range(7), *range(0x0E, 0x1B), *range(0x1C, 0x20), 0x7F)),)
_SILENT_BEYOND_ASCII = (*map(chr, range(0x80, 0xA0)),)
_ALL_SILENT = re.compile(f"[{''.join(_SILENT + _SILENT_BEYOND_ASCII)}]+")
_RETURNS = re.compile(r"\r\r+")
_LINK = re.compile(r"\x1b\]1339;([^\x07\x1b\n]*+)(?:\x07|\x1b\\)")
_PARAMETER = re.compile(r"(content|url)=(?:'([^']*)'|\"([^\"]*)\"|([^;]*))")
_ERASE_REST = re.compile(r"\x1b\[0*K")
_ERASED = "\0"
# Latin, punctuation, arrows, and what progress bars and spinners are made of: quicker than asking for each character
_NARROW = re.compile("[\\r\\0 -~\xa0-\u02ff\u2010-\u2027\u2190-\u21ff\u2500-\u259f\u2713-\u2718\u2800-\u28ff]*+")
_MOST_COMBINED: Final = 32


class _Widths(dict[str, int]):
    """How many columns a character takes."""

    def __missing__(self, char: str) -> int:
        self[char] = width = _width(char)
        return width


def _width(char: str) -> int:
    if unicodedata.category(char) in {"Mn", "Me", "Cf"} and char != "\xad":
        return 0
    return 2 if unicodedata.east_asian_width(char) in {"W", "F"} else 1


WIDTHS: Final = _Widths()
"""How many columns each character takes."""


def is_narrow(text: str) -> bool:
    """Tell whether each character of a text is known to take one column; of what moves, it has tabs at most."""
    return (text.isascii() and "\t" not in text) or _NARROW.fullmatch(text) is not None


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


def overwritten(line: str, *, marks: bool) -> str | None:
    """Give what is left of a line that returns to its beginning again and again, and moves in no other way.

    Args:
        line: The line.
        marks: Whether its last mark is kept.

    Returns:
        None where characters are not of one width: that takes cells.
    """
    mark = ""
    if "\x1b" in line:
        found = MARK.findall(line) if marks else None
        mark = f"\x1b_bk;t={found[-1]}\x07" if found else ""
        line = INVISIBLE.sub("", _ERASE_REST.sub(_ERASED, line))
    line = line.replace("\x07", "")
    if not is_narrow(line):
        return None
    shown = ""
    for part in reversed(line.split("\r")):
        if _ERASED in part:
            shown += part.replace(_ERASED, "")[len(shown) :]
            break
        if len(part) > len(shown):
            shown += part[len(shown) :]
    return mark + shown


# -- cells: a character with what combines with it; one that is wider is followed by empty cells -----------------------


def cells_of(text: str) -> list[str]:
    """Put a text into cells, as at the beginning of a line."""
    if is_narrow(text):
        return list(text)
    cells: list[str] = []
    for char in text:
        width = TAB - len(cells) % TAB if char == "\t" else WIDTHS[char]
        if width:
            cells += [char, *[""] * (width - 1)]
        elif cells:
            combine(cells, len(cells) - 1, char)
    return cells


def combine(cells: list[str], place: int, text: str) -> None:
    """Have characters combine with that in a cell; only so many do, or a cell would grow without end."""
    while not cells[place]:
        place -= 1
    cells[place] += text[: max(0, _MOST_COMBINED - len(cells[place]))]


def break_wide(cells: list[str], place: int, blank: str) -> None:
    """Blank a character that takes several cells, before one of them is written over."""
    if place >= len(cells) or cells[place]:
        return
    while not cells[place]:
        place -= 1
    cells[place] = blank
    while place + 1 < len(cells) and not cells[place + 1]:
        place += 1
        cells[place] = blank
