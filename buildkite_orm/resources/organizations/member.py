"""The members of organizations."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, TypedDict

from buildkite_orm.models.enums import OpenEnum
from buildkite_orm.models.ref import Deletable
from buildkite_orm.models.resource import Editable
from buildkite_orm.querysets.queryset import QuerySet
from buildkite_orm.resources.parents import InOrganization

if TYPE_CHECKING:
    from typing import Unpack

__all__ = [
    "OrganizationMember",
    "OrganizationMemberChanges",
    "OrganizationMemberQuerySet",
    "OrganizationMemberRef",
    "OrganizationRole",
    "SsoMode",
]


class OrganizationRole(OpenEnum):
    """What a member is in an organization."""

    ADMIN = "admin"
    MEMBER = "member"


class SsoMode(OpenEnum):
    """Whether a member must come in by single sign-on."""

    REQUIRED = "required"
    OPTIONAL = "optional"


class OrganizationMemberChanges(TypedDict, total=False):
    """What can be changed of a member; something must be."""

    role: OrganizationRole | Literal["admin", "member"]
    sso_mode: SsoMode | Literal["required", "optional"]


class OrganizationMemberRef(InOrganization, Deletable):
    """Where an organization's member is: a user, in that organization."""

    _kind = "organization_member"
    _paths = ("organizations/{organization}/members/{id}",)
    delete_documentation = "organizations/members#remove-an-organization-member"

    def fetch(self) -> OrganizationMember:
        """Ask for the member.

        Raises:
            NotFoundError: The user is no member of the organization.

        Documentation: https://buildkite.com/docs/apis/rest-api/organizations/members#get-an-organization-member
        """
        return self._request(OrganizationMember)

    def update(self, **changes: Unpack[OrganizationMemberChanges]) -> OrganizationMember:
        """Change what the user is in the organization; an object takes over the answer.

        Args:
            changes: See `OrganizationMemberChanges`.

        Raises:
            PermissionDeniedError: It is the user who asks, or that one may not.
            UnprocessableEntityError: The server does not accept a value, or there is none.

        Documentation: https://buildkite.com/docs/apis/rest-api/organizations/members#update-an-organization-member
        """
        return self._update(OrganizationMember, changes, OrganizationMemberChanges)


class OrganizationMember(OrganizationMemberRef, Editable):
    """A user as the member of an organization.

    Attributes:
        id: The id of the user.
        sso_mode: Told to administrators, and to the user.

    Documentation: https://buildkite.com/docs/apis/rest-api/organizations/members#organization-member-data-model
    """

    has_url: ClassVar[bool] = False
    editable: ClassVar[frozenset[str]] = frozenset(OrganizationMemberChanges.__annotations__)
    _repr_fields: ClassVar[tuple[str, ...]] = ("name", "role")

    id: str
    name: str
    email: str | None = None
    role: OrganizationRole | None = None
    sso_mode: SsoMode | None = None


class OrganizationMemberQuerySet(QuerySet[OrganizationMember]):
    """The members of an organization."""

    _model = OrganizationMember
