r"""Print the slowest tests of the latest passed builds, from the timestamps in job logs.

A test is a log line that matches the pattern. It took the time since the line before it.

python examples/test_durations.py                    # uses the fake server
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
    parser = argparse.ArgumentParser(description="Print the slowest tests.")
    parser.add_argument("pipeline", nargs="?", default="web")
    parser.add_argument("--builds", type=int, default=5, help="number of builds")
    parser.add_argument(
        "--pattern", default=r"(?P<test>test \d+)$", help="regular expression of the line at the end of a test"
    )
    options = parser.parse_args()
    seconds: dict[str, list[float]] = defaultdict(list)
    with ExitStack() as stack:
        pipeline = client(stack).organization().pipeline(options.pipeline)
        for build in pipeline.builds(state="passed", with_jobs=True).limit(options.builds):
            for job in build.jobs(kind=ScriptJob):
                for test, duration in tests(job.log().fetch(), options.pattern):
                    seconds[test].append(duration)
    for test, durations in sorted(seconds.items(), key=lambda item: -median(item[1]))[:10]:
        print(f"{median(durations):8.3f} s  {test} ({len(durations)} times)")


def tests(log: Log, pattern: str) -> Iterator[tuple[str, float]]:
    """Yield the name and the seconds of each test in a log."""
    for before, line in pairwise(log.lines):
        match = re.search(pattern, line.text)
        if match and line.timestamp and before.timestamp:
            yield match["test"], (line.timestamp - before.timestamp).total_seconds()


def client(stack: ExitStack) -> Buildkite:
    """Return a client of Buildkite if a token is set, else one of the fake server."""
    if os.environ.get("BUILDKITE_API_TOKEN"):
        return stack.enter_context(Buildkite())
    from buildkite_orm.fake import FakeBuildkite  # noqa: PLC0415

    return stack.enter_context(stack.enter_context(FakeBuildkite()).client(organization="acme"))


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a console without emoji shows "?"
    main()
