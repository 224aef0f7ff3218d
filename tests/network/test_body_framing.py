"""Where a body ends: the ways to say it in headers, and bodies that end elsewhere."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import pytest

from buildkite_orm import BuildkiteError, TransportError
from tests.helpers import web_pipeline
from tests.network import payloads
from tests.network.calls import artifact, build, log
from tests.network.conftest import policy
from tests.network.servers import chunked, head, in_turn, json_response, response
from tests.network.timing import timed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.network.conftest import Connect, Serve
    from tests.network.servers import Connection, Headers, RawRequest, Step

OLD: Final = b"old\n"
NEW: Final = b"a line of the log\n" * 5_000
BUILD: Final = json.dumps(payloads.build(1)).encode()
ONCE: Final = policy(attempts=1)


def _then_close(headers: Headers, body: bytes) -> Step:
    def send(connection: Connection, _: RawRequest) -> None:
        connection.send(head(200, headers) + body)
        connection.close()

    return send


@pytest.mark.parametrize("value", ["Chunked", "chunked ", "\tchunked\t", "\r\n chunked"])
def test_chunks_are_read_however_their_header_is_written(serve: Serve, connect: Connect, value: str) -> None:
    server = serve(in_turn(head(200, {"Transfer-Encoding": value}) + chunked(BUILD)))
    assert build(connect(server, retry=ONCE)).fetch().number == 1


@pytest.mark.parametrize("value", ["gzip, chunked", "chunked, chunked", "chunked; q=1", "br"])
def test_a_transfer_encoding_that_cannot_be_read_is_damaged_and_replaces_no_file(
    serve: Serve, connect: Connect, tmp_path: Path, value: str
) -> None:
    """Read to the end of the connection, the sizes of the chunks would be lines of the log."""
    path = tmp_path / "job.log"
    path.write_bytes(OLD)
    headers = {"Content-Type": "text/plain", "Transfer-Encoding": value, "Connection": "close"}
    server = serve(in_turn(_then_close(headers, chunked(NEW))))
    with pytest.raises(TransportError, match="Transfer-Encoding"):
        log(connect(server, retry=ONCE)).save_to(path)
    assert path.read_bytes() == OLD


@pytest.mark.parametrize("value", ["{0}, {0}", " {0}\t", "\r\n {0}"])
def test_a_file_ends_at_its_length_however_that_is_written(serve: Serve, connect: Connect, value: str) -> None:
    storage = serve(in_turn(head(200, {"Content-Length": value.format(len(NEW))}) + NEW))
    bk = connect(serve(in_turn(response(302, {"Location": f"{storage.url}/file"}))), retry=ONCE)
    with timed(deadline=0.5):
        assert b"".join(artifact(bk).download(stream=True)) == NEW


@pytest.mark.parametrize("name", ["Transfer-Encoding: chunked", "Content-Length: 9"])
@pytest.mark.parametrize("status", [204, 205])
def test_a_status_without_a_body_has_none_although_its_headers_declare_one(
    serve: Serve, connect: Connect, status: int, name: str
) -> None:
    server = serve(in_turn(head(status, [tuple(name.split(": "))]), json_response(payloads.build(7))))  # type: ignore[list-item]
    bk = connect(server, retry=ONCE)
    with timed(deadline=0.5):
        web_pipeline(bk).delete()
        assert build(bk, 7).fetch().number == 7


@pytest.mark.parametrize("body", [b"5\r\nhelloXX3\r\nabc\r\n0\r\n\r\n", b"5\r\nhello w\r\n0\r\n\r\n", b"5\r\nhello\r"])
def test_a_chunk_that_does_not_end_at_its_stated_size_is_damaged(
    serve: Serve, connect: Connect, tmp_path: Path, body: bytes
) -> None:
    headers = {"Content-Type": "text/plain", "Transfer-Encoding": "chunked"}
    bk = connect(serve(in_turn(_then_close(headers, body))), retry=ONCE)
    with pytest.raises(BuildkiteError):
        log(bk).save_to(tmp_path / "job.log")
    assert not (tmp_path / "job.log").exists()


@pytest.mark.parametrize("end", [b"0\r\n", b"0\r\nX-Checksum: 12", b"0\r\nX-Checksum: 12\r\n"])
def test_a_connection_that_ends_within_the_trailers_has_not_sent_a_whole_response(
    serve: Serve, connect: Connect, tmp_path: Path, end: bytes
) -> None:
    headers = {"Content-Type": "text/plain", "Transfer-Encoding": "chunked"}
    bk = connect(serve(in_turn(_then_close(headers, b"5\r\nhello\r\n" + end))), retry=ONCE)
    with pytest.raises(TransportError, match="trailers"):
        log(bk).save_to(tmp_path / "job.log")


def test_connection_close_counts_in_whichever_header_of_that_name_it_is(
    serve: Serve, connect: Connect, tmp_path: Path
) -> None:
    headers = [("Content-Type", "text/plain"), ("Connection", "keep-alive"), ("Connection", "close")]
    bk = connect(serve(in_turn(_then_close(headers, NEW))), retry=ONCE)
    assert log(bk).save_to(tmp_path / "job.log").read_bytes() == NEW


def test_an_option_of_a_connection_that_has_close_in_its_name_is_not_close(
    serve: Serve, connect: Connect, tmp_path: Path
) -> None:
    headers = {"Content-Type": "text/plain", "Connection": "x-closed"}
    bk = connect(serve(in_turn(_then_close(headers, NEW))), retry=ONCE)
    with pytest.raises(TransportError, match="damaged"):
        log(bk).save_to(tmp_path / "job.log")


@pytest.mark.parametrize(
    "line", [b"HTTP/1.1 2_00 OK", b"HTTP/1.1 +200 OK", b"HTTP/1.1 0200 OK", b"HTTP/1.1 two OK", b"HTTP/2 200", b"OK"]
)
def test_a_malformed_status_line_is_damaged(serve: Serve, connect: Connect, line: bytes) -> None:
    response = line + b"\r\nContent-Length: %d\r\n\r\n" % len(BUILD) + BUILD
    with pytest.raises(TransportError, match="damaged"):
        build(connect(serve(in_turn(response)), retry=ONCE)).fetch()
