"""Querysets: every row of what they do, and what it costs, for each of the three kinds of listing."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm import BadRequestError, MultipleResultsError, NotFoundError, PermissionDeniedError, ResponseError

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildkite_orm import Buildkite
    from buildkite_orm.fake import FakeBuildkite
    from buildkite_orm.queryset import QuerySet
    from tests.conftest import Costs

COUNT = 50
SIZE = 20


@dataclass(frozen=True)
class Kind:
    """One kind of listing, with 50 things in it, 20 to a page; the ids in the order in which they are listed."""

    name: str
    qs: QuerySet[Any]
    ids: list[str]
    by_number: bool


def _agents(server: FakeBuildkite, bk: Buildkite, count: int) -> Kind:
    for _ in range(count):
        server.add_agent()
    listed = bk.organization("acme").agents().per_page(SIZE)
    return Kind("agents", listed, [agent.id for agent in listed.fresh()], by_number=True)


def _builds(server: FakeBuildkite, bk: Buildkite, count: int) -> Kind:
    records = server.add_builds("web", count)
    listed = bk.organization("acme").pipeline("web").builds().per_page(SIZE)
    return Kind("builds", listed, [record.id for record in reversed(records)], by_number=True)


def _jobs(server: FakeBuildkite, bk: Buildkite, count: int) -> Kind:
    record = server.add_build("web", jobs=count)
    listed = bk.organization("acme").pipeline("web").build(record.number).jobs().per_page(SIZE)
    return Kind("jobs", listed, [job.id for job in record.jobs], by_number=False)


MAKERS: dict[str, Callable[[FakeBuildkite, Buildkite, int], Kind]] = {
    "agents": _agents,
    "builds": _builds,
    "jobs": _jobs,
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


def ids(items: Any) -> list[str]:
    return [item.id for item in items]


def sizes(server: FakeBuildkite) -> list[str | None]:
    return [dict(request.query).get("per_page") for request in server.requests]


# -- making


def test_making_limiting_and_sizing_ask_nothing(kind: Kind, costs: Costs) -> None:
    with costs(0):
        kind.qs.limit(3).per_page(7).fresh().iterator()


def test_a_filter_asks_nothing_and_leaves_the_old_one_as_it_was(
    server: FakeBuildkite, bk: Buildkite, costs: Costs
) -> None:
    server.add_build("web", branch="main")
    server.add_build("web", branch="other")
    every = bk.organization("acme").pipeline("web").builds()
    with costs(0):
        some = every.filter(branch="other")
    assert (len(list(every)), len(list(some))) == (2, 1)


def test_filters_add_up(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_build("web", branch="main", state="failed")
    server.add_build("web", branch="main", state="passed")
    server.add_build("web", branch="other", state="passed")
    builds = bk.organization("acme").pipeline("web").builds(branch="main").filter(state="passed")
    assert [build.number for build in builds] == [2]


def test_an_unknown_filter_is_refused_with_the_names_there_are(bk: Buildkite) -> None:
    with pytest.raises(TypeError, match=r"no filter stat; it has: .*branch.*state"):
        bk.builds(stat="running")  # type: ignore[call-arg]


def test_limiting_leaves_the_old_one_as_it_was(kind: Kind) -> None:
    assert len(list(kind.qs.limit(3))) == 3
    assert len(list(kind.qs)) == COUNT


def test_one_that_is_derived_asks_for_itself(kind: Kind, costs: Costs) -> None:
    list(kind.qs)
    with costs(1):
        list(kind.qs.limit(5))


@pytest.mark.parametrize("size", [0, -1, 101, 1000])
def test_a_page_size_that_the_api_does_not_take_is_refused(bk: Buildkite, size: int) -> None:
    with pytest.raises(ValueError, match="1 to 100"):
        bk.builds().per_page(size)


@pytest.mark.parametrize("size", [1, 100])
def test_the_smallest_and_the_largest_page_size_are_sent(server: FakeBuildkite, bk: Buildkite, size: int) -> None:
    list(bk.organizations().per_page(size))
    assert sizes(server) == [str(size)]


def test_a_page_has_a_hundred_unless_told_otherwise(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_build("web")
    organization = bk.organization("acme")
    for qs in (organization.agents(), organization.builds(), organization.pipeline("web").build(1).jobs()):
        qs.first()
    assert sizes(server) == ["100"] * 3


def test_a_negative_limit_is_refused(bk: Buildkite) -> None:
    with pytest.raises(ValueError, match="limit"):
        bk.builds().limit(-1)


# -- iterating


def test_iterating_gives_everything_in_order_one_request_per_page(kind: Kind, costs: Costs) -> None:
    with costs(3):
        found = ids(kind.qs)
    assert found == kind.ids


def test_the_next_page_loads_when_the_last_one_is_used_up(kind: Kind, costs: Costs) -> None:
    stream = iter(kind.qs)
    with costs(1):
        list(islice(stream, 20))
    with costs(1):
        next(stream)


def test_a_break_stops_asking(kind: Kind, costs: Costs) -> None:
    with costs(1):
        for place, _ in enumerate(kind.qs):
            if place == 19:
                break


def test_again_gives_the_same_objects_without_a_request(kind: Kind, costs: Costs) -> None:
    first = list(kind.qs)
    with costs(0):
        second = list(kind.qs)
    assert all(one is other for one, other in zip(first, second, strict=True))


def test_what_was_loaded_before_a_break_is_not_asked_for_again(kind: Kind, costs: Costs) -> None:
    list(islice(kind.qs, 24))
    with costs(1):
        assert ids(kind.qs) == kind.ids


def test_two_iterators_load_each_page_once(kind: Kind, costs: Costs) -> None:
    with costs(3):
        pairs = list(zip(kind.qs, kind.qs, strict=True))
    assert all(one is other for one, other in pairs)


def test_threads_that_share_a_queryset_load_each_page_once(kind: Kind, costs: Costs) -> None:
    barrier = threading.Barrier(6)

    def read(_: int) -> list[str]:
        barrier.wait()
        return ids(kind.qs)

    with costs(3), ThreadPoolExecutor(6) as pool:
        assert list(pool.map(read, range(6))) == [kind.ids] * 6


def test_threads_that_share_a_queryset_over_sockets_load_each_page_once(server: FakeBuildkite, costs: Costs) -> None:
    server.add_builds("web", COUNT)
    with server.client(door="http") as bk:
        builds = bk.organization("acme").builds().per_page(SIZE)

        def read(_: int) -> list[int]:
            return [build.number for build in builds]

        with costs(3), ThreadPoolExecutor(6) as pool:
            found = list(pool.map(read, range(6)))
    assert found == [list(range(COUNT, 0, -1))] * 6


def test_a_page_that_failed_is_asked_again_and_those_before_are_not(
    kind: Kind, server: FakeBuildkite, costs: Costs
) -> None:
    server.faults.add("error", status=403, message="Not now", after=1)
    seen: list[str] = []
    with costs(2), pytest.raises(PermissionDeniedError):
        seen.extend(item.id for item in kind.qs)
    assert seen == kind.ids[: len(seen)]
    with costs(2):
        assert ids(kind.qs) == kind.ids


def test_the_first_page_that_failed_is_asked_again(kind: Kind, server: FakeBuildkite, costs: Costs) -> None:
    server.faults.add("error", status=403, message="Not now")
    with pytest.raises(PermissionDeniedError):
        kind.qs.first()
    with costs(1):
        assert kind.qs[0].id == kind.ids[0]


@pytest.mark.parametrize("fault", ["cut_json", "truncate", "html", "reset_mid_body"])
def test_a_page_that_came_broken_is_sent_for_again_without_a_trace(
    kind: Kind, server: FakeBuildkite, costs: Costs, fault: Any
) -> None:
    server.faults.add(fault, after=1)
    with costs(4):
        assert ids(kind.qs) == kind.ids


def test_an_iterator_remembers_nothing(kind: Kind, costs: Costs) -> None:
    with costs(3):
        assert ids(kind.qs.iterator()) == kind.ids
    with costs(3):
        list(kind.qs)


def test_fresh_is_the_same_query_with_nothing_loaded(kind: Kind, costs: Costs) -> None:
    list(kind.qs.limit(5))
    held = kind.qs.limit(5)
    loaded = list(held)
    with costs(0):
        again = held.fresh()
    with costs(1):
        assert list(again) == loaded
    assert again[0] is not loaded[0]


# -- one by its place


def test_an_index_on_the_first_page_costs_one_request_and_is_kept(kind: Kind, costs: Costs) -> None:
    with costs(1):
        assert kind.qs[7].id == kind.ids[7]
    with costs(0):
        assert kind.qs[19].id == kind.ids[19]


def test_an_index_beyond_what_is_loaded_asks_for_that_page_alone(numbered: Kind, costs: Costs) -> None:
    with costs(1):
        assert numbered.qs[46].id == numbered.ids[46]


def test_what_an_index_asked_for_does_not_enter_iteration(numbered: Kind, costs: Costs) -> None:
    assert numbered.qs[46].id == numbered.ids[46]
    with costs(3):
        assert ids(numbered.qs) == numbered.ids


def test_an_index_in_a_cursor_listing_loads_up_to_its_page(server: FakeBuildkite, bk: Buildkite, costs: Costs) -> None:
    jobs = _jobs(server, bk, COUNT)
    with costs(2):
        assert jobs.qs[26].id == jobs.ids[26]
    with costs(0):
        assert jobs.qs[39].id == jobs.ids[39]


@pytest.mark.parametrize("index", [COUNT, COUNT + 1, 59, 60, 5000])
def test_an_index_past_the_end_is_an_index_error(kind: Kind, index: int) -> None:
    with pytest.raises(IndexError):
        kind.qs[index]


@pytest.mark.parametrize("index", [COUNT, -COUNT - 1, 5000])
def test_an_index_past_the_end_of_what_is_loaded_whole_asks_nothing(kind: Kind, costs: Costs, index: int) -> None:
    list(kind.qs)
    with costs(0), pytest.raises(IndexError):
        kind.qs[index]


def test_the_last_one_costs_two_requests_where_pages_are_numbered(numbered: Kind, costs: Costs) -> None:
    with costs(2):
        assert numbered.qs[-1].id == numbered.ids[-1]


def test_the_last_one_of_a_cursor_listing_loads_all(server: FakeBuildkite, bk: Buildkite, costs: Costs) -> None:
    jobs = _jobs(server, bk, COUNT)
    with costs(3):
        assert jobs.qs[-1].id == jobs.ids[-1]


def test_the_last_one_loads_all_where_the_server_tells_no_last_page(
    numbered: Kind, server: FakeBuildkite, costs: Costs
) -> None:
    server.settings.link_last = False
    with costs(1 + 3):
        assert numbered.qs[-1].id == numbered.ids[-1]
    with costs(0):
        list(numbered.qs)


def test_the_last_one_of_what_is_loaded_is_not_asked_for(kind: Kind, costs: Costs) -> None:
    loaded = list(kind.qs)
    with costs(0):
        assert kind.qs[-1] is loaded[-1]


@pytest.mark.parametrize("index", [-1, -2, -20, -COUNT])
def test_negative_indexes_count_from_the_end(kind: Kind, index: int) -> None:
    assert kind.qs[index].id == kind.ids[index]


def test_a_negative_index_past_the_beginning_is_an_index_error(kind: Kind) -> None:
    with pytest.raises(IndexError):
        kind.qs[-COUNT - 1]


@pytest.mark.parametrize("index", [0, -1])
def test_nothing_has_no_first_and_no_last_one(empty: Kind, index: int) -> None:
    with pytest.raises(IndexError):
        empty.qs[index]


# -- some

SLICES = [(0, 10, 1), (10, 30, 2), (0, 20, 1), (19, 21, 2), (0, 0, 0), (7, 7, 0), (9, 3, 0), (48, 80, 1)]


@pytest.mark.parametrize(("start", "stop", "requests"), SLICES)
def test_a_slice_costs_the_pages_that_it_covers(
    numbered: Kind, costs: Costs, start: int, stop: int, requests: int
) -> None:
    with costs(requests):
        found = numbered.qs[start:stop]
    assert ids(found) == numbered.ids[start:stop]


@pytest.mark.parametrize(("start", "stop"), [(None, 5), (24, None), (None, None), (48, 52), (60, None), (20, 40)])
def test_slices_agree_with_lists(kind: Kind, start: int | None, stop: int | None) -> None:
    found = kind.qs[start:stop]
    assert isinstance(found, list)
    assert ids(found) == kind.ids[start:stop]


def test_a_slice_of_what_is_loaded_asks_nothing(kind: Kind, costs: Costs) -> None:
    list(kind.qs)
    with costs(0):
        assert ids(kind.qs[24:80]) == kind.ids[24:80]


@pytest.mark.parametrize(
    "bounds", [slice(-1, None), slice(None, -1), slice(-5, -1), slice(0, 10, 2), slice(None, None, -1)]
)
def test_negative_bounds_and_steps_are_refused_without_a_request(kind: Kind, costs: Costs, bounds: slice) -> None:
    with costs(0), pytest.raises(ValueError, match="bounds"):
        kind.qs[bounds]


# -- how many


def test_a_length_is_refused_and_the_error_names_what_to_do(kind: Kind, costs: Costs) -> None:
    with costs(0), pytest.raises(TypeError, match=r"\.count\(\).*list\(qs\)"):
        len(kind.qs)


def test_counting_costs_one_request(numbered: Kind, server: FakeBuildkite, costs: Costs) -> None:
    server.requests.clear()
    with costs(1):
        assert numbered.qs.count() == COUNT
    assert sizes(server) == ["1"]


def test_counting_a_cursor_listing_drains_it_once(server: FakeBuildkite, bk: Buildkite, costs: Costs) -> None:
    jobs = _jobs(server, bk, COUNT)
    with costs(3):
        assert jobs.qs.count() == COUNT
    with costs(0):
        assert ids(jobs.qs) == jobs.ids


def test_counting_what_is_loaded_asks_nothing(kind: Kind, costs: Costs) -> None:
    list(kind.qs)
    with costs(0):
        assert kind.qs.count() == COUNT


def test_counting_names_list_where_the_server_tells_no_last_page(
    numbered: Kind, server: FakeBuildkite, costs: Costs
) -> None:
    server.settings.link_last = False
    with costs(1), pytest.raises(ResponseError, match=r"list\(qs\)"):
        numbered.qs.count()


@pytest.mark.parametrize("count", [0, 1])
@pytest.mark.parametrize("told", [True, False])
def test_few_are_counted_whatever_the_server_tells(
    server: FakeBuildkite, bk: Buildkite, costs: Costs, *, count: int, told: bool
) -> None:
    server.settings.link_last = told
    agents = _agents(server, bk, count)
    with costs(1):
        assert agents.qs.count() == count


def test_a_last_page_of_an_empty_listing_is_no_count(server: FakeBuildkite, bk: Buildkite) -> None:
    url = "https://api.buildkite.com/v2/organizations/acme/agents?page=1&per_page=1"
    server.faults.add("error", status=200, payload=[], headers={"Link": f'<{url}>; rel="last"'})
    assert bk.organization("acme").agents().count() == 0


# -- truth and membership


def test_truth_costs_one_request(kind: Kind, costs: Costs) -> None:
    with costs(1):
        assert kind.qs


def test_what_has_nothing_is_false(empty: Kind, costs: Costs) -> None:
    with costs(1):
        assert not empty.qs


def test_the_first_one_costs_one_request(kind: Kind, costs: Costs) -> None:
    with costs(1):
        first = kind.qs.first()
    assert first is not None
    assert first.id == kind.ids[0]


def test_there_is_no_first_one_of_nothing(empty: Kind, costs: Costs) -> None:
    with costs(1):
        assert empty.qs.first() is None


def test_membership_asks_until_it_is_found(kind: Kind, costs: Costs) -> None:
    wanted = list(kind.qs.fresh())[24]
    with costs(2):
        assert wanted in kind.qs


def test_membership_of_what_is_not_there_loads_all(kind: Kind, costs: Costs) -> None:
    with costs(3):
        assert "something else" not in kind.qs


def test_a_ref_is_in_the_listing_of_its_object(server: FakeBuildkite, bk: Buildkite, costs: Costs) -> None:
    server.add_builds("web", 3)
    web = bk.organization("acme").pipeline("web")
    builds = web.builds()
    with costs(1):
        assert web.build(2) in builds
        assert web.build(9) not in builds


def test_the_only_one_costs_one_request(server: FakeBuildkite, bk: Buildkite, costs: Costs) -> None:
    server.add_agent("lonely")
    with costs(1):
        assert bk.organization("acme").agents().one().name == "lonely"


def test_there_is_no_only_one_of_nothing(empty: Kind, costs: Costs) -> None:
    with costs(1), pytest.raises(NotFoundError, match="nothing matches"):
        empty.qs.one()


def test_there_is_no_only_one_of_several(kind: Kind, costs: Costs) -> None:
    with costs(1), pytest.raises(MultipleResultsError, match="more than one"):
        kind.qs.one()


def test_the_only_one_of_a_limit_is_within_it(kind: Kind) -> None:
    assert kind.qs.limit(1).one().id == kind.ids[0]


# -- all of it


def test_all_of_a_listing_that_is_not_builds_goes_page_after_page(
    server: FakeBuildkite, bk: Buildkite, costs: Costs
) -> None:
    for make in (_agents, _jobs):
        kind = make(server, bk, COUNT)
        with costs(3):
            assert ids(kind.qs.all(workers=8)) == kind.ids


def test_all_gives_the_objects_that_iteration_gives(kind: Kind, costs: Costs) -> None:
    every = kind.qs.all()
    with costs(0):
        assert all(one is other for one, other in zip(every, kind.qs, strict=True))


# -- pages


def test_a_page_by_number_costs_one_request_and_tells_of_the_others(numbered: Kind, costs: Costs) -> None:
    with costs(1):
        page = numbered.qs.page(2)
    assert ids(page.items) == numbered.ids[20:40]
    assert (page.number, page.first_page, page.previous_page, page.next_page, page.last_page) == (2, 1, 1, 3, 3)


def test_the_first_page_has_none_before_and_the_last_none_after(numbered: Kind) -> None:
    first, last = numbered.qs.page(1), numbered.qs.page(3)
    assert (first.previous_page, first.next_page, last.previous_page, last.next_page) == (None, 2, 2, None)
    assert len(last.items) == 10


def test_a_page_past_the_end_is_empty(numbered: Kind) -> None:
    page = numbered.qs.page(9)
    assert (page.items, page.next_page) == ([], None)


def test_a_page_by_number_does_not_enter_iteration(numbered: Kind, costs: Costs) -> None:
    numbered.qs.page(1)
    with costs(3):
        list(numbered.qs)


@pytest.mark.parametrize("number", [0, -1])
def test_there_is_no_page_before_the_first(numbered: Kind, costs: Costs, number: int) -> None:
    with costs(0), pytest.raises(ValueError, match="from 1"):
        numbered.qs.page(number)


def test_a_cursor_listing_has_no_numbered_pages(server: FakeBuildkite, bk: Buildkite, costs: Costs) -> None:
    jobs = _jobs(server, bk, 3)
    with costs(0), pytest.raises(TypeError, match=r"pages\(\)"):
        jobs.qs.page(2)


def test_pages_are_those_that_iteration_loads(kind: Kind, costs: Costs) -> None:
    with costs(3):
        pages = list(kind.qs.pages())
    assert [page.has_next for page in pages] == [True, True, False]
    assert [item for page in pages for item in page.items] == list(kind.qs)
    with costs(0):
        list(kind.qs)


def test_the_next_page_loads_when_it_is_asked_for(kind: Kind, costs: Costs) -> None:
    pages = kind.qs.pages()
    with costs(1):
        next(pages)
    with costs(1):
        next(pages)


def test_a_listing_of_nothing_has_one_empty_page(empty: Kind, costs: Costs) -> None:
    with costs(1):
        pages = list(empty.qs.pages())
    assert [(page.items, page.has_next) for page in pages] == [([], False)]


# -- what it says


def test_what_it_says_of_itself_asks_never(kind: Kind, costs: Costs) -> None:
    with costs(0):
        assert "[not loaded]" in repr(kind.qs)
        assert str(kind.qs) == repr(kind.qs)
    kind.qs.first()
    with costs(0):
        assert "[20+ loaded]" in repr(kind.qs)
    list(kind.qs)
    with costs(0):
        assert "[50 loaded]" in repr(kind.qs)


def test_it_says_where_and_under_which_filters(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_builds("web", 40, state="running")
    builds = bk.organization("acme").pipeline("web").builds(state="running").per_page(30)
    builds.first()
    assert repr(builds) == "<BuildQuerySet acme/web/builds state=running [30+ loaded]>"


def test_it_says_what_the_limit_is(bk: Buildkite) -> None:
    builds = bk.organization("acme").builds(state=["running", "failing"], branch="main").limit(5)
    assert repr(builds) == "<BuildQuerySet acme/builds state=running|failing branch=main limit=5 [not loaded]>"


def test_what_it_says_can_harm_no_terminal(bk: Buildkite) -> None:
    assert repr(bk.builds(branch="\x1b[31mred\n")).isprintable()


def test_looking_around_asks_never(kind: Kind, costs: Costs) -> None:
    with costs(0):
        assert kind.qs == kind.qs
        assert kind.qs != kind.qs.fresh()
        dir(kind.qs)
        hash(kind.qs)


# -- limits


def test_a_limit_bounds_what_is_given_and_what_is_asked_for(kind: Kind, server: FakeBuildkite, costs: Costs) -> None:
    server.requests.clear()
    with costs(1):
        assert ids(kind.qs.limit(6)) == kind.ids[:6]
    assert sizes(server) == ["6"]


def test_a_limit_at_the_end_of_a_page_asks_for_no_other(kind: Kind, costs: Costs) -> None:
    with costs(1):
        assert ids(kind.qs.limit(20)) == kind.ids[:20]


def test_a_limit_within_the_second_page_asks_for_two(kind: Kind, costs: Costs) -> None:
    with costs(2):
        assert ids(kind.qs.limit(26)) == kind.ids[:26]


def test_a_limit_past_the_end_bounds_nothing(kind: Kind, costs: Costs) -> None:
    with costs(3):
        assert ids(kind.qs.limit(1000)) == kind.ids


def test_a_limit_of_nothing_asks_nothing(kind: Kind, costs: Costs) -> None:
    nothing = kind.qs.limit(0)
    with costs(0):
        assert (list(nothing), nothing.all(), nothing.first(), nothing.count(), list(nothing.pages())) == (
            [], [], None, 0, [],
        )  # fmt: skip
        assert not nothing
        assert nothing[0:5] == []


def test_an_index_past_the_limit_asks_nothing(kind: Kind, costs: Costs) -> None:
    with costs(0), pytest.raises(IndexError):
        kind.qs.limit(6)[6]


def test_the_last_one_is_the_last_of_the_limit(kind: Kind) -> None:
    assert kind.qs.limit(24)[-1].id == kind.ids[23]


def test_slices_end_at_the_limit(kind: Kind) -> None:
    limited = kind.qs.limit(24)
    assert ids(limited[22:40]) == kind.ids[22:24]
    assert ids(limited[22:]) == kind.ids[22:24]
    assert limited[24:] == []


def test_a_limit_bounds_the_count(kind: Kind) -> None:
    assert (kind.qs.limit(24).count(), kind.qs.limit(1000).count()) == (24, COUNT)


def test_a_limit_cuts_within_a_page(kind: Kind) -> None:
    pages = list(kind.qs.limit(24).pages())
    assert ids(item for page in pages for item in page.items) == kind.ids[:24]
    assert [page.has_next for page in pages] == [True, False]


def test_after_the_limit_no_page_follows(kind: Kind) -> None:
    assert [page.has_next for page in kind.qs.limit(20).pages()] == [False]


def test_a_limit_cuts_numbered_pages(numbered: Kind, costs: Costs) -> None:
    limited = numbered.qs.limit(26)
    first, second = limited.page(1), limited.page(2)
    assert ids(first.items + second.items) == numbered.ids[:26]
    assert (first.next_page, first.last_page, second.next_page, second.last_page) == (2, 2, None, 2)
    with costs(0):
        assert limited.page(3).items == []


def test_small_pages_are_one_request_each(kind: Kind, costs: Costs) -> None:
    few = kind.qs.limit(10).per_page(10)
    with costs(1):
        assert ids(few) == kind.ids[:10]


# -- the shapes


def test_an_empty_link_header_is_none(server: FakeBuildkite, bk: Buildkite, costs: Costs) -> None:
    server.settings.empty_link_header = True
    agents = _agents(server, bk, 3)
    with costs(1):
        assert ids(agents.qs) == agents.ids


def test_a_listing_without_a_link_header_is_one_page(server: FakeBuildkite, bk: Buildkite, costs: Costs) -> None:
    payload = [{"id": str(n), "name": f"a-{n}", "connection_state": "connected"} for n in range(100)]
    server.faults.add("error", status=200, payload=payload)
    with costs(1):
        assert [agent.name for agent in bk.organization("acme").agents()] == [f"a-{n}" for n in range(100)]


def test_a_link_header_with_only_the_last_page_ends_the_listing(
    numbered: Kind, server: FakeBuildkite, costs: Costs
) -> None:
    last = '<https://api.buildkite.com/v2/x?page=1>; rel="last"'
    server.faults.add("error", status=200, payload=[], headers={"Link": last})
    with costs(1):
        assert list(numbered.qs) == []


def test_a_short_page_does_not_end_a_listing(numbered: Kind, server: FakeBuildkite, costs: Costs) -> None:
    """Pages may be short, even empty: the server says whether another follows."""
    path = server.requests[-1].path if server.requests else "/v2/organizations/acme/pipelines/web/builds"
    following = f'<https://api.buildkite.com{path}?page=1&per_page=20>; rel="next"'
    server.faults.add("error", status=200, payload=[], headers={"Link": following})
    with costs(4):
        assert ids(numbered.qs) == numbered.ids


def test_only_path_and_query_of_a_link_are_read(server: FakeBuildkite, bk: Buildkite) -> None:
    agents = _agents(server, bk, 3).qs.per_page(2)
    payload = [{"id": "x", "name": "x", "connection_state": "connected"}]
    evil = '<https://evil.example/v2/elsewhere?page=2&per_page=2&access_token=bkua_0>; rel="next"'
    server.requests.clear()
    server.faults.add("error", status=200, payload=payload, headers={"Link": evil})
    list(agents)
    follow = server.requests[1]
    assert (follow.path, follow.headers["Host"]) == ("/v2/organizations/acme/agents", "api.buildkite.com")
    assert follow.query == [("page", "2"), ("per_page", "2")]


def test_a_link_listing_may_come_as_items_and_links(server: FakeBuildkite, bk: Buildkite, costs: Costs) -> None:
    server.add_agent("last")
    first = {"id": "x", "name": "x", "connection_state": "connected"}
    url = "https://api.buildkite.com/v2/organizations/acme/agents?per_page=100"
    server.faults.add("error", status=200, payload={"items": [first], "links": {"self": url, "next": url + "&page=1"}})
    with costs(2):
        assert [agent.name for agent in bk.organization("acme").agents()] == ["x", "last"]


@pytest.mark.parametrize("links", [None, {}, {"next": None}, {"next": ""}])
def test_a_cursor_page_without_a_next_link_is_the_last(
    server: FakeBuildkite, bk: Buildkite, costs: Costs, links: Any
) -> None:
    server.faults.add("error", status=200, payload={"items": [{"id": "j", "type": "waiter"}], "links": links})
    with costs(1):
        assert ids(bk.organization("acme").pipeline("web").build(1).jobs()) == ["j"]


def test_jobs_may_come_as_a_bare_array(server: FakeBuildkite, bk: Buildkite, costs: Costs) -> None:
    server.faults.add("error", status=200, payload=[{"id": "j", "type": "waiter"}])
    with costs(1):
        assert ids(bk.organization("acme").pipeline("web").build(1).jobs()) == ["j"]


@pytest.mark.parametrize("payload", [{"message": "Something is off"}, {"items": "none", "message": "Something is off"}])
def test_an_error_object_in_place_of_a_list_is_an_error_that_tells_it(
    kind: Kind, server: FakeBuildkite, payload: Any
) -> None:
    server.faults.add("error", status=200, payload=payload, times=None)
    with pytest.raises(ResponseError, match="Something is off"):
        list(kind.qs)


@pytest.mark.parametrize("payload", [None, 3, "text", {}])
def test_what_is_no_list_is_an_error(kind: Kind, server: FakeBuildkite, payload: Any) -> None:
    server.faults.add("error", status=200, payload=payload, times=None)
    with pytest.raises(ResponseError, match="expected"):
        list(kind.qs)


# -- listings that move, or go in circles


def test_an_item_that_moved_to_the_next_page_is_not_given_twice(server: FakeBuildkite, bk: Buildkite) -> None:
    """Pipelines are listed newest first: one that is made while they are read moves the others."""
    for number in range(4):
        server.add_pipeline(f"p{number}")
    stream = iter(bk.organization("acme").pipelines().per_page(2))
    found = [next(stream).slug, next(stream).slug]
    server.faults.add("error", status=200, payload=_moved(server, bk, found[1]), headers={})
    found += [pipeline.slug for pipeline in stream]
    assert len(found) == len(set(found)) == 3


def _moved(server: FakeBuildkite, bk: Buildkite, slug: str) -> list[Any]:
    del server
    others = [pipeline.dump() for pipeline in bk.organization("acme").pipelines()]
    return [each for each in others if each["slug"] == slug] + [
        dict(others[0], slug="new", url=others[0]["url"] + "-n")
    ]


def test_a_page_that_repeats_itself_raises_instead_of_looping(server: FakeBuildkite, bk: Buildkite) -> None:
    """A server that gives the first page whatever is asked for, and always tells of a next one."""
    payload = [{"id": str(n), "name": str(n), "connection_state": "connected"} for n in range(2)]
    for number in range(2, 6):
        link = f'<https://api.buildkite.com/v2/organizations/acme/agents?page={number}>; rel="next"'
        server.faults.add("error", status=200, payload=payload, headers={"Link": link})
    with pytest.raises(ResponseError, match="repeats a page"):
        list(bk.organization("acme").agents())
    assert len(server.requests) == 2


def test_a_link_that_leads_to_itself_raises_instead_of_looping(server: FakeBuildkite, bk: Buildkite) -> None:
    link = '<https://api.buildkite.com/v2/organizations/acme/agents?page=2>; rel="next"'
    for number in range(5):
        payload = [{"id": str(number), "name": str(number), "connection_state": "connected"}]
        server.faults.add("error", status=200, payload=payload, headers={"Link": link})
    with pytest.raises(ResponseError, match="repeats a page"):
        list(bk.organization("acme").agents())
    assert len(server.requests) == 2


def test_a_slice_of_pages_that_repeat_raises_instead_of_looping(server: FakeBuildkite, bk: Buildkite) -> None:
    payload = [{"id": str(n), "name": str(n), "connection_state": "connected"} for n in range(100)]
    link = '<https://api.buildkite.com/v2/organizations/acme/agents?page=9>; rel="next"'
    server.faults.add("error", status=200, payload=payload, headers={"Link": link}, times=10)
    with pytest.raises(ResponseError, match="repeats a page"):
        bk.organization("acme").agents()[150:]
    assert len(server.requests) == 2


def test_an_error_of_the_server_is_the_error_of_the_listing(kind: Kind, server: FakeBuildkite) -> None:
    server.faults.add("error", status=400, message="Bad filter", times=None)
    with pytest.raises(BadRequestError, match="Bad filter"):
        kind.qs.count()
