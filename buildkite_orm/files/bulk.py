"""Many artifacts at once: downloaded concurrently, each complete or reported, and skipped if it is on disk already."""

from __future__ import annotations

import stat
import sys
import threading
import unicodedata
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final, Literal

from buildkite_orm.errors import (
    BuildkiteError,
    ChecksumMismatchError,
    DownloadError,
    PartialDownloadError,
    UnboundError,
)
from buildkite_orm.files.checksums import ExpectedContent, size_of
from buildkite_orm.files.download import save_at
from buildkite_orm.files.folders import remove_working_folder
from buildkite_orm.files.safe_paths import Target, safe_path
from buildkite_orm.http.stream import CHUNK
from buildkite_orm.progress import progress_bar
from buildkite_orm.utils.cancellation import check_cancelled
from buildkite_orm.utils.plain_values import as_index, as_path
from buildkite_orm.utils.text import escape_control, short_size
from buildkite_orm.utils.workers import map_in_threads

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence

    from buildkite_orm.resources.builds.artifact import Artifact

Layout = Literal["path", "job"] | Callable[["Artifact"], str]

_LAYOUTS: Final = ("path", "job")
_IGNORES_CASE: Final = sys.platform in {"win32", "darwin"}
_MAX_DEPTH: Final = 2
_MAX_NAMED: Final = 3
# What the system and parsers raise; anything else is a mistake in a program, and ends `save_all`.
_EXPECTED_ERRORS: Final = (OSError, ValueError, OverflowError, EOFError)


@dataclass(frozen=True, slots=True)
class SavedArtifact:
    """An artifact that is on disk, complete.

    Attributes:
        artifact: The artifact.
        path: Its file.
    """

    artifact: Artifact
    path: Path


@dataclass(frozen=True, slots=True)
class FailedArtifact:
    """An artifact that could not be saved.

    Attributes:
        artifact: The artifact.
        error: The reason.
    """

    artifact: Artifact
    error: BuildkiteError

    def __str__(self) -> str:
        return f"{escape_control(str(self.artifact.__dict__.get('path')))}: {self.error.message}"


@dataclass(frozen=True, slots=True)
class DownloadReport:
    """The results of many downloads, in the order in which the artifacts were listed.

    Attributes:
        folder: The folder of the files.
        saved: The artifacts that were downloaded.
        skipped: The artifacts that were on disk before, by size and checksum.
        failed: The artifacts that are not on disk, or not complete.
    """

    folder: Path
    saved: list[SavedArtifact]
    skipped: list[SavedArtifact]
    failed: list[FailedArtifact]

    @property
    def paths(self) -> list[Path]:
        """The files that are on disk now."""
        return [each.path for each in (*self.saved, *self.skipped)]

    def __repr__(self) -> str:
        return f"<DownloadReport {self._summary()}>"

    def __str__(self) -> str:
        return "\n".join([self._summary(), *(f"  {each}" for each in self.failed)])

    def _summary(self) -> str:
        size = short_size(sum(size_of(each.artifact) or 0 for each in self.saved))
        counts = f"{len(self.saved)} saved ({size}), {len(self.skipped)} skipped, {len(self.failed)} failed"
        return f"{counts}: {escape_control(str(self.folder))}"


def save_all(
    artifacts: Iterable[Artifact],
    folder: str | os.PathLike[str],
    *,
    where: Callable[[Artifact], object] | None = None,
    workers: int = 8,
    layout: Layout = "path",
    progress: bool | None = None,
) -> DownloadReport:
    """Save artifacts; see `ArtifactQuerySet.save_all`."""
    _check_selector(where)
    workers = as_index("workers", workers)
    if workers < 1:
        msg = f"workers={workers}: must be at least 1"
        raise ValueError(msg)
    folder = as_path("folder", folder)
    check_layout(layout)
    found = [artifact for artifact in dict.fromkeys(artifacts) if where is None or where(artifact)]
    size = sum(size_of(artifact) or 0 for artifact in found)
    with progress_bar(progress, files=len(found), size=size) as show:
        report = _BulkDownload(found, folder, layout, show).run(workers)
    if report.failed:
        raise _partial_download(report, len(found))
    return report


def _check_selector(where: object) -> None:
    if where is not None and not callable(where):
        msg = f"where={where!r}: must be a function that selects artifacts; use filter(path=…) for patterns"
        raise TypeError(msg)


def is_saved(path: Path, artifact: Artifact) -> bool:
    """Whether a file is an artifact, by size and checksum.

    Args:
        path: The file.
        artifact: The artifact.
    """
    expected = ExpectedContent.of(artifact)
    if not expected.sums:
        return False
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_size != expected.size:
            return False
        with path.open("rb") as file:
            for chunk in iter(partial(file.read, CHUNK), b""):
                check_cancelled()
                expected.update(chunk)
        expected.check("", status.st_size)
    except (OSError, ValueError, ChecksumMismatchError):  # ValueError: a name that no file can have
        return False
    return True


class _BulkDownload:
    """Saves artifacts in several threads, which share the client's request budget."""

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
        self._finished = 0
        self._folders: set[Path] = set()

    def run(self, workers: int) -> DownloadReport:
        paths = unique_paths(self._artifacts, self._layout)
        tasks = list(zip(self._artifacts, paths, strict=True))
        try:
            with closing(map_in_threads(lambda task: self._save(*task), tasks, workers=workers)) as saving:
                results = list(saving)
        finally:
            for folder in self._folders:
                remove_working_folder(folder)
        on_disk = [(result, existed) for result, existed in results if isinstance(result, SavedArtifact)]
        return DownloadReport(
            folder=Path(self._folder),
            saved=[result for result, existed in on_disk if not existed],
            skipped=[result for result, existed in on_disk if existed],
            failed=[result for result, _ in results if isinstance(result, FailedArtifact)],
        )

    def _save(self, artifact: Artifact, path: str) -> tuple[SavedArtifact | FailedArtifact, bool]:
        """Save one artifact; return the result, and whether its file existed before."""
        own = own_path(artifact, self._layout)
        counted = 0

        def report(size: int) -> None:
            nonlocal counted
            self._report(size - counted)
            counted = size

        try:
            if own != path:  # it must be safe without the folders before it, too
                safe_path(Path(self._folder), own)
            target = Target.of(f"{self._folder}/", path)
            existed = is_saved(target.path, artifact)
            if existed:
                report(size_of(artifact) or 0)
            else:
                self._folders.add(target.path.parent)
                save_at(artifact, replace(target, keeps_working_folder=True), report)  # one folder for all: faster
        except (BuildkiteError, *_EXPECTED_ERRORS) as error:
            report(0)
            self._report(0, files=1)
            return FailedArtifact(artifact, _as_buildkite_error(error)), False
        self._report(0, files=1)
        return SavedArtifact(artifact, target.path), existed

    def _report(self, size: int, *, files: int = 0) -> None:
        check_cancelled()
        with self._lock:
            self._finished += files
            self._show(self._finished, size)


def _as_buildkite_error(error: Exception) -> BuildkiteError:
    """Return an error of this library for one that the system, or the parser of a server's data, raised."""
    if isinstance(error, BuildkiteError):
        return error
    reason = getattr(error, "strerror", None) or type(error).__name__  # a parser's text may quote a link with its key
    ours = DownloadError(f"cannot save it: {reason}; nothing was kept", next_step="Check the folder, and try again.")
    ours.__cause__ = error
    return ours


def _partial_download(report: DownloadReport, count: int) -> PartialDownloadError:
    failed = len(report.failed)
    named = [str(each) for each in report.failed[:_MAX_NAMED]]
    named += ["…"] if failed > _MAX_NAMED else []
    error = PartialDownloadError(f"{failed} of {count} artifacts could not be saved: {'; '.join(named)}")
    error.report = report
    return error


# -- paths -------------------------------------------------------------------------------------------------------------


def check_layout(layout: object) -> None:
    """Check that a layout is valid.

    Raises:
        ValueError: It is another name.
    """
    if not callable(layout) and layout not in _LAYOUTS:
        msg = f"layout={layout!r}: must be 'path', 'job', or a function that returns the path of an artifact"
        raise ValueError(msg)


def own_path(artifact: Artifact, layout: Layout) -> str:
    """Return the path that the server or the caller's function names for an artifact; it may be unsafe."""
    if callable(layout):
        return as_path("the path that the layout returns", layout(artifact))
    return str(artifact.__dict__.get("path") or "")


def unique_paths(artifacts: Sequence[Artifact], layout: Layout, *, ignores_case: bool = _IGNORES_CASE) -> list[str]:
    """Return the paths of artifacts, relative to the folder.

    Artifacts with the same path, or with a path where another artifact needs a folder, are kept apart: by folders named
    after their jobs, and if that is not enough, after their own ids.

    Args:
        artifacts: The artifacts.
        layout: `path` for their own paths, `job` for a folder for each job, or a function that returns their paths.
        ignores_case: Whether names that differ only in case are the same file.
    """
    own = [own_path(artifact, layout) for artifact in artifacts]
    depths = [1 if layout == "job" else 0] * len(own)
    while True:
        paths = [_below(artifact, depth, path) for artifact, depth, path in zip(artifacts, depths, own, strict=True)]
        keys = [_key(path, ignores_case=ignores_case) for path in paths]
        conflicts = [index for index in _conflicts(keys) if depths[index] < _MAX_DEPTH]
        if not conflicts:
            return paths
        for index in conflicts:
            depths[index] += 1


def _below(artifact: Artifact, depth: int, path: str) -> str:
    return "/".join([*_job_and_id(artifact)[:depth], path]) if depth else path


def _job_and_id(artifact: Artifact) -> tuple[str, ...]:
    try:
        *_, job, _, key = artifact.api_path.split("/")
    except (UnboundError, ValueError):  # an odd payload, without a download; saving it reports that
        return ()
    return job, key


def _key(path: str, *, ignores_case: bool) -> tuple[str, ...]:
    slashed = path.replace("\\", "/")
    return PurePosixPath(unicodedata.normalize("NFC", slashed).casefold() if ignores_case else slashed).parts


def _conflicts(keys: list[tuple[str, ...]]) -> list[int]:
    counts = Counter(keys)
    folders = {key[:depth] for key in counts for depth in range(1, len(key))}
    return [index for index, key in enumerate(keys) if counts[key] > 1 or key in folders]
