"""A wall clock that stands still or jumps neither hangs a wait nor shortens it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import freezegun
import pytest

from buildkite_orm import Buildkite, RateLimitError, RequestTimeoutError, RetryPolicy, ServerError, WaitTimeoutError
from buildkite_orm.fake import CommandStep, FakeBuildkite, Settings
from buildkite_orm.fake import SystemClock as FakesSystemClock
from buildkite_orm.utils.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildkite_orm.http.retry import Wait
    from buildkite_orm.utils.clock import Clock

HOUR = 3600.0

Wall = Callable[[float, int], float]


class JumpingClock:
    """A client's clock: waits pass on the server's clock, and the wall time jumps whenever it is requested.

    Args:
        true: The server's clock.
        wall: Makes the wall time of the true time, and of how often it was read.
    """

    def __init__(self, true: Clock, wall: Wall) -> None:
        self.true = true
        self._wall = wall
        self._readings = 0

    def now(self) -> float:
        self._readings += 1
        return self._wall(self.true.now(), self._readings)

    def monotonic(self) -> float:
        return self.true.now() - 1_700_000_000  # another beginning than the wall clock's

    def sleep(self, seconds: float, /) -> None:
        self.true.sleep(seconds)

    def wait_until(self, moment: float, /) -> None:
        pytest.fail(f"something waited for the wall time {moment}")


WALLS: dict[str, Wall] = {
    "right": lambda true, _: true,
    "stands still": lambda _, __: 1_785_585_600.0,
    "stands at the epoch": lambda _, __: 0.0,
    "jumps ahead": lambda true, readings: true + HOUR * readings,
    "jumps back": lambda true, readings: true - HOUR * readings,
    "jumps both ways": lambda true, readings: true + HOUR * readings * (-1) ** readings,
}


@pytest.fixture(params=list(WALLS))
def wall(request: pytest.FixtureRequest) -> Wall:
    return WALLS[request.param]


def client_of(server: FakeBuildkite, wall: Wall, **options: Any) -> Buildkite:
    return server.client(clock=JumpingClock(server.clock, wall), **options)


def an_hour_ahead(true: float, _: int) -> float:
    return true + HOUR


def test_the_request_budget_is_waited_for_as_long_as_its_window_is(wall: Wall) -> None:
    settings = Settings(organization_limit=5, user_limit=None)
    with FakeBuildkite(populate=False, settings=settings) as server, client_of(server, wall) as bk:
        began = server.clock.now()
        for _ in range(11):
            bk.organization("acme").fetch()
        assert 120 <= server.clock.now() - began <= 123
        assert {request.status for request in server.requests} == {200}


def test_pauses_before_another_attempt_are_as_long_as_announced(server: FakeBuildkite, wall: Wall) -> None:
    server.faults.add("error", times=4)
    waits: list[Wait] = []
    began = server.clock.now()
    with client_of(server, wall, retry=RetryPolicy(backoff=20, on_wait=waits.append)) as bk:
        bk.organization("acme").fetch()
    assert len(waits) == 4
    assert server.clock.now() - began == pytest.approx(sum(wait.seconds for wait in waits), abs=0.01)


def test_a_request_is_given_up_after_the_time_that_is_allowed(server: FakeBuildkite, wall: Wall) -> None:
    server.faults.add("latency", times=None, seconds=20)
    server.faults.add("error", times=None)
    began = server.clock.now()
    with (
        client_of(server, wall, retry=RetryPolicy(attempts=99, backoff=0, max_elapsed=90)) as bk,
        pytest.raises((ServerError, RequestTimeoutError)),
    ):
        bk.organization("acme").fetch()
    assert 80 <= server.clock.now() - began <= 100.5


def test_a_wait_for_a_build_ends_when_its_time_is_up(server: FakeBuildkite, wall: Wall) -> None:
    server.add_build("web", state="running")
    began = server.clock.now()
    with client_of(server, wall) as bk, pytest.raises(WaitTimeoutError):
        bk.organization("acme").pipeline("web").build(1).wait(timeout=90)
    assert server.clock.now() - began == pytest.approx(90, abs=0.5)
    assert len(server.requests) < 40


def test_a_wait_for_a_build_without_a_timeout_ends_with_the_build(server: FakeBuildkite, wall: Wall) -> None:
    server.add_pipeline("web", steps=[CommandStep(duration=100)])
    with client_of(server, wall) as bk:
        build = bk.organization("acme").pipeline("web").builds().create(commit="HEAD", branch="main")
        assert build.wait().state == "passed"
        assert build.finished_at is not None
        assert server.clock.now() - build.finished_at.timestamp() <= 31
    assert len(server.requests) < 60


def test_a_wait_for_a_build_to_appear_ends_when_its_time_is_up(server: FakeBuildkite, wall: Wall) -> None:
    server.add_pipeline("web")
    began = server.clock.now()
    with client_of(server, wall) as bk, pytest.raises(WaitTimeoutError):
        bk.organization("acme").pipeline("web").wait_for(branch="dev", timeout=90)
    assert server.clock.now() - began == pytest.approx(90, abs=0.5)
    assert len(server.requests) < 40


def test_the_old_end_of_a_restarted_build_counts_after_a_minute(server: FakeBuildkite, wall: Wall) -> None:
    server.settings.pace.retrying = 100_000.0  # the server accepts the retry and never starts it
    server.add_pipeline("web", steps=[CommandStep(duration=5, exits=(1,))])
    with client_of(server, wall) as bk:
        build = bk.organization("acme").pipeline("web").builds().create(commit="HEAD", branch="main").wait()
        build.retry_failed_jobs()
        began = server.clock.now()
        assert build.wait(timeout=1000).state == "failed"
        assert 60 <= server.clock.now() - began <= 90


def test_a_log_is_followed_to_its_end_and_no_longer(server: FakeBuildkite, wall: Wall) -> None:
    job = server.add_build("web", state="running", jobs=[{"name": "Test", "state": "running"}]).jobs[0]
    server.set_log(job, b"one\n")
    received, ended = list[str](), 0.0
    with client_of(server, wall) as bk:
        for line in bk.organization("acme").job(job.id).log().follow():
            received.append(line.text)
            if received == ["one"]:
                server.set_log(job, b"one\ntwo\n")
                job.state, job.finished_at, ended = "passed", server.clock.now(), server.clock.now()
            if line.text == "two":  # lines that the agent sends after the job's end still arrive
                server.set_log(job, b"one\ntwo\nthree\n")
    assert received == ["one", "two", "three"]
    assert server.clock.now() - ended <= 120


def test_a_budget_is_reported_with_the_wall_time_of_its_reset(acme: FakeBuildkite) -> None:
    acme.settings.user_limit = 50
    with client_of(acme, an_hour_ahead) as bk:
        bk.user()
        (budget,) = bk.session.budgets()
        assert budget.reset_at == pytest.approx(acme.clock.now() + HOUR + 61, abs=1)


def test_a_wait_states_with_the_wall_time_when_it_ends(server: FakeBuildkite) -> None:
    server.faults.add("error", times=1)
    waits: list[Wait] = []
    with client_of(server, an_hour_ahead, retry=RetryPolicy(on_wait=waits.append)) as bk:
        began = server.clock.now()
        bk.organization("acme").fetch()
    assert waits[0].until == pytest.approx(began + HOUR + waits[0].seconds, abs=0.01)


def test_a_running_build_lasts_up_to_the_wall_time(server: FakeBuildkite) -> None:
    server.add_build("web", state="running").started_at = server.clock.now() - 60
    with client_of(server, an_hour_ahead) as bk:
        assert bk.organization("acme").pipeline("web").build(1).fetch().duration == timedelta(seconds=HOUR + 60)


# -- freezegun ---------------------------------------------------------------------------------------------------------


def _let_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Allow short sleeps on the machine's clock, since this file tests them."""

    def sleep(seconds: float) -> None:
        threading.Event().wait(seconds)

    monkeypatch.setattr(time, "sleep", sleep)


@pytest.fixture(params=["2001-02-03", "2026-08-01T12:00:00", "2099-01-01"])
def frozen(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    _let_sleep(monkeypatch)
    with freezegun.freeze_time(request.param, ignore=["matplotlib", "IPython"]) as factory:
        yield factory


class Stopwatch:
    """Measures with what freezegun does not touch."""

    def __init__(self) -> None:
        self._clock = SystemClock()
        self._began = self._clock.monotonic()

    @property
    def seconds(self) -> float:
        return self._clock.monotonic() - self._began


@pytest.mark.usefixtures("frozen")
def test_under_freezegun_the_machines_clock_sleeps() -> None:
    watch = Stopwatch()
    SystemClock().sleep(0.05)
    assert 0.05 <= watch.seconds < 2


@pytest.mark.usefixtures("frozen")
def test_under_freezegun_the_fakes_clock_of_the_machine_continues() -> None:
    clock = FakesSystemClock()
    began = clock.monotonic()
    clock.sleep(0.05)
    assert 0.05 <= clock.monotonic() - began < 2


@pytest.mark.usefixtures("frozen")
def test_under_freezegun_a_request_is_retried(server: FakeBuildkite) -> None:
    server.faults.add("error", times=3)
    with server.client(clock=SystemClock(), retry=RetryPolicy(backoff=0.02)) as bk:
        assert bk.organization("acme").fetch().slug == "acme"
    assert len(server.requests) == 4


@pytest.mark.usefixtures("frozen")
def test_under_freezegun_a_request_is_given_up_in_time(server: FakeBuildkite) -> None:
    server.faults.add("error", times=None)
    watch = Stopwatch()
    policy = RetryPolicy(attempts=1000, backoff=0.02, max_backoff=0.02, max_elapsed=0.3)
    gave_up = (ServerError, RequestTimeoutError)  # between two attempts, or in one
    with server.client(clock=SystemClock(), retry=policy) as bk, pytest.raises(gave_up):
        bk.organization("acme").fetch()
    assert watch.seconds < 2


@pytest.mark.usefixtures("frozen")
def test_under_freezegun_the_budget_is_waited_for(server: FakeBuildkite) -> None:
    server.faults.add("rate_limit", scope="rest", reset=0)
    watch = Stopwatch()
    with server.client(clock=SystemClock()) as bk:
        bk.organization("acme").fetch()
    assert 0.9 <= watch.seconds < 4


@pytest.mark.usefixtures("frozen")
def test_under_freezegun_a_budget_that_is_too_long_is_refused_until_it_is_over(server: FakeBuildkite) -> None:
    server.faults.add("rate_limit", scope="rest", reset=0)
    with server.client(clock=SystemClock(), retry=RetryPolicy(max_wait=0.1)) as bk:
        with pytest.raises(RateLimitError):
            bk.organization("acme").fetch()
        SystemClock().sleep(1.1)
        assert bk.organization("acme").fetch().slug == "acme"


@pytest.mark.usefixtures("frozen")
@pytest.mark.parametrize("timeout", [0, 0.3])
def test_under_freezegun_a_wait_for_a_build_ends_in_time(server: FakeBuildkite, timeout: float) -> None:
    server.add_build("web", state="running")
    watch = Stopwatch()
    with server.client(clock=SystemClock()) as bk, pytest.raises(WaitTimeoutError):
        bk.organization("acme").pipeline("web").build(1).wait(timeout=timeout)
    assert timeout <= watch.seconds <= timeout + 1


def test_under_freezegun_a_wait_is_not_shortened_by_moving_the_time(server: FakeBuildkite, frozen: Any) -> None:
    server.add_build("web", state="running")
    watch = Stopwatch()

    def jump(_: object) -> None:
        frozen.tick(timedelta(days=1))

    with server.client(clock=SystemClock()) as bk, pytest.raises(WaitTimeoutError):
        bk.organization("acme").pipeline("web").build(1).wait(timeout=0.4, on_change=jump)
    assert 0.4 <= watch.seconds <= 1.5


def test_under_freezegun_the_client_states_the_frozen_time() -> None:
    with freezegun.freeze_time("2001-02-03", ignore=["matplotlib", "IPython"]):
        assert SystemClock().now() == datetime(2001, 2, 3, tzinfo=UTC).timestamp()
