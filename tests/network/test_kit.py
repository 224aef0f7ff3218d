"""The raw servers behave as their handlers specify."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from tests.network import payloads
from tests.network.proxies import ConnectProxy, SlowLine
from tests.network.servers import FullBacklog, RawServer, always, json_response

if TYPE_CHECKING:
    from tests.network.certificates import Certificates
    from tests.network.conftest import Connect, Serve
    from tests.network.servers import Connection


def test_a_raw_server_responds_to_a_client_and_records_its_request(serve: Serve, connect: Connect) -> None:
    server = serve(always(json_response(payloads.build(7))))
    assert connect(server).organization().pipeline("web").build(7).fetch().number == 7
    assert [request.path for request in server.requests] == ["/v2/organizations/acme/pipelines/web/builds/7"]
    assert server.connections == 1


def test_a_proxy_leads_a_host_that_does_not_exist_to_a_server_with_tls(
    serve: Serve, connect: Connect, trusted: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = "api.buildkite.test"
    server = serve(always(json_response(payloads.build(7))), tls=trusted.server_context(host), host=host)
    with ConnectProxy({host: server.address}) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        bk = connect(server)
        assert bk.organization().pipeline("web").build(7).fetch().number == 7
        bk.close()
        assert proxy.connects == [f"{host}:{server.port}"]
    assert proxy.tunnels[0].sent > 300
    assert proxy.tunnels[0].received > 1000


def test_a_slow_line_passes_everything_on_in_time(serve: Serve, connect: Connect) -> None:
    server = serve(always(json_response(payloads.build(7))))
    with SlowLine(server.address, 2000) as line:
        assert connect(line).organization().pipeline("web").build(7).fetch().number == 7


def test_connecting_to_a_full_backlog_never_ends() -> None:
    with FullBacklog() as full, pytest.raises(TimeoutError):
        socket.create_connection(full.address, timeout=0.1)


def test_a_handler_that_fails_makes_the_test_fail() -> None:
    def handle(connection: Connection, index: int) -> None:
        connection.read_request()
        raise ValueError(index)

    server = RawServer(handle)
    with socket.create_connection(server.address) as client:
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert client.recv(1) == b""
    server.close()
    with pytest.raises(AssertionError, match="ValueError"):
        server.check()
