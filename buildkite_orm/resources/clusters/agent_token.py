"""The agent tokens of clusters, with which agents connect."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypedDict

from buildkite_orm.http.encoding import encode_body
from buildkite_orm.models.ref import Deletable
from buildkite_orm.models.resource import Editable, Timestamp
from buildkite_orm.querysets.queryset import QuerySet
from buildkite_orm.resources.embedded import EmbeddedUser
from buildkite_orm.resources.parents import InCluster

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from typing import Unpack

__all__ = [
    "AgentToken",
    "AgentTokenChanges",
    "AgentTokenOptions",
    "AgentTokenQuerySet",
    "AgentTokenRef",
]


class AgentTokenOptions(TypedDict, total=False):
    """Optional fields of a new agent token.

    Attributes:
        expires_at: The time after which agents cannot connect with it; `None` for never.
        allowed_ip_addresses: The networks that agents may connect from, in CIDR notation.
    """

    expires_at: datetime | None
    allowed_ip_addresses: str | None


class AgentTokenChanges(AgentTokenOptions, total=False):
    """Fields of an agent token that can be changed; `None` clears one. See `AgentTokenOptions`."""

    description: str


class AgentTokenRef(InCluster, Deletable):
    """The ref of an agent token. To delete it is to revoke it: no agent connects with it any more."""

    _kind = "agent_token"
    _paths = ("organizations/{organization}/clusters/{cluster}/tokens/{id}",)
    _update_method = "PUT"
    delete_documentation = "clusters/agent-tokens#revoke-a-token"

    if TYPE_CHECKING:
        id: str

    def fetch(self) -> AgentToken:
        """Fetch the agent token, without its secret.

        Raises:
            NotFoundError: The cluster has none with this id.

        Documentation: https://buildkite.com/docs/apis/rest-api/clusters/agent-tokens#get-a-token
        """
        return self._request(AgentToken)

    def update(self, *, extra: Mapping[str, object] | None = None, **changes: Unpack[AgentTokenChanges]) -> AgentToken:
        """Change the given fields, and no others; an object is updated with the response.

        Args:
            extra: Fields of the body that this library does not know.
            changes: See `AgentTokenChanges`.

        Raises:
            UnprocessableEntityError: The server rejects a value.

        Documentation: https://buildkite.com/docs/apis/rest-api/clusters/agent-tokens#update-a-token
        """
        return self._update(AgentToken, changes, AgentTokenChanges, extra)


class AgentToken(AgentTokenRef, Editable):
    """An agent token of a cluster.

    Attributes:
        token: The secret itself. Only the response to `create()` has it: data that is loaded later, by `reload()`,
            `save()` or `update()` too, is without it.

    Documentation: https://buildkite.com/docs/apis/rest-api/clusters/agent-tokens#token-data-model
    """

    editable: ClassVar[frozenset[str]] = frozenset(AgentTokenChanges.__annotations__)
    _repr_fields: ClassVar[tuple[str, ...]] = ("description", "id")

    id: str
    graphql_id: str | None = None
    description: str | None = None
    allowed_ip_addresses: str | None = None
    url: str
    cluster_url: str | None = None
    created_at: Timestamp | None = None
    created_by: EmbeddedUser | None = None
    expires_at: Timestamp | None = None
    token: str | None = None


class AgentTokenQuerySet(QuerySet[AgentToken]):
    """The agent tokens of a cluster."""

    _model = AgentToken

    def create(
        self, *, description: str, extra: Mapping[str, object] | None = None, **options: Unpack[AgentTokenOptions]
    ) -> AgentToken:
        """Create an agent token; only this response has its secret, as `token`.

        Args:
            description: Its purpose.
            extra: Fields of the body that this library does not know.
            options: See `AgentTokenOptions`.

        Raises:
            UnprocessableEntityError: The server rejects a value.

        Documentation: https://buildkite.com/docs/apis/rest-api/clusters/agent-tokens#create-a-token
        """
        return self._create(
            encode_body({"description": description, **options}, AgentTokenOptions, "description", extra=extra)
        )
