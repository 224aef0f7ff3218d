"""Fixtures of the tests of recordings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import pytest

from buildkite_orm import Buildkite
from buildkite_orm.testing import Recorder
from tests.helpers import web_pipeline

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from buildkite_orm.fake import FakeBuildkite


class Record(Protocol):
    """Runs a function with a client that records the requests to `acme`, and returns its result."""

    def __call__(self, work: Callable[[Buildkite], Any], **options: Any) -> Any: ...


@pytest.fixture
def cassette(tmp_path: Path) -> Path:
    """The path of a cassette that does not exist yet."""
    return tmp_path / "case.json"


@pytest.fixture
def record(acme: FakeBuildkite, cassette: Path) -> Record:
    """Records what a function does with `acme`."""

    def run(work: Callable[[Buildkite], Any], **options: Any) -> Any:
        recorder = Recorder(cassette, record=True, through=acme.adapter(), clock=acme.clock, **options)
        with Buildkite(acme.token, organization="acme", transport=recorder) as bk:
            return work(bk)

    return run


@pytest.fixture
def replay(cassette: Path) -> Record:
    """Runs a function with a client that replays the cassette: it has no token, and there is no network."""

    def run(work: Callable[[Buildkite], Any], **options: Any) -> Any:
        with Buildkite(transport=Recorder(cassette, record=False), **options) as bk:
            return work(bk)

    return run


def first_failed(bk: Buildkite) -> Any:
    """Return the newest failed build of `acme/web`, with its jobs."""
    return web_pipeline(bk).builds(state="failed", with_jobs=True)[0]
