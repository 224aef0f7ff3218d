"""Decompression of response bodies, piece by piece, so that a small body cannot fill the memory."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_PIECE: Final = 1 << 18
_GZIP_OR_ZLIB: Final = 32 + zlib.MAX_WBITS
_RAW_DEFLATE: Final = -zlib.MAX_WBITS
GZIP_MAGIC: Final = b"\x1f\x8b"
_KNOWN: Final = frozenset({"gzip", "x-gzip", "deflate"})


class DecodingError(Exception):
    """A body is not compressed as its Content-Encoding says, or ends too early."""


class UnknownEncodingError(Exception):
    """A body is compressed in a way that was not requested."""


class Decoder:
    """Decompresses one body.

    Args:
        encoding: The value of its `Content-Encoding`.
    """

    def __init__(self, encoding: str) -> None:
        self._names = [name for part in encoding.lower().split(",") if (name := part.strip()) not in {"", "identity"}]
        self._unknown = encoding if len(self._names) > 1 or not _KNOWN.issuperset(self._names) else None
        self._inflater: Any = None
        self._held = b""  # the first of the two bytes that identify gzip
        self._is_over = False

    def decode(self, data: bytes) -> Iterator[bytes]:
        """Decompress the next bytes, in pieces of at most 256 kB.

        Raises:
            DecodingError: It is damaged.
            UnknownEncodingError: Its encoding is neither gzip nor deflate, or both.
        """
        if not data:
            return
        if self._unknown is not None:
            raise UnknownEncodingError(self._unknown)
        if not self._names:
            yield data
            return
        data, self._held = self._held + data, b""
        while data and not self._is_over:
            if self._inflater is None or self._inflater.eof:
                if len(data) < len(GZIP_MAGIC):
                    self._held = data
                    return
                self._begin(data)
            else:
                piece, data = _inflated(self._inflater, data)
                if piece:
                    yield piece

    def finish(self) -> None:
        """Check that the body is complete.

        Raises:
            DecodingError: It ends before its compression does.
        """
        is_cut = bool(self._held) if self._inflater is None else not self._inflater.eof
        if is_cut or self._held == GZIP_MAGIC[:1]:
            raise DecodingError("the compressed body ends too early")

    def _begin(self, data: bytes) -> None:
        """Prepare for the data that begins: the body, another member of it, or padding after its end."""
        if self._inflater is None:  # some servers leave out the header
            has_header = self._names != ["deflate"] or _is_zlib(data)
            self._inflater = zlib.decompressobj(_GZIP_OR_ZLIB if has_header else _RAW_DEFLATE)
        elif data.startswith(GZIP_MAGIC):  # gzip files may be concatenated
            self._inflater = zlib.decompressobj(_GZIP_OR_ZLIB)
        else:
            self._is_over = True


def looks_compressed(data: bytes) -> bool:
    """Whether a body that begins so may be gzip or zlib."""
    return data.startswith(GZIP_MAGIC) or (len(data) > 1 and _is_zlib(data))


def gunzipped(data: bytes) -> bytes:
    """Return the content of a body in gzip, which may have padding after its end, unlike for `gzip.decompress`.

    Raises:
        DecodingError: It is damaged.
    """
    decoder = Decoder("gzip")
    content = b"".join(decoder.decode(data))
    decoder.finish()
    return content


def _inflated(inflater: Any, data: bytes) -> tuple[bytes, bytes]:
    """Return a decompressed piece, and the rest of the input."""
    try:
        piece = inflater.decompress(data, _PIECE)
    except zlib.error as problem:
        raise DecodingError(str(problem)) from None
    return piece, inflater.unused_data if inflater.eof else inflater.unconsumed_tail


def _is_zlib(data: bytes) -> bool:
    return data[0] & 0x0F == 8 and (data[0] * 256 + data[1]) % 31 == 0  # noqa: PLR2004 - RFC 1950
