"""Export builds as JSON lines. Each run exports the builds that finished since the previous run.

python examples/export_builds.py exported                # uses the fake server
BUILDKITE_API_TOKEN=… BUILDKITE_ORGANIZATION_SLUG=acme python examples/export_builds.py exported --since 2026-06-01

Each run writes one file, named by the time at which the run began. The next run starts there; there is no other state.
A file is complete or does not exist. A build is exported again if it finishes again, after a retry of its jobs, or if
it finished around the time of a run. Of several lines with the same ID, use the one with the latest `finished_at`.
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
# The clock of this machine may be ahead of the clock of the server.
OVERLAP = timedelta(minutes=5)


def main() -> None:
    """Export the builds that finished since the last run."""
    parser = argparse.ArgumentParser(description="Export the builds that finished since the last run as JSON lines.")
    parser.add_argument("folder", type=Path, help="target folder, with one file per run")
    parser.add_argument("--since", type=datetime.fromisoformat, help="start of the first run (default: 30 days ago)")
    options = parser.parse_args()
    with ExitStack() as stack:
        bk = client(stack)
        now = datetime.fromtimestamp(
            bk.session.clock.now(), UTC
        )  # before the first request: builds that finish meanwhile belong to the next run
        since = last_run(options.folder) or options.since or now - timedelta(days=30)
        builds = bk.organization().builds(finished_from=since.astimezone(UTC), with_pipeline=False)
        while (path := options.folder / now.strftime(NAME)).exists():
            now += timedelta(seconds=1)
        print(f"{write(builds, path)} builds finished after {since:%Y-%m-%d %H:%M:%S}: {path}")


def last_run(folder: Path) -> datetime | None:
    """Return the time at which the last run began, less the overlap."""
    files = sorted(folder.glob("*.jsonl"))
    return datetime.strptime(files[-1].name, NAME).replace(tzinfo=UTC) - OVERLAP if files else None


def write(builds: BuildQuerySet, path: Path) -> int:
    """Write one line per build; return the number of builds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    count = 0
    with part.open("w", encoding="utf-8") as file:
        for count, build in enumerate(builds.iterator(), 1):  # noqa: B007 - it is returned
            file.write(json.dumps(build.dump()) + "\n")
    part.replace(path)
    return count


def client(stack: ExitStack) -> Buildkite:
    """Return a client of Buildkite if a token is set, else one of the fake server."""
    if os.environ.get("BUILDKITE_API_TOKEN"):
        return stack.enter_context(Buildkite())
    from buildkite_orm.fake import FakeBuildkite  # noqa: PLC0415

    return stack.enter_context(FakeBuildkite()).client(organization="acme")


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a console without emoji shows "?"
    main()
