"""The door to the network: a threaded HTTP/1.1 server on one port, for one origin."""

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
from buildkite_orm.fake.http import ApiError
from buildkite_orm.fake.response_plan import Delivery, DroppedError
from buildkite_orm.fake.validation import IncomingRequest

if TYPE_CHECKING:
    import io
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

    from buildkite_orm.fake.app import App
    from buildkite_orm.fake.faults import Origin
    from buildkite_orm.fake.framing import Body, Head

_LOG = logging.getLogger(__name__)
_POLL = 0.02
_PATIENCE = 5.0
_LINGER = 2.0
_CLOSING = 2.0
_ANY_HOST = "0.0.0.0"  # noqa: S104


class HttpDoor:
    """One origin on one port; also a plain WSGI application, where broken connections cannot be played.

    A process that is forked has no door: it closes its copies of the sockets, and uses `url` as any client does.

    Attributes:
        url: Where it listens.
        open_sockets: The connections that are open, each with its thread.
        patience: Seconds of silence in the middle of a request after which that is refused.
    """

    patience = 30.0

    def __init__(
        self, app: App, origin: Origin, artifacts_base: Callable[[], str], host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self._app = app
        self._origin: Origin = origin
        self._artifacts_base = artifacts_base
        self._is_inherited = False
        self._server = _Server(self, host, port)
        self.open_sockets = self._server.connections
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL,), name=f"fake-buildkite-{origin}", daemon=True
        )
        self._thread.start()
        _OPEN.add(self)

    def exchange(self, request: IncomingRequest) -> Delivery:
        """Answer a request; a mistake of the fake's own is a 500, and logged."""
        try:
            return self._app.exchange(request, self._origin, self._artifacts_at(request))
        except ClientDisconnected:  # in the middle of what it sent
            return Delivery(None, silence="reset")
        except Exception:  # noqa: BLE001
            _LOG.exception("the fake Buildkite failed at %s %s", request.method, request.path)
            return Delivery(Response('{"message":"Internal Server Error"}', 500, content_type="application/json"))

    def refuse(self, problem: ApiError) -> Response:
        """Answer what is no request."""
        return self._app.refusal(problem, self._origin)

    def _artifacts_at(self, request: IncomingRequest) -> str:
        """Give where artifacts are for whoever asks: a server on all interfaces is reached by many names."""
        base = self._artifacts_base()
        try:
            asked = urlsplit(request.host_url).hostname or self._server.host
        except (HTTPException, ValueError):  # the app refuses the request
            return base
        return base.replace(f"//{_ANY_HOST}:", f"//{asked}:")

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer as a WSGI application."""
        response = self.exchange(IncomingRequest(environ)).response or Response(status=502)
        return response(environ, start_response)

    def pause(self, seconds: float) -> None:
        """Let time pass, as the clock has it."""
        self._app.context.pause(seconds)

    def close(self) -> None:
        """Stop listening, and end the connections that are open; wait a short while for their threads."""
        _OPEN.discard(self)
        if self._is_inherited:
            return
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server.end_connections()

    def forget(self) -> None:
        """Close the sockets that a forked process got from its parent, which keeps its own."""
        self._is_inherited = True
        for each in (self._server.socket, *self._server.connections.copy()):
            with contextlib.suppress(OSError):
                os.close(each.detach())


_OPEN: weakref.WeakSet[HttpDoor] = weakref.WeakSet()


def _forget_doors() -> None:
    for door in list(_OPEN):
        door.forget()
    _OPEN.clear()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_forget_doors)


class _Server(TCPServer):
    """Accepts connections, each with a thread of its own, and writes nothing to stderr."""

    allow_reuse_address = True
    request_queue_size = 1024

    def __init__(self, door: HttpDoor, host: str, port: int) -> None:
        self.door = door
        self.host = host
        self.connections: dict[socket.socket, threading.Thread] = {}
        if ":" in host:
            self.address_family = socket.AF_INET6
        super().__init__((host, port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a thread."""
        thread = threading.Thread(target=self._serve, args=(request, client_address), daemon=True)
        self.connections[request] = thread
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
        self.connections.pop(request, None)
        super().close_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log what went wrong with a connection; most often the client has gone."""
        del request
        _LOG.debug("a connection from %s ended early", client_address, exc_info=True)

    def end_connections(self) -> None:
        """End all connections, and wait a short while for their threads."""
        threads = self.connections.copy()
        for each in threads:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        deadline = time.monotonic() + _CLOSING
        for thread in threads.values():
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))


class _Handler(StreamRequestHandler):
    """Keeps a connection open, writes through a buffer, and breaks off where a fault says so."""

    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    close_connection = False

    @property
    def door(self) -> HttpDoor:
        return cast("_Server", self.server).door

    @property
    def _input(self) -> io.BufferedReader:
        return cast("io.BufferedReader", self.rfile)

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError, TimeoutError):
            while not self.close_connection and self._input.peek(1):
                self._serve_one()

    def finish(self) -> None:
        # the inherited one leaves the socket open where the other side has gone in the middle of an answer
        for stream in (self.wfile, self.rfile):
            with contextlib.suppress(OSError):
                stream.close()
        self.rfile.close()  # what comes before may have failed where the client hung up

    def _serve_one(self) -> None:
        self.connection.settimeout(self.door.patience)
        try:
            head = read_head(self._input)
            body = None if head is None else body_of(head, self._input)
        except TimeoutError:
            self._refuse(ApiError(408, "The request did not arrive in time"))
            return
        except ApiError as problem:
            self._refuse(problem)
            return
        if head is None or body is None:
            self.close_connection = True
            return
        self._answer(head, body)

    def _refuse(self, problem: ApiError) -> None:
        """Answer what cannot be read; nobody knows where the next request would begin."""
        self.close_connection = True
        self._deliver(Delivery(self.door.refuse(problem)), bodiless=False)
        self._linger()

    def _answer(self, head: Head, body: Body) -> None:
        self.close_connection = not head.keeps_alive
        if head.expects_continue:
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.wfile.flush()
        request = IncomingRequest(self._environ(head, body))
        delivery = self.door.exchange(request)
        self.close_connection = self.close_connection or not body.finished
        self.connection.settimeout(None)
        self._deliver(delivery, bodiless=head.method == "HEAD")
        if not body.finished:
            self._linger()

    def _environ(self, head: Head, body: Body) -> WSGIEnvironment:
        """Describe a request as WSGI does."""
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
            if "_" in name:  # it would look like another header
                continue
            key = key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"
            environ[key] = f"{environ[key]},{value}" if key in environ and key.startswith("HTTP_") else value
        if url is not None:
            environ["HTTP_HOST"] = url.netloc
        return environ

    def _deliver(self, delivery: Delivery, *, bodiless: bool) -> None:
        response = delivery.response
        if response is None or delivery.silence is not None:
            self._be_silent(delivery)
            return
        try:
            self._write(delivery, response, bodiless=bodiless or response.status_code in {204, 304})
        except DroppedError as drop:
            self.wfile.flush()
            if drop.ending == "reset":
                self._wait_until_sent()
                self._reset()
            elif drop.ending == "held":
                self._hold()
            self.close_connection = True
        except (ConnectionError, TimeoutError):
            self.close_connection = True
        finally:
            response.close()

    def _write(self, delivery: Delivery, response: Response, *, bodiless: bool) -> None:
        lines = [f"HTTP/1.1 {response.status}", *(f"{name}: {value}" for name, value in response.headers)]
        lines.append(f"Date: {http_date()}")
        if "Content-Length" not in response.headers and not bodiless:
            self.close_connection = True
        if self.close_connection:
            lines.append("Connection: close")
        self.wfile.write("\r\n".join([*lines, "", ""]).encode("latin-1", "replace"))
        for piece in () if bodiless else delivery.pieces():
            self.wfile.write(piece)
            if delivery.pause:
                self.wfile.flush()
                self.door.pause(delivery.pause)
        self.wfile.flush()

    def _be_silent(self, delivery: Delivery) -> None:
        self.close_connection = True
        if delivery.silence == "held":
            self._hold()
            return
        self._reset()

    def _hold(self) -> None:
        """Say nothing until the other side has gone."""
        with contextlib.suppress(OSError):
            self.connection.recv(1, socket.MSG_PEEK)

    def _linger(self) -> None:
        """Read what still comes, for a short while: closing at once would reset the connection before it is read."""
        deadline = time.monotonic() + _LINGER
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            while (left := deadline - time.monotonic()) > 0:
                self.connection.settimeout(left)
                if not self.connection.recv(1 << 16):
                    return

    def _wait_until_sent(self) -> None:
        """Wait until nothing is left to send: a reset throws away what is, while the other side keeps what it has."""
        low = getattr(socket, "TCP_NOTSENT_LOWAT", None)
        if low is not None:
            self.connection.setsockopt(socket.IPPROTO_TCP, low, 1)
        with selectors.DefaultSelector() as selector:
            selector.register(self.connection, selectors.EVENT_WRITE)
            selector.select(_PATIENCE)

    def _reset(self) -> None:
        """Close so that the other side gets a reset instead of an end."""
        with contextlib.suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(self.connection.detach())
