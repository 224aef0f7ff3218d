"""The clocks of the fake: one that tests move, one that moves when all threads wait, and the system clock."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_TIMEOUT = 60.0
START = 1785585600.0  # 2026-08-01T12:00:00Z


class Clock(Protocol):
    """The time source of the fake. Times are seconds since the Unix epoch, UTC."""

    def now(self) -> float:
        """Return the wall time."""
        ...

    def monotonic(self) -> float:
        """Return seconds since an arbitrary moment in the past."""
        ...

    def sleep(self, seconds: float, /) -> None:
        """Return after `seconds` seconds."""
        ...

    def wait_until(self, moment: float, /) -> None:
        """Return when it is `moment` or later."""
        ...


class ManualClock:
    """A clock that only moves when it is advanced; waiting on it advances it.

    >>> clock = ManualClock()
    >>> clock.advance(30)
    >>> clock.now() - START
    30.0
    """

    def __init__(self, start: float = START) -> None:
        self._now = float(start)
        self._lock = threading.Lock()

    def now(self) -> float:
        """Return the time."""
        return self._now

    def monotonic(self) -> float:
        """Return the same as `now()`."""
        return self._now

    def sleep(self, seconds: float, /) -> None:
        """Move forward by `seconds` at once, without sleeping."""
        self.wait_until(self._now + seconds)

    def wait_until(self, moment: float, /) -> None:
        """Move to `moment` at once, without sleeping; never backwards."""
        with self._lock:
            self._now = max(self._now, float(moment))

    def advance(self, seconds: float) -> None:
        """Move forward."""
        with self._lock:
            self._now += seconds


class SharedClock:
    """A clock that stands still while any of its threads works; once all wait, it moves to the earliest time awaited.

    >>> clock = SharedClock(threads=1)
    >>> with clock.thread():
    ...     clock.wait_until(START + 30)
    >>> clock.now() - START
    30.0
    """

    def __init__(self, threads: int, start: float = START) -> None:
        """Create a clock.

        Args:
            threads: The number of threads; each works inside a `thread()` block, and none waits on anything else.
            start: The initial time.
        """
        self._now = float(start)
        self._threads = threads
        self._waiting: list[float] = []
        self._moved = threading.Condition()

    def now(self) -> float:
        """Return the time."""
        return self._now

    def monotonic(self) -> float:
        """Return the same as `now()`."""
        return self._now

    def sleep(self, seconds: float, /) -> None:
        """Wait until all other threads wait too, and `seconds` have passed."""
        self.wait_until(self._now + seconds)

    @contextmanager
    def thread(self) -> Generator[None]:
        """Register the end of the thread when the block ends."""
        try:
            yield
        finally:
            with self._moved:
                self._threads -= 1
                self._move()

    def wait_until(self, moment: float, /) -> None:
        """Wait until all other threads wait too, and it is `moment`.

        Raises:
            TimeoutError: One of them neither waits nor ends.
        """
        with self._moved:
            self._waiting.append(moment)
            try:
                self._move()
                if not self._moved.wait_for(lambda: self._now >= moment, _TIMEOUT):
                    raise TimeoutError(f"only {len(self._waiting)} of {self._threads} threads wait on the clock")
            finally:
                self._waiting.remove(moment)

    def _move(self) -> None:
        ahead = [moment for moment in self._waiting if moment > self._now]  # the others have yet to wake up
        if ahead and len(ahead) >= self._threads:
            self._now = min(ahead)
            self._moved.notify_all()


def _real_monotonic() -> Callable[[], float]:
    """Return the function that reads the monotonic clock; freezegun replaces `time.monotonic`, but not this one."""
    read, kind = getattr(time, "clock_gettime", None), getattr(time, "CLOCK_MONOTONIC", None)
    if read is None or kind is None:  # Windows
        return time.monotonic
    return lambda: read(kind)


class SystemClock:
    """The system clock."""

    _monotonic = staticmethod(_real_monotonic())

    def now(self) -> float:
        """Return the time."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds since an arbitrary moment in the past."""
        return self._monotonic()

    def sleep(self, seconds: float, /) -> None:
        """Sleep for `seconds`."""
        if seconds > 0:
            time.sleep(seconds)

    def wait_until(self, moment: float, /) -> None:
        """Sleep until `moment`."""
        self.sleep(moment - self.now())
