"""Querysets: making, iterating, and one or some of them; what each costs, for each kind of listing."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm import PermissionDeniedError
from tests.helpers import ids

if TYPE_CHECKING:
    from buildkite_orm import Buildkite
    from buildkite_orm.fake import FakeBuildkite
    from tests.conftest import Costs
    from tests.querysets.conftest import Kind

COUNT = 50  # items in each listing
SIZE = 20  # of them on a page


def sizes(server: FakeBuildkite) -> list[str | None]:
    return [dict(request.query).get("per_page") for request in server.requests]


# -- making


def test_derived_querysets_send_no_request(kind: Kind, costs: Costs) -> None:
    with costs(0):
        kind.qs.limit(3).per_page(7).fresh().iterator()


def test_a_filter_sends_no_request_and_does_not_change_the_queryset(
    server: FakeBuildkite, bk: Buildkite, costs: Costs
) -> None:
    server.add_build("web", branch="main")
    server.add_build("web", branch="other")
    every = bk.organization("acme").pipeline("web").builds()
    with costs(0):
        some = every.filter(branch="other")
    assert (len(list(every)), len(list(some))) == (2, 1)


def test_filters_are_combined(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_build("web", branch="main", state="failed")
    server.add_build("web", branch="main", state="passed")
    server.add_build("web", branch="other", state="passed")
    builds = bk.organization("acme").pipeline("web").builds(branch="main").filter(state="passed")
    assert [build.number for build in builds] == [2]


def test_an_unknown_filter_is_rejected_with_the_known_names(bk: Buildkite) -> None:
    with pytest.raises(TypeError, match=r"no filter stat; it has: .*branch.*state"):
        bk.builds(stat="running")  # type: ignore[call-arg]


def test_a_limit_does_not_change_the_queryset(kind: Kind) -> None:
    assert len(list(kind.qs.limit(3))) == 3
    assert len(list(kind.qs)) == COUNT


def test_a_derived_queryset_loads_its_own_pages(kind: Kind, costs: Costs) -> None:
    list(kind.qs)
    with costs(1):
        list(kind.qs.limit(5))


@pytest.mark.parametrize("size", [0, -1, 101, 1000])
def test_a_page_size_outside_the_api_s_range_is_rejected(bk: Buildkite, size: int) -> None:
    with pytest.raises(ValueError, match="1 to 100"):
        bk.builds().per_page(size)


@pytest.mark.parametrize("size", [1, 100])
def test_the_smallest_and_the_largest_page_size_are_sent(server: FakeBuildkite, bk: Buildkite, size: int) -> None:
    list(bk.organizations().per_page(size))
    assert sizes(server) == [str(size)]


def test_a_page_has_a_hundred_items_by_default(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_build("web")
    organization = bk.organization("acme")
    for qs in (organization.agents(), organization.builds(), organization.pipeline("web").build(1).jobs()):
        list(qs)
    assert sizes(server) == ["100"] * 3


def test_a_negative_limit_is_rejected(bk: Buildkite) -> None:
    with pytest.raises(ValueError, match="limit"):
        bk.builds().limit(-1)


# -- iterating


def test_iteration_yields_everything_in_order_with_one_request_per_page(kind: Kind, costs: Costs) -> None:
    with costs(3):
        found = ids(kind.qs)
    assert found == kind.ids


def test_the_next_page_loads_when_the_last_one_is_used_up(kind: Kind, costs: Costs) -> None:
    stream = iter(kind.qs)
    with costs(1):
        list(islice(stream, 20))
    with costs(1):
        next(stream)


def test_a_break_stops_requesting(kind: Kind, costs: Costs) -> None:
    with costs(1):
        for place, _ in enumerate(kind.qs):
            if place == 19:
                break


def test_iterating_again_yields_the_same_objects_without_a_request(kind: Kind, costs: Costs) -> None:
    first = list(kind.qs)
    with costs(0):
        second = list(kind.qs)
    assert all(one is other for one, other in zip(first, second, strict=True))


def test_pages_loaded_before_a_break_are_not_requested_again(kind: Kind, costs: Costs) -> None:
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
    with server.client(http=True) as bk:
        builds = bk.organization("acme").builds().per_page(SIZE)

        def read(_: int) -> list[int]:
            return [build.number for build in builds]

        with costs(3), ThreadPoolExecutor(6) as pool:
            found = list(pool.map(read, range(6)))
    assert found == [list(range(COUNT, 0, -1))] * 6


def test_a_page_that_failed_is_requested_again_and_earlier_ones_are_not(
    kind: Kind, server: FakeBuildkite, costs: Costs
) -> None:
    server.faults.add("error", status=403, message="Not now", after=1)
    seen: list[str] = []
    with costs(2), pytest.raises(PermissionDeniedError):
        seen.extend(item.id for item in kind.qs)
    assert seen == kind.ids[: len(seen)]
    with costs(2):
        assert ids(kind.qs) == kind.ids


def test_a_first_page_that_failed_is_requested_again(kind: Kind, server: FakeBuildkite, costs: Costs) -> None:
    server.faults.add("error", status=403, message="Not now")
    with pytest.raises(PermissionDeniedError):
        kind.qs.first()
    with costs(1):
        assert kind.qs[0].id == kind.ids[0]


@pytest.mark.parametrize("fault", ["cut_json", "truncate", "html", "reset_mid_body"])
def test_a_damaged_page_is_requested_again_silently(
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


def test_an_index_past_the_loaded_pages_requests_that_page_alone(numbered: Kind, costs: Costs) -> None:
    with costs(1):
        assert numbered.qs[46].id == numbered.ids[46]


def test_iteration_does_not_use_the_page_of_an_index(numbered: Kind, costs: Costs) -> None:
    assert numbered.qs[46].id == numbered.ids[46]
    with costs(3):
        assert ids(numbered.qs) == numbered.ids


def test_an_index_in_a_cursor_listing_loads_up_to_its_page(jobs: Kind, costs: Costs) -> None:
    with costs(2):
        assert jobs.qs[26].id == jobs.ids[26]
    with costs(0):
        assert jobs.qs[39].id == jobs.ids[39]


@pytest.mark.parametrize("index", [COUNT, COUNT + 1, 59, 60, 5000])
def test_an_index_past_the_end_is_an_index_error(kind: Kind, index: int) -> None:
    with pytest.raises(IndexError):
        kind.qs[index]


@pytest.mark.parametrize("index", [COUNT, -COUNT - 1, 5000])
def test_an_index_past_the_end_of_a_loaded_listing_sends_no_request(kind: Kind, costs: Costs, index: int) -> None:
    list(kind.qs)
    with costs(0), pytest.raises(IndexError):
        kind.qs[index]


def test_the_last_item_costs_two_requests_if_pages_are_numbered(numbered: Kind, costs: Costs) -> None:
    with costs(2):
        assert numbered.qs[-1].id == numbered.ids[-1]


def test_the_last_item_of_a_cursor_listing_loads_everything(jobs: Kind, costs: Costs) -> None:
    with costs(3):
        assert jobs.qs[-1].id == jobs.ids[-1]


def test_the_last_item_loads_everything_if_the_server_names_no_last_page(
    numbered: Kind, server: FakeBuildkite, costs: Costs
) -> None:
    server.settings.link_last = False
    with costs(1 + 3):
        assert numbered.qs[-1].id == numbered.ids[-1]
    with costs(0):
        list(numbered.qs)


def test_the_last_item_of_a_loaded_listing_is_not_requested(kind: Kind, costs: Costs) -> None:
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
def test_an_empty_listing_has_no_first_or_last_item(empty: Kind, index: int) -> None:
    with pytest.raises(IndexError):
        empty.qs[index]


# -- some


SLICES = [(0, 10, 1), (10, 30, 2), (0, 20, 1), (19, 21, 2), (0, 0, 0), (7, 7, 0), (9, 3, 0), (48, 80, 1)]


@pytest.mark.parametrize(("start", "stop", "requests"), SLICES)
def test_a_slice_requests_the_pages_that_it_covers(
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


def test_a_slice_of_a_loaded_listing_sends_no_request(kind: Kind, costs: Costs) -> None:
    list(kind.qs)
    with costs(0):
        assert ids(kind.qs[24:80]) == kind.ids[24:80]


@pytest.mark.parametrize(
    "bounds", [slice(-1, None), slice(None, -1), slice(-5, -1), slice(0, 10, 2), slice(None, None, -1)]
)
def test_negative_bounds_and_steps_are_rejected_without_a_request(kind: Kind, costs: Costs, bounds: slice) -> None:
    with costs(0), pytest.raises(ValueError, match="bounds"):
        kind.qs[bounds]
