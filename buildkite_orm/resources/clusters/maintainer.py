"""The maintainers of clusters: the users and teams that may manage them."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypedDict

from buildkite_orm.http.encoding import encode_body
from buildkite_orm.models.enums import OpenEnum
from buildkite_orm.models.ref import Deletable
from buildkite_orm.models.resource import Fetchable, Model
from buildkite_orm.querysets.queryset import QuerySet
from buildkite_orm.resources.parents import InCluster

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Unpack

__all__ = [
    "ActorType",
    "ClusterMaintainer",
    "ClusterMaintainerQuerySet",
    "ClusterMaintainerRef",
    "ClusterMaintainerTarget",
    "MaintainerActor",
]


class ActorType(OpenEnum):
    """The kinds of maintainers."""

    USER = "user"
    TEAM = "team"


class ClusterMaintainerTarget(TypedDict, total=False):
    """The new maintainer: one of the two, by its id."""

    user: str
    team: str


class ClusterMaintainerRef(InCluster, Deletable):
    """The ref of a user or team that maintains a cluster."""

    _kind = "cluster_maintainer"
    _paths = ("organizations/{organization}/clusters/{cluster}/maintainers/{id}",)
    delete_documentation = "clusters/maintainers#remove-a-cluster-maintainer"

    if TYPE_CHECKING:
        id: str

    def fetch(self) -> ClusterMaintainer:
        """Fetch the maintainer.

        Raises:
            NotFoundError: The cluster has no maintainer of this id (which is not the id of the user or team).

        Documentation: https://buildkite.com/docs/apis/rest-api/clusters/maintainers#get-a-cluster-maintainer
        """
        return self._request(ClusterMaintainer)


class MaintainerActor(Model):
    """A user or a team that maintains a cluster.

    Attributes:
        name: The name of the user; that of a team is only in the payload of the cluster.
        email: The email address of a user.
        slug: The slug of a team.
        type: Which of the two it is.
    """

    id: str
    graphql_id: str | None = None
    name: str | None = None
    email: str | None = None
    slug: str | None = None
    type: ActorType | None = None


class ClusterMaintainer(ClusterMaintainerRef, Fetchable):
    """That a user or team maintains a cluster.

    Documentation: https://buildkite.com/docs/apis/rest-api/clusters/maintainers#cluster-maintainer-data-model
    """

    has_url: ClassVar[bool] = False

    id: str
    actor: MaintainerActor

    def _summary(self) -> Iterable[object]:
        yield self.actor.name or self.actor.slug or self.actor.id
        yield self.actor.type


class ClusterMaintainerQuerySet(QuerySet[ClusterMaintainer]):
    """The maintainers of a cluster."""

    _model = ClusterMaintainer
    _is_numbered = False

    def create(
        self, *, extra: Mapping[str, object] | None = None, **target: Unpack[ClusterMaintainerTarget]
    ) -> ClusterMaintainer:
        """Add a user or a team as a maintainer.

        Args:
            extra: Fields of the body that this library does not know.
            target: `user=` or `team=`, by its id.

        Raises:
            UnprocessableEntityError: The server rejects it: the user or team does not exist, for example.

        Documentation: https://buildkite.com/docs/apis/rest-api/clusters/maintainers#create-a-cluster-maintainer
        """
        return self._create(encode_body(target, ClusterMaintainerTarget, extra=extra))
