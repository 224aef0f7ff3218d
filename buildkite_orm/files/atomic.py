"""Files on disk: whole under their final names or not at all, and inside the folder that was named.

A file grows in a working folder beside its place, on the same file system, and is renamed when it is whole. What a
killed process has left of it is taken up by the next one that saves the same file there. No path that a server chooses
leads into a working folder, so that none of its files can take the place of an unfinished one.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
import stat
import sys
import unicodedata
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from buildkite_orm.errors import DownloadError, UnsafePathError
from buildkite_orm.utils.cancellation import check_cancelled
from buildkite_orm.utils.plain_values import as_path

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

if sys.platform != "win32":
    import fcntl

_CHUNK: Final = 1 << 16
_TRIES: Final = 50
WORKING: Final = ".buildkite_orm-unfinished"
_SHORT_WORKING: Final = re.compile(r"bu[^.]{0,5}~[0-9]{1,6}", re.IGNORECASE)  # the second name that NTFS gives it
_DRIVE: Final = re.compile(r"[A-Za-z]:")
_DEVICE: Final = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³]) *(\..*)?", re.IGNORECASE | re.DOTALL)
_ON_WINDOWS: Final = os.name == "nt"
_CAN_HOLD: Final = {os.open, os.mkdir, os.stat, os.rename, os.unlink, os.rmdir} <= os.supports_dir_fd
_AS_FOLDER: Final = getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0)
_NO_LINK: Final = getattr(os, "O_NOFOLLOW", 0)
_AS_FILE: Final = (
    os.O_RDWR | os.O_CREAT | os.O_APPEND | _NO_LINK | getattr(os, "O_NONBLOCK", getattr(os, "O_BINARY", 0))
)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a file goes.

    Attributes:
        path: The same as a path, as the caller is told it.
        folder: The folder that the caller chose; links in it are the caller's affair.
        below: The folders below that one, of the server's choosing: none of them is a link.
        name: The name of the file.
        keeps_working_folder: Whether the folder of unfinished files stays for the next file; see `remove_working`.
    """

    path: Path
    folder: Path
    below: tuple[str, ...]
    name: str
    keeps_working_folder: bool = False

    @classmethod
    def of(cls, path: str | os.PathLike[str], name: str) -> Target:
        """Return where a file goes.

        Args:
            path: The file, or a folder: one that is there, or a string that ends with a slash.
            name: What the server calls the file: its path in the folder.

        Raises:
            UnsafePathError: It would leave the folder, or is no name of a file.
            DownloadError: There can be no such file.
        """
        told = as_path("path", path)
        target = Path(told)
        with file_errors(target):
            if not told.endswith(("/", os.sep)) and not target.is_dir():
                if _is_working(target.name, windows=_ON_WINDOWS):
                    raise UnsafePathError(f"the name {target.name!r} is taken by the folder of unfinished files")
                return cls(target, target.parent, (), target.name)
            place = _named(target, name, windows=_ON_WINDOWS)
            folder, below = _real_folders(target, place, name)
            return cls(place, folder, below, place.name)


def safe_path(folder: Path, name: str, *, windows: bool = _ON_WINDOWS) -> Path:
    """Give where a file of this name goes below a folder.

    Args:
        folder: The folder.
        name: A path that the server tells; a backslash is a slash.
        windows: Whether names that Windows takes for a device or for another file are refused too.

    Raises:
        UnsafePathError: It would leave the folder, or is no name of a file.
    """
    place = _named(folder, name, windows=windows)
    with file_errors(place):  # a relative path has no meaning once the current folder is removed
        _real_folders(folder, place, name)
    return place


def _named(folder: Path, name: str, *, windows: bool) -> Path:
    """Return where a file of this name goes, by the name alone."""
    told = name.replace("\\", "/")
    path = PurePosixPath(told)
    if not path.parts or path.is_absolute() or ".." in path.parts or _DRIVE.match(told) or not _can_be_named(told):
        raise UnsafePathError(f"the path {name!r} would leave the folder {folder}, or names no file")
    if windows and any(_is_special(part) for part in path.parts):
        raise UnsafePathError(f"the path {name!r} means something else to Windows than a file in {folder}")
    if any(_is_working(part, windows=windows) for part in path.parts):
        raise UnsafePathError(f"the path {name!r} leads to the folder of unfinished files in {folder}")
    return folder.joinpath(*path.parts)


def _real_folders(folder: Path, place: Path, name: str) -> tuple[Path, tuple[str, ...]]:
    """Return a folder without links, and the folders below it that lead to a place in it."""
    real, parent = _real(folder), _real(place.parent)
    if not parent.is_relative_to(real) or (place.is_symlink() and not _real(place).is_relative_to(real)):
        raise UnsafePathError(f"the path {name!r} would leave the folder {folder} by a link")
    return real, parent.relative_to(real).parts


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))  # unlike resolve(), it takes links that go in circles


def _is_special(part: str) -> bool:
    return ":" in part or part.endswith((".", " ")) or _DEVICE.fullmatch(part) is not None


def _is_working(part: str, *, windows: bool) -> bool:
    """Return whether a name is, to some file system, that of a working folder: case, form and invisible characters."""
    plain = part.lower()
    if not part.isascii():
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", part).casefold())
        plain = "".join(char for char in folded if unicodedata.category(char) != "Cf")
    return plain.startswith(WORKING) or (windows and _SHORT_WORKING.fullmatch(part) is not None)


def _can_be_named(name: str) -> bool:
    try:
        return b"\0" not in os.fsencode(name)
    except UnicodeEncodeError:
        return False


@contextlib.contextmanager
def file_errors(place: Path) -> Generator[None]:
    """Say of what goes wrong with a file which one it is, and that nothing was kept."""
    try:
        yield
    except (OSError, ValueError) as problem:  # ValueError: a name that no file can have
        why = getattr(problem, "strerror", None) or problem
        raise DownloadError(f"cannot write {str(place)!r}: {why}; nothing was kept") from problem


def remove_working(folder: Path) -> None:
    """Remove the folder of unfinished files that targets which keep it have left in a folder, if it is empty."""
    with contextlib.suppress(OSError):
        (folder / WORKING).rmdir()


@contextlib.contextmanager
def atomic_write(target: Target, key: str) -> Generator[PartialFile]:
    """Give a file to write to, which gets its final name at the end of the block; if that fails, nothing is left.

    Args:
        target: Where it goes.
        key: What tells its content from any other: what a killed process has left of the same is there.

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
    for _ in range(_TRIES):  # another process that fails may take away a folder that it has made
        with contextlib.suppress(FileNotFoundError):
            return PartialFile(target, key)
    return PartialFile(target, key)


class PartialFile:
    """A file that is not whole yet, in a working folder.

    Attributes:
        size: How many bytes it has; at first, those that a killed process has left.
    """

    def __init__(self, target: Target, key: str) -> None:
        self._target = target
        self._folder = _Folder(target)
        try:
            self._check_place()
            self._working = _Working(self._folder.place)
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
        """Read what there is."""
        with file_errors(self._target.path):
            self._file.seek(0)
            while chunk := self._file.read(_CHUNK):
                yield chunk

    def write(self, chunk: bytes) -> None:
        """Write behind what there is."""
        with file_errors(self._target.path):
            left = memoryview(chunk)
            while left:
                left = left[self._file.write(left) :]
        self.size += len(chunk)

    def restart(self) -> None:
        """Forget what there is."""
        with file_errors(self._target.path):
            self._file.truncate(0)
        self.size = 0

    def finish(self) -> None:
        """Give the file its final name."""
        with file_errors(self._target.path):
            # A disk over the network tells here what it could not take. There is no fsync: for a large file it takes a
            # third of all time, and only a power cut needs it; what that spoils, `save_all` sees by size and checksum.
            os.close(os.dup(self._file.fileno()))
            if not self._is_there():
                raise OSError(errno.ESTALE, "another program has removed or replaced the unfinished file")
            if not self._folder.place.is_at(self._target.path.parent):
                raise OSError(errno.ESTALE, "another program has moved or replaced its folder")
            self._close_on_windows()
            self._working.handle.move(self._name, self._folder.place, self._target.name)
        if not self._target.keeps_working_folder:
            self._working.remove()

    def discard(self) -> None:
        """Leave nothing behind."""
        with contextlib.suppress(OSError):
            if self._is_there():
                self._close_on_windows()
                self._working.handle.unlink(self._name)
        self._remove_folders()

    def close(self) -> None:
        """End writing."""
        with contextlib.suppress(OSError):  # what the disk could not take was told when it was finished
            self._file.close()
        self._close_folders()

    def _is_there(self) -> bool:
        """Return whether the name is still that of the written file; on Windows, an open file keeps its name."""
        return _ON_WINDOWS or self._working.handle.has(self._name, os.fstat(self._file.fileno()))

    def _remove_folders(self) -> None:
        self._working.remove()
        self._folder.remove()

    def _close_folders(self) -> None:
        self._working.handle.close()
        self._folder.close()

    def _close_on_windows(self) -> None:
        """Close a file before it is renamed or deleted, where that is needed; elsewhere its lock is kept to the end."""
        if _ON_WINDOWS:
            self._file.close()

    def _check_place(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            mode = self._folder.place.stat(self._target.name).st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
                raise FileExistsError(errno.EEXIST, "there is something that is no file")

    def _open(self, key: str) -> tuple[str, int]:
        if sys.platform != "win32":
            digest = hashlib.sha256(f"{self._target.name}\0{key}".encode(errors="surrogateescape")).hexdigest()
            name = f"{digest[:16]}.part"
            try:
                return name, self._take_up(name)
            except BlockingIOError:  # another process is at it
                pass
            except OSError:  # a link, a file of others, or a file system without locks: no process of ours is at it
                with contextlib.suppress(OSError):
                    self._working.handle.unlink(name)
        name = f"{secrets.token_hex(8)}.part"  # no longer than names may be, whatever the place's is
        return name, self._working.handle.open(name, _AS_FILE | os.O_EXCL)

    if sys.platform != "win32":

        def _take_up(self, name: str) -> int:
            """Open what a killed process has left, or begin it."""
            fd = self._working.handle.open(name, _AS_FILE)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)  # one that lives has locked it
                self._check_left(name, os.fstat(fd))
            except BaseException:
                os.close(fd)
                raise
            return fd

        def _check_left(self, name: str, found: os.stat_result) -> None:
            if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1 or found.st_uid != os.geteuid():
                raise FileExistsError(errno.EEXIST, "a file of others")
            if not self._working.handle.has(name, found):  # who had the lock has renamed it, or removed it
                raise BlockingIOError(errno.EAGAIN, "taken")


class _Handle:
    """A folder, and what is done in it.

    It is held open where the system can, so that a link that somebody puts in its place leads nowhere.

    Attributes:
        path: The folder.
        fd: Its descriptor, where it is held open.
    """

    def __init__(self, path: Path, flags: int = 0, parent: _Handle | None = None) -> None:
        self.path = path
        self.fd: int | None = None
        if _CAN_HOLD:
            where, parent_fd = (str(path), None) if parent is None else (path.name, parent.fd)
            self.fd = os.open(where, _AS_FOLDER | flags, dir_fd=parent_fd)

    def enter(self, name: str) -> _Handle:
        """Open a folder in this one; a link is refused, where the system can."""
        return _Handle(self.path / name, _NO_LINK, self)

    def open(self, name: str, flags: int) -> int:
        return os.open(self._at(name), flags, 0o666, dir_fd=self.fd)

    def make(self, name: str, mode: int = 0o777) -> None:
        os.mkdir(self._at(name), mode, dir_fd=self.fd)

    def remove(self, name: str) -> None:
        os.rmdir(self._at(name), dir_fd=self.fd)

    def stat(self, name: str) -> os.stat_result:
        return os.stat(self._at(name), dir_fd=self.fd, follow_symlinks=False)

    def own_stat(self) -> os.stat_result:
        return os.lstat(self.path) if self.fd is None else os.fstat(self.fd)

    def is_at(self, path: Path) -> bool:
        """Return whether a path leads to this folder; one that is not held open is where its path leads."""
        return self.fd is None or os.path.samestat(path.stat(), self.own_stat())

    def has(self, name: str, found: os.stat_result) -> bool:
        with contextlib.suppress(FileNotFoundError):
            return os.path.samestat(found, self.stat(name))
        return False

    def move(self, name: str, to: _Handle, new: str) -> None:
        os.replace(self._at(name), to._at(new), src_dir_fd=self.fd, dst_dir_fd=to.fd)

    def unlink(self, name: str) -> None:
        os.unlink(self._at(name), dir_fd=self.fd)

    def close(self) -> None:
        fd, self.fd = self.fd, None
        if fd is not None:
            os.close(fd)

    def _at(self, name: str) -> str:
        return str(self.path / name) if self.fd is None else name


class _Folder:
    """The folder of a target, made where it is not there.

    Attributes:
        place: The folder.
    """

    def __init__(self, target: Target) -> None:
        self._held: list[_Handle] = []
        self._made: list[tuple[str, _Handle | None]] = []
        try:
            self._make(target.folder)
            self._held.append(_Handle(target.folder))
            for name in target.below:
                self._go_down(name)
        except BaseException:
            self.remove()
            self.close()
            raise

    @property
    def place(self) -> _Handle:
        return self._held[-1]

    def remove(self) -> None:
        """Remove the folders that were made for this, where they are empty."""
        with contextlib.suppress(OSError):
            for name, parent in reversed(self._made):
                if parent is None:
                    Path(name).rmdir()
                else:
                    parent.remove(name)
        self._made.clear()

    def close(self) -> None:
        while self._held:
            self._held.pop().close()

    def _make(self, folder: Path) -> None:
        missing = list(takewhile(lambda each: not each.exists(), (folder, *folder.parents)))
        for each in reversed(missing):
            with contextlib.suppress(FileExistsError):
                each.mkdir()
                self._made.append((str(each), None))

    def _go_down(self, name: str) -> None:
        parent = self.place
        with contextlib.suppress(FileExistsError):
            parent.make(name)
            self._made.append((name, parent))
        self._held.append(parent.enter(name))
        if parent.has(WORKING, self.place.own_stat()):  # by a name that only this file system takes for the same
            raise UnsafePathError(f"the name {name!r} leads to the folder of unfinished files in {parent.path}")


class _Working:
    """The folder in which files grow, beside their place: on the same file system, so that a rename is atomic.

    Attributes:
        handle: The folder.
    """

    def __init__(self, place: _Handle) -> None:
        self._place = place
        self._name = WORKING
        try:
            self.handle = self._shared()
        except FileNotFoundError:  # another process has taken it away just now
            raise
        except OSError:  # a folder of others, or something else of this name
            self._name = f"{WORKING}-{secrets.token_hex(8)}"
            self._make()
            self.handle = place.enter(self._name)

    def remove(self) -> None:
        """Remove the folder, unless there are other files in it."""
        self.handle.close()  # some systems take long to close a folder that was removed
        with contextlib.suppress(OSError):
            self._place.remove(self._name)

    def _shared(self) -> _Handle:
        """Open the folder that all processes of this user share, so that one finds what another has left."""
        with contextlib.suppress(FileExistsError):
            self._make()
        handle = self._place.enter(self._name)
        try:
            self._check(handle.own_stat())
        except BaseException:
            handle.close()
            raise
        return handle

    def _make(self) -> None:
        # for this user only; on Windows, its files would keep such a restriction in their place
        self._place.make(self._name, 0o777 if _ON_WINDOWS else 0o700)

    def _check(self, found: os.stat_result) -> None:
        is_ours = sys.platform == "win32" or found.st_uid == os.geteuid()
        if not stat.S_ISDIR(found.st_mode) or not is_ours:
            raise FileExistsError(errno.EEXIST, "not a folder of this user")
