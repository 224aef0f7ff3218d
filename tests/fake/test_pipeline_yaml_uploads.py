"""Steps that jobs upload to their builds.

Documentation: https://buildkite.com/docs/pipelines/configure/dynamic-pipelines
and https://buildkite.com/docs/pipelines/configure/step-types/wait-step#dynamically-uploaded-steps
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fake.yaml_runs import APP, Run

if TYPE_CHECKING:
    from requests import Session

    from buildkite_orm.fake import FakeBuildkite


@pytest.fixture
def run(server: FakeBuildkite, api: Session) -> Run:
    return Run(server, api)


def names(run: Run) -> list[str | None]:
    return [job.get("name") or job.get("label") for job in run.jobs]


def test_uploaded_steps_wait_until_the_job_has_ended(run: Run) -> None:
    run.start("steps: [{label: U, command: u}]")
    run.server.run(4)
    run.server.upload_steps(run.record("U"), "steps: [{label: A, command: a}, {label: B, command: b, depends_on: ~}]")
    assert run.wait() == "passed"
    assert not run.overlaps("U", "A")
    assert run.overlaps("U", "B")


def test_steps_of_a_job_that_fails_after_its_upload_do_not_run(run: Run) -> None:
    run.server.set_outcome(step_key="u", exit_status=1)
    run.start("steps: [{label: U, key: u, command: u}]")
    run.server.run(4)
    run.server.upload_steps(run.record("U"), "steps: [{label: A, command: a}]")
    assert run.wait() == "failed"
    assert run.states()["A"] == "waiting_failed"


def test_a_wait_step_inside_an_upload_waits_for_all_that_is_before_it(run: Run) -> None:
    run.server.set_outcome(step_key="slow", seconds=300)
    run.start("steps: [{label: Slow, key: slow, command: s}, {label: U, command: u}, wait, {label: Z, command: z}]")
    run.server.run(4)
    run.server.upload_steps(run.record("U"), "steps: [{label: A, command: a}, wait, {label: B, command: b}]")
    assert run.wait() == "passed"
    assert names(run) == ["Slow", "U", "A", None, "B", None, "Z"]
    assert run.overlaps("Slow", "A")
    assert not any(run.overlaps(*pair) for pair in (("A", "B"), ("Slow", "B"), ("B", "Z")))


def test_uploads_of_uploaded_steps_hold_back_the_wait_step_too(run: Run) -> None:
    run.start(
        "steps: [{label: U, key: u, command: u}, wait, {label: Z, command: z}, {label: Y, command: y, depends_on: u}]"
    )
    run.server.run(4)
    run.server.upload_steps(run.record("U"), "steps: [{label: V, command: v}]")
    run.server.run(23)
    run.server.upload_steps(run.record("V"), "steps: [{label: A, command: a}, wait, {label: B, command: b}]")
    assert run.wait() == "passed"
    assert not any(run.overlaps(*pair) for pair in ("VA", "AB", "BZ", "BY"))


def test_an_uploaded_step_may_depend_on_the_steps_that_upload_it(run: Run) -> None:
    run.start("steps: [{label: U, key: u, command: u}, {label: Y, key: y, command: y, depends_on: u}]")
    run.server.run(4)
    run.server.upload_steps(run.record("U"), "steps: [{label: V, key: v, command: v}]")
    run.server.run(23)
    with pytest.raises(ValueError, match="depends on a step that waits for it"):
        run.server.upload_steps(run.record("V"), "steps: [{command: a, depends_on: y}]")
    run.server.upload_steps(run.record("V"), "steps: [{label: A, command: a, depends_on: [u, v]}]")
    assert run.wait() == "passed"
    assert not run.overlaps("V", "A")
    assert not run.overlaps("A", "Y")


def test_a_later_upload_of_a_job_takes_its_place_before_an_earlier_one(run: Run) -> None:
    run.start("steps: [{label: U, command: u}, {label: Z, command: z}]")
    run.server.run(4)
    for label in "AB":
        run.server.upload_steps(run.record("U"), f"steps: [{{label: {label}, command: a}}]")
    assert names(run) == ["U", "B", "A", "Z"]
    assert run.wait() == "passed"


def test_an_upload_may_replace_the_steps_that_have_not_started(run: Run) -> None:
    run.start("steps: [{label: U, command: u}, wait, {label: Old, key: old, command: o}, {block: Gate}]")
    run.server.run(4)
    old = run.job("Old")["id"]
    run.server.upload_steps(run.record("U"), "steps: [{label: New, key: old, command: n}]", replace=True)
    assert names(run) == ["U", "New"]
    assert run.api.get(f"{APP}/builds/1/jobs/{old}").status_code == 404
    assert run.api.get(f"{APP}/builds/1/step-uploads").json()["items"][0]["replace_existing_steps"] is True
    assert run.wait() == "passed"


def test_the_env_of_an_upload_is_set_for_all_jobs_that_have_not_started(run: Run) -> None:
    run.start("env: {A: 1}\nsteps: [{label: U, command: u}, wait, {label: Z, command: z, env: {B: own}}]")
    run.server.run(4)
    run.server.upload_steps(run.record("U"), "env: {A: 2, B: 2}\nsteps: [{label: N, command: n, env: {A: 3}}]")
    assert run.env(run.job("U"))["A"] == "1"
    assert [(run.env(run.job(name))["A"], run.env(run.job(name))["B"]) for name in "NZ"] == [("3", "2"), ("2", "own")]


def test_a_block_step_of_an_upload_blocks_what_is_uploaded_after_it(run: Run) -> None:
    run.start("steps: [{label: U, command: u}]")
    run.server.run(4)
    run.server.upload_steps(run.record("U"), "steps: [{block: Go}, {label: A, command: a}]")
    run.wait()
    assert (run.build["blocked"], run.states()) == (True, {"U": "passed", "Go": "blocked", "A": "waiting"})
    run.api.put(run.job("Go")["unblock_url"], json={})
    assert run.wait() == "passed"


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        (
            "steps: [{group: G, key: g, steps: [wait]}]",
            'The key "g" has already been used by another step in this build',
        ),
        ("steps: [{command: a, parallelism: 501}]", "at most 500 jobs, this one 501"),
    ],
)
def test_an_upload_beyond_the_limits_is_refused_and_changes_nothing(run: Run, yaml: str, message: str) -> None:
    run.start("steps: [{label: U, command: u}, {group: G, key: g, steps: [{label: A, command: a}]}]")
    run.server.run(4)
    known = len(run.server.store.jobs)
    with pytest.raises(ValueError, match=message):
        run.server.upload_steps(run.record("U"), yaml)
    assert (names(run), len(run.server.store.jobs)) == (["U", "A"], known)
    assert run.wait() == "passed"
    with pytest.raises(ValueError, match="You can only change the pipeline of a running build"):
        run.server.upload_steps(run.record("U"), "steps: [wait]")
