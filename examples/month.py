r"""Read the artifacts and logs of the failed builds of a month, in several processes with `concurrent.futures`.

python examples/month.py                        # uses the fake server
BUILDKITE_API_TOKEN=… BUILDKITE_ORGANIZATION_SLUG=acme python examples/month.py --processes 4 --artifacts 'log/*.json'

Prints how often each `ruleId` is in the artifacts, and how often each line with an error is in the logs. Each process
has a client of its own, and all of them share the request budget of the token.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from multiprocessing import get_context
from typing import TYPE_CHECKING

from buildkite_orm import Buildkite

if TYPE_CHECKING:
    from buildkite_orm import Artifact, BuildQuerySet, Log


@dataclass
class Totals:
    """The findings in the builds of a part of the month."""

    builds: int = 0
    rules: Counter[str] = field(default_factory=Counter[str])
    errors: Counter[str] = field(default_factory=Counter[str])

    def add(self, other: Totals) -> None:
        """Add what was found in other builds."""
        self.builds += other.builds
        self.rules += other.rules
        self.errors += other.errors


def main() -> None:
    """Divide the month into days, and read them in several processes."""
    parser = argparse.ArgumentParser(description="Read the artifacts and logs of the failed builds of a month.")
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--artifacts", default="log/eslint.json", help="pattern of JSON files with a list of findings")
    options = parser.parse_args()
    totals = Totals()
    with ExitStack() as stack:
        until = start(stack)
        bk = stack.enter_context(Buildkite())
        builds = bk.organization().builds(
            state="failed", with_jobs=True, created_from=until - timedelta(days=options.days), created_to=until
        )
        work = partial(read, path=options.artifacts, processes=options.processes)
        with ProcessPoolExecutor(options.processes, mp_context=get_context("spawn")) as pool:
            for found in pool.map(work, builds.partitions(by=timedelta(days=1))):
                totals.add(found)
    print(f"{totals.builds} failed builds")
    for text, count in [*totals.rules.most_common(5), *totals.errors.most_common(5)]:
        print(f"{count:6}  {text}")


def read(part: BuildQuerySet, *, path: str, processes: int) -> Totals:
    """Read the builds of one part; this runs in another process."""
    totals = Totals()
    for build in client(processes).bind(part).iterator():
        totals.builds += 1
        for artifact in build.artifacts(path=path, state="finished"):
            totals.rules.update(rules(artifact))
        for job in build.failed_jobs():
            totals.errors.update(errors(job.log().fetch()))
    return totals


@cache
def client(processes: int) -> Buildkite:
    """Return the client of this process, which reads its token from the environment."""
    return Buildkite(processes=processes)


def rules(artifact: Artifact) -> list[str]:
    """Return the `ruleId` of each finding in a JSON file."""
    return [finding["ruleId"] for finding in json.loads(artifact.text())]


def errors(log: Log) -> list[str]:
    """Return the lines of a log that begin with `Error:`."""
    return [line.text for line in log.lines if line.text.startswith("Error: ")]


def start(stack: ExitStack) -> datetime:
    """Return the end of the month; without a token, start a fake server for this process and the others."""
    if os.environ.get("BUILDKITE_API_TOKEN"):
        return datetime.now(UTC)
    from buildkite_orm.fake import FakeBuildkite, Settings  # noqa: PLC0415

    settings = Settings(organization_limit=None, user_limit=None)
    server = stack.enter_context(FakeBuildkite(settings=settings))
    os.environ["BUILDKITE_API_TOKEN"] = server.token
    os.environ["BUILDKITE_REST_API_ENDPOINT"] = server.url
    os.environ["BUILDKITE_ORGANIZATION_SLUG"] = "acme"
    return datetime.fromtimestamp(server.clock.now(), UTC)


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a console without emoji shows "?"
    main()
