"""A clock that runs faster than another. No test sleeps: the source is a manual clock."""

from __future__ import annotations

import threading

import pytest

from buildkite_orm.fake import AcceleratedClock, FakeBuildkite, ManualClock
from buildkite_orm.fake.clock import START


def test_an_hour_passes_in_a_minute() -> None:
    source = ManualClock()
    clock = AcceleratedClock(60, source=source)
    source.advance(60)
    assert (clock.now() - START, clock.monotonic() - START) == (3600, 3600)


def test_a_new_speed_counts_from_then_on() -> None:
    source = ManualClock()
    clock = AcceleratedClock(2, source=source)
    source.advance(10)
    clock.speed = 0.5
    source.advance(10)
    clock.speed = 0
    source.advance(10)
    assert (clock.now() - START, clock.speed) == (25, 0)


def test_waiting_takes_as_much_less_of_the_source() -> None:
    source = ManualClock()
    clock = AcceleratedClock(60, source=source)
    clock.sleep(600)
    clock.wait_until(START + 1200)
    clock.wait_until(START)
    assert clock.now() - START == pytest.approx(1200)
    assert source.now() - START == pytest.approx(20)


class Stepwise(ManualClock):
    """A time source that sets an event when a thread sleeps on it, and stands still until it is moved."""

    def __init__(self) -> None:
        super().__init__()
        self.slept = threading.Event()

    def sleep(self, seconds: float, /) -> None:
        del seconds
        self.slept.set()


def test_advancing_wakes_waiting_threads() -> None:
    source = Stepwise()
    clock = AcceleratedClock(0, source=source)
    waiter = threading.Thread(target=clock.sleep, args=(600,))
    waiter.start()
    assert source.slept.wait(30)
    clock.advance(600)
    waiter.join(30)
    assert not waiter.is_alive()


def test_it_follows_the_clock_of_the_machine() -> None:
    clock = AcceleratedClock()
    first = (clock.now(), clock.monotonic())
    assert first <= (clock.now(), clock.monotonic())


@pytest.mark.parametrize("seconds", [-1, -0.001])
def test_time_does_not_go_back(seconds: float) -> None:
    clock = AcceleratedClock(source=ManualClock())
    with pytest.raises(ValueError, match="forward only"):
        clock.advance(seconds)
    with pytest.raises(ValueError, match="0 times the speed or faster"):
        clock.speed = seconds


def test_builds_of_a_fake_pass_sixty_times_as_fast() -> None:
    source = ManualClock()
    with FakeBuildkite(clock=AcceleratedClock(60, source=source)) as server:
        build = server.client().organization("acme").pipeline("hello").builds().create(commit="HEAD", branch="main")
        source.advance(0.5)
        assert build.reload().state == "passed"
