"""What a client keeps in mind of builds: which end is an old one, how long they take, and who waits for them."""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from buildkite_orm.utils.forking import ForkSafeLock

if TYPE_CHECKING:
    from collections.abc import Generator
    from datetime import datetime

    from buildkite_orm.ratelimit import RateLimiter

_MOST: Final = 1000
_LENGTHS: Final = 5
_PATIENCE: Final = 60.0
# Waits look so often that they use one in so many of the requests that are left.
_SHARE: Final = 2

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Renewal:
    """Something was done to a build after which its end does not count any more.

    Attributes:
        last_end: What ended up to this time has ended before; None where that is not known, and any end may be old.
        until: When an end counts all the same, by `clock.monotonic()`: nothing may have come of it.
        rebuilt_as: The path of the build that takes its place, where one does.
    """

    last_end: datetime | None
    until: float
    rebuilt_as: str | None = None

    def is_old(self, finished_at: datetime | None, now: float) -> bool:
        """Tell whether a build that says it has ended says so of an end before."""
        if self.rebuilt_as is None and now >= self.until:
            return False
        return finished_at is None or self.last_end is None or finished_at <= self.last_end


class Memory:
    """What the threads of one client share; of each kind of thing it keeps the last thousand."""

    def __init__(self, limiter: RateLimiter) -> None:
        self._limiter = limiter
        self._lock = ForkSafeLock()
        self._renewals: dict[str, Renewal] = {}
        self._lengths: dict[str, deque[float]] = {}
        self._waits = 0

    def renew(self, build: str, last_end: datetime | None, now: float, *, rebuilt_as: str | None = None) -> None:
        """Keep in mind that a build was begun again.

        Args:
            build: Its path.
            last_end: Until when an end is an old one.
            now: The time, by `clock.monotonic()`.
            rebuilt_as: The path of the new build, if it was begun again as one.
        """
        with self._lock:
            _keep(self._renewals, build, Renewal(last_end, now + _PATIENCE, rebuilt_as))

    def renewal(self, build: str) -> Renewal | None:
        """Give what was done to a build, if its end may be an old one."""
        return self._renewals.get(build)

    def settle(self, build: str) -> None:
        """Take note that a build was seen on its way: its next end is a new one."""
        renewal = self._renewals.get(build)
        if renewal is not None and renewal.rebuilt_as is None:
            with self._lock:
                self._renewals.pop(build, None)

    def note_length(self, pipeline: str, seconds: float) -> None:
        """Keep in mind how long a build of a pipeline took."""
        with self._lock:
            lengths = self._lengths.get(pipeline) or deque(maxlen=_LENGTHS)
            lengths.append(seconds)
            _keep(self._lengths, pipeline, lengths)

    def usual_length(self, pipeline: str) -> float | None:
        """Tell how many seconds the builds of a pipeline take; None where none was seen to its end."""
        from statistics import median  # noqa: PLC0415 - only waits need it, and it loads fractions and decimals

        with self._lock:
            lengths = self._lengths.get(pipeline)
            return median(lengths) if lengths else None

    @contextmanager
    def waiting(self) -> Generator[None]:
        """Count one more wait, inside the block."""
        with self._lock:
            self._waits += 1
        try:
            yield
        finally:
            with self._lock:
                self._waits -= 1

    def pace(self, organization: str | None) -> float:
        """Tell how many seconds each wait must leave between its requests, so that all stay within the budget."""
        return self._limiter.pace(organization, _SHARE * self._waits)


def _keep(things: dict[str, T], key: str, value: T) -> None:
    things.pop(key, None)
    things[key] = value
    if len(things) > _MOST:
        del things[next(iter(things))]
