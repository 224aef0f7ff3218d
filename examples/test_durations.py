r"""How long tests take, read off the timestamps of job logs: the slowest ones of the last builds that passed.

A test is a line that matches the pattern, printed when the test is done: it took since the line before it.

python examples/test_durations.py                    # on the fake Buildkite that the library ships
BUILDKITE_API_TOKEN=… BUILDKITE_ORGANIZATION_SLUG=acme python examples/test_durations.py web --pattern '✓ (?P<test>\S+)'
"""

from __future__ import annotations

import argparse
import io
import os
import re
import sys
from collections import defaultdict
from contextlib import ExitStack
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from buildkite_orm import Buildkite, ScriptJob

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildkite_orm import Log


def main() -> None:
    """Print the slowest tests."""
    parser = argparse.ArgumentParser(description="How long tests take.")
    parser.add_argument("pipeline", nargs="?", default="web")
    parser.add_argument("--builds", type=int, default=5, help="how many builds to look at")
    parser.add_argument("--pattern", default=r"(?P<test>test \d+)$", help="what a line says when a test is done")
    options = parser.parse_args()
    seconds: dict[str, list[float]] = defaultdict(list)
    with ExitStack() as stack:
        pipeline = client(stack).organization().pipeline(options.pipeline)
        for build in pipeline.builds(state="passed", with_jobs=True).limit(options.builds):
            for job in build.jobs():
                if isinstance(job, ScriptJob):
                    for test, took in tests(job.log().fetch(), options.pattern):
                        seconds[test].append(took)
    for test, all_of_it in sorted(seconds.items(), key=lambda item: -median(item[1]))[:10]:
        print(f"{median(all_of_it):8.3f} s  {test} ({len(all_of_it)} times)")


def tests(log: Log, pattern: str) -> Iterator[tuple[str, float]]:
    """Give what was tested, and how many seconds it took."""
    for before, line in pairwise(log.lines):
        found = re.search(pattern, line.text)
        if found and line.timestamp and before.timestamp:
            yield found["test"], (line.timestamp - before.timestamp).total_seconds()


def client(stack: ExitStack) -> Buildkite:
    """Give a client: of the real Buildkite where there is a token, else of the fake one."""
    if os.environ.get("BUILDKITE_API_TOKEN"):
        return stack.enter_context(Buildkite())
    from buildkite_orm.fake import FakeBuildkite  # noqa: PLC0415

    return stack.enter_context(stack.enter_context(FakeBuildkite()).client(organization="acme"))


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a console that knows no emoji shows "?"
    main()
