"""Builds of pipelines with visual steps, by plain HTTP.

Documentation: https://buildkite.com/docs/apis/rest-api/pipelines#create-a-visual-step-pipeline
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.fake.yaml_runs import ACME, APP, Run

if TYPE_CHECKING:
    from requests import Session

    from buildkite_orm.fake import FakeBuildkite


@pytest.fixture
def run(server: FakeBuildkite, api: Session) -> Run:
    return Run(server, api)


def create(run: Run, *steps: dict[str, Any], **fields: Any) -> None:
    """Create the pipeline with the API."""
    cluster = run.server.store.organizations["acme"].cluster_id
    body = {"name": "App", "cluster_id": cluster, "repository": "git@github.com:acme/app.git", "steps": steps}
    assert run.api.post(f"{ACME}/pipelines", json=body | fields).status_code == 201


def test_the_steps_of_the_documentation_run(run: Run) -> None:
    run.server.add_pipeline("deploy", yaml="steps: [{command: a}]")
    create(
        run,
        {"type": "script", "name": "Build", "command": "script/release.sh"},
        {"type": "waiter"},
        {"type": "script", "name": "Test", "command": "script/release.sh", "artifact_paths": "log/*"},
        {"type": "manual", "label": "Deploy"},
        {
            "type": "script",
            "name": "Release",
            "command": "script/release.sh",
            "branch_configuration": "main",
            "env": {"BUCKET": "releases"},
            "timeout_in_minutes": 10,
            "agent_query_rules": ["aws=true"],
        },
        {
            "type": "trigger",
            "label": "Ship",
            "trigger_project_slug": "deploy",
            "trigger_commit": "HEAD",
            "trigger_branch": "main",
            "trigger_message": "Ship it",
            "trigger_env": {"FROM": "app"},
            "trigger_async": True,
        },
    )
    run.create()
    assert (run.wait(), run.build["blocked"]) == ("passed", True)
    assert not run.overlaps("Build", "Test")
    run.api.put(run.job("Deploy")["unblock_url"], json={})
    assert run.wait() == "passed"
    release = run.job("Release")
    env = run.env(release)
    assert (env["BUCKET"], env["BUILDKITE_TIMEOUT"], release["agent_query_rules"]) == ("releases", "10", ["aws=true"])
    assert run.job("Test")["artifact_paths"] == "log/*"
    build = run.api.get(f"{ACME}/pipelines/deploy/builds/1").json()
    assert (build["message"], build["branch"], build["env"]) == ("Ship it", "main", {"FROM": "app"})


def test_visual_steps_honour_parallelism_and_the_env_of_the_pipeline(run: Run) -> None:
    create(run, {"type": "script", "name": "Test", "command": "a", "parallelism": 3}, env={"STAGE": "ci"})
    run.create()
    assert run.wait() == "passed"
    assert [(job["parallel_group_index"], job["parallel_group_total"]) for job in run.jobs] == [(0, 3), (1, 3), (2, 3)]
    assert {run.env(job)["STAGE"] for job in run.jobs} == {"ci"}
    assert run.api.patch(APP, json={"env": {"STAGE": "prod"}}).status_code == 200
    run.create()
    run.server.run(60)
    assert run.env(run.build_number(2)["jobs"][0])["STAGE"] == "prod"


def test_a_branch_filter_leaves_out_a_visual_step(run: Run) -> None:
    create(run, {"type": "script", "name": "A", "command": "a", "branch_configuration": "main"})
    run.create(branch="other")
    assert run.wait() == "not_run"
    assert run.jobs[0]["broken_reason"] == "branch_mismatch"


def test_a_pipeline_in_yaml_shows_its_steps_as_visual_steps(run: Run) -> None:
    run.server.add_pipeline("app", yaml="""
    steps:
      - {command: new.sh, agents: ["myqueue=true"]}
      - {label: A, command: [a, b], env: {N: 1}, branches: main, timeout: 5, parallelism: 2, artifact_paths: [x, y]}
      - wait
      - {block: Go}
      - {trigger: deploy, async: true, build: {branch: prod, env: {FROM: app}}}
    """)  # fmt: skip
    steps = run.api.get(APP).json()["steps"]
    assert [step["type"] for step in steps] == ["script", "script", "waiter", "manual", "trigger"]
    assert (steps[0]["command"], steps[0]["agent_query_rules"], steps[0]["env"]) == ("new.sh", ["myqueue=true"], {})
    shown = {name: steps[1][name] for name in ("command", "env", "timeout_in_minutes", "parallelism", "artifact_paths")}
    assert shown == {
        "command": "a\nb",
        "env": {"N": "1"},
        "timeout_in_minutes": 5,
        "parallelism": 2,
        "artifact_paths": "x;y",
    }
    assert (steps[1]["branch_configuration"], steps[1]["agent_query_rules"]) == ("main", [])
    assert (steps[4]["async"], steps[4]["build"]["branch"], steps[4]["build"]["env"]) == (True, "prod", {"FROM": "app"})


def test_visual_commands_that_call_the_agent_are_warned_of(run: Run) -> None:
    create(run, {"type": "script", "command": "buildkite-agent pipeline upload"})
    assert run.server.warnings == ["the fake does not simulate buildkite-agent in commands of the pipeline app"]
