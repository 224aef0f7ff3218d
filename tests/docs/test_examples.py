"""The scripts in examples/ beyond what the pages show: other arguments, an account, and failures."""

from __future__ import annotations

import pickle
import runpy
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.docs.page import ROOT, blocks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from buildkite_orm import Buildkite
    from buildkite_orm.fake import FakeBuildkite

COMMIT = "4ca1b5f0ca1d687247c624d608d68e5bdd8c2c74"


@pytest.mark.parametrize("section", ["Try it", "Test it"])
def test_a_command_of_the_readme_is_one_line_to_paste(section: str) -> None:
    below = (ROOT / "README.md").read_text(encoding="utf-8").partition(f"\n## {section}\n")[2]
    command = next(block.text for block in blocks(below) if block.language == "sh")
    assert command.count("\n") == 1
    assert command.startswith("python3 -m venv")


# -- commit_artifacts.py


@pytest.fixture
def save(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[list[str]], int]:
    """The example's `main`, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    run: Callable[[list[str]], int] = runpy.run_path(str(ROOT / "examples" / "commit_artifacts.py"))["main"]
    return run


def test_artifacts_are_at_the_paths_in_the_report(save: Callable[[list[str]], int], tmp_path: Path) -> None:
    assert save([COMMIT, "downloads", "--path", "dist/*", "--path", "**/*.json"]) == 0
    assert len([path for path in (tmp_path / "downloads/web/120").rglob("*") if path.is_file()]) == 5


def test_saving_artifacts_resumes_after_an_interruption(
    save: Callable[[list[str]], int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert save([COMMIT, "x", "--path", "log/*"]) == 0
    assert "7 saved" in capsys.readouterr().out
    assert save([COMMIT, "x"]) == 0
    assert "6 saved (325.3 kB), 7 skipped, 0 failed: x/web/120" in capsys.readouterr().out


def test_artifacts_that_cannot_be_saved_are_counted(
    save: Callable[[list[str]], int], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "x").write_text("a file where the folder is to be")
    assert save([COMMIT, "x", "--path", "dist/*"]) == 1
    output = capsys.readouterr().out
    assert "0 saved (0 bytes), 0 skipped, 1 failed: x/web/120\n  dist/app.tar.gz: cannot write" in output


# -- test_durations.py


def test_the_durations_of_tests_are_read_from_the_logs_of_a_pipeline(server: FakeBuildkite) -> None:
    for number, slow in enumerate((4, 6, 5), 1):
        jobs = server.add_build("app", number=number, jobs=[{"name": "Test"}, {"type": "waiter"}]).jobs
        times = [("--- Test", 0), ("ok quick", 0.25), ("10%\r100%", 1), (f"ok \x1b[1mslow\x1b[0m {slow}", 1 + slow)]
        lines = [f"\x1b_bk;t={int(1785585600000 + 1000 * at)}\x07{text}\r\n" for text, at in times]
        server.set_log(jobs[0], "".join([*lines, "ok without a time\r\n"]).encode())
    example = [sys.executable, "-W", "error", str(ROOT / "examples/test_durations.py")]
    printed = subprocess.run(
        [*example, "app", "--pattern", r"^ok (?P<test>\w+)"],
        capture_output=True, encoding="utf-8", check=True,
        env={
            "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "PATH": "", "BUILDKITE_API_TOKEN": server.token,
            "BUILDKITE_REST_API_ENDPOINT": server.url, "BUILDKITE_ORGANIZATION_SLUG": "acme",
        },
    ).stdout  # fmt: skip
    assert printed == "   5.000 s  slow (3 times)\n   0.250 s  quick (3 times)\n"
    assert len(server.requests) == 4


# -- month.py


def test_the_part_of_a_month_is_read_from_embedded_jobs(
    server: FakeBuildkite, bk: Buildkite, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2):
        build = server.add_build("app", number=number, state="failed", jobs=[{"name": "Test", "state": "failed"}])
        server.set_log(build.jobs[0], b"--- Test\nError: no such file\nok\nError: no such file\n")
        server.add_artifact(build.jobs[0], "log/eslint.json", b'[{"ruleId": "semi"}, {"ruleId": "eqeqeq"}]')
    server.add_build("app", number=3, state="passed", jobs=1)
    monkeypatch.setenv("BUILDKITE_API_TOKEN", server.token)
    monkeypatch.setenv("BUILDKITE_REST_API_ENDPOINT", server.url)
    example = runpy.run_path(str(ROOT / "examples" / "month.py"))
    part = pickle.loads(pickle.dumps(bk.organization("acme").builds(state="failed", with_jobs=True)))  # noqa: S301
    totals = example["read"](part, path="log/*.json", processes=2)
    example["client"](2).close()
    assert (totals.builds, totals.rules) == (2, {"semi": 2, "eqeqeq": 2})
    assert totals.errors == {"Error: no such file": 4}
    assert len(server.requests) == 1 + 2 + 2 * 2 + 2  # builds, their artifacts, each with a file, and logs
