"""Print how long the steps of a pipeline run and wait for agents, how often they fail, and how flaky they are.

python examples/flakiness.py                         # uses the fake server
BUILDKITE_API_TOKEN=… BUILDKITE_ORGANIZATION_SLUG=acme python examples/flakiness.py web --days 30
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from statistics import median

from buildkite_orm import Build, Buildkite, JobFailure, ScriptJob


@dataclass
class Step:
    """Statistics of a step: seconds running and waiting, and how often it failed or passed after a retry."""

    ran: list[float] = field(default_factory=list[float])
    waited: list[float] = field(default_factory=list[float])
    finished: int = 0
    failed: int = 0
    flaky: int = 0


def main() -> None:
    """Print a table of the steps, flakiest first."""
    parser = argparse.ArgumentParser(description="Print durations and flakiness of steps.")
    parser.add_argument("pipeline", nargs="?", default="web")
    parser.add_argument("--days", type=int, default=30)
    options = parser.parse_args()
    steps: dict[str, Step] = defaultdict(Step)
    with ExitStack() as stack:
        bk = client(stack)
        since = datetime.fromtimestamp(bk.session.clock.now(), UTC) - timedelta(days=options.days)
        builds = bk.organization().pipeline(options.pipeline).builds(
            created_from=since, with_jobs=True, include_retried_jobs=True
        )  # fmt: skip
        for build in builds:  # a hundred builds with all their jobs in one request
            count(build, steps)
    print(f"{'step':24} {'runs':>6} {'median':>8} {'longest':>8} {'queued':>8} {'failed':>7} {'flaky':>7}")
    for name, step in sorted(steps.items(), key=lambda item: -item[1].flaky / item[1].finished):
        times = f"{median(step.ran):>7.1f}s {max(step.ran):>7.1f}s {median(step.waited):>7.1f}s"
        failed, flaky = step.failed / step.finished, step.flaky / step.finished
        print(f"{name:24.24} {step.finished:>6} {times} {failed:>7.1%} {flaky:>7.1%}")


def count(build: Build, steps: dict[str, Step]) -> None:
    """Add the finished jobs of a build to the statistics."""
    jobs = build.jobs(kind=ScriptJob, include_retried_jobs=True)
    failed_before = {job.retried_in_job_id for job in jobs if job.failure is not None}
    for job in jobs:
        if job.duration is None or job.finished_at is None:
            continue
        step = steps[job.step_key or job.name or job.command or "?"]
        step.ran.append(job.duration.total_seconds())
        step.waited.append(job.queue_time.total_seconds() if job.queue_time else 0)
        if not job.was_retried:
            step.finished += 1
            step.failed += job.failure not in {None, JobFailure.SOFT_FAILED}
            step.flaky += job.failure is None and job.id in failed_before


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
