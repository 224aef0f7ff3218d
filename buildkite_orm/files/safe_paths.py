"""Where a file that a server names may be written: inside the folder that the caller chose."""

from __future__ import annotations

import os
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from buildkite_orm.errors import UnsafePathError
from buildkite_orm.files.folders import WORKING_FOLDER, file_errors
from buildkite_orm.utils.plain_values import as_path

_ON_WINDOWS: Final = os.name == "nt"
_SHORT_NAME: Final = re.compile(r"bu[^.]{0,5}~[0-9]{1,6}", re.IGNORECASE)  # the working folder's second name on NTFS
_DRIVE: Final = re.compile(r"[A-Za-z]:")
_DEVICE: Final = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³]) *(\..*)?", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Target:
    """The place of a file.

    Attributes:
        path: The path that the caller sees.
        folder: The folder that the caller chose; links in it are followed.
        below: The folders below that one, which the server chose: none of them may be a link.
        name: The name of the file.
        keeps_working_folder: Whether the folder of unfinished files stays for the next file; see
            `remove_working_folder`.
    """

    path: Path
    folder: Path
    below: tuple[str, ...]
    name: str
    keeps_working_folder: bool = False

    @classmethod
    def of(cls, path: str | os.PathLike[str], name: str) -> Target:
        """Return the place of a file.

        Args:
            path: The file, or a folder: one that exists, or a string that ends with a slash.
            name: The server's name of the file: its path in the folder.

        Raises:
            UnsafePathError: The file would leave the folder, or the name is not that of a file.
            DownloadError: The operating system allows no such file.
        """
        text = as_path("path", path)
        target = Path(text)
        with file_errors(target):
            if not text.endswith(("/", os.sep)) and not target.is_dir():
                if _is_working_folder(target.name, windows=_ON_WINDOWS):
                    raise UnsafePathError(f"the name {target.name!r} is reserved for the folder of unfinished files")
                return cls(target, target.parent, (), target.name)
            place = _named(target, name, windows=_ON_WINDOWS)
            folder, below = _real_folders(target, place, name)
            return cls(place, folder, below, place.name)


def safe_path(folder: Path, name: str, *, windows: bool = _ON_WINDOWS) -> Path:
    """Return the path of a file below a folder.

    Args:
        folder: The folder.
        name: A path from the server; a backslash counts as a slash.
        windows: Whether to refuse names that Windows takes for a device or for another file.

    Raises:
        UnsafePathError: The file would leave the folder, or the name is not that of a file.
    """
    place = _named(folder, name, windows=windows)
    with file_errors(place):  # a relative path has no meaning if the current folder was removed
        _real_folders(folder, place, name)
    return place


def _named(folder: Path, name: str, *, windows: bool) -> Path:
    """Return the path of a file by its name alone."""
    slashed = name.replace("\\", "/")
    path = PurePosixPath(slashed)
    is_below = bool(path.parts) and not path.is_absolute() and ".." not in path.parts
    if not is_below or _DRIVE.match(slashed) or not _can_be_named(slashed):
        raise UnsafePathError(f"the path {name!r} would leave the folder {folder}, or names no file")
    if windows and any(_is_special(part) for part in path.parts):
        raise UnsafePathError(f"the path {name!r} means something else to Windows than a file in {folder}")
    if any(_is_working_folder(part, windows=windows) for part in path.parts):
        raise UnsafePathError(f"the path {name!r} leads to the folder of unfinished files in {folder}")
    return folder.joinpath(*path.parts)


def _real_folders(folder: Path, place: Path, name: str) -> tuple[Path, tuple[str, ...]]:
    """Return a folder with its links resolved, and the folders below it that lead to a place in it."""
    real, parent = _real(folder), _real(place.parent)
    if not parent.is_relative_to(real) or (place.is_symlink() and not _real(place).is_relative_to(real)):
        raise UnsafePathError(f"the path {name!r} would leave the folder {folder} through a link")
    return real, parent.relative_to(real).parts


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))  # unlike resolve(), it accepts links that form a cycle


def _is_special(part: str) -> bool:
    return ":" in part or part.endswith((".", " ")) or _DEVICE.fullmatch(part) is not None


def _is_working_folder(part: str, *, windows: bool) -> bool:
    """Whether some file system takes a name for that of a working folder: case, form and invisible characters."""
    plain = part.lower()
    if not part.isascii():
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", part).casefold())
        plain = "".join(char for char in folded if unicodedata.category(char) != "Cf")
    return plain.startswith(WORKING_FOLDER) or (windows and _SHORT_NAME.fullmatch(part) is not None)


def _can_be_named(name: str) -> bool:
    try:
        return b"\0" not in os.fsencode(name)
    except UnicodeEncodeError:
        return False
