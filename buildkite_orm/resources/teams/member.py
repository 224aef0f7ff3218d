"""The members of teams."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, TypedDict

from buildkite_orm.http.encoding import encode_body
from buildkite_orm.models.ref import Deletable
from buildkite_orm.models.resource import Editable, Timestamp
from buildkite_orm.querysets.queryset import QuerySet
from buildkite_orm.resources.parents import InTeam
from buildkite_orm.resources.teams.team import TeamRole

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Unpack

__all__ = [
    "TeamMember",
    "TeamMemberChanges",
    "TeamMemberQuerySet",
    "TeamMemberRef",
]


class TeamMemberChanges(TypedDict):
    """Fields of a team member that can be changed."""

    role: TeamRole | Literal["member", "maintainer"]


class TeamMemberRef(InTeam, Deletable):
    """The ref of a team's member: a user, in that team."""

    _kind = "team_member"
    _paths = ("organizations/{organization}/teams/{team}/members/{user_id}",)
    delete_documentation = "teams/members#delete-a-team-member"

    if TYPE_CHECKING:
        user_id: str

    def fetch(self) -> TeamMember:
        """Fetch the member.

        Raises:
            NotFoundError: The user is not a member of the team.

        Documentation: https://buildkite.com/docs/apis/rest-api/teams/members#get-a-team-member
        """
        return self._request(TeamMember)

    def update(self, *, extra: Mapping[str, object] | None = None, **changes: Unpack[TeamMemberChanges]) -> TeamMember:
        """Change the user's role in the team; an object is updated with the response.

        Args:
            extra: Fields of the body that this library does not know.
            changes: See `TeamMemberChanges`.

        Raises:
            UnprocessableEntityError: The server rejects a value.

        Documentation: https://buildkite.com/docs/apis/rest-api/teams/members#update-a-team-member
        """
        return self._update(TeamMember, changes, TeamMemberChanges, extra)


class TeamMember(TeamMemberRef, Editable):
    """A user as the member of a team.

    Attributes:
        created_at: When the user joined the team.

    Documentation: https://buildkite.com/docs/apis/rest-api/teams/members#team-member-data-model
    """

    has_url: ClassVar[bool] = False
    editable: ClassVar[frozenset[str]] = frozenset(TeamMemberChanges.__annotations__)
    _repr_fields: ClassVar[tuple[str, ...]] = ("user_name", "role")

    user_name: str
    user_id: str
    created_at: Timestamp | None = None
    role: TeamRole


class TeamMemberQuerySet(QuerySet[TeamMember]):
    """The members of a team."""

    _model = TeamMember

    def create(
        self,
        *,
        user_id: str,
        role: TeamRole | Literal["member", "maintainer"],
        extra: Mapping[str, object] | None = None,
    ) -> TeamMember:
        """Add a user to the team.

        Args:
            user_id: The user's id.
            role: The user's role in the team.
            extra: Fields of the body that this library does not know.

        Raises:
            UnprocessableEntityError: The server rejects a value: the user is a member already, for example.

        Documentation: https://buildkite.com/docs/apis/rest-api/teams/members#create-a-team-member
        """
        return self._create(encode_body({"user_id": user_id, "role": role}, TeamMemberChanges, "user_id", extra=extra))
