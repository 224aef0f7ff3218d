"""The soak in `benchmarks`, in short: real sockets, many threads, a fifth of the answers broken."""

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
    told = json.loads(run.stdout)
    assert told["requests"] >= REQUESTS
    assert 0.1 < sum(told["struck"].values()) / told["requests"] < 0.3
    assert len(told["operations"]) == 11
    assert (told["sockets"], told["wrong"]) == (0, [])
