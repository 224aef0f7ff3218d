"""Decompression of response bodies, piece by piece, so that a small body cannot fill the memory."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_PIECE: Final = 1 << 18
_GZIP_OR_ZLIB: Final = 32 + zlib.MAX_WBITS
_RAW_DEFLATE: Final = -zlib.MAX_WBITS
_GZIP_MAGIC: Final = b"\x1f\x8b"
_KNOWN: Final = frozenset({"gzip", "x-gzip", "deflate"})


class DecodingError(Exception):
    """A body is not compressed as its Content-Encoding says, or ends too early."""


class UnknownEncodingError(Exception):
    """A body is compressed in a way that was not requested."""


class Decoder:
    """Decompresses one body.

    Args:
        encoding: The value of its `Content-Encoding`.

    Raises:
        UnknownEncodingError: It is neither gzip nor deflate, or both.
    """

    def __init__(self, encoding: str) -> None:
        names = [name for part in encoding.lower().split(",") if (name := part.strip()) not in {"", "identity"}]
        if len(names) > 1 or not _KNOWN.issuperset(names):
            raise UnknownEncodingError(encoding)
        self._is_deflate = names == ["deflate"]
        self._inflater = zlib.decompressobj(_GZIP_OR_ZLIB) if names else None
        self._is_empty = True

    def decode(self, data: bytes) -> Iterator[bytes]:
        """Decompress what comes next, in pieces of at most 256 kB.

        Raises:
            DecodingError: It is damaged.
        """
        if self._inflater is None or not data:
            if data:
                yield data
            return
        if self._is_empty and self._is_deflate and not _is_zlib(data):
            self._inflater = zlib.decompressobj(_RAW_DEFLATE)  # some servers leave out the header
        self._is_empty = False
        while data:
            piece, data = self._inflate(data)
            if piece:
                yield piece

    def finish(self) -> None:
        """Check that the body is whole.

        Raises:
            DecodingError: It ends before its compression does.
        """
        if self._inflater is not None and not self._is_empty and not self._inflater.eof:
            raise DecodingError("the compressed body ends too early")

    def _inflate(self, data: bytes) -> tuple[bytes, bytes]:
        """Return a decompressed piece, and what is left of the input."""
        inflater = self._inflater
        if inflater is None or inflater.eof:
            if not data.startswith(_GZIP_MAGIC):  # padding behind the end
                return b"", b""
            inflater = self._inflater = zlib.decompressobj(_GZIP_OR_ZLIB)  # gzip files may be put one after the other
        try:
            piece = inflater.decompress(data, _PIECE)
        except zlib.error as problem:
            raise DecodingError(str(problem)) from None
        return piece, inflater.unused_data if inflater.eof else inflater.unconsumed_tail


def _is_zlib(data: bytes) -> bool:
    return data[0] & 0x0F == 8 and (len(data) < 2 or (data[0] * 256 + data[1]) % 31 == 0)  # noqa: PLR2004 - RFC 1950
