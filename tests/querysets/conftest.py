"""The three kinds of listing, for tests of what querysets do with each: by number, by time, by cursor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildkite_orm import Buildkite
    from buildkite_orm.fake import FakeBuildkite
    from buildkite_orm.querysets.queryset import QuerySet

COUNT = 50
SIZE = 20


@dataclass(frozen=True)
class Kind:
    """One kind of listing, with 50 items, 20 to a page, and the ids in the order of the listing."""

    qs: QuerySet[Any]
    ids: list[str]


def make_agents(server: FakeBuildkite, bk: Buildkite, count: int) -> Kind:
    for _ in range(count):
        server.add_agent()
    listed = bk.organization("acme").agents().per_page(SIZE)
    return Kind(listed, [agent.id for agent in listed.fresh()])


def make_builds(server: FakeBuildkite, bk: Buildkite, count: int) -> Kind:
    records = server.add_builds("web", count)
    listed = bk.organization("acme").pipeline("web").builds().per_page(SIZE)
    return Kind(listed, [record.id for record in reversed(records)])


def make_jobs(server: FakeBuildkite, bk: Buildkite, count: int) -> Kind:
    record = server.add_build("web", jobs=count)
    listed = bk.organization("acme").pipeline("web").build(record.number).jobs().per_page(SIZE)
    return Kind(listed, [job.id for job in record.jobs])


MAKERS: dict[str, Callable[[FakeBuildkite, Buildkite, int], Kind]] = {
    "agents": make_agents,
    "builds": make_builds,
    "jobs": make_jobs,
}


@pytest.fixture(params=sorted(MAKERS))
def kind(request: pytest.FixtureRequest, server: FakeBuildkite, bk: Buildkite) -> Kind:
    """Each kind of listing."""
    return MAKERS[request.param](server, bk, COUNT)


@pytest.fixture(params=["agents", "builds"])
def numbered(request: pytest.FixtureRequest, server: FakeBuildkite, bk: Buildkite) -> Kind:
    """Each kind of listing that has numbered pages."""
    return MAKERS[request.param](server, bk, COUNT)


@pytest.fixture(params=sorted(MAKERS))
def empty(request: pytest.FixtureRequest, server: FakeBuildkite, bk: Buildkite) -> Kind:
    """Each kind of listing, with nothing in it."""
    server.add_pipeline("web")
    return MAKERS[request.param](server, bk, 0)


@pytest.fixture
def jobs(server: FakeBuildkite, bk: Buildkite) -> Kind:
    """A listing by cursor."""
    return make_jobs(server, bk, COUNT)


@pytest.fixture
def agents(server: FakeBuildkite, bk: Buildkite) -> Kind:
    """A listing whose pages have links."""
    return make_agents(server, bk, COUNT)
