"""The HTTP server: keep-alive, chunked bodies, resets, and shutdown."""

from __future__ import annotations

import http.client
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import requests
from werkzeug.test import Client

from buildkite_orm.fake import FakeBuildkite, SystemClock
from buildkite_orm.fake.app import App
from buildkite_orm.fake.http_server import HttpServer

if TYPE_CHECKING:
    from requests import Session


def connect(url: str) -> socket.socket:
    place = urlsplit(url)
    return socket.create_connection((place.hostname or "", place.port or 0), timeout=30)


def read_all(connection: socket.socket) -> tuple[bytes, str]:
    """Read to the end; return the bytes and how the connection ended."""
    received = b""
    while True:
        try:
            piece = connection.recv(1 << 16)
        except ConnectionResetError:
            return received, "reset"
        if not piece:
            return received, "closed"
        received += piece


def test_a_connection_is_kept_alive(server: FakeBuildkite) -> None:
    place = urlsplit(server.url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port)
    headers = {"Authorization": f"Bearer {server.token}"}
    sockets: list[socket.socket] = []
    for method, path in (("GET", "/v2/user"), ("HEAD", "/v2/user"), ("GET", "/v2/nothing"), ("POST", "/v2/user")):
        connection.request(method, path, body=b"{}" if method == "POST" else None, headers=headers)
        connection.getresponse().read()
        sockets.append(connection.sock)
    connection.request("DELETE", "/v2/access-token", headers=headers)
    response = connection.getresponse()
    assert (response.status, response.read(), response.getheader("Content-Length")) == (204, b"", None)
    assert response.version == 11
    sockets.append(connection.sock)
    assert len({id(each) for each in sockets}) == 1
    connection.close()


def test_a_body_may_be_chunked(server: FakeBuildkite, http: Session) -> None:
    server.add_pipeline("web")
    body = iter([b'{"commit": "HEAD", ', b'"branch": "main"}'])
    assert http.post("/organizations/acme/pipelines/web/builds", data=body).status_code == 201


def test_the_adapter_and_the_server_return_the_same(server: FakeBuildkite, api: Session, http: Session) -> None:
    server.add_builds("web", 40, jobs=2)
    server.settings.public_urls = "https://api.buildkite.com"
    for path in ("/organizations/acme/builds", "/nothing", "/organizations/acme/pipelines/none", "/user"):
        inside, outside = api.get(path), http.get(path)
        assert (inside.status_code, inside.json(), inside.links) == (
            outside.status_code,
            outside.json(),
            outside.links,
        )


def test_requests_may_be_concurrent(server: FakeBuildkite) -> None:
    server.add_pipeline("web")
    url, headers = server.url, {"Authorization": f"Bearer {server.token}"}

    def create(_: int) -> int:
        body = {"commit": "HEAD", "branch": "main"}
        path = f"{url}/v2/organizations/acme/pipelines/web/builds"
        response = requests.post(path, json=body, headers=headers, timeout=30)
        return int(response.json()["number"])

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(create, range(40))) == list(range(1, 41))


@pytest.mark.parametrize("at", [0, 1, 5_000, 300_000, 3_000_000])
def test_all_that_was_sent_arrives_before_a_reset(server: FakeBuildkite, http: Session, at: int) -> None:
    job = server.add_build("web", jobs=1).jobs[0]
    artifact = server.add_artifact(job, "big.bin", 4_000_000)
    path = f"/organizations/acme/jobs/{job.id}/artifacts/{artifact.id}/download"
    url = http.get(path, allow_redirects=False).headers["Location"]
    target = urlsplit(url)
    server.faults.add("reset_mid_body", origin="artifacts", times=None, at=at)
    for _ in range(20):
        with connect(url) as connection:
            connection.sendall(f"GET {target.path}?{target.query} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            received, end = read_all(connection)
        assert (len(received.partition(b"\r\n\r\n")[2]), end) == (at, "reset")


def test_a_client_that_disconnects_during_a_response_breaks_nothing(server: FakeBuildkite, http: Session) -> None:
    job = server.add_build("web", jobs=1).jobs[0]
    artifact = server.add_artifact(job, "big.bin", 50_000_000)
    path = f"/organizations/acme/jobs/{job.id}/artifacts/{artifact.id}/download"
    with http.get(path, stream=True) as response:
        next(response.iter_content(1000))
    assert http.get("/user").status_code == 200


def test_a_truncated_response_ends_with_a_close(server: FakeBuildkite) -> None:
    server.faults.add("truncate", at=10)
    with connect(server.url) as connection:
        connection.sendall(b"GET /v2/meta HTTP/1.1\r\nHost: x\r\n\r\n")
        received, end = read_all(connection)
    assert (len(received.partition(b"\r\n\r\n")[2]), end) == (10, "closed")


def test_an_internal_error_is_a_500(server: FakeBuildkite, http: Session, caplog: pytest.LogCaptureFixture) -> None:
    def break_it(_payload: object) -> object:
        raise RuntimeError("drifted too far")

    server.settings.drift = break_it
    assert http.get("/user").status_code == 500
    assert "drifted too far" in caplog.text
    server.settings.drift = None
    assert http.get("/user").status_code == 200


def test_it_stops_with_connections_open() -> None:
    with FakeBuildkite(populate=False) as server:
        server.faults.add("read_timeout")
        url = server.url
        silent, idle = connect(url), connect(url)
        silent.sendall(b"GET /v2/meta HTTP/1.1\r\nHost: x\r\n\r\n")
        idle.sendall(b"GET /v2/meta HTTP/1.1\r\nHost: x\r\n\r\n")
    with silent, idle:
        assert {read_all(each)[1] for each in (silent, idle)} <= {"closed", "reset"}
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{url}/v2/meta", timeout=5)


def test_the_server_listens_on_the_given_port() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with FakeBuildkite(populate=False, port=port) as server:
        assert server.url == f"http://127.0.0.1:{port}"


def test_on_all_interfaces_artifact_urls_name_a_host_that_the_client_can_reach() -> None:
    with FakeBuildkite(populate=False, host="0.0.0.0", clock=SystemClock()) as server:  # noqa: S104
        job = server.add_build("web", jobs=1).jobs[0]
        artifact = server.add_artifact(job, "x", b"hello")
        base = server.url
        assert base.startswith("http://127.0.0.1:")
        url = f"{base}/v2/organizations/acme/jobs/{job.id}/artifacts/{artifact.id}/download"
        response = requests.get(url, headers={"Authorization": f"Bearer {server.token}"}, timeout=30)
        assert response.content == b"hello"
        assert response.url.startswith("http://localhost:")


def test_an_http_server_is_a_wsgi_application(server: FakeBuildkite) -> None:
    wsgi = HttpServer(App(server.context), "api", str)
    try:
        assert Client(wsgi).get("/v2/meta").get_json() == {"webhook_ips": ["192.0.2.0/24", "198.51.100.12"]}
    finally:
        wsgi.close()
