"""The settings of the fake; each may be changed while it runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Precision = Literal["milliseconds", "seconds"]
Ending = Literal["skipped", "not_run", "canceled", "blocked"]


@dataclass(slots=True)
class Pace:
    """Seconds that a build and its jobs take between states."""

    creating: float = 1.0
    assigning: float = 1.0
    accepting: float = 0.5
    starting: float = 0.5
    retrying: float = 2.0
    canceling: float = 3.0
    triggering: float = 1.0


@dataclass(slots=True)
class Settings:
    """Limits, formats and quirks.

    Attributes:
        organization_limit: Requests to an organization per window; None for no limit and no headers.
        user_limit: Requests of a user per window; None for no limit and no headers.
        enforce_limits: Whether requests count against the limits; if not, the headers show that none is used.
        rate_window: Length of a window in seconds; it begins with the first request in it.
        rate_limit_headers: Whether responses have rate-limit headers.
        depth_limit: The number of builds that a listing can reach by page number; None for no limit.
        link_last: Whether `Link` includes the last page.
        empty_link_header: Whether an empty `Link` is sent if there is no other page.
        time_precision: The precision of times in payloads.
        filter_precision: The precision with which `created_from`, `created_to` and `finished_from` compare.
        blocked_state: Whether the `state` of a blocked build is `blocked`.
        without_finished_at: The builds whose `finished_at` is null although they have ended: skipped, not run, canceled
            before they started, or blocked.
        keeps_finished_at: Whether a build that continues after a retry or a block step keeps its `finished_at` until
            it ends again.
        public_urls: The base of URLs in responses; the requested host unless given.
        legacy_times: Whether pipelines and access tokens have `created_at` as "2013-09-03 13:24:38 UTC".
        latency: Seconds that every request takes.
        artifact_url_lifetime: Seconds for which download URLs and upload forms are valid.
        elastic_agents: Whether a queue whose agents are all busy gets another one for each job that waits.
        unblock_needs_body: Whether unblocking with an empty body or `null` is a 500.
        hosted_agents_fail: Whether the creation of remote sessions fails with a 503.
        sha256sums: Whether artifacts have `sha256sum`, which is not documented.
        drift: Called with each JSON payload of the API; its return value is sent.
        pace: How fast builds change state.
    """

    organization_limit: int | None = 200
    user_limit: int | None = 50
    enforce_limits: bool = True
    rate_window: float = 60.0
    rate_limit_headers: bool = True
    depth_limit: int | None = None
    link_last: bool = True
    empty_link_header: bool = False
    time_precision: Precision = "milliseconds"
    filter_precision: Precision = "milliseconds"
    blocked_state: bool = False
    without_finished_at: Sequence[Ending] = ()
    keeps_finished_at: bool = False
    public_urls: str | None = None
    legacy_times: bool = True
    latency: float = 0.0
    artifact_url_lifetime: float = 60.0
    elastic_agents: bool = True
    unblock_needs_body: bool = False
    hosted_agents_fail: bool = False
    sha256sums: bool = False
    drift: Callable[[Any], Any] | None = None
    pace: Pace = field(default_factory=Pace)

    def finished_at(self, ending: Ending, now: float) -> float | None:
        """Return the `finished_at` of a build that ends now in a way that may have none."""
        return None if ending in self.without_finished_at else now
