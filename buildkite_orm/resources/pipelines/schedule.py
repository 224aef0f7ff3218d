"""The schedules of pipelines, which create builds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypedDict

from pydantic import Field

from buildkite_orm.http.encoding import encode_body
from buildkite_orm.models.ref import Deletable
from buildkite_orm.models.resource import Editable, Model, Timestamp
from buildkite_orm.querysets.queryset import QuerySet
from buildkite_orm.resources.embedded import EmbeddedUser
from buildkite_orm.resources.parents import InPipeline

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Unpack

__all__ = [
    "PipelineSchedule",
    "PipelineScheduleChanges",
    "PipelineScheduleOptions",
    "PipelineScheduleQuerySet",
    "PipelineScheduleRef",
    "ScheduledPipeline",
]


class PipelineScheduleOptions(TypedDict, total=False):
    """Optional fields of a schedule.

    Attributes:
        label: Its label.
        message: The message of its builds.
        commit: The commit to build; default: `HEAD`.
        branch: The branch to build; default: the pipeline's default branch.
        env: Environment variables of its builds.
        enabled: Whether it creates builds; to enable one that has failed forgets the failure.
    """

    label: str | None
    message: str | None
    commit: str | None
    branch: str | None
    env: Mapping[str, str] | None
    enabled: bool


class PipelineScheduleChanges(PipelineScheduleOptions, total=False):
    """Fields of a schedule that can be changed; `None` clears one. See `PipelineScheduleOptions`.

    Attributes:
        cronline: When it creates builds.
    """

    cronline: str


class PipelineScheduleRef(InPipeline, Deletable):
    """The ref of a schedule."""

    _kind = "pipeline_schedule"
    _paths = ("organizations/{organization}/pipelines/{pipeline}/schedules/{id}",)
    _update_method = "PUT"
    delete_documentation = "pipeline-schedules#delete-a-pipeline-schedule"

    if TYPE_CHECKING:
        id: str

    def fetch(self) -> PipelineSchedule:
        """Fetch the schedule.

        Raises:
            NotFoundError: The pipeline has none with this id.

        Documentation: https://buildkite.com/docs/apis/rest-api/pipeline-schedules#get-a-pipeline-schedule
        """
        return self._request(PipelineSchedule)

    def update(
        self, *, extra: Mapping[str, object] | None = None, **changes: Unpack[PipelineScheduleChanges]
    ) -> PipelineSchedule:
        """Change the given fields, and no others; an object is updated with the response.

        Args:
            extra: Fields of the body that this library does not know.
            changes: See `PipelineScheduleChanges`.

        Raises:
            UnprocessableEntityError: The server rejects a value.

        Documentation: https://buildkite.com/docs/apis/rest-api/pipeline-schedules#update-a-pipeline-schedule
        """
        return self._update(PipelineSchedule, changes, PipelineScheduleChanges, extra)


class ScheduledPipeline(Model):
    """The pipeline of a schedule, as the schedule names it."""

    id: str
    slug: str
    url: str


class PipelineSchedule(PipelineScheduleRef, Editable):
    """A schedule of a pipeline.

    Attributes:
        cronline: When it creates builds: `@hourly`, `@daily`, … or five fields as in a crontab, in UTC unless a time
            zone follows them.
        next_build_at: When it creates the next one; None if it is not enabled.
        failed_message: The error of the last one; None if it was created.
        failed_at: When that was.
        embedded_pipeline: The data of its pipeline; `pipeline` is the ref.

    Documentation: https://buildkite.com/docs/apis/rest-api/pipeline-schedules#pipeline-schedule-data-model
    """

    editable: ClassVar[frozenset[str]] = frozenset(PipelineScheduleChanges.__annotations__)
    _repr_fields: ClassVar[tuple[str, ...]] = ("label", "cronline", "branch", "enabled")

    id: str
    graphql_id: str | None = None
    url: str
    label: str | None = None
    cronline: str
    message: str | None = None
    commit: str | None = None
    branch: str | None = None
    env: dict[str, Any] | None = None
    enabled: bool | None = None
    next_build_at: Timestamp | None = None
    failed_message: str | None = None
    failed_at: Timestamp | None = None
    created_at: Timestamp | None = None
    created_by: EmbeddedUser | None = None
    embedded_pipeline: ScheduledPipeline | None = Field(default=None, alias="pipeline")


class PipelineScheduleQuerySet(QuerySet[PipelineSchedule]):
    """The schedules of a pipeline, the newest first."""

    _model = PipelineSchedule

    def create(
        self, *, cronline: str, extra: Mapping[str, object] | None = None, **options: Unpack[PipelineScheduleOptions]
    ) -> PipelineSchedule:
        """Create a schedule.

        Args:
            cronline: When it creates builds: `@hourly`, `@daily`, … or five fields as in a crontab, in UTC unless a
                time zone follows them. Every ten minutes is the most often.
            extra: Fields of the body that this library does not know.
            options: See `PipelineScheduleOptions`.

        Raises:
            UnprocessableEntityError: The server rejects a value.

        Documentation: https://buildkite.com/docs/apis/rest-api/pipeline-schedules#create-a-pipeline-schedule
        """
        return self._create(encode_body({"cronline": cronline, **options}, PipelineScheduleChanges, extra=extra))
