"""A simulation: after any history, a listing from what a feed has seen equals one without a cache."""

from __future__ import annotations

from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, get_args
from unittest.mock import patch

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from buildkite_orm import Cache
from buildkite_orm.data.feed_listing import Feeds
from buildkite_orm.fake.settings import Ending
from tests.data_feed.world import PIPELINES, World

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildkite_orm import Build, Buildkite, BuildQuerySet
    from buildkite_orm.data.feed_index import Line
    from tests.data_feed.world import Step

steps = st.one_of(
    st.tuples(st.just("create"), st.integers(0, len(PIPELINES) - 1)),
    st.tuples(st.just("wait"), st.integers(0, 5)),
    st.tuples(st.sampled_from(["cancel", "unblock", "retry", "retry_job"]), st.integers(0, 3)),
    st.tuples(st.sampled_from(["feed", "listing", "restart", "fill"]), st.integers(0, 3)),
)
worlds = st.fixed_dictionaries(
    {
        "without": st.lists(st.sampled_from(get_args(Ending)), unique=True),
        "keeps": st.booleans(),
        "creating": st.sampled_from([1.0, 700.0]),
        "blocked_state": st.booleans(),
        "time_precision": st.sampled_from(["seconds", "milliseconds"]),
        "filter_precision": st.sampled_from(["seconds", "milliseconds"]),
    }
)
VARIANTS: list[dict[str, Any]] = [
    {"with_jobs": True},
    {"with_jobs": True, "include_retried_jobs": True},
    {"with_jobs": True, "with_pipeline": False},
    {},
]


class Analyst:
    """A client with a cache, in the world of a feed. It saves its checkpoint, but not always in time."""

    def __init__(self, world: World, folder: str) -> None:
        self.world = world
        self.cache = Cache(folder, namespace="test")
        self.checkpoint: str | None = None

    def client(self) -> Buildkite:
        return self.world.server.client(cache=self.cache)

    def do(self, name: str, number: int) -> None:
        if name == "feed":
            self.feed(save=number > 0, interrupt=number == 1)
        elif name == "listing":
            self.compare(VARIANTS[number])
        elif name == "restart":
            self.checkpoint = None
        elif name == "fill":
            self.world.do([("create", number), ("wait", 2), ("create", 1), ("wait", 2), ("create", 0), ("wait", 4)])
        else:
            self.world.do([(name, number)])

    def feed(self, *, save: bool = True, interrupt: bool = False) -> None:
        with self.client() as bk:
            changes = self.listing(bk, {"with_jobs": True}).per_page(2).changed_since(self.checkpoint)
            for number, _ in enumerate(changes):
                if interrupt and number == 3:
                    break
        if save or self.checkpoint is None:
            self.checkpoint = changes.checkpoint

    def compare(self, filters: dict[str, Any]) -> int:
        """Check that a listing with the cache equals one without; return how many requests it sent."""
        with self.world.server.client() as bk:
            expected = shown(list(self.listing(bk, filters)))
        before = len(self.world.server.requests)
        with self.client() as bk:
            builds = list(self.listing(bk, filters))
        times = [build.created_at for build in builds]
        assert times == sorted(times, reverse=True)
        assert shown(builds) == expected
        return len(self.world.server.requests) - before

    @staticmethod
    def listing(bk: Buildkite, filters: dict[str, Any]) -> BuildQuerySet:
        return bk.organization("acme").builds(**filters).per_page(1)


def shown(builds: list[Build]) -> dict[str, Any]:
    """Return builds by their ids, without the numbers of running jobs of their pipelines."""
    assert len({build.id for build in builds}) == len(builds)
    return {build.id: {**build.dump(), "pipeline": build.embedded_pipeline is not None} for build in builds}


def always(_self: Feeds, lines: Sequence[Line], _expected: int) -> bool:
    """Replace `Feeds._has_more_pages`, so that small histories are enough."""
    return bool(lines)


@settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.too_slow])
@given(options=worlds, history=st.lists(steps, max_size=25))
def test_a_listing_equals_one_without_a_cache(options: dict[str, Any], history: list[Step]) -> None:
    with TemporaryDirectory() as folder, patch.object(Feeds, "_has_more_pages", always):
        analyst = Analyst(World.make(**options), f"{folder}/cache")
        for name, number in [("fill", 0), ("fill", 2), ("feed", 2), *history]:
            analyst.do(name, number)
        for filters in VARIANTS:
            analyst.compare(filters)


def test_the_simulation_uses_what_a_feed_has_seen() -> None:
    with TemporaryDirectory() as folder:
        analyst = Analyst(World.make(), f"{folder}/cache")
        analyst.world.do([("create", 0), ("create", 1), ("wait", 1)] * 20)
        analyst.world.do([("wait", 4)])
        analyst.feed()
        assert analyst.compare({"with_jobs": True}) == 5
