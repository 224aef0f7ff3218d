"""The cache of one client: rows in the scope of its token. If it fails, there is one warning, and no request fails."""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from buildkite_orm.cache import keys
from buildkite_orm.cache.eviction import Usage
from buildkite_orm.cache.files import UnfinishedContent, open_content
from buildkite_orm.cache.folder import UnusableCacheError
from buildkite_orm.cache.identity import NoIdentityError, Scopes
from buildkite_orm.cache.options import CacheWarning, checked_age, checked_mode
from buildkite_orm.cache.policy import without_fields
from buildkite_orm.cache.store import FoundRow, Row, Store
from buildkite_orm.errors import ConfigurationError, NotCachedError
from buildkite_orm.utils.warn import warn_caller

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import timedelta
    from io import BufferedReader

    from buildkite_orm.cache.options import Cache, CacheMode
    from buildkite_orm.http.messages import ApiRequest, ApiResponse
    from buildkite_orm.http.session import Session

T = TypeVar("T")

_MOST_OF_THE_LIMIT: Final = 0.5
_BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


@dataclass(frozen=True, slots=True)
class CacheUse:
    """The way in which one call uses the cache.

    Attributes:
        cache: The cache of the client.
        reads: Whether what is stored is used.
        writes: Whether what is received is stored.
        requests: Whether requests may be sent.
    """

    cache: ClientCache
    reads: bool
    writes: bool
    requests: bool


def cache_use(session: Session, mode: CacheMode | None) -> CacheUse | None:
    """Return the way in which a call uses the cache; None if it does not.

    Args:
        session: The session of the client.
        mode: The mode of this call; None for that of the client.

    Raises:
        ConfigurationError: There is no such mode, or the call is not to send requests, and the client has no cache.
        NotCachedError: The call is not to send requests, and the cache cannot be used.
    """
    cache = session.cache
    if mode is not None:
        mode = checked_mode("cache", mode)
    if cache is None:
        if mode == "only":
            raise ConfigurationError("cache='only': this client has no cache; pass Buildkite(cache=Cache('a folder'))")
        return None
    mode = mode or cache.options.mode
    if mode == "off" or (cache.problem is not None and mode != "only"):
        return None
    return CacheUse(cache, reads=mode != "refresh", writes=mode != "only", requests=mode != "only")


class ClientCache:
    """The cache of one client.

    Args:
        options: Its options.
        session: The session of the client.

    Attributes:
        problem: Why it cannot be used; None if it can.
    """

    def __init__(self, options: Cache, session: Session) -> None:
        self.options = options
        self.problem: str | None = None
        self._session = session
        self._store = Store(options.folder, max_bytes=options.max_bytes, now=session.clock.now)
        self._scopes = Scopes(options, session, self._store)

    @property
    def sends_requests(self) -> bool:
        """Whether the client may send requests."""
        return self.options.mode != "only"

    # -- rows

    def find(self, kinds: Sequence[str], wanted: Sequence[str], *, max_age: timedelta | None = None) -> list[FoundRow]:
        """Return the rows of these kinds and keys.

        Args:
            kinds: The kinds.
            wanted: The keys.
            max_age: How old they may be.
        """
        rows = self._in_scope(lambda scope: self._store.find(scope, kinds, wanted), list[FoundRow]())
        if max_age is None:
            return rows
        seconds, now = checked_age("max_age", max_age), self._session.clock.now()
        return [row for row in rows if 0 <= now - row.stored_at <= seconds]

    def stamps(self, kinds: Sequence[str], wanted: Sequence[str]) -> dict[str, str]:
        """Return the stamps of rows, by their keys."""
        return self._in_scope(lambda scope: self._store.stamps(scope, kinds, wanted), dict[str, str]())

    def has_below(self, kinds: Sequence[str], prefix: str) -> bool:
        """Whether there is any row of these kinds whose key begins with a prefix."""
        return self._in_scope(lambda scope: self._store.has_below(scope, kinds, prefix), default=False)

    def put(self, rows: Sequence[Row]) -> None:
        """Store rows."""
        fitting = list(filter(self._fits, rows))
        if fitting:
            self._in_scope(lambda scope: self._store.put(scope, fitting), None)

    def put_page(self, row: Row) -> None:
        """Store the row of a page."""
        if self._fits(row):
            self._in_scope(lambda scope: self._store.put_page(scope, row), None)

    def remove(self, rows: Sequence[FoundRow]) -> None:
        """Remove rows that cannot be read."""
        self._guarded(lambda: self._store.remove([row.id for row in rows]), None)

    def without_dropped(self, value: Any) -> Any:
        """Return a JSON value without the fields that must not be stored.

        Raises:
            ValueError: It is nested too deeply.
        """
        return without_fields(value, self.options.dropped)

    # -- files

    def open_file(self, key: str, max_age: timedelta) -> BufferedReader | None:
        """Open the content file of an artifact; None if there is none, or it is damaged."""
        for row in self.find([keys.FILE], [key], max_age=max_age):
            file = open_content(self.options.folder, row.stamp)
            if file is not None:
                return file
            self.remove([row])
        return None

    def new_file(self) -> FileCopy | None:
        """Return a copy to write a content file to; None if that is not possible."""
        if self._in_scope(lambda scope: scope, None) is None:
            return None
        content = self._guarded(lambda: UnfinishedContent(self.options.folder), None)
        return None if content is None else FileCopy(self, content)

    def keep_file(self, key: str, content: UnfinishedContent) -> None:
        """Store a content file that is complete and checked."""
        row = Row(key, keys.FILE, content.digest, b"", content.size)
        self._in_scope(lambda scope: self._store.put_file(scope, row, content.move_to_place), None)

    def most_file_bytes(self) -> float:
        """Return how large a file may be that is stored."""
        return self.options.max_bytes * _MOST_OF_THE_LIMIT

    def try_write(self, write: Callable[[], None]) -> bool:
        """Whether writing to a content file succeeds."""

        def succeeds() -> bool:
            write()
            return True

        return self._guarded(succeeds, default=False)

    # -- writes of the client

    def forget(self, request: ApiRequest, response: ApiResponse | None) -> None:
        """Remove what a write may have changed.

        Args:
            request: The write.
            response: Its response; None if it is not known.
        """
        named, prefixes = keys.obsolete(request, response)
        if not named and not prefixes:
            return
        if self.problem is None:
            self._guarded(lambda: self._store.forget(named, prefixes), None)
        else:  # the rows are there for others: try nevertheless
            with contextlib.suppress(UnusableCacheError, sqlite3.Error, OSError):
                self._store.forget(named, prefixes)

    def check_request(self, request: ApiRequest) -> None:
        """Refuse a request of a client that sends none.

        Raises:
            NotCachedError: It sends none.
        """
        if not self.sends_requests:
            raise NotCachedError.of([f"{request.method} {request.path}"])

    def usage(self) -> Usage:
        """Return what is stored, and how many bytes it has."""
        return self._guarded(self._store.usage, Usage(0, 0, {}))

    def close(self) -> None:
        """Close the database."""
        self._store.close()

    def _fits(self, row: Row) -> bool:
        return row.size <= self.options.max_bytes * _MOST_OF_THE_LIMIT

    # -- errors

    def _in_scope(self, action: Callable[[int], T], default: T) -> T:
        def run() -> T:
            scope = self._scopes.current(may_request=self.sends_requests)
            return default if scope is None else action(scope)

        return self._guarded(run, default)

    def _guarded(self, action: Callable[[], T], default: T) -> T:
        if self.problem is not None:
            return default
        try:
            return action()
        except NoIdentityError:
            return default
        except sqlite3.OperationalError as error:
            if (
                getattr(error, "sqlite_errorcode", 0) & 0xFF in _BUSY
            ):  # another process writes for seconds: do without, this time
                return default
            problem = str(error)
        except (UnusableCacheError, sqlite3.Error) as error:
            problem = str(error)
        except OSError as error:
            problem = error.strerror or type(error).__name__
        self._give_up(problem)
        return default

    def _give_up(self, problem: str) -> None:
        if self.problem is None:
            self.problem = problem
            folder = self.options.folder
            message = f"the cache in {str(folder)!r} cannot be used, and the client continues without it: {problem}"
            warn_caller(message, CacheWarning)


class FileCopy:
    """A content file that is written while the artifact is downloaded. It fails silently, and is then not kept."""

    def __init__(self, cache: ClientCache, content: UnfinishedContent) -> None:
        self._cache = cache
        self._content: UnfinishedContent | None = content

    def write(self, chunk: bytes) -> None:
        """Append a chunk."""
        content = self._content
        if content is None:
            return
        is_too_large = content.size + len(chunk) > self._cache.most_file_bytes()
        if is_too_large or not self._cache.try_write(lambda: content.write(chunk)):
            self.discard()

    def keep(self, key: str) -> None:
        """Store the file, which is complete and checked."""
        content = self._content
        if content is not None:
            self._cache.keep_file(key, content)
            self.discard()

    def discard(self) -> None:
        """Delete the file, unless it is stored."""
        content, self._content = self._content, None
        if content is not None:
            content.discard()
