"""The rate limits of organizations, and how much of them is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from buildkite_orm.models.resource import Fetchable, Model, Timestamp
from buildkite_orm.resources.parents import InOrganization

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "RateLimit",
    "RateLimitScopes",
    "RateLimits",
    "RateLimitsRef",
]


class RateLimitsRef(InOrganization):
    """The ref of an organization's rate limits."""

    _kind = "rate_limits"
    _paths = ("organizations/{organization}/rate_limit",)

    def fetch(self) -> RateLimits:
        """Fetch the usage of the rate limits; this counts as a request too.

        Documentation: https://buildkite.com/docs/apis/rest-api/organizations/rate-limits#get-rate-limits
        """
        return self._request(RateLimits)


class RateLimit(Model):
    """A rate limit: requests a minute for REST, points of complexity in five minutes for GraphQL.

    Attributes:
        limit: How much may be used.
        current: How much is used.
        reset: Seconds until nothing is used.
        reset_at: When that is.
        enforced: Whether going beyond is refused.
    """

    limit: int
    current: int
    reset: int
    reset_at: Timestamp | None = None
    enforced: bool | None = None


class RateLimitScopes(Model):
    """The rate limits by API."""

    rest: RateLimit | None = None
    graphql: RateLimit | None = None


class RateLimits(RateLimitsRef, Fetchable):
    """The rate limits of an organization as a whole; no operation returns those of its users.

    Documentation: https://buildkite.com/docs/apis/rest-api/organizations/rate-limits#response-fields
    """

    has_url: ClassVar[bool] = False

    scopes: RateLimitScopes

    def _summary(self) -> Iterable[object]:
        for name in ("rest", "graphql"):
            limit: RateLimit | None = getattr(self.scopes, name)
            yield limit and f"{name} {limit.current} of {limit.limit}"
