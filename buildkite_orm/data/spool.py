"""The rows of an unfinished export, on disk: they survive a killed run, and a row that comes twice is kept once."""

from __future__ import annotations

import json
import sqlite3
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from buildkite_orm.data.schema import ColumnType
from buildkite_orm.errors import ConfigurationError, DownloadError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from buildkite_orm.data.schema import Table

_TABLES = """
CREATE TABLE IF NOT EXISTS rows (place INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE, row TEXT);
CREATE TABLE IF NOT EXISTS state (checkpoint TEXT, is_complete INTEGER, since TEXT, kind TEXT);
"""


class Spool:
    """The rows that an export has loaded and not yet written into its file.

    Args:
        path: The file; it is created if there is none.
        table: The columns of the rows.

    Raises:
        ConfigurationError: Another process uses it, or it cannot be written or read.
        DownloadError: At the end of a `with` block: the disk is full, or it is damaged.
    """

    def __init__(self, path: Path, table: Table) -> None:
        self._path = path
        self._table = table
        self._times = [column.name for column in table.columns if column.type is ColumnType.TIME]
        try:
            self._database = sqlite3.connect(path, timeout=0, isolation_level=None)
        except sqlite3.Error as error:
            raise ConfigurationError(f"cannot write {path}: {error}; does its folder exist?") from None
        try:
            self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._database.executescript(_TABLES)
            self._database.execute("DELETE FROM state WHERE 0")  # takes the lock
        except sqlite3.DatabaseError as error:
            self._database.close()
            is_busy = getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY")
            hint = "does another export write the same file?" if is_busy else "if it is damaged, delete it"
            raise ConfigurationError(f"cannot use {path}: {error}; {hint}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()
        if isinstance(error, sqlite3.DatabaseError):  # such as a full disk
            raise DownloadError(f"cannot write {self._path}: {error}") from error

    @property
    def checkpoint(self) -> str | None:
        """The checkpoint that belongs to the rows; None if there are none."""
        found = self._database.execute("SELECT checkpoint FROM state").fetchone()
        return None if found is None else str(found[0])

    @property
    def origin(self) -> tuple[str, str] | None:
        """The start of the export and its kind, with which the rows were loaded; None if there are none."""
        found: tuple[str, str] | None = self._database.execute("SELECT since, kind FROM state").fetchone()
        return found

    @property
    def is_complete(self) -> bool:
        """Whether the run that loaded the rows was complete."""
        return bool((self._database.execute("SELECT is_complete FROM state").fetchone() or (0,))[0])

    def __len__(self) -> int:
        return int(self._database.execute("SELECT count(*) FROM rows").fetchone()[0])

    def add(
        self, rows: Iterable[Mapping[str, Any]], checkpoint: str, since: datetime, *, is_complete: bool = False
    ) -> None:
        """Add rows, and set the checkpoint that belongs to them, in one transaction.

        Args:
            rows: The rows, each with an id; a later one replaces an earlier one with the same id.
            checkpoint: The checkpoint.
            since: The start of the export.
            is_complete: Whether these are the last rows of the run.
        """
        values = [(row["id"], json.dumps(row, default=_as_text)) for row in rows]
        self._database.execute("BEGIN")
        self._database.executemany("INSERT OR REPLACE INTO rows (id, row) VALUES (?, ?)", values)
        self._database.execute("DELETE FROM state")
        self._database.execute(
            "INSERT INTO state VALUES (?, ?, ?, ?)",
            (str(checkpoint), is_complete, since.isoformat(), self._table.name),
        )
        self._database.execute("COMMIT")

    def has(self, ids: Sequence[object]) -> set[object]:
        """Return those of some ids that rows have."""
        query = "SELECT id FROM rows WHERE id IN (SELECT value FROM json_each(?))"
        return {found for (found,) in self._database.execute(query, (json.dumps(ids),))}

    def batches(self, size: int) -> Iterator[list[dict[str, Any]]]:
        """Yield the rows in the order in which they were loaded, in lists of a size."""
        place = 0
        while found := self._database.execute(
            "SELECT place, row FROM rows WHERE place > ? ORDER BY place LIMIT ?", (place, size)
        ).fetchall():
            place = found[-1][0]
            yield [self._row(text) for _, text in found]

    def delete(self) -> None:
        """Delete the file."""
        self._database.close()
        self._path.unlink(missing_ok=True)

    def _row(self, text: str) -> dict[str, Any]:
        read: dict[str, Any] = json.loads(text)
        row = {name: read.get(name) for name in self._table.names}
        for name in self._times:
            time: str | None = row[name]
            row[name] = None if time is None else datetime.fromisoformat(time)
        return row


def _as_text(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"a {type(value).__name__} in a row")
