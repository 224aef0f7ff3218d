"""Step uploads: the steps that jobs add to their build while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self, TypedDict

from buildkite_orm.models.enums import OpenEnum
from buildkite_orm.models.resource import Fetchable, Timestamp
from buildkite_orm.querysets.queryset import QuerySet
from buildkite_orm.resources.parents import InBuild

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Unpack

    from buildkite_orm.resources.builds.job import JobRef


class StepUploadState(OpenEnum):
    """The states of a step upload."""

    PENDING = "pending"
    PROCESSING = "processing"
    APPLIED = "applied"
    REJECTED = "rejected"
    FAILED = "failed"


class StepUploadFilters(TypedDict, total=False):
    """Filters for step uploads.

    Attributes:
        source_job_id: The id of the job that has uploaded them.
    """

    source_job_id: str


class StepUploadRef(InBuild):
    """The ref of a step upload."""

    _kind = "step_upload"
    _paths = ("organizations/{organization}/pipelines/{pipeline}/builds/{build}/step-uploads/{uuid}",)

    if TYPE_CHECKING:
        uuid: str

    def fetch(self) -> StepUpload:
        """Fetch the step upload, with the steps that were uploaded.

        Raises:
            NotFoundError: The build has none with this UUID.
            GoneError: The build is too old: 30 days, at most.

        Documentation: none; the Go client uses it, for one upload.
        """
        return self._request(StepUpload)


class StepUpload(StepUploadRef, Fetchable):
    """Steps that a job has added to its build. Listings leave out the definition.

    Attributes:
        source: Its source: `job`.
        replace_existing_steps: Whether it replaced the steps that had not started.
        created_jobs_count: How many jobs it created; None until it is applied.
        rejection_type: Why it was rejected, if it was.
        message: The same, or why it failed, for people.
        definition_bytes: The size of the definition.
        definition_yaml: The definition, as YAML that the server wrote; None if it is too large.
        definition_yaml_omitted: Whether it is too large.
    """

    _repr_fields: ClassVar[tuple[str, ...]] = ("uuid", "state", "message")

    uuid: str
    graphql_id: str | None = None
    state: StepUploadState | None = None
    source: str | None = None
    source_job_id: str | None = None
    replace_existing_steps: bool | None = None
    created_jobs_count: int | None = None
    rejection_type: str | None = None
    message: str | None = None
    url: str | None = None
    created_at: Timestamp | None = None
    processed_at: Timestamp | None = None
    definition_bytes: int | None = None
    definition_yaml: str | None = None
    definition_yaml_omitted: bool | None = None

    @property
    def source_job(self) -> JobRef | None:
        """The job that has uploaded it."""
        return None if self.source_job_id is None else self.build.job(self.source_job_id)


class StepUploadQuerySet(QuerySet[StepUpload]):
    """The step uploads of a build, the newest first."""

    _model = StepUpload
    _filters_type = StepUploadFilters
    _is_numbered = False

    def filter(self, **filters: Unpack[StepUploadFilters]) -> Self:
        """Return a queryset with more filters; see `StepUploadFilters`."""
        return self._filtered(filters)

    def _params(self) -> Mapping[str, object]:
        return {f"filter[{name}]": value for name, value in self._filters.items()}
