"""Read requests from a connection: the request line, the headers, and where the body ends.

HTTP/1.1 as strict as Puma: an ambiguous request is rejected, since it would make the rest of the connection ambiguous.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from werkzeug.exceptions import ClientDisconnected

from buildkite_orm.fake.http import ApiError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_LONGEST_LINE = 1 << 16
_LONGEST_HEADERS = 80 << 10
_MOST_HEADERS = 100
_LONGEST_CHUNK_LINE = 4096
_LONGEST_LENGTH = 18
_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_BEGINNING = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z\r\n-]|$").match
_REQUEST_LINE = re.compile(rb"(%s) ([\x21-\x7e\x80-\xff]+) HTTP/(\d)\.(\d)\r?\n" % _TOKEN).fullmatch
_HEADER = re.compile(rb"(%s):([^\x00-\x08\x0a-\x1f\x7f]*)\r?\n" % _TOKEN).fullmatch
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\x00\r\n]*)?\r?\n").fullmatch
_EMPTY = (b"\r\n", b"\n")


@dataclass(frozen=True, slots=True)
class Head:
    """A request without its body."""

    method: str
    target: str
    version: str
    headers: list[tuple[str, str]]

    def values(self, name: str) -> list[str]:
        """Return the values of a header, one for each time that it was sent."""
        return [value for each, value in self.headers if each.lower() == name]

    @property
    def keeps_alive(self) -> bool:
        """Whether the client will send another request on the same connection."""
        options = {each.strip().lower() for value in self.values("connection") for each in value.split(",")}
        return "keep-alive" in options if self.version == "HTTP/1.0" else "close" not in options

    @property
    def expects_continue(self) -> bool:
        """Whether the client waits for a sign before it sends the body."""
        return any(value.lower() == "100-continue" for value in self.values("expect"))


def read_head(stream: io.BufferedReader) -> Head | None:
    """Read a request up to its body; None if the client has disconnected."""
    if not _BEGINNING(stream.peek(1)):  # for example TLS: no line may ever arrive
        raise ApiError(400, "This is not HTTP")
    line = stream.readline(_LONGEST_LINE + 1)
    if line in _EMPTY:  # some clients send an extra empty line after a body
        line = stream.readline(_LONGEST_LINE + 1)
    if len(line) > _LONGEST_LINE:
        raise ApiError(414, f"The request line is longer than {_LONGEST_LINE} bytes")
    if not line:
        return None
    found = _REQUEST_LINE(line)
    if found is None:
        raise ApiError(400, "The request line is malformed")
    method, target, major, minor = (part.decode("latin-1") for part in found.groups())
    if major != "1":
        raise ApiError(505, f"HTTP version {major}.{minor} is not supported")
    if not target.startswith("/") and target != "*" and not _is_url(target):
        raise ApiError(400, "The target of the request is malformed")
    return Head(method, target, f"HTTP/{major}.{minor}", _read_headers(stream))


def _is_url(target: str) -> bool:
    try:
        urlsplit(target)
    except ValueError:  # for example `http://[`
        return False
    return re.match(r"https?://[^/?#]", target, re.IGNORECASE) is not None


def _read_headers(stream: io.BufferedReader) -> list[tuple[str, str]]:
    """Read the lines up to an empty one; trailers have the same form."""
    headers: list[tuple[str, str]] = []
    left = _LONGEST_HEADERS
    while (line := stream.readline(left + 1)) not in _EMPTY:
        left -= len(line)
        if left < 0 or len(headers) == _MOST_HEADERS:
            raise ApiError(431, f"The headers are more than {_MOST_HEADERS}, or longer than {_LONGEST_HEADERS} bytes")
        found = _HEADER(line)
        if found is None:
            raise ApiError(400, "A header is malformed")
        headers.append((found[1].decode("latin-1"), found[2].strip(b" \t").decode("latin-1")))
    return headers


def body_of(head: Head, stream: io.BufferedReader) -> Body:
    """Return the body that follows; raise if its end is ambiguous."""
    codings, lengths = head.values("transfer-encoding"), head.values("content-length")
    if not codings:
        return SizedBody(stream, _length(lengths))
    if lengths:
        raise ApiError(400, "Content-Length and Transfer-Encoding exclude each other")
    coding = ",".join(codings).replace(" ", "").lower()
    if coding != "chunked":
        status = 400 if "chunked" in coding.split(",")[:-1] else 501
        raise ApiError(status, f"The transfer coding {coding} is not supported")
    if head.version == "HTTP/1.0":
        raise ApiError(400, "HTTP/1.0 has no Transfer-Encoding")
    return ChunkedBody(stream)


def _length(lengths: list[str]) -> int:
    values = {each.strip() for value in lengths for each in value.split(",")}
    if not values:
        return 0
    text = values.pop()
    if values or not (text.isascii() and text.isdigit()):
        raise ApiError(400, "Content-Length must be one number")
    if len(text) > _LONGEST_LENGTH:
        raise ApiError(413, "Content-Length is too large")
    return int(text)


class Body(io.RawIOBase):
    """A body that is read from a connection, and never beyond its end.

    Attributes:
        finished: Whether it was read to its end, so that another request may follow.
    """

    finished = False

    def __init__(self, stream: io.BufferedReader) -> None:
        super().__init__()
        self._stream = stream
        self._left = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Read the next bytes; raise if the client disconnects before the end, or takes too long."""
        view = memoryview(buffer).cast("B")
        try:
            if not self._left and not self.finished:
                self._proceed()
            data = self._stream.read(min(len(view), self._left))
        except TimeoutError:
            raise ApiError(408, "The body did not arrive in time") from None
        if not data and self._left and len(view):
            raise ClientDisconnected
        view[: len(data)] = data
        self._left -= len(data)
        return len(data)

    def _proceed(self) -> None:
        """Read how many bytes follow, if any."""
        self.finished = True


class SizedBody(Body):
    """A body with a `Content-Length`."""

    def __init__(self, stream: io.BufferedReader, length: int) -> None:
        super().__init__(stream)
        self._left = length
        self.finished = length == 0

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Read the next bytes."""
        size = super().readinto(buffer)
        self.finished = self._left == 0
        return size


class ChunkedBody(Body):
    """A chunked body."""

    _begun = False

    def _proceed(self) -> None:
        if self._begun:
            self._end_chunk()
        self._begun = True
        line = self._stream.readline(_LONGEST_CHUNK_LINE)
        found = _CHUNK_LINE(line)
        if not line.endswith(b"\n") and len(line) < _LONGEST_CHUNK_LINE:
            raise ClientDisconnected
        if found is None:
            raise ApiError(400, "The size of a chunk is malformed")
        self._left = int(found[1], 16)
        if self._left == 0:
            _read_headers(self._stream)
            self.finished = True

    def _end_chunk(self) -> None:
        end = self._stream.readline(2)
        if end and end not in _EMPTY:
            raise ApiError(400, "A chunk is longer than its size")
