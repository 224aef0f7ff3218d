"""From a commit to the files of its builds: wait for them, and save what they have uploaded.

    python examples/commit_artifacts.py 4ca1b5f0ca1d687247c624d608d68e5bdd8c2c74 downloads --path "**/*.{json,html}"

What is there already is skipped, so the same command goes on where it was stopped. It works on the organization of
BUILDKITE_ORGANIZATION_SLUG; without BUILDKITE_API_TOKEN, on the fake Buildkite that the library ships.
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
    """Save the artifacts of a commit's builds; give how many could not be saved."""
    parser = argparse.ArgumentParser(description="Save the artifacts of a commit's builds.")
    parser.add_argument("commit", help="a full SHA")
    parser.add_argument("folder", type=Path, help="where to; each build gets a folder of its own in it")
    parser.add_argument("--path", action="append", default=[], help="which ones, as a glob; may be given again")
    options = parser.parse_args(arguments)
    with ExitStack() as stack:
        bk = stack.enter_context(client(stack))
        builds = list(bk.organization().builds(commit=options.commit))
        print(f"builds of {options.commit[:10]}: {', '.join(map(str, builds)) or 'none'}")
        return sum(len(save(build.wait(), options.folder, options.path or ["**"]).failed) for build in builds)


def client(stack: ExitStack) -> Buildkite:
    """Connect to Buildkite, or to the fake one."""
    if os.environ.get("BUILDKITE_API_TOKEN"):
        return Buildkite()
    from buildkite_orm.fake import FakeBuildkite  # noqa: PLC0415

    return stack.enter_context(FakeBuildkite()).client(organization="acme")


def save(build: Build, folder: Path, paths: list[str]) -> DownloadReport:
    """Save the artifacts of a build, and tell what became of them."""
    place = folder / build.pipeline.api_path.rpartition("/")[2] / str(build.number)
    try:
        report = build.artifacts(path=paths).save_all(place)
    except PartialDownloadError as error:
        report = error.report
    print(report)
    return report


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a console that knows no emoji shows "?"
    sys.exit(min(main(), 1))
