"""The README: its examples run, its output is real, its commands are one line each."""

from __future__ import annotations

import doctest
import re
import subprocess
import sys
from pathlib import Path

import pytest

from buildkite_orm.fake import FakeBuildkite

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def fenced(section: str, language: str) -> str:
    """Give the first fenced block of a language below a heading."""
    below = README.partition(f"\n## {section}\n")[2]
    found = re.search(rf"```{language}\n(.*?)```", below, re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def _somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("_somewhere")
def test_its_examples_do_what_they_say() -> None:
    blocks = re.findall(r"```python\n(>>> .*?)```", README, re.DOTALL)
    with FakeBuildkite() as server:
        test = doctest.DocTestParser().get_doctest("\n".join(blocks), {"bk": server.client()}, "README", "README.md", 0)
        runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
        told: list[str] = []
        result = runner.run(test, out=told.append)
    assert result.attempted > 20
    assert result.failed == 0, "".join(told)


def test_the_output_of_the_quickstart_is_what_it_prints() -> None:
    printed = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "quickstart.py")], capture_output=True, encoding="utf-8", check=True,
        env={"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "PATH": ""},
    ).stdout  # fmt: skip
    assert printed == fenced("Try it", "text")


@pytest.mark.parametrize("section", ["Try it", "Test it"])
def test_a_newcomer_pastes_one_line(section: str) -> None:
    command = fenced(section, "sh")
    assert command.count("\n") == 1
    assert command.startswith("python3 -m venv")
