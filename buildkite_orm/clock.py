"""Time as the library sees it: one clock, injected, so that no test has to sleep."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """What the library asks of time. Times are seconds since the Unix epoch, UTC."""

    def now(self) -> float:
        """Tell the time."""
        ...

    def wait_until(self, moment: float, /) -> None:
        """Come back when it is `moment` or later."""
        ...


class SystemClock:
    """The machine's time, which does not jump when somebody sets the machine's clock."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def now(self) -> float:
        """Tell the time."""
        return self._offset + time.monotonic()

    def wait_until(self, moment: float, /) -> None:
        """Sleep until `moment`."""
        while (left := moment - self.now()) > 0:
            time.sleep(left)
