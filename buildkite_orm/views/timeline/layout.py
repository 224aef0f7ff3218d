"""Where the jobs of a build stand in time, read off their data: whatever is odd in it, nothing raises."""

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
class Bounds:
    """Between what the jobs of a build stand.

    Attributes:
        start: When the build was created: nothing of it is earlier, whatever clocks say. None where that is not known.
        until: Up to when that lasts which has no end: now, or the end of the build.
        is_finished: Whether the build has.
    """

    start: datetime | None
    until: datetime | None
    is_finished: bool

    @classmethod
    def of(cls, build: Build, jobs: Sequence[Job]) -> Bounds:
        """Read them off a build."""
        over = build_is_finished(build)
        known = [time for thing in (build, *jobs) for name in _TIMES if (time := time_of(thing, name))]
        until = moment(build, "finished_at") if over else now_of(build)
        return cls(moment(build, "created_at"), until or max(known, default=None), over)

    def time_of(self, thing: Resource, name: str) -> datetime | None:
        """Read a time, which is never before the build was created."""
        time = time_of(thing, name)
        return time if time is None or self.start is None else max(time, self.start)

    def stretch(
        self, kind: IntervalKind, start: datetime | None, end: datetime | None, *, over: bool
    ) -> list[Interval]:
        """Give a stretch, or none where its beginning or its end is not known.

        Args:
            kind: What goes on in it.
            start: When it begins.
            end: When it ends; None where that is not told.
            over: Whether it is over, told or not.
        """
        ongoing = end is None and not over and not self.is_finished
        end = self.until if end is None and not over else end
        if start is None or end is None:
            return []
        return [Interval(kind, start, max(start, end), ongoing)]


def stretches_of_build(build: Build, jobs: Iterable[Interval], bounds: Bounds) -> tuple[Interval, ...]:
    """Give what a build did: it waited for its first job to start, it ran, and where it is blocked, it still is.

    Args:
        build: The build.
        jobs: What its jobs did: where it is blocked and does not say since when, that is since the last of them ran.
        bounds: Between what it stands.
    """
    started, finished = bounds.time_of(build, "started_at"), bounds.time_of(build, "finished_at")
    is_blocked, over = build_is_blocked(build), bounds.is_finished
    if is_blocked and finished is None:
        finished = max((each.end for each in jobs if each.kind == IntervalKind.RUNNING), default=bounds.start)
    ends = [time for time in (started, finished) if time]
    waiting = bounds.stretch(IntervalKind.WAITING, bounds.start, min(ends, default=None), over=over)
    running = bounds.stretch(IntervalKind.RUNNING, started, finished, over=over)
    blocked = bounds.stretch(IntervalKind.BLOCKED, finished, None, over=not is_blocked)
    return (*_with_length(waiting), *running, *blocked)


def stretches_of_job(job: Job, bounds: Bounds) -> tuple[Interval, ...]:
    """Give what a job did: it waited for an agent, from when it could run, then it ran; none where nothing is known."""
    over = job_is_finished(job)
    runnable, started, finished = (bounds.time_of(job, f"{name}_at") for name in ("runnable", "started", "finished"))
    finished = finished or bounds.time_of(job, "expired_at")
    waiting = bounds.stretch(IntervalKind.WAITING, runnable, started or finished, over=over)
    running = bounds.stretch(IntervalKind.RUNNING, started, finished, over=over)
    return (*(_with_length(waiting) if running else waiting), *running)


def stretches_of_block(job: Job, before: Iterable[Interval], bounds: Bounds) -> tuple[Interval, ...]:
    """Give how long a block step waited for somebody; none where it never did, or that is not told.

    It tells when it was unblocked, and not since when it waits: that is taken to be the last end among the jobs that
    the build lists before it.

    Args:
        job: The block step.
        before: What those jobs did.
        bounds: Between what it stands.
    """
    is_blocked = job.__dict__.get("state") == JobState.BLOCKED
    unblocked = None if is_blocked else bounds.time_of(job, "unblocked_at")
    end = bounds.until if is_blocked else unblocked
    ends = [stretch.end for stretch in before if end is not None and not stretch.ongoing and stretch.end <= end]
    return tuple(bounds.stretch(IntervalKind.BLOCKED, max(ends, default=bounds.start), unblocked, over=not is_blocked))


def time_of(thing: Resource, name: str) -> datetime | None:
    """Read a time; also of a kind of job that is not known yet, whose fields are none."""
    found = moment(thing, name)
    if found is None and name in (extra := _extra(thing)):
        try:
            return read_time(extra[name])
        except ValueError:
            return None
    return found


def _extra(thing: Resource) -> dict[str, Any]:
    return getattr(thing, "__pydantic_extra__", None) or {}


def _with_length(stretches: list[Interval]) -> list[Interval]:
    return [stretch for stretch in stretches if stretch.end > stretch.start]
