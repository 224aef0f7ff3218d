"""An artifact as a file: read where it is stored, by few ranges, with what goes wrong on the way."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import math
import random
import tarfile
import tracemalloc
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse

from buildkite_orm import (
    Artifact,
    ChecksumMismatchError,
    ConnectionFailedError,
    DownloadError,
    NotFoundError,
    RetryPolicy,
)
from buildkite_orm.fake import FakeBuildkite
from tests.conftest import unlimited

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests import PreparedRequest, Response

    from buildkite_orm import Buildkite
    from buildkite_orm.fake import ArtifactRecord, JobRecord
    from tests.conftest import Costs

KIB = 1 << 10
MIB = 1 << 20
LEAST = 256 * KIB
CONTENT = random.Random(6).randbytes(3 * MIB + 77)  # noqa: S311 - a content, not a secret


@pytest.fixture
def add(server: FakeBuildkite, bk: Buildkite, job: JobRecord) -> Callable[..., Artifact]:
    """Adds an artifact, and gives it as the client has it."""

    def added(content: bytes | int, path: str = "data.bin") -> Artifact:
        found: Artifact = ref_to(bk, server.add_artifact(job, path, content)).fetch()
        server.requests.clear()
        return found

    return added


def ref_to(bk: Buildkite, stored: ArtifactRecord) -> Any:
    return bk.organization("acme").job(stored.job.id).artifact(stored.id)


def ranges(server: FakeBuildkite) -> list[str]:
    return [each.headers["Range"] for each in server.requests if each.origin == "artifacts"]


# -- a file


def test_it_is_a_binary_file_to_read(add: Callable[..., Artifact], costs: Costs) -> None:
    artifact = add(CONTENT, "dist/data.bin")
    with costs(0):
        file = artifact.open()
        assert (file.readable(), file.seekable(), file.writable(), file.closed) == (True, True, False, False)
        assert (file.name, file.mode if hasattr(file, "mode") else "rb") == ("data.bin", "rb")
        assert (file.seek(0, io.SEEK_END), file.tell()) == (len(CONTENT), len(CONTENT))
        assert file.read(10) == b""
        assert file.seek(-7, io.SEEK_CUR) == len(CONTENT) - 7
        with pytest.raises(io.UnsupportedOperation):
            file.write(b"x")
        with pytest.raises(ValueError, match="before the beginning"):
            file.seek(-1)
        file.close()
    with pytest.raises(ValueError, match="closed"):
        file.read()


def test_a_whole_file_is_one_range(server: FakeBuildkite, add: Callable[..., Artifact], costs: Costs) -> None:
    artifact = add(CONTENT)
    with costs(1, artifacts=1), artifact.open() as file:
        assert file.read() == CONTENT
        assert file.read() == b""
    assert ranges(server) == [f"bytes=0-{len(CONTENT) - 1}"]


def test_a_small_file_is_requested_once_however_it_is_read(add: Callable[..., Artifact], costs: Costs) -> None:
    artifact = add(CONTENT[:1000])
    with costs(1, artifacts=1), artifact.open(buffer_size=1000) as file:
        for start in (990, 0, 500, 3, 999):
            file.seek(start)
            assert file.read(20) == CONTENT[start : min(start + 20, 1000)]


def test_an_empty_file_costs_nothing(add: Callable[..., Artifact], costs: Costs) -> None:
    artifact = add(b"")
    with costs(0), artifact.open() as file:
        assert file.read() == b""


@pytest.mark.parametrize("step", [1000, 64 * KIB, MIB])
def test_reading_at_a_stretch_takes_as_many_ranges_as_doublings(
    server: FakeBuildkite, add: Callable[..., Artifact], step: int
) -> None:
    size = 16 * MIB
    artifact = add(size)
    digest, count = hashlib.sha1(), 0  # noqa: S324 - the API's choice
    with artifact.open() as file:
        for chunk in iter(lambda: file.read(step), b""):
            digest.update(chunk)
            count += len(chunk)
    assert (count, digest.hexdigest()) == (size, artifact.sha1sum)
    assert len(ranges(server)) <= math.log2(size / LEAST) + 1
    assert len(server.requests) == len(ranges(server)) + 1


def test_a_jump_requests_no_more_than_the_buffer(server: FakeBuildkite, add: Callable[..., Artifact]) -> None:
    with add(CONTENT).open(buffer_size=4 * KIB) as file:
        for start in (MIB, 10, 2 * MIB):
            file.seek(start)
            assert file.read(10) == CONTENT[start : start + 10]
    assert ranges(server) == [f"bytes={start}-{start + 4 * KIB - 1}" for start in (MIB, 10, 2 * MIB)]


def test_a_bare_ref_requests_the_size_first(server: FakeBuildkite, bk: Buildkite, job: JobRecord, costs: Costs) -> None:
    ref = ref_to(bk, server.add_artifact(job, "a.bin", CONTENT))
    with costs(2, artifacts=1), ref.open() as file:
        assert file.read() == CONTENT


@pytest.mark.parametrize("content", [b"", b"x" * 700])
def test_a_size_that_the_api_does_not_state_is_reported_by_the_storage(
    bk: Buildkite, add: Callable[..., Artifact], content: bytes
) -> None:
    artifact = add(content)
    bare = Artifact.model_validate({**artifact.dump(), "file_size": None})
    with bk.bind(bare).open() as file:
        assert file.seek(0, io.SEEK_END) == len(content)
        file.seek(0)
        assert file.read() == content


def test_a_buffer_of_nothing_is_refused(add: Callable[..., Artifact]) -> None:
    with pytest.raises(ValueError, match="buffer_size=0: must be at least 1"):
        add(b"x").open(buffer_size=0)


def test_it_holds_little_of_what_it_has_read(add: Callable[..., Artifact]) -> None:
    artifact = add(20 * MIB)
    with artifact.open() as file:
        file.read(1)
        tracemalloc.start()
        try:
            for _ in iter(lambda: file.read(64 * KIB), b""):
                pass
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 3 * MIB


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("read"), st.integers(-1, 9_000)),
        st.tuples(st.just("read1"), st.integers(0, 9_000)),
        st.tuples(st.just("peek"), st.just(1)),
        st.tuples(st.just("readline"), st.just(-1)),
        st.tuples(st.just("seek"), st.integers(0, 12_000)),
        st.tuples(st.just("from_end"), st.integers(-9_999, 5)),
        st.tuples(st.just("onward"), st.integers(0, 3_000)),
    ),
    max_size=12,
)
SMALL = CONTENT[:10_000]


@pytest.fixture(scope="module")
def shared() -> Artifact:
    with FakeBuildkite(populate=False, settings=unlimited()) as server:
        stored = server.add_artifact(server.add_build("web", jobs=1).jobs[0], "a.bin", SMALL)
        found: Artifact = ref_to(server.client(), stored).fetch()
        return found


@settings(deadline=None, max_examples=150)
@given(operations=OPERATIONS, buffer_size=st.sampled_from([1, 7, 1000, 4096, 20_000]))
def test_it_reads_as_a_file_on_disk_does(shared: Artifact, operations: list[tuple[str, int]], buffer_size: int) -> None:
    there, here = shared.open(buffer_size=buffer_size), io.BufferedReader(io.BytesIO(SMALL), buffer_size)
    for name, number in operations:
        assert do(there, name, number) == do(here, name, number)
        assert there.tell() == here.tell()


def do(file: io.BufferedReader[Any], name: str, number: int) -> object:
    if name == "seek":
        return file.seek(number)
    if name == "from_end":
        return file.seek(number, io.SEEK_END)
    if name == "onward":
        return file.seek(number, io.SEEK_CUR)
    if name == "peek":
        return file.peek()[:1]
    if name == "read1":  # the buffer decides how much it returns at most
        return len(file.read1(number)) <= number and file.seek(0)
    return getattr(file, name)(number)


# -- with what reads files


def zipped(count: int, size: int) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for number in range(count):
            archive.writestr(f"{number}.txt", CONTENT[number * size : (number + 1) * size])
    return made.getvalue()


def test_one_member_of_a_zip_costs_the_end_of_the_file_and_the_member(
    server: FakeBuildkite, add: Callable[..., Artifact], costs: Costs
) -> None:
    artifact = add(zipped(200, 10_000), "all.zip")
    with costs(1, artifacts=2), artifact.open() as file, zipfile.ZipFile(file) as archive:
        assert len(archive.namelist()) == 200
        assert archive.read("20.txt") == CONTENT[200_000:210_000]
    assert len(ranges(server)) == 2


def test_all_members_of_a_zip_in_order_cost_no_more_ranges_than_buffers(
    server: FakeBuildkite, add: Callable[..., Artifact]
) -> None:
    content = zipped(200, 10_000)
    with add(content, "all.zip").open() as file, zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
    assert len(ranges(server)) <= len(content) / LEAST + 2


def test_json_csv_gzip_and_tar_are_read_from_it(add: Callable[..., Artifact]) -> None:
    with add(b'{"passed": 12}', "a.json").open() as file:
        assert json.load(file) == {"passed": 12}
    with add("name;größe\na;1\n".encode(), "a.csv").open() as file:
        rows = list(csv.DictReader(io.TextIOWrapper(file, encoding="utf-8"), delimiter=";"))
    assert rows == [{"name": "a", "größe": "1"}]
    with add(gzip.compress(CONTENT), "a.gz").open() as file, gzip.open(file) as unpacked:
        assert unpacked.read() == CONTENT
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        entry = tarfile.TarInfo("x")
        entry.size = MIB
        archive.addfile(entry, io.BytesIO(CONTENT[:MIB]))
    with add(packed.getvalue(), "a.tar.gz").open() as file, tarfile.open(fileobj=file) as archive:
        found = archive.extractfile("x")
        assert found is not None
        assert found.read() == CONTENT[:MIB]


def test_a_file_that_is_not_a_zip_is_reported_by_its_reader_and_not_as_a_network_failure(
    server: FakeBuildkite, add: Callable[..., Artifact]
) -> None:
    with add(CONTENT).open() as file, pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(file)
    server.faults.add("error", origin="artifacts", status=404, times=None)
    with add(CONTENT).open() as file, pytest.raises(DownloadError, match="status 404"):
        zipfile.ZipFile(file)


# -- what goes wrong on the way


@pytest.mark.parametrize("kind", ["reset_mid_body", "truncate", "reset_before", "html"])
@pytest.mark.parametrize("http", [False, True])
def test_a_download_that_breaks_continues_at_its_offset_without_another_link(
    server: FakeBuildkite, job: JobRecord, kind: Any, *, http: bool
) -> None:
    stored = server.add_artifact(job, "a.bin", CONTENT)
    options: dict[str, Any] = {"at": 300_000} if kind in {"reset_mid_body", "truncate"} else {}
    with server.client(http=http) as bk:
        artifact = ref_to(bk, stored).fetch()
        server.requests.clear()
        server.faults.add(kind, origin="artifacts", **options)
        with artifact.open() as file:
            assert file.read() == CONTENT
    assert [request.origin for request in server.requests] == ["api", "artifacts", "artifacts"]
    assert all(server.token not in str(each.headers) + each.line for each in server.requests if each.origin != "api")


def test_a_link_that_has_expired_is_requested_anew(
    server: FakeBuildkite, add: Callable[..., Artifact], costs: Costs
) -> None:
    artifact = add(CONTENT)
    with artifact.open() as file:
        file.read(1)
        file.seek(MIB)
        with costs(0, artifacts=1):
            file.read(1)
        server.clock.advance(3600)
        file.seek(2 * MIB)
        with costs(1, artifacts=2):
            assert file.read(5) == CONTENT[2 * MIB : 2 * MIB + 5]


def test_a_file_that_the_storage_refuses_with_a_new_link_too_is_a_retryable_error(
    server: FakeBuildkite, add: Callable[..., Artifact], costs: Costs
) -> None:
    server.faults.add("error", origin="artifacts", status=403, times=2)
    with add(CONTENT).open() as file:
        with costs(2, artifacts=2), pytest.raises(DownloadError, match="status 403") as caught:
            file.read(10)
        assert "Signature" not in str(caught.value)
        assert file.tell() == 0
        assert file.read(10) == CONTENT[:10]


def test_an_error_for_a_deleted_artifact_says_so(add: Callable[..., Artifact]) -> None:
    artifact = add(CONTENT)
    artifact.delete()
    with artifact.open() as file, pytest.raises(NotFoundError, match="its state was 'finished'"):
        file.read()


class Silent(HTTPAdapter):
    """Redirects to storages that send an empty body although they declare a length."""

    def send(self, request: PreparedRequest, *args: Any, **options: Any) -> Response:
        response = super().send(request, *args, **options)
        if response.status_code == 206:
            response.raw = HTTPResponse(io.BytesIO(b""), status=206, preload_content=False)
            response.headers.pop("Content-Length")
        return response


@pytest.mark.parametrize("start", [0, len(CONTENT) - 10])
def test_a_storage_that_returns_nothing_of_an_existing_file_is_an_error_and_not_the_end(
    server: FakeBuildkite, job: JobRecord, start: int
) -> None:
    stored = server.add_artifact(job, "a.bin", CONTENT)
    with server.client(http=True, transport=Silent()) as bk, ref_to(bk, stored).open() as file:
        file.seek(start)
        with pytest.raises(ConnectionFailedError, match="returns less than the whole file"):
            file.read(10)
    assert len(ranges(server)) == RetryPolicy().attempts


@pytest.mark.parametrize("content_range", ["bytes 5-14/{size}", "nonsense", ""])
def test_another_range_than_the_one_that_was_requested_is_not_believed(
    server: FakeBuildkite, add: Callable[..., Artifact], content_range: str
) -> None:
    headers = {"Content-Range": content_range.format(size=len(CONTENT))}
    server.faults.add("error", origin="artifacts", status=206, headers=headers, payload="0123456789")
    with add(CONTENT).open() as file, pytest.raises(DownloadError, match="another range"):
        file.read(10)


def test_a_storage_may_leave_out_the_size_that_the_api_states(
    server: FakeBuildkite, add: Callable[..., Artifact]
) -> None:
    headers = {"Content-Range": "bytes 0-9/*"}
    server.faults.add("error", origin="artifacts", status=206, headers=headers, payload="01234567")
    with add(CONTENT).open() as file:
        assert file.read(10) == b'"01234567"'


def test_a_size_that_nothing_states_is_an_error(
    server: FakeBuildkite, bk: Buildkite, add: Callable[..., Artifact]
) -> None:
    bare = Artifact.model_validate({**add(CONTENT).dump(), "file_size": None})
    headers = {"Content-Range": "bytes 0-9/*"}
    server.faults.add("error", origin="artifacts", status=206, headers=headers, payload="01234567")
    with bk.bind(bare).open() as file, pytest.raises(DownloadError, match="does not state the size of the file"):
        file.read(10)


def test_a_file_whose_length_differs_from_the_uploaded_one_is_an_error(
    server: FakeBuildkite, bk: Buildkite, job: JobRecord
) -> None:
    stored = server.add_artifact(job, "a.bin", CONTENT)
    stored.file_size = len(CONTENT) + 1
    message = f"{len(CONTENT)} bytes, not the {len(CONTENT) + 1} that were uploaded"
    with ref_to(bk, stored).open() as file, pytest.raises(ChecksumMismatchError, match=message):
        file.read(10)


@pytest.mark.parametrize("step", [-1, 1000])
def test_a_file_read_from_beginning_to_end_is_checked(
    server: FakeBuildkite, add: Callable[..., Artifact], step: int
) -> None:
    artifact = add(CONTENT)
    server.faults.add("corrupt_body", origin="artifacts")
    with artifact.open() as file, pytest.raises(ChecksumMismatchError, match="SHA1"):
        list(iter(lambda: file.read(step), b""))


class Rangeless(HTTPAdapter):
    """Leads to storages that know of no ranges."""

    def send(self, request: PreparedRequest, *args: Any, **options: Any) -> Response:
        request.headers.pop("Range", None)
        return super().send(request, *args, **options)


def test_a_storage_without_ranges_returns_the_whole_and_refuses_a_part(server: FakeBuildkite, job: JobRecord) -> None:
    stored = server.add_artifact(job, "a.bin", CONTENT)
    with server.client(http=True, transport=Rangeless()) as bk:
        artifact = ref_to(bk, stored).fetch()
        with artifact.open() as file:
            assert file.read() == CONTENT
        with artifact.open() as file:
            assert b"".join(iter(lambda: file.read(1000), b"")) == CONTENT
        with artifact.open() as file:
            file.seek(1000)
            with pytest.raises(DownloadError, match=r"does not return parts of files. Save it with save_to\(\)"):
                file.read(10)
