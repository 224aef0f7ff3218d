"""Attempts, retries, block steps and what a job knows of itself: the verbs around a failure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm import (
    BadRequestError,
    ConfigurationError,
    Job,
    ManualJob,
    NotFoundError,
    TriggerJob,
    UnprocessableEntityError,
)
from buildkite_orm.fake import BlockStep, CommandStep, TriggerStep
from tests.helpers import web_build

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildkite_orm import Build, Buildkite, JobRef
    from buildkite_orm.fake import FakeBuildkite
    from buildkite_orm.fake.steps import Step
    from tests.conftest import Costs


def ended(server: FakeBuildkite, bk: Buildkite, *steps: Step) -> Build:
    """Run a build of these steps until it is finished or blocked."""
    server.add_pipeline("web", steps=steps)
    return bk.organization("acme").pipeline("web").builds().create(commit="HEAD", branch="main").wait()


# -- attempts

FROM: dict[str, Callable[[Build, list[Job]], JobRef]] = {
    "the first": lambda _build, jobs: jobs[0],
    "one between": lambda _build, jobs: jobs[1],
    "the latest": lambda _build, jobs: jobs[-1],
    "a ref below the build": lambda build, jobs: build.job(jobs[0].id),
    "a ref below the organization": lambda build, jobs: build.organization.job(jobs[1].id),
}


@pytest.mark.parametrize("key", ["flaky", None], ids=["with a key", "without"])
@pytest.mark.parametrize("start", FROM.values(), ids=FROM)
def test_from_any_attempt_one_gets_all_of_them_in_their_order(
    server: FakeBuildkite, bk: Buildkite, start: Callable[[Build, list[Job]], JobRef], key: str | None
) -> None:
    flaky = CommandStep(label="Flaky", key=key, duration=5, exits=(1, 2, 0), automatic_retries=2, parallelism=2)
    build = ended(server, bk, flaky, CommandStep(label="Other", duration=5))
    every = list(build.jobs(include_retried_jobs=True))
    mine = sorted(
        (job for job in every if job.dump()["parallel_group_index"] == 1),
        key=lambda job: job.dump()["retries_count"] or 0,
    )
    job = start(build, mine)
    assert job.attempts() == mine
    assert [each.dump()["exit_status"] for each in job.attempts()] == [1, 2, 0]
    assert job.latest_attempt() == mine[-1]
    assert job.latest_attempt().state == "passed"


def test_a_job_that_was_never_retried_is_its_only_attempt(server: FakeBuildkite, bk: Buildkite) -> None:
    build = ended(server, bk, CommandStep(key="test", duration=5), BlockStep(label="Go?"))
    for job in build.jobs():
        assert job.attempts() == [job]
        assert job.latest_attempt() == job


def test_a_retry_that_the_object_does_not_know_is_found(server: FakeBuildkite, bk: Buildkite) -> None:
    build = ended(server, bk, CommandStep(key="test", duration=5, exits=(1, 0)))
    job = build.failed_jobs()[0]
    again = job.retry()
    assert job.attempts() == [job, again]


def test_attempts_take_one_request_for_the_step_or_one_per_hundred_jobs(
    server: FakeBuildkite, bk: Buildkite, costs: Costs
) -> None:
    others = [CommandStep(label=f"Job {number}", duration=5) for number in range(150)]
    build = ended(server, bk, CommandStep(key="test", duration=5, exits=(1, 0), automatic_retries=1), *others)
    job = build.jobs(step_key="test")[0]
    with costs(1):
        assert len(job.attempts()) == 2
    with costs(2):
        assert len(web_build(bk).job(job.id).attempts()) == 2


def test_attempts_of_a_job_that_is_not_there_are_an_error(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_build("web", jobs=2)
    for ref in (web_build(bk).job("0190-unknown"), bk.organization("acme").job("0190-unknown")):
        with pytest.raises(NotFoundError):
            ref.attempts()


# -- retry


def test_the_error_of_a_second_retry_names_the_next_step(server: FakeBuildkite, bk: Buildkite) -> None:
    build = ended(server, bk, CommandStep(key="test", duration=5, exits=(1, 1, 0)))
    job = build.failed_jobs()[0]
    job.retry()
    with pytest.raises(
        BadRequestError, match=r"only be retried once; retry its latest attempt: job\.latest_attempt\(\)"
    ):
        job.retry()
    build.wait()
    assert job.latest_attempt().retry() != job
    assert build.wait().state == "passed"


def test_a_retried_job_is_refused_without_a_request(server: FakeBuildkite, bk: Buildkite, costs: Costs) -> None:
    build = ended(server, bk, CommandStep(key="test", duration=5, exits=(1, 0), automatic_retries=1))
    first, again = build.jobs(include_retried_jobs=True)
    with costs(0), pytest.raises(BadRequestError, match=f"was retried already, as {again.id}"):
        first.retry()


# -- block steps

OPTIONS = [{"label": "A", "value": "a"}, {"label": "B", "value": "b"}]
FIELDS: tuple[dict[str, Any], ...] = (
    {"text": "Release name", "key": "name", "required": True},
    {"select": "Stage", "key": "stage", "required": False, "options": OPTIONS},
    {"select": "Targets", "key": "targets", "required": False, "multiple": True, "options": OPTIONS},
    {"text": "Note", "key": "note", "required": True, "default": "none"},
)


def declare_fields(payload: Any) -> Any:
    """Add the declared fields to the block steps of a payload."""
    for job in payload.get("items", []):
        job["fields"] = list(FIELDS)
    return payload


def blocked(server: FakeBuildkite, bk: Buildkite, *, declared: bool) -> ManualJob:
    """Return a block step, with or without declared fields."""

    build = ended(server, bk, BlockStep(label="Deploy?", fields=FIELDS))
    server.settings.drift = declare_fields if declared else None
    job = build.jobs(state="blocked")[0]
    assert isinstance(job, ManualJob)
    server.settings.drift = None
    server.requests.clear()
    return job


WRONG: dict[str, tuple[dict[str, str], str]] = {
    "a field is missing": ({"stage": "a"}, "'name' is required"),
    "a field is empty": ({"name": ""}, "'name' is required"),
    "there is no such field": ({"name": "x", "nam": "y"}, "there is no field 'nam'"),
    "there is no such option": ({"name": "x", "stage": "c"}, "'stage' is one of 'a', 'b', not 'c'"),
}


@pytest.mark.parametrize(("fields", "problem"), WRONG.values(), ids=WRONG)
def test_declared_fields_are_checked_before_the_request(
    server: FakeBuildkite, bk: Buildkite, fields: dict[str, str], problem: str
) -> None:
    job = blocked(server, bk, declared=True)
    with pytest.raises(ValueError, match=problem) as caught:
        job.unblock(fields=fields)
    assert "has the fields name, note, stage, targets" in str(caught.value)
    assert server.requests == []


def test_fields_that_are_right_are_sent(server: FakeBuildkite, bk: Buildkite) -> None:
    job = blocked(server, bk, declared=True)
    assert job.unblock(fields={"name": "x", "stage": "b", "targets": "a\nb"}).state == "unblocked"
    assert server.build("web", 1).meta_data["stage"] == "b"


def test_undeclared_fields_are_checked_by_the_server(server: FakeBuildkite, bk: Buildkite) -> None:
    job = blocked(server, bk, declared=False)
    with pytest.raises(UnprocessableEntityError, match="name: missing_field"):
        job.unblock(fields={"nam": "y"})
    assert len(server.requests) == 1


def test_all_block_steps_are_unblocked_with_their_declared_fields(server: FakeBuildkite, bk: Buildkite) -> None:
    job = blocked(server, bk, declared=True)
    server.settings.drift = declare_fields
    opened = web_build(bk).unblock_all(fields={"name": "x", "of another": "y"})
    assert opened == [job]
    assert server.build("web", 1).meta_data == {"name": "x", "note": "none", "stage": "", "targets": ""}
    assert len(server.requests) == 2
    assert web_build(bk).unblock_all() == []


# -- triggers, and inside of a job


def test_a_trigger_links_to_the_build_that_it_started(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_pipeline("lib", steps=[CommandStep(duration=50)])
    server.add_pipeline("web", steps=[TriggerStep(pipeline="lib")])
    build = bk.organization("acme").pipeline("web").builds().create(commit="HEAD", branch="main")
    (job,) = build.jobs().fresh()
    assert isinstance(job, TriggerJob)
    assert job.triggered_build is None
    build.wait()
    (job,) = build.jobs().fresh()
    assert isinstance(job, TriggerJob)
    assert job.triggered_build == bk.organization("acme").pipeline("lib").build(1)
    assert job.triggered_build is not None
    assert job.triggered_build.wait().state == "passed"


INSIDE = {
    "BUILDKITE_ORGANIZATION_SLUG": "acme",
    "BUILDKITE_PIPELINE_SLUG": "web",
    "BUILDKITE_BUILD_NUMBER": "1",
    "BUILDKITE_JOB_ID": "0190-job",
}


@pytest.fixture
def inside(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in INSIDE.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.mark.usefixtures("inside")
def test_the_current_job_is_known_inside_a_job(server: FakeBuildkite, bk: Buildkite) -> None:
    assert bk.current_build() == web_build(bk)
    assert bk.current_job() == web_build(bk).job("0190-job")
    assert bk.current_job().build == web_build(bk)
    assert server.requests == []


@pytest.mark.usefixtures("inside")
def test_the_current_organization_is_that_of_the_job(server: FakeBuildkite) -> None:
    with server.client(organization="other") as bk:
        assert bk.current_build() == web_build(bk)


@pytest.mark.parametrize("name", INSIDE)
@pytest.mark.parametrize("value", [None, ""])
def test_outside_a_job_the_error_names_the_missing_variable(
    bk: Buildkite, inside: pytest.MonkeyPatch, name: str, value: str | None
) -> None:
    inside.delenv(name) if value is None else inside.setenv(name, value)
    with pytest.raises(ConfigurationError, match=f"not in a Buildkite job: {name} is not set"):
        bk.current_job()


@pytest.mark.parametrize("number", ["x", "-1", "1/../2", "²"])
def test_invalid_numbers_are_refused(bk: Buildkite, inside: pytest.MonkeyPatch, number: str) -> None:
    inside.setenv("BUILDKITE_BUILD_NUMBER", number)
    with pytest.raises(ConfigurationError, match="not a build number"):
        bk.current_build()
