"""The members of organizations."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, TypedDict

from buildkite_orm.models.enums import OpenEnum
from buildkite_orm.models.ref import Deletable
from buildkite_orm.models.resource import Editable
from buildkite_orm.querysets.queryset import QuerySet
from buildkite_orm.resources.parents import InOrganization

if TYPE_CHECKING:
    from collections.abc import Mapping
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
    """The roles of members in an organization."""

    ADMIN = "admin"
    MEMBER = "member"


class SsoMode(OpenEnum):
    """Whether a member must use single sign-on."""

    REQUIRED = "required"
    OPTIONAL = "optional"


class OrganizationMemberChanges(TypedDict, total=False):
    """Fields of a member that can be changed; at least one is required."""

    role: OrganizationRole | Literal["admin", "member"]
    sso_mode: SsoMode | Literal["required", "optional"]


class OrganizationMemberRef(InOrganization, Deletable):
    """The ref of an organization's member: a user, in that organization."""

    _kind = "organization_member"
    _paths = ("organizations/{organization}/members/{id}",)
    delete_documentation = "organizations/members#remove-an-organization-member"

    if TYPE_CHECKING:
        id: str

    def fetch(self) -> OrganizationMember:
        """Fetch the member.

        Raises:
            NotFoundError: The user is not a member of the organization.

        Documentation: https://buildkite.com/docs/apis/rest-api/organizations/members#get-an-organization-member
        """
        return self._request(OrganizationMember)

    def update(
        self, *, extra: Mapping[str, object] | None = None, **changes: Unpack[OrganizationMemberChanges]
    ) -> OrganizationMember:
        """Change the user's role in the organization; an object is updated with the response.

        Args:
            extra: Fields of the body that this library does not know.
            changes: See `OrganizationMemberChanges`.

        Raises:
            PermissionDeniedError: It is the token's own user, or that user may not do this.
            UnprocessableEntityError: The server rejects a value, or no field was given.

        Documentation: https://buildkite.com/docs/apis/rest-api/organizations/members#update-an-organization-member
        """
        return self._update(OrganizationMember, changes, OrganizationMemberChanges, extra)


class OrganizationMember(OrganizationMemberRef, Editable):
    """A user as the member of an organization.

    Attributes:
        id: The id of the user.
        sso_mode: Returned to administrators, and to the user.

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
