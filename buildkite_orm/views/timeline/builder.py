"""Builds a timeline from the embedded jobs of a build."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from buildkite_orm.errors import UnboundError
from buildkite_orm.models.binding import Binding
from buildkite_orm.resources.builds.job import Job, ManualJob, WaiterJob
from buildkite_orm.resources.builds.status import job_title
from buildkite_orm.utils.json_types import as_array
from buildkite_orm.views.timeline.data import Interval, Timeline, TimelineRow
from buildkite_orm.views.timeline.layout import TimeBounds, block_intervals, build_intervals, job_intervals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildkite_orm.resources.builds.build import Build

_CLOCK_TOLERANCE: Final = timedelta(seconds=1)


def build_timeline(build: Build, *, problem: str | None = None) -> Timeline:
    """Build the timeline of a build from its embedded jobs; see `Build.timeline`.

    Args:
        build: The build.
        problem: Why earlier attempts are missing, if they could not be loaded.
    """
    jobs = _embedded_jobs(build)
    bounds, attempts = TimeBounds.of(build, jobs), _Attempts(jobs)
    rows: list[TimelineRow] = []
    unplaced: list[Job] = []
    job_times: list[Interval] = []
    for index, job in enumerate(jobs):
        is_block = isinstance(job, ManualJob)
        intervals = block_intervals(job, job_times, bounds) if is_block else job_intervals(job, bounds)
        job_times += intervals
        if intervals:
            rows.append(TimelineRow(job, job_title(job), intervals, attempts.number(index), attempts.first(index)))
        else:
            unplaced.append(job)
    rows.sort(key=lambda row: row.start)
    critical = {id(row) for row in _critical_path(rows)}
    build_times = build_intervals(build, job_times, bounds)
    times = [time for interval in (*job_times, *build_times) for time in (interval.start, interval.end)]
    times += [time for time in (bounds.start, bounds.until) if time]
    return Timeline(
        build,
        tuple(replace(row, is_critical=id(row) in critical) for row in rows),
        tuple(unplaced),
        build_times,
        min(times, default=None),
        max(times, default=None),
        sum(attempts.number(chain) - 1 for chain in {row.chain for row in rows}),
        problem,
    )


def _embedded_jobs(build: Build) -> list[Job]:
    """Return the embedded jobs without wait steps, bound to the client of the build."""
    embedded = as_array(getattr(build, "embedded_jobs", None)) or []
    jobs = [job for job in embedded if isinstance(job, Job) and not isinstance(job, WaiterJob)]
    try:
        binding = Binding(build.session, f"{build.api_path}/jobs")
    except UnboundError:
        return jobs
    return [job.bind(binding) for job in jobs]


class _Attempts:
    """Which jobs are attempts of the same job, by the ids of retried jobs and of their retries."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._jobs = jobs
        indexes = {name: index for index, job in enumerate(jobs) if (name := _id(job.__dict__.get("id")))}
        self._previous: dict[int, int] = {}
        for index, job in enumerate(jobs):
            if (earlier := indexes.get(_retry_source_id(job), index)) != index:
                self._previous[index] = earlier
            if (later := indexes.get(_id(job.__dict__.get("retried_in_job_id")), index)) != index:
                self._previous[later] = index

    def number(self, index: int) -> int:
        """Return which attempt a job is, from 1, also if earlier ones are not embedded."""
        chain = self._chain(index)
        return max(self._min_number(chain[-1]) + len(chain) - 1, self._min_number(index))

    def first(self, index: int) -> int:
        """Return the index of the first embedded attempt."""
        return self._chain(index)[-1]

    def _min_number(self, index: int) -> int:
        job = self._jobs[index]
        retries = job.__dict__.get("retries_count")
        return max(retries + 1 if isinstance(retries, int) else 1, 2 if _retry_source_id(job) else 1)

    def _chain(self, index: int) -> list[int]:
        """Return the indexes of a job and of the attempts before it, latest first."""
        chain = [index]
        while (previous := self._previous.get(chain[-1])) is not None:
            if previous in chain:  # a cycle has no first attempt
                return [index]
            chain.append(previous)
        return chain


def _retry_source_id(job: Job) -> str:
    return _id(getattr(job.__dict__.get("retry_source"), "job_id", None))


def _id(value: object) -> str:
    return value if isinstance(value, str) else ""


def _critical_path(rows: Sequence[TimelineRow]) -> list[TimelineRow]:
    """Return the critical path, last job first; see `Timeline.critical_path`."""
    path = [max(rows, key=lambda row: row.end)] if rows else []
    while path and (predecessor := _predecessor(path[-1], rows)):
        path.append(predecessor)
    return path


def _predecessor(row: TimelineRow, rows: Sequence[TimelineRow]) -> TimelineRow | None:
    """Return the row that ended last before this one could run; an earlier attempt takes precedence over other jobs."""
    ended = [each for each in rows if each.start < row.start and each.end <= row.start + _CLOCK_TOLERANCE]
    attempts = [each for each in ended if each.chain == row.chain]
    return max(attempts or ended, key=lambda each: each.end, default=None)
