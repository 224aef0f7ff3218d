"""Which requests are retried, how often, and after which pause: `RetryPolicy`, carried out with tenacity."""

from __future__ import annotations

import logging
import math
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final, TypeVar, cast

from buildkite_orm.errors import (
    BuildkiteError,
    ConfigurationError,
    RateLimitError,
    RequestTimeoutError,
    ResponseError,
    ServerError,
    TransportError,
)
from buildkite_orm.utils.cancellation import sleep

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    import tenacity

    from buildkite_orm.utils.clock import Clock

T = TypeVar("T")

logger = logging.getLogger("buildkite_orm")


_LONG_WAIT: Final = 2.0
_MIN_TIME_LEFT: Final = 0.05  # an attempt with less time left could only fail, and hide why the one before failed
_MIN_ELAPSED: Final = 0.001  # a policy allows some time, even if too little for any request


@dataclass(frozen=True, slots=True)
class Wait:
    """A wait that begins.

    Attributes:
        reason: The reason, as text.
        seconds: The length; the longest possible one if it ends with the responses to other threads' requests.
        until: The end, as wall time in seconds since the Unix epoch.
    """

    reason: str
    seconds: float
    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """The number and the duration of retries. All times are in seconds.

    Attributes:
        attempts: How often a request that fails is sent at most; 1 turns retries off. Waiting for the request budget is
            not a failure and does not count. A page of a listing that takes too long (a read timeout, or 504) is
            requested in smaller pages before it is retried, at most one time less than this.
        backoff: The longest pause before the second attempt. It doubles with each attempt, with jitter.
        max_backoff: The longest pause between two attempts.
        max_wait: The longest single wait for the request budget, or that a server requests (`Retry-After`). A longer
            one raises an error that names its length.
        max_elapsed: How long a request may take in total: its attempts, the waits between them, and the response. A
            request that is not complete by then is given up. Of a file, only the headers must arrive by then.
        on_wait: Called with a `Wait` before each wait.
    """

    attempts: int = 5
    backoff: float = 0.5
    max_backoff: float = 30.0
    max_wait: float = 90.0
    max_elapsed: float = 300.0
    on_wait: Callable[[Wait], None] | None = None

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ConfigurationError(f"RetryPolicy(attempts={self.attempts}): must be at least 1")
        if not self.max_elapsed > 0:
            raise ConfigurationError(
                f"RetryPolicy(max_elapsed={self.max_elapsed}): must be above 0, since a request is given up then; "
                "attempts=1 turns retries off"
            )
        for name in ("backoff", "max_backoff", "max_wait"):
            if not getattr(self, name) >= 0:  # also False for NaN
                raise ConfigurationError(f"RetryPolicy({name}={getattr(self, name)}): must not be below 0")

    def limited(self) -> RetryPolicy:
        """Return the policy with the time and the attempts that the `time_limit` of this thread leaves."""
        limit = _limit.get()
        if limit is None:
            return self
        elapsed = min(self.max_elapsed, max(limit.left(), _MIN_ELAPSED))
        return replace(self, max_elapsed=elapsed, attempts=int(min(self.attempts, limit.attempts)))

    def announce(self, wait: Wait) -> None:
        """Log a wait, as a warning if it is longer than two seconds, and call `on_wait`."""
        level = logging.WARNING if wait.seconds > _LONG_WAIT else logging.INFO
        logger.log(level, "waiting %.1f s: %s", wait.seconds, wait.reason)
        if self.on_wait is not None:
            self.on_wait(wait)


class Retries:
    """The retry loops of a client: one for each request, or for each transfer of a file.

    Args:
        policy: How often and for how long to retry.
        clock: Measures the time, and sleeps.
    """

    def __init__(self, policy: RetryPolicy, clock: Clock) -> None:
        self.policy = policy
        self.clock = clock

    def run(self, do: Callable[[], T], *, idempotent: bool, splittable: bool = False) -> T:
        """Call a function that sends a request, again if it fails and another attempt may help.

        Args:
            do: The function.
            idempotent: Whether sending the request twice has the same effect as sending it once.
            splittable: Whether a slow response is not retried, because the caller then requests less.
        """
        attempts = _Attempts(self, idempotent=idempotent, splittable=splittable)
        while True:
            try:
                return do()
            except BuildkiteError as error:
                if not attempts.wait_after(error):
                    raise

    def transfer(self, chunks_from: Callable[[int], Iterator[bytes]], offset: int = 0) -> Generator[bytes]:
        """Yield the chunks of a file, and resume at its offset if the transfer breaks.

        The attempts and the time that the policy allows count from the last chunk: a large file may break more often.

        Args:
            chunks_from: Returns the chunks from an offset on.
            offset: The offset to begin at.
        """
        attempts = _Attempts(self, idempotent=True)
        while True:
            try:
                for chunk in chunks_from(offset):
                    offset += len(chunk)
                    yield chunk
                    del chunk  # tracebacks may show the locals of this frame
                    attempts.restart()
            except BuildkiteError as error:
                if not attempts.wait_after(error):
                    raise
            else:
                return

    @cached_property
    def retrying(self) -> tenacity.Retrying:
        """The loop of tenacity; made with the first failure, since importing tenacity loads asyncio."""
        import tenacity  # noqa: PLC0415

        policy = self.policy
        backoff = tenacity.wait_random_exponential(multiplier=policy.backoff, max=policy.max_backoff)

        def pause(state: tenacity.RetryCallState) -> float:
            error = _error_of(state)
            if isinstance(error, RateLimitError) and error.retry_after is not None:
                return 0.0  # the rate limiter waits before the next attempt
            return _retry_after(error) or backoff(state)

        return tenacity.Retrying(
            retry=tenacity.retry_always,
            wait=pause,
            stop=lambda state: _attempts_of(state).are_over(_error_of(state), state.upcoming_sleep),
            sleep=lambda seconds: sleep(self.clock, seconds),
            before_sleep=self._announce_pause,
            retry_error_callback=lambda _state: None,  # the error is raised where it was caught
        )

    def _announce_pause(self, state: tenacity.RetryCallState) -> None:
        seconds = state.upcoming_sleep
        if seconds:
            reason = f"{type(_error_of(state)).__name__}: sending again"
            self.policy.announce(Wait(reason, seconds, self.clock.now() + seconds))


class _Attempts:
    """The attempts of one request or transfer."""

    def __init__(self, retries: Retries, *, idempotent: bool, splittable: bool = False) -> None:
        self._retries = retries
        self._idempotent = idempotent
        self._splittable = splittable
        self.restart()

    def restart(self) -> None:
        """Count attempts and time from now on."""
        self._policy = self._retries.policy.limited()
        self._started = self._retries.clock.monotonic()
        self._failures = 0
        self._state: tenacity.RetryCallState | None = None

    def wait_after(self, error: BuildkiteError) -> bool:
        """Wait for the next attempt after one that has failed; return False if there is none."""
        is_inner = error.retries_ended  # a loop inside of this one has retried already
        error.retries_ended = True
        if is_inner or not is_retryable(error, idempotent=self._idempotent) or (self._splittable and is_slow(error)):
            return False
        self._failures += not isinstance(error, RateLimitError)
        retrying = self._retries.retrying
        state = self._state or self._new_state()
        state.set_exception((type(error), error, error.__traceback__))
        retrying.begin()
        pause = cast("float | None", retrying.iter(state))
        state.prepare_for_next_attempt()  # also lets go of the error
        if pause is None:
            return False
        retrying.sleep(pause)
        error.retries_ended = False
        return True

    def are_over(self, error: BuildkiteError, pause: float) -> bool:
        """Whether there is no further attempt after an error and a pause."""
        if self._failures >= self._policy.attempts:
            return True
        limit = self._policy.max_elapsed
        elapsed = self._retries.clock.monotonic() + pause - self._started
        is_late = elapsed >= limit - min(_MIN_TIME_LEFT, limit / 10)
        requested = _retry_after(error)
        if requested > (0.0 if is_late else self._policy.max_wait):
            error.next_step = (
                f"The server asks to wait {requested:.0f} s, longer than RetryPolicy allows: try again then, or "
                "allow it with RetryPolicy(max_wait=…, max_elapsed=…)."
            )
            return True
        return is_late

    def _new_state(self) -> tenacity.RetryCallState:
        import tenacity  # noqa: PLC0415

        self._state = tenacity.RetryCallState(self._retries.retrying, None, (), {"attempts": self})
        return self._state


def _attempts_of(state: tenacity.RetryCallState) -> _Attempts:
    return cast("_Attempts", state.kwargs["attempts"])


def _error_of(state: tenacity.RetryCallState) -> BuildkiteError:
    return cast("BuildkiteError", state.outcome.exception() if state.outcome else None)


def _retry_after(error: BuildkiteError) -> float:
    """Return the seconds that a failed server requests to wait; 0 if it does not say."""
    return (error.retry_after or 0.0) if isinstance(error, ServerError) else 0.0


@dataclass(frozen=True, slots=True)
class _TimeLimit:
    """A limit for the requests of a block: an end by the clock, and a number of attempts for each."""

    clock: Clock
    end: float
    attempts: float

    def left(self) -> float:
        return max(0.0, self.end - self.clock.monotonic())


_limit: ContextVar[_TimeLimit | None] = ContextVar("time_limit", default=None)


@contextmanager
def time_limit(seconds: float, clock: Clock, *, attempts: float = math.inf) -> Generator[None]:
    """Limit the total time of all requests that this thread sends inside the block.

    Args:
        seconds: How long the requests, pauses and waits may take together; a policy's shorter limit still applies.
        clock: Measures the time.
        attempts: How often each request is sent at most.
    """
    outer = _limit.get()
    if outer is not None:
        seconds, attempts = min(seconds, outer.left()), min(attempts, outer.attempts)
    before = _limit.set(_TimeLimit(clock, clock.monotonic() + seconds, attempts))
    try:
        yield
    finally:
        _limit.reset(before)


def is_retryable(error: BaseException, *, idempotent: bool) -> bool:
    """Whether a request that failed with `error` may be sent again."""
    if isinstance(error, RateLimitError):
        return not error.gave_up
    if isinstance(error, TransportError) and (error.permanent or error.never_sent):
        return not error.permanent
    if isinstance(error, ResponseError):
        return idempotent and error.damaged
    return idempotent and isinstance(error, TransportError | ServerError)


def is_slow(error: BaseException) -> bool:
    """Whether the server did not respond in time, so that a smaller request may help.

    A gateway's `Retry-After` is obeyed first.
    """
    if isinstance(error, RequestTimeoutError):
        return not error.never_sent
    return isinstance(error, ServerError) and error.status == 504 and not error.retry_after  # noqa: PLR2004


def outcome_is_unknown(error: BuildkiteError, *, method: str) -> bool:
    """Whether the server may have carried out a request that failed."""
    if method in {"GET", "HEAD"}:
        return False
    if isinstance(error, TransportError):
        return not error.never_sent
    return isinstance(error, ServerError | ResponseError)
