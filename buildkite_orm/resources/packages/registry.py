"""Registries, which store packages of one ecosystem."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypedDict

from buildkite_orm.http.encoding import encode_body
from buildkite_orm.models.ref import Deletable
from buildkite_orm.models.resource import Editable
from buildkite_orm.querysets.queryset import QuerySet
from buildkite_orm.resources.parents import InOrganization

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Unpack

    from buildkite_orm.resources.packages.package import PackageFilters, PackageQuerySet, PackageRef
    from buildkite_orm.resources.packages.token import RegistryTokenQuerySet, RegistryTokenRef

    OidcPolicy = str | Sequence[Mapping[str, Any]]

__all__ = [
    "Registry",
    "RegistryChanges",
    "RegistryOptions",
    "RegistryQuerySet",
    "RegistryRef",
]


class RegistryOptions(TypedDict, total=False):
    """Optional fields of a new registry.

    Attributes:
        team_ids: The ids of the teams that may use it; required if the organization has teams.
        description: Its purpose.
        emoji: As `:sunflower:`.
        color: As `#f0ccff`.
        oidc_policy: Who may use it through OIDC: as YAML, or as a list of statements.
    """

    team_ids: Sequence[str]
    description: str | None
    emoji: str | None
    color: str | None
    oidc_policy: OidcPolicy | None


class RegistryChanges(TypedDict, total=False):
    """Fields of a registry that can be changed; `None` clears a field that may be empty.

    Attributes:
        name: Another one changes its slug and its URLs too, also those that packages are installed from.
        description: Its purpose.
        oidc_policy: Who may use it through OIDC; replaces the whole earlier policy.
    """

    name: str
    description: str | None
    oidc_policy: OidcPolicy | None


class RegistryRef(InOrganization, Deletable):
    """The ref of a registry. To delete it is to delete its packages too."""

    _kind = "registry"
    _paths = ("packages/organizations/{organization}/registries/{slug}",)
    _update_method = "POST"
    delete_documentation = "package-registries/registries#delete-a-registry"

    if TYPE_CHECKING:
        slug: str

    def fetch(self) -> Registry:
        """Fetch the registry.

        Raises:
            NotFoundError: Nothing has this slug, or the token cannot access it.

        Documentation: https://buildkite.com/docs/apis/rest-api/package-registries/registries#get-a-registry
        """
        return self._request(Registry)

    def update(self, *, extra: Mapping[str, object] | None = None, **changes: Unpack[RegistryChanges]) -> Registry:
        """Change the given fields, and no others; an object is updated with the response.

        Args:
            extra: Fields of the body that this library does not know.
            changes: See `RegistryChanges`.

        Raises:
            UnprocessableEntityError: The server rejects a value.

        Documentation: https://buildkite.com/docs/apis/rest-api/package-registries/registries#update-a-registry
        """
        return self._update(Registry, changes, RegistryChanges, extra)

    def packages(self, **filters: Unpack[PackageFilters]) -> PackageQuerySet:
        """List the packages, newest first.

        Args:
            filters: See `PackageFilters`.

        Example:
            >>> registry = bk.organization("acme").registry("files")
            >>> registry.packages(name="hello").limit(10)
            <PackageQuerySet acme/registries/files/packages name=hello limit=10 [not loaded]>

        Documentation: https://buildkite.com/docs/apis/rest-api/package-registries/packages#list-all-packages
        """
        from buildkite_orm.resources.packages.package import PackageQuerySet

        return PackageQuerySet(self.session, self._child("packages"), filters)

    def package(self, package_id: str) -> PackageRef:
        """Return the ref of the package with an id (not its name); no request."""
        from buildkite_orm.resources.packages.package import PackageRef

        return PackageRef.at(self.session, self._child("packages", package_id))

    def tokens(self) -> RegistryTokenQuerySet:
        """List the tokens, without their secrets.

        Documentation:
            https://buildkite.com/docs/apis/rest-api/package-registries/registry-tokens#list-all-registry-tokens
        """
        from buildkite_orm.resources.packages.token import RegistryTokenQuerySet

        return RegistryTokenQuerySet(self.session, self._child("tokens"))

    def token(self, token_id: str) -> RegistryTokenRef:
        """Return the ref of the token with an id; no request."""
        from buildkite_orm.resources.packages.token import RegistryTokenRef

        return RegistryTokenRef.at(self.session, self._child("tokens", token_id))


class Registry(RegistryRef, Editable):
    """A package registry.

    Attributes:
        ecosystem: The kind of its packages, as `ruby`.
        public: Whether everybody may install from it.
        team_ids: The ids of the teams that may use it.

    Documentation: https://buildkite.com/docs/apis/rest-api/package-registries/registries
    """

    editable: ClassVar[frozenset[str]] = frozenset(RegistryChanges.__annotations__)
    _repr_fields: ClassVar[tuple[str, ...]] = ("slug", "ecosystem", "public")

    id: str
    graphql_id: str | None = None
    slug: str
    url: str
    web_url: str | None = None
    name: str
    ecosystem: str | None = None
    description: str | None = None
    emoji: str | None = None
    color: str | None = None
    public: bool | None = None
    oidc_policy: str | list[dict[str, Any]] | None = None
    team_ids: list[str] | None = None


class RegistryQuerySet(QuerySet[Registry]):
    """The registries of an organization."""

    _model = Registry

    def create(
        self,
        *,
        name: str,
        ecosystem: str,
        extra: Mapping[str, object] | None = None,
        **options: Unpack[RegistryOptions],
    ) -> Registry:
        """Create a registry.

        Args:
            name: Its name; its slug is derived from it.
            ecosystem: The kind of its packages, as `ruby`; it cannot be changed.
            extra: Fields of the body that this library does not know.
            options: See `RegistryOptions`.

        Raises:
            UnprocessableEntityError: The server rejects a value.

        Documentation: https://buildkite.com/docs/apis/rest-api/package-registries/registries#create-a-registry
        """
        return self._create(
            encode_body(
                {"name": name, "ecosystem": ecosystem, **options}, RegistryOptions, "name", "ecosystem", extra=extra
            )
        )
