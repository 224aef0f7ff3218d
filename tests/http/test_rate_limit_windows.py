"""How a budget reads response headers at the end of its windows and with the last request in them."""

from __future__ import annotations

import json
import math
import threading
from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildkite_orm import RateLimitError, RetryPolicy
from buildkite_orm.errors import error_for
from buildkite_orm.fake import FakeBuildkite, ManualClock, Settings
from buildkite_orm.http.rate_limit import Budget, RateLimiter

if TYPE_CHECKING:
    from buildkite_orm.http.retry import Wait

NOW = ManualClock().now()


def budget(remaining: int, *, seconds: float = 60, limit: int | None = 10, reserve: float = 0.0) -> Budget:
    """Return a budget that knows the remaining requests and the seconds of its window."""
    made = Budget("the", reserve=reserve)
    made.update_from_headers(limit=limit, remaining=remaining, reset_at=NOW + seconds)
    return made


def limiter(clock: ManualClock, **headers: int) -> RateLimiter:
    """Return a limiter that knows the remaining requests of an organization."""
    made = RateLimiter(clock, RetryPolicy())
    made.update_from_headers("acme", {f"RateLimit-{name.title()}": str(value) for name, value in headers.items()})
    return made


# -- a budget ----------------------------------------------------------------------------------------------------------


def test_a_budget_is_full_again_in_a_new_window() -> None:
    spent = budget(0)
    assert spent.left(NOW + 59.9) == 0
    assert spent.left(NOW + 60) == 10
    assert spent.reset_at == math.inf  # until a response states it


def test_without_its_limit_nothing_is_known_of_the_next_window() -> None:
    spent = budget(0, limit=None)
    assert spent.left(NOW + 59.9) == 0
    assert spent.left(NOW + 60) == math.inf
    assert spent.pace(NOW + 60, 8) == 0


def test_a_limit_that_is_not_stated_again_is_still_known() -> None:
    known = budget(8, reserve=0.5)
    known.update_from_headers(limit=None, remaining=7, reset_at=NOW + 60)
    assert known.left(NOW) == 2


@pytest.mark.parametrize(
    ("remaining", "users", "apart"), [(1, 1, 60), (2, 1, 30), (6, 2, 20), (6, 6, 60), (6, 99, 60), (0, 1, 60)]
)
def test_users_share_the_rest_of_a_window_and_wait_at_most_until_its_end(
    remaining: int, users: int, apart: float
) -> None:
    assert budget(remaining).pace(NOW, users) == apart


def test_nothing_is_slowed_down_while_nothing_is_known() -> None:
    assert Budget("the").pace(NOW, 8) == 0
    assert budget(0).pace(NOW + 60, 8) == 0  # the next window, of which no response is known yet


def test_budgets_returns_the_state_of_the_last_responses_and_sends_no_request(server: FakeBuildkite) -> None:
    server.settings.organization_limit, server.settings.user_limit = 10, 7
    with server.client(organization="acme") as bk:
        unknown = bk.budgets()
        bk.organization("acme").fetch()
        known = bk.budgets()
        bk.organization("acme").fetch()
        assert [budget.remaining for budget in bk.budgets("acme")] == [5, 8]
        assert [budget.remaining for budget in bk.budgets("other")] == [5, None]
    with server.client() as bk:
        assert [budget.name for budget in bk.budgets()] == ["the user's"]
    assert [budget.remaining for budget in unknown] == [None, None]
    assert [(budget.remaining, budget.limit) for budget in known] == [(6, 7), (9, 10)]
    assert len(server.requests) == 2


# -- responses that overtake each other --------------------------------------------------------------------------------


@pytest.mark.parametrize("off", [-1, -0.5, 0, 0.5, 1])
def test_ends_a_second_apart_are_of_one_window_in_which_the_least_counts(off: float) -> None:
    known = budget(5)
    known.update_from_headers(limit=10, remaining=3, reset_at=NOW + 60 + off)
    known.update_from_headers(limit=10, remaining=4, reset_at=NOW + 60)
    assert (known.left(NOW), known.reset_at) == (3, NOW + 60 + min(off, 0))


def test_a_later_end_starts_a_new_window_that_ignores_the_old_remainder() -> None:
    known = budget(2, seconds=10)
    known.update_from_headers(limit=10, remaining=9, reset_at=NOW + 70)
    assert (known.left(NOW), known.reset_at) == (9, NOW + 70)


def test_an_earlier_end_is_an_old_window() -> None:
    known = budget(2)
    known.update_from_headers(limit=10, remaining=9, reset_at=NOW + 58.5)
    assert (known.left(NOW), known.reset_at) == (2, NOW + 60)


@pytest.mark.parametrize(("limit_value", "believed"), [(200, True), (500_000, True), (10**9 - 1, True), (10**9, False)])
def test_numbers_that_cannot_be_are_not_believed(limit_value: int, *, believed: bool) -> None:
    (_, known) = limiter(ManualClock(), remaining=limit_value, reset=60, limit=limit_value).known("acme")
    assert (known.remaining, known.limit) == ((limit_value, limit_value) if believed else (None, None))


IMPOSSIBLE: dict[str, tuple[str, str, str]] = {  # limit, remaining, reset
    "a limit of 0": ("0", "0", "0"),
    "a limit below 0": ("-5", "-5", "20"),
    "more left than there are": ("10", "11", "20"),
    "a reset below 0": ("10", "0", "-1"),
    "a reset in years": ("10", "0", "100000000"),
    "a reset that is a time": ("10", "0", "1785585661"),
    "digits of another script": ("10", "\u0660", "20"),
    "a superscript": ("10", "0", "\u00b2"),
    "5,000 digits": ("10", "0", "9" * 5000),
    "a limit of 5,000 digits": ("9" * 5000, "0", "20"),
    "a remainder of 5,000 digits": ("10", "-" + "9" * 5000, "20"),
    "an exponent": ("1e1", "0", "20"),
    "a fraction": ("10", "0", "20.5"),
    "an underscore": ("10", "0", "2_0"),
    "a plus": ("10", "+0", "20"),
    "two values": ("10, 10", "0, 0", "20, 20"),
    "nothing": ("", "", ""),
    "infinity": ("10", "0", "inf"),
}


@pytest.mark.parametrize(("limit", "remaining", "reset"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_impossible_rate_limit_headers_are_ignored(limit: str, remaining: str, reset: str) -> None:
    clock = ManualClock()
    known = limiter(clock, remaining=7, reset=60, limit=10)
    before = known.known("acme")
    for prefix in ("RateLimit", "RateLimit-User"):
        known.update_from_headers(
            "acme", {f"{prefix}-Limit": limit, f"{prefix}-Remaining": remaining, f"{prefix}-Reset": reset}
        )
    assert known.known("acme") == before
    for _ in range(3):
        with known.acquire("acme", deadline=NOW):
            clock.advance(3600)


def test_a_limit_of_0_that_resets_at_once_does_not_lock_the_client_up() -> None:
    clock = ManualClock()
    known = limiter(clock, remaining=0, reset=0, limit=0)
    for seconds in (0, 2, 3600):
        clock.advance(seconds)
        with known.acquire("acme", deadline=clock.now()):
            pass


@pytest.mark.parametrize("remaining", ["-14", "0", "10"])
def test_a_remainder_may_be_negative_and_as_large_as_the_limit(remaining: str) -> None:
    known = RateLimiter(ManualClock(), RetryPolicy())
    known.update_from_headers(
        "acme", {"RateLimit-Limit": " 10 ", "RateLimit-Remaining": remaining, "RateLimit-Reset": "20"}
    )
    assert [budget.remaining for budget in known.known("acme")] == [None, int(remaining)]


@given(st.dictionaries(st.sampled_from(["Limit", "Remaining", "Reset"]), st.text() | st.integers().map(str)))
def test_a_client_continues_within_a_day_after_any_headers(remaining: dict[str, str]) -> None:
    clock = ManualClock()
    known = RateLimiter(clock, RetryPolicy())
    known.update_from_headers("acme", {f"RateLimit-{name}": value for name, value in remaining.items()})
    clock.advance(86_402)
    with known.acquire("acme", deadline=clock.now()):
        pass


@pytest.mark.parametrize(
    "reset", [-1, 86_401, 10**8, 10**400, math.inf, math.nan, "20", True, None, [], "\u0662"], ids=str
)
def test_an_impossible_reset_in_the_body_of_a_429_is_ignored(reset: object) -> None:
    body = json.dumps({"reset": reset, "scope": "rest"}).encode()
    error = error_for(method="GET", url="https://x", status=429, headers={}, body=body)
    assert isinstance(error, RateLimitError)
    assert (error.reset, error.retry_after) == (None, None)
    RateLimiter(ManualClock(), RetryPolicy()).on_429("acme", error)
    assert error.retry_after == 61


# -- waits -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("most", "allowed", "waits"), [(61, 61.1, True), (61, 61, False), (60.9, 61, False), (61, 60.9, False)]
)
def test_a_wait_may_be_just_as_long_as_it_is_allowed(most: float, allowed: float, waits: bool) -> None:  # noqa: FBT001
    clock = ManualClock()
    known = RateLimiter(clock, RetryPolicy(max_wait=most))
    known.update_from_headers("acme", {"RateLimit-Remaining": "0", "RateLimit-Reset": "60"})
    with nullcontext() if waits else pytest.raises(RateLimitError), known.acquire("acme", deadline=NOW + allowed):
        assert clock.now() == NOW + 61
    assert clock.now() == NOW + (61 if waits else 0)


class Watched(threading.Condition):
    """A condition that sets an event when a thread waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self.waited_for = threading.Event()

    def wait(self, timeout: float | None = None) -> bool:
        self.waited_for.set()
        return super().wait(timeout)


def test_a_thread_that_waits_for_a_response_in_flight_sleeps_until_it_arrives() -> None:
    known = limiter(ManualClock(), remaining=1, reset=60)
    watched = Watched()
    vars(known)["_changed"] = watched

    def acquire_second() -> None:
        with known.acquire("acme", deadline=math.inf):
            pass

    second = threading.Thread(target=acquire_second)
    with known.acquire("acme", deadline=math.inf):
        second.start()
        assert watched.waited_for.wait(10)
    second.join(10)
    assert not second.is_alive()


# -- refusals ----------------------------------------------------------------------------------------------------------


def refused_for(limiter: RateLimiter, organization: str | None = "acme") -> float | None:
    """Return a limiter of a 429 that says nothing of its end, and give how long it takes it to be."""
    error = RateLimitError("429")
    limiter.on_429(organization, error)
    return error.retry_after


def test_a_429_with_nothing_left_ends_with_the_window_that_is_known() -> None:
    assert refused_for(limiter(ManualClock(), remaining=0, reset=20)) == 21


def test_a_429_with_one_request_left_is_about_something_else() -> None:
    assert refused_for(limiter(ManualClock(), remaining=1, reset=20)) == 61


def test_a_429_at_the_very_end_of_a_window_is_not_explained_by_it() -> None:
    clock = ManualClock()
    known = limiter(clock, remaining=0, reset=20)
    clock.advance(21)
    assert refused_for(known) == 61


def test_a_429_is_about_whichever_budget_has_nothing_left() -> None:
    known = limiter(ManualClock(), remaining=9, reset=50)
    known.update_from_headers("acme", {"RateLimit-User-Remaining": "0", "RateLimit-User-Reset": "20"})
    assert refused_for(known) == 21
    assert known.pace("acme", 99) == 51  # of which the organization has nine left, as before


def test_a_429_of_a_request_that_names_no_organization_is_about_the_user() -> None:
    clock = ManualClock()
    known = limiter(clock, remaining=0, reset=20)
    assert refused_for(known, None) == 61
    with known.acquire(None, deadline=math.inf):
        assert clock.now() - NOW == 61


def test_requests_of_users_are_spaced_by_the_tighter_budget() -> None:
    known = limiter(ManualClock(), remaining=6, reset=59, limit=10)
    assert (known.pace("acme", 1), known.pace("other", 1), known.pace(None, 1)) == (10, 0, 0)
    known.update_from_headers(
        None, {"RateLimit-User-Remaining": "3", "RateLimit-User-Reset": "59", "RateLimit-User-Limit": "9"}
    )
    assert (known.pace("acme", 1), known.pace("other", 1), known.pace(None, 1)) == (20, 20, 20)


def test_the_users_budget_is_called_so() -> None:
    waits: list[Wait] = []
    server = FakeBuildkite(populate=False, settings=Settings(organization_limit=None, user_limit=1))
    with server, server.client(retry=RetryPolicy(on_wait=waits.append)) as bk:
        bk.user()
        bk.user()
    assert [wait.reason for wait in waits] == ["the user's request budget is used up for 61 s"]


# -- slow responses: the server counted them up to that many seconds ago -----------------------------------------------


def test_a_slow_response_does_not_start_a_new_window() -> None:
    known = budget(5)
    known.update_from_headers(limit=10, remaining=4, reset_at=NOW + 64, seconds=4)
    assert (known.left(NOW), known.reset_at) == (4, NOW + 60)


def test_after_a_slow_response_an_earlier_end_is_not_an_old_window() -> None:
    known = Budget("the")
    known.update_from_headers(limit=10, remaining=5, reset_at=NOW + 64, seconds=4)
    known.update_from_headers(limit=10, remaining=3, reset_at=NOW + 60)
    assert (known.left(NOW), known.reset_at) == (3, NOW + 60)


def test_a_slow_response_of_an_old_window_is_ignored() -> None:
    known = budget(5)
    known.update_from_headers(limit=10, remaining=0, reset_at=NOW + 4, seconds=4)
    assert (known.left(NOW), known.reset_at) == (5, NOW + 60)
