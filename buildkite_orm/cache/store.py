"""The rows of the cache, in SQLite. Threads share a connection, processes share the file."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from buildkite_orm.cache import eviction
from buildkite_orm.cache.policy import SETTLING_TIME
from buildkite_orm.cache.schema import connect, transaction
from buildkite_orm.utils.forking import ForkSafeLock

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence
    from pathlib import Path

_AT_ONCE: Final = 500
_TOUCH_AFTER: Final = 3600  # seconds: how exact the last use of a row is
_MOST_TOUCHED: Final = 1000
_COUNT_EVERY: Final = 64  # writes
_SHARE_UNCHECKED: Final = 1 / 256  # of the limit; several processes may write at once
_SHARE_USED: Final = 0.95  # of the limit; the rest is for the files of SQLite that are beside its database
_PREFIX: Final = "*"  # before the prefixes among the keys of removals
_REMOVALS_KEPT: Final = 3600.0  # seconds: they count for ten minutes, but the clock of another process may differ

_INSERT: Final = "INSERT OR REPLACE INTO entries VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?)"
_COLUMNS: Final = (  # damage can change the type of a value too
    "key, kind, CAST(stamp AS TEXT), CAST(data AS BLOB), size, id, CAST(stored_at AS REAL), CAST(used_at AS INTEGER)"
)

_inherited: list[sqlite3.Connection] = []
"""Connections of a parent process: a forked child must neither use nor close them."""


@dataclass(frozen=True, slots=True)
class Row:
    """A payload and what it was stored for.

    Attributes:
        key: The path of a build, or the id of a job or an artifact.
        kind: The kind of payload.
        stamp: What the row was stored for; a row with another stamp is out of date.
        data: The payload as it is stored; empty for a file.
        size: How many bytes it has on disk.
    """

    key: str
    kind: str
    stamp: str
    data: bytes
    size: int


@dataclass(frozen=True, slots=True)
class FoundRow(Row):
    """A row that was read.

    Attributes:
        id: Its number.
        stored_at: When it was stored, in seconds since the Unix epoch.
    """

    id: int
    stored_at: float


class Store:
    """The rows of a cache. All methods raise `sqlite3.Error` or `OSError` if the disk or the file is not usable.

    Args:
        folder: The folder of the cache.
        max_bytes: Its size limit.
        now: Returns the wall time.
    """

    def __init__(self, folder: Path, *, max_bytes: int, now: Callable[[], float]) -> None:
        self.folder = folder
        self.max_bytes = max_bytes
        self._now = now
        self._lock = ForkSafeLock()
        self._opened = _Opened()
        weakref.finalize(self, self._opened.close)
        self._touched: set[int] = set()
        self._writes = 0
        self._unchecked = 0
        self._file_bytes = 0

    # -- reading

    def find(self, scope: int, kinds: Sequence[str], keys: Sequence[str]) -> list[FoundRow]:
        """Return the rows of these kinds and keys, and note that they were used."""
        rows: list[FoundRow] = []
        used_before = self._now() - _TOUCH_AFTER
        with self._connected() as connection:
            for start in range(0, len(keys), _AT_ONCE):
                some = keys[start : start + _AT_ONCE]
                query = f"SELECT {_COLUMNS} FROM entries WHERE {_of(some, kinds)}"  # noqa: S608 - only marks are inserted
                for *values, used_at in connection.execute(query, (*some, *kinds, scope)):
                    row = FoundRow(*values)
                    rows.append(row)
                    if used_at < used_before:
                        self._touched.add(row.id)
            if len(self._touched) > _MOST_TOUCHED:
                with transaction(connection):
                    self._touch(connection)
        return rows

    def stamps(self, scope: int, kinds: Sequence[str], wanted: Sequence[str]) -> dict[str, str]:
        """Return the stamps of rows, by their keys, without their payloads."""
        query = f"SELECT key, stamp FROM entries WHERE {_of(wanted, kinds)}"  # noqa: S608 - only marks are inserted
        with self._connected() as connection:
            return dict(connection.execute(query, (*wanted, *kinds, scope)))

    def has_below(self, scope: int, kinds: Sequence[str], prefix: str) -> bool:
        """Whether there is any row of these kinds whose key begins with a prefix."""
        of_kinds = f"kind IN ({_marks(kinds)}) AND scope = ?"
        query = f"SELECT 1 FROM entries WHERE key >= ? AND key < ? AND {of_kinds} LIMIT 1"  # noqa: S608 - as above
        with self._connected() as connection:
            return connection.execute(query, (*_range(prefix), *kinds, scope)).fetchone() is not None

    # -- writing

    def put(self, scope: int, rows: Sequence[Row]) -> None:
        """Store rows, except those whose keys were removed a moment ago."""
        now = self._now()
        with self._connected() as connection:
            with transaction(connection):
                held = self._held(connection, [row.key for row in rows], now)
                connection.executemany(_INSERT, [_values(row, scope, now) for row in rows if row.key not in held])
                self._touch(connection)
            self._evict(connection, sum(row.size for row in rows))

    def put_page(self, scope: int, row: Row) -> None:
        """Store the row of a page: its key is never removed, so one statement is enough, in half of the time."""
        with self._connected() as connection:
            connection.execute(_INSERT, _values(row, scope, self._now()))
            self._evict(connection, row.size)

    def put_file(self, scope: int, row: Row, place: Callable[[], None]) -> None:
        """Store the row of a content file.

        Args:
            scope: Its scope.
            row: The row.
            place: Moves the file to its place. No process deletes files meanwhile.
        """
        now = self._now()
        with self._connected() as connection:
            with transaction(connection):
                if self._held(connection, [row.key], now):
                    return
                place()
                connection.execute(_INSERT, _values(row, scope, now))
                self._touch(connection)
            self._evict(connection, row.size, count_files=True)

    def remove(self, ids: Iterable[int]) -> None:
        """Remove rows by their numbers."""
        with self._connected() as connection, transaction(connection):
            eviction.delete_rows(connection, self.folder, list(ids))

    def forget(self, keys: Sequence[str], prefixes: Sequence[str] = ()) -> None:
        """Remove what is stored under these keys and prefixes in any scope, and store nothing there for ten minutes."""
        now = self._now()
        with self._connected() as connection, transaction(connection):
            for prefix in prefixes:
                found = connection.execute("SELECT id FROM entries WHERE key >= ? AND key < ?", _range(prefix))
                eviction.delete_rows(connection, self.folder, [number for (number,) in found.fetchall()])
            for key in keys:
                found = connection.execute("SELECT id FROM entries WHERE key = ?", (key,))
                eviction.delete_rows(connection, self.folder, [number for (number,) in found.fetchall()])
            held = [(key, now) for key in (*keys, *(f"{_PREFIX}{prefix}" for prefix in prefixes))]
            connection.executemany("INSERT OR REPLACE INTO removals VALUES (?, ?)", held)
            connection.execute("DELETE FROM removals WHERE at < ?", (now - _REMOVALS_KEPT,))

    # -- tokens and scopes

    def open(self) -> int:
        """Open the database, and return how often this was done: each time, it may be another one."""
        with self._connected():
            return self._opened.count

    def key(self) -> bytes:
        """Return the key with which tokens are turned into fingerprints."""
        with self._connected() as connection:
            (value,) = connection.execute("SELECT value FROM settings WHERE name = 'key'").fetchone()
            return bytes(value)

    def identity_of(self, fingerprint: str) -> str | None:
        """Return the uuid of a token; None if it is not known."""
        with self._connected() as connection:
            found = connection.execute("SELECT identity FROM tokens WHERE fingerprint = ?", (fingerprint,)).fetchone()
        return None if found is None else str(found[0])

    def remember(self, fingerprint: str, identity: str) -> None:
        """Store the uuid of a token."""
        with self._connected() as connection:
            connection.execute("INSERT OR REPLACE INTO tokens VALUES (?, ?)", (fingerprint, identity))

    def scope(self, api: str, identity: str, dropped: str) -> int:
        """Return the number of a scope; add it if there is none."""
        query, values = "SELECT id FROM scopes WHERE api = ? AND identity = ? AND dropped = ?", (api, identity, dropped)
        with self._connected() as connection:
            found = connection.execute(query, values).fetchone()
            if found is None:
                connection.execute("INSERT OR IGNORE INTO scopes VALUES (NULL, ?, ?, ?)", values)
                found = connection.execute(query, values).fetchone()
        return int(found[0])

    # -- all of it

    def usage(self) -> eviction.Usage:
        """Return what is stored, and how many bytes it has."""
        with self._connected() as connection:
            return eviction.usage(connection)

    def prune(self, *, max_age: float | None = None) -> None:
        """Delete what is older than an age in seconds, what is beyond the size limit, and files without a row."""
        with self._connected() as connection:
            eviction.prune(connection, self.folder, self.max_bytes, self._now(), max_age)

    def close(self) -> None:
        """Close the connection; it is opened again when it is needed."""
        with self._lock.current:
            connection = self._opened.take()
            if connection is None:
                return
            with contextlib.suppress(sqlite3.Error), contextlib.closing(connection):
                if self._touched:
                    with transaction(connection):
                        self._touch(connection)

    @contextlib.contextmanager
    def _connected(self) -> Generator[sqlite3.Connection]:
        with self._lock.current:
            try:
                yield self._opened.get(self.folder)
            except UnicodeDecodeError as error:  # a damaged file in which the text of sqlite's own error is damaged
                raise sqlite3.DatabaseError(f"the file is damaged: {error}") from None

    def _evict(self, connection: sqlite3.Connection, written: int, *, count_files: bool = False) -> None:
        """Delete rows if there is more than the limit. The size is checked each time that 1/256 of it was written.

        Args:
            connection: The connection.
            written: How many bytes were just written.
            count_files: Whether to count the files now, which is slower; else that is done at every 64th write.
        """
        count_files = count_files or self._writes % _COUNT_EVERY == 0
        self._writes += 1
        self._unchecked += written
        is_due = count_files or self._unchecked >= _SHARE_UNCHECKED * self.max_bytes
        if not is_due:
            return
        self._unchecked = 0
        if count_files:
            self._file_bytes = eviction.file_bytes(connection)
        if eviction.database_bytes(connection) + self._file_bytes > _SHARE_USED * self.max_bytes:
            eviction.evict(connection, self.folder, self.max_bytes)
            self._file_bytes = eviction.file_bytes(connection)

    def _touch(self, connection: sqlite3.Connection) -> None:
        touched, self._touched = self._touched, set()
        if not touched:
            return
        now = int(self._now())
        connection.executemany("UPDATE entries SET used_at = ? WHERE id = ?", [(now, each) for each in touched])

    def _held(self, connection: sqlite3.Connection, keys: Sequence[str], now: float) -> set[str]:
        """Return the keys under which nothing is stored yet, because they were removed a moment ago."""
        since = now - SETTLING_TIME.total_seconds()
        found = connection.execute("SELECT key FROM removals WHERE at > ?", (since,))
        removed = {str(key) for (key,) in found}
        prefixes = tuple(key[1:] for key in removed if key.startswith(_PREFIX))
        return {key for key in keys if key in removed or key.startswith(prefixes)}


class _Opened:
    """The connection of a store, which is closed with it; apart from the store, so that nothing keeps that alive.

    Attributes:
        count: How often it was opened.
    """

    def __init__(self) -> None:
        self.count = 0
        self._connection: sqlite3.Connection | None = None
        self._process = 0

    def get(self, folder: Path) -> sqlite3.Connection:
        """Return the connection of this process; open it if there is none."""
        if self._connection is not None and self._process != os.getpid():
            _inherited.append(self._connection)
            self._connection = None
        if self._connection is None:
            self._connection, self._process = connect(folder), os.getpid()
            self.count += 1
        return self._connection

    def take(self) -> sqlite3.Connection | None:
        """Return the connection, and forget it; None if this process has none."""
        connection, self._connection = self._connection, None
        if connection is not None and self._process != os.getpid():
            _inherited.append(connection)
            return None
        return connection

    def close(self) -> None:
        """Close the connection of this process."""
        connection = self.take()
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()


def _values(row: Row, scope: int, now: float) -> tuple[object, ...]:
    """Return the values of `_INSERT`."""
    return row.key, row.kind, scope, row.stamp, now, int(now), row.size, row.data


def _of(keys: Sequence[str], kinds: Sequence[str]) -> str:
    return f"key IN ({_marks(keys)}) AND kind IN ({_marks(kinds)}) AND scope = ?"


def _marks(values: Sequence[str]) -> str:
    return ", ".join("?" * len(values))


def _range(prefix: str) -> tuple[str, str]:
    return prefix, f"{prefix}\x7f"
