"""Waiting for a build: right for every state, after every verb, within every bound."""

from __future__ import annotations

import pickle
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from buildkite_orm import Build, BuildBlockedError, BuildkiteError, BuildState, NotFoundError, WaitTimeoutError
from buildkite_orm.fake import BlockStep, CommandStep, WaitStep
from buildkite_orm.fake.times import iso
from buildkite_orm.resources.builds.wait_state import wait_state
from tests.helpers import web_pipeline

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildkite_orm import Buildkite
    from buildkite_orm.fake import FakeBuildkite
    from buildkite_orm.fake.records import BuildRecord

NOT_ENDS = ("creating", "scheduled", "running", "failing", "canceling", "waiting", "waiting_failed")
ENDS = ("passed", "failed", "canceled", "skipped", "not_run")


class Later(Protocol):
    """Has a build change its fields some seconds from now."""

    def __call__(self, build: BuildRecord, seconds: float, **fields: Any) -> None: ...


@pytest.fixture
def later(server: FakeBuildkite) -> Later:
    def change(build: BuildRecord, seconds: float, **fields: Any) -> None:
        def happen() -> None:
            for name, value in fields.items():
                setattr(build, name, value)

        server.context.lifecycle.at(server.clock.now() + seconds, happen)

    return change


def new_build(server: FakeBuildkite, bk: Buildkite, *steps: CommandStep | BlockStep | WaitStep) -> Build:
    """Create a build of these steps."""
    server.add_pipeline("web", steps=list(steps) or [CommandStep(duration=20)])
    return web_pipeline(bk).builds().create(commit="HEAD", branch="main")


def failed_build(server: FakeBuildkite, bk: Buildkite, *, exits: tuple[int, ...] = (1, 0)) -> Build:
    """Create a build and run it until it fails."""
    build = new_build(server, bk, CommandStep(duration=20, exits=exits))
    server.run(60)
    assert build.reload().state == "failed"
    server.run(1000)
    return build


# -- the states


@pytest.mark.parametrize("state", NOT_ENDS)
def test_unfinished_states_are_awaited(server: FakeBuildkite, bk: Buildkite, later: Later, state: str) -> None:
    record = server.add_build("web", state="running")
    record.state = state
    later(record, 300, state="failed", finished_at=server.clock.now() + 300)
    began = server.clock.now()
    assert web_pipeline(bk).build(1).wait(timeout=600).state == "failed"
    assert server.clock.now() >= began + 300


@pytest.mark.parametrize("finished", [True, False], ids=["with finished_at", "without"])
@pytest.mark.parametrize("state", ENDS)
def test_each_end_is_one_at_once(server: FakeBuildkite, bk: Buildkite, state: str, *, finished: bool) -> None:
    record = server.add_build("web", state=state)
    record.finished_at = server.clock.now() if finished else None
    began = server.clock.now()
    assert web_pipeline(bk).build(1).wait(timeout=600).state == state
    assert server.clock.now() == began
    assert len(server.requests) == 1


def test_an_unknown_state_is_unfinished_without_finished_at(server: FakeBuildkite, bk: Buildkite, later: Later) -> None:
    record = server.add_build("web", state="running")
    record.state = "hibernating"
    later(record, 300, finished_at=server.clock.now() + 300)
    build = web_pipeline(bk).build(1).wait(timeout=600)
    assert (build.state, build.finished_at is not None) == ("hibernating", True)
    assert build.is_finished


@pytest.mark.parametrize("state", ["passed", "failed", "running", "blocked"])
def test_a_build_with_the_blocked_flag_is_blocked_in_any_state(
    server: FakeBuildkite, bk: Buildkite, state: str
) -> None:
    record = server.add_build("web", state="passed")
    record.state, record.blocked = state, state != "blocked"
    build = web_pipeline(bk).build(1).wait(timeout=60)
    assert (build.is_blocked, build.is_finished, build.has_passed) == (True, False, False)
    with pytest.raises(BuildBlockedError, match="acme/web #1 is blocked: it waits to be unblocked") as caught:
        web_pipeline(bk).build(1).wait(on_blocked="raise")
    assert caught.value.build == build
    with pytest.raises(WaitTimeoutError, match="is still blocked after 60 s"):
        web_pipeline(bk).build(1).wait(timeout=60, on_blocked="wait")


@pytest.mark.parametrize("state", [*BuildState, "hibernating"])
def test_only_a_finished_build_in_the_state_passed_has_passed(server: FakeBuildkite, bk: Buildkite, state: str) -> None:
    server.add_build("web", state="passed").state = state
    assert web_pipeline(bk).build(1).fetch().has_passed is (state == "passed")


def test_wait_can_continue_until_a_blocked_build_is_unblocked(server: FakeBuildkite, bk: Buildkite) -> None:
    build = new_build(server, bk, CommandStep(duration=5), BlockStep(), CommandStep(duration=30))
    server.run(60)

    def open_it() -> None:
        job = next(job for job in server.build("web", 1).jobs if job.state == "blocked")
        server.context.lifecycle.unblock(job, server.store.organizations["acme"].users[0], {})

    server.context.lifecycle.at(server.clock.now() + 400, open_it)
    assert build.wait(on_blocked="wait", timeout=900).state == "passed"
    assert not build.is_blocked


def test_on_change_is_called_once_for_each_state(server: FakeBuildkite, bk: Buildkite) -> None:
    states: list[str] = []
    build = new_build(server, bk, CommandStep(duration=100, exits=(1,)), CommandStep(duration=200))
    build.wait(on_change=lambda seen: states.append(str(seen.state)))
    assert states == ["creating", "scheduled", "running", "failing", "failed"]


def test_jobs_are_not_requested_while_waiting(server: FakeBuildkite, bk: Buildkite) -> None:
    build = new_build(server, bk)
    server.requests.clear()
    build.pipeline.build(1).wait()
    assert len(server.requests) > 3
    assert {request.query_string for request in server.requests} == {"exclude_jobs=true&exclude_pipeline=true"}
    build.wait()
    assert server.requests[-1].query_string == "exclude_jobs=true"  # it has its pipeline, and keeps it


# -- arguments


def test_waiting_on_an_object_updates_and_returns_it(server: FakeBuildkite, bk: Buildkite) -> None:
    build = new_build(server, bk)
    assert build.wait() is build
    assert build.state == "passed"
    assert [str(job.state) for job in build.jobs()] == ["passed"]
    assert build.embedded_pipeline is not None


def test_waiting_on_a_ref_returns_an_object(server: FakeBuildkite, bk: Buildkite) -> None:
    new_build(server, bk)
    build = web_pipeline(bk).build(1).wait()
    assert isinstance(build, Build)
    assert build.state == "passed"
    assert [str(job.state) for job in build.jobs()] == ["passed"]


def test_each_reported_build_is_a_snapshot(server: FakeBuildkite, bk: Buildkite) -> None:
    seen: list[Build] = []
    build = new_build(server, bk)
    build.wait(on_change=seen.append)
    assert [str(each.state) for each in seen] == ["creating", "scheduled", "running", "passed"]


def test_a_build_that_is_not_there_is_an_error_at_once(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_build("web")
    with pytest.raises(NotFoundError):
        web_pipeline(bk).build(7).wait()
    assert len(server.requests) == 1


@pytest.mark.parametrize("options", [{"timeout": -1}, {"timeout": float("nan")}, {"on_blocked": "hope"}], ids=str)
def test_invalid_options_are_refused_before_any_request(
    server: FakeBuildkite, bk: Buildkite, options: dict[str, Any]
) -> None:
    for use in (web_pipeline(bk).build(1).wait, web_pipeline(bk).build(1).watch, web_pipeline(bk).wait_for):
        with pytest.raises(ValueError, match=next(iter(options))):
            use(**options)
    assert server.requests == []


# -- what was done to it before


VERBS: dict[str, Callable[[Build], object]] = {
    "retry_failed_jobs": lambda build: build.retry_failed_jobs(),
    "retry of a ref": lambda build: build.pipeline.build(build.number).retry_failed_jobs(),
    "job.retry": lambda build: build.failed_jobs()[0].retry(),
    "retry by the organization": lambda build: build.organization.job(build.failed_jobs()[0].id).retry(),
}


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
@pytest.mark.parametrize("called_on", ["the object", "a ref"])
def test_after_a_retry_the_old_end_does_not_count(
    server: FakeBuildkite, bk: Buildkite, verb: Callable[[Build], object], called_on: str
) -> None:
    build = failed_build(server, bk)
    server.settings.pace.retrying = 12.0
    verb(build)
    began = server.clock.now()
    done = build.wait() if called_on == "the object" else build.pipeline.build(1).wait()
    assert done.state == "passed"
    assert began + 20 <= server.clock.now() <= began + 60


def test_the_build_returned_by_a_retry_waits_for_the_next_end(server: FakeBuildkite, bk: Buildkite) -> None:
    build = failed_build(server, bk)
    server.settings.pace.retrying = 12.0
    assert build.retry_failed_jobs().wait().state == "passed"


def test_a_retry_that_fails_again_is_an_end_again(server: FakeBuildkite, bk: Buildkite) -> None:
    build = failed_build(server, bk, exits=(1,))
    before = build.finished_at
    build.retry_failed_jobs()
    build.wait()
    assert build.state == "failed"
    assert build.finished_at != before


def test_a_retry_that_finishes_between_two_polls_is_recognized_by_its_end(server: FakeBuildkite, bk: Buildkite) -> None:
    build = failed_build(server, bk, exits=(1,))
    build.retry_failed_jobs()
    server.run(600)
    began = server.clock.now()
    assert build.wait().state == "failed"
    assert server.clock.now() == began


def test_the_end_counts_at_once_if_no_job_was_retried(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_build("web", state="failed", jobs=[{"state": "passed"}])
    build = web_pipeline(bk).build(1).fetch()
    retried = build.retry_failed_jobs()
    assert retried.retried_jobs_count == 0
    began = server.clock.now()
    assert build.wait().state == retried.wait().state == "failed"
    assert server.clock.now() == began


def test_a_retry_without_effect_is_given_up_after_a_minute(server: FakeBuildkite, bk: Buildkite) -> None:
    build = failed_build(server, bk)
    server.settings.pace.retrying = 10_000.0
    build.retry_failed_jobs()
    began = server.clock.now()
    assert build.wait().state == "failed"
    assert began + 60 <= server.clock.now() <= began + 90


def test_a_retry_whose_response_was_lost_is_awaited(server: FakeBuildkite, bk: Buildkite) -> None:
    build = failed_build(server, bk)
    server.settings.pace.retrying = 12.0
    server.faults.add("reset_after_headers", match="retry_failed_jobs", times=1)
    with pytest.raises(BuildkiteError) as caught:
        build.retry_failed_jobs()
    assert caught.value.outcome_unknown
    began = server.clock.now()
    assert build.wait().state == "passed"
    assert server.clock.now() < began + 50


@pytest.mark.parametrize("how", ["unblock", "unblock_all"])
def test_an_unblocked_build_is_awaited(server: FakeBuildkite, bk: Buildkite, how: str) -> None:
    build = new_build(server, bk, CommandStep(duration=5), BlockStep(), CommandStep(duration=30))
    assert build.wait().is_blocked
    record = server.build("web", 1)
    ended = record.finished_at
    if how == "unblock":
        build.jobs(state="blocked")[0].unblock()
    else:
        build.unblock_all()
    states: list[str] = []
    server.settings.drift = lagging(2, ended, blocked=True)
    build.wait(on_change=lambda seen: states.append("blocked" if seen.is_blocked else str(seen.state)))
    assert states[0] == "blocked"
    assert build.state == "passed"
    assert not build.is_blocked


def lagging(looks: int, finished_at: float | None, *, blocked: bool) -> Callable[[Any], Any]:
    """Return a drift under which the next responses show an earlier state, as by a server that lags behind."""
    left = [looks]

    def lag(payload: Any) -> Any:
        if left[0] > 0 and finished_at is not None:
            left[0] -= 1
            payload |= {"state": "passed", "blocked": blocked, "finished_at": iso(finished_at)}
        return payload

    return lag


def test_a_build_unblocked_by_others_is_not_ended_by_its_old_state(server: FakeBuildkite, bk: Buildkite) -> None:
    build = new_build(server, bk, CommandStep(duration=5), BlockStep(), CommandStep(duration=300))
    build.wait()
    record = server.build("web", 1)
    ended = record.finished_at

    def open_it() -> None:
        job = next(job for job in record.jobs if job.state == "blocked")
        server.settings.drift = lagging(1, ended, blocked=False)
        server.context.lifecycle.unblock(job, server.store.organizations["acme"].users[0], {})

    server.context.lifecycle.at(server.clock.now() + 200, open_it)
    began = server.clock.now()
    assert build.wait(on_blocked="wait").state == "passed"
    assert server.clock.now() >= began + 500


def test_the_next_block_step_is_one(server: FakeBuildkite, bk: Buildkite) -> None:
    build = new_build(server, bk, BlockStep(label="One?"), CommandStep(duration=5), BlockStep(label="Two?"))
    build.wait()
    build.unblock_all()
    began = server.clock.now()
    assert build.wait().is_blocked
    assert server.clock.now() < began + 30
    build.unblock_all()
    assert build.wait().state == "passed"


def test_after_rebuild_the_new_build_is_waited_for(server: FakeBuildkite, bk: Buildkite) -> None:
    build = failed_build(server, bk)
    assert build.rebuild().wait().number == 2
    server.run(100)
    build.rebuild()
    again = build.wait()
    assert (again.number, again.is_finished, build.number) == (3, True, 1)


def test_a_build_that_still_runs_is_awaited_after_its_rebuild(server: FakeBuildkite, bk: Buildkite) -> None:
    build = new_build(server, bk, CommandStep(duration=200))
    server.run(50)
    build.rebuild()
    assert build.wait().number == 1
    assert build.state == "passed"


def test_canceling_is_waited_for(server: FakeBuildkite, bk: Buildkite) -> None:
    build = new_build(server, bk)
    server.run(10)
    assert build.cancel().state == "canceling"
    assert build.wait().state == "canceled"


# -- time


def test_a_timeout_names_the_last_state_of_the_build(server: FakeBuildkite, bk: Buildkite) -> None:
    build = new_build(server, bk, CommandStep(duration=1000))
    began = server.clock.now()
    with pytest.raises(WaitTimeoutError, match=r"acme/web #1 is still running after 90 s\.") as caught:
        build.wait(timeout=90)
    assert server.clock.now() == began + 90
    assert caught.value.build is not None
    assert (caught.value.build.state, build.state) == ("running", "running")
    assert server.build("web", 1).state == "running"
    assert pickle.loads(pickle.dumps(caught.value)).build.state == "running"  # noqa: S301 - ours


def test_a_build_that_ends_at_the_last_moment_has_ended(server: FakeBuildkite, bk: Buildkite, later: Later) -> None:
    record = server.add_build("web", state="running")
    later(record, 90, state="passed", finished_at=server.clock.now() + 90)
    assert web_pipeline(bk).build(1).wait(timeout=90).state == "passed"


def test_a_timeout_of_zero_is_one_poll(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_build("web", state="running")
    with pytest.raises(WaitTimeoutError):
        web_pipeline(bk).build(1).wait(timeout=0)
    assert len(server.requests) == 1


def test_a_build_can_be_canceled_when_the_time_is_up(server: FakeBuildkite, bk: Buildkite) -> None:
    build = new_build(server, bk, CommandStep(duration=1000))
    with pytest.raises(WaitTimeoutError, match="it is being canceled") as caught:
        build.wait(timeout=90, cancel_on_timeout=True)
    assert caught.value.build is not None
    assert caught.value.build.state == "canceling"
    assert build.wait().state == "canceled"


def test_a_build_that_finishes_while_being_canceled_is_returned(
    server: FakeBuildkite, bk: Buildkite, later: Later
) -> None:
    record = server.add_build("web", state="running")
    server.faults.add("latency", match="PUT .*/cancel", seconds=0.4)
    later(record, 90.2, state="passed", finished_at=server.clock.now() + 90.2)
    server.faults.add("error", match="PUT .*/cancel", status=422, message="Build can't be canceled")
    assert web_pipeline(bk).build(1).wait(timeout=90, cancel_on_timeout=True).state == "passed"


@pytest.mark.parametrize("status", [403, 500])
def test_a_failed_cancel_is_part_of_the_timeout_error(server: FakeBuildkite, bk: Buildkite, status: int) -> None:
    server.add_build("web", state="running")
    server.faults.add("error", match="PUT .*/cancel", status=status, message="No way")
    with pytest.raises(WaitTimeoutError, match=f"it could not be canceled: {status} No way"):
        web_pipeline(bk).build(1).wait(timeout=90, cancel_on_timeout=True)


def test_a_wrong_clock_does_not_change_a_wait(server: FakeBuildkite, bk: Buildkite) -> None:
    record = server.add_build("web", state="running")
    record.created_at = record.started_at = server.clock.now() + 7200
    with pytest.raises(WaitTimeoutError) as caught:
        web_pipeline(bk).build(1).wait(timeout=3600)
    assert caught.value.build is not None
    assert caught.value.build.duration == timedelta()
    assert len(server.requests) < 200


# -- errors on the way


TROUBLE: dict[str, dict[str, Any]] = {
    "502 as HTML": {"kind": "html"},
    "a page of a proxy": {"kind": "html", "status": 200},
    "500": {"kind": "error"},
    "503": {"kind": "error", "status": 503},
    "no connection": {"kind": "refuse"},
    "read timeout": {"kind": "read_timeout"},
    "reset": {"kind": "reset_before"},
    "half a response": {"kind": "truncate"},
    "429": {"kind": "rate_limit"},
}


@pytest.mark.parametrize("timeout", [None, 3600], ids=["without end", "with a timeout"])
@pytest.mark.parametrize("fault", TROUBLE.values(), ids=TROUBLE)
def test_temporary_errors_do_not_end_a_wait(
    server: FakeBuildkite, bk: Buildkite, fault: dict[str, Any], timeout: float | None
) -> None:
    build = new_build(server, bk, CommandStep(duration=100))
    server.faults.add(**fault, times=12, after=2)
    assert build.wait(timeout=timeout).state == "passed"


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_permanent_errors_are_raised_at_once(server: FakeBuildkite, bk: Buildkite, status: int) -> None:
    build = new_build(server, bk, CommandStep(duration=1000))
    server.faults.add("error", status=status, message="Sorry", after=3)
    server.requests.clear()
    with pytest.raises(BuildkiteError, match=f"{status} Sorry"):
        build.wait()
    assert len(server.requests) == 4
    assert build.state == "running"


def test_an_outage_is_given_up_after_a_quarter_of_an_hour(server: FakeBuildkite, bk: Buildkite) -> None:
    build = new_build(server, bk, CommandStep(duration=100_000))
    server.faults.add("html", times=None, after=4)
    began = server.clock.now()
    with pytest.raises(BuildkiteError, match="502"):
        build.wait()
    assert began + 900 <= server.clock.now() <= began + 1300


@pytest.mark.parametrize("kind", ["html", "read_timeout", "rate_limit"])
def test_an_outage_is_given_up_at_the_timeout(server: FakeBuildkite, bk: Buildkite, kind: Any) -> None:
    build = new_build(server, bk, CommandStep(duration=100_000))
    server.faults.add(kind, times=None, after=4)
    began = server.clock.now()
    with pytest.raises(WaitTimeoutError, match="still running after 120 s; the last request failed: ") as caught:
        build.wait(timeout=120)
    assert began + 120 <= server.clock.now() <= began + 150
    assert isinstance(caught.value.__cause__, BuildkiteError)
    assert caught.value.build is not None


def test_over_the_network_it_is_the_same(server: FakeBuildkite) -> None:
    server.add_pipeline("web", steps=[CommandStep(duration=40)])
    with server.client(http=True) as bk:
        build = web_pipeline(bk).builds().create(commit="HEAD", branch="main")
        for kind in ("html", "reset_mid_body", "truncate"):
            server.faults.add(kind, times=2, after=1)  # pyright: ignore[reportArgumentType]
        assert build.wait(timeout=600).state == "passed"


# -- Ctrl-C


def stopping_at(moment: float, server: FakeBuildkite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Raise KeyboardInterrupt at some time during a wait."""
    wait_until = server.clock.wait_until

    def interrupted(until: float) -> None:
        wait_until(min(until, moment))
        if until >= moment:
            raise KeyboardInterrupt

    monkeypatch.setattr(server.clock, "wait_until", interrupted)


def test_ctrl_c_says_that_the_build_continues(
    server: FakeBuildkite, bk: Buildkite, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = new_build(server, bk, CommandStep(duration=1000))
    stopping_at(server.clock.now() + 50, server, monkeypatch)
    with pytest.raises(KeyboardInterrupt) as caught:
        build.wait()
    assert str(caught.value) == (
        "stopped waiting for acme/web #1, which is running; the build continues: https://buildkite.com/acme/web/builds/1"
    )
    assert build.state == "running"
    assert server.build("web", 1).state == "running"
    assert wait_state(bk.session).min_interval("organizations/acme") == 0


def test_ctrl_c_while_watching_says_the_same(
    server: FakeBuildkite, bk: Buildkite, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = new_build(server, bk, CommandStep(duration=1000))
    stopping_at(server.clock.now() + 50, server, monkeypatch)
    with pytest.raises(KeyboardInterrupt, match="stopped waiting for acme/web #1, which is running"):
        list(build.watch())
    assert wait_state(bk.session).min_interval("organizations/acme") == 0


def test_ctrl_c_while_nothing_has_appeared_says_so(
    server: FakeBuildkite, bk: Buildkite, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.add_pipeline("web")
    stopping_at(server.clock.now() + 50, server, monkeypatch)
    with pytest.raises(KeyboardInterrupt, match="stopped waiting: acme/web: a build of branch dev has not appeared"):
        web_pipeline(bk).wait_for(branch="dev")


# -- what a client keeps in mind


def test_the_memory_of_a_client_is_bounded(bk: Buildkite) -> None:
    state = wait_state(bk.session)
    for number in range(1001):
        state.add_restart(f"builds/{number}", None)
        state.note_duration(f"pipelines/{number}", 1.0)
    assert (state.restart_of("builds/0"), state.usual_duration("pipelines/0")) == (None, None)
    assert state.restart_of("builds/1") is not None
    assert state.usual_duration("pipelines/1") == 1.0
