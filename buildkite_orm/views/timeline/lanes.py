"""How the rows of a timeline share lanes: attempts follow each other; of many jobs, those of one step share one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import groupby
from typing import TYPE_CHECKING

from buildkite_orm.utils.text import short_duration, with_emoji
from buildkite_orm.views.timeline.scale import fitted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from buildkite_orm.views.timeline.data import Timeline, TimelineRow

_ENOUGH = 2


@dataclass(frozen=True, slots=True)
class Lane:
    """A line of a drawing.

    Attributes:
        title: What stands beside it.
        which: What stands behind the title, and is not cut where that is.
        rows: What is drawn in it, in the order of time; nothing in the heading of a group.
        is_shared: Whether jobs share it that ran side by side.
        is_grouped: Whether it stands below the heading of its group.
    """

    title: str
    which: str = ""
    rows: tuple[TimelineRow, ...] = ()
    is_shared: bool = False
    is_grouped: bool = False

    @property
    def is_critical(self) -> bool:
        """Whether a job in it is on the critical path."""
        return any(row.is_critical for row in self.rows)

    def label(self, cells: int) -> str:
        """Give what stands beside it, no wider than so many narrow characters."""
        return fitted(fitted(self.title, max(cells - len(self.which), 0)) + self.which, cells)

    @property
    def duration(self) -> timedelta:
        """How long it took, its waiting included: all attempts of a job, or the longest of jobs side by side."""
        if self.is_shared or not self.rows:
            return max((row.end - row.start for row in self.rows), default=timedelta())
        return max(row.end for row in self.rows) - self.rows[0].start


@dataclass(frozen=True, slots=True)
class Lanes:
    """The lines of a drawing.

    Attributes:
        shown: Those that are drawn.
        hidden: Those that there is no room for: the shortest, and none of the critical path before all others.
    """

    shown: tuple[Lane, ...]
    hidden: tuple[Lane, ...]

    @property
    def rest(self) -> str:
        """What is said of those that there is no room for; nothing where there are none."""
        if not self.hidden:
            return ""
        jobs = len({row.chain for lane in self.hidden for row in lane.rows})
        longest = max(lane.duration for lane in self.hidden)
        return f"…and {jobs} more job{'s' * (jobs != 1)}, of up to {short_duration(longest)}"


def lanes_of(timeline: Timeline, *, most: int) -> Lanes:
    """Arrange the rows of a timeline in lanes.

    Args:
        timeline: The timeline.
        most: How many lanes there may be, besides the headings of groups.
    """
    lanes = _bundled(timeline.rows, lambda row: row.chain, _attempts)
    if len(lanes) > most:
        steps = _bundled(timeline.rows, _step, _shards)
        shared = {row.chain for lane in steps if lane.is_shared for row in lane.rows}
        lanes = [lane for lane in lanes if lane.rows[0].chain not in shared]
        lanes = sorted([*lanes, *(lane for lane in steps if lane.is_shared)], key=lambda lane: lane.rows[0].start)
    by_weight = sorted(range(len(lanes)), key=lambda place: (lanes[place].is_critical, lanes[place].duration))
    hidden = set(by_weight[: max(len(lanes) - most, 0)])
    shown = [lane for place, lane in enumerate(lanes) if place not in hidden]
    return Lanes(tuple(_in_groups(shown)), tuple(lanes[place] for place in sorted(hidden)))


def _bundled(
    rows: Sequence[TimelineRow],
    key: Callable[[TimelineRow], object],
    lane: Callable[[tuple[TimelineRow, ...]], Lane],
) -> list[Lane]:
    bundles: dict[object, list[TimelineRow]] = {}
    for row in rows:
        bundles.setdefault(key(row), []).append(row)
    return [lane(tuple(bundle)) for bundle in bundles.values()]


def _attempts(rows: tuple[TimelineRow, ...]) -> Lane:
    last = max(rows, key=lambda row: row.attempt)
    return Lane(with_emoji(last.title), last.which, rows)


def _shards(rows: tuple[TimelineRow, ...]) -> Lane:
    jobs = len({row.chain for row in rows})
    return Lane(with_emoji(rows[0].title), f" x {jobs}", rows, is_shared=jobs > 1)


def _step(row: TimelineRow) -> object:
    """Tell of which step a job is; its own where that is not told."""
    step = getattr(row.job.__dict__.get("step"), "id", None) or row.job.__dict__.get("step_key")
    return step if isinstance(step, str) else row.chain


def _in_groups(lanes: Sequence[Lane]) -> Iterable[Lane]:
    """Put the lanes of a group below each other, and below its name."""
    firsts: dict[object, int] = {}
    keys = [_group(lane) or place for place, lane in enumerate(lanes)]
    for place, key in enumerate(keys):
        firsts.setdefault(key, place)
    together = sorted(zip(keys, lanes, strict=True), key=lambda each: firsts[each[0]])
    for key, found in groupby(together, key=lambda each: each[0]):
        members = [lane for _, lane in found]
        has_heading = isinstance(key, str) and len(members) >= _ENOUGH
        yield from [Lane(with_emoji(str(key)))] if has_heading else []
        yield from (replace(lane, is_grouped=has_heading) for lane in members)


def _group(lane: Lane) -> str | None:
    key = lane.rows[0].job.__dict__.get("group_key")
    return key if isinstance(key, str) and key else None
