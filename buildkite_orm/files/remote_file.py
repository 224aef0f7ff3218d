"""An artifact as a file to read: by ranges, through a link that is asked for anew when it has expired.

Two habits keep the requests few. What is read at a stretch comes in parts that double, so that a whole file takes about
as many as its size has digits in binary. And the end of a file is asked for once and kept, since formats that are read
from their end (zip, parquet) look there again and again.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

from buildkite_orm.errors import ChecksumMismatchError, ConnectionFailedError, DownloadError
from buildkite_orm.files.download import Expected, Storage, ends_at, retry_transfer
from buildkite_orm.http.sizes import Bound, bounded, content_length, content_range
from buildkite_orm.http.transport import ReadsStream
from buildkite_orm.utils.plain_values import as_index

if TYPE_CHECKING:
    from collections.abc import Iterator

    from _typeshed import WriteableBuffer

    from buildkite_orm.http.transport import Stream
    from buildkite_orm.resources.builds.artifact import Artifact

_PART: Final = 206
_WHOLE: Final = 200


def open_artifact(artifact: Artifact, buffer_size: int) -> io.BufferedReader:
    """Open an artifact; see `ArtifactRef.open`."""
    buffer_size = as_index("buffer_size", buffer_size)
    if buffer_size < 1:
        msg = f"buffer_size={buffer_size}: at least 1"
        raise ValueError(msg)
    return io.BufferedReader(RemoteFile(artifact, buffer_size), buffer_size)


class RemoteFile(ReadsStream, io.RawIOBase):
    """Reads an artifact where it is stored.

    Args:
        artifact: The artifact.
        least: How many bytes to ask for at least at a time.
    """

    def __init__(self, artifact: Artifact, least: int) -> None:
        super().__init__()
        self.name = str(artifact.__dict__.get("filename") or artifact.id)
        self._session = artifact.session
        self._path = artifact.api_path
        self._storage = Storage(artifact)
        self._expected = Expected.of(artifact)
        self._hashed = 0
        self._least = self._most = least
        self._position = 0
        self._size = self._expected.size
        self._end: bytes | None = None
        self._came = memoryview(b"")

    @property
    def size(self) -> int:
        """How many bytes the file has; asked for where the API has not told it."""
        if self._size is None:
            retry_transfer(self._session, lambda: self._ask(0, self._least)).close()
        return self._size or 0

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def seekable(self) -> bool:
        """Tell that it can be read from anywhere."""
        return True

    def tell(self) -> int:
        """Tell where it is read next."""
        self._check_open()
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go elsewhere; nothing is asked before something is read there.

        Args:
            offset: How far.
            whence: From where: the beginning, here, or the end.

        Raises:
            ValueError: That is before the beginning.
        """
        self._check_open()
        position = self._start(whence) + offset
        if position < 0:
            msg = f"{position}: before the beginning of the file"
            raise ValueError(msg)
        if position != self._position:
            self._position, self._came, self._most = position, memoryview(b""), self._least
            self._drop()
        return position

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Read what fits into a buffer, or less."""
        self._check_open()
        target = memoryview(buffer).cast("B")
        self._most = max(self._most, len(target))
        taken = self._take(len(target))
        target[: len(taken)] = taken
        return len(taken)

    def readall(self) -> bytes:
        """Read the rest, with one request where none is under way."""
        self._check_open()
        self._most = max(self._most, self.size - self._position)
        return b"".join(iter(lambda: self._take(self._most), b""))

    def close(self) -> None:
        """End reading, and give the connection back."""
        if not self.closed:
            self._drop()
        super().close()

    def _start(self, whence: int) -> int:
        if whence not in {io.SEEK_SET, io.SEEK_CUR, io.SEEK_END}:
            msg = f"whence={whence}: 0 for the beginning, 1 for here, 2 for the end"
            raise ValueError(msg)
        if whence == io.SEEK_END:
            return self.size
        return self._position if whence == io.SEEK_CUR else 0

    def _check_open(self) -> None:
        if self.closed:
            msg = "I/O operation on closed file"
            raise ValueError(msg)

    def _take(self, most: int) -> memoryview:
        """Take some of the bytes that come next; none at the end."""
        if not self._came and self._position < self.size:
            self._came = memoryview(retry_transfer(self._session, self._read))
        taken, self._came = self._came[:most], self._came[most:]
        self._check(taken)
        self._position += len(taken)
        return taken

    def _check(self, taken: memoryview) -> None:
        """Hash what was not hashed yet, as far as there is no gap; at the end, that is the whole file."""
        new = self._hashed - self._position
        if not 0 <= new < len(taken):
            return
        self._expected.update(taken[new:])
        self._hashed = self._position + len(taken)
        if self._hashed == self._size:
            self._expected.check(self._path, self._hashed)

    def _read(self) -> bytes:
        """Read some bytes at the position."""
        if self._chunks is None and self._position >= self.size - self._least:
            return self._read_end()
        try:
            chunk = next(self._chunks, b"") if self._chunks is not None else b""
            return chunk or self._read_on()
        except BaseException:
            self._drop()
            raise

    def _read_on(self) -> bytes:
        """Read from the beginning of the next part, which is twice as long as the last one."""
        self._drop()
        self._stream = self._ask(self._position, min(self._position + self._most, self.size))
        self._most *= 2
        self._chunks = self._chunks_of(self._stream, self._position)
        chunk = next(self._chunks, b"")
        if not chunk:
            raise self._too_little()
        return chunk

    def _read_end(self) -> bytes:
        start = max(0, self.size - self._least)
        if self._end is None:
            end = bytearray()
            while start + len(end) < self.size:  # a storage may give less at a time
                before = len(end)
                with self._ask(start + before, self.size) as stream:
                    for chunk in self._chunks_of(stream, start + before):
                        end += chunk
                if len(end) == before:
                    raise self._too_little()
            self._end = bytes(end)
        return self._end[self._position - start :]

    def _ask(self, start: int, stop: int) -> Stream:
        """Ask for the bytes from `start` to before `stop`."""
        stream = self._storage.ask({"Range": f"bytes={start}-{stop - 1}"})
        try:
            return self._checked(stream, start)
        except BaseException:
            stream.close()
            raise

    def _chunks_of(self, stream: Stream, start: int) -> Iterator[bytes]:
        """Yield the chunks of a response that begins with the byte `start`, and no more than it declares."""
        part = content_range(stream.headers) if stream.status == _PART else None
        length = (self.size if part is None else min(part.stop, self.size)) - start
        return bounded(stream, length, Bound(self._path, length, "declared").error)

    def _checked(self, stream: Stream, start: int) -> Stream:
        """Check that a response has the bytes from `start` on, and take in how long the file is."""
        if stream.status == _WHOLE:
            return self._all(stream, start)
        if self._size is None and ends_at(stream, 0):
            self._learn(0)
            return stream
        if stream.status != _PART:
            raise self._storage.refusal(stream)
        part = content_range(stream.headers)
        if part is None or part.total is None or part.start != start:
            raise DownloadError("the storage answered with another range than the one that was asked for")
        content_length(stream.headers)  # raises where it is not a number
        self._learn(part.total)
        return stream

    def _all(self, stream: Stream, start: int) -> Stream:
        """Make do with the whole file in place of a part, where it is the beginning that was asked for."""
        length = content_length(stream.headers)
        if length is not None:
            self._learn(length)
        if start > 0 or self._size is None:
            what = f"{self._path}: its storage does not give parts of files"
            raise DownloadError(what, next_step="Save it with save_to(), and open that file.")
        return stream

    def _learn(self, size: int) -> None:
        """Take in how long the file is."""
        if self._size is None:
            self._size = size
            if size == 0:
                self._expected.check(self._path, 0)
        if size != self._size:
            raise ChecksumMismatchError(
                f"{self._path}: {size} bytes are there, not the {self._size} that were uploaded"
            )

    def _too_little(self) -> ConnectionFailedError:
        return ConnectionFailedError(f"{self._path}: its storage gives less than what is there")
