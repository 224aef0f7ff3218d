"""Refs by where they stand: in a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkite_orm.models.paths import parent_path
from buildkite_orm.resources.parents import InOrganization

if TYPE_CHECKING:
    from buildkite_orm.resources.clusters.cluster import ClusterRef


class InCluster(InOrganization):
    """What belongs to a cluster."""

    @property
    def cluster(self) -> ClusterRef:
        """The cluster that it belongs to."""
        from buildkite_orm.resources.clusters.cluster import ClusterRef

        return ClusterRef.at(self.session, parent_path(self.api_path, 2))
