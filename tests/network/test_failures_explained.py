"""A connection that fails keeps its reason, and what another attempt would not change is tried once."""

from __future__ import annotations

import logging
import pickle
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import pytest

from buildkite_orm import BuildkiteError, ConnectionFailedError, TransportError
from buildkite_orm.fake.clock import ManualClock
from tests.helpers import web_pipeline
from tests.network import payloads
from tests.network.calls import build
from tests.network.conftest import policy
from tests.network.names import NO_SUCH_HOST, TEMPORARY_FAILURE, closed_port
from tests.network.proxies import ConnectProxy
from tests.network.servers import always, in_turn, json_response

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from buildkite_orm import Buildkite
    from tests.network.certificates import Certificates
    from tests.network.conftest import Connect, Serve
    from tests.network.names import Names
    from tests.network.servers import Connection

HOST: Final = "api.buildkite.test"
PASSWORD: Final = "s3cr3t-of-the-proxy"
BUILD: Final = json_response(payloads.build(1))
CREATED: Final = json_response(payloads.build(1), 201)


def _failure(bk: Buildkite) -> TransportError:
    """Try a create, which is repeated only where nothing was sent, and return its error."""
    with pytest.raises(TransportError) as caught:
        web_pipeline(bk).builds().create(commit="HEAD", branch="main")
    error = caught.value
    assert (error.never_sent, error.outcome_unknown) == (True, False)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301
    return error


# -- certificates ------------------------------------------------------------------------------------------------------


def _unknown(certificates: Certificates) -> ssl.SSLContext:
    return certificates.unknown_context("localhost", HOST)


def _expired(certificates: Certificates) -> ssl.SSLContext:
    return certificates.expired_context("localhost", HOST)


def _of_another_host(certificates: Certificates) -> ssl.SSLContext:
    return certificates.server_context("another.test")


CERTIFICATES: Final[dict[str, tuple[Callable[[Certificates], ssl.SSLContext], str]]] = {
    "of an unknown CA": (_unknown, "certificate verify failed"),
    "expired": (_expired, "certificate has expired"),
    "of another host": (_of_another_host, "(?i)hostname"),
}


@pytest.mark.parametrize("route", ["direct", "proxy"])
@pytest.mark.parametrize("name", CERTIFICATES)
def test_a_certificate_error_keeps_its_reason_and_is_tried_once(  # noqa: PLR0917
    serve: Serve, connect: Connect, trusted: Certificates, monkeypatch: pytest.MonkeyPatch, name: str, route: str
) -> None:
    make, reason = CERTIFICATES[name]
    host = HOST if route == "proxy" else "localhost"
    server = serve(always(CREATED), tls=make(trusted), host=host)
    with ConnectProxy({HOST: server.address}) as proxy:
        if route == "proxy":
            monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        bk = connect(server)
        error = _failure(bk)
        bk.close()
    assert isinstance(error, ConnectionFailedError)
    assert _matches(reason, error)
    assert server.connections == 1
    assert not server.requests


def test_an_unknown_ca_states_how_to_trust_one(serve: Serve, connect: Connect, certificates: Certificates) -> None:
    server = serve(always(CREATED), tls=certificates.unknown_context("localhost"), host="localhost")
    error = _failure(connect(server))
    assert _matches("certificate verify failed", error)
    assert _matches("REQUESTS_CA_BUNDLE|SSL_CERT_FILE|verify=", error)


@pytest.mark.parametrize("setting", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_ca_that_the_environment_names_is_trusted(
    serve: Serve, connect: Connect, certificates: Certificates, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    monkeypatch.setenv(setting, str(certificates.ca_file))
    server = serve(always(BUILD), tls=certificates.server_context("localhost"), host="localhost")
    assert build(connect(server)).fetch().number == 1


def test_ssl_cert_file_works_through_a_proxy(
    serve: Serve, connect: Connect, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.ca_file))
    server = serve(always(BUILD), tls=certificates.server_context(HOST), host=HOST)
    with ConnectProxy({HOST: server.address}) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        bk = connect(server)
        assert build(bk).fetch().number == 1
        bk.close()


# -- proxies -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [403, 407])
def test_a_proxy_that_refuses_names_status_and_setting_never_its_password_and_is_tried_once(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    with ConnectProxy({}, refusal=status, headers={"Proxy-Authenticate": 'Basic realm="proxy"'}) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:{PASSWORD}@127.0.0.1:{proxy.port}")
        error = _failure(connect(f"https://{HOST}"))
        assert proxy.connects == [f"{HOST}:443"]
    assert _matches(str(status), error)
    assert _matches("(?i)proxy", error)
    assert _matches("HTTPS_PROXY", error)
    assert PASSWORD not in f"{error}{error!r}{vars(error)}{pickle.dumps(error)!r}"


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_5xx_of_a_proxy_is_retried(
    serve: Serve, connect: Connect, trusted: Certificates, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    server = serve(always(CREATED), tls=trusted.server_context(HOST), host=HOST)
    with ConnectProxy({HOST: server.address}, refusal=status, times=2) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        bk = connect(server)
        assert web_pipeline(bk).builds().create(commit="HEAD", branch="main").number == 1
        bk.close()
        assert len(proxy.connects) == 3
    assert len(server.requests) == 1


def test_a_proxy_that_keeps_failing_names_its_status(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    with ConnectProxy({}, refusal=503) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:{PASSWORD}@127.0.0.1:{proxy.port}")
        error = _failure(connect(f"https://{HOST}", retry=policy(attempts=2)))
        assert len(proxy.connects) == 2
    assert _matches("503", error)
    assert PASSWORD not in f"{error}{error!r}{vars(error)}"


def test_a_proxy_whose_host_does_not_exist_is_named(
    connect: Connect, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    names.lead("proxy.localhost", NO_SUCH_HOST)
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:{PASSWORD}@proxy.localhost:3128")
    error = _failure(connect(f"https://{HOST}"))
    assert _matches("proxy.localhost", error)
    assert PASSWORD not in f"{error}{error!r}{vars(error)}"
    assert names.count("proxy.localhost") == 1


def test_a_connection_that_is_refused_states_so(connect: Connect) -> None:
    _, port = closed_port()
    assert _matches("(?i)refused", _failure(connect(f"http://127.0.0.1:{port}", retry=policy(attempts=2))))


# -- names -------------------------------------------------------------------------------------------------------------


def test_a_host_that_does_not_exist_is_named_and_tried_once(connect: Connect, names: Names) -> None:
    names.lead("localhost", NO_SUCH_HOST)
    error = _failure(connect("http://localhost:1"))
    assert "localhost" in error.message
    assert names.count("localhost") == 1


def test_a_temporary_failure_of_dns_is_retried_and_names_the_host(connect: Connect, names: Names) -> None:
    names.lead("localhost", TEMPORARY_FAILURE)
    error = _failure(connect("http://localhost:1", retry=policy(attempts=3)))
    assert "localhost" in error.message
    assert names.count("localhost") == 3


def test_after_a_first_response_every_failure_of_dns_is_retried(serve: Serve, connect: Connect, names: Names) -> None:
    closing = in_turn(
        json_response(payloads.build(1), headers={"Connection": "close"}),
        CREATED,
    )
    server = serve(closing)
    names.lead("localhost", server.address, NO_SUCH_HOST, NO_SUCH_HOST, server.address)
    bk = connect(f"http://localhost:{server.port}")
    build(bk).fetch()
    assert web_pipeline(bk).builds().create(commit="HEAD", branch="main").number == 1
    assert names.count("localhost") == 4


def test_a_wait_survives_a_lost_network(serve: Serve, connect: Connect, names: Names) -> None:
    running = json_response(payloads.build(1, state="running", finished_at=None), headers={"Connection": "close"})
    server = serve(lambda connection, index: _one(connection, running if index == 0 else BUILD))
    names.lead("localhost", server.address, *[NO_SUCH_HOST] * 20, server.address)
    bk = connect(f"http://localhost:{server.port}", clock=ManualClock(), retry=policy(attempts=3, max_elapsed=60.0))
    assert build(bk).wait(timeout=3600).state == "passed"


def _one(connection: Connection, response: bytes) -> None:
    if connection.read_request():
        connection.send(response)


# -- threads -----------------------------------------------------------------------------------------------------------


def test_50_threads_do_not_warn_of_a_full_pool(
    serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    threads = 50
    together = threading.Barrier(threads)

    def respond(_: object) -> bytes:
        together.wait(10)
        return BUILD

    server = serve(always(respond))
    bk = connect(server, timeout=15.0)
    with caplog.at_level(logging.DEBUG), ThreadPoolExecutor(threads) as pool:
        for _ in range(2):
            found = [future.result() for future in [pool.submit(build(bk).fetch) for _ in range(threads)]]
            assert [each.number for each in found] == [1] * threads
    warned = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert not warned
    assert server.connections == threads


def _matches(pattern: str, error: BuildkiteError) -> bool:
    assert re.search(pattern, str(error)), f"{pattern!r} is not in: {error}"
    return True
