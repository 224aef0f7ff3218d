"""The secrets of clusters: values that only its builds may read."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypedDict

from pydantic import Field

from buildkite_orm.http.encoding import encode_body
from buildkite_orm.models.ref import Deletable
from buildkite_orm.models.resource import Editable, Model, Timestamp
from buildkite_orm.querysets.queryset import QuerySet
from buildkite_orm.resources.embedded import EmbeddedUser
from buildkite_orm.resources.parents import InCluster

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Unpack

__all__ = [
    "Secret",
    "SecretChanges",
    "SecretOptions",
    "SecretOrganization",
    "SecretQuerySet",
    "SecretRef",
]


class SecretChanges(TypedDict, total=False):
    """Fields of a secret that can be changed, apart from its value; `None` clears them.

    Attributes:
        policy: Who may read it, in YAML.
    """

    description: str | None
    policy: str | None


class SecretOptions(SecretChanges, total=False):
    """Optional fields of a new secret. See `SecretChanges`.

    Attributes:
        value: The secret value: less than 8 kB, and not blank.
    """

    value: str


class SecretRef(InCluster, Deletable):
    """The ref of a secret."""

    _kind = "secret"
    _paths = ("organizations/{organization}/clusters/{cluster}/secrets/{id}",)
    _update_method = "PUT"
    delete_documentation = "clusters/secrets#delete-a-secret"

    if TYPE_CHECKING:
        id: str

    def fetch(self) -> Secret:
        """Fetch the secret, without its value.

        Raises:
            NotFoundError: The cluster has none with this id.

        Documentation: https://buildkite.com/docs/apis/rest-api/clusters/secrets#get-a-secret
        """
        return self._request(Secret)

    def update(self, *, extra: Mapping[str, object] | None = None, **changes: Unpack[SecretChanges]) -> Secret:
        """Change its description or its policy; an object is updated with the response.

        Args:
            extra: Fields of the body that this library does not know.
            changes: See `SecretChanges`.

        Raises:
            UnprocessableEntityError: The server rejects a value.

        Documentation:
            https://buildkite.com/docs/apis/rest-api/clusters/secrets#update-a-secrets-description-and-access-policy
        """
        return self._update(Secret, changes, SecretChanges, extra)

    def update_value(self, value: str) -> Secret:
        """Replace its value, and nothing else.

        Args:
            value: The secret value: less than 8 kB, and not blank.

        Raises:
            UnprocessableEntityError: The server rejects the value.

        Documentation: https://buildkite.com/docs/apis/rest-api/clusters/secrets#update-a-secrets-value
        """
        return self._request(Secret, "PUT", "value", body=encode_body({"value": value}))


class SecretOrganization(Model):
    """The organization in the payload of a secret."""

    id: str | None = None
    slug: str | None = None
    url: str | None = None
    web_url: str | None = None


class Secret(SecretRef, Editable):
    """A secret of a cluster: everything but its value.

    Attributes:
        value: Documented, but the API never returns it.
        last_read_at: When a build read it last.

    Documentation: https://buildkite.com/docs/apis/rest-api/clusters/secrets#secret-data-model
    """

    editable: ClassVar[frozenset[str]] = frozenset(SecretChanges.__annotations__)
    _repr_fields: ClassVar[tuple[str, ...]] = ("key", "description")

    id: str
    graphql_id: str | None = None
    key: str
    value: str | None = None
    description: str | None = None
    policy: str | None = None
    url: str
    cluster_url: str | None = None
    created_at: Timestamp | None = None
    created_by: EmbeddedUser | None = None
    updated_at: Timestamp | None = None
    updated_by: EmbeddedUser | None = None
    last_read_at: Timestamp | None = None
    embedded_organization: SecretOrganization | None = Field(default=None, alias="organization")


class SecretQuerySet(QuerySet[Secret]):
    """The secrets of a cluster."""

    _model = Secret

    def create(
        self, *, key: str, extra: Mapping[str, object] | None = None, **options: Unpack[SecretOptions]
    ) -> Secret:
        """Create a secret.

        Args:
            key: Its name in builds: letters, digits and underscores, a letter first; neither `buildkite` nor `bk`.
            extra: Fields of the body that this library does not know.
            options: See `SecretOptions`.

        Raises:
            UnprocessableEntityError: The server rejects a value: the cluster has such a key already, for example.

        Documentation: https://buildkite.com/docs/apis/rest-api/clusters/secrets#create-a-secret
        """
        return self._create(encode_body({"key": key, **options}, SecretOptions, "key", extra=extra))
