"""Clusters themselves, and their maintainers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm import NotFoundError, PermissionDeniedError, StatusError, UnprocessableEntityError
from buildkite_orm.fake import FakeBuildkite
from buildkite_orm.fake.collections import Record
from buildkite_orm.fake.handlers.teams import EVERYONE, TEAMS
from buildkite_orm.fake.seeds import clusters as seed
from buildkite_orm.resources.clusters.cluster import Cluster
from buildkite_orm.resources.clusters.maintainer import ActorType, ClusterMaintainer

if TYPE_CHECKING:
    from buildkite_orm import Buildkite
    from tests.conftest import Costs, Sent
    from tests.resources.conftest import Examples

CLUSTERS = "/v2/organizations/acme/clusters"
HOSTED: Any = {"instanceShape": "LINUX_AMD64_2X4"}


@pytest.fixture
def user_id(server: FakeBuildkite) -> str:
    """The id of a user."""
    return server.add_user("John Smith", "john@acme.example").id


@pytest.fixture
def team_id(server: FakeBuildkite) -> str:
    """The id of a team."""
    team = Record(id=server.store.ids.uuid(), data={**EVERYONE, "name": "Fearless Frontenders"}, created_at=0.0)
    return server.store.collections.put(TEAMS.kind, server.store.organizations["acme"].id, team.id, team).id


# -- clusters themselves


def test_a_cluster_is_created_with_the_given_fields_only(bk: Buildkite, sent: Sent) -> None:
    cluster = bk.organization("acme").clusters().create(name="Open Source", emoji=":technologist:")
    assert sent() == (f"POST {CLUSTERS}", {"name": "Open Source", "emoji": ":technologist:"})
    assert (cluster.name, cluster.emoji, cluster.description) == ("Open Source", ":technologist:", None)
    assert repr(cluster) == "Cluster(Open Source)"


def test_a_new_cluster_has_its_maintainers(bk: Buildkite, sent: Sent, costs: Costs, user_id: str, team_id: str) -> None:
    fields: Any = {
        "name": "Open Source",
        "description": "For all to see",
        "color": "#FFE0F1",
        "maintainers": [{"user": user_id}, {"team": team_id}],
    }
    with costs(1):
        made = bk.organization("acme").clusters().create(**fields)
    assert sent() == (f"POST {CLUSTERS}", fields)
    (listed,) = [each for each in bk.organization("acme").clusters() if each == made]
    for cluster in (made, listed, listed.fetch()):
        assert cluster.embedded_maintainers is not None
        (user,), (team,) = cluster.embedded_maintainers.users, cluster.embedded_maintainers.teams
        assert (user.actor.id, user.actor.name, user.actor.type) == (user_id, "John Smith", ActorType.USER)
        assert (team.actor.id, team.actor.slug) == (team_id, "fearless-frontenders")
        assert [each.id for each in cluster.maintainers()] == [user.id, team.id]


@pytest.mark.parametrize("maintainer", [{"user": "unknown"}, {"team": "unknown"}, {}, {"user": "a", "team": "b"}])
def test_a_cluster_is_not_created_with_maintainers_that_cannot_be(bk: Buildkite, maintainer: Any) -> None:
    clusters = bk.organization("acme").clusters()
    with pytest.raises(UnprocessableEntityError, match="Validation failed"):
        clusters.create(name="Linux", maintainers=[maintainer])
    assert [each.name for each in clusters] == ["Default cluster"]


def test_clusters_are_listed_and_got(bk: Buildkite, cluster: Cluster, sent: Sent, costs: Costs) -> None:
    org = bk.organization("acme")
    with costs(2):
        assert [each.name for each in org.clusters()] == ["Default cluster", "Linux"]
        assert org.cluster(cluster.id).fetch() == cluster
    assert sent() == (f"GET {CLUSTERS}/{cluster.id}", None)


def test_the_cluster_of_pipelines_and_agents_is_the_one_that_is_listed(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_pipeline("web")
    server.add_agent(queue="macos")
    (cluster,) = bk.organization("acme").clusters()
    assert cluster.id == bk.organization("acme").pipeline("web").fetch().cluster_id
    assert [queue.key for queue in cluster.queues()] == ["default", "macos"]
    assert cluster.default_queue == cluster.queues()[0]


def test_one_that_is_not_there_is_not_found(bk: Buildkite) -> None:
    nothing = bk.organization("acme").cluster("0191")
    for operation in (nothing.fetch, nothing.queues().first, nothing.secrets().first, nothing.delete):
        with pytest.raises(NotFoundError, match="No cluster found"):
            operation()


@pytest.mark.parametrize("value", [None, "", "For Linux"])
def test_unset_null_and_empty_are_distinguished(bk: Buildkite, sent: Sent, value: str | None) -> None:
    cluster = bk.organization("acme").clusters().create(name="Linux", description="Before", color="#FFE0F1")
    cluster.description = value
    cluster.save()
    assert sent() == (f"PUT {CLUSTERS}/{cluster.id}", {"description": value})
    assert (cluster.description, cluster.color) == (value, "#FFE0F1")


def test_everything_can_be_changed(cluster: Cluster, sent: Sent, costs: Costs) -> None:
    queue = cluster.queues().create(key="linux", hostedAgents=HOSTED)
    changes: Any = {
        "name": "Linux and more",
        "description": "For Linux",
        "emoji": ":linux:",
        "color": "#14CC80",
        "default_queue_id": queue.id,
        "hosted_git_mirror_enabled": True,
        "hosted_container_cache_enabled": True,
    }
    with costs(1):
        assert cluster.update(**changes) is cluster
    assert sent() == (f"PUT {CLUSTERS}/{cluster.id}", changes)
    assert {name: getattr(cluster, name) for name in changes} == changes
    assert cluster.default_queue == queue


def test_false_is_sent(cluster: Cluster, sent: Sent) -> None:
    assert cluster.default_queue is None
    cluster.update(hosted_git_mirror_enabled=False)
    assert sent()[1] == {"hosted_git_mirror_enabled": False}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"default_queue_id": "of another cluster"}, "Default queue"),
        ({"hosted_git_mirror_enabled": True}, "hosted agents"),
        ({"hosted_container_cache_enabled": None}, "hosted_container_cache_enabled"),
        ({"color": "blue"}, "color"),
        ({"name": ""}, "name"),
    ],
)
def test_a_value_that_is_not_accepted_changes_nothing(cluster: Cluster, changes: Any, why: str) -> None:
    before = cluster.dump()
    with pytest.raises(UnprocessableEntityError, match=why):
        cluster.update(**changes)
    assert cluster.reload().dump() == before


def test_a_cluster_is_deleted_with_its_queues(bk: Buildkite, cluster: Cluster, sent: Sent, costs: Costs) -> None:
    queue = cluster.queues().create(key="linux")
    with costs(1):
        cluster.delete()
    assert sent() == (f"DELETE {CLUSTERS}/{cluster.id}", None)
    assert cluster not in bk.organization("acme").clusters()
    with pytest.raises(NotFoundError):
        queue.fetch()


def test_a_cluster_that_is_in_use_is_not_deleted(server: FakeBuildkite, bk: Buildkite, cluster: Cluster) -> None:
    with pytest.raises(UnprocessableEntityError, match="default cluster"):
        bk.organization("acme").clusters()[0].delete()
    pipeline = server.add_pipeline("web", cluster_id=cluster.id)
    with pytest.raises(UnprocessableEntityError, match="pipelines"):
        cluster.delete()
    pipeline.cluster_id = None
    cluster.queues().create(key="linux")
    acme = server.store.organizations["acme"]
    server.store.add_agent(acme, queue=acme.queues_of(cluster.id)["linux"])
    with pytest.raises(UnprocessableEntityError, match="agents"):
        cluster.delete()


def test_its_organization_is_one_step_up(bk: Buildkite, cluster: Cluster) -> None:
    assert bk.organization("acme").cluster("x").organization == bk.organization("acme")
    assert cluster.queue("x").cluster == cluster
    assert cluster.queue("x").organization == bk.organization("acme")


# -- maintainers


@pytest.mark.parametrize("kind", ["user", "team"])
def test_a_user_or_a_team_is_made_a_maintainer(
    cluster: Cluster, sent: Sent, costs: Costs, kind: str, request: pytest.FixtureRequest
) -> None:
    target: Any = {kind: request.getfixturevalue(f"{kind}_id")}
    with costs(1):
        maintainer = cluster.maintainers().create(**target)
    assert sent() == (f"POST {CLUSTERS}/{cluster.id}/maintainers", target)
    assert (type(maintainer), maintainer.actor.id, maintainer.actor.type) == (ClusterMaintainer, target[kind], kind)
    assert maintainer.cluster == cluster


def test_maintainers_are_listed_and_got(cluster: Cluster, sent: Sent, costs: Costs, user_id: str, team_id: str) -> None:
    user, team = cluster.maintainers().create(user=user_id), cluster.maintainers().create(team=team_id)
    with costs(2):
        assert list(cluster.maintainers()) == [user, team]
        assert cluster.maintainer(team.id).fetch() == team
    assert sent() == (f"GET {CLUSTERS}/{cluster.id}/maintainers/{team.id}", None)
    assert (user.actor.email, team.actor.slug) == ("john@acme.example", "fearless-frontenders")
    assert cluster.maintainers().count() == 2


def test_a_maintainer_is_removed(cluster: Cluster, sent: Sent, costs: Costs, user_id: str) -> None:
    maintainer = cluster.maintainers().create(user=user_id)
    with costs(1):
        maintainer.delete()
    assert sent() == (f"DELETE {CLUSTERS}/{cluster.id}/maintainers/{maintainer.id}", None)
    assert not cluster.maintainers()
    with pytest.raises(NotFoundError, match="No cluster maintainer found"):
        maintainer.reload()


def test_a_member_who_leaves_maintains_nothing(server: FakeBuildkite, cluster: Cluster, user_id: str) -> None:
    cluster.maintainers().create(user=user_id)
    server.store.organizations["acme"].users.pop()
    assert not cluster.maintainers()


def test_a_maintainer_cannot_be_added_to_a_cluster_twice(cluster: Cluster, user_id: str) -> None:
    cluster.maintainers().create(user=user_id)
    create: Any = cluster.maintainers().create
    for target in ({"user": user_id}, {"team": user_id}, {}):
        with pytest.raises(UnprocessableEntityError, match="Validation failed"):
            create(**target)
    with pytest.raises(TypeError, match="there are: team, user"):
        cluster.maintainers().create(robot="x")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


# -- for all of them


def test_each_needs_its_scope(server: FakeBuildkite) -> None:
    with server.client(token=server.make_token("read_clusters")) as bk:
        (cluster,) = bk.organization("acme").clusters()
        with pytest.raises(PermissionDeniedError, match="write_clusters"):
            cluster.update(name="Mine")
        with pytest.raises(PermissionDeniedError, match="read_secret_details"):
            list(cluster.secrets())
        with pytest.raises(PermissionDeniedError, match="write_secrets"):
            cluster.secrets().create(key="MINE")


def test_seeded_objects_exist() -> None:
    with FakeBuildkite() as server, server.client() as bk:
        acme = server.store.organizations["acme"]
        if len(server.store.collections.of("cluster", acme.id)) == 1:
            seed.populate(server.context, acme)
        first, hosted = bk.organization("acme").clusters()
        assert {"default", "macos", "deploy", "gpu"} <= {queue.key for queue in first.queues()}
        assert [secret.key for secret in first.secrets()] == ["DEPLOY_KEY", "NPM_TOKEN"]
        assert (len(list(first.agent_tokens())), len(list(first.maintainers()))) == (2, 1)
        assert [queue.hosted for queue in hosted.queues()] == [True, True]
        (image,) = hosted.agent_images()
        with pytest.raises(StatusError, match="in use"):
            image.delete()
        assert (len(list(hosted.cache_volumes())), len(list(hosted.network_ranges()))) == (2, 1)


def test_documented_examples_load_and_dump_back(examples: Examples) -> None:
    examples(
        Cluster,
        *(f"clusters/{name}" for name in ("list-clusters", "get-a-cluster", "create-a-cluster", "update-a-cluster")),
    )
    folder = "clusters/maintainers"
    examples(ClusterMaintainer, *(f"{folder}/{verb}-a-cluster-maintainer" for verb in ("get", "create")))
    examples(ClusterMaintainer, f"{folder}/list-cluster-maintainers")
