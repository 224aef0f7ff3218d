"""The public types, as mypy and pyright see them in strict mode: see `types/`."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CASES = ROOT / "tests" / "types"


def check(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.skipif(find_spec("mypy") is None, reason="mypy is not installed")
def test_mypy_infers_the_intended_types_and_reports_wrong_calls() -> None:
    done = check("mypy", "--strict", "tests/types")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(find_spec("pyright") is None, reason="pyright is not installed")
def test_pyright_infers_the_intended_types_and_reports_wrong_calls() -> None:
    done = check("pyright", "--pythonpath", sys.executable, "tests/types")
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_case_is_checked_for_ignores_that_are_not_needed() -> None:
    header = "# pyright: strict, reportUnnecessaryTypeIgnoreComment=true"
    cases = sorted(CASES.glob("*.py"))
    assert len(cases) >= 2
    for case in cases:
        assert header in case.read_text().splitlines()


def test_no_ignore_is_without_the_error_that_it_is_for() -> None:
    for case in CASES.glob("*.py"):
        assert not re.search(r"# type: ignore(?!\[[a-z-]+\]$)", case.read_text(), re.MULTILINE), case
