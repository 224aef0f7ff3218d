"""Parquet files: written in row groups that are large enough to be read fast, in the memory of one group."""

from __future__ import annotations

import io
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from buildkite_orm.data.arrow import load_pyarrow
from buildkite_orm.files.atomic import atomic_write
from buildkite_orm.files.safe_paths import Target
from buildkite_orm.utils.plain_values import as_path

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping

    from buildkite_orm.files.atomic import PartialFile

ROWS_PER_GROUP: Final = 50_000
_ROWS_PER_PIECE: Final = 2_000
_PAGE_SIZE: Final = 1 << 16  # the allocator keeps the memory of larger pages, some 30 MB
_VALUES_AT_ONCE: Final = 256  # which the writer copies; with its default of 1,024, it takes 3 MB more
# Columns whose values differ in nearly every row; all other texts are held once each, which takes half of the memory.
_UNIQUE: Final = frozenset(
    {
        *("_rest", "artifacts_url", "body_html", "commit", "download_url", "graphql_id", "id", "line", "log_url"),
        *("message", "raw_log_url", "step_id", "url", "web_url"),
    }
)


class Output(io.RawIOBase):
    """An unfinished file, as pyarrow writes it.

    Attributes:
        is_abandoned: Whether further bytes are dropped.
    """

    def __init__(self, part: PartialFile) -> None:
        self.is_abandoned = False
        self._part = part

    def writable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the number of bytes so far."""
        return self._part.size

    def write(self, data: Any) -> int:
        """Append bytes; return their number."""
        content = bytes(data)
        if not self.is_abandoned:
            self._part.write(content)
        return len(content)


class ParquetSink:
    """Writes batches into a file in row groups of at least `ROWS_PER_GROUP` rows; the last one may have fewer.

    pyarrow needs all rows of a group at once. So that they take little memory, repeated texts are held once, and
    columns without any value not at all. The file contains plain texts. The allocator of pyarrow would keep twice as
    much as is used; that of the system does not.

    Args:
        file: The file.
        schema: The `pyarrow.Schema`.
    """

    def __init__(self, file: Output, schema: Any) -> None:
        self._file = file
        self._is_finished = False
        self._encode = load_pyarrow("pyarrow.compute").dictionary_encode
        self._pa = load_pyarrow()
        self._pool = self._pa.system_memory_pool()
        self._schema = self._pa.schema([self._held(field) for field in schema])
        # the schema in the metadata would be the one with dictionaries
        repeated = [field.name for field in self._schema if field.name not in _UNIQUE]
        self._writer = load_pyarrow("pyarrow.parquet").ParquetWriter(
            file,
            self._schema,
            compression="zstd",
            use_dictionary=repeated,
            store_schema=False,
            data_page_size=_PAGE_SIZE,
            write_batch_size=_VALUES_AT_ONCE,
            memory_pool=self._pool,
        )
        self._small: list[Any] = []
        self._pieces: list[list[Any]] = []
        self._rows = 0
        self._nulls: dict[Any, Any] = {}

    def write(self, batch: Any) -> None:
        """Add a batch."""
        self._small.append(batch)
        rows = sum(map(len, self._small))
        is_complete = self._rows + rows >= ROWS_PER_GROUP
        if is_complete or rows >= _ROWS_PER_PIECE:
            self._join()
        if is_complete:
            self._write_group()

    def finish(self) -> None:
        """Write what is left, and the end of the file."""
        self._join()
        if self._rows:
            self._write_group()
        self._writer.close()
        self._is_finished = True

    def close(self) -> None:
        """Close the writer; if it is not finished, what it writes at its end is dropped."""
        if not self._is_finished:
            self._file.is_abandoned = True
            self._writer.close()

    def _held(self, field: Any) -> Any:
        if field.type == self._pa.string() and field.name not in _UNIQUE:
            return field.with_type(self._pa.dictionary(self._pa.int32(), self._pa.string()))
        return field

    def _join(self) -> None:
        """Join small batches, each of which takes memory by itself."""
        if not self._small:
            return
        joined, self._small = self._pa.concat_batches(self._small, memory_pool=self._pool), []
        self._pieces.append(
            [self._column(column, field.type) for column, field in zip(joined.columns, self._schema, strict=True)]
        )
        self._rows += len(joined)
        del joined
        self._pool.release_unused()

    def _column(self, column: Any, kind: Any) -> Any:
        if column.null_count == len(column):
            return self._no_values(kind, len(column))
        return self._encode(column, memory_pool=self._pool) if kind != column.type else column

    def _no_values(self, kind: Any, rows: int) -> Any:
        """Return a column without values; those of one type share their memory."""
        if kind not in self._nulls or len(self._nulls[kind]) < rows:
            self._nulls[kind] = self._pa.nulls(rows, kind, memory_pool=self._pool)
        return self._nulls[kind].slice(0, rows)

    def _write_group(self) -> None:
        by_column = [list(chunks) for chunks in zip(*self._pieces, strict=True)]
        self._pieces, self._rows = [], 0
        columns: list[Any] = []
        for chunks, field in zip(by_column, self._schema, strict=True):
            column = self._pa.chunked_array(chunks, field.type)
            chunks.clear()
            has_dictionary = field.type.id == self._pa.lib.Type_DICTIONARY and column.null_count < len(column)
            columns.append(column.unify_dictionaries(memory_pool=self._pool) if has_dictionary else column)
        group = self._pa.Table.from_arrays(columns, schema=self._schema)
        self._writer.write_table(group, row_group_size=len(group))


def write_parquet(path: str | os.PathLike[str], schema: Any, batches: Iterable[Any]) -> Path:
    """Write batches into a file, which replaces the one at that path once it is complete.

    Args:
        path: The file, or a folder, in which it is `table.parquet`.
        schema: The `pyarrow.Schema`.
        batches: The batches.
    """
    target = Target.of(path, "table.parquet")
    _write([(target, schema)], ((batch,) for batch in batches))
    return target.path


def write_parquet_folder(
    folder: str | os.PathLike[str], schemas: Mapping[str, Any], batches: Iterable[tuple[Any, ...]]
) -> list[Path]:
    """Write several tables into a folder, in one pass; no file is replaced before all of them are complete.

    Args:
        folder: The folder; it is made if there is none.
        schemas: The `pyarrow.Schema` of each table, by its name.
        batches: For each step, one batch of each table.
    """
    path = Path(as_path("folder", folder))  # an empty path is the current folder, not "/"
    targets = [Target.of(f"{path}/", f"{name}.parquet") for name in schemas]
    _write(list(zip(targets, schemas.values(), strict=True)), batches)
    return [target.path for target in targets]


def _write(files: list[tuple[Target, Any]], batches: Iterable[tuple[Any, ...]]) -> None:
    with ExitStack() as stack:
        sinks: list[ParquetSink] = []
        for target, schema in files:
            part = stack.enter_context(atomic_write(target, "parquet"))
            part.restart()
            sinks.append(ParquetSink(Output(part), schema))
            stack.callback(sinks[-1].close)
        for several in batches:
            for sink, batch in zip(sinks, several, strict=True):
                sink.write(batch)
        for sink in sinks:
            sink.finish()
