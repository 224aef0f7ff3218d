"""Queues of clusters, self-hosted and hosted, and the dispatch of their jobs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from buildkite_orm.fake.handlers.clusters.parents import CLUSTER, cluster_page, of_cluster, urls
from buildkite_orm.fake.handlers.collection import Collection
from buildkite_orm.fake.handlers.route import route
from buildkite_orm.fake.handlers.validation import Check, one_of, require_valid
from buildkite_orm.fake.http import ApiError, Reply
from buildkite_orm.fake.ids import graphql_id
from buildkite_orm.fake.payloads.accounts import user_or_none
from buildkite_orm.fake.records import QueueRecord
from buildkite_orm.fake.store import NEW_QUEUE

if TYPE_CHECKING:
    from buildkite_orm.fake.collections import Record
    from buildkite_orm.fake.http import ApiRequest
    from buildkite_orm.fake.records import Json

_KEY = re.compile(r"[\w-]{1,255}", re.ASCII).fullmatch
_LINUX = ("2X4", "4X16", "8X32", "16X64", "32X128", "64X256")
_SIZES = {"LINUX_AMD64": _LINUX, "LINUX_ARM64": _LINUX, "MACOS_ARM64_M4": ("6X28", "12X56")}
_FAMILIES = {f"{family}_{size}": family for family, sizes in _SIZES.items() for size in sizes}


# -- how they are told


def _record(thing: Record) -> QueueRecord:
    if not isinstance(thing, QueueRecord):
        raise TypeError(f"{thing!r} is no queue")
    return thing


def _queue(request: ApiRequest, thing: Record) -> Json:
    queue = _record(thing)
    return {
        "id": queue.id,
        "graphql_id": graphql_id("ClusterQueue", queue.id),
        **queue.data,
        **urls(request, queue, "queues"),
        "web_url": f"{cluster_page(request, queue.cluster_id)}/queues/{queue.id}",
        "dispatch_paused": queue.paused,
        "dispatch_paused_by": user_or_none(request.view, queue.paused_by),
        "dispatch_paused_at": request.view.time(queue.paused_at),
        "dispatch_paused_note": queue.paused_note,
        "created_at": request.view.time(queue.created_at),
        "created_by": user_or_none(request.view, queue.created_by),
        **_hosting(queue),
    }


def _hosting(queue: QueueRecord) -> Json:
    """Tell how a queue is hosted, if it is."""
    if queue.instance_shape is None:
        return {}
    platform, architecture, *_, size = queue.instance_shape.split("_")
    cpu, _, memory = size.partition("X")
    shape = {
        "machine_type": platform.lower(),
        "architecture": architecture.lower(),
        "cpu": int(cpu),
        "memory": int(memory),
        "name": queue.instance_shape,
    }
    settings = {"linux": {"agent_image_ref": queue.agent_image_ref}} if platform == "LINUX" else {}
    return {"hosted": True, "hosted_agents": {"instance_shape": shape, "platform_settings": settings}}


# -- what bodies do to them


def _make(request: ApiRequest, data: Json) -> QueueRecord:
    now, user = request.context.lifecycle.now, request.token.user
    cluster_id = request.arguments["cluster"]
    return QueueRecord(
        id=request.context.store.ids.uuid(), data=data, created_at=now, created_by=user, cluster_id=cluster_id
    )


def _settle(request: ApiRequest, thing: Record, _body: Json) -> None:
    queue, hosting = _record(thing), thing.data.pop("hostedAgents", None)
    if queue.id in QUEUES.shelf(request):
        _change_hosting(queue, hosting)
        return
    if queue.key in request.organization.queues_of(queue.cluster_id):
        raise ApiError(422, "Validation failed: Key has already been taken")
    _begin_hosting(queue, hosting)


def _begin_hosting(queue: QueueRecord, hosting: Json | None) -> None:
    """Have a new queue hosted, if it is to be; its image is the default one, whatever is said."""
    if hosting is None:
        return
    shape = hosting.get("instanceShape")
    if not isinstance(shape, str) or shape not in _FAMILIES:
        raise ApiError(422, "Validation failed: Instance shape is not included in the list")
    queue.instance_shape = shape


def _change_hosting(queue: QueueRecord, hosting: Json | None) -> None:
    """Change the size of a hosted queue's machines, and their image."""
    if hosting is None:
        return
    before, shape = queue.instance_shape, hosting.get("instanceShape") or ""
    if before is None:
        raise ApiError(422, "Validation failed: Hosted agents cannot be configured for self-hosted queues")
    if _FAMILIES.get(shape) != _FAMILIES[before]:
        raise ApiError(422, f"Validation failed: Instance shape cannot be changed to {shape}")
    image = hosting.get("agentImageRef", queue.agent_image_ref)
    if image != queue.agent_image_ref and shape.startswith("MACOS"):
        raise ApiError(422, "Validation failed: Agent image ref cannot be configured for hosted mac queues")
    queue.instance_shape, queue.agent_image_ref = shape, image


def _unsettle(request: ApiRequest, thing: Record) -> None:
    cluster = request.context.store.shelves.of("cluster", request.organization.id)[_record(thing).cluster_id]
    if cluster.data["default_queue_id"] == thing.id:
        raise ApiError(422, "The default queue of a cluster cannot be deleted")
    if any(agent.queue is thing for agent in request.organization.agents.values() if agent.is_there):
        raise ApiError(422, "The queue has agents that are connected")


def _is_hosting(value: Json) -> bool:
    return all(isinstance(value.get(name) or "", str) for name in ("instanceShape", "agentImageRef"))


_CHANGES = {
    "description": Check(str),
    "retry_agent_affinity": one_of("prefer-warmest", "prefer-different"),
    "hostedAgents": Check(dict, filled=True, accepts=_is_hosting),
}
QUEUES = Collection(
    kind="queue",
    path=CLUSTER + "/queues",
    key="queue",
    read="read_clusters",
    write="write_clusters",
    tell=_queue,
    create={"key": Check(str, required=True, filled=True, accepts=lambda value: _KEY(value) is not None), **_CHANGES},
    update=_CHANGES,
    defaults=NEW_QUEUE,
    owner=of_cluster,
    make=_make,
    settle=_settle,
    unsettle=_unsettle,
)


# -- dispatch


def pause_dispatch(request: ApiRequest) -> Reply:
    """Give no more jobs to a queue's agents."""
    queue, body = _record(QUEUES.find(request)), request.body()
    require_valid(body, {"note": Check(str), "dispatch_paused_note": Check(str)})
    if queue.paused:
        raise ApiError(422, "Cluster queue is already paused")
    queue.paused_at, queue.paused_by = request.context.lifecycle.now, request.token.user
    queue.paused_note = body.get("dispatch_paused_note", body.get("note"))
    return Reply(payload=_queue(request, queue))


def resume_dispatch(request: ApiRequest) -> Reply:
    """Give jobs to a queue's agents again."""
    queue = _record(QUEUES.find(request))
    if not queue.paused:
        raise ApiError(422, "Cluster queue is not paused")
    queue.paused_at = queue.paused_by = queue.paused_note = None
    return Reply(payload=_queue(request, queue))


_ONE = QUEUES.path + "/{queue}"

ROUTES = (
    *QUEUES.routes(),
    route("POST", _ONE + "/pause_dispatch", QUEUES.write, pause_dispatch),
    route("POST", _ONE + "/resume_dispatch", QUEUES.write, resume_dispatch),
)
