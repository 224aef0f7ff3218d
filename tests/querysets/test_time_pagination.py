"""Builds paged by time: the number of requests, their parameters, and the limits of paging by time."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm import BadRequestError, PermissionDeniedError, ResponseError
from tests.helpers import ids, newest_first

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildkite_orm import Build, Buildkite, BuildQuerySet
    from buildkite_orm.fake import FakeBuildkite
    from buildkite_orm.fake.records import BuildRecord
    from tests.conftest import Costs

NOON = datetime(2026, 8, 1, 12, tzinfo=UTC)
WHOLE = NOON.timestamp() - 3600
drifting = pytest.mark.filterwarnings("ignore::buildkite_orm.DriftWarning")


@pytest.fixture
def builds(server: FakeBuildkite, bk: Buildkite) -> BuildQuerySet:
    """The builds of a pipeline."""
    server.add_pipeline("web")
    return bk.organization("acme").pipeline("web").builds()


def at(server: FakeBuildkite, *seconds: float, **fields: Any) -> list[BuildRecord]:
    """Add a build at each of these seconds after a whole one."""
    return [server.add_build("web", created_at=WHOLE + each, **fields) for each in seconds]


def requested(server: FakeBuildkite, name: str) -> list[str | None]:
    return [dict(request.query).get(name) for request in server.requests]


def once_each(found: list[Build], records: list[BuildRecord]) -> None:
    assert Counter(ids(found)) == Counter(record.id for record in records)


# -- what it costs


@pytest.mark.parametrize("count", [101, 102, 198, 199, 200, 298, 299, 1000])
def test_the_requests_for_more_than_a_page_of_builds(
    server: FakeBuildkite, builds: BuildQuerySet, costs: Costs, count: int
) -> None:
    records = server.add_builds("web", count)
    with costs(1 + ceil((count - 100) / 99)):
        found = list(builds)
    assert ids(found) == newest_first(records)


@pytest.mark.parametrize("count", [0, 1, 99, 100])
def test_up_to_a_page_of_builds_costs_one_request(
    server: FakeBuildkite, builds: BuildQuerySet, costs: Costs, count: int
) -> None:
    server.add_builds("web", count)
    with costs(1):
        assert len(list(builds)) == count


@pytest.mark.parametrize("count", [101, 200, 1000])
def test_it_costs_the_same_if_times_are_cut_to_seconds(
    server: FakeBuildkite, builds: BuildQuerySet, costs: Costs, count: int
) -> None:
    server.settings.time_precision = server.settings.filter_precision = "seconds"
    records = server.add_builds("web", count, newest=NOON.timestamp() - 0.4)
    with costs(1 + ceil((count - 100) / 99)):
        assert ids(builds) == newest_first(records)


def test_the_depth_limit_is_not_reached(server: FakeBuildkite, builds: BuildQuerySet) -> None:
    server.settings.depth_limit = 500
    records = server.add_builds("web", 1200)
    assert ids(builds) == newest_first(records)
    assert set(requested(server, "page")) == {None}


def test_it_needs_no_last_page(server: FakeBuildkite, builds: BuildQuerySet, costs: Costs) -> None:
    server.settings.link_last = False
    records = server.add_builds("web", 250)
    with costs(3):
        assert ids(builds) == newest_first(records)


@pytest.mark.parametrize("precision", ["seconds", "milliseconds"])
def test_builds_of_the_second_at_the_end_of_a_page_are_not_repeated(
    server: FakeBuildkite, builds: BuildQuerySet, precision: Any
) -> None:
    server.settings.time_precision = server.settings.filter_precision = precision
    records = at(server, 0, 0.2, 0.9, 1.0, 1.001, 1.5, 1.5, 1.999, 2.0, 2.7, 3.0)
    for size in range(1, 12):
        assert ids(builds.per_page(size)) == newest_first(records)


def test_the_listing_ends_if_the_server_names_no_next_page(
    server: FakeBuildkite, builds: BuildQuerySet, costs: Costs
) -> None:
    at(server, 0, 1, 2, 3)
    with costs(1):
        assert len(list(builds.per_page(4))) == 4


# -- the caller's own bounds


def test_the_bound_sent_is_the_next_whole_second(server: FakeBuildkite, builds: BuildQuerySet) -> None:
    at(server, 0.25, 5.5, 9.75)
    list(builds.per_page(2))
    assert requested(server, "created_to") == [None, "2026-08-01T11:00:06Z"]


def test_the_bound_sent_is_not_later_than_the_caller_s(server: FakeBuildkite, builds: BuildQuerySet) -> None:
    records = at(server, 5.1, 5.2, 5.6, 5.9)
    bound = datetime.fromtimestamp(WHOLE + 5.5, UTC)
    assert ids(builds.filter(created_to=bound).per_page(1)) == newest_first(records[:2])
    assert set(requested(server, "created_to")) == {"2026-08-01T11:00:05.500000Z", "2026-08-01T11:00:05Z"}


def test_created_from_is_sent_with_each_request(server: FakeBuildkite, builds: BuildQuerySet) -> None:
    records = at(server, 1.1, 1.4, 1.6, 2.5, 3.5, 4.5)
    begin = datetime.fromtimestamp(WHOLE + 1.3, UTC)
    assert ids(builds.filter(created_from=begin).per_page(2)) == newest_first(records[1:])
    assert set(requested(server, "created_from")) == {"2026-08-01T11:00:01.300000Z"}


def test_created_from_applies_within_a_crowded_second(server: FakeBuildkite, builds: BuildQuerySet) -> None:
    records = at(server, 1.1, 1.2, 1.4, 1.5, 1.6, 1.7, 1.8, 2.5)
    begin = datetime.fromtimestamp(WHOLE + 1.3, UTC)
    assert ids(builds.filter(created_from=begin).per_page(2)) == newest_first(records[2:])


def test_bounds_of_any_zone_are_sent_as_utc(server: FakeBuildkite, builds: BuildQuerySet) -> None:
    from zoneinfo import ZoneInfo  # noqa: PLC0415

    sydney = datetime(2026, 8, 1, 21, 0, 3, tzinfo=ZoneInfo("Australia/Sydney"))
    records = at(server, 1, 2, 3)
    assert ids(builds.filter(created_to=sydney).per_page(1)) == newest_first(records[:2])


def test_nothing_before_created_from_is_requested(server: FakeBuildkite, builds: BuildQuerySet, costs: Costs) -> None:
    """A first page, the same second again, and its four pages; there is nothing before it."""
    at(server, 0, 1, 2, *(5 + each / 10 for each in range(8)))
    with costs(2 + 4):
        assert len(list(builds.filter(created_from=datetime.fromtimestamp(WHOLE + 5, UTC)).per_page(2))) == 8


@pytest.mark.parametrize("name", ["created_from", "created_to"])
def test_a_bound_that_is_not_a_datetime_is_rejected(builds: BuildQuerySet, name: str) -> None:
    bound: Any = {name: "2026-08-01T11:00:00Z"}
    with pytest.raises(TypeError, match=f"{name}=.*datetime"):
        builds.filter(**bound)


# -- more builds in one second than a page holds


def test_a_crowded_second_is_paged_by_number_and_then_by_time_again(
    server: FakeBuildkite, builds: BuildQuerySet, costs: Costs
) -> None:
    """One page, one that cannot advance, four of the second, and one of earlier builds."""
    records = at(server, 0, 1, *(5 + each / 100 for each in range(40)), 9)
    with costs(1 + 1 + 4 + 1):
        found = list(builds.per_page(10))
    assert ids(found) == newest_first(records)
    assert requested(server, "page") == [None, None, None, "2", "3", "4", None]
    second = ("2026-08-01T11:00:05Z", "2026-08-01T11:00:06Z")
    assert [
        (dict(each.query).get("created_from"), dict(each.query)["created_to"]) for each in server.requests[2:6]
    ] == [second] * 4


def test_a_crowded_second_that_builds_can_leave_is_swept_until_nothing_is_added(
    server: FakeBuildkite, builds: BuildQuerySet
) -> None:
    records = at(server, 0, *(5 + each / 100 for each in range(40)), state="running")
    assert ids(builds.filter(state="running").per_page(10)) == newest_first(records)
    assert requested(server, "page") == [None, None, None, "2", "3", "4", "3", "2", None, None]


def test_a_sweep_finds_what_another_missed(server: FakeBuildkite, builds: BuildQuerySet) -> None:
    """While the second is paged, builds of its first page end, and move others past the pages that are requested."""
    records = at(server, *(5 + each / 100 for each in range(12)), state="running")
    ending = iter(records[::-1][:4])

    def end_one(payload: Any) -> Any:
        if len(server.requests) > 2 and (record := next(ending, None)):
            server.set_state(record, "passed")
        return payload

    server.settings.drift = end_one
    found = ids(builds.filter(state="running").per_page(3))
    assert sorted(found) == sorted(set(found))
    assert {record.id for record in records[:8]} <= set(found)


def test_a_second_that_keeps_changing_is_an_error(server: FakeBuildkite, builds: BuildQuerySet) -> None:
    at(server, *(5 + each / 100 for each in range(20)), state="running")

    def start_one(payload: Any) -> Any:
        at(server, 5.5, state="running")
        return payload

    server.settings.drift = start_one
    with pytest.raises(ResponseError, match=r"too fast to list\. Narrow the query"):
        list(builds.filter(state="running").per_page(10))
    assert len(server.requests) < 100


@pytest.mark.parametrize("filters", [{}, {"state": "passed"}])
def test_a_second_that_is_deeper_than_the_server_lists_is_a_clear_error(
    server: FakeBuildkite, builds: BuildQuerySet, filters: Any
) -> None:
    server.settings.depth_limit = 500
    at(server, *([5.5] * 620))
    with pytest.raises(BadRequestError, match=r"this deep.*created at 2026-08-01T11:00:05Z.*narrow") as caught:
        list(builds.filter(**filters))
    assert caught.value.status == 400
    assert len(server.requests) == 2 + 6


def test_a_second_as_deep_as_the_server_lists_is_listed(server: FakeBuildkite, builds: BuildQuerySet) -> None:
    server.settings.depth_limit = 500
    records = at(server, *([5.5] * 500), 1, 2)
    assert sorted(ids(builds)) == sorted(newest_first(records))


def test_iteration_continues_with_the_page_of_a_crowded_second_that_failed(
    server: FakeBuildkite, builds: BuildQuerySet
) -> None:
    records = at(server, 0, 1, *(5 + each / 100 for each in range(40)), 9)
    held = builds.per_page(10)
    server.faults.add("error", status=403, message="Not now", match="page=3")
    with pytest.raises(PermissionDeniedError):
        list(held)
    before = len(server.requests)
    assert ids(held) == newest_first(records)
    assert requested(server, "page")[before:] == ["3", "4", None]


def test_after_a_failure_within_a_sweep_nothing_deeper_is_requested(
    server: FakeBuildkite, builds: BuildQuerySet
) -> None:
    """The second is as deep as the server lists, so that a page behind its last one would be refused."""
    server.settings.depth_limit = 40
    records = at(server, *(5 + each / 100 for each in range(40)), state="running")
    held = builds.filter(state="running").per_page(10)
    server.faults.add("error", status=403, message="Not now", match="page=3", after=1)
    with pytest.raises(PermissionDeniedError):
        list(held)
    before = len(server.requests)
    assert ids(held) == newest_first(records)
    assert requested(server, "page")[before:] == ["4", "3", "2", None, None]


def test_a_commit_that_is_not_full_is_one_that_builds_can_leave(server: FakeBuildkite, builds: BuildQuerySet) -> None:
    """`HEAD` is replaced by what it means, once an agent knows."""
    at(server, *(5 + each / 10 for each in range(6)), commit="HEAD")
    list(builds.filter(commit="HEAD").per_page(2))
    swept = len(server.requests)
    server.requests.clear()
    at(server, *(5 + each / 10 for each in range(6)), commit="a" * 40)
    list(builds.filter(commit="a" * 40).per_page(2))
    assert len(server.requests) < swept


# -- times that cannot be read


def unreadable(server: FakeBuildkite, spoiled: Callable[[dict[str, Any]], bool], value: Any = "some day") -> None:
    """Make the server send an unreadable time of creation for some builds."""

    def spoil(payload: Any) -> Any:
        return [each | {"created_at": value} if spoiled(each) else each for each in payload]

    server.settings.drift = spoil


@drifting
@pytest.mark.parametrize("value", ["some day", None, 17, {"at": "noon"}])
def test_after_an_unreadable_time_at_the_end_of_a_page_the_link_is_followed(
    server: FakeBuildkite, builds: BuildQuerySet, value: Any
) -> None:
    records = at(server, *range(9))
    last = newest_first(records)[2]
    unreadable(server, lambda each: each["id"] == last, value)
    assert ids(builds.per_page(3)) == newest_first(records)
    assert requested(server, "page") == [None, "2", None, None]


@drifting
def test_an_unreadable_time_elsewhere_on_a_page_changes_nothing(server: FakeBuildkite, builds: BuildQuerySet) -> None:
    records = at(server, *range(9))
    unreadable(server, lambda each: each["id"] == newest_first(records)[1])
    assert ids(builds.per_page(3)) == newest_first(records)
    assert set(requested(server, "page")) == {None}


@drifting
def test_builds_without_readable_times_are_paged_by_links(
    server: FakeBuildkite, builds: BuildQuerySet, costs: Costs
) -> None:
    records = at(server, *range(9))
    unreadable(server, lambda _: True)
    with costs(3):
        assert ids(builds.per_page(3)) == newest_first(records)


@drifting
@pytest.mark.parametrize("size", [1, 2, 3, 4])
@pytest.mark.parametrize("every", [2, 3, 4])
def test_unreadable_times_within_a_crowded_second_repeat_no_build(
    server: FakeBuildkite, builds: BuildQuerySet, size: int, every: int
) -> None:
    records = at(server, 0, 1, *(5 + each / 100 for each in range(12)), 9)
    unreadable(server, lambda each: each["number"] % every == 0)
    once_each(list(builds.per_page(size)), records)


@drifting
def test_missing_ids_repeat_no_build(server: FakeBuildkite, builds: BuildQuerySet) -> None:
    at(server, 0, 1, 1.2, 1.4, 2)
    server.settings.drift = lambda payload: [
        {name: value for name, value in each.items() if name != "id"} for each in payload
    ]
    assert [build.number for build in builds.per_page(2)] == [5, 4, 3, 2, 1]


# -- servers that do not do as requested


def page_of(bk: Buildkite, size: int) -> list[Any]:
    return [build.dump() for build in bk.organization("acme").builds().per_page(size).page(1).items]


@pytest.mark.parametrize("times", [1, 10])
def test_a_server_that_repeats_a_page_is_not_followed_forever(
    server: FakeBuildkite, builds: BuildQuerySet, bk: Buildkite, times: int
) -> None:
    """It sends its first page for any request, and names a next one."""
    at(server, *(10 * each for each in range(times)), *([100.5] * 10))
    payload = page_of(bk, 10 + times)
    link = '<https://api.buildkite.com/v2/organizations/acme/pipelines/web/builds?page=2>; rel="next"'
    server.requests.clear()
    server.faults.add("error", status=200, payload=payload, headers={"Link": link}, times=None)
    with pytest.raises(ResponseError, match=r"repeats a page|ignores created_to"):
        list(builds)
    assert len(server.requests) < 30


def test_a_server_that_ignores_the_bound_repeats_no_build(
    server: FakeBuildkite, builds: BuildQuerySet, bk: Buildkite
) -> None:
    at(server, *(10 * each for each in range(10)))
    payload = page_of(bk, 10)
    link = '<https://api.buildkite.com/v2/organizations/acme/pipelines/web/builds?page=2>; rel="next"'
    server.faults.add("error", status=200, payload=payload, headers={"Link": link}, times=None)
    seen: list[str] = []
    with pytest.raises(ResponseError, match="ignores created_to"):
        seen.extend(build.id for build in builds)
    assert len(seen) == len(set(seen)) == 10


def test_an_empty_page_does_not_end_the_listing(server: FakeBuildkite, builds: BuildQuerySet) -> None:
    records = at(server, *range(5))
    link = '<https://api.buildkite.com/v2/organizations/acme/pipelines/web/builds?page=1&per_page=2>; rel="next"'
    server.faults.add("error", status=200, payload=[], headers={"Link": link})
    assert ids(builds.per_page(2)) == newest_first(records)


# -- builds that change during iteration


def test_builds_created_between_pages_shift_nothing(server: FakeBuildkite, builds: BuildQuerySet) -> None:
    records = server.add_builds("web", 30)
    stream = iter(builds.per_page(10))
    found = [next(stream).id for _ in range(10)]
    for _ in range(7):
        server.clock.advance(1.5)
        server.add_build("web")
    found += [build.id for build in stream]
    assert found == newest_first(records)


def test_builds_that_finish_between_pages_hide_none_that_still_run(
    server: FakeBuildkite, builds: BuildQuerySet
) -> None:
    records = server.add_builds("web", 30, state="running")
    stream = iter(builds.filter(state="running").per_page(10))
    found = [next(stream).id for _ in range(10)]
    for record in records[-10:]:
        server.set_state(record, "passed")
    found += [build.id for build in stream]
    assert found == newest_first(records)


def test_builds_of_all_organizations_are_paged_by_time(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_organization("other")
    records = [
        server.add_build("web", organization=owner, created_at=WHOLE + each / 4)
        for each, owner in enumerate(["acme", "other"] * 10)
    ]
    assert ids(bk.builds().per_page(3)) == newest_first(records)


def test_a_limit_ends_it(server: FakeBuildkite, builds: BuildQuerySet, costs: Costs) -> None:
    records = server.add_builds("web", 300)
    with costs(2):
        assert ids(builds.limit(150)) == newest_first(records)[:150]


def test_a_limit_applies_within_a_crowded_second(server: FakeBuildkite, builds: BuildQuerySet) -> None:
    records = at(server, 0, *(5 + each / 100 for each in range(40)), 9)
    assert ids(builds.per_page(10).limit(25)) == newest_first(records)[:25]


def test_the_oldest_build_may_be_from_any_time(server: FakeBuildkite, builds: BuildQuerySet) -> None:
    record = server.add_build("web", created_at=datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=1))
    server.add_build("web")
    assert list(builds.per_page(1))[-1].id == record.id
