"""The scripts in examples/tasks, run on the fake: their output is checked against its state."""

from __future__ import annotations

import csv
import json
import runpy
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

import buildkite_orm
from tests.docs.page import ROOT
from tests.helpers import web_pipeline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from buildkite_orm import Buildkite
    from buildkite_orm.fake import FakeBuildkite

    Run = Callable[..., str]

TASKS = ROOT / "examples" / "tasks"
NAMES = sorted(path.name for path in TASKS.glob("*.py"))


@pytest.fixture
def client(acme: FakeBuildkite) -> Iterator[Buildkite]:
    with acme.client(organization="acme") as bk:
        yield bk


@pytest.fixture
def run(
    acme: FakeBuildkite, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Run:
    """Run a task, whose `Buildkite()` is a client of `acme`, and return what it printed."""
    monkeypatch.setattr(buildkite_orm, "Buildkite", partial(acme.client, organization="acme"))
    monkeypatch.chdir(tmp_path)

    def run_task(name: str, *arguments: str, status: object = 0) -> str:
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        ended: object = 0
        try:
            runpy.run_path(str(TASKS / name), run_name="__main__")
        except SystemExit as end:
            ended = end.code
        assert ended == status
        return capsys.readouterr().out

    return run_task


def test_there_are_fifteen_tasks_and_all_are_on_the_page() -> None:
    page = (ROOT / "docs" / "tasks.md").read_text(encoding="utf-8")
    assert len(NAMES) == 15
    assert [name for name in NAMES if f"```{{literalinclude}} ../examples/tasks/{name}\n" not in page] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_task_has_a_test(name: str) -> None:
    assert f'"{name}"' in (ROOT / "tests" / "docs" / "test_tasks.py").read_text(encoding="utf-8")


def test_the_failed_jobs_of_the_newest_failed_build_are_printed(run: Run, client: Buildkite) -> None:
    newest = next(build for build in web_pipeline(client).builds(branch="main") if build.state == "failed")
    jobs = [job for job in newest.fetch().jobs() if job.state == "failed" and not job.soft_failed]
    assert jobs
    lines = [f"{job.name}: failed, exit status {job.exit_status}: {job.web_url}" for job in jobs]
    assert run("newest_failure.py").splitlines() == [str(newest), *lines]


def test_the_times_of_steps_are_written_as_csv(run: Run) -> None:
    rows = {row["step"]: row for row in csv.DictReader(run("step_times.py").splitlines())}
    assert rows.keys() == {"upload", "rspec", "jest", "lint", "flaky", "scripts/notify.sh", "package"}
    for row in rows.values():
        assert 0 < float(row["mean duration"]) <= float(row["p95 duration"])
        assert 0 < float(row["mean queue time"]) < float(row["p95 queue time"])
    assert int(rows["rspec"]["jobs"]) == 3 * int(rows["upload"]["jobs"])
    assert float(rows["rspec"]["mean duration"]) > float(rows["jest"]["mean duration"])


def test_all_junit_reports_of_a_build_are_saved(run: Run, client: Buildkite, tmp_path: Path) -> None:
    build = next(
        build
        for build in web_pipeline(client).builds(state="failed", with_jobs=True)
        if any(job.step_key in {"rspec", "jest"} for job in build.failed_jobs())
    )
    lines = run("junit_xml.py", build.web_url, "reports").splitlines()
    reports = list((tmp_path / "reports").rglob("*.xml"))
    assert len(reports) == 5
    assert {ET.parse(report).getroot().tag for report in reports} == {"testsuite"}  # noqa: S314 - the fake's
    assert lines[0].startswith("5 saved")
    assert [line.partition(" ")[0] for line in lines[1:]] == ["failed:"]


@pytest.mark.parametrize(("pipeline", "status"), [("hello", 0), ("infra", 1), ("deploy", 1)])
def test_a_build_is_triggered_with_an_environment(run: Run, acme: FakeBuildkite, pipeline: str, status: int) -> None:
    lines = run("trigger.py", pipeline, "DEPLOY=false", "NAME=a=b", status=status).splitlines()
    record = acme.store.organizations["acme"].pipelines[pipeline].builds[-1]
    assert record.env == {"DEPLOY": "false", "NAME": "a=b"}
    assert lines[0].endswith(f"/builds/{record.number}")
    state = {"hello": "passed", "infra": "failed", "deploy": "blocked"}[pipeline]
    assert lines[1].startswith(f"Build(acme/{pipeline} #{record.number} {state}")


def test_the_builds_of_a_commit_are_printed(run: Run, acme: FakeBuildkite, client: Buildkite) -> None:
    build = acme.build("web", 42)
    acme.add_build("api", commit=build.commit)
    lines = run("builds_of_commit.py", build.commit).splitlines()
    assert [line.partition(" #")[0] for line in lines] == ["Build(acme/api", "Build(acme/web"]
    del client


def test_failed_jobs_are_retried(run: Run, client: Buildkite) -> None:
    build = next(
        build
        for build in web_pipeline(client).builds(state="failed", with_jobs=True)
        if all(job.step_key in {"rspec", "jest"} for job in build.failed_jobs())
    )
    lines = run("retry_failed.py", build.web_url).splitlines()
    assert lines[0] == f"{len(build.failed_jobs())} jobs are retried"
    assert lines[1].startswith(f"Build(acme/web #{build.number} passed")


def test_a_blocked_build_is_unblocked_with_fields(run: Run, acme: FakeBuildkite) -> None:
    printed = run("unblock.py", "deploy", "release-name=Flying Dolphin", "stage=test")
    assert printed.endswith("unblocked :rocket: Deploy?\n")
    record = acme.store.organizations["acme"].pipelines["deploy"].builds[-1]
    gate = next(job for job in record.jobs if job.type == "manual")
    assert gate.field_values == {"release-name": "Flying Dolphin", "stage": "test"}
    assert run("unblock.py", "web", status="no build is blocked") == ""


def test_the_agents_of_a_queue_are_printed(run: Run, acme: FakeBuildkite) -> None:
    agents = acme.store.organizations["acme"].agents.values()
    names = {agent.name for agent in agents if agent.queue.key == "macos"}
    lines = run("agents_of_queue.py", "macos").splitlines()
    assert names <= {line.partition(" ")[0] for line in lines}
    assert all(line.split()[1] == "connected" for line in lines)


def test_a_queue_that_does_not_exist_is_named(run: Run) -> None:
    run("agents_of_queue.py", "no-such", status="there is no queue 'no-such'")


def test_a_description_is_cleared(run: Run, acme: FakeBuildkite) -> None:
    assert run("clear_description.py", "web") == "Pipeline(acme/web) None\n"
    assert json.loads(acme.requests[-1].body) == {"description": None}


def test_a_log_is_followed_to_its_end(run: Run, client: Buildkite) -> None:
    lines = run("follow_log.py", "web").splitlines()
    assert lines[0].startswith("~~~ Preparing working directory")
    assert "--- :package: Test" in lines
    assert client.session.clock.now() > 0


def test_the_test_without_a_network_passes(tmp_path: Path) -> None:
    options = [
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:randomly",
        "--import-mode=importlib",
        "-c",
        str(tmp_path / "x.ini"),
    ]
    (tmp_path / "x.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", *options, str(TASKS / "test_deploy.py")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
    assert "2 passed" in done.stdout, done.stdout


def test_a_json_file_is_validated(run: Run, client: Buildkite, tmp_path: Path) -> None:
    build = web_pipeline(client).build(42).fetch()
    (tmp_path / "build.json").write_text(json.dumps(build.dump()), encoding="utf-8")
    assert run("validate_json.py", "build.json") == f"{build} with {len(list(build.jobs()))} jobs\n"
    payload: dict[str, Any] = build.dump() | {"state": "thinking", "mood": "good"}
    payload["jobs"][0] |= {"state": "resting", "age": 3}
    (tmp_path / "new.json").write_text(json.dumps(payload), encoding="utf-8")
    printed = [line.partition(":")[0] for line in run("validate_json.py", "new.json").splitlines()[1:]]
    assert printed == ["new field mood", "new state thinking", "new field age", "new state resting"]
    (tmp_path / "bad.json").write_text('{"number": "x"}', encoding="utf-8")
    with pytest.raises(AssertionError, match="Field required"):
        run("validate_json.py", "bad.json", status="")


def test_builds_are_loaded_into_a_data_frame(run: Run) -> None:
    pytest.importorskip("pandas", reason="install the extra check")
    assert "\nmain " in run("data_frame.py")


def test_a_fastapi_handler_returns_a_build(
    acme: FakeBuildkite, client: Buildkite, monkeypatch: pytest.MonkeyPatch
) -> None:
    testclient: Any = pytest.importorskip("fastapi.testclient", reason="install the extra check")
    monkeypatch.setattr(buildkite_orm, "Buildkite", partial(acme.client, organization="acme"))
    app = runpy.run_path(str(TASKS / "fastapi_handler.py"))["app"]
    newest = web_pipeline(client).builds(branch="main").first()
    assert newest is not None
    with testclient.TestClient(app) as web:
        served = web.get("/pipelines/web/newest").json()
        assert (served["id"], served["number"], served["state"]) == (newest.id, newest.number, newest.state)
        assert web.get("/pipelines/web/newest?branch=no-such").json() is None
        assert web.get("/pipelines/wbe/newest").json() == {"detail": "no pipeline wbe"}


def test_one_job_is_waited_for(run: Run, acme: FakeBuildkite, client: Buildkite) -> None:
    build = web_pipeline(client).builds().create(commit="HEAD", branch="main")
    assert run("wait_for_job.py", build.web_url, "upload").startswith("ScriptJob(:pipeline: Upload passed")
    assert acme.build("web", build.number).state == "running"
