"""Slow responses end at a bound, and do not affect later requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from buildkite_orm import RequestTimeoutError, RetryPolicy
from buildkite_orm.http.messages import ApiRequest
from tests.reliability.network import wait_until

if TYPE_CHECKING:
    from buildkite_orm import Buildkite
    from buildkite_orm.fake import FakeBuildkite


@pytest.fixture(autouse=True)
def _web(server: FakeBuildkite) -> None:
    server.add_pipeline("web", description="d" * 2000)


def fetch(bk: Buildkite) -> str | None:
    return bk.organization("acme").pipeline("web").fetch().description


@pytest.mark.parametrize("bound", [300.0, 100.0, 10.0])
@pytest.mark.parametrize("coding", ["gzip", "identity"])
def test_an_endless_response_is_abandoned_at_max_elapsed(server: FakeBuildkite, coding: str, bound: float) -> None:
    """Compressed or not, byte by byte."""
    server.faults.add("trickle", pause=4.0, times=None)
    began = server.clock.now()
    call = ApiRequest("GET", "organizations/acme/pipelines/web", headers={"Accept-Encoding": coding})
    with (
        server.client(retry=RetryPolicy(max_elapsed=bound)) as bk,
        pytest.raises(RequestTimeoutError, match="not complete when the time for the request was over"),
    ):
        bk.session.send(call, lambda response: response)
    assert bound <= server.clock.now() - began <= bound + 4
    assert len(server.requests) == 1


def test_a_slow_response_that_is_complete_in_time_is_returned(server: FakeBuildkite, bk: Buildkite) -> None:
    server.faults.add("trickle", pause=0.1)
    assert fetch(bk) == "d" * 2000


def test_the_connection_of_a_read_response_is_reused(server: FakeBuildkite) -> None:
    with server.client(http=True) as bk:
        for _ in range(5):
            fetch(bk)
        sockets = server._servers["api"].open_sockets  # pyright: ignore[reportPrivateUsage]
        assert len(sockets) == 1


def test_the_connection_of_an_abandoned_response_is_closed(server: FakeBuildkite) -> None:
    server.faults.add("stall", times=None)
    with server.client(http=True, timeout=(5, 0.05), retry=RetryPolicy(attempts=2)) as bk:
        with pytest.raises(RequestTimeoutError):
            fetch(bk)
        sockets = server._servers["api"].open_sockets  # pyright: ignore[reportPrivateUsage]
        wait_until(lambda: not sockets)
