"""Tables as Arrow streams, which DuckDB, polars, pandas and pyarrow read by `__arrow_c_stream__`."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from buildkite_orm.data.rows import log_columns, read_columns
from buildkite_orm.data.schema import LOG_TABLE, ColumnType, table_of
from buildkite_orm.errors import ConfigurationError, ManyRequestsWarning
from buildkite_orm.models.hints import unknown_of_table
from buildkite_orm.utils.warn import warn_caller

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from buildkite_orm.data.rows import Values
    from buildkite_orm.data.schema import Table
    from buildkite_orm.logs.text import LogLine
    from buildkite_orm.models.resource import Resource
    from buildkite_orm.querysets.page import LoadedPage

_LINES_PER_BATCH: Final = 10_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EXTRA: Final = "pip install 'buildkite_orm[arrow]'"


class ArrowStream:
    """A table that is requested while it is read.

    pyarrow, DuckDB, polars and pandas accept it: `pyarrow.table(x)`, `duckdb.sql("select … from x")`,
    `polars.DataFrame(x)`, `pandas.DataFrame.from_arrow(x)`. Each reading requests the pages again.

    Attributes:
        error: The exception that ended the last reading; None if that was complete, or was not read to its end.
    """

    def __init__(
        self, table: Table, read: Callable[[], Iterable[Any]], description: str, *, is_loaded: bool = False
    ) -> None:
        """Create a stream; for the library itself.

        Args:
            table: The columns.
            read: Returns the batches of a new reading.
            description: A description of the listing.
            is_loaded: Whether no requests are needed.
        """
        self.error: BaseException | None = None
        self._table = table
        self._schema = arrow_schema(table)
        self._read = read
        self._description = description
        self._is_loaded = is_loaded
        self._requests = 0
        self._has_warned = False

    def __repr__(self) -> str:
        return f"<ArrowStream of {self._description}: {len(self._table.columns)} columns>"

    if not TYPE_CHECKING:  # type checkers know the attributes

        def __getattr__(self, name: str) -> Any:
            raise AttributeError(unknown_of_table(type(self), name, "x"))

    @property
    def schema(self) -> Any:
        """The `pyarrow.Schema`: the same for all listings of a kind, also for an empty one."""
        return self._schema

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Return the Arrow stream of a new reading, as a PyCapsule; the first request is sent when it is read."""
        reader = load_pyarrow().RecordBatchReader.from_batches(self._schema, self._batches())
        return reader.__arrow_c_stream__(requested_schema)

    def to_parquet(self, path: str | os.PathLike[str]) -> Path:
        """Write the table into a Parquet file with row groups of 50,000 rows or more, and return the path.

        A file that exists is replaced when the new one is complete; until then, and after an error, it is unchanged.

        Args:
            path: The file.

        Raises:
            DownloadError: The file cannot be written.
        """
        from buildkite_orm.data.parquet import write_parquet  # noqa: PLC0415 - loaded on first use

        return write_parquet(path, self._schema, self._batches())

    def to_duckdb(self, path: str | os.PathLike[str], table: str | None = None) -> Path:
        """Write the table into a DuckDB database, and return its path.

        A table with this name is replaced, in one transaction. Other tables of the database are unchanged.

        Args:
            path: The database file.
            table: The name of the table; by default, that of the kind of object, such as `builds`.

        Raises:
            ConfigurationError: duckdb is not installed.
        """
        from buildkite_orm.data.databases import write_duckdb  # noqa: PLC0415

        name = self._table.name if table is None else table
        return write_duckdb(path, {name: self._schema}, ({name: batch} for batch in self._batches()))

    def _batches(self) -> Iterator[Any]:
        """Yield the batches of a new reading; the second one warns that its requests are sent again."""
        try:
            self._note_reading()
            for count, batch in enumerate(self._read(), start=1):
                self._requests = max(self._requests, count)
                yield batch
        except GeneratorExit:  # the reader stops early
            raise
        except BaseException as error:  # also Ctrl-C, which readers turn into errors of their own
            self.error = error
            raise

    def _note_reading(self) -> None:
        self.error = None
        if self._requests and not self._has_warned and not self._is_loaded:
            self._has_warned = True
            warn_caller(_again(self._requests), ManyRequestsWarning)


def _again(requests: int) -> str:
    several = f"{requests} requests" if requests > 1 else "1 request"
    return f"an Arrow table is read again, which sends its {several} again: read it once, t = pyarrow.table(x)"


def listing_stream(
    model: type[Resource],
    pages: Callable[[], Iterable[LoadedPage[Any]]],
    known: Mapping[str, object],
    description: str,
    *,
    is_loaded: bool,
) -> ArrowStream:
    """Return the stream of a listing.

    Args:
        model: The class of its objects.
        pages: Returns the pages of a new listing.
        known: The values of columns that are the same in all rows.
        description: A description of the listing.
        is_loaded: Whether no requests are needed.
    """
    table = table_of(model)
    maker = BatchMaker(table)

    def read() -> Iterator[Any]:
        for page in pages():
            given = {name: [value] * len(page.items) for name, value in known.items()}
            yield maker.batch(read_columns(table, page.items, given))

    return ArrowStream(table, read, description, is_loaded=is_loaded)


def log_stream(lines: Sequence[LogLine]) -> ArrowStream:
    """Return the stream of the lines of a log, in batches of `_LINES_PER_BATCH`."""
    maker = BatchMaker(LOG_TABLE)

    def read() -> Iterator[Any]:
        for start in range(0, len(lines), _LINES_PER_BATCH):
            yield maker.batch(log_columns(lines[start : start + _LINES_PER_BATCH]))

    return ArrowStream(LOG_TABLE, read, f"{len(lines)} lines", is_loaded=True)


def load_pyarrow(module: str = "pyarrow") -> Any:
    """Return pyarrow, or one of its modules.

    Raises:
        ConfigurationError: It is not installed.
    """
    try:
        return import_module(module)
    except ImportError:
        raise ConfigurationError(f"Arrow tables need pyarrow: {_EXTRA}") from None


def arrow_schema(table: Table) -> Any:
    """Return the `pyarrow.Schema` of a table."""
    pa = load_pyarrow()
    return pa.schema([(column.name, _arrow_type(pa, column.type)) for column in table.columns])


class BatchMaker:
    """Makes the batches of a table.

    Attributes:
        schema: The `pyarrow.Schema`.
    """

    def __init__(self, table: Table) -> None:
        self._pa = load_pyarrow()
        self._pool = self._pa.system_memory_pool()  # that of pyarrow takes a third more for many small arrays
        self._nulls: dict[Any, Any] = {}
        self.schema = arrow_schema(table)
        self._types = [(column.type, field.type) for column, field in zip(table.columns, self.schema, strict=True)]

    def batch(self, columns: list[Values]) -> Any:
        """Return a `pyarrow.RecordBatch` of the values of columns, which have been checked."""
        arrays = [
            self._array(kind, arrow_type, values)
            for (kind, arrow_type), values in zip(self._types, columns, strict=True)
        ]
        return self._pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _array(self, kind: ColumnType, arrow_type: Any, values: Values) -> Any:
        rows = len(values)
        if values.count(None) == rows:
            return self._no_values(arrow_type, rows)
        if kind is ColumnType.TIME:
            return self._times(arrow_type, values)
        return self._pa.array(_pairs(values) if kind is ColumnType.MAP else values, arrow_type, memory_pool=self._pool)

    def _times(self, arrow_type: Any, values: Values) -> Any:
        """Return a column of times by way of durations: pyarrow takes six times as long for times with a zone."""
        zone = next(value.tzinfo for value in values if value is not None)
        start = _EPOCH.astimezone(zone)  # in the same zone object, so that no offsets are computed
        durations = [None if value is None else value - start for value in values]
        return self._pa.array(durations, self._pa.duration("us"), memory_pool=self._pool).view(arrow_type)

    def _no_values(self, arrow_type: Any, rows: int) -> Any:
        """Return a column without values; those of one type share their memory, which is half of that of builds."""
        found = self._nulls.get(arrow_type)
        if found is None or len(found) < rows:
            found = self._nulls[arrow_type] = self._pa.nulls(rows, arrow_type)
        return found.slice(0, rows)


def _pairs(maps: Values) -> Values:
    return [None if each is None else list(each.items()) for each in maps]


def _arrow_type(pa: Any, kind: ColumnType) -> Any:
    return {
        ColumnType.STRING: pa.string(),
        ColumnType.INTEGER: pa.int64(),
        ColumnType.NUMBER: pa.float64(),
        ColumnType.BOOLEAN: pa.bool_(),
        ColumnType.TIME: pa.timestamp("us", tz="UTC"),
        ColumnType.TEXTS: pa.list_(pa.string()),
        ColumnType.MAP: pa.map_(pa.string(), pa.string()),
        ColumnType.JSON: pa.string(),
    }[kind]
