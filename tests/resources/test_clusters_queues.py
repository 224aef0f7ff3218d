"""The queues of clusters: self-hosted and hosted ones, and what pausing them does to jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm import BuildState, JobState, NotFoundError, UnprocessableEntityError
from buildkite_orm.fake import CommandStep
from buildkite_orm.resources.clusters.queue import InstanceShape, Queue, RetryAgentAffinity

if TYPE_CHECKING:
    from buildkite_orm import Buildkite
    from buildkite_orm.fake import FakeBuildkite
    from buildkite_orm.resources.clusters.cluster import Cluster
    from tests.conftest import Costs, Sent
    from tests.resources.conftest import Examples


@pytest.fixture
def queues(cluster: Cluster) -> str:
    """The path of its queues."""
    return f"/v2/organizations/acme/clusters/{cluster.id}/queues"


def default_queue(bk: Buildkite) -> Queue:
    """Return the queue that jobs of `acme` use by default."""
    return bk.organization("acme").clusters()[0].queues()[0]


# -- created, listed, changed, deleted


def test_a_self_hosted_queue_is_created(cluster: Cluster, queues: str, sent: Sent, costs: Costs) -> None:
    fields: Any = {"key": "linux", "description": "For Linux", "retry_agent_affinity": "prefer-different"}
    with costs(1):
        queue = cluster.queues().create(**fields)
    assert sent() == (f"POST {queues}", fields)
    assert (queue.key, queue.description) == ("linux", "For Linux")
    assert queue.retry_agent_affinity is RetryAgentAffinity.PREFER_DIFFERENT
    assert (queue.hosted, queue.hosted_agents, queue.dispatch_paused) == (None, None, False)
    assert repr(queue) == "Queue(linux, For Linux)"


@pytest.mark.parametrize(
    ("shape", "machine"),
    [
        (InstanceShape.LINUX_AMD64_2X4, ("linux", "amd64", 2, 4)),
        (InstanceShape.MACOS_ARM64_M4_12X56, ("macos", "arm64", 12, 56)),
    ],
)
def test_a_hosted_queue_is_created(
    cluster: Cluster, queues: str, sent: Sent, shape: InstanceShape, machine: tuple[str, str, int, int]
) -> None:
    queue = cluster.queues().create(key="hosted", hostedAgents={"instanceShape": shape})
    assert sent() == (f"POST {queues}", {"key": "hosted", "hostedAgents": {"instanceShape": str(shape)}})
    assert queue.hosted
    assert queue.hosted_agents is not None
    instance = queue.hosted_agents.instance_shape
    assert instance is not None
    assert (instance.machine_type, instance.architecture, instance.cpu, instance.memory) == machine
    assert instance.name is shape
    assert queue.hosted_agents.platform_settings is not None
    assert (queue.hosted_agents.platform_settings.linux is None) == (machine[0] == "macos")


def test_queues_are_listed_and_got(cluster: Cluster, queues: str, sent: Sent, costs: Costs) -> None:
    made = [cluster.queues().create(key=key) for key in ("linux", "macos")]
    with costs(2):
        assert list(cluster.queues()) == made
        assert cluster.queue(made[1].id).fetch() == made[1]
    assert sent() == (f"GET {queues}/{made[1].id}", None)
    assert made[0].cluster == cluster


@pytest.mark.parametrize("value", [None, "", "For Linux"])
def test_unset_null_and_empty_are_distinguished(cluster: Cluster, queues: str, sent: Sent, value: str | None) -> None:
    queue = cluster.queues().create(key="linux", description="Before", retry_agent_affinity="prefer-different")
    queue.description = value
    queue.save()
    assert sent() == (f"PUT {queues}/{queue.id}", {"description": value})
    assert (queue.description, queue.retry_agent_affinity) == (value, "prefer-different")


@pytest.mark.parametrize("fields", [{}, {"description": None}, {"description": ""}])
def test_null_and_empty_are_sent_for_a_new_one(cluster: Cluster, queues: str, sent: Sent, fields: Any) -> None:
    queue = cluster.queues().create(key="linux", **fields)
    assert sent() == (f"POST {queues}", {"key": "linux", **fields})
    assert queue.description == fields.get("description")


@pytest.mark.parametrize(("note", "body"), [(None, {}), ("", {"note": "", "dispatch_paused_note": ""})])
def test_a_note_that_is_empty_is_sent(cluster: Cluster, sent: Sent, note: str | None, body: dict[str, str]) -> None:
    queue = cluster.queues().create(key="linux").pause(note=note)
    assert sent()[1] == body
    assert queue.dispatch_paused_note == note


def test_a_hosted_queue_is_changed(cluster: Cluster, queues: str, sent: Sent, costs: Costs) -> None:
    queue = cluster.queues().create(key="hosted", hostedAgents={"instanceShape": "LINUX_AMD64_2X4"})
    changes: Any = {
        "description": "Larger",
        "retry_agent_affinity": RetryAgentAffinity.PREFER_DIFFERENT,
        "hostedAgents": {"instanceShape": "LINUX_AMD64_4X16", "agentImageRef": "mine:latest"},
    }
    with costs(1):
        assert queue.update(**changes) is queue
    assert sent() == (f"PUT {queues}/{queue.id}", changes)
    assert shape_and_image(queue) == ("LINUX_AMD64_4X16", "mine:latest")
    queue.update(hostedAgents={"instanceShape": "LINUX_AMD64_2X4"})
    assert shape_and_image(queue) == ("LINUX_AMD64_2X4", "mine:latest")
    queue.update(hostedAgents={"instanceShape": "LINUX_AMD64_2X4", "agentImageRef": None})
    assert sent()[1] == {"hostedAgents": {"instanceShape": "LINUX_AMD64_2X4", "agentImageRef": None}}
    assert shape_and_image(queue) == ("LINUX_AMD64_2X4", None)


def shape_and_image(queue: Queue) -> tuple[str, str | None]:
    """Return the hosting of a queue on Linux."""
    hosted = queue.hosted_agents
    assert hosted is not None
    assert hosted.instance_shape is not None
    assert hosted.platform_settings is not None
    assert hosted.platform_settings.linux is not None
    return hosted.instance_shape.name, hosted.platform_settings.linux.agent_image_ref


def test_a_new_queue_has_the_default_image_for_any_fields(cluster: Cluster) -> None:
    queue = cluster.queues().create(
        key="hosted", hostedAgents={"instanceShape": "LINUX_ARM64_2X4", "agentImageRef": "mine:latest"}
    )
    assert shape_and_image(queue) == ("LINUX_ARM64_2X4", None)


@pytest.mark.parametrize(
    ("shape", "hosting", "why"),
    [
        (
            "LINUX_AMD64_2X4",
            {"instanceShape": "LINUX_ARM64_2X4"},
            "Instance shape cannot be changed to LINUX_ARM64_2X4",
        ),
        ("LINUX_AMD64_2X4", {"agentImageRef": "mine:latest"}, "Instance shape cannot be changed to"),
        ("LINUX_AMD64_2X4", None, "hostedAgents"),
        (
            "MACOS_ARM64_M4_6X28",
            {"instanceShape": "MACOS_ARM64_M4_6X28", "agentImageRef": "mine:latest"},
            "Agent image ref cannot be configured for hosted mac queues",
        ),
    ],
)
def test_a_hosted_queue_stays_of_its_kind(cluster: Cluster, shape: str, hosting: Any, why: str) -> None:
    queue = cluster.queues().create(key="hosted", hostedAgents={"instanceShape": shape})
    before = queue.dump()
    with pytest.raises(UnprocessableEntityError, match=why):
        queue.update(description="Changed", hostedAgents=hosting)
    assert queue.reload().dump() == before


def test_a_self_hosted_queue_stays_one(cluster: Cluster) -> None:
    queue = cluster.queues().create(key="linux")
    with pytest.raises(UnprocessableEntityError, match="self-hosted"):
        queue.update(hostedAgents={"instanceShape": "LINUX_AMD64_2X4"})


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"key": "linux"}, "Key has already been taken"),
        ({"key": "not a key"}, "key"),
        ({"key": ""}, "key"),
        ({"key": "new", "retry_agent_affinity": RetryAgentAffinity("unknown")}, "retry_agent_affinity"),
        ({"key": "new", "hostedAgents": {"instanceShape": "MACOS_M2_4X7"}}, "Instance shape"),
        ({"key": "new", "hostedAgents": {}}, "hostedAgents"),
    ],
)
def test_a_queue_that_cannot_be_is_not_created(cluster: Cluster, fields: Any, why: str) -> None:
    cluster.queues().create(key="linux")
    with pytest.raises(UnprocessableEntityError, match=why):
        cluster.queues().create(**fields)
    assert [queue.key for queue in cluster.queues()] == ["linux"]


def test_a_field_that_there_is_not_is_a_mistake(cluster: Cluster) -> None:
    with pytest.raises(TypeError, match="there is no field hosted_agents"):
        cluster.queues().create(key="x", hosted_agents={})  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def test_a_queue_is_deleted(cluster: Cluster, queues: str, sent: Sent, costs: Costs) -> None:
    queue = cluster.queues().create(key="linux")
    with costs(1):
        queue.delete()
    assert sent() == (f"DELETE {queues}/{queue.id}", None)
    assert not cluster.queues()
    with pytest.raises(NotFoundError, match="No queue found"):
        queue.reload()


def test_a_queue_that_is_in_use_is_not_deleted(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_agent(queue="macos")
    default, macos = bk.organization("acme").clusters()[0].queues()
    with pytest.raises(UnprocessableEntityError, match="default queue"):
        default.delete()
    with pytest.raises(UnprocessableEntityError, match="agents"):
        macos.delete()


# -- paused and resumed


def test_a_queue_is_paused_and_resumed(cluster: Cluster, queues: str, sent: Sent, costs: Costs) -> None:
    queue = cluster.queues().create(key="linux")
    with costs(1):
        paused = queue.pause(note="Größeres Update")
    names = ("note", "dispatch_paused_note")
    assert sent() == (f"POST {queues}/{queue.id}/pause_dispatch", dict.fromkeys(names, "Größeres Update"))
    assert (paused, paused.dispatch_paused, paused.dispatch_paused_note) == (queue, True, "Größeres Update")
    assert paused.dispatch_paused_at is not None
    assert paused.dispatch_paused_by is not None
    assert repr(paused) == "Queue(linux, dispatch paused)"
    assert queue.dispatch_paused is False
    with costs(1):
        resumed = queue.resume()
    assert sent() == (f"POST {queues}/{queue.id}/resume_dispatch", {})
    assert (resumed.dispatch_paused, resumed.dispatch_paused_by) == (False, None)
    assert (resumed.dispatch_paused_at, resumed.dispatch_paused_note) == (None, None)


def test_a_queue_is_neither_paused_nor_resumed_twice(cluster: Cluster, sent: Sent) -> None:
    queue = cluster.queues().create(key="linux")
    with pytest.raises(UnprocessableEntityError, match="Cluster queue is not paused"):
        queue.resume()
    queue.pause()
    assert sent()[1] == {}
    with pytest.raises(UnprocessableEntityError, match="Cluster queue is already paused"):
        queue.pause()


def test_jobs_of_a_paused_queue_wait_until_it_is_resumed(server: FakeBuildkite, bk: Buildkite) -> None:
    pipeline = bk.organization("acme").pipeline(server.add_pipeline("web").slug)
    queue = default_queue(bk)
    queue.pause()
    build = pipeline.builds().create(commit="HEAD", branch="main", message="Wait")
    server.run(60)
    assert [job.state for job in build.jobs().fresh()] == [JobState.SCHEDULED]
    queue.resume()
    server.run(120)
    assert build.reload().state is BuildState.PASSED


def test_jobs_that_have_begun_go_on(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_pipeline("web", steps=[CommandStep(duration=30)])
    build = bk.organization("acme").pipeline("web").builds().create(commit="HEAD", branch="main", message="Go on")
    server.run(20)
    default_queue(bk).pause()
    server.run(60)
    assert build.reload().state is BuildState.PASSED


def test_jobs_of_a_pipeline_go_to_the_queues_of_its_cluster(
    server: FakeBuildkite, bk: Buildkite, cluster: Cluster
) -> None:
    server.add_pipeline("web", cluster_id=cluster.id, steps=[CommandStep(agents=("queue=linux",))])
    queue = cluster.queues().create(key="linux")
    queue.pause()
    build = bk.organization("acme").pipeline("web").builds().create(commit="HEAD", branch="main", message="There")
    server.run(60)
    assert [job.state for job in build.jobs().fresh()] == [JobState.SCHEDULED]
    assert not bk.organization("acme").pipeline("web").builds(include_paused=False)
    queue.resume()
    server.run(7)
    agents = bk.organization("acme").agents(cluster_queue_id=queue.id)
    assert [agent.queue for agent in agents] == ["linux"]
    server.run(60)
    assert build.reload().state is BuildState.PASSED


def test_jobs_of_a_deleted_queue_wait(server: FakeBuildkite, bk: Buildkite, cluster: Cluster) -> None:
    server.add_pipeline("web", cluster_id=cluster.id, steps=[CommandStep(agents=("queue=linux",))])
    queue = cluster.queues().create(key="linux")
    queue.pause()
    build = bk.organization("acme").pipeline("web").builds().create(commit="HEAD", branch="main", message="Lost")
    server.run(10)
    queue.delete()
    server.run(60)
    assert [job.state for job in build.jobs().fresh()] == [JobState.SCHEDULED]


def test_documented_examples_load_and_dump_back(examples: Examples) -> None:
    created = ("create-a-self-hosted-queue", "create-a-buildkite-hosted-queue")
    names = ("list-queues", "get-a-queue", *created, "update-a-queue", "pause-a-queue", "resume-a-paused-queue")
    examples(Queue, *(f"clusters/queues/{name}" for name in names))
