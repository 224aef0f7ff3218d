"""A source for dlt, on the change feed; imported as `buildkite_orm.dlt`."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import import_module
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from buildkite_orm.data.arrow import BatchMaker
from buildkite_orm.data.changes import Gone, check_reconcile
from buildkite_orm.data.export import existing
from buildkite_orm.data.job_rows import job_columns
from buildkite_orm.data.rows import read_columns, with_ids
from buildkite_orm.data.schema import Column, ColumnType, Table, table
from buildkite_orm.errors import ConfigurationError
from buildkite_orm.http.encoding import encode_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from buildkite_orm.client import Buildkite
    from buildkite_orm.data.rows import Values
    from buildkite_orm.resources.builds.build import Build
    from buildkite_orm.resources.organizations.organization import OrganizationRef

_BUILDS_PER_BATCH: Final = 100
_NESTED: Final = frozenset({ColumnType.MAP, ColumnType.TEXTS})
# Of several rows with one id in a load, the one with the highest sequence is right.
_ADDED: Final = (Column("_sequence", ColumnType.INTEGER), Column("_deleted", ColumnType.BOOLEAN))
_HINTS: Final = {"_sequence": {"dedup_sort": "desc"}, "_deleted": {"hard_delete": True}}


def buildkite_source(
    organization: str | None = None,
    *,
    since: datetime | timedelta = timedelta(days=30),
    artifacts: bool = False,
    annotations: bool = False,
    reconcile: timedelta | None = None,
    known: Iterable[str] | Mapping[str, Build | datetime] | None = None,
    client: Buildkite | None = None,
) -> Any:
    """Return a dlt source of the builds and jobs of an organization, and of its agents and pipelines.

    Each run loads the builds that are new or have changed, with their jobs from the same responses, and merges both by
    `id`. Agents and pipelines are replaced. The checkpoint is kept in the state of the source, which dlt commits with
    the data. So a run that is killed loses nothing.

    Columns are those of `docs/columns.md`, with lists and maps as JSON text, `_sequence` and `_deleted`. Should the
    server send an object without an id, the id of its row is made from its content.

    Args:
        organization: The slug; by default, that of the client or of BUILDKITE_ORGANIZATION_SLUG.
        since: For the first run: how far back the creation of builds goes, or from when on. Later runs use that time.
        artifacts: Whether to load the artifacts of changed builds, with a request or more for each build.
        annotations: Whether to load the annotations of changed builds, with a request or more for each build.
        reconcile: List the builds of this time again, to find those that were deleted, which no feed reports.
        known: With `reconcile`: a mapping from the ids of the builds in the warehouse to the times of their creation,
            or only the ids of those that were created in the time to reconcile. Those that the API no longer lists are
            deleted there.
        client: The client; by default, one with the token of the environment.

    Raises:
        ConfigurationError: dlt or pyarrow is not installed: `pip install 'buildkite_orm[dlt]'`.
        TypeError: `since` or `reconcile` is of another type.
        ValueError: `since` has no time zone, or `known` is given without `reconcile`.

    Documentation: https://dlthub.com/docs/general-usage/source
    """
    _check_since(since)
    check_reconcile(reconcile, known)  # also for the first run, which does not use them
    dlt = _load_dlt()
    batches = _Batches(dlt)

    def opened() -> AbstractContextManager[Buildkite]:
        from buildkite_orm.client import Buildkite  # noqa: PLC0415 - stands above this module

        return Buildkite() if client is None else nullcontext(client)

    def changed_builds() -> Iterator[Any]:
        with opened() as bk:
            state = dlt.current.source_state()
            start = datetime.fromisoformat(state.setdefault("since", _start(since, bk).isoformat()))
            org: OrganizationRef = bk.organization(organization)
            builds: Any = org.builds(created_from=start, with_jobs=True, with_pipeline=False)
            checkpoint = state.get("checkpoint")
            options: dict[str, Any] = {} if checkpoint is None else {"reconcile": reconcile, "known": known}
            changes = builds.changed_since(checkpoint, **options)
            for items, gone in _groups(changes):
                yield from batches.of_builds(items, gone)
                if artifacts:
                    yield from batches.parts(
                        "artifacts", [each for item in items for each in existing(item.artifacts())]
                    )
                if annotations:
                    found = [each for item in items for each in existing(item.annotations(scope="all"))]
                    yield from batches.parts("annotations", found)
            state["checkpoint"] = str(changes.checkpoint)

    def listed(name: str) -> Iterator[Any]:
        with opened() as bk:
            org: OrganizationRef = bk.organization(organization)
            listing: Any = org.agents() if name == "agents" else org.pipelines()
            yield from (batches.plain(name, page.items) for page in listing.pages())

    def resources() -> list[Any]:
        merged = {"write_disposition": "merge", "primary_key": "id", "columns": _HINTS}
        return [
            dlt.resource(changed_builds, name="builds", **merged),
            *(dlt.resource(listed(name), name=name, write_disposition="replace") for name in ("agents", "pipelines")),
        ]

    return dlt.source(resources, name="buildkite")()


class _Batches:
    """Makes the Arrow tables that dlt loads."""

    def __init__(self, dlt: Any) -> None:
        self._dlt = dlt
        self._sequence = count()
        self._tables = {name: _flat(table(name)) for name in ("builds", "jobs", "artifacts", "annotations")}
        self._makers = {name: BatchMaker(_with_added(found)) for name, found in self._tables.items()}

    def of_builds(self, builds: Sequence[Build], gone: Sequence[str]) -> Iterator[Any]:
        """Yield the rows of builds and of their jobs, and those that delete builds."""
        found = self._tables["builds"]
        columns = [
            [*values, *(gone if column.name == "id" else [None] * len(gone))]
            for column, values in zip(found.columns, read_columns(found, builds), strict=True)
        ]
        yield self._marked("builds", columns, deleted=len(gone))
        yield self._marked("jobs", job_columns(builds, self._tables["jobs"]))

    def parts(self, name: str, items: Sequence[Any]) -> Iterator[Any]:
        """Yield the rows of artifacts or annotations."""
        if items:
            yield self._marked(name, read_columns(self._tables[name], items))

    def plain(self, name: str, items: Sequence[Any]) -> Any:
        """Return the rows of a table that is replaced."""
        flat = _flat(table(name))
        return import_module("pyarrow").Table.from_batches([BatchMaker(flat).batch(read_columns(flat, items))])

    def _marked(self, name: str, columns: list[Values], *, deleted: int = 0) -> Any:
        rows = len(columns[0])
        keyed = with_ids(self._tables[name], columns)
        added: list[Values] = [
            [next(self._sequence) for _ in range(rows)],
            [False] * (rows - deleted) + [True] * deleted,
        ]
        found = _as_table(self._makers[name].batch([*keyed, *added]))
        if name == "builds":
            return found
        hints = {"table_name": name, "write_disposition": "merge", "primary_key": "id", "columns": _HINTS}
        return self._dlt.mark.with_hints(found, self._dlt.mark.make_hints(**hints), create_table_variant=True)


def _as_table(batch: Any) -> Any:
    """Return a table whose ids are declared as not null, like a primary key: dlt logs a warning otherwise.

    All batches of a load need the same declaration.
    """
    pa = import_module("pyarrow")
    place = batch.schema.get_field_index("id")
    key = pa.field("id", batch.column(place).type, nullable=False)
    return pa.Table.from_arrays(batch.columns, schema=batch.schema.set(place, key))


def _flat(found: Table) -> Table:
    """Return a table whose lists and maps are JSON text, since not all destinations have these."""
    columns = (replace(each, type=ColumnType.JSON) if each.type in _NESTED else each for each in found.columns)
    return replace(found, columns=tuple(columns))


def _with_added(found: Table) -> Table:
    return replace(found, columns=(*found.columns, *_ADDED))


def _groups(changes: Iterable[Any]) -> Iterator[tuple[list[Build], list[str]]]:
    items: list[Build] = []
    gone: list[str] = []
    for change in changes:
        if isinstance(change, Gone):
            gone.append(change.id)
        else:
            items.append(change.item)
        if len(items) + len(gone) == _BUILDS_PER_BATCH:
            yield items, gone
            items, gone = [], []
    if items or gone:
        yield items, gone


def _check_since(since: object) -> None:
    if isinstance(since, datetime):
        encode_time(since, "since")  # refuses one without a time zone
    elif not isinstance(since, timedelta):
        raise TypeError(f"since={since!r}: a datetime, or a timedelta such as timedelta(days=30)")


def _start(since: datetime | timedelta, bk: Buildkite) -> datetime:
    if isinstance(since, datetime):
        return since.astimezone(UTC)
    return datetime.fromtimestamp(bk.session.clock.now(), UTC).replace(microsecond=0) - since


def _load_dlt() -> Any:
    try:
        return import_module("dlt")
    except ImportError:
        raise ConfigurationError("a source for dlt needs dlt: pip install 'buildkite_orm[dlt]'") from None
