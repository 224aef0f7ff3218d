"""The two rate limits: requests per window, per organization and per user."""

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
    """The remaining requests of one limit; `remaining` goes below zero when requests continue after it is used up."""

    scope: str
    limit: int
    current: int
    reset: int

    @property
    def remaining(self) -> int:
        """The number of requests left."""
        return self.limit - self.current

    @property
    def exceeded(self) -> bool:
        """Whether this request exceeded the limit."""
        return self.remaining < 0

    def headers(self) -> dict[str, str]:
        """Return the rate-limit headers."""
        prefix = "RateLimit-User-" if self.scope == "rest_user" else "RateLimit-"
        fields = {"Scope": self.scope, "Remaining": self.remaining, "Limit": self.limit, "Reset": self.reset}
        if self.remaining <= 0:
            fields["Warning"] = WARNING
        return {prefix + name: str(value) for name, value in fields.items()}

    def payload(self) -> dict[str, Any]:
        """Return the payload of a 429."""
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
    """Counts requests in fixed windows, each of which begins with its first request."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._windows: dict[tuple[str, str], tuple[float, int]] = {}

    def count(self, user: str, organization: str | None) -> list[Budget]:
        """Count a request and return the budgets that it counts against."""
        if self._settings.enforce_limits:
            self._hit("rest_user", user)
            if organization is not None:
                self._hit("rest", organization)
        return self.peek(user, organization)

    def peek(self, user: str | None, organization: str | None) -> list[Budget]:
        """Return the budgets of an organization and a user, without counting a request."""
        keys = (
            ("rest", organization, self._settings.organization_limit),
            ("rest_user", user, self._settings.user_limit),
        )
        return [self._budget(scope, key, limit) for scope, key, limit in keys if key is not None and limit is not None]

    def reset(self) -> None:
        """Start new windows."""
        self._windows.clear()

    def _hit(self, scope: str, key: str) -> None:
        begin, current = self._window(scope, key)
        self._windows[scope, key] = (begin, current + 1)

    def _budget(self, scope: str, key: str, limit: int) -> Budget:
        begin, current = self._window(scope, key)
        return Budget(scope, limit, current, self._left(begin))

    def _window(self, scope: str, key: str) -> tuple[float, int]:
        now = self._clock.now()
        begin, current = self._windows.get((scope, key), (now, 0))
        return (begin, current) if now < begin + self._settings.rate_window else (now, 0)

    def _left(self, begin: float) -> int:
        # without rounding, 59.99999 of floating point would add a second
        return max(1, math.ceil(round(begin + self._settings.rate_window - self._clock.now(), 6)))
