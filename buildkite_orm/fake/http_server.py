"""A threaded HTTP/1.1 server on one port, for one origin."""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import socket
import struct
import threading
import time
import weakref
from socketserver import StreamRequestHandler, TCPServer
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote_to_bytes, urlsplit

from werkzeug.exceptions import ClientDisconnected, HTTPException
from werkzeug.http import http_date
from werkzeug.wrappers import Response

from buildkite_orm.fake.framing import body_of, read_head
from buildkite_orm.fake.hosts import base_url, bind_addresses, loopback_of
from buildkite_orm.fake.http import ApiError
from buildkite_orm.fake.response_plan import DroppedError, ResponsePlan
from buildkite_orm.fake.validation import IncomingRequest

if TYPE_CHECKING:
    import io
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

    from buildkite_orm.fake.app import App
    from buildkite_orm.fake.control.gate import ControlGate
    from buildkite_orm.fake.faults import Origin
    from buildkite_orm.fake.framing import Body, Head

_LOG = logging.getLogger(__name__)
_POLL_INTERVAL = 0.02
_SEND_TIMEOUT = 5.0
_LINGER_TIMEOUT = 2.0
_CLOSE_TIMEOUT = 2.0


class HttpServer:
    """An HTTP server for one origin on one port; also a plain WSGI application, which cannot break connections.

    A forked process closes its copies of the sockets, and reaches the parent's server by `url`.

    Attributes:
        url: Its base URL.
        port: Its port.
        open_sockets: The open connections, each with its thread.
        read_timeout: Seconds after which an incomplete request is rejected if no more of it arrives.
    """

    read_timeout = 30.0

    def __init__(
        self,
        app: App,
        origin: Origin,
        artifacts_base: Callable[[str], str],
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        control: ControlGate | None = None,
    ) -> None:
        """Bind and start the server.

        Args:
            app: The app that handles the requests.
            origin: The origin that is served.
            artifacts_base: Returns the base URL of artifacts, given the host name that a client used.
            host: The interface to listen on; loopback is bound for IPv6 too.
            port: The port; 0 for a free one.
            control: The control API, if this origin has it.
        """
        self._app = app
        self._control = control
        self._origin: Origin = origin
        self._artifacts_base = artifacts_base
        self._host = host
        self._is_inherited = False
        self.open_sockets: dict[socket.socket, threading.Thread] = {}
        self._listeners = _listeners(self, host, port)
        self.port = self._listeners[0].port
        self.url = base_url(loopback_of(host), self.port)
        for each in self._listeners:
            each.start(f"fake-buildkite-{origin}")
        _OPEN.add(self)

    def handle(self, request: IncomingRequest) -> ResponsePlan:
        """Return the response to a request; an error in the fake itself is a 500, and is logged."""
        try:
            if self._control is not None and self._control.owns(request.path):
                return ResponsePlan(self._control.respond(request))
            return self._app.handle(request, self._origin, self._artifacts_base_for(request))
        except ClientDisconnected:  # while sending its request
            return ResponsePlan(None, failure="reset")
        except Exception:  # noqa: BLE001
            _LOG.exception("the fake Buildkite failed to handle %s %s", request.method, request.path)
            return ResponsePlan(Response('{"message":"Internal Server Error"}', 500, content_type="application/json"))

    def error_response(self, error: ApiError) -> Response:
        """Return the response to a request that cannot be parsed."""
        return self._app.error_response(error, self._origin)

    def _artifacts_base_for(self, request: IncomingRequest) -> str:
        """Return the base URL of artifacts for the host name that the client used."""
        try:
            requested_host = urlsplit(request.host_url).hostname
        except (HTTPException, ValueError):  # the app rejects the request
            requested_host = None
        return self._artifacts_base(requested_host or self._host)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Respond as a WSGI application."""
        response = self.handle(IncomingRequest(environ)).response or Response(status=502)
        return response(environ, start_response)

    def wait(self, seconds: float) -> None:
        """Advance or wait on the clock."""
        self._app.context.wait(seconds)

    def close(self) -> None:
        """Stop listening and close the open connections; wait up to two seconds for their threads."""
        _OPEN.discard(self)
        if self._is_inherited:
            return
        for each in self._listeners:
            each.stop()
        self._close_connections()

    def _close_connections(self) -> None:
        threads = self.open_sockets.copy()
        for each in threads:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        deadline = time.monotonic() + _CLOSE_TIMEOUT
        for thread in threads.values():
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))

    def close_inherited(self) -> None:
        """Close the sockets that a forked process inherited from its parent, which keeps its own."""
        self._is_inherited = True
        for each in (*(listener.socket for listener in self._listeners), *self.open_sockets.copy()):
            with contextlib.suppress(OSError):
                os.close(each.detach())


_OPEN: weakref.WeakSet[HttpServer] = weakref.WeakSet()


def _close_inherited_servers() -> None:
    for server in list(_OPEN):
        server.close_inherited()
    _OPEN.clear()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_close_inherited_servers)


class _Listener(TCPServer):
    """Accepts connections at one address, each in its own thread, and writes nothing to stderr."""

    allow_reuse_address = True
    request_queue_size = 1024

    def __init__(self, owner: HttpServer, address: str, port: int) -> None:
        self.owner = owner
        self._thread: threading.Thread | None = None
        if ":" in address:
            self.address_family = socket.AF_INET6
        super().__init__((address, port), _Handler)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(cast("tuple[Any, ...]", self.server_address)[1])

    def server_bind(self) -> None:
        """Bind the address; an IPv6 one for IPv6 alone, since IPv4 has its own listener."""
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        super().server_bind()

    def start(self, name: str) -> None:
        """Accept connections in a thread."""
        self._thread = threading.Thread(target=self.serve_forever, args=(_POLL_INTERVAL,), name=name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Accept no more connections, and end the thread."""
        if self._thread is not None:
            with contextlib.suppress(OSError):  # on Linux, this ends the wait for connections at once
                self.socket.shutdown(socket.SHUT_RDWR)
            self.shutdown()
            self._thread.join()
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a new thread."""
        thread = threading.Thread(target=self._serve, args=(request, client_address), daemon=True)
        self.owner.open_sockets[request] = thread
        thread.start()

    def _serve(self, request: Any, client_address: Any) -> None:
        try:
            self.finish_request(request, client_address)
        except Exception:  # noqa: BLE001
            self.handle_error(request, client_address)
        finally:
            self.shutdown_request(request)

    def close_request(self, request: Any) -> None:
        """Close a connection."""
        self.owner.open_sockets.pop(request, None)
        super().close_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log what went wrong with a connection; most often the client has disconnected."""
        del request
        _LOG.debug("a connection from %s ended early", client_address, exc_info=True)


def _listeners(owner: HttpServer, host: str, port: int) -> list[_Listener]:
    """Bind all addresses of a host to one port; only the first one must succeed."""
    first, *others = bind_addresses(host)
    listeners = [_Listener(owner, first, port)]
    for address in others:
        with contextlib.suppress(OSError):  # the machine has no such IP version, or the port is in use
            listeners.append(_Listener(owner, address, listeners[0].port))
    return listeners


class _Handler(StreamRequestHandler):
    """Keeps a connection alive, writes through a buffer, and breaks off if a fault requires it."""

    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    close_connection = False

    @property
    def owner(self) -> HttpServer:
        return cast("_Listener", self.server).owner

    @property
    def _input(self) -> io.BufferedReader:
        return cast("io.BufferedReader", self.rfile)

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError, TimeoutError):
            while not self.close_connection and self._input.peek(1):
                self._serve_request()

    def finish(self) -> None:
        # the inherited method leaves the socket open if the client has disconnected during a response
        for stream in (self.wfile, self.rfile):
            with contextlib.suppress(OSError):
                stream.close()
        self.rfile.close()  # the flush above may have failed if the client disconnected

    def _serve_request(self) -> None:
        self.connection.settimeout(self.owner.read_timeout)
        try:
            head = read_head(self._input)
            body = None if head is None else body_of(head, self._input)
        except TimeoutError:
            self._reject(ApiError(408, "The request did not arrive in time"))
            return
        except ApiError as error:
            self._reject(error)
            return
        if head is None or body is None:
            self.close_connection = True
            return
        self._respond(head, body)

    def _reject(self, error: ApiError) -> None:
        """Respond to a request that cannot be parsed, and close: the start of the next request is unknown."""
        self.close_connection = True
        self._send(ResponsePlan(self.owner.error_response(error)), bodiless=False)
        self._linger()

    def _respond(self, head: Head, body: Body) -> None:
        self.close_connection = not head.keeps_alive
        if head.expects_continue:
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.wfile.flush()
        request = IncomingRequest(self._environ(head, body))
        plan = self.owner.handle(request)
        self.close_connection = self.close_connection or not body.finished
        self.connection.settimeout(None)
        self._send(plan, bodiless=head.method == "HEAD")
        if not body.finished:
            self._linger()

    def _environ(self, head: Head, body: Body) -> WSGIEnvironment:
        """Return the request as a WSGI environ."""
        address = cast("tuple[Any, ...]", self.server.server_address)
        url = urlsplit(head.target) if head.target.lower().startswith("http") else None
        target = head.target if url is None else head.target.partition("://")[2].partition(url.netloc)[2] or "/"
        path, _, query = target.partition("?")
        environ: WSGIEnvironment = {
            "REQUEST_METHOD": head.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(path.encode("latin-1")).decode("latin-1"),
            "QUERY_STRING": query,
            "RAW_URI": target,
            "REMOTE_ADDR": self.client_address[0],
            "SERVER_NAME": str(address[0]),
            "SERVER_PORT": str(address[1]),
            "SERVER_PROTOCOL": head.version,
            "wsgi.url_scheme": "http",
            "wsgi.input": body,
            "wsgi.input_terminated": True,
        }
        for name, value in head.headers:
            key = name.upper().replace("-", "_")
            if "_" in name:  # it could be mistaken for another header
                continue
            key = key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"
            environ[key] = f"{environ[key]},{value}" if key in environ and key.startswith("HTTP_") else value
        if url is not None:
            environ["HTTP_HOST"] = url.netloc
        return environ

    def _send(self, plan: ResponsePlan, *, bodiless: bool) -> None:
        response = plan.response
        if response is None or plan.failure is not None:
            self._fail(plan)
            return
        try:
            self._write(plan, response, bodiless=bodiless or response.status_code in {204, 304})
        except DroppedError as drop:
            self.wfile.flush()
            if drop.ending == "reset":
                self._wait_until_sent()
                self._reset()
            elif drop.ending == "stalled":
                self._stall()
            self.close_connection = True
        except (ConnectionError, TimeoutError):
            self.close_connection = True
        finally:
            response.close()

    def _write(self, plan: ResponsePlan, response: Response, *, bodiless: bool) -> None:
        lines = [f"HTTP/1.1 {response.status}", *(f"{name}: {value}" for name, value in response.headers)]
        if "Date" not in response.headers:
            lines.append(f"Date: {http_date()}")
        if "Content-Length" not in response.headers and not bodiless:
            self.close_connection = True
        if self.close_connection:
            lines.append("Connection: close")
        self.wfile.write("\r\n".join([*lines, "", ""]).encode("latin-1", "replace"))
        for chunk in () if bodiless else plan.chunks():
            self.wfile.write(chunk)
            if plan.byte_delay:
                self.wfile.flush()
                self.owner.wait(plan.byte_delay)
        self.wfile.flush()

    def _fail(self, plan: ResponsePlan) -> None:
        self.close_connection = True
        if plan.failure == "stalled":
            self._stall()
            return
        self._reset()

    def _stall(self) -> None:
        """Send nothing until the client disconnects."""
        with contextlib.suppress(OSError):
            self.connection.recv(1, socket.MSG_PEEK)

    def _linger(self) -> None:
        """Read the rest for up to two seconds: closing at once would reset the connection before it is read."""
        deadline = time.monotonic() + _LINGER_TIMEOUT
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            while (left := deadline - time.monotonic()) > 0:
                self.connection.settimeout(left)
                if not self.connection.recv(1 << 16):
                    return

    def _wait_until_sent(self) -> None:
        """Wait until all data is sent: a reset discards unsent data, while the client keeps what it has received."""
        low = getattr(socket, "TCP_NOTSENT_LOWAT", None)
        if low is not None:
            self.connection.setsockopt(socket.IPPROTO_TCP, low, 1)
        with selectors.DefaultSelector() as selector:
            selector.register(self.connection, selectors.EVENT_WRITE)
            selector.select(_SEND_TIMEOUT)

    def _reset(self) -> None:
        """Close with a reset instead of a normal close."""
        with contextlib.suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(self.connection.detach())


def close_all(servers: dict[Origin, HttpServer]) -> None:
    """Close servers, and forget them."""
    while servers:
        servers.popitem()[1].close()
