"""Malformed requests on a socket are rejected, and the next request is handled."""

from __future__ import annotations

import json
import logging
import os
import re
import socket
import struct
import subprocess
import sys
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from buildkite_orm.fake import FakeBuildkite, Settings
from buildkite_orm.fake.http_server import HttpServer
from buildkite_orm.fake.validation import LARGEST_BODY

if TYPE_CHECKING:
    from collections.abc import Iterator

POST = b"POST /v2/organizations/acme/clusters HTTP/1.1\r\nHost: x\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
GET = b"GET /v2/meta HTTP/1.1\r\nHost: x\r\n"


@pytest.fixture
def silent(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Check that nothing is written to stdout or stderr, and no error logged."""
    yield
    assert capfd.readouterr() == ("", "")
    assert [each for each in caplog.records if each.levelno > logging.DEBUG] == []


pytestmark = pytest.mark.usefixtures("silent")


def connect(server: FakeBuildkite) -> socket.socket:
    place = urlsplit(server.url)
    return socket.create_connection((place.hostname or "", place.port or 0), timeout=20)


def read_all(connection: socket.socket) -> bytes:
    """Read to the end, be it a reset."""
    received = b""
    try:
        while piece := connection.recv(1 << 16):
            received += piece
    except ConnectionResetError:
        pass
    return received


def response_to(server: FakeBuildkite, data: bytes) -> tuple[int, str]:
    """Send bytes; return the status and the message received until the server closes the connection."""
    with connect(server) as connection:
        connection.sendall(data)
        head, _, body = read_all(connection).partition(b"\r\n\r\n")
    assert b"connection: close" in head.lower()
    return int(head.split()[1]), str(json.loads(body)["message"])


def check_it_still_responds(server: FakeBuildkite) -> None:
    headers = {"Authorization": f"Bearer {server.token}"}
    assert requests.get(f"{server.url}/v2/user", headers=headers, timeout=20).status_code == 200


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET /v2/meta\r\n", 400),
        (b"GET  /v2/meta HTTP/1.1\r\n\r\n", 400),
        (b"GET /v2/me ta HTTP/1.1\r\n\r\n", 400),
        (b"GET v2/meta HTTP/1.1\r\n\r\n", 400),
        (b"GET ftp://x/v2/meta HTTP/1.1\r\n\r\n", 400),
        (b"GET /v2/\x00 HTTP/1.1\r\n\r\n", 400),
        (b"G(T /v2/meta HTTP/1.1\r\n\r\n", 400),
        (b"GET /v2/meta HTTP/x\r\n\r\n", 400),
        (b"GET /v2/meta HTTP/3.0\r\n\r\n", 505),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"\x00" * 10, 400),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", 414),
        (GET + b"no colon\r\n\r\n", 400),
        (GET + b"a b: c\r\n\r\n", 400),
        (GET + b": c\r\n\r\n", 400),
        (GET + b"a : c\r\n\r\n", 400),
        (GET + b"a: b\r\n folded\r\n\r\n", 400),
        (GET + b"a: \x00\r\n\r\n", 400),
        (GET + b"a: b\rc: d\r\n\r\n", 400),
        (GET + b"a: " + b"b" * 90_000 + b"\r\n\r\n", 431),
        (GET + b"a: b\r\n" * 200 + b"\r\n", 431),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_malformed_request_line_or_header_is_refused(server: FakeBuildkite, data: bytes, status: int) -> None:
    assert response_to(server, data)[0] == status
    check_it_still_responds(server)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (POST + b"Content-Length: x\r\n\r\n", 400),
        (POST + b"Content-Length: -1\r\n\r\n", 400),
        (POST + b"Content-Length: +1\r\n\r\n1", 400),
        (POST + b"Content-Length: 1.0\r\n\r\n1", 400),
        (POST + b"Content-Length: \xb2\r\n\r\n12", 400),
        (POST + b"Content-Length:\r\n\r\n", 400),
        (POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n12", 400),
        (POST + b"Content-Length: 1, 2\r\n\r\n12", 400),
        (POST + b"Content-Length: %d\r\n\r\n" % (LARGEST_BODY + 1), 413),
        (POST + b"Content-Length: " + b"9" * 18 + b"\r\n\r\n", 413),
        (POST + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", 413),
        (POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (POST + b"Transfer-Encoding: gzip\r\n\r\n", 501),
        (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
        (POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
        (POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 400),
        (CHUNKED.replace(b"HTTP/1.1", b"HTTP/1.0") + b"0\r\n\r\n", 400),
        (CHUNKED + b"x\r\n", 400),
        (CHUNKED + b"-1\r\n", 400),
        (CHUNKED + b"0x5\r\nhello\r\n0\r\n\r\n", 400),
        (CHUNKED + b" 5\r\nhello\r\n0\r\n\r\n", 400),
        (CHUNKED + b"\r\nhello", 400),
        (CHUNKED + b"f" * 20 + b"\r\nhello", 400),
        (CHUNKED + b"3\r\nhello\r\n0\r\n\r\n", 400),
        (CHUNKED + b"5;" + b"a" * 5000 + b"\r\nhello", 400),
        (CHUNKED + b"0\r\nno trailer\r\n\r\n", 400),
        (CHUNKED + b"ffffffff\r\n" + b" " * (LARGEST_BODY + 100_000), 413),
    ],
    ids=lambda value: repr(value[-40:] if isinstance(value, bytes) else value),
)
def test_a_body_whose_end_is_unclear_is_refused(server: FakeBuildkite, data: bytes, status: int) -> None:
    assert response_to(server, data)[0] == status
    check_it_still_responds(server)


def test_a_body_in_good_chunks_is_read_with_extensions_and_trailers(server: FakeBuildkite) -> None:
    token = f"Authorization: Bearer {server.token}\r\nConnection: close\r\n\r\n".encode()
    body = b'8;a="b"\r\n{"name":\r\nA\r\n"chunked"}\r\n0\r\nTrailer: x\r\n\r\n'
    data = CHUNKED.removesuffix(b"\r\n") + token + body
    with connect(server) as connection:
        connection.sendall(data)
        assert read_all(connection).startswith(b"HTTP/1.1 201 ")


def test_pipelined_requests_all_receive_a_response(server: FakeBuildkite) -> None:
    with connect(server) as connection:
        connection.sendall(
            (CHUNKED + b"0\r\n\r\n" + GET + b"\r\n\r\n") * 3
            + POST
            + b"Content-Length: 2\r\n\r\n{}"
            + GET.replace(b"1.1", b"1.0")
            + b"\r\n"
        )
        statuses = re.findall(rb"HTTP/1\.1 (\d+)", read_all(connection))
    assert statuses == [b"401", b"200"] * 4


def test_a_client_that_sends_half_a_body_and_leaves_is_forgotten(server: FakeBuildkite) -> None:
    for data in (POST + b"Content-Length: 10\r\n\r\n{", CHUNKED + b"5\r\nhe", CHUNKED + b"5\r\nhello", GET, b"GET /v"):
        with connect(server) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            read_all(connection)
        with connect(server) as connection:
            connection.sendall(data)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    check_it_still_responds(server)


@pytest.mark.parametrize("data", [b"GET /v", GET, POST + b"Content-Length: 10\r\n\r\n{", CHUNKED + b"5\r\nhe"])
def test_a_request_that_stops_in_the_middle_is_408(
    server: FakeBuildkite, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    monkeypatch.setattr(HttpServer, "read_timeout", 0.05)
    assert response_to(server, data)[0] == 408
    check_it_still_responds(server)


def test_a_thousand_connections_are_served(server: FakeBuildkite) -> None:
    with ExitStack() as stack:
        connections = [stack.enter_context(connect(server)) for _ in range(1000)]
        check_it_still_responds(server)
        for each in connections:
            each.sendall(GET + b"Connection: close\r\n\r\n")
        assert all(read_all(each).startswith(b"HTTP/1.1 200 ") for each in connections)
    check_it_still_responds(server)


PIECES = st.sampled_from(
    [
        b"GET", b"POST", b" ", b"/v2/meta", b"/v2/organizations", b" HTTP/1.1", b" HTTP/1.0", b"\r\n", b"\n", b"\r",
        b"Host: x", b"Content-Length: ", b"Transfer-Encoding: chunked", b"Connection: close", b"Expect: 100-continue",
        b"5", b"0", b"-1", b"hello", b"{}", b"\x00", b"\xff", b": ", b"?a=%zz", b"\x16\x03\x01",
        b"Content-Type: multipart/form-data; boundary=x", b"--x", b"A" * 5000,
    ]
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.lists(PIECES, max_size=14).map(b"".join), min_size=1, max_size=8))
def test_no_bytes_break_the_server(messages: list[bytes]) -> None:
    with FakeBuildkite(populate=False, settings=Settings(organization_limit=None, user_limit=None)) as server:
        for message in messages:
            with connect(server) as connection:
                connection.sendall(message)
                connection.shutdown(socket.SHUT_WR)
                assert b" 500 " not in read_all(connection)
        check_it_still_responds(server)


# -- processes that fork, and servers that close


def run_in_child(work: object) -> int:
    """Run something in a forked process; return its exit status."""
    assert callable(work)
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if work() else 1)
        finally:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
"""Marks what forks."""


@needs_fork
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_forked_child_uses_the_server_of_its_parent_without_the_locks_of_that(server: FakeBuildkite) -> None:
    url = server.url
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with server.context.lock, server._lock:  # pyright: ignore[reportPrivateUsage]
            held.set()
            release.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(20)

    def use() -> bool:
        release_parent.send(b"x")
        with server.client(http=True) as bk:
            created = bk.organization("acme").clusters().create(name="from a child")
        with server.client() as local:
            seen = [each.name for each in local.organization("acme").clusters()]
        is_same = server.url == url
        server.close()
        return created.name == "from a child" and is_same and seen == ["Default cluster"]

    parent, release_parent = socket.socketpair()

    def let_go() -> None:
        parent.recv(1)
        release.set()

    waiter = threading.Thread(target=let_go)
    waiter.start()
    with parent, release_parent:
        assert run_in_child(use) == 0
        waiter.join(20)
    thread.join(20)
    with server.client() as bk:
        assert [each.name for each in bk.organization("acme").clusters()] == ["Default cluster", "from a child"]
    check_it_still_responds(server)


@needs_fork
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_forked_child_does_not_keep_the_port_of_its_parent_open() -> None:
    ended, end = socket.socketpair()
    with ended, end, FakeBuildkite(populate=False) as server:
        url, idle = server.url, connect(server)
        child = os.fork()
        if child == 0:
            ended.recv(1)
            os._exit(0)
        try:
            server.close()
            with idle:
                assert read_all(idle) == b""
            with pytest.raises(requests.ConnectionError):
                requests.get(f"{url}/v2/meta", timeout=5)
        finally:
            end.send(b"x")
            os.waitpid(child, 0)


def test_a_subprocess_uses_the_server(server: FakeBuildkite) -> None:
    code = f"""
from buildkite_orm import Buildkite
with Buildkite({server.token!r}, base_url={server.url!r}) as bk:
    print(bk.organization("acme").fetch().name)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("Acme Inc\n", "")


def test_it_closes_within_a_bound_while_clients_hold_connections() -> None:
    with ExitStack() as stack:
        with FakeBuildkite(populate=False) as server:
            server.faults.add("read_timeout", times=None, match="/v2/meta")
            for data in (b"", b"GET /v", GET, GET + b"\r\n", POST + b"Content-Length: 10\r\n\r\n{", CHUNKED + b"5\r\n"):
                for _ in range(10):
                    connection = stack.enter_context(connect(server))
                    connection.sendall(data)
            api_server = server._servers["api"]  # pyright: ignore[reportPrivateUsage]
            closing = threading.Thread(target=server.close)
            closing.start()
            closing.join(10)
            assert not closing.is_alive()
        assert api_server.open_sockets == {}


@pytest.mark.parametrize("end", ["server.close()", ""])
def test_no_socket_is_left_to_the_garbage_collector(end: str) -> None:
    code = f"""
import socket, gc
from urllib.parse import urlsplit
from buildkite_orm.fake import FakeBuildkite
server = FakeBuildkite(populate=False)
place = urlsplit(server.url)
server.artifacts_url
connections = [socket.create_connection((place.hostname, place.port)) for _ in range(5)]
connections[0].sendall(b"GET /v2/meta HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
connections[0].recv(1)
connections[1].sendall(b"GET /v")
connections[2].sendall(b"\\0")
for each in connections: each.close()
{end}
"""
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.parametrize("target", ["http://[", "http://[::1/v2/user", "https://]/v2/user", "HTTP://[x]/"])
def test_a_target_that_is_not_a_url_is_refused(target: str) -> None:
    with FakeBuildkite(populate=False) as server:
        parts = urlsplit(server.url)
        with socket.create_connection((parts.hostname, parts.port), timeout=5) as sock:
            sock.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert sock.recv(65_536).startswith(b"HTTP/1.1 400 ")
