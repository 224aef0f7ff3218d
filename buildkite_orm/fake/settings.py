"""What a test may choose about the fake's behaviour; every field may be changed while it serves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

Precision = Literal["milliseconds", "seconds"]


@dataclass(slots=True)
class Pace:
    """How many seconds a build and its jobs take between states."""

    creating: float = 1.0
    assigning: float = 1.0
    accepting: float = 0.5
    starting: float = 0.5
    retrying: float = 2.0
    canceling: float = 3.0
    triggering: float = 1.0


@dataclass(slots=True)
class Settings:
    """Limits, forms and quirks.

    Attributes:
        organization_limit: Requests to an organization per window; None for no limit.
        user_limit: Requests of a user per window; None for no limit.
        rate_window: Length of a window in seconds; it begins with the first request in it.
        rate_limit_headers: Whether answers tell the budgets.
        depth_limit: How many builds deep a listing may go by page number; None for no limit.
        link_last: Whether `Link` tells the last page.
        empty_link_header: Whether `Link` is sent, empty, where there is nothing to link.
        time_precision: How precisely payloads tell times.
        filter_precision: How precisely `created_from`, `created_to` and `finished_from` compare.
        blocked_state: Whether a blocked build says `blocked` in `state` too.
        public_urls: What the URLs in answers begin with, instead of the host that was asked.
        legacy_times: Whether pipelines and access tokens tell `created_at` as "2013-09-03 13:24:38 UTC".
        latency: Seconds that each request takes.
        artifact_url_lifetime: Seconds for which a URL to download from, or a form to upload by, is good.
        unblock_needs_body: Whether unblocking with an empty body or `null` breaks the server with a 500.
        hosted_agents_fail: Whether the provider of hosted agents creates no remote sessions, which is a 503.
        sha256sums: Whether artifacts tell `sha256sum`, which is not documented.
        drift: Called with each JSON payload of the API before it is sent; what it gives is sent.
        pace: How fast builds move.
    """

    organization_limit: int | None = 200
    user_limit: int | None = 50
    rate_window: float = 60.0
    rate_limit_headers: bool = True
    depth_limit: int | None = None
    link_last: bool = True
    empty_link_header: bool = False
    time_precision: Precision = "milliseconds"
    filter_precision: Precision = "milliseconds"
    blocked_state: bool = False
    public_urls: str | None = None
    legacy_times: bool = True
    latency: float = 0.0
    artifact_url_lifetime: float = 60.0
    unblock_needs_body: bool = False
    hosted_agents_fail: bool = False
    sha256sums: bool = False
    drift: Callable[[Any], Any] | None = None
    pace: Pace = field(default_factory=Pace)
