"""Measure how long `buildkite-orm shell --demo` takes to its prompt in a terminal, compared with bare IPython.

python -m benchmarks.shell_start           eleven times, alternately
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

MAX_RATIO: Final = 1.5
_BARE: Final = ["-m", "IPython"]
_OURS: Final = ["-m", "buildkite_orm", "shell", "--demo"]
_PROMPT: Final = r"In \["
_BANNER: Final = "left: "
_TIMEOUT: Final = 120


def main() -> int:
    """Run from the command line; return 1 if the limit is exceeded."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--times", type=int, default=11, help="number of starts of each")
    times = parser.parse_args().times
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "HOME": home, "IPYTHONDIR": f"{home}/ipython", "PROMPT_TOOLKIT_NO_CPR": "1"}
        for arguments in (_BARE, _OURS):
            _seconds(arguments, environment)  # the first start writes files that later starts read
        runs = [(_seconds(_BARE, environment), _seconds(_OURS, environment, _BANNER)) for _ in range(times)]
    bare, ours = statistics.median(bare[0] for bare, _ in runs), statistics.median(ours[0] for _, ours in runs)
    ready = statistics.median(ours[1] for _, ours in runs)
    ratio = statistics.median(ours[0] / bare[0] for bare, ours in runs)
    print("| task | limit | measured | | details |\n| --- | --- | --- | --- | --- |")
    print(
        f"| from `buildkite-orm shell --demo` to the prompt | at most {MAX_RATIO} x bare IPython | {ratio:.3g} x "
        f"| {'met' if ratio <= MAX_RATIO else '**not met**'} "
        f"| {ours:.2f} s, bare IPython {bare:.2f} s; its banner at {ready:.2f} s |"
    )
    return 0 if ratio <= MAX_RATIO else 1


def _seconds(arguments: list[str], environment: dict[str, str], *more: str) -> list[float]:
    """Start a shell and return the seconds until its prompt and each further text are shown."""
    spawn: Any = import_module("pexpect").spawn
    start = time.perf_counter()
    child = spawn(sys.executable, arguments, env=environment, dimensions=(40, 120), timeout=_TIMEOUT)
    seconds: list[float] = []
    for text in (_PROMPT, *more):
        child.expect(text)
        seconds.append(time.perf_counter() - start)
    child.close(force=True)
    return seconds


if __name__ == "__main__":
    sys.exit(main())
