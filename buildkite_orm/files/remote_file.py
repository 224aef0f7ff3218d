"""An artifact as a file to read: by ranges, through a link that is requested again when it has expired.

Few requests are sent. Reading on from one position requests parts of doubling size, so that a whole file takes about as
many as its size has binary digits. The end of a file is requested once and kept, since formats that are read from their
end (zip, parquet) return to it.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final, cast

from buildkite_orm.errors import ChecksumMismatchError, ConnectionFailedError, DownloadError
from buildkite_orm.files.cached_content import open_stored
from buildkite_orm.files.checksums import ExpectedContent
from buildkite_orm.files.storage import ArtifactStorage, ends_at
from buildkite_orm.http.sizes import FileLimit, content_length, content_range, limit_size
from buildkite_orm.models.resource import Resource
from buildkite_orm.utils.plain_values import as_index

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from _typeshed import WriteableBuffer

    from buildkite_orm.cache.options import CacheMode
    from buildkite_orm.http.stream import Stream
    from buildkite_orm.resources.builds.artifact import Artifact, ArtifactRef

_PARTIAL: Final = 206
_WHOLE: Final = 200
_SAVE_FIRST: Final = "Save it with save_to(), and open that file."


def open_artifact(ref: ArtifactRef, buffer_size: int, cache: CacheMode | None = None) -> io.BufferedReader:
    """Open an artifact; see `ArtifactRef.open`."""
    buffer_size = as_index("buffer_size", buffer_size)
    if buffer_size < 1:
        msg = f"buffer_size={buffer_size}: must be at least 1"
        raise ValueError(msg)
    stored = open_stored(ref, cache)
    if stored is not None:
        return stored
    artifact = cast("Artifact", ref) if isinstance(ref, Resource) else ref.fetch()
    return io.BufferedReader(RemoteFile(artifact, buffer_size), buffer_size)


class RemoteFile(io.RawIOBase):
    """Reads an artifact from its storage.

    Args:
        artifact: The artifact.
        min_part: The smallest number of bytes to request at once.
    """

    def __init__(self, artifact: Artifact, min_part: int) -> None:
        super().__init__()
        self.name = str(artifact.__dict__.get("filename") or artifact.id)
        self._session = artifact.session
        self._path = artifact.api_path
        self._storage = ArtifactStorage(artifact)
        self._expected = ExpectedContent.of(artifact)
        self._hashed = 0
        self._min_part = self._part = min_part
        self._position = 0
        self._size = self._expected.size
        self._end: bytes | None = None
        self._content: Generator[bytes] | None = None
        self._received = memoryview(b"")

    @property
    def size(self) -> int:
        """The size of the file in bytes; requested from its storage if the API has not returned it."""
        if self._size is None:
            self._session.retries.run(lambda: self._request(0, self._min_part), idempotent=True).close()
        return self._size or 0

    def readable(self) -> bool:
        """Whether the file can be read: yes."""
        return True

    def seekable(self) -> bool:
        """Whether the file can be read from any position: yes."""
        return True

    def tell(self) -> int:
        """Return the position that is read next."""
        self._check_open()
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Change the position; a request is sent only when something is read there.

        Args:
            offset: The distance.
            whence: What it counts from: the beginning, the current position, or the end.

        Raises:
            ValueError: The position is before the beginning.
        """
        self._check_open()
        position = self._origin(whence) + offset
        if position < 0:
            msg = f"{position}: before the beginning of the file"
            raise ValueError(msg)
        if position != self._position:
            self._position, self._received, self._part = position, memoryview(b""), self._min_part
            self._stop()
        return position

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Read into a buffer, as much as fits or less."""
        self._check_open()
        target = memoryview(buffer).cast("B")
        self._part = max(self._part, len(target))
        taken = self._take(len(target))
        target[: len(taken)] = taken
        return len(taken)

    def readall(self) -> bytes:
        """Read the rest, with one request if none is open."""
        self._check_open()
        self._part = max(self._part, self.size - self._position)
        return b"".join(iter(lambda: self._take(self._part), b""))

    def close(self) -> None:
        """Close the file, and close its connection or return it to the pool."""
        if not self.closed:
            self._stop()
        super().close()

    def _origin(self, whence: int) -> int:
        if whence not in {io.SEEK_SET, io.SEEK_CUR, io.SEEK_END}:
            msg = f"whence={whence}: must be 0 for the beginning, 1 for the current position, or 2 for the end"
            raise ValueError(msg)
        if whence == io.SEEK_END:
            return self.size
        return self._position if whence == io.SEEK_CUR else 0

    def _check_open(self) -> None:
        if self.closed:
            msg = "I/O operation on closed file"
            raise ValueError(msg)

    def _stop(self) -> None:
        """End the transfer that is open, if any."""
        content, self._content = self._content, None
        if content is not None:
            content.close()

    def _take(self, size: int) -> memoryview:
        """Return at most this many of the next bytes; none at the end."""
        if not self._received and self._position < self.size:
            if self._content is None:
                self._content = self._session.retries.transfer(self._chunks_from, self._position)
            try:
                self._received = memoryview(next(self._content, b""))
            except BaseException:
                self._content = None
                raise
        taken, self._received = self._received[:size], self._received[size:]
        self._check(taken)
        self._position += len(taken)
        return taken

    def _check(self, taken: memoryview) -> None:
        """Hash the bytes that were not hashed before, unless there is a gap; check the hash of a whole file."""
        new = self._hashed - self._position
        if not 0 <= new < len(taken):
            return
        self._expected.update(taken[new:])
        self._hashed = self._position + len(taken)
        if self._hashed == self._size:
            self._expected.check(self._path, self._hashed)

    def _chunks_from(self, position: int) -> Iterator[bytes]:
        """Request the content from a position on, part by part, and yield its chunks."""
        if position >= self.size - self._min_part:
            yield self._read_end()[position - max(0, self.size - self._min_part) :]
            return
        while position < self.size:
            start = position
            with self._request(position, min(position + self._part, self.size)) as stream:
                self._part *= 2
                for chunk in self._chunks_of(stream, start):
                    position += len(chunk)
                    yield chunk
            if position == start:
                raise self._too_short()

    def _read_end(self) -> bytes:
        """Return the last bytes of the file."""
        start = max(0, self.size - self._min_part)
        if self._end is None:
            end = bytearray()
            while start + len(end) < self.size:  # a storage may return less at a time
                before = len(end)
                with self._request(start + before, self.size) as stream:
                    for chunk in self._chunks_of(stream, start + before):
                        end += chunk
                if len(end) == before:
                    raise self._too_short()
            self._end = bytes(end)
        return self._end

    def _request(self, start: int, stop: int) -> Stream:
        """Request the bytes from `start` to before `stop`."""
        stream = self._storage.request({"Range": f"bytes={start}-{stop - 1}"})
        try:
            return self._checked(stream, start)
        except BaseException:
            stream.close()
            raise

    def _chunks_of(self, stream: Stream, start: int) -> Iterator[bytes]:
        """Yield the chunks of a response that begins with the byte `start`, and no more than it declares."""
        part = content_range(stream.headers) if stream.status == _PARTIAL else None
        length = (self.size if part is None else min(part.stop, self.size)) - start
        return limit_size(stream, length, FileLimit(self._path, length, "declared").error)

    def _checked(self, stream: Stream, start: int) -> Stream:
        """Check that a response contains the bytes from `start` on, and note the size of the file."""
        if stream.status == _WHOLE:
            return self._whole(stream, start)
        if self._size is None and ends_at(stream, 0):
            self._note_size(0)
            return stream
        if stream.status != _PARTIAL:
            raise self._storage.refusal(stream)
        part = content_range(stream.headers)
        if part is None or part.start != start:
            raise DownloadError("the storage returned another range than was requested")
        content_length(stream.headers)  # raises if it is not a number
        size = self._size if part.total is None else part.total
        if size is None:
            raise DownloadError(f"{self._path}: its storage does not state the size of the file", next_step=_SAVE_FIRST)
        self._note_size(size)
        return stream

    def _whole(self, stream: Stream, start: int) -> Stream:
        """Accept the whole file in place of a part, if the part is its beginning."""
        length = content_length(stream.headers)
        if length is not None:
            self._note_size(length)
        if start > 0 or self._size is None:
            raise DownloadError(f"{self._path}: its storage does not return parts of files", next_step=_SAVE_FIRST)
        return stream

    def _note_size(self, size: int) -> None:
        if self._size is None:
            self._size = size
            if size == 0:
                self._expected.check(self._path, 0)
        if size != self._size:
            raise ChecksumMismatchError(
                f"{self._path}: its storage has {size} bytes, not the {self._size} that were uploaded"
            )

    def _too_short(self) -> ConnectionFailedError:
        return ConnectionFailedError(f"{self._path}: its storage returns less than the whole file")
