"""Clusters and their maintainers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from buildkite_orm.fake.handlers.clusters.parents import CLUSTER, cluster_id_of, cluster_page, cluster_url, is_hosted
from buildkite_orm.fake.handlers.collection import Collection, new_record
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
    """Return the payload of a user or a team; None if there is no such id."""
    if kind == "team":
        team = next((each for each in TEAMS.records(request).values() if each.id == actor_id), None)
        return None if team is None else {**embedded_team(team), "name": team.data["name"], "type": "team"}
    user = next((each for each in request.organization.users if each.id == actor_id), None)
    if user is None:
        return None
    identity = {"id": user.id, "graphql_id": graphql_id("User", user.id)}
    return {**identity, "name": user.name, "email": user.email, "type": "user"}


def _maintainer(request: ApiRequest, record: Record) -> Json:
    return {"id": record.id, "actor": _actor(request, **record.data)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintainers(Collection):
    """The maintainers of clusters."""

    def of(self, request: ApiRequest, cluster_id: str) -> dict[str, Record]:
        """Return the maintainers of a cluster; those whose user or team is deleted are removed."""
        records = request.context.store.collections.of(self.kind, cluster_id)
        for record in [each for each in records.values() if _actor(request, **each.data) is None]:
            del records[record.id]
        return records

    def records(self, request: ApiRequest) -> dict[str, Record]:
        """Return the maintainers of the cluster in the path."""
        return self.of(request, cluster_id_of(request))


def _parse_maintainer(request: ApiRequest, body: Json) -> Json:
    """Return the maintainer that a body names; raise a 422 if it is invalid."""
    named = [(kind, body[kind]) for kind in ("user", "team") if kind in body]
    if len(named) != 1:
        raise ApiError(422, "Validation failed: Maintainers must be either a user or a team")
    kind, actor_id = named[0]
    if _actor(request, kind, actor_id) is None:
        raise ApiError(422, f"Validation failed: {kind.capitalize()} must exist")
    return {"kind": kind, "actor_id": actor_id}


def _validate_maintainer(request: ApiRequest, record: Record, body: Json) -> None:
    record.data = _parse_maintainer(request, body)
    if any(each.data == record.data for each in MAINTAINERS.records(request).values()):
        raise ApiError(422, f"Validation failed: {record.data['kind'].capitalize()} has already been taken")


MAINTAINERS = Maintainers(
    kind="cluster_maintainer",
    path=CLUSTER + "/maintainers",
    key="maintainer",
    read="read_clusters",
    write="write_clusters",
    render=_maintainer,
    validate=_validate_maintainer,
    paging="array",
)


# -- clusters


def _cluster(request: ApiRequest, record: Record) -> Json:
    url, page, queue = (
        cluster_url(request, record.id),
        cluster_page(request, record.id),
        record.data["default_queue_id"],
    )
    maintainers = MAINTAINERS.of(request, record.id).values()
    return {
        "id": record.id,
        "graphql_id": graphql_id("Cluster", record.id),
        **record.data,
        "maintainers": {
            f"{kind}s": [_maintainer(request, each) for each in maintainers if each.data["kind"] == kind]
            for kind in ("user", "team")
        },
        "url": url,
        "web_url": page,
        "queues_url": f"{url}/queues",
        "default_queue_url": queue and f"{url}/queues/{queue}",
        "created_at": request.view.time(record.created_at),
        "created_by": user_or_none(request.view, record.created_by),
    }


def _validate(request: ApiRequest, record: Record, body: Json) -> None:
    queue, maintainers = record.data["default_queue_id"], record.data.pop("maintainers", None)
    if queue is not None and queue not in request.context.store.collections.of("queue", record.id):
        raise ApiError(422, "Validation failed: Default queue is not a queue of this cluster")
    if any(body.get(name) for name in _CACHES) and not is_hosted(request, record.id):
        raise ApiError(422, "Validation failed: Hosted caches are for clusters with hosted agents")
    for data in [_parse_maintainer(request, each) for each in maintainers or ()]:
        maintainer = new_record(request, data)
        request.context.store.collections.put(MAINTAINERS.kind, record.id, maintainer.id, maintainer)


def _before_delete(request: ApiRequest, record: Record) -> None:
    organization, collections = request.organization, request.context.store.collections
    if record.id == organization.cluster_id:
        raise ApiError(422, "The default cluster of new pipelines cannot be deleted")
    if any(pipeline.cluster_id == record.id for pipeline in organization.pipelines.values()):
        raise ApiError(422, "The cluster has pipelines")
    if any(agent.queue.cluster_id == record.id for agent in organization.agents.values() if agent.is_connected):
        raise ApiError(422, "The cluster has agents that are connected")
    collections.of("queue", record.id).clear()


_CACHES = {name: Check(bool, filled=True) for name in ("hosted_git_mirror_enabled", "hosted_container_cache_enabled")}
_LOOKS = {
    "description": Check(str),
    "emoji": Check(str),
    "color": Check(str, accepts=lambda value: _COLOR(value) is not None),
}
_MAINTAINERS_CHECK = Check(list, accepts=are_objects)
CLUSTERS = Collection(
    kind="cluster",
    path=ORGANIZATION + "/clusters",
    key="cluster",
    read="read_clusters",
    write="write_clusters",
    render=_cluster,
    create={"name": Check(str, required=True, filled=True), **_LOOKS, "maintainers": _MAINTAINERS_CHECK},
    update={"name": Check(str, filled=True), **_LOOKS, "default_queue_id": Check(str), **_CACHES},
    defaults=NEW_CLUSTER,
    validate=_validate,
    before_delete=_before_delete,
)

ROUTES = (*CLUSTERS.routes(), *MAINTAINERS.routes("list", "create", "get", "delete"))
