"""A clock of the fake that runs faster than the machine's, and can be moved forward."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from buildkite_orm.fake.clock import SystemClock

if TYPE_CHECKING:
    from buildkite_orm.fake.clock import Clock

_STEP = 0.05
_LEAST = 1e-6  # a wall time as a number does not change by much less


class AcceleratedClock:
    """A clock that runs `speed` times as fast as another, and can be moved forward.

    >>> from buildkite_orm.fake import ManualClock
    >>> source = ManualClock()
    >>> clock = AcceleratedClock(60, source=source)
    >>> before = clock.now()
    >>> source.advance(1)
    >>> clock.advance(30)
    >>> clock.now() - before
    90.0
    """

    def __init__(self, speed: float = 1.0, *, source: Clock | None = None) -> None:
        """Make a clock.

        Args:
            speed: How many of its seconds pass in one second of `source`; 0 stops it.
            source: The clock that it follows; the machine's unless given.
        """
        self._source = source or SystemClock()
        self._lock = threading.Lock()
        self._speed = _check_speed(speed)
        self._now, self._source_now = self._source.now(), self._source.now()
        self._monotonic, self._source_monotonic = self._source.monotonic(), self._source.monotonic()

    @property
    def speed(self) -> float:
        """The number of its seconds that pass in one second of its source."""
        return self._speed

    @speed.setter
    def speed(self, speed: float) -> None:
        with self._lock:
            self._move(0.0)
            self._speed = _check_speed(speed)

    def now(self) -> float:
        """Return the wall time."""
        with self._lock:
            return self._now + (self._source.now() - self._source_now) * self._speed

    def monotonic(self) -> float:
        """Return seconds since some moment in the past."""
        with self._lock:
            return self._monotonic + (self._source.monotonic() - self._source_monotonic) * self._speed

    def sleep(self, seconds: float, /) -> None:
        """Return after that many of its seconds."""
        end = self.monotonic() + seconds
        while (left := end - self.monotonic()) > 0:
            self._sleep_up_to(left)

    def wait_until(self, moment: float, /) -> None:
        """Return when it is `moment` or later."""
        while (left := moment - self.now()) > 0:
            self._sleep_up_to(left)

    def advance(self, seconds: float) -> None:
        """Move forward; threads that wait continue if their time is reached."""
        if seconds < 0:
            raise ValueError(f"a clock moves forward only, not by {seconds} s")
        with self._lock:
            self._move(seconds)

    def _sleep_up_to(self, left: float) -> None:
        """Sleep, in short steps: the clock may be moved meanwhile."""
        self._source.sleep(min(max(left / self._speed, _LEAST), _STEP) if self._speed else _STEP)

    def _move(self, seconds: float) -> None:
        """Count from this moment on, plus some seconds."""
        now, monotonic = self._source.now(), self._source.monotonic()
        self._now += (now - self._source_now) * self._speed + seconds
        self._monotonic += (monotonic - self._source_monotonic) * self._speed + seconds
        self._source_now, self._source_monotonic = now, monotonic


def _check_speed(speed: float) -> float:
    if speed < 0:
        raise ValueError(f"a clock runs at 0 times the speed or faster, not at {speed}")
    return float(speed)
