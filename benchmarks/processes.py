"""Measure several processes with one token: how well they share its budget, and how artifact work scales.

    python -m benchmarks.processes --speed 10

Budget: processes with equal work fetch builds from a fake server that allows 50 requests a minute. Its clock, and
theirs, run `--speed` times as fast as the machine's. The least possible time has a full window for each 50 requests but
the last. They run with and without `Buildkite(processes=n)`; then one is busy and the others are idle. If more than 2 %
of the requests are rejected, or it takes more than 5 % longer than the least time, the exit code is 1.

Artifacts: one process and then two download and parse JUnit reports. Only the request for the URL of a file counts
against the budget; its content comes from the storage, which takes a second for each.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

from buildkite_orm import Buildkite
from buildkite_orm.fake import AcceleratedClock, FakeBuildkite, Settings

if TYPE_CHECKING:
    from collections.abc import Generator
    from multiprocessing.connection import Connection
    from multiprocessing.synchronize import Barrier

    from buildkite_orm import BuildQuerySet, ResponseEvent

LIMIT: Final = 50
WINDOW: Final = 60.0
MOST_REJECTED: Final = 0.02
MOST_LONGER: Final = 0.05
CASES: Final = 2_000
REPORTS: Final = 24
STORAGE_SECONDS: Final = 1.0
SPAWN: Final = get_context("spawn")


@dataclass
class Work:
    """The requests and responses of one process.

    Attributes:
        began: When it sent its first request, in seconds of the accelerated clock.
        ended: When it had its last response.
        sent: The requests that it sent.
        rejected: Those of them that were rejected.
        builds: The numbers of the builds that it loaded.
    """

    began: float
    ended: float
    sent: int
    rejected: int
    builds: list[int]


def fetch_builds(count: int, processes: int, speed: float, barrier: Barrier, results: Connection) -> None:
    """Fetch builds, after all processes have started."""
    statuses: list[int | None] = []

    def note(event: ResponseEvent) -> None:
        statuses.append(event.status)

    with FakeBuildkite() as server, server.client(http=True) as bk:
        bk.organization("acme").pipeline("web").build(1).fetch(with_jobs=False)  # the first request imports much
    with Buildkite(processes=processes, clock=AcceleratedClock(speed), on_response=note) as bk:
        pipeline = bk.organization().pipeline("bulk")
        barrier.wait()
        began = time.monotonic()
        builds = [pipeline.build(number + 1).fetch(with_jobs=False).number for number in range(count)]
        ended = time.monotonic()
    results.send(Work(began * speed, ended * speed, len(statuses), statuses.count(429), builds))


def run(work: list[int], processes: int, speed: float) -> list[Work]:
    """Fetch that many builds in each process, from a fake server with a fresh window."""
    with fake("--clock", f"{speed}x", "--empty", "--builds", str(max(work))):
        barrier = SPAWN.Barrier(len(work))
        pipes = [SPAWN.Pipe(duplex=False) for _ in work]
        started = [
            SPAWN.Process(target=fetch_builds, args=(count, processes, speed, barrier, sender))
            for count, (_, sender) in zip(work, pipes, strict=True)
        ]
        for process in started:
            process.start()
        done: list[Work] = [receiver.recv() for receiver, _ in pipes]
        for process in started:
            process.join()
    return done


@contextmanager
def fake(*options: str) -> Generator[None]:
    """Run the fake server of the command line, and set the environment variables that it prints."""
    command = [sys.executable, "-m", "buildkite_orm.fake", "--port", "0", *options]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - this program
    assert server.stdout
    try:
        for line in server.stdout:
            name, value = re.fullmatch(r"export (\w+)='?(.*?)'?\n", line, re.DOTALL).groups()  # type: ignore[union-attr]
            os.environ[name] = value
            if name == "BUILDKITE_ORGANIZATION_SLUG":
                break
        yield
    finally:
        server.terminate()
        server.wait()


def report(name: str, done: list[Work], work: list[int]) -> bool:
    """Print what processes did; return whether it was within the limits."""
    sent, rejected = sum(each.sent for each in done), sum(each.rejected for each in done)
    seconds = max(each.ended for each in done) - min(each.began for each in done)
    full = -(-sum(work) // LIMIT) - 1
    last = sum(work) - full * LIMIT
    least = full * WINDOW
    exact = [each.builds for each in done] == [list(range(1, count + 1)) for count in work]
    took = f"{sent - rejected} requests in {seconds:.0f} s, {seconds / least - 1:+.1%}"
    possible = f"{full} full windows take {least:.0f} s, then {last} more"
    results = "exact" if exact else "WRONG"
    print(f"{name}: {took} ({possible}); {rejected} rejected ({rejected / sent:.1%}); results {results}", flush=True)
    return exact and rejected <= MOST_REJECTED * sent and seconds <= (1 + MOST_LONGER) * least


def serve_reports(ready: Connection, stop: Connection) -> None:
    """Serve builds with a JUnit report each, without a request limit."""
    cases = "".join(f'<testcase classname="suite" name="test {number}" time="0.01"/>' for number in range(CASES))
    content = f"<testsuite>{cases}</testsuite>".encode()
    settings = Settings(organization_limit=None, user_limit=None)
    with FakeBuildkite(populate=False, settings=settings, clock=AcceleratedClock()) as server:
        server.faults.add("latency", origin="artifacts", times=None, seconds=STORAGE_SECONDS)
        for number in range(REPORTS):
            record = server.add_build("files", created_at=server.clock.now() - 3600 * number, jobs=[{"name": "Test"}])
            artifact = server.add_artifact(record.jobs[0], "junit.xml", content)
            _ = artifact.content.sha1sum  # computed here, not during the first measured request
        ready.send((server.url, server.token, server.clock.now()))
        stop.recv()


def parse_reports(parts: list[BuildQuerySet], barrier: Barrier, results: Connection) -> None:
    """Parse the reports of some builds, after all processes have started."""
    with Buildkite() as bk:
        bk.organization().fetch()
        barrier.wait()
        began = time.monotonic()
        found = 0
        for part in parts:
            for build in bk.bind(part):
                for artifact in build.artifacts(path="junit.xml"):
                    found += sum(1 for _ in ET.fromstring(artifact.download()).iter("testcase"))  # noqa: S314 - our own
        results.send((began, time.monotonic(), found))


def artifact_seconds(processes: int, parts: list[BuildQuerySet]) -> float:
    """Return how long it takes to parse all reports."""
    barrier = SPAWN.Barrier(processes)
    pipes = [SPAWN.Pipe(duplex=False) for _ in range(processes)]
    started = [
        SPAWN.Process(target=parse_reports, args=(parts[index::processes], barrier, sender))
        for index, (_, sender) in enumerate(pipes)
    ]
    for process in started:
        process.start()
    done: list[tuple[float, float, int]] = [receiver.recv() for receiver, _ in pipes]
    for process in started:
        process.join()
    assert sum(found for _, _, found in done) == CASES * REPORTS
    return max(ended for _, ended, _ in done) - min(began for began, _, _ in done)


def artifacts(rounds: int) -> None:
    """Measure artifact work with one process and with two, alternately, and print the best times."""
    (ready, send_ready), (receive_stop, stop) = SPAWN.Pipe(duplex=False), SPAWN.Pipe(duplex=False)
    server = SPAWN.Process(target=serve_reports, args=(send_ready, receive_stop))
    server.start()
    url, token, now = ready.recv()
    os.environ |= {
        "BUILDKITE_API_TOKEN": token,
        "BUILDKITE_REST_API_ENDPOINT": url,
        "BUILDKITE_ORGANIZATION_SLUG": "acme",
    }
    until = datetime.fromtimestamp(now + 1, UTC)
    with Buildkite() as bk:
        builds = bk.organization().builds(created_from=until - timedelta(hours=REPORTS), created_to=until)
        parts = builds.partitions(by=timedelta(hours=1))
    times = [[artifact_seconds(processes, parts) for processes in (1, 2)] for _ in range(rounds)]
    stop.send(None)
    server.join()
    one, two = (min(each) for each in zip(*times, strict=True))
    print(f"{REPORTS} artifacts of {CASES} tests: {one:.2f} s, with 2 processes {two:.2f} s, {one / two:.2f}x")


def main() -> int:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--processes", type=int, default=16)
    parser.add_argument("--requests", type=int, default=238, help="in total, divided evenly")
    parser.add_argument("--speed", type=float, default=10.0, help="of the clock")
    parser.add_argument("--rounds", type=int, default=3, help="of the artifact work")
    parser.add_argument("--only", choices=["shared", "unshared", "busy", "artifacts"], help="measure one thing only")
    options = parser.parse_args()
    count, only = options.processes, options.only
    work = [(options.requests + index) // count for index in range(count)]
    is_met = True
    if only in {None, "shared"}:
        is_met = report(f"{count} processes that share", run(work, count, options.speed), work)
    if only in {None, "unshared"}:
        report(f"{count} processes that do not", run(work, 1, options.speed), work)
    if only in {None, "busy"}:
        report(f"1 busy of {count}", run([3 * LIMIT], count, options.speed), [3 * LIMIT])
    if only in {None, "artifacts"}:
        artifacts(options.rounds)
    return 0 if is_met else 1


if __name__ == "__main__":
    sys.exit(main())
