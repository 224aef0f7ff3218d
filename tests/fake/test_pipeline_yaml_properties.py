"""The properties of the builds of all pipelines in YAML: their order, their end, and their state."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from buildkite_orm.fake import FakeBuildkite

if TYPE_CHECKING:
    from buildkite_orm.fake import BuildRecord, JobRecord

ENDED = {
    "passed",
    "failed",
    "broken",
    "skipped",
    "waiting_failed",
    "blocked_failed",
    "unblocked",
    "blocked",
    "canceled",
}
KEYS = "abcdefhi"
LIMIT = 2


@st.composite
def step(draw: st.DrawFn, place: int) -> Any:
    """Return a step that may depend on any of the steps before it."""
    kind = draw(st.sampled_from(["command", "command", "command", "wait", "gate", "block", "input"]))
    if kind == "wait":
        return "wait"
    if kind == "gate":
        return {"wait": None, "continue_on_failure": True}
    given_step: dict[str, Any] = {kind: KEYS[place], "key": KEYS[place]}
    if draw(st.booleans()):
        earlier = st.sampled_from([*KEYS[:place], "missing"])
        allowed = st.booleans()
        dependencies = st.lists(st.fixed_dictionaries({"step": earlier, "allow_failure": allowed}), max_size=2)
        given_step["depends_on"] = draw(dependencies)
    if draw(st.integers(0, 5)) == 0:
        given_step["if"] = "build.branch == 'other'"
    if kind == "command":
        given_step |= draw(
            st.fixed_dictionaries(
                {},
                optional={
                    "soft_fail": st.booleans(),
                    "parallelism": st.integers(1, 2),
                    "retry": st.just({"automatic": {"limit": 1}}),
                    "cancel_on_build_failing": st.booleans(),
                    "priority": st.integers(-1, 1),
                },
            )
        )
        if draw(st.booleans()):
            method = draw(st.sampled_from(["ordered", "eager"]))
            given_step |= {"concurrency": LIMIT, "concurrency_group": "group", "concurrency_method": method}
    return given_step


@st.composite
def pipelines(draw: st.DrawFn) -> tuple[list[Any], set[str]]:
    """Return the steps of a pipeline, and the keys of those that fail."""
    steps = [draw(step(place)) for place in range(draw(st.integers(1, 8)))]
    start = draw(st.integers(0, len(steps) - 1))
    if draw(st.booleans()):
        steps[start : start + 2] = [{"group": "G", "key": "g", "steps": steps[start : start + 2]}]
    return steps, draw(st.sets(st.sampled_from(KEYS)))


def ended_before(first: JobRecord, second: JobRecord) -> bool:
    end = first.unblocked_at or first.finished_at
    return end is None or second.started_at is None or end <= second.started_at


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(pipelines(), st.booleans())
def test_builds_follow_their_steps(pipeline: tuple[list[Any], set[str]], unblocks: bool) -> None:  # noqa: FBT001
    steps, failing = pipeline
    with FakeBuildkite(populate=False) as server:
        for key in failing:
            server.set_outcome(step_key=key, exit_status=1)
        server.add_pipeline("app", yaml=json.dumps({"steps": steps}))
        server.client().organization("acme").pipeline("app").builds().create(commit="HEAD", branch="main")
        build = server.build("app", 1)
        for _ in range(10):
            server.run(600)
            blocked = [job for job in build.jobs if job.state == "blocked"]
            if not (unblocks and blocked):
                break
            server.context.lifecycle.unblock(blocked[0], server.store.organizations["acme"].users[0], {})
        assert_it_has_ended(build)
        assert_nothing_starts_too_early(build)
        assert_the_group_keeps_its_limit(build)


def assert_it_has_ended(build: BuildRecord) -> None:
    current = [job for job in build.jobs if not job.retried]
    assert build.finished_at is not None
    is_blocked = any(job.state == "blocked" for job in current)
    assert build.blocked is is_blocked
    assert {job.state for job in current} <= ENDED | ({"waiting"} if is_blocked else set())
    work = {job.state for job in current if job.type != "waiter"}
    expected = "failed" if any(job.failed_hard for job in current) else "passed"
    if work and work <= {"broken", "skipped"}:
        expected = "not_run"
    assert build.state == expected


def assert_the_group_keeps_its_limit(build: BuildRecord) -> None:
    grouped = [job for job in build.jobs if getattr(job.step, "concurrency_group", None)]
    spans = [(job.started_at, job.finished_at) for job in grouped if job.started_at is not None]
    for start, _ in spans:
        assert sum(begin <= start < (end or 0.0) for begin, end in spans) <= LIMIT


def assert_nothing_starts_too_early(build: BuildRecord) -> None:
    by_step: dict[str, list[JobRecord]] = {}
    for job in build.jobs:
        by_step.setdefault(job.step_id, []).append(job)
    for job in build.jobs:
        needed = [(each, need) for need in job.needs for key in need.step_ids for each in by_step[key]]
        for other, need in needed:
            assert ended_before(other, job)
            if job.started_at is not None and not other.retried and not need.allow_failure:
                assert not other.failed_hard
                assert other.state not in {"waiting_failed", "blocked_failed", "waiting", "blocked"}
