"""Clusters."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from buildkite_orm.fake.handlers.checks import Check
from buildkite_orm.fake.handlers.collection import Collection
from buildkite_orm.fake.handlers.route import ORGANIZATION
from buildkite_orm.fake.http import ApiError
from buildkite_orm.fake.ids import graphql_id
from buildkite_orm.fake.payloads.accounts import user_or_none
from buildkite_orm.fake.payloads.view import WEB

if TYPE_CHECKING:
    from buildkite_orm.fake.http import Call
    from buildkite_orm.fake.records import Json
    from buildkite_orm.fake.shelf import Thing

_COLOR = re.compile(r"#[0-9A-Fa-f]{6}").fullmatch
_LOOKS = {
    "description": Check(str),
    "emoji": Check(str),
    "color": Check(str, accepts=lambda value: _COLOR(value) is not None),
}


def cluster(call: Call, thing: Thing) -> Json:
    """Tell a cluster."""
    view, data = call.view, thing.data
    place = f"/organizations/{call.organization.slug}/clusters/{thing.id}"
    queue = data["default_queue_id"]
    return {
        "id": thing.id,
        "graphql_id": graphql_id("Cluster", thing.id),
        "default_queue_id": queue,
        "name": data["name"],
        "description": data["description"],
        "emoji": data["emoji"],
        "color": data["color"],
        "maintainers": data["maintainers"],
        "url": view.base + place,
        "web_url": WEB + place,
        "queues_url": f"{view.base}{place}/queues",
        "default_queue_url": queue and f"{view.base}{place}/queues/{queue}",
        "created_at": view.time(thing.created_at),
        "created_by": user_or_none(view, thing.created_by),
        "hosted_git_mirror_enabled": data["hosted_git_mirror_enabled"],
        "hosted_container_cache_enabled": data["hosted_container_cache_enabled"],
    }


def _settle(call: Call, thing: Thing, _body: Json) -> None:
    queue = thing.data["default_queue_id"]
    if queue is not None and queue not in {each.id for each in call.organization.queues.values()}:
        raise ApiError(422, "Validation failed: Default queue is not a queue of this cluster")


CLUSTERS = Collection(
    kind="cluster",
    path=ORGANIZATION + "/clusters",
    key="cluster",
    read="read_clusters",
    write="write_clusters",
    tell=cluster,
    create={"name": Check(str, required=True, filled=True), **_LOOKS},
    update={
        "name": Check(str, filled=True),
        **_LOOKS,
        "default_queue_id": Check(str),
        "hosted_git_mirror_enabled": Check(bool),
        "hosted_container_cache_enabled": Check(bool),
    },
    defaults={
        "description": None,
        "emoji": None,
        "color": None,
        "default_queue_id": None,
        "maintainers": {"users": [], "teams": []},
        "hosted_git_mirror_enabled": False,
        "hosted_container_cache_enabled": False,
    },
    settle=_settle,
)

ROUTES = CLUSTERS.routes()
