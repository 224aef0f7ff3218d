"""Time as the library sees it: one clock, injected, so that no test has to sleep."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class Clock(Protocol):
    """What the library asks of time.

    `now()` is the wall clock, for times that others read: it may jump or stand still. Waits and deadlines are measured
    with `monotonic()`, which never goes back.
    """

    def now(self) -> float:
        """Return the wall time, in seconds since the Unix epoch."""
        ...

    def monotonic(self) -> float:
        """Return seconds since some moment in the past; only differences mean something."""
        ...

    def sleep(self, seconds: float, /) -> None:
        """Return after that many seconds by `monotonic()`; at once if there are none."""
        ...

    def wait_until(self, moment: float, /) -> None:
        """Return when the wall time has come, as far away as it is now: later jumps of the wall clock do not count."""
        ...


def _real_monotonic() -> Callable[[], float]:
    """Return the function that reads the monotonic clock.

    Tools that freeze the wall clock (freezegun) also replace `time.monotonic`, in the modules that hold it as well; a
    wait measured with that would never end. They leave `clock_gettime` alone.
    """
    read, kind = getattr(time, "clock_gettime", None), getattr(time, "CLOCK_MONOTONIC", None)
    if read is None or kind is None:  # Windows
        return time.monotonic
    return lambda: read(kind)


class SystemClock:
    """The machine's time."""

    _monotonic = staticmethod(_real_monotonic())  # of the class, since frozen modules lose what they hold themselves

    def now(self) -> float:
        """Return the wall time, in seconds since the Unix epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds since some moment in the past; only differences mean something."""
        return self._monotonic()

    def sleep(self, seconds: float, /) -> None:
        """Sleep that many seconds by `monotonic()`."""
        end = self.monotonic() + seconds
        while (left := end - self.monotonic()) > 0:
            time.sleep(left)

    def wait_until(self, moment: float, /) -> None:
        """Sleep as long as it is from now to `moment`."""
        self.sleep(moment - self.now())
