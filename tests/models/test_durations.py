"""How long builds and jobs take and wait: from their data, never below zero, and up to now while they are ongoing."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm import Build, BuildState, Job, JobState
from buildkite_orm.fake import CommandStep

if TYPE_CHECKING:
    from buildkite_orm import Buildkite
    from buildkite_orm.fake import FakeBuildkite

NOON = datetime.fromisoformat("2026-08-01T12:00:00+00:00")  # where the fake's clock begins


def at(seconds: float | None) -> str | None:
    """Write a time so many seconds from noon."""
    return None if seconds is None else (NOON + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def job_of(bk: Buildkite, state: str, **times: float | None) -> Job:
    payload = {"id": "0190", "type": "script", "state": state} | {name: at(value) for name, value in times.items()}
    return bk.bind(Job.model_validate(payload))


def build_of(bk: Buildkite, state: str, times: dict[str, float | None], *, blocked: bool = False) -> Build:
    payload: dict[str, Any] = {
        "id": "0190",
        "url": "https://api.buildkite.com/v2/organizations/acme/pipelines/web/builds/1",
        "number": 1,
        "state": state,
        "blocked": blocked,
        "commit": "HEAD",
        "created_at": at(-1000),
    }
    return bk.bind(Build.model_validate(payload | {name: at(value) for name, value in times.items()}))


def seconds(span: timedelta | None) -> float | None:
    return None if span is None else span.total_seconds()


JOBS: dict[str, tuple[str, dict[str, float | None], float | None, float | None]] = {
    "ended": ("passed", {"runnable_at": -100, "started_at": -70, "finished_at": -10}, 60, 30),
    "running": ("running", {"runnable_at": -100, "started_at": -70}, 70, 30),
    "queued": ("scheduled", {"runnable_at": -100}, None, 100),
    "behind a wait": ("waiting", {"scheduled_at": -100}, None, None),
    "expired": ("expired", {"runnable_at": -100, "expired_at": -10}, None, 90),
    "canceled in the queue": ("canceled", {"runnable_at": -100, "finished_at": -40}, None, 60),
    "canceled at an unknown time": ("canceled", {"runnable_at": -100, "started_at": -70}, None, 30),
    "started before it could": ("passed", {"runnable_at": -70, "started_at": -71, "finished_at": -10}, 61, 0),
    "finished before it started": ("passed", {"runnable_at": -70, "started_at": -60, "finished_at": -61}, 0, 10),
    "by a clock that is behind": ("running", {"runnable_at": 100, "started_at": 200}, 0, 100),
    "in a state that is new": ("hibernating", {"runnable_at": -100, "started_at": -70}, 70, 30),
    "without any time": ("running", {}, None, None),
}


@pytest.mark.parametrize(("state", "times", "duration", "queue_time"), JOBS.values(), ids=JOBS)
def test_a_job_knows_how_long_it_ran_and_waited(
    bk: Buildkite, state: str, times: dict[str, float | None], duration: float | None, queue_time: float | None
) -> None:
    job = job_of(bk, state, **times)
    assert (seconds(job.duration), seconds(job.queue_time)) == (duration, queue_time)


BUILDS: dict[str, tuple[str, dict[str, float | None], float | None, float | None]] = {
    "ended": ("failed", {"started_at": -990, "finished_at": -10}, 980, 10),
    "running": ("failing", {"started_at": -990}, 990, 10),
    "scheduled": ("scheduled", {}, None, 1000),
    "skipped": ("skipped", {}, None, None),
    "canceled before it began": ("canceled", {"finished_at": -400}, None, 600),
    "ended at an unknown time": ("passed", {"started_at": -990}, None, 10),
    "started before it was created": ("passed", {"started_at": -1000.024, "finished_at": -10}, 990.024, 0),
}


@pytest.mark.parametrize(("state", "times", "duration", "queue_time"), BUILDS.values(), ids=BUILDS)
def test_a_build_knows_how_long_it_ran_and_waited(
    bk: Buildkite, state: str, times: dict[str, float | None], duration: float | None, queue_time: float | None
) -> None:
    build = build_of(bk, state, times)
    assert (seconds(build.duration), seconds(build.queue_time)) == (duration, queue_time)


@pytest.mark.parametrize("later", [0, 50])
def test_an_ongoing_duration_is_measured_with_the_clock_of_the_client(
    server: FakeBuildkite, bk: Buildkite, later: float
) -> None:
    server.add_pipeline("web", steps=[CommandStep(duration=1000)])
    bk.organization("acme").pipeline("web").builds().create(commit="HEAD", branch="main")
    server.run(103)
    build = bk.organization("acme").pipeline("web").build(1).fetch()
    (job,) = build.jobs()
    server.clock.advance(later)
    assert (seconds(build.duration), seconds(job.duration)) == (100 + later, 100 + later)
    assert len(server.requests) == 2


def test_an_unbound_object_has_no_current_time() -> None:
    running = {"id": "0190", "type": "script", "state": "running", "started_at": at(-70)}
    assert Job.model_validate(running).duration is None
    assert seconds(Job.model_validate(running | {"state": "passed", "finished_at": at(-10)}).duration) == 60


def test_wait_and_block_steps_have_no_duration(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_build("web", jobs=[{"type": "waiter"}, {"type": "manual"}])
    for job in bk.organization("acme").pipeline("web").build(1).jobs():
        assert (job.duration, job.queue_time) == (None, None)


@pytest.mark.filterwarnings("ignore::buildkite_orm.DriftWarning")
def test_an_invalid_time_is_none(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_build("web", state="running", jobs=[{"state": "running"}])

    def drift(payload: Any) -> Any:
        payload["started_at"] = payload["jobs"][0]["started_at"] = 7
        payload["jobs"][0]["state"] = ["running"]
        return payload

    server.settings.drift = drift
    build = bk.organization("acme").pipeline("web").build(1).fetch()
    assert build.duration is None
    assert [job.duration for job in build.jobs()] == [None]
    assert [job.failure for job in build.jobs()] == [None]


@pytest.mark.parametrize("state", BuildState.__members__.values(), ids=str)
def test_each_state_that_is_known_is_an_end_or_is_none(bk: Buildkite, state: BuildState) -> None:
    ends = {"passed", "failed", "canceled", "skipped", "not_run"}
    assert build_of(bk, state, {"finished_at": -10}).is_finished == (state in ends)
    assert not build_of(bk, state, {"finished_at": -10}, blocked=True).is_finished
    assert build_of(bk, state, {}).is_blocked == (state == "blocked")


@pytest.mark.parametrize("state", JobState.__members__.values(), ids=str)
def test_a_job_is_finished_in_a_final_state(state: JobState) -> None:
    running = {"pending", "waiting", "blocked", "scheduled", "assigned", "accepted", "running", "limited", "limiting"}
    running |= {"canceling", "timing_out"}
    job = Job.model_validate({"id": "j", "type": "script", "state": state})
    assert job.is_finished == (state not in running), state
