"""List running builds with their jobs and artifacts, then create a build, wait for it and save its artifacts.

With BUILDKITE_API_TOKEN, it uses the organization in BUILDKITE_ORGANIZATION_SLUG, or the first one of the token, and
builds only the pipeline in --build. Without a token, it uses the fake server, over loopback HTTP.

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

MAX_BUILDS = 3


def main(arguments: Sequence[str] | None = None) -> None:
    """Show running builds, then create a build and follow it."""
    parser = argparse.ArgumentParser(description="Show running builds, then create a build and follow it.")
    parser.add_argument("--build", metavar="PIPELINE", help="the pipeline in which to create a build")
    options = parser.parse_args(arguments)
    with ExitStack() as stack:
        if os.environ.get("BUILDKITE_API_TOKEN"):
            bk = stack.enter_context(Buildkite())
            pipeline_to_build = options.build
        else:
            bk = stack.enter_context(fake_client(stack))
            pipeline_to_build = options.build or "hello"
        org = pick_organization(bk)
        show_running_builds(org)
        if pipeline_to_build is None:
            print("\nNo build was created. Name a pipeline with --build.")
        else:
            build_and_follow(org.pipeline(pipeline_to_build))


def fake_client(stack: ExitStack) -> Buildkite:
    """Start the fake server. Its clock jumps, so nothing waits."""
    from buildkite_orm.fake import FakeBuildkite  # noqa: PLC0415

    server = stack.enter_context(FakeBuildkite())
    print("BUILDKITE_API_TOKEN is not set. This is the fake server with its organization acme.\n")
    return server.client(http=True, organization="acme")


def pick_organization(bk: Buildkite) -> OrganizationRef:
    """Return the organization of the environment, else the first one."""
    if os.environ.get("BUILDKITE_ORGANIZATION_SLUG"):
        return bk.organization()
    return bk.organizations()[0]


def show_running_builds(org: OrganizationRef) -> None:
    """Print the running builds of all pipelines with their jobs and their first artifact."""
    for pipeline in org.pipelines():
        running = pipeline.builds(state=BuildState.RUNNING, with_jobs=True).limit(MAX_BUILDS)
        count = len(list(running))
        print(
            f"{pipeline.name}: {count} running"
            if count < MAX_BUILDS
            else f"{pipeline.name}: the newest {count} running"
        )
        for build in running:
            print(f"  #{build.number} on {build.branch}: {build.message}")
            for job in build.jobs(kind=ScriptJob, state="running"):
                show_job(job)
            artifact = build.artifacts(state="finished").first()
            if artifact:
                print(f"    artifact {artifact.path}, {artifact.file_size} bytes")


def show_job(job: ScriptJob) -> None:
    """Print the agent of a job and the last line of its log."""
    agent = job.agent.name if job.agent else "no agent yet"
    last_line = job.log().tail(1).rstrip("\n") or "(no output yet)"
    print(f"    {job.name or job.command} on {agent}: {last_line}")


def build_and_follow(pipeline: PipelineRef) -> None:
    """Create a build, wait until it is finished, and save its artifacts."""
    build = pipeline.builds().create(commit="HEAD", branch="main", message="From the quickstart")
    print(f"\nBuilding {build.web_url}")
    build.wait(on_change=lambda now: print("  blocked" if now.is_blocked else f"  {now.state}"))
    with tempfile.TemporaryDirectory() as folder:
        for artifact in build.artifacts():
            path = artifact.save_to(folder)
            print(f"  saved {path.relative_to(folder)}, {path.stat().st_size} bytes")


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a console without emoji shows "?"
    main()
