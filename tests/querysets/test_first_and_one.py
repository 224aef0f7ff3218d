"""`first()`, `one()` and `bool()` of a queryset: how many items they request, and what they remember."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from buildkite_orm import MultipleResultsError, NotFoundError, PermissionDeniedError
from tests.helpers import ids

if TYPE_CHECKING:
    from buildkite_orm import ArtifactQuerySet, Buildkite
    from buildkite_orm.fake import FakeBuildkite
    from tests.conftest import Costs
    from tests.querysets.conftest import Kind

SIZE = 20


@pytest.fixture(autouse=True)
def no_requests_yet(request: pytest.FixtureRequest, server: FakeBuildkite) -> None:
    """Forget the requests of the fixtures that fill the server."""
    for name in ("kind", "empty"):
        if name in request.fixturenames:
            request.getfixturevalue(name)
    server.requests.clear()


def sizes(server: FakeBuildkite) -> list[int]:
    return [int(dict(request.query)["per_page"]) for request in server.requests]


# -- how much they request


def test_first_requests_one_item(kind: Kind, server: FakeBuildkite) -> None:
    assert ids([kind.qs.first()]) == kind.ids[:1]
    assert sizes(server) == [1]


def test_one_requests_two_items(kind: Kind, server: FakeBuildkite) -> None:
    with pytest.raises(MultipleResultsError):
        kind.qs.one()
    assert sizes(server) == [2]


def test_bool_requests_a_full_page(kind: Kind, server: FakeBuildkite) -> None:
    assert kind.qs
    assert sizes(server) == [SIZE]


def test_a_first_build_with_its_jobs_does_not_load_a_hundred(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_builds("web", 150, jobs=3)
    server.requests.clear()
    build = bk.organization("acme").pipeline("web").builds(with_jobs=True).first()
    assert build is not None
    assert len(list(build.jobs())) == 3
    assert sizes(server) == [1]


# -- what they remember


def test_the_result_of_first_is_remembered(kind: Kind, costs: Costs) -> None:
    first = kind.qs.first()
    with costs(0):
        assert kind.qs.first() is first


def test_that_there_is_no_first_is_remembered(empty: Kind, costs: Costs) -> None:
    assert empty.qs.first() is None
    with costs(0):
        assert empty.qs.first() is None


def test_that_there_are_several_is_remembered(kind: Kind, costs: Costs) -> None:
    for requests in (1, 0):
        with costs(requests), pytest.raises(MultipleResultsError):
            kind.qs.one()


def test_that_there_is_none_is_remembered(empty: Kind, costs: Costs) -> None:
    for requests in (1, 0):
        with costs(requests), pytest.raises(NotFoundError):
            empty.qs.one()


def test_the_only_one_is_remembered(server: FakeBuildkite, bk: Buildkite, costs: Costs) -> None:
    server.add_agent("lonely")
    agents = bk.organization("acme").agents()
    only = agents.one()
    with costs(0):
        assert agents.one() is only
        assert agents.first() is only


def test_first_after_one_requests_nothing(kind: Kind, costs: Costs) -> None:
    with pytest.raises(MultipleResultsError):
        kind.qs.one()
    with costs(0):
        assert ids([kind.qs.first()]) == kind.ids[:1]


def test_one_after_first_requests_two(kind: Kind, server: FakeBuildkite) -> None:
    kind.qs.first()
    with pytest.raises(MultipleResultsError):
        kind.qs.one()
    assert sizes(server) == [1, 2]


def test_one_after_a_first_that_found_nothing_requests_nothing(empty: Kind, costs: Costs) -> None:
    assert empty.qs.first() is None
    with costs(0), pytest.raises(NotFoundError):
        empty.qs.one()


def test_fresh_forgets_the_first(kind: Kind, costs: Costs) -> None:
    kind.qs.first()
    with costs(1):
        kind.qs.fresh().first()


def test_a_first_that_failed_is_requested_again(kind: Kind, server: FakeBuildkite, costs: Costs) -> None:
    server.faults.add("error", status=403, message="Not now")
    with pytest.raises(PermissionDeniedError):
        kind.qs.first()
    with costs(1):
        assert ids([kind.qs.first()]) == kind.ids[:1]


def test_threads_that_share_a_queryset_request_the_first_once(kind: Kind, costs: Costs) -> None:
    with costs(1), ThreadPoolExecutor(6) as pool:
        found = [pool.submit(kind.qs.first) for _ in range(6)]
    assert {id(each.result()) for each in found} == {id(kind.qs.first())}


# -- loaded items are used


def test_first_and_one_use_loaded_items(kind: Kind, costs: Costs) -> None:
    loaded = list(kind.qs)
    with costs(0):
        assert kind.qs.first() is loaded[0]
        with pytest.raises(MultipleResultsError):
            kind.qs.one()


def test_first_and_one_use_a_loaded_page(kind: Kind, costs: Costs) -> None:
    begun = next(iter(kind.qs))
    with costs(0):
        assert kind.qs.first() is begun
        with pytest.raises(MultipleResultsError):
            kind.qs.one()


def test_jobs_that_are_embedded_are_used(server: FakeBuildkite, bk: Buildkite, costs: Costs) -> None:
    server.add_build("web", jobs=2)
    build = bk.organization("acme").pipeline("web").build(1).fetch()
    with costs(0):
        assert build.jobs().first() == next(iter(build.jobs()))


def test_iteration_after_first_starts_with_a_full_page(kind: Kind, server: FakeBuildkite) -> None:
    kind.qs.first()
    assert ids(kind.qs) == kind.ids
    assert sizes(server)[:2] == [1, SIZE]
    assert len(sizes(server)) == 1 + 3


def test_if_and_a_loop_share_the_first_page(kind: Kind, costs: Costs) -> None:
    with costs(3):
        if kind.qs:
            assert ids(kind.qs) == kind.ids


def test_bool_after_first_loads_the_first_page(kind: Kind, costs: Costs) -> None:
    kind.qs.first()
    with costs(1):
        assert kind.qs
    with costs(0):
        assert kind.qs


def test_bool_looks_past_an_empty_page(server: FakeBuildkite, bk: Buildkite, costs: Costs) -> None:
    server.add_agent()
    link = '<https://api.buildkite.com/v2/organizations/acme/agents?page=1&per_page=100>; rel="next"'
    server.faults.add("error", status=200, payload=[], headers={"Link": link})
    with costs(2):
        assert bk.organization("acme").agents()


# -- limits and page sizes


def test_a_limit_of_one_is_the_page_that_first_loads(kind: Kind, server: FakeBuildkite, costs: Costs) -> None:
    limited = kind.qs.limit(1)
    assert ids([limited.first()]) == kind.ids[:1]
    assert sizes(server) == [1]
    with costs(0):
        assert ids(limited) == kind.ids[:1]
        assert limited.one().id == kind.ids[0]


def test_a_page_size_of_two_is_the_page_that_one_loads(kind: Kind, costs: Costs) -> None:
    small = kind.qs.per_page(2)
    with pytest.raises(MultipleResultsError):
        small.one()
    with costs(0):
        assert ids(small[:2]) == kind.ids[:2]


def test_nothing_is_requested_within_a_limit_of_zero(kind: Kind, costs: Costs) -> None:
    nothing = kind.qs.limit(0)
    with costs(0):
        assert nothing.first() is None
        assert not nothing
        with pytest.raises(NotFoundError):
            nothing.one()


# -- filters that the client applies


@pytest.fixture
def artifacts(server: FakeBuildkite, bk: Buildkite) -> ArtifactQuerySet:
    """The artifacts of a build, filtered by a pattern that the server does not know; five of them match."""
    job = server.add_build("web", jobs=1).jobs[0]
    for number in range(10):
        server.add_artifact(job, f"log/{number}.{'json' if number % 2 else 'txt'}", b"content")
    server.requests.clear()
    return bk.organization("acme").pipeline("web").build(1).artifacts(path="**/*.{json,xml}")


def test_first_of_a_client_filter_requests_a_full_page_and_keeps_it(
    artifacts: ArtifactQuerySet, server: FakeBuildkite, costs: Costs
) -> None:
    first = artifacts.first()
    assert sizes(server) == [100]
    with costs(0):
        assert next(iter(artifacts)) is first
        assert len(list(artifacts)) == 5


def test_one_of_a_client_filter_requests_a_full_page(artifacts: ArtifactQuerySet, server: FakeBuildkite) -> None:
    with pytest.raises(MultipleResultsError):
        artifacts.one()
    assert sizes(server) == [100]
