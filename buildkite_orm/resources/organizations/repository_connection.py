"""Repository connections of an organization, and the repositories that they reach."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self, TypedDict

from buildkite_orm.models.enums import OpenEnum
from buildkite_orm.models.resource import Fetchable, Model, Resource, Timestamp
from buildkite_orm.querysets.queryset import QuerySet
from buildkite_orm.resources.parents import InOrganization

if TYPE_CHECKING:
    from typing import Unpack

__all__ = [
    "ProviderRateLimit",
    "Repository",
    "RepositoryConnection",
    "RepositoryConnectionQuerySet",
    "RepositoryConnectionRef",
    "RepositoryConnectionType",
    "RepositoryFilters",
    "RepositoryHost",
    "RepositoryQuerySet",
    "ServiceAccount",
]


class RepositoryConnectionType(OpenEnum):
    """The kinds of repository connection."""

    GITHUB_APP = "github_app"
    GITHUB_CODE_ACCESS_APP = "github_code_access_app"
    GITHUB_ENTERPRISE_APP = "github_enterprise_app"
    GITHUB_RESTRICTED_APP = "github_restricted_app"
    GITHUB_ENTERPRISE = "github_enterprise"
    BITBUCKET_SERVER = "bitbucket_server"
    GITLAB_SELF_MANAGED = "gitlab_self_managed"
    CURSOR_ORIGIN_APP = "cursor_origin_app"


class RepositoryFilters(TypedDict, total=False):
    """Filters for repositories.

    Attributes:
        repository: The whole `full_name`, in any case.
    """

    repository: str


class RepositoryConnectionRef(InOrganization):
    """The ref of a repository connection; only administrators can access it."""

    _kind = "repository_connection"
    _paths = ("organizations/{organization}/repository_connections/{id}",)

    if TYPE_CHECKING:
        id: str

    def fetch(self) -> RepositoryConnection:
        """Fetch the repository connection.

        Raises:
            BadRequestError: The id is not a UUID.
            NotFoundError: The organization has none with this id.
            PermissionDeniedError: The user is not an administrator.

        Documentation:
            https://buildkite.com/docs/apis/rest-api/organizations/repository-connections#get-a-repository-connection
        """
        return self._request(RepositoryConnection)

    def repositories(self, **filters: Unpack[RepositoryFilters]) -> RepositoryQuerySet:
        """List the repositories that it reaches, in the order of the provider.

        Some kinds of connection cannot list them: that is an UnprocessableEntityError once the listing is used, and a
        ServerError if the provider is not available.

        Args:
            filters: See `RepositoryFilters`.

        Documentation: https://buildkite.com/docs/apis/rest-api/repository-connections#list-repositories
        """
        return RepositoryQuerySet(self.session, self._child("repositories"), filters)


class ServiceAccount(Model):
    """The account that a connection acts as."""

    login: str | None = None


class RepositoryHost(Model):
    """The host of a connection's repositories; fields other than `type` and `url` differ by provider.

    Attributes:
        url: Its URL; for Bitbucket Server there may be several, with commas between them.
    """

    type: str | None = None
    url: str | None = None
    webhook_allowed_addresses: Any = None
    verify_server_cert: bool | None = None
    authentication_strategy: str | None = None
    proxy_auth_strategy: str | None = None


class ProviderRateLimit(Model):
    """The usage of the provider's rate limit, as last seen by Buildkite."""

    limit: int | None = None
    used: int | None = None
    remaining: int | None = None
    reset_at: Timestamp | None = None


class RepositoryConnection(RepositoryConnectionRef, Fetchable):
    """A repository connection.

    Attributes:
        service_account: The account that it acts as; this and the next fields are returned by `fetch()` only.
        host: The host of its repositories.
        rate_limit: The usage of the provider's rate limit.

    Documentation:
        https://buildkite.com/docs/apis/rest-api/organizations/repository-connections#repository-connection-data-model
    """

    _repr_fields: ClassVar[tuple[str, ...]] = ("type", "display_name")

    id: str
    type: RepositoryConnectionType
    display_name: str | None = None
    url: str
    service_account: ServiceAccount | None = None
    host: RepositoryHost | None = None
    rate_limit: ProviderRateLimit | None = None


class RepositoryConnectionQuerySet(QuerySet[RepositoryConnection]):
    """The repository connections of an organization."""

    _model = RepositoryConnection


class Repository(InOrganization, Resource):
    """A repository that a connection reaches; returned in listings only.

    Documentation: https://buildkite.com/docs/apis/rest-api/repository-connections#list-repositories-repository-data-model
    """

    _kind: ClassVar[str] = "repository"
    _paths: ClassVar[tuple[str, ...]] = (
        "organizations/{organization}/repository_connections/{repository_connection}/repositories/{full_name}",
    )
    has_url: ClassVar[bool] = False
    _repr_fields: ClassVar[tuple[str, ...]] = ("full_name", "default_branch")

    full_name: str
    html_url: str | None = None
    clone_url: str | None = None
    default_branch: str | None = None

    @property
    def repository_connection(self) -> RepositoryConnectionRef:
        """The connection that reaches it."""
        return self._parent(RepositoryConnectionRef)


class RepositoryQuerySet(QuerySet[Repository]):
    """The repositories that a connection reaches."""

    _model = Repository
    _filters_type = RepositoryFilters

    def filter(self, **filters: Unpack[RepositoryFilters]) -> Self:
        """Return a queryset with more filters; see `RepositoryFilters`."""
        return self._filtered(filters)
