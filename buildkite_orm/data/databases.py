"""DuckDB databases: tables are replaced in one transaction, in bounded memory."""

from __future__ import annotations

import contextlib
import os
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from buildkite_orm.data.arrow import load_pyarrow
from buildkite_orm.errors import ConfigurationError
from buildkite_orm.utils.plain_values import as_path

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping

_ROWS_PER_INSERT: Final = 2_000
_BYTES_PER_INSERT: Final = 8_000_000
_NOTICES_OPEN_FILES: Final = (1, 4)
"""The first version of DuckDB that does not attach a file which another connection of the process has open."""
_ROWS_PER_GROUP: Final = 8_192
"""A checkpoint holds the last group of each column in memory. With groups of DuckDB's default size, 122,880 rows, and
these inserts, it takes twice the memory and a fifth more time. Measured with 100,000 builds."""


def load_duckdb() -> Any:
    """Return the module duckdb.

    Raises:
        ConfigurationError: It is not installed.
    """
    try:
        return import_module("duckdb")
    except ImportError:
        raise ConfigurationError("DuckDB databases need duckdb: pip install duckdb") from None


class TableWriter:
    """Inserts batches into a table that gets its name once it is complete."""

    def __init__(self, connection: Any, name: str, schema: Any) -> None:
        self.name = name
        self.unfinished = f"buildkite_orm_unfinished_{name}"  # no name that a table of the caller may have
        self._connection = connection
        self._batches: list[Any] = []
        self._run("CREATE OR REPLACE TABLE {} AS SELECT * FROM new_rows", schema.empty_table())

    def write(self, batch: Any) -> None:
        """Add a batch."""
        self._batches.append(batch)
        is_large = sum(each.nbytes for each in self._batches) >= _BYTES_PER_INSERT
        if is_large or sum(map(len, self._batches)) >= _ROWS_PER_INSERT:
            self.flush()

    def flush(self) -> None:
        """Insert what is left."""
        if self._batches:
            rows, self._batches = load_pyarrow().Table.from_batches(self._batches), []
            self._run("INSERT INTO {} SELECT * FROM new_rows", rows)
            self._connection.execute("CHECKPOINT")  # else it would keep the rows in memory

    def _run(self, statement: str, rows: Any) -> None:
        self._connection.register("new_rows", rows)
        self._connection.execute(statement.format(quoted(self.unfinished)))
        self._connection.unregister("new_rows")


def write_duckdb(
    path: str | os.PathLike[str], schemas: Mapping[str, Any], batches: Iterable[Mapping[str, Any]]
) -> Path:
    """Replace tables of a database, or create them, and return its path.

    Args:
        path: The database file; it is created if there is none.
        schemas: The `pyarrow.Schema` of each table, by its name.
        batches: For each step, a batch of each table, by its name.
    """
    target = Path(as_path("path", path))
    with connected(target) as connection:
        replace_tables(connection, schemas, batches)
    return target


def replace_tables(connection: Any, schemas: Mapping[str, Any], batches: Iterable[Mapping[str, Any]]) -> None:
    """Replace tables of a database, or create them.

    Args:
        connection: A connection to it; `batches` may use it too.
        schemas: The `pyarrow.Schema` of each table, by its name.
        batches: For each step, a batch of each table, by its name.
    """
    writers = {name: TableWriter(connection, name, schema) for name, schema in schemas.items()}
    try:
        for several in batches:
            for name, batch in several.items():
                writers[name].write(batch)
        for writer in writers.values():
            writer.flush()
        _replace(connection, writers.values())
    finally:
        with contextlib.suppress(load_duckdb().Error):  # of a database that failed: its own error is raised
            for writer in writers.values():
                connection.execute(f"DROP TABLE IF EXISTS {quoted(writer.unfinished)}")


@contextlib.contextmanager
def connected(path: Path) -> Generator[Any]:
    """Connect to a database whose new tables have small row groups; if this process has it open, to that one as it is.

    Args:
        path: The database file; it is created if there is none.
    """
    duckdb = load_duckdb()
    connection = _attached(duckdb, path) or duckdb.connect(os.fspath(path))
    try:
        yield connection
    finally:
        connection.close()


def _attached(duckdb: Any, path: Path) -> Any | None:
    """Return a connection to a database that is attached with small row groups; None if that fails or is not safe."""
    if tuple(map(int, duckdb.__version__.split(".")[:2])) < _NOTICES_OPEN_FILES:
        return None
    connection = duckdb.connect(config={"threads": 1})
    try:
        name = os.fspath(path).replace("'", "''")
        connection.execute(f"ATTACH '{name}' AS target_database (ROW_GROUP_SIZE {_ROWS_PER_GROUP})")
        connection.execute("USE target_database")
    except duckdb.Error:
        connection.close()
        return None
    return connection


def _replace(connection: Any, writers: Iterable[TableWriter]) -> None:
    connection.execute("BEGIN")
    try:
        for writer in writers:
            connection.execute(f"DROP TABLE IF EXISTS {quoted(writer.name)}")
            connection.execute(f"ALTER TABLE {quoted(writer.unfinished)} RENAME TO {quoted(writer.name)}")
        connection.execute("COMMIT")
    except BaseException:  # such as a view with the name of a table
        with contextlib.suppress(load_duckdb().Error):
            connection.execute("ROLLBACK")
        raise


def quoted(name: str) -> str:
    """Return a name as an identifier of SQL."""
    return '"' + name.replace('"', '""') + '"'
