"""Why a build failed: the jobs that count, and a summary of them at few requests."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm import JobFailure, ManyRequestsWarning, NotFoundError, ScriptJob
from buildkite_orm.fake import BlockStep, CommandStep, TriggerStep, WaitStep
from buildkite_orm.utils.text import short_duration
from tests.helpers import web_build

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildkite_orm import Build, Buildkite, BuildRef
    from buildkite_orm.fake import FakeBuildkite
    from buildkite_orm.fake.records import BuildRecord
    from tests.conftest import Costs

LOGS = Path(__file__).parents[1] / "data" / "logs"
JOBS: tuple[dict[str, Any], ...] = (
    {"name": "passed", "state": "passed", "exit_status": 0},
    {"name": "failed", "state": "failed", "exit_status": 1},
    {"name": "soft", "state": "failed", "exit_status": 1, "soft_failed": True},
    {"name": "timed out", "state": "timed_out", "exit_status": 255},
    {"name": "expired", "state": "expired", "started_at": None, "finished_at": None},
    {"name": "canceled", "state": "canceled", "signal": "SIGTERM", "signal_reason": "cancel"},
    {"name": "lost", "state": "failed", "exit_status": -1, "signal_reason": "agent_stop"},
    {"name": "condition", "state": "broken", "exit_status": None, "broken_reason": "conditional_failed"},
    {"name": "not reached", "state": "broken", "exit_status": None, "broken_reason": "a step before it failed"},
    {"name": "skipped", "state": "skipped"},
    {"name": "running", "state": "running", "exit_status": None, "finished_at": None},
    {"name": "promised", "state": "running", "promised_exit_status": 3, "finished_at": None},
    {"name": "promises well", "state": "running", "promised_exit_status": 0, "finished_at": None},
    {"type": "waiter", "state": "waiting_failed"},
    {"type": "manual", "name": "Deploy?", "state": "blocked_failed"},
    {"type": "trigger", "name": "downstream", "state": "failed"},
)
COUNTED = {
    "failed": JobFailure.FAILED,
    "timed out": JobFailure.TIMED_OUT,
    "expired": JobFailure.EXPIRED,
    "canceled": JobFailure.CANCELED,
    "lost": JobFailure.FAILED,
    "promised": JobFailure.PROMISED,
    "downstream": JobFailure.FAILED,
}


def every_kind(server: FakeBuildkite) -> BuildRecord:
    return server.add_build("web", state="failing", jobs=JOBS)


def failures(build: BuildRef, **options: bool) -> dict[str | None, JobFailure | None]:
    return {getattr(job, "name", None): job.failure for job in build.failed_jobs(**options)}


ROUTES: dict[str, Callable[[Buildkite], BuildRef]] = {
    "a ref": web_build,
    "an object with its jobs": lambda bk: web_build(bk).fetch(),
    "an object without": lambda bk: web_build(bk).fetch(with_jobs=False),
}


@pytest.mark.parametrize("route", ROUTES.values(), ids=ROUTES)
def test_failed_jobs_have_their_kind_of_failure(
    server: FakeBuildkite, bk: Buildkite, route: Callable[[Buildkite], BuildRef]
) -> None:
    every_kind(server)
    assert failures(route(bk)) == COUNTED


@pytest.mark.parametrize("route", ROUTES.values(), ids=ROUTES)
def test_soft_failures_are_included_only_if_requested(
    server: FakeBuildkite, bk: Buildkite, route: Callable[[Buildkite], BuildRef]
) -> None:
    every_kind(server)
    assert failures(route(bk), soft_failed=True) == COUNTED | {"soft": JobFailure.SOFT_FAILED}


def test_a_promised_failure_counts_only_if_it_makes_the_build_fail(server: FakeBuildkite, bk: Buildkite) -> None:
    record = server.add_build("web", state="running", jobs=[{"state": "running", "promised_exit_status": 3}])
    assert web_build(bk).fetch().failed_jobs() == []
    record.state = "failing"
    assert len(web_build(bk).fetch().failed_jobs()) == 1


def test_the_latest_attempt_counts(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_pipeline(
        "web",
        steps=[
            CommandStep(label="Flaky", duration=5, exits=(1, 0), automatic_retries=1),
            CommandStep(label="Bad", duration=5, exits=(1,), automatic_retries=2),
            WaitStep(),
            CommandStep(label="Never"),
        ],
    )
    build = bk.organization("acme").pipeline("web").builds().create(commit="HEAD", branch="main").wait()
    for each in (web_build(bk), web_build(bk).fetch(), web_build(bk).fetch(include_retried_jobs=True)):
        (job,) = each.failed_jobs()
        assert isinstance(job, ScriptJob)
        assert (job.name, job.retries_count, job.was_retried) == ("Bad", 2, False)
    assert build.state == "failed"


def test_embedded_data_is_not_requested(server: FakeBuildkite, bk: Buildkite, costs: Costs) -> None:
    every_kind(server)
    build = web_build(bk).fetch()
    with costs(0):
        build.failed_jobs()
    with costs(1):
        web_build(bk).failed_jobs()
    some = web_build(bk).fetch(job_states="passed")
    with costs(1):
        some.failed_jobs()


def test_missing_jobs_of_a_build_are_requested(server: FakeBuildkite, bk: Buildkite) -> None:
    every_kind(server)
    assert failures(web_build(bk).fetch(job_states="passed")) == COUNTED


def test_only_failed_jobs_are_requested(server: FakeBuildkite, bk: Buildkite, costs: Costs) -> None:
    skipped = [{"state": "broken", "exit_status": None}] * 500
    server.add_build("web", state="failed", jobs=[*skipped, *[{"state": "failed"}] * 120])
    with costs(2):
        assert len(web_build(bk).failed_jobs()) == 120


def test_a_loop_that_could_have_embedded_the_jobs_gets_a_warning(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_builds("web", 5, state="failed", jobs=2)
    builds = bk.organization("acme").pipeline("web").builds()
    with pytest.warns(ManyRequestsWarning, match="with_jobs=True"):
        found = [build.failed_jobs() for build in builds]
    assert len(found) == 5


# -- the summary


def realistic_build(server: FakeBuildkite) -> BuildRecord:
    """Add a failed build with logs and annotations."""
    record = server.add_build(
        "web",
        state="failed",
        branch="dev",
        jobs=[
            {"name": "Test", "state": "failed", "exit_status": 2},
            {"name": "Lint", "state": "failed", "exit_status": 1, "soft_failed": True},
            {
                "name": "Killed",
                "state": "failed",
                "exit_status": -1,
                "signal": "SIGKILL",
                "signal_reason": "agent_stop",
            },
            {"name": "Fine", "state": "passed"},
        ],
    )
    lines = [f"\x1b_bk;t=17855{n:08}\x07\x1b[31mline {n}\x1b[0m" for n in range(30)]
    server.set_log(record.jobs[0], "\r\n".join([*lines, "10%\r50%\r100% größer"]).encode())
    server.add_annotation(
        record, "<h2>3 tests</h2><ul><li>a &amp; b</li><li>c</li></ul>", context="rspec", style="error"
    )
    server.add_annotation(record, "See the wiki", context="help", job=record.jobs[0], style="info")
    return record


def test_a_summary_prints_all_that_is_needed(server: FakeBuildkite, bk: Buildkite) -> None:
    record = realistic_build(server)
    test, lint, killed, _ = record.jobs
    page = "https://buildkite.com/acme/web/builds/1"
    printed = str(web_build(bk).failure_summary(lines=2))
    length = short_duration(timedelta(seconds=(killed.finished_at or 0) - (killed.started_at or 0)))
    assert printed.startswith(f"acme/web #1 failed on dev: 2 failed jobs, 1 failed softly\n{page}\n  [error] rspec: ")
    assert "  [error] rspec: 3 tests\n    a & b\n    c\n" in printed
    assert (
        f"\n\nTest: failed, exit status 2, after {length}\n{page}#{test.id}\n"
        "  [info] help: See the wiki\n  | line 29\n  | 100% größer\n"
    ) in printed
    assert f"\n\nKilled: failed, exit status -1, SIGKILL by agent_stop, after {length}\n" in printed
    assert f"\n\nLint: soft failed, exit status 1, after {length}\n{page}#{lint.id}\n" in printed
    assert "Fine" not in printed
    assert "\x1b" not in printed


def test_a_summary_dumps_as_json(server: FakeBuildkite, bk: Buildkite) -> None:
    realistic_build(server)
    summary = web_build(bk).failure_summary()
    data = json.loads(summary.to_json())
    assert data == summary.dump()
    assert (data["number"], data["state"], data["branch"]) == (1, "failed", "dev")
    first = data["failed"][0]
    assert (first["title"], first["failure"], first["exit_status"], first["signal"]) == ("Test", "failed", 2, None)
    assert len(first["log_lines"]) == 20
    assert first["annotations"] == [{"context": "help", "style": "info", "text": "See the wiki"}]
    assert data["failed"][1]["signal"] == "SIGKILL"
    assert [job["title"] for job in data["soft_failed"]] == ["Lint"]
    assert data["annotations"] == [{"context": "rspec", "style": "error", "text": "3 tests\na & b\nc"}]
    assert repr(summary) == "<FailureSummary acme/web #1 failed on dev: 2 failed jobs, 1 failed softly>"


@pytest.mark.parametrize("failed", [1, 10, 60])
@pytest.mark.parametrize("route", ROUTES.values(), ids=ROUTES)
def test_a_summary_takes_a_bounded_number_of_requests(
    server: FakeBuildkite, bk: Buildkite, route: Callable[[Buildkite], BuildRef], failed: int
) -> None:
    server.add_build("web", state="failed", jobs=[{"state": "failed", "exit_status": 1}] * failed)
    build = route(bk)
    server.requests.clear()
    summary = build.failure_summary()
    read = min(failed, 10)
    assert len(server.requests) <= 2 + read
    assert sum("/log" in request.path for request in server.requests) == read
    assert len(summary.failed) == failed
    unread = [job.log_problem for job in summary.failed if not job.log_lines]
    assert unread == ["only 10 logs are loaded, see logs="] * (failed - read)


def test_a_summary_can_do_without_logs(server: FakeBuildkite, bk: Buildkite, costs: Costs) -> None:
    server.add_build("web", state="failed", jobs=[{"state": "failed", "exit_status": 1}])
    with costs(2):
        (job,) = web_build(bk).failure_summary(logs=0).failed
    assert (job.log_lines, job.log_problem) == ((), None)


def test_the_log_of_a_job_that_never_ran_is_not_requested(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_build("web", state="failed", jobs=[{"state": "expired", "started_at": None, "finished_at": None}])
    (job,) = web_build(bk).failure_summary().failed
    assert job.log_problem == "the job never ran"
    assert "(no log: the job never ran)" in str(job)
    assert not any("/log" in request.path for request in server.requests)


def test_forbidden_logs_are_reported_and_not_requested_again(server: FakeBuildkite) -> None:
    server.add_build("web", state="failed", jobs=[{"state": "failed"}] * 5)
    with server.client(token=server.make_token("read_builds")) as bk:
        summary = web_build(bk).failure_summary()
    assert all(job.log_problem and "read_build_logs" in job.log_problem for job in summary.failed)
    assert sum("/log" in request.path for request in server.requests) == 1


def test_a_missing_log_does_not_prevent_reading_the_others(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_build("web", state="failed", jobs=[{"state": "failed"}] * 2)
    server.faults.add("error", match="/log", status=404, message="No log", times=1)
    first, second = web_build(bk).failure_summary().failed
    assert (first.log_problem, first.log_lines) == ("404 No log", ())
    assert (second.log_problem, len(second.log_lines) > 0) == (None, True)


def test_annotations_that_cannot_be_loaded_are_reported(server: FakeBuildkite, bk: Buildkite) -> None:
    realistic_build(server)
    server.faults.add("error", match="/annotations", status=403, message="Forbidden")
    summary = web_build(bk).failure_summary()
    assert summary.problem is not None
    assert summary.problem.startswith("403 Forbidden")
    assert "(no annotations: 403 Forbidden" in str(summary)


def test_the_summary_of_a_passed_build_is_empty(server: FakeBuildkite, bk: Buildkite, costs: Costs) -> None:
    server.add_build("web", state="passed", jobs=3)
    with costs(1):
        summary = web_build(bk).failure_summary()
    assert (summary.failed, summary.soft_failed) == ((), ())
    assert str(summary).startswith("acme/web #1 passed on main: 0 failed jobs\n")


def test_a_build_that_is_not_there_is_an_error(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_build("web")
    with pytest.raises(NotFoundError):
        web_build(bk, 7).failure_summary()


def test_numbers_below_zero_are_refused(bk: Buildkite) -> None:
    with pytest.raises(ValueError, match="lines=-1"):
        web_build(bk).failure_summary(lines=-1)


def test_the_end_of_a_long_log_is_read_alone_and_without_a_cut_line(server: FakeBuildkite, bk: Buildkite) -> None:
    record = server.add_build("web", state="failed", jobs=[{"state": "failed"}])
    server.set_log(record.jobs[0], b"".join(b"%06d ----- \xe2\x9c\x93 ----------------\r\n" % n for n in range(40_000)))
    (job,) = web_build(bk).failure_summary(lines=30).failed
    assert [line[:7] for line in job.log_lines] == [f"{number:06} " for number in range(39_970, 40_000)]
    (request,) = (request for request in server.requests if request.path.endswith("/log"))
    assert request.headers["Range"] == "bytes=-262144"


def test_long_lines_of_a_log_are_shortened(server: FakeBuildkite, bk: Buildkite) -> None:
    record = server.add_build("web", state="failed", jobs=[{"state": "failed"}] * 2)
    server.set_log(record.jobs[0], b"".join(b"%d%s\r\n" % (n, b"-" * 50_000) for n in range(9)))
    server.set_log(record.jobs[1], b"a" * 500_000)
    first, second = web_build(bk).failure_summary(lines=20).failed
    assert [line[0] for line in first.log_lines] == ["4", "5", "6", "7", "8"]  # whole lines of the last 256 kB
    assert {len(line) for line in (*first.log_lines, *second.log_lines)} == {501}


def test_the_cause_is_found_above_the_uploads_in_one_request(
    server: FakeBuildkite, bk: Buildkite, costs: Costs
) -> None:
    record = server.add_build("web", state="failed", jobs=[{"state": "failed", "exit_status": 1}])
    server.set_log(record.jobs[0], (LOGS / "many_uploads.log").read_bytes())
    build = web_build(bk).fetch()
    with costs(2):  # annotations, log
        (job,) = build.failure_summary(lines=5).failed
    assert job.log_lines == (
        "Deploying revision 4ca1b5f",
        "Waiting for 3 pods",
        'fatal: rollout of deployment "web" exceeded its deadline of 600 seconds',
        "…",
        "🚨 Error: The command exited with status 1",
    )


def test_text_of_a_log_is_escaped(server: FakeBuildkite, bk: Buildkite) -> None:
    record = server.add_build("web", state="failed", jobs=[{"name": "\x1b[2Jx", "state": "failed"}])
    server.set_log(record.jobs[0], b"\x1b]0;title\x07\x1b[2J\x9b2Jhere\x00\tthere")
    printed = str(web_build(bk).failure_summary())
    assert all(char.isprintable() or char == "\n" for char in printed)
    assert "here" in printed


def test_the_summary_of_a_blocked_build_shows_that_state(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_pipeline("web", steps=[CommandStep(exits=(1,), soft_fail=True, duration=5), BlockStep()])
    bk.organization("acme").pipeline("web").builds().create(commit="HEAD", branch="main").wait()
    assert "acme/web #1 blocked on main: 0 failed jobs, 1 failed softly" in repr(web_build(bk).failure_summary())


def test_a_trigger_that_failed_is_one_of_them(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_pipeline("lib", steps=[CommandStep(duration=5, exits=(1,))])
    server.add_pipeline("web", steps=[TriggerStep(pipeline="lib", label="Lib")])
    build: Build = bk.organization("acme").pipeline("web").builds().create(commit="HEAD", branch="main").wait()
    (job,) = build.failure_summary().failed
    assert str(job).startswith("Lib: failed, after ")
    assert (job.log_lines, job.log_problem) == ((), None)
