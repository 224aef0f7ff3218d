"""The tokens of registries, used to install packages."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypedDict

from pydantic import Field

from buildkite_orm.http.encoding import encode_body
from buildkite_orm.models.ref import Deletable
from buildkite_orm.models.resource import Editable, Timestamp
from buildkite_orm.querysets.queryset import QuerySet
from buildkite_orm.resources.embedded import EmbeddedUser
from buildkite_orm.resources.packages.embedded import EmbeddedOrganization, EmbeddedRegistry
from buildkite_orm.resources.parents import InRegistry

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Unpack

__all__ = [
    "RegistryToken",
    "RegistryTokenChanges",
    "RegistryTokenQuerySet",
    "RegistryTokenRef",
]


class RegistryTokenChanges(TypedDict, total=False):
    """Fields of a registry token that can be changed.

    Attributes:
        description: Its purpose.
    """

    description: str


class RegistryTokenRef(InRegistry, Deletable):
    """The ref of a registry token. Once it is deleted, it cannot be used to install packages any more."""

    _kind = "registry_token"
    _paths = ("packages/organizations/{organization}/registries/{registry}/tokens/{id}",)
    _update_method = "POST"
    delete_documentation = "package-registries/registry-tokens#delete-a-registry-token"

    if TYPE_CHECKING:
        id: str

    def fetch(self) -> RegistryToken:
        """Fetch the token, without its secret.

        Raises:
            NotFoundError: The registry has none with this id.

        Documentation: https://buildkite.com/docs/apis/rest-api/package-registries/registry-tokens#get-a-registry-token
        """
        return self._request(RegistryToken)

    def update(
        self, *, extra: Mapping[str, object] | None = None, **changes: Unpack[RegistryTokenChanges]
    ) -> RegistryToken:
        """Change its description; an object is updated with the response.

        Args:
            extra: Fields of the body that this library does not know.
            changes: See `RegistryTokenChanges`.

        Raises:
            UnprocessableEntityError: The server rejects the description.

        Documentation:
            https://buildkite.com/docs/apis/rest-api/package-registries/registry-tokens#update-a-registry-token
        """
        return self._update(RegistryToken, changes, RegistryTokenChanges, extra)


class RegistryToken(RegistryTokenRef, Editable):
    """A token that packages are installed with.

    Attributes:
        token: The secret itself; it shows in no repr. The documentation does not have it, but the Go client reads it
            from the response to `create()`, and from no other.

    Documentation: https://buildkite.com/docs/apis/rest-api/package-registries/registry-tokens
    """

    editable: ClassVar[frozenset[str]] = frozenset(RegistryTokenChanges.__annotations__)
    _repr_fields: ClassVar[tuple[str, ...]] = ("description", "id")

    id: str
    graphql_id: str | None = None
    description: str | None = None
    url: str
    created_at: Timestamp | None = None
    created_by: EmbeddedUser | None = None
    embedded_organization: EmbeddedOrganization | None = Field(default=None, alias="organization")
    embedded_registry: EmbeddedRegistry | None = Field(default=None, alias="registry")
    token: str | None = Field(default=None, repr=False)


class RegistryTokenQuerySet(QuerySet[RegistryToken]):
    """The tokens of a registry."""

    _model = RegistryToken

    def create(self, *, description: str, extra: Mapping[str, object] | None = None) -> RegistryToken:
        """Create a token; only this response has its secret, as `token`.

        Args:
            description: Its purpose.
            extra: Fields of the body that this library does not know.

        Raises:
            UnprocessableEntityError: The server rejects the description.

        Documentation:
            https://buildkite.com/docs/apis/rest-api/package-registries/registry-tokens#create-a-registry-token
        """
        return self._create(encode_body({"description": description}, extra=extra))
