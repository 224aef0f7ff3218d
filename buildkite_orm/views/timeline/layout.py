"""The intervals of a build and of its jobs, from their times; no data, however odd, raises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from buildkite_orm.models.enums import JobState
from buildkite_orm.models.timestamps import read_time
from buildkite_orm.resources.builds.status import build_is_blocked, build_is_finished, job_is_finished, moment, now_of
from buildkite_orm.views.timeline.data import Interval, IntervalKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from buildkite_orm.models.resource import Resource
    from buildkite_orm.resources.builds.build import Build
    from buildkite_orm.resources.builds.job import Job

_TIMES: Final = ("created_at", "scheduled_at", "runnable_at", "started_at", "finished_at", "expired_at", "unblocked_at")


@dataclass(frozen=True, slots=True)
class TimeBounds:
    """The bounds of all intervals of a build.

    Attributes:
        start: When the build was created: no interval starts earlier, even if the clocks of agents are wrong. None if
            unknown.
        until: The end of ongoing intervals: now, or the end of the build.
        is_finished: Whether the build is finished.
    """

    start: datetime | None
    until: datetime | None
    is_finished: bool

    @classmethod
    def of(cls, build: Build, jobs: Sequence[Job]) -> TimeBounds:
        """Return the bounds of a build."""
        is_finished = build_is_finished(build)
        known = [time for resource in (build, *jobs) for name in _TIMES if (time := read_any_time(resource, name))]
        until = moment(build, "finished_at") if is_finished else now_of(build)
        return cls(moment(build, "created_at"), until or max(known, default=None), is_finished)

    def time_of(self, resource: Resource, name: str) -> datetime | None:
        """Return a time of a resource, or the start of the bounds if that is later."""
        time = read_any_time(resource, name)
        return time if time is None or self.start is None else max(time, self.start)

    def intervals(
        self, kind: IntervalKind, start: datetime | None, end: datetime | None, *, is_over: bool
    ) -> list[Interval]:
        """Return a list of one interval; empty if its start or its end is not known.

        Args:
            kind: What happens in it.
            start: When it starts.
            end: When it ends; None if the payload does not say.
            is_over: Whether it is over, even if `end` is None.
        """
        ongoing = end is None and not is_over and not self.is_finished
        end = self.until if end is None and not is_over else end
        if start is None or end is None:
            return []
        return [Interval(kind, start, max(start, end), ongoing)]


def build_intervals(build: Build, jobs: Iterable[Interval], bounds: TimeBounds) -> tuple[Interval, ...]:
    """Return the intervals of a build: waiting for its first job to start, running, and blocked if it still is.

    Args:
        build: The build.
        jobs: The intervals of its jobs. A blocked build without `finished_at` counts as blocked since the last of them.
        bounds: The bounds of all intervals.
    """
    started, finished = bounds.time_of(build, "started_at"), bounds.time_of(build, "finished_at")
    is_blocked, is_over = build_is_blocked(build), bounds.is_finished
    if is_blocked and finished is None:
        finished = max((each.end for each in jobs if each.kind == IntervalKind.RUNNING), default=bounds.start)
    ends = [time for time in (started, finished) if time]
    waiting = bounds.intervals(IntervalKind.WAITING, bounds.start, min(ends, default=None), is_over=is_over)
    running = bounds.intervals(IntervalKind.RUNNING, started, finished, is_over=is_over)
    blocked = bounds.intervals(IntervalKind.BLOCKED, finished, None, is_over=not is_blocked)
    return (*_without_empty(waiting), *running, *blocked)


def job_intervals(job: Job, bounds: TimeBounds) -> tuple[Interval, ...]:
    """Return the intervals of a job: waiting for an agent since it could run, then running; none without times."""
    is_over = job_is_finished(job)
    runnable, started, finished = (bounds.time_of(job, f"{name}_at") for name in ("runnable", "started", "finished"))
    finished = finished or bounds.time_of(job, "expired_at")
    waiting = bounds.intervals(IntervalKind.WAITING, runnable, started or finished, is_over=is_over)
    running = bounds.intervals(IntervalKind.RUNNING, started, finished, is_over=is_over)
    return (*(_without_empty(waiting) if running else waiting), *running)


def block_intervals(job: Job, before: Iterable[Interval], bounds: TimeBounds) -> tuple[Interval, ...]:
    """Return how long a block step was blocked; none if it never was, or has no times.

    Its payload says when it was unblocked, but not since when it was blocked: that is assumed to be the last end of the
    jobs that the build lists before it.

    Args:
        job: The block step.
        before: The intervals of those jobs.
        bounds: The bounds of all intervals.
    """
    is_blocked = job.__dict__.get("state") == JobState.BLOCKED
    unblocked = None if is_blocked else bounds.time_of(job, "unblocked_at")
    end = bounds.until if is_blocked else unblocked
    ends = [interval.end for interval in before if end is not None and not interval.ongoing and interval.end <= end]
    start = max(ends, default=bounds.start)
    return tuple(bounds.intervals(IntervalKind.BLOCKED, start, unblocked, is_over=not is_blocked))


def read_any_time(resource: Resource, name: str) -> datetime | None:
    """Return a time of a resource, also of a job of an unknown type, whose fields are not declared."""
    time = moment(resource, name)
    if time is None and name in (extra := _extra_fields(resource)):
        try:
            return read_time(extra[name])
        except ValueError:
            return None
    return time


def _extra_fields(resource: Resource) -> dict[str, Any]:
    return getattr(resource, "__pydantic_extra__", None) or {}


def _without_empty(intervals: list[Interval]) -> list[Interval]:
    return [interval for interval in intervals if interval.end > interval.start]
