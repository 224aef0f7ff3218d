"""What a terminal shows of a log: overwritten lines, progress bars and cursor movements resolved, in linear time.

By hand, for no library does it: pyte folds lines at a fixed width and takes minutes for what takes seconds here; rich
knows colours and no cursor. The tests hold this against pyte. It differs from a terminal on purpose: a line is never
folded, so that a line of the log stays one, and a tab stays a tab where nothing is written over it. What inserts,
deletes or scrolls lines is ignored.

Almost all of a log is text with colours, which one pass of a regular expression strips. Only lines that do more than
that go through cells, and the lines above them become cells only once the cursor has gone up.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# The terminal that the agent gives to a command; cursors move in it, though text may run on past its width.
COLUMNS: Final = 160
ROWS: Final = 100

_MARK = r"_bk;t=(\d++)[^\x07\x1b\n]*+\x07"
MARK: Final = re.compile(rf"\x1b{_MARK}")
"""When a line was written, in milliseconds since the Unix epoch; what is shown keeps these, and no other escapes."""

_ANY_MARK = re.compile(r"\x1b_bk;(d?)t=(\d{1,18})(?!\d)[^\x07\x1b\n]*+\x07")
_STRING = r"[\]PX^_][^\x07\x1b\n]*+(?:\x07|\x1b\\)?"
_REST = rf"(?:\[[0-?]*+[ -/]*+[@-~]?|{_STRING}|[ -/]*+[0-~])?"
_CONTROLS = r"\x00-\x06\x0e-\x1a\x1c-\x1f\x7f-\x9f"  # what does nothing; BEL is left, for marks end with it
_INVISIBLE = re.compile(rf"\x1b(?!{_MARK}){_REST}")
_SILENT = re.compile(f"[{_CONTROLS}]+")
_LINK = re.compile(r"\x1b\]1339;([^\x07\x1b\n]*+)(?:\x07|\x1b\\)")
_CONTENT = re.compile(r"(content|url)=(?:'([^']*)'|\"([^\"]*)\"|([^;]*))")
# an erasure of what is to the right does nothing at the end of a line
_MOVING_ESCAPE = r"\x1b(?:\[(?!0*[JK])[0-?]*+[A-HJKX`adefsu]|[78c])"
_ESCAPING = re.compile(_MOVING_ESCAPE)
_MOVING = re.compile(rf"[\r\x08\x0b\x0c]|{_MOVING_ESCAPE}")
_TOKEN = re.compile(
    rf"([^\x00-\x1f\x7f-\x9f]++)|([\r\x08\t\x0b\x0c])|\x1b\[([0-?]*+)([@-~])|\x1b([78c])|\x1b({_MARK})|\x1b{_REST}"
)
_RETURNS = re.compile(r"\r{2,}")
_CONTROLLING, _SEQUENCE = (2, 5), 4  # which groups of a token
_NUMBERS = re.compile(r"\d{0,4}")
_TAB: Final = 8
_MOST_MARKS: Final = 32
_LONG_LINE: Final = 1 << 20
_LONG_ESCAPE: Final = 1 << 12
_BLOCK: Final = 1 << 18


class _Widths(dict[str, int]):
    """How many columns a character takes."""

    def __missing__(self, char: str) -> int:
        self[char] = width = _width(char)
        return width


def _width(char: str) -> int:
    if unicodedata.category(char) in {"Mn", "Me", "Cf"} and char != "\xad":
        return 0
    return 2 if unicodedata.east_asian_width(char) in {"W", "F"} else 1


_WIDTHS = _Widths()


class _Row:
    """A line on the screen: as text that was never touched, or as cells.

    A cell is a character with what combines with it; one that is wider is followed by empty cells.
    """

    __slots__ = ("cells", "mark", "text")

    def __init__(self, text: str | None = None) -> None:
        self.text = text
        self.mark = ""
        self.cells: list[str] = []

    @property
    def is_empty(self) -> bool:
        return not self.text and not self.cells and not self.mark

    def opened(self) -> list[str]:
        """Give the cells, to be changed."""
        if self.text is not None:
            marks = list(MARK.finditer(self.text))
            self.mark = marks[-1][0] if marks else ""
            self.cells, self.text = _cells(MARK.sub("", self.text)), None
        return self.cells

    def shown(self) -> str:
        return self.mark + "".join(self.cells) if self.text is None else self.text


class Terminal:
    """A terminal that gives the lines that leave its screen, and at the end those that are on it.

    Args:
        rows: How many lines the cursor reaches; those above cannot change any more.
        columns: How far to the right it can be moved.
        style: Called with each colour sequence, gives what is put before each cell from there on; such a terminal is
            slow, for all is cells.
    """

    def __init__(self, *, rows: int = ROWS, columns: int = COLUMNS, style: Callable[[str], str] | None = None) -> None:
        self._height = rows
        self._right = columns - 1
        self._style = style
        self._prefix = style("\x1b[m") if style else ""
        self._blank = self._prefix + " "
        self._rows = [_Row()]
        self._x = self._y = 0
        self._saved = (0, 0)
        self._done: list[str] = []
        self._has_moved_up = False  # until then the screen has one row, and what is above it is in `_done`
        self._held: list[str] = []
        self._held_size = 0
        self._time = 0
        self._moves = self._moves_by_name()
        self._controls = {
            "\r": self._return,
            "\b": self._left,
            "\t": self._tab,
            "\v": self._feed_line,
            "\f": self._feed_line,
            "7": self._save,
            "8": self._restore,
            "c": self._reset,
        }

    def feed(self, text: str) -> None:
        """Take in more of the log; a line that is not whole is kept, unless it is very long."""
        end = text.rfind("\n") + 1
        self._held_size += len(text)
        if not end and self._held_size < _LONG_LINE:
            self._held.append(text)
            return
        whole = "".join((*self._held, text[: end or None]))
        rest = text[end:] if end else ""
        if not end and len(whole) - (cut := whole.rfind("\x1b")) < _LONG_ESCAPE:
            whole, rest = whole[:cut], whole[cut:]
        self._held, self._held_size = [rest], len(rest)
        self._take(whole)

    def finished(self) -> str:
        """Give the lines that came to their end since this was last asked, with marks and ends of lines."""
        done, kept = ("".join(self._done), "") if self._has_moved_up else _split(self._done, self._height)
        self._done = [kept]
        return done

    def close(self) -> str:
        """Give the lines that are left."""
        self._take("".join(self._held), is_last=True)
        return "".join(self._done) + "\n".join(row.shown() for row in self._rows)

    # -- the two ways of a line

    def _take(self, text: str, *, is_last: bool = False) -> None:
        text = self._plainer(text)
        moving = _MOVING if any(control in text for control in "\r\b\v\f") else _ESCAPING
        place, end = 0, len(text) if is_last else text.rfind("\n") + 1
        while place < len(text):
            if self._is_fresh() and self._style is None and place < end:
                upto = _before_movement(text, place, end, moving)
                if upto > place:
                    self._append(text[place:upto])
                place = upto
            if place < len(text):
                place = self._draw_line(text, place)

    def _plainer(self, text: str) -> str:
        """Bring what can be written in several ways into one."""
        text = text.replace("\r\n", "\n")
        if "\r" in text:
            text = _RETURNS.sub("\r", text).replace("\r\n", "\n")
        if "\x1b]1339;" in text:
            text = _LINK.sub(_content, text)
        if "\x1b_bk;dt=" in text:
            return _ANY_MARK.sub(self._absolute, text)
        if (place := text.rfind("\x1b_bk;t=")) >= 0 and (mark := _ANY_MARK.match(text, place)):
            self._absolute(mark)
        return text

    def _absolute(self, mark: re.Match[str]) -> str:
        told = int(mark[2])
        self._time = self._time + told if mark[1] else told
        return f"\x1b_bk;t={self._time}\x07"

    def _is_fresh(self) -> bool:
        """Tell whether the cursor is at the beginning of a line that is the last one, and empty."""
        return not self._x and self._y == len(self._rows) - 1 and self._rows[-1].is_empty

    def _append(self, text: str) -> None:
        """Add lines in which nothing moves."""
        shown = _SILENT.sub("", _INVISIBLE.sub("", text))
        if not self._has_moved_up:
            self._done.append(shown)
            return
        parts = shown.rsplit("\n", self._height)
        self._rows.pop()
        if len(parts) > self._height:
            self._scroll(len(self._rows))
            self._done.append(f"{parts.pop(0)}\n")
        self._rows += map(_Row, parts)
        self._scroll(len(self._rows) - self._height)
        self._y = len(self._rows) - 1

    def _draw_line(self, text: str, place: int) -> int:
        """Draw what is left of a line into cells, and give where the next one begins."""
        end = text.find("\n", place)
        for token in _TOKEN.finditer(text, place, len(text) if end < 0 else end):
            kind = token.lastindex
            if kind == 1:
                self._put(token[0])
            elif kind in _CONTROLLING:
                self._controls[token[kind]]()
            elif kind == _SEQUENCE:
                self._control(token)
            elif kind is not None:
                row = self._rows[self._y]
                row.opened()
                row.mark = token[0]
        if end < 0:
            return len(text)
        self._feed_line()
        return end + 1

    def _control(self, token: re.Match[str]) -> None:
        told, final = token[3], token[4]
        if final == "m" and self._style is not None:
            self._prefix = self._style(token[0])
        elif final in self._moves and not told.startswith(("<", "=", ">", "?")):
            first, _, second = told.partition(";")
            self._moves[final](_number(first), _number(second))

    # -- writing

    def _put(self, text: str) -> None:
        cells: Sequence[str] = text
        if not text.isascii():
            cells = _cells(self._combined(text))
        if self._style is not None:
            cells = [self._prefix + cell if cell else cell for cell in cells]
        self._write(cells)

    def _write(self, cells: Sequence[str]) -> None:
        row, begin, end = self._rows[self._y].opened(), self._x, self._x + len(cells)
        if begin > len(row):
            row.extend([self._blank] * (begin - len(row)))
        elif begin < len(row):
            self._break(row, begin)
            self._break(row, end)
        row[begin:end] = cells
        self._x = end

    def _combined(self, text: str) -> str:
        """Take from the beginning of a text what combines with the character before it."""
        row, before = self._rows[self._y].opened(), self._x - 1
        start = next((place for place, char in enumerate(text) if _WIDTHS[char]), len(text))
        if start and 0 <= before < len(row):
            _combine(row, before, text[:start])
        return text[start:]

    def _break(self, row: list[str], place: int) -> None:
        """Blank a character that takes several cells, before one of them is written over."""
        if place >= len(row) or row[place]:
            return
        while not row[place]:
            place -= 1
        row[place] = self._blank
        while place + 1 < len(row) and not row[place + 1]:
            place += 1
            row[place] = self._blank

    def _tab(self) -> None:
        stop = (self._x // _TAB + 1) * _TAB
        if self._x == len(self._rows[self._y].opened()):
            self._write([f"{self._prefix}\t", *[""] * (stop - self._x - 1)])
        self._x = stop

    # -- moving in a line

    def _return(self) -> None:
        self._x = 0

    def _to_column(self, column: int, _: int = 0) -> None:
        self._x = min(max(column, 1) - 1, self._right)

    def _left(self, n: int = 1, _: int = 0) -> None:
        self._x = max(0, self._x - max(n, 1))

    def _forward(self, n: int, _: int = 0) -> None:
        self._x = min(self._x + max(n, 1), max(self._x, self._right))

    def _bound(self) -> None:
        """Bring the cursor back to where a terminal has columns: who writes next pads the line up to it."""
        self._x = min(self._x, self._right)

    # -- moving between lines

    def _feed_line(self) -> None:
        self._x = 0
        self._y += 1
        if self._y < len(self._rows):
            return
        self._rows.append(_Row())
        self._scroll(len(self._rows) - (self._height if self._has_moved_up else 1))

    def _scroll(self, n: int) -> None:
        """Let the first rows leave the screen."""
        if n > 0:
            self._done.extend(f"{row.shown()}\n" for row in self._rows[:n])
            del self._rows[:n]
            self._y -= n

    def _see_screen(self) -> None:
        """Have the rows of the whole screen at hand, from here on."""
        if self._has_moved_up:
            return
        self._has_moved_up = True
        done, kept = _split(self._done, self._height)
        self._done = [done]
        above = kept.split("\n")[:-1]
        self._rows[:0] = map(_Row, above)
        self._y += len(above)

    def _to_row(self, row: int) -> None:
        self._see_screen()
        self._bound()
        self._y = min(max(row, 0), self._height - 1)
        self._rows += [_Row() for _ in range(self._y + 1 - len(self._rows))]

    def _up(self, n: int, _: int = 0) -> None:
        self._see_screen()
        self._to_row(self._y - max(n, 1))

    def _down(self, n: int, _: int = 0) -> None:
        self._see_screen()
        self._to_row(self._y + max(n, 1))

    def _up_and_left(self, n: int, _: int = 0) -> None:
        self._up(n)
        self._return()

    def _down_and_left(self, n: int, _: int = 0) -> None:
        self._down(n)
        self._return()

    def _row_absolute(self, row: int, _: int = 0) -> None:
        self._to_row(row - 1)

    def _to_place(self, row: int, column: int) -> None:
        self._to_row(row - 1)
        self._to_column(column)

    def _save(self, *_: int) -> None:
        self._see_screen()
        self._bound()
        self._saved = (self._y, self._x)

    def _restore(self, *_: int) -> None:
        row, column = self._saved
        self._to_row(row)
        self._x = column

    # -- erasing

    def _erase_in_line(self, what: int, _: int = 0) -> None:
        row, end = self._rows[self._y].opened(), self._x + 1
        if what == 0:
            self._break(row, self._x)
            del row[self._x :]
        elif what == 2 or end >= len(row):  # noqa: PLR2004 - as the sequence has it
            row.clear()
            self._bound()
        elif what == 1:
            self._break(row, end)
            row[:end] = [self._blank] * end
            self._bound()

    def _erase_in_screen(self, what: int, _: int = 0) -> None:
        if what in {1, 2}:
            self._see_screen()
            for row in self._rows[: self._y]:
                row.opened().clear()
        if what in {0, 1, 2}:
            self._erase_in_line(what)
        if what in {0, 2}:
            del self._rows[self._y + 1 :]

    def _erase_characters(self, n: int, _: int = 0) -> None:
        row = self._rows[self._y].opened()
        end = min(self._x + max(n, 1), self._x + self._right, len(row))
        if end > self._x:
            self._break(row, self._x)
            self._break(row, end)
            row[self._x : end] = [self._blank] * (end - self._x)

    def _reset(self) -> None:
        self._erase_in_screen(2)
        self._to_place(1, 1)

    def _moves_by_name(self) -> dict[str, Callable[[int, int], None]]:
        """Name what moves the cursor, or erases, by the last letter of its sequence."""
        return {
            "A": self._up,
            "B": self._down,
            "C": self._forward,
            "D": self._left,
            "E": self._down_and_left,
            "F": self._up_and_left,
            "G": self._to_column,
            "H": self._to_place,
            "J": self._erase_in_screen,
            "K": self._erase_in_line,
            "X": self._erase_characters,
            "`": self._to_column,
            "a": self._forward,
            "d": self._row_absolute,
            "e": self._down,
            "f": self._to_place,
            "s": self._save,
            "u": self._restore,
        }


def show(text: str) -> str:
    """Give what a terminal shows of a whole log, with the marks of its lines."""
    terminal = Terminal()
    # in blocks, for a text with one wide character takes four bytes for each, and a part of it seldom does
    for place in range(0, len(text), _BLOCK):
        terminal.feed(text[place : place + _BLOCK])
    return terminal.close()


def without_marks(shown: str) -> str:
    """Take the marks, and bells, out of what a terminal shows."""
    return MARK.sub("", shown).replace("\x07", "")


def _cells(text: str) -> list[str]:
    """Put a text that begins a line into cells."""
    if text.isascii() and "\t" not in text:
        return list(text)
    cells: list[str] = []
    for char in text:
        width = _TAB - len(cells) % _TAB if char == "\t" else _WIDTHS[char]
        if width:
            cells += [char, *[""] * (width - 1)]
        elif cells:
            _combine(cells, len(cells) - 1, char)
    return cells


def _combine(cells: list[str], place: int, text: str) -> None:
    """Have a character combine with the one in a cell; so many do that it stays one."""
    while not cells[place]:
        place -= 1
    cells[place] += text[: max(0, _MOST_MARKS - len(cells[place]))]


def _split(done: list[str], height: int) -> tuple[str, str]:
    """Split lines into those that have left a screen of a height and those above the last one that it shows."""
    joined = "".join(done)
    parts = joined.rsplit("\n", height)
    end = len(parts[0]) + 1 if len(parts) > height else 0
    return joined[:end], joined[end:]


def _before_movement(text: str, place: int, end: int, moving: re.Pattern[str]) -> int:
    """Give where the line begins in which something moves first."""
    found = moving.search(text, place, end)
    return end if found is None else (text.rfind("\n", place, found.start()) + 1 or place)


def _number(told: str) -> int:
    found = _NUMBERS.match(told)
    return int(found[0] or 0) if found else 0


def _content(link: re.Match[str]) -> str:
    """Give the text of a link, as Buildkite writes them; else its URL."""
    told = {name: single or double or bare for name, single, double, bare in _CONTENT.findall(link[1])}
    return told.get("content") or told.get("url") or ""
