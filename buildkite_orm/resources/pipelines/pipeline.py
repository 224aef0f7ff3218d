"""Pipelines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, TypedDict

from pydantic import Field

from buildkite_orm.errors import BuildkiteWarning
from buildkite_orm.http.encoding import encode_body
from buildkite_orm.models.enums import Visibility
from buildkite_orm.models.paths import short_path
from buildkite_orm.models.resource import Editable, Model, Timestamp
from buildkite_orm.querysets.queryset import QuerySet
from buildkite_orm.resources.embedded import EmbeddedUser
from buildkite_orm.resources.pipelines.provider import AnyProvider
from buildkite_orm.resources.pipelines.ref import PipelineRef
from buildkite_orm.utils.warn import warn_caller

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Unpack

    from buildkite_orm.resources.clusters.cluster import ClusterRef
    from buildkite_orm.resources.pipelines.template import PipelineTemplateRef

_ONLY_VISUAL = ("env", "steps")
_SETTING = "provider_settings."


class IgnoredChangeWarning(BuildkiteWarning):
    """The server took a change without an error, and has ignored a part of it."""


class PipelineFilters(TypedDict, total=False):
    """Filters for pipelines.

    Attributes:
        name: A part of the name, in any case.
        repository: A part of the repository's URL, in any case.
    """

    name: str
    repository: str


class PipelineOptions(TypedDict, total=False):
    """Optional fields of a pipeline; `None` clears a field that may be empty.

    Its steps are YAML (`configuration`) or visual ones (`steps`). If they are YAML, the server ignores `env` and
    `steps`: environment variables stand in the YAML then.

    Attributes:
        allow_rebuilds: Whether its builds can be built again.
        branch_configuration: Patterns of the branches whose pushes create builds.
        cancel_running_branch_builds: Whether a new build cancels those that run on its branch.
        cancel_running_branch_builds_filter: Patterns of the branches that this is for.
        clone_mirror_url: The URL that agents clone from; without credentials, query and fragment.
        color: As `#14CC80`.
        configuration: The steps as YAML: all of them, not those alone that change.
        default_branch: The branch to build if none is named.
        default_command_step_timeout: Minutes.
        emoji: As `:rocket:`.
        env: Environment variables; of a pipeline with visual steps.
        maximum_command_step_timeout: Minutes.
        pipeline_template_uuid: The UUID of the template that has its steps.
        provider_settings: Settings of the provider, by their names; those not named stay.
        skip_queued_branch_builds: Whether a new build skips builds of its branch that have not started.
        skip_queued_branch_builds_filter: Patterns of the branches that this is for.
        slug: Its name in URLs; default: derived from a new name.
        steps: Visual steps, each with its `type`: `script`, `waiter`, `manual`, `trigger`.
        teams: Access levels (`read_only`, `build_and_read`, `manage_build_and_read`) by the teams' ids.
        visibility: Who can see it.
    """

    allow_rebuilds: bool
    branch_configuration: str | None
    cancel_running_branch_builds: bool
    cancel_running_branch_builds_filter: str | None
    clone_mirror_url: str | None
    color: str | None
    configuration: str
    default_branch: str | None
    default_command_step_timeout: int | None
    description: str | None
    emoji: str | None
    env: Mapping[str, str] | None
    maximum_command_step_timeout: int | None
    pipeline_template_uuid: str | None
    provider_settings: Mapping[str, Any]
    skip_queued_branch_builds: bool
    skip_queued_branch_builds_filter: str | None
    slug: str
    steps: Sequence[Mapping[str, Any]]
    tags: Sequence[str] | None
    teams: Mapping[str, str]
    visibility: Visibility | Literal["private", "public"]


class PipelineChanges(PipelineOptions, total=False):
    """Fields of a pipeline that can be changed; `None` clears one. See `PipelineOptions`."""

    cluster_id: str | None
    name: str
    repository: str


class PipelineStep(Model):
    """A step of a pipeline, as the pipeline lists it.

    Attributes:
        type: `script`, `waiter`, `manual`, `trigger`, …
        label: Of a `manual` or `trigger` step; others have a `name`.
        pipeline: The slug of the pipeline that a `trigger` step starts.
        build: The fields of the build that a `trigger` step starts.
        async_: Whether a `trigger` step does not wait for that build.
    """

    type: str
    name: str | None = None
    label: str | None = None
    command: str | None = None
    artifact_paths: str | None = None
    branch_configuration: str | None = None
    env: dict[str, Any] | None = None
    timeout_in_minutes: int | None = None
    agent_query_rules: list[str] | None = None
    concurrency: int | None = None
    parallelism: int | None = None
    plugins: Any = None
    pipeline: str | None = None
    build: dict[str, Any] | None = None
    async_: bool | None = Field(default=None, alias="async")


PipelineStep.editable = frozenset(PipelineStep.model_fields)


class Pipeline(PipelineRef, Editable):
    """A pipeline.

    Attributes:
        provider: Its source code provider, as the class of that provider (`GitHubProvider`, …), with its settings;
            assigned ones are saved with the pipeline.
        configuration: The steps as YAML; None if they are visual ones.
        steps: The steps, one by one.

    Example:
        >>> pipeline = bk.organization("acme").pipeline("web").fetch()
        >>> pipeline.description = None
        >>> pipeline.changes()
        {'description': None}
        >>> pipeline.save().description is None
        True

    Documentation: https://buildkite.com/docs/apis/rest-api/pipelines#pipeline-data-model
    """

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
    provider: AnyProvider | None = None
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

    @property
    def cluster(self) -> ClusterRef | None:
        """The cluster that it belongs to, if it belongs to one."""
        return None if self.cluster_id is None else self.organization.cluster(self.cluster_id)

    @property
    def pipeline_template(self) -> PipelineTemplateRef | None:
        """The template that has its steps, if one has."""
        uuid = self.pipeline_template_uuid
        return None if uuid is None else self.organization.pipeline_template(uuid)

    def _summary(self) -> Iterable[object]:
        data = self.__dict__
        yield short_path(self._find_path())
        yield None if str(data.get("name")).lower() == data.get("slug") else data.get("name")
        yield "archived" if data.get("archived_at") else None

    def changes(self) -> dict[str, Any]:
        """Return what changed since it was loaded, as `save()` would send it; changes in place count."""
        changed = super().changes()
        names = [name for name in changed if name.startswith(_SETTING)]
        settings = {name.removeprefix(_SETTING): changed.pop(name) for name in names}
        return changed | ({"provider_settings": settings} if settings else {})

    def save(self) -> Self:
        """Send what changed since it was loaded, and nothing else; no request if nothing changed.

        An assigned `None` is sent as null, which clears the field. A pipeline whose steps are YAML ignores `env`, and
        `steps` next to `configuration`, with an `IgnoredChangeWarning`.

        Raises:
            UnprocessableEntityError: The server rejects a value: nothing was saved.
        """
        changes = self.changes()
        saved = super().save()
        warn_of_ignored_fields(changes, saved)
        return saved

    def _edited(self) -> dict[str, Any]:
        """Return the settings of the provider one by one, too: only those that were changed are sent."""
        settings = getattr(self.__dict__.get("provider"), "settings", None)
        values = settings.dump() if isinstance(settings, Model) else {}
        return super()._edited() | {f"{_SETTING}{name}": value for name, value in values.items()}


class PipelineQuerySet(QuerySet[Pipeline]):
    """The pipelines of an organization."""

    _model = Pipeline
    _filters_type = PipelineFilters

    def filter(self, **filters: Unpack[PipelineFilters]) -> Self:
        """Return a queryset with more filters; see `PipelineFilters`."""
        return self._filtered(filters)

    def create(
        self,
        *,
        name: str,
        cluster_id: str,
        repository: str,
        extra: Mapping[str, object] | None = None,
        **options: Unpack[PipelineOptions],
    ) -> Pipeline:
        """Create a pipeline: of steps as YAML (`configuration`), of visual ones (`steps`), or of those of a template.

        Args:
            name: Its name; default for its slug.
            cluster_id: The id of the cluster that it belongs to.
            repository: The URL of the repository.
            extra: Fields of the body that this library does not know.
            options: See `PipelineOptions`.

        Raises:
            UnprocessableEntityError: The server rejects a value, a pipeline of this name is there already, or
                there are no steps.

        Example:
            >>> org = bk.organization("acme")
            >>> pipeline = org.pipelines().create(
            ...     name="Search",
            ...     cluster_id=org.pipeline("web").fetch().cluster_id,
            ...     repository="git@github.com:acme/search.git",
            ...     steps=[{"type": "script", "command": "make test"}],
            ... )
            >>> pipeline.slug, pipeline.steps[0].command
            ('search', 'make test')

        Documentation: https://buildkite.com/docs/apis/rest-api/pipelines#create-a-yaml-pipeline (with configuration)

        Documentation: https://buildkite.com/docs/apis/rest-api/pipelines#create-a-visual-step-pipeline (with steps)
        """
        return self._create(
            encode_body(
                {"name": name, "cluster_id": cluster_id, "repository": repository, **options},
                PipelineChanges,
                extra=extra,
            )
        )


def warn_of_ignored_fields(sent: Mapping[str, object], updated: Pipeline) -> None:
    """Warn if fields for visual steps were sent, and the steps in the response are YAML."""
    ignored = " and ".join(name for name in _ONLY_VISUAL if name in sent)
    if ignored and updated.configuration is not None:
        warn_caller(f"a pipeline has its steps as YAML: the server ignored {ignored}", IgnoredChangeWarning)
