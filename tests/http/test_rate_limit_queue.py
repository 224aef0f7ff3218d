"""At the last of a budget, a request waits for the responses to those under way: bounded and announced."""

from __future__ import annotations

import logging
import math
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm import RateLimitError, RetryPolicy, WaitTimeoutError
from buildkite_orm.fake import ManualClock
from buildkite_orm.http.rate_limit import RateLimiter
from buildkite_orm.utils.cancellation import Cancellation, Cancelled
from buildkite_orm.utils.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildkite_orm import Buildkite
    from buildkite_orm.fake import FakeBuildkite
    from buildkite_orm.http.retry import Wait
    from buildkite_orm.utils.clock import Clock

LONG = 60.0


class Queue:
    """A limiter whose last request is under way, and what becomes of the next one."""

    def __init__(self, clock: Clock | None = None, **policy: Any) -> None:
        self.waits: list[Wait] = []
        self.clock = clock or SystemClock()
        self.limiter = RateLimiter(self.clock, RetryPolicy(on_wait=self.note, **policy))
        self.then: Callable[[], object] | None = None
        headers = {"RateLimit-Remaining": "1", "RateLimit-Reset": "3600", "RateLimit-Limit": "10"}
        self.limiter.update_from_headers("acme", headers)
        self.first = self.limiter.acquire("acme", deadline=math.inf)

    def note(self, wait: Wait) -> None:
        self.waits.append(wait)
        if self.then is not None:
            self.then()

    def join(self, *, seconds: float = math.inf) -> None:
        with self.first, self.limiter.acquire("acme", deadline=self.clock.monotonic() + seconds):
            pytest.fail("the last request was sent twice")


def seconds_of(do: Callable[[], object]) -> float:
    clock = SystemClock()
    began = clock.monotonic()
    do()
    return clock.monotonic() - began


@pytest.mark.parametrize(
    ("policy", "left"), [({"max_wait": 0.5}, math.inf), ({}, 0.5)], ids=["max_wait", "the deadline of the request"]
)
def test_a_thread_that_waits_for_a_response_of_another_thread_waits_at_most_its_bound(
    policy: dict[str, Any], left: float
) -> None:
    queue = Queue(**policy)

    def join() -> None:
        with pytest.raises(RateLimitError) as caught:
            queue.join(seconds=left)
        assert (caught.value.gave_up, caught.value.retry_after) == (True, None)
        assert caught.value.message == (
            "not sent: 1 request under way may use up the organization acme's request budget, and after 0.5 s, as long "
            "as RetryPolicy allows to wait, no response states the remaining budget"
        )

    assert 0.5 <= seconds_of(join) < 1


def test_such_a_wait_is_announced_in_the_log_and_to_the_callback(caplog: pytest.LogCaptureFixture) -> None:
    queue = Queue(max_wait=0.5)
    with caplog.at_level(logging.INFO, "buildkite_orm"), pytest.raises(RateLimitError):
        queue.join()
    (wait,) = queue.waits
    assert wait.reason == (
        "1 request under way may use up the organization acme's request budget: waiting for the response"
    )
    assert 0 < wait.seconds <= 0.5
    assert caplog.text.count(wait.reason) == 1


def test_a_wait_that_is_over_at_once_is_not_announced() -> None:
    queue = Queue()
    inside = threading.Event()

    def first() -> None:
        with queue.first:
            inside.set()
            queue.limiter.update_from_headers(
                "acme", {"RateLimit-Remaining": "9", "RateLimit-Reset": "7200", "RateLimit-Limit": "10"}
            )

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(first)
        assert inside.wait(10)
        with queue.limiter.acquire("acme", deadline=math.inf):
            pass
        done.result()
    assert queue.waits == []


def test_such_a_wait_is_measured_with_the_clock_of_the_client() -> None:
    clock = ManualClock()
    queue = Queue(clock, max_wait=LONG)
    waiting = threading.Event()
    queue.then = waiting.set

    def move() -> None:
        assert waiting.wait(10)
        clock.advance(LONG + 1)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(move)
        with pytest.raises(RateLimitError, match=r"after 61\.0 s"):
            queue.join()


def test_a_new_window_ends_a_wait_for_a_response_that_does_not_arrive() -> None:
    clock = ManualClock()
    queue = Queue(clock, max_wait=7200, max_elapsed=7200)
    queue.then = partial(clock.advance, 3601)
    with queue.first, queue.limiter.acquire("acme", deadline=math.inf):
        pass


def test_a_cancellation_ends_such_a_wait() -> None:
    queue, cancellation = Queue(), Cancellation()
    announced = threading.Event()
    queue.then = announced.set

    def cancel() -> None:
        assert announced.wait(10)
        cancellation.cancel()

    def join() -> None:
        with cancellation, pytest.raises(Cancelled):
            queue.join()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(cancel)
        assert seconds_of(join) < 2
    assert queue.limiter.known("acme")[1].in_flight == 0


def limiter_of(bk: Buildkite) -> RateLimiter:
    limiter = bk.session.limiter
    assert isinstance(limiter, RateLimiter)
    return limiter


@pytest.fixture
def spent(server: FakeBuildkite) -> Buildkite:
    """A client whose budget has one request left, on the machine's clock."""
    server.settings.user_limit = 50
    bk = server.client(clock=SystemClock())
    headers = {"RateLimit-User-Remaining": "1", "RateLimit-User-Reset": "3600", "RateLimit-User-Limit": "50"}
    limiter_of(bk).update_from_headers(None, headers)
    return bk


@pytest.mark.parametrize("timeout", [0, 0.6])
def test_a_wait_for_a_build_ends_in_time_while_other_threads_hold_the_last_of_the_budget(
    server: FakeBuildkite, spent: Buildkite, timeout: float
) -> None:
    server.add_build("web", state="running")
    build = spent.organization("acme").pipeline("web").build(1)

    def wait() -> None:
        with (
            limiter_of(spent).acquire(None, deadline=math.inf),
            pytest.raises(WaitTimeoutError, match="the last request failed: not sent: 1 request under way"),
        ):
            build.wait(timeout=timeout)

    assert timeout <= seconds_of(wait) <= max(timeout, 0.5) + 0.4
    assert server.requests == []
