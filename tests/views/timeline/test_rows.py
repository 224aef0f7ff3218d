"""The rows of a timeline: the times at which jobs waited, ran and were blocked, for any data."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm import Build, Job
from buildkite_orm.fake import BlockStep, CommandStep, TriggerStep, WaitStep
from buildkite_orm.views.timeline.data import Interval, IntervalKind
from tests.views.timeline.builds import NOON, Payload, at, block, build, job, payload, seconds

if TYPE_CHECKING:
    from buildkite_orm import Buildkite, Timeline
    from buildkite_orm.fake import FakeBuildkite


def seconds_of(intervals: tuple[Interval, ...]) -> list[tuple[str, float, float]]:
    return [(str(each.kind), *seconds(each.start, each.end)) for each in intervals]


def ran(server: FakeBuildkite, bk: Buildkite, *steps: Any, until: float = 500) -> Timeline:
    """Run a build of some steps for a while, and return its timeline."""
    server.add_pipeline("web", steps=list(steps))
    ref = bk.organization("acme").pipeline("web").builds().create(commit="HEAD", branch="main")
    server.run(until)
    return bk.organization("acme").pipeline("web").build(ref.number).timeline()


CASES: dict[str, tuple[Payload, list[tuple[str, float, float]]]] = {
    "it waited, and ran": (job("a", 5, 20, 60), [("waiting", 5, 20), ("running", 20, 60)]),
    "it did not wait": (job("a", 5, 5, 60), [("running", 5, 60)]),
    "it waited since an unknown time": (job("a", None, 20, 60), [("running", 20, 60)]),
    "it was canceled before it began": (job("a", 5, None, 60, state="canceled"), [("waiting", 5, 60)]),
    "it expired": (job("a", 5, state="expired", expired_at=at(80)), [("waiting", 5, 80)]),
    "it ended before it started": (job("a", 5, 20, 19), [("waiting", 5, 20), ("running", 20, 20)]),
    "it started before it could": (job("a", 20, 5, 60), [("running", 5, 60)]),
    "it began before its build": (job("a", -5, -2, 60), [("running", 0, 60)]),
    "it ended at an unknown time": (job("a", 5, 20, state="failed"), [("waiting", 5, 20)]),
    "it runs in a build that is over": (job("a", 5, 20, state="running"), [("waiting", 5, 20), ("running", 20, 100)]),
    "it is of a kind that is new": (job("a", 5, 20, 60, type="probe"), [("waiting", 5, 20), ("running", 20, 60)]),
    "its state is new": (job("a", 5, 20, state="napping"), [("waiting", 5, 20), ("running", 20, 100)]),
}


@pytest.mark.parametrize(("data", "expected"), CASES.values(), ids=CASES)
def test_a_job_waits_for_an_agent_and_runs(data: Payload, expected: list[tuple[str, float, float]]) -> None:
    timeline = build(data).timeline()
    assert seconds_of(timeline.rows[0].intervals) == expected
    assert timeline.unplaced == ()


UNPLACED: dict[str, Payload] = {
    "behind a wait": job("a", state="waiting"),
    "broken": job("a", state="broken", created_at=at(0), scheduled_at=at(5)),
    "odd times": job("a", state="running") | {"runnable_at": 7, "started_at": ["x"], "finished_at": {}},
    "a new kind, whose times are none": job("a", type="probe") | {"started_at": "soon", "finished_at": 3},
    "a block step that was never reached": block("a", 5, state="blocked_failed") | {"unblocked_at": None},
    "no more than its kind": {"type": "script"},
}


@pytest.mark.filterwarnings("ignore::buildkite_orm.DriftWarning")
@pytest.mark.parametrize("data", UNPLACED.values(), ids=UNPLACED)
def test_jobs_without_times_are_omitted_with_a_note(server: FakeBuildkite, bk: Buildkite, data: Payload) -> None:
    server.add_build("web")
    server.settings.drift = lambda seconds_of: {**seconds_of, **payload(data)}
    timeline = bk.organization("acme").pipeline("web").build(1).timeline()
    assert timeline.rows == ()
    assert [each.__dict__.get("id") for each in timeline.unplaced] == [data.get("id")]
    assert "1 job not shown" in str(timeline)
    assert "Not started, or without times" in timeline.html()


def test_waits_take_no_time() -> None:
    timeline = build(job("a", 5, 6, 7), {"id": "w", "type": "waiter"}).timeline()
    assert [row.title for row in timeline.rows] == ["a"]
    assert timeline.unplaced == ()


@pytest.mark.filterwarnings("ignore::buildkite_orm.DriftWarning")
@pytest.mark.parametrize("jobs", [[], [7, None, "x"], 7, None])
def test_a_build_without_jobs_is_a_timeline_without_rows(server: FakeBuildkite, bk: Buildkite, jobs: Any) -> None:
    server.add_build("web")
    server.settings.drift = lambda seconds_of: {**seconds_of, **payload(), "jobs": jobs}
    timeline = bk.organization("acme").pipeline("web").build(1).timeline()
    assert (timeline.rows, timeline.unplaced, timeline.critical_path) == ((), (), ())
    assert timeline.duration == timedelta(seconds=100)
    assert timeline.html()
    assert str(timeline)


def test_a_build_without_any_time_is_one_without_a_beginning() -> None:
    nothing: Any = Build
    timeline = nothing.model_construct(embedded_jobs=[]).timeline()
    assert (timeline.start, timeline.end, timeline.duration) == (None, None, timedelta())
    assert repr(timeline) == "<Timeline ?: 0 jobs in 0s>"
    assert timeline.svg()
    assert str(timeline)


# -- ongoing jobs


def test_ongoing_intervals_end_now(server: FakeBuildkite, bk: Buildkite) -> None:
    timeline = ran(server, bk, CommandStep(duration=1000), until=103)
    (row,) = timeline.rows
    assert seconds_of(row.intervals) == [("waiting", 1, 3), ("running", 3, 103)]
    assert row.ongoing
    assert timeline.end == NOON + timedelta(seconds=103)
    server.clock.advance(50)
    (again,) = timeline.build.timeline().rows
    assert again.running == timedelta(seconds=150)


def test_intervals_of_an_unbound_build_end_at_the_last_known_time() -> None:
    timeline = build(job("a", 5, 20, state="running"), job("b", 5, 30, 70), state="running", finished=None).timeline()
    assert seconds_of(timeline.rows[0].intervals) == [("waiting", 5, 20), ("running", 20, 70)]
    assert timeline.rows[0].ongoing
    assert not timeline.rows[1].ongoing
    assert timeline.end == NOON + timedelta(seconds=70)


def test_waiting_for_an_agent_is_ongoing_too() -> None:
    (row,) = build(job("a", 5, state="scheduled"), state="running", finished=None).timeline().rows
    assert seconds_of(row.intervals) == [("waiting", 5, 5)]
    assert row.ongoing


def test_a_clock_that_is_behind_does_not_shorten_intervals(server: FakeBuildkite, bk: Buildkite) -> None:
    data = payload(job("a", 500, 600, state="running"), state="running", finished=None)
    timeline = bk.bind(Build.model_validate(data)).timeline()
    assert seconds_of(timeline.rows[0].intervals) == [("waiting", 500, 600), ("running", 600, 600)]
    assert timeline.end == NOON + timedelta(seconds=600)
    assert len(server.requests) == 0


# -- block steps


def test_a_block_step_is_blocked_from_the_end_of_earlier_jobs_until_it_is_unblocked(
    server: FakeBuildkite, bk: Buildkite
) -> None:
    server.add_pipeline(
        "web",
        steps=[CommandStep(duration=10), CommandStep(duration=20), BlockStep(label="Go?"), CommandStep(duration=30)],
    )
    created = bk.organization("acme").pipeline("web").builds().create(commit="HEAD", branch="main")
    server.run(100)
    waiting = created.fetch().timeline()
    assert seconds_of(waiting.rows[-1].intervals) == [("blocked", 23, 100)]
    assert waiting.rows[-1].ongoing
    assert seconds_of(waiting.intervals)[-1] == ("blocked", 23, 100)
    created.unblock_all()
    server.run(100)
    timeline = created.fetch().timeline()
    blocked = next(row for row in timeline.rows if row.blocked)
    assert seconds_of(blocked.intervals) == [("blocked", 23, 100)]
    assert not blocked.ongoing
    assert timeline.blocked == timedelta(seconds=77)
    assert [row.title for row in timeline.critical_path][-2:] == ["Go?", "make"]
    assert [str(each.kind) for each in timeline.intervals] == ["waiting", "running"]


def test_a_first_block_step_is_blocked_since_the_start() -> None:
    timeline = build(block("Go?", 40), job("a", 41, 42, 90)).timeline()
    assert seconds_of(timeline.rows[0].intervals) == [("blocked", 0, 40)]


def test_later_jobs_do_not_change_the_start_of_a_block() -> None:
    timeline = build(job("a", 1, 2, 30), job("b", 1, 2, 90), block("Go?", 40)).timeline()
    assert seconds_of(timeline.rows[-1].intervals) == [("blocked", 30, 40)]


BLOCKED: dict[str, tuple[list[Payload], dict[str, Any], list[tuple[str, float, float]]]] = {
    "it says since when": (
        [job("a", 1, 2, 30), block("Go?"), job("b", created_at=at(90))],
        {"finished": 32},
        [("waiting", 0, 1), ("running", 1, 32), ("blocked", 32, 90)],
    ),
    "it does not": (
        [job("a", 1, 2, 30), block("Go?"), job("b", created_at=at(90))],
        {"finished": None},
        [("waiting", 0, 1), ("running", 1, 30), ("blocked", 30, 90)],
    ),
    "it never ran": (
        [block("Go?"), job("b", created_at=at(90))],
        {"finished": None, "started_at": None},
        [("blocked", 0, 90)],
    ),
}


@pytest.mark.parametrize(("jobs", "fields", "expected"), BLOCKED.values(), ids=BLOCKED)
def test_a_blocked_build_is_blocked_until_now(
    jobs: list[Payload], fields: dict[str, Any], expected: list[tuple[str, float, float]]
) -> None:
    timeline = build(*jobs, blocked=True, **fields).timeline()
    assert seconds_of(timeline.intervals) == expected
    assert timeline.intervals[-1].ongoing


# -- attempts, shards, triggers


def test_attempts_are_rows_of_one_chain(server: FakeBuildkite, bk: Buildkite) -> None:
    flaky = CommandStep(label="Flaky", key="flaky", duration=5, exits=(1, 1, 0), automatic_retries=2)
    timeline = ran(server, bk, flaky, CommandStep(label="Other", duration=5))
    assert [(row.title, row.attempt) for row in timeline.rows] == [
        ("Flaky", 1),
        ("Other", 1),
        ("Flaky", 2),
        ("Flaky", 3),
    ]
    assert len({row.chain for row in timeline.rows if row.title == "Flaky"}) == 1
    assert timeline.missing_attempts == 0
    assert str(timeline.rows[-1]) == "Flaky (attempt 3): waited 2s, ran 5s"


def test_attempts_that_are_missing_are_counted(server: FakeBuildkite, bk: Buildkite) -> None:
    ran(server, bk, CommandStep(duration=5, exits=(1, 1, 0), automatic_retries=2))
    timeline = bk.organization("acme").pipeline("web").build(1).fetch().timeline()
    assert [row.attempt for row in timeline.rows] == [3]
    assert timeline.missing_attempts == 2
    assert "2 earlier attempts not loaded" in str(timeline)
    assert "timeline(include_retried_jobs=True)" in timeline.html()


LINKS: dict[str, tuple[list[Payload], list[int], int]] = {
    "by retried_in_job_id": ([job("a", 1, 2, 3, retried_in_job_id="b"), job("b", 4, 5, 6)], [1, 2], 0),
    "by retry_source": (
        [job("a", 1, 2, 3), job("b", 4, 5, 6, retry_source={"job_id": "a", "retry_type": "manual"})],
        [1, 2],
        0,
    ),
    "the first is missing": ([job("b", 4, 5, 6, retry_source={"job_id": "a", "retry_type": "manual"})], [2], 1),
    "only counted": ([job("b", 4, 5, 6, retries_count=2)], [3], 2),
    "leads nowhere": ([job("a", 1, 2, 3, retried_in_job_id="gone")], [1], 0),
    "leads to itself": ([job("a", 1, 2, 3, retried_in_job_id="a")], [1], 0),
    "leads in a circle": (
        [job("a", 1, 2, 3, retried_in_job_id="b"), job("b", 4, 5, 6, retried_in_job_id="a")],
        [1, 1],
        0,
    ),
}


@pytest.mark.parametrize(("jobs", "attempts", "missing"), LINKS.values(), ids=LINKS)
def test_attempts_are_matched_by_their_ids(jobs: list[Payload], attempts: list[int], missing: int) -> None:
    timeline = build(*jobs).timeline()
    assert [row.attempt for row in timeline.rows] == attempts
    assert timeline.missing_attempts == missing


def test_shards_are_numbered_from_one(server: FakeBuildkite, bk: Buildkite) -> None:
    timeline = ran(server, bk, CommandStep(label="Test", parallelism=3, duration=5))
    assert [row.shard for row in timeline.rows] == [(1, 3), (2, 3), (3, 3)]
    assert str(timeline.rows[1]) == "Test 2/3: waited 2s, ran 5s"
    assert build(job("a", 1, 2, 3, parallel_group_index=0)).timeline().rows[0].shard is None


def test_a_trigger_runs_as_long_as_its_build(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_pipeline("lib", steps=[CommandStep(duration=50)])
    (row,) = ran(server, bk, TriggerStep(pipeline="lib", label="Library")).rows
    assert row.running >= timedelta(seconds=50)


def test_rows_are_in_the_order_in_which_they_could_begin(server: FakeBuildkite, bk: Buildkite) -> None:
    timeline = ran(server, bk, CommandStep(label="a", duration=50), WaitStep(), CommandStep(label="b", duration=5))
    assert [row.title for row in timeline.rows] == ["a", "b"]
    assert [row.start for row in timeline.rows] == sorted(row.start for row in timeline.rows)


# -- sums


def test_times_add_up() -> None:
    timeline = build(job("a", 5, 20, 60), job("b", 5, 10, 30), block("Go?", 80)).timeline()
    assert timeline.waiting == timedelta(seconds=20)
    assert timeline.running == timedelta(seconds=60)
    assert timeline.blocked == timedelta(seconds=20)
    assert timeline.duration == timedelta(seconds=100)
    spent = timeline.critical_times
    assert (spent.waiting, spent.running, spent.blocked, spent.between) == tuple(
        timedelta(seconds=each) for each in (15, 40, 20, 25)
    )
    assert str(spent) == "40s running, 15s waiting, 20s blocked, 25s between"


def test_the_build_itself_waits_and_runs(server: FakeBuildkite, bk: Buildkite) -> None:
    timeline = ran(server, bk, CommandStep(duration=7))
    assert seconds_of(timeline.intervals) == [("waiting", 0, 3), ("running", 3, 10)]


def test_jobs_of_a_timeline_are_bound(server: FakeBuildkite, bk: Buildkite) -> None:
    row = ran(server, bk, CommandStep(duration=7)).rows[0]
    assert isinstance(row.job, Job)
    assert row.job.build == bk.organization("acme").pipeline("web").build(1)
    assert str(IntervalKind.WAITING) == "waiting"
