"""Deleting rows: those that were used least recently, those that are too old, and files that no row names."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from buildkite_orm.cache.files import content_files, content_path, unfinished_files
from buildkite_orm.cache.schema import transaction

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from pathlib import Path

_SHARE_KEPT: Final = 0.9
_AT_ONCE: Final = 200
_UNFINISHED_AGE: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Usage:
    """The contents of a cache, counted.

    Attributes:
        database: The bytes of the rows.
        files: The bytes of the content files.
        counts: How many rows there are, by their kinds.
    """

    database: int
    files: int
    counts: dict[str, int]

    @property
    def total(self) -> int:
        """All bytes."""
        return self.database + self.files


def usage(connection: sqlite3.Connection) -> Usage:
    """Return what is stored, and how many bytes it has."""
    counts = {
        str(kind): int(count) for kind, count in connection.execute("SELECT kind, count(*) FROM entries GROUP BY 1")
    }
    return Usage(database_bytes(connection), file_bytes(connection), counts)


def evict(connection: sqlite3.Connection, folder: Path, max_bytes: int) -> None:
    """Delete what was used least recently, until a tenth of the limit is free."""
    wanted = int(max_bytes * _SHARE_KEPT)
    while (excess := database_bytes(connection) + file_bytes(connection) - wanted) > 0:
        with transaction(connection):
            oldest = connection.execute("SELECT id, size FROM entries ORDER BY used_at, id LIMIT ?", (_AT_ONCE,))
            chosen: list[int] = []
            for number, size in oldest.fetchall():
                if excess <= 0:
                    break
                chosen.append(number)
                excess -= size
            delete_rows(connection, folder, chosen)
        if not chosen:
            return


def prune(connection: sqlite3.Connection, folder: Path, max_bytes: int, now: float, max_age: float | None) -> None:
    """Delete what is too old or beyond the limit, and files without a row; shrink the database."""
    with transaction(connection):
        if max_age is not None:
            old = connection.execute("SELECT id FROM entries WHERE stored_at < ?", (now - max_age,)).fetchall()
            delete_rows(connection, folder, [number for (number,) in old])
        named = {str(stamp) for (stamp,) in connection.execute("SELECT stamp FROM entries WHERE kind = 'file'")}
        for path in content_files(folder):
            if path.name not in named:
                path.unlink(missing_ok=True)
    for path in unfinished_files(folder):
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < time.time() - _UNFINISHED_AGE:  # by the clock of the disk, not of the client
                path.unlink()
    evict(connection, folder, max_bytes)
    connection.executescript("PRAGMA incremental_vacuum")  # `execute` would do one step of it
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def delete_rows(connection: sqlite3.Connection, folder: Path, ids: Sequence[int]) -> None:
    """Delete rows, and the content files that no other row names; inside a transaction."""
    for number in ids:
        found = connection.execute("SELECT kind, stamp FROM entries WHERE id = ?", (number,)).fetchone()
        connection.execute("DELETE FROM entries WHERE id = ?", (number,))
        if found is None or found[0] != "file":
            continue
        others = connection.execute("SELECT 1 FROM entries WHERE stamp = ? AND kind = 'file' LIMIT 1", (found[1],))
        if others.fetchone() is None:
            content_path(folder, str(found[1])).unlink(missing_ok=True)


def database_bytes(connection: sqlite3.Connection) -> int:
    """Return the bytes of the pages of the database that are in use."""
    names = ("page_count", "freelist_count", "page_size")
    pages, free, size = (int(connection.execute(f"PRAGMA {name}").fetchone()[0]) for name in names)
    return (pages - free) * size


def file_bytes(connection: sqlite3.Connection) -> int:
    """Return the bytes of the content files."""
    query = "SELECT total(size) FROM (SELECT DISTINCT stamp, size FROM entries WHERE kind = 'file')"
    return int(connection.execute(query).fetchone()[0])
