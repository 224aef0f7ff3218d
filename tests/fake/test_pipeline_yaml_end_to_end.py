"""A pipeline that uses most of what the documentation describes, and the project's own one, from text to last job.

The same files run twice: simulated, and with commands that really run.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.fake.yaml_runs import ACME, APP, Run

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests import Session

    from buildkite_orm.fake import FakeBuildkite

YAML = """
env: {STAGE: ci, GREETING: hello}
steps:
  - label: "Test {{matrix.os}}"
    key: test
    command: |
      echo "testing on {{matrix.os}} in $$STAGE, attempt $$BUILDKITE_RETRY_COUNT"
      test "$$OS $$BUILDKITE_RETRY_COUNT" != "mac 0" || exit 7
    env: {OS: "{{matrix.os}}"}
    matrix: {setup: {os: [linux, mac]}}
    retry: {automatic: {exit_status: 7, limit: 1}}
  - group: Checks
    key: checks
    steps:
      - {label: Lint, key: lint, command: "echo linting; exit 3", soft_fail: [{exit_status: 3}]}
      - {label: Types, command: "echo $$GREETING from $BUILDKITE_BRANCH", depends_on: lint}
  - label: Report
    key: report
    command: "mkdir out; echo '<html/>' > out/report.html; echo all done"
    depends_on: [test, checks]
    artifact_paths: "out/*"
  - block: Release
    key: release
    fields: [{text: Version, key: version, format: "[0-9.]+"}]
  - trigger: deploy
    label: Deploy
    depends_on: release
    build: {message: "Deploy ${BUILDKITE_COMMIT:0:3}", env: {FROM: app}, meta_data: {why: release}}
"""
DEPLOY = "steps: [{label: Ship, command: 'echo shipping for $$FROM', if: build.source == 'trigger_job'}]"
ORDER = ["Test linux", "Test mac", "Lint", "Types", "Test mac", "Report"]


def simulate(server: FakeBuildkite) -> None:
    """Set what the commands do, as they do it for real."""
    server.set_outcome(log=b"a log\r\n", seconds=10)
    server.set_outcome(command='echo "testing on mac*', exit_status=[7, 0])
    server.set_outcome(step_key="lint", exit_status=3)
    server.set_outcome(step_key="report", log=b"all done\r\n", artifacts=[("out/report.html", b"<html/>\n")])


def run_for_real(server: FakeBuildkite) -> None:
    if os.name != "posix":
        pytest.skip("run_commands needs POSIX")
    server.run_commands = True


@pytest.fixture(params=[simulate, run_for_real])
def run(request: pytest.FixtureRequest, server: FakeBuildkite, api: Session) -> Run:
    prepare: Callable[[FakeBuildkite], None] = request.param
    prepare(server)
    return Run(server, api)


def started(jobs: list[Any]) -> list[str]:
    """Return the names of the jobs in the order in which they started."""
    return [job["name"] for job in sorted(jobs, key=lambda job: job.get("started_at") or "") if job.get("started_at")]


def log(run: Run, job: Any) -> str:
    return str(run.api.get(f"{ACME}/jobs/{job['id']}/log").json()["content"])


def test_a_pipeline_runs_to_its_end(run: Run) -> None:
    run.server.add_pipeline("deploy", yaml=DEPLOY)
    run.start(YAML, branch="feature", commit="abcdef")
    run.server.run(120)

    build = run.build
    assert (build["state"], build["blocked"]) == ("passed", True)
    assert sorted(started(build["jobs"])) == sorted(ORDER)
    assert [(job["type"], job["state"]) for job in build["jobs"]] == [
        ("script", "passed"),
        ("script", "failed"),
        ("script", "passed"),
        ("script", "failed"),
        ("script", "passed"),
        ("script", "passed"),
        ("manual", "blocked"),
        ("trigger", "waiting"),
    ]
    linux, failed, retried, lint, types, report, release, _ = build["jobs"]
    assert (failed["exit_status"], failed["retry_type"], failed["retried_in_job_id"]) == (7, "automatic", retried["id"])
    assert (retried["exit_status"], retried["retries_count"], linux["matrix"]) == (0, 1, {"os": "linux"})
    assert (lint["soft_failed"], lint["exit_status"], lint["group_key"], types["group_key"]) == (
        True,
        3,
        *["checks"] * 2,
    )
    assert lint["finished_at"] <= types["started_at"]
    assert max(each["finished_at"] for each in (linux, retried, types)) <= report["started_at"]
    assert types["command"] == "echo $GREETING from feature"
    env = run.env(linux)
    assert (env["STAGE"], env["OS"], env["BUILDKITE_LABEL"]) == ("ci", "linux", "Test linux")
    assert "all done" in log(run, report)
    if run.server.run_commands:
        assert "testing on mac in ci, attempt 1" in log(run, retried)
        assert "hello from feature" in log(run, types)
        assert "exited with status 7" in log(run, failed)
    artifacts = run.api.get(f"{APP}/builds/1/jobs/{report['id']}/artifacts").json()
    assert [(each["path"], each["file_size"]) for each in artifacts] == [("out/report.html", 8)]

    for fields in ({}, {"version": "one"}):
        assert run.api.put(release["unblock_url"], json={"fields": fields}).status_code == 422
    assert run.api.put(release["unblock_url"], json={"fields": {"version": "1.2"}}).status_code == 200
    run.server.run(120)
    build = run.build
    assert (build["state"], build["blocked"], build["meta_data"]) == ("passed", False, {"version": "1.2"})
    assert build["jobs"][-1]["triggered_build"]["number"] == 1
    triggered = run.api.get(f"{ACME}/pipelines/deploy/builds/1").json()
    assert (triggered["state"], triggered["message"], triggered["source"]) == ("passed", "Deploy abc", "trigger_job")
    assert (triggered["env"], triggered["meta_data"]) == ({"FROM": "app"}, {"why": "release"})
    if run.server.run_commands:
        assert "shipping for app" in log(run, triggered["jobs"][0])


def own_pipeline() -> str:
    """Return the project's own pipeline, with commands that only write what they would do."""
    text = Path(__file__).parents[2].joinpath(".buildkite", "pipeline.yml").read_text(encoding="utf-8")
    assert text.count('command: ".ci/run ') == text.count("command:") > 8
    return text.replace('command: ".ci/run ', 'command: "echo .ci/run ')


def test_the_pipeline_of_this_project_runs_to_its_end(run: Run) -> None:
    assert run.finish(own_pipeline()) == "passed"
    jobs = run.jobs
    assert {job["state"] for job in jobs} == {"passed"}
    assert [job["command"] for job in jobs] == [f"echo .ci/run {job['name']}" for job in jobs]
    assert run.env(jobs[0])["BUILDKITE_TIMEOUT"] == "30"
    if run.server.run_commands:
        assert all(f".ci/run {job['name']}" in log(run, job) for job in jobs)


def test_a_failure_of_the_pipeline_of_this_project_fails_its_build(run: Run) -> None:
    yaml = own_pipeline().replace('"echo .ci/run types"', '"echo types; exit 9"')
    if not run.server.run_commands:
        run.server.set_outcome(command="*exit 9", exit_status=9)
    assert run.finish(yaml) == "failed"
    assert [(job["name"], job["exit_status"]) for job in run.jobs if job["state"] == "failed"] == [("types", 9)]
