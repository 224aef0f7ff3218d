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
from buildkite_orm.data.checkpoint import FeedQuery
from buildkite_orm.data.feed_index import FeedRecord, FeedRows, is_exact, second_text, start_of, time_text
from buildkite_orm.data.windows import DROPPED, OPEN_STATES, dropped_from, last_run
from buildkite_orm.errors import BuildkiteError
from buildkite_orm.querysets.crowded_second import SECOND, build_id, time_bounds
from buildkite_orm.querysets.listing import with_numbers
from buildkite_orm.querysets.pagination import PageResult
from buildkite_orm.querysets.time_pagination import TimeCursor, TimePaginator
from buildkite_orm.resources.builds.cached_listing import CachedListing
from buildkite_orm.resources.builds.stored_builds import is_final, stamp_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from buildkite_orm.data.checkpoint import FeedState
    from buildkite_orm.data.feed_index import FeedIndex, Line
    from buildkite_orm.http.encoding import Query
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
    """The place of a page of builds that are too recent for a feed, or of the first one that is not.

    Attributes:
        feed: The feed.
        cursor: The place in the listing.
        loaded: How many builds are before it.
    """

    feed: Feed
    cursor: BuildCursor
    loaded: int


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
            return self._fetch_following(cursor)
        page, feed = self._ordinary.fetch(cursor), None
        if cursor == self._ordinary.first_cursor() and isinstance(page.next_cursor, TimeCursor):
            feed = self._feeds.find(page.next_cursor, len(page.items))
        return _with_feed(page, feed, len(page.items))

    def _fetch_following(self, place: FeedCursor) -> FeedPage:
        feed, cursor = place.feed, place.cursor
        before = cursor.before if isinstance(cursor, TimeCursor) and cursor.link is None else None
        if not isinstance(cursor, TimeCursor) or before is None or before > feed.until:
            page = self._ordinary.fetch(cursor)
            return _with_feed(page, feed, place.loaded + len(page.items))
        source = self._feeds.run(feed.rows, cursor, place.loaded)
        if source is None:
            return _with_feed(self._ordinary.fetch(cursor), None)
        return self._fetch_indexed(IndexCursor(source, 0))

    def _fetch_indexed(self, cursor: IndexCursor) -> FeedPage:
        source, start = cursor.source, cursor.position
        end = start + self._ordinary.per_page
        builds = source.load(start, end)
        if builds is None:
            return _with_feed(self._ordinary.fetch(source.ordinary_cursor(start)), None)
        source.store_page(builds, start, end)
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

    def store_page(self, builds: Sequence[Build], start: int, end: int) -> None:
        """Store which builds are on a page, as if it had been requested, for listings with `cache="only"`.

        Such a listing numbers the pages of a second with more builds than a page; these are not stored.

        Args:
            builds: The builds.
            start: The place of the first one.
            end: The place after the last one, if the page is full.
        """
        before, has_next = self._before(start), end < len(self.lines)
        is_first = start == 0 or self._before(start + start - end) != before
        if is_first and not (has_next and self._before(end) == before):
            self.listing.store_keys(self._query(before=before), builds, has_next=has_next)

    def _before(self, start: int) -> datetime | None:
        """Return the whole second before which the builds of a page were created, as a `TimeCursor` has it."""
        return self.lines[start - 1].created.replace(microsecond=0) + SECOND if start > 0 else self.cursor.before

    def _query(self, *, since: datetime | None = None, before: datetime | None) -> Query:
        """Return the query for builds that were created in a time, within the bounds of the listing."""
        own = dict(self.listing.query)
        given = (datetime.fromisoformat(own[name]) if name in own else None for name in ("created_from", "created_to"))
        return self.listing.query_for(extra=time_bounds(*given, since=since, before=before))

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
        try:
            page = self.listing.request_part(
                with_numbers(self._query(since=since, before=before), per_page=_PER_REQUEST)
            )
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
        if query is None or self._left(loaded) <= 0:
            return None
        kept = (True,) if self.listing.with_pipeline else (False, True)
        for rows in (FeedRows(self.listing.use, query, with_pipeline=each) for each in kept):
            index = rows.read()
            if index is None or not self._is_covered(index):
                continue
            until = last_run(index.state).replace(microsecond=0)
            lines = self._lines(index, until if cursor.before is None else min(until, cursor.before))
            recent = recent_builds(index, self.listing.session.clock.now())
            return Feed(rows, until) if self._saves_requests(index, lines, recent, loaded) else None
        return None

    def run(self, rows: FeedRows, cursor: TimeCursor, loaded: int) -> Source | None:
        """Run a feed, and return the builds from a place on as they are now; None if that fails.

        Args:
            rows: The row of the feed.
            cursor: The place in the listing.
            loaded: How many builds are before it; the run lists these too, as far as they have finished.
        """
        index = rows.read()
        known = [] if index is None else self._lines(index, cursor.before)
        if index is None or not self._is_covered(index) or not self._saves_requests(index, known, loaded, loaded):
            return None
        try:
            total = self._count(cursor)
            if total is None or total < len(known):  # some were deleted
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
        record, earliest = FeedRecord(rows), last_run(state)
        held = _held_of(Changes[Change](state, builds._stream, record=record), state)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        was_set_back = start_of(state) < earliest  # the clock of the server: the run has missed what ended since
        return None if was_set_back else record.index, held

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
        seconds = {second_text(time) for time in self._bounds if time is not None and time.microsecond}
        return not seconds or not any(line.second in seconds for line in index.lines)

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

    def _left(self, loaded: int) -> int:
        """Return how many builds are wanted after those that are loaded."""
        return sys.maxsize if self.limit is None else self.limit - loaded

    def _saves_requests(self, index: FeedIndex, lines: Sequence[Line], recent: int, loaded: int) -> bool:
        expected = expected_requests(index, recent) + 1  # and one to count
        return self._has_more_pages(lines[: self._left(loaded)], expected)

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


def recent_builds(index: FeedIndex, now: float) -> int:
    """Return about how many builds were created since the last run: if as many as in the same time before it."""
    start = start_of(index.state)
    elapsed = timedelta(seconds=max(now - start.timestamp(), 0.0))
    return len(index.between(time_before(start, elapsed), None))


def expected_requests(index: FeedIndex, recent: int) -> int:
    """Return about how many requests the next run will send.

    Args:
        index: The index.
        recent: How many builds were created since the last run.
    """
    dropped_since = time_text(dropped_from(index.state))
    is_open = dropped = 0
    for line in index.lines:
        of_build = line.build_state
        is_open += of_build in OPEN_STATES
        dropped += of_build in DROPPED and line >= dropped_since
    return sum(max(1, -(-count // _PER_REQUEST)) for count in (is_open, recent, dropped))


def _with_feed(page: BuildPage, feed: Feed | None, loaded: int = 0) -> FeedPage:
    """Return a page after which the listing continues with a feed."""
    following = page.next_cursor
    if feed is None or following is None:
        return PageResult(page.items, following)
    return PageResult(page.items, FeedCursor(feed, following, loaded))


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
