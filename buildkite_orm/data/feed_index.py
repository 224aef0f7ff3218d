"""The builds that a change feed has seen, as a row of the cache: which there are, and in which state each of them is.

A row has a checkpoint and a line for each build. A run from this checkpoint reports all that has changed since, so that
row and run together are what a listing would show.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Final

from buildkite_orm.cache.keys import FEED, FEED_RUN, feed_key
from buildkite_orm.cache.packing import packed_row, unpack
from buildkite_orm.data.checkpoint import EARLIEST, read_state, write_state
from buildkite_orm.querysets.crowded_second import created_at
from buildkite_orm.resources.builds.cached_listing import CachedListing
from buildkite_orm.resources.builds.stored_builds import key_of, stamp_of
from buildkite_orm.utils.surrogates import is_writable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from buildkite_orm.cache.client_cache import CacheUse
    from buildkite_orm.cache.store import FoundRow
    from buildkite_orm.data.checkpoint import FeedQuery, FeedState, Position, Run
    from buildkite_orm.querysets.listing import Listing
    from buildkite_orm.resources.builds.build import Build

_STAMP: Final = "1"
"""The version of the form of the rows."""

_TIME_LENGTH: Final = len("2026-08-01T12:00:00.000000")
_SECOND_LENGTH: Final = len("2026-08-01T12:00:00")
_AT_ONCE: Final = 500
_MOST_BUILDS: Final = 200_000
"""How many builds an index may have: each run reads and writes it, which takes a second and 200 MB for so many."""
_SEPARATORS: Final = frozenset("\t\n\r")


class Line(str):
    """A build in an index: when it was created, its key and its stamp. Lines sort by time."""

    __slots__ = ()

    @classmethod
    def of(cls, build: Build) -> Line | None:
        """Return the line of a build; None if it lacks what a line needs."""
        created, key = created_at(build), key_of(build)
        if created is None or key is None or not build.__dict__.get("id"):
            return None
        stamp = stamp_of(build)
        if not _SEPARATORS.isdisjoint(key + stamp) or not is_writable(key + stamp):
            return None
        return cls(f"{time_text(created)}\t{key}\t{stamp}")

    @property
    def time(self) -> str:
        """When the build was created; see `time_text`."""
        return self[:_TIME_LENGTH]

    @property
    def second(self) -> str:
        """The second in which it was created."""
        return self[:_SECOND_LENGTH]

    @property
    def created(self) -> datetime:
        """When the build was created."""
        return datetime.fromisoformat(self.time).replace(tzinfo=UTC)

    @property
    def pair(self) -> tuple[str, str]:
        """Its key and its stamp."""
        _, key, stamp = self.split("\t")
        return key, stamp

    @property
    def id(self) -> str:
        """Its id."""
        return self.pair[1].partition(" ")[0]

    @property
    def build_state(self) -> str:
        """Its state."""
        return self.pair[1].split(" ", 2)[1]


def second_text(time: datetime) -> str:
    """Return the second of a time, as `Line.second`."""
    return time_text(time)[:_SECOND_LENGTH]


def time_text(time: datetime) -> str:
    """Return a time as text of a fixed length: earlier ones sort before later ones."""
    return time.astimezone(UTC).isoformat(timespec="microseconds")[:_TIME_LENGTH]


@dataclass(frozen=True, slots=True)
class FeedIndex:
    """The builds that a feed has seen.

    Attributes:
        state: The checkpoint from which the next run continues.
        lines: The builds, the newest first.
    """

    state: FeedState
    lines: list[Line]

    @classmethod
    def parse(cls, text: str) -> FeedIndex:
        """Return the index with this text.

        Raises:
            ValueError: It is not valid.
        """
        checkpoint, *lines = text.split("\n")
        return cls(read_state(checkpoint), _lines_of(lines))

    @property
    def text(self) -> str:
        """The text that `parse` reads."""
        return "\n".join([write_state(self.state), *self.lines])

    def between(self, since: datetime | None, before: datetime | None) -> list[Line]:
        """Return the builds that were created in a time."""
        first = "" if since is None else time_text(since)
        end = None if before is None else time_text(before)
        return [line for line in self.lines if line >= first and (end is None or line.time < end)]

    def updated(self, state: FeedState, seen: Mapping[str, Line], gone: Iterable[str] = ()) -> FeedIndex:
        """Return the index after another run.

        Args:
            state: The checkpoint of that run.
            seen: The builds that it has seen, by their ids.
            gone: The ids of builds that do not exist any more.
        """
        by_id = {line.id: line for line in self.lines}
        merged = {**{key: line for key, line in seen.items() if key not in by_id}, **by_id, **seen}
        for key in gone:
            merged.pop(key, None)
        lines = sorted(merged.values(), key=_time_of, reverse=True)
        return FeedIndex(state.model_copy(deep=True), _by_number(lines))


def _lines_of(texts: Iterable[str]) -> list[Line]:
    lines = list(map(Line, texts))
    if not all(line.count("\t") == 2 for line in lines):  # noqa: PLR2004 - the separators of three fields
        raise ValueError("not an index of builds")
    return lines


def _time_of(line: Line) -> str:
    return line.time


def _by_number(lines: Iterable[Line]) -> list[Line]:
    """Order builds of one pipeline that were created at the same moment by their numbers, the highest first.

    A run lists open builds before finished ones, so what it sees is not in the order of a listing.
    """
    ordered: list[Line] = []
    for _, group in groupby(lines, key=_time_of):
        same = list(group)
        if len(same) > 1:
            numbered: dict[str, list[Line]] = {}
            for line in sorted(same, key=_number_of):
                numbered.setdefault(_pipeline_of(line), []).append(line)
            same = [numbered[_pipeline_of(line)].pop() for line in same]
        ordered += same
    return ordered


def _pipeline_of(line: Line) -> str:
    return line.pair[0].rpartition("/")[0]


def _number_of(line: Line) -> tuple[int, str]:
    number = line.pair[0].rpartition("/")[2]
    return len(number), number


class FeedRows:
    """The row of a feed.

    Args:
        use: How the cache is used.
        query: The query of the feed.
        with_pipeline: Whether its builds contain their pipelines.
    """

    def __init__(self, use: CacheUse, query: FeedQuery, *, with_pipeline: bool) -> None:
        self.with_pipeline = with_pipeline
        self.cache = use.cache
        filters = {name: value for name, value in query.filters.items() if name != "created_from"}
        self.key = feed_key(query.path, filters, with_pipeline=with_pipeline)

    def read(self) -> FeedIndex | None:
        """Return what is stored; None if nothing is, or it is damaged."""
        for row in self.cache.find([FEED], [self.key]):
            text = unpack(row.data) if row.stamp == _STAMP else None
            try:
                if text is not None:
                    return FeedIndex.parse(text.decode())
            except (ValueError, TypeError):
                pass
            self.cache.remove([row])
        return None

    def write(self, index: FeedIndex) -> None:
        """Store an index."""
        self.cache.put([packed_row(self.key, FEED, _STAMP, index.text.encode())])


class FirstRunRows:
    """The rows of a first run: one for each page, so that another process can continue it.

    Args:
        rows: The row of the feed.
        run: The run.
    """

    def __init__(self, rows: FeedRows, run: Run) -> None:
        self._cache = rows.cache
        self._key = f"{rows.key} {time_text(run.started_at)}"
        self._pages = 0

    def read(self) -> list[Line]:
        """Return the builds of the pages, up to the first page that is missing."""
        lines: list[Line] = []
        for row in self._rows():
            text = unpack(row.data) if row.stamp == _STAMP else None
            try:
                lines += _lines_of((text or b"").decode().split("\n"))
            except ValueError:
                break
            self._pages += 1
        return lines

    def add(self, lines: Sequence[Line]) -> None:
        """Store the builds of the next page."""
        if lines:
            self._cache.put([packed_row(self._key_of(self._pages), FEED_RUN, _STAMP, "\n".join(lines).encode())])
            self._pages += 1

    def remove(self) -> None:
        """Remove the pages."""
        self._cache.remove(list(self._rows()))

    def _rows(self) -> Iterator[FoundRow]:
        for start in range(0, sys.maxsize, _AT_ONCE):
            keys = [self._key_of(number) for number in range(start, start + _AT_ONCE)]
            found = {row.key: row for row in self._cache.find([FEED_RUN], keys)}
            for key in keys:
                if key not in found:
                    return
                yield found[key]

    def _key_of(self, page: int) -> str:
        return f"{self._key} {page}"


class FeedRecord:
    """The builds that one run has seen, for the index.

    What a run reports is added to the index if the run began at its checkpoint or earlier: then nothing is left out.
    A run that continues one of another process has not seen all builds. Those that a first run lacks are read from the
    cache; a later run is not recorded.

    Args:
        rows: The row of the feed.

    Attributes:
        index: The index with what was seen, once the run is complete; None if that cannot be added to one.
    """

    def __init__(self, rows: FeedRows) -> None:
        self.index: FeedIndex | None = None
        self._rows = rows
        self._began: datetime | None = None
        self._resumes = False
        self._is_usable = False
        self._is_started = False
        self._pages: FirstRunRows | None = None
        self._seen: dict[str, Line] = {}

    def begin(self, state: FeedState) -> None:
        """Begin a run in a state."""
        self._began, self._resumes = state.started_at, state.run is not None
        self._is_usable = not self._resumes

    def note(self, builds: Sequence[Build], state: FeedState) -> None:
        """Note the builds of a page, before one of them is reported."""
        if not self._is_started:
            self._is_started, self._is_usable = True, self._start(state.run)
        lines = [Line.of(build) for build in builds] if self._is_usable else []
        known = [line for line in lines if line is not None]
        self._seen |= {line.id: line for line in known}
        if len(known) < len(lines) or len(self._seen) > _MOST_BUILDS:
            self._is_usable = False
            self._seen.clear()
        elif self._pages is not None and self._is_usable:
            self._pages.add(known)

    def _start(self, run: Run | None) -> bool:
        """Begin to store pages of a first run; return whether all builds that were seen before are known."""
        if self._began is not None or run is None:
            return not self._resumes
        self._pages = FirstRunRows(self._rows, run)
        self._seen = {line.id: line for line in self._pages.read()}
        return not self._resumes or _reaches(self._seen, run.position)

    def store(self, state: FeedState, *, relisted_from: datetime | None = None) -> None:
        """Store the builds of a complete run.

        Args:
            state: Its checkpoint.
            relisted_from: Since the last call, all builds were listed that were created from this time on.
        """
        stored = self._rows.read() if self._is_usable else None
        if stored is not None and stored.state.query != state.query:
            # of two feeds, the row is that of the one that begins earlier: its listings include those of the other
            self._is_usable = not _begins_earlier(stored.state.query, state.query)
            stored = None
        # the later checkpoint stays: the next run begins there, and need not report what this run has missed
        is_older = stored is not None and start_of(stored.state) > start_of(state)
        self.index = self._updated(stored, state, relisted_from, is_older=is_older) if self._is_usable else None
        self._seen.clear()
        if self.index is not None and not is_older and len(self.index.lines) <= _MOST_BUILDS:
            self._rows.write(self.index)
            self._began = state.started_at
        if self._pages is not None:
            self._pages.remove()
            self._pages = None

    def _updated(
        self, stored: FeedIndex | None, state: FeedState, relisted_from: datetime | None, *, is_older: bool
    ) -> FeedIndex | None:
        """Return the index of the cache with what was seen; None if that does not continue it."""
        if self._began is None and not is_older:
            stored = FeedIndex(state, [])
        elif stored is None or start_of(stored.state) < (self._began or EARLIEST):
            return None
        relisted = [] if relisted_from is None else stored.between(relisted_from, None)
        gone = {line.id for line in relisted} - self._seen.keys()
        return stored.updated(stored.state if is_older else state, self._seen, gone)


def _begins_earlier(one: FeedQuery, other: FeedQuery) -> bool:
    """Whether the first of two queries, which differ in `created_from` only, has more builds."""
    first, second = one.created_from, other.created_from
    return first is None or (second is not None and first < second)


def _reaches(seen: Mapping[str, Line], position: Position | None) -> bool:
    """Whether builds, which were seen newest first, are all up to a position; its second is listed again."""
    if position is None:
        return True
    second = second_text(position.second)
    return any(line.second <= second for line in seen.values())


def start_of(state: FeedState) -> datetime:
    """Return the start of the last complete run."""
    return state.started_at or EARLIEST


def is_exact(use: CacheUse) -> bool:
    """Whether requests are sent, and the builds in the cache have all fields."""
    return use.requests and not use.cache.options.dropped


def record_of(listing: Listing[Build], query: FeedQuery) -> FeedRecord | None:
    """Return the record of a run of a feed; None if what it sees is not stored."""
    if not isinstance(listing, CachedListing) or not is_exact(listing.use) or not query.filters.get("with_jobs"):
        return None
    return FeedRecord(FeedRows(listing.use, query, with_pipeline=listing.with_pipeline))
