"""Fixtures of the network tests: raw servers and their clients, certificates, a clock that does not sleep."""

from __future__ import annotations

import socket
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final, Protocol

import pytest

from buildkite_orm import Buildkite, RetryPolicy
from buildkite_orm.utils.clock import SystemClock
from tests.network import payloads
from tests.network.certificates import Certificates
from tests.network.names import Names
from tests.network.servers import RawServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.network.proxies import SlowLine
    from tests.network.servers import FullBacklog, Handler

TOKEN: Final = "bkua_" + "5f3a" * 10


class WaitingClock(SystemClock):
    """The machine's time, which waits for an event that does not occur: nothing sleeps in the tests."""

    def sleep(self, seconds: float, /) -> None:
        threading.Event().wait(max(0.0, seconds))


class Connect(Protocol):
    """Makes a client of a server, or of a base URL; it is closed after the test."""

    def __call__(self, server: RawServer | SlowLine | FullBacklog | str, **options: Any) -> Buildkite: ...


class Serve(Protocol):
    """Starts a raw server; it is closed, and its handlers checked, after the test."""

    def __call__(self, handler: Handler, **options: Any) -> RawServer: ...


def policy(**options: Any) -> RetryPolicy:
    """Return a policy that does not pause and soon gives up."""
    defaults: dict[str, Any] = {"attempts": 3, "backoff": 0.0, "max_elapsed": 5.0}
    return RetryPolicy(**defaults | options)


@pytest.fixture(scope="session", autouse=True)
def _payloads() -> None:
    """Making the first payload takes a second, which no client that is in a hurry has."""
    payloads.build()


@pytest.fixture
def _cleanup() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def serve(_cleanup: ExitStack) -> Serve:
    """Starts raw servers."""

    def start(handler: Handler, **options: Any) -> RawServer:
        return _cleanup.enter_context(RawServer(handler, **options))

    return start


@pytest.fixture
def connect(_cleanup: ExitStack) -> Connect:
    """Makes clients."""

    def make(server: RawServer | SlowLine | FullBacklog | str, **options: Any) -> Buildkite:
        base_url = server if isinstance(server, str) else server.url
        defaults: dict[str, Any] = {"timeout": 2.0, "retry": policy(), "clock": WaitingClock()}
        client = Buildkite(TOKEN, organization="acme", base_url=base_url, **defaults | options)
        return _cleanup.enter_context(client)

    return make


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[Names]:
    """The resolver of this test."""
    names = Names()
    monkeypatch.setattr(socket, "getaddrinfo", names.getaddrinfo)
    yield names
    names.release()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """A certificate authority that lives as long as the tests."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def trusted(certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> Certificates:
    """The authority, which clients of this test trust."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificates.ca_file))
    return certificates
