"""Invitations into organizations."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, TypedDict

from pydantic import Field

from buildkite_orm.http.encoding import encode_body
from buildkite_orm.http.messages import ApiRequest
from buildkite_orm.models.binding import Binding
from buildkite_orm.models.enums import OpenEnum
from buildkite_orm.models.parsing import load_list
from buildkite_orm.models.resource import Fetchable, Model, Timestamp
from buildkite_orm.querysets.queryset import QuerySet
from buildkite_orm.resources.embedded import EmbeddedUser
from buildkite_orm.resources.organizations.member import OrganizationRole, SsoMode
from buildkite_orm.resources.parents import InOrganization

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Unpack

    from buildkite_orm.resources.teams.team import TeamRole

__all__ = [
    "Invitation",
    "InvitationOptions",
    "InvitationQuerySet",
    "InvitationRef",
    "InvitationState",
    "InvitationTeam",
    "InvitedTeam",
]


class InvitationState(OpenEnum):
    """The states of an invitation."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    REVOKED = "revoked"
    EXPIRED = "expired"


class InvitationTeam(TypedDict):
    """A team that the new member joins.

    Attributes:
        id: The id of the team.
        role: The role of the new member in it.
    """

    id: str
    role: TeamRole | Literal["member", "maintainer"]


class InvitationOptions(TypedDict, total=False):
    """Optional fields of new invitations.

    Attributes:
        role: Their role in the organization; default: member.
        sso_mode: Whether they must use single sign-on; required if the organization has it.
        teams: The teams that they join, each once.
    """

    role: OrganizationRole | Literal["admin", "member"]
    sso_mode: SsoMode | Literal["required", "optional"]
    teams: Sequence[InvitationTeam]


class InvitationRef(InOrganization):
    """The ref of an invitation."""

    _kind = "invitation"
    _paths = ("organizations/{organization}/invitations/{id}",)

    if TYPE_CHECKING:
        id: str

    def fetch(self) -> Invitation:
        """Fetch the invitation, in any state.

        Raises:
            NotFoundError: Nothing has this id, or the token cannot access it.

        Documentation: https://buildkite.com/docs/apis/rest-api/organizations/invitations#get-an-organization-invitation
        """
        return self._request(Invitation)

    def revoke(self) -> None:
        """Revoke the invitation, while it is pending.

        Raises:
            UnprocessableEntityError: It has been accepted, has been revoked, or has expired.

        Documentation:
            https://buildkite.com/docs/apis/rest-api/organizations/invitations#revoke-an-organization-invitation
        """
        self._execute("DELETE")


class InvitedTeam(Model):
    """A team that an invitation is for."""

    id: str
    graphql_id: str | None = None
    slug: str | None = None


class Invitation(InvitationRef, Fetchable):
    """An invitation.

    Documentation:
        https://buildkite.com/docs/apis/rest-api/organizations/invitations#organization-invitation-data-model
    """

    _repr_fields: ClassVar[tuple[str, ...]] = ("email", "state", "role")

    id: str
    graphql_id: str | None = None
    url: str
    email: str
    state: InvitationState
    role: OrganizationRole | None = None
    sso_mode: SsoMode | None = None
    teams: list[InvitedTeam] = Field(default_factory=list[InvitedTeam])
    created_at: Timestamp | None = None
    created_by: EmbeddedUser | None = None
    accepted_at: Timestamp | None = None
    accepted_by: EmbeddedUser | None = None
    revoked_at: Timestamp | None = None
    revoked_by: EmbeddedUser | None = None
    expired_at: Timestamp | None = None


class InvitationQuerySet(QuerySet[Invitation]):
    """The invitations of an organization that are pending, newest first."""

    _model = Invitation
    _is_numbered = False

    def create(
        self, *, emails: Sequence[str], extra: Mapping[str, object] | None = None, **options: Unpack[InvitationOptions]
    ) -> list[Invitation]:
        """Invite people, all of them or none.

        Args:
            emails: Their addresses.
            extra: Fields of the body that this library does not know.
            options: See `InvitationOptions`.

        Raises:
            UnprocessableEntityError: The server rejects a value: one of them is a member already, for example.

        Documentation:
            https://buildkite.com/docs/apis/rest-api/organizations/invitations#create-organization-invitations
        """
        request = ApiRequest(
            "POST",
            self._path,
            body=encode_body({"emails": emails, **options}, InvitationOptions, "emails", extra=extra),
        )
        strict, binding = self._session.strict, Binding(self._session, self._collection)
        invitations = self._session.send(request, lambda response: load_list(Invitation, response, strict=strict))
        return [each.bind(binding) for each in invitations]
