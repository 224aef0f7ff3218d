"""The scale of a drawing: positions of times, and labels of round times."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

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


@dataclass(frozen=True, slots=True)
class Scale:
    """Converts times to positions on a line.

    Attributes:
        start: The time at which the line begins.
        duration: The duration that the line represents.
        begin: The position at which the line begins.
        length: The length of the line.
    """

    start: datetime
    duration: timedelta
    begin: float
    length: float

    @classmethod
    def of(cls, timeline: Timeline, begin: float, length: float) -> Scale:
        """Return the scale of a timeline; one second for a timeline without times."""
        start = timeline.start or datetime.fromtimestamp(0, UTC)
        return cls(start, timeline.duration or timedelta(seconds=1), begin, length)

    def position(self, time: datetime) -> float:
        """Return the position of a time."""
        return self.begin + self.length * ((time - self.start) / self.duration)

    def ticks(self, limit: int) -> list[tuple[float, str]]:
        """Return the positions and labels of round times since the start.

        Args:
            limit: Into how many parts the line may be divided.
        """
        seconds = self.duration.total_seconds()
        step = round_step(seconds, limit)
        return [
            (self.begin + self.length * number * step / seconds, time_label(number * step))
            for number in range(int(seconds / step + 1e-9) + 1)
        ]


def round_step(seconds: float, limit: int) -> float:
    """Return the shortest round time that divides a duration into at most `limit` parts."""
    return next((step for step in _STEPS if seconds / step <= limit), _STEPS[-1])


def time_label(seconds: float) -> str:
    """Return a short label of a round time: `0`, `30s`, `1h 30m`."""
    if seconds < 1:
        return f"{seconds:.1f}s" if seconds else "0"
    parts: list[str] = []
    left = round(seconds, 1)
    for unit, size in _UNITS:
        count, left = divmod(left, size)
        parts += [f"{count:.0f}{unit}"] if count else []
    return " ".join([*parts, *([f"{left:g}s"] if left else [])])
