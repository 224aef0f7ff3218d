"""The requests of a run: one per hundred builds in each window, and a few more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import pytest

from buildkite_orm import Build

if TYPE_CHECKING:
    from buildkite_orm import BuildQuerySet, Checkpoint, PipelineRef
    from buildkite_orm.fake import FakeBuildkite

DAY = 86400


def allowed(*windows: int) -> float:
    """Return the most requests for windows of so many builds."""
    return 1.05 * sum(-(-count // 100) for count in windows) + 4


def run(server: FakeBuildkite, builds: BuildQuerySet, checkpoint: Checkpoint | None) -> tuple[int, int, Checkpoint]:
    """Do a run; return how many requests it sent, how many builds it reported, and its checkpoint."""
    before = len(server.requests)
    changes = builds.changed_since(checkpoint)
    count = sum(1 for _ in changes)
    return len(server.requests) - before, count, changes.checkpoint


def add(server: FakeBuildkite, count: int, state: str, **fields: Any) -> None:
    """Add builds of the days before yesterday, two a second."""
    server.add_builds("web", count, spacing=0.5, newest=server.clock.now() - DAY, state=state, **fields)


@pytest.mark.parametrize(("running", "blocked"), [(0, 0), (5000, 10_000)])
def test_blocked_builds_cost_nothing_in_later_runs(
    server: FakeBuildkite, web: PipelineRef, running: int, blocked: int
) -> None:
    builds = web.builds()
    add(server, running, "running")
    add(server, blocked, "blocked")
    requests, count, checkpoint = run(server, builds, None)
    assert count == running + blocked
    assert requests <= allowed(count)
    server.clock.advance(3600)
    requests, count, checkpoint = run(server, builds, checkpoint)
    assert count == running
    assert requests <= allowed(running)
    assert len(checkpoint) < 1000


def test_open_builds_that_were_created_at_once_are_listed_once(server: FakeBuildkite, web: PipelineRef) -> None:
    builds = web.builds()
    server.add_builds("web", 2000, spacing=0, newest=server.clock.now() - DAY, state="running")
    _, _, checkpoint = run(server, builds, None)
    requests, count, _ = run(server, builds, checkpoint)
    assert count == 2000
    assert requests <= allowed(2000)


def test_blocked_builds_without_a_time_are_listed(server: FakeBuildkite, web: PipelineRef) -> None:
    builds = web.builds()
    add(server, 1000, "blocked", finished_at=None)
    _, _, checkpoint = run(server, builds, None)
    server.clock.advance(3600)
    requests, count, _ = run(server, builds, checkpoint)
    assert count == 1000
    assert requests <= allowed(1000)


def test_the_first_blocked_build_that_has_a_time_ends_the_listing_of_blocked_builds(
    server: FakeBuildkite, web: PipelineRef
) -> None:
    builds = web.builds()
    _, _, checkpoint = run(server, builds, None)
    add(server, 1000, "blocked")  # long ago, so that the other windows do not list them
    add(server, 300, "running")
    server.clock.advance(3600)
    requests, count, _ = run(server, builds, checkpoint)
    assert count == 300
    assert requests <= allowed(300) + 1


def test_a_build_that_is_open_for_long_makes_later_runs_list_what_was_dropped_since(
    server: FakeBuildkite, web: PipelineRef
) -> None:
    builds = web.builds()
    server.add_build("web", state="scheduled", created_at=server.clock.now() - 30 * DAY)
    add(server, 500, "canceled")
    _, _, checkpoint = run(server, builds, None)
    server.clock.advance(3600)
    requests, _, _ = run(server, builds, checkpoint)
    assert requests <= allowed(1, 0, 500)


def test_builds_are_not_kept(server: FakeBuildkite, web: PipelineRef) -> None:
    add(server, 1500, "running")
    alive, most = WeakSet[Build](), 0
    for change in web.builds().changed_since(None):
        alive.add(change.item)
        most = max(most, len(alive))
    assert most <= 200
