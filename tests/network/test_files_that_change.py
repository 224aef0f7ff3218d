"""Storages that have another file when a download continues, or that return less than was requested."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Protocol

import pytest

from buildkite_orm import Artifact, ChecksumMismatchError
from tests.network.calls import artifact
from tests.network.conftest import policy
from tests.network.servers import response

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.network.conftest import Connect, Serve
    from tests.network.servers import Connection, RawRequest

CONTENT = bytes(range(256)) * 40


def download(found: Artifact, _place: Path) -> object:
    return found.download()


def save(found: Artifact, place: Path) -> object:
    return found.save_to(place)


def read(found: Artifact, _place: Path) -> object:
    return found.open(buffer_size=1000).read()


class Stored(Protocol):
    """Makes an artifact whose storage sends what a function returns."""

    def __call__(self, send: Callable[[RawRequest], bytes], **fields: object) -> Artifact: ...


@pytest.fixture
def stored(serve: Serve, connect: Connect) -> Stored:
    def make(send: Callable[[RawRequest], bytes], **fields: object) -> Artifact:
        def respond(connection: Connection, _index: int) -> None:
            request = connection.read_request()
            if request is None:
                return
            if request.path.endswith("/download"):
                connection.send(response(302, {"Location": f"{server.url}/file"}))
            else:
                connection.send(send(request))

        server = serve(respond)
        bk = connect(server, retry=policy(attempts=8))  # each connection serves one request, and may end unseen
        url = f"{server.url}/v2/{artifact(bk).api_path}"
        return bk.bind(Artifact.model_construct(None, id="x", url=url, path="file", **fields))  # type: ignore[arg-type]

    return make


def begun_at(request: RawRequest) -> int:
    found = re.match(r"bytes=(\d+)-", request.header("Range"))
    return int(found[1]) if found else 0


def rest(content: bytes, start: int, most: int | None = None, **headers: str) -> bytes:
    """Return a response with a part of a file."""
    stop = len(content) if most is None else min(start + most, len(content))
    all_headers = {"Content-Range": f"bytes {start}-{stop - 1}/{len(content)}", **headers}
    return response(206, all_headers, content[start:stop])


def cut_off(**headers: str) -> bytes:
    return response(200, {"Content-Length": str(len(CONTENT)), **headers}, CONTENT[:5000])


def test_a_file_that_has_another_size_when_it_continues_is_not_mixed(stored: Stored, tmp_path: Path) -> None:
    def send(request: RawRequest) -> bytes:
        return rest(CONTENT + b"more", begun_at(request)) if begun_at(request) else cut_off()

    for get in (download, save):
        with pytest.raises(ChecksumMismatchError, match="has 10244 bytes now, and had 10240 when it was begun"):
            get(stored(send), tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_has_another_etag_when_it_continues_is_not_mixed(stored: Stored, tmp_path: Path) -> None:
    def send(request: RawRequest) -> bytes:
        start = begun_at(request)
        return rest(CONTENT[::-1], start, ETag='"two"') if start else cut_off(ETag='"one"')

    for get in (download, save, read):
        with pytest.raises(ChecksumMismatchError, match="another file now than when it was begun"):
            get(stored(send, file_size=len(CONTENT)), tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


def test_if_a_checksum_states_servers_may_differ_in_their_etags(stored: Stored) -> None:
    etags = iter(["one", "two", "three"])

    def send(request: RawRequest) -> bytes:
        start = begun_at(request)
        return rest(CONTENT, start, ETag=next(etags)) if start else cut_off(ETag=next(etags))

    sums = {"sha1sum": hashlib.sha1(CONTENT).hexdigest()}  # noqa: S324 - Buildkite's
    assert stored(send, **sums).download() == CONTENT


def test_a_file_whose_end_arrives_in_parts_is_read_from_its_end(stored: Stored) -> None:
    def send(request: RawRequest) -> bytes:
        return rest(CONTENT, begun_at(request), 300)

    with stored(send, file_size=len(CONTENT)).open(buffer_size=1000) as file:
        file.seek(-900, 2)
        assert file.read() == CONTENT[-900:]


def test_an_empty_file_that_was_not_empty_when_it_was_uploaded_is_not_read_as_one(stored: Stored) -> None:
    def send(_request: RawRequest) -> bytes:
        return response(416, {"Content-Range": "bytes */0"})

    found = stored(send, sha1sum="0" * 40)
    with pytest.raises(ChecksumMismatchError), found.open() as file:
        file.read()
