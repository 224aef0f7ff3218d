"""Hooks that use the client that calls them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.network import payloads
from tests.network.calls import build
from tests.network.conftest import policy
from tests.network.servers import always, json_response
from tests.network.timing import timed

if TYPE_CHECKING:
    from tests.network.conftest import Connect, Serve
    from tests.network.servers import RawRequest


def _last_of_the_budget(request: RawRequest) -> bytes:
    budget = {"RateLimit-Limit": "10", "RateLimit-Remaining": "1", "RateLimit-Reset": "30"}
    return json_response(payloads.build(int(request.path.rpartition("/")[2])), headers=budget)


@pytest.mark.parametrize("name", ["on_request", "on_response"])
def test_a_hook_that_sends_a_request_does_not_wait_for_the_one_it_belongs_to(
    serve: Serve, connect: Connect, name: str
) -> None:
    numbers: list[int] = []

    def fetch_another(_: object) -> None:
        if len(numbers) < 1:
            numbers.append(0)
            numbers[0] = build(bk, 2).fetch().number

    server = serve(always(_last_of_the_budget))
    bk = connect(server, **{name: fetch_another}, retry=policy(max_wait=2.0))
    with timed(deadline=1.0):
        assert build(bk, 1).fetch().number == 1
    assert numbers == [2]
