"""The cluster in a path, its URLs, and whether it is hosted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkite_orm.fake.handlers.route import ORGANIZATION
from buildkite_orm.fake.http import ApiError
from buildkite_orm.fake.payloads.view import WEB

if TYPE_CHECKING:
    from buildkite_orm.fake.collections import Record
    from buildkite_orm.fake.http import ApiRequest

CLUSTER = ORGANIZATION + "/clusters/{cluster}"


def cluster_id_of(request: ApiRequest) -> str:
    """Return the id of the cluster in the path; raise a 404 if it does not exist."""
    cluster_id = request.arguments["cluster"]
    if cluster_id not in request.context.store.collections.of("cluster", request.organization.id):
        raise ApiError(404, "No cluster found")
    return cluster_id


def cluster_url(request: ApiRequest, cluster_id: str) -> str:
    """Return a cluster's API URL."""
    return f"{request.view.organization(request.organization)}/clusters/{cluster_id}"


def cluster_page(request: ApiRequest, cluster_id: str) -> str:
    """Return a cluster's web URL."""
    return f"{WEB}/organizations/{request.organization.slug}/clusters/{cluster_id}"


def urls(request: ApiRequest, record: Record, listing: str) -> dict[str, str]:
    """Return the URL of a resource below a cluster, and that of the cluster."""
    cluster = cluster_url(request, request.arguments["cluster"])
    return {"url": f"{cluster}/{listing}/{record.id}", "cluster_url": cluster}


def is_hosted(request: ApiRequest, cluster_id: str) -> bool:
    """Return whether Buildkite hosts agents of a cluster."""
    return any(queue.instance_shape is not None for queue in request.organization.queues_of(cluster_id).values())
