"""Connections that keep the deadline of a request, and record whether any of it was sent."""

from __future__ import annotations

import errno
import re
import socket
from typing import TYPE_CHECKING, Any, Final, cast

from urllib3 import connectionpool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.wait import wait_for_read

from buildkite_orm.http import sockets
from buildkite_orm.http.exchange import Exchange, current_exchange
from buildkite_orm.http.response import SocketResponse
from buildkite_orm.http.sockets import close_in_child, interruptible

if TYPE_CHECKING:
    import ssl

    from urllib3 import HTTPResponse
    from urllib3._base_connection import BaseHTTPConnection

# How many bytes are sent at once; each such piece counts as progress.
_PIECE: Final = 1 << 16
_TUNNEL_REFUSED: Final = re.compile(r"Tunnel connection failed: (\d{3})")
_WITHOUT_TIME_LIMIT: Final = 3600.0


class ProxyRefusedError(OSError):
    """A proxy has responded to CONNECT with an error.

    Attributes:
        status: Its status.
    """

    def __init__(self, status: int) -> None:
        super().__init__(f"Tunnel connection failed: {status}")
        self.status = status


class _TrackedConnection(HTTPConnection):
    """Sends within the deadline of this thread's exchange, and records when the first byte is sent."""

    response_class = SocketResponse
    _exchange: Exchange | None = None
    _is_tunneling = False

    @property
    def is_connected(self) -> bool:
        """Whether the connection is open, and no unrequested bytes were received on it."""
        return not sockets.has_decrypted(self.sock) and super().is_connected

    def request(self, method: str, url: str, *args: Any, **options: Any) -> None:
        """Send a request in this thread's exchange."""
        self._exchange = None
        exchange = self._join()
        if exchange.target is not None:
            server = "/".join(url.split("/", 3)[:3]) if self.proxy_is_forwarding else ""
            url = f"{server}{exchange.target}"
        super().request(method, url, *args, **options)

    def endheaders(self, *args: Any, **options: Any) -> None:
        """Send the headers; the deadline does not apply to a file that follows."""
        super().endheaders(*args, **options)
        if self._exchange is not None and self._exchange.streams_body:
            self._exchange.pause_deadline()

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]
        """Read the status and the headers of the response."""
        if self._exchange is not None:
            self._exchange.resume_deadline()
        response = super().getresponse()
        original = response._original_response  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        if isinstance(original, SocketResponse):
            original.belongs_to(self)
            if original.has_no_body:
                response.length_remaining = 0
        return response

    def send(self, data: Any) -> None:
        """Send bytes; the timeout counts from the last ones that were sent."""
        if self.sock is None:
            self.connect()
        exchange, sock = self._join(), cast("socket.socket", self.sock)
        if not self._is_tunneling:
            exchange.is_sent = True
        left = memoryview(data).cast("B")
        try:
            while left:
                sock.settimeout(exchange.to_progress())
                with interruptible(sock):
                    left = left[sock.send(left[:_PIECE]) :]
        except OSError:
            if self._is_tunneling or not wait_for_read(sock, timeout=0.0):
                raise
            exchange.is_cut = True
            raise BrokenPipeError(errno.EPIPE, "The server has responded before the end") from None  # urllib3 reads it

    def _join(self) -> Exchange:
        """Use this thread's exchange; outside of one, the connection's own timeout applies."""
        exchange = current_exchange()
        if exchange is None:
            seconds = self.timeout if isinstance(self.timeout, int | float) else _WITHOUT_TIME_LIMIT
            exchange = self._exchange or Exchange(connect_timeout=seconds, read_timeout=seconds)
        exchange.is_tracked = True
        self._exchange = exchange
        return exchange

    def _new_conn(self) -> socket.socket:
        exchange = self._join()
        exchange.host = self.host
        try:
            sock = sockets.connect(
                self._dns_host,
                self.port or self.default_port,
                exchange.to_connect(),
                source_address=self.source_address,
                options=self.socket_options or (),
            )
            try:
                sock.settimeout(exchange.to_connect())  # for TLS, which follows
            except TimeoutError:
                sock.close()
                raise
        except socket.gaierror as problem:
            raise NameResolutionError(self.host, self, problem) from problem
        except TimeoutError as problem:
            raise ConnectTimeoutError(self, f"Connection to {self.host} timed out.") from problem
        except OSError as problem:
            raise NewConnectionError(self, f"Failed to establish a new connection: {problem}") from problem
        return sock

    def _tunnel(self) -> None:
        """Request a connection to the server from a proxy; this sends nothing of the request itself."""
        self._is_tunneling = True
        try:
            super()._tunnel()
        except OSError as problem:
            refused = _TUNNEL_REFUSED.match(str(problem))
            if refused is None:
                raise
            raise ProxyRefusedError(int(refused[1])) from None
        finally:
            self._is_tunneling = False
        if self.sock is not None:
            if wait_for_read(self.sock, timeout=0.0):  # the client begins TLS: the connection has ended
                raise ConnectionResetError(errno.ECONNRESET, "Connection closed by the proxy")
            self.sock.settimeout(self._join().to_connect())  # for TLS, which follows


class TrackedHTTPConnection(_TrackedConnection):
    """A connection without TLS."""


class _TimedSocket:
    """A TLS socket whose reads and writes keep the deadline of this thread's exchange."""

    def __init__(self, sock: ssl.SSLSocket) -> None:
        self.socket = sock

    def __getattr__(self, name: str) -> Any:
        return getattr(self.socket, name)

    def recv(self, size: int) -> bytes:
        self._set_timeout()
        return self.socket.recv(size)

    def sendall(self, data: bytes) -> None:
        self._set_timeout()
        self.socket.sendall(data)

    def _set_timeout(self) -> None:
        exchange = current_exchange()
        if exchange is not None:
            self.socket.settimeout(exchange.to_progress() if exchange.is_sent else exchange.to_connect())


class TrackedHTTPSConnection(_TrackedConnection, HTTPSConnection):
    """A connection with TLS."""

    def _connect_tls_proxy(self, hostname: str, sock: socket.socket) -> ssl.SSLSocket:
        """Begin TLS with a proxy; TLS with the server, inside of it, reads any number of times."""
        parent: Any = super()  # urllib3 has no complete type for it
        tls: ssl.SSLSocket = parent._connect_tls_proxy(hostname, sock)  # noqa: SLF001
        return tls if self.proxy_is_forwarding else cast("ssl.SSLSocket", _TimedSocket(tls))

    def connect(self) -> None:
        """Connect, and have forked children close their copy of the socket."""
        HTTPSConnection.connect(self)
        if self.sock is not None:
            close_in_child(self.sock)


def _closed_since_full(pool: HTTPConnectionPool, connection: BaseHTTPConnection | None) -> bool:
    """Close a connection that does not fit into its pool; urllib3 would log a needless warning."""
    if connection is None or pool.pool is None or not pool.pool.full():
        return False
    connection.close()
    return True


class HTTPPool(HTTPConnectionPool):
    """The connections to one server."""

    @property
    def ConnectionCls(self) -> type[HTTPConnection]:  # type: ignore[override]  # noqa: N802 - urllib3's name
        """The class of new connections; a class by which a test has replaced urllib3's own takes precedence."""
        replaced = connectionpool.HTTPConnectionPool.ConnectionCls
        return TrackedHTTPConnection if replaced is HTTPConnection else replaced  # type: ignore[return-value]

    def _put_conn(self, conn: BaseHTTPConnection | None) -> None:
        if not _closed_since_full(self, conn):
            super()._put_conn(conn)


class HTTPSPool(HTTPSConnectionPool):
    """The connections to one server, with TLS."""

    @property
    def ConnectionCls(self) -> type[HTTPSConnection]:  # type: ignore[override]  # noqa: N802 - urllib3's name
        """The class of new connections; a class by which a test has replaced urllib3's own takes precedence."""
        replaced = connectionpool.HTTPSConnectionPool.ConnectionCls
        return TrackedHTTPSConnection if replaced is HTTPSConnection else replaced  # type: ignore[return-value]

    def _put_conn(self, conn: BaseHTTPConnection | None) -> None:
        if not _closed_since_full(self, conn):
            super()._put_conn(conn)
