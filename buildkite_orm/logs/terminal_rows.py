"""The rows of the screen on which a log is drawn, and a search for the lines that must be drawn."""

from __future__ import annotations

from buildkite_orm.logs.ansi import MARK, MOVEMENT


class Row:
    """A row of the screen: text that nothing has overwritten, or cells.

    Attributes:
        text: The text with its marks; None if the row has cells.
        mark: The last mark, if the row has cells.
        cells: One character each.
        ends_line: Whether the line ends with this row; otherwise it continues in the next one.
    """

    __slots__ = ("cells", "ends_line", "mark", "text")

    def __init__(self, text: str | None = None) -> None:
        self.text = text
        self.mark = ""
        self.cells: list[str] = []
        self.ends_line = True

    @property
    def is_empty(self) -> bool:
        """Whether nothing was ever written to it."""
        return not (self.text or self.cells or self.mark)

    def as_cells(self) -> list[str]:
        """Convert the text to cells if necessary, and return them; they may be changed."""
        if self.text is not None:
            marks = list(MARK.finditer(self.text))
            self.mark = marks[-1][0] if marks else ""
            self.cells, self.text = list(MARK.sub("", self.text).replace("\x07", "")), None
        return self.cells

    def clear(self) -> None:
        """Erase everything but the mark."""
        self.as_cells().clear()
        self.ends_line = True

    def line(self) -> str:
        """Return the mark and the text, with a line feed if the line ends here."""
        line = self.mark + "".join(self.cells) if self.text is None else self.text
        return f"{line}\n" if self.ends_line else line


class Movements:
    """Finds the lines of a text in which the cursor moves."""

    def __init__(self, text: str, end: int) -> None:
        self._text = text
        self._end = end
        self._return = -1 if "\r" in text else end
        self._others = {kind: -1 for kind in "\b\x1b" if kind in text}
        self._other = end

    def next_line(self, place: int) -> int:
        """Return the offset of the next such line, searching from the beginning of a line; the end if there is none."""
        if self._return < place:
            self._return = self._find("\r", place)
        for kind, known in self._others.items():
            if known < place:
                self._others[kind] = self._find(kind, place)
        self._other = min(self._others.values(), default=self._end)
        first = min(self._return, self._other)
        return self._end if first == self._end else (self._text.rfind("\n", place, first) + 1 or place)

    def has_only_returns(self, end: int) -> bool:
        """Whether carriage returns are the only movements in the line that was found."""
        return self._other >= end

    def _find(self, kind: str, place: int) -> int:
        if kind != "\x1b":
            found = self._text.find(kind, place, self._end)
            return self._end if found < 0 else found
        sequence = MOVEMENT.search(self._text, place, self._end)
        return self._end if sequence is None else sequence.start()
