"""The way to a server, on which connections fail before they are made; keeps what was attempted."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Any, Final, NoReturn
from unittest import mock
from urllib.parse import urlsplit

from requests import ReadTimeout
from requests.adapters import BaseAdapter
from werkzeug.datastructures import Headers

from buildkite_orm.fake import RecordedRequest
from buildkite_orm.fake.faults import Faults
from buildkite_orm.http.adapter import Adapter
from buildkite_orm.http.exchange import current_exchange

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests

NOWHERE: Final = "no-such-host.invalid"
TIRED_AFTER: Final = 0.02
_resolve: Final = socket.getaddrinfo


class Network(BaseAdapter):
    """The way to a server: sockets, or another.

    What goes wrong on it is told as to the fake: `refuse` leads to a port where nobody listens, `dns` to a name that
    nobody knows; of what the server holds up (`read_timeout`, `stall`), the client tires soon, but not before the
    server has begun to, and of nothing else.

    Attributes:
        faults: What is to go wrong.
        sent: What was attempted, connected or not.
    """

    def __init__(self, way: BaseAdapter, api: str, of_the_server: Faults) -> None:
        super().__init__()
        self._way = way
        self.faults = Faults()
        self._of_the_server = of_the_server
        self.sent: list[RecordedRequest] = []
        self._api = urlsplit(api).netloc
        self._closed_port = socket.socket()
        self._closed_port.bind(("127.0.0.1", 0))

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        """Send a request, or fail to."""
        record = self._recorded(request)
        self.sent.append(record)
        _, fault = self.faults.take(record)
        if fault is None:
            return self._way.send(request, *args, **options)
        if fault.kind == "refuse":
            port = self._closed_port.getsockname()[1]
            return self._way.send(_elsewhere(request, f"127.0.0.1:{port}"), *args, **options)
        if fault.kind == "dns":
            with mock.patch.object(socket, "getaddrinfo", _nobody_knows):
                return self._way.send(_elsewhere(request, NOWHERE), *args, **options)
        if fault.kind == "stall":
            response = self._way.send(request, *args, **options)
            if exchange := current_exchange():
                exchange.read_timeout = TIRED_AFTER
            return response
        try:
            return self._way.send(request, *args, **{**options, "timeout": (TIRED_AFTER, TIRED_AFTER)})
        except ReadTimeout:
            wait_until(lambda: _used(self._of_the_server) == _used(self.faults))
            raise

    def hang_up(self) -> None:
        """End the connections that are kept open."""
        if not isinstance(self._way, Adapter):
            return
        pools = self._way.poolmanager.pools
        for key in pools.keys():  # noqa: SIM118 - it is no mapping
            pools[key].close()
        pools.clear()

    def close(self) -> None:
        """Close what is open."""
        self._way.close()
        self._closed_port.close()

    def _recorded(self, request: requests.PreparedRequest) -> RecordedRequest:
        url = urlsplit(request.url or "")
        return RecordedRequest(
            method=request.method or "",
            path=url.path,
            query=[],
            headers=Headers(),
            body=b"",
            origin="api" if url.netloc == self._api else "artifacts",
            query_string=url.query,
        )


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait for another thread, which is about to do something."""
    waiting = threading.Event()
    for _ in range(10_000):
        if is_so():
            return
        waiting.wait(0.002)
    raise AssertionError("it does not come to that")


def _used(faults: Faults) -> int:
    return sum(rule.used for rule in faults.rules)


def _elsewhere(request: requests.PreparedRequest, place: str) -> requests.PreparedRequest:
    moved = request.copy()
    moved.url = urlsplit(request.url or "")._replace(netloc=place).geturl()
    return moved


def _nobody_knows(host: str, *args: Any, **options: Any) -> Any:
    return _refuse() if host == NOWHERE else _resolve(host, *args, **options)


def _refuse() -> NoReturn:
    raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
