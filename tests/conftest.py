"""Fixtures that the tests share: fakes without rate limits, their clients, and checks of the requests they receive."""

from __future__ import annotations

import json
import os
import time
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol

import pytest

from buildkite_orm.fake import FakeBuildkite, Settings
from tests.helpers import web_pipeline

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from buildkite_orm import Buildkite, PipelineRef
    from buildkite_orm.fake.records import JobRecord

# What a machine's own settings would change. Reading its certificates would take a third of the time of all tests.
_SETTINGS: Final = (
    *("BUILDKITE_API_TOKEN", "BUILDKITE_ORGANIZATION_SLUG", "BUILDKITE_REST_API_ENDPOINT"),
    *("BUILDKITE_FAKE_CONTROL_TOKEN", "BUILDKITE_ORM_CACHE"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"),
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return the number of processes for `-n auto`: one more than cores, since many tests wait for sockets."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores + 1


class Costs(Protocol):
    """Asserts how many requests a block sends to the API and to the storage of artifacts."""

    def __call__(
        self, requests: int, *, artifacts: int = 0, of: FakeBuildkite | None = None
    ) -> AbstractContextManager[None]: ...


@pytest.fixture(autouse=True)
def _no_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail a test that sleeps: time is injected."""

    def refuse(seconds: float) -> None:
        pytest.fail(f"time.sleep({seconds}) was called; use the injected clock")

    monkeypatch.setattr(time, "sleep", refuse)


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the settings of the environment that the tests run in."""
    for name in _SETTINGS:
        monkeypatch.delenv(name, raising=False)
        if os.name != "nt":  # where both are one
            monkeypatch.delenv(name.lower(), raising=False)


def unlimited(**options: object) -> Settings:
    """Return settings without rate limits."""
    return Settings(organization_limit=None, user_limit=None, **options)  # type: ignore[arg-type]


@pytest.fixture
def server() -> Iterator[FakeBuildkite]:
    """A fake Buildkite with an empty organization `acme`, and no rate limits."""
    with FakeBuildkite(populate=False, settings=unlimited()) as server:
        yield server


@pytest.fixture
def bk(server: FakeBuildkite) -> Iterator[Buildkite]:
    """A client of `server`."""
    with server.client() as client:
        yield client


@pytest.fixture
def acme() -> Iterator[FakeBuildkite]:
    """A fake Buildkite with the seeded organization `acme`, and no rate limits."""
    with FakeBuildkite(settings=unlimited()) as server:
        yield server


@pytest.fixture
def web(server: FakeBuildkite, bk: Buildkite) -> PipelineRef:
    """A ref of the pipeline `acme/web`, which has no builds yet."""
    server.add_pipeline("web")
    return web_pipeline(bk)


@pytest.fixture
def job(server: FakeBuildkite) -> JobRecord:
    """The only job of the build `acme/web` #1, as the fake has it."""
    return server.add_build("web", jobs=[{"name": "Test"}]).jobs[0]


@pytest.fixture
def server_with_build(server: FakeBuildkite, job: JobRecord) -> FakeBuildkite:
    """`server`, with the build `acme/web` #1, whose job has a log and an artifact."""
    server.add_artifact(job, "a.txt", b"hello")
    server.set_log(job, b"log\n")
    return server


class Sent(Protocol):
    """Returns the last request that `server` received: method, path and query as a line, and its body as JSON."""

    def __call__(self) -> tuple[str, Any]: ...


@pytest.fixture
def sent(server: FakeBuildkite) -> Sent:
    """The last request to `server`; its body is None if it had none."""

    def last() -> tuple[str, Any]:
        request = server.requests[-1]
        return request.line, json.loads(request.body) if request.body else None

    return last


@pytest.fixture
def costs(server: FakeBuildkite) -> Costs:
    """A context manager that asserts how many requests `server` (or another, `of=`) receives in a block."""

    @contextmanager
    def check(requests: int, *, artifacts: int = 0, of: FakeBuildkite | None = None) -> Generator[None]:
        counted = of or server
        before = len(counted.requests)
        yield
        lines = [f"{request.origin}: {request.line}" for request in counted.requests[before:]]
        counts = (sum(line.startswith("api") for line in lines), sum(line.startswith("artifacts") for line in lines))
        assert counts == (requests, artifacts), "\n".join(lines)

    return check
