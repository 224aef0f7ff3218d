"""Summaries, timelines and histories of which a part cannot be loaded: they show the rest, and what is missing."""

from __future__ import annotations

import json
import warnings
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm import BuildkiteError, RetryPolicy
from buildkite_orm.utils.json_types import as_array, as_object
from tests.helpers import needs_matplotlib, web_build

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildkite_orm import Buildkite, FailureSummary
    from buildkite_orm.fake import BuildRecord, FakeBuildkite

FAULTS: dict[str, dict[str, Any]] = {
    "reset": {"kind": "reset_before"},
    "reset after headers": {"kind": "reset_after_headers"},
    "reset in the body": {"kind": "reset_mid_body"},
    "refused": {"kind": "refuse"},
    "timeout": {"kind": "read_timeout"},
    "truncation": {"kind": "truncate"},
    "cut JSON": {"kind": "cut_json"},
    "garbage": {"kind": "error", "status": 200, "payload": "%%% no JSON"},
    "another shape": {"kind": "error", "status": 200, "payload": 7},
    "corrupt gzip": {"kind": "corrupt_gzip"},
    "HTML": {"kind": "html", "status": 200},
    "HTML with 502": {"kind": "html", "status": 502},
    "rate limit": {"kind": "rate_limit", "reset": 3600},
    "403": {"kind": "error", "status": 403},
    "404": {"kind": "error", "status": 404},
    "500": {"kind": "error", "status": 500},
    "503": {"kind": "error", "status": 503},
    "redirect": {"kind": "redirect", "location": "https://evil.example/"},
}
every_fault = pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
# what a log, which is text, can suffer: nothing in it has to be JSON
every_fault_of_a_log = pytest.mark.parametrize(
    "fault", [fault for name, fault in FAULTS.items() if name not in {"cut JSON", "garbage", "another shape"}]
)


@pytest.fixture
def bk(server: FakeBuildkite) -> Iterator[Buildkite]:
    with server.client(retry=RetryPolicy(attempts=2, max_elapsed=60)) as bk:
        yield bk


@pytest.fixture
def record(server: FakeBuildkite, bk: Buildkite) -> BuildRecord:
    """A build with two failed jobs, a log each, and two annotations."""
    jobs = [{"name": name, "state": "failed", "exit_status": 1} for name in ("Test", "Lint")]
    record = server.add_build("web", state="failed", jobs=jobs)
    for job in record.jobs:
        server.set_log(job, f"the end of {job.name}\n".encode())
    web_build(bk).annotations().create(body="of the build", context="a")
    web_build(bk).fetch().jobs()[0].annotations().create(body="of the job", context="b")
    server.requests.clear()
    return record


def check_shown(summary: FailureSummary, *shown: str) -> None:
    printed = str(summary)
    assert [text for text in shown if text not in printed] == []
    assert json.loads(summary.to_json())["number"] == 1
    assert repr(summary).startswith("<FailureSummary acme/web #1 failed")


@every_fault
@pytest.mark.usefixtures("record")
def test_a_failure_summary_survives_the_loss_of_its_annotations(
    server: FakeBuildkite, bk: Buildkite, fault: dict[str, Any]
) -> None:
    server.faults.add(**fault, match="/annotations", times=None)
    summary = web_build(bk).failure_summary()
    assert summary.problem
    logs = [job.log_lines or job.log_problem for job in summary.failed]
    no_budget = [summary.problem] * 2  # for logs either
    is_limit = fault["kind"] == "rate_limit"
    assert logs == (no_budget if is_limit else [("the end of Test",), ("the end of Lint",)])
    check_shown(summary, "Test: failed", "Lint: failed", f"(no annotations: {summary.problem})")
    assert summary.dump()["problem"] == summary.problem


@every_fault_of_a_log
def test_a_failure_summary_survives_the_loss_of_a_log(
    server: FakeBuildkite, bk: Buildkite, record: BuildRecord, fault: dict[str, Any]
) -> None:
    server.faults.add(**fault, match=f"{record.jobs[0].id}/log", times=None)
    first, second = web_build(bk).failure_summary().failed
    assert (first.log_lines, bool(first.log_problem)) == ((), True)
    assert f"(no log: {first.log_problem})" in str(first)
    assert [note.text for note in first.annotations] == ["of the job"]
    for_all = fault.get("status") == 403 or fault["kind"] == "rate_limit"
    assert second.log_lines == (() if for_all else ("the end of Lint",))


@every_fault
def test_a_failure_summary_survives_the_loss_of_all_its_parts(
    server: FakeBuildkite, bk: Buildkite, record: BuildRecord, fault: dict[str, Any]
) -> None:
    build = web_build(bk).fetch()
    server.faults.add(**fault, match="/log|/annotations", times=None)
    summary = build.failure_summary()
    assert [job.job.id for job in summary.failed] == [job.id for job in record.jobs]
    check_shown(summary, "2 failed jobs", "(no annotations: ")


@every_fault
@pytest.mark.usefixtures("record")
def test_an_unreachable_build_raises(server: FakeBuildkite, bk: Buildkite, fault: dict[str, Any]) -> None:
    build = web_build(bk).fetch(with_jobs=False)
    server.faults.add(**fault, times=None)
    for lose in (
        web_build(bk).failure_summary,
        web_build(bk).failed_jobs,
        web_build(bk).timeline,
        build.failure_summary,
        build.timeline,
    ):
        with pytest.raises(BuildkiteError):
            lose()
    with pytest.raises(BuildkiteError):
        bk.organization("acme").pipeline("web").history()


@every_fault
def test_a_further_page_of_failed_jobs_that_fails_is_named_and_those_before_are_shown(
    server: FakeBuildkite, bk: Buildkite, fault: dict[str, Any]
) -> None:
    server.add_build("web", state="failed", jobs=[{"state": "failed", "exit_status": 1}] * 150)
    build = web_build(bk).fetch(with_jobs=False)
    server.faults.add(**fault, match="/jobs", after=1, times=None)
    summary = build.failure_summary(logs=0)
    assert len(summary.failed) == 100
    assert summary.jobs_problem is not None
    assert summary.jobs_problem.startswith("after the first 100: ")
    check_shown(summary, "at least 100 failed jobs", f"(not all failed jobs: {summary.jobs_problem})")
    with pytest.raises(BuildkiteError):
        build.failed_jobs()  # a list is whole, or an error


def test_a_failure_summary_notes_that_there_are_more_than_a_hundred_annotations(
    server: FakeBuildkite, bk: Buildkite
) -> None:
    server.add_build("web", state="failed", jobs=[{"state": "failed"}])
    for number in range(101):
        web_build(bk).annotations().create(body=f"note {number}", context=str(number))
        if number == 99:
            assert web_build(bk).failure_summary().problem is None
    summary = web_build(bk).failure_summary()
    assert len(summary.annotations) == 100
    assert summary.problem == "there are more than the first 100; list build.annotations(scope='all')"
    check_shown(summary, "(not all annotations: there are more than the first 100;")


def test_logs_are_not_requested_any_more_if_the_server_is_unreachable(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_build("web", state="failed", jobs=[{"state": "failed"}] * 9)
    server.faults.add("reset_before", match="/log", times=None)
    summary = web_build(bk).failure_summary()
    assert len({job.log_problem for job in summary.failed}) == 1
    assert sum("/log" in request.path for request in server.requests) == 3 * 2  # logs, attempts


@pytest.mark.parametrize("odd", [None, 7, [], {}, "\x1b[31m\u202e", True])
def test_odd_fields_do_not_keep_a_summary_from_being_printed(server: FakeBuildkite, bk: Buildkite, odd: Any) -> None:
    record = server.add_build("web", state="failed", jobs=[{"state": "failed"}])
    web_build(bk).annotations().create(body="x", context="a")
    names = {"web_url", "signal", "signal_reason", "branch", "context", "style", "body_html", "exit_status", "name"}

    def drift(payload: Any) -> Any:
        if (several := as_array(payload)) is not None:
            return [drift(each) for each in several]
        if (known := as_object(payload)) is None:
            return payload
        return {key: odd if key in names else drift(value) if key == "jobs" else value for key, value in known.items()}

    server.settings.drift = drift
    with warnings.catch_warnings(action="ignore"):  # of the drift
        summary = web_build(bk).failure_summary()
    printed = f"{summary}{summary!r}"
    assert all(char.isprintable() or char == "\n" for char in printed)
    assert record.jobs


# -- timelines and histories


@every_fault
@pytest.mark.usefixtures("record")
def test_a_timeline_is_drawn_if_earlier_attempts_cannot_be_loaded(
    server: FakeBuildkite, bk: Buildkite, fault: dict[str, Any]
) -> None:
    build = web_build(bk).fetch()
    server.faults.add(**fault, times=None)
    timeline = build.timeline(include_retried_jobs=True)
    assert len(timeline.rows) == 2
    assert timeline.problem
    for drawn in (timeline.svg(), timeline.html(), str(timeline)):
        assert "Earlier attempts could not be loaded" in drawn


def _add_150_builds(server: FakeBuildkite) -> None:
    now = datetime.fromtimestamp(server.clock.now(), UTC)
    for number in range(150):
        server.add_build("web", state="passed", created_at=now - timedelta(hours=150 - number))


@every_fault
def test_a_history_with_a_failed_page_notes_that_older_builds_are_missing(
    server: FakeBuildkite, bk: Buildkite, fault: dict[str, Any]
) -> None:
    _add_150_builds(server)
    server.faults.add(**fault, match="/builds", after=1, times=None)
    history = bk.organization("acme").pipeline("web").history()
    assert len(history.builds) == 100
    assert history.problem
    assert history.days[0].date == history.builds[0].created_at.date()
    assert f"(older builds are missing: {history.problem})" in str(history)


@needs_matplotlib
def test_the_plot_of_a_history_with_a_failed_page_notes_that_older_builds_are_missing(
    server: FakeBuildkite, bk: Buildkite
) -> None:
    _add_150_builds(server)
    server.faults.add(kind="error", status=503, match="/builds", after=1, times=None)
    history = bk.organization("acme").pipeline("web").history()
    assert "older builds are missing" in history.svg()
