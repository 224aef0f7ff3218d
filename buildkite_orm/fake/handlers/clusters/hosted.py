"""What clusters with hosted agents have: agent images, cache volumes and network ranges."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from buildkite_orm.fake.handlers.clusters.parents import CLUSTER, cluster_page, is_hosted, of_cluster, urls
from buildkite_orm.fake.handlers.collection import Collection, made
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
    """Give the URL of an agent image that is built."""
    return f"registry.buildkite.example/{slug}/{image.id}:v1"


def _image(request: ApiRequest, thing: Record) -> Json:
    ready = thing.data["status"] == "READY"
    cluster_id = request.arguments["cluster"]
    return {
        "id": thing.id,
        **thing.data,
        "image_ref": image_ref(request.organization.slug, thing) if ready else None,
        "version": 1,
        "base_image": _BASE,
        "composed_dockerfile": f"{_BASE}\n{thing.data['dockerfile']}",
        **urls(request, thing, "agent-images"),
        "web_url": f"{cluster_page(request, cluster_id)}/agent_images/{thing.id}",
    }


def _make_image(request: ApiRequest, data: Json) -> Record:
    thing = made(request, data)
    thing.id = thing.id.replace("-", "")[:13]
    return thing


def _begin_building(request: ApiRequest, thing: Record) -> None:
    """Begin to build an image; what has `RUN false` fails."""

    def finish() -> None:
        failing = _FAILING(thing.data["dockerfile"])
        thing.data["status"] = "FAILED" if failing else "READY"
        thing.data["last_build_error"] = f"{failing[0].strip()}: exit code 1" if failing else None

    request.context.lifecycle.at(thing.created_at + _BUILDING, finish)


def _settle_image(request: ApiRequest, thing: Record, _body: Json) -> None:
    name, dockerfile = thing.data["name"], thing.data["dockerfile"]
    if not is_hosted(request, of_cluster(request)):
        raise ApiError(422, "Agent images are for clusters with hosted agents")
    if dockerfile is None:
        raise InvalidError([("dockerfile", "invalid")])
    if _FROM(dockerfile):
        raise ApiError(422, "The Dockerfile must not contain a FROM instruction")
    if any(each.data["name"] == name for each in IMAGES.shelf(request).values()):
        raise ApiError(409, f'an agent image named "{name}" already exists in this cluster')
    _begin_building(request, thing)


def _unsettle_image(request: ApiRequest, thing: Record) -> None:
    ref = image_ref(request.organization.slug, thing)
    if any(queue.agent_image_ref == ref for queue in request.context.store.queues()):
        raise ApiError(
            409, "this agent image is in use by one or more queues; reassign those queues before deleting it"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Images(Collection):
    """Agent images, of organizations that may have them."""

    def shelf(self, request: ApiRequest) -> dict[str, Record]:
        """Give those of the cluster in the path, by their names; none where it has no hosted agents."""
        if "agent_images" in request.organization.plan_lacks:
            raise ApiError(404, "Not Found")
        return Collection.shelf(self, request) if is_hosted(request, self.owner(request)) else {}

    def find(self, request: ApiRequest) -> Record:
        """Give the one that the path names."""
        if request.arguments[self.key] not in self.shelf(request):
            raise ApiError(404, "No agent image found with the given ID.")
        return Collection.find(self, request)

    def list_them(self, request: ApiRequest) -> Reply:
        """List them by their names."""
        return self.listed(request, sorted(self.shelf(request).values(), key=lambda thing: str(thing.data["name"])))


IMAGES = Images(
    kind="agent_image",
    path=CLUSTER + "/agent-images",
    key="image",
    read="read_clusters",
    write="write_clusters",
    tell=_image,
    create={"name": Check(str, required=True, filled=True), "dockerfile": Check(str, required=True)},
    defaults={"status": "BUILDING", "last_build_error": None},
    owner=of_cluster,
    make=_make_image,
    settle=_settle_image,
    unsettle=_unsettle_image,
    paging="array",
)


# -- cache volumes


def _volume(request: ApiRequest, thing: Record) -> Json:
    return {
        "id": thing.id,
        "tag": thing.data["tag"],
        "cluster_id": request.arguments["cluster"],
        "size_mb": thing.data["size_mb"],
        "created_at": request.view.time(thing.created_at),
        "attached_at": request.view.time(thing.data["attached_at"]),
        "detached_at": request.view.time(thing.data["detached_at"]),
    }


VOLUMES = Collection(
    kind="cache_volume",
    path=CLUSTER + "/cache_volumes",
    key="volume",
    read="read_clusters",
    write="write_clusters",
    tell=_volume,
    owner=of_cluster,
    paging="array",
)


def list_volumes(request: ApiRequest) -> Reply:
    """List, of each tag, the volume that was detached last."""
    detached = [each for each in VOLUMES.shelf(request).values() if each.data["detached_at"] is not None]
    latest = {each.data["tag"]: each for each in sorted(detached, key=lambda each: float(each.data["detached_at"]))}
    return VOLUMES.listed(request, list(latest.values()))


def delete_volume(request: ApiRequest) -> Reply:
    """Delete all volumes of a tag."""
    shelf, tag = VOLUMES.shelf(request), request.body().get("tag")
    if not isinstance(tag, str) or not tag:
        raise ApiError(400, "`tag` must be a non-empty string")
    if not is_hosted(request, of_cluster(request)):
        raise ApiError(404, "This cluster has no hosted cache volumes")
    found = [each.id for each in shelf.values() if each.data["tag"] == tag]
    if not found:
        raise ApiError(404, f"No cache volume found for tag: {tag}")
    for each in found:
        del shelf[each]
    return Reply(204)


# -- network ranges


RANGES = Collection(
    kind="network_range",
    path=CLUSTER + "/network_ranges",
    key="range",
    read="read_clusters",
    write="write_clusters",
    tell=lambda _call, thing: thing.data,
    owner=of_cluster,
    paging="array",
)

ROUTES = (
    *IMAGES.routes("list", "create", "get", "delete"),
    route("GET", VOLUMES.path, VOLUMES.read, list_volumes),
    route("DELETE", VOLUMES.path, VOLUMES.write, delete_volume),
    *RANGES.routes("list"),
)
