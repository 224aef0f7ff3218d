"""Examples and the shell on a console that is not UTF-8: what it cannot show is replaced by `?`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.docs.page import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from buildkite_orm.fake import FakeBuildkite

EXAMPLES = {
    "quickstart.py": [],
    "failed_jobs.py": ["web"],
    "flakiness.py": ["web"],
    "trigger_and_wait.py": [],
    "commit_artifacts.py": ["4ca1b5f0ca1d687247c624d608d68e5bdd8c2c74", "downloads"],
    "export_builds.py": ["exported", "--since", "2026-07-20"],
    "test_durations.py": ["web"],
}
ENCODINGS = ["ascii", "latin-1", "cp1252"]
RUNS = [(name, "ascii") for name in EXAMPLES] + [("quickstart.py", name) for name in ENCODINGS[1:]]
ODD = "🚀 größe ✓ 日本"


def run(command: list[str], encoding: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    variables = {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0", "PATH": os.environ["PATH"]}
    return subprocess.run(
        [sys.executable, *command], cwd=folder, env=variables | environment, capture_output=True, check=False
    )


@pytest.mark.parametrize(("name", "encoding"), RUNS)
def test_examples_print_on_a_stdout_that_is_not_utf_8(tmp_path: Path, name: str, encoding: str) -> None:
    done = run([str(ROOT / "examples" / name), *EXAMPLES[name]], encoding, tmp_path)
    assert b"Traceback" not in done.stderr, done.stderr
    assert done.stdout
    done.stdout.decode(encoding)


def account(server: FakeBuildkite) -> dict[str, str]:
    return {
        "BUILDKITE_API_TOKEN": server.token,
        "BUILDKITE_REST_API_ENDPOINT": server.url,
        "BUILDKITE_ORGANIZATION_SLUG": "acme",
    }


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_examples_print_server_text_in_the_encoding_of_the_console(
    server: FakeBuildkite, tmp_path: Path, encoding: str
) -> None:
    record = server.add_build("web", state="running", branch="main", message=ODD, jobs=[{"name": ODD}])
    server.set_log(record.jobs[0], f"{ODD}\r\n".encode())
    done = run([str(ROOT / "examples/quickstart.py")], encoding, tmp_path, **account(server))
    shown = ODD.encode(encoding, "replace")
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"#1 on main: " + shown in done.stdout


def test_half_of_an_emoji_is_exported(server: FakeBuildkite, tmp_path: Path) -> None:
    build = server.add_build("web", state="passed")
    with server.client() as bk:
        payload = bk.organization("acme").pipeline("web").build(build.number).fetch(with_jobs=False).dump()
    server.faults.add("error", status=200, payload=[{**payload, "message": "half \ud83d"}], times=None)
    command = [str(ROOT / "examples/export_builds.py"), "exported", "--since", "2020-01-01"]
    done = run(command, "ascii", tmp_path, **account(server))
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False)
    (exported,) = (tmp_path / "exported").iterdir()
    assert json.loads(exported.read_text())["message"] == "half \ud83d"


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_shell_prints_on_a_stdout_that_is_not_utf_8(tmp_path: Path, encoding: str) -> None:
    code = f"print({ODD!a}, 'half \\ud83d'); print(org.pipelines()[0]); org.pipelines()"
    command = ["-m", "buildkite_orm", "shell", "--demo", "-c", code]
    done = run(command, encoding, tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(ODD.encode(encoding, "replace") + b" half ?")


def renamed(payload: Any) -> Any:
    if hasattr(payload, "keys"):
        payload["name"] = ODD
    return payload


@pytest.mark.parametrize("encoding", [*ENCODINGS, "utf-8"])
def test_the_banner_of_the_shell_is_printed_on_a_stdout_that_is_not_utf_8(
    server: FakeBuildkite, tmp_path: Path, encoding: str
) -> None:
    server.settings.drift = renamed
    code = f"from buildkite_orm.shell.banner import banner; print(*banner(bk, org), {ODD + chr(0xD83D)!a})"
    command = ["-m", "buildkite_orm", "shell", "-c", code]
    done = run(command, encoding, tmp_path, **account(server))
    assert (done.returncode, done.stderr) == (0, b"")
