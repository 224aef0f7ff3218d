"""A pipeline that uses most of what the documentation describes, and the project's own one, from text to last job."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from requests import Session

    from buildkite_orm.fake import FakeBuildkite

ACME = "/organizations/acme"
APP = f"{ACME}/pipelines/app"
YAML = """
env: {STAGE: ci}
steps:
  - label: "Test {{matrix.os}}"
    key: test
    command: "make test-{{matrix.os}}"
    env: {OS: "{{matrix.os}}"}
    matrix: {setup: {os: [linux, mac]}}
    retry: {automatic: {exit_status: 7, limit: 1}}
  - group: Checks
    key: checks
    steps:
      - {label: Lint, key: lint, command: make lint, soft_fail: [{exit_status: 3}]}
      - {label: Types, command: make types, depends_on: lint}
  - {label: Report, key: report, command: make report, depends_on: [test, checks], artifact_paths: "out/*"}
  - block: Release
    key: release
    fields: [{text: Version, key: version}]
  - {trigger: deploy, label: Deploy, depends_on: release, build: {message: Deploy it, env: {FROM: app}}}
"""


def names_in_order(jobs: list[Any]) -> list[str]:
    return [job["name"] for job in sorted(jobs, key=lambda job: job.get("started_at") or "") if job.get("started_at")]


def test_a_pipeline_runs_to_its_end(server: FakeBuildkite, api: Session) -> None:
    server.add_pipeline("deploy", yaml="steps: [{command: make deploy}]")
    server.add_pipeline("app", yaml=YAML)
    server.set_outcome(command="make test-mac", exit_status=[7, 0], seconds=60)
    server.set_outcome(step_key="lint", exit_status=3)
    server.set_outcome(step_key="report", log=b"all done\r\n", artifacts=[("out/report.html", b"<html/>")])
    api.post(f"{APP}/builds", json={"commit": "HEAD", "branch": "main"})
    server.run(600)

    build = api.get(f"{APP}/builds/1?include_retried_jobs=true").json()
    jobs = {job.get("name") or job["label"]: job for job in build["jobs"]}
    assert (build["state"], build["blocked"]) == ("passed", True)
    assert names_in_order(build["jobs"]) == ["Test linux", "Test mac", "Lint", "Types", "Test mac", "Report"]
    assert [job["state"] for job in build["jobs"]] == [
        *("passed", "failed", "passed", "failed", "passed", "passed", "blocked", "waiting"),
    ]
    assert (jobs["Lint"]["soft_failed"], jobs["Lint"]["group_key"]) == (True, "checks")
    env = api.get(f"{ACME}/jobs/{jobs['Test linux']['id']}/env").json()["env"]
    assert (env["STAGE"], env["OS"]) == ("ci", "linux")
    report = f"{APP}/builds/1/jobs/{jobs['Report']['id']}"
    assert api.get(f"{report}/log").json()["content"] == "all done\r\n"
    assert [each["path"] for each in api.get(f"{report}/artifacts").json()] == ["out/report.html"]

    unblock = jobs["Release"]["unblock_url"]
    assert api.put(unblock, json={}).status_code == 422
    assert api.put(unblock, json={"fields": {"version": "1.2"}}).status_code == 200
    server.run(600)
    build = api.get(f"{APP}/builds/1").json()
    assert (build["state"], build["blocked"], build["meta_data"]) == ("passed", False, {"version": "1.2"})
    triggered = api.get(f"{ACME}/pipelines/deploy/builds/1").json()
    assert (triggered["state"], triggered["message"], triggered["env"]) == ("passed", "Deploy it", {"FROM": "app"})


def test_the_pipeline_of_this_project_runs_to_its_end(server: FakeBuildkite, api: Session) -> None:
    yaml = Path(__file__).parents[2].joinpath(".buildkite", "pipeline.yml").read_text()
    server.add_pipeline("app", yaml=yaml)
    api.post(f"{APP}/builds", json={"commit": "HEAD", "branch": "main"})
    server.run(3600)
    build = api.get(f"{APP}/builds/1").json()
    assert build["state"] == "passed"
    assert {(job["state"], job["command"]) for job in build["jobs"]} >= {("passed", ".ci/run tests")}
