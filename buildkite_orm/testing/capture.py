"""Bodies of responses, recorded while the client reads them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final

from urllib3 import HTTPHeaderDict, HTTPResponse

from buildkite_orm.http.decoding import Decoder, DecodingError, UnknownEncodingError
from buildkite_orm.http.stream import reader_as_received
from buildkite_orm.utils.numbers import parse_decimal

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests

LARGEST_BODY: Final = 64 * 1024 * 1024
_WITHOUT_BODY: Final = frozenset({204, 304})


def capture(response: requests.Response, method: str, finished: Callable[[bytes | None, bool], object]) -> HTTPResponse:
    """Return the body of a response, to be read in its place, and record what is read of it.

    Args:
        response: The response.
        method: The HTTP method of the request.
        finished: Called once, with the bytes as received, and whether these are all; with None if there are more than
            `LARGEST_BODY`.
    """
    headers = HTTPHeaderDict(getattr(response.raw, "headers", None) or response.headers)
    headers.discard("Transfer-Encoding")  # its chunks are read by the response itself
    is_empty = method == "HEAD" or response.status_code in _WITHOUT_BODY
    declared = 0 if is_empty else parse_decimal(headers.get("Content-Length"))
    return HTTPResponse(
        body=_Tee(response.raw, finished, declared),
        headers=headers,
        status=response.status_code,
        reason=response.reason,
        version=11,
        preload_content=False,
        request_method=method,
    )


def decompressed(content: bytes, encoding: str) -> bytes:
    """Return a body without its compression.

    Args:
        content: The body as received.
        encoding: Its `Content-Encoding`.

    Raises:
        ValueError: It is damaged, or too large.
    """
    decoder, plain = Decoder(encoding), bytearray()
    try:
        for piece in decoder.decode(content):
            plain += piece
            if len(plain) > LARGEST_BODY:
                raise ValueError("it is too large")
        decoder.finish()
    except (DecodingError, UnknownEncodingError):
        raise ValueError("its compression is damaged, or not known") from None
    return bytes(plain)


class _Tee(io.RawIOBase):
    """Reads a body, and keeps what was read."""

    def __init__(self, raw: Any, finished: Callable[[bytes | None, bool], object], declared: int | None) -> None:
        super().__init__()
        self._raw = raw
        self._read = reader_as_received(raw)
        self._finished: Callable[[bytes | None, bool], object] | None = finished
        self._declared = declared
        self._size = 0
        self._kept: bytearray | None = bytearray()

    def readable(self) -> bool:
        return True

    def read1(self, size: int = -1, /) -> bytes:
        """Read available bytes, as a buffered reader does."""
        return self.read(size)

    def readinto(self, buffer: Any) -> int:
        chunk = self._read(len(buffer))
        if not chunk:
            self._finish(is_complete=True)
            return 0
        self._size += len(chunk)
        if self._size > LARGEST_BODY:
            self._kept = None
        elif self._kept is not None:
            self._kept += chunk
        buffer[: len(chunk)] = chunk
        return len(chunk)

    def close(self) -> None:
        if not self.closed:
            is_complete = self._declared is not None and self._size >= self._declared
            self._finish(is_complete=is_complete)  # urllib3 reads no further than declared
            self._raw.close()
        super().close()

    def _finish(self, *, is_complete: bool) -> None:
        finished, self._finished = self._finished, None
        if finished is not None:
            kept, self._kept = self._kept, None
            finished(None if kept is None else bytes(kept), is_complete)
