"""The formats of exports: each merges new rows into a file by id, and replaces the file as a whole."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from contextlib import ExitStack, contextmanager
from datetime import datetime
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from buildkite_orm.data.arrow import BatchMaker, load_pyarrow
from buildkite_orm.data.databases import connected, load_duckdb, quoted, replace_tables
from buildkite_orm.data.parquet import write_parquet
from buildkite_orm.errors import BuildkiteError, ConfigurationError
from buildkite_orm.files.atomic import atomic_write
from buildkite_orm.files.safe_paths import Target

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator
    from pathlib import Path

    from buildkite_orm.data.schema import Table
    from buildkite_orm.data.spool import Spool
    from buildkite_orm.files.atomic import PartialFile

T = TypeVar("T")

_ROWS: Final = 2_000
_LONGEST: Final = (1 << 31) - 1  # the largest limit of csv on all systems
_CSV_LIMIT: Final = Lock()


class FileFormat(Protocol):
    """A format of files."""

    def check(self) -> None:
        """Check that the packages are installed.

        Raises:
            ConfigurationError: One is not.
        """
        ...

    def exists(self, path: Path, table: Table) -> bool:
        """Return whether a file exists and has a table.

        Args:
            path: The file.
            table: The table.
        """
        ...

    def merge(self, path: Path, table: Table, spool: Spool) -> None:
        """Replace a file by one that has its rows, without those whose id is in the spool, and the rows of the spool.

        Args:
            path: The file; it may not exist yet.
            table: The columns.
            spool: The new rows.
        """
        ...


class _OneTable:
    """A format whose files have one table each."""

    def exists(self, path: Path, table: Table) -> bool:
        del table
        return path.exists()


# -- Arrow


class _Parquet(_OneTable):
    def check(self) -> None:
        load_pyarrow()

    def merge(self, path: Path, table: Table, spool: Spool) -> None:
        maker = BatchMaker(table)
        write_parquet(path, maker.schema, _merged(path, self._batches(path), maker, table, spool))

    def _batches(self, path: Path) -> Iterator[Any]:
        if path.exists():
            with load_pyarrow("pyarrow.parquet").ParquetFile(path) as file:
                yield from file.iter_batches(_ROWS)


class _DuckDB:
    def check(self) -> None:
        load_pyarrow()
        load_duckdb()

    def exists(self, path: Path, table: Table) -> bool:
        if not path.exists():
            return False
        with ExitStack() as stack:
            with _reading(path):
                connection = stack.enter_context(connected(path))
            return self._has(connection, table.name)

    def merge(self, path: Path, table: Table, spool: Spool) -> None:
        maker = BatchMaker(table)
        with ExitStack() as stack:
            with _reading(path):
                connection = stack.enter_context(connected(path))
            batches = _merged(path, self._batches(connection, table.name), maker, table, spool)
            replace_tables(connection, {table.name: maker.schema}, ({table.name: batch} for batch in batches))

    def _batches(self, connection: Any, name: str) -> Iterator[Any]:
        """Yield the rows of a table, one query at a time: an open one would keep the database from being written."""
        if not self._has(connection, name):
            return
        count = f"SELECT max(rowid) + 1 FROM {quoted(name)}"  # noqa: S608 - a quoted name
        ((rows,),) = connection.execute(count).fetchall()
        for start in range(0, rows or 0, _ROWS):
            where = f"rowid >= {start} AND rowid < {start + _ROWS}"
            query = f"SELECT * FROM {quoted(name)} WHERE {where}"  # noqa: S608 - a quoted name and numbers
            yield from load_pyarrow().table(connection.sql(query)).to_batches()

    def _has(self, connection: Any, name: str) -> bool:
        tables = "SELECT 1 FROM duckdb_tables() WHERE database_name = current_database() AND table_name = ?"
        return bool(connection.execute(tables, [name]).fetchall())


def _merged(path: Path, old: Iterable[Any], maker: BatchMaker, table: Table, spool: Spool) -> Iterator[Any]:
    yield from _read(path, _kept(old, maker, spool))
    for rows in spool.batches(_ROWS):
        yield maker.batch([[row[name] for row in rows] for name in table.names])


def _kept(old: Iterable[Any], maker: BatchMaker, spool: Spool) -> Iterator[Any]:
    pa = load_pyarrow()
    for batch in old:
        ids = batch.column("id").to_pylist()
        changed = spool.has(ids)
        kept = batch.filter(pa.array([each not in changed for each in ids]))
        columns = [
            kept.column(field.name).cast(field.type)
            if field.name in kept.schema.names
            else pa.nulls(len(kept), field.type)
            for field in maker.schema
        ]
        yield pa.RecordBatch.from_arrays(columns, schema=maker.schema)


# -- text


class _JsonLines(_OneTable):
    def check(self) -> None:
        pass

    def merge(self, path: Path, table: Table, spool: Spool) -> None:
        del table
        with _replacing(path) as part:
            for lines in _groups(_read(path, self._lines(path))):
                changed = spool.has([key for key, _ in lines])
                part.write("".join(line for key, line in lines if key not in changed).encode())
            for rows in spool.batches(_ROWS):
                part.write("".join(f"{json.dumps(row, default=_time_text)}\n" for row in rows).encode())

    def _lines(self, path: Path) -> Iterator[tuple[object, str]]:
        """Yield the id of each line, and the line."""
        if path.exists():
            with path.open(encoding="utf-8", newline="\n") as file:
                for line in file:
                    yield json.loads(line)["id"], line


class _Csv(_OneTable):
    def check(self) -> None:
        pass

    def merge(self, path: Path, table: Table, spool: Spool) -> None:
        with _any_length(), _replacing(path) as part:
            part.write(_csv_text(table, [dict(zip(table.names, table.names, strict=True))]))
            for group in _groups(_read(path, self._rows(path))):
                changed = spool.has([key for key, _ in group])
                part.write(_csv_text(table, [row for key, row in group if key not in changed]))
            for rows in spool.batches(_ROWS):
                part.write(_csv_text(table, [{name: _cell(value) for name, value in row.items()} for row in rows]))

    def _rows(self, path: Path) -> Iterator[tuple[str, dict[str, str]]]:
        """Yield the id of each row, and the row."""
        if path.exists():
            with path.open(encoding="utf-8-sig", newline="") as file:  # Excel marks files at their beginning
                reader = csv.DictReader(file)
                if "id" not in (reader.fieldnames or ()):
                    raise LookupError("it has no column 'id'")
                for row in reader:
                    yield row["id"], row


FORMATS: Final[dict[str, FileFormat]] = {
    ".parquet": _Parquet(),
    ".csv": _Csv(),
    ".jsonl": _JsonLines(),
    ".duckdb": _DuckDB(),
}


@contextmanager
def _replacing(path: Path) -> Generator[PartialFile]:
    with atomic_write(Target.of(path, path.name), "export") as part:
        part.restart()
        yield part


@contextmanager
def _reading(path: Path) -> Generator[None]:
    """Turn errors of a file that cannot be read, such as a damaged one, into one that names the file."""
    try:
        yield
    except (BuildkiteError, MemoryError, sqlite3.Error):
        raise
    except Exception as error:  # each format has its own errors
        problem = f"{type(error).__name__}: {error}"
        raise ConfigurationError(f"cannot read {path}, which earlier runs have written: {problem}") from error


def _read(path: Path, old: Iterable[T]) -> Iterator[T]:
    """Yield what a file has; errors name it."""
    with _reading(path):
        yield from old


@contextmanager
def _any_length() -> Generator[None]:
    """Raise the limit of csv, 131,072 characters a field, during a block; it is one limit for the whole process."""
    with _CSV_LIMIT:
        limit = csv.field_size_limit(_LONGEST)
        try:
            yield
        finally:
            csv.field_size_limit(limit)


def _groups(items: Iterable[T]) -> Iterator[list[T]]:
    group: list[T] = []
    for item in items:
        group.append(item)
        if len(group) == _ROWS:
            yield group
            group = []
    if group:
        yield group


def _csv_text(table: Table, rows: list[dict[str, Any]]) -> bytes:
    file = io.StringIO()
    csv.DictWriter(file, table.names, extrasaction="ignore", lineterminator="\n").writerows(rows)
    return file.getvalue().encode()


def _cell(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    return json.dumps(value) if isinstance(value, dict | list) else value


def _time_text(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"a {type(value).__name__} in a row")
