"""Portals: GraphQL operations that are kept, each behind a URL and a token of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypedDict

from buildkite_orm.http.encoding import encode_body
from buildkite_orm.models.ref import Deletable
from buildkite_orm.models.resource import Editable, Timestamp
from buildkite_orm.querysets.queryset import QuerySet
from buildkite_orm.resources.embedded import EmbeddedUser
from buildkite_orm.resources.parents import InOrganization

if TYPE_CHECKING:
    from typing import Unpack


class PortalOptions(TypedDict, total=False):
    """What may be said of a portal.

    Attributes:
        slug: What it is called in URLs; follows from the name of a new one where it is not said.
        allowed_ip_addresses: Networks in CIDR notation, with spaces between them.
        user_invokable: Whether users can invoke it.
    """

    slug: str
    description: str | None
    allowed_ip_addresses: str | None
    user_invokable: bool


class PortalChanges(PortalOptions, total=False):
    """What can be changed of a portal; `None` clears what can be cleared.

    Attributes:
        query: The GraphQL operation.
    """

    name: str
    query: str


class PortalRef(InOrganization, Deletable):
    """Where a portal is."""

    _kind = "portal"
    _paths = ("organizations/{organization}/portals/{slug}",)
    _update_method = "PUT"
    delete_documentation = "portals#portals-delete-a-portal"

    def fetch(self) -> Portal:
        """Ask for the portal.

        Raises:
            NotFoundError: There is none of this slug that the token reaches.

        Documentation: https://buildkite.com/docs/apis/rest-api/portals#portals-get-a-portal
        """
        return self._request(Portal)

    def update(self, **changes: Unpack[PortalChanges]) -> Portal:
        """Change some of its properties, and nothing else; an object takes over the answer.

        Args:
            changes: See `PortalChanges`.

        Raises:
            UnprocessableEntityError: The server does not accept a value.

        Documentation: https://buildkite.com/docs/apis/rest-api/portals#portals-update-a-portal
        """
        return self._update(Portal, changes, PortalChanges)


class Portal(PortalRef, Editable):
    """A portal. Its slug is where it is: that is changed by `update(slug=…)`, and not assigned.

    Attributes:
        query: The GraphQL operation that it executes.
        token: Its secret, which only the answer to its creation tells, and no repr.

    Documentation: https://buildkite.com/docs/apis/rest-api/portals#portals-portal-data-model
    """

    has_url: ClassVar[bool] = False
    editable: ClassVar[frozenset[str]] = frozenset(PortalChanges.__annotations__) - {"slug"}
    _repr_fields: ClassVar[tuple[str, ...]] = ("slug", "name", "user_invokable")

    uuid: str
    slug: str
    organization_uuid: str | None = None
    name: str
    description: str | None = None
    query: str | None = None
    allowed_ip_addresses: str | None = None
    user_invokable: bool | None = None
    created_at: Timestamp | None = None
    created_by: EmbeddedUser | None = None
    token: str | None = None


class PortalQuerySet(QuerySet[Portal]):
    """The portals of an organization."""

    _model = Portal

    def create(self, *, name: str, query: str, **options: Unpack[PortalOptions]) -> Portal:
        """Create a portal; the answer alone has its `token`.

        Args:
            name: What it is called.
            query: The GraphQL operation that it executes.
            options: See `PortalOptions`.

        Raises:
            UnprocessableEntityError: The server does not accept a value.

        Documentation: https://buildkite.com/docs/apis/rest-api/portals#portals-create-a-portal
        """
        return self._create(encode_body({"name": name, "query": query, **options}, PortalChanges))
