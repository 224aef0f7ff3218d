"""One second with more builds than a page: it is paged by number.

Under filters that a build can leave, page numbers shift while the second is read. Then it is swept from the last page
to the first until a sweep adds nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeAlias

from buildkite_orm.errors import BadRequestError, ResponseError
from buildkite_orm.http.encoding import encode_time
from buildkite_orm.querysets.adaptive_page_size import PageSize
from buildkite_orm.querysets.listing import with_numbers
from buildkite_orm.querysets.pagination import MOST_EMPTY_PAGES

if TYPE_CHECKING:
    from buildkite_orm.http.encoding import Query
    from buildkite_orm.querysets.adaptive_page_size import AdaptivePageSize
    from buildkite_orm.querysets.listing import Listing, PageResponse
    from buildkite_orm.resources.builds.build import Build

Seen: TypeAlias = Mapping[str, "datetime | None"]
"""The ids of builds that were returned, and the times of their creation, if those are readable."""

SECOND: Final = timedelta(seconds=1)
_MOST_SWEEPS: Final = 10
_MOST_REPEATED_PAGES: Final = 10
_NARROW: Final = "narrow the query by branch, creator or state, or list pipeline by pipeline."


class CrowdedSecond:
    """The builds of one second, and the cursor for them. It keeps what was found if an error interrupts it.

    Args:
        pages: Fetches single pages.
        second: The second.
        seen: The builds that were returned already.
        bounds: The query pairs for builds of this second.
        builds_can_leave: Whether a build that matches the filters may stop matching.
    """

    def __init__(
        self, pages: AdaptivePageSize[Build], second: datetime, seen: Seen, bounds: Query, *, builds_can_leave: bool
    ) -> None:
        self.second = second
        self.seen = seen
        self._pages = pages
        self._bounds = bounds
        self._builds_can_leave = builds_can_leave
        self._found: dict[str, Build] = {}
        self._passed = 0  # how many builds, newest first, are on full pages that are loaded

    def fetch(self) -> list[Build]:
        """Fetch all builds of the second that were not returned yet.

        Raises:
            BadRequestError: The second has more builds than the server lists.
            ResponseError: Each sweep finds further builds, or the server repeats its pages.
        """
        size = PageSize(self._pages)
        while True:
            with size:
                last_page = self._read_forward(size, self._passed // size.value + 1)
                if self._builds_can_leave:
                    self._sweep(size, last_page)
                return list(self._found.values())

    def _sweep(self, size: PageSize[Build], last_page: int) -> None:
        """Read from the last page to the first until that adds nothing.

        A build that leaves moves those after it to pages that are read later, so that none is missed. One that
        enters may move another to a page that was read; but then it is itself found, and causes another sweep.
        """
        for _ in range(1, _MOST_SWEEPS):
            found = len(self._found)
            for number in range(last_page - 1, 0, -1):
                self._add(self._fetch_page(size, number))
            if len(self._found) == found:
                return
            last_page = self._read_forward(size, last_page)
        what = f"builds created at {encode_time(self.second)} start and finish too fast to list"
        raise ResponseError(what, method="GET", next_step=_NARROW.capitalize())

    def _read_forward(self, size: PageSize[Build], number: int) -> int:
        """Read the pages from a number on; return the number of the last page."""
        known, repeated = set[str](), 0
        while True:
            page = self._fetch_page(size, number)
            ids = self._add(page)
            if "next" not in page.links:
                return number
            if len(page.items) == size.value:  # else the server may have pages of another size
                self._passed = number * size.value
            # with small pages, builds that enter may move all of one page to the next
            repeated = repeated + 1 if ids <= known else 0
            if repeated >= (_MOST_REPEATED_PAGES if ids else MOST_EMPTY_PAGES):
                raise self._pages.listing.repeats()
            number += 1
            known |= ids

    def _add(self, page: PageResponse[Build]) -> frozenset[str]:
        """Add the new builds of a page; return the ids of all builds on it."""
        for build in unseen(page, self.seen):
            self._found.setdefault(build_id(build), build)
        return frozenset(map(build_id, page.items))

    def _fetch_page(self, size: PageSize[Build], number: int) -> PageResponse[Build]:
        listing = self._pages.listing
        query = with_numbers(listing.query_for(number, self._bounds), per_page=size.value)
        try:
            page = size.record(listing.request(query, splittable=size.splittable))
        except BadRequestError as error:
            if is_too_deep(error):
                error.message += f" More builds than that were created at {encode_time(self.second)}; {_NARROW}"
            raise
        return check_bound(listing, page, self.second + SECOND)


def time_bounds(
    earliest: datetime | None,
    latest: datetime | None,
    *,
    since: datetime | None = None,
    before: datetime | None = None,
) -> Query:
    """Return the query pairs for builds created in a time, within the caller's own bounds.

    Args:
        earliest: The caller's own bound: from this time on.
        latest: The caller's own bound: before this time.
        since: From this time on.
        before: Before this time.
    """
    starts = [time for time in (since, earliest) if time is not None]
    ends = [time for time in (before, latest) if time is not None]
    bounds = {"created_from": max(starts, default=None), "created_to": min(ends, default=None)}
    return [(name, encode_time(time)) for name, time in bounds.items() if time is not None]


def check_bound(listing: Listing[Build], page: PageResponse[Build], before: datetime | None) -> PageResponse[Build]:
    """Return a page of builds that were created before a time.

    Raises:
        ResponseError: The newest one was created later, so that paging by time would never end.
    """
    newest = created_at(page.items[0]) if page.items else None
    if newest is not None and before is not None and newest >= before + SECOND:
        raise ResponseError(f"the listing {listing.path} ignores created_to", method="GET", next_step="")
    return page


def unseen(page: PageResponse[Build], seen: Seen) -> list[Build]:
    """Return the builds of a page that were not returned yet."""
    return [build for build in page.items if build_id(build) not in seen]


def created_at(build: Build) -> datetime | None:
    """Return when a build was created, if that is readable."""
    time = build.__dict__.get("created_at")
    return time if isinstance(time, datetime) else None


def build_id(build: Build) -> str:
    """Return the id of a build, else its URL; a build with neither is distinct from all others."""
    return str(build.__dict__.get("id") or build.__dict__.get("url") or id(build))


def is_too_deep(error: BadRequestError) -> bool:
    """Return whether the server refuses to list further."""
    return "this deep" in (error.server_message or "")
