"""Export builds as JSON lines, and each time only those that have ended since the last time.

python examples/export_builds.py exported                # on the fake Buildkite that the library ships
BUILDKITE_API_TOKEN=… BUILDKITE_ORGANIZATION_SLUG=acme python examples/export_builds.py exported --since 2026-06-01

Each run writes one file into the folder, named by the time at which it began, which is where the next run goes on:
there is no other state. A file is there whole or not at all. A build that ends again, since jobs of it were retried,
comes again; so may one that ended around the time of a run. Of the lines of one id, that of the latest `finished_at`
counts.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from buildkite_orm import Buildkite

if TYPE_CHECKING:
    from buildkite_orm import BuildQuerySet

NAME = "%Y-%m-%dT%H%M%SZ.jsonl"
# The clock of this machine may be ahead of the server's.
OVERLAP = timedelta(minutes=5)


def main() -> None:
    """Export what has ended since the last run."""
    parser = argparse.ArgumentParser(description="Export builds as JSON lines, each time what has ended since.")
    parser.add_argument("folder", type=Path, help="where to; one file for each run")
    parser.add_argument("--since", type=datetime.fromisoformat, help="where the first run begins; 30 days ago")
    options = parser.parse_args()
    with ExitStack() as stack:
        bk = client(stack)
        now = datetime.fromtimestamp(bk.session.clock.now(), UTC)  # before it asks: what ends meanwhile comes next time
        since = last_run(options.folder) or options.since or now - timedelta(days=30)
        builds = bk.organization().builds(finished_from=since.astimezone(UTC), with_pipeline=False)
        while (path := options.folder / now.strftime(NAME)).exists():
            now += timedelta(seconds=1)
        print(f"{write(builds, path)} builds that ended after {since:%Y-%m-%d %H:%M:%S}: {path}")


def last_run(folder: Path) -> datetime | None:
    """Tell where the last run has left off."""
    files = sorted(folder.glob("*.jsonl"))
    return datetime.strptime(files[-1].name, NAME).replace(tzinfo=UTC) - OVERLAP if files else None


def write(builds: BuildQuerySet, path: Path) -> int:
    """Write a line for each build; give how many."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    count = 0
    with part.open("w", encoding="utf-8") as file:
        for count, build in enumerate(builds.iterator(), 1):  # noqa: B007 - it is what is given
            file.write(json.dumps(build.dump()) + "\n")
    part.replace(path)
    return count


def client(stack: ExitStack) -> Buildkite:
    """Give a client: of the real Buildkite where there is a token, else of the fake one."""
    if os.environ.get("BUILDKITE_API_TOKEN"):
        return stack.enter_context(Buildkite())
    from buildkite_orm.fake import FakeBuildkite  # noqa: PLC0415

    return stack.enter_context(FakeBuildkite()).client(organization="acme")


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a console that knows no emoji shows "?"
    main()
