"""The main job: from an organization to the artifact of a job, then a build of its own.

With BUILDKITE_API_TOKEN set it works on the real organization (BUILDKITE_ORGANIZATION_SLUG, or the first one that the
token reaches) and builds only the pipeline that --build names. Without a token it works on the fake Buildkite that the
library ships, over loopback HTTP.

    python examples/quickstart.py
    BUILDKITE_API_TOKEN=… python examples/quickstart.py --build my-pipeline
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import tempfile
from contextlib import ExitStack
from typing import TYPE_CHECKING

from buildkite_orm import Buildkite, BuildState, ScriptJob

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildkite_orm import OrganizationRef, PipelineRef

SHOWN = 3


def main(arguments: Sequence[str] | None = None) -> None:
    """Show what is running, then build something and see it through."""
    parser = argparse.ArgumentParser(description="From an organization to an artifact, and a build of one's own.")
    parser.add_argument("--build", metavar="PIPELINE", help="the pipeline to create a build of")
    options = parser.parse_args(arguments)
    with ExitStack() as stack:
        if os.environ.get("BUILDKITE_API_TOKEN"):
            bk = stack.enter_context(Buildkite())
            pipeline_to_build = options.build
        else:
            bk = stack.enter_context(fake_client(stack))
            pipeline_to_build = options.build or "hello"
        org = pick_organization(bk)
        show_what_runs(org)
        if pipeline_to_build is None:
            print("\nNothing is built: name a pipeline with --build.")
        else:
            build_and_follow(org.pipeline(pipeline_to_build))


def fake_client(stack: ExitStack) -> Buildkite:
    """Start the fake Buildkite; its clock jumps instead of making anybody wait."""
    from buildkite_orm.fake import FakeBuildkite  # noqa: PLC0415

    server = stack.enter_context(FakeBuildkite())
    print("No BUILDKITE_API_TOKEN: this is the fake Buildkite that the library ships, and its organization acme.\n")
    return server.client(http=True, organization="acme")


def pick_organization(bk: Buildkite) -> OrganizationRef:
    """Take the organization of the environment, else the first one."""
    if os.environ.get("BUILDKITE_ORGANIZATION_SLUG"):
        return bk.organization()
    return bk.organizations()[0]


def show_what_runs(org: OrganizationRef) -> None:
    """Navigate: organization, pipeline, running builds, jobs, log, artifact."""
    for pipeline in org.pipelines():
        running = pipeline.builds(state=BuildState.RUNNING, with_jobs=True).limit(SHOWN)
        count = len(list(running))
        print(f"{pipeline.name}: {count} running" if count < SHOWN else f"{pipeline.name}: the newest {count} running")
        for build in running:
            print(f"  #{build.number} on {build.branch}: {build.message}")
            for job in build.jobs():
                if isinstance(job, ScriptJob) and job.state == "running":
                    show_job(job)
            artifact = build.artifacts(state="finished").first()
            if artifact:
                print(f"      {artifact.path}, {artifact.file_size} bytes: {artifact.download()[:20]!r}…")


def show_job(job: ScriptJob) -> None:
    """Tell where a job runs, and the last line of its log."""
    agent = job.agent.name if job.agent else "no agent yet"
    last_line = job.log().tail(1).rstrip("\n") or "(no output yet)"
    print(f"    {job.name or job.command} on {agent}: {last_line}")


def build_and_follow(pipeline: PipelineRef) -> None:
    """Create a build, follow it to its end, and save what it has made."""
    build = pipeline.builds().create(commit="HEAD", branch="main", message="From the quickstart")
    print(f"\nBuilding {build.web_url}")
    build.wait(on_change=lambda seen: print("  blocked" if seen.is_blocked else f"  {seen.state}"))
    with tempfile.TemporaryDirectory() as folder:
        for artifact in build.artifacts():
            path = artifact.save_to(folder)
            print(f"  saved {path.relative_to(folder)}, {path.stat().st_size} bytes, as the agent uploaded it")


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a console that knows no emoji shows "?"
    main()
