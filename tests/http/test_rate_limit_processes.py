"""`Buildkite(processes=n)`: processes with one token share its budgets, and know of each other only by the headers."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm import ConfigurationError, RateLimitError, RetryPolicy
from buildkite_orm.fake import FakeBuildkite, ManualClock, Settings, SharedClock
from buildkite_orm.http.rate_limit import RateLimiter
from tests.helpers import ids

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildkite_orm import Buildkite, BuildQuerySet
    from buildkite_orm.http.retry import Wait

WINDOW = 60.0


@dataclass
class Run:
    """The requests of processes with one token, simulated by threads that share a clock.

    Attributes:
        seconds: How long it took.
        windows: How many requests the server received in each window.
        rejected: How many of them it rejected.
        results: What each process has loaded.
    """

    seconds: float
    windows: list[int]
    rejected: int
    results: list[list[int]]

    @property
    def requests(self) -> int:
        return sum(self.windows)


def simulate(work: Sequence[int], *, processes: int, patience: float = 300, **settings: Any) -> Run:
    """Fetch builds in processes: `work` has the number of requests of each, and the others are idle.

    A request takes 0.1 seconds unless the settings of the server say otherwise.
    """
    clock = SharedClock(threads=len(work))
    values: dict[str, Any] = {"latency": 0.1, "rate_window": WINDOW, **settings}
    options = Settings(**values)
    with FakeBuildkite(populate=False, settings=options, clock=clock) as server:
        server.add_builds("web", max(work), newest=clock.now() - 1)
        began, arrivals = clock.now(), list[float]()

        def note(payload: object) -> object:
            arrivals.append(clock.now())
            return payload

        options.drift = note

        def process(count: int) -> list[int]:
            with clock.thread(), server.client(processes=processes, retry=RetryPolicy(max_elapsed=patience)) as bk:
                builds = bk.organization("acme").pipeline("web")
                return [builds.build(number + 1).fetch(with_jobs=False).number for number in range(count)]

        with ThreadPoolExecutor(len(work)) as pool:
            results = list(pool.map(process, work))
        rejected = sum(request.status == 429 for request in server.requests)
        assert len(arrivals) == len(server.requests)
        return Run(clock.now() - began, per_window(arrivals), rejected, results)


def per_window(arrivals: list[float]) -> list[int]:
    """Count requests in windows, each of which begins with its first request."""
    windows, begins = list[int](), -math.inf
    for arrival in sorted(arrivals):
        if arrival >= begins + WINDOW:
            begins = arrival
            windows.append(0)
        windows[-1] += 1
    return windows


# -- as fast as the budget allows --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("each", "limits"),
    [
        (15, {"user_limit": 50}),  # 240 requests
        (25, {"user_limit": 50}),  # 8 windows that are full to the last request
        (10, {"user_limit": 100, "organization_limit": 40}),
        (30, {"user_limit": None, "organization_limit": 100}),
    ],
    ids=str,
)
def test_sixteen_processes_use_the_whole_budget_without_a_429(each: int, limits: dict[str, Any]) -> None:
    run = simulate([each] * 16, processes=16, **limits)
    limit: int = min(filter(None, limits.values()))
    windows = math.ceil(16 * each / limit) - 1
    least = windows * WINDOW + 0.1 * math.ceil((16 * each - windows * limit) / 16)
    assert run.rejected == 0
    assert run.windows == [limit] * windows + [16 * each - windows * limit]
    assert run.seconds <= 1.05 * least
    assert run.results == [list(range(1, each + 1))] * 16


def test_without_it_many_requests_are_rejected() -> None:
    run = simulate([15] * 16, processes=1)
    assert run.rejected >= 20
    assert run.results == [list(range(1, 16))] * 16


@pytest.mark.parametrize("latency", [0.0, 0.7])
def test_the_time_of_a_response_makes_no_difference(latency: float) -> None:
    run = simulate([15] * 16, processes=16, latency=latency)
    assert (run.rejected, run.windows) == (0, [50, 50, 50, 50, 40])


def test_slow_responses_cause_no_429() -> None:
    run = simulate([10] * 16, processes=16, latency=4.0)
    assert run.rejected == 0
    assert run.seconds <= 3 * WINDOW + 70


def test_a_busy_process_uses_the_budget_of_fifteen_idle_ones() -> None:
    run = simulate([240], processes=16)
    assert run.rejected == 0
    assert run.windows == [35, 50, 50, 50, 50, 5]  # the first window leaves a request to each of the others


def test_some_busy_processes_leave_one_request_to_each_idle_one() -> None:
    run = simulate([40] * 4, processes=16)
    assert run.rejected == 0
    assert run.windows[:2] == [38, 38]  # later, some have finished
    assert run.results == [list(range(1, 41))] * 4


def test_more_processes_than_requests_in_a_window_all_finish() -> None:
    run = simulate([3] * 12, processes=12, patience=3600, user_limit=5, organization_limit=None)
    assert run.results == [[1, 2, 3]] * 12
    assert run.seconds <= 12 * (WINDOW + 3)


def test_a_reserve_is_left_before_the_budget_is_divided() -> None:
    clock = SharedClock(threads=4)
    settings = Settings(user_limit=None, organization_limit=40)
    with FakeBuildkite(populate=False, settings=settings, clock=clock) as server:

        def process(_: int) -> None:
            with clock.thread(), server.client(processes=4, reserve=0.5) as bk:
                for _ in range(5):
                    bk.organization("acme").fetch()

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(process, range(4)))
        assert clock.now() - ManualClock().now() < WINDOW
        assert {request.status for request in server.requests} == {200}
        with server.client(processes=4, reserve=0.5, retry=RetryPolicy(max_wait=1)) as bk:
            bk.organization("acme").fetch()
            with pytest.raises(RateLimitError):
                bk.organization("acme").fetch()


def test_partitions_that_processes_list_are_the_whole_listing(server: FakeBuildkite, bk: Buildkite) -> None:
    oldest, *_, newest = server.add_builds("web", 300, spacing=1000)
    builds = bk.organization("acme").builds(
        created_from=datetime.fromtimestamp(oldest.created_at, UTC),
        created_to=datetime.fromtimestamp(newest.created_at + 1, UTC),
    )

    def process(part: BuildQuerySet) -> list[str]:
        with server.client(processes=4) as client:
            return ids(client.bind(part))

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(process, builds.partitions(by=timedelta(hours=12))))
    assert [each for part in found for each in part] == ids(builds)
    assert len(found) == 7


# -- one process -------------------------------------------------------------------------------------------------------


class Process:
    """The limiter of one of several processes, and the waits that it announces."""

    def __init__(self, processes: int, **policy: Any) -> None:
        self.waits: list[Wait] = []
        self.clock = ManualClock()
        policy_ = RetryPolicy(on_wait=self.waits.append, **policy)
        self.limiter = RateLimiter(self.clock, policy_, processes=processes)

    def receive(self, remaining: int, *, limit: int = 50, reset: int = 60, seconds: float = 0.0) -> None:
        headers = {"RateLimit-User-Remaining": remaining, "RateLimit-User-Reset": reset, "RateLimit-User-Limit": limit}
        self.limiter.update_from_headers(None, {name: str(value) for name, value in headers.items()}, seconds=seconds)

    def send(self, remaining: int | None = None, **options: Any) -> float:
        """Send a request, and return how long it had to wait."""
        began = self.clock.now()
        with self.limiter.acquire(None, deadline=math.inf):
            waited = self.clock.now() - began
            if remaining is None:
                self.limiter.update_from_headers(None, {})
            else:
                self.receive(remaining, **options)
        return waited


def test_a_process_stops_once_fewer_requests_remain_than_there_are_processes() -> None:
    process = Process(16)
    assert process.send(17) == process.send(16) == 0
    assert process.send(15, reset=58) == pytest.approx(2)
    assert 59 <= process.send(49) <= 60
    assert [wait.reason for wait in process.waits] == [
        "other processes come first in the user's request budget for 2 s",
        f"this process's share of the user's request budget is used up for {process.waits[1].seconds:.0f} s",
    ]


def test_it_begins_a_moment_after_a_reset_at_random() -> None:
    waits = set[float]()
    for _ in range(8):
        process = Process(16)
        process.send(3)
        waits.add(process.send(49))
    assert len(waits) == 8
    assert all(61 <= wait <= 61.5 for wait in waits)


def test_without_headers_there_is_no_budget_to_share() -> None:
    process = Process(16)
    assert [process.send() for _ in range(100)] == [0] * 100


def test_without_a_limit_the_remaining_requests_are_shared() -> None:
    process = Process(10)
    headers = {"RateLimit-User-Remaining": "10", "RateLimit-User-Reset": "30"}
    process.limiter.update_from_headers(None, headers)
    assert process.send() == 0
    assert process.send() == 0
    process.limiter.update_from_headers(None, headers | {"RateLimit-User-Remaining": "9"})
    assert 30 <= process.send() <= 32


def test_before_the_first_response_one_request_is_under_way() -> None:
    process = Process(2, max_wait=0)
    with process.limiter.acquire(None, deadline=math.inf):
        with pytest.raises(RateLimitError, match="1 request under way"):
            process.send()
        process.receive(49)
        assert process.send(48) == 0


def test_threads_of_a_process_have_no_more_under_way_than_its_share() -> None:
    process = Process(10, max_wait=0)
    process.send(29)
    acquire = partial(process.limiter.acquire, None, deadline=math.inf)
    with acquire(), acquire(), pytest.raises(RateLimitError, match="2 requests under way"):
        process.send()


def test_a_process_that_was_alone_makes_room_as_soon_as_another_sends_requests() -> None:
    process = Process(16)
    for remaining in (49, 48):
        process.send(remaining)
    process.clock.advance(61)
    for remaining in (49, 48, 47):
        process.send(remaining)
    process.send(9)  # others have sent some
    assert process.send(49) >= 50


def test_polls_of_all_processes_share_the_budget() -> None:
    alone, shared = Process(1), Process(4)
    for process in (alone, shared):
        process.receive(30)
    assert shared.limiter.pace(None, 1) == pytest.approx(4 * alone.limiter.pace(None, 1))


@pytest.mark.parametrize("processes", [0, -1, 1.5, "2", None])
def test_the_number_of_processes_is_positive(server: FakeBuildkite, processes: Any) -> None:
    with pytest.raises(ConfigurationError, match="processes="):
        server.client(processes=processes)


def test_budgets_are_known_as_they_are(server: FakeBuildkite) -> None:
    server.settings.user_limit = 50
    with server.client(processes=5) as bk:
        bk.user()
        (budget,) = bk.budgets()
    assert (budget.limit, budget.remaining) == (50, 49)
    assert "share" not in repr(budget)
