"""Request budgets: a request that would be refused waits, together with all that share the budget."""

from __future__ import annotations

import logging
import math
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buildkite_orm import ConfigurationError, RateLimitError, RetryPolicy
from buildkite_orm.fake import FakeBuildkite, ManualClock, Settings, SharedClock
from buildkite_orm.http.rate_limit import RateLimiter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildkite_orm import Buildkite
    from buildkite_orm.http.retry import Wait


def limited(organization: int | None, user: int | None, **options: Any) -> FakeBuildkite:
    server = FakeBuildkite(
        populate=False, settings=Settings(organization_limit=organization, user_limit=user, **options)
    )
    server.add_organization("other")
    server.add_build("web")
    return server


@pytest.fixture
def ten() -> Iterator[FakeBuildkite]:
    """A server that allows an organization ten requests a minute, and a user as many as they like."""
    with limited(10, None) as server:
        yield server


def send_requests(bk: Buildkite, times: int, organization: str = "acme") -> None:
    for _ in range(times):
        bk.organization(organization).fetch()


def statuses(server: FakeBuildkite) -> set[int]:
    return {request.status for request in server.requests}


# -- nothing is sent that is known to be refused -----------------------------------------------------------------------


def test_the_organizations_budget_is_waited_for_and_never_overdrawn(ten: FakeBuildkite) -> None:
    began = ten.clock.now()
    with ten.client() as bk:
        send_requests(bk, 10)
        assert ten.clock.now() == began
        send_requests(bk, 15)
    assert statuses(ten) == {200}
    assert 120 <= ten.clock.now() - began <= 124


def test_the_users_budget_is_waited_for_too() -> None:
    with limited(None, 5) as server, server.client() as bk:
        began = server.clock.now()
        for _ in range(6):
            bk.user()
    assert statuses(server) == {200}
    assert 60 <= server.clock.now() - began <= 62


def test_whichever_budget_ends_later_binds() -> None:
    with limited(3, 4) as server, server.client() as bk:
        bk.user()
        server.clock.advance(30)
        send_requests(bk, 3)
        began = server.clock.now()
        send_requests(bk, 1)  # the user's window ends in 30 s, the organization's in 60
    assert statuses(server) == {200}
    assert 60 <= server.clock.now() - began <= 62


def test_requests_without_an_organization_count_against_the_users_budget_only(ten: FakeBuildkite) -> None:
    with ten.client() as bk:
        send_requests(bk, 10)
        began = ten.clock.now()
        assert bk.builds().first() is not None
        bk.user()
    assert ten.clock.now() == began


def test_requests_without_an_organization_wait_for_the_users_budget() -> None:
    with limited(None, 2) as server, server.client() as bk:
        send_requests(bk, 2)
        began = server.clock.now()
        assert bk.builds().first() is not None
    assert statuses(server) == {200}
    assert server.clock.now() - began >= 60


def test_each_organization_has_a_budget_of_its_own(ten: FakeBuildkite) -> None:
    with ten.client() as bk:
        send_requests(bk, 10)
        began = ten.clock.now()
        send_requests(bk, 10, "other")
        assert ten.clock.now() == began


def test_a_new_window_is_not_waited_for(ten: FakeBuildkite) -> None:
    with ten.client() as bk:
        send_requests(bk, 10)
        ten.clock.advance(61)
        began = ten.clock.now()
        send_requests(bk, 10)
        assert ten.clock.now() == began


def test_streams_count_as_well(ten: FakeBuildkite, tmp_path: Any) -> None:
    job = ten.add_build("web", jobs=1).jobs[0]
    ten.set_log(job, b"hello")
    with ten.client() as bk:
        send_requests(bk, 10)
        began = ten.clock.now()
        bk.organization("acme").job(job.id).log().save_to(tmp_path)
    assert statuses(ten) == {200}
    assert ten.clock.now() - began >= 60


# -- the headers of a 429 ----------------------------------------------------------------------------------------------


def test_a_429_with_a_negative_remainder_counts_requests_of_other_clients(ten: FakeBuildkite) -> None:
    ten.faults.add("rate_limit", scope="rest", remaining=-14, reset=9)
    with ten.client() as bk:
        began = ten.clock.now()
        send_requests(bk, 1)
    assert len(ten.requests) == 2
    assert 9 <= ten.clock.now() - began <= 11


@pytest.mark.parametrize("scope", ["rest", "rest_user"])
def test_a_429_without_headers_is_understood_by_its_body(ten: FakeBuildkite, scope: str) -> None:
    ten.settings.rate_limit_headers = False
    ten.faults.add("rate_limit", scope=scope, reset=17, headers=False)
    with ten.client() as bk:
        began = ten.clock.now()
        send_requests(bk, 1)
    assert len(ten.requests) == 2
    assert 17 <= ten.clock.now() - began <= 19


@pytest.mark.parametrize(("scope", "waits"), [("rest", False), ("rest_user", True)])
def test_the_scope_in_a_body_states_whom_else_it_concerns(ten: FakeBuildkite, scope: str, waits: bool) -> None:  # noqa: FBT001
    ten.settings.rate_limit_headers = False
    ten.faults.add("rate_limit", scope=scope, reset=50, headers=False)
    with ten.client(retry=RetryPolicy(max_wait=10)) as bk:
        with pytest.raises(RateLimitError):
            send_requests(bk, 1)
        if waits:
            with pytest.raises(RateLimitError):
                send_requests(bk, 1, "other")
        else:
            send_requests(bk, 1, "other")


def test_a_body_that_names_another_budget_than_the_headers_is_heeded(ten: FakeBuildkite) -> None:
    headers = {"RateLimit-Remaining": "0", "RateLimit-Reset": "2", "RateLimit-Limit": "10"}
    ten.faults.add("error", status=429, headers=headers, payload={"scope": "rest_user", "reset": 40})
    with ten.client() as bk:
        began = ten.clock.now()
        send_requests(bk, 1)
    assert len(ten.requests) == 2
    assert ten.clock.now() - began >= 40


@pytest.mark.parametrize(
    "options",
    [
        {"payload": {}},
        {"payload": []},
        {"payload": {"reset": "soon"}},
        {"payload": {"reset": None, "scope": 7}},
        {"payload": {"reset": True}},
        {"payload": {"reset": math.nan}},
        {"payload": {"reset": -9}},
        {"payload": {"reset": 0}},
        {"headers": {"RateLimit-Remaining": "0", "RateLimit-Reset": "-3", "RateLimit-Limit": "10"}},
        {"headers": {"RateLimit-Remaining": "0", "RateLimit-Reset": "2", "RateLimit-Limit": "0"}},
        {"headers": {"RateLimit-Remaining": "5", "RateLimit-Reset": "2", "RateLimit-Limit": "10"}},
        {"headers": {"RateLimit-Remaining": "x", "RateLimit-Reset": "", "RateLimit-Limit": "1e3"}},
        {"headers": {"RateLimit-Remaining": "-1", "RateLimit-Reset": "9" * 500}},
    ],
    ids=str,
)
def test_an_odd_429_is_waited_for_and_never_hammered(ten: FakeBuildkite, options: dict[str, Any]) -> None:
    ten.settings.organization_limit = None
    ten.faults.add("error", status=429, times=None, **options)
    began = ten.clock.now()
    with ten.client(retry=RetryPolicy(max_elapsed=100)) as bk, pytest.raises(RateLimitError) as caught:
        send_requests(bk, 1)
    assert len(ten.requests) <= 101  # at most one a second
    assert ten.clock.now() - began <= 100
    assert (caught.value.retry_after or 0) > 0


def test_an_html_429_from_a_proxy_of_the_api_is_waited_for(ten: FakeBuildkite) -> None:
    ten.faults.add("html", status=429)
    with ten.client() as bk:
        send_requests(bk, 1)
    assert len(ten.requests) == 2


# -- bounds ------------------------------------------------------------------------------------------------------------


def test_a_wait_past_its_bound_raises_and_states_how_long_it_would_take(ten: FakeBuildkite) -> None:
    with ten.client(retry=RetryPolicy(max_wait=30)) as bk:
        send_requests(bk, 10)
        began = ten.clock.now()
        with pytest.raises(RateLimitError) as caught:
            send_requests(bk, 1)
    error = caught.value
    assert error.retry_after == pytest.approx(60, abs=2)
    assert "for 61 s" in str(error)
    assert "max_wait" in str(error)
    assert (len(ten.requests), ten.clock.now()) == (10, began)


def test_a_request_that_was_not_sent_states_which_it_is(ten: FakeBuildkite) -> None:
    with ten.client(retry=RetryPolicy(max_wait=30)) as bk:
        send_requests(bk, 10)
        with pytest.raises(RateLimitError) as caught:
            bk.organization("acme").pipeline("web").builds().create(commit="HEAD", branch="main")
    error = caught.value
    where = "https://api.buildkite.com/v2/organizations/acme/pipelines/web/builds"
    assert (error.method, error.url, error.status, error.gave_up) == ("POST", where, None, True)
    assert not error.outcome_unknown
    assert str(error).startswith(f"POST {where}: not sent: ")


def test_no_wait_ends_after_the_time_that_is_allowed_in_all(ten: FakeBuildkite) -> None:
    with ten.client(retry=RetryPolicy(max_wait=1000, max_elapsed=30)) as bk:
        send_requests(bk, 10)
        began = ten.clock.now()
        with pytest.raises(RateLimitError, match="not sent"):
            send_requests(bk, 1)
    assert ten.clock.now() == began


def test_a_client_continues_once_the_window_that_was_too_long_is_over(ten: FakeBuildkite) -> None:
    with ten.client(retry=RetryPolicy(max_wait=30)) as bk:
        send_requests(bk, 10)
        with pytest.raises(RateLimitError):
            send_requests(bk, 1)
        ten.clock.advance(62)
        send_requests(bk, 1)
    assert statuses(ten) == {200}


def test_a_wait_is_logged_and_stated_to_the_callback(ten: FakeBuildkite, caplog: pytest.LogCaptureFixture) -> None:
    waits: list[Wait] = []
    with caplog.at_level(logging.INFO, "buildkite_orm"), ten.client(retry=RetryPolicy(on_wait=waits.append)) as bk:
        began = ten.clock.now()
        send_requests(bk, 11)
    (wait,) = waits
    assert wait.seconds == pytest.approx(61, abs=1)
    assert wait.until == began + wait.seconds
    assert "acme" in wait.reason
    assert f"waiting {wait.seconds:.1f} s: {wait.reason}" in caplog.text


# -- reserve -----------------------------------------------------------------------------------------------------------


def test_a_reserve_is_left_to_others(ten: FakeBuildkite) -> None:
    with ten.client(reserve=0.3) as bk:
        began = ten.clock.now()
        send_requests(bk, 7)
        assert ten.clock.now() == began
        send_requests(bk, 1)
        assert ten.clock.now() - began >= 60
    with limited(10, None) as server, server.client(reserve=0.3, retry=RetryPolicy(max_wait=1)) as bk:
        with pytest.raises(RateLimitError):
            send_requests(bk, 11)
        assert len(server.requests) == 7


def test_a_reserve_leaves_the_users_budget_alone() -> None:
    with limited(None, 5) as server, server.client(reserve=0.5) as bk:
        began = server.clock.now()
        for _ in range(5):
            bk.user()
        assert server.clock.now() == began


def test_however_large_the_reserve_one_request_in_a_window_is_sent(ten: FakeBuildkite) -> None:
    with ten.client(reserve=0.99) as bk:
        began = ten.clock.now()
        send_requests(bk, 3)
    assert 120 <= ten.clock.now() - began <= 124


@pytest.mark.parametrize("reserve", [-0.1, 1, 1.5, math.nan])
def test_a_reserve_is_a_share(ten: FakeBuildkite, reserve: float) -> None:
    with pytest.raises(ConfigurationError, match="reserve"):
        ten.client(reserve=reserve)


# -- threads -----------------------------------------------------------------------------------------------------------


def test_threads_share_a_budget_and_never_overdraw_it() -> None:
    clock, settings = SharedClock(threads=8), Settings(organization_limit=10, user_limit=None)
    with (
        FakeBuildkite(populate=False, settings=settings, clock=clock) as server,
        server.client() as bk,
        ThreadPoolExecutor(8) as pool,
    ):
        began = clock.now()
        send_requests(bk, 1)

        def work(times: int) -> None:
            with clock.thread():
                send_requests(bk, times)

        list(pool.map(work, [5] * 7 + [4]))
    assert statuses(server) == {200}
    assert len(server.requests) == 40
    assert 180 <= clock.now() - began <= 190


class Meter:
    """A limiter in use: how many requests are in flight at once, and the headers that it reads."""

    def __init__(self, **policy: Any) -> None:
        self.clock = ManualClock()
        self.limiter = RateLimiter(self.clock, RetryPolicy(**policy))

    def update_from_headers(self, remaining: int, reset: int = 60, limit: int = 10) -> None:
        headers = {"RateLimit-Remaining": remaining, "RateLimit-Reset": reset, "RateLimit-Limit": limit}
        self.limiter.update_from_headers("acme", {name: str(value) for name, value in headers.items()})

    def acquire(self) -> Any:
        return self.limiter.acquire("acme", deadline=math.inf)

    def may_send(self) -> bool:
        """Return whether a request would be sent at once; policies of these tests allow no wait."""
        try:
            with self.acquire():
                return True
        except RateLimitError:
            return False


def test_a_request_in_flight_counts_as_spent_until_it_is_returned() -> None:
    meter = Meter()
    meter.update_from_headers(1)
    inside, let_go, order = threading.Event(), threading.Event(), list[str]()

    def first() -> None:
        with meter.acquire():
            inside.set()
            let_go.wait(10)
            order.append("first")
            meter.update_from_headers(1)  # another client gave it back, say

    def second() -> None:
        with meter.acquire():
            order.append("second")

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    assert inside.wait(10)
    threads[1].start()
    let_go.set()
    for thread in threads:
        thread.join(10)
    assert order == ["first", "second"]


def test_an_exception_returns_a_permit_back() -> None:
    meter = Meter(max_wait=0)
    meter.update_from_headers(1)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt), meter.acquire():
            raise KeyboardInterrupt
    assert meter.may_send()


def test_a_response_that_was_overtaken_does_not_restore_spent_requests() -> None:
    meter = Meter(max_wait=0)
    meter.update_from_headers(0)
    meter.update_from_headers(5)
    assert not meter.may_send()


def test_a_response_of_an_old_window_does_not_end_the_new_one() -> None:
    meter = Meter(max_wait=0)
    meter.update_from_headers(0, reset=60)
    meter.update_from_headers(9, reset=3)  # was sent in the window before, and took long
    meter.clock.advance(10)
    assert not meter.may_send()


def test_a_window_that_is_over_explains_no_new_refusal() -> None:
    meter = Meter()
    meter.update_from_headers(0, reset=1)
    meter.clock.advance(10)
    error = RateLimitError("429")
    error.retry_after = 25
    meter.limiter.on_429("acme", error)
    with meter.acquire():
        assert meter.clock.now() >= ManualClock().now() + 35


def test_without_headers_nothing_is_held_back() -> None:
    meter = Meter(max_wait=0)
    meter.limiter.update_from_headers("acme", {})
    assert meter.may_send()


@settings(deadline=None, max_examples=50)
@given(
    limit=st.integers(1, 8),
    pauses=st.lists(st.floats(0, 90), min_size=1, max_size=40),
    others=st.sets(st.integers(0, 39)),
)
def test_requests_of_another_client_cause_few_refusals(limit: int, pauses: list[float], others: set[int]) -> None:
    with limited(limit, None) as server, server.client() as bk, server.client() as other:
        for number, pause in enumerate(pauses):
            server.clock.advance(pause)
            send_requests(bk, 1)
            if number in others:
                send_requests(other, 1)
    refused = sum(request.status == 429 for request in server.requests)
    assert refused <= len(others) * 2 + 1
    assert sum(request.status == 200 for request in server.requests) == len(pauses) + sum(
        number < len(pauses) for number in others
    )
