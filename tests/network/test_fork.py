"""After a fork, connections, locks and budgets are new, and what was loaded is still there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.network import payloads
from tests.network.forking import HANGS
from tests.network.servers import in_turn, json_response

if TYPE_CHECKING:
    from tests.network.certificates import Certificates
    from tests.network.conftest import Serve
    from tests.network.servers import Connection, RawRequest, RawServer

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")

ROOT: Final = Path(__file__).resolve().parents[2]
CREATED: Final = ("2026-08-01T12:00:09.000Z", "2026-08-01T12:00:08.000Z", "2026-08-01T12:00:07.000Z")
BUDGET: Final = {"RateLimit-Remaining": "1", "RateLimit-Limit": "200", "RateLimit-Reset": "60"}


@pytest.fixture(params=["http", "https"])
def server(request: pytest.FixtureRequest, serve: Serve, trusted: Certificates) -> RawServer:
    """A server with builds, over plain HTTP and over TLS."""
    tls = trusted.server_context() if request.param == "https" else None
    return serve(in_turn(_respond), tls=tls)


def _respond(connection: Connection, request: RawRequest) -> None:
    if request.method == "POST":
        connection.send(json_response(payloads.build(1, message=request.json()["message"]), 201))
    elif request.path.endswith("/builds"):
        listed = [payloads.build(9 - index, created_at=CREATED[index]) for index in range(2)]
        is_first = "created_to" not in request.query
        link = f'<http://127.0.0.1{request.path}?page=2>; rel="next"'
        later = [payloads.build(7, created_at=CREATED[2])]
        connection.send(json_response(listed if is_first else later, headers={"Link": link} if is_first else None))
    else:
        number = int(request.path.rpartition("/")[2])
        if number == 999:
            connection.stall()
        connection.send(json_response(payloads.build(number)))


def _run(scenario: str, server: RawServer) -> Any:
    command = [sys.executable, "-W", "ignore", "-m", "tests.network.forking", scenario, server.url]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _connections_by_hundred(server: RawServer) -> list[set[int]]:
    """Return the connections of the requests of each process, which request different build numbers."""
    found: dict[int, set[int]] = defaultdict(set)
    for request in server.requests:
        found[int(request.path.rpartition("/")[2]) // 100].add(request.connection)
    return list(found.values())


def _check_apart(connections: list[set[int]]) -> None:
    together = [each for some in connections for each in some]
    assert len(together) == len(set(together)), "two processes share a connection"


def test_parent_and_children_read_their_own_responses_after_a_fork(server: RawServer) -> None:
    own, first, second = _run("fetches", server)
    assert (own, first, second) == (list(range(300, 312)), list(range(100, 112)), list(range(200, 212)))
    by_process = _connections_by_hundred(server)
    before, rest = by_process[0], by_process[1:]
    _check_apart(rest)
    assert any(before <= each for each in rest), "the parent does not go on with its connection"


def test_a_create_in_a_child_is_returned_with_its_own_build(server: RawServer) -> None:
    own, child = _run("creates", server)
    assert own == [f"parent {index}" for index in range(6)]
    assert child == [f"child {index}" for index in range(6)]
    creates = [request for request in server.requests if request.method == "POST"]
    by_process: dict[str, set[int]] = {"parent": set(), "child": set()}
    for request in creates:
        by_process[request.json()["message"].partition(" ")[0]].add(request.connection)
    _check_apart(list(by_process.values()))


def test_a_request_under_way_at_the_moment_of_the_fork_does_not_hang_the_child(serve: Serve) -> None:
    def respond(connection: Connection, request: RawRequest) -> None:
        if request.path.endswith("/999"):
            connection.stall()
        number = int(request.path.rpartition("/")[2])
        connection.send(json_response(payloads.build(number), headers=BUDGET))

    assert _run("in_flight", serve(in_turn(respond))) == [100]


def test_a_lock_held_at_the_moment_of_the_fork_does_not_hang_the_child(server: RawServer) -> None:
    result = _run("locks", server)
    assert result != HANGS
    assert result == [[100], [9, 8, 7]]


def test_loaded_objects_and_querysets_keep_their_data_in_the_child(server: RawServer) -> None:
    assert _run("data", server) == [7, "passed", 9, [9, 8, 7], 7]
    listings = [request for request in server.requests if request.path.endswith("/builds")]
    assert len(listings) == 2, "the child requests the second page only"


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_the_child_closes_its_copies_and_does_not_end_the_parents_connection(server: RawServer) -> None:
    (count, shared), own = _run("descriptors", server)
    assert (count, shared) == (1, 0), "the child has its own socket, and none of the parent's"
    assert own == [2]
    connections = {request.path.rpartition("/")[2]: request.connection for request in server.requests}
    assert connections == {"1": 0, "100": 1, "2": 0}


def test_a_child_that_closes_the_client_does_not_end_the_parents_connection(server: RawServer) -> None:
    assert _run("unused", server) == ["closed", [2]]
    assert server.connections == 1


def test_a_child_that_forks_again_has_connections_of_its_own_too(server: RawServer) -> None:
    assert _run("grandchildren", server) == [[100], list(range(110, 116)), list(range(200, 206))]
    _check_apart(_connections_by_hundred(server)[1:])


def test_a_transport_that_holds_another_one_has_new_connections_in_the_child(serve: Serve) -> None:
    server = serve(in_turn(_respond))
    assert _run("wrapped", server) == [list(range(300, 312)), list(range(100, 112))]
    before, child, _ = _connections_by_hundred(server)
    _check_apart([before, child])
