"""Files on disk that are complete under their final names, or absent.

A file grows in the folder of unfinished files, and is renamed when it is complete. What a process that was killed has
written is continued by the next one that saves the same content there.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import stat
import sys
from typing import TYPE_CHECKING, Final

from buildkite_orm.files.folders import NO_LINK, TargetFolder, WorkingFolder, file_errors
from buildkite_orm.files.safe_paths import Target
from buildkite_orm.utils.cancellation import check_cancelled
from buildkite_orm.utils.plain_values import as_path

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping
    from pathlib import Path

if sys.platform != "win32":
    import fcntl

_CHUNK: Final = 1 << 16
_ATTEMPTS: Final = 50
_ON_WINDOWS: Final = os.name == "nt"
_AS_FILE: Final = os.O_RDWR | os.O_CREAT | os.O_APPEND | NO_LINK | getattr(os, "O_NONBLOCK", getattr(os, "O_BINARY", 0))


@contextlib.contextmanager
def atomic_write(target: Target, key: str) -> Generator[PartialFile]:
    """Open a file for writing. It is renamed to its final name at the end of the block; after an error, it is deleted.

    Args:
        target: The place of the file.
        key: Identifies its content. The file begins with what a killed process has written of the same content.

    Raises:
        DownloadError: The file cannot be written.
    """
    with file_errors(target.path):
        part = _begin(target, key)
    try:
        yield part
        check_cancelled()
        part.finish()
    except BaseException:
        part.discard()
        raise
    finally:
        part.close()


def _begin(target: Target, key: str) -> PartialFile:
    for _ in range(_ATTEMPTS):  # another process that fails may remove a folder that it has made
        with contextlib.suppress(FileNotFoundError):
            return PartialFile(target, key)
    return PartialFile(target, key)


class PartialFile:
    """An unfinished file, in the working folder.

    Attributes:
        size: The number of bytes in it; at first, those that a killed process has left.
    """

    def __init__(self, target: Target, key: str) -> None:
        self._target = target
        self._folder = TargetFolder(target.folder, target.below)
        try:
            self._check_place()
            self._working = WorkingFolder(self._folder.handle)
        except BaseException:
            self._folder.remove()
            self._folder.close()
            raise
        try:
            self._name, fd = self._open(key)
        except BaseException:
            self._remove_folders()
            self._close_folders()
            raise
        self._file = os.fdopen(fd, "r+b", buffering=0)
        self.size = os.fstat(fd).st_size

    def chunks(self) -> Iterator[bytes]:
        """Read what was written."""
        with file_errors(self._target.path):
            self._file.seek(0)
            while chunk := self._file.read(_CHUNK):
                yield chunk

    def write(self, chunk: bytes) -> None:
        """Append a chunk."""
        with file_errors(self._target.path):
            left = memoryview(chunk)
            while left:
                left = left[self._file.write(left) :]
        self.size += len(chunk)

    def restart(self) -> None:
        """Delete what was written."""
        with file_errors(self._target.path):
            self._file.truncate(0)
        self.size = 0

    def finish(self) -> None:
        """Rename the file to its final name."""
        with file_errors(self._target.path):
            # A network disk reports failed writes when a descriptor is closed. There is no fsync: for a large file it
            # takes a third of the time, and helps only after a power cut, whose effects `save_all` detects.
            os.close(os.dup(self._file.fileno()))
            if not self._is_there():
                raise OSError(errno.ESTALE, "another program has removed or replaced the unfinished file")
            if not self._folder.handle.is_at(self._target.path.parent):
                raise OSError(errno.ESTALE, "another program has moved or replaced its folder")
            self._close_on_windows()
            self._working.handle.move(self._name, self._folder.handle, self._target.name)
        if not self._target.keeps_working_folder:
            self._working.remove()

    def discard(self) -> None:
        """Delete the file, and the folders that were made for it."""
        with contextlib.suppress(OSError):
            if self._is_there():
                self._close_on_windows()
                self._working.handle.unlink(self._name)
        self._remove_folders()

    def close(self) -> None:
        """Close the file and its folders."""
        with contextlib.suppress(OSError):  # `finish` has reported failed writes
            self._file.close()
        self._close_folders()

    def _is_there(self) -> bool:
        """Whether the name still belongs to the written file; on Windows, an open file keeps its name."""
        return _ON_WINDOWS or self._working.handle.has(self._name, os.fstat(self._file.fileno()))

    def _remove_folders(self) -> None:
        self._working.remove()
        self._folder.remove()

    def _close_folders(self) -> None:
        self._working.handle.close()
        self._folder.close()

    def _close_on_windows(self) -> None:
        """Close the file before it is renamed or deleted, on Windows; elsewhere its lock is kept to the end."""
        if _ON_WINDOWS:
            self._file.close()

    def _check_place(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            mode = self._folder.handle.stat(self._target.name).st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
                raise FileExistsError(errno.EEXIST, "something that is not a file exists there")

    def _open(self, key: str) -> tuple[str, int]:
        if sys.platform != "win32":
            digest = hashlib.sha256(f"{self._target.name}\0{key}".encode(errors="surrogateescape")).hexdigest()
            name = f"{digest[:16]}.part"
            try:
                return name, self._resume(name)
            except BlockingIOError:  # another process is writing it
                pass
            except OSError:  # a link, a file of another user, or a file system without locks
                with contextlib.suppress(OSError):
                    self._working.handle.unlink(name)
        name = f"{secrets.token_hex(8)}.part"  # short, since the final name may be as long as names may be
        return name, self._working.handle.open(name, _AS_FILE | os.O_EXCL)

    if sys.platform != "win32":

        def _resume(self, name: str) -> int:
            """Open what a killed process has left, or a new file."""
            fd = self._working.handle.open(name, _AS_FILE)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)  # a running process has locked it
                self._check_owner(name, os.fstat(fd))
            except BaseException:
                os.close(fd)
                raise
            return fd

        def _check_owner(self, name: str, status: os.stat_result) -> None:
            if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1 or status.st_uid != os.geteuid():
                raise FileExistsError(errno.EEXIST, "a file of another user")
            if not self._working.handle.has(name, status):  # the process that had the lock has renamed or removed it
                raise BlockingIOError(errno.EAGAIN, "taken")


def save_picture(path: str | os.PathLike[str], formats: Mapping[str, Callable[[], str | bytes]], *, of: str) -> Path:
    """Save a picture in the format that its file's extension names, and return its path.

    Args:
        path: The file.
        formats: Functions that return the content in each format, by extension.
        of: What the picture shows, for the error.

    Raises:
        ValueError: The format is not known.
        DownloadError: The file cannot be written.
    """
    path = as_path("path", path)
    extension = os.path.splitext(path)[1].lower()  # noqa: PTH122 - a path may be one of a folder
    if extension not in formats:
        msg = f"{path!r}: {of} is saved as {' or '.join(formats)}"
        raise ValueError(msg)
    drawing = formats[extension]()
    content = drawing.encode() if isinstance(drawing, str) else drawing
    target = Target.of(path, f"picture{extension}")
    with atomic_write(target, hashlib.sha256(content).hexdigest()) as part:
        part.restart()
        part.write(content)
    return target.path
