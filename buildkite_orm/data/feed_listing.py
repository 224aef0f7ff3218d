"""Listings of builds from what a change feed has seen: they cost the requests of a run, and not one for each page.

1. The first page is requested as usual, and so are those of builds that were created since the run before: a run may
   not see one of them until the next run.
2. Then the other builds are counted, and a run of the feed begins at the checkpoint in the cache. It updates the index,
   which must have that number of builds.
3. The listing continues with the lines of the index. Finished builds are rows of the cache with the same stamp, open
   ones were reported by the run. What is in neither is requested, once for each page.

Where that is not certain to be what the server would list, the listing continues by requests from the same place on.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from buildkite_orm.cache.policy import SETTLING_TIME
from buildkite_orm.data.changes import Change, Changes, time_before
from buildkite_orm.data.checkpoint import SECOND, FeedQuery
from buildkite_orm.data.feed_index import FeedRecord, FeedRows, is_exact, start_of, time_text
from buildkite_orm.data.windows import DROPPED, OPEN_STATES, dropped_from, last_run
from buildkite_orm.errors import BuildkiteError
from buildkite_orm.querysets.crowded_second import build_id, time_bounds
from buildkite_orm.querysets.listing import with_numbers
from buildkite_orm.querysets.pagination import PageResult
from buildkite_orm.querysets.time_pagination import TimeCursor, TimePaginator
from buildkite_orm.resources.builds.cached_listing import CachedListing
from buildkite_orm.resources.builds.stored_builds import is_final, stamp_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from buildkite_orm.data.checkpoint import FeedState
    from buildkite_orm.data.feed_index import FeedIndex, Line
    from buildkite_orm.querysets.adaptive_page_size import AdaptivePageSize
    from buildkite_orm.querysets.pagination import Paginator
    from buildkite_orm.querysets.time_pagination import BuildCursor, BuildPage
    from buildkite_orm.resources.builds.build import Build
    from buildkite_orm.resources.builds.build_queryset import BuildQuerySet

_MOST_HELD: Final = 200  # builds with jobs that are held in memory while the pages are read
_PER_REQUEST: Final = 100
_OF_FEED: Final = ("branch", "creator", "commit", "cache")
_NOT_OF_FEED: Final = frozenset({"created_from", "created_to", "include_retried_jobs"})


@dataclass(frozen=True, slots=True)
class Feed:
    """A feed that has seen the builds of a listing.

    Attributes:
        rows: Its row in the cache.
        until: It has seen all builds that were created before this whole second.
    """

    rows: FeedRows
    until: datetime


@dataclass(frozen=True, slots=True)
class FeedCursor:
    """The place of a page of builds that are too recent for a feed, or of the first one that is not."""

    feed: Feed
    cursor: BuildCursor


@dataclass(frozen=True, slots=True)
class IndexCursor:
    """The place of a page of the index: the number of builds before it."""

    source: Source
    position: int


Cursor: TypeAlias = "FeedCursor | IndexCursor | BuildCursor"
FeedPage: TypeAlias = "PageResult[Build, Cursor]"


class FeedPaginator:
    """Fetches builds from what a feed has seen, where that saves requests.

    Args:
        ordinary: Fetches them by requests.
        feeds: The feeds that may have seen them.
    """

    def __init__(self, ordinary: TimePaginator, feeds: Feeds) -> None:
        self._ordinary = ordinary
        self._feeds = feeds

    def first_cursor(self) -> Cursor:
        """Return the cursor of the first page."""
        return self._ordinary.first_cursor()

    def fetch(self, cursor: Cursor) -> FeedPage:
        """Fetch the page at a cursor."""
        if isinstance(cursor, IndexCursor):
            return self._fetch_indexed(cursor)
        if isinstance(cursor, FeedCursor):
            return self._fetch_following(cursor.feed, cursor.cursor)
        page, feed = self._ordinary.fetch(cursor), None
        if cursor == self._ordinary.first_cursor() and isinstance(page.next_cursor, TimeCursor):
            feed = self._feeds.find(page.next_cursor, len(page.items))
        return _with_feed(page, feed)

    def _fetch_following(self, feed: Feed, cursor: BuildCursor) -> FeedPage:
        before = cursor.before if isinstance(cursor, TimeCursor) and cursor.link is None else None
        if not isinstance(cursor, TimeCursor) or before is None or before > feed.until:
            return _with_feed(self._ordinary.fetch(cursor), feed)
        source = self._feeds.run(feed.rows, cursor)
        if source is None:
            return _with_feed(self._ordinary.fetch(cursor), None)
        return self._fetch_indexed(IndexCursor(source, 0))

    def _fetch_indexed(self, cursor: IndexCursor) -> FeedPage:
        source, start = cursor.source, cursor.position
        end = start + self._ordinary.per_page
        builds = source.load(start, end)
        if builds is None:
            return _with_feed(self._ordinary.fetch(source.ordinary_cursor(start)), None)
        return PageResult(builds, IndexCursor(source, end) if end < len(source.lines) else None)


@dataclass(frozen=True, slots=True)
class Source:
    """The builds of a listing that are in the index.

    Attributes:
        listing: The listing.
        cursor: The place in the listing at which they begin.
        lines: The builds, the newest first.
        held: Builds that the run has reported and that are not in the cache, by their ids.
    """

    listing: CachedListing
    cursor: TimeCursor
    lines: list[Line]
    held: Mapping[str, Build]

    def load(self, start: int, end: int) -> list[Build] | None:
        """Return some builds, without those that were deleted; None if others may be there too.

        Args:
            start: The first one.
            end: After the last one.
        """
        lines = self.lines[start:end]
        stored = self.listing.stored_builds(line.pair for line in lines)
        found = {line.id: build for line in lines if (build := stored.get(line.pair[1]) or self._held(line))}
        missing = [line for line in lines if line.id not in found]
        if missing:
            requested = self._request(missing, self._seconds_of(start, start + len(lines)))
            if requested is None:
                return None
            found |= requested
        builds = [found[line.id] for line in lines if line.id in found]
        if self.listing.session.on_load is not None:
            self.listing.session.on_load(builds)
        return builds

    def ordinary_cursor(self, start: int) -> BuildCursor:
        """Return the cursor with which the listing continues by requests, from a build on."""
        if start == 0:
            return self.cursor
        last = self.lines[start - 1]
        seen = {line.id: line.created for line in self.lines[:start] if line.second == last.second}
        return TimeCursor(last.created.replace(microsecond=0) + SECOND, {**self.cursor.seen, **seen})

    def _held(self, line: Line) -> Build | None:
        build = self.held.get(line.id)
        if build is None or stamp_of(build) != line.pair[1]:
            return None
        cached_at = None if build.cached_at is None else build.cached_at.timestamp()
        return build if self.listing.take(build, cached_at) else None

    def _request(self, missing: Sequence[Line], known: Sequence[Line]) -> dict[str, Build] | None:
        """Request builds, by the time in which they were created; None if that shows that others are there too.

        Args:
            missing: The builds.
            known: All builds of the index that may be in the response.
        """
        since = missing[-1].created.replace(microsecond=0)
        before = missing[0].created.replace(microsecond=0) + SECOND
        own = dict(self.listing.query)
        given = (datetime.fromisoformat(own[name]) if name in own else None for name in ("created_from", "created_to"))
        bounds = time_bounds(*given, since=since, before=before)
        try:
            query = with_numbers(self.listing.query_for(extra=bounds), per_page=_PER_REQUEST)
            page = self.listing.request_part(query)
        except BuildkiteError:
            return None
        requested = {build_id(build): build for build in page.items}
        if not requested.keys() <= {line.id for line in known} | self.cursor.seen.keys():
            return None
        is_whole = "next" not in page.links or {line.id for line in missing} <= requested.keys()
        return requested if is_whole else None

    def _seconds_of(self, start: int, end: int) -> list[Line]:
        """Return some builds, and the others that were created in the same second as the first or the last of them."""
        first, last = self.lines[start].second, self.lines[end - 1].second
        while start > 0 and self.lines[start - 1].second == first:
            start -= 1
        while end < len(self.lines) and self.lines[end].second == last:
            end += 1
        return self.lines[start:end]


@dataclass(frozen=True, slots=True)
class Feeds:
    """The feeds that may have seen the builds of a listing.

    Attributes:
        listing: The listing.
        filters: Its filters.
        limit: How many builds are wanted.
        make: Makes a queryset of the same path with other filters.
    """

    listing: CachedListing
    filters: Mapping[str, Any]
    limit: int | None
    make: Callable[..., BuildQuerySet]

    def find(self, cursor: TimeCursor, loaded: int) -> Feed | None:
        """Return the feed with which the listing continues; None if none saves requests. No request is sent.

        Args:
            cursor: The place in the listing.
            loaded: How many builds are before it.
        """
        query = None if self.listing.session.strict else self._query()
        left = sys.maxsize if self.limit is None else self.limit - loaded
        if query is None or left <= 0:
            return None
        kept = (True,) if self.listing.with_pipeline else (False, True)
        for rows in (FeedRows(self.listing.use, query, with_pipeline=each) for each in kept):
            index = rows.read()
            if index is None or not self._is_covered(index):
                continue
            until = last_run(index.state).replace(microsecond=0)
            lines = self._lines(index, until if cursor.before is None else min(until, cursor.before))
            expected = expected_requests(index, self.listing.session.clock.now()) + 1  # and one to count
            return Feed(rows, until) if self._has_more_pages(lines[:left], expected) else None
        return None

    def run(self, rows: FeedRows, cursor: TimeCursor) -> Source | None:
        """Run a feed, and return the builds from a place on as they are now; None if that fails.

        Args:
            rows: The row of the feed.
            cursor: The place in the listing.
        """
        index = rows.read()
        if index is None or not self._is_covered(index):
            return None
        try:
            total = self._count(cursor)
            if total is None or total < len(self._lines(index, cursor.before)):  # some were deleted
                return None
            updated, held = self._updated(rows, index.state)
        except (BuildkiteError, ValueError):
            return None
        lines = [] if updated is None else self._lines(updated, cursor.before)
        if len(lines) != total:
            return None
        return Source(self.listing, cursor, [line for line in lines if line.id not in cursor.seen], held)

    def _updated(self, rows: FeedRows, state: FeedState) -> tuple[FeedIndex | None, dict[str, Build]]:
        """Run a feed, and return its index, and what it reports that the cache does not have.

        Args:
            rows: The row of the feed.
            state: The state in which the run begins, and ends.
        """
        filters = {name: value for name in _OF_FEED if (value := self.filters.get(name)) is not None}
        if state.query.created_from is not None:
            filters["created_from"] = state.query.created_from
        builds = self.make(filters={**filters, "with_jobs": True, "with_pipeline": rows.with_pipeline})
        record = FeedRecord(rows)
        held = _held_of(Changes[Change](state, builds._stream, record=record), state)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        index = record.index or rows.read()  # another thread may have stored the index of a later run meanwhile
        is_current = index is not None and index.state.query == state.query and start_of(index.state) >= start_of(state)
        return index if is_current else None, held

    @property
    def _bounds(self) -> tuple[datetime | None, datetime | None]:
        return self.filters.get("created_from"), self.filters.get("created_to")

    def _query(self) -> FeedQuery | None:
        """Return the query of the feeds; None if a build may stop matching the filters."""
        filters = {name: value for name, value in self.filters.items() if name not in _NOT_OF_FEED}
        try:
            return FeedQuery.of(self.listing.session.base_url, self.listing.path, {**filters, "with_jobs": True})
        except ValueError:
            return None

    def _is_covered(self, index: FeedIndex) -> bool:
        """Whether an index has all builds of the listing, and it is certain which ones these are.

        How the API compares the fractions of a second is not documented.
        """
        since, _ = self._bounds
        feed_since = index.state.query.created_from
        if index.state.run is not None or index.state.started_at is None:
            return False
        if feed_since is not None and (since is None or since < feed_since):
            return False
        seconds = [time.replace(microsecond=0) for time in self._bounds if time is not None and time.microsecond]
        return not any(index.between(second, second + SECOND) for second in seconds)

    def _count(self, cursor: TimeCursor) -> int | None:
        """Count the builds from a place on; None if the server does not say.

        A feed does not see which builds were deleted, and which older ones a token can access since.
        """
        one_per_page = self.listing.with_page_size(1)
        bounds = time_bounds(*self._bounds, before=cursor.before)
        page = one_per_page.request(one_per_page.query_for(extra=bounds))
        return page.page_number("last") if "next" in page.links else len(page.items)

    def _lines(self, index: FeedIndex, before: datetime | None) -> list[Line]:
        since, until = self._bounds
        ends = [time for time in (before, until) if time is not None]
        return index.between(since, min(ends, default=None))

    def _has_more_pages(self, lines: Sequence[Line], expected: int) -> bool:
        """Whether there are more pages of which the cache has builds than a number."""
        size, hits = self.listing.per_page, 0
        for start in range(0, len(lines) if len(lines) > expected * size else 0, size):
            pairs = [line.pair for line in lines[start : start + size]]
            stamps = self.listing.use.cache.stamps(self.listing.kinds_with_all_parts, [key for key, _ in pairs])
            hits += any(stamps.get(key) == stamp for key, stamp in pairs)
            if hits > expected:
                return True
        return False


def expected_requests(index: FeedIndex, now: float) -> int:
    """Return about how many requests the next run will send: if builds are created as often as before the last one."""
    state, elapsed = index.state, timedelta(seconds=max(now - start_of(index.state).timestamp(), 0.0))
    since = time_text(time_before(start_of(state), elapsed))
    dropped_since = time_text(dropped_from(state))
    is_open = finished = dropped = 0
    for line in index.lines:
        of_build = line.build_state
        is_open += of_build in OPEN_STATES
        finished += line >= since
        dropped += of_build in DROPPED and line >= dropped_since
    return sum(max(1, -(-count // _PER_REQUEST)) for count in (is_open, finished, dropped))


def _with_feed(page: BuildPage, feed: Feed | None) -> FeedPage:
    """Return a page after which the listing continues with a feed."""
    following = page.next_cursor
    return PageResult(page.items, following if feed is None or following is None else FeedCursor(feed, following))


def _held_of(changes: Changes[Change], state: FeedState) -> dict[str, Build]:
    """Run a feed, and return the builds that it reports and that are not final, so that the cache has no rows of them.

    Args:
        changes: The run.
        state: Its state.
    """
    held: dict[str, Build] = {}
    for change in changes:
        build, run = change.item, state.run
        held.pop(build_id(build), None)
        if len(held) < _MOST_HELD and run is not None and not is_final(build, run.started_at - SETTLING_TIME):
            held[build_id(build)] = build
    return held


def by_feed(
    ordinary: TimePaginator,
    pages: AdaptivePageSize[Build],
    filters: Mapping[str, Any],
    *,
    limit: int | None,
    make: Callable[..., BuildQuerySet],
) -> Paginator[Build, Any]:
    """Return a paginator that uses what a feed has seen, if the client has a cache.

    Args:
        ordinary: The paginator that uses requests only.
        pages: Fetches single pages.
        filters: The filters of the listing.
        limit: How many builds are wanted.
        make: Makes a queryset of the same path with other filters.
    """
    listing = pages.listing
    if not isinstance(listing, CachedListing) or not listing.use.reads or not is_exact(listing.use):
        return ordinary
    return FeedPaginator(ordinary, Feeds(listing, filters, limit, make))
