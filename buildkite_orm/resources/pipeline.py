"""Pipelines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, TypedDict

from pydantic import Field

from buildkite_orm.encoding import encode_body
from buildkite_orm.paths import parent_path
from buildkite_orm.queryset import QuerySet
from buildkite_orm.resource import Editable, Model, Ref, Timestamp
from buildkite_orm.resources.build import BuildRef, PipelineBuildQuerySet
from buildkite_orm.resources.embedded import EmbeddedUser, Provider
from buildkite_orm.states import Visibility

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Unpack

    from buildkite_orm.resources.build import BuildFilters
    from buildkite_orm.resources.organization import OrganizationRef


class PipelineFilters(TypedDict, total=False):
    """How pipelines are filtered.

    Attributes:
        name: A part of the name, in any case.
        repository: A part of the repository's URL, in any case.
    """

    name: str
    repository: str


class PipelineChanges(TypedDict, total=False):
    """What can be changed of a pipeline; `None` clears what can be cleared.

    Attributes:
        configuration: The steps as YAML; a pipeline with these ignores `env` and `steps`.
        default_command_step_timeout: Minutes.
        maximum_command_step_timeout: Minutes.
        provider_settings: Settings of the provider, by their names; those not named stay.
        teams: Access levels by the teams' ids.
    """

    allow_rebuilds: bool
    branch_configuration: str | None
    cancel_running_branch_builds: bool
    cancel_running_branch_builds_filter: str | None
    clone_mirror_url: str | None
    color: str | None
    cluster_id: str | None
    configuration: str
    default_branch: str | None
    default_command_step_timeout: int | None
    description: str | None
    env: Mapping[str, str] | None
    emoji: str | None
    maximum_command_step_timeout: int | None
    name: str
    pipeline_template_uuid: str | None
    provider_settings: Mapping[str, Any]
    repository: str
    skip_queued_branch_builds: bool
    skip_queued_branch_builds_filter: str | None
    slug: str
    steps: Sequence[Mapping[str, Any]]
    tags: Sequence[str] | None
    teams: Mapping[str, str]
    visibility: Visibility | Literal["private", "public"]


class PipelineRef(Ref):
    """Where a pipeline is.

    Example:
        >>> pipeline = bk.organization("acme").pipeline("web")
        >>> pipeline.builds(branch="main")
        <BuildQuerySet acme/web/builds branch=main [not loaded]>
    """

    _kind = "pipeline"

    @property
    def organization(self) -> OrganizationRef:
        """The organization that it belongs to."""
        from buildkite_orm.resources.organization import OrganizationRef

        return OrganizationRef.at(self.session, parent_path(self.api_path, 2))

    def fetch(self) -> Pipeline:
        """Ask for the pipeline.

        Raises:
            NotFoundError: There is none of this slug that the token reaches.

        Documentation: https://buildkite.com/docs/apis/rest-api/pipelines#get-a-pipeline
        """
        return self._send(Pipeline)

    def builds(self, **filters: Unpack[BuildFilters]) -> PipelineBuildQuerySet:
        """List the builds, newest first; without their jobs unless `with_jobs=True`.

        Args:
            filters: See `BuildFilters`.

        Documentation: https://buildkite.com/docs/apis/rest-api/builds#list-builds-for-a-pipeline
        """
        return PipelineBuildQuerySet(self.session, self._child("builds"), filters)

    def build(self, number: int) -> BuildRef:
        """Give the ref of the build with a number (not its id); no request."""
        return BuildRef.at(self.session, self._child("builds", number))

    def update(self, **changes: Unpack[PipelineChanges]) -> Pipeline:
        """Change some of its properties, and nothing else; an object takes over the answer.

        Args:
            changes: See `PipelineChanges`.

        Raises:
            UnprocessableEntityError: The server does not accept a value.

        Documentation: https://buildkite.com/docs/apis/rest-api/pipelines#update-a-pipeline
        """
        return self._own(self._send(Pipeline, "PATCH", body=encode_body(changes, PipelineChanges)))


class PipelineStep(Model):
    """A step of a pipeline, as the pipeline lists it."""

    type: str
    name: str | None = None
    command: str | None = None
    artifact_paths: str | None = None
    branch_configuration: str | None = None
    env: dict[str, Any] | None = None
    timeout_in_minutes: int | None = None
    agent_query_rules: list[str] | None = None
    concurrency: int | None = None
    parallelism: int | None = None
    plugins: Any = None

    editable: ClassVar[frozenset[str]] = frozenset(
        {
            "type",
            "name",
            "command",
            "artifact_paths",
            "branch_configuration",
            "env",
            "timeout_in_minutes",
            "agent_query_rules",
            "concurrency",
            "parallelism",
            "plugins",
        }
    )


class Pipeline(PipelineRef, Editable):
    """A pipeline.

    Example:
        >>> pipeline = bk.organization("acme").pipeline("web").fetch()
        >>> pipeline.description = None
        >>> pipeline.changes()
        {'description': None}
        >>> pipeline.save().description is None
        True

    Documentation: https://buildkite.com/docs/apis/rest-api/pipelines#pipeline-data-model
    """

    identity: ClassVar[str | None] = "slug"
    editable: ClassVar[frozenset[str]] = frozenset(PipelineChanges.__annotations__) - {"provider_settings", "teams"}

    id: str
    graphql_id: str | None = None
    url: str
    web_url: str | None = None
    name: str
    description: str | None = None
    slug: str
    repository: str | None = None
    cluster_id: str | None = None
    cluster_url: str | None = None
    pipeline_template_uuid: str | None = None
    branch_configuration: str | None = None
    clone_mirror_url: str | None = None
    default_branch: str | None = None
    skip_queued_branch_builds: bool | None = None
    skip_queued_branch_builds_filter: str | None = None
    cancel_running_branch_builds: bool | None = None
    cancel_running_branch_builds_filter: str | None = None
    allow_rebuilds: bool | None = None
    provider: Provider | None = None
    builds_url: str | None = None
    badge_url: str | None = None
    created_by: EmbeddedUser | None = None
    created_at: Timestamp | None = None
    archived_at: Timestamp | None = None
    env: dict[str, Any] | None = None
    scheduled_builds_count: int | None = None
    running_builds_count: int | None = None
    scheduled_jobs_count: int | None = None
    running_jobs_count: int | None = None
    waiting_jobs_count: int | None = None
    visibility: Visibility | None = None
    tags: list[str] | None = None
    emoji: str | None = None
    color: str | None = None
    default_command_step_timeout: int | None = None
    maximum_command_step_timeout: int | None = None
    configuration: str | None = None
    steps: list[PipelineStep] = Field(default_factory=list[PipelineStep])


class PipelineQuerySet(QuerySet[Pipeline]):
    """The pipelines of an organization."""

    model = Pipeline
    filters = frozenset(PipelineFilters.__annotations__)

    def filter(self, **filters: Unpack[PipelineFilters]) -> Self:
        """Give a queryset with further filters; see `PipelineFilters`."""
        return self._filtered(filters)
