"""Renders a log as Buildkite's page shows it: overwritten lines and cursor movements are resolved, in linear time.

No library does this: pyte takes minutes for what takes seconds here, and rich handles colors but no cursor. The rules
are those of Buildkite's own renderer, terminal-to-html, not those of a terminal:

- The size of the agent's terminal is not known, so a row of the screen cannot be addressed: a move to a row and a
  column (`ESC[5;1H`) begins a new line, unless the line is still empty, and goes to the column.
- Each character takes one cell, a tab or a wide one too.
- After 160 cells a line continues in the next row of the screen, where a return goes to the beginning of that row.
  All its rows are one line of the result.
- A movement by 0 does nothing, and empty parameters are skipped.

If that renderer shows the rest of a sequence that it does not know, or treats its lowercase letter as uppercase, this
module does what ECMA-48 says, or nothing. Lines that have left the screen are never lost to `ESC[3J` or `ESC c`.

Most of a log is text with colors, which one pass of a regular expression strips. Only lines in which the cursor moves
are drawn into cells, and the lines above them only after the cursor has moved up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from buildkite_orm.logs.ansi import (
    ANY_MARK,
    INVISIBLE,
    INVISIBLE_BUT_MARKS,
    TOKEN,
    apply_returns,
    normalize,
    parameter_at,
)
from buildkite_orm.logs.terminal_rows import Movements, Row

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Sequence

# The size of the terminal in which the agent runs a command.
COLUMNS: Final = 160
ROWS: Final = 100

# All but tab, newline and return; the most frequent one is first.
_CONTROL_CHARS: Final = ("\x1b", *map(chr, (*range(9), *range(11, 13), *range(14, 27), *range(28, 32), 127)))
_BLOCK: Final = 1 << 18
_LONG_LINE: Final = 1 << 20
_LONG_ESCAPE: Final = 1 << 12
_TEXT, _CONTROLS, _SEQUENCE, _IMAGE = 1, (2, 5), 4, 6  # groups of a token


def plain_text(text: str, *, marks: bool = False) -> str:
    """Render a whole log as Buildkite's page shows it.

    Args:
        text: The log.
        marks: Whether each line keeps its last time mark.
    """
    if text.isascii() and not any(control in text for control in _CONTROL_CHARS):
        unix = text.replace("\r\n", "\n")
        if "\r" not in unix:
            return unix  # nothing moves the cursor
    terminal, place = Terminal(marks=marks), 0
    # in blocks: a string with one wide character takes four bytes per character, and most blocks have none
    while end := text.find("\n", place + _BLOCK) + 1:
        terminal.draw(text[place:end])
        place = end
    return terminal.close(text[place:])


class Terminal:
    """A terminal that returns the lines that have left its screen, and at the end those that are on it.

    Args:
        rows: How many rows the cursor reaches; the rows above them cannot change any more.
        columns: The number of cells of a row.
        marks: Whether each line keeps its last time mark.
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
        self._x = self._y = 0  # the row may not exist yet, if the cursor moved down
        self._saved = (0, 0)
        self._done: list[str] = []
        self._whole = 0  # how many parts of it make whole lines
        # until the cursor moves up, the screen has one row and the lines above it are text; text with styles could not
        # become cells again
        self.has_moved_up = style is not None
        self._held: list[str] = []
        self._held_size = 0
        self._time = 0
        self._moves = self._move_handlers()
        self._controls = self._control_handlers()

    def feed(self, text: str) -> None:
        """Process a part of the log; an incomplete line is buffered, unless it is very long."""
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

    def take_finished(self) -> str:
        """Return the lines that have left the screen since the last call, with their marks and line feeds."""
        if not self._whole:
            return ""
        done, unfinished = "".join(self._done[: self._whole]), self._done[self._whole :]
        done, kept = (done, "") if self.has_moved_up else _split_off_screen(done, self._height)
        if len(kept) > _LONG_LINE:
            cut = kept.rfind("\n", 0, len(kept) - _LONG_LINE) + 1
            done, kept = done + kept[:cut], kept[cut:]
        self._done, self._whole = [kept, *unfinished] if kept else unfinished, bool(kept)
        return done

    def close(self, rest: str = "") -> str:
        """Process the rest of the log, and return the remaining lines."""
        self.draw("".join((*self._held, rest)), is_last=True)
        self._rows[-1].ends_line = False
        return "".join(self._done) + "".join(row.line() for row in self._rows)

    def draw(self, text: str, *, is_last: bool = False) -> None:
        """Process whole lines, or the rest of a line that was drawn in part."""
        text = self._with_absolute_marks(normalize(text)) if self._keeps_marks else normalize(text)
        place, end = 0, len(text) if is_last else text.rfind("\n") + 1
        movements = Movements(text, end)
        while place < len(text):
            if place >= end or self._style is not None or not self._is_at_new_line():
                place = self._draw_line(text, place)
                continue
            upto = movements.next_line(place)
            if upto > place:
                self._append(self._strip(text[place:upto]))
            place = self._append_overwritten(text, upto, movements)

    # -- lines

    def _with_absolute_marks(self, text: str) -> str:
        """Convert relative time marks to absolute ones."""
        if "\x1b_bk;dt=" in text:
            return ANY_MARK.sub(self._absolute, text)
        if (place := text.rfind("\x1b_bk;t=")) >= 0 and (mark := ANY_MARK.match(text, place)):
            self._absolute(mark)
        return text

    def _absolute(self, mark: re.Match[str]) -> str:
        milliseconds = int(mark[2])
        self._time = self._time + milliseconds if mark[1] else milliseconds
        return f"\x1b_bk;t={self._time}\x07"

    def _strip(self, lines: str) -> str:
        shown = self._invisible.sub("", lines) if "\x1b" in lines else lines
        return shown.replace("\x07", "") if "\x07" in shown and not self._keeps_marks else shown  # marks end with one

    def _is_at_new_line(self) -> bool:
        """Whether the cursor is at the beginning of the last line, and that line is empty."""
        return not self._x and self._y == len(self._rows) - 1 and self._rows[-1].is_empty

    def _append(self, shown: str) -> None:
        """Append lines without movements."""
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
        if len(line) <= self._columns or len(cells := row.as_cells()) <= self._columns:
            return [row]
        rows = [row, *(Row() for _ in range(self._columns, len(cells), self._columns))]
        for place, each in enumerate(rows):
            each.cells = cells[place * self._columns : (place + 1) * self._columns]
            each.ends_line = each is rows[-1]
        return rows

    def _append_overwritten(self, text: str, place: int, movements: Movements) -> int:
        """Append or draw a line with movements, and return the offset of the next line."""
        end = text.find("\n", place)
        if end < 0 or not movements.has_only_returns(end):
            return self._draw_line(text, place)
        shown = apply_returns(text[place:end], columns=self._columns, marks=self._keeps_marks)
        if shown is None:
            return self._draw_line(text, place)
        self._append(f"{shown}\n")
        return end + 1

    def _draw_line(self, text: str, place: int) -> int:
        """Draw the rest of a line into cells, and return the offset of the next line."""
        end = text.find("\n", place)
        for token in TOKEN.finditer(text, place, len(text) if end < 0 else end):
            kind = token.lastindex
            if kind == _TEXT:
                self._put(token[0])
            elif kind in _CONTROLS:
                self._controls[token[kind]]()
            elif kind == _SEQUENCE:
                self._apply_sequence(token)
            elif kind == _IMAGE:
                self._break_for_image()
            elif kind is not None and self._keeps_marks:
                row = self._row()
                row.as_cells()
                row.mark = token[0]
        if end < 0:
            return len(text)
        self._line_feed()
        return end + 1

    def _apply_sequence(self, sequence: re.Match[str]) -> None:
        parameters, name = sequence[3], sequence[4]
        if name == "m" and self._style is not None:
            self._prefix = self._style(sequence[0])
        elif name in self._moves and not parameters.startswith(("<", "=", ">", "?")):
            self._moves[name]([each for each in parameters.split(";") if each])

    # -- writing

    def _row(self) -> Row:
        """Return the row of the cursor to write to; add it if it does not exist yet."""
        height = self._height if self.has_moved_up else 1
        if len(self._rows) < height:
            self._y = min(self._y, height - 1)  # a screen that is not full does not scroll
        while self._y >= len(self._rows):
            self._rows.append(Row())
        self._scroll(len(self._rows) - height)
        return self._rows[self._y]

    def _existing_row(self) -> Row | None:
        """Return the row of the cursor; None if it does not exist yet."""
        return self._rows[self._y] if self._y < len(self._rows) else None

    def _put(self, text: str) -> None:
        cells: Sequence[str] = text if self._style is None else [self._prefix + char for char in text]
        place = 0
        while place < len(cells):
            if self._x >= self._columns:
                self._wrap()
            row, count = self._row().as_cells(), min(self._columns - self._x, len(cells) - place)
            if self._x > len(row):
                row.extend([self._blank] * (self._x - len(row)))
            row[self._x : self._x + count] = cells[place : place + count]
            self._x += count
            place += count

    def _wrap(self) -> None:
        """Continue the same line in the next row of the screen."""
        self._row().ends_line = False
        self._x = 0
        self._y += 1

    def _break_for_image(self) -> None:
        """Add a line for an image, which is shown as one blank cell."""
        if self._x:
            self._line_feed()
        row = self._row()
        row.clear()
        row.cells.append(self._blank)
        self._line_feed()

    # -- moving in a line

    def _return(self) -> None:
        self._x = 0

    def _to_column(self, parameters: list[str], place: int = 0) -> None:
        self._x = min(max(parameter_at(parameters, place) - 1, 0), self._columns - 1)

    def _backspace(self) -> None:
        self._x = max(0, self._x - 1)

    def _left(self, parameters: list[str]) -> None:
        self._x = max(0, self._x - parameter_at(parameters))

    def _forward(self, parameters: list[str]) -> None:
        self._x = min(self._x + parameter_at(parameters), self._columns - 1)

    # -- moving between lines

    def _line_feed(self) -> None:
        self._x = 0
        row = self._existing_row()
        if row is not None:
            row.as_cells()
            row.ends_line = True
        self._y += 1
        self._row()

    def _scroll(self, n: int) -> None:
        """Move the first rows off the screen."""
        if n <= 0:
            return
        for row in self._rows[:n]:
            self._done.append(row.line())
            if row.ends_line:
                self._whole = len(self._done)
        del self._rows[:n]
        self._y -= n

    def _keep_screen(self) -> None:
        """Start to keep the rows of the whole screen, so that the cursor can reach them."""
        if self.has_moved_up:
            return
        self.has_moved_up = True
        done, kept = _split_off_screen("".join(self._done), self._height)
        self._done, self._whole = ([done], 1) if done else ([], 0)
        *lines, unfinished = kept.split("\n")
        above = [row for line in lines for row in self._wrapped(line)]
        if unfinished:
            above += self._wrapped(unfinished)
            above[-1].ends_line = False
        self._rows[:0] = above
        self._y += len(above)
        self._scroll(len(self._rows) - self._height)

    def _to_row(self, row: int) -> None:
        self._y = min(max(row, 0), self._height - 1)
        self._x = min(self._x, self._columns - 1)

    def _up(self, parameters: list[str]) -> None:
        self._keep_screen()
        self._to_row(self._y - parameter_at(parameters))

    def _down(self, parameters: list[str]) -> None:
        self._keep_screen()
        self._to_row(self._y + parameter_at(parameters))

    def _up_to_beginning(self, parameters: list[str]) -> None:
        self._up(parameters)
        self._return()

    def _down_to_beginning(self, parameters: list[str]) -> None:
        self._down(parameters)
        self._return()

    def _up_one(self) -> None:
        self._keep_screen()
        self._y = max(0, self._y - 1)

    def _to_line(self, _: list[str]) -> None:
        """Begin a new line, unless this one is empty: the row that was meant depends on the unknown height."""
        row = self._existing_row()
        if row is None or not row.as_cells():
            return
        self._y += 1
        below = self._row()
        if row.mark:
            below.as_cells()
            below.mark = row.mark  # the agent has not marked this line feed, which the log does not contain

    def _to_position(self, parameters: list[str]) -> None:
        self._to_line(parameters)
        self._to_column(parameters, 1)

    def _save(self, *_: object) -> None:
        self._keep_screen()
        self._saved = (self._y, self._x)

    def _restore(self, *_: object) -> None:
        self._keep_screen()
        self._y, self._x = self._saved

    # -- erasing

    def _erase_in_line(self, parameters: list[str]) -> None:
        row = self._existing_row()
        if row is None:
            return
        mode, cells = _erase_mode(parameters), row.as_cells()
        if mode == "2":
            row.clear()
        elif mode == "0":
            del cells[self._x :]
        elif mode == "1":
            end = self._x + 1
            cells[:end] = [self._blank] * end if end < len(cells) else []

    def _erase_in_screen(self, parameters: list[str]) -> None:
        mode = _erase_mode(parameters)
        if mode in {"1", "2", "3"}:
            self._keep_screen()
        if mode in {"0", "1"}:
            self._erase_in_line(parameters)
        begin = self._y + 1 if mode == "0" else 0
        end = {"0": len(self._rows), "1": self._y}.get(mode, len(self._rows) if mode in {"2", "3"} else 0)
        for row in self._rows[begin:end]:
            row.clear()

    def _erase_characters(self, parameters: list[str]) -> None:
        row = self._existing_row()
        if row is not None:
            cells = row.as_cells()
            end = min(self._x + max(parameter_at(parameters), 1), len(cells))
            cells[self._x : end] = [self._blank] * (end - self._x)

    def _control_handlers(self) -> dict[str, Callable[[], None]]:
        """Return the handlers of control characters and of characters after an escape."""
        return {
            "\r": self._return,
            "\b": self._backspace,
            "7": self._save,
            "8": self._restore,
            "M": self._up_one,
            "c": lambda: self._to_position([]),
        }

    def _move_handlers(self) -> dict[str, Callable[[list[str]], None]]:
        """Return the handlers of sequences that move the cursor or erase, by their last letter."""
        return {
            "A": self._up,
            "B": self._down,
            "C": self._forward,
            "D": self._left,
            "E": self._down_to_beginning,
            "F": self._up_to_beginning,
            "G": self._to_column,
            "H": self._to_position,
            "J": self._erase_in_screen,
            "K": self._erase_in_line,
            "X": self._erase_characters,
            "`": self._to_column,
            "a": self._forward,
            "d": self._to_line,
            "e": self._down,
            "f": self._to_position,
            "s": self._save,
            "u": self._restore,
        }


def _split_off_screen(joined: str, height: int) -> tuple[str, str]:
    """Split text into the lines that have left a screen of this height, and the rest."""
    parts = joined.rsplit("\n", height)
    end = len(parts[0]) + 1 if len(parts) > height else 0
    return joined[:end], joined[end:]


def _erase_mode(parameters: list[str]) -> str:
    """Return the parameter that says what to erase."""
    return parameters[0] if parameters else "0"
