"""The cache volumes of clusters, which hosted agents keep between jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from buildkite_orm.models.paths import collection_of, key_in
from buildkite_orm.models.ref import Ref
from buildkite_orm.models.resource import Resource, Timestamp
from buildkite_orm.querysets.queryset import QuerySet
from buildkite_orm.resources.parents import InCluster
from buildkite_orm.utils.text import short_size

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "CacheVolume",
    "CacheVolumeQuerySet",
    "CacheVolumeRef",
]


class CacheVolumeRef(InCluster):
    """The ref of a cache volume: in its cluster, by its tag, which may change its volume from build to build."""

    _kind = "cache_volume"
    _paths = ("organizations/{organization}/clusters/{cluster}/cache_volumes/{tag}",)

    if TYPE_CHECKING:
        tag: str

    def delete(self) -> None:
        """Delete what is cached under its tag. This cannot be undone.

        Raises:
            NotFoundError: Nothing is cached under the tag.

        Documentation: https://buildkite.com/docs/apis/rest-api/clusters/cache-volumes#delete-a-cache-volume
        """
        path = self.api_path
        # tags have slashes and semicolons, so the API takes them in the body
        Ref.at(self.session, collection_of(path))._execute("DELETE", body={"tag": key_in(path)})  # noqa: SLF001


class CacheVolume(CacheVolumeRef, Resource):
    """A cache volume: of each tag, the one that was detached last.

    Attributes:
        size_mb: Its size in megabytes.
        attached_at: When an agent got it last.
        detached_at: When an agent gave it back last.

    Documentation: https://buildkite.com/docs/apis/rest-api/clusters/cache-volumes#cache-volume-data-model
    """

    has_url: ClassVar[bool] = False

    id: str
    tag: str
    cluster_id: str | None = None
    size_mb: int | None = None
    created_at: Timestamp | None = None
    attached_at: Timestamp | None = None
    detached_at: Timestamp | None = None

    def _summary(self) -> Iterable[object]:
        yield self.tag
        yield short_size(self.size_mb * 10**6) if isinstance(self.size_mb, int) else None


class CacheVolumeQuerySet(QuerySet[CacheVolume]):
    """The cache volumes of a cluster that are not in use, one of each tag."""

    _model = CacheVolume
    _is_numbered = False
