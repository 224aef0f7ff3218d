"""The clock of the demo: as fast as the machine's, and faster while something waits."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from buildkite_orm.fake.accelerated_clock import AcceleratedClock

if TYPE_CHECKING:
    from collections.abc import Generator

    from buildkite_orm.fake.clock import Clock


class DemoClock(AcceleratedClock):
    """A clock that runs `waiting_speed` times as fast as another while a thread waits on it, and as fast otherwise.

    So a client waits seconds for a build that takes half an hour, and a request takes no longer than it does.

    >>> from buildkite_orm.fake import ManualClock
    >>> source = ManualClock()
    >>> clock = DemoClock(100, source=source)
    >>> before = source.now()
    >>> clock.sleep(600)
    >>> source.now() - before, clock.speed
    (6.0, 1.0)
    """

    def __init__(self, waiting_speed: float, *, source: Clock | None = None) -> None:
        """Make a clock.

        Args:
            waiting_speed: How many of its seconds pass in one second of `source` while a thread waits.
            source: The clock that it follows; the machine's unless given.
        """
        super().__init__(1.0, source=source)
        self._waiting_speed = waiting_speed
        self._waiting = 0
        self._changing = threading.Lock()

    def sleep(self, seconds: float, /) -> None:
        """Return after that many of its seconds."""
        with self._fast():
            super().sleep(seconds)

    def wait_until(self, moment: float, /) -> None:
        """Return when it is `moment` or later."""
        with self._fast():
            super().wait_until(moment)

    @contextmanager
    def _fast(self) -> Generator[None]:
        self._count(+1)
        try:
            yield
        finally:
            self._count(-1)

    def _count(self, change: int) -> None:
        with self._changing:
            self._waiting += change
            self.speed = self._waiting_speed if self._waiting else 1.0
