"""The clocks of recordings: a replay begins at the time of its recording, and never sleeps.

Times that are computed from `now()`, such as filters, must be the same in a recording and in its replays. So `now()`
stands still between two responses, and both move it to the same times.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from buildkite_orm.utils.clock import SystemClock

if TYPE_CHECKING:
    from buildkite_orm.utils.clock import Clock

DIGITS: Final = 3
"""Times are recorded in milliseconds, as the API writes them."""

_LONGEST_STANDSTILL: Final = 1.0


class RecordingClock:
    """A clock whose wall time stands still between two responses, for at most a second.

    Args:
        source: The clock that it follows.
    """

    def __init__(self, source: Clock | None = None) -> None:
        self._source: Clock = source or SystemClock()
        self._lock = threading.Lock()
        self.started_at = self._now = round(self._source.now(), DIGITS)

    def now(self) -> float:
        """Return the wall time, in seconds since the Unix epoch."""
        with self._lock:
            actual = self._source.now()
            if not 0 <= actual - self._now <= _LONGEST_STANDSTILL:
                self._now = round(actual, DIGITS)
            return self._now

    def monotonic(self) -> float:
        """Return seconds since an arbitrary moment."""
        return self._source.monotonic()

    def sleep(self, seconds: float, /) -> None:
        """Sleep that many seconds."""
        self._source.sleep(seconds)
        with self._lock:
            self._now += max(0.0, seconds)

    def wait_until(self, moment: float, /) -> None:
        """Sleep as long as it is from now to `moment`."""
        self.sleep(moment - self.now())

    def receive(self) -> float:
        """Move the wall time to that of a response, and return the seconds since the start."""
        with self._lock:
            self._now = max(self._now, round(self._source.now(), DIGITS))
            return round(self._now - self.started_at, DIGITS)


class ReplayClock:
    """A clock that moves only when it is waited for, and with each response.

    Time that passed in the recording without a request or a wait, as while a debugger stopped it, is only in the wall
    time: it uses up no timeout.

    Args:
        started_at: The wall time at which the recording began.
    """

    def __init__(self, started_at: float) -> None:
        self.started_at = self._now = started_at
        self._monotonic = 0.0
        self._lock = threading.Lock()

    def now(self) -> float:
        """Return the wall time of the recording, in seconds since the Unix epoch."""
        return self._now

    def monotonic(self) -> float:
        """Return the seconds that were waited, and that the responses took."""
        return self._monotonic

    def sleep(self, seconds: float, /) -> None:
        """Move on by that many seconds, at once."""
        with self._lock:
            self._now += max(0.0, seconds)
            self._monotonic += max(0.0, seconds)

    def wait_until(self, moment: float, /) -> None:
        """Move to `moment`, at once."""
        self.sleep(moment - self._now)

    def receive(self, seconds: float, *, monotonic: float) -> None:
        """Move to the times of a response.

        Args:
            seconds: The wall time, in seconds since the start.
            monotonic: The time by `monotonic()`.
        """
        with self._lock:
            self._now = max(self._now, round(self.started_at + seconds, DIGITS))
            self._monotonic = max(self._monotonic, monotonic)
