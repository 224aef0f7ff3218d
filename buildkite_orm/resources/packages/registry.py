"""Registries: where packages of one ecosystem are kept."""

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
    """What may be said of a new registry.

    Attributes:
        team_ids: The ids of the teams that may use it; needed where the organization has teams.
        description: What it is for.
        emoji: As `:sunflower:`.
        color: As `#f0ccff`.
        oidc_policy: Who may use it by OIDC: as YAML, or as a list of statements.
    """

    team_ids: Sequence[str]
    description: str | None
    emoji: str | None
    color: str | None
    oidc_policy: OidcPolicy | None


class RegistryChanges(TypedDict, total=False):
    """What can be changed of a registry; `None` clears what can be cleared.

    Attributes:
        name: Another one changes its slug and its URLs too, also those that packages are installed from.
        description: What it is for.
        oidc_policy: Who may use it by OIDC, which takes the place of all that was said before.
    """

    name: str
    description: str | None
    oidc_policy: OidcPolicy | None


class RegistryRef(InOrganization, Deletable):
    """Where a registry is. To delete it is to delete its packages too."""

    _kind = "registry"
    _paths = ("packages/organizations/{organization}/registries/{slug}",)
    _update_method = "POST"
    delete_documentation = "package-registries/registries#delete-a-registry"

    def fetch(self) -> Registry:
        """Ask for the registry.

        Raises:
            NotFoundError: There is none of this slug that the token reaches.

        Documentation: https://buildkite.com/docs/apis/rest-api/package-registries/registries#get-a-registry
        """
        return self._request(Registry)

    def update(self, **changes: Unpack[RegistryChanges]) -> Registry:
        """Change some of its properties, and nothing else; an object takes over the answer.

        Args:
            changes: See `RegistryChanges`.

        Raises:
            UnprocessableEntityError: The server does not accept a value.

        Documentation: https://buildkite.com/docs/apis/rest-api/package-registries/registries#update-a-registry
        """
        return self._update(Registry, changes, RegistryChanges)

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
        """Give the ref of the package with an id (not its name); no request."""
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
        """Give the ref of the token with an id; no request."""
        from buildkite_orm.resources.packages.token import RegistryTokenRef

        return RegistryTokenRef.at(self.session, self._child("tokens", token_id))


class Registry(RegistryRef, Editable):
    """A package registry.

    Attributes:
        ecosystem: What kind of packages it keeps, as `ruby`.
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

    def create(self, *, name: str, ecosystem: str, **options: Unpack[RegistryOptions]) -> Registry:
        """Create a registry.

        Args:
            name: What it is called; its slug follows from that.
            ecosystem: What kind of packages it keeps, as `ruby`; that stays.
            options: See `RegistryOptions`.

        Raises:
            UnprocessableEntityError: The server does not accept a value.

        Documentation: https://buildkite.com/docs/apis/rest-api/package-registries/registries#create-a-registry
        """
        return self._create(
            encode_body({"name": name, "ecosystem": ecosystem, **options}, RegistryOptions, "name", "ecosystem")
        )
