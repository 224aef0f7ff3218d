"""Clusters: pipelines and the queues of agents that run them."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypedDict

from pydantic import Field

from buildkite_orm.http.encoding import encode_body
from buildkite_orm.models.ref import Deletable
from buildkite_orm.models.resource import Editable, Model, Timestamp
from buildkite_orm.querysets.queryset import QuerySet
from buildkite_orm.resources.clusters.maintainer import MaintainerActor
from buildkite_orm.resources.embedded import EmbeddedUser
from buildkite_orm.resources.parents import InOrganization

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Unpack

    from buildkite_orm.resources.clusters.agent_image import AgentImageQuerySet, AgentImageRef
    from buildkite_orm.resources.clusters.agent_token import AgentTokenQuerySet, AgentTokenRef
    from buildkite_orm.resources.clusters.cache_volume import CacheVolumeQuerySet, CacheVolumeRef
    from buildkite_orm.resources.clusters.maintainer import (
        ClusterMaintainerQuerySet,
        ClusterMaintainerRef,
        ClusterMaintainerTarget,
    )
    from buildkite_orm.resources.clusters.network_range import NetworkRangeQuerySet
    from buildkite_orm.resources.clusters.queue import QueueQuerySet, QueueRef
    from buildkite_orm.resources.clusters.secret import SecretQuerySet, SecretRef

__all__ = [
    "Cluster",
    "ClusterChanges",
    "ClusterMaintainers",
    "ClusterOptions",
    "ClusterQuerySet",
    "ClusterRef",
    "EmbeddedMaintainer",
]


class ClusterOptions(TypedDict, total=False):
    """Optional fields of a new cluster.

    Attributes:
        emoji: As `:rocket:`.
        color: As `#FFE0F1`.
        maintainers: Who may manage it: `{"user": id}` or `{"team": id}` each.
    """

    description: str | None
    emoji: str | None
    color: str | None
    maintainers: Sequence[ClusterMaintainerTarget]


class ClusterChanges(TypedDict, total=False):
    """Fields of a cluster that can be changed; `None` clears a field that may be empty.

    Attributes:
        default_queue_id: The id of the queue for jobs that name no queue.
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
    """The ref of a cluster."""

    _kind = "cluster"
    _paths = ("organizations/{organization}/clusters/{id}",)
    _update_method = "PUT"
    delete_documentation = "clusters#clusters-delete-a-cluster"

    if TYPE_CHECKING:
        id: str

    def fetch(self) -> Cluster:
        """Fetch the cluster.

        Raises:
            NotFoundError: Nothing has this id, or the token cannot access it.

        Documentation: https://buildkite.com/docs/apis/rest-api/clusters#clusters-get-a-cluster
        """
        return self._request(Cluster)

    def update(self, *, extra: Mapping[str, object] | None = None, **changes: Unpack[ClusterChanges]) -> Cluster:
        """Change the given fields, and no others; an object is updated with the response.

        Args:
            extra: Fields of the body that this library does not know.
            changes: See `ClusterChanges`.

        Raises:
            UnprocessableEntityError: The server rejects a value.

        Documentation: https://buildkite.com/docs/apis/rest-api/clusters#clusters-update-a-cluster
        """
        return self._update(Cluster, changes, ClusterChanges, extra)

    def queues(self) -> QueueQuerySet:
        """List the queues.

        Documentation: https://buildkite.com/docs/apis/rest-api/clusters/queues#list-queues
        """
        from buildkite_orm.resources.clusters.queue import QueueQuerySet

        return QueueQuerySet(self.session, self._child("queues"))

    def queue(self, queue_id: str) -> QueueRef:
        """Return the ref of the queue with an id (not its key); no request."""
        from buildkite_orm.resources.clusters.queue import QueueRef

        return QueueRef.at(self.session, self._child("queues", queue_id))

    def agent_tokens(self) -> AgentTokenQuerySet:
        """List the agent tokens, without their secrets.

        Documentation: https://buildkite.com/docs/apis/rest-api/clusters/agent-tokens#list-tokens
        """
        from buildkite_orm.resources.clusters.agent_token import AgentTokenQuerySet

        return AgentTokenQuerySet(self.session, self._child("tokens"))

    def agent_token(self, token_id: str) -> AgentTokenRef:
        """Return the ref of the agent token with an id; no request."""
        from buildkite_orm.resources.clusters.agent_token import AgentTokenRef

        return AgentTokenRef.at(self.session, self._child("tokens", token_id))

    def secrets(self) -> SecretQuerySet:
        """List the secrets, without their values.

        Documentation: https://buildkite.com/docs/apis/rest-api/clusters/secrets#list-secrets
        """
        from buildkite_orm.resources.clusters.secret import SecretQuerySet

        return SecretQuerySet(self.session, self._child("secrets"))

    def secret(self, secret_id: str) -> SecretRef:
        """Return the ref of the secret with an id (not its key); no request."""
        from buildkite_orm.resources.clusters.secret import SecretRef

        return SecretRef.at(self.session, self._child("secrets", secret_id))

    def maintainers(self) -> ClusterMaintainerQuerySet:
        """List the users and teams that may manage it.

        Documentation: https://buildkite.com/docs/apis/rest-api/clusters/maintainers#list-cluster-maintainers
        """
        from buildkite_orm.resources.clusters.maintainer import ClusterMaintainerQuerySet

        return ClusterMaintainerQuerySet(self.session, self._child("maintainers"))

    def maintainer(self, maintainer_id: str) -> ClusterMaintainerRef:
        """Return the ref of the maintainer with an id (not that of the user or team); no request."""
        from buildkite_orm.resources.clusters.maintainer import ClusterMaintainerRef

        return ClusterMaintainerRef.at(self.session, self._child("maintainers", maintainer_id))

    def agent_images(self) -> AgentImageQuerySet:
        """List the agent images, by their names.

        Documentation: https://buildkite.com/docs/apis/rest-api/clusters/agent-images#list-agent-images
        """
        from buildkite_orm.resources.clusters.agent_image import AgentImageQuerySet

        return AgentImageQuerySet(self.session, self._child("agent-images"))

    def agent_image(self, image_id: str) -> AgentImageRef:
        """Return the ref of the agent image with an id (not its name); no request."""
        from buildkite_orm.resources.clusters.agent_image import AgentImageRef

        return AgentImageRef.at(self.session, self._child("agent-images", image_id))

    def cache_volumes(self) -> CacheVolumeQuerySet:
        """List the cache volumes that are not in use, one of each tag.

        Documentation: https://buildkite.com/docs/apis/rest-api/clusters/cache-volumes#list-cache-volumes
        """
        from buildkite_orm.resources.clusters.cache_volume import CacheVolumeQuerySet

        return CacheVolumeQuerySet(self.session, self._child("cache_volumes"))

    def cache_volume(self, tag: str) -> CacheVolumeRef:
        """Return the ref of the cache volume with a tag (not an id); no request."""
        from buildkite_orm.resources.clusters.cache_volume import CacheVolumeRef

        return CacheVolumeRef.at(self.session, self._child("cache_volumes", tag))

    def network_ranges(self) -> NetworkRangeQuerySet:
        """List the network ranges that its hosted agents send requests from.

        Documentation: https://buildkite.com/docs/apis/rest-api/clusters/network-ranges#list-network-ranges
        """
        from buildkite_orm.resources.clusters.network_range import NetworkRangeQuerySet

        return NetworkRangeQuerySet(self.session, self._child("network_ranges"))


class EmbeddedMaintainer(Model):
    """A maintainer in the payload of a cluster."""

    id: str
    actor: MaintainerActor


class ClusterMaintainers(Model):
    """The maintainers in the payload of a cluster."""

    users: list[EmbeddedMaintainer] = Field(default_factory=list[EmbeddedMaintainer])
    teams: list[EmbeddedMaintainer] = Field(default_factory=list[EmbeddedMaintainer])


class Cluster(ClusterRef, Editable):
    """A cluster.

    Documentation: https://buildkite.com/docs/apis/rest-api/clusters#cluster-data-model
    """

    editable: ClassVar[frozenset[str]] = frozenset(ClusterChanges.__annotations__)
    _repr_fields: ClassVar[tuple[str, ...]] = ("name", "description")

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

    @property
    def default_queue(self) -> QueueRef | None:
        """The queue for jobs that name no queue, if any."""
        return None if self.default_queue_id is None else self.queue(self.default_queue_id)


class ClusterQuerySet(QuerySet[Cluster]):
    """The clusters of an organization."""

    _model = Cluster

    def create(
        self, *, name: str, extra: Mapping[str, object] | None = None, **options: Unpack[ClusterOptions]
    ) -> Cluster:
        """Create a cluster.

        Args:
            name: Its name.
            extra: Fields of the body that this library does not know.
            options: See `ClusterOptions`.

        Raises:
            UnprocessableEntityError: The server rejects a value.

        Documentation: https://buildkite.com/docs/apis/rest-api/clusters#clusters-create-a-cluster
        """
        return self._create(encode_body({"name": name, **options}, ClusterOptions, "name", extra=extra))
