"""Clusters: pipelines and the queues of agents that run them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypedDict

from pydantic import Field

from buildkite_orm.encoding import encode_body
from buildkite_orm.queryset import QuerySet
from buildkite_orm.resource import Deletable, Editable, Model, Timestamp
from buildkite_orm.resources.embedded import EmbeddedUser
from buildkite_orm.resources.places import InOrganization

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Unpack


class ClusterOptions(TypedDict, total=False):
    """What may be said of a new cluster.

    Attributes:
        emoji: As `:rocket:`.
        color: As `#FFE0F1`.
        maintainers: Who may manage it: `{"user": id}` or `{"team": id}` each.
    """

    description: str | None
    emoji: str | None
    color: str | None
    maintainers: Sequence[Mapping[str, str]]


class ClusterChanges(TypedDict, total=False):
    """What can be changed of a cluster; `None` clears what can be cleared.

    Attributes:
        default_queue_id: The id of the queue for jobs that name none.
        hosted_git_mirror_enabled: Whether hosted agents use a mirror of the repositories.
        hosted_container_cache_enabled: Whether hosted agents cache container images.
    """

    name: str
    description: str | None
    emoji: str | None
    color: str | None
    default_queue_id: str | None
    hosted_git_mirror_enabled: bool
    hosted_container_cache_enabled: bool


class ClusterRef(InOrganization, Deletable):
    """Where a cluster is."""

    _kind = "cluster"
    _update_method = "PUT"
    delete_documentation = "clusters#clusters-delete-a-cluster"

    def fetch(self) -> Cluster:
        """Ask for the cluster.

        Raises:
            NotFoundError: There is none of this id that the token reaches.

        Documentation: https://buildkite.com/docs/apis/rest-api/clusters#clusters-get-a-cluster
        """
        return self._send(Cluster)

    def update(self, **changes: Unpack[ClusterChanges]) -> Cluster:
        """Change some of its properties, and nothing else; an object takes over the answer.

        Args:
            changes: See `ClusterChanges`.

        Raises:
            UnprocessableEntityError: The server does not accept a value.

        Documentation: https://buildkite.com/docs/apis/rest-api/clusters#clusters-update-a-cluster
        """
        return self._update(Cluster, changes, ClusterChanges)


class ClusterMaintainers(Model):
    """Who may manage a cluster, as the cluster itself tells it."""

    users: list[dict[str, Any]] = Field(default_factory=list[dict[str, Any]])
    teams: list[dict[str, Any]] = Field(default_factory=list[dict[str, Any]])


class Cluster(ClusterRef, Editable):
    """A cluster.

    Documentation: https://buildkite.com/docs/apis/rest-api/clusters#cluster-data-model
    """

    editable: ClassVar[frozenset[str]] = frozenset(ClusterChanges.__annotations__)

    id: str
    graphql_id: str | None = None
    default_queue_id: str | None = None
    name: str
    description: str | None = None
    emoji: str | None = None
    color: str | None = None
    embedded_maintainers: ClusterMaintainers | None = Field(default=None, alias="maintainers")
    url: str
    web_url: str | None = None
    queues_url: str | None = None
    default_queue_url: str | None = None
    created_at: Timestamp | None = None
    created_by: EmbeddedUser | None = None
    hosted_git_mirror_enabled: bool | None = None
    hosted_container_cache_enabled: bool | None = None


class ClusterQuerySet(QuerySet[Cluster]):
    """The clusters of an organization."""

    model = Cluster

    def create(self, *, name: str, **options: Unpack[ClusterOptions]) -> Cluster:
        """Create a cluster.

        Args:
            name: What it is called.
            options: See `ClusterOptions`.

        Raises:
            UnprocessableEntityError: The server does not accept a value.

        Documentation: https://buildkite.com/docs/apis/rest-api/clusters#clusters-create-a-cluster
        """
        return self._create(encode_body({"name": name, **options}, ClusterOptions, "name"))
