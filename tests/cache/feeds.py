"""A feed of the builds of a pipeline, and listings of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.cache.conftest import web_of

if TYPE_CHECKING:
    from buildkite_orm import Build, Buildkite, BuildQuerySet, Checkpoint
    from buildkite_orm.fake import FakeBuildkite

RUN = 4
"""The requests of a run, and one that counts the builds."""


def follow(bk: Buildkite, checkpoint: Checkpoint | None = None, **filters: Any) -> Checkpoint:
    """Do a run, and return its checkpoint."""
    changes = web_of(bk).builds(with_jobs=True, **filters).changed_since(checkpoint)
    for _ in changes:
        pass
    return changes.checkpoint


def listing(bk: Buildkite, **filters: Any) -> BuildQuerySet:
    """Return a listing of 14 pages."""
    given: dict[str, Any] = {"with_jobs": True, **filters}
    return web_of(bk).builds(**given).per_page(20)


def dumps(builds: list[Build]) -> list[dict[str, Any]]:
    return [build.dump() for build in builds]


def numbers(builds: list[Build]) -> list[int]:
    return [build.number for build in builds]


def check_same(server: FakeBuildkite, bk: Buildkite, *, most: int, **filters: Any) -> list[Build]:
    """Check that a listing equals one without a cache, and how many requests it sends."""
    with server.client() as plain:
        expected = dumps(list(listing(plain, **filters)))
    before = len(server.requests)
    found = list(listing(bk, **filters))
    assert dumps(found) == expected
    assert len(server.requests) - before <= most
    return found


def move(server: FakeBuildkite, number: int, state: str) -> None:
    """Set the state of a build and of its job."""
    record = server.build("web", number)
    record.jobs[0].state = state
    server.set_state(record, state)
