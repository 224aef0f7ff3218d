"""Clusters with hosted agents: agent images, cache volumes and network ranges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm import NotFoundError, ServerError, StatusError, UnprocessableEntityError
from buildkite_orm.fake.handlers.clusters.hosted import RANGES, VOLUMES
from buildkite_orm.fake.seeds.clusters import add
from buildkite_orm.resources.clusters.agent_image import AgentImage, AgentImageStatus
from buildkite_orm.resources.clusters.cache_volume import CacheVolume
from buildkite_orm.resources.clusters.network_range import NetworkRange

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildkite_orm import Buildkite
    from buildkite_orm.fake import FakeBuildkite
    from buildkite_orm.resources.clusters.cluster import Cluster
    from buildkite_orm.resources.clusters.queue import Queue
    from tests.conftest import Costs, Sent
    from tests.resources.conftest import Examples

    Put = Callable[..., None]

CURL = "RUN apt-get update && apt-get install -y curl"
TAG = "pipeline-uuid/node;modules größer"


@pytest.fixture
def plain(bk: Buildkite) -> Cluster:
    """A cluster without hosted agents."""
    return bk.organization("acme").clusters().create(name="Linux")


@pytest.fixture
def queue(cluster: Cluster) -> Queue:
    """Its hosted queue."""
    return cluster.queues().create(key="hosted", hostedAgents={"instanceShape": "LINUX_AMD64_2X4"})


@pytest.fixture
def put(server: FakeBuildkite, cluster: Cluster) -> Put:
    """Add a cache volume, or a network range, to the cluster."""
    acme = server.store.organizations["acme"]
    record = server.store.collections.of("cluster", acme.id)[cluster.id]

    def put(kind: Any, /, **data: Any) -> None:
        add(server.store, acme, kind, record, data)

    return put


# -- agent images


@pytest.mark.usefixtures("queue")
def test_an_agent_image_is_created_and_built(server: FakeBuildkite, cluster: Cluster, sent: Sent, costs: Costs) -> None:
    with costs(1):
        image = cluster.agent_images().create(name="my-image", dockerfile=CURL)
    path = f"/v2/organizations/acme/clusters/{cluster.id}/agent-images"
    assert sent() == (f"POST {path}", {"name": "my-image", "dockerfile": CURL})
    assert (image.status, image.image_ref, image.version) == (AgentImageStatus.BUILDING, None, 1)
    assert image.composed_dockerfile == f"{image.base_image}\n{CURL}"
    assert repr(image) == "AgentImage(my-image, BUILDING)"
    server.run(120)
    assert image.reload().status is AgentImageStatus.READY
    assert sent() == (f"GET {path}/{image.id}", None)
    assert image.image_ref
    assert image.cluster == cluster


@pytest.mark.usefixtures("queue")
def test_an_agent_image_that_cannot_be_built_has_failed(server: FakeBuildkite, cluster: Cluster) -> None:
    image = cluster.agent_images().create(name="my-image", dockerfile="RUN false")
    server.run(120)
    assert image.reload().status is AgentImageStatus.FAILED
    assert (image.image_ref, image.last_build_error) == (None, "RUN false: exit code 1")


@pytest.mark.usefixtures("queue")
def test_agent_images_are_listed_by_name_and_got(cluster: Cluster, costs: Costs) -> None:
    two, one = (cluster.agent_images().create(name=name, dockerfile="") for name in ("two", "one"))
    with costs(2):
        assert list(cluster.agent_images()) == [one, two]
        assert cluster.agent_image(two.id).fetch() == two
    assert cluster.agent_images().count() == 2


@pytest.mark.usefixtures("queue")
@pytest.mark.parametrize(
    ("name", "dockerfile", "why"),
    [
        ("", CURL, "name"),
        ("new", f"FROM scratch\n{CURL}", "FROM"),
        ("new", None, "dockerfile"),
        ("my-image", CURL, 'an agent image named "my-image" already exists in this cluster'),
    ],
)
def test_an_agent_image_that_cannot_be_is_not_created(cluster: Cluster, name: str, dockerfile: Any, why: str) -> None:
    image = cluster.agent_images().create(name="my-image", dockerfile=CURL)
    with pytest.raises(StatusError, match=why) as caught:
        cluster.agent_images().create(name=name, dockerfile=dockerfile)
    assert caught.value.status == (409 if name == "my-image" else 422)
    assert list(cluster.agent_images()) == [image]


def test_an_agent_image_is_deleted_once_no_queue_uses_it(
    server: FakeBuildkite, cluster: Cluster, queue: Queue, sent: Sent, costs: Costs
) -> None:
    image = cluster.agent_images().create(name="my-image", dockerfile=CURL)
    server.run(120)
    queue.update(hostedAgents={"instanceShape": "LINUX_AMD64_2X4", "agentImageRef": image.reload().image_ref})
    with pytest.raises(StatusError, match="in use by one or more queues") as caught:
        image.delete()
    assert caught.value.status == 409
    queue.update(hostedAgents={"instanceShape": "LINUX_AMD64_2X4", "agentImageRef": None})
    with costs(1):
        image.delete()
    assert sent() == (f"DELETE /v2/organizations/acme/clusters/{cluster.id}/agent-images/{image.id}", None)
    with pytest.raises(NotFoundError, match="No agent image found with the given ID"):
        image.reload()


def test_without_hosted_agents_there_are_no_agent_images(plain: Cluster) -> None:
    assert list(plain.agent_images()) == []
    with pytest.raises(NotFoundError):
        plain.agent_image("abc").delete()
    with pytest.raises(UnprocessableEntityError, match="hosted agents"):
        plain.agent_images().create(name="my-image", dockerfile="")


def test_an_organization_may_have_no_agent_images_at_all(server: FakeBuildkite, plain: Cluster) -> None:
    server.store.organizations["acme"].missing_features.add("agent_images")
    with pytest.raises(NotFoundError):
        list(plain.agent_images())


# -- cache volumes


@pytest.mark.usefixtures("queue")
def test_of_each_tag_the_volume_that_was_detached_last_is_listed(
    server: FakeBuildkite, cluster: Cluster, put: Put, sent: Sent, costs: Costs
) -> None:
    now = server.clock.now()
    for size, detached_at in ((1, now - 20), (2, now - 10), (3, now - 30), (4, None)):
        put(VOLUMES, tag=TAG, size_mb=size, attached_at=now - 40, detached_at=detached_at)
    put(VOLUMES, tag="in use", size_mb=5, attached_at=now - 40, detached_at=None)
    with costs(1):
        (volume,) = cluster.cache_volumes()
    assert sent()[0].startswith(f"GET /v2/organizations/acme/clusters/{cluster.id}/cache_volumes")
    assert (volume.tag, volume.size_mb, volume.cluster_id) == (TAG, 2, cluster.id)
    assert volume == cluster.cache_volume(TAG)
    assert volume.cluster == cluster


@pytest.mark.usefixtures("queue")
@pytest.mark.parametrize("found", [True, False])
def test_volumes_cached_under_a_tag_are_deleted(
    cluster: Cluster, put: Put, sent: Sent, costs: Costs, *, found: bool
) -> None:
    put(VOLUMES, tag=TAG, size_mb=1, attached_at=1.0, detached_at=2.0)
    volume = cluster.cache_volumes()[0] if found else cluster.cache_volume(TAG)
    with costs(1):
        volume.delete()
    assert sent() == (f"DELETE /v2/organizations/acme/clusters/{cluster.id}/cache_volumes", {"tag": TAG})
    assert not cluster.cache_volumes()
    with pytest.raises(NotFoundError, match="No cache volume found for tag"):
        volume.delete()


def test_without_hosted_agents_there_are_no_volumes(plain: Cluster) -> None:
    assert list(plain.cache_volumes()) == []
    with pytest.raises(NotFoundError, match="This cluster has no hosted cache volumes"):
        plain.cache_volume(TAG).delete()


# -- network ranges


@pytest.mark.usefixtures("queue")
def test_network_ranges_are_listed(cluster: Cluster, plain: Cluster, put: Put, sent: Sent, costs: Costs) -> None:
    put(RANGES, cidr_range="203.0.113.0/29", kind="NAMESPACE_MANAGED")
    with costs(1):
        (found,) = cluster.network_ranges()
    assert sent()[0].startswith(f"GET /v2/organizations/acme/clusters/{cluster.id}/network_ranges")
    assert (found.cidr_range, found.kind, repr(found)) == (
        "203.0.113.0/29",
        "NAMESPACE_MANAGED",
        "NetworkRange(203.0.113.0/29, NAMESPACE_MANAGED)",
    )
    assert found == cluster.network_ranges()[0]
    assert found.cluster == cluster
    assert list(plain.network_ranges()) == []


# -- for all of them


def test_a_missing_service_is_reported(server: FakeBuildkite, cluster: Cluster) -> None:
    message = "Could not delete cache volume: try again"
    server.faults.add("error", match="DELETE .*/cache_volumes", status=503, message=message, times=None)
    with pytest.raises(ServerError, match=message):
        cluster.cache_volume(TAG).delete()
    server.faults.add("error", match="POST .*/agent-images", status=503, message="Not now")
    with pytest.raises(ServerError, match="Not now"):
        cluster.agent_images().create(name="my-image", dockerfile="")


def test_documented_examples_load_and_dump_back(examples: Examples) -> None:
    names = ("list-agent-images", "get-an-agent-image", "create-an-agent-image")
    examples(AgentImage, *(f"clusters/agent_images/{name}" for name in names))
    examples(CacheVolume, "clusters/cache_volumes/list-cache-volumes")
    examples(NetworkRange, "clusters/network_ranges/list-network-ranges")
