"""Pipelines in YAML over the control API: what their jobs do, uploads, and warnings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests

from buildkite_orm.fake import FakeBuildkite
from buildkite_orm.fake.seed_file import SeedFileError, load_seed_file
from tests.fake.control_client import Control

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PIPELINES = "/organizations/acme/pipelines"
YAML = "steps: [{label: A, key: a, command: make a, retry: {automatic: true}}, {label: B, command: make b}]"


@pytest.fixture
def control(server: FakeBuildkite) -> Iterator[Control]:
    with Control(server) as session:
        yield session


def build(server: FakeBuildkite, control: Control, seconds: float = 600) -> Any:
    """Create a build with the API, advance the clock, and return the build."""
    headers = {"Authorization": f"Bearer {server.token}"}
    body = {"commit": "HEAD", "branch": "main"}
    created = requests.post(f"{server.url}/v2{PIPELINES}/app/builds", json=body, headers=headers, timeout=30)
    control.do("POST", "/clock", {"advance": seconds})
    return control.do("GET", f"{PIPELINES}/app/builds/{created.json()['number']}")


def test_outcomes_say_what_jobs_do(server: FakeBuildkite, control: Control) -> None:
    control.do("POST", PIPELINES, {"slug": "app", "configuration": YAML})
    control.do("POST", "/outcomes", {"step_key": "a", "exit_statuses": [1, 0], "seconds": 30, "log": "one\r\n"})
    artifact = {"path": "out.bin", "base64": "AAE="}
    control.do(
        "POST", "/outcomes", {"command": "make b", "exit_status": 5, "signal": "SIGINT", "artifacts": [artifact]}
    )
    jobs = build(server, control)["jobs"]
    assert [(job["state"], job["exit_status"]) for job in jobs] == [("failed", 1), ("passed", 0), ("failed", 5)]
    record = server.store.jobs[jobs[2]["id"]]
    assert [(each.path, each.content.size) for each in record.artifacts] == [("out.bin", 2)]
    assert (server.store.jobs[jobs[0]["id"]].log, record.signal) == (b"one\r\n", "SIGINT")
    control.do("DELETE", "/outcomes")
    assert build(server, control)["state"] == "passed"


def test_an_outcome_has_one_kind_of_exit_status(control: Control) -> None:
    assert "exit_status" in control.refused("POST", "/outcomes", {"exit_status": 1, "exit_statuses": [1]})["message"]
    assert control.refused("POST", "/outcomes", {"exit_status": 300})["errors"][0]["field"] == "exit_status"


def test_a_running_job_uploads_steps(server: FakeBuildkite, control: Control) -> None:
    control.do(
        "POST", PIPELINES, {"slug": "app", "configuration": "steps: [{command: a}, wait, {label: Old, command: b}]"}
    )
    control.do("POST", "/outcomes", {"seconds": 60})
    job = build(server, control, 10)["jobs"][0]["id"]
    body = {"yaml": "steps: [{label: $BUILDKITE_BRANCH, command: c}]", "replace": True}
    assert [each["label"] for each in control.do("POST", f"/jobs/{job}/uploads", body)["jobs"]] == ["main"]
    labels = [each["label"] for each in control.do("GET", f"{PIPELINES}/app/builds/1")["jobs"]]
    assert labels == [None, "main"]
    problem = control.refused("POST", f"/jobs/{job}/uploads", {"yaml": "steps: []"})["errors"][0]
    assert problem == {"field": "yaml", "message": "a pipeline is a map with `steps`, a list of at least one step"}


def test_warnings_name_what_is_not_simulated(server: FakeBuildkite, control: Control) -> None:
    with pytest.warns(UserWarning, match="plugins"):
        server.add_pipeline("first", yaml="[{plugins: [a#v1]}]")
    server.client().organization("acme")
    headers = {"Authorization": f"Bearer {server.token}"}
    cluster = server.store.organizations["acme"].cluster_id
    for name, steps in (("App", {"configuration": "[{command: buildkite-agent x}]"}), ("Old", {"steps": VISUAL})):
        body = {"name": name, "repository": "git@github.com:acme/app.git", "cluster_id": cluster, **steps}
        created = requests.post(f"{server.url}/v2{PIPELINES}", json=body, headers=headers, timeout=30)
        assert created.status_code == 201
    texts = control.do("GET", "/warnings")["warnings"]
    assert [text.rpartition(" pipeline ")[2] for text in texts] == [
        "first: plugins (command)",
        "app: buildkite-agent in commands",
        "old",
    ]
    control.do("DELETE", "/warnings")
    assert control.do("GET", "/warnings") == {"warnings": []}


VISUAL = [{"type": "script", "command": "buildkite-agent pipeline upload"}]


def test_an_invalid_configuration_is_named(control: Control) -> None:
    problem = control.refused("POST", PIPELINES, {"slug": "app", "configuration": "steps: [{comand: a}]"})["errors"][0]
    assert problem["field"] == "configuration"
    assert "exactly one of the keys" in problem["message"]


def test_a_seed_file_has_pipelines_in_yaml_and_outcomes(tmp_path: Path) -> None:
    file = tmp_path / "world.yaml"
    file.write_text(
        "organizations: [{slug: acme, pipelines: [{slug: app, configuration: 'steps: [{key: a, command: a}]'}]}]\n"
        "outcomes: [{step_key: a, exit_status: 3}]"
    )
    with FakeBuildkite(populate=False, setup=load_seed_file(file)) as server, Control(server) as control:
        assert build(server, control)["jobs"][0]["exit_status"] == 3
    file.write_text("organizations: [{slug: acme, pipelines: [{slug: app, configuration: 'steps: 1'}]}]")
    with pytest.raises(SeedFileError, match=r"organizations\[0\].pipelines\[0\].configuration: a pipeline is a map"):
        FakeBuildkite(populate=False, setup=load_seed_file(file))
