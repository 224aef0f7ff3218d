"""What Buildkite's page shows of a log: overwritten lines, progress bars and cursor movements resolved, in linear time.

By hand, for no library does it: pyte takes minutes for what takes seconds here; rich knows colours and no cursor. The
rules are those of Buildkite's own renderer, terminal-to-html, not those of a terminal:

- The size of the agent's terminal is not known, so a row of the screen cannot be addressed: a move to a row and a
  column (`ESC[5;1H`) begins a new line, unless the line is still empty, and goes to the column.
- Each character takes one cell, a tab or a wide one too.
- After 160 cells a line goes on in the next row of the screen, where a return goes to the beginning of that row. All
  its rows are one line of the result.
- A movement by 0 does nothing, and empty parameters are skipped.

Where that renderer shows the rest of a sequence that it does not know, or takes its small letter for a capital, this
does what ECMA-48 says, or nothing. It never loses a line to `ESC[3J` or `ESC c` that has left the screen.

Almost all of a log is text with colours, which one pass of a regular expression strips. Only lines that do more than
that go through cells, and the lines above them only once the cursor has gone up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from buildkite_orm.logs.ansi import (
    ANY_MARK,
    INVISIBLE,
    INVISIBLE_BUT_MARKS,
    TOKEN,
    number_at,
    overwritten,
    plainer,
)
from buildkite_orm.logs.terminal_rows import Movements, Row

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Sequence

# The terminal that the agent gives to a command.
COLUMNS: Final = 160
ROWS: Final = 100

# All but tab, newline and return; the one that nearly every log has comes first.
_MOVERS: Final = ("\x1b", *map(chr, (*range(9), *range(11, 13), *range(14, 27), *range(28, 32), 127)))
_BLOCK: Final = 1 << 18
_LONG_LINE: Final = 1 << 20
_LONG_ESCAPE: Final = 1 << 12
_TEXT, _CONTROLS, _SEQUENCE, _IMAGE = 1, (2, 5), 4, 6  # groups of a token


def show(text: str, *, marks: bool = False) -> str:
    """Return what Buildkite's page shows of a whole log, with the marks of its lines if they are asked for."""
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


class Terminal:
    """A terminal that returns the lines that leave its screen, and at the end those that are on it.

    Args:
        rows: How many rows the cursor reaches; those above cannot change any more.
        columns: How many cells a row has.
        marks: Whether each line keeps its last mark, which says when it was written.
        style: Called with each color sequence, returns what is put before each cell from there on; such a terminal is
            slow, because everything is drawn into cells.

    Attributes:
        has_moved_up: Whether the cursor has left the last line; only then are the rows of the whole screen kept.
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
        self._columns = columns
        self._keeps_marks = marks
        self._invisible = INVISIBLE_BUT_MARKS if marks else INVISIBLE
        self._style = style
        self._prefix = style("\x1b[m") if style else ""
        self._blank = self._prefix + " "
        self._rows = [Row()]
        self._x = self._y = 0  # the row need not be there yet, if the cursor went down
        self._saved = (0, 0)
        self._done: list[str] = []
        self._whole = 0  # how many of them make whole lines
        # until the cursor moves up, the screen has one row and the lines above it are text; text with styles could not
        # become cells again
        self.has_moved_up = style is not None
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
        """Return the lines that left the screen since the last call, with marks and ends of lines."""
        if not self._whole:
            return ""
        done, going_on = "".join(self._done[: self._whole]), self._done[self._whole :]
        done, kept = (done, "") if self.has_moved_up else _split(done, self._height)
        if len(kept) > _LONG_LINE:
            cut = kept.rfind("\n", 0, len(kept) - _LONG_LINE) + 1
            done, kept = done + kept[:cut], kept[cut:]
        self._done, self._whole = [kept, *going_on] if kept else going_on, bool(kept)
        return done

    def close(self, rest: str = "") -> str:
        """Take in the rest of the log, and return the lines that are left."""
        self.draw("".join((*self._held, rest)), is_last=True)
        self._rows[-1].ends = False
        return "".join(self._done) + "".join(row.shown() for row in self._rows)

    def draw(self, text: str, *, is_last: bool = False) -> None:
        """Take in whole lines, or the part of a line that is drawn already."""
        text = self._timed(plainer(text)) if self._keeps_marks else plainer(text)
        place, end = 0, len(text) if is_last else text.rfind("\n") + 1
        movements = Movements(text, end)
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
        return not self._x and self._y == len(self._rows) - 1 and self._rows[-1].is_untouched

    def _append(self, shown: str) -> None:
        """Add lines in which nothing moves, or has moved already."""
        if not self.has_moved_up:
            self._done.append(shown)
            self._whole = len(self._done)
            return
        lines = shown.rsplit("\n", self._height)
        self._rows.pop()
        if len(lines) > self._height:
            self._scroll(len(self._rows))
            self._done.append(f"{lines.pop(0)}\n")
            self._whole = len(self._done)
        for line in lines:
            self._rows += self._wrapped(line)
        self._scroll(len(self._rows) - self._height)
        self._y = len(self._rows) - 1

    def _wrapped(self, line: str) -> list[Row]:
        """Return the rows that a line takes on the screen."""
        row = Row(line)
        if len(line) <= self._columns or len(cells := row.opened()) <= self._columns:
            return [row]
        rows = [row, *(Row() for _ in range(self._columns, len(cells), self._columns))]
        for place, each in enumerate(rows):
            each.cells = cells[place * self._columns : (place + 1) * self._columns]
            each.ends = each is rows[-1]
        return rows

    def _write_over(self, text: str, place: int, movements: Movements) -> int:
        """Add a line in which only returns move, if it is one, and return where the next one begins."""
        end = text.find("\n", place)
        if end < 0 or not movements.only_returns(end):
            return self._draw_line(text, place)
        shown = overwritten(text[place:end], columns=self._columns, marks=self._keeps_marks)
        if shown is None:
            return self._draw_line(text, place)
        self._append(f"{shown}\n")
        return end + 1

    def _draw_line(self, text: str, place: int) -> int:
        """Draw what is left of a line into cells, and return where the next one begins."""
        end = text.find("\n", place)
        for token in TOKEN.finditer(text, place, len(text) if end < 0 else end):
            kind = token.lastindex
            if kind == _TEXT:
                self._put(token[0])
            elif kind in _CONTROLS:
                self._controls[token[kind]]()
            elif kind == _SEQUENCE:
                self._obey(token)
            elif kind == _IMAGE:
                self._break_for_image()
            elif kind is not None and self._keeps_marks:
                row = self._row()
                row.opened()
                row.mark = token[0]
        if end < 0:
            return len(text)
        self._feed_line()
        return end + 1

    def _obey(self, sequence: re.Match[str]) -> None:
        parameters, name = sequence[3], sequence[4]
        if name == "m" and self._style is not None:
            self._prefix = self._style(sequence[0])
        elif name in self._moves and not parameters.startswith(("<", "=", ">", "?")):
            self._moves[name]([each for each in parameters.split(";") if each])

    # -- writing

    def _row(self) -> Row:
        """Return the row of the cursor to write to; make it if it is not there yet."""
        height = self._height if self.has_moved_up else 1
        if len(self._rows) < height:
            self._y = min(self._y, height - 1)  # a screen that is not full has nothing to scroll
        while self._y >= len(self._rows):
            self._rows.append(Row())
        self._scroll(len(self._rows) - height)
        return self._rows[self._y]

    def _row_at_hand(self) -> Row | None:
        """Return the row of the cursor; None if it is not there yet."""
        return self._rows[self._y] if self._y < len(self._rows) else None

    def _put(self, text: str) -> None:
        cells: Sequence[str] = text if self._style is None else [self._prefix + char for char in text]
        place = 0
        while place < len(cells):
            if self._x >= self._columns:
                self._wrap()
            row, count = self._row().opened(), min(self._columns - self._x, len(cells) - place)
            if self._x > len(row):
                row.extend([self._blank] * (self._x - len(row)))
            row[self._x : self._x + count] = cells[place : place + count]
            self._x += count
            place += count

    def _wrap(self) -> None:
        """Go on in the next row of the screen, with the same line."""
        self._row().ends = False
        self._x = 0
        self._y += 1

    def _break_for_image(self) -> None:
        """Leave a line to an image, of which there is no text but the cell that it takes."""
        if self._x:
            self._feed_line()
        row = self._row()
        row.clear()
        row.cells.append(self._blank)
        self._feed_line()

    # -- moving in a line

    def _return(self) -> None:
        self._x = 0

    def _to_column(self, parameters: list[str], place: int = 0) -> None:
        self._x = min(max(number_at(parameters, place) - 1, 0), self._columns - 1)

    def _backspace(self) -> None:
        self._x = max(0, self._x - 1)

    def _left(self, parameters: list[str]) -> None:
        self._x = max(0, self._x - number_at(parameters))

    def _forward(self, parameters: list[str]) -> None:
        self._x = min(self._x + number_at(parameters), self._columns - 1)

    # -- moving between lines

    def _feed_line(self) -> None:
        self._x = 0
        row = self._row_at_hand()
        if row is not None:
            row.opened()
            row.ends = True
        self._y += 1
        self._row()

    def _scroll(self, n: int) -> None:
        """Let the first rows leave the screen."""
        if n <= 0:
            return
        for row in self._rows[:n]:
            self._done.append(row.shown())
            if row.ends:
                self._whole = len(self._done)
        del self._rows[:n]
        self._y -= n

    def _see_screen(self) -> None:
        """Have the rows of the whole screen at hand, from here on."""
        if self.has_moved_up:
            return
        self.has_moved_up = True
        done, kept = _split("".join(self._done), self._height)
        self._done, self._whole = ([done], 1) if done else ([], 0)
        *lines, going_on = kept.split("\n")
        above = [row for line in lines for row in self._wrapped(line)]
        if going_on:
            above += self._wrapped(going_on)
            above[-1].ends = False
        self._rows[:0] = above
        self._y += len(above)
        self._scroll(len(self._rows) - self._height)

    def _to_row(self, row: int) -> None:
        self._y = min(max(row, 0), self._height - 1)
        self._x = min(self._x, self._columns - 1)

    def _up(self, parameters: list[str]) -> None:
        self._see_screen()
        self._to_row(self._y - number_at(parameters))

    def _down(self, parameters: list[str]) -> None:
        self._see_screen()
        self._to_row(self._y + number_at(parameters))

    def _up_to_beginning(self, parameters: list[str]) -> None:
        self._up(parameters)
        self._return()

    def _down_to_beginning(self, parameters: list[str]) -> None:
        self._down(parameters)
        self._return()

    def _up_one(self) -> None:
        self._see_screen()
        self._y = max(0, self._y - 1)

    def _to_line(self, _: list[str]) -> None:
        """Begin a line, unless this one is empty: which row was meant depends on a height that is not known."""
        row = self._row_at_hand()
        if row is None or not row.opened():
            return
        self._y += 1
        below = self._row()
        if row.mark:
            below.opened()
            below.mark = row.mark  # the move is a line feed of ours, which the agent has not marked

    def _to_place(self, parameters: list[str]) -> None:
        self._to_line(parameters)
        self._to_column(parameters, 1)

    def _save(self, *_: object) -> None:
        self._see_screen()
        self._saved = (self._y, self._x)

    def _restore(self, *_: object) -> None:
        self._see_screen()
        self._y, self._x = self._saved

    # -- erasing

    def _erase_in_line(self, parameters: list[str]) -> None:
        row = self._row_at_hand()
        if row is None:
            return
        what, cells = _kind(parameters), row.opened()
        if what == "2":
            row.clear()
        elif what == "0":
            del cells[self._x :]
        elif what == "1":
            end = self._x + 1
            cells[:end] = [self._blank] * end if end < len(cells) else []

    def _erase_in_screen(self, parameters: list[str]) -> None:
        what = _kind(parameters)
        if what in {"1", "2", "3"}:
            self._see_screen()
        if what in {"0", "1"}:
            self._erase_in_line(parameters)
        begin = self._y + 1 if what == "0" else 0
        end = {"0": len(self._rows), "1": self._y}.get(what, len(self._rows) if what in {"2", "3"} else 0)
        for row in self._rows[begin:end]:
            row.clear()

    def _erase_characters(self, parameters: list[str]) -> None:
        row = self._row_at_hand()
        if row is not None:
            cells = row.opened()
            end = min(self._x + max(number_at(parameters), 1), len(cells))
            cells[self._x : end] = [self._blank] * (end - self._x)

    def _named_controls(self) -> dict[str, Callable[[], None]]:
        """Name what single characters do; some stand behind an escape."""
        return {
            "\r": self._return,
            "\b": self._backspace,
            "7": self._save,
            "8": self._restore,
            "M": self._up_one,
            "c": lambda: self._to_place([]),
        }

    def _named_moves(self) -> dict[str, Callable[[list[str]], None]]:
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


def _split(joined: str, height: int) -> tuple[str, str]:
    """Split lines into those that have left a screen of a height and those above the last one that it shows."""
    parts = joined.rsplit("\n", height)
    end = len(parts[0]) + 1 if len(parts) > height else 0
    return joined[:end], joined[end:]


def _kind(parameters: list[str]) -> str:
    """Return what is to be erased."""
    return parameters[0] if parameters else "0"
