"""Servers on loopback that send exactly the bytes that a test wants, when it wants."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import sys
import threading
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import parse_qsl, urlsplit

import pytest

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Sequence
    from types import TracebackType

    Handler = Callable[["Connection", int], object]
    Step = bytes | Callable[["Connection", "RawRequest"], object]
    Headers = dict[str, str] | Sequence[tuple[str, str]]

JOIN_SECONDS: Final = 5.0
_WITHOUT_BODY: Final = frozenset({204, 205, 304})


def response(
    status: int = 200,
    headers: Headers | None = None,
    body: bytes = b"",
    *,
    reason: str | None = None,
    version: str = "HTTP/1.1",
) -> bytes:
    """Return the bytes of a response, with its Content-Length unless `headers` say how it is framed."""
    pairs = _pairs(headers)
    framed = {name.lower() for name, _ in pairs} & {"content-length", "transfer-encoding"}
    if not framed and status >= 200 and status not in _WITHOUT_BODY:
        pairs.append(("Content-Length", str(len(body))))
    return head(status, pairs, reason=reason, version=version) + body


def head(
    status: int = 200, headers: Headers | None = None, *, reason: str | None = None, version: str = "HTTP/1.1"
) -> bytes:
    """Return the bytes of a status line and headers, with the blank line, and nothing that was not requested."""
    lines = [f"{version} {status} {HTTPStatus(status).phrase if reason is None else reason}"]
    lines += [f"{name}: {value}" for name, value in _pairs(headers)]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1")


def json_response(value: Any, status: int = 200, headers: Headers | None = None) -> bytes:
    """Return the bytes of a response with a JSON body."""
    return response(status, [("Content-Type", "application/json"), *_pairs(headers)], json.dumps(value).encode())


def chunked(*pieces: bytes, trailer: bytes = b"") -> bytes:
    """Return the bytes of a chunked body, one chunk for each piece."""
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n" + trailer + b"\r\n"


def _pairs(headers: Headers | None) -> list[tuple[str, str]]:
    if isinstance(headers, dict):
        return list(headers.items())
    return list(headers or ())


@dataclass(frozen=True)
class RawRequest:
    """A request as it was received over the wire.

    Attributes:
        connection: The index of the connection that it was received on.
    """

    method: str
    target: str
    version: str
    headers: list[tuple[str, str]]
    body: bytes = field(repr=False)
    connection: int

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    @property
    def line(self) -> str:
        return f"{self.method} {self.target}"

    def header(self, name: str, default: str = "") -> str:
        """Return the value of a header."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), default)

    def json(self) -> Any:
        """Return the body, parsed."""
        return json.loads(self.body)


class Listener:
    """Accepts connections on a free port of loopback and handles each in a daemon thread.

    Leaving its `with` block ends all threads and sockets, and fails if a handler has failed.

    Attributes:
        connections: How many connections were accepted.
        errors: What handlers have raised, except that a peer has gone.
        closing: Set when the listener is closed.
    """

    def __init__(self, *, receive_buffer: int | None = None, segment: int | None = None) -> None:
        self.connections = 0
        self.errors: list[BaseException] = []
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self._ended = threading.Condition()
        self._open = 0
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listening = socket.socket()
        if receive_buffer is not None:
            self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if segment is not None and hasattr(socket, "TCP_MAXSEG"):
            self._listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, segment)
        self._listening.bind(("127.0.0.1", 0))
        self._listening.listen(128)
        self.address: tuple[str, int] = self._listening.getsockname()
        self._start(self._accept)

    @property
    def port(self) -> int:
        return self.address[1]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
        if error is None:
            self.check()
            return
        for problem in self.errors:
            error.add_note(f"a handler has failed, too: {problem!r}")

    def check(self) -> None:
        """Raise if a handler has failed."""
        if self.errors:
            msg = f"a handler has failed: {self.errors[0]!r}"
            raise AssertionError(msg) from self.errors[0]

    def close(self) -> None:
        """End all connections and wait for their threads."""
        if self.closing.is_set():
            return
        self.closing.set()
        with socket.socket() as last:  # it wakes `accept`, which closing the socket does not do everywhere
            last.connect_ex(self.address)
            self._threads[0].join(JOIN_SECONDS)
        self._listening.close()
        with self._lock:
            for sock in self._sockets:
                _shut_down(sock)
        for thread in self._threads:
            thread.join(JOIN_SECONDS)
            if thread.is_alive():
                self.errors.append(RuntimeError(f"{thread.name} still runs after its server was closed"))

    def wait_until_idle(self) -> None:
        """Wait until all connections that were accepted have ended."""
        with self._ended:
            assert self._ended.wait_for(lambda: not self._open, JOIN_SECONDS), f"{self._open} connections are open"

    def serve(self, sock: socket.socket, index: int, /) -> None:
        """Handle one connection; the socket is closed afterwards."""
        raise NotImplementedError

    def track(self, sock: socket.socket) -> socket.socket:
        """End this socket, too, when the listener is closed."""
        with self._lock:
            self._sockets.add(sock)
        if self.closing.is_set():
            _shut_down(sock)
        return sock

    def _start(self, target: Callable[..., object], *args: Any) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listening.accept()
            except OSError:
                return
            if self.closing.is_set():
                sock.close()
                return
            index, self.connections = self.connections, self.connections + 1
            with self._ended:
                self._open += 1
            self.track(sock)
            self._start(self._run, sock, index)

    def _run(self, sock: socket.socket, index: int) -> None:
        try:
            self.serve(sock, index)
        except OSError:
            pass  # the peer has gone, or the listener was closed
        except BaseException as problem:  # noqa: BLE001 - the test that it belongs to raises it
            self.errors.append(problem)
        finally:
            sock.close()
            with self._ended:
                self._open -= 1
                self._ended.notify_all()


class RawServer(Listener):
    """An HTTP server without any rules of its own.

    Args:
        handler: Called with each connection and its index, from 0; the connection is closed when it returns.
        tls: Makes it a server of https; see `Certificates.server_context`.
        host: The host name in `url`.

    Attributes:
        requests: All requests that were read, in order.
        handshake_errors: Why handshakes have failed.
    """

    def __init__(self, handler: Handler, tls: ssl.SSLContext | None = None, *, host: str = "127.0.0.1") -> None:
        self.requests: list[RawRequest] = []
        self.handshake_errors: list[OSError] = []
        self._handler = handler
        self._tls = tls
        self._host = host
        super().__init__()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://{self._host}:{self.port}"

    def serve(self, sock: socket.socket, index: int, /) -> None:
        """Handle a connection with the handler."""
        if self._tls is not None:
            try:
                sock = self.track(self._tls.wrap_socket(sock, server_side=True, suppress_ragged_eofs=True))
            except OSError as problem:
                self.handshake_errors.append(problem)
                return
        connection = Connection(sock, self, index)
        try:
            self._handler(connection, index)
        finally:
            connection.close()


class Connection:
    """The server's end of one connection."""

    def __init__(self, sock: socket.socket, server: RawServer, index: int) -> None:
        self.sock = sock
        self.index = index
        self._server = server
        self._received = b""

    def read_request(self) -> RawRequest | None:
        """Read a whole request; None where the client has closed the connection."""
        request = self.read_head()
        if request is None:
            return None
        body = self._read_body(request)
        whole = RawRequest(request.method, request.target, request.version, request.headers, body, self.index)
        self._server.requests.append(whole)
        return whole

    def read_head(self) -> RawRequest | None:
        """Read the request line and the headers, and leave the body; None where the client has gone."""
        block = self._read_until(b"\r\n\r\n")
        if block is None:
            return None
        first, *lines = block.decode("latin-1").split("\r\n")[:-2]
        method, target, version = first.split(" ")
        pairs = [line.partition(":") for line in lines]
        headers = [(name.strip(), value.strip()) for name, _, value in pairs]
        return RawRequest(method, target, version, headers, b"", self.index)

    def receive(self, size: int = 1) -> bytes:
        """Read the received bytes, at most `size` and at least one; b"" at the end."""
        self.wait_for_request()
        got, self._received = self._received[:size], self._received[size:]
        return got

    def wait_for_request(self) -> bool:
        """Wait until a request begins to arrive, and leave it; False where the client has closed the connection."""
        if not self._received:
            self._received = self.sock.recv(65536)
        return bool(self._received)

    def start_tls(self, context: ssl.SSLContext) -> None:
        """Begin TLS, on a connection of a server that was made without."""
        self.sock = self._server.track(context.wrap_socket(self.sock, server_side=True))

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self.sock.sendall(data)

    def send_slowly(self, data: bytes, every: float) -> None:
        """Send a byte every so many seconds, until the client has gone or the server is closed."""
        for position in range(len(data)):
            if self._server.closing.wait(every):
                return
            try:
                self.sock.sendall(data[position : position + 1])
            except OSError:
                return

    def stall(self) -> None:
        """Wait until the client has gone or the server is closed."""
        self.wait_until_closed()

    def hold(self) -> None:
        """Wait until the server is closed, and read nothing."""
        self._server.closing.wait()

    def wait_until_closed(self) -> bytes:
        """Wait until the client has closed the connection, and return the bytes received before that."""
        received = bytearray(self._received)
        self._received = b""
        try:
            while piece := self.sock.recv(65536):
                received += piece
        except OSError:
            pass
        return bytes(received)

    def close(self) -> None:
        """Close the connection, which sends what was sent."""
        self.sock.close()

    def reset(self) -> None:
        """Reset the connection: the client may lose what it has not read yet."""
        reset(self.sock)

    def _read_body(self, request: RawRequest) -> bytes:
        if "chunked" in request.header("Transfer-Encoding").lower():
            return self._read_chunks()
        return self._read_exactly(int(request.header("Content-Length", "0")))

    def _read_chunks(self) -> bytes:
        body = b""
        while size := int((self._read_until(b"\r\n") or b"0").partition(b";")[0], 16):
            body += self._read_exactly(size + 2)[:-2]
        while (self._read_until(b"\r\n") or b"\r\n") != b"\r\n":
            pass
        return body

    def _read_until(self, end: bytes) -> bytes | None:
        while end not in self._received:
            piece = self.sock.recv(65536)
            if not piece:
                return None
            self._received += piece
        got, _, self._received = self._received.partition(end)
        return got + end

    def _read_exactly(self, size: int) -> bytes:
        pieces = [self._received[:size]]
        self._received = self._received[size:]
        missing = size - len(pieces[0])
        while missing:
            piece = self.sock.recv(min(missing, 65536))
            if not piece:
                raise ConnectionResetError
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)


def always(response: bytes | Callable[[RawRequest], bytes]) -> Handler:
    """Return a handler that sends the same response to each request, or what a function returns."""

    def handle(connection: Connection, _: int) -> None:
        while request := connection.read_request():
            connection.send(response if isinstance(response, bytes) else response(request))

    return handle


def in_turn(*steps: Step) -> Handler:
    """Return a handler that treats the n-th request, over all connections, by the n-th step; the last one repeats.

    A step is the bytes to send, or a function of the connection and the request.
    """
    lock, taken = threading.Lock(), 0

    def step() -> Step:
        nonlocal taken
        with lock:
            taken += 1
            return steps[min(taken, len(steps)) - 1]

    def handle(connection: Connection, _: int) -> None:
        while request := connection.read_request():
            do = step()
            if isinstance(do, bytes):
                connection.send(do)
            else:
                do(connection, request)

    return handle


def reset(sock: socket.socket) -> None:
    """Close a socket with a RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


class FullBacklog:
    """An address on loopback where connecting neither works nor fails: its queue is full."""

    def __init__(self) -> None:
        if not sys.platform.startswith("linux"):
            pytest.skip("only Linux lets a connection wait for a full queue")
        self._listening = socket.socket()
        self._listening.bind(("127.0.0.1", 0))
        self._listening.listen(0)
        self.address: tuple[str, int] = self._listening.getsockname()
        self._waiting = [socket.socket() for _ in range(2)]
        for sock in self._waiting:
            sock.setblocking(False)
            sock.connect_ex(self.address)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.address[1]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for sock in (*self._waiting, self._listening):
            sock.close()


def _shut_down(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)  # not TLS's own, which forgets its state
