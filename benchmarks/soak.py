"""A soak: many requests over many threads while a good part of the answers fails, and all data is exact in the end.

    python -m benchmarks.soak --requests 100000 --threads 8 --faults 0.2

A fake Buildkite in a process of its own breaks what it is told to break, over real sockets. The threads list, fetch,
download, create, update and delete, and check every answer against what was put there. At the end nothing was lost or
doubled, no socket is open, and memory has not grown by more than 10 MB since the warm-up; else the exit code is 1.
What a client waits for passes at once, on a clock of the soak's own.
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

MOST_GROWTH: Final = 10_000_000
WARM_UP: Final = 0.2
TIMEOUT: Final = 5.0

PIPELINES, BUILDS, JOBS, CLUSTERS = 45, 130, 70, 20
CONTENT, LOG = 200_000, b"a line of the log\n" * 3000
STATUS = Path("/proc/self/status")
DESCRIPTORS = Path("/proc/self/fd")

# What breaks, and how often by comparison. A read timeout takes real time, so there are few.
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


class Dice:
    """Decides for each request what strikes it, if anything."""

    def __init__(self, seed: int, share: float) -> None:
        self._random = Random(seed)  # noqa: S311 - a seed, not a secret
        self._share = share
        self._last: RecordedRequest | None = None
        self._drawn: int | None = None
        self._weights = {"api": [weight for weight, _, _ in API], "artifacts": [weight for weight, _, _ in STORAGE]}

    def match(self, number: int, kind: Kind) -> Callable[[RecordedRequest], bool]:
        """Make the predicate of the rule of this number; the first one that is asked about a request throws."""
        only_json = kind == "cut_json"  # that a text was cut so neatly, nobody could tell

        def strikes(request: RecordedRequest) -> bool:
            is_json = request.headers.get("Accept") == "application/json"
            return self._struck_by(request) == number and (is_json or not only_json)

        return strikes

    def _struck_by(self, request: RecordedRequest) -> int | None:
        if request is not self._last:
            weights = self._weights[request.origin]
            struck = self._random.random() < self._share
            self._drawn = self._random.choices(range(len(weights)), weights)[0] if struck else None
            self._last = request
        return self._drawn


def serve(share: float, seed: int) -> None:
    """Serve until standard input ends; say first where, and at the end what was created."""
    settings = Settings(organization_limit=None, user_limit=None)
    with FakeBuildkite(populate=False, settings=settings) as server:
        place = furnish(server)
        dice = Dice(seed, share)
        for number, (_, kind, options) in enumerate(API):
            server.faults.add(kind, match=dice.match(number, kind), times=None, **options)
        for number, (_, kind, options) in enumerate(STORAGE):
            server.faults.add(kind, match=dice.match(number, kind), times=None, origin="artifacts", **options)
        print(json.dumps(place), flush=True)
        sys.stdin.read()
        made = server.store.organizations["acme"].pipelines["made"].by_number.values()
        struck = Counter(f"{rule.origin}: {rule.kind}" for rule in server.faults.rules for _ in range(rule.used))
        told = {"arrived": server.context.request_count, "struck": struck, "made": [each.message for each in made]}
        print(json.dumps(told), flush=True)


def furnish(server: FakeBuildkite) -> dict[str, Any]:
    """Put there what is listed and fetched, and tell what and where that is."""
    for number in range(PIPELINES):
        server.add_pipeline(f"p{number:03}")
    server.add_pipeline("made")
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
    """Counts what is sent."""

    def __init__(self) -> None:
        super().__init__()
        self._ticket = itertools.count(1)
        self.sent = 0

    def send(self, *args: Any, **options: Any) -> Any:
        """Send, and count."""
        self.sent = next(self._ticket)
        return super().send(*args, **options)


@dataclass
class Worker:
    """One thread's part: random operations, each checked."""

    number: int
    bk: Buildkite
    place: dict[str, Any]
    folder: Path
    done: Counter[str] = field(default_factory=Counter[str])
    made: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self._random = Random(self.number)  # noqa: S311 - a seed, not a secret
        self._ticket = itertools.count()

    @property
    def _org(self) -> OrganizationRef:
        return self.bk.organization("acme")

    def run(self, go_on: Callable[[], bool]) -> None:
        """Do one thing after the other."""
        operations = self._operations()
        while go_on():
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
        expect(sorted(found), self.place["pipelines"])

    def _list_builds(self) -> None:
        found = [each.number for each in self._org.pipeline("web").builds().per_page(40)]
        expect(found, self.place["builds"])

    def _list_jobs(self) -> None:
        found = [each.id for each in self._big.jobs().fresh().per_page(20)]
        expect(found, self.place["jobs"])

    def _list_clusters(self) -> None:
        expect([each.id for each in self._org.clusters()], self.place["clusters"])

    @property
    def _big(self) -> Any:
        return self._org.pipeline("big").build(1)

    def _get(self) -> None:
        number = self._random.choice(self.place["builds"])
        build = self._org.pipeline("web").build(number).fetch()
        expect((build.number, build.message), (number, "Hello"))

    @property
    def _artifact(self) -> Any:
        return self._org.job(self.place["jobs"][0]).artifact(self.place["artifact"])

    def _download(self) -> None:
        digest = hashlib.sha256()
        for chunk in self._artifact.download(stream=True):
            digest.update(chunk)
        expect(digest.hexdigest(), self.place["sha256"])

    def _save(self) -> None:
        path = self._artifact.save_to(self.folder / "app.bin")  # all threads to one name
        expect(hashlib.sha256(path.read_bytes()).hexdigest(), self.place["sha256"])

    def _read_log(self) -> None:
        log = self._org.job(self.place["jobs"][0]).log()
        expect(log.fetch().content, LOG.decode())
        expect(log.tail_bytes(100), LOG[-100:].decode())

    def _create(self) -> None:
        """Create a build once, whatever happens: where an error says that it may have, look."""
        message = f"{self.number}-{next(self._ticket)}"
        pipeline = self._org.pipeline("made")
        while not self._is_created(pipeline, message):
            pass
        self.made.append(message)

    def _is_created(self, pipeline: PipelineRef, message: str) -> bool:
        try:
            pipeline.builds().create(commit="HEAD", branch="main", message=message, meta_data={"key": message})
        except BuildkiteError as error:
            expect(error.outcome_unknown, wanted=True)
            return any(found.message == message for found in _made_as(pipeline, message))
        return True

    def _update(self) -> None:
        """Change what is this thread's own."""
        said, own = f"The {next(self._ticket)}th", self._org.pipeline(f"p{self.number:03}")
        expect(own.update(description=said).description, said)
        expect(own.fetch().description, said)

    def _annotate(self) -> None:
        """Add to a build of this thread's own, and take it away: a context is there once, however often it is sent."""
        context = f"{self.number}-{next(self._ticket)}"
        annotations = self._org.pipeline("web").build(self.place["builds"][self.number]).annotations
        while True:
            try:
                annotations().create(body="Hello", context=context)
            except BuildkiteError as error:
                expect(error.outcome_unknown, wanted=True)
            if found := [each for each in annotations() if each.context == context]:
                break
        (annotation,) = found
        annotation.delete()
        expect([each.context for each in annotations() if each.context == context], [])


def _made_as(pipeline: PipelineRef, message: str) -> Iterator[Build]:
    return iter(pipeline.builds(meta_data={"key": message}))


def expect(found: object, wanted: object) -> None:
    """Stop where data is not exact."""
    if found != wanted:
        raise AssertionError(f"{str(found)[:200]} is not {str(wanted)[:200]}")


# -- the whole


@dataclass
class Outcome:
    """What came out.

    Attributes:
        requests: How many were sent, attempts that failed included.
        struck: How many of them the server spoiled, by kind.
        operations: How often each was done.
        grown: By how many bytes the process has grown since the warm-up; 0 where the system does not tell.
        sockets: How many are open at the end; 0 where the system does not tell.
        wrong: What was not as it should be.
    """

    requests: int
    seconds: float
    struck: dict[str, int]
    operations: dict[str, int]
    grown: int
    sockets: int
    wrong: list[str]


def soak(requests: int, threads: int, share: float, seed: int) -> Outcome:
    """Send so many requests, and tell what came out."""
    command = [sys.executable, "-m", "benchmarks.soak", "--serve", "--faults", str(share), "--seed", str(seed)]
    with subprocess.Popen(  # noqa: S603 - this very program
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        place: dict[str, Any] = json.loads(server.stdout.readline()) if server.stdout else {}
        with tempfile.TemporaryDirectory() as folder:
            outcome, made = drive(place, Path(folder), requests, threads)
            left = sorted({path.name for path in Path(folder).iterdir()} - {"app.bin"})
        told: dict[str, Any] = json.loads(server.communicate()[0])
    created: Counter[str] = Counter(told["made"])
    outcome.struck = told["struck"]
    check = {"files are left": left, "lost": list((Counter(made) - created).elements())}
    check["doubled, or made though the client thinks not"] = list((created - Counter(made)).elements())
    outcome.wrong += [f"{what}: {found[:5]}" for what, found in check.items() if found]
    return outcome


def drive(place: dict[str, Any], folder: Path, requests: int, threads: int) -> tuple[Outcome, list[str]]:
    """Have the threads work, and tell what they created too."""
    transport, wrong, began = Counting(), list[str](), time.monotonic()
    policy = RetryPolicy(attempts=50, max_elapsed=math.inf)
    timeout = (TIMEOUT, TIMEOUT)
    with Buildkite(
        place["token"], base_url=place["url"], timeout=timeout, retry=policy, clock=ManualClock(), transport=transport
    ) as bk:
        workers = [Worker(number, bk, place, folder) for number in range(threads)]
        work(workers, lambda: transport.sent < requests * WARM_UP and not wrong, wrong)
        before = resident()
        work(workers, lambda: transport.sent < requests and not wrong, wrong)
        after = resident()
    done = sum((worker.done for worker in workers), Counter[str]())
    grown, sockets = after - before, open_sockets()
    if grown > MOST_GROWTH:
        wrong.append(f"the process has grown by {grown} bytes")
    if sockets:
        wrong.append(f"{sockets} sockets are open")
    seconds = round(time.monotonic() - began, 1)
    outcome = Outcome(transport.sent, seconds, {}, dict(sorted(done.items())), grown, sockets, wrong)
    return outcome, [message for worker in workers for message in worker.made]


def work(workers: list[Worker], go_on: Callable[[], bool], wrong: list[str]) -> None:
    """Have all work side by side for as long as they are to."""

    def run(worker: Worker) -> None:
        try:
            worker.run(go_on)
        except Exception as problem:  # noqa: BLE001 - it is told of
            wrong.append(f"{type(problem).__name__}: {problem}")

    threads = [threading.Thread(target=run, args=(worker,)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def resident() -> int:
    """Tell how many bytes of memory the process has; 0 where the system does not tell."""
    gc.collect()
    lines = STATUS.read_text().splitlines() if STATUS.exists() else []
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))


def open_sockets() -> int:
    """Count the sockets that the process has open; 0 where the system does not tell."""
    names = list(DESCRIPTORS.iterdir()) if DESCRIPTORS.exists() else []
    return sum(str(name.readlink()).startswith("socket:") for name in names if name.is_symlink())


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--requests", type=int, default=100_000, help="how many requests to send")
    parser.add_argument("--threads", type=int, default=8, help="over how many threads")
    parser.add_argument("--faults", type=float, default=0.2, help="the share of requests that is struck")
    parser.add_argument("--seed", type=int, default=2026, help="what the faults follow from")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.faults, options.seed)
        return 0
    outcome = soak(options.requests, options.threads, options.faults, options.seed)
    print(json.dumps(asdict(outcome), indent=2))
    return 1 if outcome.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
