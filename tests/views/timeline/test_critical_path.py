"""The critical path: the jobs that determine how long a build takes, and properties that hold for any times."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buildkite_orm import Build, BuildState, JobState
from buildkite_orm.fake import CommandStep, WaitStep
from tests.views.timeline.builds import Payload, block, build, job, moments, payload

if TYPE_CHECKING:
    from buildkite_orm import Buildkite
    from buildkite_orm.fake import FakeBuildkite

SLACK = timedelta(seconds=1)

PATHS: dict[str, tuple[list[Payload], list[str]]] = {
    "in order": ([job("a", 1, 2, 30), job("b", 31, 32, 90)], ["a", "b"]),
    "the last to end before": ([job("a", 1, 2, 30), job("b", 1, 2, 20), job("c", 31, 32, 90)], ["a", "c"]),
    "what ends late and holds up nothing": ([job("a", 1, 2, 30), job("b", 1, 2, 90), job("c", 31, 32, 80)], ["b"]),
    "nothing before it": ([job("a", 50, 52, 90)], ["a"]),
    "an end that an agent reports too late": ([job("a", 1, 2, 31.8), job("b", 31, 32, 90)], ["a", "b"]),
    "an end too late to be it": ([job("a", 1, 2, 32.5), job("b", 31, 32, 90)], ["b"]),
    "a block step": ([job("a", 1, 2, 30), block("go", 60), job("b", 61, 62, 90)], ["a", "go", "b"]),
    "an attempt after the one before it": (
        [job("a", 1, 2, 30, retried_in_job_id="c"), job("b", 1, 2, 33), job("c", 33, 34, 90)],
        ["a", "c"],
    ),
    "all at once": ([job("a", 1, 1, 1), job("b", 1, 1, 1)], ["a"]),
}


@pytest.mark.parametrize(("jobs", "path"), PATHS.values(), ids=PATHS)
def test_each_is_the_last_to_end_before_the_next_could_run(jobs: list[Payload], path: list[str]) -> None:
    timeline = build(*jobs).timeline()
    assert [row.title for row in timeline.critical_path] == path
    assert {row.title for row in timeline.rows if row.is_critical} == set(path)


def test_it_is_the_path_of_a_build_that_ran(server: FakeBuildkite, bk: Buildkite) -> None:
    slow, quick = CommandStep(label="slow", duration=60), CommandStep(label="quick", duration=10)
    server.add_pipeline("web", steps=[quick, slow, WaitStep(), quick, CommandStep(label="last", duration=30)])
    created = bk.organization("acme").pipeline("web").builds().create(commit="HEAD", branch="main")
    server.run(300)
    timeline = created.fetch().timeline()
    assert [row.title for row in timeline.critical_path] == ["slow", "last"]
    assert timeline.critical_times.running == timedelta(seconds=90)


# -- any times

TIMES = st.none() | st.integers(-100, 5000) | st.floats(-100, 300) | st.just(-63_000_000_000) | st.just(200_000_000_000)
STATES = st.sampled_from([*map(str, JobState), "napping"])
NAMES = st.sampled_from([None, "", "a", "b", ":rocket: x", "<b>&", "\x1b[31m", "\u202eabc"])
IDS = st.sampled_from(["1", "2", "3", "4"])


@st.composite
def jobs(draw: st.DrawFn) -> Payload:
    kind = draw(st.sampled_from(["script", "manual", "waiter", "trigger", "probe"]))
    names = ("runnable_at", "started_at", "finished_at", "expired_at", "unblocked_at", "scheduled_at", "created_at")
    data: dict[str, Any] = {"type": kind, "id": draw(IDS), "state": draw(STATES), "name": draw(NAMES)}
    data |= moments({name: draw(TIMES) for name in names if draw(st.booleans())})
    if kind == "script":
        data |= {"retried_in_job_id": draw(st.none() | IDS), "retries_count": draw(st.none() | st.integers(-1, 3))}
        data |= {"parallel_group_index": draw(st.none() | st.integers(0, 3)), "parallel_group_total": 4}
        data |= {"group_key": draw(st.none() | st.just("tests")), "step_key": draw(st.none() | st.just("x"))}
    return data


@st.composite
def builds(draw: st.DrawFn) -> Build:
    times = {name: draw(TIMES) for name in ("started_at", "finished_at")}
    state = draw(st.sampled_from([*map(str, BuildState), "napping"]))
    data = payload(*draw(st.lists(jobs(), max_size=8)), state=state, blocked=draw(st.booleans()))
    return Build.model_validate(data | moments(times) | {"created_at": moments({"at": draw(TIMES) or 0})["at"]})


@pytest.mark.filterwarnings("ignore::buildkite_orm.DriftWarning")
@settings(deadline=None)
@given(builds())
def test_nothing_raises_is_negative_or_outside(build: Build) -> None:
    timeline = build.timeline()
    assert timeline.start is not None
    assert timeline.end is not None
    for row in timeline.rows:
        assert timeline.start <= row.start <= row.end <= timeline.end
        assert all(interval.duration >= timedelta() for interval in row.intervals)
        assert all(early.end <= late.start for early, late in pairwise(row.intervals))
    data = [*(row.job for row in timeline.rows), *timeline.unplaced]
    assert sorted(map(id, data)) == sorted(id(job) for job in build.embedded_jobs or [] if job.type != "waiter")


@pytest.mark.filterwarnings("ignore::buildkite_orm.DriftWarning")
@settings(deadline=None)
@given(builds())
def test_the_critical_path_is_in_order_and_its_times_are_those_of_the_build(build: Build) -> None:
    timeline = build.timeline()
    path = timeline.critical_path
    assert bool(path) == bool(timeline.rows)
    for early, late in pairwise(path):
        assert early.start < late.start
        assert early.end <= late.start + SLACK
    spent = timeline.critical_times
    parts = (spent.waiting, spent.running, spent.blocked, spent.between)
    assert sum(parts, timedelta()) == timeline.duration
    assert min(parts) >= timedelta()


@pytest.mark.filterwarnings("ignore::buildkite_orm.DriftWarning")
@settings(deadline=None, max_examples=50)
@given(builds())
def test_any_timeline_can_be_drawn(build: Build) -> None:
    timeline = build.timeline()
    assert timeline.svg().startswith("<svg ")
    assert timeline.html().endswith("</html>\n")
    assert str(timeline).isprintable() or "\n" in str(timeline)
    assert "\n" not in repr(timeline)
    assert all("\n" not in str(row) for row in timeline.rows)
