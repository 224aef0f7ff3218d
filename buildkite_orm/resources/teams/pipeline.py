"""The access of teams to pipelines."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, TypedDict

from buildkite_orm.http.encoding import encode_body
from buildkite_orm.models.enums import OpenEnum
from buildkite_orm.models.paths import path_from_url, short_path
from buildkite_orm.models.ref import Deletable
from buildkite_orm.models.resource import Editable, Timestamp
from buildkite_orm.querysets.queryset import QuerySet
from buildkite_orm.resources.parents import InTeam

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Unpack

    from buildkite_orm.resources.pipelines.ref import PipelineRef

__all__ = [
    "PipelineAccessLevel",
    "TeamPipeline",
    "TeamPipelineChanges",
    "TeamPipelineQuerySet",
    "TeamPipelineRef",
]


class PipelineAccessLevel(OpenEnum):
    """A team's access to a pipeline."""

    READ_ONLY = "read_only"
    BUILD_AND_READ = "build_and_read"
    MANAGE_BUILD_AND_READ = "manage_build_and_read"


class TeamPipelineChanges(TypedDict):
    """Fields of a team's access to a pipeline that can be changed."""

    access_level: PipelineAccessLevel | Literal["read_only", "build_and_read", "manage_build_and_read"]


class TeamPipelineRef(InTeam, Deletable):
    """The ref of a team's access to a pipeline."""

    _kind = "team_pipeline"
    _paths = ("organizations/{organization}/teams/{team}/pipelines/{pipeline_id}",)
    delete_documentation = "teams/pipelines#delete-a-team-pipeline"

    if TYPE_CHECKING:
        pipeline_id: str

    def fetch(self) -> TeamPipeline:
        """Fetch the team's access to the pipeline.

        Raises:
            NotFoundError: The team has no access to the pipeline.

        Documentation: https://buildkite.com/docs/apis/rest-api/teams/pipelines#get-a-team-pipeline
        """
        return self._request(TeamPipeline)

    def update(
        self, *, extra: Mapping[str, object] | None = None, **changes: Unpack[TeamPipelineChanges]
    ) -> TeamPipeline:
        """Change the team's access to the pipeline; an object is updated with the response.

        Args:
            extra: Fields of the body that this library does not know.
            changes: See `TeamPipelineChanges`.

        Raises:
            UnprocessableEntityError: The server rejects a value.

        Documentation: https://buildkite.com/docs/apis/rest-api/teams/pipelines#update-a-team-pipeline
        """
        return self._update(TeamPipeline, changes, TeamPipelineChanges, extra)


class TeamPipeline(TeamPipelineRef, Editable):
    """A team's access to a pipeline.

    Attributes:
        created_at: When the team got access to the pipeline.

    Documentation: https://buildkite.com/docs/apis/rest-api/teams/pipelines#team-pipeline-data-model
    """

    has_url: ClassVar[bool] = False
    editable: ClassVar[frozenset[str]] = frozenset(TeamPipelineChanges.__annotations__)

    pipeline_id: str
    access_level: PipelineAccessLevel
    pipeline_url: str | None = None
    created_at: Timestamp | None = None

    @property
    def pipeline(self) -> PipelineRef:
        """The pipeline itself."""
        from buildkite_orm.resources.pipelines.ref import PipelineRef

        return PipelineRef.at(self.session, path_from_url(self.pipeline_url))

    def _summary(self) -> Iterable[object]:
        path = path_from_url(self.pipeline_url)
        yield self.pipeline_id if path is None else short_path(path)
        yield self.access_level


class TeamPipelineQuerySet(QuerySet[TeamPipeline]):
    """The pipelines that a team can access."""

    _model = TeamPipeline

    def create(
        self,
        *,
        pipeline_id: str,
        access_level: PipelineAccessLevel | Literal["read_only", "build_and_read", "manage_build_and_read"],
        extra: Mapping[str, object] | None = None,
    ) -> TeamPipeline:
        """Grant the team access to a pipeline.

        Args:
            pipeline_id: The pipeline's id.
            access_level: The access level of the team.
            extra: Fields of the body that this library does not know.

        Raises:
            UnprocessableEntityError: The server rejects a value: the team has access already, for example.

        Documentation: https://buildkite.com/docs/apis/rest-api/teams/pipelines#create-a-team-pipeline
        """
        fields = {"pipeline_id": pipeline_id, "access_level": access_level}
        return self._create(encode_body(fields, TeamPipelineChanges, "pipeline_id", extra=extra))
