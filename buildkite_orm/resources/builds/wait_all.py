"""Waiting for several builds and jobs at once: one poll serves all of them.

A poll requests each unfinished build, or a listing of the time in which they were created if that takes fewer requests.
"""

from __future__ import annotations

import math
from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING, Final, cast

from buildkite_orm.models.binding import Binding
from buildkite_orm.models.paths import short_path
from buildkite_orm.progress import progress_line
from buildkite_orm.resources.builds.build import Build, BuildRef
from buildkite_orm.resources.builds.build_waiter import BuildWaiter
from buildkite_orm.resources.builds.deadline import Deadline
from buildkite_orm.resources.builds.job import Job, JobRef
from buildkite_orm.resources.builds.jobs_context import JobsContext
from buildkite_orm.resources.builds.poll_schedule import poll_interval
from buildkite_orm.resources.builds.status import displayed_state, moment
from buildkite_orm.resources.builds.wait_state import wait_state
from buildkite_orm.utils.json_types import as_array

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from buildkite_orm.errors import WaitTimeoutError
    from buildkite_orm.http.session import Session
    from buildkite_orm.resources.builds.build_filters import BuildFilters
    from buildkite_orm.resources.builds.build_queryset import BuildQuerySet
    from buildkite_orm.resources.builds.waiting import WaitOptions

_SECOND: Final = timedelta(seconds=1)


class _Awaited:
    """A build that is waited for, or whose jobs are; or a job whose build is not known.

    Attributes:
        ref: The build; None if it is not known.
        jobs: The awaited jobs by their ids, as last loaded; None before that.
        build: The build as last loaded.
        is_build: Whether the build itself is waited for.
    """

    def __init__(self, ref: BuildRef | None, options: WaitOptions, deadline: Deadline) -> None:
        self._waiter = None if ref is None else BuildWaiter(ref, options, deadline)
        self.job_refs: dict[str, JobRef] = {}
        self.jobs: dict[str, Job | None] = {}
        self.build: Build | None = None
        self.is_build = False
        self._build_is_done = False
        self._finished_jobs: set[str] = set()
        self._on_change = options.on_change
        self._states: dict[str, str] = {}

    @property
    def ref(self) -> BuildRef | None:
        return None if self._waiter is None else self._waiter.ref

    @property
    def is_done(self) -> bool:
        return self._finished_jobs == self.jobs.keys() and (self._build_is_done or not self.is_build)

    def interval(self, deadline: Deadline) -> float:
        """Return the seconds until the next poll."""
        return poll_interval(deadline.elapsed) if self._waiter is None else self._waiter.interval(self.build)

    def receive_build(self, build: Build) -> None:
        """Record the build as just loaded, with its jobs if it contains them."""
        self.build = build
        if self.is_build:
            self._note_state("", displayed_state(build), build)
        for job in as_array(build.embedded_jobs) or []:
            if isinstance(job, Job) and job.id in self.jobs:
                self.receive_job(job.bind(Binding(build.session, f"{build.api_path}/jobs")))
        if self.is_build and self._waiter is not None:
            self._build_is_done = self._waiter.is_done(build)
            if self._waiter.ref.api_path != build.api_path:  # it was rebuilt
                self.build = None

    def receive_job(self, job: Job) -> None:
        """Record a job as just loaded; a wait step has no state, and is finished with its build."""
        self.jobs[job.id] = job
        self._note_state(job.id, str(job.state), job)
        build_is_finished = self.build is not None and self.build.is_finished
        if job.is_finished or (job.state is None and build_is_finished):
            self._finished_jobs.add(job.id)

    def cancel(self) -> str | None:
        """Cancel the build, if it is waited for; return what has become of it, or None if it was finished before."""
        if not self.is_build or self._build_is_done or self._waiter is None:
            return "jobs are not canceled"
        outcome, finished = self._waiter.cancel()
        if finished is not None:
            self.receive_build(finished)
            return None
        self.build = self._waiter.build or self.build
        return f"{short_path(self._waiter.ref.api_path)}: {outcome}"

    def _note_state(self, key: str, state: str, item: Build | Job) -> None:
        """Call the function of the caller if a state has changed."""
        if self._states.get(key) == state:
            return
        self._states[key] = state
        if self._on_change is not None:
            self._on_change(item)

    def describe(self) -> str:
        """Return what is not finished, and its state."""
        for job_id, job in self.jobs.items():
            if job_id not in self._finished_jobs:
                name = short_path(self.job_refs[job_id].api_path)
                return f"{name} could not be loaded" if job is None else f"{name} is still {job.state}"
        if self.build is None:
            return f"{short_path(self.ref.api_path if self.ref else None)} could not be loaded"
        return f"{short_path(self.build.api_path)} is still {displayed_state(self.build)}"


class _Waiter:
    """Polls builds and jobs until all of them are finished."""

    def __init__(self, session: Session, items: Sequence[BuildRef | JobRef], options: WaitOptions) -> None:
        self._session = session
        self._items = items
        self._options = options
        self._deadline = Deadline(session, options.timeout)
        self._awaited: dict[str, _Awaited] = {}
        self._targets = [self._target(item) for item in items]
        self._listing_pages: dict[str, float] = {}
        self._requests = 0

    def wait(self) -> list[Build | Job]:
        """Poll until all are finished, and return them."""
        state = wait_state(self._session)
        try:
            with state.waiting(), progress_line(self._options.progress) as show:
                while unfinished := self._poll():
                    show(f"{self._count(unfinished)} of {len(self._items)} not finished yet")
                    if self._deadline.is_over:
                        self._end(unfinished)
                        break
                    interval = min(each.interval(self._deadline) for each in unfinished)
                    pace = state.min_interval(self._items[0].api_path) * self._requests
                    self._deadline.pause(max(interval, pace))
        except KeyboardInterrupt as interrupt:
            interrupt.args = (f"stopped waiting for {len(self._items)} builds and jobs; they continue",)
            raise
        finally:
            results = [self._adopt(item, target) for item, target in zip(self._items, self._targets, strict=True)]
        return cast("list[Build | Job]", results)

    def _target(self, item: BuildRef | JobRef) -> _Awaited:
        """Return what an item is waited for by; all jobs of a build share one."""
        is_job = isinstance(item, JobRef)
        path = BuildRef.routes.path_of(item._keys()) if is_job else item.api_path  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        key = path or item.api_path
        if key not in self._awaited:
            ref = None if path is None else BuildRef.at(self._session, path)
            self._awaited[key] = _Awaited(ref, self._options, self._deadline)
        awaited = self._awaited[key]
        if isinstance(item, JobRef):
            awaited.jobs[item.id] = None
            awaited.job_refs[item.id] = JobRef.at(self._session, item.api_path)
        else:
            awaited.is_build = True
            awaited.build = item if isinstance(item, Build) else awaited.build
        return awaited

    def _poll(self) -> list[_Awaited]:
        """Load what is unfinished, and return what still is."""
        self._requests = 0
        by_organization: dict[str, list[_Awaited]] = defaultdict(list)
        for each in self._awaited.values():
            if not each.is_done:
                by_organization[each.ref.organization.api_path if each.ref else ""].append(each)
        for organization, unfinished in by_organization.items():
            self._poll_organization(organization, unfinished)
        return [each for each in self._awaited.values() if not each.is_done]

    def _poll_organization(self, organization: str, unfinished: list[_Awaited]) -> None:
        remaining = {each.ref.api_path if each.ref else "": each for each in unfinished}
        listable = [each for each in unfinished if each.ref is not None and _created_at(each) is not None]
        if 1 < len(listable) > self._listing_pages.get(organization, 1):
            for build in self._deadline.try_request(lambda: self._list(organization, listable)) or ():
                awaited = remaining.pop(build.api_path, None)
                if awaited is not None:
                    awaited.receive_build(build)
            if self._deadline.error is not None:
                return
        for each in unfinished:
            if each in remaining.values():
                self._poll_one(each, alone=len(unfinished) == 1)

    def _poll_one(self, awaited: _Awaited, *, alone: bool) -> None:
        """Load one build; or one job, if nothing else of its build, or no other build, is waited for."""
        self._requests += 1
        ref = awaited.ref
        if ref is None or (alone and len(awaited.jobs) == 1 and not awaited.is_build and _has_state(awaited)):
            self._fetch_jobs(awaited, list(awaited.jobs))
            return
        with_pipeline = awaited.build is not None and awaited.build.embedded_pipeline is not None
        with_jobs = bool(awaited.jobs)
        build = self._deadline.try_request(
            lambda: ref.fetch(with_jobs=with_jobs, with_pipeline=with_pipeline, include_retried_jobs=with_jobs)
        )
        if build is not None:
            awaited.receive_build(build)
            self._fetch_jobs(awaited, [job_id for job_id, job in awaited.jobs.items() if job is None])

    def _fetch_jobs(self, awaited: _Awaited, job_ids: list[str]) -> None:
        for job_id in job_ids:
            job = self._deadline.try_request(awaited.job_refs[job_id].fetch)
            if job is not None:
                awaited.receive_job(job)

    def _list(self, organization: str, listable: list[_Awaited]) -> list[Build]:
        """List the time in which builds were created, as far as that is cheaper than one request for each."""
        wanted = {each.ref.api_path for each in listable if each.ref}
        times = [time for each in listable if (time := _created_at(each))]
        first, last = min(times).replace(microsecond=0), max(times)
        with_jobs = any(each.jobs for each in listable)
        with_pipeline = any(each.build is not None and each.build.embedded_pipeline for each in listable)
        filters: BuildFilters = {
            "created_from": first,
            "created_to": last + _SECOND,
            "with_pipeline": with_pipeline,
        }
        if with_jobs:
            filters |= {"with_jobs": True, "include_retried_jobs": True}
        found: list[Build] = []
        pages = 0.0
        for page in _builds_of(listable, filters).pages():
            self._requests += 1
            pages += 1
            binding = Binding(self._session, None, JobsContext(with_retried=with_jobs))
            found += [build.bind(binding) for build in page.items if build.api_path in wanted]
            if len(found) == len(wanted) or not page.has_next:
                break
            oldest = moment(page.items[-1], "created_at") if page.items else None
            covered = (last - oldest) / (last - first + _SECOND) if oldest else 0.0
            if (pages / covered if covered > 0 else math.inf) >= len(wanted):
                pages = math.inf
                break
        self._listing_pages[organization] = pages
        return found

    def _end(self, unfinished: list[_Awaited]) -> None:
        """End a wait whose time is up: cancel builds if requested, and raise unless all were finished before.

        Raises:
            WaitTimeoutError: Something is not finished.
        """
        outcomes = [each.cancel() for each in unfinished] if self._options.cancel_on_timeout else []
        left = [each for each in unfinished if not each.is_done]
        if left:
            error = self._timeout_error(left)
            error.message = "; ".join(dict.fromkeys([error.message, *filter(None, outcomes)]))
            raise error

    def _count(self, unfinished: Iterable[_Awaited]) -> int:
        left = set(map(id, unfinished))
        return sum(id(target) in left for target in self._targets)

    def _timeout_error(self, unfinished: list[_Awaited]) -> WaitTimeoutError:
        count, first = self._count(unfinished), unfinished[0].describe()
        more = f"{count} of {len(self._items)} builds and jobs are not finished: {first}, for example,"
        error = self._deadline.timeout_error(first if len(self._items) == 1 else more)
        error.build = unfinished[0].build
        return error

    def _adopt(self, item: BuildRef | JobRef, target: _Awaited) -> Build | Job | None:
        """Load what was received into an object of the caller, and return that; a ref returns a new object."""
        if isinstance(item, JobRef):
            job = target.jobs.get(item.id)
            return None if job is None else item._apply(job)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        build = target.build
        if build is None or build is item or build.api_path != item.api_path:
            return build
        return item._apply(build)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]


def _builds_of(awaited: Sequence[_Awaited], filters: BuildFilters) -> BuildQuerySet:
    """Return the listing of their pipeline, or of their organization if there are several."""
    refs = [each.ref for each in awaited if each.ref]
    pipelines = {ref.pipeline for ref in refs}
    return pipelines.pop().builds(**filters) if len(pipelines) == 1 else refs[0].organization.builds(**filters)


def _created_at(awaited: _Awaited) -> datetime | None:
    return None if awaited.build is None else moment(awaited.build, "created_at")


def _has_state(awaited: _Awaited) -> bool:
    """Return whether no job was loaded without a state: the end of its build is then its own."""
    return all(job is None or job.state is not None for job in awaited.jobs.values())


def wait_all(session: Session, items: Iterable[BuildRef | JobRef], options: WaitOptions) -> list[Build | Job]:
    """Wait until builds and jobs are finished; see `Buildkite.wait_all`.

    Args:
        session: The session of the client.
        items: The builds and jobs.
        options: How to wait.
    """
    several = list(items)
    for item in several:
        if not isinstance(cast("object", item), BuildRef | JobRef):
            msg = f"wait_all: {item!r} is neither a build nor a job"
            raise TypeError(msg)
    return _Waiter(session, several, options).wait() if several else []
