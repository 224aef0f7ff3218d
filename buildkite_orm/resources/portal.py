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
    from collections.abc import Mapping
    from typing import Unpack


class PortalOptions(TypedDict, total=False):
    """Optional fields of a portal.

    Attributes:
        slug: Its name in URLs; default: derived from the name of a new portal.
        allowed_ip_addresses: Networks in CIDR notation, with spaces between them.
        user_invokable: Whether users can invoke it.
    """

    slug: str
    description: str | None
    allowed_ip_addresses: str | None
    user_invokable: bool


class PortalChanges(PortalOptions, total=False):
    """Fields of a portal that can be changed; `None` clears a field that may be empty.

    Attributes:
        query: The GraphQL operation.
    """

    name: str
    query: str


class PortalRef(InOrganization, Deletable):
    """The ref of a portal."""

    _kind = "portal"
    _paths = ("organizations/{organization}/portals/{slug}",)
    _update_method = "PUT"
    delete_documentation = "portals#portals-delete-a-portal"

    if TYPE_CHECKING:
        slug: str

    def fetch(self) -> Portal:
        """Fetch the portal.

        Raises:
            NotFoundError: Nothing has this slug, or the token cannot access it.

        Documentation: https://buildkite.com/docs/apis/rest-api/portals#portals-get-a-portal
        """
        return self._request(Portal)

    def update(self, *, extra: Mapping[str, object] | None = None, **changes: Unpack[PortalChanges]) -> Portal:
        """Change the given fields, and no others; an object is updated with the response.

        Args:
            extra: Fields of the body that this library does not know.
            changes: See `PortalChanges`.

        Raises:
            UnprocessableEntityError: The server rejects a value.

        Documentation: https://buildkite.com/docs/apis/rest-api/portals#portals-update-a-portal
        """
        return self._update(Portal, changes, PortalChanges, extra)


class Portal(PortalRef, Editable):
    """A portal. Its slug is part of its path, so it is changed by `update(slug=…)`, and cannot be assigned.

    Attributes:
        query: The GraphQL operation that it executes.
        token: Its secret. Only the response to its creation has it, and no repr shows it.

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

    def create(
        self, *, name: str, query: str, extra: Mapping[str, object] | None = None, **options: Unpack[PortalOptions]
    ) -> Portal:
        """Create a portal; only the response has its `token`.

        Args:
            name: Its name.
            query: The GraphQL operation that it executes.
            extra: Fields of the body that this library does not know.
            options: See `PortalOptions`.

        Raises:
            UnprocessableEntityError: The server rejects a value.

        Documentation: https://buildkite.com/docs/apis/rest-api/portals#portals-create-a-portal
        """
        return self._create(encode_body({"name": name, "query": query, **options}, PortalChanges, extra=extra))
