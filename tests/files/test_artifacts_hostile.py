"""Storages and responses that lie: endless bodies, sizes and links that are none, refusals of a private bucket."""

from __future__ import annotations

import io
import os
import random
import re
import shutil
import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from requests.adapters import BaseAdapter
from urllib3 import HTTPResponse

from buildkite_orm import (
    Artifact,
    BuildkiteError,
    ChecksumMismatchError,
    ConnectionFailedError,
    DownloadError,
    PartialDownloadError,
    ResponseError,
    ServerError,
    SizeLimits,
)
from buildkite_orm.http.sizes import content_length, content_range
from buildkite_orm.utils.numbers import parse_decimal

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

    import requests

    from buildkite_orm import Buildkite
    from buildkite_orm.fake import ArtifactRecord, FakeBuildkite
    from buildkite_orm.files.bulk import DownloadReport

BOUND: Final = 20.0
BLOCK: Final = b"x" * 65_536
HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nConnection: close\r\n"
LOG: Final = random.Random(1).randbytes(200_000).hex("\n", 40).encode()  # noqa: S311 - what packing leaves large
NOT_NUMBERS: Final = ["²", "9" * 5000, "-1", "+5", "5_0", "0x5", "5.0", "5, 6", "", "\u0663"]


class Storage:
    """A server of one response, written by hand, that counts what it could send.

    Args:
        head: The head of the response, without the empty line.
        blocks: The body, block by block.
    """

    def __init__(self, head: bytes, blocks: Callable[[], Iterator[bytes]]) -> None:
        self.sent = 0
        self._head, self._blocks = head, blocks
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/file?Signature=hush"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                threading.Thread(target=self._respond, args=(connection,), daemon=True).start()

    def _respond(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(BOUND)
            connection.recv(65_536)
            connection.sendall(self._head + b"\r\n")
            for block in self._blocks():
                connection.sendall(block)
                self.sent += len(block)

    def close(self) -> None:
        """Accept no more."""
        self._socket.close()


def endless() -> Iterator[bytes]:
    while True:
        yield BLOCK


def chunked() -> Iterator[bytes]:
    """Never end, in chunks of HTTP."""
    for block in endless():
        yield b"%x\r\n%s\r\n" % (len(block), block)


@contextmanager
def storage(server: FakeBuildkite, head: bytes, blocks: Callable[[], Iterator[bytes]]) -> Generator[Storage]:
    """Make links lead to a storage."""
    found = Storage(head, blocks)
    server.faults.add("redirect", origin="artifacts", location=found.url, times=None)
    try:
        yield found
    finally:
        found.close()


@pytest.fixture
def stored(server: FakeBuildkite) -> ArtifactRecord:
    return server.add_artifact(server.add_build("web", jobs=1).jobs[0], "a.bin", b"x" * 1000)


@pytest.fixture
def artifact(server: FakeBuildkite, stored: ArtifactRecord) -> Iterator[Artifact]:
    """An artifact of 1,000 bytes, by a client that uses sockets and takes files of up to a megabyte without a size."""
    with server.client(http=True, limits=SizeLimits(file=1_000_000, error_body=2_000)) as bk:
        yield bk.organization("acme").job(stored.job.id).artifact(stored.id).fetch()


def sized(artifact: Artifact, size: object) -> Artifact:
    """Return the same artifact with another size, and nothing to check its content by."""
    changed = Artifact.model_construct(None, **{**vars(artifact), "file_size": size, "sha1sum": None})
    return changed.rebind(artifact.session)


def save(artifact: Artifact, folder: Path) -> None:
    artifact.save_to(folder / "new" / "a.bin")


def download(artifact: Artifact, _: Path) -> None:
    artifact.download()


def stream(artifact: Artifact, _: Path) -> None:
    for _chunk in artifact.download(stream=True):
        pass


def read(artifact: Artifact, _: Path) -> None:
    with artifact.open() as file:
        file.read()


def read_the_end(artifact: Artifact, _: Path) -> None:
    with artifact.open(buffer_size=100) as file:
        file.seek(-10, os.SEEK_END)
        file.read()


def save_all(artifact: Artifact, folder: Path) -> None:
    try:
        artifact.job.artifacts().save_all(folder / "new")
    except PartialDownloadError as error:
        raise error.report.failed[0].error from error


WAYS: Final = [save, download, stream, save_all]
ways = pytest.mark.parametrize("get", WAYS, ids=[way.__name__ for way in WAYS])


# -- bodies that do not end


@ways
def test_a_file_stops_one_byte_past_the_size_that_was_uploaded(
    server: FakeBuildkite, artifact: Artifact, tmp_path: Path, get: Callable[[Artifact, Path], None]
) -> None:
    with storage(server, HEAD + b"Transfer-Encoding: chunked\r\n", chunked) as endless_storage:
        with pytest.raises(ChecksumMismatchError, match="more than the 1000 bytes that were uploaded"):
            get(artifact, tmp_path)
        assert endless_storage.sent < 20_000_000  # what the buffers of sockets take
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("get", [save, download, stream])
@pytest.mark.parametrize("head", [HEAD, HEAD + b"Transfer-Encoding: chunked\r\n"], ids=["to the end", "chunked"])
def test_a_file_that_declares_no_size_stops_at_the_limit_of_the_session(
    server: FakeBuildkite, artifact: Artifact, tmp_path: Path, get: Callable[[Artifact, Path], None], head: bytes
) -> None:
    blocks = chunked if b"chunked" in head else endless
    with storage(server, head, blocks), pytest.raises(DownloadError) as caught:
        get(sized(artifact, None), tmp_path)
    assert "more than 1000000 bytes were received, and no size is declared" in str(caught.value)
    assert "Buildkite(limits=SizeLimits(file=" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_declares_its_size_may_be_larger_than_the_limit(
    server: FakeBuildkite, artifact: Artifact, tmp_path: Path
) -> None:
    large = server.add_artifact(server.context.store.jobs[artifact.job_id or ""], "large.bin", 3_000_000)
    assert artifact.job.artifact(large.id).save_to(tmp_path / "a").stat().st_size == 3_000_000
    bare = sized(artifact.job.artifact(large.id).fetch(), None)
    assert bare.save_to(tmp_path / "b").stat().st_size == 3_000_000


@pytest.mark.parametrize("get", [read, read_the_end])
def test_a_range_stops_one_byte_past_its_declared_size(
    server: FakeBuildkite, artifact: Artifact, tmp_path: Path, get: Callable[[Artifact, Path], None]
) -> None:
    start = 0 if get is read else 900
    head = HEAD.replace(b"200 OK", b"206 Partial Content") + b"Content-Range: bytes %d-999/1000\r\n" % start
    with storage(server, head + b"Transfer-Encoding: chunked\r\n", chunked) as endless_storage:
        with pytest.raises(DownloadError, match=r"more than the \d+ bytes that were declared"):
            get(artifact, tmp_path)
        assert endless_storage.sent < 20_000_000


class Endless(BaseAdapter):
    """A transport through which logs never end.

    Args:
        server: The server.
        headers: The headers of a log in place of those that the server gives.
    """

    def __init__(self, server: FakeBuildkite, headers: dict[str, str]) -> None:
        super().__init__()
        self._inner = server.adapter()
        self._headers = headers

    def send(self, request: requests.PreparedRequest, *_: Any, **options: Any) -> requests.Response:
        response = self._inner.send(request, **options)
        if request.method == "GET" and (request.url or "").endswith("/log"):
            for name in ("Content-Length", "Content-Encoding"):
                response.headers.pop(name, None)
            response.headers.update(self._headers)
            response.raw = HTTPResponse(cast("BinaryIO", Body()), self._headers, preload_content=False)
        return response

    def close(self) -> None:
        pass


class Body(io.RawIOBase):
    """A file of lines without end."""

    def readable(self) -> bool:
        return True

    def read(self, size: int = 65_536, /) -> bytes:
        return b"line\n" * (max(5, size) // 5)


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({}, r"more than 1000000 bytes were received, and no size is declared.*SizeLimits\(file="),
        ({"Content-Length": "200000"}, "more than the 200000 bytes that were declared"),
    ],
)
@pytest.mark.parametrize("way", ["save_to", "search"])
def test_a_log_stops_one_byte_past_its_declared_size_or_at_the_limit(  # noqa: PLR0917
    server: FakeBuildkite, stored: ArtifactRecord, tmp_path: Path, way: str, headers: dict[str, str], message: str
) -> None:
    server.set_log(stored.job, b"line\n" * 40_000)
    with server.client(transport=Endless(server, headers), limits=SizeLimits(file=1_000_000)) as bk:
        log = bk.organization("acme").job(stored.job.id).log()
        with pytest.raises(DownloadError, match=message):
            log.save_to(tmp_path / "new" / "log") if way == "save_to" else list(log.search("x"))
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_always_returns_less_of_a_log_than_was_requested_is_not_requested_ever(
    server: FakeBuildkite, bk: Buildkite, stored: ArtifactRecord
) -> None:
    server.set_log(stored.job, LOG)
    server.faults.add("reset_mid_body", match="GET .*/log", at=100_000)
    refuse_all_but_the_end(server, after=1)
    with pytest.raises(ResponseError, match="a shorter end of the log than requested"):
        list(bk.organization("acme").job(stored.job.id).log().search("x"))
    assert len(server.requests) < 20


@pytest.mark.parametrize("way", ["save_to", "search"])
def test_the_end_of_a_log_is_not_taken_for_all_of_it(
    server: FakeBuildkite, bk: Buildkite, stored: ArtifactRecord, tmp_path: Path, way: str
) -> None:
    log = bk.organization("acme").job(stored.job.id).log()
    refuse_all_but_the_end(server, after=0)
    with pytest.raises(ResponseError, match="another part of the log than was requested"):
        log.save_to(tmp_path / "log") if way == "save_to" else list(log.search("x"))
    assert list(tmp_path.iterdir()) == []


def refuse_all_but_the_end(server: FakeBuildkite, *, after: int) -> None:
    """Make the server send the last ten bytes of a log for every request."""
    end = {"Content-Range": f"bytes {len(LOG) - 10}-{len(LOG) - 1}/{len(LOG)}"}
    server.faults.add("error", match="GET .*/log", after=after, times=None, status=206, headers=end, payload="x" * 8)


@pytest.mark.parametrize("status", [403, 404, 503])
def test_of_an_error_body_of_a_storage_only_the_beginning_is_read(
    server: FakeBuildkite, artifact: Artifact, tmp_path: Path, status: int
) -> None:
    head = HEAD.replace(b"200 OK", b"%d No" % status).replace(b"application/octet-stream", b"application/xml")
    with storage(server, head, endless) as endless_storage:
        with pytest.raises(BuildkiteError) as caught:
            save(artifact, tmp_path)
        assert endless_storage.sent < 40_000_000  # of several attempts
    assert caught.value.status == status


# -- sizes that are none


def all_but_one(artifact: Artifact, folder: Path) -> DownloadReport:
    with pytest.raises(PartialDownloadError) as caught:
        artifact.job.artifacts().save_all(folder)
    return caught.value.report


@pytest.fixture
def others(server: FakeBuildkite, stored: ArtifactRecord) -> int:
    """The number of other artifacts."""
    for number in range(3):
        server.add_artifact(stored.job, f"{number}.bin", b"fine")
    return 3


@pytest.mark.parametrize("declared", NOT_NUMBERS[:-1])
def test_a_content_length_that_is_not_a_number_is_an_error_of_the_library_and_stops_no_other_file(  # noqa: PLR0917
    server: FakeBuildkite, artifact: Artifact, stored: ArtifactRecord, tmp_path: Path, others: int, declared: str
) -> None:
    found = Storage(HEAD + b"Content-Length: " + declared.encode("latin-1") + b"\r\n", lambda: iter([b"x" * 1000]))
    server.faults.add("redirect", origin="artifacts", location=found.url, match=stored.id, times=None)
    try:
        report = all_but_one(artifact, tmp_path)
    finally:
        found.close()
    assert (len(report.saved), len(report.failed)) == (others, 1)
    assert isinstance(report.failed[0].error, ResponseError | ConnectionFailedError)


@pytest.mark.parametrize(
    "location", ["http://[::1", "http://[", "//[::1", "https://\udcff.example/", "https://x:99999/"]
)
@pytest.mark.parametrize("origin", ["api", "artifacts"])
def test_a_location_that_is_not_a_url_is_an_error_of_the_library_and_stops_no_other_file(  # noqa: PLR0917
    server: FakeBuildkite,
    bk: Buildkite,
    stored: ArtifactRecord,
    tmp_path: Path,
    others: int,
    location: str,
    origin: Any,
) -> None:
    match = f"{stored.id}/download" if origin == "api" else stored.id
    server.faults.add("redirect", origin=origin, location=location, match=match, times=None)
    report = all_but_one(bk.organization("acme").job(stored.job.id).artifact(stored.id).fetch(), tmp_path)
    assert (len(report.saved), len(report.failed)) == (others, 1)


@pytest.mark.parametrize("size", ["100", True, -1, 1e3, 10**30, None, [], {"a": 1}])
@pytest.mark.filterwarnings("ignore::buildkite_orm.DriftWarning")
def test_an_invalid_size_stops_no_file(  # noqa: PLR0917
    server: FakeBuildkite, bk: Buildkite, stored: ArtifactRecord, tmp_path: Path, others: int, size: object
) -> None:
    def drift(payload: Any) -> Any:
        several = cast("list[dict[str, Any]]", payload)
        return [each | {"file_size": size} for each in several] if isinstance(payload, list) else payload

    server.settings.drift = drift
    report = bk.organization("acme").job(stored.job.id).artifacts().save_all(tmp_path)
    assert len(report.saved) == others + 1
    assert "saved" in str(report)


@pytest.mark.parametrize(
    "url",
    [
        "https://api.buildkite.com/v2/organizations/acme/jobs/x/artifacts/y",
        "http://[::1",
        "x",
        None,
        5,
        "https://x/v2/../y",
    ],
)
@pytest.mark.parametrize("layout", ["job", "path"])
@pytest.mark.filterwarnings("ignore::buildkite_orm.DriftWarning")
def test_an_artifact_url_outside_the_api_stops_no_other(  # noqa: PLR0917
    server: FakeBuildkite, bk: Buildkite, stored: ArtifactRecord, tmp_path: Path, others: int, url: object, layout: Any
) -> None:
    def drift(payload: Any) -> Any:
        several = cast("list[dict[str, Any]]", payload)
        odd = {"url": url, "path": "0.bin"}
        return (
            [each | odd if each["id"] == stored.id else each for each in several]
            if isinstance(payload, list)
            else payload
        )

    server.settings.drift = drift
    try:
        report = bk.organization("acme").job(stored.job.id).artifacts().save_all(tmp_path, layout=layout)
    except PartialDownloadError as error:
        report = error.report
    assert len(report.saved) >= others
    assert len(report.saved) + len(report.failed) == others + 1


@pytest.mark.parametrize(
    "content_range",
    [
        "bytes \u0660-\u0669/\u0661\u0660",
        f"bytes 0-{'9' * 5000}/{'9' * 5000}",
        "bytes 5-4/10",
        "bytes 0-9/²",
        "bytes */10",
        "²",
    ],
)
@pytest.mark.parametrize("get", [read, save, download])
def test_a_content_range_that_is_none_is_an_error_of_the_library(  # noqa: PLR0917
    server: FakeBuildkite, bk: Buildkite, stored: ArtifactRecord, tmp_path: Path, content_range: str, get: Any
) -> None:
    artifact = bk.organization("acme").job(stored.job.id).artifact(stored.id).fetch()
    server.faults.add("error", origin="artifacts", status=206, headers={"Content-Range": content_range}, times=None)
    with pytest.raises(DownloadError, match="another range"):
        get(artifact, tmp_path)
    assert list(tmp_path.iterdir()) == []


@given(st.text())
@example("²")
@example("9" * 5000)
def test_numbers_and_ranges_of_headers_are_read_or_refused_and_raise_nothing_else(text: str) -> None:
    number = parse_decimal(text)
    assert number is None or (number >= 0 and str(number) == (text.lstrip("0") or "0"))
    headers = {"Content-Length": text, "Content-Range": f"bytes {text}-{text}/{text}"}
    part = content_range(headers)
    assert part is None or part.stop == part.start + 1
    with suppress(ResponseError):
        assert content_length(headers) is not None


def test_a_content_length_that_arrived_twice_is_read_once() -> None:
    assert content_length({"Content-Length": "5, 5"}) == 5


@pytest.mark.parametrize("text", NOT_NUMBERS)
def test_text_that_is_not_a_number_is_not_read_as_one(text: str) -> None:
    assert parse_decimal(text) is None
    with pytest.raises(ResponseError, match="Content-Length"):
        content_length({"Content-Length": text})


# -- the folder


def test_a_folder_that_vanishes_meanwhile_is_an_error_of_its_file_and_stops_no_other(
    server: FakeBuildkite, bk: Buildkite, stored: ArtifactRecord, tmp_path: Path
) -> None:
    for number in range(3):
        server.add_artifact(stored.job, f"{number}/a.bin", b"fine")
    gone = server.add_artifact(stored.job, "gone/a.bin", b"gone")

    def take_away(request: Any) -> bool:
        if gone.id in request.line:
            shutil.rmtree(tmp_path / "gone")
        return False

    server.faults.add("html", origin="artifacts", match=take_away, times=None)
    artifact = bk.organization("acme").job(stored.job.id).artifact(stored.id).fetch()
    report = all_but_one(artifact, tmp_path)
    (failed,) = report.failed
    assert failed.artifact.path == "gone/a.bin"
    assert "has removed or replaced the unfinished file; nothing was kept" in str(failed.error)
    assert len(report.saved) == 4


def test_a_deleted_current_folder_fails_each_file_and_not_the_program(
    bk: Buildkite, stored: ArtifactRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, others: int
) -> None:
    artifact = bk.organization("acme").job(stored.job.id).artifact(stored.id).fetch()
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(PartialDownloadError) as caught:
        artifact.job.artifacts().save_all("out")
    assert [type(each.error) for each in caught.value.report.failed] == [DownloadError] * (others + 1)
    with pytest.raises(DownloadError):
        artifact.save_to("out/")
    with pytest.raises(DownloadError):
        artifact.save_to("a.bin")


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), ValueError("bad"), EOFError()])
def test_an_error_of_the_system_or_a_parser_is_a_failure_of_its_file(  # noqa: PLR0917
    bk: Buildkite,
    stored: ArtifactRecord,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    others: int,
    error: Exception,
) -> None:
    raise_for(stored, error, monkeypatch)
    report = all_but_one(bk.organization("acme").job(stored.job.id).artifact(stored.id).fetch(), tmp_path)
    (failed,) = report.failed
    assert (type(failed.error), failed.error.__cause__) == (DownloadError, error)
    assert re.search("cannot save it: (Input/output error|ValueError|EOFError); nothing was kept", str(failed.error))
    assert len(report.saved) == others


def test_a_mistake_in_a_program_surfaces(
    bk: Buildkite, stored: ArtifactRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, others: int
) -> None:
    assert others
    raise_for(stored, AttributeError("x"), monkeypatch)
    with pytest.raises(AttributeError):
        bk.organization("acme").job(stored.job.id).artifacts().save_all(tmp_path)


def raise_for(stored: ArtifactRecord, error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    from buildkite_orm.files.download import save_at  # noqa: PLC0415 - before it is replaced

    def saving(artifact: Artifact, target: Any, note: Any) -> None:
        if artifact.id == stored.id:
            raise error
        save_at(artifact, target, note)

    monkeypatch.setattr("buildkite_orm.files.bulk.save_at", saving)


# -- buckets

DENIED: Final = """<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>AccessDenied</Code><Message>Access Denied</Message><RequestId>1</RequestId></Error>"""
EVIL: Final = "<Code>\x1b[2J</Code><Code>" + "A" * 1000 + "</Code>"


@pytest.mark.parametrize("get", [save, download, read])
@pytest.mark.parametrize("status", [401, 403])
def test_a_buckets_403_names_its_code_and_that_the_library_does_not_sign_for_a_bucket_of_ones_own(
    server: FakeBuildkite, artifact: Artifact, tmp_path: Path, get: Any, status: int
) -> None:
    refuse(server, status, DENIED)
    with pytest.raises(DownloadError) as caught:
        get(artifact, tmp_path)
    assert caught.value.status == status
    assert f"status {status} (AccessDenied)" in str(caught.value)
    assert "does not sign requests" in str(caught.value)
    assert "buildkite-agent artifact download" in str(caught.value)


@pytest.mark.parametrize("body", [EVIL, "<Code></Code>", "<Code>", "", '{"Code": "x"}'])
def test_a_code_that_is_none_is_not_shown(server: FakeBuildkite, artifact: Artifact, tmp_path: Path, body: str) -> None:
    refuse(server, 403, body)
    with pytest.raises(DownloadError) as caught:
        save(artifact, tmp_path)
    assert caught.value.message == "the storage does not return the file: status 403"


def test_a_storage_that_is_too_busy_names_its_code_too(
    server: FakeBuildkite, artifact: Artifact, tmp_path: Path
) -> None:
    refuse(server, 503, "<Error><Code>SlowDown</Code></Error>")
    with pytest.raises(ServerError, match=r"503 .*\(SlowDown\)"):
        save(artifact, tmp_path)


def refuse(server: FakeBuildkite, status: int, body: str) -> None:
    """Make the storage refuse everything, with this body."""
    found = Storage(
        f"HTTP/1.1 {status} No\r\nContent-Type: application/xml\r\nConnection: close\r\n".encode(),
        lambda: iter([body.encode()]),
    )
    server.faults.add("redirect", origin="artifacts", location=found.url, times=None)
