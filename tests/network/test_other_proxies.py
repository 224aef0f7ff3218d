"""Proxies that are reached over TLS, and proxies that forward requests of plain HTTP."""

from __future__ import annotations

import select
import socket
import ssl
from typing import TYPE_CHECKING, Final

import pytest

from buildkite_orm import StatusError, TransportError
from tests.helpers import web_pipeline
from tests.network import payloads
from tests.network.calls import artifact, build
from tests.network.conftest import policy
from tests.network.servers import always, in_turn, json_response, response
from tests.network.timing import timed

if TYPE_CHECKING:
    from buildkite_orm import Buildkite
    from tests.network.certificates import Certificates
    from tests.network.conftest import Connect, Serve
    from tests.network.servers import Connection, Handler, RawRequest, RawServer

HOST: Final = "api.buildkite.test"
PASSWORD: Final = "s3cr3t-of-the-proxy"
BUILD: Final = json_response(payloads.build(1))
ESTABLISHED: Final = b"HTTP/1.1 200 OK\r\n\r\n"
DEADLINE: Final = 1.0
EVERY: Final = 0.1
LENGTH: Final = 30


def _relay(server: RawServer, *, slow_after: int | None = None, response: bytes = ESTABLISHED) -> Handler:
    """Return the handler of a proxy that opens tunnels to one server.

    Args:
        server: The server.
        slow_after: After so many pieces from the server, they are passed on byte by byte.
        response: The response to CONNECT.
    """

    def handle(connection: Connection, _: int) -> None:
        if connection.read_head() is None:
            return
        connection.send(response)
        with socket.create_connection(server.address) as target:
            _pass_on(connection, target, slow_after)

    return handle


def _pass_on(connection: Connection, target: socket.socket, slow_after: int | None) -> None:
    client, received = connection.sock, 0
    while ready := select.select([client, target], [], [], 5)[0]:
        for source in ready:
            piece = source.recv(65536)
            if not piece:
                return
            received += source is target
            if source is client:
                target.sendall(piece)
            elif slow_after is not None and received > slow_after:
                connection.send_slowly(piece[:LENGTH], EVERY)
            else:
                client.sendall(piece)


def _proxy(serve: Serve, certificates: Certificates, handler: Handler) -> dict[str, str]:
    proxy = serve(handler, tls=certificates.server_context("localhost"), host="localhost")
    return {"https": f"https://user:{PASSWORD}@localhost:{proxy.port}"}


def test_a_proxy_over_tls_is_trusted_by_the_context_of_the_client(
    serve: Serve, connect: Connect, certificates: Certificates
) -> None:
    context = ssl.create_default_context(cafile=str(certificates.ca_file))
    server = serve(always(BUILD), tls=certificates.server_context(HOST), host=HOST)
    bk = connect(server, verify=context, proxies=_proxy(serve, certificates, _relay(server)))
    assert [build(bk).fetch().number for _ in range(2)] == [1, 1]
    assert server.connections == 1
    bk.close()


@pytest.mark.parametrize("slow_after", [0, 2])
def test_tls_within_tls_that_arrives_byte_by_byte_is_within_the_deadline(
    serve: Serve, connect: Connect, trusted: Certificates, slow_after: int
) -> None:
    """In the handshake, and in the record of the response."""
    server = serve(always(BUILD), tls=trusted.server_context(HOST), host=HOST)
    proxies = _proxy(serve, trusted, _relay(server, slow_after=slow_after))
    bk = connect(server, timeout=5.0, retry=policy(max_elapsed=DEADLINE), proxies=proxies)
    with timed(deadline=DEADLINE), pytest.raises(TransportError) as caught:
        build(bk).fetch()
    assert PASSWORD not in f"{caught.value}{caught.value!r}"
    bk.close()


def test_bytes_after_a_response_in_two_layers_of_tls_are_not_taken_for_the_next_one(
    serve: Serve, connect: Connect, trusted: Certificates
) -> None:
    server: list[RawServer] = []

    def respond(connection: Connection, request: RawRequest) -> None:
        number = int(request.path.rpartition("/")[2])
        connection.send(json_response(payloads.build(number)))
        connection.send(json_response(payloads.build(666)))  # in a record of its own

    server.append(serve(in_turn(respond), tls=trusted.server_context(HOST), host=HOST))
    bk = connect(server[0], proxies=_proxy(serve, trusted, _relay(server[0])))
    assert [build(bk, number).fetch().number for number in (1, 2, 3)] == [1, 2, 3]
    bk.close()


# -- CONNECT -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "response",
    [b"HTTP/1.1 101 Switching\r\n\r\n", b"HTTP/1.1 103 Early\r\n\r\n" * 25, b"HTTP/1.1 2_00 OK\r\n\r\n", b"no\r\n"],
)
def test_a_damaged_response_to_connect_names_the_proxy_and_has_sent_nothing(
    serve: Serve, connect: Connect, response: bytes
) -> None:
    proxy = serve(always(response))
    bk = connect(f"https://{HOST}", retry=policy(attempts=2), proxies={"https": proxy.url})
    with pytest.raises(TransportError, match=r"proxy 127\.0\.0\.1 is damaged.*HTTPS_PROXY") as caught:
        web_pipeline(bk).builds().create(commit="HEAD", branch="main")
    assert (caught.value.never_sent, caught.value.outcome_unknown) == (True, False)
    assert len(proxy.requests) == 2


@pytest.mark.parametrize(
    "response", [b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.0 200\r\n\r\n"]
)
def test_interim_and_short_responses_to_connect_open_the_tunnel(
    serve: Serve, connect: Connect, trusted: Certificates, response: bytes
) -> None:
    server = serve(always(BUILD), tls=trusted.server_context(HOST), host=HOST)
    bk = connect(server, proxies={"https": serve(_relay(server, response=response)).url})
    assert build(bk).fetch().number == 1
    bk.close()


# -- forwarding --------------------------------------------------------------------------------------------------------


def _forwarded(connect: Connect, proxy: RawServer) -> Buildkite:
    proxies = {"http": f"http://user:{PASSWORD}@127.0.0.1:{proxy.port}"}
    with pytest.warns(match="plain http"):
        return connect(f"http://{HOST}:8080", insecure_http=True, proxies=proxies)


def test_a_signed_link_goes_through_a_forwarding_proxy_byte_for_byte(serve: Serve, connect: Connect) -> None:
    link = "http://storage.test/a%2fb/x~y/%7e//z?sig=A+B/%7E==&x=%e4"
    proxy = serve(
        always(lambda request: response(302, {"Location": link}) if HOST in request.target else response(body=b"data"))
    )
    assert artifact(_forwarded(connect, proxy)).download() == b"data"
    assert proxy.requests[-1].target == link


def test_a_407_of_a_forwarding_proxy_names_its_setting_and_not_its_password(serve: Serve, connect: Connect) -> None:
    proxy = serve(always(response(407, {"Proxy-Authenticate": 'Basic realm="proxy"'})))
    with pytest.raises(StatusError, match="407") as caught:
        web_pipeline(_forwarded(connect, proxy)).builds().create(commit="HEAD", branch="main")
    assert "HTTP_PROXY" in str(caught.value)
    assert not caught.value.outcome_unknown
    assert PASSWORD not in f"{caught.value}{caught.value!r}"
