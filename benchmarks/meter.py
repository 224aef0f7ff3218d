"""What a piece of work costs its process: wall, CPU, memory; and, where that is counted, what goes over its sockets."""

from __future__ import annotations

import resource
import socket
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_METHODS: Final = (b"GET ", b"POST ", b"PUT ", b"PATCH ", b"DELETE ", b"HEAD ")


@dataclass
class Traffic:
    """What went over the sockets of this process: `gzip` counts requests that ask for it."""

    received: int = 0
    requests: int = 0
    handshakes: int = 0
    gzip: int = 0


def peak() -> int:
    """Tell how many bytes of memory this process has had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def timed(work: Callable[[], object]) -> dict[str, Any]:
    """Do it, and tell the seconds that took; what it gives, if it is a dict, comes along."""
    wall, cpu = time.perf_counter(), time.process_time()
    told = work()
    costs = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    return costs | (told if isinstance(told, dict) else {})


def counted(work: Callable[[], object]) -> dict[str, Any]:
    """Do it, and tell what went over the sockets; that costs time of its own, so no time is told."""
    with _counting() as traffic:
        work()
    return asdict(traffic)


@contextmanager
def _counting() -> Generator[Traffic]:
    traffic, kind = Traffic(), socket.socket
    receive, send, connect = kind.recv_into, kind.sendall, kind.connect

    def counted_receive(self: socket.socket, *args: Any) -> int:
        received = receive(self, *args)
        traffic.received += received
        return received

    def counted_send(self: socket.socket, data: Any, *args: Any) -> None:
        if bytes(data[:8]).startswith(_METHODS):
            traffic.requests += 1
            traffic.gzip += b"gzip" in bytes(data)
        send(self, data, *args)

    def counted_connect(self: socket.socket, address: Any) -> None:
        traffic.handshakes += 1
        connect(self, address)

    kind.recv_into, kind.sendall, kind.connect = counted_receive, counted_send, counted_connect  # type: ignore[assignment, method-assign]
    try:
        yield traffic
    finally:
        kind.recv_into, kind.sendall, kind.connect = receive, send, connect  # type: ignore[method-assign]
