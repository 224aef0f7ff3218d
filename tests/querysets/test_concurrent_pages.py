"""`.all(workers=…)`: concurrent requests if the filters allow for that, and the same list as from iteration."""

from __future__ import annotations

import random
import re
import threading
from datetime import UTC, datetime
from math import ceil
from typing import TYPE_CHECKING, Any

import pytest
from requests.adapters import BaseAdapter

from buildkite_orm import PermissionDeniedError
from buildkite_orm.fake import FakeBuildkite, ManualClock, Settings
from tests.helpers import ids, newest_first

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests import PreparedRequest, Response

    from buildkite_orm import Buildkite, BuildQuerySet
    from tests.conftest import Costs

NOON = datetime(2026, 8, 1, 12, tzinfo=UTC)
SHA = "0123456789abcdef0123456789abcdef01234567"
drifting = pytest.mark.filterwarnings("ignore::buildkite_orm.DriftWarning")


@pytest.fixture
def builds(server: FakeBuildkite, bk: Buildkite) -> BuildQuerySet:
    """The builds of a pipeline, ten to a page."""
    server.add_pipeline("web")
    return bk.organization("acme").pipeline("web").builds().per_page(10)


def page_numbers(server: FakeBuildkite) -> list[int]:
    """Return the page numbers in the requests, from 2 on."""
    return sorted(int(page) for each in server.requests if (page := dict(each.query).get("page")))


# -- under which filters


def test_the_first_page_fixes_a_window_and_the_rest_is_requested_by_number(
    server: FakeBuildkite, builds: BuildQuerySet, costs: Costs
) -> None:
    """The window begins at the second in which the first page ended, so one build is sent twice."""
    records = server.add_builds("web", 95)
    with costs(1 + ceil((95 - 10 + 1) / 10)):
        found = builds.all()
    assert ids(found) == newest_first(records)
    assert page_numbers(server) == list(range(2, 10))
    assert len({dict(each.query)["created_to"] for each in server.requests[1:]}) == 1


def test_all_returns_the_objects_of_iteration_without_another_request(
    server: FakeBuildkite, builds: BuildQuerySet, costs: Costs
) -> None:
    server.add_builds("web", 95)
    every = builds.all()
    with costs(0):
        assert all(one is other for one, other in zip(every, builds, strict=True))
        assert builds.all() == every


@pytest.mark.parametrize("count", [0, 1, 10, 11, 19, 20, 21])
def test_few_builds_cost_as_many_requests_as_in_order(
    server: FakeBuildkite, builds: BuildQuerySet, costs: Costs, count: int
) -> None:
    records = server.add_builds("web", count)
    with costs(1 if count <= 10 else 1 + ceil((count - 9) / 10)):
        assert ids(builds.all()) == newest_first(records)


@pytest.mark.parametrize(
    "filters",
    [
        {"branch": "main"},
        {"branch": ["main", "feature/*"]},
        {"commit": SHA},
        {"created_from": NOON.replace(hour=11)},
        {"created_to": NOON.replace(hour=13)},
        {"with_jobs": True},
    ],
)
def test_builds_under_constant_filters_are_loaded_concurrently(
    server: FakeBuildkite, builds: BuildQuerySet, filters: Any
) -> None:
    records = server.add_builds("web", 95, commit=SHA)
    assert ids(builds.filter(**filters).all()) == newest_first(records)
    assert page_numbers(server) == list(range(2, 10))


def test_the_builds_of_a_creator_are_loaded_concurrently(server: FakeBuildkite, builds: BuildQuerySet) -> None:
    user = server.add_user("Grace", "grace@acme.example")
    records = server.add_builds("web", 95, creator=user)
    assert ids(builds.filter(creator=user.id).all()) == newest_first(records)
    assert page_numbers(server) == list(range(2, 10))


@pytest.mark.parametrize(
    "filters",
    [
        {"state": "running"},
        {"finished_from": NOON.replace(hour=1)},
        {"meta_data": {"key": "value"}},
        {"include_paused": False},
        {"commit": "HEAD"},
        {"branch": "main", "state": "running"},
    ],
)
def test_builds_under_filters_that_they_can_leave_are_loaded_in_order(
    server: FakeBuildkite, builds: BuildQuerySet, filters: Any, costs: Costs
) -> None:
    commit = filters.get("commit", SHA)
    finished = NOON.timestamp()
    records = server.add_builds(
        "web", 95, state="running", commit=commit, meta_data={"key": "value"}, finished_at=finished
    )
    with costs(1 + ceil((95 - 10) / 9)):
        assert ids(builds.filter(**filters).all()) == newest_first(records)
    assert page_numbers(server) == []


def test_one_worker_loads_in_order(server: FakeBuildkite, builds: BuildQuerySet, costs: Costs) -> None:
    records = server.add_builds("web", 95)
    with costs(1 + ceil((95 - 10) / 9)):
        assert ids(builds.all(workers=1)) == newest_first(records)
    assert page_numbers(server) == []


def test_a_second_that_is_not_over_is_loaded_in_order(server: FakeBuildkite, builds: BuildQuerySet) -> None:
    """The first page lies in one second, in which builds may still be created."""
    records = server.add_builds("web", 60, spacing=0.001, newest=NOON.timestamp() + 0.5)
    assert ids(builds.all()) == newest_first(records)
    numbered = [dict(each.query) for each in server.requests if "page" in dict(each.query)]
    assert [query["page"] for query in numbered] == ["2", "3", "4", "5", "6"]
    assert {query.get("created_from") for query in numbered} == {"2026-08-01T12:00:00Z"}


def test_builds_are_loaded_in_order_if_the_server_names_no_last_page(
    server: FakeBuildkite, builds: BuildQuerySet
) -> None:
    server.settings.link_last = False
    records = server.add_builds("web", 95)
    assert ids(builds.all()) == newest_first(records)
    assert page_numbers(server) == []


def test_a_last_page_that_is_far_past_the_end_costs_neither_memory_nor_requests(server: FakeBuildkite) -> None:
    records = server.add_builds("web", 35)
    with server.client(transport=FarLast(server)) as bk:
        found = bk.organization("acme").pipeline("web").builds().per_page(10).all(workers=2)
    assert ids(found) == newest_first(records)
    assert len(server.requests) < 60


class FarLast(BaseAdapter):
    """A transport through which the last page has a very large number."""

    def __init__(self, server: FakeBuildkite) -> None:
        super().__init__()
        self._inner = server.adapter()

    def send(self, request: PreparedRequest, *_: Any, **options: Any) -> Response:
        response = self._inner.send(request, **options)
        link = response.headers.get("Link", "")
        response.headers["Link"] = re.sub(r"page=\d+([^,]*rel=\"last\")", rf"page={10**15}\1", link)
        return response

    def close(self) -> None:
        pass


# -- depth


@pytest.mark.parametrize("count", [400, 480, 510, 700])
def test_requests_are_concurrent_down_to_the_depth_limit_and_then_by_time(
    server: FakeBuildkite, builds: BuildQuerySet, count: int
) -> None:
    server.settings.depth_limit = 300
    records = server.add_builds("web", count)
    assert ids(builds.all(workers=4)) == newest_first(records)
    refused = [each for each in server.requests if each.status == 400]
    assert len(refused) <= 4


def test_past_the_depth_limit_full_seconds_are_still_listed(server: FakeBuildkite, builds: BuildQuerySet) -> None:
    server.settings.depth_limit = 50
    server.settings.time_precision = server.settings.filter_precision = "seconds"
    records = server.add_builds("web", 200, spacing=0.09)
    assert ids(builds.all()) == newest_first(records)


# -- limits, and pages that are loaded already


def test_a_limit_bounds_the_requests(server: FakeBuildkite, builds: BuildQuerySet, costs: Costs) -> None:
    records = server.add_builds("web", 95)
    with costs(1 + ceil((45 - 10 + 1) / 10)):
        assert ids(builds.limit(45).all()) == newest_first(records)[:45]


def test_a_limit_within_the_first_page_is_one_request(
    server: FakeBuildkite, builds: BuildQuerySet, costs: Costs
) -> None:
    server.add_builds("web", 95)
    with costs(1):
        assert len(builds.limit(10).all()) == 10


def test_loaded_pages_are_not_requested(server: FakeBuildkite, builds: BuildQuerySet, costs: Costs) -> None:
    records = server.add_builds("web", 95)
    before = [build for build, _ in zip(builds, range(25), strict=False)]
    with costs(ceil((95 - 28 + 1) / 10)):
        every = builds.all()
    assert ids(every) == newest_first(records)
    assert all(one is other for one, other in zip(before, every, strict=False))


# -- what goes wrong


def test_an_error_in_the_middle_keeps_the_pages_before_it(
    server: FakeBuildkite, builds: BuildQuerySet, costs: Costs
) -> None:
    records = server.add_builds("web", 95)
    server.faults.add("error", status=403, message="Not now", match="page=5")
    with pytest.raises(PermissionDeniedError):
        builds.all(workers=2)
    loaded = 10 + 10 + 3 * 10 - 1
    assert f"[{loaded}+ loaded]" in repr(builds)
    with costs(ceil((95 - loaded + 1) / 10)):
        assert ids(builds.all()) == newest_first(records)


def test_iteration_continues_after_an_error(server: FakeBuildkite, builds: BuildQuerySet) -> None:
    records = server.add_builds("web", 95, spacing=0.3)
    server.faults.add("error", status=403, message="Not now", match="page=5")
    with pytest.raises(PermissionDeniedError):
        builds.all(workers=3)
    assert ids(builds) == newest_first(records)


@pytest.mark.parametrize("page", [3, 4, 5, 6])
def test_after_an_error_in_a_crowded_second_no_build_is_repeated(
    server: FakeBuildkite, builds: BuildQuerySet, page: int
) -> None:
    older = server.add_builds("web", 20, newest=NOON.timestamp() - 60)
    crowd = server.add_builds("web", 40, spacing=0.01, newest=NOON.timestamp() - 59.1)
    newer = server.add_builds("web", 15)
    server.faults.add("error", status=403, message="Not now", match=f"[?&]page={page}&|[?&]page={page}$")
    with pytest.raises(PermissionDeniedError):
        builds.all(workers=2)
    assert ids(builds) == newest_first([*older, *crowd, *newer])


def test_nothing_more_is_requested_after_an_error(server: FakeBuildkite, builds: BuildQuerySet) -> None:
    server.add_builds("web", 500)
    server.faults.add("error", status=403, message="Not now", match=r"[?&]page=2")
    with pytest.raises(PermissionDeniedError):
        builds.all(workers=2)
    assert len(server.requests) < 20  # of 50: requests that are under way are finished, and no other one is sent


@pytest.mark.parametrize("fault", ["html", "cut_json", "reset_mid_body"])
def test_a_damaged_page_is_requested_again(server: FakeBuildkite, builds: BuildQuerySet, fault: Any) -> None:
    records = server.add_builds("web", 95)
    server.faults.add(fault, match="page=4")
    assert ids(builds.all()) == newest_first(records)


@drifting
def test_unreadable_times_lose_nothing(server: FakeBuildkite, builds: BuildQuerySet) -> None:
    records = server.add_builds("web", 95, spacing=0.3)

    def spoil(payload: Any) -> Any:
        return [each | ({"created_at": "some day"} if each["number"] % 5 < 2 else {}) for each in payload]

    server.settings.drift = spoil
    assert sorted(ids(builds.all())) == sorted(newest_first(records))


# -- at the same time


def test_builds_created_meanwhile_shift_nothing(server: FakeBuildkite, builds: BuildQuerySet) -> None:
    records = server.add_builds("web", 95, spacing=0.3)

    def arrive(payload: Any) -> Any:
        server.clock.advance(0.1)
        server.add_build("web")
        return payload

    server.settings.drift = arrive
    found = ids(builds.all())
    assert [each for each in found if each in {record.id for record in records}] == newest_first(records)
    assert len(found) == len(set(found))


@pytest.mark.parametrize("workers", [2, 8])
def test_over_sockets_it_is_the_same_list(server: FakeBuildkite, workers: int) -> None:
    records = server.add_builds("web", 300, spacing=0.25)
    with server.client(http=True) as bk:
        assert ids(bk.organization("acme").builds().per_page(10).all(workers=workers)) == newest_first(records)


class MeetingClock(ManualClock):
    """A clock whose sleepers wait until there are three of them."""

    def __init__(self) -> None:
        super().__init__()
        self.meeting = threading.Barrier(3, timeout=20)

    def wait_until(self, moment: float, /) -> None:
        """Wait for the others."""
        del moment
        self.meeting.wait()


def test_requests_over_sockets_are_concurrent() -> None:
    """No page but the first is sent until three are requested."""
    own = Settings(organization_limit=None, user_limit=None)
    with FakeBuildkite(populate=False, settings=own, clock=MeetingClock()) as server:
        server.add_builds("web", 40)
        server.faults.add("latency", match=r"[?&]page=", times=None, seconds=1)
        with server.client(http=True, clock=ManualClock()) as bk:
            assert len(bk.organization("acme").builds().per_page(10).all(workers=3)) == 40


@pytest.mark.parametrize("http", [False, True])
def test_threads_that_load_all_at_once_agree(server: FakeBuildkite, *, http: bool) -> None:
    records = server.add_builds("web", 120, spacing=0.4)
    with server.client(http=http) as bk:
        builds = bk.organization("acme").builds().per_page(10)
        found: list[list[str]] = []
        readers = [threading.Thread(target=lambda: found.append(ids(builds.all(workers=3)))) for _ in range(3)]
        readers.append(threading.Thread(target=lambda: found.append(ids(builds))))
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
    assert found == [newest_first(records)] * 4


@pytest.mark.parametrize("seed", range(6))
def test_all_returns_the_same_as_iteration_for_any_listing(server: FakeBuildkite, bk: Buildkite, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - any builds
    server.settings.depth_limit = chance.choice([None, 50])
    server.settings.time_precision = server.settings.filter_precision = chance.choice(["seconds", "milliseconds"])
    moments = sorted(NOON.timestamp() - chance.random() * chance.choice([1, 20]) for _ in range(60))
    records = [server.add_build("web", created_at=each) for each in moments]
    builds = bk.organization("acme").builds().per_page(chance.randrange(2, 9))
    assert ids(builds.all(workers=chance.randrange(1, 5))) == newest_first(records)


# -- the log line


@pytest.fixture
def in_order(caplog: pytest.LogCaptureFixture) -> Callable[[], int]:
    """Count the log lines that say that pages are loaded in order."""
    caplog.set_level("INFO", logger="buildkite_orm")
    return lambda: sum("in order" in record.message and record.levelname == "INFO" for record in caplog.records)


def test_that_filters_rule_out_concurrent_requests_is_logged_once(
    server: FakeBuildkite, builds: BuildQuerySet, in_order: Callable[[], int]
) -> None:
    server.add_builds("web", 95, state="running")
    running = builds.filter(state="running")
    for _ in range(2):
        assert len(running.all()) == 95
    assert in_order() == 1


@pytest.mark.parametrize(
    ("filters", "workers", "count"),
    [({}, 8, 95), ({"state": "running"}, 1, 95), ({"state": "running"}, 8, 10)],
    ids=["concurrent", "one worker", "one page"],
)
def test_nothing_is_logged_if_filters_rule_out_nothing(  # noqa: PLR0917 - the cases
    server: FakeBuildkite,
    builds: BuildQuerySet,
    in_order: Callable[[], int],
    filters: Any,
    workers: int,
    count: int,
) -> None:
    server.add_builds("web", count, state="running")
    assert len(builds.filter(**filters).all(workers=workers)) == count
    assert in_order() == 0


def test_a_listing_that_is_never_loaded_concurrently_takes_no_workers(bk: Buildkite) -> None:
    with pytest.raises(TypeError, match="workers"):
        bk.organization("acme").agents().all(workers=2)  # type: ignore[call-arg]
