"""The deadline of a wait, and the failures that a wait tolerates until then."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, TypeVar

from buildkite_orm.errors import BuildkiteError, RateLimitError, StatusError, WaitTimeoutError
from buildkite_orm.http.retry import is_retryable, time_limit
from buildkite_orm.utils.cancellation import sleep

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from buildkite_orm.http.session import Session

T = TypeVar("T")

OUTAGE: Final = 900.0
_UNKNOWN_WAIT: Final = 60.0
# Seconds that a request may take even if the time is up, or nearly: the first poll, and one after the last pause.
_FIRST_POLL: Final = 0.5
_LAST_POLL: Final = 0.4


class Deadline:
    """The time that a wait has left, and the time for which its requests may fail.

    Args:
        session: The session of the client.
        timeout: How many seconds the wait may take; None for no limit.

    Attributes:
        error: The error of the last request, if it failed.
    """

    def __init__(self, session: Session, timeout: float | None) -> None:
        self._clock = session.clock
        self._timeout = timeout
        self._started = self._clock.monotonic()
        self._end = math.inf if timeout is None else self._started + timeout
        self._failing_since: float | None = None
        self._not_before = -math.inf
        self._min_request_time = _FIRST_POLL
        self.error: BuildkiteError | None = None

    @property
    def elapsed(self) -> float:
        """The seconds since the wait began."""
        return self._clock.monotonic() - self._started

    @property
    def is_over(self) -> bool:
        """Whether no time is left."""
        return self._clock.monotonic() >= self._end

    def limit_requests(self, at_least: float = _LAST_POLL) -> AbstractContextManager[None]:
        """Limit the requests of a block to the time that is left.

        Args:
            at_least: How many seconds they may take even if less is left.
        """
        return time_limit(max(self._end - self._clock.monotonic(), at_least), self._clock)

    def try_request(self, request: Callable[[], T | None]) -> T | None:
        """Send a request; return None if it fails with an error that may pass."""
        at_least, self._min_request_time = self._min_request_time, _LAST_POLL
        try:
            with self.limit_requests(at_least):
                response = request()
        except BuildkiteError as error:
            if not self._tolerates(error):
                raise
            self.error = error
            return None
        self.error = self._failing_since = None
        return response

    def pause(self, seconds: float) -> None:
        """Wait, but not past the deadline; longer if the last response requested it."""
        now = self._clock.monotonic()
        sleep(self._clock, max(0.0, min(max(now + seconds, self._not_before), self._end) - now))

    def timeout_error(self, what: str) -> WaitTimeoutError:
        """Make the error for the end of the time, with the last failure as its cause.

        Args:
            what: What was not reached, such as `acme/web #1 is still running`.
        """
        failing = f"; the last request failed: {self.error.message}" if self.error else ""
        error = WaitTimeoutError(f"{what} after {self._timeout:g} s{failing}")
        error.__cause__ = self.error
        return error

    def _tolerates(self, error: BuildkiteError) -> bool:
        """Whether to continue after an error; note how long the server requested to wait."""
        now = self._clock.monotonic()
        retry_after = error.retry_after if isinstance(error, StatusError) else None
        if isinstance(error, RateLimitError):
            retry_after = _UNKNOWN_WAIT if retry_after is None and not error.gave_up else retry_after
        elif not is_retryable(error, idempotent=True):
            return False
        self._not_before = now + (retry_after or 0.0)
        self._failing_since = now if self._failing_since is None else self._failing_since
        return self._end < math.inf or self._not_before - self._failing_since <= OUTAGE
