"""The machine's clock: the wall time for others, the monotonic time for waits."""

from __future__ import annotations

import time

import pytest

from buildkite_orm.utils.clock import SystemClock


def test_now_is_the_wall_time() -> None:
    before = time.time()
    assert before - 1 < SystemClock().now() < time.time() + 1


def test_now_follows_a_wall_clock_that_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SystemClock()
    monkeypatch.setattr(time, "time", lambda: 1000.0)
    assert clock.now() == 1000.0


def test_monotonic_does_not_follow_a_wall_clock_that_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SystemClock()
    before = clock.monotonic()
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert before <= clock.monotonic() < before + 60


class Sleeper:
    """A monotonic clock that moves by half of the first sleep, and by all of the others."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.time = 100.0
        self.slept: list[float] = []
        monkeypatch.setattr(SystemClock, "_monotonic", staticmethod(lambda: self.time))
        monkeypatch.setattr(time, "sleep", self.sleep)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds / 2 if len(self.slept) == 1 else seconds


def test_sleep_continues_after_a_sleep_that_was_cut_short(monkeypatch: pytest.MonkeyPatch) -> None:
    sleeper = Sleeper(monkeypatch)
    SystemClock().sleep(8)
    assert sleeper.slept == [8, 4]


@pytest.mark.parametrize("wall", [0.0, 10**10])
def test_a_jump_of_the_wall_clock_neither_shortens_nor_lengthens_a_sleep(
    monkeypatch: pytest.MonkeyPatch, wall: float
) -> None:
    sleeper = Sleeper(monkeypatch)
    clock = SystemClock()
    until = clock.now() + 8
    real = sleeper.sleep

    def jump(seconds: float) -> None:
        monkeypatch.setattr(time, "time", lambda: wall)
        real(seconds)

    monkeypatch.setattr(time, "sleep", jump)
    clock.wait_until(until)
    assert [round(seconds) for seconds in sleeper.slept] == [8, 4]
