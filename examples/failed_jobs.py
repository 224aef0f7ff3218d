"""Report why the latest builds failed: failed jobs with the ends of their logs, annotations and links.

python examples/failed_jobs.py                       # uses the fake server
BUILDKITE_API_TOKEN=… BUILDKITE_ORGANIZATION_SLUG=acme python examples/failed_jobs.py web --branch main --json
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from contextlib import ExitStack

from buildkite_orm import Buildkite


def main() -> None:
    """Report on the latest failed builds of a pipeline."""
    parser = argparse.ArgumentParser(description="Report why the latest builds of a pipeline failed.")
    parser.add_argument("pipeline", nargs="?", default="web")
    parser.add_argument("--branch", default="main")
    parser.add_argument("--builds", type=int, default=2, help="number of builds")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    with ExitStack() as stack:
        pipeline = client(stack).organization().pipeline(options.pipeline)
        failed = pipeline.builds(state="failed", branch=options.branch, with_jobs=True).limit(options.builds)
        summaries = [build.failure_summary(lines=5) for build in failed]
    if options.json:
        print(json.dumps([summary.dump() for summary in summaries], indent=2))
    else:
        print(*summaries, sep="\n\n\n")


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
