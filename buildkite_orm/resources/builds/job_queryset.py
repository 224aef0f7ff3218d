"""Listings of the jobs of a build, and which embedded jobs match their filters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypedDict, cast, get_args

from buildkite_orm.models.enums import JobState
from buildkite_orm.querysets.pagination import LinkPaginator
from buildkite_orm.querysets.queryset import QuerySet
from buildkite_orm.resources.builds.job import Job, WaiterJob
from buildkite_orm.utils.json_types import as_several

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Unpack

    from typing_extensions import TypeVar

    from buildkite_orm.querysets.adaptive_page_size import AdaptivePageSize
    from buildkite_orm.querysets.listing import Listing
    from buildkite_orm.querysets.pagination import LinkCursor, PageResult
    from buildkite_orm.resources.builds.build import Build

    J = TypeVar("J", bound=Job, default=Job)
else:
    from typing import TypeVar

    J = TypeVar("J", bound=Job)

JobStateName = Literal[
    "pending",
    "waiting",
    "waiting_failed",
    "blocked",
    "blocked_failed",
    "unblocked",
    "unblocked_failed",
    "scheduled",
    "assigned",
    "accepted",
    "running",
    "passed",
    "failed",
    "timed_out",
    "timing_out",
    "canceled",
    "canceling",
    "skipped",
    "broken",
    "expired",
    "limited",
]


class JobFilters(TypedDict, total=False):
    """Filters for the jobs of a build.

    Attributes:
        state: One state or several. `failed` finds running jobs too that have declared that they will fail.
        include_retried_jobs: Whether all attempts are listed, not only the latest.
        step_key: The key of their step.
        group_key: The key of their group.
    """

    state: JobState | JobStateName | Sequence[JobState | JobStateName]
    include_retried_jobs: bool
    step_key: str
    group_key: str


_STATES: Final = frozenset(get_args(JobStateName))
_EMBEDDED_FILTERS: Final = frozenset({"state", "step_key", "group_key"})
_NEVER_OF_WAITERS: Final = frozenset(
    {"scheduled", "assigned", "accepted", "running", "limited", "failed", "timing_out", "timed_out", "expired"}
)


class JobQuerySet(QuerySet[J]):
    """The jobs of a build: the latest attempt of each, unless `include_retried_jobs=True`."""

    _model = Job
    _filters_type = JobFilters
    _list_filters = frozenset({"state"})
    _is_numbered = False

    def __init__(
        self,
        *args: Any,
        kind: type[J] | None = None,
        build_id: str | None = None,
        on_request: Callable[[], None] | None = None,
        finished: Build | None = None,
        **options: Any,
    ) -> None:
        self._kind = job_class(kind)
        self._build_id = build_id
        self._on_request = on_request
        self._finished = finished
        super().__init__(*args, **options)

    def filter(self, **filters: Unpack[JobFilters]) -> Self:
        """Return a queryset with more filters; see `JobFilters`."""
        loaded = None
        if self._given is not None and not filters.keys() & {"include_retried_jobs", *self._filters}:
            loaded = matching_jobs(self._given, filters)
        return self._with(filters=self._merged(filters), loaded=loaded)

    def _with(self, **changed: Any) -> Self:
        return super()._with(**{"on_request": self._on_request, "finished": self._finished, **changed})

    def _options(self) -> dict[str, Any]:
        return {**super()._options(), "kind": self._kind, "build_id": self._build_id}

    def _params(self) -> Mapping[str, object]:
        # the endpoint returns all attempts by default, unlike the jobs that are embedded in builds
        return {"include_retried_jobs": False, **self._filters}

    def _known_columns(self) -> Mapping[str, object]:
        return {} if self._build_id is None else {"build_id": self._build_id}

    def _make_client_filter(self) -> Callable[[J], bool] | None:
        kind = self._kind
        return None if kind is Job else lambda job: isinstance(job, kind)

    def _make_listing(self) -> Listing[J]:
        listing = super()._make_listing()
        if self._finished is None:
            return listing
        from buildkite_orm.resources.builds.cached_build import jobs_of_finished

        return cast("Listing[J]", jobs_of_finished(cast("Listing[Job]", listing), self._finished))

    def _make_paginator(self) -> LinkPaginator[J]:
        if self._on_request is None:
            return LinkPaginator(self._pages)
        return _NotedPaginator(self._pages, self._on_request)

    def _describe(self) -> str:
        return super()._describe() + ("" if self._kind is Job else f" kind={self._kind.__name__}")


class _NotedPaginator(LinkPaginator[J]):
    """A paginator that calls a function before it requests the first page."""

    def __init__(self, pages: AdaptivePageSize[J], on_request: Callable[[], None]) -> None:
        super().__init__(pages)
        self._on_request = on_request

    def fetch(self, cursor: LinkCursor[J]) -> PageResult[J, LinkCursor[J]]:
        if cursor.is_first:
            self._on_request()
        return super().fetch(cursor)


def job_class(kind: type[J] | None) -> type[J]:
    """Return the class that `kind=` selects.

    Raises:
        TypeError: It is not a class of jobs.
    """
    selected: Any = Job if kind is None else kind
    if isinstance(selected, type) and issubclass(selected, Job):
        return cast("type[J]", selected)
    msg = f"kind={kind!r}: must be a class of jobs: ScriptJob, WaiterJob, ManualJob or TriggerJob"
    raise TypeError(msg)


def matching_jobs(jobs: Sequence[J], filters: Mapping[str, object]) -> list[J] | None:
    """Return the embedded jobs that the server would return for filters; None if only the server knows that.

    The state of a wait step is not in its payload. A running job that has promised to fail is listed as `failed`, but
    only if nothing makes up for its failure, which its payload does not say.

    Args:
        jobs: All jobs of a build, or those of one kind.
        filters: See `JobFilters`; the jobs already are all attempts, or the latest ones.
    """
    given = {name: value for name, value in filters.items() if value is not None and name != "include_retried_jobs"}
    if not given.keys() <= _EMBEDDED_FILTERS:
        return None
    found = list(jobs)
    if "step_key" in given:
        found = [job for job in jobs if job.step_key == given["step_key"]]
        if not found and any("step_key" not in job.model_fields_set for job in jobs):
            return None  # it may be the key of a step whose payload has none
    if "group_key" in given:
        found = [job for job in found if job.group_key == given["group_key"]]
    if "state" not in given:
        return found
    several = as_several(given["state"])
    wanted = frozenset(map(str, [given["state"]] if several is None else several))
    if not wanted or not wanted <= _STATES:
        return None
    matches = [(job, _has_state(job, wanted)) for job in found]
    if any(match is None for _, match in matches):
        return None
    return [job for job, match in matches if match]


def _has_state(job: Job, wanted: frozenset[str]) -> bool | None:
    """Return whether the server lists a job under one of several states; None if its payload does not say."""
    data = job.__dict__
    state = data.get("state")
    if not isinstance(state, str):
        return False if isinstance(job, WaiterJob) and wanted <= _NEVER_OF_WAITERS else None
    if state == JobState.RUNNING and data.get("promised_exit_status"):
        matches = {each in wanted for each in (JobState.RUNNING, JobState.FAILED)}
        return matches.pop() if len(matches) == 1 else None
    return state in wanted
