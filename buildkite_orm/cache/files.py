"""Content files: named by their own SHA-256, written next to their place, and checked before they are used."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
from typing import TYPE_CHECKING, Final

from buildkite_orm.cache.folder import FILES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedReader
    from pathlib import Path

CHUNK: Final = 128 * 1024
_UNFINISHED: Final = "unfinished-"
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


def content_path(folder: Path, digest: str) -> Path:
    """Return the place of the content with a SHA-256."""
    return folder / FILES / digest[:2] / digest


def content_files(folder: Path) -> Iterator[Path]:
    """Yield all content files."""
    return (path for path in (folder / FILES).glob("??/*") if _SHA256.fullmatch(path.name))


def unfinished_files(folder: Path) -> Iterator[Path]:
    """Yield the files that are being written, or that a killed process has left."""
    return (folder / FILES).glob(f"{_UNFINISHED}*")


def open_content(folder: Path, digest: str) -> BufferedReader | None:
    """Open a content file at its beginning; None if it is missing, or is not what it was."""
    if not _SHA256.fullmatch(digest):
        return None
    try:
        file = content_path(folder, digest).open("rb")
    except OSError:
        return None
    try:
        if hashlib.file_digest(file, "sha256").hexdigest() == digest:
            file.seek(0)
            return file
    except OSError:
        pass
    file.close()
    return None


class UnfinishedContent:
    """Content that is being written, chunk by chunk.

    Attributes:
        size: How many bytes it has so far.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / FILES / f"{_UNFINISHED}{secrets.token_hex(16)}"
        self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
        self._hash = hashlib.sha256()
        self.size = 0

    @property
    def digest(self) -> str:
        """The SHA-256 of what was written."""
        return self._hash.hexdigest()

    def write(self, chunk: bytes) -> None:
        """Append a chunk."""
        view = memoryview(chunk)
        while view:
            view = view[os.write(self._fd, view) :]
        self._hash.update(chunk)
        self.size += len(chunk)

    def move_to_place(self) -> None:
        """Move the file to its place; a file that is there already has the same content."""
        self._close()
        target = content_path(self._folder, self.digest)
        target.parent.mkdir(mode=0o700, exist_ok=True)
        self._path.replace(target)

    def discard(self) -> None:
        """Delete the file, unless it is in its place."""
        self._close()
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)
