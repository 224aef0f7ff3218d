"""How often a wait polls: by the length of the build and the request budget; and its display in a terminal."""

from __future__ import annotations

import io
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from buildkite_orm import Build, ConfigurationError, RateLimitError, RetryPolicy, WaitTimeoutError
from buildkite_orm.fake import CommandStep, FakeBuildkite, Settings
from buildkite_orm.resources.builds.wait_state import wait_state

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildkite_orm import Buildkite
    from buildkite_orm.fake.faults import RecordedRequest

LIMIT = 20


@pytest.fixture
def limited() -> Iterator[FakeBuildkite]:
    """A fake Buildkite that takes few requests a minute."""
    with FakeBuildkite(populate=False, settings=Settings(user_limit=LIMIT, organization_limit=200)) as server:
        yield server


def build_of(server: FakeBuildkite, bk: Buildkite, seconds: float, *, pipeline: str = "web") -> Build:
    if pipeline not in server.store.organizations["acme"].pipelines:
        server.add_pipeline(pipeline, steps=[CommandStep(duration=seconds)])
    return bk.organization("acme").pipeline(pipeline).builds().create(commit="HEAD", branch="main")


class Looks(list[float]):
    """When the builds of a server were looked at."""

    def __init__(self, server: FakeBuildkite) -> None:
        super().__init__()

        def note(request: RecordedRequest) -> bool:
            if request.method == "GET":
                self.append(server.clock.now())
            return False

        server.faults.add("latency", match=note, times=None)

    @property
    def pauses(self) -> list[float]:
        return [after - before for before, after in pairwise(self)]

    @property
    def busiest(self) -> int:
        """The number of requests in the busiest minute."""
        return max(sum(start <= time < start + 60 for time in self) for start in self)


@pytest.fixture
def looks(server: FakeBuildkite) -> Looks:
    return Looks(server)


@pytest.mark.parametrize("seconds", [10, 300, 3000])
def test_pauses_are_bounded_below_and_above(server: FakeBuildkite, bk: Buildkite, looks: Looks, seconds: float) -> None:
    build_of(server, bk, seconds).wait()
    assert min(looks.pauses) >= 2 - 1e-6
    assert max(looks.pauses) <= 30 + 1e-6


@pytest.mark.parametrize("seconds", [10, 60, 300, 1800])
def test_an_end_is_seen_soon_in_relation_to_the_length_of_the_build(
    server: FakeBuildkite, bk: Buildkite, seconds: float
) -> None:
    build = build_of(server, bk, seconds).wait()
    assert build.finished_at is not None
    late = server.clock.now() - build.finished_at.timestamp()
    assert late <= max(2, min(30, seconds * 0.15))


def test_polls_become_rarer_with_time(server: FakeBuildkite, bk: Buildkite, looks: Looks) -> None:
    build_of(server, bk, 1800).wait()
    first, last = looks.pauses[0], looks.pauses[-1]
    assert last > 10 * first


def test_a_second_wait_polls_often_only_around_the_usual_duration(
    server: FakeBuildkite, bk: Buildkite, looks: Looks
) -> None:
    build_of(server, bk, 600).wait()
    polls = len(looks)
    looks.clear()
    build = build_of(server, bk, 600).wait()
    assert len(looks) < polls
    assert looks.pauses[0] > 10 * min(looks.pauses)
    assert build.finished_at is not None
    assert server.clock.now() - build.finished_at.timestamp() <= 5


def test_usual_durations_are_per_pipeline(server: FakeBuildkite, bk: Buildkite, looks: Looks) -> None:
    build_of(server, bk, 3600).wait()
    looks.clear()
    build_of(server, bk, 20, pipeline="quick").wait()
    assert max(looks.pauses) < 5


def test_retries_do_not_count_for_the_usual_duration(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_pipeline("web", steps=[CommandStep(duration=600, exits=(1, 1))])
    build = build_of(server, bk, 0)
    build.wait()
    server.run(50_000)
    build.retry_failed_jobs()
    build.wait()
    assert build.duration is not None
    assert build.duration.total_seconds() > 50_000
    usual = wait_state(bk.session).usual_duration("organizations/acme/pipelines/web")
    assert usual is not None
    assert usual < 700


def test_one_wait_uses_at_most_half_of_the_budget(limited: FakeBuildkite) -> None:
    times = Looks(limited)
    with limited.client() as bk, pytest.raises(WaitTimeoutError):
        build_of(limited, bk, 100_000).wait(timeout=600)
    assert times.busiest <= LIMIT / 2 + 2


def test_waiting_for_a_build_to_appear_stays_within_the_budget(limited: FakeBuildkite) -> None:
    limited.add_pipeline("web")
    times = Looks(limited)
    with limited.client() as bk, pytest.raises(WaitTimeoutError):
        bk.organization("acme").pipeline("web").wait_for(branch="dev", timeout=600)
    assert len(times) > 10
    assert times.busiest <= LIMIT / 2 + 2


def state_in_the_end(build: Build) -> str:
    return str(build.wait().state)


@pytest.mark.parametrize("waits", [3, 8])
def test_many_waits_together_stay_within_the_budget(limited: FakeBuildkite, waits: int) -> None:
    limited.settings.user_limit = None
    patient = RetryPolicy(max_elapsed=10**6)  # the clock moves for all threads when one of them waits
    with limited.client(retry=patient) as bk:
        builds = [build_of(limited, bk, 2000) for _ in range(waits)]
        limited.settings.user_limit = LIMIT
        limited.requests.clear()
        times = Looks(limited)
        with ThreadPoolExecutor(waits) as pool:
            ended = list(pool.map(state_in_the_end, builds))
    assert ended == ["passed"] * waits
    assert times.busiest <= LIMIT * 3 / 4
    assert {request.status for request in limited.requests} == {200}


def test_concurrent_waits_share_the_budget(
    limited: FakeBuildkite,
) -> None:
    with limited.client() as bk, ExitStack() as waits:
        build_of(limited, bk, 2000)
        paces: list[float] = []
        for _ in range(40):
            waits.enter_context(wait_state(bk.session).waiting())
            paces.append(wait_state(bk.session).min_interval("organizations/acme"))
    assert paces[1] == pytest.approx(2 * paces[0])
    assert paces[3] == pytest.approx(4 * paces[0])
    assert max(paces) <= 61


def test_an_exhausted_budget_is_awaited(limited: FakeBuildkite) -> None:
    with limited.client() as bk:
        build = build_of(limited, bk, 30)
        for _ in range(LIMIT - 2):
            build.reload()
        assert build.wait(timeout=600).state == "passed"
    assert {request.status for request in limited.requests} <= {200, 201}


def test_a_timeout_holds_if_the_budget_resets_later(limited: FakeBuildkite) -> None:
    limited.settings.rate_window = 3000.0
    with limited.client() as bk:
        build = build_of(limited, bk, 10_000)
        for _ in range(LIMIT - 1):
            build.reload()
        began = limited.clock.now()
        with pytest.raises(WaitTimeoutError, match="request budget is used up"):
            build.wait(timeout=100)
    assert limited.clock.now() == began + 100
    assert {request.status for request in limited.requests} <= {200, 201}


def test_a_wait_pauses_for_the_budget_even_if_the_client_does_not(limited: FakeBuildkite) -> None:
    with limited.client(retry=RetryPolicy(max_wait=1)) as bk:
        build = build_of(limited, bk, 30)
        for _ in range(LIMIT - 1):
            build.reload()
        assert build.wait().state == "passed"
    assert {request.status for request in limited.requests} <= {200, 201}


# -- the line on a terminal


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_a_progress_line(
    server: FakeBuildkite, bk: Buildkite, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tqdm")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    build_of(server, bk, 95).wait()
    assert "acme/web #1 running, 1:" in terminal.getvalue()
    assert "0 of 1 jobs finished" in terminal.getvalue()
    assert terminal.getvalue().split("\r")[-1].strip() == ""


def test_progress_is_silent_without_a_terminal(
    server: FakeBuildkite, bk: Buildkite, capfd: pytest.CaptureFixture[str]
) -> None:
    build_of(server, bk, 95).wait()
    assert capfd.readouterr() == ("", "")


def test_a_wait_works_without_standard_error(
    server: FakeBuildkite, bk: Buildkite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    assert build_of(server, bk, 5).wait().state == "passed"


def test_progress_without_the_extra_is_silent_unless_requested(
    server: FakeBuildkite, bk: Buildkite, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setitem(sys.modules, "tqdm", None)
    build = build_of(server, bk, 5)
    with pytest.raises(ConfigurationError, match=r"pip install 'buildkite_orm\[progress\]'"):
        build.wait(progress=True)
    assert build.wait().state == "passed"
    assert terminal.getvalue() == ""


def test_a_line_can_be_left_out(server: FakeBuildkite, bk: Buildkite, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    build_of(server, bk, 5).wait(progress=False)
    assert terminal.getvalue() == ""


# -- no longer than it may ---------------------------------------------------------------------------------------------


def spend(server: FakeBuildkite, bk: Buildkite) -> None:
    """Make the server report that nothing is left for an hour."""
    server.faults.add("rate_limit", scope="rest", reset=3600)
    with pytest.raises(RateLimitError):
        bk.organization("acme").fetch()


@pytest.mark.parametrize("timeout", [0, 5, 90])
@pytest.mark.parametrize("cancel", [False, True])
def test_a_wait_ends_in_time_with_an_exhausted_budget(
    server: FakeBuildkite, bk: Buildkite, timeout: float, *, cancel: bool
) -> None:
    server.add_build("web", state="running")
    spend(server, bk)
    began = server.clock.now()
    with pytest.raises(WaitTimeoutError, match="request budget is used up") as caught:
        bk.organization("acme").pipeline("web").build(1).wait(timeout=timeout, cancel_on_timeout=cancel)
    assert server.clock.now() - began == pytest.approx(timeout, abs=0.01)
    assert ("could not be canceled: not sent" in str(caught.value)) == cancel


class Deadlines(list[float]):
    """The longest time that each request of a client may take, by its policy when the request is sent."""

    def __init__(self, server: FakeBuildkite, bk: Buildkite) -> None:
        super().__init__()

        def note(_: RecordedRequest) -> bool:
            self.append(bk.session.retry.limited().max_elapsed)
            return False

        server.faults.add("latency", match=note, times=None)


@pytest.mark.parametrize("timeout", [0, 0.2, 10])
def test_each_request_of_a_wait_is_limited_by_the_remaining_time(
    server: FakeBuildkite, bk: Buildkite, timeout: float
) -> None:
    server.add_build("web", state="running")
    deadlines, began = Deadlines(server, bk), server.clock.now()
    with pytest.raises(WaitTimeoutError, match="it is being canceled"):
        bk.organization("acme").pipeline("web").build(1).wait(timeout=timeout, cancel_on_timeout=True)
    *looks, cancel = deadlines
    assert looks[0] == pytest.approx(max(timeout, 0.5))
    assert all(0.3 < left <= max(timeout, 0.5) for left in looks)
    assert cancel == pytest.approx(0.5)
    assert server.clock.now() - began == pytest.approx(timeout, abs=0.01)
