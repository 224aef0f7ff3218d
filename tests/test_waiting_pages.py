"""The pages on waiting and failures: their examples run, their output is real."""

from __future__ import annotations

import doctest
import re
import subprocess
import sys
from pathlib import Path

import pytest

from buildkite_orm.fake import FakeBuildkite

ROOT = Path(__file__).parent.parent
PAGES = {name: (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8") for name in ("waiting", "failures")}
RUNS = [
    (command, output)
    for page in PAGES.values()
    for command, output in re.findall(r"```sh\npython (.+?)\n```\n\n```text\n(.*?)```", page, re.DOTALL)
]


@pytest.mark.parametrize("page", PAGES)
def test_its_examples_do_what_they_say(page: str) -> None:
    blocks = re.findall(r"```python\n(>>> .*?)```", PAGES[page], re.DOTALL)
    with FakeBuildkite() as server:
        test = doctest.DocTestParser().get_doctest("\n".join(blocks), {"bk": server.client()}, page, f"{page}.md", 0)
        told: list[str] = []
        result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=told.append)
    assert result.attempted > 10
    assert result.failed == 0, "".join(told)


@pytest.mark.parametrize(("command", "output"), RUNS, ids=[command for command, _ in RUNS])
def test_the_output_of_an_example_is_what_it_prints(command: str, output: str) -> None:
    printed = subprocess.run(
        [sys.executable, *command.split()], cwd=ROOT, capture_output=True, encoding="utf-8", check=True,
        env={"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "PATH": ""},
    ).stdout  # fmt: skip
    assert printed == output


def test_every_example_of_the_pages_is_run() -> None:
    named = {name for page in PAGES.values() for name in re.findall(r"`(examples/\w+\.py)`", page)}
    assert named == {command.split()[0] for command, _ in RUNS}
    assert len(RUNS) == 3


def test_python_blocks_are_all_examples() -> None:
    for page in PAGES.values():
        assert page.count("```python\n") == page.count("```python\n>>> ")
