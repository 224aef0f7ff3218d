"""What stands below clusters: where, and which kind of cluster it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkite_orm.fake.handlers.route import ORGANIZATION
from buildkite_orm.fake.http import ApiError
from buildkite_orm.fake.payloads.view import WEB

if TYPE_CHECKING:
    from buildkite_orm.fake.collections import Record
    from buildkite_orm.fake.http import ApiRequest

CLUSTER = ORGANIZATION + "/clusters/{cluster}"


def of_cluster(request: ApiRequest) -> str:
    """Say that things belong to the cluster of the path."""
    cluster_id = request.arguments["cluster"]
    if cluster_id not in request.context.store.shelves.of("cluster", request.organization.id):
        raise ApiError(404, "No cluster found")
    return cluster_id


def cluster_url(request: ApiRequest, cluster_id: str) -> str:
    """Give a cluster's API URL."""
    return f"{request.view.organization(request.organization)}/clusters/{cluster_id}"


def cluster_page(request: ApiRequest, cluster_id: str) -> str:
    """Give a cluster's page."""
    return f"{WEB}/organizations/{request.organization.slug}/clusters/{cluster_id}"


def urls(request: ApiRequest, thing: Record, listing: str) -> dict[str, str]:
    """Tell where a thing is that stands below a cluster, and where that is."""
    cluster = cluster_url(request, request.arguments["cluster"])
    return {"url": f"{cluster}/{listing}/{thing.id}", "cluster_url": cluster}


def is_hosted(request: ApiRequest, cluster_id: str) -> bool:
    """Tell whether Buildkite hosts agents of a cluster."""
    return any(queue.instance_shape is not None for queue in request.organization.queues_of(cluster_id).values())
