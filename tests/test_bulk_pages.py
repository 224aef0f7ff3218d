"""The page on artifacts, and its example: what they show is what happens."""

from __future__ import annotations

import doctest
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from buildkite_orm.fake import FakeBuildkite

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "artifacts.md").read_text(encoding="utf-8")
EXAMPLE = str(ROOT / "examples" / "commit_artifacts.py")
COMMIT = "4ca1b5f0ca1d687247c624d608d68e5bdd8c2c74"


@pytest.fixture
def main(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[list[str]], int]:
    """The example's own, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    run: Callable[[list[str]], int] = runpy.run_path(EXAMPLE)["main"]
    return run


def test_its_examples_do_what_they_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    with FakeBuildkite() as server:
        test = doctest.DocTestParser().get_doctest("\n".join(blocks), {"bk": server.client()}, "artifacts", None, 0)
        told: list[str] = []
        result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=told.append)
    assert result.attempted > 12
    assert result.failed == 0, "".join(told)
    assert all(block.startswith(">>> ") for block in blocks)


def test_the_output_of_its_example_is_what_that_prints(tmp_path: Path) -> None:
    ((command, output),) = re.findall(r"```sh\npython (.+?)\n```\n\n```text\n(.*?)```", PAGE, re.DOTALL)
    script, *arguments = shlex.split(command)
    assert str(ROOT / script) == EXAMPLE
    done = subprocess.run(
        [sys.executable, EXAMPLE, *arguments], cwd=tmp_path, capture_output=True, encoding="utf-8", check=False,
        env={"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "PATH": ""},
    )  # fmt: skip
    assert (done.stdout, done.stderr, done.returncode) == (output, "", 0)
    assert len([path for path in (tmp_path / "downloads/web/120").rglob("*") if path.is_file()]) == 5


def test_the_example_goes_on_where_it_was_stopped(
    main: Callable[[list[str]], int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([COMMIT, "x", "--path", "log/*"]) == 0
    assert "4 saved" in capsys.readouterr().out
    assert main([COMMIT, "x"]) == 0
    assert "4 saved (323.6 kB), 4 skipped, 0 failed: x/web/120" in capsys.readouterr().out


def test_the_example_counts_what_failed(
    main: Callable[[list[str]], int], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "x").write_text("a file where the folder is to be")
    assert main([COMMIT, "x", "--path", "dist/*"]) == 1
    assert (
        "0 saved (0 bytes), 0 skipped, 1 failed: x/web/120\n  dist/app.tar.gz: cannot write" in capsys.readouterr().out
    )
