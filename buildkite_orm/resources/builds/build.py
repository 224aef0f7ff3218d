"""Builds: one run of a pipeline. Their listings are in `build_queryset`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Self, overload

from pydantic import Field, field_serializer

from buildkite_orm.models.binding import Binding
from buildkite_orm.models.deferred import DeferredField, MayBeDeferred
from buildkite_orm.models.enums import BuildSource, BuildState
from buildkite_orm.models.paths import short_path
from buildkite_orm.models.resource import Fetchable, Timestamp
from buildkite_orm.resources.builds.actions import BuildVerbs
from buildkite_orm.resources.builds.job import Job, JobRef
from buildkite_orm.resources.builds.job_queryset import (
    JobFilters,
    JobQuerySet,
    job_class,
    matching_jobs,
)
from buildkite_orm.resources.builds.jobs_context import JobsContext
from buildkite_orm.resources.builds.status import build_has_passed, build_is_blocked, build_is_finished, span, took
from buildkite_orm.resources.embedded import (
    BuildAuthor,
    BuildStep,
    EmbeddedPipeline,
    EmbeddedUser,
    JobStateCounts,
    MergeQueue,
    PullRequest,
    RebuiltFrom,
    TriggeredFrom,
)
from buildkite_orm.utils.json_types import as_array
from buildkite_orm.utils.text import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import timedelta
    from typing import Unpack

    from pydantic._internal._repr import ReprArgs

    from buildkite_orm.models.parsing import Drift
    from buildkite_orm.resources.builds.annotation import AnnotationFilters, BuildAnnotationQuerySet
    from buildkite_orm.resources.builds.artifact import ArtifactFilters, ArtifactQuerySet
    from buildkite_orm.resources.builds.build_filters import BuildFetch
    from buildkite_orm.resources.builds.job_queryset import J
    from buildkite_orm.resources.builds.step_upload import StepUploadFilters, StepUploadQuerySet, StepUploadRef
    from buildkite_orm.resources.test_engine.test import BuildTestFilters, BuildTestQuerySet

_AS_DOCUMENTED = JobsContext()


class BuildRef(BuildVerbs):
    """The ref of a build.

    Example:
        >>> bk.organization("acme").pipeline("web").build(42)
        BuildRef(acme/web #42)
    """

    _kind = "build"
    _paths = ("organizations/{organization}/pipelines/{pipeline}/builds/{number}",)

    if TYPE_CHECKING:
        number: int

    def fetch(self, **params: Unpack[BuildFetch]) -> Build:
        """Fetch the build, with its jobs by default.

        Args:
            params: See `BuildFetch`. A client with a cache requests the build nevertheless, unless `max_age` or
                `cache` say otherwise.

        Raises:
            NotFoundError: Nothing has this number, or the token cannot access it.
            NotCachedError: With `cache="only"`: the cache does not have it.

        Documentation: https://buildkite.com/docs/apis/rest-api/builds#get-a-build
        """
        from buildkite_orm.resources.builds.cached_build import fetch_build

        return fetch_build(self, params)

    @overload
    def jobs(self, **filters: Unpack[JobFilters]) -> JobQuerySet: ...
    @overload
    def jobs(self, *, kind: type[J], **filters: Unpack[JobFilters]) -> JobQuerySet[J]: ...
    def jobs(self, *, kind: type[Job] | None = None, **filters: Unpack[JobFilters]) -> JobQuerySet[Any]:
        """List the jobs: the latest attempt of each.

        A build that contains all its jobs returns these without a request, as old as it is, also with filters that
        their data answers exactly; `build.jobs().fresh()` requests new ones. Otherwise one request per hundred.

        Args:
            kind: `ScriptJob`, `WaiterJob`, `ManualJob` or `TriggerJob` for jobs of that kind, selected by the client.
            filters: See `JobFilters`.

        Documentation: https://buildkite.com/docs/apis/rest-api/jobs#list-jobs
        """
        return self._list_jobs(kind, filters)

    def _list_jobs(self, kind: type[Job] | None, filters: JobFilters) -> JobQuerySet[Any]:
        return JobQuerySet(self.session, self._child("jobs"), filters, kind=kind)

    def job(self, job_id: str) -> JobRef:
        """Return the ref of the job with an id; no request."""
        return JobRef.at(self.session, self._child("jobs", job_id))

    def artifacts(self, **filters: Unpack[ArtifactFilters]) -> ArtifactQuerySet:
        """List the artifacts of all jobs.

        Args:
            filters: See `ArtifactFilters`.

        Documentation: https://buildkite.com/docs/apis/rest-api/artifacts#list-artifacts-for-a-build
        """
        from buildkite_orm.resources.builds.artifact import ArtifactQuerySet

        return ArtifactQuerySet(self.session, self._child("artifacts"), filters)

    def annotations(self, **filters: Unpack[AnnotationFilters]) -> BuildAnnotationQuerySet:
        """List the annotations: those of the build itself by default.

        Args:
            filters: See `AnnotationFilters`.

        Documentation: https://buildkite.com/docs/apis/rest-api/annotations#list-annotations-for-a-build
        """
        from buildkite_orm.resources.builds.annotation import BuildAnnotationQuerySet

        return BuildAnnotationQuerySet(self.session, self._child("annotations"), filters)

    def step_uploads(self, **filters: Unpack[StepUploadFilters]) -> StepUploadQuerySet:
        """List the steps that jobs have uploaded, newest first; `GoneError` for builds older than 30 days.

        Args:
            filters: See `StepUploadFilters`.

        Documentation: none; the Go client uses it, for all uploads.
        """
        from buildkite_orm.resources.builds.step_upload import StepUploadQuerySet

        return StepUploadQuerySet(self.session, self._child("step-uploads"), filters)

    def step_upload(self, uuid: str) -> StepUploadRef:
        """Return the ref of the step upload with a UUID; no request."""
        from buildkite_orm.resources.builds.step_upload import StepUploadRef

        return StepUploadRef.at(self.session, self._child("step-uploads", uuid))


class Build(BuildRef, Fetchable):
    """A build.

    A blocked build keeps its last `state`, often `passed`: look at `blocked` first.

    Attributes:
        embedded_jobs: Its jobs; None if they were not requested. `jobs()` requests them if needed.
        embedded_pipeline: The data of its pipeline; `pipeline` is the ref.
        env: Environment variables that it was created with.
        retried_jobs_count: In the response to `retry_failed_jobs()` only.
        steps: The configuration of its steps; in webhooks of builds with trigger steps only.

    Documentation: https://buildkite.com/docs/apis/rest-api/builds#build-data-model
    """

    id: str
    graphql_id: str | None = None
    url: str
    web_url: str | None = None
    number: int
    state: BuildState
    blocked: bool = False
    blocked_state: str | None = None
    cancel_reason: str | None = None
    message: str | None = None
    commit: str
    branch: str | None = None
    tag: str | None = None
    env: dict[str, Any] | None = None
    source: BuildSource | None = None
    author: BuildAuthor | None = None
    creator: EmbeddedUser | None = None
    created_at: Timestamp
    scheduled_at: Timestamp | None = None
    started_at: Timestamp | None = None
    failing_at: Timestamp | None = None
    finished_at: Timestamp | None = None
    meta_data: dict[str, str] = Field(default_factory=dict[str, str])
    pull_request: PullRequest | None = None
    merge_queue: MergeQueue | None = None
    rebuilt_from: RebuiltFrom | None = None
    triggered_from: TriggeredFrom | None = None
    test_engine: dict[str, Any] | None = None
    job_state_counts: JobStateCounts | None = None
    retried_jobs_count: int | None = None
    steps: list[BuildStep] | None = None
    embedded_pipeline: EmbeddedPipeline | None = Field(default=None, alias="pipeline")
    embedded_jobs: Annotated[list[Job] | None, MayBeDeferred()] = Field(default=None, alias="jobs")

    if not TYPE_CHECKING:  # without an annotation, the JSON schema of the field stays as it is

        @field_serializer("embedded_jobs", mode="wrap")
        def _dump_jobs(self, value, handler):  # noqa: ANN001, ANN202
            del value  # it may be deferred
            return handler(self.embedded_jobs)

    @property
    def drift(self) -> tuple[Drift, ...]:
        """The values in this build and its jobs that differ from the documentation, and are kept as received."""
        self._jobs_in_data()
        return super().drift

    @property
    def is_blocked(self) -> bool:
        """Whether it waits to be unblocked, whatever its state."""
        return build_is_blocked(self)

    @property
    def is_finished(self) -> bool:
        """Whether it is finished, and not only blocked; `failing` and `canceling` are not final."""
        return build_is_finished(self)

    @property
    def has_passed(self) -> bool:
        """Whether it is finished and has passed; False for one that is blocked, whose state may be `passed`."""
        return build_has_passed(self)

    @property
    def duration(self) -> timedelta | None:
        """The time from its start to its end, or to now; None if it has not started, or that is unknown."""
        return span(self, "started_at", "finished_at", over=build_is_finished)

    @property
    def queue_time(self) -> timedelta | None:
        """The time from its creation to its start, or to now; None if that is unknown."""
        return span(self, "created_at", "started_at", "finished_at", over=build_is_finished)

    def artifacts(self, **filters: Unpack[ArtifactFilters]) -> ArtifactQuerySet:
        """List the artifacts of all jobs.

        Args:
            filters: See `ArtifactFilters`.

        Documentation: https://buildkite.com/docs/apis/rest-api/artifacts#list-artifacts-for-a-build
        """
        artifacts = super().artifacts(**filters)
        if not self._may_be_cached:
            return artifacts
        from buildkite_orm.resources.builds.cached_log import owner_finished_at

        return artifacts.of_finished(owner_finished_at(self, is_finished=build_is_finished(self)))

    def _list_jobs(self, kind: type[Job] | None, filters: JobFilters) -> JobQuerySet[Any]:
        path, context, kind = self.api_path, self._jobs_context, job_class(kind)
        with_retried = bool(filters.get("include_retried_jobs"))
        embedded = self._complete_jobs(path, include_retried=with_retried)
        if embedded is not None:
            embedded = matching_jobs([job for job in embedded if isinstance(job, kind)], filters)
        filtered = bool(filters.keys() - {"include_retried_jobs"})

        def note_request() -> None:
            _ = self.session  # raises if there is none
            context.note(path, filtered=filtered, with_retried=with_retried)

        session = self.session if embedded is None else self._bound.session
        source = self if embedded is None and self._may_be_cached else None
        options: dict[str, Any] = {"loaded": embedded, "on_request": note_request, "finished": source}
        build_id = self.__dict__.get("id")
        return JobQuerySet(session, f"{path}/jobs", filters, kind=kind, build_id=build_id, **options)

    def tests(self, **filters: Unpack[BuildTestFilters]) -> BuildTestQuerySet:
        """List the tests that ran in the build, of all test suites, with their metrics in it.

        Args:
            filters: See `BuildTestFilters`.

        Documentation: https://buildkite.com/docs/apis/rest-api/test-engine/build-tests#list-tests-for-a-build
        """
        return self.organization.build_tests(self.id, **filters)

    def reload(self, **params: Unpack[BuildFetch]) -> Self:
        """Load this build again, into itself, with its jobs by default.

        Args:
            params: See `BuildFetch`.

        Raises:
            NotFoundError: It does not exist any more.
        """
        return self._copy_data_from(self.fetch(**params))  # type: ignore[arg-type]

    @property
    def _jobs_context(self) -> JobsContext:
        context = self._bound.context
        return context if isinstance(context, JobsContext) else _AS_DOCUMENTED

    def _embedded_latest_jobs(self) -> list[Job] | None:
        """Return the embedded latest attempts; None if they must be requested, which is recorded."""
        embedded = self._complete_jobs(self.api_path, include_retried=False)
        if embedded is None:
            self._jobs_context.note(self.api_path)
        return embedded

    def _with_embedded_jobs(self, *, include_retried: bool) -> Build | None:
        """Return the build itself if all its jobs are embedded; None if they must be requested, which is recorded."""
        context = self._jobs_context
        is_complete = self._jobs_in_data() is not None and context.complete
        if is_complete and (context.with_retried or not include_retried):
            return self
        if self._may_be_cached:
            from buildkite_orm.resources.builds.cached_build import with_stored_jobs

            stored = with_stored_jobs(self, include_retried=include_retried)
            if stored is not None:
                return stored
        context.note(self.api_path)
        return None

    def _jobs_in_data(self) -> list[object] | None:
        """Return the embedded jobs, after loading them from the cache if they are there; None if there are none."""
        return as_array(getattr(self, "embedded_jobs", None))

    def _payload(self) -> dict[str, Any]:
        self._jobs_in_data()
        return super()._payload()

    def __repr_args__(self) -> ReprArgs:
        self._jobs_in_data()
        return super().__repr_args__()

    @property
    def _may_be_cached(self) -> bool:
        session = self._bound.session
        return session is not None and session.cache is not None

    def _complete_jobs(self, path: str, *, include_retried: bool) -> list[Job] | None:
        """Return the embedded jobs if they are complete; else None."""
        embedded, context = self._jobs_in_data(), self._jobs_context
        cached_at = self._bound.cached_at
        if embedded is None or not context.complete or (include_retried and not context.with_retried):
            embedded, cached_at = self._stored_jobs(include_retried=include_retried)
        if embedded is None:
            return None
        jobs = [job for job in embedded if isinstance(job, Job)]
        if len(jobs) < len(embedded):  # some of them could not be parsed
            return None
        binding = Binding(self._bound.session, f"{path}/jobs", cached_at=cached_at)
        return [job.bind(binding) for job in jobs if include_retried or not job.was_retried]

    def _stored_jobs(self, *, include_retried: bool) -> tuple[list[object] | None, float | None]:
        """Return the jobs that the cache has, and when it stored them."""
        if not self._may_be_cached:
            return None, None
        from buildkite_orm.resources.builds.cached_build import stored_jobs

        found = stored_jobs(self, include_retried=include_retried)
        return (None, None) if found is None else (as_array(found[0].embedded_jobs), found[1])

    def _summary(self) -> Iterable[object]:
        data = self.__dict__
        state = "blocked" if build_is_blocked(self) else data.get("state")
        on = f" on {data['branch']}" if data.get("branch") else ""
        yield f"{short_path(self._find_path())} {state}{on}"
        yield took(self)
        yield quoted(data.get("message"))


setattr(Build, "embedded_jobs", DeferredField("embedded_jobs"))  # noqa: B010 - type checkers know the field
