"""The clocks of the fake: one that tests move, one that moves when all threads wait, and the machine's."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_PATIENCE = 60.0
START = 1785585600.0  # 2026-08-01T12:00:00Z


class Clock(Protocol):
    """What the fake asks of time. Times are seconds since the Unix epoch, UTC."""

    def now(self) -> float:
        """Return the wall time."""
        ...

    def monotonic(self) -> float:
        """Return seconds since some moment in the past."""
        ...

    def sleep(self, seconds: float, /) -> None:
        """Return after that many seconds."""
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

    def monotonic(self) -> float:
        """Return the same as `now()`."""
        return self._now

    def sleep(self, seconds: float, /) -> None:
        """Move forward by that many seconds at once, without sleeping."""
        self.wait_until(self._now + seconds)

    def wait_until(self, moment: float, /) -> None:
        """Move to `moment` at once, without sleeping; never back."""
        with self._lock:
            self._now = max(self._now, float(moment))

    def advance(self, seconds: float) -> None:
        """Move forward."""
        with self._lock:
            self._now += seconds


class SharedClock:
    """A clock that stands still while any of its threads works; once all wait, it moves to where the first may go on.

    >>> clock = SharedClock(threads=1)
    >>> with clock.thread():
    ...     clock.wait_until(START + 30)
    >>> clock.now() - START
    30.0
    """

    def __init__(self, threads: int, start: float = START) -> None:
        """Make a clock.

        Args:
            threads: How many threads there will be; each works inside of `thread()`, and none waits elsewhere.
            start: The time.
        """
        self._now = float(start)
        self._threads = threads
        self._waiting: list[float] = []
        self._moved = threading.Condition()

    def now(self) -> float:
        """Tell the time."""
        return self._now

    def monotonic(self) -> float:
        """Return the same as `now()`."""
        return self._now

    def sleep(self, seconds: float, /) -> None:
        """Wait for all others to wait too, until that many seconds have passed."""
        self.wait_until(self._now + seconds)

    @contextmanager
    def thread(self) -> Generator[None]:
        """Count the thread out at the end of the block."""
        try:
            yield
        finally:
            with self._moved:
                self._threads -= 1
                self._move()

    def wait_until(self, moment: float, /) -> None:
        """Wait for all others to wait too.

        Raises:
            TimeoutError: One of them neither waits nor goes on.
        """
        with self._moved:
            self._waiting.append(moment)
            try:
                self._move()
                if not self._moved.wait_for(lambda: self._now >= moment, _PATIENCE):
                    raise TimeoutError(f"of {self._threads} threads, {len(self._waiting)} wait on the clock")
            finally:
                self._waiting.remove(moment)

    def _move(self) -> None:
        ahead = [moment for moment in self._waiting if moment > self._now]  # others have only not woken up yet
        if ahead and len(ahead) >= self._threads:
            self._now = min(ahead)
            self._moved.notify_all()


def _real_monotonic() -> Callable[[], float]:
    """Return the function that reads the monotonic clock; freezegun replaces `time.monotonic`, and not this one."""
    read, kind = getattr(time, "clock_gettime", None), getattr(time, "CLOCK_MONOTONIC", None)
    if read is None or kind is None:  # Windows
        return time.monotonic
    return lambda: read(kind)


class SystemClock:
    """The machine's time."""

    _monotonic = staticmethod(_real_monotonic())

    def now(self) -> float:
        """Tell the time."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds since some moment in the past."""
        return self._monotonic()

    def sleep(self, seconds: float, /) -> None:
        """Sleep that many seconds."""
        if seconds > 0:
            time.sleep(seconds)

    def wait_until(self, moment: float, /) -> None:
        """Sleep as long as it is from now to `moment`."""
        self.sleep(moment - self.now())
