"""Artifacts as streams that resume if they break, and as files that are complete or absent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from buildkite_orm.errors import ChecksumMismatchError
from buildkite_orm.files.atomic import atomic_write
from buildkite_orm.files.cached_content import ArtifactContent
from buildkite_orm.files.checksums import ExpectedContent, ThreadedHasher, size_of
from buildkite_orm.files.safe_paths import Target
from buildkite_orm.progress import progress_of_file
from buildkite_orm.utils.cancellation import check_cancelled

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

    from buildkite_orm.cache.options import CacheMode
    from buildkite_orm.files.atomic import PartialFile
    from buildkite_orm.resources.builds.artifact import Artifact, ArtifactRef


class ArtifactStream:
    """The content of an artifact, chunk by chunk; it holds at most one chunk.

    Use it in a `for`, or in a `with` to end it early. It sends no request before the first chunk is read.

    Args:
        artifact: The artifact.
        offset: How many bytes to leave out at the beginning.
        expected: What to check at the end; all that is known of the artifact by default. Who checks more calls
            `keep()`.
        cache: How to use the cache of the client.

    Example:
        >>> artifact = bk.organization("acme").pipeline("web").builds(state="passed")[0].artifacts()[0]
        >>> with artifact.download(stream=True) as chunks:
        ...     sum(len(chunk) for chunk in chunks) == artifact.file_size
        True
    """

    def __init__(
        self,
        artifact: ArtifactRef,
        *,
        offset: int = 0,
        expected: ExpectedContent | None = None,
        cache: CacheMode | None = None,
    ) -> None:
        self._path = artifact.api_path
        self._expected = expected or ExpectedContent.of(artifact)
        self._offset = offset
        self._is_done = False
        self._keeps = expected is None
        self._source = ArtifactContent(artifact, cache)
        self._content = self._source.chunks(offset)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        if self._is_done:
            raise StopIteration
        try:
            chunk = next(self._content, b"")
        except BaseException:
            self.close()
            raise
        if chunk:
            self._offset += len(chunk)
            self._expected.update(chunk)
            return chunk
        self._is_done = True
        try:
            self._expected.check(self._path, self._offset)
            if self._keeps:
                self._source.keep()
        finally:
            if self._keeps:
                self._source.discard()
        raise StopIteration

    def close(self) -> None:
        """End the download, and close its connection or return it to the pool."""
        is_done, self._is_done = self._is_done, True
        self._content.close()
        if not is_done:
            self._source.discard()

    def keep(self) -> None:
        """Store what was downloaded in the cache of the client, if it has one: it is complete and checked."""
        self._source.keep()

    def discard(self) -> None:
        """Delete what was written for the cache, and not stored."""
        self._source.discard()


def save_artifact(
    artifact: Artifact, path: str | os.PathLike[str], *, progress: bool | None, cache: CacheMode | None = None
) -> Path:
    """Save an artifact; see `ArtifactRef.save_to`."""
    target = Target.of(path, str(artifact.__dict__.get("path") or ""))
    with progress_of_file(progress, size_of(artifact) or 0) as report:
        save_at(artifact, target, report, cache)
    return target.path


def save_at(
    artifact: Artifact, target: Target, report: Callable[[int], object], cache: CacheMode | None = None
) -> None:
    """Save an artifact at a place.

    Args:
        artifact: The artifact.
        target: The place.
        report: Called with the number of bytes on disk when it grows, and when the download starts over.
        cache: How to use the cache of the client.
    """
    expected = ExpectedContent.of(artifact)
    name = artifact.api_path.rpartition("/")[2]
    with atomic_write(target, f"artifact {name} {expected.size} {sorted(expected.sums.items())}") as part:
        if not expected.sums:
            part.restart()  # nothing would show whether an unfinished file is the beginning of this one
        resumed = part.size > 0
        try:
            _fill(part, artifact, report, cache)
        except ChecksumMismatchError:
            if not resumed:
                raise
            part.restart()  # the unfinished file was not the beginning of this one
            _fill(part, artifact, report, cache)


def _fill(part: PartialFile, artifact: Artifact, report: Callable[[int], object], cache: CacheMode | None) -> None:
    expected = ExpectedContent.of(artifact)
    stream = ArtifactStream(artifact, offset=part.size, expected=expected.size_only(), cache=cache)
    try:
        with ThreadedHasher(expected.update) as hasher:
            report(part.size)
            for chunk in part.chunks():
                check_cancelled()
                hasher.add(chunk)
            with stream as chunks:
                for chunk in chunks:
                    part.write(chunk)
                    hasher.add(chunk)
                    report(part.size)
        expected.check(artifact.api_path, part.size)
        stream.keep()
    finally:
        stream.discard()
