"""A deep history: very many builds, read past the depth limit while builds arrive, start and finish.

    python -m benchmarks.deep_history --builds 100000 --depth 2500

A fake Buildkite lists no deeper than it is told to, and many of the builds share a second. With each request some
arrive, start or finish. The history is read page by page, under a filter that builds leave and enter, and side by side.
Each build that matched throughout has to come exactly once, and none that never matched; else the exit code is 1.
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
    Read = Callable[["PipelineRef"], "list[Build]"]

SEED: Final = 2026
PER_SECOND: Final = 20
CROWD: Final = 350
CROWDED: Final = 0.3
MOVES: Final = 5
ENDS: Final = ("passed", "failed", "canceled")


@dataclass(frozen=True)
class Result:
    """What came of one reading.

    Attributes:
        name: How it was read.
        throughout: How many builds matched all along.
        found: How many came.
        requests: How many requests that took.
        moved: How many builds arrived, started or finished meanwhile.
        seconds: How long it took.
        lost: How many did not come that matched throughout.
        doubled: How many came more than once.
        wrong: How many came that never matched.
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
    def is_right(self) -> bool:
        """Whether each came exactly once."""
        return self.throughout > 0 and self.moved > 0 and not self.lost + self.doubled + self.wrong


@dataclass
class History:
    """A server whose builds move with each request, and which of them match a query."""

    server: FakeBuildkite
    chance: random.Random
    matches: Matches
    by_state: dict[str, list[BuildRecord]] = field(default_factory=dict[str, "list[BuildRecord]"])
    throughout: set[str] = field(default_factory=set[str])
    ever: set[str] = field(default_factory=set[str])
    moved: int = 0

    def watch(self) -> None:
        """Begin: note what matches now, and have builds move with each request."""
        for record in self.server.store.builds:
            self.by_state.setdefault(record.state, []).append(record)
        self.throughout = {record.id for record in self.server.store.builds if self.matches(record)}
        self.ever = set(self.throughout)
        self.server.settings.drift = self._after_request

    def _after_request(self, payload: Any) -> Any:
        for _ in range(MOVES):
            self.chance.choice([self._arrive, self._start, self._finish, self._finish])()
        self.server.clock.advance(self.chance.random())
        return payload

    def _arrive(self) -> None:
        self._note(add(self.server, self.chance, self.server.clock.now()))

    def _start(self) -> None:
        self._move("scheduled", "running")

    def _finish(self) -> None:
        self._move("running", self.chance.choice(ENDS))

    def _move(self, before: str, after: str) -> None:
        waiting = self.by_state[before]
        place = self.chance.randrange(len(waiting))
        waiting[place], waiting[-1] = waiting[-1], waiting[place]
        record = waiting.pop()
        self.server.set_state(record, after)
        self._note(record)

    def _note(self, record: BuildRecord) -> None:
        self.moved += 1
        self.by_state.setdefault(record.state, []).append(record)
        if self.matches(record):
            self.ever.add(record.id)
        else:
            self.throughout.discard(record.id)


def add(server: FakeBuildkite, chance: random.Random, created_at: float) -> BuildRecord:
    """Add a build of some state and branch."""
    state = chance.choice(["running", "running", "scheduled", "passed"])
    return server.add_build("web", created_at=created_at, state=state, branch=chance.choice(["main", "other"]))


def populate(server: FakeBuildkite, chance: random.Random, builds: int) -> None:
    """Add builds to as many seconds as there are at `PER_SECOND`; some seconds have a crowd each."""
    newest = server.clock.now() - 10
    seconds = max(1, builds // PER_SECOND)
    crowds = max(1, int(builds * CROWDED) // CROWD)
    places = [place for place in chance.sample(range(seconds), k=crowds) for _ in range(CROWD)][:builds]
    places += chance.choices(range(seconds), k=builds - len(places))
    for place in sorted(places, reverse=True):
        add(server, chance, newest - place - chance.randrange(1000) / 1000)


def page_by_page(pipeline: PipelineRef) -> list[Build]:
    """Read everything."""
    return list(pipeline.builds())


def running(pipeline: PipelineRef) -> list[Build]:
    """Read what runs: builds enter and leave it."""
    return list(pipeline.builds(state="running"))


def side_by_side(pipeline: PipelineRef) -> list[Build]:
    """Read a branch by several threads."""
    return pipeline.builds(branch="main").all(workers=4)


READINGS: Final[tuple[tuple[Read, Matches], ...]] = (
    (page_by_page, lambda _: True),
    (running, lambda record: record.state == "running"),
    (side_by_side, lambda record: record.branch == "main"),
)


def measure(read: Read, matches: Matches, builds: int, depth: int) -> Result:
    """Read a history in one way."""
    chance = random.Random(SEED)  # noqa: S311 - a simulation
    settings = Settings(organization_limit=None, user_limit=None, depth_limit=depth)
    with FakeBuildkite(populate=False, settings=settings) as server, server.client() as bk:
        populate(server, chance, builds)
        history = History(server, chance, matches)
        history.watch()
        began = time.perf_counter()
        counts = Counter(build.id for build in read(bk.organization("acme").pipeline("web")))
        return Result(
            name=read.__name__,
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
    """Read in all ways, and tell what came of each in a line of JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--builds", type=int, default=100_000)
    parser.add_argument("--depth", type=int, default=2500, help="how deep the server lists by page number")
    asked = parser.parse_args()
    right = True
    for read, matches in READINGS:
        result = measure(read, matches, asked.builds, asked.depth)
        right = right and result.is_right
        sys.stdout.write(json.dumps(asdict(result)) + "\n")
        sys.stdout.flush()
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
