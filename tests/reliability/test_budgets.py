"""Eight threads under a request budget: no slower than the budget makes it, nothing refused, and all of it right."""

from __future__ import annotations

import logging
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from math import ceil
from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm import RateLimitError, RetryPolicy, Wait
from buildkite_orm.fake import FakeBuildkite, Settings, SharedClock
from buildkite_orm.fake import clock as fake_clock

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from buildkite_orm import Buildkite

THREADS = 8
OFTEN = 1e-6
PAGES = 130
LIMIT = 50
WINDOW = 60.0


@pytest.fixture(autouse=True)
def _switch_threads_often() -> Iterator[None]:
    """Have requests of several threads under way at the same time."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(OFTEN)
    yield
    sys.setswitchinterval(before)


class Stage:
    """A server whose clock moves when all threads wait, an export over eight of them, and when each request came."""

    def __init__(self, others: int, user_limit: int | None, organization_limit: int | None) -> None:
        settings = Settings(user_limit=user_limit, organization_limit=organization_limit, rate_window=WINDOW)
        self.clock = SharedClock(threads=THREADS + others)
        self.server = FakeBuildkite(populate=False, settings=settings, clock=self.clock)
        self.records = self.server.add_builds("web", PAGES, newest=self.clock.now() - 1)
        self.began = self.clock.now()
        self.came: list[float] = []
        settings.drift = self._note
        self.errors: list[Exception] = []

    def _note(self, payload: Any) -> Any:
        self.came.append(self.clock.now())
        return payload

    @property
    def took(self) -> float:
        return self.clock.now() - self.began

    def refused(self) -> int:
        return sum(request.status == 429 for request in self.server.requests)

    def busiest(self) -> int:
        """Count what came in the busiest of the windows."""
        return max(Counter(int((at - self.began) // (WINDOW + 1)) for at in self.came).values())

    def export(self, bk: Buildkite, *others: Callable[[], object]) -> list[str]:
        """Ask for all pages of one build each, by eight threads; others do something beside them."""
        builds = bk.organization("acme").pipeline("web").builds().per_page(1)
        numbers, lock, found = iter(range(1, PAGES + 1)), threading.Lock(), dict[int, str]()

        def work() -> None:
            while True:
                with lock:
                    number = next(numbers, None)
                if number is None:
                    return
                (build,) = builds.page(number).items
                found[number] = build.id

        def run(task: Callable[[], object]) -> None:
            with self.clock.thread():
                try:
                    task()
                except RateLimitError as error:
                    self.errors.append(error)

        with ThreadPoolExecutor(THREADS + len(others)) as pool:
            list(pool.map(run, [*[work] * THREADS, *others]))
        return [found[number] for number in sorted(found)]

    def wanted(self) -> list[str]:
        return [record.id for record in reversed(self.records)]


@contextmanager
def staged(
    *, others: int = 0, user_limit: int | None = None, organization_limit: int | None = None
) -> Generator[Stage]:
    stage = Stage(others, user_limit, organization_limit)
    with stage.server:
        yield stage


def least(requests: int, limit: int) -> float:
    """Give how long so many requests take at least: all windows but the last have to pass."""
    return (ceil(requests / limit) - 1) * WINDOW


@pytest.mark.parametrize(("user", "organization"), [(LIMIT, None), (None, LIMIT), (LIMIT, 200)])
def test_an_export_takes_as_long_as_the_budget_makes_it_and_nothing_is_refused(
    user: int | None, organization: int | None
) -> None:
    with staged(user_limit=user, organization_limit=organization) as stage, stage.server.client() as bk:
        assert stage.export(bk) == stage.wanted()
    assert stage.refused() == 0
    assert len(stage.server.requests) == PAGES
    assert least(PAGES, LIMIT) <= stage.took <= least(PAGES, LIMIT) * 1.02


def test_while_others_eat_part_of_the_budget_it_finishes_correctly() -> None:
    """Another client of the same user asks every three seconds, and keeps to no budget."""
    with staged(others=1, user_limit=LIMIT) as stage, stage.server.client() as bk, stage.server.client() as other:
        times = 50

        def eat() -> None:
            for number in range(times):
                stage.clock.wait_until(stage.began + 3 * number)
                other.user()

        assert stage.export(bk, eat) == stage.wanted()
    assert stage.errors == []
    # at the edge of a window all threads may be refused once each; no thread is refused again and again
    windows = stage.took / WINDOW + 1
    assert stage.refused() <= windows * (THREADS + 1)
    asked = PAGES + times
    assert stage.took <= max(least(asked, LIMIT) + WINDOW + 5, 3 * times)


def test_a_reserve_leaves_a_share_of_the_organizations_budget_to_others() -> None:
    with staged(organization_limit=LIMIT) as stage, stage.server.client(reserve=0.2) as bk:
        assert stage.export(bk) == stage.wanted()
    assert stage.busiest() == LIMIT * 0.8
    assert stage.refused() == 0
    assert least(PAGES, 40) <= stage.took <= least(PAGES, 40) * 1.02


def test_others_use_what_a_reserve_leaves_and_nobody_is_refused() -> None:
    with (
        staged(others=1, organization_limit=LIMIT) as stage,
        stage.server.client(reserve=0.2) as bk,
        stage.server.client(retry=RetryPolicy(max_wait=0)) as other,
    ):

        def use() -> None:
            for number in range(12):
                stage.clock.wait_until(stage.began + 15 * number + 2)
                other.organization("acme").fetch()

        assert stage.export(bk, use) == stage.wanted()
    assert (stage.errors, stage.refused()) == ([], 0)


def test_each_wait_is_logged_and_told_and_ends_when_it_says(caplog: pytest.LogCaptureFixture) -> None:
    waits: list[Wait] = []
    with (
        caplog.at_level(logging.INFO, "buildkite_orm"),
        staged(user_limit=LIMIT) as stage,
        stage.server.client(retry=RetryPolicy(on_wait=waits.append)) as bk,
    ):
        stage.export(bk)
    assert {wait.until for wait in waits} == set(stage.came) - {stage.began}
    assert len(waits) == len([record for record in caplog.records if "waiting" in record.message])
    assert len(waits) == THREADS * int(least(PAGES, LIMIT) / WINDOW)
    assert max(wait.seconds for wait in waits) <= WINDOW + 1


def test_a_wait_past_its_bound_ends_all_threads_and_no_time_passes() -> None:
    with staged(user_limit=LIMIT) as stage, stage.server.client(retry=RetryPolicy(max_wait=30)) as bk:
        assert set(stage.export(bk)) < set(stage.wanted())
    assert len(stage.errors) == THREADS
    assert (stage.took, len(stage.server.requests)) == (0, LIMIT)


# -- the clock ---------------------------------------------------------------------------------------------------------


def test_a_shared_clock_moves_once_all_threads_wait_and_to_the_earliest_moment() -> None:
    clock, seen = SharedClock(threads=3), list[tuple[str, float]]()
    began = clock.now()

    def wait(name: str, *moments: float) -> None:
        with clock.thread():
            for moment in moments:
                clock.wait_until(began + moment)
                seen.append((name, clock.now() - began))

    with ThreadPoolExecutor(3) as pool:
        for name, moments in {"a": (10, 11, 50), "b": (30,), "c": (20, 5, 40)}.items():
            pool.submit(wait, name, *moments)
    assert seen == [("a", 10), ("a", 11), ("c", 20), ("c", 20), ("b", 30), ("c", 40), ("a", 50)]


def test_a_shared_clock_tells_of_a_thread_that_neither_waits_nor_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fake_clock, "_PATIENCE", 0.01)
    clock = SharedClock(threads=2)
    with pytest.raises(TimeoutError, match="of 2 threads, 1 wait"):
        clock.wait_until(clock.now() + 1)
