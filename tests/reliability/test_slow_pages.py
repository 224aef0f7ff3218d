"""Pages that take the server too long: requested in smaller parts, with no gap and no repeat; larger again later."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm import BuildkiteError, RequestTimeoutError, RetryPolicy, ServerError
from buildkite_orm.fake import paging
from tests.helpers import ids
from tests.querysets import test_time_pagination_simulation as simulation
from tests.reliability.listings import (
    MAKERS,
    NOON,
    fetched,
    make_agents,
    make_builds,
    make_crowded,
    make_jobs,
    requested,
    size_of,
    slow_above,
)

if TYPE_CHECKING:
    from buildkite_orm import Buildkite
    from buildkite_orm.fake import FakeBuildkite, RecordedRequest
    from tests.reliability.listings import Make


@pytest.fixture(params=sorted(MAKERS))
def make(request: pytest.FixtureRequest) -> Make:
    """Each kind of listing."""
    return MAKERS[request.param]


# -- no gap, no repeat -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "most", "after"), [("504", 50, 0), ("504", 25, 2), ("timeout", 5, 2), ("stall", 25, 0)]
)
def test_a_listing_whose_large_pages_are_slow_is_complete(  # noqa: PLR0917 - what is varied
    server: FakeBuildkite, bk: Buildkite, make: Make, what: str, most: int, after: int
) -> None:
    listed, wanted = make(server, bk, 430)
    server.requests.clear()
    slow_above(server, most, what=what, after=after)
    found = ids(listed)
    assert found == wanted
    failed = [size for size in requested(server)[after:] if size > most]
    good = sum(size <= most for size in requested(server))
    assert good > 0
    assert len(failed) <= 4 + good / 4  # down to what works, then one try of larger ones now and then


@pytest.mark.parametrize("what", ["504", "timeout"])
def test_over_sockets_too(server: FakeBuildkite, make: Make, what: str) -> None:
    with server.client(http=True, timeout=(5, 0.3)) as bk:
        listed, wanted = make(server, bk, 230)
        server.requests.clear()
        slow_above(server, 50, what=what, times=1)
        assert ids(listed) == wanted
    assert requested(server)[:2] == [100, 50]


@pytest.mark.parametrize("after", range(4))
def test_any_one_page_may_be_slow_once(server: FakeBuildkite, bk: Buildkite, make: Make, after: int) -> None:
    listed, wanted = make(server, bk, 310)
    server.requests.clear()
    server.faults.add("html", status=504, after=after)
    assert ids(listed) == wanted
    assert requested(server)[after : after + 2] == [100, 50]


@pytest.mark.parametrize("make", [make_agents, make_jobs, make_builds])
def test_the_size_recovers_once_pages_are_fast_again(server: FakeBuildkite, bk: Buildkite, make: Make) -> None:
    listed, wanted = make(server, bk, 750)
    server.requests.clear()
    slow_above(server, 25, times=2)
    assert ids(listed) == wanted
    sizes = requested(server)
    assert sizes[:3] == [100, 50, 25]
    assert sizes[-2:] == [100, 100]
    assert sizes[2:] == sorted(sizes[2:])


def test_larger_pages_are_tried_less_often_if_they_stay_slow(server: FakeBuildkite, bk: Buildkite) -> None:
    listed, wanted = make_builds(server, bk, 4000)
    slow_above(server, 50)
    assert ids(listed) == wanted
    at = [place for place, size in enumerate(requested(server)) if size == 100]
    gaps = [after - before for before, after in pairwise(at)]
    assert gaps == sorted(gaps)
    assert gaps[-1] >= 4 * (gaps[0] - 1)


@pytest.mark.parametrize("window", [{}, {"state": "passed"}])
def test_slow_pages_among_concurrent_ones(server: FakeBuildkite, bk: Buildkite, window: dict[str, Any]) -> None:
    _, wanted = make_builds(server, bk, 1200)
    slow_above(server, 25, after=1)
    assert ids(bk.organization("acme").pipeline("web").builds(**window).all(workers=4)) == wanted


def test_a_slow_page_by_number_is_complete_and_has_its_usual_links(server: FakeBuildkite, bk: Buildkite) -> None:
    listed, wanted = make_agents(server, bk, 450)
    first, third = listed.page(1), listed.page(3)
    slow_above(server, 25)
    for page, number in ((first, 1), (third, 3)):
        again = listed.page(number)
        numbers = ("number", "next_page", "previous_page", "first_page", "last_page")
        assert [getattr(again, name) for name in numbers] == [getattr(page, name) for name in numbers]
        assert ids(again.items) == ids(page.items) == wanted[100 * number - 100 : 100 * number]


# -- bounds ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("attempts", [2, 5])
@pytest.mark.parametrize(("what", "error"), [("504", ServerError), ("timeout", RequestTimeoutError)])
def test_if_all_pages_are_slow_the_error_is_raised_after_a_bounded_number_of_requests(
    server: FakeBuildkite, make: Make, attempts: int, what: str, error: type[Exception]
) -> None:
    with server.client(retry=RetryPolicy(attempts=attempts)) as bk:
        listed = make(server, bk, 350)[0].fresh()
        server.requests.clear()
        slow_above(server, 0, what=what)
        with pytest.raises(error):
            list(listed)
    sizes = requested(server)
    assert attempts < len(sizes) <= 2 * attempts - 1
    assert sizes == sorted(sizes, reverse=True)


def test_one_attempt_is_one_request(server: FakeBuildkite, make: Make) -> None:
    with server.client(retry=RetryPolicy(attempts=1)) as bk:
        listed = make(server, bk, 120)[0]
        server.requests.clear()
        slow_above(server, 50)
        with pytest.raises(ServerError):
            list(listed)
    assert requested(server) == [100]


def test_no_smaller_page_is_requested_after_max_elapsed(server: FakeBuildkite) -> None:
    server.add_builds("web", 120)
    slow_above(server, 50, what="timeout")
    policy = RetryPolicy(max_elapsed=20)
    with server.client(timeout=(5, 30), retry=policy) as bk, pytest.raises(RequestTimeoutError):
        list(bk.organization("acme").pipeline("web").builds())
    assert requested(server) == [100]


@pytest.mark.parametrize("status", [500, 502, 503])
def test_after_other_errors_the_same_page_is_requested_again(
    server: FakeBuildkite, bk: Buildkite, make: Make, status: int
) -> None:
    listed, wanted = make(server, bk, 250)
    server.requests.clear()
    server.faults.add("html", status=status, after=1)
    assert ids(listed) == wanted
    assert set(requested(server)) == {100}
    assert server.requests[1].line == server.requests[2].line


def test_a_small_page_is_requested_again_unchanged(server: FakeBuildkite, bk: Buildkite) -> None:
    listed, wanted = make_agents(server, bk, 30)
    server.requests.clear()
    server.faults.add("html", status=504, after=1)
    assert ids(listed.per_page(5)) == wanted
    assert set(requested(server)) == {5}


# -- held querysets ----------------------------------------------------------------------------------------------------


def test_after_an_error_a_kept_listing_continues_where_it_stopped(
    server: FakeBuildkite, bk: Buildkite, make: Make
) -> None:
    listed, wanted = make(server, bk, 730)
    server.requests.clear()
    slow_above(server, 0, after=3)
    with pytest.raises(ServerError):
        list(listed)
    server.faults.clear()
    before = len(server.requests)
    assert ids(listed) == wanted
    assert not ({request.line for request in server.requests[before:]} & fetched(server.requests[:before]))


@pytest.mark.parametrize("make", [make_agents, make_jobs])
def test_loaded_parts_of_a_page_are_not_requested_again(server: FakeBuildkite, bk: Buildkite, make: Make) -> None:
    """The whole page is slow, its first half is not, the second half is slow, its quarters are not."""
    listed, wanted = make(server, bk, 310)
    server.requests.clear()
    for after in (1, 3):
        server.faults.add("html", status=504, after=after)
    assert ids(listed) == wanted
    assert requested(server)[:6] == [100, 100, 50, 50, 25, 25]
    assert sum(size_of(request) for request in server.requests if request.status == 200) < len(wanted) + 100


def test_a_partial_page_continues_though_another_thread_uses_a_larger_size(
    server: FakeBuildkite, bk: Buildkite
) -> None:
    listed, wanted = make_agents(server, bk, 310)
    listed = listed.fresh()
    server.requests.clear()
    pages = listed._pages  # pyright: ignore[reportPrivateUsage]

    def strike(_: RecordedRequest) -> bool:
        number = len(server.requests)
        if number == 5:
            pages.size = 50  # as the other thread sets it
        return number in {2, 3, 5}

    server.faults.add("html", status=504, match=strike, times=None)
    assert ids(listed) == wanted
    assert requested(server)[:7] == [100, 100, 50, 25, 25, 25, 50]


# -- servers that do not do as requested --------------------------------------------------------------------------


@pytest.mark.parametrize("after", range(5))
@pytest.mark.parametrize("make", [make_agents, make_crowded])
def test_nothing_is_lost_if_the_server_uses_another_page_size(
    server: FakeBuildkite, bk: Buildkite, monkeypatch: pytest.MonkeyPatch, make: Make, after: int
) -> None:
    """It sends 30 items at most, and counts its pages by that."""
    listed, wanted = make(server, bk, 170)
    server.requests.clear()
    monkeypatch.setattr(paging, "LARGEST_SIZE", 30)
    slow_above(server, 50, after=after, times=1)
    assert ids(listed.fresh()) == wanted


@pytest.mark.parametrize("count", [30, 50, 80, 100])
def test_a_listing_without_links_is_not_cut_off(
    server: FakeBuildkite, bk: Buildkite, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    listed, wanted = make_agents(server, bk, count)

    def no_links(*_: object) -> dict[str, str]:
        return {}

    monkeypatch.setattr(paging, "link_header", no_links)
    slow_above(server, 25)
    assert ids(listed) == wanted


@pytest.mark.parametrize("count", [30, 49, 80])
def test_a_bare_array_without_pages_is_complete(server: FakeBuildkite, bk: Buildkite, count: int) -> None:
    for number in range(count):
        server.add_user(f"User {number}", f"user-{number}@acme.example")
    wanted = ids(bk.organization("acme").members())
    slow_above(server, 25)
    assert ids(bk.organization("acme").members()) == wanted
    assert len(wanted) > count


# -- while builds move -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("query", ["everything", "running"])
def test_slow_pages_lose_no_build_while_builds_are_created_start_and_finish(seed: int, query: str) -> None:
    chance = random.Random(seed)  # noqa: S311 - a simulation
    with simulation.a_server("seconds", "seconds") as server:
        for _ in range(900):
            created_at = NOON - 1 - chance.choice([5, chance.randrange(40), chance.randrange(40)]) - chance.random()
            simulation.add(server, chance, created_at, chance.choice(["running", "running", "scheduled", "passed"]))
        world = simulation.World(server, chance, simulation.QUERIES[query][1], moves_per_request=2)
        builds = simulation.reading(server, query)
        server.faults.add(
            "html", status=504, times=None, match=lambda request: chance.random() < size_of(request) / 250
        )
        world.watch()
        simulation.check(world, list(builds))
    failed = sum(request.status == 504 for request in server.requests)
    assert failed > 0


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("query", ["everything", "running"])
def test_a_referenced_listing_that_fails_repeatedly_loses_no_build(seed: int, query: str) -> None:
    chance = random.Random(seed)  # noqa: S311 - a simulation
    with simulation.a_server("seconds", "seconds") as server:
        simulation.populate(server, chance, count=200, seconds=4)
        world = simulation.World(server, chance, simulation.QUERIES[query][1], moves_per_request=1)
        server.faults.add("error", status=500, times=None, match=lambda _: chance.random() < 0.3)
        with server.client(retry=RetryPolicy(attempts=1)) as bk:
            held = bk.organization("acme").pipeline("web").builds(**simulation.QUERIES[query][0]).per_page(20)
            world.watch()
            found = None
            while found is None:
                try:
                    found = list(held)
                except BuildkiteError:
                    world.server.clock.advance(0.5)
            simulation.check(world, found)
    assert any(request.status == 500 for request in server.requests)
