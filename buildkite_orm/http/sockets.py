"""Sockets: looking up names and connecting with a timeout, and ending reads from other threads."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import threading
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

from urllib3.exceptions import LocationParseError
from urllib3.util.connection import allowed_gai_family
from urllib3.util.ssltransport import SSLTransport

from buildkite_orm.utils.cancellation import current_cancellation
from buildkite_orm.utils.clock import SystemClock
from buildkite_orm.utils.forking import renew_after_fork

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    AddressInfo = tuple[int, int, int, str, Any]

_CLOCK: Final = SystemClock()  # sockets use no other clock
_POLL: Final = 0.2


def connect(
    host: str,
    port: int,
    seconds: float,
    *,
    source_address: tuple[str, int] | None = None,
    options: Sequence[tuple[int, int, int | bytes]] = (),
) -> socket.socket:
    """Connect to one of the addresses of a host.

    The lookup and all addresses share the time; each address has an equal part of what is left, so that one that does
    not respond leaves time for the next.

    Args:
        host: Its name or address.
        port: The port.
        seconds: How long all of it may take.
        source_address: The local address.
        options: Arguments for `setsockopt`.

    Raises:
        socket.gaierror: The name cannot be resolved.
        TimeoutError: It took too long.
        OSError: No address can be connected to.
    """
    end = _CLOCK.monotonic() + seconds
    addresses = look_up(host, port, seconds)
    problem: OSError = OSError("the host has no address")
    for index, address in enumerate(addresses):
        left = end - _CLOCK.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        try:
            return _connect_to(address, left / (len(addresses) - index), source_address, options)
        except OSError as error:
            problem = error
    try:
        raise problem
    finally:
        del problem  # it holds this frame


def _connect_to(
    address: AddressInfo,
    seconds: float,
    source_address: tuple[str, int] | None,
    options: Sequence[tuple[int, int, int | bytes]],
) -> socket.socket:
    family, kind, protocol, _, socket_address = address
    sock = socket.socket(family, kind, protocol)
    close_in_child(sock)
    try:
        for option in options:
            sock.setsockopt(*option)
        sock.settimeout(seconds)
        if source_address:
            sock.bind(source_address)
        with interruptible(sock):
            sock.connect(socket_address)
    except BaseException:
        sock.close()
        raise
    return sock


def look_up(host: str, port: int, seconds: float) -> list[AddressInfo]:
    """Resolve a host name.

    A lookup cannot be interrupted, so it runs in a thread that is abandoned when the time is over.

    Args:
        host: The name.
        port: The port.
        seconds: How long it may take.

    Raises:
        socket.gaierror: The name cannot be resolved.
        TimeoutError: It took too long.
    """
    host = host.strip("[]")
    try:
        host.encode("idna")
    except UnicodeError:
        raise LocationParseError(f"{host!r}, label empty or too long") from None
    if _is_address(host):
        return _resolve(host, port)
    lookup = _Lookup(host, port)
    try:
        threading.Thread(target=lookup.run, name="buildkite-orm-dns", daemon=True).start()
    except RuntimeError:  # no threads can be started during interpreter shutdown
        lookup.run()
    return lookup.result(seconds)


class _Lookup:
    """A name that is resolved in another thread."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._done = threading.Event()
        self._found: list[AddressInfo] = []
        self._problem: Exception | None = None

    def run(self) -> None:
        try:
            self._found = _resolve(self._host, self._port)
        except Exception as problem:  # noqa: BLE001 - raised in the thread that waits
            self._problem = problem.with_traceback(None)
        self._done.set()

    def result(self, seconds: float) -> list[AddressInfo]:
        end = _CLOCK.monotonic() + seconds
        cancellation = current_cancellation()
        while not self._done.wait(min(_POLL, max(0.0, end - _CLOCK.monotonic()))):
            if cancellation is not None:
                cancellation.check()
            if _CLOCK.monotonic() >= end:
                raise TimeoutError(f"looking up {self._host} took longer than {seconds:.1f} s")
        if self._problem is not None:
            raise self._problem
        return self._found


def _resolve(host: str, port: int) -> list[AddressInfo]:
    found: Sequence[AddressInfo] = socket.getaddrinfo(host, port, allowed_gai_family(), socket.SOCK_STREAM)
    return list(found)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def plain_socket(sock: Any) -> socket.socket:
    """Return the socket itself; behind a TLS proxy, urllib3 wraps it in a transport of its own."""
    while not isinstance(sock, socket.socket):
        sock = sock.socket
    return sock


def has_decrypted(sock: Any) -> bool:
    """Whether bytes of a TLS connection, also inside of another one, were decrypted and not read."""
    while isinstance(sock, SSLTransport):
        if sock.sslobj.pending() or sock.incoming.pending:
            return True
        sock = sock.socket
    pending: Callable[[], int] | None = getattr(sock, "pending", None)
    return pending is not None and pending() > 0


def interruptible(sock: Any) -> AbstractContextManager[None]:
    """Return a context in which a cancellation of this thread's work ends its operations on a socket.

    `close()` does not wake a thread that is blocked in a read; `shutdown()` does.
    """
    cancellation = current_cancellation()
    if cancellation is None:
        return nullcontext()

    def shut_down() -> None:
        with contextlib.suppress(OSError):
            socket.socket.shutdown(plain_socket(sock), socket.SHUT_RDWR)  # an SSLSocket's own forgets its session

    return cancellation.interruptible(shut_down)


class _OpenSockets:
    """The sockets of this process; a forked child closes its copies and ends no connection of its parent."""

    def __init__(self) -> None:
        self._sockets: WeakSet[socket.socket] = WeakSet()
        renew_after_fork(self, first=True)  # a connection that is freed with an open socket causes a warning

    def add(self, sock: socket.socket) -> None:
        self._sockets.add(sock)

    def renew_after_fork(self) -> None:
        for sock in list(self._sockets):
            with contextlib.suppress(OSError):
                descriptor = sock.detach()
                if descriptor >= 0:
                    os.close(descriptor)
        self._sockets.clear()


_open_sockets: Final = _OpenSockets()


def close_in_child(sock: Any) -> None:
    """Register a socket whose descriptor forked children close, without sending anything to the other side."""
    _open_sockets.add(plain_socket(sock))
