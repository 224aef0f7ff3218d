"""Fixtures of the cache: a folder, and clients that share it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import pytest

from buildkite_orm import Cache

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from buildkite_orm import Buildkite, PipelineRef
    from buildkite_orm.fake import FakeBuildkite


class Clients(Protocol):
    """Returns a new client of `server` with a cache in `folder`; the arguments are those of `Cache`."""

    def __call__(self, *, token: str | None = None, **options: Any) -> Buildkite: ...


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of the cache, which does not exist yet."""
    return tmp_path / "cache"


@pytest.fixture
def new_client(server: FakeBuildkite, folder: Path) -> Iterator[Clients]:
    """A function that makes clients, each as a program of its own would; they are closed at the end."""
    made: list[Buildkite] = []

    def make(*, token: str | None = None, **options: Any) -> Buildkite:
        values: dict[str, Any] = {"namespace": "test"} | options
        made.append(server.client(cache=Cache(folder, **values), token=token or server.token))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def month(server: FakeBuildkite) -> FakeBuildkite:
    """`server` with 150 builds of three jobs each, the last of which was finished an hour ago."""
    server.add_builds("web", 150, jobs=3, spacing=60, newest=server.clock.now() - 3600)
    return server


@pytest.fixture
def year(server: FakeBuildkite) -> FakeBuildkite:
    """`server` with 250 builds, a minute apart. The newest was finished two hours ago, some are not finished."""
    records = server.add_builds("web", 250, jobs=1, spacing=60, newest=server.clock.now() - 3600)
    for number, state in ((100, "running"), (150, "scheduled"), (200, "blocked")):
        records[number].jobs[0].state = state
        server.set_state(records[number], state)
    server.clock.advance(3600)
    return server


@pytest.fixture
def followed(year: FakeBuildkite, new_client: Clients) -> FakeBuildkite:
    """`year` after a run of a feed with a cache, an hour ago."""
    for _ in web_of(new_client()).builds(with_jobs=True).changed_since(None):
        pass
    year.clock.advance(3600)
    return year


def web_of(bk: Buildkite) -> PipelineRef:
    """Return a ref of the pipeline `acme/web`."""
    return bk.organization("acme").pipeline("web")
