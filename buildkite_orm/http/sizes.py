"""The length of a body by its headers, and limits for bodies that are longer."""

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
    """The bytes of a file that a response contains.

    Attributes:
        start: The offset of the first byte.
        stop: The offset after the last byte.
        total: The size of the file, if the server knows it.
    """

    start: int
    stop: int
    total: int | None


def content_range(headers: Mapping[str, str]) -> ContentRange | None:
    """Return the value of `Content-Range`; None if it is missing or malformed."""
    found = _RANGE.fullmatch(headers.get("Content-Range", "").strip())
    if found is None:
        return None
    start, last = int(found[1]), int(found[2])
    return ContentRange(start, last + 1, parse_decimal(found[3])) if start <= last else None


def content_length(headers: Mapping[str, str], *, decompressed: bool = False) -> int | None:
    """Return the number of bytes that `Content-Length` declares; None if it says nothing about the bytes to be read.

    Args:
        headers: The headers of the response.
        decompressed: Whether the body is decompressed while it is read: then the compressed size is declared.

    Raises:
        ResponseError: The value is not a number.
    """
    declared = headers.get("Content-Length")
    if declared is None:
        return None
    values = {value.strip() for value in declared.split(",")}  # the same value twice is as good as once
    size = parse_decimal(values.pop()) if len(values) == 1 else None
    if size is None:
        error = ResponseError(f"the response is damaged: its Content-Length is {declared[:40]!r}, not a number")
        error.damaged = True
        raise error
    is_compressed = decompressed and headers.get("Content-Encoding", _IDENTITY).strip().lower() != _IDENTITY
    return None if is_compressed else size


def limit_size(chunks: Iterable[bytes], size: int, error: Callable[[], BuildkiteError]) -> Iterator[bytes]:
    """Yield chunks, and raise an error at the first one that exceeds a total size.

    Args:
        chunks: The chunks.
        size: The total number of bytes that is allowed.
        error: Returns the error.

    Raises:
        BuildkiteError: There are more bytes.
    """
    left = size
    for chunk in chunks:
        left -= len(chunk)
        if left < 0:
            raise error()
        yield chunk


@dataclass(frozen=True, slots=True)
class FileLimit:
    """The largest size that a file may have.

    Attributes:
        path: The path of the file, for the error.
        size: The number of bytes.
        source: Where the number is from: "uploaded" for the API, "declared" for the storage; None for
            `SizeLimits.file`, if neither names a size.
        received: How many bytes were received before.
    """

    path: str
    size: int
    source: Literal["uploaded", "declared"] | None
    received: int = 0

    def declared_as(self, size: int | None) -> FileLimit:
        """Return the lower of this limit and the size that a response declares, if it declares one."""
        if size is None or (self.source is not None and size >= self.size):
            return self
        return replace(self, size=size, source="declared", received=0)

    def error(self) -> DownloadError:
        """Return the error for a file that exceeds the limit."""
        if self.source is None:
            message = f"{self.path}: more than {self.size} bytes were received, and no size is declared"
            step = "If it is that large, raise the limit: Buildkite(limits=SizeLimits(file=…))."
            return DownloadError(f"{message}; the download was stopped", next_step=step)
        message = f"{self.path}: more than the {self.size} bytes that were {self.source} were received"
        message = f"{message}; the download was stopped"
        if self.source == "uploaded":
            return ChecksumMismatchError(message)
        return DownloadError(message, next_step="Try again; if it happens again, report it to the server's operator.")
