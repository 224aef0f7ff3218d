"""The folder of the cache: for this user only, with files that only this user can read."""

from __future__ import annotations

import os
import stat
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

DATABASE: Final = "cache.sqlite3"
FILES: Final = "files"
_OWN_NAMES: Final = frozenset({DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", f"{DATABASE}-journal", FILES})
_OF_OTHERS: Final = 0o077
_HAS_MODES: Final = sys.platform != "win32"


class UnusableCacheError(Exception):
    """The cache cannot be used; the text says why."""


def prepare_folder(folder: Path) -> None:
    """Make the folder of a cache and its database, for this user only.

    Raises:
        UnusableCacheError: The folder belongs to another user, or has other files and is open to others.
        OSError: It cannot be made.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    if _HAS_MODES:
        _check_folder(folder)
    (folder / FILES).mkdir(mode=0o700, exist_ok=True)
    fd = os.open(folder / DATABASE, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        if _HAS_MODES and os.fstat(fd).st_mode & _OF_OTHERS:
            os.fchmod(fd, 0o600)  # the files that SQLite makes beside it have the same mode
    finally:
        os.close(fd)


def _check_folder(folder: Path) -> None:
    status = folder.stat()
    if status.st_uid != os.geteuid() and os.geteuid() != 0:
        raise UnusableCacheError("its folder belongs to another user")
    if not stat.S_IMODE(status.st_mode) & _OF_OTHERS:
        return
    if not {each.name for each in folder.iterdir()} <= _OWN_NAMES:
        raise UnusableCacheError("others can read its folder, which has other files too; use a folder of its own")
    folder.chmod(0o700)
