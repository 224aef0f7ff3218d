"""The contents of the default cluster, and a cluster with hosted agents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkite_orm.fake.collections import Record
from buildkite_orm.fake.handlers.clusters.agent_tokens import AGENT_TOKENS
from buildkite_orm.fake.handlers.clusters.cluster import CLUSTERS, MAINTAINERS
from buildkite_orm.fake.handlers.clusters.hosted import IMAGES, RANGES, VOLUMES, image_ref
from buildkite_orm.fake.handlers.clusters.secrets import SECRETS
from buildkite_orm.fake.times import iso, seconds

if TYPE_CHECKING:
    from buildkite_orm.fake.context import Context
    from buildkite_orm.fake.handlers.collection import Collection
    from buildkite_orm.fake.records import Json, OrganizationRecord
    from buildkite_orm.fake.store import Store

_DAY = 86400.0
_DEPLOYS = "- pipeline_slug: deploy\n  build_branch: main"


def populate(context: Context, acme: OrganizationRecord) -> None:
    """Add tokens, secrets and a maintainer to the default cluster, and add a cluster with hosted agents."""
    store = context.store
    first = store.collections.of(CLUSTERS.kind, acme.id)[acme.cluster_id]
    first.created_by = acme.users[0]
    first.data |= {"description": "Where everything is built", "emoji": ":hammer_and_wrench:", "color": "#14CC80"}
    until = iso(seconds(store.clock.now()) + 90 * _DAY)
    add(store, acme, AGENT_TOKENS, first, {"description": "Linux agents", "allowed_ip_addresses": "192.0.2.0/24"})
    add(store, acme, AGENT_TOKENS, first, {"description": "Macs in the cupboard", "expires_at": until})
    add(store, acme, SECRETS, first, {"key": "DEPLOY_KEY", "description": "For deploys", "policy": _DEPLOYS})
    add(store, acme, SECRETS, first, {"key": "NPM_TOKEN"})
    add(store, acme, MAINTAINERS, first, {"kind": "user", "actor_id": acme.users[0].id})
    _add_hosted(store, acme)


def _add_hosted(store: Store, acme: OrganizationRecord) -> None:
    hosted = store.add_cluster(acme, "Hosted")
    hosted.data |= {"description": "Agents that Buildkite hosts", "hosted_git_mirror_enabled": True}
    image = add(store, acme, IMAGES, hosted, {"name": "node-22", "dockerfile": "RUN npm install --global yarn"})
    image.data["status"] = "READY"
    linux = store.add_queue(acme, "linux", cluster=hosted, instance_shape="LINUX_AMD64_4X16")
    linux.agent_image_ref = image_ref(acme.slug, image)
    store.add_queue(acme, "macos", cluster=hosted, instance_shape="MACOS_ARM64_M4_6X28")
    hosted.data["default_queue_id"] = linux.id
    now = seconds(store.clock.now())
    for tag, age in (("node-modules", 2 * _DAY), ("node-modules", _DAY), ("gems;main", 3 * _DAY), ("in-use", None)):
        volume = {"tag": f"{acme.pipelines['web'].id}/{tag}", "size_mb": 20480, "attached_at": now - 4 * _DAY}
        add(store, acme, VOLUMES, hosted, volume | {"detached_at": None if age is None else now - age})
    add(store, acme, RANGES, hosted, {"cidr_range": "203.0.113.0/29", "kind": "NAMESPACE_MANAGED"})


def add(store: Store, organization: OrganizationRecord, collection: Collection, cluster: Record, data: Json) -> Record:
    """Add a record to a cluster, created a month ago."""
    record = Record(
        id=store.ids.uuid(),
        data={**collection.defaults, **data},
        created_at=seconds(store.clock.now()) - 30 * _DAY,
        created_by=organization.users[0],
    )
    return store.collections.put(collection.kind, cluster.id, collection.key_of(record), record)
