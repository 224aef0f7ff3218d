"""The prompt of the demo appears about as soon as that of IPython alone."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

MOST = 2.0  # on a busy machine; `python -m benchmarks.shell_start` checks for 1.5


@pytest.mark.measured
def test_the_prompt_is_shown_before_slow_requests() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.shell_start", "--times", "3"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    measured = re.search(r"\| ([\d.]+) x \|", " ".join(done.stdout.split()))
    assert measured is not None, done.stderr
    assert float(measured[1]) <= MOST, done.stdout
