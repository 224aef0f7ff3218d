"""How long the pauses between attempts are, to the second, and how `time_limit` bounds them."""

from __future__ import annotations

import logging
import math
import pickle
from typing import TYPE_CHECKING

import pytest

from buildkite_orm import (
    ConnectionFailedError,
    RateLimitError,
    RequestTimeoutError,
    RetryPolicy,
    ServerError,
    TransportError,
)
from buildkite_orm.fake import ManualClock
from buildkite_orm.http.retry import Retries, Wait, is_retryable, time_limit

if TYPE_CHECKING:
    from buildkite_orm import Buildkite
    from buildkite_orm.fake import FakeBuildkite


@pytest.fixture
def failing(server: FakeBuildkite) -> FakeBuildkite:
    """The server with a pipeline whose requests fail."""
    server.add_pipeline("web")
    server.faults.add("error", times=None)
    return server


def attempts_under(server: FakeBuildkite, policy: RetryPolicy) -> int:
    """Fetch under a policy until it gives up, and return how many requests were sent."""
    before = len(server.requests)
    with server.client(retry=policy) as bk, pytest.raises((ServerError, RateLimitError, RequestTimeoutError)):
        bk.organization("acme").pipeline("web").fetch()
    return len(server.requests) - before


# -- pauses ------------------------------------------------------------------------------------------------------------


def test_the_longest_pause_doubles_from_the_backoff_on(failing: FakeBuildkite) -> None:
    waits: list[Wait] = []
    attempts_under(failing, RetryPolicy(attempts=9, backoff=0.01, on_wait=waits.append))
    assert len(waits) == 8
    assert all(wait.seconds <= 0.01 * 2**number for number, wait in enumerate(waits))


def test_without_backoff_there_is_no_pause_and_no_announcement(failing: FakeBuildkite) -> None:
    waits: list[Wait] = []
    began = failing.clock.now()
    assert attempts_under(failing, RetryPolicy(attempts=4, backoff=0, on_wait=waits.append)) == 4
    assert waits == []
    assert failing.clock.now() == began


def test_a_wait_states_until_when_by_the_clock(failing: FakeBuildkite) -> None:
    waits: list[tuple[Wait, float]] = []
    policy = RetryPolicy(attempts=3, backoff=20, on_wait=lambda wait: waits.append((wait, failing.clock.now())))
    attempts_under(failing, policy)
    assert [wait.until for wait, _ in waits] == [now + wait.seconds for wait, now in waits]


def test_a_wait_is_logged_in_one_line(failing: FakeBuildkite, caplog: pytest.LogCaptureFixture) -> None:
    waits: list[Wait] = []
    with caplog.at_level(logging.INFO, "buildkite_orm"):
        attempts_under(failing, RetryPolicy(attempts=2, backoff=20, on_wait=waits.append))
    (wait,) = waits
    logged = [record.getMessage() for record in caplog.records if record.name == "buildkite_orm"]
    assert logged == [f"waiting {wait.seconds:.1f} s: ServerError: sending again"]


def test_a_429_that_states_a_time_is_waited_for_once_and_no_longer(server: FakeBuildkite) -> None:
    server.add_pipeline("web")
    server.faults.add("rate_limit", reset=9)
    waits: list[Wait] = []
    began = server.clock.now()
    with server.client(retry=RetryPolicy(backoff=20, on_wait=waits.append)) as bk:
        bk.organization("acme").pipeline("web").fetch()
    assert [wait.seconds for wait in waits] == [10]  # the server may have rounded down
    assert "request budget" in waits[0].reason
    assert server.clock.now() - began == 10


def test_unless_stated_otherwise_it_is_as_persistent_as_documented() -> None:
    usual = RetryPolicy(attempts=5, backoff=0.5, max_backoff=30, max_wait=90, max_elapsed=300, on_wait=None)
    assert RetryPolicy() == usual


# -- the time that is allowed ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("allowed", "sent"), [(39, 2), (40, 2), (41, 3), (1, 1)])
def test_no_attempt_begins_after_the_deadline(failing: FakeBuildkite, allowed: float, sent: int) -> None:
    failing.faults.clear()
    failing.faults.add("latency", times=None, seconds=20)
    failing.faults.add("error", times=None)
    assert attempts_under(failing, RetryPolicy(attempts=9, backoff=0, max_elapsed=allowed)) == sent


@pytest.mark.parametrize(("seconds", "sent"), [(-5, 1), (0, 1), (0.5, 1), (20, 1), (40, 2), (100, 3), (math.inf, 3)])
def test_within_a_block_the_shorter_time_holds(failing: FakeBuildkite, seconds: float, sent: int) -> None:
    failing.faults.clear()
    failing.faults.add("latency", times=None, seconds=20)
    failing.faults.add("error", times=None)
    policy = RetryPolicy(attempts=9, backoff=0, max_elapsed=60)
    with time_limit(seconds, failing.clock):
        assert attempts_under(failing, policy) == sent
    assert attempts_under(failing, policy) == 3


@pytest.mark.parametrize(("seconds", "level"), [(0.4, "INFO"), (2.0, "INFO"), (2.1, "WARNING"), (60.0, "WARNING")])
def test_waits_longer_than_two_seconds_are_logged_as_warnings(
    seconds: float, level: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "buildkite_orm"):
        RetryPolicy().announce(Wait("for a test", seconds, 0.0))
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        (level, f"waiting {seconds:.1f} s: for a test")
    ]


@pytest.mark.parametrize("never_sent", [False, True])
@pytest.mark.parametrize("kind", [ConnectionFailedError, RequestTimeoutError])
def test_a_permanent_failure_is_tried_once(kind: type[TransportError], *, never_sent: bool) -> None:
    error = kind("no such host")
    error.permanent, error.never_sent = True, never_sent
    attempts: list[None] = []

    def fail() -> None:
        attempts.append(None)
        raise error

    assert not is_retryable(error, idempotent=True)
    with pytest.raises(kind):
        Retries(RetryPolicy(), ManualClock()).run(fail, idempotent=True)
    assert len(attempts) == 1
    again = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert (again.permanent, again.never_sent) == (True, never_sent)


def test_a_permanent_failure_ends_a_wait_at_once(
    server: FakeBuildkite, bk: Buildkite, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.add_build("web", state="running")
    server.faults.add("refuse", times=None)
    monkeypatch.setattr(ConnectionFailedError, "permanent", True)
    began = server.clock.now()
    with pytest.raises(ConnectionFailedError):
        bk.organization("acme").pipeline("web").build(1).wait(timeout=600)
    assert server.clock.now() == began


def test_the_time_that_is_left_in_a_block_becomes_less() -> None:
    clock, policy = ManualClock(), RetryPolicy(max_elapsed=60)
    with time_limit(30, clock):
        clock.advance(12)
        assert policy.limited().max_elapsed == 18
        with time_limit(25, clock):
            assert policy.limited().max_elapsed == 18
        clock.advance(20)
        assert policy.limited().max_elapsed == pytest.approx(0, abs=0.01)


def test_a_block_may_allow_fewer_attempts(failing: FakeBuildkite) -> None:
    with time_limit(math.inf, failing.clock, attempts=2):
        assert attempts_under(failing, RetryPolicy()) == 2
        with time_limit(math.inf, failing.clock, attempts=3):
            assert attempts_under(failing, RetryPolicy()) == 2
        with time_limit(math.inf, failing.clock, attempts=1):
            assert attempts_under(failing, RetryPolicy()) == 1


@pytest.mark.parametrize(("seconds", "allowed"), [(-5, 0), (0, 0), (0.5, 0.5), (60, 60), (61, 60), (math.inf, 60)])
def test_a_block_allows_what_it_states_and_nothing_below_0(seconds: float, allowed: float) -> None:
    with time_limit(seconds, ManualClock()):
        assert RetryPolicy(max_elapsed=60).limited().max_elapsed == pytest.approx(allowed, abs=0.01)


def test_of_two_blocks_the_shorter_holds_and_the_outer_one_after_the_inner() -> None:
    policy, clock = RetryPolicy(max_elapsed=60), ManualClock()
    with time_limit(30, clock):
        with time_limit(50, clock):
            assert policy.limited().max_elapsed == 30
        with time_limit(10, clock):
            assert policy.limited().max_elapsed == 10
        with pytest.raises(KeyError), time_limit(5, clock):
            raise KeyError
        assert policy.limited() == RetryPolicy(max_elapsed=30)
    assert policy.limited() is policy


def test_a_block_changes_nothing_else_of_a_policy() -> None:
    policy = RetryPolicy(attempts=3, backoff=1, max_backoff=2, max_wait=7, max_elapsed=60, on_wait=print)
    with time_limit(4, ManualClock()):
        shorter = policy.limited()
    assert shorter == RetryPolicy(attempts=3, backoff=1, max_backoff=2, max_wait=7, max_elapsed=4, on_wait=print)
