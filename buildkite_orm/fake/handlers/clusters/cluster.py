"""Clusters themselves, and their maintainers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from buildkite_orm.fake.handlers.clusters.parents import CLUSTER, cluster_page, cluster_url, is_hosted, of_cluster
from buildkite_orm.fake.handlers.collection import Collection, made
from buildkite_orm.fake.handlers.route import ORGANIZATION
from buildkite_orm.fake.handlers.teams import TEAMS, embedded_team
from buildkite_orm.fake.handlers.validation import Check, are_objects
from buildkite_orm.fake.http import ApiError
from buildkite_orm.fake.ids import graphql_id
from buildkite_orm.fake.payloads.accounts import user_or_none
from buildkite_orm.fake.store import NEW_CLUSTER

if TYPE_CHECKING:
    from buildkite_orm.fake.collections import Record
    from buildkite_orm.fake.http import ApiRequest
    from buildkite_orm.fake.records import Json

_COLOR = re.compile(r"#[0-9A-Fa-f]{6}").fullmatch


# -- maintainers


def _actor(request: ApiRequest, kind: str, actor_id: object) -> Json | None:
    """Tell a user or a team; None where there is none of this id."""
    if kind == "team":
        team = next((each for each in TEAMS.shelf(request).values() if each.id == actor_id), None)
        return None if team is None else {**embedded_team(team), "name": team.data["name"], "type": "team"}
    user = next((each for each in request.organization.users if each.id == actor_id), None)
    if user is None:
        return None
    identity = {"id": user.id, "graphql_id": graphql_id("User", user.id)}
    return {**identity, "name": user.name, "email": user.email, "type": "user"}


def _maintainer(request: ApiRequest, thing: Record) -> Json:
    return {"id": thing.id, "actor": _actor(request, **thing.data)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintainers(Collection):
    """Who may manage clusters."""

    def of(self, request: ApiRequest, cluster_id: str) -> dict[str, Record]:
        """Give those of a cluster; who is gone maintains it no more."""
        things = request.context.store.shelves.of(self.kind, cluster_id)
        for thing in [each for each in things.values() if _actor(request, **each.data) is None]:
            del things[thing.id]
        return things

    def shelf(self, request: ApiRequest) -> dict[str, Record]:
        """Give those of the cluster in the path."""
        return self.of(request, of_cluster(request))


def _appointed(request: ApiRequest, said: Json) -> Json:
    """Read whom a body makes a maintainer."""
    named = [(kind, said[kind]) for kind in ("user", "team") if kind in said]
    if len(named) != 1:
        raise ApiError(422, "Validation failed: Maintainers must be either a user or a team")
    kind, actor_id = named[0]
    if _actor(request, kind, actor_id) is None:
        raise ApiError(422, f"Validation failed: {kind.capitalize()} must exist")
    return {"kind": kind, "actor_id": actor_id}


def _settle_maintainer(request: ApiRequest, thing: Record, body: Json) -> None:
    thing.data = _appointed(request, body)
    if any(each.data == thing.data for each in MAINTAINERS.shelf(request).values()):
        raise ApiError(422, f"Validation failed: {thing.data['kind'].capitalize()} has already been taken")


MAINTAINERS = Maintainers(
    kind="cluster_maintainer",
    path=CLUSTER + "/maintainers",
    key="maintainer",
    read="read_clusters",
    write="write_clusters",
    tell=_maintainer,
    settle=_settle_maintainer,
    paging="array",
)


# -- clusters


def _cluster(request: ApiRequest, thing: Record) -> Json:
    url, page, queue = cluster_url(request, thing.id), cluster_page(request, thing.id), thing.data["default_queue_id"]
    maintainers = MAINTAINERS.of(request, thing.id).values()
    return {
        "id": thing.id,
        "graphql_id": graphql_id("Cluster", thing.id),
        **thing.data,
        "maintainers": {
            f"{kind}s": [_maintainer(request, each) for each in maintainers if each.data["kind"] == kind]
            for kind in ("user", "team")
        },
        "url": url,
        "web_url": page,
        "queues_url": f"{url}/queues",
        "default_queue_url": queue and f"{url}/queues/{queue}",
        "created_at": request.view.time(thing.created_at),
        "created_by": user_or_none(request.view, thing.created_by),
    }


def _settle(request: ApiRequest, thing: Record, body: Json) -> None:
    queue, appointed = thing.data["default_queue_id"], thing.data.pop("maintainers", None)
    if queue is not None and queue not in request.context.store.shelves.of("queue", thing.id):
        raise ApiError(422, "Validation failed: Default queue is not a queue of this cluster")
    if any(body.get(name) for name in _CACHES) and not is_hosted(request, thing.id):
        raise ApiError(422, "Validation failed: Hosted caches are for clusters with hosted agents")
    for data in [_appointed(request, each) for each in appointed or ()]:
        maintainer = made(request, data)
        request.context.store.shelves.put(MAINTAINERS.kind, thing.id, maintainer.id, maintainer)


def _unsettle(request: ApiRequest, thing: Record) -> None:
    organization, shelves = request.organization, request.context.store.shelves
    if thing.id == organization.cluster_id:
        raise ApiError(422, "The default cluster of new pipelines cannot be deleted")
    if any(pipeline.cluster_id == thing.id for pipeline in organization.pipelines.values()):
        raise ApiError(422, "The cluster has pipelines")
    if any(agent.queue.cluster_id == thing.id for agent in organization.agents.values() if agent.is_there):
        raise ApiError(422, "The cluster has agents that are connected")
    shelves.of("queue", thing.id).clear()


_CACHES = {name: Check(bool, filled=True) for name in ("hosted_git_mirror_enabled", "hosted_container_cache_enabled")}
_LOOKS = {
    "description": Check(str),
    "emoji": Check(str),
    "color": Check(str, accepts=lambda value: _COLOR(value) is not None),
}
_APPOINTED = Check(list, accepts=are_objects)
CLUSTERS = Collection(
    kind="cluster",
    path=ORGANIZATION + "/clusters",
    key="cluster",
    read="read_clusters",
    write="write_clusters",
    tell=_cluster,
    create={"name": Check(str, required=True, filled=True), **_LOOKS, "maintainers": _APPOINTED},
    update={"name": Check(str, filled=True), **_LOOKS, "default_queue_id": Check(str), **_CACHES},
    defaults=NEW_CLUSTER,
    settle=_settle,
    unsettle=_unsettle,
)

ROUTES = (*CLUSTERS.routes(), *MAINTAINERS.routes("list", "create", "get", "delete"))
