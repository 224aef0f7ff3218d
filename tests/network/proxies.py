"""Intermediaries between a client and a server: an HTTP proxy with CONNECT, and a slow line."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from tests.network.servers import Listener, reset, response

if TYPE_CHECKING:
    from collections.abc import Mapping

Place = Literal["accept", "connect", "status", "tls"]
Ending = Literal["close", "reset", "stall"]

Address = tuple[str, int]

_TICK: Final = 0.01


@dataclass
class Tunnel:
    """The number of bytes that went each way through one tunnel."""

    sent: int = 0
    received: int = 0


class ConnectProxy(Listener):
    """An HTTP proxy that understands CONNECT, and leads each host where the test wants it.

    Args:
        targets: Where `host:port` leads; without the port, all ports of the host. Others are refused with 502.
        refusal: Refuse each CONNECT with this status.
        headers: Headers of a refusal.
        breaks: Where a connection ends, and how: at `accept`, after reading `connect`, after sending the `status`, or
            in the middle of `tls` (after the client's first bytes in the tunnel).
        times: How often it refuses or breaks; None: always.

    Attributes:
        heads: The request line and the headers of each CONNECT.
        tunnels: What went through each tunnel.
    """

    def __init__(
        self,
        targets: Mapping[str, Address],
        *,
        refusal: int | None = None,
        headers: dict[str, str] | None = None,
        breaks: tuple[Place, Ending] | None = None,
        times: int | None = None,
    ) -> None:
        self.heads: list[str] = []
        self.tunnels: list[Tunnel] = []
        self._targets = dict(targets)
        self._refusal = refusal
        self._headers = headers
        self._breaks = breaks
        self._times = times
        self._state = threading.Lock()
        super().__init__()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def connects(self) -> list[str]:
        """The `host:port` of each CONNECT."""
        return [head.split(" ")[1] for head in self.heads]

    def serve(self, sock: socket.socket, _index: int, /) -> None:
        """Open a tunnel, or fail to."""
        breaks, refusal = (self._breaks, self._refusal) if self._fails() else (None, None)
        place, ending = breaks or (None, "close")
        if place != "accept" and (target := self._accept_connect(sock, place, refusal)):
            self._tunnel(sock, target)
        elif ending == "reset":
            reset(sock)
        elif ending == "stall" or breaks is None:
            _drain(sock)

    def _accept_connect(self, sock: socket.socket, place: Place | None, refusal: int | None) -> Address | None:
        """Respond to a CONNECT, and return None if no tunnel was opened."""
        head = _read_head(sock)
        if not head:
            return None
        self.heads.append(head)
        if place == "connect":
            return None
        target = self._target(head.split(" ")[1])
        if refusal is not None or target is None:
            sock.sendall(response(refusal or 502, self._headers, b"refused"))
            return None
        sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        if place == "tls":
            sock.recv(65536)
        return target if place is None else None

    def _fails(self) -> bool:
        with self._state:
            if self._times is None:
                return True
            self._times -= 1
            return self._times >= 0

    def _target(self, place: str) -> Address | None:
        return self._targets.get(place) or self._targets.get(place.rpartition(":")[0])

    def _tunnel(self, client: socket.socket, target: Address) -> None:
        tunnel = Tunnel()
        self.tunnels.append(tunnel)
        with socket.create_connection(target) as server:
            self.track(server)
            back = threading.Thread(target=_pump, args=(server, client, tunnel, "received"), daemon=True)
            back.start()
            _pump(client, server, tunnel, "sent")
            back.join()


class SlowLine(Listener):
    """A TCP relay that passes at most so many bytes a second on to the server, and sends responses back immediately.

    Args:
        target: Where it leads.
        bytes_per_second: How fast.
        stops_after: How many bytes pass at all; after these, nothing moves any more.
    """

    def __init__(self, target: Address, bytes_per_second: int, *, stops_after: int | None = None) -> None:
        self.passed = 0
        self._target = target
        self._per_tick = max(1, int(bytes_per_second * _TICK))
        self._stops_after = stops_after
        super().__init__(receive_buffer=4096, segment=1400)  # else loopback takes megabytes at once

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def serve(self, sock: socket.socket, _index: int, /) -> None:
        """Relay one connection."""
        with socket.create_connection(self._target) as server:
            self.track(server)
            back = threading.Thread(target=_pump, args=(server, sock, Tunnel(), "received"), daemon=True)
            back.start()
            self._pass_slowly(sock, server)
            back.join()

    def _pass_slowly(self, client: socket.socket, server: socket.socket) -> None:
        while not self.closing.wait(_TICK):
            if self._stops_after is not None and self.passed >= self._stops_after:
                self.closing.wait()
                return
            piece = client.recv(self._per_tick)
            if not piece:
                server.shutdown(socket.SHUT_WR)
                return
            server.sendall(piece)
            self.passed += len(piece)


def _pump(source: socket.socket, sink: socket.socket, tunnel: Tunnel, way: Literal["sent", "received"]) -> None:
    try:
        while piece := source.recv(65536):
            setattr(tunnel, way, getattr(tunnel, way) + len(piece))
            sink.sendall(piece)
        # a proxy does not keep a tunnel whose server has closed it
        sink.shutdown(socket.SHUT_RDWR if way == "received" else socket.SHUT_WR)
    except OSError:
        _abort(source)
        _abort(sink)


def _abort(sock: socket.socket) -> None:
    """Make a socket reset when it is closed, and wake its readers: no end may believe that the other is done."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.shutdown(socket.SHUT_RD)


def _read_head(sock: socket.socket) -> str:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        piece = sock.recv(1)
        if not piece:
            return ""
        head += piece
    return head.decode("latin-1")


def _drain(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while sock.recv(65536):
            pass
