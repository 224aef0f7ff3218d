"""Jobs that are embedded in a build: what they answer without a request, and when a request is needed."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm import (
    BadRequestError,
    Build,
    JobState,
    ManualJob,
    ManyRequestsWarning,
    ScriptJob,
    TriggerJob,
    UnboundError,
    WaiterJob,
)

if TYPE_CHECKING:
    from buildkite_orm import Buildkite, BuildQuerySet, BuildRef, Job
    from buildkite_orm.fake import FakeBuildkite

JOBS: list[dict[str, Any]] = [
    {"name": "unit", "step_key": "unit", "group_key": "tests", "state": "failed", "exit_status": 1},
    {"name": "lint", "step_key": "lint", "state": "passed"},
    {"type": "manual", "name": "Deploy?", "state": "blocked", "step_key": "ask"},
    {"name": "slow", "step_key": "slow", "group_key": "tests", "state": "timed_out"},
    {"type": "trigger", "name": "Release", "state": "waiting"},
]
WAIT = {"type": "waiter", "state": "passed", "step_key": "pause"}


def build_of(server: FakeBuildkite, bk: Buildkite, *jobs: dict[str, Any], state: str = "failed") -> BuildRef:
    record = server.add_build("web", state=state, jobs=list(jobs or JOBS))
    return bk.organization("acme").pipeline("web").build(record.number)


def listed(server: FakeBuildkite, bk: Buildkite, count: int = 4, *jobs: dict[str, Any]) -> BuildQuerySet:
    for _ in range(count):
        server.add_build("web", state="failed", jobs=list(jobs or JOBS))
    return bk.organization("acme").pipeline("web").builds()


def names(jobs: Any) -> list[str | None]:
    return [job.name for job in jobs]


# -- kinds


def test_jobs_of_one_kind_are_selected_by_the_client(server: FakeBuildkite, bk: Buildkite) -> None:
    build = build_of(server, bk, *JOBS, WAIT)
    found = {kind: build.jobs(kind=kind).all() for kind in (ScriptJob, ManualJob, TriggerJob, WaiterJob)}
    assert {kind: names(jobs) for kind, jobs in found.items()} == {
        ScriptJob: ["unit", "lint", "slow"],
        ManualJob: ["Deploy?"],
        TriggerJob: ["Release"],
        WaiterJob: [None],
    }
    assert all(type(job) is kind for kind, jobs in found.items() for job in jobs)
    assert all(sorted(dict(request.query)) == ["include_retried_jobs", "per_page"] for request in server.requests)


def test_the_count_of_a_kind_is_that_of_the_jobs_it_yields(server: FakeBuildkite, bk: Buildkite) -> None:
    build = build_of(server, bk)
    scripts = build.jobs(kind=ScriptJob)
    assert scripts.count() == 3
    assert len(scripts.all()) == 3
    assert scripts.limit(2).count() == 2
    assert scripts[-1].name == "slow"
    assert len(server.requests) == 2
    assert repr(scripts) == "<JobQuerySet acme/web #1/jobs kind=ScriptJob [3 loaded]>"


def test_a_kind_of_embedded_jobs_takes_no_request(server: FakeBuildkite, bk: Buildkite) -> None:
    build = build_of(server, bk).fetch()
    server.requests.clear()
    scripts = build.jobs(kind=ScriptJob)
    assert names(scripts) == ["unit", "lint", "slow"]
    assert scripts.count() == 3
    assert names(scripts.limit(1)) == ["unit"]
    assert server.requests == []
    assert names(scripts.fresh()) == ["unit", "lint", "slow"]
    assert len(server.requests) == 1


def test_a_kind_and_filters_are_combined(server: FakeBuildkite, bk: Buildkite) -> None:
    ref = build_of(server, bk)
    build = ref.fetch()
    for each in (ref, build):
        assert names(each.jobs(kind=ScriptJob, state=["failed", "waiting"])) == ["unit"]
        assert names(each.jobs(kind=ScriptJob).filter(group_key="tests").filter(state="timed_out")) == ["slow"]
        assert names(each.jobs(kind=TriggerJob, state="failed")) == []


@pytest.mark.parametrize("kind", ["script", str, 5])
def test_a_kind_that_is_not_a_class_of_jobs_is_rejected(server: FakeBuildkite, bk: Buildkite, kind: Any) -> None:
    build = build_of(server, bk)
    for each in (build, build.fetch()):
        with pytest.raises(TypeError, match=r"^kind=.*: must be a class of jobs: ScriptJob, WaiterJob, "):
            each.jobs(kind=kind)


# -- filters that embedded jobs answer


FILTERS: list[dict[str, Any]] = [
    {"state": "failed"},
    {"state": JobState.TIMED_OUT},
    {"state": ["failed", "blocked"]},
    {"state": "running"},
    {"step_key": "lint"},
    {"step_key": "ask", "state": "blocked"},
    {"group_key": "tests"},
    {"group_key": "none"},
    {"group_key": "tests", "state": "failed", "step_key": "unit"},
    {"state": "failed", "include_retried_jobs": False},
]


@pytest.mark.parametrize("filters", FILTERS)
def test_filters_on_embedded_jobs_take_no_request(server: FakeBuildkite, bk: Buildkite, filters: Any) -> None:
    ref = build_of(server, bk)
    build = ref.fetch()
    expected = list(ref.jobs(**filters))
    server.requests.clear()
    assert list(build.jobs(**filters)) == expected
    assert build.jobs(**filters).count() == len(expected)
    assert server.requests == []
    assert list(build.jobs(**filters).fresh()) == expected
    assert len(server.requests) == 1


def test_a_filter_that_is_added_to_embedded_jobs_takes_no_request(server: FakeBuildkite, bk: Buildkite) -> None:
    build = build_of(server, bk).fetch()
    server.requests.clear()
    assert names(build.jobs().filter(group_key="tests").filter(state="failed")) == ["unit"]
    assert server.requests == []
    assert names(build.jobs(state="failed").filter(state="passed")) == ["lint"]  # replaces the state
    assert len(server.requests) == 1


def test_filters_in_a_loop_over_builds_with_jobs_take_no_request(server: FakeBuildkite, bk: Buildkite) -> None:
    builds = listed(server, bk).filter(with_jobs=True)
    with warnings.catch_warnings(action="error"):
        assert [names(build.jobs(state="failed")) for build in builds] == [["unit"]] * 4
    assert len(server.requests) == 1


def test_retried_attempts_are_filtered_if_they_are_embedded(server: FakeBuildkite, bk: Buildkite) -> None:
    ref = build_of(server, bk, {"name": "a", "step_key": "a", "state": "failed"}, {"name": "b", "state": "passed"})
    ref.jobs()[0].retry()
    build = ref.fetch(include_retried_jobs=True)
    server.requests.clear()
    assert len(build.jobs(step_key="a", include_retried_jobs=True).all()) == 2
    assert len(build.jobs(step_key="a").all()) == 1
    assert server.requests == []


# -- filters that need a request


def promised(server: FakeBuildkite, bk: Buildkite, **fields: Any) -> BuildRef:
    job = {"name": "a", "state": "running", "exit_status": None, **fields}
    return build_of(server, bk, job, {"name": "b", "state": "failed"}, state="running")


@pytest.mark.parametrize("state", ["failed", "running", ["failed", "passed"]])
def test_a_promised_failure_needs_a_request(server: FakeBuildkite, bk: Buildkite, state: Any) -> None:
    ref = promised(server, bk, promised_exit_status=3)
    build = ref.fetch()
    expected = names(ref.jobs(state=state))
    server.requests.clear()
    assert names(build.jobs(state=state)) == expected
    assert len(server.requests) == 1


def test_a_promised_failure_needs_no_request_if_both_its_states_are_wanted(
    server: FakeBuildkite, bk: Buildkite
) -> None:
    build = promised(server, bk, promised_exit_status=3).fetch()
    server.requests.clear()
    assert names(build.jobs(state=["failed", "running"])) == ["a", "b"]
    assert names(build.jobs(state="passed")) == []
    assert server.requests == []


def test_a_promise_to_pass_needs_no_request(server: FakeBuildkite, bk: Buildkite) -> None:
    build = promised(server, bk, promised_exit_status=0).fetch()
    server.requests.clear()
    assert names(build.jobs(state="failed")) == ["b"]
    assert names(build.jobs(state="running")) == ["a"]
    assert server.requests == []


def test_the_state_of_a_wait_step_needs_a_request(server: FakeBuildkite, bk: Buildkite) -> None:
    build = build_of(server, bk, *JOBS, WAIT).fetch()
    server.requests.clear()
    assert names(build.jobs(state="failed")) == ["unit"]  # no state of a wait step
    assert names(build.jobs(state="passed", kind=ScriptJob)) == ["lint"]
    assert names(build.jobs(state="passed", step_key="lint")) == ["lint"]
    assert server.requests == []
    assert names(build.jobs(state="passed")) == ["lint", None]
    assert len(server.requests) == 1


def test_a_step_key_that_may_be_that_of_a_wait_step_needs_a_request(server: FakeBuildkite, bk: Buildkite) -> None:
    build = build_of(server, bk, *JOBS, WAIT).fetch()
    server.requests.clear()
    assert [type(job) for job in build.jobs(step_key="pause")] == [WaiterJob]
    assert len(server.requests) == 1


def test_an_unknown_state_is_left_to_the_server(server: FakeBuildkite, bk: Buildkite) -> None:
    build = build_of(server, bk).fetch()
    with pytest.raises(BadRequestError, match="Invalid state: brand-new"):
        list(build.jobs(state=JobState("brand-new")))


def test_a_state_that_is_not_a_string_needs_a_request(server: FakeBuildkite, bk: Buildkite) -> None:
    ref = build_of(server, bk)
    payload = ref.fetch().dump()
    payload["jobs"][0]["state"] = None
    build = bk.bind(Build.model_validate_json(json.dumps(payload)))
    server.requests.clear()
    assert names(build.jobs(state="failed")) == ["unit"]
    assert len(server.requests) == 1


def test_filters_of_each_build_that_need_requests_give_one_warning(server: FakeBuildkite, bk: Buildkite) -> None:
    builds = listed(server, bk, 5, *JOBS, WAIT).filter(with_jobs=True).all()
    server.requests.clear()
    with pytest.warns(ManyRequestsWarning, match="kind=ScriptJob if wait steps do not matter") as caught:
        assert [len(build.jobs(state="passed").all()) for build in builds] == [2] * 5
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert len(server.requests) == 5


def test_filters_of_builds_without_jobs_give_the_warning_that_names_with_jobs(
    server: FakeBuildkite, bk: Buildkite
) -> None:
    builds = listed(server, bk).all()
    with pytest.warns(ManyRequestsWarning, match=r"builds\(with_jobs=True\)") as caught:
        assert [names(build.jobs(state="failed")) for build in builds] == [["unit"]] * 4
    assert len(caught) == 1


def test_all_attempts_of_each_build_give_the_warning_that_names_it(server: FakeBuildkite, bk: Buildkite) -> None:
    builds = listed(server, bk).filter(with_jobs=True).all()
    with pytest.warns(ManyRequestsWarning, match="include_retried_jobs=True"):
        assert [len(build.jobs(include_retried_jobs=True).all()) for build in builds] == [5] * 4


def test_unblock_all_requests_the_steps_that_are_blocked_now(server: FakeBuildkite, bk: Buildkite) -> None:
    step = {"type": "manual", "name": "Deploy?", "state": "waiting"}
    record = server.add_build("web", state="running", jobs=[step])
    build = bk.organization("acme").pipeline("web").build(record.number).fetch()
    record.jobs[0].state = "blocked"
    assert len(build.unblock_all()) == 1


# -- builds without a client


@pytest.fixture
def cached(server: FakeBuildkite, bk: Buildkite) -> Build:
    payload = build_of(server, bk, *JOBS, WAIT).fetch().dump()
    server.requests.clear()
    return Build.model_validate(json.loads(json.dumps(payload)))


def test_the_embedded_jobs_of_an_unbound_build_are_listed(cached: Build) -> None:
    assert names(cached.jobs()) == ["unit", "lint", "Deploy?", "slow", "Release", None]
    assert names(cached.jobs(state="failed")) == ["unit"]
    assert names(cached.jobs(kind=ManualJob)) == ["Deploy?"]
    assert cached.jobs().count() == 6
    assert repr(cached.jobs()) == "<JobQuerySet acme/web #1/jobs [6 loaded]>"
    jobs: list[Job] = cached.failed_jobs()
    assert names(jobs) == ["unit", "slow"]
    assert cached.timeline().build is cached


def test_what_needs_a_request_raises_for_an_unbound_build(cached: Build) -> None:
    for listing in (cached.jobs().fresh(), cached.jobs().filter(step_key="other")):
        with pytest.raises(UnboundError, match=r"#1 .* belongs to no client; .* bind it: bk\.bind"):
            list(listing)
    not_answered: list[Any] = [{"state": "passed"}, {"include_retried_jobs": True}]
    for filters in not_answered:
        with pytest.raises(UnboundError, match=r"#1 .* belongs to no client"):
            cached.jobs(**filters)
    with pytest.raises(UnboundError):
        list(cached.jobs()[0].artifacts())
