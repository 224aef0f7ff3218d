"""The two clocks of the fake: one that tests move, and the machine's."""

from __future__ import annotations

import threading
import time
from typing import Protocol

START = 1785585600.0  # 2026-08-01T12:00:00Z


class Clock(Protocol):
    """What the fake asks of time. Times are seconds since the Unix epoch, UTC."""

    def now(self) -> float:
        """Tell the time."""
        ...

    def wait_until(self, moment: float, /) -> None:
        """Come back when it is `moment` or later."""
        ...


class ManualClock:
    """A clock that stands still until it is moved; whoever waits on it moves it.

    >>> clock = ManualClock()
    >>> clock.advance(30)
    >>> clock.now() - START
    30.0
    """

    def __init__(self, start: float = START) -> None:
        self._now = float(start)
        self._lock = threading.Lock()

    def now(self) -> float:
        """Tell the time."""
        return self._now

    def wait_until(self, moment: float, /) -> None:
        """Move to `moment` at once, without sleeping; never back."""
        with self._lock:
            self._now = max(self._now, float(moment))

    def advance(self, seconds: float) -> None:
        """Move forward."""
        with self._lock:
            self._now += seconds


class SystemClock:
    """The machine's time."""

    def now(self) -> float:
        """Tell the time."""
        return time.time()

    def wait_until(self, moment: float, /) -> None:
        """Sleep until `moment`."""
        while (left := moment - self.now()) > 0:
            time.sleep(left)
