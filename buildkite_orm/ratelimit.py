"""The request budget that the server tells, kept so that no request is sent that is known to be refused.

Buildkite counts requests in windows: for each organization, and for each user. Every answer says what is left of both
(`RateLimit-*`, `RateLimit-User-*`). The threads of a client share one `RateLimiter`.
"""

from __future__ import annotations

import math
import threading
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from buildkite_orm.errors import RateLimitError
from buildkite_orm.retry import Wait
from buildkite_orm.utils.cancellation import sleep

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from buildkite_orm.clock import Clock
    from buildkite_orm.retry import RetryPolicy

# The server counts the seconds to its reset in whole ones, and may round them down.
_MARGIN = 1.0
_UNKNOWN_WAIT = 60.0
_ABSURD = 10**9


@dataclass(slots=True)
class Budget:
    """What is known of one budget: `remaining` requests until `reset_at`, `in_flight` of them not answered yet.

    The limiter measures `reset_at` with the monotonic clock; what `RateLimiter.known` returns has the wall time there.
    """

    name: str
    reserve: float = 0.0
    limit: int | None = None
    remaining: int | None = None
    reset_at: float = 0.0
    in_flight: int = 0

    def left(self, now: float) -> float:
        """Count what the window has left for this client; infinite while nothing is known."""
        if now >= self.reset_at:
            self.remaining = self.limit
            self.reset_at = math.inf if self.limit is not None else self.reset_at
        if self.remaining is None or self.limit is None:
            return math.inf if self.remaining is None else self.remaining
        kept = min(math.ceil(self.reserve * self.limit), self.limit - 1)
        return self.remaining - max(0, kept)

    def pace(self, now: float, users: int) -> float:
        """Tell how many seconds apart each user may ask, for all to use up evenly what the window has left.

        0 while nothing is known; not longer than the window.
        """
        left, seconds = self.left(now), self.reset_at - now
        return 0.0 if math.inf in {left, seconds} else seconds * min(1.0, users / max(left, 1))

    def is_spent(self, now: float) -> bool:
        """Tell whether the server refuses what comes before the window ends."""
        return self.remaining is not None and self.remaining <= 0 and now < self.reset_at

    def told(self, *, limit: int | None, remaining: int, reset_at: float) -> None:
        """Take in what an answer said. Answers may overtake each other, also at the end of a window."""
        same_window = abs(reset_at - self.reset_at) <= _MARGIN
        if not same_window and reset_at < self.reset_at < math.inf:
            return
        known = self.remaining if same_window and self.remaining is not None else remaining
        self.remaining = min(known, remaining)
        self.reset_at = min(reset_at, self.reset_at) if same_window else reset_at
        self.limit = limit if limit is not None else self.limit


class RateLimiter:
    """The budgets of one client, and who waits for them until when."""

    def __init__(self, clock: Clock, policy: RetryPolicy, *, reserve: float = 0.0) -> None:
        self._clock = clock
        self._policy = policy
        self._reserve = reserve
        self._user = Budget("the user's")
        self._organizations: dict[str, Budget] = {}
        self._changed = threading.Condition()

    @contextmanager
    def permit(self, organization: str | None, *, deadline: float) -> Generator[None]:
        """Wait until a request may be sent, and count it as under way inside the block.

        Args:
            organization: The slug of the organization that the request counts against.
            deadline: When the wait must be over, by `clock.monotonic()`.

        Raises:
            RateLimitError: The wait would take longer than the policy allows.
        """
        budgets = self._acquire(organization, deadline)
        try:
            yield
        finally:
            with self._changed:
                for budget in budgets:
                    budget.in_flight -= 1
                self._changed.notify_all()

    def pace(self, organization: str | None, users: int) -> float:
        """Tell how many seconds apart each of so many users may ask, for all to keep within the budgets."""
        with self._changed:
            now = self._clock.monotonic()
            return max(budget.pace(now, users) for budget in self._budgets(organization))

    def known(self, organization: str | None) -> list[Budget]:
        """Tell, without waiting or asking, what is known of the user's budget and the organization's."""
        with self._changed:
            to_wall_time = self._clock.now() - self._clock.monotonic()
            budgets = self._budgets(organization)
            return [
                replace(budget, reset_at=budget.reset_at + to_wall_time if budget.reset_at else 0.0)
                for budget in budgets
            ]

    def told(self, organization: str | None, headers: Mapping[str, str]) -> None:
        """Take in the budget headers of an answer."""
        with self._changed:
            now = self._clock.monotonic()
            for budget, prefix in self._prefixed(organization):
                remaining, reset = _number(headers, f"{prefix}-Remaining"), _number(headers, f"{prefix}-Reset")
                if remaining is not None and reset is not None:
                    limit = _number(headers, f"{prefix}-Limit")
                    budget.told(limit=limit, remaining=remaining, reset_at=now + reset + _MARGIN)

    def refused(self, organization: str | None, error: RateLimitError) -> None:
        """Take in a 429, whose headers were told already: what no header says, its body does."""
        with self._changed:
            now = self._clock.monotonic()
            budgets = self._budgets(organization)
            spent = [budget for budget in budgets if budget.is_spent(now)]
            named = self._user if error.scope == "rest_user" else budgets[-1]
            if not spent or (error.scope is not None and named not in spent):
                wait = _UNKNOWN_WAIT if error.retry_after is None else error.retry_after
                named.remaining, named.reset_at = 0, now + wait + _MARGIN
                spent.append(named)
            error.retry_after = max(budget.reset_at for budget in spent) - now

    def _acquire(self, organization: str | None, deadline: float) -> list[Budget]:
        while True:
            with self._changed:
                now = self._clock.monotonic()
                budgets = self._budgets(organization)
                spent = [budget for budget in budgets if budget.left(now) <= 0]
                if not spent and all(budget.left(now) > budget.in_flight for budget in budgets):
                    for budget in budgets:
                        budget.in_flight += 1
                    return budgets
                if not spent:
                    self._changed.wait()  # the answers under way will tell what is left
                    continue
            self._wait(max(spent, key=lambda budget: budget.reset_at), now, deadline)

    def _wait(self, budget: Budget, now: float, deadline: float) -> None:
        until = budget.reset_at
        seconds = until - now
        reason = f"{budget.name} request budget is used up for {seconds:.0f} s"
        if seconds > self._policy.max_wait or until > deadline:
            error = RateLimitError(f"not sent: {reason}, longer than RetryPolicy allows to wait")
            error.retry_after, error.gave_up = seconds, True
            raise error
        self._policy.announce(Wait(reason, seconds, self._clock.now() + seconds))
        sleep(self._clock, until - self._clock.monotonic())

    def _budgets(self, organization: str | None) -> list[Budget]:
        return [budget for budget, _ in self._prefixed(organization)]

    def _prefixed(self, organization: str | None) -> list[tuple[Budget, str]]:
        budgets = [(self._user, "RateLimit-User")]
        if organization is not None:
            budget = self._organizations.get(organization)
            if budget is None:
                name = f"the organization {organization}'s"
                budget = self._organizations[organization] = Budget(name, reserve=self._reserve)
            budgets.append((budget, "RateLimit"))
        return budgets


def _number(headers: Mapping[str, str], name: str) -> int | None:
    try:
        number = int(headers[name])
    except (KeyError, ValueError):
        return None
    return number if abs(number) < _ABSURD else None
