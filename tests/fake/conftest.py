"""A fake Buildkite server for each test, and plain HTTP sessions."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from requests import PreparedRequest, Request, Session

from buildkite_orm.fake import FakeBuildkite, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class PathSession(Session):
    """A session that accepts paths below `/v2`, and sends a server's token."""

    def __init__(self, server: FakeBuildkite, base: str) -> None:
        super().__init__()
        self.base = base
        self.trust_env = False
        self.headers.update({"Authorization": f"Bearer {server.token}", "User-Agent": "fake-tests/1"})

    def prepare_request(self, request: Request) -> PreparedRequest:
        if str(request.url).startswith("/"):
            request.url = f"{self.base}/v2{request.url}"
        return super().prepare_request(request)


def _unlimited() -> Settings:
    return Settings(organization_limit=None, user_limit=None)


def _local(server: FakeBuildkite) -> Session:
    session = PathSession(server, "https://api.buildkite.com")
    session.mount("https://", server.adapter())
    session.mount("http://", server.adapter())
    return session


@pytest.fixture
def server() -> Iterator[FakeBuildkite]:
    """A server whose organization `acme` is empty, without rate limits."""
    with FakeBuildkite(populate=False, settings=_unlimited()) as server:
        yield server


@pytest.fixture
def api(server: FakeBuildkite) -> Iterator[Session]:
    """Return a session for `server`, without a network."""
    with _local(server) as session:
        yield session


@pytest.fixture
def http(server: FakeBuildkite) -> Iterator[Session]:
    """Return a session for `server`, over HTTP."""
    with PathSession(server, server.url) as session:
        yield session


@pytest.fixture
def seeded() -> Iterator[FakeBuildkite]:
    """A server with the whole of `acme`, without rate limits."""
    with FakeBuildkite(settings=_unlimited()) as server:
        yield server


@pytest.fixture
def seeded_api(seeded: FakeBuildkite) -> Iterator[Session]:
    """Return a session for `seeded`, without a network."""
    with _local(seeded) as session:
        yield session


@pytest.fixture
def session_of() -> Iterator[Callable[[FakeBuildkite], Session]]:
    """Return a function that opens a session for any server, without a network."""
    with ExitStack() as stack:
        yield lambda server: stack.enter_context(_local(server))


@pytest.fixture
def limited() -> Iterator[FakeBuildkite]:
    """A server that allows an organization five requests a minute and a user three."""
    with FakeBuildkite(populate=False, settings=Settings(organization_limit=5, user_limit=3)) as server:
        yield server


@pytest.fixture
def limited_api(limited: FakeBuildkite) -> Iterator[Session]:
    """Return a session for `limited`, without a network."""
    with _local(limited) as session:
        yield session


@pytest.fixture
def http_of() -> Iterator[Callable[[FakeBuildkite], Session]]:
    """Return a function that opens a session for any server, over HTTP."""
    with ExitStack() as stack:
        yield lambda server: stack.enter_context(PathSession(server, server.url))
