r"""Read the artifacts of the failed builds of a month with Dask, here in a local cluster of processes.

pip install distributed
python examples/month_dask.py                   # uses the fake server
BUILDKITE_API_TOKEN=… BUILDKITE_ORGANIZATION_SLUG=acme python examples/month_dask.py --processes 4 --artifacts '*.json'

Prints how many artifacts there are of each path, and their size. Workers get queries, which have no token. With an
existing cluster, pass the address of its scheduler to `Client`, and set the environment variables in its workers.
"""

# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import argparse
import logging
import os
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from distributed import Client, LocalCluster, WorkerPlugin, as_completed, get_worker

from buildkite_orm import Buildkite

if TYPE_CHECKING:
    from buildkite_orm import BuildQuerySet


@dataclass
class Totals:
    """The number and the bytes of the artifacts, by their paths."""

    files: Counter[str] = field(default_factory=Counter[str])
    sizes: Counter[str] = field(default_factory=Counter[str])


class BuildkiteClient(WorkerPlugin):
    """Gives each worker a client of its own, which reads its token from the environment."""

    def __init__(self, processes: int) -> None:
        self.processes = processes

    def setup(self, worker: Any) -> None:
        """Make the client when the worker starts."""
        worker.buildkite = Buildkite(processes=self.processes)

    def teardown(self, worker: Any) -> None:
        """Close it when the worker ends."""
        worker.buildkite.close()


def main() -> None:
    """Divide the month into days, and read them in the workers of a cluster."""
    parser = argparse.ArgumentParser(description="Read the artifacts of the failed builds of a month.")
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--artifacts", default="log/*.json", help="pattern of their paths")
    options = parser.parse_args()
    totals = Totals()
    with ExitStack() as stack:
        until = start(stack)
        bk = stack.enter_context(Buildkite())
        builds = bk.organization().builds(
            state="failed", created_from=until - timedelta(days=options.days), created_to=until
        )
        quiet: dict[str, Any] = {"dashboard_address": None, "silence_logs": logging.CRITICAL}
        cluster: Any = LocalCluster(n_workers=options.processes, threads_per_worker=1, **quiet)
        dask: Any = stack.enter_context(Client(stack.enter_context(cluster)))
        dask.register_plugin(BuildkiteClient(options.processes))
        parts = builds.partitions(by=timedelta(days=1))
        results: Any = as_completed(dask.map(read, parts, path=options.artifacts, pure=False), with_results=True)
        for _, found in results:
            totals.files += found.files
            totals.sizes += found.sizes
    for path, count in totals.files.most_common():
        print(f"{count:6} files {totals.sizes[path]:12,} bytes  {path}")


def read(part: BuildQuerySet, *, path: str) -> Totals:
    """Read the artifacts of one part; this runs in a worker."""
    totals = Totals()
    worker: Any = get_worker()
    bk: Buildkite = worker.buildkite
    for build in bk.bind(part).iterator():
        for artifact in build.artifacts(path=path, state="finished"):
            totals.files[artifact.path] += 1
            totals.sizes[artifact.path] += sum(map(len, artifact.download(stream=True)))
    return totals


def start(stack: ExitStack) -> datetime:
    """Return the end of the month; without a token, start a fake server for this process and the workers."""
    if os.environ.get("BUILDKITE_API_TOKEN"):
        return datetime.now(UTC)
    from buildkite_orm.fake import FakeBuildkite, Settings  # noqa: PLC0415

    settings = Settings(organization_limit=None, user_limit=None)
    server = stack.enter_context(FakeBuildkite(settings=settings))
    os.environ["BUILDKITE_API_TOKEN"] = server.token
    os.environ["BUILDKITE_REST_API_ENDPOINT"] = server.url
    os.environ["BUILDKITE_ORGANIZATION_SLUG"] = "acme"
    return datetime.fromtimestamp(server.clock.now(), UTC)


if __name__ == "__main__":
    main()
