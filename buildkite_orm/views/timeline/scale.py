"""Scales: where a moment stands on a line, what is written below it, and how wide text is."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from buildkite_orm.utils.text import one_line

if TYPE_CHECKING:
    from buildkite_orm.views.timeline.data import Timeline

_MINUTE: Final = 60
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR
_STEPS: Final = (
    *(0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30),
    *(_MINUTE * step for step in (1, 2, 5, 10, 15, 30)),
    *(_HOUR * step for step in (1, 2, 3, 6, 12)),
    *(_DAY * step * power for power in (1, 10, 100, 1000, 10_000, 100_000) for step in (1, 2, 5)),
)
_UNITS: Final = (("d", _DAY), ("h", _HOUR), ("m", _MINUTE))
_ZERO_WIDTH_JOINER: Final = "\u200d"
_AS_EMOJI: Final = "\ufe0f"


@dataclass(frozen=True, slots=True)
class Scale:
    """Leads from moments to places on a line.

    Attributes:
        start: The moment where the line begins.
        duration: What the line stands for.
        begin: Where the line begins.
        length: How long it is.
    """

    start: datetime
    duration: timedelta
    begin: float
    length: float

    @classmethod
    def of(cls, timeline: Timeline, begin: float, length: float) -> Scale:
        """Give the scale of a timeline; of one that has no time, a line of a second."""
        start = timeline.start or datetime.fromtimestamp(0, UTC)
        return cls(start, timeline.duration or timedelta(seconds=1), begin, length)

    def place(self, moment: datetime) -> float:
        """Tell where a moment stands."""
        return self.begin + self.length * ((moment - self.start) / self.duration)

    def ticks(self, most: int) -> list[tuple[float, str]]:
        """Give round times since the beginning, where they stand and how they are written.

        Args:
            most: How many parts the line may have.
        """
        seconds = self.duration.total_seconds()
        step = round_step(seconds, most)
        return [
            (self.begin + self.length * number * step / seconds, time_label(number * step))
            for number in range(int(seconds / step + 1e-9) + 1)
        ]


def round_step(seconds: float, most: int) -> float:
    """Give a round time that goes into another no more than so many times."""
    return next((step for step in _STEPS if seconds / step <= most), _STEPS[-1])


def time_label(seconds: float) -> str:
    """Write a round time as short as can be: `0`, `30s`, `1h 30m`."""
    if seconds < 1:
        return f"{seconds:.1f}s" if seconds else "0"
    parts: list[str] = []
    left = round(seconds, 1)
    for unit, size in _UNITS:
        many, left = divmod(left, size)
        parts += [f"{many:.0f}{unit}"] if many else []
    return " ".join([*parts, *([f"{left:g}s"] if left else [])])


def fitted(text: str, cells: int) -> str:
    """Give a text that is harmless and no wider than so many cells, cut where it is too wide.

    Args:
        text: Any text.
        cells: How many narrow characters there is room for.
    """
    shown, most = one_line(text, cells), cells
    while cells_of(shown) > cells:
        most -= 1
        shown = one_line(text, most)
    return shown


def cells_of(text: str) -> int:
    """Tell how wide a text is, in narrow characters."""
    width, before = 0, ""
    for char in text:
        if char == _AS_EMOJI:
            width += 2 - _cells(before)
        elif before != _ZERO_WIDTH_JOINER:
            width += _cells(char)
        before = char
    return width


def _cells(char: str) -> int:
    if not char or char == _ZERO_WIDTH_JOINER or unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in {"W", "F"} else 1
