"""What may be sent again, how often, and after how long: `RetryPolicy`, carried out by tenacity."""

from __future__ import annotations

import logging
import math
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeVar

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
    from collections.abc import Callable, Generator

    import tenacity

    from buildkite_orm.utils.clock import Clock

T = TypeVar("T")

logger = logging.getLogger("buildkite_orm")


_LONG: Final = 2.0
_TOO_SHORT: Final = 0.05  # no attempt begins with less time left: it could only fail, and hide why the last one did
_LEAST: Final = 0.001  # a policy allows some time, if too little for any request

_REPEATABLE: Final = frozenset({"GET", "HEAD", "PATCH", "PUT", "DELETE"})


@dataclass(frozen=True, slots=True)
class Wait:
    """The library is about to wait.

    Attributes:
        reason: Why, in words.
        seconds: How long; at most so long where it waits for the responses to other threads' requests.
        until: Until when, as wall time in seconds since the Unix epoch.
    """

    reason: str
    seconds: float
    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How persistent the client is. All times are in seconds.

    Attributes:
        attempts: How often a request that fails is sent at most; 1 turns retries off. Waiting for
            the request budget is no failure and does not count. A page of a listing that takes too long (a read
            timeout, or 504) is asked for in smaller ones, one time less than this at most, before it is sent again.
        backoff: The longest pause before the second attempt; it doubles with each, with jitter.
        max_backoff: No pause between attempts is longer.
        max_wait: The longest single wait for the request budget, or that a server asks for (`Retry-After`); past it,
            the error says how long it would take.
        max_elapsed: How long a request may take in all: its attempts, the waits between them, and the response. What is
            under way then is given up. Of a file, only the headers must be there by then.
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
            raise ConfigurationError(f"RetryPolicy(attempts={self.attempts}): at least 1")
        if not self.max_elapsed > 0:
            raise ConfigurationError(
                f"RetryPolicy(max_elapsed={self.max_elapsed}): above 0, since a request is given up then; attempts=1 "
                "turns retries off"
            )
        for name in ("backoff", "max_backoff", "max_wait"):
            if not getattr(self, name) >= 0:  # nor is it NaN
                raise ConfigurationError(f"RetryPolicy({name}={getattr(self, name)}): not below 0")

    def in_time(self) -> RetryPolicy:
        """Return the policy as it is inside of `within`: with the time and the attempts that are left there."""
        bound = _bound.get()
        if bound is None:
            return self
        elapsed = min(self.max_elapsed, max(bound.left(), _LEAST))
        attempts = int(min(self.attempts, bound.attempts))
        if (elapsed, attempts) == (self.max_elapsed, self.attempts):
            return self
        return replace(self, max_elapsed=elapsed, attempts=attempts)

    def announce(self, wait: Wait) -> None:
        """Make a wait visible: a log line, a warning if it is longer than two seconds, and the callback."""
        level = logging.WARNING if wait.seconds > _LONG else logging.INFO
        logger.log(level, "waiting %.1f s: %s", wait.seconds, wait.reason)
        if self.on_wait is not None:
            self.on_wait(wait)

    def run(self, do: Callable[[], T], clock: Clock, *, repeatable: bool, splittable: bool = False) -> T:
        """Do what sends a request, and again where it fails and that may help.

        Args:
            do: What to do.
            clock: Tells the time and waits.
            repeatable: Whether sending the request twice is harmless.
            splittable: Whether the caller rather asks for less where the answer takes too long.
        """
        started = clock.monotonic()
        try:
            return do()
        except BuildkiteError as error:
            if not is_retryable(error, repeatable=repeatable):
                raise
            failed = error
        try:
            # not before, since next to nothing fails: to make it costs as much as a chunk of a file, and loads asyncio
            loop = self._loop(clock, started, repeatable=repeatable, splittable=splittable)
            return loop(_after(failed, do))
        finally:
            del failed  # what holds an error that holds this frame is freed late

    def _loop(self, clock: Clock, started: float, *, repeatable: bool, splittable: bool) -> tenacity.Retrying:
        import tenacity  # noqa: PLC0415

        failures, margin = 0, min(_TOO_SHORT, self.max_elapsed / 10)
        backoff = tenacity.wait_random_exponential(multiplier=self.backoff, max=self.max_backoff)

        def again(state: tenacity.RetryCallState) -> bool:
            nonlocal failures
            error = _error_of(state)
            if error is None or not is_retryable(error, repeatable=repeatable) or (splittable and is_slow(error)):
                return False
            failures += not isinstance(error, RateLimitError)
            return failures < self.attempts

        def pause(state: tenacity.RetryCallState) -> float:
            error = _error_of(state)
            if isinstance(error, RateLimitError) and error.retry_after is not None:
                return 0.0  # the budget knows, and waits before the next attempt
            return _asked_by(error) or backoff(state)

        def too_late(state: tenacity.RetryCallState) -> bool:
            error = _error_of(state)
            late = clock.monotonic() + state.upcoming_sleep - started >= self.max_elapsed - margin
            if _asked_by(error) > (0.0 if late else self.max_wait):
                _explain_asked(error)
                return True
            return late

        return tenacity.Retrying(
            retry=again,
            wait=pause,
            stop=too_late,
            sleep=lambda seconds: sleep(clock, seconds),
            before_sleep=lambda state: self._announce_pause(state, clock),
            reraise=True,
        )

    def _announce_pause(self, state: tenacity.RetryCallState, clock: Clock) -> None:
        seconds = state.upcoming_sleep
        if seconds:
            self.announce(Wait(f"{type(_error_of(state)).__name__}: sending again", seconds, clock.now() + seconds))


def _after(error: BuildkiteError, do: Callable[[], T]) -> Callable[[], T]:
    """Give what fails at first, as it has done, and then does it."""
    errors = [error]

    def again() -> T:
        if errors:
            raise errors.pop()
        return do()

    return again


@dataclass(frozen=True, slots=True)
class _Bound:
    """When the requests of a block are given up: at `end` by the clock, and after so many attempts each."""

    clock: Clock
    end: float
    attempts: float

    def left(self) -> float:
        return max(0.0, self.end - self.clock.monotonic())


_bound: ContextVar[_Bound | None] = ContextVar("bound", default=None)


@contextmanager
def within(seconds: float, clock: Clock, *, attempts: float = math.inf) -> Generator[None]:
    """Bound all requests of this thread in the block to so many seconds together, where that is sooner than usual.

    Args:
        seconds: How long the requests, pauses and waits of the block may take together.
        clock: Measures them.
        attempts: How often each request is sent at most.
    """
    outer = _bound.get()
    if outer is not None:
        seconds, attempts = min(seconds, outer.left()), min(attempts, outer.attempts)
    before = _bound.set(_Bound(clock, clock.monotonic() + seconds, attempts))
    try:
        yield
    finally:
        _bound.reset(before)


def _error_of(state: tenacity.RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def _asked_by(error: BaseException | None) -> float:
    """Return how many seconds a server that failed asks to wait; 0 if it does not say."""
    return (error.retry_after or 0.0) if isinstance(error, ServerError) else 0.0


def _explain_asked(error: BaseException | None) -> None:
    """Set the next step of an error of a server that asks to wait longer than the policy allows."""
    if isinstance(error, ServerError):
        error.next_step = (
            f"The server asks to wait {error.retry_after:.0f} s, longer than RetryPolicy allows: try again then, or "
            "allow it with RetryPolicy(max_wait=…, max_elapsed=…)."
        )


def is_repeatable(method: str, *, idempotent: bool) -> bool:
    """Tell whether sending a request twice is the same as sending it once.

    Args:
        method: The HTTP method.
        idempotent: False if it starts something each time it is sent, whatever its method says (`PUT …/rebuild`).
    """
    return method in _REPEATABLE and idempotent


def is_retryable(error: BaseException, *, repeatable: bool) -> bool:
    """Tell whether a request that failed with `error` may be sent again."""
    if isinstance(error, RateLimitError):
        return not error.gave_up
    if isinstance(error, TransportError) and (error.permanent or error.never_sent):
        return not error.permanent
    if isinstance(error, ResponseError):
        return repeatable and error.damaged
    return repeatable and isinstance(error, TransportError | ServerError)


def is_slow(error: BaseException) -> bool:
    """Return whether the server did not answer in time, so that to ask for less may help.

    A gateway that says when to come back is obeyed first.
    """
    if isinstance(error, RequestTimeoutError):
        return not error.never_sent
    return isinstance(error, ServerError) and error.status == 504 and not error.retry_after  # noqa: PLR2004


def outcome_is_unknown(error: BuildkiteError, *, method: str) -> bool:
    """Tell whether the server may have done what a failed request asked for."""
    if method in {"GET", "HEAD"}:
        return False
    if isinstance(error, TransportError):
        return not error.never_sent
    return isinstance(error, ServerError | ResponseError)
