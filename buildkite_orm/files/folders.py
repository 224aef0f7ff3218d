"""Folders that are held open while a file is written in them, and the folder of unfinished files.

The folder of unfinished files is next to a file's final place, on the same file system, so that a rename is atomic. No
path that a server chooses leads into it, so that none of its files can replace an unfinished one.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
import sys
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from buildkite_orm.errors import DownloadError, UnsafePathError

if TYPE_CHECKING:
    from collections.abc import Generator

WORKING_FOLDER: Final = ".buildkite_orm-unfinished"
NO_LINK: Final = getattr(os, "O_NOFOLLOW", 0)

_CAN_HOLD: Final = {os.open, os.mkdir, os.stat, os.rename, os.unlink, os.rmdir} <= os.supports_dir_fd
_AS_FOLDER: Final = getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0)


@contextlib.contextmanager
def file_errors(place: Path) -> Generator[None]:
    """Turn errors of the operating system into a DownloadError that names the file."""
    try:
        yield
    except (OSError, ValueError) as problem:  # ValueError: a name that no file can have
        reason = getattr(problem, "strerror", None) or problem
        raise DownloadError(f"cannot write {str(place)!r}: {reason}; nothing was kept") from problem


def remove_working_folder(folder: Path) -> None:
    """Remove the folder of unfinished files that targets have kept in a folder, if it is empty."""
    with contextlib.suppress(OSError):
        (folder / WORKING_FOLDER).rmdir()


class FolderHandle:
    """A folder, and the operations in it.

    It is held open if the system can do so: then a link that replaces it leads nowhere.

    Attributes:
        path: The folder.
        fd: Its descriptor, if it is held open.
    """

    def __init__(self, path: Path, flags: int = 0, parent: FolderHandle | None = None) -> None:
        self.path = path
        self.fd: int | None = None
        if _CAN_HOLD:
            name, parent_fd = (str(path), None) if parent is None else (path.name, parent.fd)
            self.fd = os.open(name, _AS_FOLDER | flags, dir_fd=parent_fd)

    def enter(self, name: str) -> FolderHandle:
        """Open a folder in this one; refuse a link, if the system can do so."""
        return FolderHandle(self.path / name, NO_LINK, self)

    def open(self, name: str, flags: int) -> int:
        """Open a file, and return its descriptor."""
        return os.open(self._at(name), flags, 0o666, dir_fd=self.fd)

    def make(self, name: str, mode: int = 0o777) -> None:
        """Make a folder."""
        os.mkdir(self._at(name), mode, dir_fd=self.fd)

    def remove(self, name: str) -> None:
        """Remove an empty folder."""
        os.rmdir(self._at(name), dir_fd=self.fd)

    def stat(self, name: str) -> os.stat_result:
        """Return the status of an entry; links are not followed."""
        return os.stat(self._at(name), dir_fd=self.fd, follow_symlinks=False)

    def own_stat(self) -> os.stat_result:
        """Return the status of the folder itself."""
        return os.lstat(self.path) if self.fd is None else os.fstat(self.fd)

    def is_at(self, path: Path) -> bool:
        """Whether a path leads to this folder; a folder that is not held open is where its path leads."""
        return self.fd is None or os.path.samestat(path.stat(), self.own_stat())

    def has(self, name: str, status: os.stat_result) -> bool:
        """Whether an entry is the file or folder with a status."""
        with contextlib.suppress(FileNotFoundError):
            return os.path.samestat(status, self.stat(name))
        return False

    def move(self, name: str, to: FolderHandle, new: str) -> None:
        """Move an entry to another folder; replace what is there."""
        os.replace(self._at(name), to._at(new), src_dir_fd=self.fd, dst_dir_fd=to.fd)

    def unlink(self, name: str) -> None:
        """Delete a file."""
        os.unlink(self._at(name), dir_fd=self.fd)

    def close(self) -> None:
        """Stop holding the folder open."""
        fd, self.fd = self.fd, None
        if fd is not None:
            os.close(fd)

    def _at(self, name: str) -> str:
        return str(self.path / name) if self.fd is None else name


class TargetFolder:
    """The folder of a file, made if it does not exist.

    Args:
        folder: The folder that the caller chose.
        below: The folders below that one, which the server chose.
    """

    def __init__(self, folder: Path, below: tuple[str, ...]) -> None:
        self._held: list[FolderHandle] = []
        self._made: list[tuple[str, FolderHandle | None]] = []
        try:
            self._make(folder)
            self._held.append(FolderHandle(folder))
            for name in below:
                self._go_down(name)
        except BaseException:
            self.remove()
            self.close()
            raise

    @property
    def handle(self) -> FolderHandle:
        """The handle of the innermost folder."""
        return self._held[-1]

    def remove(self) -> None:
        """Remove the folders that were made for the file, if they are empty."""
        with contextlib.suppress(OSError):
            for name, parent in reversed(self._made):
                if parent is None:
                    Path(name).rmdir()
                else:
                    parent.remove(name)
        self._made.clear()

    def close(self) -> None:
        """Stop holding the folders open."""
        while self._held:
            self._held.pop().close()

    def _make(self, folder: Path) -> None:
        missing = list(takewhile(lambda each: not each.exists(), (folder, *folder.parents)))
        for each in reversed(missing):
            with contextlib.suppress(FileExistsError):
                each.mkdir()
                self._made.append((str(each), None))

    def _go_down(self, name: str) -> None:
        parent = self.handle
        with contextlib.suppress(FileExistsError):
            parent.make(name)
            self._made.append((name, parent))
        self._held.append(parent.enter(name))
        if parent.has(WORKING_FOLDER, self.handle.own_stat()):  # a name that only this file system takes for the same
            raise UnsafePathError(f"the name {name!r} leads to the folder of unfinished files in {parent.path}")


class WorkingFolder:
    """The folder of unfinished files in another folder.

    Attributes:
        handle: Its handle.
    """

    def __init__(self, parent: FolderHandle) -> None:
        self._parent = parent
        self._name = WORKING_FOLDER
        try:
            self.handle = self._shared()
        except FileNotFoundError:  # another process has just removed it
            raise
        except OSError:  # a folder of another user, or something else of this name
            self._name = f"{WORKING_FOLDER}-{secrets.token_hex(8)}"
            self._make()
            self.handle = parent.enter(self._name)

    def remove(self) -> None:
        """Remove the folder, unless there are other files in it."""
        self.handle.close()  # some systems are slow to close a folder that was removed
        with contextlib.suppress(OSError):
            self._parent.remove(self._name)

    def _shared(self) -> FolderHandle:
        """Open the folder that all processes of this user share, so that one finds the files that another has left."""
        with contextlib.suppress(FileExistsError):
            self._make()
        handle = self._parent.enter(self._name)
        try:
            self._check(handle.own_stat())
        except BaseException:
            handle.close()
            raise
        return handle

    def _make(self) -> None:
        # for this user only; on Windows, files that are moved out of it would keep that restriction
        self._parent.make(self._name, 0o777 if sys.platform == "win32" else 0o700)

    def _check(self, status: os.stat_result) -> None:
        is_own = sys.platform == "win32" or status.st_uid == os.geteuid()
        if not stat.S_ISDIR(status.st_mode) or not is_own:
            raise FileExistsError(errno.EEXIST, "not a folder of this user")
