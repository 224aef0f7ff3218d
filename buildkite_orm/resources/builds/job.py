"""Jobs, of all kinds: commands, waits, blocks and triggers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast
from urllib.parse import urlsplit

from pydantic import Field, TypeAdapter
from pydantic_core import core_schema, from_json

from buildkite_orm.http.messages import ApiRequest
from buildkite_orm.models.binding import Binding
from buildkite_orm.models.enums import JobFailure, JobState, JobType, RetryType, SignalReason
from buildkite_orm.models.paths import path_from_url
from buildkite_orm.models.resource import Fetchable, Model, Timestamp
from buildkite_orm.resources.builds.job_actions import JobVerbs
from buildkite_orm.resources.builds.status import job_failure, job_is_finished, job_share, job_title, span, took
from buildkite_orm.resources.embedded import EmbeddedAgent, EmbeddedBuild, EmbeddedUser, RetrySource
from buildkite_orm.utils.json_types import as_object
from buildkite_orm.utils.text import format_value, one_line

if TYPE_CHECKING:
    import builtins
    from collections.abc import Iterable, Mapping
    from datetime import timedelta
    from typing import Unpack

    from pydantic import GetCoreSchemaHandler

    from buildkite_orm.http.messages import ApiResponse
    from buildkite_orm.resources.builds.annotation import AnnotationQuerySet
    from buildkite_orm.resources.builds.artifact import ArtifactFilters, ArtifactQuerySet, ArtifactRef
    from buildkite_orm.resources.builds.build import BuildRef
    from buildkite_orm.resources.builds.log import LogRef


class JobRef(JobVerbs):
    """The ref of a job: below its build, or below its organization, which is enough to reach it.

    Example:
        >>> job = bk.organization("acme").pipeline("web").builds(state="passed").first().jobs()[0]
        >>> bk.organization("acme").job(job.id) == job
        True
    """

    _kind = "job"
    _paths = (
        "organizations/{organization}/pipelines/{pipeline}/builds/{build}/jobs/{id}",
        "organizations/{organization}/jobs/{id}",
    )

    if TYPE_CHECKING:
        id: str

    def fetch(self) -> Job:
        """Fetch the job, as the class of its kind.

        Raises:
            NotFoundError: Nothing has this id, or the token cannot access it.

        Documentation: https://buildkite.com/docs/apis/rest-api/jobs#get-a-job
        """
        return self._request(Job)

    def artifacts(self, **filters: Unpack[ArtifactFilters]) -> ArtifactQuerySet:
        """List the artifacts that it has uploaded.

        Args:
            filters: See `ArtifactFilters`.

        Documentation: https://buildkite.com/docs/apis/rest-api/artifacts#list-artifacts-for-a-job
        """
        from buildkite_orm.resources.builds.artifact import ArtifactQuerySet

        return ArtifactQuerySet(self.session, self._child("artifacts"), filters)

    def artifact(self, artifact_id: str) -> ArtifactRef:
        """Return the ref of the artifact with an id; no request."""
        from buildkite_orm.resources.builds.artifact import ArtifactRef

        return ArtifactRef.at(self.session, self._child("artifacts", artifact_id))

    def annotations(self) -> AnnotationQuerySet:
        """List the annotations of the job.

        Documentation: https://buildkite.com/docs/apis/rest-api/annotations#list-annotations-for-a-job
        """
        from buildkite_orm.resources.builds.annotation import AnnotationQuerySet

        return AnnotationQuerySet(self.session, self._child("annotations"))

    def log(self) -> LogRef:
        """Return the ref of its log; no request."""
        from buildkite_orm.resources.builds.log import LogRef

        return LogRef.at(self.session, self._child("log"))

    def environment(self) -> dict[str, str]:
        """Fetch the environment variables that its command ran with.

        Raises:
            NotFoundError: It is not a command job.
            PermissionDeniedError: The token lacks the scope `read_job_env`.

        Documentation: https://buildkite.com/docs/apis/rest-api/jobs#get-a-jobs-environment-variables
        """
        return self.session.send(ApiRequest("GET", self._child("env")), _environment)


class JobPriority(Model):
    """The priority of a job: the higher, the earlier an agent accepts it."""

    number: int


class StepSignature(Model):
    """The signature of a step."""

    value: str
    algorithm: str | None = None
    signed_fields: list[str] = Field(default_factory=list[str])


class JobStep(Model):
    """The step that a job was made from."""

    id: str
    signature: StepSignature | None = None


_KINDS: dict[str, type[Job]] = {}


class Job(JobRef, Fetchable):
    """A job. Its kind is its class: `ScriptJob`, `WaiterJob`, `ManualJob`, `TriggerJob`; this, for one not known yet.

    A field that its kind does not have is None, as is one that the server left out.

    Attributes:
        name: Its name; for a block step, its label.
        label: The label of a block step.
        command: The command of a command job.
        exit_status: None while it runs; -1 if its agent was lost.
        soft_failed: Whether it failed, and its step allows that.
        agent: Its agent; None until one has accepted it.

    Documentation: https://buildkite.com/docs/apis/rest-api/builds#job-data-model
    """

    has_url: ClassVar[bool] = False

    id: str
    graphql_id: str | None = None
    type: JobType
    name: str | None = None
    label: str | None = None
    step_key: str | None = None
    group_key: str | None = None
    state: JobState | None = None
    web_url: str | None = None
    build_url: str | None = None
    command: str | None = None
    exit_status: int | None = None
    soft_failed: bool | None = None
    agent: EmbeddedAgent | None = None
    created_at: Timestamp | None = None
    scheduled_at: Timestamp | None = None
    runnable_at: Timestamp | None = None
    started_at: Timestamp | None = None
    finished_at: Timestamp | None = None

    @classmethod
    def class_for(cls, data: Mapping[str, Any]) -> builtins.type[Self]:
        """Choose the class of a kind of job."""
        return cast("builtins.type[Self]", _KINDS.get(str(data.get("type")), cls)) if cls is Job else cls

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Validate a job as the kind that its `type` says, without a Python call for each, and dump what it has."""
        own = handler(source)
        if not _KINDS or cls is not Job:  # the class itself is being created
            return own
        by_type = {str(kind): handler.generate_schema(model) for kind, model in _KINDS.items()}
        kinds = core_schema.tagged_union_schema(by_type, "type")
        other = core_schema.no_info_before_validator_function(_refuse_known_kinds, own)
        itself = core_schema.plain_serializer_function_ser_schema(_dump_as_it_is, info_arg=True)
        return core_schema.union_schema([kinds, other], mode="left_to_right", serialization=itself)

    if not TYPE_CHECKING:  # the signatures are those of pydantic

        @classmethod
        def model_json_schema(cls, *args: Any, **options: Any) -> dict[str, Any]:
            """Return the JSON schema of all kinds, or of one for its class; arguments as for any pydantic model."""
            if cls is not Job:
                return super().model_json_schema(*args, **options)
            return {"title": "Job", **TypeAdapter(Job).json_schema(*args, **options)}

        @classmethod
        def model_validate(cls, obj: Any, **options: Any) -> Self:
            """Validate a job as the kind that it is; arguments as for any pydantic model."""
            return super(Job, cls.class_for(as_object(obj) or {})).model_validate(obj, **options)

        @classmethod
        def model_validate_json(cls, json_data: str | bytes, **options: Any) -> Self:
            """Validate a job as the kind that it is; arguments as for any pydantic model."""
            kind = cls.class_for(as_object(from_json(json_data)) or {})
            return super(Job, kind).model_validate_json(json_data, **options)

    @property
    def was_retried(self) -> bool:
        """Whether a later attempt replaced it."""
        return False

    @property
    def is_finished(self) -> bool:
        """Whether it is in a final state, such as `passed`, `failed` or `canceled`."""
        return job_is_finished(self)

    @property
    def failure(self) -> JobFailure | None:
        """The way it failed; None if it did not. A `broken` job was never run, and did not fail."""
        return job_failure(self)

    @property
    def duration(self) -> timedelta | None:
        """The time that it ran, up to now if it is running; None if it has not started, or that is unknown."""
        return span(self, "started_at", "finished_at", over=job_is_finished)

    @property
    def queue_time(self) -> timedelta | None:
        """The time that it waited for an agent since it was runnable; None if it is not runnable yet."""
        ends = ("started_at", "finished_at", "expired_at")
        return span(self, "runnable_at", *ends, over=job_is_finished)

    def log(self) -> LogRef:
        """Return the ref of its log; no request."""
        log = super().log()
        if self.session.cache is None:
            return log
        from buildkite_orm.resources.builds.cached_log import owner_finished_at

        return log.bind(Binding(self.session, None, owner_finished_at(self, is_finished=job_is_finished(self))))

    def artifacts(self, **filters: Unpack[ArtifactFilters]) -> ArtifactQuerySet:
        """List the artifacts that it has uploaded.

        Args:
            filters: See `ArtifactFilters`.

        Documentation: https://buildkite.com/docs/apis/rest-api/artifacts#list-artifacts-for-a-job
        """
        artifacts = super().artifacts(**filters)
        if self.session.cache is None:
            return artifacts
        from buildkite_orm.resources.builds.cached_log import owner_finished_at

        return artifacts.of_finished(owner_finished_at(self, is_finished=job_is_finished(self)))

    def _keys(self) -> dict[str, str]:
        keys = super()._keys()
        if "build" not in keys:
            for name in ("build_url", "web_url", "log_url", "unblock_url"):
                if build := _build_keys(self.__dict__.get(name)):
                    return build | keys
        return keys

    def _summary(self) -> Iterable[object]:
        data = self.__dict__
        soft = "soft " if job_failure(self) is JobFailure.SOFT_FAILED else ""
        state = f"{soft}{format_value(data.get('state'))}"
        yield " ".join(filter(None, (one_line(job_title(self), 60), job_share(self), state)))
        yield f"exit status {format_value(data['exit_status'])}" if data.get("exit_status") else None
        yield took(self)
        yield "retried" if self.was_retried else None


class ScriptJob(Job):
    """A job that runs a command.

    Attributes:
        artifact_paths: The globs of the files to upload, joined by `;`.
        concurrency_wait_time_ms: Milliseconds that it waited for its concurrency group.
        promised_exit_status: The exit status that it has declared in advance.
        retried_in_job_id: The id of the attempt that replaced it.
        matrix: Its values of the step's matrix.
    """

    step: JobStep | None = None
    priority: JobPriority | None = None
    agent_query_rules: list[str] = Field(default_factory=list[str])
    log_url: str | None = None
    raw_log_url: str | None = None
    artifacts_url: str | None = None
    artifact_url: str | None = None
    script_path: str | None = None
    signal: str | None = None
    signal_reason: SignalReason | None = None
    broken_reason: str | None = None
    promised_exit_status: int | None = None
    promised_exit_status_at: Timestamp | None = None
    artifact_paths: str | None = None
    expired_at: Timestamp | None = None
    concurrency_wait_time_ms: int | None = None
    retried: bool | None = None
    retried_in_job_id: str | None = None
    retries_count: int | None = None
    retry_source: RetrySource | None = None
    retry_type: RetryType | None = None
    retried_by: EmbeddedUser | None = None
    parallel_group_index: int | None = None
    parallel_group_total: int | None = None
    matrix: Any = None
    cluster_id: str | None = None
    cluster_url: str | None = None
    cluster_queue_id: str | None = None
    cluster_queue_url: str | None = None

    @property
    def was_retried(self) -> bool:
        """Whether a later attempt replaced it."""
        return bool(self.retried or self.retried_in_job_id)


class WaiterJob(Job):
    """A wait step."""


class ManualJob(Job):
    """A block step: it waits to be unblocked.

    Attributes:
        unblockable: Whether it can be unblocked now.
    """

    unblocked_by: EmbeddedUser | None = None
    unblocked_at: Timestamp | None = None
    unblockable: bool | None = None
    unblock_url: str | None = None

    def model_post_init(self, context: Any, /) -> None:
        """Use the label as the name; `dump()` has only what was received."""
        del context
        if "name" not in self.model_fields_set:
            vars(self)["name"] = self.label


class TriggerJob(Job):
    """A step that starts a build of another pipeline.

    Attributes:
        async_: Whether it does not wait for that build.
        embedded_triggered_build: The data of that build; `triggered_build` is the ref.
    """

    async_: bool | None = Field(default=None, alias="async")
    embedded_triggered_build: EmbeddedBuild | None = Field(default=None, alias="triggered_build")

    @property
    def triggered_build(self) -> BuildRef | None:
        """The build that it has started; None until then."""
        from buildkite_orm.resources.builds.build import BuildRef

        build = self.embedded_triggered_build
        return None if build is None else BuildRef.at(self.session, path_from_url(getattr(build, "url", None)))


_KINDS.update(
    {
        JobType.SCRIPT: ScriptJob,
        JobType.WAITER: WaiterJob,
        JobType.MANUAL: ManualJob,
        JobType.TRIGGER: TriggerJob,
    }
)
# `TypeAdapter(Job)` would use the schema of the class itself; without it, the adapter asks `Job` for the union
del Job.__pydantic_core_schema__


def _refuse_known_kinds(data: Any) -> Any:
    """Reject known kinds, so that an unexpected payload of one is not loaded as a plain `Job`."""
    if str((as_object(data) or {}).get("type")) in _KINDS:
        msg = "a known kind of job, which is not as documented"
        raise ValueError(msg)
    return data


def _dump_as_it_is(job: Any, info: core_schema.SerializationInfo) -> Any:
    if not isinstance(job, Job):
        return job
    return job.model_dump(
        mode=info.mode,
        by_alias=info.by_alias,
        exclude_unset=info.exclude_unset,
        exclude_defaults=info.exclude_defaults,
        exclude_none=info.exclude_none,
        warnings=False,
    )


def _environment(response: ApiResponse) -> dict[str, str]:
    try:
        env = as_object((as_object(json.loads(response.body)) or {}).get("env"))
    except (ValueError, RecursionError):
        env = None
    if env is None:
        raise response.unexpected("an object with env was expected")
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in env.items()}


def _build_keys(url: object) -> dict[str, str]:
    """Return the keys of the build that a URL leads to: one of the API, or of a page; none if it leads to none."""
    from buildkite_orm.models.urls import api_path_in
    from buildkite_orm.resources.builds.build import BuildRef

    try:
        path = api_path_in(url, own_host=urlsplit(url).hostname) if isinstance(url, str) else ""
    except ValueError:
        return {}
    return BuildRef.routes.keys_in(path)
