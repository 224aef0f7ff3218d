"""A short run of `benchmarks.soak`: real sockets, many threads, and a fifth of the responses fail."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REQUESTS = 800


def test_a_short_soak_ends_with_exact_data_no_open_socket_and_no_growth() -> None:
    command = [sys.executable, "-W", "error", "-m", "benchmarks.soak", "--requests", str(REQUESTS)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    result = json.loads(run.stdout)
    assert result["requests"] >= REQUESTS
    assert 0.1 < sum(result["failed"].values()) / result["requests"] < 0.3
    assert len(result["operations"]) == 11
    assert (result["sockets"], result["problems"]) == (0, [])
