"""A short run of the benchmarks prints all rows. Its numbers mean little."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

ROWS = {
    "parse, validate and bind": 20.0,
    "a request on a warm connection": 20.0,
    "first object from a cold interpreter": 20.0,
    "scan 200 builds": 1.0,  # faster, because the jobs are not requested
    "the same with every job": 20.0,
    "the same: requests": 2.0,
    "the same: connections of one thread": 1.0,
    "drain": 20.0,
    "loop over": 100.0,
    "an artifact of": 100.0,
    "8 artifacts": 20.0,
}


def test_all_rows_are_measured() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick"],
        cwd=Path(__file__).parent.parent,
        check=True,
        capture_output=True,
        text=True,
    )
    lines = [line.strip("| ").split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")][2:]
    measured = {line[0]: float(line[2].split(" ")[0].rstrip("x")) for line in lines}
    for begin, most in ROWS.items():
        found = [value for work, value in measured.items() if work.startswith(begin)]
        assert found, begin
        assert max(found) <= most, begin
    assert "The fake takes" in done.stdout


def test_all_rows_of_the_cache_are_measured() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.cache", "--quick"],
        cwd=Path(__file__).parent.parent,
        check=True,
        capture_output=True,
        text=True,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("| ")]
    assert len(lines) == (11 if find_spec("isal") else 10)
    assert done.stderr == ""
