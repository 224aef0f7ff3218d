"""One deadline for each request of the API, from the lookup of the host to the last byte of the response."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any, Final

import freezegun
import pytest

from buildkite_orm import BuildkiteError, RequestTimeoutError, TransportError, WaitTimeoutError
from buildkite_orm.http.retry import Wait
from tests.helpers import web_pipeline
from tests.network import payloads
from tests.network.calls import artifact, build, log
from tests.network.conftest import WaitingClock, policy
from tests.network.names import closed_port
from tests.network.proxies import ConnectProxy
from tests.network.servers import FullBacklog, head, in_turn, json_response, response
from tests.network.timing import seconds, timed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.network.conftest import Connect, Serve
    from tests.network.names import Names
    from tests.network.servers import Connection, RawRequest

pytestmark = pytest.mark.measured

DEADLINE: Final = 0.5
EVERY: Final = 0.03  # seconds between two bytes: far below any timeout
LENGTH: Final = 60  # bytes, after which the connection ends, long after the deadline
PATIENT: Final = 3.0  # a timeout that plays no part

CHUNKED: Final = head(200, {"Content-Type": "application/json", "Transfer-Encoding": "chunked"})
CONTINUE: Final = head(100)

# The part sent at once, and the part then sent byte by byte.
TRICKLES: Final = {
    "status line": (b"", b"HTTP/1.1 200 " + b"O" * LENGTH),
    "name of a header": (b"HTTP/1.1 200 OK\r\n", b"X" * LENGTH),
    "value of a header": (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Request-Id: ", b"x" * LENGTH),
    "blank line": (head(200, {"Content-Length": "2"})[:-2], b"x-1: 2\r\n" * 100),
    "body": (head(200, {"Content-Length": "1000"}), b" " * LENGTH),
    "chunk size": (CHUNKED, b"0" * LENGTH),
    "chunk extension": (CHUNKED + b"1;", b"x" * LENGTH),
    "chunk": (CHUNKED + b"3E8\r\n", b" " * LENGTH),
    "chunks": (CHUNKED, b"1\r\n \r\n" * 200),
    "trailer": (CHUNKED + b"2\r\n{}\r\n0\r\n", b"X-Trailer: " + b"x" * LENGTH),
    "interim responses": (b"", CONTINUE * 20),
}


def _trickle(name: str) -> Any:
    at_once, slowly = TRICKLES[name]

    def send(connection: Connection, _: RawRequest) -> None:
        connection.send(at_once)
        connection.send_slowly(slowly[:LENGTH], EVERY)

    return in_turn(send)


# -- max_elapsed -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TRICKLES)
def test_a_response_that_arrives_byte_by_byte_ends_at_max_elapsed(serve: Serve, connect: Connect, name: str) -> None:
    bk = connect(serve(_trickle(name)), timeout=PATIENT, retry=policy(max_elapsed=DEADLINE))
    with timed(at_least=DEADLINE * 0.9, deadline=DEADLINE), pytest.raises(RequestTimeoutError):
        build(bk).fetch()


@pytest.mark.parametrize("name", ["status line", "chunk size"])
def test_a_create_whose_response_arrives_byte_by_byte_ends_at_max_elapsed(
    serve: Serve, connect: Connect, name: str
) -> None:
    server = serve(_trickle(name))
    bk = connect(server, timeout=PATIENT, retry=policy(max_elapsed=DEADLINE))
    with timed(deadline=DEADLINE), pytest.raises(RequestTimeoutError) as caught:
        web_pipeline(bk).builds().create(commit="HEAD", branch="main")
    assert caught.value.outcome_unknown
    assert len(server.requests) == 1


def test_a_flood_of_100_continue_ends_at_once(serve: Serve, connect: Connect) -> None:
    def flood(connection: Connection, _: RawRequest) -> None:
        for _repeat in range(10_000):
            connection.send(CONTINUE * 100)

    bk = connect(serve(in_turn(flood)), timeout=PATIENT, retry=policy(max_elapsed=DEADLINE))
    with timed(deadline=DEADLINE), pytest.raises(TransportError):
        build(bk).fetch()


def test_retries_and_their_responses_share_one_deadline(serve: Serve, connect: Connect) -> None:
    """Each attempt alone is in time."""

    def fail_late(connection: Connection, _: RawRequest) -> None:
        threading.Event().wait(0.2)
        connection.send(response(502))

    bk = connect(serve(in_turn(fail_late)), timeout=PATIENT, retry=policy(attempts=100, max_elapsed=DEADLINE))
    with timed(deadline=DEADLINE), pytest.raises(BuildkiteError):
        build(bk).fetch()


@pytest.mark.parametrize("place", ["status line", "headers"])
def test_the_response_of_a_proxy_to_connect_is_within_the_deadline(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    at_once = b"" if place == "status line" else b"HTTP/1.1 200 OK\r\n"

    def trickle(connection: Connection, _: int) -> None:
        connection.read_head()
        connection.send(at_once)
        connection.send_slowly(b"X" * LENGTH, EVERY)

    monkeypatch.setenv("HTTPS_PROXY", serve(trickle).url)
    bk = connect("https://api.buildkite.test", timeout=PATIENT, retry=policy(max_elapsed=DEADLINE))
    with timed(deadline=DEADLINE), pytest.raises(TransportError) as caught:
        build(bk).fetch()
    assert caught.value.never_sent


@pytest.mark.parametrize("route", ["direct", "proxy"])
def test_a_tls_handshake_that_arrives_byte_by_byte_is_within_the_deadline(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch, route: str
) -> None:
    def trickle(connection: Connection, _: int) -> None:
        connection.wait_for_request()
        connection.send(b"\x16\x03\x03\x3f\xf0\x02\x00\x3f\xec")
        connection.send_slowly(b"\x03" * LENGTH, EVERY)

    server = serve(trickle)
    with ConnectProxy({"api.buildkite.test": server.address}) as proxy:
        if route == "proxy":
            monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        host = "127.0.0.1" if route == "direct" else "api.buildkite.test"
        bk = connect(f"https://{host}:{server.port}", timeout=PATIENT, retry=policy(max_elapsed=DEADLINE))
        with timed(deadline=DEADLINE), pytest.raises(TransportError) as caught:
            build(bk).fetch()
    assert caught.value.never_sent


def test_six_addresses_of_a_host_share_one_deadline(connect: Connect, names: Names) -> None:
    with FullBacklog() as full:
        names.lead("localhost", [full.address] * 6)
        bk = connect("http://localhost:1", timeout=DEADLINE, retry=policy(max_elapsed=DEADLINE))
        with timed(deadline=DEADLINE), pytest.raises(TransportError) as caught:
            build(bk).fetch()
    assert caught.value.never_sent


def test_an_address_that_refuses_is_followed_by_the_next_one(serve: Serve, connect: Connect, names: Names) -> None:
    server = serve(in_turn(json_response(payloads.build(1))))
    names.lead("localhost", [closed_port(), closed_port(), server.address])
    assert build(connect(f"http://localhost:{server.port}")).fetch().number == 1
    assert names.count("localhost") == 1


def test_a_lookup_is_abandoned_at_the_deadline_and_does_not_keep_the_process_alive(
    connect: Connect, names: Names
) -> None:
    names.lead("localhost", "stall")
    before = set(threading.enumerate())
    bk = connect("http://localhost:1", timeout=PATIENT, retry=policy(max_elapsed=DEADLINE))
    with timed(deadline=DEADLINE), pytest.raises(TransportError) as caught:
        build(bk).fetch()
    assert caught.value.never_sent
    assert all(thread.daemon for thread in set(threading.enumerate()) - before)


def test_a_request_that_is_slow_and_in_time_is_returned(serve: Serve, connect: Connect) -> None:
    whole = json_response(payloads.build(1))

    def slowly(connection: Connection, _: RawRequest) -> None:
        connection.send_slowly(whole[:10], EVERY)
        connection.send(whole[10:-10])
        connection.send_slowly(whole[-10:], EVERY)

    bk = connect(serve(in_turn(slowly)), timeout=PATIENT, retry=policy(max_elapsed=PATIENT))
    assert build(bk).fetch().number == 1


# -- the caller's own timeout ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["status line", "value of a header", "body", "trailer"])
def test_a_wait_ends_at_its_own_timeout_though_a_response_arrives_byte_by_byte(
    serve: Serve, connect: Connect, name: str
) -> None:
    bk = connect(serve(_trickle(name)), timeout=PATIENT, retry=policy(max_elapsed=60.0))
    with timed(deadline=DEADLINE), pytest.raises(WaitTimeoutError):
        build(bk).wait(timeout=DEADLINE)


def test_a_wait_ends_at_its_own_timeout_although_no_response_arrives(serve: Serve, connect: Connect) -> None:
    bk = connect(serve(in_turn(lambda connection, _: connection.stall())), timeout=PATIENT)
    with timed(deadline=DEADLINE), pytest.raises(WaitTimeoutError):
        build(bk).wait(timeout=DEADLINE)


def test_a_thread_that_waits_for_a_response_of_another_thread_ends_at_its_deadline(
    serve: Serve, connect: Connect
) -> None:
    """It says that it waits, too."""
    budget = {"RateLimit-Remaining": "1", "RateLimit-Limit": "200", "RateLimit-Reset": "60"}
    arrived, waits = threading.Event(), list[Wait]()

    def respond(connection: Connection, request: RawRequest) -> None:
        if request.path.endswith("/999"):
            arrived.set()
            connection.stall()
        connection.send(json_response(payloads.build(1), headers=budget))

    server = serve(in_turn(respond))
    bk = connect(server, timeout=PATIENT, retry=policy(max_elapsed=60.0, on_wait=waits.append))
    build(bk).fetch()
    other = threading.Thread(target=_ignoring, args=(lambda: build(bk, 999).fetch(),), daemon=True)
    other.start()
    assert arrived.wait(2)
    with timed(deadline=DEADLINE), pytest.raises(BuildkiteError):
        build(bk).wait(timeout=DEADLINE)
    server.close()
    other.join(PATIENT)
    assert waits


def _ignoring(do: Any) -> None:
    with contextlib.suppress(BuildkiteError):
        do()


# -- file transfers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["status line", "value of a header"])
def test_the_headers_of_a_log_have_the_deadline(serve: Serve, connect: Connect, tmp_path: Path, name: str) -> None:
    bk = connect(serve(_trickle(name)), timeout=PATIENT, retry=policy(max_elapsed=DEADLINE))
    with timed(deadline=DEADLINE), pytest.raises(RequestTimeoutError):
        log(bk).save_to(tmp_path / "job.log")


@pytest.mark.parametrize("name", ["status line", "value of a header"])
def test_the_headers_of_an_artifact_in_its_storage_have_the_deadline(serve: Serve, connect: Connect, name: str) -> None:
    storage = serve(_trickle(name))
    server = serve(in_turn(response(302, {"Location": f"{storage.url}/file"})))
    bk = connect(server, timeout=PATIENT, retry=policy(max_elapsed=DEADLINE))
    with timed(deadline=DEADLINE), pytest.raises(RequestTimeoutError):
        artifact(bk).download()


def test_the_body_of_a_log_may_take_longer_than_max_elapsed_while_bytes_arrive(
    serve: Serve, connect: Connect, tmp_path: Path
) -> None:
    content = b"x" * 25

    def slowly(connection: Connection, _: RawRequest) -> None:
        connection.send(head(200, {"Content-Type": "text/plain", "Content-Length": str(len(content))}))
        connection.send_slowly(content, EVERY)

    bk = connect(serve(in_turn(slowly)), timeout=0.4, retry=policy(attempts=1, max_elapsed=0.3))
    assert log(bk).save_to(tmp_path / "job.log").read_bytes() == content


def test_the_body_of_a_log_ends_at_the_read_timeout_if_no_bytes_arrive(
    serve: Serve, connect: Connect, tmp_path: Path
) -> None:
    def stall(connection: Connection, _: RawRequest) -> None:
        connection.send(head(200, {"Content-Type": "text/plain", "Content-Length": "100"}) + b"x")
        connection.stall()

    bk = connect(serve(in_turn(stall)), timeout=0.4, retry=policy(attempts=1, max_elapsed=60.0))
    with timed(at_least=0.3, deadline=0.4), pytest.raises(TransportError):
        log(bk).save_to(tmp_path / "job.log")


# -- clocks that stand still, or jump ----------------------------------------------------------------------------------


class DisturbedClock(WaitingClock):
    """The clock of a machine whose wall time is set, or frozen, while the library is at work."""

    def __init__(self, disturb: Callable[[], object] | None = None) -> None:
        self._disturb = disturb
        self._jump = 0.0

    def now(self) -> float:
        return super().now() + self._jump

    def jump(self, seconds: float) -> None:
        self._jump = seconds

    def disturb(self) -> None:
        """Run the action at the first call only."""
        disturb, self._disturb = self._disturb, None
        if disturb is not None:
            disturb()


@pytest.fixture(params=["frozen", "an hour ahead", "an hour back"])
def clock(request: pytest.FixtureRequest) -> Iterator[DisturbedClock]:
    """A clock that is disturbed in one of these ways."""
    if request.param == "frozen":
        frozen = freezegun.freeze_time("2026-01-01")
        frozen.start()  # takes a second the first time, which is not measured
        frozen.stop()
        yield DisturbedClock(frozen.start)
        frozen.stop()
    else:
        hour = 3600.0 if request.param == "an hour ahead" else -3600.0
        jumping = DisturbedClock(lambda: jumping.jump(hour))
        yield jumping


def test_a_wall_clock_that_is_frozen_or_jumps_neither_hangs_a_wait_nor_shortens_it(
    serve: Serve, connect: Connect, clock: DisturbedClock
) -> None:
    began = seconds()

    def respond(connection: Connection, _: RawRequest) -> None:
        is_late = seconds() - began > 4 * DEADLINE
        state = {"state": "passed"} if is_late else {"state": "running", "finished_at": None}
        connection.send(json_response(payloads.build(1, **state)))

    bk = connect(serve(in_turn(respond)), clock=clock)
    with timed(at_least=DEADLINE * 0.9, deadline=DEADLINE), pytest.raises(WaitTimeoutError):
        build(bk).wait(timeout=DEADLINE, on_change=lambda _: clock.disturb())


def test_a_wall_clock_that_is_frozen_or_jumps_does_not_move_the_deadline_of_a_request(
    serve: Serve, connect: Connect, clock: DisturbedClock
) -> None:
    at_once, slowly = TRICKLES["value of a header"]

    def trickle(connection: Connection, _: RawRequest) -> None:
        clock.disturb()
        connection.send(at_once)
        connection.send_slowly(slowly[:LENGTH], EVERY)

    bk = connect(serve(in_turn(trickle)), clock=clock, timeout=PATIENT, retry=policy(max_elapsed=DEADLINE))
    with timed(at_least=DEADLINE * 0.9, deadline=DEADLINE), pytest.raises(RequestTimeoutError):
        build(bk).fetch()


def test_a_wall_clock_that_is_frozen_or_jumps_neither_hangs_nor_shortens_a_wait_for_budget(
    serve: Serve, connect: Connect, clock: DisturbedClock
) -> None:
    """The budget is back after the second that is left as a margin."""
    spent = {"RateLimit-Remaining": "0", "RateLimit-Limit": "200", "RateLimit-Reset": "0"}
    server = serve(in_turn(json_response(payloads.build(1), headers=spent), json_response(payloads.build(1))))
    bk = connect(server, clock=clock)
    build(bk).fetch()
    clock.disturb()
    with timed(at_least=0.8, deadline=1.0):
        build(bk).fetch()
