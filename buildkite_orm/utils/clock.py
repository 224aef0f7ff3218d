"""The clock of the library. It is injected, so that tests do not sleep."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class Clock(Protocol):
    """The functions of time that the library uses.

    `now()` is the wall clock, for times that others read; it may jump or stop. Waits and deadlines are measured with
    `monotonic()`, which never goes back.
    """

    def now(self) -> float:
        """Return the wall time, in seconds since the Unix epoch."""
        ...

    def monotonic(self) -> float:
        """Return seconds since an arbitrary moment; only differences are meaningful."""
        ...

    def sleep(self, seconds: float, /) -> None:
        """Return after that many seconds by `monotonic()`; immediately for 0 or less."""
        ...

    def wait_until(self, moment: float, /) -> None:
        """Return at a wall time, by the time until then at the call: later jumps of the wall clock do not count."""
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

    _monotonic = staticmethod(_real_monotonic())  # on the class, since freezing tools replace functions in modules

    def now(self) -> float:
        """Return the wall time, in seconds since the Unix epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds since an arbitrary moment; only differences are meaningful."""
        return self._monotonic()

    def sleep(self, seconds: float, /) -> None:
        """Sleep that many seconds by `monotonic()`."""
        end = self.monotonic() + seconds
        while (left := end - self.monotonic()) > 0:
            time.sleep(left)

    def wait_until(self, moment: float, /) -> None:
        """Sleep as long as it is from now to `moment`."""
        self.sleep(moment - self.now())
