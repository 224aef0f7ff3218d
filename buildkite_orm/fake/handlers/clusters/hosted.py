"""Resources of clusters with hosted agents: agent images, cache volumes and network ranges."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from buildkite_orm.fake.handlers.clusters.parents import CLUSTER, cluster_id_of, cluster_page, is_hosted, urls
from buildkite_orm.fake.handlers.collection import Collection, new_record
from buildkite_orm.fake.handlers.route import route
from buildkite_orm.fake.handlers.validation import Check
from buildkite_orm.fake.http import ApiError, InvalidError, Reply
from buildkite_orm.fake.ids import digest

if TYPE_CHECKING:
    from buildkite_orm.fake.collections import Record
    from buildkite_orm.fake.http import ApiRequest
    from buildkite_orm.fake.records import Json

_BUILDING = 60.0
_BASE = f"FROM docker.io/buildkite/hosted-agent-base:ubuntu-v1.0.1@sha256:{digest('base')}{digest('image')[:24]}"
_FROM = re.compile(r"^[ \t]*FROM\s", re.IGNORECASE | re.MULTILINE).search
_FAILING = re.compile(r"^[ \t]*RUN[ \t]+(?:false|exit 1)[ \t]*$", re.MULTILINE).search


# -- agent images


def image_ref(slug: str, image: Record) -> str:
    """Return the URL of a finished agent image."""
    return f"registry.buildkite.example/{slug}/{image.id}:v1"


def _image(request: ApiRequest, record: Record) -> Json:
    ready = record.data["status"] == "READY"
    cluster_id = request.arguments["cluster"]
    return {
        "id": record.id,
        **record.data,
        "image_ref": image_ref(request.organization.slug, record) if ready else None,
        "version": 1,
        "base_image": _BASE,
        "composed_dockerfile": f"{_BASE}\n{record.data['dockerfile']}",
        **urls(request, record, "agent-images"),
        "web_url": f"{cluster_page(request, cluster_id)}/agent_images/{record.id}",
    }


def _new_image(request: ApiRequest, data: Json) -> Record:
    record = new_record(request, data)
    record.id = record.id.replace("-", "")[:13]
    return record


def _begin_building(request: ApiRequest, record: Record) -> None:
    """Start building an image; a Dockerfile with `RUN false` fails."""

    def finish() -> None:
        failing = _FAILING(record.data["dockerfile"])
        record.data["status"] = "FAILED" if failing else "READY"
        record.data["last_build_error"] = f"{failing[0].strip()}: exit code 1" if failing else None

    request.context.lifecycle.at(record.created_at + _BUILDING, finish)


def _validate_image(request: ApiRequest, record: Record, _body: Json) -> None:
    name, dockerfile = record.data["name"], record.data["dockerfile"]
    if not is_hosted(request, cluster_id_of(request)):
        raise ApiError(422, "Agent images are for clusters with hosted agents")
    if dockerfile is None:
        raise InvalidError([("dockerfile", "invalid")])
    if _FROM(dockerfile):
        raise ApiError(422, "The Dockerfile must not contain a FROM instruction")
    if any(each.data["name"] == name for each in IMAGES.records(request).values()):
        raise ApiError(409, f'an agent image named "{name}" already exists in this cluster')
    _begin_building(request, record)


def _before_delete_image(request: ApiRequest, record: Record) -> None:
    ref = image_ref(request.organization.slug, record)
    if any(queue.agent_image_ref == ref for queue in request.context.store.queues()):
        raise ApiError(
            409, "this agent image is in use by one or more queues; reassign those queues before deleting it"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Images(Collection):
    """Agent images, for organizations with that feature."""

    def records(self, request: ApiRequest) -> dict[str, Record]:
        """Return the images of the cluster in the path; none if it has no hosted agents."""
        if "agent_images" in request.organization.missing_features:
            raise ApiError(404, "Not Found")
        return Collection.records(self, request) if is_hosted(request, self.owner(request)) else {}

    def find(self, request: ApiRequest) -> Record:
        """Return the image that the path names."""
        if request.arguments[self.key] not in self.records(request):
            raise ApiError(404, "No agent image found with the given ID.")
        return Collection.find(self, request)

    def list_records(self, request: ApiRequest) -> Reply:
        """List the images by name."""
        return self.list_response(
            request, sorted(self.records(request).values(), key=lambda record: str(record.data["name"]))
        )


IMAGES = Images(
    kind="agent_image",
    path=CLUSTER + "/agent-images",
    key="image",
    read="read_clusters",
    write="write_clusters",
    render=_image,
    create={"name": Check(str, required=True, filled=True), "dockerfile": Check(str, required=True)},
    defaults={"status": "BUILDING", "last_build_error": None},
    owner=cluster_id_of,
    new=_new_image,
    validate=_validate_image,
    before_delete=_before_delete_image,
    paging="array",
)


# -- cache volumes


def _volume(request: ApiRequest, record: Record) -> Json:
    return {
        "id": record.id,
        "tag": record.data["tag"],
        "cluster_id": request.arguments["cluster"],
        "size_mb": record.data["size_mb"],
        "created_at": request.view.time(record.created_at),
        "attached_at": request.view.time(record.data["attached_at"]),
        "detached_at": request.view.time(record.data["detached_at"]),
    }


VOLUMES = Collection(
    kind="cache_volume",
    path=CLUSTER + "/cache_volumes",
    key="volume",
    read="read_clusters",
    write="write_clusters",
    render=_volume,
    owner=cluster_id_of,
    paging="array",
)


def list_volumes(request: ApiRequest) -> Reply:
    """List the latest detached volume of each tag."""
    detached = [each for each in VOLUMES.records(request).values() if each.data["detached_at"] is not None]
    latest = {each.data["tag"]: each for each in sorted(detached, key=lambda each: float(each.data["detached_at"]))}
    return VOLUMES.list_response(request, list(latest.values()))


def delete_volume(request: ApiRequest) -> Reply:
    """Delete all volumes of a tag."""
    records, tag = VOLUMES.records(request), request.body().get("tag")
    if not isinstance(tag, str) or not tag:
        raise ApiError(400, "`tag` must be a non-empty string")
    if not is_hosted(request, cluster_id_of(request)):
        raise ApiError(404, "This cluster has no hosted cache volumes")
    found = [each.id for each in records.values() if each.data["tag"] == tag]
    if not found:
        raise ApiError(404, f"No cache volume found for tag: {tag}")
    for each in found:
        del records[each]
    return Reply(204)


# -- network ranges


RANGES = Collection(
    kind="network_range",
    path=CLUSTER + "/network_ranges",
    key="range",
    read="read_clusters",
    write="write_clusters",
    render=lambda _request, record: record.data,
    owner=cluster_id_of,
    paging="array",
)

ROUTES = (
    *IMAGES.routes("list", "create", "get", "delete"),
    route("GET", VOLUMES.path, VOLUMES.read, list_volumes),
    route("DELETE", VOLUMES.path, VOLUMES.write, delete_volume),
    *RANGES.routes("list"),
)
