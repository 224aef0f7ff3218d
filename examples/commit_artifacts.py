"""Wait for the builds of a commit and save their artifacts.

    python examples/commit_artifacts.py 4ca1b5f0ca1d687247c624d608d68e5bdd8c2c74 downloads --path "**/*.{json,html}"

Files that exist are skipped, so the same command continues where it was stopped. It uses the organization in
BUILDKITE_ORGANIZATION_SLUG. Without BUILDKITE_API_TOKEN, it uses the fake server.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from buildkite_orm import Buildkite, PartialDownloadError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildkite_orm import Build, DownloadReport


def main(arguments: Sequence[str] | None = None) -> int:
    """Save the artifacts of a commit's builds; return how many failed."""
    parser = argparse.ArgumentParser(description="Save the artifacts of a commit's builds.")
    parser.add_argument("commit", help="a full SHA")
    parser.add_argument("folder", type=Path, help="target folder, with one folder per build")
    parser.add_argument("--path", action="append", default=[], help="glob of the paths to save; may be repeated")
    options = parser.parse_args(arguments)
    with ExitStack() as stack:
        bk = stack.enter_context(client(stack))
        builds = list(bk.organization().builds(commit=options.commit))
        print(f"builds of {options.commit[:10]}: {', '.join(map(str, builds)) or 'none'}")
        return sum(len(save(build.wait(), options.folder, options.path or ["**"]).failed) for build in builds)


def client(stack: ExitStack) -> Buildkite:
    """Return a client of Buildkite if a token is set, else one of the fake server."""
    if os.environ.get("BUILDKITE_API_TOKEN"):
        return Buildkite()
    from buildkite_orm.fake import FakeBuildkite  # noqa: PLC0415

    return stack.enter_context(FakeBuildkite()).client(organization="acme")


def save(build: Build, folder: Path, paths: list[str]) -> DownloadReport:
    """Save the artifacts of a build and print the report."""
    target = folder / build.pipeline.api_path.rpartition("/")[2] / str(build.number)
    try:
        report = build.artifacts(path=paths).save_all(target)
    except PartialDownloadError as error:
        report = error.report
    print(report)
    return report


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a console without emoji shows "?"
    sys.exit(min(main(), 1))
