"""Builds and their jobs as two tables, from the same responses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from buildkite_orm.data.arrow import ArrowStream, BatchMaker
from buildkite_orm.data.job_rows import JOBS, job_columns
from buildkite_orm.data.rows import read_columns
from buildkite_orm.data.schema import table_of
from buildkite_orm.models.hints import unknown_of_table
from buildkite_orm.resources.builds.build import Build

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from buildkite_orm.querysets.page import LoadedPage
    from buildkite_orm.resources.builds.build_queryset import BuildQuerySet

BUILDS: Final = table_of(Build)


class TableBatches(NamedTuple):
    """The builds of a page, and their jobs.

    Attributes:
        builds: A `pyarrow.RecordBatch`.
        jobs: A `pyarrow.RecordBatch`; its `build_id` is the `id` of the build.
    """

    builds: Any
    jobs: Any


class BuildTables:
    """Builds and their jobs as two tables: iterate over pairs of batches, one pair a page.

    Args:
        builds: The listing, with jobs.
        pages: Returns the pages of a new listing.
    """

    def __init__(self, builds: BuildQuerySet, pages: Callable[[], Iterable[LoadedPage[Build]]]) -> None:
        self._listing = builds
        self._new_pages = pages
        self._makers = BatchMaker(BUILDS), BatchMaker(JOBS)

    def __repr__(self) -> str:
        return f"<BuildTables of {self._listing!r}>"

    if not TYPE_CHECKING:  # type checkers know the attributes

        def __getattr__(self, name: str) -> Any:
            raise AttributeError(unknown_of_table(type(self), name, "x.jobs"))

    def __iter__(self) -> Iterator[TableBatches]:
        builds, jobs = self._makers
        for items in self._pages():
            yield TableBatches(builds.batch(read_columns(BUILDS, items)), jobs.batch(job_columns(items)))

    @property
    def builds(self) -> ArrowStream:
        """The builds alone; a reading lists the builds without their jobs."""
        return self._listing.filter(with_jobs=False, include_retried_jobs=False).arrow()

    @property
    def jobs(self) -> ArrowStream:
        """The jobs alone; a reading lists the builds with their jobs."""

        def read() -> Iterator[Any]:
            return (self._makers[1].batch(job_columns(items)) for items in self._pages())

        return ArrowStream(JOBS, read, f"the jobs of {self._listing!r}")

    def to_parquet(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write both tables in one pass, into `builds.parquet` and `jobs.parquet`, and return their paths.

        Files that exist are replaced when both new ones are complete; until then, and after an error, they are
        unchanged. The row groups have 50,000 rows or more.

        Args:
            folder: The folder; it is made if there is none.

        Raises:
            DownloadError: A file cannot be written.
        """
        from buildkite_orm.data.parquet import write_parquet_folder  # noqa: PLC0415 - loaded on first use

        return write_parquet_folder(folder, self._schemas, iter(self))

    def to_duckdb(self, path: str | os.PathLike[str]) -> Path:
        """Write both tables in one pass, into the tables `builds` and `jobs` of a database, and return its path.

        Tables with these names are replaced, in one transaction. Other tables of the database are unchanged.

        Args:
            path: The database file; it is created if there is none.

        Raises:
            ConfigurationError: duckdb is not installed.
        """
        from buildkite_orm.data.databases import write_duckdb  # noqa: PLC0415 - loaded on first use

        return write_duckdb(path, self._schemas, (batches._asdict() for batches in self))

    @property
    def _schemas(self) -> dict[str, Any]:
        builds, jobs = self._makers
        return {"builds": builds.schema, "jobs": jobs.schema}

    def _pages(self) -> Iterator[Sequence[Build]]:
        return (page.items for page in self._new_pages())
