"""Listings as tables: rows and Arrow. The code that makes them is loaded on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from buildkite_orm.models.resource import Resource

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Self

    from buildkite_orm.data.arrow import ArrowStream
    from buildkite_orm.querysets.page import LoadedPage

R = TypeVar("R", bound=Resource)


class Tabular(Generic[R]):
    """A listing that can be read as a table."""

    _model: ClassVar[type[Resource]]

    if TYPE_CHECKING:

        def pages(self) -> Iterator[LoadedPage[R]]: ...  # noqa: D102
        def _with(self, **changed: Any) -> Self: ...
        def _loaded(self) -> tuple[list[R], bool]: ...
        def _describe(self) -> str: ...

    def _known_columns(self) -> Mapping[str, object]:
        """Return the values of columns that are the same in all rows, and that the objects do not have."""
        return {}

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the objects as flat dictionaries, all with the same keys, for `pandas.DataFrame(qs.rows())` and CSV.

        The keys and their types are those of the table in the documentation, also if the server left a field out.
        Objects become several keys (`creator_id`, `creator_name`), times are datetimes in UTC, durations are seconds,
        and what is nested more deeply is JSON text. Values that are not as documented are in `_rest`, as JSON text.
        Pages are requested as they are needed, and not remembered, as by `iterator()`.

        Example:
            >>> rows = bk.organization("acme").pipeline("web").builds(state="passed").limit(3).rows()
            >>> [(row["pipeline_slug"], row["state"], row["duration"]) for row in rows][0]
            ('web', 'passed', 1545.972)
        """
        from buildkite_orm.data.rows import read_columns, rows_of  # noqa: PLC0415 - loaded on first use
        from buildkite_orm.data.schema import table_of  # noqa: PLC0415

        table, known = table_of(self._model), self._known_columns()
        for page in self._table_pages():
            given = {name: [value] * len(page.items) for name, value in known.items()}
            yield from rows_of(table, read_columns(table, page.items, given))

    def arrow(self) -> ArrowStream:
        """Return the listing as an Arrow table that DuckDB, polars, pandas and pyarrow read; no request is sent yet.

        Pages are requested as they are read, one a batch, and each reading requests them again: to read several times,
        load it with `pyarrow.table(x)`. The columns are those of `rows()`.

        Raises:
            ConfigurationError: pyarrow is not installed: `pip install 'buildkite_orm[arrow]'`.
        """
        from buildkite_orm.data.arrow import listing_stream  # noqa: PLC0415

        _, is_whole = self._loaded()
        pages, known = self._table_pages, self._known_columns()
        return listing_stream(self._model, pages, known, self._describe(), is_loaded=is_whole)

    def _table_pages(self) -> Iterator[LoadedPage[R]]:
        """Return the pages of a new listing, which are not remembered; the loaded ones, if they are all."""
        _, is_whole = self._loaded()
        return self.pages() if is_whole else self._with(**self._table_options()).pages()

    def _table_options(self) -> dict[str, Any]:
        """Return what a listing for a table changes."""
        return {}
