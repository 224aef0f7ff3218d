"""List very many builds, past the depth limit, while builds are created, start and finish.

    python -m benchmarks.deep_history --builds 100000 --depth 2500

The fake server lists no deeper than `--depth`, and many of the builds were created in the same second. With each
request, some builds are created, start or finish. They are listed in order, with a filter that builds enter and leave,
and concurrently. Each build that matched the whole time must be listed exactly once, and no build that never matched.
If not, the exit code is 1.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from buildkite_orm.fake import FakeBuildkite, Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildkite_orm import Build, PipelineRef
    from buildkite_orm.fake import BuildRecord

    Matches = Callable[["BuildRecord"], bool]
    ListBuilds = Callable[["PipelineRef"], "list[Build]"]

SEED: Final = 2026
PER_SECOND: Final = 20
CROWD: Final = 350
CROWDED: Final = 0.3
MOVES: Final = 5
ENDS: Final = ("passed", "failed", "canceled")


@dataclass(frozen=True)
class Result:
    """The result of one listing.

    Attributes:
        name: Name of the listing.
        throughout: How many builds matched the whole time.
        found: How many were listed.
        requests: How many requests were sent.
        moved: How many builds were created, started or finished meanwhile.
        seconds: Wall time.
        lost: How many matched the whole time and were not listed.
        doubled: How many were listed more than once.
        wrong: How many were listed and never matched.
    """

    name: str
    throughout: int
    found: int
    requests: int
    moved: int
    seconds: float
    lost: int
    doubled: int
    wrong: int

    @property
    def is_correct(self) -> bool:
        """Whether each build was listed exactly once."""
        return self.throughout > 0 and self.moved > 0 and not self.lost + self.doubled + self.wrong


@dataclass
class History:
    """A server whose builds change state with each request, and the builds that match a query."""

    server: FakeBuildkite
    rng: random.Random
    matches: Matches
    by_state: dict[str, list[BuildRecord]] = field(default_factory=dict[str, "list[BuildRecord]"])
    throughout: set[str] = field(default_factory=set[str])
    ever: set[str] = field(default_factory=set[str])
    moved: int = 0

    def start(self) -> None:
        """Record what matches now, and change builds with each request from now on."""
        for record in self.server.store.builds:
            self.by_state.setdefault(record.state, []).append(record)
        self.throughout = {record.id for record in self.server.store.builds if self.matches(record)}
        self.ever = set(self.throughout)
        self.server.settings.drift = self._after_request

    def _after_request(self, payload: Any) -> Any:
        for _ in range(MOVES):
            self.rng.choice([self._create_build, self._start_build, self._finish_build, self._finish_build])()
        self.server.clock.advance(self.rng.random())
        return payload

    def _create_build(self) -> None:
        self._record(add(self.server, self.rng, self.server.clock.now()))

    def _start_build(self) -> None:
        self._move("scheduled", "running")

    def _finish_build(self) -> None:
        self._move("running", self.rng.choice(ENDS))

    def _move(self, before: str, after: str) -> None:
        waiting = self.by_state[before]
        index = self.rng.randrange(len(waiting))
        waiting[index], waiting[-1] = waiting[-1], waiting[index]
        record = waiting.pop()
        self.server.set_state(record, after)
        self._record(record)

    def _record(self, record: BuildRecord) -> None:
        self.moved += 1
        self.by_state.setdefault(record.state, []).append(record)
        if self.matches(record):
            self.ever.add(record.id)
        else:
            self.throughout.discard(record.id)


def add(server: FakeBuildkite, rng: random.Random, created_at: float) -> BuildRecord:
    """Add a build with a random state and branch."""
    state = rng.choice(["running", "running", "scheduled", "passed"])
    return server.add_build("web", created_at=created_at, state=state, branch=rng.choice(["main", "other"]))


def populate(server: FakeBuildkite, rng: random.Random, builds: int) -> None:
    """Add builds, `PER_SECOND` on average; some seconds have `CROWD` more."""
    newest = server.clock.now() - 10
    seconds = max(1, builds // PER_SECOND)
    crowds = max(1, int(builds * CROWDED) // CROWD)
    ages = [second for second in rng.sample(range(seconds), k=crowds) for _ in range(CROWD)][:builds]
    ages += rng.choices(range(seconds), k=builds - len(ages))
    for age in sorted(ages, reverse=True):
        add(server, rng, newest - age - rng.randrange(1000) / 1000)


def in_order(pipeline: PipelineRef) -> list[Build]:
    """List all builds in order."""
    return list(pipeline.builds())


def running(pipeline: PipelineRef) -> list[Build]:
    """List running builds, a filter that builds enter and leave."""
    return list(pipeline.builds(state="running"))


def concurrently(pipeline: PipelineRef) -> list[Build]:
    """List the builds of a branch with several threads."""
    return pipeline.builds(branch="main").all(workers=4)


LISTINGS: Final[tuple[tuple[ListBuilds, Matches], ...]] = (
    (in_order, lambda _: True),
    (running, lambda record: record.state == "running"),
    (concurrently, lambda record: record.branch == "main"),
)


def measure(list_builds: ListBuilds, matches: Matches, builds: int, depth: int) -> Result:
    """List the builds of a fresh server in one way."""
    rng = random.Random(SEED)  # noqa: S311 - a simulation
    settings = Settings(organization_limit=None, user_limit=None, depth_limit=depth)
    with FakeBuildkite(populate=False, settings=settings) as server, server.client() as bk:
        populate(server, rng, builds)
        history = History(server, rng, matches)
        history.start()
        began = time.perf_counter()
        counts = Counter(build.id for build in list_builds(bk.organization("acme").pipeline("web")))
        return Result(
            name=list_builds.__name__,
            throughout=len(history.throughout),
            found=counts.total(),
            requests=len(server.requests),
            moved=history.moved,
            seconds=round(time.perf_counter() - began, 1),
            lost=len(history.throughout - counts.keys()),
            doubled=sum(count > 1 for count in counts.values()),
            wrong=len(counts.keys() - history.ever),
        )


def main() -> int:
    """Run all listings and print the result of each as a line of JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--builds", type=int, default=100_000)
    parser.add_argument("--depth", type=int, default=2500, help="how many builds the server lists by page number")
    options = parser.parse_args()
    correct = True
    for list_builds, matches in LISTINGS:
        result = measure(list_builds, matches, options.builds, options.depth)
        correct = correct and result.is_correct
        sys.stdout.write(json.dumps(asdict(result)) + "\n")
        sys.stdout.flush()
    return 0 if correct else 1


if __name__ == "__main__":
    sys.exit(main())
