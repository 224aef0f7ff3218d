"""Measure the wall time, CPU time and memory of a task, or the traffic of its sockets."""

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
    """Traffic of the sockets of this process. `gzip` counts the requests that accept it."""

    received: int = 0
    requests: int = 0
    handshakes: int = 0
    gzip: int = 0


def peak() -> int:
    """Return the peak memory of this process in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def timed(task: Callable[[], object]) -> dict[str, Any]:
    """Run a task and return its wall and CPU seconds, merged with the result if that is a dict."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = task()
    costs = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    return costs | (result if isinstance(result, dict) else {})


def counted(task: Callable[[], object]) -> dict[str, Any]:
    """Run a task and return the traffic of its sockets. Counting slows the task, so no times are measured."""
    with _counting() as traffic:
        task()
    return asdict(traffic)


@contextmanager
def _counting() -> Generator[Traffic]:
    traffic, kind = Traffic(), socket.socket
    receive, send, send_all, connect = kind.recv_into, kind.send, kind.sendall, kind.connect

    def counted_receive(self: socket.socket, *args: Any) -> int:
        received = receive(self, *args)
        traffic.received += received
        return received

    def count_request(data: Any) -> None:
        if bytes(data[:8]).startswith(_METHODS):
            traffic.requests += 1
            traffic.gzip += b"gzip" in bytes(data)

    def counted_send(self: socket.socket, data: Any, *args: Any) -> int:
        count_request(data)
        return send(self, data, *args)

    def counted_send_all(self: socket.socket, data: Any, *args: Any) -> None:
        count_request(data)
        send_all(self, data, *args)

    def counted_connect(self: socket.socket, address: Any) -> None:
        traffic.handshakes += 1
        connect(self, address)

    kind.recv_into, kind.connect = counted_receive, counted_connect  # type: ignore[assignment, method-assign]
    kind.send, kind.sendall = counted_send, counted_send_all  # type: ignore[assignment, method-assign]
    try:
        yield traffic
    finally:
        kind.recv_into, kind.connect = receive, connect  # type: ignore[method-assign]
        kind.send, kind.sendall = send, send_all  # type: ignore[method-assign]
