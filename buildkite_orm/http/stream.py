"""Responses whose bodies are read chunk by chunk."""

from __future__ import annotations

from functools import partial
from io import BytesIO
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, Self

from urllib3 import BaseHTTPResponse, HTTPResponse

from buildkite_orm.errors import ConnectionFailedError, ResponseError
from buildkite_orm.http.decoding import GZIP_MAGIC, Decoder, DecodingError, UnknownEncodingError, looks_compressed
from buildkite_orm.http.failures import error_from
from buildkite_orm.utils.numbers import parse_decimal
from buildkite_orm.utils.redaction import Secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, MutableMapping

    import requests

    from buildkite_orm.http.exchange import Exchange

CHUNK: Final = 128 * 1024  # measured: half of it costs a seventh more CPU for a file, twice as much costs more too
_MOST_COPIED: Final = 2**18  # bytes: a page of builds without jobs has a tenth of it
_WITHOUT_BODY: Final = frozenset({204, 205, 304})


class Stream:
    """A response whose body is read chunk by chunk. Close it, or use it in a `with`.

    A response of the API is decompressed. A file is read as it is stored, because its size and checksums are those of
    the stored bytes.

    Args:
        response: The response of requests.
        exchange: The deadline and the timeouts.
        method: The HTTP method of the request.
        url: Its URL, redacted.
        decompress: Whether to decompress the body.
        secrets: Returns what to mask in texts of the server.
    """

    def __init__(
        self,
        response: requests.Response,
        exchange: Exchange,
        *,
        method: str,
        url: str,
        decompress: bool = True,
        secrets: Callable[[], Secrets] = Secrets,
    ) -> None:
        self.secrets = secrets  # a function, since tracebacks and debuggers show what attributes hold
        self._response = response
        self._exchange = exchange
        self._decompress = decompress
        self._was_decompressed = False
        self._method = method
        self.url = url
        self.status = response.status_code
        self.headers: MutableMapping[str, str] = response.headers

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[bytes]:
        return self.chunks(CHUNK)

    def chunks(self, size: int) -> Iterator[bytes]:
        """Read the body in chunks of at most `size` bytes; if it is decompressed, in chunks of any size.

        Raises:
            TransportError: The connection broke, or fewer bytes arrived than were declared.
            ResponseError: The compression is damaged.
        """
        received = self._received(_reader(self._response.raw, "read"), size)
        return self._decoded(received) if self._decompress else received

    def chunks_as_received(self, copy: ReceivedCopy | None = None) -> Iterator[bytes]:
        """Read the body as it arrives, decompressed.

        Args:
            copy: Gets the bytes as they arrived too.

        Raises:
            TransportError: As for `chunks`.
            ResponseError: As for `chunks`.
        """
        chunks = self._received(reader_as_received(self._response.raw), CHUNK)
        return self._decoded(chunks if copy is None else copy.copying(chunks))

    def replay(self, body: bytes) -> bytes:
        """Return a body that was read, through requests' own methods, so that tools that watch requests see it."""
        self._response.raw.close()
        self._response.raw = HTTPResponse(BytesIO(body), {}, preload_content=False)
        return b"".join(self._response.iter_content(CHUNK))

    def lift_deadline(self) -> None:
        """Limit reading only by the time since the last progress, and no longer by the request's deadline."""
        self._exchange.lift_deadline()

    def read(self) -> bytes:
        """Read the whole body."""
        return b"".join(self)

    def close(self) -> None:
        """Return the connection to its pool, or close it if the body was not read to its end."""
        self._response.close()

    def _received(self, read: Callable[[int], bytes], size: int) -> Iterator[bytes]:
        while chunk := self._read(read, size):
            yield chunk
            del chunk  # tracebacks may show the locals of this frame
        missing = 0 if self._was_decompressed else _missing_bytes(self._response)
        self.close()
        if missing:
            raise ConnectionFailedError(
                f"the response broke off {missing} bytes before its end", method=self._method, url=self.url
            )

    def _read(self, read: Callable[[int], bytes], size: int) -> bytes:
        """Read a chunk. An error is raised after the block that caught its cause, so that it does not lead to it."""
        try:
            self._exchange.to_progress()  # a transport of the caller does not know the deadline
            return read(size)
        except BaseException as problem:  # noqa: BLE001 - raised below, without its frames
            error = error_from(problem, self._exchange, method=self._method, url=self.url)
        self.close()
        raise error

    def _decoded(self, received: Iterator[bytes]) -> Iterator[bytes]:
        try:
            first = next(received, b"")
            decoder = Decoder(self._encoding_of(first))
            received = chain((first,), received)
            del first  # tracebacks may show the locals of this frame
            for chunk in received:
                for piece in decoder.decode(chunk):
                    yield piece
                    del piece
                del chunk
            decoder.finish()
        except UnknownEncodingError as problem:
            message = f"the response has the encoding {str(problem)[:40]!r}, which was not requested"
            self.close()
            raise ResponseError(message, method=self._method, url=self.url) from None
        except DecodingError:
            self.close()
            error = ResponseError("the response's compression is damaged", method=self._method, url=self.url)
            error.damaged = True
            raise error from None

    def _encoding_of(self, body: bytes) -> str:
        """Return the encoding of a body that begins so; vcrpy decompresses bodies, and keeps the header."""
        encoding = self.headers.get("Content-Encoding", "")
        is_urllib3 = isinstance(self._response.raw, BaseHTTPResponse)
        self._was_decompressed = bool(encoding and body and not is_urllib3 and not looks_compressed(body))
        return "" if self._was_decompressed else encoding


class ReceivedCopy:
    """A copy of a small body as it arrived, for the cache, which need not compress it again."""

    def __init__(self) -> None:
        self._copy = BytesIO()  # its repr, in a traceback, does not show the content

    def copying(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Yield chunks, and copy them."""
        for chunk in chunks:
            if self._copy.tell() <= _MOST_COPIED:
                self._copy.write(chunk)
            yield chunk
            del chunk  # tracebacks may show the locals of this frame

    def as_gzip(self, decompressed: bytes, content: bytes) -> bytes | None:
        """Return the copy; None if it is not in gzip, is too large, or has another content.

        Args:
            decompressed: What it was decompressed to.
            content: What the response is taken to contain: tools that watch requests may replace it.
        """
        copy = self._copy.getvalue()
        is_whole_gzip = copy.startswith(GZIP_MAGIC) and len(copy) <= _MOST_COPIED
        return copy if is_whole_gzip and decompressed == content else None


def reader_as_received(raw: Any) -> Callable[[int], bytes]:
    """Return a function that reads the next bytes of a response as they arrive, without decompressing them.

    Args:
        raw: The response of urllib3, or what a mock has in its place, which may have only `read`.
    """
    return _reader(raw, "read1" if hasattr(getattr(raw, "_fp", None), "read1") else "read")


def _reader(raw: Any, method: str) -> Callable[[int], bytes]:
    read: Callable[..., bytes] = getattr(raw, method)
    # only a response of urllib3 can decompress: mocks may have a file in its place
    return partial(read, decode_content=False) if isinstance(raw, BaseHTTPResponse) else read


def _missing_bytes(response: requests.Response) -> int:
    """Count the declared bytes that did not arrive; a transport other than a socket may not have noticed."""
    declared = parse_decimal(response.headers.get("Content-Length"))
    if declared is None or response.request.method == "HEAD" or response.status_code in _WITHOUT_BODY:
        return 0
    return max(0, declared - response.raw.tell())
