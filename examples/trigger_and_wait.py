"""Create a build, see it to its end, answer its block steps on the way, and exit with what it came to.

python examples/trigger_and_wait.py                  # on the fake Buildkite that the library ships
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
    """Create a build and wait for it; 0 where it passed."""
    parser = argparse.ArgumentParser(description="Create a build and wait for it, opening its block steps.")
    parser.add_argument("pipeline", nargs="?", default="deploy")
    parser.add_argument("--branch", default="main")
    parser.add_argument("--commit", default="HEAD")
    parser.add_argument("--field", action="append", metavar="KEY=VALUE", help="a value for block steps")
    parser.add_argument("--timeout", type=float, default=3600, help="seconds")
    options = parser.parse_args()
    given = options.field or ([] if os.environ.get("BUILDKITE_API_TOKEN") else ["release-name=Flying Dolphin"])
    fields = dict(pair.split("=", 1) for pair in given)
    with ExitStack() as stack:
        builds = client(stack).organization().pipeline(options.pipeline).builds()
        build = builds.create(commit=options.commit, branch=options.branch, message="From a script")
        print(build.web_url)
        while build.wait(timeout=options.timeout, cancel_on_timeout=True, on_change=show).is_blocked:
            opened = build.unblock_all(fields=fields)
            print(f"  opened: {opened}")
            if not opened:
                break
        if build.state != "passed":
            print(build.failure_summary())
        return 0 if build.state == "passed" else 1


def show(build: Build) -> None:
    """Print how a build is."""
    seconds = build.duration.total_seconds() if build.duration else 0
    print(f"  {'blocked' if build.is_blocked else build.state} after {seconds:.0f} s")


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
    sys.exit(main())
