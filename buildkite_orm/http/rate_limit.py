"""The request budgets in the server's headers, tracked so that no request is sent that is known to be rejected.

Buildkite counts requests in windows: for each organization, and for each user. Every response states what is left of
both (`RateLimit-*`, `RateLimit-User-*`). The threads of a client share one `RateLimiter`. Processes with the same token
share nothing but these numbers, see `shares`.
"""

from __future__ import annotations

import math
import threading
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from buildkite_orm.errors import RateLimitError
from buildkite_orm.http.retry import Wait
from buildkite_orm.http.shares import Share, jitter
from buildkite_orm.utils.cancellation import current_cancellation, sleep
from buildkite_orm.utils.forking import renew_after_fork
from buildkite_orm.utils.header_values import LONGEST_WINDOW, whole_number

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from buildkite_orm.http.retry import RetryPolicy
    from buildkite_orm.utils.clock import Clock

# The server counts the seconds to its reset in whole ones, and may round them down.
_MARGIN = 1.0
_UNKNOWN_WAIT = 60.0
_LARGEST_LIMIT: Final = 10**9 - 1
# How often a thread that waits for the responses to others' requests checks, in real time, for its own deadline, for a
# cancellation, and for Ctrl-C, which does not interrupt an endless wait on Windows.
_POLL: Final = 0.2
_SHORTEST_POLL: Final = 0.01


@dataclass(slots=True)
class Budget:
    """One budget: `remaining` requests until `reset_at`, and `in_flight` requests without a response yet.

    The limiter measures `reset_at` with the monotonic clock; those of `RateLimiter.known` have wall time.
    """

    name: str
    reserve: float = 0.0
    limit: int | None = None
    remaining: int | None = None
    reset_at: float = 0.0
    in_flight: int = 0
    reset_after: float = field(default=0.0, repr=False, compare=False)
    share: Share | None = field(default=None, repr=False, compare=False)

    def left(self, now: float) -> float:
        """Return how many requests the window has left for this client; infinite while that is unknown."""
        if now >= self.reset_at:
            self._start_window()
            self.remaining = self.limit
            self.reset_at = math.inf if self.limit is not None else self.reset_at
        return math.inf if self.remaining is None else self.remaining - self._reserved

    def may_send(self, now: float) -> float:
        """Return how many requests this client may have under way; infinite while nothing is known."""
        left = self.left(now)
        return left if self.share is None else self.share.of(left, self._limit, self._used)

    def closed_until(self, now: float) -> tuple[float, str] | None:
        """Return until when no request may be sent, and why; None if one may be, now or after a response."""
        if self.may_send(now) <= 0:
            if self.share is None:
                return self.reset_at, f"{self.name} request budget is used up"
            return self.reset_at + jitter(), f"this process's share of {self.name} request budget is used up"
        if self.share is not None and now < (until := self.share.paused_until(self._limit)):
            return until, f"other processes come first in {self.name} request budget"
        return None

    def begin_request(self, now: float) -> None:
        """Count a request as in flight."""
        self.in_flight += 1
        if self.share is not None:
            self.share.note_request(now)

    def pace(self, now: float, users: int) -> float:
        """Return the interval in seconds at which each user may send requests, for all to share the window evenly.

        0 while nothing is known; at most the length of the window.
        """
        left, seconds = self.left(now), self.reset_at - now
        return 0.0 if math.inf in {left, seconds} else seconds * min(1.0, users / max(left, 1))

    def is_spent(self, now: float) -> bool:
        """Whether the server rejects requests until the window ends."""
        return self.remaining is not None and self.remaining <= 0 and now < self.reset_at

    def update_from_headers(self, *, limit: int | None, remaining: int, reset_at: float, seconds: float = 0.0) -> None:
        """Update from the headers of a response. Responses may arrive out of order, also at the end of a window.

        Args:
            limit: The requests in each window, if the server says so.
            remaining: Those that are left.
            reset_at: When the window ends at the latest.
            seconds: How long the response took: the window may end earlier by that, and by what the server rounds.
        """
        reset_after = reset_at - _MARGIN - seconds
        if reset_at < self.reset_after and self.reset_at < math.inf:
            return
        if reset_after <= self.reset_at < math.inf:
            self.remaining = remaining if self.remaining is None else min(self.remaining, remaining)
            self.reset_at, self.reset_after = min(reset_at, self.reset_at), max(reset_after, self.reset_after)
        else:
            if self.reset_at < math.inf:
                self._start_window(sent=1)
            self.remaining, self.reset_at, self.reset_after = remaining, reset_at, reset_after
        self.limit = limit if limit is not None else self.limit

    @property
    def _reserved(self) -> int:
        return 0 if self.limit is None else max(0, min(math.ceil(self.reserve * self.limit), self.limit - 1))

    @property
    def _limit(self) -> float:
        """The requests in each window that are not reserved for others."""
        return math.inf if self.limit is None else self.limit - self._reserved

    @property
    def _used(self) -> float:
        """The requests of all clients in this window."""
        return math.inf if self.limit is None or self.remaining is None else self.limit - self.remaining

    def _start_window(self, sent: int = 0) -> None:
        if self.share is not None and self.limit is not None:
            self.share.start_window(self._limit, self._used, sent)


# The budgets of the requests that this thread is sending.
_held: ContextVar[tuple[Budget, ...]] = ContextVar("held", default=())

_is_nested: ContextVar[bool] = ContextVar("is_nested", default=False)


@contextmanager
def nested_requests() -> Generator[None]:
    """Send the requests of the block, such as a hook's, without waiting for the one that this thread is sending."""
    before = _is_nested.set(True)
    try:
        yield
    finally:
        _is_nested.reset(before)


def _in_flight_elsewhere(budget: Budget) -> int:
    """Count the requests without a response that may be waited for; a hook must not wait for its own request."""
    own = sum(held is budget for held in _held.get()) if _is_nested.get() else 0
    return budget.in_flight - own


class RateLimiter:
    """The budgets of one client, and the waits for them."""

    def __init__(self, clock: Clock, policy: RetryPolicy, *, reserve: float = 0.0, processes: int = 1) -> None:
        self._clock = clock
        self._policy = policy
        self._reserve = reserve
        self._processes = processes
        self._organizations: dict[str, Budget]
        self._user: Budget
        self.renew_after_fork()
        renew_after_fork(self)

    def renew_after_fork(self) -> None:
        """Start with unknown budgets; also in a forked child, whose requests the parent does not see."""
        self._user = Budget("the user's", share=self._share())
        self._organizations = {}
        self._changed = threading.Condition()

    @contextmanager
    def acquire(self, organization: str | None, *, deadline: float) -> Generator[None]:
        """Wait until a request may be sent, and count it as in flight inside the block.

        Args:
            organization: The slug of the organization that the request counts against.
            deadline: When the wait must be over, by `clock.monotonic()`.

        Raises:
            RateLimitError: The wait would take longer than the policy allows.
        """
        budgets = self._acquire(organization, deadline)
        before = _held.set((*_held.get(), *budgets))
        try:
            yield
        finally:
            _held.reset(before)
            with self._changed:
                for budget in budgets:
                    budget.in_flight -= 1
                self._changed.notify_all()

    def pace(self, organization: str | None, users: int) -> float:
        """Return the interval in seconds at which each user may send requests, for all to keep within the budgets."""
        with self._changed:
            now = self._clock.monotonic()
            return max(budget.pace(now, users * self._processes) for budget in self._budgets(organization))

    def known(self, organization: str | None) -> list[Budget]:
        """Return the user's budget and the organization's, as far as they are known; no request."""
        with self._changed:
            to_wall_time = self._clock.now() - self._clock.monotonic()
            budgets = self._budgets(organization)
            return [
                replace(budget, reset_at=budget.reset_at + to_wall_time if budget.reset_at else 0.0, share=None)
                for budget in budgets
            ]

    def update_from_headers(
        self, organization: str | None, headers: Mapping[str, str], *, seconds: float = 0.0
    ) -> None:
        """Update the budgets from the headers of a response, which took some seconds."""
        with self._changed:
            now = self._clock.monotonic()
            for budget, prefix in self._prefixed(organization):
                if budget.share is not None:
                    budget.share.has_response = True
                window = _window(headers, prefix)
                if window is not None:
                    limit, remaining, reset = window
                    reset_at = now + reset + _MARGIN
                    budget.update_from_headers(limit=limit, remaining=remaining, reset_at=reset_at, seconds=seconds)

    def on_429(self, organization: str | None, error: RateLimitError) -> None:
        """Update the budgets from a 429, after its headers were read.

        If the headers do not explain it, the body's `reset` does; without one, `Retry-After`.
        """
        with self._changed:
            now = self._clock.monotonic()
            budgets = self._budgets(organization)
            spent = [budget for budget in budgets if budget.is_spent(now)]
            named = self._user if error.scope == "rest_user" else budgets[-1]
            if not spent or (error.scope is not None and named not in spent):
                named.remaining, named.reset_at = 0, now + _wait_after(error)
                spent.append(named)
            error.retry_after = max(budget.reset_at for budget in spent) - now

    def _acquire(self, organization: str | None, deadline: float) -> list[Budget]:
        queue: _Queue | None = None
        is_woken = False
        while True:
            with self._changed:
                now = self._clock.monotonic()
                budgets = self._budgets(organization)
                closed = [closed for budget in budgets if (closed := budget.closed_until(now)) is not None]
                if not closed and all(budget.may_send(now) > _in_flight_elsewhere(budget) for budget in budgets):
                    for budget in budgets:
                        budget.begin_request(now)
                    return budgets
                if not closed:
                    queue = queue or self._queue_at(budgets, now, deadline)
                    queue.check(now)
                    is_woken = self._changed.wait(max(_SHORTEST_POLL, min(_POLL, queue.until - now)))
            if closed:
                queue = None
                self._wait(*max(closed), now, deadline)
            elif queue is not None:
                self._check_wait(queue, is_woken=is_woken)

    def _queue_at(self, budgets: list[Budget], now: float, deadline: float) -> _Queue:
        budget = next(budget for budget in budgets if budget.may_send(now) <= _in_flight_elsewhere(budget))
        return _Queue(
            budget.name, _in_flight_elsewhere(budget), since=now, until=min(now + self._policy.max_wait, deadline)
        )

    def _check_wait(self, queue: _Queue, *, is_woken: bool) -> None:
        """End a wait that was cancelled; announce one that did not end immediately."""
        cancellation = current_cancellation()
        if cancellation is not None:
            cancellation.check()
        now = self._clock.monotonic()
        if not queue.is_announced and not (is_woken and now - queue.since < _POLL):
            queue.is_announced = True
            seconds = max(0.0, queue.until - now)
            self._policy.announce(Wait(queue.reason, seconds, self._clock.now() + seconds))

    def _wait(self, until: float, why: str, now: float, deadline: float) -> None:
        seconds = until - now
        reason = f"{why} for {seconds:.0f} s"
        if seconds > self._policy.max_wait or until >= deadline:
            error = RateLimitError(f"not sent: {reason}, longer than RetryPolicy allows to wait")
            error.retry_after, error.gave_up = seconds, True
            raise error
        self._policy.announce(Wait(reason, seconds, self._clock.now() + seconds))
        sleep(self._clock, max(0.0, until - self._clock.monotonic()))

    def _share(self) -> Share | None:
        return Share(self._processes) if self._processes > 1 else None

    def _budgets(self, organization: str | None) -> list[Budget]:
        return [budget for budget, _ in self._prefixed(organization)]

    def _prefixed(self, organization: str | None) -> list[tuple[Budget, str]]:
        budgets = [(self._user, "RateLimit-User")]
        if organization is not None:
            budget = self._organizations.get(organization)
            if budget is None:
                name = f"the organization {organization}'s"
                budget = Budget(name, reserve=self._reserve, share=self._share())
                self._organizations[organization] = budget
            budgets.append((budget, "RateLimit"))
        return budgets


@dataclass(slots=True)
class _Queue:
    """A wait for the responses to requests in flight, which may have used up a budget."""

    name: str
    in_flight: int
    since: float
    until: float
    is_announced: bool = False

    @property
    def _cause(self) -> str:
        requests = "1 request" if self.in_flight == 1 else f"{self.in_flight} requests"
        return f"{requests} under way may use up {self.name} request budget"

    @property
    def reason(self) -> str:
        return f"{self._cause}: waiting for the response"

    def check(self, now: float) -> None:
        """Raise an error if the wait has reached its limit."""
        if now < self.until:
            return
        error = RateLimitError(
            f"not sent: {self._cause}, and after {now - self.since:.1f} s, as long as RetryPolicy allows to wait, no "
            "response states the remaining budget"
        )
        error.gave_up = True
        raise error


def _window(headers: Mapping[str, str], prefix: str) -> tuple[int | None, int, int] | None:
    """Return limit, remaining and reset from the headers of a budget; None if they are missing or impossible.

    `Remaining` may be negative, and `Limit` missing.
    """
    remaining, reset = whole_number(headers.get(f"{prefix}-Remaining")), whole_number(headers.get(f"{prefix}-Reset"))
    if remaining is None or reset is None or not 0 <= reset <= LONGEST_WINDOW or abs(remaining) > _LARGEST_LIMIT:
        return None
    if f"{prefix}-Limit" not in headers:
        return None, remaining, reset
    limit = whole_number(headers[f"{prefix}-Limit"])
    if limit is None or not 1 <= limit <= _LARGEST_LIMIT or remaining > limit:
        return None
    return limit, remaining, reset


def _wait_after(error: RateLimitError) -> float:
    """Return how many seconds to send nothing after a 429 that no budget header explains."""
    if error.reset is not None:
        return error.reset + _MARGIN
    if error.retry_after is not None:
        return min(max(error.retry_after, _MARGIN), LONGEST_WINDOW)
    return _UNKNOWN_WAIT + _MARGIN
