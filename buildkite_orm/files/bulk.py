"""Many artifacts at once: side by side, each whole or reported, and what is whole already left alone."""

from __future__ import annotations

import stat
import threading
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from buildkite_orm.errors import BuildkiteError, ChecksumMismatchError, DownloadError, PartialDownloadError
from buildkite_orm.files.atomic import Target, remove_working, safe_path
from buildkite_orm.files.download import Expected, save_at, size_of
from buildkite_orm.files.layouts import check_layout, names, own_name
from buildkite_orm.http.transport import CHUNK
from buildkite_orm.progress import progress_bar
from buildkite_orm.utils.cancellation import check_cancelled
from buildkite_orm.utils.plain_values import as_index, as_path
from buildkite_orm.utils.text import escape_control, short_size
from buildkite_orm.utils.workers import map_in_threads

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Sequence

    from buildkite_orm.files.layouts import Layout
    from buildkite_orm.resources.builds.artifact import Artifact

_TOLD: Final = 3
# What the system and parsers raise; anything else is a mistake in a program, and ends `save_all`.
_ORDINARY: Final = (OSError, ValueError, OverflowError, EOFError)


@dataclass(frozen=True, slots=True)
class SavedArtifact:
    """An artifact that is on disk, whole.

    Attributes:
        artifact: The artifact.
        path: Where it is.
    """

    artifact: Artifact
    path: Path


@dataclass(frozen=True, slots=True)
class FailedArtifact:
    """An artifact that could not be saved.

    Attributes:
        artifact: The artifact.
        error: Why.
    """

    artifact: Artifact
    error: BuildkiteError

    def __str__(self) -> str:
        return f"{escape_control(str(self.artifact.__dict__.get('path')))}: {self.error.message}"


@dataclass(frozen=True, slots=True)
class DownloadReport:
    """What became of many artifacts, in the order in which they were listed.

    Attributes:
        folder: Where they were to go.
        saved: Those that were downloaded.
        skipped: Those that were there already, by size and checksum.
        failed: Those that are not there, or not whole.
    """

    folder: Path
    saved: list[SavedArtifact]
    skipped: list[SavedArtifact]
    failed: list[FailedArtifact]

    @property
    def paths(self) -> list[Path]:
        """Where those are that are on disk now."""
        return [each.path for each in (*self.saved, *self.skipped)]

    def __repr__(self) -> str:
        return f"<DownloadReport {self._summary()}>"

    def __str__(self) -> str:
        return "\n".join([self._summary(), *(f"  {each}" for each in self.failed)])

    def _summary(self) -> str:
        size = short_size(sum(size_of(each.artifact) or 0 for each in self.saved))
        told = f"{len(self.saved)} saved ({size}), {len(self.skipped)} skipped, {len(self.failed)} failed"
        return f"{told}: {escape_control(str(self.folder))}"


def save_all(
    artifacts: Iterable[Artifact],
    folder: str | os.PathLike[str],
    *,
    workers: int = 8,
    layout: Layout = "path",
    progress: bool | None = None,
) -> DownloadReport:
    """Save artifacts; see `ArtifactQuerySet.save_all`."""
    workers = as_index("workers", workers)
    if workers < 1:
        msg = f"workers={workers}: at least 1"
        raise ValueError(msg)
    folder = as_path("folder", folder)
    check_layout(layout)
    found = list(dict.fromkeys(artifacts))
    size = sum(size_of(artifact) or 0 for artifact in found)
    with progress_bar(progress, files=len(found), size=size) as show:
        report = _Saving(found, folder, layout, show).run(workers)
    if report.failed:
        raise _partial(report, len(found))
    return report


def is_whole(place: Path, artifact: Artifact) -> bool:
    """Tell by size and checksum whether an artifact is saved already.

    Args:
        place: Where it would be.
        artifact: The artifact.
    """
    known = Expected.of(artifact)
    if not known.sums:
        return False
    try:
        found = place.lstat()
        if not stat.S_ISREG(found.st_mode) or found.st_size != known.size:
            return False
        with place.open("rb") as file:
            for chunk in iter(partial(file.read, CHUNK), b""):
                check_cancelled()
                known.update(chunk)
        known.check("", found.st_size)
    except (OSError, ValueError, ChecksumMismatchError):  # ValueError: a name that no file can have
        return False
    return True


class _Saving:
    """Saves artifacts, each in one of several threads, which share the client's request budget."""

    def __init__(
        self,
        artifacts: Sequence[Artifact],
        folder: str,
        layout: Layout,
        show: Callable[[int, int], object],
    ) -> None:
        self._artifacts = artifacts
        self._folder = folder
        self._layout: Layout = layout
        self._show = show
        self._lock = threading.Lock()
        self._done = 0
        self._folders: set[Path] = set()

    def run(self, workers: int) -> DownloadReport:
        places = names(self._artifacts, self._layout)
        todo = list(zip(self._artifacts, places, strict=True))
        try:
            with closing(map_in_threads(lambda each: self._save(*each), todo, workers=workers)) as saving:
                outcomes = list(saving)
        finally:
            for folder in self._folders:
                remove_working(folder)
        kept = [(outcome, was_there) for outcome, was_there in outcomes if isinstance(outcome, SavedArtifact)]
        return DownloadReport(
            folder=Path(self._folder),
            saved=[outcome for outcome, was_there in kept if not was_there],
            skipped=[outcome for outcome, was_there in kept if was_there],
            failed=[outcome for outcome, _ in outcomes if isinstance(outcome, FailedArtifact)],
        )

    def _save(self, artifact: Artifact, place: str) -> tuple[SavedArtifact | FailedArtifact, bool]:
        """Save one; give what became of it, and whether it was there already."""
        own = own_name(artifact, self._layout)
        counted = 0

        def note(size: int) -> None:
            nonlocal counted
            self._tell(size - counted)
            counted = size

        try:
            if own != place:  # not only below a folder that is put before
                safe_path(Path(self._folder), own)
            target = Target.of(f"{self._folder}/", place)
            was_there = is_whole(target.path, artifact)
            if was_there:
                note(size_of(artifact) or 0)
            else:
                self._folders.add(target.path.parent)
                save_at(artifact, replace(target, keeps_working_folder=True), note)  # to make one per file takes time
        except (BuildkiteError, *_ORDINARY) as error:
            note(0)
            self._tell(0, files=1)
            return FailedArtifact(artifact, _as_ours(error)), False
        self._tell(0, files=1)
        return SavedArtifact(artifact, target.path), was_there

    def _tell(self, size: int, *, files: int = 0) -> None:
        check_cancelled()
        with self._lock:
            self._done += files
            self._show(self._done, size)


def _as_ours(error: Exception) -> BuildkiteError:
    """Return an error of this library for one that the system, or the parser of a server's data, raised."""
    if isinstance(error, BuildkiteError):
        return error
    what = getattr(error, "strerror", None) or type(error).__name__  # what a parser says may quote a link with its key
    ours = DownloadError(f"cannot save it: {what}; nothing was kept", next_step="Check the folder, and try again.")
    ours.__cause__ = error
    return ours


def _partial(report: DownloadReport, count: int) -> PartialDownloadError:
    told = [str(each) for each in report.failed[:_TOLD]]
    told += ["…"] if len(report.failed) > _TOLD else []
    failed = len(report.failed)
    error = PartialDownloadError(f"{failed} of {count} artifacts could not be saved: {'; '.join(told)}")
    error.report = report
    return error
