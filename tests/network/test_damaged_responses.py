"""Damaged headers are damage: the response is not used, and the request is repeated by the rules."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Final

import pytest

from buildkite_orm import BuildkiteError, TransportError
from tests.helpers import web_pipeline
from tests.network import payloads
from tests.network.calls import artifact, build, log
from tests.network.conftest import policy
from tests.network.servers import chunked, head, in_turn, json_response, response

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from buildkite_orm import Buildkite
    from tests.network.conftest import Connect, Serve
    from tests.network.servers import Connection, RawRequest

MALFORMED: Final = {
    "no colon": b"a line without a colon",
    "a blank in the name": b"X Request: 1",
    "a blank before the colon": b"X-Request : 1",
    "NUL in the name": b"X-Re\0quest: 1",
    "no name": b": 1",
}
OLD: Final = b"3,000 bytes of a good log\n" * 120
NEW: Final = b"the same log, and more\n" * 9000


def _spoiled(response: bytes, line: bytes, *below: bytes) -> bytes:
    """Append a line, and others below it, to the headers of a response."""
    headers, blank, body = response.partition(b"\r\n\r\n")
    return b"\r\n".join([headers, line, *below]) + blank + body


def _cut(response: bytes) -> Callable[[Connection, RawRequest], None]:
    """Send the status line and the whole lines of the headers, without the blank line, and close the connection."""

    def send(connection: Connection, _: RawRequest) -> None:
        connection.send(response.partition(b"\r\n\r\n")[0] + b"\r\n")
        connection.close()

    return send


def _closing(response: bytes) -> Callable[[Connection, RawRequest], None]:
    def send(connection: Connection, _: RawRequest) -> None:
        connection.send(response)
        connection.close()

    return send


# -- malformed lines ---------------------------------------------------------------------------------------------------


def _page(server_url: str, number: int, *malformed: bytes) -> bytes:
    link = f'Link: <{server_url}/v2/organizations/acme/agents?page={number + 1}>; rel="next"'.encode()
    agents = [payloads.agent(f"0190abcd-0000-4000-8000-{number:06}{index:06}") for index in range(2)]
    return _spoiled(json_response(agents), *malformed, *([link] if number < 4 else [b"X-Last: 1"]))


@pytest.mark.parametrize("line", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_line_before_link_does_not_end_a_list_of_four_pages(
    serve: Serve, connect: Connect, line: bytes
) -> None:
    damaged: set[str] = set()

    def respond(connection: Connection, request: RawRequest) -> None:
        page = request.query.get("page", "1")
        malformed = [] if page in damaged else [line]
        damaged.add(page)
        connection.send(_page(server.url, int(page), *malformed))

    server = serve(in_turn(respond))
    agents = list(connect(server).organization().agents().per_page(2))
    assert len({agent.id for agent in agents}) == 8
    assert len(server.requests) == 8


@pytest.mark.parametrize("line", MALFORMED.values(), ids=MALFORMED)
def test_a_header_block_with_a_malformed_line_is_an_error_after_the_retries(
    serve: Serve, connect: Connect, line: bytes
) -> None:
    server = serve(in_turn(_spoiled(json_response(payloads.build(1)), line)))
    with pytest.raises(TransportError):
        build(connect(server, retry=policy(attempts=3))).fetch()
    assert len(server.requests) == 3


@pytest.mark.parametrize("line", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_line_leaves_the_outcome_of_a_create_unknown(serve: Serve, connect: Connect, line: bytes) -> None:
    server = serve(in_turn(_spoiled(json_response(payloads.build(1), 201), line)))
    with pytest.raises(TransportError) as caught:
        web_pipeline(connect(server)).builds().create(commit="HEAD", branch="main")
    assert caught.value.outcome_unknown
    assert len(server.requests) == 1


def test_a_malformed_line_before_content_length_does_not_join_two_responses(serve: Serve, connect: Connect) -> None:
    status, _, rest = json_response(payloads.build(1)).partition(b"\r\n")
    spoiled = b"\r\n".join([status, MALFORMED["no colon"], rest])
    server = serve(in_turn(spoiled, json_response(payloads.build(1))))
    assert build(connect(server, timeout=0.5)).fetch().number == 1
    assert [request.connection for request in server.requests] == [0, 1]


def test_a_malformed_line_before_the_budget_does_not_hide_it(serve: Serve, connect: Connect) -> None:
    budget = (b"RateLimit-Remaining: 7", b"RateLimit-Limit: 200", b"RateLimit-Reset: 60")
    whole = json_response(payloads.build(1))
    server = serve(in_turn(_spoiled(whole, MALFORMED["no colon"], *budget), _spoiled(whole, *budget)))
    bk = connect(server)
    build(bk).fetch()
    assert [known.remaining for known in bk.session.budgets("acme")][-1] == 7


# -- header blocks without an end --------------------------------------------------------------------------------------


def _redirect(_: str = "") -> bytes:
    return head(302, {"Location": "https://storage.invalid/file?signature=1"})


WITHOUT_AN_END: Final[dict[str, tuple[bytes, Callable[[Buildkite], object]]]] = {
    "200": (json_response(payloads.build(1)), lambda bk: build(bk).fetch()),
    "HEAD": (head(200, {"Content-Length": "7"}), lambda bk: log(bk).fetch_size()),
    "204": (head(204, {"X-Request-Id": "1"}), lambda bk: web_pipeline(bk).delete()),
    "302": (_redirect(), lambda bk: artifact(bk).download()),
}


@pytest.mark.parametrize("name", WITHOUT_AN_END)
def test_a_connection_that_ends_within_the_headers_is_not_a_response(serve: Serve, connect: Connect, name: str) -> None:
    response, do = WITHOUT_AN_END[name]
    server = serve(in_turn(_cut(response)))
    with pytest.raises(TransportError):
        do(connect(server, retry=policy(attempts=2)))
    assert len(server.requests) == 2


@pytest.mark.parametrize("name", ["200", "HEAD", "204"])
def test_a_response_that_ends_within_the_headers_is_requested_again(serve: Serve, connect: Connect, name: str) -> None:
    response, do = WITHOUT_AN_END[name]
    server = serve(in_turn(_cut(response), response))
    do(connect(server))
    assert len(server.requests) == 2


def test_a_connection_that_ends_within_the_headers_replaces_no_file(
    serve: Serve, connect: Connect, tmp_path: Path
) -> None:
    path = tmp_path / "job.log"
    path.write_bytes(OLD)
    server = serve(in_turn(_cut(response(200, {"Content-Type": "text/plain"}, NEW))))
    with pytest.raises(TransportError):
        log(connect(server)).save_to(path)
    assert path.read_bytes() == OLD
    assert list(tmp_path.iterdir()) == [path]


# -- bodies without an end ---------------------------------------------------------------------------------------------

BODY: Final = json.dumps(payloads.build(1)).encode()


def test_an_http_1_1_body_with_neither_length_nor_chunks_nor_connection_close_is_damaged(
    serve: Serve, connect: Connect
) -> None:
    unframed = _closing(head(200, {"Content-Type": "application/json"}) + BODY)
    server = serve(in_turn(unframed))
    with pytest.raises(TransportError):
        build(connect(server, retry=policy(attempts=2))).fetch()
    assert len(server.requests) == 2


def test_a_log_with_neither_length_nor_chunks_nor_connection_close_replaces_no_file(
    serve: Serve, connect: Connect, tmp_path: Path
) -> None:
    path = tmp_path / "job.log"
    path.write_bytes(OLD)
    unframed = _closing(head(200, {"Content-Type": "text/plain"}) + NEW[: len(NEW) // 2])
    with pytest.raises(TransportError):
        log(connect(serve(in_turn(unframed)))).save_to(path)
    assert path.read_bytes() == OLD


@pytest.mark.parametrize("value", ["close", "Close", "keep-alive, close"])
def test_a_body_that_ends_with_its_connection_is_whole_if_its_headers_say_so(
    serve: Serve, connect: Connect, value: str
) -> None:
    server = serve(in_turn(_closing(head(200, {"Content-Type": "application/json", "Connection": value}) + BODY)))
    assert build(connect(server)).fetch().number == 1
    assert len(server.requests) == 1


def test_a_body_of_http_1_0_may_end_with_its_connection(serve: Serve, connect: Connect) -> None:
    old = head(200, {"Content-Type": "application/json"}, version="HTTP/1.0")
    server = serve(in_turn(_closing(old + BODY)))
    assert build(connect(server)).fetch().number == 1
    assert len(server.requests) == 1


@pytest.mark.parametrize("ends_after", [b"", b"5\r\n", b"5\r\nab", b"2\r\nab\r\n", b"2\r\nab\r\n0\r\n"])
def test_a_chunked_body_without_its_end_is_damaged(serve: Serve, connect: Connect, ends_after: bytes) -> None:
    first = b"%x\r\n%s\r\n" % (len(BODY), BODY)
    headers = {"Content-Type": "application/json", "Transfer-Encoding": "chunked"}
    broken = _closing(head(200, headers) + first + ends_after)
    server = serve(in_turn(broken, json_response(payloads.build(1))))
    assert build(connect(server)).fetch().number == 1
    assert len(server.requests) == 2


# -- compression -------------------------------------------------------------------------------------------------------


def _framed(body: bytes, kind: str, framing: str) -> bytes:
    headers = {"Content-Type": kind, "Content-Encoding": "gzip"}
    if framing == "length":
        return response(200, headers, body)
    half = len(body) // 2
    return head(200, headers | {"Transfer-Encoding": "chunked"}) + chunked(body[:half], body[half:])


@pytest.mark.parametrize("left", [0.5, 0.99, -8, -1, 10])
@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_a_truncated_gzip_stream_with_correct_framing_is_damaged(
    serve: Serve, connect: Connect, tmp_path: Path, framing: str, left: float
) -> None:
    """It ends within the data, before or within the checksum behind them, or within its header."""
    path = tmp_path / "job.log"
    path.write_bytes(OLD)
    packed = gzip.compress(NEW)
    size = int(left if left >= 1 else len(packed) + left if left < 0 else len(packed) * left)
    server = serve(in_turn(_framed(packed[:size], "text/plain", framing)))
    with pytest.raises(BuildkiteError):
        log(connect(server, retry=policy(attempts=2))).save_to(path)
    assert len(server.requests) == 2
    assert path.read_bytes() == OLD


@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_a_log_is_saved_whole_if_its_gzip_stream_was_truncated_once(
    serve: Serve, connect: Connect, tmp_path: Path, framing: str
) -> None:
    packed = gzip.compress(NEW)
    truncated, whole = (_framed(packed[:size], "text/plain", framing) for size in (len(packed) // 2, len(packed)))
    server = serve(in_turn(truncated, whole))
    assert log(connect(server)).save_to(tmp_path / "job.log").read_bytes() == NEW


def test_a_truncated_gzip_stream_of_json_that_would_parse_is_damaged(serve: Serve, connect: Connect) -> None:
    """The text is complete, but the checksum that confirms this is missing."""
    packed = gzip.compress(json.dumps(payloads.build(1)).encode())[:-4]
    responses = [_framed(packed, "application/json", "length"), json_response(payloads.build(1))]
    server = serve(in_turn(*responses))
    assert build(connect(server)).fetch().number == 1
    assert len(server.requests) == 2


def test_a_gzip_stream_of_several_members_is_whole(serve: Serve, connect: Connect, tmp_path: Path) -> None:
    packed = gzip.compress(NEW[:1000]) + gzip.compress(NEW[1000:])
    bk = connect(serve(in_turn(_framed(packed, "text/plain", "length"))))
    assert log(bk).save_to(tmp_path / "job.log").read_bytes() == NEW


def test_a_response_without_a_body_that_claims_to_be_packed_is_whole(serve: Serve, connect: Connect) -> None:
    server = serve(in_turn(head(204, {"Content-Encoding": "gzip"})))
    web_pipeline(connect(server)).delete()
    assert len(server.requests) == 1
