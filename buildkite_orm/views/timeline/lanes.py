"""Lanes that the rows of a timeline share: attempts of a job share one; of many jobs, those of a step share one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import groupby
from typing import TYPE_CHECKING

from buildkite_orm.utils.text import short_duration, with_emoji
from buildkite_orm.views.text_width import fit_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from buildkite_orm.views.timeline.data import Timeline, TimelineRow

_MIN_GROUP = 2


@dataclass(frozen=True, slots=True)
class Lane:
    """A line of a drawing.

    Attributes:
        title: Its label.
        suffix: The end of the label, which is not truncated with the title.
        rows: What is drawn in it, ordered by time; empty for the heading of a group.
        is_shared: Whether it has jobs that ran concurrently.
        is_grouped: Whether it is below the heading of its group.
    """

    title: str
    suffix: str = ""
    rows: tuple[TimelineRow, ...] = ()
    is_shared: bool = False
    is_grouped: bool = False

    @property
    def is_critical(self) -> bool:
        """Whether a job in it is on the critical path."""
        return any(row.is_critical for row in self.rows)

    def label(self, width: int) -> str:
        """Return the title with the suffix, truncated to a width."""
        return fit_line(fit_line(self.title, max(width - len(self.suffix), 0)) + self.suffix, width)

    @property
    def duration(self) -> timedelta:
        """The duration, waiting included: all attempts of a job, or the longest of concurrent jobs."""
        if self.is_shared or not self.rows:
            return max((row.end - row.start for row in self.rows), default=timedelta())
        return max(row.end for row in self.rows) - self.rows[0].start


@dataclass(frozen=True, slots=True)
class Lanes:
    """The lines of a drawing.

    Attributes:
        shown: Those that are drawn.
        hidden: Those without room: the shortest ones, and those of the critical path only after all others.
    """

    shown: tuple[Lane, ...]
    hidden: tuple[Lane, ...]

    @property
    def hidden_note(self) -> str:
        """A line about the hidden lanes; empty if there are none."""
        if not self.hidden:
            return ""
        jobs = len({row.chain for lane in self.hidden for row in lane.rows})
        longest = max(lane.duration for lane in self.hidden)
        return f"…and {jobs} more job{'s' * (jobs != 1)}, of up to {short_duration(longest)}"


def arrange_lanes(timeline: Timeline, *, limit: int) -> Lanes:
    """Arrange the rows of a timeline in lanes.

    Args:
        timeline: The timeline.
        limit: How many lanes there may be, not counting the headings of groups.
    """
    lanes = _lanes_by(timeline.rows, lambda row: row.chain, _attempts_lane)
    if len(lanes) > limit:
        steps = _lanes_by(timeline.rows, _step_key, _step_lane)
        shared = {row.chain for lane in steps if lane.is_shared for row in lane.rows}
        lanes = [lane for lane in lanes if lane.rows[0].chain not in shared]
        lanes = sorted([*lanes, *(lane for lane in steps if lane.is_shared)], key=lambda lane: lane.rows[0].start)
    by_weight = sorted(range(len(lanes)), key=lambda index: (lanes[index].is_critical, lanes[index].duration))
    hidden = set(by_weight[: max(len(lanes) - limit, 0)])
    shown = [lane for index, lane in enumerate(lanes) if index not in hidden]
    return Lanes(tuple(_grouped(shown)), tuple(lanes[index] for index in sorted(hidden)))


def _lanes_by(
    rows: Sequence[TimelineRow],
    key: Callable[[TimelineRow], object],
    make_lane: Callable[[tuple[TimelineRow, ...]], Lane],
) -> list[Lane]:
    """Make one lane of all rows that have the same key."""
    by_key: dict[object, list[TimelineRow]] = {}
    for row in rows:
        by_key.setdefault(key(row), []).append(row)
    return [make_lane(tuple(found)) for found in by_key.values()]


def _attempts_lane(rows: tuple[TimelineRow, ...]) -> Lane:
    last = max(rows, key=lambda row: row.attempt)
    return Lane(with_emoji(last.title), last.suffix, rows)


def _step_lane(rows: tuple[TimelineRow, ...]) -> Lane:
    jobs = len({row.chain for row in rows})
    return Lane(with_emoji(rows[0].title), f" x {jobs}", rows, is_shared=jobs > 1)


def _step_key(row: TimelineRow) -> object:
    """Return a key that jobs of the same step share; unique for a job without a step."""
    step = getattr(row.job.__dict__.get("step"), "id", None) or row.job.__dict__.get("step_key")
    return step if isinstance(step, str) else row.chain


def _grouped(lanes: Sequence[Lane]) -> Iterable[Lane]:
    """Put the lanes of a group together, below a heading with its name."""
    firsts: dict[object, int] = {}
    keys = [_group_key(lane) or index for index, lane in enumerate(lanes)]
    for index, key in enumerate(keys):
        firsts.setdefault(key, index)
    by_group = sorted(zip(keys, lanes, strict=True), key=lambda pair: firsts[pair[0]])
    for key, pairs in groupby(by_group, key=lambda pair: pair[0]):
        members = [lane for _, lane in pairs]
        has_heading = isinstance(key, str) and len(members) >= _MIN_GROUP
        if has_heading:
            yield Lane(with_emoji(str(key)))
        yield from (replace(lane, is_grouped=has_heading) for lane in members)


def _group_key(lane: Lane) -> str | None:
    key = lane.rows[0].job.__dict__.get("group_key")
    return key if isinstance(key, str) and key else None
