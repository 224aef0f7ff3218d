"""Exports: files of builds, jobs, artifacts or annotations that each run brings up to date."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from buildkite_orm.data.export_files import FORMATS
from buildkite_orm.data.rows import read_columns, rows_of, with_ids
from buildkite_orm.data.schema import table
from buildkite_orm.data.spool import Spool
from buildkite_orm.errors import ConfigurationError, GoneError, NotFoundError
from buildkite_orm.files.atomic import atomic_write
from buildkite_orm.files.safe_paths import Target
from buildkite_orm.progress import progress_line

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from buildkite_orm.data.export_files import FileFormat
    from buildkite_orm.data.rows import Values
    from buildkite_orm.data.schema import Table
    from buildkite_orm.resources.builds.build import Build
    from buildkite_orm.resources.organizations.organization import OrganizationRef

    Rows = Iterator[dict[str, Any]]

R = TypeVar("R")

_VERSION: Final = 1
_BUILDS_PER_STEP: Final = 100


@dataclass(frozen=True, slots=True)
class ExportReport:
    """The result of a run.

    Attributes:
        path: The file.
        builds: How many builds were new or had changed.
        rows: How many rows were added or replaced.
        since: The creation time of the earliest builds.
    """

    path: Path
    builds: int
    rows: int
    since: datetime


def export(
    organization: OrganizationRef,
    kind: str,
    path: str | os.PathLike[str],
    *,
    since: datetime,
    progress: bool | None = None,
) -> ExportReport:
    """Write what is new or has changed since the last run into a file, which is complete or unchanged.

    Two files beside it belong to it: `<file>.checkpoint.json`, from which the next run continues, and during a run
    `<file>.unfinished`, from which a run continues that was killed.

    Args:
        organization: The organization.
        kind: `builds`, `jobs`, `artifacts` or `annotations`; the last two take a request or more for each build.
        path: The file; its extension is the format: `.parquet`, `.csv`, `.jsonl` or `.duckdb`.
        since: For the first run: the creation time of the earliest builds; later runs use that of the first one.
        progress: Whether to show progress; see `QuerySet.all`.

    Raises:
        ConfigurationError: The format or the kind is not known; the file is no export of this kind, is missing or is
            damaged; its folder does not exist; or a package is missing.
        ValueError: The checkpoint is that of another organization or API.
    """
    target = Path(path)
    run = _Run(organization, kind, target, _format_of(target))
    state = run.read_state()
    if state is not None:
        run.check_earlier_rows()
    if state is None and target.exists() and not run.spool_path.exists():
        raise ConfigurationError(f"{target} exists, and no checkpoint is beside it: choose another file, or delete it")
    start = since.astimezone(UTC).replace(microsecond=0) if state is None else datetime.fromisoformat(state["since"])
    with Spool(run.spool_path, run.table) as spool:
        start = run.check_origin(spool, start)
        if spool.is_complete:  # a run was killed while it wrote its file, or before it wrote the checkpoint
            run.finish(spool, start)
            state = run.read_state()
    with Spool(run.spool_path, run.table) as spool, progress_line(progress) as show:
        checkpoint = spool.checkpoint or (None if state is None else json.dumps(state["checkpoint"]))
        builds = run.load(spool, checkpoint, start, show)
        rows = len(spool)
        run.finish(spool, start)
    return ExportReport(target, builds, rows, start)


class _Run:
    """A run of an export."""

    def __init__(self, organization: OrganizationRef, kind: str, path: Path, file_format: FileFormat) -> None:
        if kind not in _ROWS:
            raise ConfigurationError(f"export {kind}: must be one of {', '.join(_ROWS)}")
        self._organization = organization
        self._kind = kind
        self._path = path
        self._format = file_format
        self.table = table(kind)
        self.spool_path = path.with_name(f"{path.name}.unfinished")
        self._state_path = path.with_name(f"{path.name}.checkpoint.json")

    def read_state(self) -> dict[str, Any] | None:
        """Return what the last run has left; None if there was none.

        Raises:
            ConfigurationError: It cannot be read, or is of another kind.
        """
        try:
            state: dict[str, Any] = json.loads(self._state_path.read_text(encoding="utf-8"))
            kind, version = state["kind"], state["version"]
            datetime.fromisoformat(state["since"])
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigurationError(f"cannot read {self._state_path}: {error.strerror}") from None
        except (ValueError, LookupError, TypeError) as error:
            raise ConfigurationError(f"{self._state_path} is no checkpoint of an export: {error}") from None
        if (kind, version) != (self._kind, _VERSION):
            raise ConfigurationError(
                f"{self._path} has {kind} (version {version}): export {self._kind} to another file"
            )
        return state

    def check_earlier_rows(self) -> None:
        """Check that the rows of earlier runs are there, since this one adds only what is new.

        Raises:
            ConfigurationError: They are not.
        """
        if not self._format.exists(self._path, self.table):
            missing = f"the table {self._kind} of {self._path}" if self._path.exists() else self._path
            others = " and ".join(str(path) for path in (self._state_path, self.spool_path) if path.exists())
            raise ConfigurationError(
                f"{missing} is missing, and a run adds only what is new: restore it, or delete {others} to export "
                "everything again"
            )

    def check_origin(self, spool: Spool, since: datetime) -> datetime:
        """Return the start of the export that the rows of an interrupted run belong to, else that of this one.

        Raises:
            ConfigurationError: The rows are of another kind.
        """
        if spool.origin is None:
            return since
        start, kind = spool.origin
        if kind != self._kind:
            raise ConfigurationError(f"{self.spool_path} has {kind} of an interrupted run: delete it")
        return datetime.fromisoformat(start)

    def load(
        self, spool: Spool, checkpoint: str | Mapping[str, Any] | None, since: datetime, show: Callable[[str], object]
    ) -> int:
        """Load what has changed into the spool; return the number of builds."""
        builds = self._organization.builds(created_from=since, with_pipeline=False, with_jobs=self._kind == "jobs")
        changes = builds.changed_since(checkpoint)
        items: list[Build] = []
        count = 0
        for change in changes:
            items.append(change.item)
            if len(items) == _BUILDS_PER_STEP:
                # the checkpoint does not cover the last item yet, which is repeated after a kill
                spool.add(_ROWS[self._kind](self.table, items), changes.checkpoint, since)
                count, items = count + len(items), []
                show(f"{count} builds, {len(spool)} rows")
        spool.add(_ROWS[self._kind](self.table, items), changes.checkpoint, since, is_complete=True)
        return count + len(items)

    def finish(self, spool: Spool, since: datetime) -> None:
        """Write the rows of the spool into the file, then the checkpoint, and delete the spool."""
        if len(spool) or not self._path.exists():
            self._format.merge(self._path, self.table, spool)
        checkpoint = json.loads(spool.checkpoint or "null")
        state = {"version": _VERSION, "kind": self._kind, "since": since.isoformat(), "checkpoint": checkpoint}
        with atomic_write(Target.of(self._state_path, self._state_path.name), "checkpoint") as part:
            part.restart()
            part.write(json.dumps(state, indent=1).encode() + b"\n")
        spool.delete()


def _format_of(path: Path) -> FileFormat:
    extension = path.suffix.lower()
    if extension not in FORMATS:
        raise ConfigurationError(f"{path}: the extension must be one of {', '.join(FORMATS)}")
    file_format = FORMATS[extension]
    file_format.check()
    return file_format


def _build_rows(found: Table, builds: Sequence[Build]) -> Rows:
    return _merged_by_id(found, read_columns(found, builds))


def _job_rows(found: Table, builds: Sequence[Build]) -> Rows:
    from buildkite_orm.data.job_rows import job_columns  # noqa: PLC0415 - for this kind only

    return _merged_by_id(found, job_columns(builds))


def _artifact_rows(found: Table, builds: Sequence[Build]) -> Rows:
    for build in builds:
        yield from _merged_by_id(found, read_columns(found, existing(build.artifacts())))


def _annotation_rows(found: Table, builds: Sequence[Build]) -> Rows:
    for build in builds:
        yield from _merged_by_id(found, read_columns(found, existing(build.annotations(scope="all"))))


def _merged_by_id(found: Table, columns: list[Values]) -> Rows:
    return rows_of(found, with_ids(found, columns))


def existing(listing: Iterable[R]) -> list[R]:
    """Return what a listing of a build has; nothing if the build was deleted meanwhile."""
    try:
        return list(listing)
    except (NotFoundError, GoneError):
        return []


_ROWS: Final[dict[str, Callable[[Table, Sequence[Build]], Rows]]] = {
    "builds": _build_rows,
    "jobs": _job_rows,
    "artifacts": _artifact_rows,
    "annotations": _annotation_rows,
}
