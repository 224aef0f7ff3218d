"""Log lines of the library's requests, including those of urllib3, show no token and no key to a file."""

from __future__ import annotations

import io
import logging
import socket
import threading
from typing import TYPE_CHECKING

import pytest
import requests
from requests.adapters import HTTPAdapter

from buildkite_orm import Buildkite, BuildkiteError, ConnectionFailedError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from buildkite_orm.fake import FakeBuildkite

KEYS = ("Signature=", "Expires=", "AWSAccessKeyId=", "X-Amz-", "s3cret")
BROKEN = b"HTTP/1.1 200 OK\r\nno header\r\nLocation: http://x/?sig=s3cret\r\nContent-Length: 2\r\n\r\n{}"


@pytest.fixture(autouse=True)
def _everything(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Log everything."""
    with caplog.at_level(logging.DEBUG):
        yield


@pytest.fixture
def server_with_build(server: FakeBuildkite) -> FakeBuildkite:
    """The server with a job that has an artifact and a log, and a registry."""
    job = server.add_build("web", jobs=1).jobs[0]
    server.add_artifact(job, "a.txt", b"hello")
    server.set_log(job, b"log\n")
    with server.client() as bk:
        bk.organization("acme").registries().create(name="Files", ecosystem="files")
    server.requests.clear()
    return server


def use_files(bk: Buildkite, folder: Path) -> None:
    (artifact,) = bk.organization("acme").pipeline("web").build(1).artifacts()
    assert artifact.download() == b"hello"
    assert artifact.save_to(folder).read_bytes() == b"hello"
    assert artifact.job.log().save_to(folder / "log").read_bytes() == b"log\n"
    packages = bk.organization("acme").registry("files").packages()
    assert packages.publish_presigned(io.BytesIO(b"x"), filename="app-1.0.0.zip").name == "app"


def assert_silent(caplog: pytest.LogCaptureFixture, *secrets: str) -> None:
    shown = caplog.text + "".join(f"{record.msg} {record.args}" for record in caplog.records)
    assert [each for each in (*KEYS, *secrets) if each in shown] == []


def test_a_debug_log_shows_neither_the_token_nor_a_signed_query(
    server_with_build: FakeBuildkite, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with server_with_build.client(http=True) as bk:
        use_files(bk, tmp_path)
    assert any("Signature=" in request.line for request in server_with_build.requests)
    lines = [record.getMessage() for record in caplog.records if record.name == "urllib3.connectionpool"]
    assert len([line for line in lines if "?[hidden] HTTP/1.1" in line]) >= 2
    assert len([line for line in lines if '"GET /v2/organizations/acme/' in line]) >= 4
    assert_silent(caplog, server_with_build.token)


def test_an_adapter_with_retries_of_its_own_logs_no_signed_query(
    server_with_build: FakeBuildkite, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server_with_build.faults.add("reset_before", origin="artifacts")
    with server_with_build.client(http=True, transport=HTTPAdapter(max_retries=1)) as bk:
        use_files(bk, tmp_path)
    assert {"urllib3.connectionpool", "urllib3.util.retry"} <= {record.name for record in caplog.records}
    assert "after connection broken by" in caplog.text
    assert_silent(caplog, server_with_build.token)


def test_headers_that_cannot_be_read_show_no_query(caplog: pytest.LogCaptureFixture) -> None:
    """Neither the error nor the log shows the query."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def respond() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(BROKEN)

        serving = threading.Thread(target=respond)
        serving.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with (
            Buildkite("bkua_none", base_url=url) as bk,
            pytest.raises(ConnectionFailedError, match="header line 1 is malformed") as caught,
        ):
            bk.session.stream_without_token(f"{url}/f?sig=s3cret", {})
        serving.join()
    assert "s3cret" not in str(caught.value)
    assert_silent(caplog)


def test_requests_of_others_are_logged_unchanged(
    server_with_build: FakeBuildkite, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Before, meanwhile in another thread, and after."""
    others: list[threading.Thread] = []

    def request(name: str) -> None:
        requests.get(f"{server_with_build.url}/v2/meta?mine={name}", timeout=5)

    def meanwhile(_: object) -> bool:
        others.append(threading.Thread(target=request, args=["meanwhile"]))
        others[-1].start()
        return False

    server_with_build.faults.add("html", origin="artifacts", match=meanwhile)
    request("before")
    with server_with_build.client(http=True) as bk:
        use_files(bk, tmp_path)
        with pytest.raises(BuildkiteError):
            bk.organization("acme").pipeline("none").fetch()
    request("after")
    for other in others:
        other.join()
    for name in ("before", "meanwhile", "after"):
        assert f'"GET /v2/meta?mine={name} HTTP/1.1"' in caplog.text
