"""The rows of the screen on which a log is drawn, and where in a log something has to be drawn at all."""

from __future__ import annotations

from buildkite_orm.logs.ansi import MARK, MOVING


class Row:
    """A row of the screen: text that was never touched, or cells.

    Attributes:
        text: The text, with its marks; None once there are cells.
        mark: The last mark, once there are cells.
        cells: A character each.
        ends: Whether the line ends with this row; otherwise it goes on in the next one.
    """

    __slots__ = ("cells", "ends", "mark", "text")

    def __init__(self, text: str | None = None) -> None:
        self.text = text
        self.mark = ""
        self.cells: list[str] = []
        self.ends = True

    @property
    def is_untouched(self) -> bool:
        """Whether nothing was ever put into it."""
        return not (self.text or self.cells or self.mark)

    def opened(self) -> list[str]:
        """Return the cells, to be changed."""
        if self.text is not None:
            marks = list(MARK.finditer(self.text))
            self.mark = marks[-1][0] if marks else ""
            self.cells, self.text = list(MARK.sub("", self.text).replace("\x07", "")), None
        return self.cells

    def clear(self) -> None:
        """Erase all of it, but for its mark."""
        self.opened().clear()
        self.ends = True

    def shown(self) -> str:
        """Return the text, with the mark if there is one, and the end of the line if it ends here."""
        line = self.mark + "".join(self.cells) if self.text is None else self.text
        return f"{line}\n" if self.ends else line


class Movements:
    """Finds the lines of a text in which something moves."""

    def __init__(self, text: str, end: int) -> None:
        self._text = text
        self._end = end
        self._return = -1 if "\r" in text else end
        self._others = {kind: -1 for kind in "\b\x1b" if kind in text}
        self._other = end

    def line_after(self, place: int) -> int:
        """Return where the next such line begins, from the beginning of one on; the end where there is none."""
        if self._return < place:
            self._return = self._find("\r", place)
        for kind, known in self._others.items():
            if known < place:
                self._others[kind] = self._find(kind, place)
        self._other = min(self._others.values(), default=self._end)
        first = min(self._return, self._other)
        return self._end if first == self._end else (self._text.rfind("\n", place, first) + 1 or place)

    def only_returns(self, end: int) -> bool:
        """Return whether in the line that was found, up to its end, nothing but returns moves."""
        return self._other >= end

    def _find(self, kind: str, place: int) -> int:
        if kind != "\x1b":
            found = self._text.find(kind, place, self._end)
            return self._end if found < 0 else found
        sequence = MOVING.search(self._text, place, self._end)
        return self._end if sequence is None else sequence.start()
