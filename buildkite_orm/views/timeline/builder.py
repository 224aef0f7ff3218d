"""How a timeline is made of the jobs that came with a build."""

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
from buildkite_orm.views.timeline.layout import Bounds, stretches_of_block, stretches_of_build, stretches_of_job

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildkite_orm.resources.builds.build import Build

_SLACK: Final = timedelta(seconds=1)


def timeline_of(build: Build, *, problem: str | None = None) -> Timeline:
    """Make the timeline of a build of the jobs that came with it; see `Build.timeline`.

    Args:
        build: The build.
        problem: Why earlier attempts are missing, where they could not be loaded.
    """
    jobs = _jobs_of(build)
    bounds, attempts = Bounds.of(build, jobs), _Attempts(jobs)
    rows: list[TimelineRow] = []
    unplaced: list[Job] = []
    done: list[Interval] = []
    for place, job in enumerate(jobs):
        is_block = isinstance(job, ManualJob)
        stretches = stretches_of_block(job, done, bounds) if is_block else stretches_of_job(job, bounds)
        done += stretches
        if stretches:
            rows.append(TimelineRow(job, job_title(job), stretches, attempts.number(place), attempts.first(place)))
        else:
            unplaced.append(job)
    rows.sort(key=lambda row: row.start)
    critical = {id(row) for row in _critical_path(rows)}
    whole = stretches_of_build(build, done, bounds)
    moments = [moment for each in (*done, *whole) for moment in (each.start, each.end)]
    moments += [moment for moment in (bounds.start, bounds.until) if moment]
    return Timeline(
        build,
        tuple(replace(row, is_critical=id(row) in critical) for row in rows),
        tuple(unplaced),
        whole,
        min(moments, default=None),
        max(moments, default=None),
        sum(attempts.number(chain) - 1 for chain in {row.chain for row in rows}),
        problem,
    )


def _jobs_of(build: Build) -> list[Job]:
    """Give the jobs that came with a build, bound as it is, and no waits; what is no job at all, its drift tells of."""
    came = as_array(build.__dict__.get("embedded_jobs")) or []
    jobs = [job for job in came if isinstance(job, Job) and not isinstance(job, WaiterJob)]
    try:
        binding = Binding(build.session, f"{build.api_path}/jobs")
    except UnboundError:
        return jobs
    return [job.bind(binding) for job in jobs]


class _Attempts:
    """Tells which jobs are attempts of one, by what they say of each other."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._jobs = jobs
        places = {name: place for place, job in enumerate(jobs) if (name := _id(job.__dict__.get("id")))}
        self._earlier: dict[int, int] = {}
        for place, job in enumerate(jobs):
            if (earlier := places.get(_source(job), place)) != place:
                self._earlier[place] = earlier
            if (later := places.get(_id(job.__dict__.get("retried_in_job_id")), place)) != place:
                self._earlier[later] = place

    def number(self, place: int) -> int:
        """Tell which attempt a job is, from 1, also where not all before it came."""
        chain = self._chain(place)
        return max(self._at_least(chain[-1]) + len(chain) - 1, self._at_least(place))

    def first(self, place: int) -> int:
        """Give the place of the first of its attempts that came."""
        return self._chain(place)[-1]

    def _at_least(self, place: int) -> int:
        job = self._jobs[place]
        told = job.__dict__.get("retries_count")
        return max(told + 1 if isinstance(told, int) else 1, 2 if _source(job) else 1)

    def _chain(self, place: int) -> list[int]:
        chain = [place]
        while (before := self._earlier.get(chain[-1])) is not None:
            if before in chain:  # in a circle, which has no first one
                return [place]
            chain.append(before)
        return chain


def _source(job: Job) -> str:
    return _id(getattr(job.__dict__.get("retry_source"), "job_id", None))


def _id(value: object) -> str:
    return value if isinstance(value, str) else ""


def _critical_path(rows: Sequence[TimelineRow]) -> list[TimelineRow]:
    """Go back from the job that ended last; see `Timeline.critical_path`."""
    path = [max(rows, key=lambda row: row.end)] if rows else []
    while path and (before := _before(path[-1], rows)):
        path.append(before)
    return path


def _before(row: TimelineRow, rows: Sequence[TimelineRow]) -> TimelineRow | None:
    ended = [each for each in rows if each.start < row.start and each.end <= row.start + _SLACK]
    attempts = [each for each in ended if each.chain == row.chain]
    return max(attempts or ended, key=lambda each: each.end, default=None)
