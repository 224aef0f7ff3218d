"""Queues of clusters, self-hosted and hosted, and the dispatch of their jobs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from buildkite_orm.fake.handlers.clusters.parents import CLUSTER, cluster_id_of, cluster_page, urls
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


# -- payloads


def _as_queue(record: Record) -> QueueRecord:
    if not isinstance(record, QueueRecord):
        raise TypeError(f"{record!r} is not a queue")
    return record


def _queue(request: ApiRequest, record: Record) -> Json:
    queue = _as_queue(record)
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
    """Return how a queue is hosted, if it is."""
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


# -- create, update and delete


def _new_queue(request: ApiRequest, data: Json) -> QueueRecord:
    now, user = request.context.lifecycle.now, request.token.user
    cluster_id = request.arguments["cluster"]
    return QueueRecord(
        id=request.context.store.ids.uuid(), data=data, created_at=now, created_by=user, cluster_id=cluster_id
    )


def _validate(request: ApiRequest, record: Record, _body: Json) -> None:
    queue, hosting = _as_queue(record), record.data.pop("hostedAgents", None)
    if queue.id in QUEUES.records(request):
        _change_hosting(queue, hosting)
        return
    if queue.key in request.organization.queues_of(queue.cluster_id):
        raise ApiError(422, "Validation failed: Key has already been taken")
    _begin_hosting(queue, hosting)


def _begin_hosting(queue: QueueRecord, hosting: Json | None) -> None:
    """Make a new queue hosted, if its body says so; its agent image is always the default one."""
    if hosting is None:
        return
    shape = hosting.get("instanceShape")
    if not isinstance(shape, str) or shape not in _FAMILIES:
        raise ApiError(422, "Validation failed: Instance shape is not included in the list")
    queue.instance_shape = shape


def _change_hosting(queue: QueueRecord, hosting: Json | None) -> None:
    """Change the machine size and the image of a hosted queue."""
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


def _before_delete(request: ApiRequest, record: Record) -> None:
    cluster = request.context.store.collections.of("cluster", request.organization.id)[_as_queue(record).cluster_id]
    if cluster.data["default_queue_id"] == record.id:
        raise ApiError(422, "The default queue of a cluster cannot be deleted")
    if any(agent.queue is record for agent in request.organization.agents.values() if agent.is_connected):
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
    render=_queue,
    create={"key": Check(str, required=True, filled=True, accepts=lambda value: _KEY(value) is not None), **_CHANGES},
    update=_CHANGES,
    defaults=NEW_QUEUE,
    owner=cluster_id_of,
    new=_new_queue,
    validate=_validate,
    before_delete=_before_delete,
)


# -- dispatch


def pause_dispatch(request: ApiRequest) -> Reply:
    """Pause a queue's dispatch."""
    queue, body = _as_queue(QUEUES.find(request)), request.body()
    require_valid(body, {"note": Check(str), "dispatch_paused_note": Check(str)})
    if queue.paused:
        raise ApiError(422, "Cluster queue is already paused")
    queue.paused_at, queue.paused_by = request.context.lifecycle.now, request.token.user
    queue.paused_note = body.get("dispatch_paused_note", body.get("note"))
    return Reply(payload=_queue(request, queue))


def resume_dispatch(request: ApiRequest) -> Reply:
    """Resume a queue's dispatch."""
    queue = _as_queue(QUEUES.find(request))
    if not queue.paused:
        raise ApiError(422, "Cluster queue is not paused")
    queue.paused_at = queue.paused_by = queue.paused_note = None
    return Reply(payload=_queue(request, queue))


_ITEM = QUEUES.path + "/{queue}"

ROUTES = (
    *QUEUES.routes(),
    route("POST", _ITEM + "/pause_dispatch", QUEUES.write, pause_dispatch),
    route("POST", _ITEM + "/resume_dispatch", QUEUES.write, resume_dispatch),
)
