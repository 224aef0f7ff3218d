"""The two rate limits: requests per window, of an organization and of a user."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from buildkite_orm.fake.clock import Clock
    from buildkite_orm.fake.settings import Settings

WARNING = "You have exceeded your API rate limit."


@dataclass(slots=True)
class Budget:
    """What is left of one limit; `remaining` goes below zero when refused requests go on."""

    scope: str
    limit: int
    current: int
    reset: int

    @property
    def remaining(self) -> int:
        """How many requests may still come."""
        return self.limit - self.current

    @property
    def exceeded(self) -> bool:
        """Whether this request was one too many."""
        return self.remaining < 0

    def headers(self) -> dict[str, str]:
        """Tell it in headers."""
        prefix = "RateLimit-User-" if self.scope == "rest_user" else "RateLimit-"
        told = {"Scope": self.scope, "Remaining": self.remaining, "Limit": self.limit, "Reset": self.reset}
        if self.remaining <= 0:
            told["Warning"] = WARNING
        return {prefix + name: str(value) for name, value in told.items()}

    def payload(self) -> dict[str, Any]:
        """Tell it in a 429's body."""
        message = (
            f"You have exceeded your API rate limit. Please wait {self.reset} seconds before making more requests."
        )
        return {
            "message": message,
            "scope": self.scope,
            "limit": self.limit,
            "current": self.current,
            "reset": self.reset,
        }


class Budgets:
    """Counts requests in fixed windows, each of which begins with the first request in it."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._windows: dict[tuple[str, str], tuple[float, int]] = {}

    def count(self, user: str, organization: str | None) -> list[Budget]:
        """Count a request and give the budgets that it comes from."""
        budgets: list[Budget] = []
        if organization is not None and self._settings.organization_limit is not None:
            budgets.append(self._hit("rest", organization, self._settings.organization_limit))
        if self._settings.user_limit is not None:
            budgets.append(self._hit("rest_user", user, self._settings.user_limit))
        return budgets

    def peek(self, organization: str) -> Budget:
        """Give an organization's budget as it stands."""
        begin, current = self._window("rest", organization)
        return Budget("rest", self._settings.organization_limit or 0, current, self._left(begin))

    def reset(self) -> None:
        """Forget all windows."""
        self._windows.clear()

    def _hit(self, scope: str, key: str, limit: int) -> Budget:
        begin, current = self._window(scope, key)
        self._windows[scope, key] = (begin, current + 1)
        return Budget(scope, limit, current + 1, self._left(begin))

    def _window(self, scope: str, key: str) -> tuple[float, int]:
        now = self._clock.now()
        begin, current = self._windows.get((scope, key), (now, 0))
        return (begin, current) if now < begin + self._settings.rate_window else (now, 0)

    def _left(self, begin: float) -> int:
        # rounding keeps 59.99999 of floating point from telling a second too many
        return max(1, math.ceil(round(begin + self._settings.rate_window - self._clock.now(), 6)))
