"""Teams."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, Self, TypedDict

from buildkite_orm.http.encoding import encode_body
from buildkite_orm.http.messages import ApiRequest
from buildkite_orm.models.enums import OpenEnum
from buildkite_orm.models.ref import Deletable
from buildkite_orm.models.resource import Editable, Timestamp
from buildkite_orm.querysets.queryset import QuerySet
from buildkite_orm.resources.embedded import EmbeddedUser
from buildkite_orm.resources.parents import InOrganization

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Unpack

    from buildkite_orm.resources.teams.member import TeamMemberQuerySet, TeamMemberRef
    from buildkite_orm.resources.teams.pipeline import TeamPipelineQuerySet, TeamPipelineRef
    from buildkite_orm.resources.teams.suite import TeamSuiteQuerySet, TeamSuiteRef

__all__ = [
    "Team",
    "TeamChanges",
    "TeamFilters",
    "TeamPermissions",
    "TeamPrivacy",
    "TeamQuerySet",
    "TeamRef",
    "TeamRole",
]


class TeamPrivacy(OpenEnum):
    """The users who can see a team: all, or its members."""

    VISIBLE = "visible"
    SECRET = "secret"  # noqa: S105 - of whom it is seen


class TeamRole(OpenEnum):
    """The roles of members in a team."""

    MEMBER = "member"
    MAINTAINER = "maintainer"


class TeamFilters(TypedDict, total=False):
    """Filters for teams.

    Attributes:
        user_id: The id of a user, to list the teams that have this member.
    """

    user_id: str


class TeamPermissions(TypedDict):
    """The permissions of members of a new team; all are required."""

    members_can_create_pipelines: bool
    members_can_create_suites: bool
    members_can_create_registries: bool
    members_can_destroy_registries: bool
    members_can_destroy_packages: bool


class TeamChanges(TypedDict, total=False):
    """Fields of a team that can be changed.

    Attributes:
        is_default_team: Whether new members of the organization join the team.
        default_member_role: The role of new members in the team.
    """

    name: str
    description: str | None
    privacy: TeamPrivacy | Literal["visible", "secret"]
    is_default_team: bool
    default_member_role: TeamRole | Literal["member", "maintainer"]
    members_can_create_pipelines: bool
    members_can_create_suites: bool
    members_can_create_registries: bool
    members_can_destroy_registries: bool
    members_can_destroy_packages: bool


class TeamRef(InOrganization, Deletable):
    """The ref of a team."""

    _kind = "team"
    _paths = ("organizations/{organization}/teams/{id}",)
    delete_documentation = "teams#delete-a-team"

    if TYPE_CHECKING:
        id: str | None

    def fetch(self) -> Team:
        """Fetch the team.

        Raises:
            NotFoundError: Nothing has this id, or the token cannot access it.

        Documentation: https://buildkite.com/docs/apis/rest-api/teams#get-a-team
        """
        return self._request(Team)

    def update(self, *, extra: Mapping[str, object] | None = None, **changes: Unpack[TeamChanges]) -> Team:
        """Change the given fields, and no others; an object is updated with the response.

        Args:
            extra: Fields of the body that this library does not know.
            changes: See `TeamChanges`.

        Raises:
            UnprocessableEntityError: The server rejects a value.

        Documentation: https://buildkite.com/docs/apis/rest-api/teams#update-a-team
        """
        return self._update(Team, changes, TeamChanges, extra)

    def members(self) -> TeamMemberQuerySet:
        """List the members.

        Documentation: https://buildkite.com/docs/apis/rest-api/teams/members#list-team-members
        """
        from buildkite_orm.resources.teams.member import TeamMemberQuerySet

        return TeamMemberQuerySet(self.session, self._child("members"))

    def member(self, user_id: str) -> TeamMemberRef:
        """Return the ref of the member with a user id; no request."""
        from buildkite_orm.resources.teams.member import TeamMemberRef

        return TeamMemberRef.at(self.session, self._child("members", user_id))

    def pipelines(self) -> TeamPipelineQuerySet:
        """List the pipelines that the team reaches.

        Documentation: https://buildkite.com/docs/apis/rest-api/teams/pipelines#list-team-pipelines
        """
        from buildkite_orm.resources.teams.pipeline import TeamPipelineQuerySet

        return TeamPipelineQuerySet(self.session, self._child("pipelines"))

    def pipeline(self, pipeline_id: str) -> TeamPipelineRef:
        """Return the ref of the team's access to the pipeline with an id (not its slug); no request."""
        from buildkite_orm.resources.teams.pipeline import TeamPipelineRef

        return TeamPipelineRef.at(self.session, self._child("pipelines", pipeline_id))

    def suites(self) -> TeamSuiteQuerySet:
        """List the test suites that the team reaches.

        Documentation: https://buildkite.com/docs/apis/rest-api/teams/suites#list-team-suites
        """
        from buildkite_orm.resources.teams.suite import TeamSuiteQuerySet

        return TeamSuiteQuerySet(self.session, self._child("suites"))

    def suite(self, suite_id: str) -> TeamSuiteRef:
        """Return the ref of the team's access to the test suite with an id (not its slug); no request."""
        from buildkite_orm.resources.teams.suite import TeamSuiteRef

        return TeamSuiteRef.at(self.session, self._child("suites", suite_id))


class Team(TeamRef, Editable):
    """A team.

    The documentation shows two kinds of responses: fetched teams have `id` to `created_by`, and responses to a creation
    or an update repeat what was sent. So any field but the name may be None.

    Documentation: https://buildkite.com/docs/apis/rest-api/teams#team-data-model
    """

    has_url: ClassVar[bool] = False
    editable: ClassVar[frozenset[str]] = frozenset(TeamChanges.__annotations__)
    _repr_fields: ClassVar[tuple[str, ...]] = ("name", "privacy", "default")

    id: str | None = None
    graphql_id: str | None = None
    name: str
    slug: str | None = None
    description: str | None = None
    privacy: TeamPrivacy | None = None
    default: bool | None = None
    created_at: Timestamp | None = None
    created_by: EmbeddedUser | None = None
    is_default_team: bool | None = None
    default_member_role: TeamRole | None = None
    members_can_create_pipelines: bool | None = None
    members_can_create_suites: bool | None = None
    members_can_create_registries: bool | None = None
    members_can_destroy_registries: bool | None = None
    members_can_destroy_packages: bool | None = None


class TeamQuerySet(QuerySet[Team]):
    """The teams of an organization."""

    _model = Team
    _filters_type = TeamFilters

    def filter(self, **filters: Unpack[TeamFilters]) -> Self:
        """Return a queryset with more filters; see `TeamFilters`."""
        return self._filtered(filters)

    def create(
        self,
        *,
        name: str,
        description: str,
        privacy: TeamPrivacy | Literal["visible", "secret"],
        is_default_team: bool,
        default_member_role: TeamRole | Literal["member", "maintainer"],
        extra: Mapping[str, object] | None = None,
        **permissions: Unpack[TeamPermissions],
    ) -> Team:
        """Create a team.

        Args:
            name: Its name.
            description: Its purpose.
            privacy: Who can see it.
            is_default_team: Whether new members of the organization join the team.
            default_member_role: The role of new members in the team.
            extra: Fields of the body that this library does not know.
            permissions: See `TeamPermissions`.

        Raises:
            UnprocessableEntityError: The server rejects a value, or misses one.

        Documentation: https://buildkite.com/docs/apis/rest-api/teams#create-a-team
        """
        given = {
            "name": name,
            "description": description,
            "privacy": privacy,
            "is_default_team": is_default_team,
            "default_member_role": default_member_role,
            **permissions,
        }
        return self._create(encode_body(given, TeamChanges, extra=extra))

    def enable(self) -> None:
        """Enable teams for the organization; if it has none, a team of all its members is created.

        Raises:
            PermissionDeniedError: The plan has no teams, or the user does not administer the organization.

        Documentation: https://buildkite.com/docs/apis/rest-api/teams#enable-teams
        """
        self._session.send(ApiRequest("POST", f"{self._path}/enable", idempotent=False), lambda _response: None)
