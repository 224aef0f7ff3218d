"""Real sockets, on which connections fail before they are made; keeps what was attempted."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any, Final, NoReturn
from unittest import mock
from urllib.parse import urlsplit

from requests.adapters import HTTPAdapter
from werkzeug.datastructures import Headers

from buildkite_orm.fake import RecordedRequest
from buildkite_orm.fake.faults import Faults

if TYPE_CHECKING:
    import requests

NOWHERE: Final = "no-such-host.invalid"
IMPATIENT: Final = (5.0, 0.05)
_resolve: Final = socket.getaddrinfo


class Network(HTTPAdapter):
    """The way to a server.

    What goes wrong on it is told as to the fake: `refuse` leads to a port where nobody listens, `dns` to a name that
    nobody knows; of what is to be held up (`read_timeout`, `stall`), the client tires soon, and of nothing else.

    Attributes:
        faults: What is to go wrong.
        sent: What was attempted, connected or not.
    """

    def __init__(self, artifacts_url: str) -> None:
        super().__init__()
        self.faults = Faults()
        self.sent: list[RecordedRequest] = []
        self._artifacts = urlsplit(artifacts_url).netloc
        self._closed_port = socket.socket()
        self._closed_port.bind(("127.0.0.1", 0))

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        """Send a request, or fail to."""
        record = self._recorded(request)
        self.sent.append(record)
        _, fault = self.faults.take(record)
        if fault is None:
            return super().send(request, *args, **options)
        if fault.kind == "refuse":
            port = self._closed_port.getsockname()[1]
            return super().send(_elsewhere(request, f"127.0.0.1:{port}"), *args, **options)
        if fault.kind == "dns":
            with mock.patch.object(socket, "getaddrinfo", _nobody_knows):
                return super().send(_elsewhere(request, NOWHERE), *args, **options)
        return super().send(request, *args, **{**options, "timeout": IMPATIENT})

    def hang_up(self) -> None:
        """End the connections that are kept open."""
        pools = self.poolmanager.pools
        for key in pools.keys():  # noqa: SIM118 - it is no mapping
            pools[key].close()
        pools.clear()

    def close(self) -> None:
        """Close what is open."""
        super().close()
        self._closed_port.close()

    def _recorded(self, request: requests.PreparedRequest) -> RecordedRequest:
        url = urlsplit(request.url or "")
        return RecordedRequest(
            method=request.method or "",
            path=url.path,
            query=[],
            headers=Headers(),
            body=b"",
            origin="artifacts" if url.netloc == self._artifacts else "api",
            query_string=url.query,
        )


def _elsewhere(request: requests.PreparedRequest, place: str) -> requests.PreparedRequest:
    moved = request.copy()
    moved.url = urlsplit(request.url or "")._replace(netloc=place).geturl()
    return moved


def _nobody_knows(host: str, *args: Any, **options: Any) -> Any:
    return _refuse() if host == NOWHERE else _resolve(host, *args, **options)


def _refuse() -> NoReturn:
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
