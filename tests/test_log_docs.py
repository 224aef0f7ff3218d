"""The page on logs, and the example that goes with it: what they show is what happens."""

from __future__ import annotations

import doctest
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from buildkite_orm.fake import FakeBuildkite

if TYPE_CHECKING:
    import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "logs.md").read_text(encoding="utf-8")
EXAMPLE = ROOT / "examples" / "test_durations.py"


def run(*arguments: str, **environment: str) -> str:
    """Run the example, and give what it prints."""
    env = {"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "PATH": "", **environment}
    command = [sys.executable, "-W", "error", str(EXAMPLE), *arguments]
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=True, env=env).stdout


def test_the_examples_of_the_page_do_what_they_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(>>> .*?)```", PAGE, re.DOTALL)
    with FakeBuildkite() as server, server.client() as bk:
        test = doctest.DocTestParser().get_doctest("\n".join(blocks), {"bk": bk}, "logs", "docs/logs.md", 0)
        told: list[str] = []
        result = doctest.DocTestRunner().run(test, out=told.append)
    assert result.attempted > 20
    assert result.failed == 0, "".join(told)


def test_the_page_shows_what_the_example_prints() -> None:
    shown = re.search(r"```text\n(.*?)```", PAGE, re.DOTALL)
    assert shown is not None
    assert run() == shown[1]


def test_the_example_reads_the_durations_of_tests_off_the_logs_of_a_pipeline(server: FakeBuildkite) -> None:
    for number, slow in enumerate((4, 6, 5), 1):
        jobs = server.add_build("app", number=number, jobs=[{"name": "Test"}, {"type": "waiter"}]).jobs
        times = [("--- Test", 0), ("ok quick", 0.25), ("10%\r100%", 1), (f"ok \x1b[1mslow\x1b[0m {slow}", 1 + slow)]
        lines = [f"\x1b_bk;t={int(1785585600000 + 1000 * at)}\x07{text}\r\n" for text, at in times]
        server.set_log(jobs[0], "".join([*lines, "ok without a time\r\n"]).encode())
    environment = {
        "BUILDKITE_API_TOKEN": server.token,
        "BUILDKITE_REST_API_ENDPOINT": server.url,
        "BUILDKITE_ORGANIZATION_SLUG": "acme",
    }
    printed = run("app", "--pattern", r"^ok (?P<test>\w+)", **environment)
    assert printed == "   5.000 s  slow (3 times)\n   0.250 s  quick (3 times)\n"
    assert len(server.requests) == 4
