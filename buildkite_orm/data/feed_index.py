"""The builds that a change feed has seen, as a row of the cache: which there are, and in which state each of them is.

A row has a checkpoint and a line for each build. A run from this checkpoint reports all that has changed since, so that
row and run together are what a listing would show.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from buildkite_orm.cache.client_cache import packed_row, unpack
from buildkite_orm.cache.keys import FEED, feed_key
from buildkite_orm.data.checkpoint import EARLIEST, read_state, write_state
from buildkite_orm.querysets.crowded_second import created_at
from buildkite_orm.resources.builds.cached_listing import CachedListing
from buildkite_orm.resources.builds.stored_builds import key_of, stamp_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from buildkite_orm.cache.client_cache import CacheUse
    from buildkite_orm.data.checkpoint import FeedQuery, FeedState
    from buildkite_orm.querysets.listing import Listing
    from buildkite_orm.resources.builds.build import Build

_STAMP: Final = "1"
"""The version of the form of the rows."""

_TIME_LENGTH: Final = len("2026-08-01T12:00:00.000000")
_SECOND_LENGTH: Final = len("2026-08-01T12:00:00")
_SEPARATORS: Final = frozenset("\t\n\r")


class Line(str):
    """A build in an index: when it was created, its key and its stamp. Lines sort by time."""

    __slots__ = ()

    @classmethod
    def of(cls, build: Build) -> Line | None:
        """Return the line of a build; None if it has not what a line needs."""
        created, key = created_at(build), key_of(build)
        if created is None or key is None or not build.__dict__.get("id"):
            return None
        stamp = stamp_of(build)
        if not _SEPARATORS.isdisjoint(key + stamp):
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
        if not all(line.count("\t") == 2 for line in lines):  # noqa: PLR2004 - the separators of three fields
            raise ValueError("not an index of builds")
        return cls(read_state(checkpoint), list(map(Line, lines)))

    @property
    def text(self) -> str:
        """The text of it."""
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
        return FeedIndex(state.model_copy(deep=True), sorted(merged.values(), key=_time_of, reverse=True))


def _time_of(line: Line) -> str:
    return line.time


class FeedRows:
    """The row of a feed.

    Args:
        use: How the cache is used.
        query: The query of the feed.
        with_pipeline: Whether its builds contain their pipelines.
    """

    def __init__(self, use: CacheUse, query: FeedQuery, *, with_pipeline: bool) -> None:
        self.with_pipeline = with_pipeline
        self._use = use
        filters = {name: value for name, value in query.filters.items() if name != "created_from"}
        self._key = feed_key(query.path, filters, with_pipeline=with_pipeline)

    def read(self) -> FeedIndex | None:
        """Return what is stored; None if nothing is, or it is damaged."""
        for row in self._use.cache.find([FEED], [self._key]):
            text = unpack(row) if row.stamp == _STAMP else None
            try:
                if text is not None:
                    return FeedIndex.parse(text.decode())
            except (ValueError, TypeError):
                pass
            self._use.cache.remove([row])
        return None

    def write(self, index: FeedIndex) -> None:
        """Store an index."""
        self._use.cache.put([packed_row(self._key, FEED, _STAMP, index.text.encode())])


class FeedRecord:
    """The builds that one run has seen, for the index.

    What a run reports is added to the index if the run began at its checkpoint or earlier: then nothing is left out.
    A run that continues one of another process has not seen all builds, and is not recorded.

    Args:
        rows: The row of the feed.

    Attributes:
        index: The index, once the run is complete; None if what was seen cannot be added to one.
    """

    def __init__(self, rows: FeedRows) -> None:
        self.index: FeedIndex | None = None
        self._rows = rows
        self._began: datetime | None = None
        self._is_usable = False
        self._seen: dict[str, Line] = {}

    def begin(self, state: FeedState) -> None:
        """Begin a run in a state."""
        self._began, self._is_usable = state.started_at, state.run is None

    def note(self, build: Build) -> None:
        """Note a build that was listed."""
        line = Line.of(build) if self._is_usable else None
        if line is None:
            self._is_usable = False
            self._seen.clear()
        else:
            self._seen[line.id] = line

    def store(self, state: FeedState, *, relisted_from: datetime | None = None) -> None:
        """Store the builds of a complete run.

        Args:
            state: Its checkpoint.
            relisted_from: Since the last call, all builds were listed that were created from this time on.
        """
        self.index = index = self._updated(state, relisted_from) if self._is_usable else None
        self._seen.clear()
        if index is not None:
            self._rows.write(index)
            self._began = state.started_at

    def _updated(self, state: FeedState, relisted_from: datetime | None) -> FeedIndex | None:
        """Return the index of the cache with what was seen; None if that does not continue it, or is older."""
        stored = self._rows.read()
        is_same = stored is not None and stored.state.query == state.query
        if stored is not None and is_same and start_of(stored.state) > start_of(state):
            return None
        if self._began is None:
            stored = FeedIndex(state, [])
        elif stored is None or not is_same or start_of(stored.state) < self._began:
            return None
        relisted = [] if relisted_from is None else stored.between(relisted_from, None)
        return stored.updated(state, self._seen, {line.id for line in relisted} - self._seen.keys())


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
