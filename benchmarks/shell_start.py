"""How long `buildkite-orm shell --demo` takes to its prompt, beside bare IPython, through a terminal.

python -m benchmarks.shell_start           by turns, eleven times
python -m benchmarks.shell_start --times 3
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from importlib import import_module
from typing import Any, Final

MOST: Final = 1.5
_BARE: Final = ["-m", "IPython"]
_OURS: Final = ["-m", "buildkite_orm", "shell", "--demo"]
_PROMPT: Final = r"In \["
_BANNER: Final = "left: "
_PATIENCE: Final = 120


def main() -> int:
    """Run from the command line; the status tells whether it is quick enough."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--times", type=int, default=11, help="how often each is started")
    times = parser.parse_args().times
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "HOME": home, "IPYTHONDIR": f"{home}/ipython", "PROMPT_TOOLKIT_NO_CPR": "1"}
        for arguments in (_BARE, _OURS):
            _seconds(arguments, environment)  # what is written at the first start is there at all others
        runs = [(_seconds(_BARE, environment), _seconds(_OURS, environment, _BANNER)) for _ in range(times)]
    bare, ours = statistics.median(bare[0] for bare, _ in runs), statistics.median(ours[0] for _, ours in runs)
    ready = statistics.median(ours[1] for _, ours in runs)
    ratio = statistics.median(ours[0] / bare[0] for bare, ours in runs)
    print("| work | must be | measured | | behind it |\n| --- | --- | --- | --- | --- |")
    print(
        f"| from Enter on `buildkite-orm shell --demo` to the prompt | at most {MOST} x bare IPython | {ratio:.3g} x "
        f"| {'met' if ratio <= MOST else '**not met**'} "
        f"| {ours:.2f} s, bare IPython {bare:.2f} s; its banner at {ready:.2f} s |"
    )
    return 0 if ratio <= MOST else 1


def _seconds(arguments: list[str], environment: dict[str, str], *more: str) -> list[float]:
    """Start a shell, and tell after how many seconds its prompt is there, and what comes after it."""
    spawn: Any = import_module("pexpect").spawn
    began = time.perf_counter()
    child = spawn(sys.executable, arguments, env=environment, dimensions=(40, 120), timeout=_PATIENCE)
    told: list[float] = []
    for text in (_PROMPT, *more):
        child.expect(text)
        told.append(time.perf_counter() - began)
    child.close(force=True)
    return told


if __name__ == "__main__":
    sys.exit(main())
