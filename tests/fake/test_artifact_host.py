"""The host name of artifacts, requested by plain HTTP as other clients do.

Documentation: https://buildkite.com/docs/apis/rest-api/artifacts#download-an-artifact (a 302 to a URL of the storage,
which does not accept the token).
"""

from __future__ import annotations

import http.client
import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from buildkite_orm.fake import FakeBuildkite
from buildkite_orm.fake.hosts import artifact_host_for, bind_addresses

if TYPE_CHECKING:
    from buildkite_orm.fake import ArtifactRecord


def get(url: str, headers: dict[str, str]) -> tuple[int, str, bytes]:
    """Return the status, the `Location` and the body of a response."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    try:
        connection.request("GET", f"{parts.path}?{parts.query}", headers=headers)
        response = connection.getresponse()
        return response.status, response.getheader("Location", ""), response.read()
    finally:
        connection.close()


def get_like_go(url: str, token: str) -> tuple[int, bytes]:
    """Follow redirects as Go's net/http does: keep `Authorization` unless the host name changes."""
    headers = {"Authorization": f"Bearer {token}"}
    first_host = urlsplit(url).hostname
    while True:
        status, location, body = get(url, headers if urlsplit(url).hostname == first_host else {})
        if not location:
            return status, body
        url = location


def download_url(base: str, artifact: ArtifactRecord) -> str:
    return f"{base}/v2/organizations/acme/jobs/{artifact.job.id}/artifacts/{artifact.id}/download"


@pytest.fixture
def artifact(server: FakeBuildkite) -> ArtifactRecord:
    return server.add_artifact(server.add_build("web", jobs=1).jobs[0], "log/test.log", b"hello")


def test_a_client_that_keeps_the_token_on_the_same_host_downloads_artifacts(
    server: FakeBuildkite, artifact: ArtifactRecord
) -> None:
    assert get_like_go(download_url(server.url, artifact), server.token) == (200, b"hello")


def test_through_localhost_artifacts_are_on_127_0_0_1(server: FakeBuildkite, artifact: ArtifactRecord) -> None:
    base = server.url.replace("127.0.0.1", "localhost")
    _, location, _ = get(download_url(base, artifact), {"Authorization": f"Bearer {server.token}"})
    assert urlsplit(location).hostname == "127.0.0.1"
    assert get_like_go(download_url(base, artifact), server.token) == (200, b"hello")


def test_both_origins_listen_on_ipv6_too(server: FakeBuildkite, artifact: ArtifactRecord) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    base = server.url.replace("127.0.0.1", "[::1]")
    headers = {"Authorization": f"Bearer {server.token}"}
    status, location, _ = get(download_url(base, artifact), headers)
    assert (status, urlsplit(location).hostname) == (302, "localhost")
    assert get(location.replace("localhost", "[::1]"), {})[2] == b"hello"


def test_the_token_is_still_rejected_by_the_storage(server: FakeBuildkite, artifact: ArtifactRecord) -> None:
    headers = {"Authorization": f"Bearer {server.token}"}
    _, location, _ = get(download_url(server.url, artifact), headers)
    assert get(location, headers)[0] == 400


@pytest.mark.parametrize("host", ["localhost", "::1", "0.0.0.0"])  # noqa: S104
def test_artifacts_can_be_downloaded_from_any_listening_address(host: str) -> None:
    with FakeBuildkite(populate=False, host=host) as server:
        artifact = server.add_artifact(server.add_build("web", jobs=1).jobs[0], "log/test.log", b"hello")
        try:
            url = download_url(server.url, artifact)
        except OSError:
            pytest.skip(f"this machine has no {host}")
        assert get_like_go(url, server.token) == (200, b"hello")


def test_the_host_name_and_the_port_of_artifacts_can_be_given() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with FakeBuildkite(populate=False, artifact_host="artifacts.example", artifact_port=port) as server:
        artifact = server.add_artifact(server.add_build("web", jobs=1).jobs[0], "log/test.log", b"hello")
        _, location, _ = get(download_url(server.url, artifact), {"Authorization": f"Bearer {server.token}"})
        assert location.startswith(f"http://artifacts.example:{port}/")
        assert server.artifacts_url == f"http://artifacts.example:{port}"


@pytest.mark.parametrize(
    ("requested", "artifacts"),
    [
        ("localhost", "127.0.0.1"),
        ("127.0.0.1", "localhost"),
        ("127.0.0.2", "localhost"),
        ("::1", "localhost"),
        ("0.0.0.0", "localhost"),  # noqa: S104
        ("fake.internal", "fake.internal"),
    ],
)
def test_artifacts_have_another_name_of_loopback(requested: str, artifacts: str) -> None:
    assert artifact_host_for(requested) == artifacts


def test_only_loopback_and_all_interfaces_have_two_addresses() -> None:
    assert bind_addresses("::1") == ("::1", "127.0.0.1")
    assert bind_addresses("192.0.2.1") == ("192.0.2.1",)
