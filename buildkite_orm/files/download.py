"""Artifacts as streams that go on where they broke; artifacts and logs as files, which are whole or not there."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from buildkite_orm.errors import (
    BuildkiteError,
    ChecksumMismatchError,
    ConnectionFailedError,
    DownloadError,
    NotFoundError,
    ResponseError,
)
from buildkite_orm.files.atomic import Target, atomic_write
from buildkite_orm.http.session import ApiRequest
from buildkite_orm.http.signed_links import resolve_link
from buildkite_orm.http.sizes import Bound, bounded, content_length, content_range
from buildkite_orm.http.storage_errors import download_refused
from buildkite_orm.http.transport import ReadsStream
from buildkite_orm.progress import progress_of_file
from buildkite_orm.utils.cancellation import check_cancelled
from buildkite_orm.utils.redaction import SignedUrl
from buildkite_orm.utils.workers import Background

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path
    from types import TracebackType

    from buildkite_orm.files.atomic import PartialFile
    from buildkite_orm.http.session import ApiResponse, Session
    from buildkite_orm.http.transport import Stream
    from buildkite_orm.resources.builds.artifact import Artifact, ArtifactRef
    from buildkite_orm.resources.builds.log import LogRef

T = TypeVar("T")

_REFUSED: Final = frozenset({400, 401, 403, 410})
_LINKS: Final = 2
_MOVED: Final = frozenset({301, 302, 303, 307, 308})
_REDIRECTS: Final = 5
_BLOCK: Final = 1 << 20
_LARGEST: Final = 1 << 63


class ArtifactStream(ReadsStream):
    """The content of an artifact, chunk by chunk; it never holds more than one.

    Use it in a `for`, or in a `with` to end it early. Nothing is asked for before the first chunk is.

    Args:
        artifact: The artifact.
        offset: How many bytes of it are there already, and are left out.
        expected: What to check at the end; all that is known of the artifact unless given.

    Example:
        >>> artifact = bk.organization("acme").pipeline("web").builds(state="passed")[0].artifacts()[0]
        >>> with artifact.download(stream=True) as chunks:
        ...     sum(len(chunk) for chunk in chunks) == artifact.file_size
        True
    """

    def __init__(self, artifact: ArtifactRef, *, offset: int = 0, expected: Expected | None = None) -> None:
        self._session = artifact.session
        self._path = artifact.api_path
        self._storage = Storage(artifact)
        self._expected = expected or Expected.of(artifact)
        self._offset = offset
        self._total: int | None = None
        self._done = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        """End a download that was left in the middle of a `for`."""
        self._drop()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        if self._done:
            raise StopIteration
        try:
            chunk = retry_transfer(self._session, self._read)
        except BaseException:
            self.close()
            raise
        if chunk:
            self._offset += len(chunk)
            self._expected.update(chunk)
            return chunk
        self.close()
        self._expected.check(self._path, self._offset)
        raise StopIteration

    def close(self) -> None:
        """End the download, and give the connection back."""
        self._done = True
        self._drop()

    def _read(self) -> bytes:
        """Read a chunk, from where the last one ended; b"" at the end."""
        if self._chunks is None and self._expected.all_came(self._offset):
            return b""
        try:
            if self._chunks is None:
                self._stream = self._open()
                self._check_total(self._stream)
                self._chunks = _from_offset(self._stream, self._offset, self._bound())
            return next(self._chunks, b"")
        except BaseException:
            self._drop()
            raise

    def _check_total(self, stream: Stream) -> None:
        """Refuse the rest of a file that has become longer or shorter since it was begun."""
        if stream.status == 206:  # noqa: PLR2004
            part = content_range(stream.headers)
            total = None if part is None else part.total
        else:
            total = content_length(stream.headers) if stream.status == 200 else None  # noqa: PLR2004
        if self._offset and total is not None and self._total not in {None, total}:
            what = f"{self._path}: its storage has {total} bytes now, and had {self._total} when it was begun"
            raise ChecksumMismatchError(what)
        self._total = self._total if total is None else total

    def _bound(self) -> Bound:
        """Return where the file must end, as far as that is known before its storage responds."""
        if self._expected.size is not None:
            return Bound(self._path, self._expected.size, "uploaded")
        return Bound(self._path, self._session.limits.file, None)

    def _open(self) -> Stream:
        """Ask for a link and follow it; a second time where the link is not good any more."""
        stream = self._storage.ask({"Range": f"bytes={self._offset}-"} if self._offset else {})
        if stream.status in {200, 206} or ends_at(stream, self._offset):
            return stream
        error = self._storage.refusal(stream)
        del stream  # a traceback may show what is in this frame
        raise error


class Storage:
    """Where an artifact's content is: behind a link, which the API gives for a while.

    Args:
        artifact: The artifact.
    """

    def __init__(self, artifact: ArtifactRef) -> None:
        self._session = artifact.session
        self._path = artifact.api_path
        self._state = artifact.__dict__.get("state")
        self._has_sums = bool(Expected.of(artifact).sums)
        self._version: str | None = None
        self._link: SignedUrl | None = None

    def ask(self, headers: dict[str, str]) -> Stream:
        """Ask for the content; for a link first where there is none, and for another where that is not good any more.

        Args:
            headers: What the request says, of a range say.

        Raises:
            BuildkiteError: There is no link, or no answer behind it.
        """
        stream = self._follow(headers)
        for _ in range(1, _LINKS):
            if stream.status not in _REFUSED:
                break
            stream.close()
            self._link = None
            stream = self._follow(headers)
        self._check_version(stream)
        return stream

    def _check_version(self, stream: Stream) -> None:
        """Refuse the rest of another file than the one that has begun; where there are checksums, those tell."""
        version = stream.headers.get("ETag")
        if self._has_sums or stream.status not in {200, 206} or not version:
            return
        if self._version not in {None, version}:
            stream.close()
            raise ChecksumMismatchError(f"{self._path}: its storage has another file now than when it was begun")
        self._version = version

    def refusal(self, stream: Stream) -> BuildkiteError:
        """Make the error for an answer that is not the content."""
        with stream:
            return download_refused(stream, self._session)

    def _follow(self, headers: dict[str, str]) -> Stream:
        url = self._link = self._link or self._new_link()
        for _ in range(_REDIRECTS):
            stream = self._session.stream_elsewhere(url, headers)
            if stream.status not in _MOVED or not stream.headers.get("Location"):
                return stream
            stream.close()
            onward = _resolved(url, stream.headers["Location"])
            del stream  # a traceback may show what is in this frame
            if onward is None:
                raise DownloadError(f"{self._path}: its storage redirects to what is no URL")
            url = onward
        raise DownloadError(f"{self._path}: its storage redirects more than {_REDIRECTS} times")

    def _new_link(self) -> SignedUrl:
        call = ApiRequest("GET", f"{self._path}/download", expects_redirect=True)
        try:
            with as_final():
                return self._session.send(call, _link_in)
        except _FinalError as final:
            if isinstance(final.error, NotFoundError) and self._state:
                final.error.message += f"; its state was {str(self._state)!r} when the artifact was loaded"
            raise


@dataclass(slots=True)
class Expected:
    """What is known of a file's content, and what was seen of it.

    Attributes:
        size: How many bytes it has, where that is known.
        sums: Its checksums, by their kinds.
        seen: The hashes, by the same kinds, of what was seen.
    """

    size: int | None
    sums: dict[str, str]
    seen: dict[str, Any]

    @classmethod
    def of(cls, artifact: ArtifactRef) -> Expected:
        """Give what is known of an artifact, and nothing seen of it yet."""
        known: dict[str, Any] = artifact.__dict__
        sums = {name: str(known[f"{name}sum"]).lower() for name in ("sha1", "sha256") if known.get(f"{name}sum")}
        seen = {name: hashlib.new(name, usedforsecurity=False) for name in sums}
        return cls(size_of(artifact), sums, seen)

    def all_came(self, size: int) -> bool:
        """Tell whether so many bytes are all of them."""
        return self.size is not None and 0 < size >= self.size

    def update(self, chunk: bytes | memoryview) -> None:
        """See the bytes that come next."""
        for digest in self.seen.values():
            digest.update(chunk)

    def check(self, path: str, size: int) -> None:
        """Check that what was seen is the content.

        Args:
            path: Whose content, for the error.
            size: How many bytes were seen.

        Raises:
            ChecksumMismatchError: It is not.
        """
        if self.size is not None and size != self.size:
            raise ChecksumMismatchError(f"{path}: {size} bytes came, not the {self.size} that were uploaded")
        for name, wanted in self.sums.items():
            if self.seen[name].hexdigest() != wanted:
                raise ChecksumMismatchError(f"{path}: what came does not have the {name.upper()} of what was uploaded")


class ThreadedHasher:
    """Lets what comes be seen in a thread of its own, block by block: to hash a file costs as much as to load it.

    Chunks are copied into one of two blocks, while the other one is seen: to hand over chunk by chunk, each in memory
    of its own, costs as much as hashing does. What fits into one block needs no thread, and none of the two blocks: to
    make them takes longer than to hash a small file.

    Args:
        see: Called with the bytes, in their order; when the `with` has ended, with all of them.
    """

    def __init__(self, see: Callable[[memoryview], None]) -> None:
        self._see = see
        self._first = bytearray()
        self._blocks: list[memoryview] = []
        self._filled = 0
        self._thread = Background()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._thread.wait()
                self._see(self._block())
        finally:
            self._thread.close()

    def take(self, chunk: bytes) -> None:
        """Take what comes next, a block at most."""
        if self._filled + len(chunk) > _BLOCK:
            self._hand_over()
        if self._blocks:
            self._blocks[0][self._filled : self._filled + len(chunk)] = chunk
        else:
            self._first += chunk
        self._filled += len(chunk)

    def _block(self) -> memoryview:
        return self._blocks[0][: self._filled] if self._blocks else memoryview(self._first)

    def _hand_over(self) -> None:
        # it waits for the other block, which is to be filled next
        self._thread.submit(partial(self._see, self._block()))
        if self._blocks:
            self._blocks.reverse()
        else:
            self._first, self._blocks = bytearray(), [memoryview(bytearray(_BLOCK)) for _ in range(2)]
        self._filled = 0


def _link_in(answer: ApiResponse) -> SignedUrl:
    location = answer.headers.get("Location")
    link = _resolved(SignedUrl(answer.url), location) if location else None
    if link is None:
        raise answer.unexpected("a redirect to the file was expected")
    return link


def _resolved(base: SignedUrl, location: str) -> SignedUrl | None:
    """Return where a redirect leads."""
    try:
        return SignedUrl(resolve_link(base.reveal(), location))
    except ValueError:
        return None


def size_of(artifact: ArtifactRef) -> int | None:
    """Return the size that the API gave for an artifact; None where it gave none, or something that is not a size."""
    size = artifact.__dict__.get("file_size")
    is_size = isinstance(size, int) and not isinstance(size, bool) and 0 <= size < _LARGEST
    return size if is_size else None


def ends_at(stream: Stream, offset: int) -> bool:
    """Tell whether a storage refuses a range because all that there is has come before the connection broke."""
    return stream.status == 416 and stream.headers.get("Content-Range") == f"bytes */{offset}"  # noqa: PLR2004


def _from_offset(stream: Stream, offset: int, bound: Bound) -> Generator[bytes]:
    """Give the chunks from an offset on, whether or not the server heeded the range."""
    if ends_at(stream, offset):
        return
    skip, total = offset, None
    if stream.status == 206:  # noqa: PLR2004
        part = content_range(stream.headers)
        if part is None or part.start != offset:
            raise DownloadError("the storage answered with another range than the one that was asked for")
        content_length(stream.headers)  # raises where it is not a number
        skip, bound = 0, bound.declared_as(part.stop)
        most, total = max(0, bound.size - offset), part.total
    else:
        bound = bound.declared_as(content_length(stream.headers))
        most = bound.size
    came = offset - skip
    for chunk in bounded(stream, most, bound.error):
        came += len(chunk)
        if skip >= len(chunk):
            skip -= len(chunk)
            continue
        yield chunk[skip:]
        skip = 0
    if total is not None and came < total:  # the next attempt goes on there
        raise ConnectionFailedError(f"{bound.path}: its storage ended after {came} of {total} bytes")


class _FinalError(Exception):
    """Carries an error past a loop that would try again: what has failed is persistent itself."""

    def __init__(self, error: BuildkiteError) -> None:
        super().__init__(error)
        self.error = error


@contextlib.contextmanager
def as_final() -> Generator[None]:
    """Have an error end `retry_transfer`: what raises it has tried again by itself."""
    try:
        yield
    except BuildkiteError as error:
        raise _FinalError(error) from None


def retry_transfer(session: Session, do: Callable[[], T]) -> T:
    """Do it, and again where the connection or the storage fails, as the session's policy allows."""
    try:
        return session.retry.run(do, session.clock, repeatable=True)
    except _FinalError as final:
        raise final.error from None


# -- to files ----------------------------------------------------------------------------------------------------------


def save_artifact(artifact: Artifact, path: str | os.PathLike[str], *, progress: bool | None) -> Path:
    """Save an artifact; see `ArtifactRef.save_to`."""
    target = Target.of(path, str(artifact.__dict__.get("path") or ""))
    with progress_of_file(progress, size_of(artifact) or 0) as note:
        save_at(artifact, target, note)
    return target.path


def save_at(artifact: Artifact, target: Target, note: Callable[[int], object]) -> None:
    """Save an artifact where it is to go.

    Args:
        artifact: The artifact.
        target: Its place.
        note: Called with how many bytes are there, whenever there are more; or fewer, where it began anew.
    """
    known = Expected.of(artifact)
    name = artifact.api_path.rpartition("/")[2]
    with atomic_write(target, f"artifact {name} {known.size} {sorted(known.sums.items())}") as part:
        if not known.sums:
            part.restart()  # nothing would tell whether what is there is its beginning
        went_on = part.size > 0
        try:
            _fill(part, artifact, note)
        except ChecksumMismatchError:
            if not went_on:
                raise
            part.restart()  # what was left is not its beginning after all
            _fill(part, artifact, note)


def _fill(part: PartialFile, artifact: Artifact, note: Callable[[int], object]) -> None:
    known = Expected.of(artifact)
    with ThreadedHasher(known.update) as beside:
        note(part.size)
        for chunk in part.chunks():
            check_cancelled()
            beside.take(chunk)
        with ArtifactStream(artifact, offset=part.size, expected=replace(known, sums={}, seen={})) as chunks:
            for chunk in chunks:
                part.write(chunk)
                beside.take(chunk)
                note(part.size)
    known.check(artifact.api_path, part.size)


def save_log(log: LogRef, path: str | os.PathLike[str]) -> Path:
    """Save a log; see `LogRef.save_to`. The server gives no range from an offset on, so one that breaks begins anew."""
    target = Target.of(path, f"{log.job.api_path.rpartition('/')[2]}.log")
    session = log.session

    def attempt() -> None:
        with as_final():
            stream = session.stream(ApiRequest("GET", log.api_path, headers={"Accept": "text/plain"}))
        with stream, atomic_write(target, f"log {log.api_path}") as part:
            part.restart()
            for chunk in log_chunks(log, stream):
                part.write(chunk)

    retry_transfer(session, attempt)
    return target.path


def log_chunks(log: LogRef, stream: Stream, *, came: int = 0) -> Iterator[bytes]:
    """Yield the chunks of a response with a log, no more than it declares or `SizeLimits.file` allows.

    Args:
        log: The log.
        stream: The response.
        came: How many bytes of the log have come before it.

    Raises:
        ResponseError: It is another part of the log, or its Content-Length is not a number.
        DownloadError: It does not end where it must.
    """
    part = content_range(stream.headers)
    if stream.status != 206:  # noqa: PLR2004
        part = None
    elif part is None or part.start != came or part.total not in {None, part.stop}:
        raise ResponseError("another part of the log came than was requested", method="GET", url=stream.url)
    declared = content_length(stream.headers, unpacked=True)
    bound = Bound(log.api_path, log.session.limits.file, None, came=came)
    bound = bound.declared_as(declared).declared_as(None if part is None else part.stop - part.start)
    return bounded(stream, bound.size - bound.came, bound.error)
