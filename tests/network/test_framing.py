"""A response belongs to its request: interim and unfinished ones, and the connections that carry them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

import pytest

from buildkite_orm import BuildkiteError, PermissionDeniedError, ResponseError, TransportError
from tests.helpers import web_pipeline
from tests.network import payloads
from tests.network.calls import ARTIFACT, artifact, build, log
from tests.network.servers import always, head, in_turn, json_response, response

if TYPE_CHECKING:
    from pathlib import Path

    from tests.network.conftest import Connect, Serve
    from tests.network.servers import Connection, RawRequest

LATE: Final = 0.05
AGENT: Final = "0190abcd-0000-4000-8000-00000000000a"
EARLY_HINTS: Final = head(103, {"Link": "</style.css>; rel=preload"})
REFUSED: Final = json_response({"message": "Forbidden"}, 403)


def _number(request: RawRequest) -> int:
    return int(request.path.rpartition("/")[2])


# -- interim responses -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [100, 102, 103, 199])
def test_an_interim_response_before_a_403_to_a_delete_does_not_count_as_done(
    serve: Serve, connect: Connect, status: int
) -> None:
    server = serve(always(head(status, reason="Interim") + REFUSED))
    with pytest.raises(PermissionDeniedError):
        web_pipeline(connect(server)).delete()
    assert len(server.requests) == 1


def test_with_an_interim_response_before_each_response_every_fetch_gets_its_own(serve: Serve, connect: Connect) -> None:
    server = serve(always(lambda request: EARLY_HINTS + json_response(payloads.build(_number(request)))))
    bk = connect(server)
    assert [build(bk, number).fetch().number for number in (1, 2, 3)] == [1, 2, 3]
    assert len(server.requests) == 3


def test_an_interim_response_that_arrives_alone_is_waited_through(serve: Serve, connect: Connect) -> None:
    def hint_first(connection: Connection, _: RawRequest) -> None:
        connection.send(EARLY_HINTS)
        threading.Event().wait(LATE)
        connection.send(json_response(payloads.build(2)))

    bk = connect(serve(in_turn(hint_first)))
    assert build(bk, 2).fetch().number == 2


def test_twenty_interim_responses_are_skipped(serve: Serve, connect: Connect) -> None:
    server = serve(always(EARLY_HINTS * 20 + json_response(payloads.build(1))))
    assert build(connect(server)).fetch().number == 1
    assert len(server.requests) == 1


def test_more_than_twenty_interim_responses_are_an_error(serve: Serve, connect: Connect) -> None:
    server = serve(always(EARLY_HINTS * 21 + json_response(payloads.build(1))))
    with pytest.raises(TransportError):
        build(connect(server)).fetch()


def test_a_101_is_an_error(serve: Serve, connect: Connect) -> None:
    switching = head(101, {"Upgrade": "websocket", "Connection": "Upgrade"})
    bk = connect(serve(always(switching + json_response(payloads.build(1)))))
    with pytest.raises(BuildkiteError):
        build(bk).fetch()


def test_a_101_to_a_create_leaves_its_outcome_unknown(serve: Serve, connect: Connect) -> None:
    server = serve(always(head(101, {"Upgrade": "websocket", "Connection": "Upgrade"})))
    with pytest.raises(BuildkiteError) as caught:
        web_pipeline(connect(server)).builds().create(commit="HEAD", branch="main")
    assert caught.value.outcome_unknown
    assert len(server.requests) == 1


# -- connections that are not used again -------------------------------------------------------------------------------


def test_a_204_with_a_body_that_arrives_late_does_not_feed_the_next_get(serve: Serve, connect: Connect) -> None:
    received = threading.Event()

    def no_content(connection: Connection, _: RawRequest) -> None:
        connection.send(head(204))
        threading.Event().wait(LATE)
        try:
            connection.send(json_response(payloads.build(666)))
        finally:
            received.set()

    server = serve(in_turn(no_content, json_response(payloads.build(1))))
    bk = connect(server)
    web_pipeline(bk).delete()
    assert received.wait(2)
    assert build(bk).fetch().number == 1


@pytest.mark.parametrize("status", [204, 205, 304])
def test_a_connection_is_closed_after_a_status_that_has_no_body(serve: Serve, connect: Connect, status: int) -> None:
    def no_body(connection: Connection, _: RawRequest) -> None:
        connection.send(head(status, {"Content-Length": "0"} if status == 205 else None))
        connection.wait_until_closed()

    server = serve(in_turn(no_body, json_response(payloads.build(1))))
    bk = connect(server)
    try:
        web_pipeline(bk).delete()
    except BuildkiteError:
        assert status == 304
    assert build(bk).fetch().number == 1
    assert [request.connection for request in server.requests] == [0, 1]


def test_a_connection_whose_response_was_read_to_its_end_is_used_again(serve: Serve, connect: Connect) -> None:
    server = serve(always(json_response(payloads.build(1))))
    bk = connect(server)
    for _ in range(3):
        build(bk).fetch()
    assert server.connections == 1


def test_a_connection_whose_response_was_not_read_to_its_end_is_closed(serve: Serve, connect: Connect) -> None:
    closed = threading.Event()

    def respond(connection: Connection, request: RawRequest) -> None:
        if request.path.endswith("/download"):
            connection.send(response(302, {"Location": f"{server.url}/file"}))
        elif request.path == "/file":
            connection.send(head(200, {"Content-Length": "1000000"}) + b"x" * 400_000)
            connection.wait_until_closed()
            closed.set()
        else:
            connection.send(json_response(payloads.build(1)))

    server = serve(in_turn(respond))
    bk = connect(server)
    with artifact(bk).download(stream=True) as chunks:
        next(chunks)
    assert closed.wait(2)
    assert build(bk).fetch().number == 1


@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_bytes_after_a_response_are_not_taken_for_the_next_one(serve: Serve, connect: Connect, framing: str) -> None:
    """Bytes that the server sends before a request belong to no request."""
    body = json_response(payloads.build(1))
    if framing == "chunks":
        head_of_it, _, content = body.partition(b"\r\n\r\n")
        lines = [line for line in head_of_it.split(b"\r\n") if not line.startswith(b"Content-Length")]
        chunk = b"%x\r\n%s\r\n0\r\n\r\n" % (len(content), content)
        body = b"\r\n".join([*lines, b"Transfer-Encoding: chunked", b"", chunk])
    server = serve(in_turn(body + json_response(payloads.build(666)), json_response(payloads.build(2))))
    bk = connect(server)
    assert build(bk, 1).fetch().number == 1
    assert build(bk, 2).fetch().number == 2


# -- the number in the response ----------------------------------------------------------------------------------------


def test_a_fetch_by_number_raises_if_the_response_is_of_another_number(serve: Serve, connect: Connect) -> None:
    bk = connect(serve(always(json_response(payloads.build(1)))))
    with pytest.raises(ResponseError):
        build(bk, 2).fetch()


def test_a_fetch_by_uuid_raises_if_the_response_is_of_another_uuid(serve: Serve, connect: Connect) -> None:
    bk = connect(serve(always(json_response(payloads.agent(ARTIFACT)))))
    with pytest.raises(ResponseError):
        bk.organization().agent(AGENT).fetch()


def test_a_reload_raises_if_the_response_is_of_another_number(serve: Serve, connect: Connect) -> None:
    bk = connect(serve(in_turn(json_response(payloads.build(2)), json_response(payloads.build(1)))))
    loaded = build(bk, 2).fetch()
    with pytest.raises(ResponseError):
        loaded.reload()
    assert loaded.number == 2


def test_a_fetch_by_slug_accepts_a_pipeline_that_was_renamed(serve: Serve, connect: Connect) -> None:
    bk = connect(serve(always(json_response(payloads.pipeline("web-2")))))
    assert web_pipeline(bk).fetch().slug == "web-2"


def test_a_fetch_does_not_compare_host_and_prefix_of_the_response(serve: Serve, connect: Connect) -> None:
    url = "https://buildkite.internal/proxy/v2/organizations/other/pipelines/other/builds/2"
    bk = connect(serve(always(json_response(payloads.build(2, url=url)))))
    assert build(bk, 2).fetch().number == 2


def test_a_verb_does_not_compare_the_number_of_the_response(serve: Serve, connect: Connect) -> None:
    bk = connect(serve(always(json_response(payloads.build(3)))))
    assert build(bk, 2).rebuild().number == 3


def test_items_of_a_list_are_not_compared(serve: Serve, connect: Connect) -> None:
    bk = connect(serve(always(json_response([payloads.build(3), payloads.build(2)]))))
    assert [each.number for each in web_pipeline(bk).builds()] == [3, 2]


def test_a_log_that_is_saved_is_that_of_its_own_request(serve: Serve, connect: Connect, tmp_path: Path) -> None:
    server = serve(always(EARLY_HINTS + response(200, {"Content-Type": "text/plain"}, b"a log\n")))
    bk = connect(server)
    assert log(bk).save_to(tmp_path / "job.log").read_bytes() == b"a log\n"
