"""Send many requests in many threads while many of them fail, and check that all data is correct.

    python -m benchmarks.soak --requests 100000 --threads 8 --faults 0.2

A fake server in another process fails a share of the requests, over real sockets. The threads list, fetch, download,
create, update and delete, and check every result against the data of the server. At the end, nothing may be lost or
doubled, no socket open, and memory not grown by more than 10 MB since the warm-up. If not, the exit code is 1. Waits of
the client end at once: its clock jumps.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import itertools
import json
import math
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final

from buildkite_orm import Buildkite, BuildkiteError, RetryPolicy
from buildkite_orm.fake import FakeBuildkite, ManualClock, Settings
from buildkite_orm.http.adapter import Adapter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from buildkite_orm import Build, OrganizationRef, PipelineRef
    from buildkite_orm.fake import RecordedRequest
    from buildkite_orm.fake.faults import Kind

MAX_GROWTH: Final = 10_000_000
WARM_UP: Final = 0.2
TIMEOUT: Final = 5.0

PIPELINES, BUILDS, JOBS, CLUSTERS = 45, 130, 70, 20
CONTENT, LOG = 200_000, b"a line of the log\n" * 3000
STATUS = Path("/proc/self/status")
DESCRIPTORS = Path("/proc/self/fd")

# The faults and their weights. A read timeout takes real time, so it is rare.
API: Final[tuple[tuple[int, Kind, dict[str, Any]], ...]] = (
    (200, "reset_before", {}),
    (200, "reset_before", {"processed": True}),
    (200, "reset_after_headers", {}),
    (200, "reset_mid_body", {}),
    (200, "truncate", {}),
    (200, "corrupt_gzip", {}),
    (200, "cut_json", {}),
    (100, "html", {"status": 502}),
    (100, "html", {"status": 503}),
    (100, "html", {"status": 504, "processed": True}),
    (200, "error", {"status": 500}),
    (200, "rate_limit", {"scope": "both", "reset": 3}),
    (1, "read_timeout", {"processed": True}),
)
STORAGE: Final[tuple[tuple[int, Kind, dict[str, Any]], ...]] = (
    (1, "reset_before", {}),
    (2, "reset_mid_body", {}),
    (2, "truncate", {}),
    (1, "html", {"status": 503}),
)


# -- the server, in a process of its own


class FaultChooser:
    """Chooses the fault of each request, if any."""

    def __init__(self, seed: int, share: float) -> None:
        self._random = Random(seed)  # noqa: S311 - a seed, not a secret
        self._share = share
        self._last: RecordedRequest | None = None
        self._chosen: int | None = None
        self._weights = {"api": [weight for weight, _, _ in API], "artifacts": [weight for weight, _, _ in STORAGE]}

    def match(self, number: int, kind: Kind) -> Callable[[RecordedRequest], bool]:
        """Return the predicate of rule `number`. The first predicate that sees a request chooses its fault."""
        only_json = kind == "cut_json"  # the cut could not be detected in plain text

        def matches(request: RecordedRequest) -> bool:
            is_json = request.headers.get("Accept") == "application/json"
            return self._chosen_for(request) == number and (is_json or not only_json)

        return matches

    def _chosen_for(self, request: RecordedRequest) -> int | None:
        if request is not self._last:
            weights = self._weights[request.origin]
            fails = self._random.random() < self._share
            self._chosen = self._random.choices(range(len(weights)), weights)[0] if fails else None
            self._last = request
        return self._chosen


def serve(share: float, seed: int) -> None:
    """Serve until standard input ends. Print the target first, and at the end what was created."""
    settings = Settings(organization_limit=None, user_limit=None)
    with FakeBuildkite(populate=False, settings=settings) as server:
        target = add_data(server)
        chooser = FaultChooser(seed, share)
        for number, (_, kind, options) in enumerate(API):
            server.faults.add(kind, match=chooser.match(number, kind), times=None, **options)
        for number, (_, kind, options) in enumerate(STORAGE):
            server.faults.add(kind, match=chooser.match(number, kind), times=None, origin="artifacts", **options)
        print(json.dumps(target), flush=True)
        sys.stdin.read()
        created = server.store.organizations["acme"].pipelines["created"].by_number.values()
        failed = Counter(f"{rule.origin}: {rule.kind}" for rule in server.faults.rules for _ in range(rule.used))
        result = {
            "received": server.context.request_count,
            "failed": failed,
            "created": [each.message for each in created],
        }
        print(json.dumps(result), flush=True)


def add_data(server: FakeBuildkite) -> dict[str, Any]:
    """Add what the threads list and fetch, and return the target: the URL, the token and the expected data."""
    for number in range(PIPELINES):
        server.add_pipeline(f"p{number:03}")
    server.add_pipeline("created")
    builds = server.add_builds("web", BUILDS, message="Hello")
    job, *_ = server.add_build("big", number=1, jobs=JOBS).jobs
    server.set_log(job, LOG)
    artifact = server.add_artifact(job, "dist/app.bin", CONTENT)
    acme = server.store.organizations["acme"]
    clusters = [server.store.add_cluster(acme, f"Cluster {number}").id for number in range(CLUSTERS)]
    clusters.insert(0, acme.cluster_id)
    return {
        "url": server.url,
        "token": server.token,
        "pipelines": sorted(acme.pipelines),
        "builds": [each.number for each in reversed(builds)],
        "jobs": [each.id for each in acme.pipelines["big"].by_number[1].jobs],
        "clusters": clusters,
        "artifact": artifact.id,
        "sha256": artifact.content.sha256sum,
    }


# -- the client


class Counting(Adapter):
    """A transport that counts the requests that it sends."""

    def __init__(self) -> None:
        super().__init__()
        self._counter = itertools.count(1)
        self.sent = 0

    def send(self, *args: Any, **options: Any) -> Any:
        """Send a request and count it."""
        self.sent = next(self._counter)
        return super().send(*args, **options)


@dataclass
class Worker:
    """A thread that runs random operations and checks each result."""

    number: int
    bk: Buildkite
    target: dict[str, Any]
    folder: Path
    done: Counter[str] = field(default_factory=Counter[str])
    created: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self._random = Random(self.number)  # noqa: S311 - a seed, not a secret
        self._counter = itertools.count()

    @property
    def _org(self) -> OrganizationRef:
        return self.bk.organization("acme")

    def run(self, should_continue: Callable[[], bool]) -> None:
        """Run random operations in order."""
        operations = self._operations()
        while should_continue():
            name = self._random.choice(sorted(operations))
            operations[name]()
            self.done[name] += 1

    def _operations(self) -> dict[str, Callable[[], None]]:
        return {
            "list pipelines (Link)": self._list_pipelines,
            "list builds (by time)": self._list_builds,
            "list jobs (cursors)": self._list_jobs,
            "list clusters (array)": self._list_clusters,
            "get a build": self._get,
            "download an artifact": self._download,
            "save an artifact": self._save,
            "read a log": self._read_log,
            "create a build": self._create,
            "update a pipeline": self._update,
            "create and delete an annotation": self._annotate,
        }

    def _list_pipelines(self) -> None:
        found = [each.slug for each in self._org.pipelines().per_page(20)]
        expect(sorted(found), self.target["pipelines"])

    def _list_builds(self) -> None:
        found = [each.number for each in self._org.pipeline("web").builds().per_page(40)]
        expect(found, self.target["builds"])

    def _list_jobs(self) -> None:
        found = [each.id for each in self._big.jobs().fresh().per_page(20)]
        expect(found, self.target["jobs"])

    def _list_clusters(self) -> None:
        expect([each.id for each in self._org.clusters()], self.target["clusters"])

    @property
    def _big(self) -> Any:
        return self._org.pipeline("big").build(1)

    def _get(self) -> None:
        number = self._random.choice(self.target["builds"])
        build = self._org.pipeline("web").build(number).fetch()
        expect((build.number, build.message), (number, "Hello"))

    @property
    def _artifact(self) -> Any:
        return self._org.job(self.target["jobs"][0]).artifact(self.target["artifact"])

    def _download(self) -> None:
        digest = hashlib.sha256()
        for chunk in self._artifact.download(stream=True):
            digest.update(chunk)
        expect(digest.hexdigest(), self.target["sha256"])

    def _save(self) -> None:
        path = self._artifact.save_to(self.folder / "app.bin")  # all threads write the same name
        expect(hashlib.sha256(path.read_bytes()).hexdigest(), self.target["sha256"])

    def _read_log(self) -> None:
        log = self._org.job(self.target["jobs"][0]).log()
        expect(log.fetch().content, LOG.decode())
        expect(log.tail_bytes(100), LOG[-100:].decode())

    def _create(self) -> None:
        """Create exactly one build. If the outcome is unknown, check whether it exists."""
        message = f"{self.number}-{next(self._counter)}"
        pipeline = self._org.pipeline("created")
        while not self._is_created(pipeline, message):
            pass
        self.created.append(message)

    def _is_created(self, pipeline: PipelineRef, message: str) -> bool:
        try:
            pipeline.builds().create(commit="HEAD", branch="main", message=message, meta_data={"key": message})
        except BuildkiteError as error:
            expect(error.outcome_unknown, expected=True)
            return any(found.message == message for found in _with_message(pipeline, message))
        return True

    def _update(self) -> None:
        """Update a pipeline that only this thread updates."""
        description, own = f"Update {next(self._counter)}", self._org.pipeline(f"p{self.number:03}")
        expect(own.update(description=description).description, description)
        expect(own.fetch().description, description)

    def _annotate(self) -> None:
        """Create and delete an annotation. Creating it again with the same context replaces it, so it exists once."""
        context = f"{self.number}-{next(self._counter)}"
        annotations = self._org.pipeline("web").build(self.target["builds"][self.number]).annotations
        while True:
            try:
                annotations().create(body="Hello", context=context)
            except BuildkiteError as error:
                expect(error.outcome_unknown, expected=True)
            if found := [each for each in annotations() if each.context == context]:
                break
        (annotation,) = found
        annotation.delete()
        expect([each.context for each in annotations() if each.context == context], [])


def _with_message(pipeline: PipelineRef, message: str) -> Iterator[Build]:
    return iter(pipeline.builds(meta_data={"key": message}))


def expect(found: object, expected: object) -> None:
    """Raise if the data is not as expected."""
    if found != expected:
        raise AssertionError(f"{str(found)[:200]} is not {str(expected)[:200]}")


# -- the whole


@dataclass
class Outcome:
    """The result of a soak.

    Attributes:
        requests: How many requests were sent, including failed attempts.
        failed: How many of them the server failed on purpose, by kind of fault.
        operations: How often each operation ran.
        grown: Bytes by which the process has grown since the warm-up; 0 if the system has no /proc.
        sockets: How many sockets are open at the end; 0 if the system has no /proc.
        problems: What was problems.
    """

    requests: int
    seconds: float
    failed: dict[str, int]
    operations: dict[str, int]
    grown: int
    sockets: int
    problems: list[str]


def soak(requests: int, threads: int, share: float, seed: int) -> Outcome:
    """Run the soak and return its result."""
    command = [sys.executable, "-m", "benchmarks.soak", "--serve", "--faults", str(share), "--seed", str(seed)]
    with subprocess.Popen(  # noqa: S603 - this program
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        target: dict[str, Any] = json.loads(server.stdout.readline()) if server.stdout else {}
        with tempfile.TemporaryDirectory() as folder:
            outcome, expected = drive(target, Path(folder), requests, threads)
            left = sorted({path.name for path in Path(folder).iterdir()} - {"app.bin"})
        result: dict[str, Any] = json.loads(server.communicate()[0])
    created: Counter[str] = Counter(result["created"])
    outcome.failed = result["failed"]
    check = {"files are left": left, "lost": list((Counter(expected) - created).elements())}
    check["doubled, or created although the client got an error"] = list((created - Counter(expected)).elements())
    outcome.problems += [f"{what}: {found[:5]}" for what, found in check.items() if found]
    return outcome


def drive(target: dict[str, Any], folder: Path, requests: int, threads: int) -> tuple[Outcome, list[str]]:
    """Run the threads; return the outcome and the messages of the builds that they created."""
    transport, problems, began = Counting(), list[str](), time.monotonic()
    policy = RetryPolicy(attempts=50, max_elapsed=math.inf)
    timeout = (TIMEOUT, TIMEOUT)
    with Buildkite(
        target["token"], base_url=target["url"], timeout=timeout, retry=policy, clock=ManualClock(), transport=transport
    ) as bk:
        workers = [Worker(number, bk, target, folder) for number in range(threads)]
        work(workers, lambda: transport.sent < requests * WARM_UP and not problems, problems)
        before = resident()
        work(workers, lambda: transport.sent < requests and not problems, problems)
        after = resident()
    done = sum((worker.done for worker in workers), Counter[str]())
    grown, sockets = after - before, open_sockets()
    if grown > MAX_GROWTH:
        problems.append(f"the process has grown by {grown} bytes")
    if sockets:
        problems.append(f"{sockets} sockets are open")
    seconds = round(time.monotonic() - began, 1)
    outcome = Outcome(transport.sent, seconds, {}, dict(sorted(done.items())), grown, sockets, problems)
    return outcome, [message for worker in workers for message in worker.created]


def work(workers: list[Worker], should_continue: Callable[[], bool], problems: list[str]) -> None:
    """Run the workers concurrently until `should_continue` returns False."""

    def run(worker: Worker) -> None:
        try:
            worker.run(should_continue)
        except Exception as problem:  # noqa: BLE001 - it is reported
            problems.append(f"{type(problem).__name__}: {problem}")

    threads = [threading.Thread(target=run, args=(worker,)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def resident() -> int:
    """Return the resident memory of the process in bytes; 0 if the system has no /proc."""
    gc.collect()
    lines = STATUS.read_text().splitlines() if STATUS.exists() else []
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))


def open_sockets() -> int:
    """Return the number of open sockets; 0 if the system has no /proc."""
    names = list(DESCRIPTORS.iterdir()) if DESCRIPTORS.exists() else []
    return sum(str(name.readlink()).startswith("socket:") for name in names if name.is_symlink())


def main() -> int:
    """Run the soak from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--requests", type=int, default=100_000, help="number of requests")
    parser.add_argument("--threads", type=int, default=8, help="number of threads")
    parser.add_argument("--faults", type=float, default=0.2, help="the share of requests that fail")
    parser.add_argument("--seed", type=int, default=2026, help="the seed of the faults")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.faults, options.seed)
        return 0
    outcome = soak(options.requests, options.threads, options.faults, options.seed)
    print(json.dumps(asdict(outcome), indent=2))
    return 1 if outcome.problems else 0


if __name__ == "__main__":
    sys.exit(main())
