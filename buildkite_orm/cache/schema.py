"""The tables of the cache, and opening its database."""

from __future__ import annotations

import contextlib
import secrets
import sqlite3
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from buildkite_orm.cache.folder import DATABASE, UnusableCacheError, prepare_folder

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

VERSION: Final = 1
_APPLICATION: Final = 0x426B4F43
_BUSY_SECONDS: Final = 2.0
_WAL_BYTES: Final = 16 * 2**20

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value BLOB);
CREATE TABLE IF NOT EXISTS tokens (fingerprint TEXT PRIMARY KEY, identity TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS scopes (
    id INTEGER PRIMARY KEY, api TEXT NOT NULL, identity TEXT NOT NULL, dropped TEXT NOT NULL,
    UNIQUE (api, identity, dropped)
);
CREATE TABLE IF NOT EXISTS entries (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL, kind TEXT NOT NULL, scope INTEGER NOT NULL, stamp TEXT NOT NULL,
    stored_at REAL NOT NULL, used_at INTEGER NOT NULL, size INTEGER NOT NULL, data BLOB NOT NULL,
    UNIQUE (key, kind, scope)
);
CREATE INDEX IF NOT EXISTS by_use ON entries (used_at);
CREATE INDEX IF NOT EXISTS by_content ON entries (stamp, size) WHERE kind = 'file';
CREATE TABLE IF NOT EXISTS removals (key TEXT PRIMARY KEY, at REAL NOT NULL);
"""


def connect(folder: Path) -> sqlite3.Connection:
    """Open the database of a cache; make it if it does not exist.

    Raises:
        UnusableCacheError: It is not one of this version, or not on a local disk.
        sqlite3.Error: It is damaged, for example.
        OSError: It cannot be opened.
    """
    prepare_folder(folder)
    uri = f"file:{quote(str(folder / DATABASE))}?mode=rw"
    connection = sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        _check_version(connection)
        _set_up(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _check_version(connection: sqlite3.Connection) -> None:
    # in this order: another process may make the tables now, with both numbers in the same transaction
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    version, application = (_pragma(connection, name) for name in ("user_version", "application_id"))
    if application == 0 and version == 0:
        if tables:
            raise UnusableCacheError(f"{DATABASE} is the database of another program")
    elif application != _APPLICATION:
        raise UnusableCacheError(f"{DATABASE} is the database of another program")
    elif version > VERSION:  # type: ignore[operator] # pyright: ignore[reportOperatorIssue]
        raise UnusableCacheError("it was made by a newer version of this library")


def _set_up(connection: sqlite3.Connection) -> None:
    has_tables = _pragma(connection, "user_version") == VERSION
    if not has_tables:  # later it has no effect, and takes half a millisecond
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    if _pragma(connection, "journal_mode = WAL") != "wal":
        raise UnusableCacheError("its folder is not on a local disk")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES}")
    if has_tables:
        return
    with transaction(connection):
        for statement in _TABLES.split(";"):
            connection.execute(statement)
        connection.execute("INSERT OR IGNORE INTO settings VALUES ('key', ?)", (secrets.token_bytes(32),))
        connection.execute(f"PRAGMA application_id = {_APPLICATION}")
        connection.execute(f"PRAGMA user_version = {VERSION}")


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Generator[None]:
    """Run a block in a transaction that writes; an error undoes it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _pragma(connection: sqlite3.Connection, name: str) -> object:
    (value,) = connection.execute(f"PRAGMA {name}").fetchone()
    return value
