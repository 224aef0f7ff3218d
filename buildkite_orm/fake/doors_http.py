"""The door to the network: a threaded HTTP/1.1 server on one port, for one origin."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import socket
import struct
import threading
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from werkzeug.exceptions import ClientDisconnected
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Response

from buildkite_orm.fake.delivery import Delivery, DroppedError
from buildkite_orm.fake.validation import IncomingRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

    from werkzeug.wrappers import Request

    from buildkite_orm.fake.app import App
    from buildkite_orm.fake.faults import Origin

_LOG = logging.getLogger(__name__)
_POLL = 0.02
_PATIENCE = 5.0
_ANY_HOST = "0.0.0.0"  # noqa: S104


class HttpDoor:
    """One origin on one port; also a plain WSGI application, where broken connections cannot be played."""

    def __init__(
        self, app: App, origin: Origin, artifacts_base: Callable[[], str], host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self._app = app
        self._origin: Origin = origin
        self._artifacts_base = artifacts_base
        self.open_sockets: set[socket.socket] = set()
        self._server = make_server(host, port, self, threaded=True, request_handler=_Handler)
        self.url = f"http://{host}:{self._server.port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL,), name=f"fake-buildkite-{origin}", daemon=True
        )
        self._thread.start()

    def exchange(self, request: IncomingRequest) -> Delivery:
        """Answer a request; a mistake of the fake's own is a 500, and logged."""
        try:
            return self._app.exchange(request, self._origin, self._artifacts_at(request))
        except ClientDisconnected:  # in the middle of what it sent
            return Delivery(None, silence="reset")
        except Exception:  # noqa: BLE001
            _LOG.exception("the fake Buildkite failed at %s %s", request.method, request.path)
            return Delivery(Response('{"message":"Internal Server Error"}', 500, content_type="application/json"))

    def _artifacts_at(self, request: Request) -> str:
        """Give where artifacts are for whoever asks: a server on all interfaces is reached by many names."""
        asked = urlsplit(request.host_url).hostname or self._server.host
        return self._artifacts_base().replace(f"//{_ANY_HOST}:", f"//{asked}:")

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer as a WSGI application."""
        response = self.exchange(IncomingRequest(environ)).response or Response(status=502)
        return response(environ, start_response)

    def pause(self, seconds: float) -> None:
        """Let time pass, as the clock has it."""
        self._app.world.pause(seconds)

    def close(self) -> None:
        """Stop listening, and end the connections that are open."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        for each in list(self.open_sockets):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


class _Handler(WSGIRequestHandler):
    """Keeps connections open, writes through a buffer, logs nothing, and breaks off where it is told to."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16

    @property
    def door(self) -> HttpDoor:
        return cast("HttpDoor", self.server.app)

    def setup(self) -> None:
        super().setup()
        self.door.open_sockets.add(self.connection)

    def finish(self) -> None:
        self.door.open_sockets.discard(self.connection)
        # the inherited one leaves the socket open where the other side has gone in the middle of an answer
        for stream in (self.wfile, self.rfile):
            with contextlib.suppress(OSError):
                stream.close()
        self.rfile.close()  # what comes before may have failed where the client hung up

    def log(self, *_args: Any, **_kwargs: Any) -> None:
        """Stay silent."""

    def run_wsgi(self) -> None:
        delivery = self.door.exchange(IncomingRequest(self.make_environ()))
        response = delivery.response
        if response is None or delivery.silence is not None:
            self._be_silent(delivery)
            return
        try:
            self._write(delivery, response)
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

    def _write(self, delivery: Delivery, response: Response) -> None:
        self.send_response_only(response.status_code, response.status.partition(" ")[2])
        for name, value in response.headers:
            self.send_header(name, value)
        self.send_header("Date", self.date_time_string())
        bodiless = self.command == "HEAD" or response.status_code in {204, 304}
        if "Content-Length" not in response.headers and not bodiless:
            self.send_header("Connection", "close")
        self.end_headers()
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

    def _wait_until_sent(self) -> None:
        """Wait until nothing is left to send: a reset throws away what is, while the other side keeps what it has."""
        low = getattr(socket, "TCP_NOTSENT_LOWAT", None)
        if low is not None:
            self.connection.setsockopt(socket.IPPROTO_TCP, low, 1)
        select.select([], [self.connection], [], _PATIENCE)

    def _reset(self) -> None:
        """Close so that the other side gets a reset instead of an end."""
        with contextlib.suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(self.connection.detach())
