"""The machine's clock, which the library waits by."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from buildkite_orm.clock import SystemClock

if TYPE_CHECKING:
    import pytest


def test_it_tells_the_time() -> None:
    before = time.time()
    assert before - 1 < SystemClock().now() < time.time() + 1


def test_setting_the_machines_clock_moves_it_not(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SystemClock()
    before = clock.now()
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert before <= clock.now() < before + 60


def test_it_waits_until_the_moment_has_come_and_wakes_as_often_as_it_must(monkeypatch: pytest.MonkeyPatch) -> None:
    now, slept = [100.0], list[float]()

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds / 2 if len(slept) == 1 else seconds  # the first sleep is cut short

    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", sleep)
    clock = SystemClock()
    start = clock.now()
    clock.wait_until(start + 8)
    assert clock.now() >= start + 8
    assert [round(each) for each in slept] == [8, 4]
    clock.wait_until(start)
    assert len(slept) == 2
