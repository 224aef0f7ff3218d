"""What a terminal shows of a log: overwritten lines, progress bars and cursor movements resolved, in linear time.

By hand, for no library does it: pyte folds lines at a fixed width and takes minutes for what takes seconds here; rich
knows colours and no cursor. The tests hold this against pyte. It differs from a terminal on purpose: a line is never
folded, so that a line of the log stays one, and a tab stays a tab where nothing is written over it. What inserts,
deletes or scrolls lines is ignored.

Almost all of a log is text with colours, which one pass of a regular expression strips. Only lines that do more than
that go through cells, and the lines above them only once the cursor has gone up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from buildkite_orm.ansi import (
    ANY_MARK,
    INVISIBLE,
    INVISIBLE_BUT_MARKS,
    MARK,
    MOVING,
    TAB,
    TOKEN,
    WIDTHS,
    break_wide,
    cells_of,
    combine,
    is_narrow,
    overwritten,
    plainer,
)

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Sequence

# The terminal that the agent gives to a command; cursors move in it, though text may run on past its width.
COLUMNS: Final = 160
ROWS: Final = 100

# All but tab, newline and return; the one that nearly every log has comes first.
_MOVERS: Final = ("\x1b", *map(chr, (*range(9), 11, 12, *range(14, 27), *range(28, 32), 127)))
_BLOCK: Final = 1 << 18
_LONG_LINE: Final = 1 << 20
_LONG_ESCAPE: Final = 1 << 12
_TEXT, _CONTROLS, _SEQUENCE = 1, (2, 5), 4  # groups of a token


def show(text: str, *, marks: bool = False) -> str:
    """Give what a terminal shows of a whole log, with the marks of its lines if they are asked for."""
    if text.isascii() and not any(control in text for control in _MOVERS):
        unix = text.replace("\r\n", "\n")
        if "\r" not in unix:
            return unix  # nothing moves the cursor
    terminal, place = Terminal(marks=marks), 0
    # in blocks, for a text with one wide character takes four bytes for each, and a part of it seldom does
    while end := text.find("\n", place + _BLOCK) + 1:
        terminal.draw(text[place:end])
        place = end
    return terminal.close(text[place:])


class _Row:
    """A line on the screen: as text that was never touched, or as cells."""

    __slots__ = ("cells", "mark", "text")

    def __init__(self, text: str | None = None) -> None:
        self.text = text
        self.mark = ""
        self.cells: list[str] = []

    @property
    def is_empty(self) -> bool:
        return not (self.text or self.cells or self.mark)

    def opened(self) -> list[str]:
        """Give the cells, to be changed."""
        if self.text is not None:
            marks = list(MARK.finditer(self.text))
            self.mark = marks[-1][0] if marks else ""
            self.cells, self.text = cells_of(MARK.sub("", self.text).replace("\x07", "")), None
        return self.cells

    def shown(self) -> str:
        return self.mark + "".join(self.cells) if self.text is None else self.text


class _Movements:
    """Finds the lines of a text in which something moves."""

    def __init__(self, text: str, end: int) -> None:
        self._text = text
        self._end = end
        self._return = -1 if "\r" in text else end
        self._others = {kind: -1 for kind in "\b\v\f\x1b" if kind in text}
        self._other = end

    def line_after(self, place: int) -> int:
        """Give where the next such line begins, from the beginning of one on; the end where there is none."""
        if self._return < place:
            self._return = self._find("\r", place)
        for kind, known in self._others.items():
            if known < place:
                self._others[kind] = self._find(kind, place)
        self._other = min(self._others.values(), default=self._end)
        first = min(self._return, self._other)
        return self._end if first == self._end else (self._text.rfind("\n", place, first) + 1 or place)

    def only_returns(self, end: int) -> bool:
        """Tell whether in the line that was found, up to its end, nothing but returns moves."""
        return self._other >= end

    def _find(self, kind: str, place: int) -> int:
        if kind != "\x1b":
            found = self._text.find(kind, place, self._end)
            return self._end if found < 0 else found
        sequence = MOVING.search(self._text, place, self._end)
        return self._end if sequence is None else sequence.start()


class Terminal:
    """A terminal that gives the lines that leave its screen, and at the end those that are on it.

    Args:
        rows: How many lines the cursor reaches; those above cannot change any more.
        columns: How far to the right it can be moved.
        marks: Whether each line keeps its last mark, which says when it was written.
        style: Called with each colour sequence, gives what is put before each cell from there on; such a terminal is
            slow, for all is cells.
    """

    def __init__(
        self,
        *,
        rows: int = ROWS,
        columns: int = COLUMNS,
        marks: bool = False,
        style: Callable[[str], str] | None = None,
    ) -> None:
        self._height = rows
        self._right = columns - 1
        self._keeps_marks = marks
        self._invisible = INVISIBLE_BUT_MARKS if marks else INVISIBLE
        self._style = style
        self._prefix = style("\x1b[m") if style else ""
        self._blank = self._prefix + " "
        self._rows = [_Row()]
        self._x = self._y = 0
        self._saved = (0, 0)
        self._done: list[str] = []
        # until then the screen has one row, and what is above it is text; with styles that could not become cells again
        self._has_moved_up = style is not None
        self._held: list[str] = []
        self._held_size = 0
        self._time = 0
        self._moves = self._named_moves()
        self._controls = self._named_controls()

    def feed(self, text: str) -> None:
        """Take in a piece of the log; a line that is not whole is kept, unless it is very long."""
        end = text.rfind("\n") + 1
        self._held_size += len(text)
        if not end and self._held_size < _LONG_LINE:
            self._held.append(text)
            return
        whole, rest = "".join((*self._held, text[: end or None])), text[end:] if end else ""
        if not end and len(whole) - (cut := whole.rfind("\x1b")) < _LONG_ESCAPE:
            whole, rest = whole[:cut], whole[cut:]
        self._held, self._held_size = [rest], len(rest)
        self.draw(whole)

    def finished(self) -> str:
        """Give the lines that left the screen since this was last asked, with marks and ends of lines."""
        done, kept = ("".join(self._done), "") if self._has_moved_up else _split(self._done, self._height)
        if len(kept) > _LONG_LINE:
            cut = kept.rfind("\n", 0, len(kept) - _LONG_LINE) + 1
            done, kept = done + kept[:cut], kept[cut:]
        self._done = [kept]
        return done

    def close(self, rest: str = "") -> str:
        """Take in the rest of the log, and give the lines that are left."""
        self.draw("".join((*self._held, rest)), is_last=True)
        return "".join(self._done) + "\n".join(row.shown() for row in self._rows)

    def draw(self, text: str, *, is_last: bool = False) -> None:
        """Take in whole lines, or the part of a line that is drawn already."""
        text = self._timed(plainer(text)) if self._keeps_marks else plainer(text)
        place, end = 0, len(text) if is_last else text.rfind("\n") + 1
        movements = _Movements(text, end)
        while place < len(text):
            if place >= end or self._style is not None or not self._is_fresh():
                place = self._draw_line(text, place)
                continue
            upto = movements.line_after(place)
            if upto > place:
                self._append(self._stripped(text[place:upto]))
            place = self._write_over(text, upto, movements)

    # -- the ways of a line

    def _timed(self, text: str) -> str:
        """Make marks that tell how much later they are tell the time."""
        if "\x1b_bk;dt=" in text:
            return ANY_MARK.sub(self._absolute, text)
        if (place := text.rfind("\x1b_bk;t=")) >= 0 and (mark := ANY_MARK.match(text, place)):
            self._absolute(mark)
        return text

    def _absolute(self, mark: re.Match[str]) -> str:
        told = int(mark[2])
        self._time = self._time + told if mark[1] else told
        return f"\x1b_bk;t={self._time}\x07"

    def _stripped(self, lines: str) -> str:
        shown = self._invisible.sub("", lines) if "\x1b" in lines else lines
        return shown.replace("\x07", "") if "\x07" in shown and not self._keeps_marks else shown  # marks end with one

    def _is_fresh(self) -> bool:
        """Tell whether the cursor is at the beginning of a line that is the last one, and empty."""
        return not self._x and self._y == len(self._rows) - 1 and self._rows[-1].is_empty

    def _append(self, shown: str) -> None:
        """Add lines in which nothing moves, or has moved already."""
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

    def _write_over(self, text: str, place: int, movements: _Movements) -> int:
        """Add a line in which only returns move, if it is one, and give where the next one begins."""
        end = text.find("\n", place)
        if end < 0 or not movements.only_returns(end):
            return self._draw_line(text, place)
        shown = overwritten(text[place:end], marks=self._keeps_marks)
        if shown is None:
            return self._draw_line(text, place)
        self._append(f"{shown}\n")
        return end + 1

    def _draw_line(self, text: str, place: int) -> int:
        """Draw what is left of a line into cells, and give where the next one begins."""
        end = text.find("\n", place)
        for token in TOKEN.finditer(text, place, len(text) if end < 0 else end):
            kind = token.lastindex
            if kind == _TEXT:
                self._put(token[0])
            elif kind in _CONTROLS:
                self._controls[token[kind]]()
            elif kind == _SEQUENCE:
                self._obey(token)
            elif kind is not None and self._keeps_marks:
                row = self._rows[self._y]
                row.opened()
                row.mark = token[0]
        if end < 0:
            return len(text)
        self._feed_line()
        return end + 1

    def _obey(self, sequence: re.Match[str]) -> None:
        told, name = sequence[3], sequence[4]
        if name == "m" and self._style is not None:
            self._prefix = self._style(sequence[0])
        elif name in self._moves and not told.startswith(("<", "=", ">", "?")):
            first, _, second = told.partition(";")
            self._moves[name](_number(first), _number(second))

    # -- writing

    def _put(self, text: str) -> None:
        cells: Sequence[str] = text if is_narrow(text) else cells_of(self._combined(text))
        if self._style is not None:
            cells = [self._prefix + cell if cell else cell for cell in cells]
        self._write(cells)

    def _combined(self, text: str) -> str:
        """Take from the beginning of a text what combines with the character before it."""
        row, before = self._rows[self._y].opened(), self._x - 1
        start = next((place for place, char in enumerate(text) if WIDTHS[char]), len(text))
        if start and 0 <= before < len(row):
            combine(row, before, text[:start])
        return text[start:]

    def _write(self, cells: Sequence[str]) -> None:
        row, begin, end = self._rows[self._y].opened(), self._x, self._x + len(cells)
        if begin > len(row):
            row.extend([self._blank] * (begin - len(row)))
        elif begin < len(row):
            break_wide(row, begin, self._blank)
            break_wide(row, end, self._blank)
        row[begin:end] = cells
        self._x = end

    def _tab(self) -> None:
        stop = (self._x // TAB + 1) * TAB
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
        if self._y == len(self._rows):
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
        self._bound()
        self._y = min(max(row, 0), self._height - 1)
        self._rows += [_Row() for _ in range(self._y + 1 - len(self._rows))]

    def _up(self, n: int, _: int = 0) -> None:
        self._see_screen()
        self._to_row(self._y - max(n, 1))

    def _down(self, n: int, _: int = 0) -> None:
        self._see_screen()
        self._to_row(self._y + max(n, 1))

    def _up_to_beginning(self, n: int, _: int = 0) -> None:
        self._up(n)
        self._return()

    def _down_to_beginning(self, n: int, _: int = 0) -> None:
        self._down(n)
        self._return()

    def _to_line(self, row: int, _: int = 0) -> None:
        self._see_screen()
        self._to_row(row - 1)

    def _to_place(self, row: int, column: int) -> None:
        self._to_line(row)
        self._to_column(column)

    def _save(self, *_: int) -> None:
        self._see_screen()
        self._bound()
        self._saved = (self._y, self._x)

    def _restore(self, *_: int) -> None:
        self._see_screen()
        row, column = self._saved
        self._to_row(row)
        self._x = column

    # -- erasing

    def _erase_in_line(self, what: int, _: int = 0) -> None:
        row, end = self._rows[self._y].opened(), self._x + 1
        if what == 0:
            break_wide(row, self._x, self._blank)
            del row[self._x :]
        elif what == 2 or (what == 1 and end >= len(row)):  # noqa: PLR2004 - as the sequence has it
            row.clear()
            self._bound()
        elif what == 1:
            break_wide(row, end, self._blank)
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
        end = min(self._x + min(max(n, 1), self._right + 1), len(row))
        if end > self._x:
            break_wide(row, self._x, self._blank)
            break_wide(row, end, self._blank)
            row[self._x : end] = [self._blank] * (end - self._x)

    def _reset(self) -> None:
        self._erase_in_screen(2)
        self._to_place(1, 1)

    def _named_controls(self) -> dict[str, Callable[[], None]]:
        """Name what single characters do; some stand behind an escape."""
        return {
            "\r": self._return,
            "\b": self._left,
            "\t": self._tab,
            "\v": self._feed_line,
            "\f": self._feed_line,
            "7": self._save,
            "8": self._restore,
            "c": self._reset,
        }

    def _named_moves(self) -> dict[str, Callable[[int, int], None]]:
        """Name what moves the cursor, or erases, by the last letter of its sequence."""
        return {
            "A": self._up,
            "B": self._down,
            "C": self._forward,
            "D": self._left,
            "E": self._down_to_beginning,
            "F": self._up_to_beginning,
            "G": self._to_column,
            "H": self._to_place,
            "J": self._erase_in_screen,
            "K": self._erase_in_line,
            "X": self._erase_characters,
            "`": self._to_column,
            "a": self._forward,
            "d": self._to_line,
            "e": self._down,
            "f": self._to_place,
            "s": self._save,
            "u": self._restore,
        }


def _split(done: list[str], height: int) -> tuple[str, str]:
    """Split lines into those that have left a screen of a height and those above the last one that it shows."""
    joined = "".join(done)
    parts = joined.rsplit("\n", height)
    end = len(parts[0]) + 1 if len(parts) > height else 0
    return joined[:end], joined[end:]


def _number(told: str) -> int:
    digits = told[:4]
    return int(digits) if digits.isdecimal() else 0
