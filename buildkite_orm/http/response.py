"""A response as it comes from a socket: every read is bounded in time, and damage is noticed.

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

if TYPE_CHECKING:
    from http.client import HTTPConnection
    from weakref import ReferenceType

_MOST_INTERIM: Final = 20
_MOST_TRAILERS: Final = 100
_LONGEST_LINE: Final = 65536
_SWITCHING_PROTOCOLS: Final = 101
_BLANK: Final = frozenset({b"\r\n", b"\n"})
_HEADER: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\0\r\n]*\r?\n")
_CONTINUATION: Final = re.compile(rb"[ \t][^\0\r\n]*\r?\n")
_STATUS_LINE: Final = re.compile(rb"HTTP/[0-9]\.[0-9]+[ \t]+[0-9]{3}(?:[ \t][^\0\r\n]*)?\r?\n")
_LENGTH: Final = re.compile(r"[0-9]{1,18}")
_TRANSFER_ENCODINGS: Final = ({"chunked"}, {"identity"}, set[str]())
_CHUNK_SIZE: Final = re.compile(rb"([0-9a-fA-F]{1,15})[ \t]*(?:;[^\r\n]*)?\r?\n")
# a connection on which one of these may be followed by a body that nobody asked for
_WITHOUT_BODY: Final = frozenset({204, 205, 304})


class DamagedResponseError(http.client.HTTPException):
    """What came is no whole HTTP response."""


class SocketResponse(http.client.HTTPResponse):
    """A response of `http.client`, read strictly and in time."""

    def __init__(self, sock: Any, debuglevel: int = 0, method: str | None = None, url: str | None = None) -> None:
        self._exchange = current_exchange()
        self._is_head = method == "HEAD"
        self._connection: ReferenceType[HTTPConnection] | None = None
        super().__init__(_Readable(sock, self._exchange), debuglevel, method, url)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    def belongs_to(self, connection: HTTPConnection) -> None:
        """Say which connection to close if more comes on it than the response."""
        self._connection = ref(connection)

    def begin(self) -> None:
        """Read the status line and the headers.

        Raises:
            DamagedResponseError: They are not whole, or do not say where the body ends.
        """
        reader = self._reader
        super().begin()
        _check_headers(reader.taken_lines()[1:])
        self._check_framing()
        if self._exchange is not None and self._exchange.is_cut:
            self.will_close = True
        if self.status in _WITHOUT_BODY or self._is_head:
            self.length = 0
            self.chunked = False
            self.will_close = True

    @property
    def has_no_body(self) -> bool:
        """Whether no body follows, whatever its headers declare."""
        return self.status in _WITHOUT_BODY

    @property
    def _reader(self) -> _Reader:
        reader: _Reader = self.fp  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
        return reader

    def _read_status(self) -> tuple[str, int, str]:
        """Read the status line of the final response, past interim ones."""
        for _ in range(_MOST_INTERIM + 1):
            self._reader.record_lines()
            version, status, reason = self._parse_status()
            if not self._reader.last_line.endswith(b"\n"):
                raise DamagedResponseError("the connection ended in the status line")
            if not _STATUS_LINE.fullmatch(self._reader.last_line):
                raise DamagedResponseError("its status line is malformed")
            if not 100 <= status < 200:  # noqa: PLR2004
                return version, status, reason
            if status == _SWITCHING_PROTOCOLS:
                raise DamagedResponseError("status 101, which switches to a protocol that was not asked for")
            self._skip_headers()
        raise DamagedResponseError(f"more than {_MOST_INTERIM} interim responses (1xx)")

    def _parse_status(self) -> tuple[str, int, str]:
        try:
            return cast("tuple[str, int, str]", super()._read_status())  # type: ignore[misc]
        except http.client.RemoteDisconnected:
            raise
        except (http.client.BadStatusLine, http.client.UnknownProtocol):
            raise DamagedResponseError("its status line is malformed") from None

    def _skip_headers(self) -> None:
        for _ in range(_MOST_TRAILERS):
            line = self._reader.readline()
            if line in _BLANK:
                return
            if not line.endswith(b"\n"):
                raise DamagedResponseError("the connection ended within the headers of an interim response")
        raise DamagedResponseError(f"more than {_MOST_TRAILERS} headers in an interim response")

    def _check_framing(self) -> None:
        """Check that the headers say where the body ends; `http.client` reads only the simplest ways to say it."""
        lengths = {item.strip() for value in self._values("Content-Length") for item in value.split(",")}
        if lengths and (len(lengths) > 1 or not _LENGTH.fullmatch(next(iter(lengths)))):
            raise DamagedResponseError("its Content-Length is no number of bytes")
        if self._is_head or self.status in _WITHOUT_BODY:
            return
        encodings = self._values("Transfer-Encoding")
        if encodings not in _TRANSFER_ENCODINGS:
            raise DamagedResponseError("its Transfer-Encoding is not chunked")
        self.chunked, self.chunk_left = "chunked" in encodings, None
        self.length = int(lengths.pop()) if lengths and not self.chunked else None
        if self.chunked or self.length is not None:
            return
        self.will_close = True
        closes = "close" in {item.strip() for value in self._values("Connection") for item in value.split(",")}
        if self.version >= 11 and not closes:  # noqa: PLR2004
            raise DamagedResponseError("it has neither Content-Length nor chunks, nor Connection: close")

    def _values(self, name: str) -> set[str]:
        """Return the values of a header, which may be there more than once, in small letters."""
        return {value.strip().lower() for value in self.msg.get_all(name, [])}

    def _get_chunk_left(self) -> int | None:
        if self.chunk_left == 0:
            if self._reader.readline() not in _BLANK:
                self._close_conn()
                raise DamagedResponseError("a chunk does not end where its size says, or is cut")
            self.chunk_left = None
        return cast("int | None", super()._get_chunk_left())  # type: ignore[misc]

    def _read_next_chunk_size(self) -> int:
        line = self._reader.readline()
        found = _CHUNK_SIZE.fullmatch(line)
        if found is None:
            self._close_conn()
            raise DamagedResponseError("the size of a chunk is no number, or is cut")
        return int(found[1], 16)

    def _read_and_discard_trailer(self) -> None:
        for _ in range(_MOST_TRAILERS):
            line = self._reader.readline()
            if line in _BLANK:
                return
            if not line.endswith(b"\n"):
                raise DamagedResponseError("the connection ended within the trailers")
        raise DamagedResponseError(f"more than {_MOST_TRAILERS} trailers")

    def _close_conn(self) -> None:
        """End reading; a connection on which more came than the response is not used again."""
        reader: object = self.fp
        connection = None if self._connection is None else self._connection()
        has_more = isinstance(reader, _Reader) and reader.has_more()
        self._connection = None
        super()._close_conn()  # type: ignore[misc]
        if has_more and connection is not None:
            connection.close()


class _Readable:
    """A socket as `http.client` takes it: something with a `makefile`."""

    def __init__(self, sock: Any, exchange: Exchange | None) -> None:
        self._sock = sock
        self._exchange = exchange

    def makefile(self, _mode: str) -> _Reader:
        return _Reader(_TimedIO(self._sock, self._exchange))


class _TimedIO(socket.SocketIO):
    """Receives from a socket, each time within what the exchange still allows."""

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
        with interruptible(self._sock):
            return super().readinto(b)


class _Reader(io.BufferedReader):
    """Reads ahead, keeps the lines of the headers for a check, and bounds each line."""

    def __init__(self, raw: _TimedIO) -> None:
        super().__init__(raw)
        self._timed = raw
        self._lines: list[bytes] | None = None

    @property
    def last_line(self) -> bytes:
        return self._lines[-1] if self._lines else b""

    def record_lines(self) -> None:
        self._lines = []

    def taken_lines(self) -> list[bytes]:
        lines, self._lines = self._lines, None
        return lines or []

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(_LONGEST_LINE + 1 if size is None or size < 0 else size)
        if len(line) > _LONGEST_LINE:
            raise DamagedResponseError(f"a line of more than {_LONGEST_LINE} bytes")
        if self._lines is not None:
            self._lines.append(line)
        return line

    def has_more(self) -> bool:
        """Whether bytes were received that nobody has read."""
        self._timed.is_paused = True
        try:
            return not self.closed and bool(self.peek(1))
        finally:
            self._timed.is_paused = False


def _check_headers(lines: list[bytes]) -> None:
    if not lines or lines[-1] not in _BLANK:
        raise DamagedResponseError("the connection ended within the headers")
    for number, line in enumerate(lines[:-1], 1):
        if not _HEADER.fullmatch(line) and not (number > 1 and _CONTINUATION.fullmatch(line)):
            raise DamagedResponseError(f"header line {number} is malformed")
