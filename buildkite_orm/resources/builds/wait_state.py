"""The state that a client keeps between waits: restarted builds, usual durations, and the number of current waits."""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeVar
from weakref import WeakKeyDictionary

from buildkite_orm.http.messages import ApiRequest
from buildkite_orm.utils.forking import ForkSafeLock

if TYPE_CHECKING:
    from collections.abc import Generator

    from buildkite_orm.http.session import Session

_MAX_ENTRIES: Final = 1000
_DURATIONS: Final = 5
_GRACE: Final = 60.0
# Waits use at most one in two of the requests that are left.
_SHARE: Final = 2

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Restart:
    """A restart of a build, after which the build may show its earlier end for a moment.

    Attributes:
        last_end: Ends up to this time are from before the restart; None if that time is not known, so that any end may
            be.
        until: From when on any end counts, by `clock.monotonic()`: the restart may have had no effect.
        rebuilt_as: The path of the new build, if the build was rebuilt.
    """

    last_end: datetime | None
    until: float
    rebuilt_as: str | None = None

    def is_old(self, finished_at: datetime | None, now: float) -> bool:
        """Whether an end is from before the restart."""
        if self.rebuilt_as is None and now >= self.until:
            return False
        return finished_at is None or self.last_end is None or finished_at <= self.last_end


class WaitState:
    """The state that the threads of one client share: the last thousand restarted builds and pipelines.

    Args:
        session: The session of the client.
    """

    def __init__(self, session: Session) -> None:
        self._limiter = session.limiter  # not the session, which then could never be freed
        self._clock = session.clock
        self._lock = ForkSafeLock()
        self._restarts: dict[str, Restart] = {}
        self._durations: dict[str, deque[float]] = {}
        self._waits = 0

    def add_restart(self, build: str, last_end: object, *, rebuilt_as: str | None = None) -> None:
        """Remember that a build was restarted.

        Args:
            build: Its path.
            last_end: Ends up to this time do not count; if it is not a datetime, none does.
            rebuilt_as: The path of the new build, if the build was rebuilt.
        """
        end = last_end if isinstance(last_end, datetime) else None
        with self._lock.current:
            _store(self._restarts, build, Restart(end, self._clock.monotonic() + _GRACE, rebuilt_as))

    def restart_of(self, build: str) -> Restart | None:
        """Return the restart of a build, if its end may be an earlier one."""
        return self._restarts.get(build)

    def note_unfinished(self, build: str) -> None:
        """Note that a build is unfinished after a restart: its next end is a new one."""
        restart = self._restarts.get(build)
        if restart is not None and restart.rebuilt_as is None:
            with self._lock.current:
                self._restarts.pop(build, None)

    def note_duration(self, pipeline: str, seconds: float) -> None:
        """Remember how long a build of a pipeline took."""
        with self._lock.current:
            durations = self._durations.get(pipeline) or deque(maxlen=_DURATIONS)
            durations.append(seconds)
            _store(self._durations, pipeline, durations)

    def usual_duration(self, pipeline: str) -> float | None:
        """Return the median duration of the last builds of a pipeline in seconds; None if none is known."""
        from statistics import median

        with self._lock.current:
            durations = self._durations.get(pipeline)
            return median(durations) if durations else None

    @contextmanager
    def waiting(self) -> Generator[None]:
        """Count one more wait, inside the block."""
        with self._lock.current:
            self._waits += 1
        try:
            yield
        finally:
            with self._lock.current:
                self._waits -= 1

    def min_interval(self, path: str) -> float:
        """Return the seconds that each wait must leave between its requests, so that all stay within the budget.

        Args:
            path: The path that is requested; it names the organization whose budget counts.
        """
        return self._limiter.pace(ApiRequest("GET", path).organization, _SHARE * self._waits)


_LOCK: Final = ForkSafeLock()
_STATES: WeakKeyDictionary[Session, WaitState] = WeakKeyDictionary()


def wait_state(session: Session) -> WaitState:
    """Return what the client of a session remembers for its waits."""
    with _LOCK.current:
        state = _STATES.get(session)
        if state is None:
            state = _STATES[session] = WaitState(session)
        return state


def before(moment: object) -> datetime | None:
    """Return the last microsecond before a time.

    A time that is cut to seconds is returned unchanged, because the order within the second is not known. None if it is
    not a datetime.
    """
    if not isinstance(moment, datetime):
        return None
    return moment - timedelta(microseconds=1) if moment.microsecond else moment


def _store(entries: dict[str, T], key: str, value: T) -> None:
    entries.pop(key, None)
    entries[key] = value
    if len(entries) > _MAX_ENTRIES:
        del entries[next(iter(entries))]
