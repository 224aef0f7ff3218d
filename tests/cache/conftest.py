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


def web_of(bk: Buildkite) -> PipelineRef:
    """Return a ref of the pipeline `acme/web`."""
    return bk.organization("acme").pipeline("web")
