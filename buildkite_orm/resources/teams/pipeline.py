"""The pipelines that teams reach."""

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
    from collections.abc import Iterable
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
    """What a team may do with a pipeline."""

    READ_ONLY = "read_only"
    BUILD_AND_READ = "build_and_read"
    MANAGE_BUILD_AND_READ = "manage_build_and_read"


class TeamPipelineChanges(TypedDict):
    """What can be changed between a team and a pipeline."""

    access_level: PipelineAccessLevel | Literal["read_only", "build_and_read", "manage_build_and_read"]


class TeamPipelineRef(InTeam, Deletable):
    """Where it is said what a team may do with a pipeline."""

    _kind = "team_pipeline"
    _paths = ("organizations/{organization}/teams/{team}/pipelines/{pipeline_id}",)
    delete_documentation = "teams/pipelines#delete-a-team-pipeline"

    def fetch(self) -> TeamPipeline:
        """Ask for what the team may do with the pipeline.

        Raises:
            NotFoundError: The team does not reach the pipeline.

        Documentation: https://buildkite.com/docs/apis/rest-api/teams/pipelines#get-a-team-pipeline
        """
        return self._request(TeamPipeline)

    def update(self, **changes: Unpack[TeamPipelineChanges]) -> TeamPipeline:
        """Change what the team may do with the pipeline; an object takes over the answer.

        Args:
            changes: See `TeamPipelineChanges`.

        Raises:
            UnprocessableEntityError: The server does not accept a value.

        Documentation: https://buildkite.com/docs/apis/rest-api/teams/pipelines#update-a-team-pipeline
        """
        return self._update(TeamPipeline, changes, TeamPipelineChanges)


class TeamPipeline(TeamPipelineRef, Editable):
    """What a team may do with a pipeline.

    Attributes:
        created_at: When the team got to reach the pipeline.

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
    """The pipelines that a team reaches."""

    _model = TeamPipeline

    def create(
        self,
        *,
        pipeline_id: str,
        access_level: PipelineAccessLevel | Literal["read_only", "build_and_read", "manage_build_and_read"],
    ) -> TeamPipeline:
        """Have the team reach a pipeline.

        Args:
            pipeline_id: The pipeline's id.
            access_level: What the team may do with it.

        Raises:
            UnprocessableEntityError: The server does not accept a value; the team reaches the pipeline already, say.

        Documentation: https://buildkite.com/docs/apis/rest-api/teams/pipelines#create-a-team-pipeline
        """
        return self._create(encode_body({"pipeline_id": pipeline_id, "access_level": access_level}))
