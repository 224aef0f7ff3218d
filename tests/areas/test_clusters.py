"""Clusters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from buildkite_orm import NotFoundError, UnprocessableEntityError
from buildkite_orm.resources.clusters.cluster import Cluster

if TYPE_CHECKING:
    from buildkite_orm import Buildkite
    from tests.conftest import Costs, Sent

CLUSTERS = "/v2/organizations/acme/clusters"


def test_a_cluster_is_created_with_what_is_said_and_nothing_else(bk: Buildkite, sent: Sent) -> None:
    cluster = bk.organization("acme").clusters().create(name="Open Source", emoji=":technologist:")
    assert sent() == (f"POST {CLUSTERS}", {"name": "Open Source", "emoji": ":technologist:"})
    assert (cluster.name, cluster.emoji, cluster.description) == ("Open Source", ":technologist:", None)


def test_clusters_are_listed_and_got(bk: Buildkite, costs: Costs) -> None:
    org = bk.organization("acme")
    made = org.clusters().create(name="Linux")
    with costs(2):
        assert made in org.clusters()
        assert org.cluster(made.id).fetch() == made


def test_one_that_is_not_there_is_not_found(bk: Buildkite) -> None:
    with pytest.raises(NotFoundError, match="No cluster found"):
        bk.organization("acme").cluster("0191").fetch()


@pytest.mark.parametrize("value", [None, "", "For Linux"])
def test_unset_null_and_empty_are_told_apart(bk: Buildkite, sent: Sent, value: str | None) -> None:
    cluster = bk.organization("acme").clusters().create(name="Linux", description="Before", color="#FFE0F1")
    cluster.description = value
    cluster.save()
    assert sent() == (f"PUT {CLUSTERS}/{cluster.id}", {"description": value})
    assert (cluster.description, cluster.color) == (value, "#FFE0F1")


def test_false_is_sent(bk: Buildkite, sent: Sent) -> None:
    cluster = bk.organization("acme").clusters().create(name="Linux")
    assert cluster.update(hosted_git_mirror_enabled=False) is cluster
    assert sent()[1] == {"hosted_git_mirror_enabled": False}


def test_a_value_that_is_not_accepted_changes_nothing(bk: Buildkite) -> None:
    cluster = bk.organization("acme").clusters().create(name="Linux")
    with pytest.raises(UnprocessableEntityError, match="Default queue"):
        cluster.update(default_queue_id="of somebody else")
    assert cluster.reload().default_queue_id is None


def test_a_cluster_is_deleted(bk: Buildkite, sent: Sent) -> None:
    cluster = bk.organization("acme").clusters().create(name="Linux")
    cluster.delete()
    assert sent() == (f"DELETE {CLUSTERS}/{cluster.id}", None)
    assert cluster not in bk.organization("acme").clusters()


def test_its_organization_is_one_step_up(bk: Buildkite) -> None:
    assert bk.organization("acme").cluster("x").organization == bk.organization("acme")
    assert isinstance(bk.organization("acme").clusters().create(name="Linux"), Cluster)
