"""Responses read from a socket: every read has a timeout, and damage is detected.

`http.client` reads a response with gaps: it skips only status 100, drops all headers after a malformed one, takes the
end of the stream for the end of the headers, and reads a body without any framing to the end of the stream. Each of
these makes half a response look whole.
"""

from __future__ import annotations

import http.client
import io
import re
import socket
from typing import TYPE_CHECKING, Any, Final, cast
from weakref import ref

from buildkite_orm.http.exchange import Exchange, current_exchange
from buildkite_orm.http.sockets import interruptible, plain_socket
from buildkite_orm.utils.cancellation import current_cancellation

if TYPE_CHECKING:
    from http.client import HTTPConnection
    from weakref import ReferenceType

_MOST_INTERIM: Final = 20
_MOST_LINES: Final = 250
_MOST_TRAILERS: Final = 100
_LONGEST_LINE: Final = 65536
_SWITCHING_PROTOCOLS: Final = b"101"
_BLANK: Final = frozenset({b"\r\n", b"\n"})
_HEADER: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]++:[^\0\r\n]*+\r?\n(?:[ \t][^\0\r\n]*+\r?\n)*+"
_STATUS: Final = rb"HTTP/[0-9]\.[0-9]++[ \t]++[0-9]{3}(?:[ \t][^\0\r\n]*+)?\r?\n"
_STATUS_LINE: Final = re.compile(_STATUS)
_WHOLE_BLOCK: Final = re.compile(_STATUS + rb"(?:" + _HEADER + rb")*+\r?\n")
_HEADERS: Final = re.compile(rb"(?:" + _HEADER + rb")*+")
_INTERIM: Final = re.compile(rb"HTTP/\S+[ \t]+(1[0-9]{2})\b")
_FRAMING: Final = re.compile(
    rb"^(content-length|transfer-encoding|connection):([^\r\n]*)", re.IGNORECASE | re.MULTILINE
)
_CONTINUED: Final = re.compile(rb"\r?\n[ \t]+")
_TRANSFER_ENCODINGS: Final = ({b"chunked"}, {b"identity"}, set[bytes]())
_LENGTH: Final = re.compile(rb"[0-9]{1,18}")
_CHUNK_SIZE: Final = re.compile(rb"([0-9a-fA-F]{1,15})[ \t]*(?:;[^\r\n]*)?\r?\n")
# statuses without a body; a server may send one nevertheless, so the connection is not reused
_WITHOUT_BODY: Final = frozenset({204, 205, 304})


class DamagedResponseError(http.client.HTTPException):
    """The received bytes are not a complete HTTP response."""


class SocketResponse(http.client.HTTPResponse):
    """A response of `http.client`, read strictly and with timeouts."""

    def __init__(self, sock: Any, debuglevel: int = 0, method: str | None = None, url: str | None = None) -> None:
        self._exchange = current_exchange()
        self._is_head = method == "HEAD"
        self._connection: ReferenceType[HTTPConnection] | None = None
        super().__init__(_Readable(sock, self._exchange), debuglevel, method, url)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        self._reader: _Reader = self.fp  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]

    def belongs_to(self, connection: HTTPConnection) -> None:
        """Set the connection to close if more bytes than the response are received on it."""
        self._connection = ref(connection)

    def begin(self) -> None:
        """Read the status line and the headers.

        Raises:
            DamagedResponseError: They are incomplete, or do not define the end of the body.
        """
        reader, block = self._reader, self._read_block()
        self.fp = io.BytesIO(block)  # type: ignore[assignment]
        try:
            super().begin()
        except http.client.RemoteDisconnected:
            raise
        except (http.client.BadStatusLine, http.client.UnknownProtocol):
            raise DamagedResponseError("its status line is malformed") from None
        self.fp = reader
        self._check_framing(block)
        if self._exchange is not None and self._exchange.is_cut:
            self.will_close = True
        if self.status in _WITHOUT_BODY or self._is_head:
            self.length = 0
            self.chunked = False
            self.will_close = True

    @property
    def has_no_body(self) -> bool:
        """Whether no body follows, even if its headers declare one."""
        return self.status in _WITHOUT_BODY

    def close(self) -> None:
        """Close the response, and release the socket."""
        super().close()
        self._reader.close()

    def _read_block(self) -> bytes:
        """Read the status line and the headers of the final response, past interim ones."""
        for _ in range(_MOST_INTERIM + 1):
            block = self._reader.read_block()
            interim = _INTERIM.match(block)
            if interim is None:
                return block
            if interim[1] == _SWITCHING_PROTOCOLS:
                raise DamagedResponseError("status 101, which switches to a protocol that was not requested")
        raise DamagedResponseError(f"more than {_MOST_INTERIM} interim responses (1xx)")

    def _read_status(self) -> tuple[str, int, str]:
        """Read the status line; the headers of a proxy's response to CONNECT are read later."""
        if self.fp is self._reader:
            self.fp = io.BytesIO(self._read_block())  # type: ignore[assignment]
        return cast("tuple[str, int, str]", super()._read_status())  # type: ignore[misc]

    def _check_framing(self, block: bytes) -> None:
        """Check that the headers define the end of the body; `http.client` reads only the simplest forms."""
        values: dict[bytes, set[bytes]] = {}
        if b"\n " in block or b"\n\t" in block:  # a header that continues on the next line
            block = _CONTINUED.sub(b" ", block)
        for name, value in _FRAMING.findall(block):
            values.setdefault(name.lower(), set()).add(value.strip().lower())
        lengths = _items(values.get(b"content-length"))
        if lengths and (len(lengths) > 1 or not _LENGTH.fullmatch(next(iter(lengths)))):
            raise DamagedResponseError("its Content-Length is not a number of bytes")
        if self._is_head or self.status in _WITHOUT_BODY:
            return
        encodings = values.get(b"transfer-encoding", set())
        if encodings not in _TRANSFER_ENCODINGS:
            raise DamagedResponseError("its Transfer-Encoding is not chunked")
        self.chunked, self.chunk_left = b"chunked" in encodings, None
        self.length = int(lengths.pop()) if lengths and not self.chunked else None
        closes = b"close" in _items(values.get(b"connection"))
        has_end = self.chunked or self.length is not None
        self.will_close = self.will_close or closes or not has_end
        if self.version >= 11 and not has_end and not closes:  # noqa: PLR2004
            raise DamagedResponseError("it has neither Content-Length nor chunks, nor Connection: close")

    def _get_chunk_left(self) -> int | None:
        if self.chunk_left == 0:
            if self._reader.readline(_LONGEST_LINE) not in _BLANK:
                self._close_conn()
                raise DamagedResponseError("a chunk does not have the declared size, or is cut")
            self.chunk_left = None
        return cast("int | None", super()._get_chunk_left())  # type: ignore[misc]

    def _read_next_chunk_size(self) -> int:
        found = _CHUNK_SIZE.fullmatch(self._reader.readline(_LONGEST_LINE))
        if found is None:
            self._close_conn()
            raise DamagedResponseError("the size of a chunk is not a number, or is cut")
        return int(found[1], 16)

    def _read_and_discard_trailer(self) -> None:
        for _ in range(_MOST_TRAILERS):
            line = self._reader.readline(_LONGEST_LINE)
            if line in _BLANK:
                return
            if not line.endswith(b"\n"):
                raise DamagedResponseError("the connection ended within the trailers")
        raise DamagedResponseError(f"more than {_MOST_TRAILERS} trailers")

    def _close_conn(self) -> None:
        """End reading; a connection on which more than the response was received is not reused."""
        connection = None if self._connection is None else self._connection()
        has_more = self._reader.has_more()
        self._connection = None
        super()._close_conn()  # type: ignore[misc]
        if has_more and connection is not None:
            connection.close()


class _Readable:
    """A socket for `http.client`: an object with a `makefile`."""

    def __init__(self, sock: Any, exchange: Exchange | None) -> None:
        self._sock = sock
        self._exchange = exchange

    def makefile(self, _mode: str) -> _Reader:
        return _Reader(_TimedIO(self._sock, self._exchange))


class _TimedIO(socket.SocketIO):
    """Receives from a socket, each time with the timeout that the exchange allows."""

    def __init__(self, sock: Any, exchange: Exchange | None) -> None:
        plain_socket(sock)._io_refs += 1  # type: ignore[attr-defined]  # noqa: SLF001 # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
        super().__init__(sock, "rb")
        self._exchange = exchange
        self._sock: Any = sock
        self.is_paused = False

    def readinto(self, b: Any) -> int | None:
        if self.is_paused:
            return None
        if self._exchange is not None:
            self._sock.settimeout(self._exchange.to_progress())
        if current_cancellation() is None:
            return cast("int", self._sock.recv_into(b))
        with interruptible(self._sock):
            return cast("int", self._sock.recv_into(b))


class _Reader(io.BufferedReader):
    """Reads ahead, and the headers of a response as one block."""

    def __init__(self, raw: _TimedIO) -> None:
        super().__init__(raw)
        self._timed = raw

    def read_block(self) -> bytes:
        """Read a status line and the headers with the blank line after them; b"" at the end of the stream.

        Raises:
            DamagedResponseError: They are incomplete or malformed.
        """
        complete = _WHOLE_BLOCK.match(self.peek())
        if complete is not None:  # received at once, as nearly always
            return self.read(complete.end())
        lines = [self.readline(_LONGEST_LINE)]
        if not lines[0]:
            return b""
        if lines[0].endswith(b"\n") and not _STATUS_LINE.fullmatch(lines[0]):
            raise DamagedResponseError("its status line is malformed")
        while lines[-1] not in _BLANK:
            if not lines[-1].endswith(b"\n"):
                place = "within the headers" if len(lines) > 1 else "in the status line"
                raise DamagedResponseError(f"the connection ended {place}, or a line is too long")
            if len(lines) > _MOST_LINES:
                raise DamagedResponseError(f"more than {_MOST_LINES} lines of headers")
            lines.append(self.readline(_LONGEST_LINE))
        _check_headers(b"".join(lines[1:-1]))
        return b"".join(lines)

    def has_more(self) -> bool:
        """Whether bytes were received and not read."""
        self._timed.is_paused = True
        try:
            return not self.closed and bool(self.peek(1))
        finally:
            self._timed.is_paused = False


def _items(values: set[bytes] | None) -> set[bytes]:
    """Return the items of comma-separated headers."""
    return {item.strip() for value in values for item in value.split(b",")} if values else set()


def _check_headers(headers: bytes) -> None:
    good = _HEADERS.match(headers)
    end = good.end() if good else 0
    if end < len(headers):
        number = headers.count(b"\n", 0, end) + 1
        raise DamagedResponseError(f"header line {number} is malformed")
