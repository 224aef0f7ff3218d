"""Events in the order of their time, processed up to the clock's time before each request."""

from __future__ import annotations

import heapq
import itertools
from typing import TYPE_CHECKING

from buildkite_orm.fake.times import seconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildkite_orm.fake.clock import Clock
    from buildkite_orm.fake.commands import Commands


class Events:
    """A heap of callbacks, and the ends of the commands that run for real."""

    def __init__(self, clock: Clock, commands: Commands) -> None:
        self._clock = clock
        self._commands = commands
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._moment: float | None = None

    @property
    def now(self) -> float:
        """The time of the current event, or the clock's."""
        return seconds(self._clock.now()) if self._moment is None else self._moment

    def at(self, moment: float, callback: Callable[[], None]) -> None:
        """Schedule a callback."""
        heapq.heappush(self._heap, (round(moment, 3), next(self._order), callback))

    def later(self, delay: float, callback: Callable[[], None]) -> None:
        """Schedule a callback `delay` seconds from now."""
        self.at(self.now + delay, callback)

    def run(self) -> None:
        """Process all events that are due, in the order of their time."""
        until = seconds(self._clock.now())
        while True:
            due = min(until, self._heap[0][0]) if self._heap else until
            ended = self._commands.next_ended(due)
            if ended is not None:
                self._process(*ended)
            elif self._heap and self._heap[0][0] <= until:
                moment, _, callback = heapq.heappop(self._heap)
                self._process(moment, callback)
            else:
                return

    def _process(self, moment: float, callback: Callable[[], None]) -> None:
        self._moment = moment
        try:
            callback()
        finally:
            self._moment = None
