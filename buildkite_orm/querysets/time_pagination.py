"""Builds page by page in time, so that none is repeated or lost while builds are created, start and finish.

Builds are listed newest first. The next request is for builds created before the whole second after the last build
seen; the builds of that second that were returned already are dropped. So each request is for a first page, and the
depth limit of the API is not reached. If one second has more builds than a page, it is paged by number
(`crowded_second`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from buildkite_orm.querysets.crowded_second import (
    SECOND,
    CrowdedSecond,
    build_id,
    check_bound,
    created_at,
    time_bounds,
    unseen,
)
from buildkite_orm.querysets.pagination import PageResult, RepeatGuard

if TYPE_CHECKING:
    from datetime import datetime

    from buildkite_orm.http.encoding import Query
    from buildkite_orm.querysets.adaptive_page_size import AdaptivePageSize
    from buildkite_orm.querysets.crowded_second import Seen
    from buildkite_orm.querysets.listing import PageResponse
    from buildkite_orm.resources.builds.build import Build

# A build matches these parameters always or never.
_CONSTANT: Final = frozenset({"branch", "creator", "created_from", "created_to"})
_PAYLOAD: Final = frozenset({"exclude_jobs", "exclude_pipeline", "include_retried_jobs"})
_FULL_COMMIT: Final = re.compile(r"[0-9a-fA-F]{40}")


@dataclass(frozen=True, slots=True)
class TimeCursor:
    """The place of a page of builds.

    Attributes:
        before: The builds on the page were created before this whole second; None at the start.
        seen: The builds that were returned and can appear again.
        link: The link to the page, if the last build of the page before has no readable time.
        guard: Ends the walk if such links form a loop.
    """

    before: datetime | None = None
    seen: Seen = field(default_factory=dict[str, "datetime | None"])
    link: Query | None = None
    guard: RepeatGuard = field(default_factory=RepeatGuard, compare=False, repr=False)


BuildCursor: TypeAlias = "TimeCursor | CrowdedSecond"
BuildPage: TypeAlias = "PageResult[Build, BuildCursor]"


class TimePaginator:
    """Fetches builds by the time of their creation.

    Args:
        pages: Fetches single pages.
        earliest: The caller's own bound: builds created from this time on.
        latest: The caller's own bound: builds created before this time.
        may_miss: Whether builds may be missed that others move to another page, in a second with more builds than a
            page. Then each page of such a second is read once.
    """

    def __init__(
        self,
        pages: AdaptivePageSize[Build],
        earliest: datetime | None = None,
        latest: datetime | None = None,
        *,
        may_miss: bool = False,
    ) -> None:
        self._pages = pages
        self._earliest = earliest
        self._latest = latest
        self._may_miss = may_miss

    @property
    def per_page(self) -> int:
        """The size of a full page."""
        return self._pages.listing.per_page

    @property
    def builds_can_leave(self) -> bool:
        """Whether a build that matches the filters may stop matching while the listing is read."""
        return not all(_is_constant(name.removesuffix("[]"), value) for name, value in self._pages.listing.query)

    def first_cursor(self) -> BuildCursor:
        """Return the cursor of the first page."""
        return TimeCursor()

    def fetch(self, cursor: BuildCursor) -> BuildPage:
        """Fetch the page at a cursor; of a second with more builds than a page, all of them.

        Raises:
            ResponseError: The server's pages repeat each other, or do not keep to the requested time.
            BadRequestError: A second has more builds than the server lists.
        """
        if isinstance(cursor, CrowdedSecond):
            return PageResult(cursor.fetch(), self._before(cursor))
        if cursor.link is not None:
            return self._fetch_link(cursor, cursor.link)
        listing = self._pages.listing
        bounds = time_bounds(self._earliest, self._latest, before=cursor.before)
        page = check_bound(listing, self._pages.fetch_some(listing.query_for(extra=bounds)), cursor.before)
        return PageResult(unseen(page, cursor.seen), self.next_cursor(page, cursor))

    def fetch_number(self, number: int, before: datetime | None) -> PageResponse[Build]:
        """Fetch one page by its number, of the builds created before a time."""
        listing = self._pages.listing
        query = listing.query_for(number, time_bounds(self._earliest, self._latest, before=before))
        return check_bound(listing, self._pages.fetch(query), before)

    def next_cursor(
        self, page: PageResponse[Build], cursor: TimeCursor, guard: RepeatGuard | None = None
    ) -> BuildCursor | None:
        """Return the cursor of the next page.

        Args:
            page: A page.
            cursor: Its cursor.
            guard: The guard of the next page, if this one was loaded from a link.

        Raises:
            ResponseError: The page ends later than it should begin.
        """
        link = page.links.get("next")
        if link is None:
            return None
        seen = {**cursor.seen, **{build_id(build): created_at(build) for build in page.items}}
        last = created_at(page.items[-1]) if page.items else None
        if last is None:
            return TimeCursor(cursor.before, seen, link, guard or RepeatGuard().after([], page))
        before = last.replace(microsecond=0) + SECOND
        if cursor.before is None or before < cursor.before:
            return TimeCursor(before, {key: time for key, time in seen.items() if time is None or time <= before})
        if before > cursor.before:
            raise self._pages.listing.repeats()
        return self._crowded_second(cursor.before - SECOND, seen)

    def _fetch_link(self, cursor: TimeCursor, link: Query) -> BuildPage:
        """Fetch a page from the server's link; the next one by time again, if that is possible."""
        listing = self._pages.listing
        cursor.guard.check(listing, link)
        page = self._pages.fetch(link)
        items = unseen(page, cursor.seen)
        following = self.next_cursor(page, cursor, cursor.guard.after(link, page))
        if isinstance(following, TimeCursor) and following.link is not None and page.items and not items:
            raise listing.repeats()
        return PageResult(items, following)

    def _crowded_second(self, second: datetime, seen: Seen) -> CrowdedSecond:
        bounds = time_bounds(self._earliest, self._latest, since=second, before=second + SECOND)
        builds_can_leave = self.builds_can_leave and not self._may_miss
        return CrowdedSecond(self._pages, second, seen, bounds, builds_can_leave=builds_can_leave)

    def _before(self, crowded: CrowdedSecond) -> TimeCursor | None:
        """Return the cursor of the builds before a second, if the caller's bounds allow for any."""
        is_last = self._earliest is not None and self._earliest >= crowded.second
        return None if is_last else TimeCursor(crowded.second)


def _is_constant(name: str, value: str) -> bool:
    """Return whether a build matches a parameter always or never; `HEAD` is later replaced by a full commit."""
    return name in _CONSTANT or name in _PAYLOAD or (name == "commit" and _FULL_COMMIT.fullmatch(value) is not None)
