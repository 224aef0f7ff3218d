"""How long a body is by its headers, and the end of one that goes on."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

from buildkite_orm.errors import ChecksumMismatchError, DownloadError, ResponseError
from buildkite_orm.utils.numbers import parse_decimal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from buildkite_orm.errors import BuildkiteError

_RANGE: Final = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")
_IDENTITY: Final = "identity"


@dataclass(frozen=True, slots=True)
class ContentRange:
    """Which bytes of a file a response has.

    Attributes:
        start: The first one.
        stop: The one after the last.
        total: How many the file has, if the server knows.
    """

    start: int
    stop: int
    total: int | None


def content_range(headers: Mapping[str, str]) -> ContentRange | None:
    """Return what `Content-Range` says; None where it is not there or cannot be understood."""
    found = _RANGE.fullmatch(headers.get("Content-Range", "").strip())
    if found is None:
        return None
    start, last = int(found[1]), int(found[2])
    return ContentRange(start, last + 1, parse_decimal(found[3])) if start <= last else None


def content_length(headers: Mapping[str, str], *, unpacked: bool = False) -> int | None:
    """Return how many bytes `Content-Length` declares; None where it says nothing of the bytes that are read.

    Args:
        headers: The headers of the response.
        unpacked: Whether the body is decompressed while it is read: what is declared is its compressed size then.

    Raises:
        ResponseError: It is not a number.
    """
    declared = headers.get("Content-Length")
    if declared is None:
        return None
    values = {value.strip() for value in declared.split(",")}  # two headers that say the same are as good as one
    size = parse_decimal(values.pop()) if len(values) == 1 else None
    if size is None:
        error = ResponseError(f"the response is damaged: its Content-Length is {declared[:40]!r}, not a number")
        error.damaged = True
        raise error
    is_packed = unpacked and headers.get("Content-Encoding", _IDENTITY).strip().lower() != _IDENTITY
    return None if is_packed else size


def bounded(chunks: Iterable[bytes], most: int, too_long: Callable[[], BuildkiteError]) -> Iterator[bytes]:
    """Yield chunks, and raise with the first one that goes past a size.

    Args:
        chunks: The chunks.
        most: How many bytes they have together at most.
        too_long: Makes the error.

    Raises:
        BuildkiteError: There are more.
    """
    left = most
    for chunk in chunks:
        left -= len(chunk)
        if left < 0:
            raise too_long()
        yield chunk


@dataclass(frozen=True, slots=True)
class Bound:
    """Where a file must end.

    Attributes:
        path: Whose file it is, for the error.
        size: How many bytes it has at most.
        declared: By what: the API says how many bytes were "uploaded", its storage how many it has "declared"; None
            for `SizeLimits.file`, where neither says anything.
        came: How many of them have come already.
    """

    path: str
    size: int
    declared: Literal["uploaded", "declared"] | None
    came: int = 0

    def declared_as(self, size: int | None) -> Bound:
        """Return the nearer of this bound and the one that a response declares, None where it declares nothing."""
        if size is None or (self.declared is not None and size >= self.size):
            return self
        return replace(self, size=size, declared="declared", came=0)

    def error(self) -> DownloadError:
        """Make the error for a file that goes on past its bound."""
        if self.declared is None:
            what = f"{self.path}: more than {self.size} bytes came, and nothing declares how many there are"
            step = "If it is that large, raise the limit: Buildkite(limits=SizeLimits(file=…))."
            return DownloadError(f"{what}; the download was stopped", next_step=step)
        what = f"{self.path}: more than the {self.size} bytes came that were {self.declared}; the download was stopped"
        if self.declared == "uploaded":
            return ChecksumMismatchError(what)
        return DownloadError(what, next_step="Try again; if it stays so, report it to who runs the server.")
