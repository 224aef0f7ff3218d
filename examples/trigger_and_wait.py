"""Create a build, unblock its block steps, wait until it is finished, and exit with 0 if it passed.

python examples/trigger_and_wait.py                  # uses the fake server
BUILDKITE_API_TOKEN=… BUILDKITE_ORGANIZATION_SLUG=acme python examples/trigger_and_wait.py deploy --field stage=test
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from contextlib import ExitStack

from buildkite_orm import Build, Buildkite


def main() -> int:
    """Create a build and wait for it; return 0 if it passed."""
    parser = argparse.ArgumentParser(description="Create a build, unblock its block steps and wait for it.")
    parser.add_argument("pipeline", nargs="?", default="deploy")
    parser.add_argument("--branch", default="main")
    parser.add_argument("--commit", default="HEAD")
    parser.add_argument("--field", action="append", metavar="KEY=VALUE", help="a field of the block steps")
    parser.add_argument("--timeout", type=float, default=3600, help="seconds")
    options = parser.parse_args()
    pairs = options.field or ([] if os.environ.get("BUILDKITE_API_TOKEN") else ["release-name=Flying Dolphin"])
    fields = dict(pair.split("=", 1) for pair in pairs)
    with ExitStack() as stack:
        builds = client(stack).organization().pipeline(options.pipeline).builds()
        build = builds.create(commit=options.commit, branch=options.branch, message="From a script")
        print(build.web_url)
        while build.wait(timeout=options.timeout, cancel_on_timeout=True, on_change=show).is_blocked:
            steps = build.unblock_all(fields=fields)
            print(f"  unblocked block steps: {len(steps)}")
            if not steps:
                break
        if not build.has_passed:
            print(build.failure_summary())
        return 0 if build.has_passed else 1


def show(build: Build) -> None:
    """Print the state of a build."""
    seconds = build.duration.total_seconds() if build.duration else 0
    print(f"  {'blocked' if build.is_blocked else build.state} after {seconds:.0f} s")


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
    sys.exit(main())
