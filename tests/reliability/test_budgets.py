"""Announced waits, and the clock that threads share; `budgets` measures how long exports take."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from buildkite_orm.fake import SharedClock
from buildkite_orm.fake import clock as fake_clock
from tests.reliability.budgets import LIMIT, PAGES, THREADS, WINDOW, least, staged


def test_each_wait_is_announced_and_ends_at_the_announced_time() -> None:
    with staged(user_limit=LIMIT) as stage, stage.client() as bk:
        stage.export(bk)
    assert {wait.until for wait in stage.waits} == set(stage.arrivals) - {stage.began}
    assert len(stage.waits) == THREADS * int(least(PAGES, LIMIT) / WINDOW)


# -- the clock ---------------------------------------------------------------------------------------------------------


def test_a_shared_clock_moves_when_all_threads_wait_to_the_earliest_time() -> None:
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


def test_a_shared_clock_reports_a_thread_that_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fake_clock, "_TIMEOUT", 0.01)
    clock = SharedClock(threads=2)
    with pytest.raises(TimeoutError, match="only 1 of 2 threads wait"):
        clock.wait_until(clock.now() + 1)
