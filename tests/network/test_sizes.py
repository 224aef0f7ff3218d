"""The number of bytes read from a response, counted after decompression."""

from __future__ import annotations

import gzip
import json
import tracemalloc
import zlib
from typing import TYPE_CHECKING, Any, Final

import pytest

from buildkite_orm import BuildkiteError, PermissionDeniedError, ServerError, SizeLimits
from tests.network import payloads
from tests.network.calls import artifact, build, log
from tests.network.conftest import policy
from tests.network.servers import always, chunked, head, in_turn, json_response, response

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from buildkite_orm import Buildkite
    from tests.network.conftest import Connect, Serve
    from tests.network.servers import Connection, RawRequest

MEGABYTE: Final = 1_000_000
SMALL: Final = SizeLimits(response=100_000, error_body=10_000, file=100_000)
ADVICE: Final = "SizeLimits|limits="


def _large_build(size: int) -> bytes:
    return json.dumps(payloads.build(1, message="x" * size)).encode()


def _packed(body: bytes, coding: str) -> tuple[bytes, dict[str, str]]:
    if coding == "identity":
        return body, {}
    packed = {
        "gzip": lambda: gzip.compress(body),
        "gzip of several members": lambda: gzip.compress(body[:1000]) + gzip.compress(body[1000:]),
        "deflate": lambda: zlib.compress(body),
    }[coding]()
    return packed, {"Content-Encoding": coding.partition(" ")[0]}


CODINGS: Final = ["identity", "gzip", "gzip of several members", "deflate"]


class Endless:
    """Sends a body until the client closes the connection, and counts."""

    def __init__(self, before: bytes, piece: bytes, limit: int = 24 * MEGABYTE) -> None:
        self.sent = 0
        self._before = before
        self._piece = piece
        self._limit = limit

    def __call__(self, connection: Connection, _: RawRequest) -> None:
        connection.send(self._before)
        while self.sent < self._limit:
            connection.send(self._piece)
            self.sent += len(self._piece)


def test_the_limits_are_128_mb_for_a_response_64_kb_for_an_error_and_10_gb_for_a_file() -> None:
    assert SizeLimits() == SizeLimits(response=128_000_000, error_body=64_000, file=10_000_000_000)


# -- responses of the API ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("framing", ["length", "chunks"])
@pytest.mark.parametrize("coding", CODINGS)
def test_a_response_above_the_limit_is_an_error_that_states_how_to_raise_it(
    serve: Serve, connect: Connect, coding: str, framing: str
) -> None:
    body, headers = _packed(_large_build(200_000), coding)
    headers["Content-Type"] = "application/json"
    if framing == "length":
        whole = response(200, headers, body)
    else:
        whole = head(200, headers | {"Transfer-Encoding": "chunked"}) + chunked(body)
    bk = connect(serve(always(whole)), limits=SMALL)
    with pytest.raises(BuildkiteError, match=ADVICE):
        build(bk).fetch()


@pytest.mark.parametrize("coding", CODINGS)
def test_a_limit_that_a_caller_raises_lets_the_response_through(serve: Serve, connect: Connect, coding: str) -> None:
    body, headers = _packed(_large_build(200_000), coding)
    bk = connect(serve(always(response(200, headers, body))), limits=SizeLimits(response=300_000))
    assert build(bk).fetch().message == "x" * 200_000


def test_a_response_of_exactly_the_limit_is_whole(serve: Serve, connect: Connect) -> None:
    body = _large_build(1000)
    server = serve(always(response(200, {"Content-Encoding": "gzip"}, gzip.compress(body))))
    assert build(connect(server, limits=SizeLimits(response=len(body)))).fetch().message == "x" * 1000
    with pytest.raises(BuildkiteError, match=ADVICE):
        build(connect(server, limits=SizeLimits(response=len(body) - 1))).fetch()


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_kilobytes_that_unpack_to_many_megabytes_take_little_memory(
    serve: Serve, connect: Connect, coding: str
) -> None:
    body, headers = _packed(b" " * (32 * MEGABYTE), coding)
    bk = connect(serve(always(response(200, headers, body))), limits=SizeLimits(response=MEGABYTE))
    build_ref = build(bk)
    tracemalloc.start()
    try:
        with pytest.raises(BuildkiteError, match=ADVICE):
            build_ref.fetch()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 12 * MEGABYTE


def test_a_response_without_an_end_is_read_up_to_the_limit_only(serve: Serve, connect: Connect) -> None:
    before = head(200, {"Content-Type": "application/json", "Transfer-Encoding": "chunked"})
    endless = Endless(before, b"%x\r\n%s\r\n" % (50_000, b" " * 50_000))
    server = serve(in_turn(endless))
    with pytest.raises(BuildkiteError, match=ADVICE):
        build(connect(server, limits=SMALL, retry=policy(attempts=1))).fetch()
    server.close()
    assert endless.sent < 16 * MEGABYTE  # what the buffers on the way take


# -- error bodies ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("coding", CODINGS)
def test_a_large_error_body_does_not_hide_the_status(serve: Serve, connect: Connect, coding: str) -> None:
    body, headers = _packed(json.dumps({"message": "x" * 500_000}).encode(), coding)
    bk = connect(serve(always(response(403, headers, body))))
    with pytest.raises(PermissionDeniedError) as caught:
        build(bk).fetch()
    assert caught.value.status == 403
    assert len(str(caught.value)) < 5000


def test_an_error_body_below_the_limit_is_read_whole(serve: Serve, connect: Connect) -> None:
    padding = {"message": "no", "errors": [{"field": "branch", "code": "y" * 50_000}]}
    bk = connect(serve(always(json_response(padding, 403))))
    with pytest.raises(PermissionDeniedError) as caught:
        build(bk).fetch()
    assert caught.value.server_message == "no"
    assert caught.value.errors == padding["errors"]


def _endless_error(status: int, coding: str) -> Endless:
    headers = {"Content-Type": "text/plain", "Transfer-Encoding": "chunked"}
    piece = b"x" * 50_000
    if coding == "gzip":
        headers["Content-Encoding"] = "gzip"
        piece = gzip.compress(piece * 20)
    return Endless(head(status, headers), b"%x\r\n%s\r\n" % (len(piece), piece), limit=24 * MEGABYTE)


@pytest.mark.parametrize("coding", ["identity", "gzip"])
@pytest.mark.parametrize(("status", "error"), [(403, PermissionDeniedError), (500, ServerError)])
def test_an_error_body_without_an_end_is_read_up_to_the_limit_only(
    serve: Serve, connect: Connect, status: int, error: type[BuildkiteError], coding: str
) -> None:
    endless = _endless_error(status, coding)
    server = serve(in_turn(endless))
    with pytest.raises(error) as caught:
        build(connect(server, limits=SMALL, retry=policy(attempts=1))).fetch()
    server.close()
    assert caught.value.status == status
    assert endless.sent < 16 * MEGABYTE


def test_a_connection_whose_error_body_was_not_read_to_its_end_is_not_used_again(
    serve: Serve, connect: Connect
) -> None:
    refused = response(403, {"Content-Type": "text/plain"}, b"x" * 500_000)
    server = serve(in_turn(refused, json_response(payloads.build(1))))
    bk = connect(server)
    with pytest.raises(PermissionDeniedError):
        build(bk).fetch()
    assert build(bk).fetch().number == 1
    assert [request.connection for request in server.requests] == [0, 1]


@pytest.mark.parametrize("status", [404, 500])
def test_an_error_body_of_a_storage_is_read_up_to_the_limit_only(serve: Serve, connect: Connect, status: int) -> None:
    endless = _endless_error(status, "identity")
    storage = serve(in_turn(endless))
    bk = connect(
        serve(always(response(302, {"Location": f"{storage.url}/file"}))),
        retry=policy(attempts=1),
    )
    with pytest.raises(BuildkiteError) as caught:
        artifact(bk).download()
    storage.close()
    assert caught.value.status == status
    assert endless.sent < 16 * MEGABYTE


# -- files that declare no size ----------------------------------------------------------------------------------------


def _save_log(bk: Buildkite, folder: Path) -> object:
    return log(bk).save_to(folder / "file")


def _download(bk: Buildkite, _: Path) -> object:
    return artifact(bk).download()


FILES: Final[dict[str, Callable[[Any, Any], object]]] = {"log": _save_log, "artifact": _download}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_declares_no_size_ends_at_the_limit(
    serve: Serve, connect: Connect, tmp_path: Path, name: str
) -> None:
    before = head(200, {"Content-Type": "text/plain", "Transfer-Encoding": "chunked"})
    endless = Endless(before, b"%x\r\n%s\r\n" % (50_000, b"x" * 50_000), limit=24 * MEGABYTE)

    def respond(connection: Connection, request: RawRequest) -> None:
        if request.path.endswith("/download"):
            connection.send(response(302, {"Location": f"{server.url}/file"}))
        else:
            endless(connection, request)

    server = serve(in_turn(respond))
    with pytest.raises(BuildkiteError, match=ADVICE):
        FILES[name](connect(server, limits=SMALL, retry=policy(attempts=1)), tmp_path)
    server.close()
    assert endless.sent < 16 * MEGABYTE
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_declares_its_size_may_be_larger_than_the_limit(
    serve: Serve, connect: Connect, tmp_path: Path, name: str
) -> None:
    def respond(connection: Connection, request: RawRequest) -> None:
        if request.path.endswith("/download"):
            connection.send(response(302, {"Location": f"{server.url}/file"}))
        else:
            connection.send(response(200, {"Content-Type": "text/plain"}, b"x" * 300_000))

    server = serve(in_turn(respond))
    FILES[name](connect(server, limits=SMALL), tmp_path)
