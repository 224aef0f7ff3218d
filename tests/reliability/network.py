"""A transport whose connections can fail, and which records all attempts."""

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
SHORT_TIMEOUT: Final = 0.02
_resolve: Final = socket.getaddrinfo


class Network(BaseAdapter):
    """A transport to a server, with faults of its own.

    The faults have the names of the fake: `refuse` connects to a closed port, `dns` to a host name that does not
    resolve. For `read_timeout` and `stall`, which the server causes, it shortens the read timeout.

    Attributes:
        faults: The faults to come.
        sent: The attempted requests, connected or not.
    """

    def __init__(self, transport: BaseAdapter, api: str, of_the_server: Faults) -> None:
        super().__init__()
        self._transport = transport
        self.faults = Faults()
        self._of_the_server = of_the_server
        self.sent: list[RecordedRequest] = []
        self._api = urlsplit(api).netloc
        self._closed_port = socket.socket()
        self._closed_port.bind(("127.0.0.1", 0))

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        """Send a request, or fail with the next fault."""
        record = self._recorded(request)
        self.sent.append(record)
        _, fault = self.faults.take(record)
        if fault is None:
            return self._transport.send(request, *args, **options)
        if fault.kind == "refuse":
            port = self._closed_port.getsockname()[1]
            return self._transport.send(_elsewhere(request, f"127.0.0.1:{port}"), *args, **options)
        if fault.kind == "dns":
            with mock.patch.object(socket, "getaddrinfo", _resolve_unless_unknown):
                return self._transport.send(_elsewhere(request, NOWHERE), *args, **options)
        if fault.kind == "stall":
            response = self._transport.send(request, *args, **options)
            if exchange := current_exchange():
                exchange.read_timeout = SHORT_TIMEOUT
            return response
        try:
            return self._transport.send(request, *args, **{**options, "timeout": (SHORT_TIMEOUT, SHORT_TIMEOUT)})
        except ReadTimeout:
            wait_until(lambda: _used(self._of_the_server) == _used(self.faults))
            raise

    def hang_up(self) -> None:
        """Close the idle connections."""
        if not isinstance(self._transport, Adapter):
            return
        pools = self._transport.poolmanager.pools
        for key in pools.keys():  # noqa: SIM118 - it is not a mapping
            pools[key].close()
        pools.clear()

    def close(self) -> None:
        """Close the transport and the reserved port."""
        self._transport.close()
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
    """Wait until a condition holds that another thread brings about."""
    waiting = threading.Event()
    for _ in range(10_000):
        if is_so():
            return
        waiting.wait(0.002)
    raise AssertionError("the condition does not hold after 20 seconds")


def _used(faults: Faults) -> int:
    return sum(rule.used for rule in faults.rules)


def _elsewhere(request: requests.PreparedRequest, place: str) -> requests.PreparedRequest:
    moved = request.copy()
    moved.url = urlsplit(request.url or "")._replace(netloc=place).geturl()
    return moved


def _resolve_unless_unknown(host: str, *args: Any, **options: Any) -> Any:
    return _refuse() if host == NOWHERE else _resolve(host, *args, **options)


def _refuse() -> NoReturn:
    raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
