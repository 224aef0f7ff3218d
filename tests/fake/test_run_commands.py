"""Commands of jobs that run for real: subprocesses, their logs, exit statuses, files and ends."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm.fake import AcceleratedClock, CommandStep, FakeBuildkite, Settings, subprocesses
from tests.fake.control_client import Control

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from requests import Session

pytestmark = pytest.mark.skipif(os.name != "posix", reason="run_commands needs POSIX")

ACME = "/organizations/acme"
APP = f"{ACME}/pipelines/app"


class Runs:
    """Builds of a pipeline whose commands run for real."""

    def __init__(self, server: FakeBuildkite, api: Session) -> None:
        self.server = server
        self.api = api

    def start(self, yaml: str, **fields: Any) -> None:
        """Add the pipeline, create a build, and run it up to the start of its first jobs."""
        self.server.add_pipeline("app", yaml=yaml)
        self.api.post(f"{APP}/builds", json={"commit": "HEAD", "branch": "main", **fields})
        self.server.run(3)

    def start_with_timeout(self, command: str, seconds: float) -> None:
        """Start a build of a command that times out after less than a minute."""
        step = CommandStep(command=command, timeout=seconds, real=True)
        self.server.add_pipeline("app", steps=[step])
        self.api.post(f"{APP}/builds", json={"commit": "HEAD", "branch": "main"})

    def finish(self, yaml: str, **fields: Any) -> str:
        """Run a build to its end, and return its state."""
        self.start(yaml, **fields)
        self.server.run(60)
        return str(self.build["state"])

    @property
    def build(self) -> Any:
        return self.api.get(f"{APP}/builds/1?include_retried_jobs=true").json()

    @property
    def job(self) -> Any:
        return self.build["jobs"][0]

    def log(self, job: Any) -> str:
        return str(self.api.get(f"{ACME}/jobs/{job['id']}/log").json()["content"])

    def lines(self) -> list[str]:
        """Return the lines of the first job's log, without times."""
        return [line.partition("\x07")[2] or line for line in self.log(self.job).split("\r\n") if line]


@pytest.fixture
def runs(api: Session, server: FakeBuildkite) -> Runs:
    server.run_commands = True
    return Runs(server, api)


def ends(process_id: int) -> bool:
    """Return whether a process ends within some seconds; one that nobody has waited for has ended too."""
    until = time.monotonic() + 5
    while time.monotonic() < until:
        try:
            os.kill(process_id, 0)
            state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
        except ProcessLookupError:
            return True
        except FileNotFoundError:  # it has just ended, or there is no /proc
            continue
        if state == "Z":
            return True
    return False


def test_commands_do_not_run_unless_enabled(server: FakeBuildkite, api: Session, tmp_path: Path) -> None:
    assert Runs(server, api).finish(f"steps: [{{command: 'touch {tmp_path}/made'}}]") == "passed"
    assert not server.run_commands
    assert not (tmp_path / "made").exists()


def test_a_command_has_a_log_an_exit_status_and_times(runs: Runs) -> None:
    assert runs.finish("steps: [{command: 'echo hello; echo oops >&2; exit 3'}]") == "failed"
    job = runs.job
    assert (job["state"], job["exit_status"], job["soft_failed"]) == ("failed", 3, False)
    assert runs.lines()[:2] == ["hello", "oops"]
    assert "exited with status 3" in runs.lines()[-1]
    assert "\x1b_bk;t=17855856" in runs.log(job)
    assert job["started_at"] <= job["finished_at"] < "2026-08-01T12:00:30"


def test_the_first_line_that_fails_ends_a_command(runs: Runs) -> None:
    assert runs.finish("steps: [{commands: [echo first, 'false', echo never]}]") == "failed"
    assert "first" in runs.lines()
    assert "never" not in runs.lines()


def test_files_that_artifact_paths_match_are_collected(runs: Runs) -> None:
    command = (
        "mkdir -p log/deep; echo 1 > log/a.txt; echo 2 > log/deep/b.txt; echo 3 > c.bin; ln -s /etc/passwd log/p.txt"
    )
    assert (
        runs.finish(f"steps: [{{command: '{command}', artifact_paths: ['log/**/*.txt', '*.{{bin,gz}}']}}]") == "passed"
    )
    artifacts = runs.api.get(f"{APP}/builds/1/jobs/{runs.job['id']}/artifacts").json()
    assert [each["path"] for each in artifacts] == ["c.bin", "log/a.txt", "log/deep/b.txt"]
    assert artifacts[0]["file_size"] == 2


def test_a_failed_command_uploads_its_artifacts_too(runs: Runs) -> None:
    assert runs.finish("steps: [{command: 'echo 1 > a.txt; exit 1', artifact_paths: a.txt}]") == "failed"
    assert len(runs.api.get(f"{APP}/builds/1/jobs/{runs.job['id']}/artifacts").json()) == 1


def test_the_environment_is_that_of_the_job_without_buildkites_of_the_parent(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUILDKITE_API_TOKEN", "secret-of-the-parent")
    monkeypatch.setenv("OTHER", "inherited")
    yaml = "steps: [{key: k, command: 'env; pwd', env: {MINE: step}}]"
    assert runs.finish(yaml, env={"BUILT": "build"}) == "passed"
    lines = runs.lines()
    assert {"MINE=step", "BUILT=build", "OTHER=inherited", "BUILDKITE_STEP_KEY=k", "CI=true"} <= set(lines)
    assert not any("secret-of-the-parent" in line for line in lines)
    folder = Path(lines[-1])
    assert f"BUILDKITE_BUILD_CHECKOUT_PATH={folder}" in lines
    assert not folder.exists()


def test_a_canceled_command_is_killed_with_its_children(runs: Runs) -> None:
    runs.start("steps: [{command: 'trap \"\" TERM; sleep 60 & echo pid $! $$$$; wait; sleep 60'}]")
    runs.server.run(1)
    child, parent = map(int, runs.lines()[0].split()[1:])
    assert runs.job["state"] == "running"
    assert runs.api.put(f"{APP}/builds/1/cancel").status_code == 200
    runs.server.run(10)
    assert (runs.build["state"], runs.job["state"], runs.job["exit_status"]) == ("canceled", "canceled", -1)
    assert ends(child)
    assert ends(parent)


def test_a_command_that_takes_too_long_times_out(runs: Runs) -> None:
    runs.start_with_timeout("echo begun; sleep 60", 0.3)
    runs.server.run(30)
    job = runs.server.build("app", 1).jobs[0]
    assert (job.state, job.exit_status, job.signal, job.signal_reason) == ("timed_out", -1, "SIGTERM", "cancel")
    assert "begun" in runs.lines()


def test_a_command_that_passes_when_it_times_out_has_passed(runs: Runs) -> None:
    runs.start_with_timeout("trap 'exit 0' TERM; sleep 60 & wait", 0.3)
    runs.server.run(30)
    assert runs.job["state"] == "passed"


def test_a_command_runs_for_as_long_as_the_clock_is_moved(runs: Runs) -> None:
    runs.start("steps: [{command: 'sleep 1.5; echo done'}]")
    runs.server.run(0.2)
    assert runs.job["state"] == "running"
    runs.server.run(10)
    assert runs.job["state"] == "passed"
    job = runs.server.build("app", 1).jobs[0]
    assert job.started_at is not None
    assert job.finished_at is not None
    assert 1.4 < job.finished_at - job.started_at < 8


def test_what_a_command_leaves_in_the_background_is_killed(runs: Runs) -> None:
    assert runs.finish("steps: [{command: 'sleep 300 & echo $!'}]") == "passed"
    assert ends(int(runs.lines()[0]))


def test_output_beyond_the_bound_is_discarded(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocesses, "MOST_OUTPUT", 10_000)
    assert runs.finish("steps: [{command: 'head -c 1000000 /dev/zero | tr \"\\\\0\" x; echo end'}]") == "passed"
    log = runs.log(runs.job)
    assert len(log) < 10_200
    assert "longer than 10000 bytes" in log


def test_files_beyond_the_bound_are_not_collected(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocesses, "MOST_FILES", 3)
    assert runs.finish("steps: [{command: 'touch 1 2 3 4 5', artifact_paths: '*'}]") == "passed"
    assert len(runs.server.build("app", 1).jobs[0].artifacts) == 3
    assert "not uploaded: 4" in runs.lines()[-1]


def test_a_command_that_cannot_be_started_fails(runs: Runs) -> None:
    assert runs.finish("steps: [{command: 'true'}]", env={"BAD": "a\0b"}) == "failed"
    job = runs.server.build("app", 1).jobs[0]
    assert (job.exit_status, job.signal_reason) == (-1, "process_run_error")
    assert "could not be started" in runs.log(runs.job)


def test_a_job_that_is_finished_by_hand_ends_its_command(runs: Runs) -> None:
    runs.start("steps: [{command: 'echo $$$$; sleep 60'}]")
    runs.server.run(1)
    process_id = int(runs.lines()[0])
    runs.server.finish_job(runs.server.build("app", 1).jobs[0], 0)
    assert runs.job["state"] == "passed"
    assert ends(process_id)


@pytest.mark.parametrize("end", ["close", "reset"])
def test_commands_end_with_the_server(runs: Runs, end: str) -> None:
    runs.start("steps: [{command: 'echo $$$$; sleep 60'}]")
    runs.server.run(1)
    process_id = int(runs.lines()[0])
    getattr(runs.server, end)()
    assert ends(process_id)


def test_a_retried_command_knows_its_attempt(runs: Runs) -> None:
    command = "echo $$BUILDKITE_RETRY_COUNT; test $$BUILDKITE_RETRY_COUNT = 1"
    assert runs.finish(f"steps: [{{command: '{command}', retry: {{automatic: true}}}}]") == "passed"
    assert [job["state"] for job in runs.build["jobs"]] == ["failed", "passed"]


def test_a_job_with_an_outcome_is_simulated(runs: Runs, tmp_path: Path) -> None:
    runs.server.set_outcome(step_key="long", seconds=900)
    yaml = f"steps: [{{key: long, command: 'touch {tmp_path}/made'}}]"
    runs.start(yaml)
    runs.server.run(1000)
    assert runs.job["state"] == "passed"
    assert not (tmp_path / "made").exists()


def test_more_commands_than_may_run_at_once_run_after_each_other(runs: Runs) -> None:
    assert runs.finish("steps: [{command: 'sleep 0.05', parallelism: 20}]") == "passed"


def test_commands_run_on_a_clock_of_real_time(session_of: Callable[[FakeBuildkite], Session]) -> None:
    settings = Settings(organization_limit=None, user_limit=None)
    with FakeBuildkite(populate=False, clock=AcceleratedClock(100), settings=settings, run_commands=True) as server:
        runs = Runs(server, session_of(server))
        server.add_pipeline("app", yaml="steps: [{command: 'echo hello'}]")
        runs.api.post(f"{APP}/builds", json={"commit": "HEAD", "branch": "main"})
        until = time.monotonic() + 20
        while runs.build["state"] != "passed":
            assert time.monotonic() < until
        assert "hello" in runs.lines()


@pytest.fixture
def running_server() -> Iterator[FakeBuildkite]:
    settings = Settings(organization_limit=None, user_limit=None)
    with FakeBuildkite(populate=False, settings=settings, run_commands=True) as server:
        yield server


def test_its_token_does_not_follow_from_the_seed(running_server: FakeBuildkite) -> None:
    with FakeBuildkite(populate=False) as other:
        assert running_server.token != other.token
    before = running_server.token
    running_server.reset()
    assert running_server.token == before


@pytest.mark.parametrize("headers", [{"Origin": "https://example.com"}, {"Host": "rebound.example"}])
def test_web_pages_cannot_run_commands(running_server: FakeBuildkite, http_of: Any, headers: dict[str, str]) -> None:
    session = http_of(running_server)
    assert session.get("/user").status_code == 200
    response = session.get("/user", headers=headers)
    assert response.status_code == 403
    assert response.json()["message"].startswith("A fake that runs commands does not accept")


def test_commands_cannot_be_enabled_over_http(server: FakeBuildkite) -> None:
    with Control(server) as control:
        assert "run_commands" not in control.do("GET", "/settings")
        assert control.refused("PATCH", "/settings", {"run_commands": True})["errors"][0]["field"] == "run_commands"
    assert not server.run_commands


def test_it_needs_posix(server: FakeBuildkite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("buildkite_orm.fake.commands.os.name", "nt")
    with pytest.raises(ValueError, match="needs a POSIX system"):
        server.run_commands = True
