"""The network ranges of clusters, which requests of hosted agents are sent from."""

from __future__ import annotations

from typing import ClassVar

from buildkite_orm.models.resource import Resource
from buildkite_orm.querysets.queryset import QuerySet
from buildkite_orm.resources.parents import InCluster

__all__ = [
    "NetworkRange",
    "NetworkRangeQuerySet",
]


class NetworkRange(InCluster, Resource):
    """A range of addresses that hosted agents send requests from, for firewall rules.

    Attributes:
        cidr_range: The addresses, in CIDR notation.
        kind: The provider's name for this kind of range, as `NAMESPACE_MANAGED`.

    Documentation: https://buildkite.com/docs/apis/rest-api/clusters/network-ranges#network-range-data-model
    """

    _kind: ClassVar[str] = "network_range"
    _paths: ClassVar[tuple[str, ...]] = ("organizations/{organization}/clusters/{cluster}/network_ranges/{cidr_range}",)
    has_url: ClassVar[bool] = False
    _repr_fields: ClassVar[tuple[str, ...]] = ("cidr_range", "kind")

    cidr_range: str
    kind: str | None = None


class NetworkRangeQuerySet(QuerySet[NetworkRange]):
    """The network ranges of a cluster."""

    _model = NetworkRange
    _is_numbered = False
