"""A simulation: builds are created, start and finish between any two requests of a listing.

Each build that matched throughout is returned exactly once, and no other one twice.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buildkite_orm.fake import FakeBuildkite, Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildkite_orm import Build, BuildQuerySet
    from buildkite_orm.fake.records import BuildRecord

    Matches = Callable[["World", BuildRecord], bool]

NOON = 1785585600.0
BRANCHES = ("main", "feature/a", "feature/b")
SHA = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class World:
    """A server whose builds move with each request, and what has matched a query all along."""

    server: FakeBuildkite
    chance: random.Random
    matches: Matches
    moves_per_request: float
    starts_left: int = 8  # a second in which builds keep matching is never complete
    marks_left: int = 8
    ends_left: float = math.inf
    throughout: set[str] = field(default_factory=set[str])
    ever: set[str] = field(default_factory=set[str])
    records: dict[str, BuildRecord] = field(default_factory=dict[str, "BuildRecord"])

    def watch(self) -> None:
        """Begin: note what matches now, and have builds move with each request from now on."""
        self.records = {record.id: record for record in self.server.store.builds}
        self.throughout = {key for key, record in self.records.items() if self.matches(self, record)}
        self.ever = set(self.throughout)
        self.server.settings.drift = self._after_request

    def cut(self, moment: float) -> float:
        """Return a bound as the server compares it."""
        return math.floor(moment) if self.server.settings.filter_precision == "seconds" else moment

    def _after_request(self, payload: Any) -> Any:
        for _ in range(math.floor(self.moves_per_request + self.chance.random())):
            self.chance.choice([self._arrive, self._start, self._end, self._end, self._pass_time, self._mark])()
        return payload

    def _note(self, record: BuildRecord) -> None:
        matches = self.matches(self, record)
        if matches:
            self.ever.add(record.id)
        else:
            self.throughout.discard(record.id)

    def _arrive(self) -> None:
        state = "running" if self.chance.random() < 0.5 else "scheduled"
        record = add(self.server, self.chance, self.server.clock.now(), state)
        self.records[record.id] = record
        self._note(record)

    def _start(self) -> None:
        if self.starts_left > 0:
            self.starts_left -= 1
            self._move("scheduled", "running")

    def _end(self) -> None:
        if self.ends_left > 0:
            self.ends_left -= 1
            self._move("running", self.chance.choice(["passed", "failed", "blocked", "canceled"]))

    def _move(self, before: str, after: str) -> None:
        waiting = [record for record in self.records.values() if record.state == before]
        if waiting:
            record = self.chance.choice(waiting)
            self.server.set_state(record, after)
            self._note(record)

    def _mark(self) -> None:
        if not self.records or self.marks_left == 0:
            return
        self.marks_left -= 1
        record = self.chance.choice(list(self.records.values()))
        record.meta_data = {**record.meta_data, "owner": self.chance.choice(["me", "you"])}
        self._note(record)

    def _pass_time(self) -> None:
        self.server.clock.advance(self.chance.choice([0.01, 0.3, 1.0]))


def add(server: FakeBuildkite, chance: random.Random, created_at: float, state: str) -> BuildRecord:
    return server.add_build(
        "web",
        created_at=created_at,
        state=state,
        branch=chance.choice(BRANCHES),
        commit=SHA if chance.random() < 0.7 else "f" * 40,
        meta_data={"owner": "me"} if chance.random() < 0.7 else {},
    )


def populate(server: FakeBuildkite, chance: random.Random, count: int, seconds: int) -> None:
    """Add builds that share a few seconds, most of them in one."""
    crowded = chance.randrange(seconds)
    for _ in range(count):
        second = crowded if chance.random() < 0.5 else chance.randrange(seconds)
        state = chance.choice(["running", "running", "scheduled", "passed", "failed"])
        add(server, chance, NOON - 1 - second + chance.randrange(1000) / 1000, state)


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


EARLY, LATE = NOON - 4.35, NOON - 1.65

# Each query, and its meaning, written independently of the library and the fake.
QUERIES: dict[str, tuple[dict[str, Any], Matches]] = {
    "everything": ({}, lambda _, record: bool(record.id)),
    "running": ({"state": "running"}, lambda _, record: record.state == "running"),
    "branch": ({"branch": "main"}, lambda _, record: record.branch == "main"),
    "branches": ({"branch": "feature/*"}, lambda _, record: fnmatchcase(record.branch, "feature/*")),
    "running on a branch": (
        {"state": ["running", "scheduled"], "branch": ["main", "feature/b"]},
        lambda _, record: record.state in {"running", "scheduled"} and record.branch in {"main", "feature/b"},
    ),
    "commit": ({"commit": SHA}, lambda _, record: record.commit == SHA),
    "finished since": (
        {"finished_from": moment(NOON - 20)},
        lambda _, record: record.finished_at is not None and record.finished_at >= NOON - 20,
    ),
    "meta-data": ({"meta_data": {"owner": "me"}}, lambda _, record: record.meta_data.get("owner") == "me"),
    "window": (
        {"created_from": moment(EARLY), "created_to": moment(LATE)},
        lambda world, record: world.cut(EARLY) <= record.created_at < world.cut(LATE),
    ),
    "running in a window": (
        {"state": "running", "created_from": moment(EARLY), "created_to": moment(LATE)},
        lambda world, record: record.state == "running"
        and world.cut(EARLY) <= record.created_at < world.cut(LATE),
    ),
}  # fmt: skip


def check(world: World, found: list[Build]) -> None:
    """Hold what was given against what has matched."""
    counts = Counter(build.id for build in found)
    assert [key for key, count in counts.items() if count > 1] == []
    assert world.throughout - counts.keys() == set()
    assert counts.keys() - world.ever == set()
    seconds = [math.floor(world.records[build.id].created_at) for build in found]
    assert seconds == sorted(seconds, reverse=True)


def reading(server: FakeBuildkite, query: str) -> BuildQuerySet:
    server.settings.depth_limit = 500
    return server.client().organization("acme").pipeline("web").builds(**QUERIES[query][0])


def a_server(times: Any, filters: Any) -> FakeBuildkite:
    own = Settings(organization_limit=None, user_limit=None, time_precision=times, filter_precision=filters)
    return FakeBuildkite(populate=False, settings=own)


precisions = st.sampled_from(["seconds", "milliseconds"])


@pytest.mark.parametrize("query", sorted(QUERIES))
@settings(deadline=None, max_examples=12)
@given(
    seed=st.integers(0, 2**32),
    count=st.integers(0, 40),
    seconds=st.integers(1, 8),
    size=st.integers(1, 12),
    moves=st.sampled_from([0.2, 0.5, 1.0, 2.0]),
    times=precisions,
    filters=precisions,
)
def test_small_pages_of_a_crowded_listing(  # noqa: PLR0917 - what hypothesis varies
    query: str, seed: int, count: int, seconds: int, size: int, moves: float, times: str, filters: str
) -> None:
    chance = random.Random(seed)  # noqa: S311 - a simulation
    with a_server(times, filters) as server:
        server.add_pipeline("web")
        populate(server, chance, count, seconds)
        ends = 8 if query == "finished since" else math.inf
        world = World(server, chance, QUERIES[query][1], moves, ends_left=ends)
        builds = reading(server, query).per_page(size)
        world.watch()
        check(world, list(builds))


@pytest.mark.parametrize("query", ["everything", "running", "branch"])
@pytest.mark.parametrize("seed", range(4))
def test_whole_pages_past_the_depth_limit(query: str, seed: int) -> None:
    """1,400 builds in 90 seconds, 350 of them in two of those; nothing is listed deeper than 500."""
    chance = random.Random(seed)  # noqa: S311 - a simulation
    with a_server("seconds", "seconds") as server:
        for crowded, number in ((30, 200), (60, 150)):
            for _ in range(number):
                add(server, chance, NOON - crowded + chance.randrange(1000) / 1000, "running")
        for _ in range(1050):
            state = chance.choice(["running", "running", "scheduled", "passed"])
            add(server, chance, NOON - 90 + chance.randrange(90_000) / 1000, state)
        world = World(server, chance, QUERIES[query][1], moves_per_request=4)
        builds = reading(server, query)
        world.watch()
        found = list(builds)
        check(world, found)
    assert len(found) > 300


@settings(deadline=None, max_examples=12)
@given(seed=st.integers(0, 2**32), limit=st.integers(0, 50), size=st.integers(1, 12))
def test_a_limit_repeats_no_build(seed: int, limit: int, size: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - a simulation
    with a_server("seconds", "seconds") as server:
        populate(server, chance, 40, 5)
        world = World(server, chance, QUERIES["everything"][1], moves_per_request=1)
        builds = reading(server, "everything").per_page(size).limit(limit)
        world.watch()
        found = [build.id for build in builds]
    assert len(found) == len(set(found))
    assert min(limit, 40) <= len(found) <= limit


@settings(deadline=None, max_examples=12)
@given(seed=st.integers(0, 2**32), size=st.integers(1, 12), times=precisions, filters=precisions)
def test_a_listing_that_does_not_change_keeps_the_server_s_order(
    seed: int, size: int, times: str, filters: str
) -> None:
    chance = random.Random(seed)  # noqa: S311 - a simulation
    with a_server(times, filters) as server:
        populate(server, chance, 50, 6)
        found = [build.id for build in reading(server, "everything").per_page(size)]
        expected = sorted(server.store.builds, key=lambda each: (each.created_at, each.sequence), reverse=True)
    assert found == [record.id for record in expected]


@settings(deadline=None, max_examples=12)
@given(seed=st.integers(0, 2**32), size=st.integers(1, 12))
def test_a_reader_that_is_interrupted_continues_at_its_position(seed: int, size: int) -> None:
    """Requests are rejected now and then; the queryset is kept, and read again."""
    chance = random.Random(seed)  # noqa: S311 - a simulation
    with a_server("seconds", "seconds") as server:
        populate(server, chance, 40, 5)
        world = World(server, chance, QUERIES["running"][1], moves_per_request=0.5)
        builds = reading(server, "running").per_page(size)
        world.watch()
        for after in range(3):
            server.faults.add("error", status=403, message="Not now", after=2 * after + 1)
        check(world, _persistently(builds))


def _persistently(builds: BuildQuerySet) -> list[Build]:
    from buildkite_orm import PermissionDeniedError  # noqa: PLC0415

    while True:
        try:
            return list(builds)
        except PermissionDeniedError:
            continue
