"""Calls of the operations on clusters and what they contain."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tests.operations.stage import Call, Stage

TIME: Final = datetime(2027, 7, 1, tzinfo=UTC)
CLUSTER: Final[Any] = {"name": "n", "description": "d", "emoji": ":rocket:", "color": "#A9CCE3"}
TOKEN: Final[Any] = {"description": "d", "expires_at": TIME, "allowed_ip_addresses": "0.0.0.0/0"}
HOSTED: Final[Any] = {"instanceShape": "LINUX_AMD64_2X4"}


def first_id(items: Any) -> str:
    """Return the id of the first item of a listing."""
    return str(items.first().id)


def new_queue(stage: Stage, *, paused: bool = False) -> Any:
    """Return a ref of a new queue."""
    queue = stage.admin.cluster(stage.default_cluster_id).queues().create(key="new")
    if paused:
        queue.pause()
    return stage.cluster.queue(queue.id)


def update_cluster(stage: Stage) -> object:
    options: Any = {"hosted_git_mirror_enabled": True, "hosted_container_cache_enabled": True}
    queue_id = first_id(stage.admin.cluster(stage.hosted_cluster_id).queues())
    return stage.hosted_cluster.update(**CLUSTER, default_queue_id=queue_id, **options)


def agent_image(stage: Stage) -> Any:
    image = stage.admin.cluster(stage.hosted_cluster_id).agent_images().create(name="n", dockerfile="RUN make")
    return stage.hosted_cluster.agent_image(image.id)


def agent_token(stage: Stage) -> Any:
    return stage.cluster.agent_token(first_id(stage.admin.cluster(stage.default_cluster_id).agent_tokens()))


def secret(stage: Stage) -> Any:
    return stage.cluster.secret(first_id(stage.admin.cluster(stage.default_cluster_id).secrets()))


def maintainer(stage: Stage) -> Any:
    return stage.cluster.maintainer(first_id(stage.admin.cluster(stage.default_cluster_id).maintainers()))


def delete_cluster(stage: Stage) -> None:
    stage.org.cluster(stage.admin.clusters().create(name="empty").id).delete()


def delete_cache_volume(stage: Stage) -> None:
    volumes = list(stage.admin.cluster(stage.hosted_cluster_id).cache_volumes())
    stage.hosted_cluster.cache_volume(volumes[0].tag).delete()


CALLS: Final[dict[str, Call]] = {
    "clusters.create-a-cluster": lambda s: s.org.clusters().create(**CLUSTER, maintainers=[{"user": s.user_id}]),
    "clusters.delete-a-cluster": delete_cluster,
    "clusters.get-a-cluster": lambda s: s.cluster.fetch(),
    "clusters.list-clusters": lambda s: s.org.clusters(),
    "clusters.update-a-cluster": update_cluster,
    "clusters/agent_images.create-an-agent-image": lambda s: s.hosted_cluster.agent_images().create(
        name="n", dockerfile="RUN make"
    ),
    "clusters/agent_images.delete-an-agent-image": lambda s: agent_image(s).delete(),
    "clusters/agent_images.get-an-agent-image": lambda s: agent_image(s).fetch(),
    "clusters/agent_images.list-agent-images": lambda s: s.hosted_cluster.agent_images(),
    "clusters/agent_tokens.create-a-token": lambda s: s.cluster.agent_tokens().create(**TOKEN),
    "clusters/agent_tokens.get-a-token": lambda s: agent_token(s).fetch(),
    "clusters/agent_tokens.list-tokens": lambda s: s.cluster.agent_tokens(),
    "clusters/agent_tokens.revoke-a-token": lambda s: agent_token(s).delete(),
    "clusters/agent_tokens.update-a-token": lambda s: agent_token(s).update(**TOKEN),
    "clusters/cache_volumes.delete-a-cache-volume": delete_cache_volume,
    "clusters/cache_volumes.list-cache-volumes": lambda s: s.hosted_cluster.cache_volumes(),
    "clusters/maintainers.create-a-cluster-maintainer": lambda s: (
        s.cluster.maintainers().create(user=s.user_id),
        s.hosted_cluster.maintainers().create(team=s.team_id),
    ),
    "clusters/maintainers.get-a-cluster-maintainer": lambda s: maintainer(s).fetch(),
    "clusters/maintainers.list-cluster-maintainers": lambda s: s.cluster.maintainers(),
    "clusters/maintainers.remove-a-cluster-maintainer": lambda s: maintainer(s).delete(),
    "clusters/network_ranges.list-network-ranges": lambda s: s.hosted_cluster.network_ranges(),
    "clusters/queues.create-a-buildkite-hosted-queue": lambda s: s.hosted_cluster.queues().create(
        key="new", description="d", hostedAgents=HOSTED
    ),
    "clusters/queues.create-a-self-hosted-queue": lambda s: s.cluster.queues().create(key="new", description="d"),
    "clusters/queues.delete-a-queue": lambda s: new_queue(s).delete(),
    "clusters/queues.get-a-queue": lambda s: new_queue(s).fetch(),
    "clusters/queues.list-queues": lambda s: s.cluster.queues(),
    "clusters/queues.pause-a-queue": lambda s: new_queue(s).pause(note="n"),
    "clusters/queues.resume-a-paused-queue": lambda s: new_queue(s, paused=True).resume(),
    "clusters/queues.update-a-queue": lambda s: s.hosted_cluster.queue(
        first_id(s.admin.cluster(s.hosted_cluster_id).queues())
    ).update(description="d", hostedAgents=HOSTED),
    "clusters/secrets.create-a-secret": lambda s: s.cluster.secrets().create(
        key="NEW", value="v", description="d", policy="- pipeline_slug: web"
    ),
    "clusters/secrets.delete-a-secret": lambda s: secret(s).delete(),
    "clusters/secrets.get-a-secret": lambda s: secret(s).fetch(),
    "clusters/secrets.list-secrets": lambda s: s.cluster.secrets(),
    "clusters/secrets.update-a-secret-s-description-and-access-policy": lambda s: secret(s).update(
        description="d", policy="- pipeline_slug: web"
    ),
    "clusters/secrets.update-a-secret-s-value": lambda s: secret(s).update_value("v"),
}
