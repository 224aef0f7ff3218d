"""Garbage collection waits while a page is validated, and is what it was before, however that ends."""

from __future__ import annotations

import gc
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import requests

from buildkite_orm import Build
from buildkite_orm.errors import ResponseError
from buildkite_orm.fake import FakeBuildkite
from buildkite_orm.http.messages import ApiResponse
from buildkite_orm.models.parsing import DriftWarning, load_list

if TYPE_CHECKING:
    from collections.abc import Generator

BODIES = {"odd": b'[{"number": "one"}]', "half": b'[{"number": 1'}


@pytest.fixture(scope="module")
def page() -> bytes:
    """A page of builds with their jobs."""
    with FakeBuildkite(populate=False) as server:
        server.add_builds("bulk", 100, jobs=20)
        url = "https://api.buildkite.com/v2/organizations/acme/pipelines/bulk/builds?per_page=100"
        with requests.Session() as session:
            session.mount("https://", server.adapter())
            return session.get(url, headers={"Authorization": f"Bearer {server.token}"}, timeout=5).content


@contextmanager
def collecting(*, wanted: bool) -> Generator[list[str]]:
    """Turn garbage collection on or off, and give what is appended to at each."""
    collections: list[str] = []
    was = gc.isenabled()

    def note(phase: str, _told: dict[str, int]) -> None:
        collections.append(phase)

    (gc.enable if wanted else gc.disable)()
    gc.callbacks.append(note)
    try:
        yield collections
    finally:
        gc.callbacks.remove(note)
        (gc.enable if was else gc.disable)()


def load(body: bytes) -> list[Build]:
    answer = ApiResponse("GET", "https://api.buildkite.com/v2/builds", 200, {}, body)
    with warnings.catch_warnings(action="ignore", category=DriftWarning):
        return load_list(Build, answer, strict=False)


@pytest.mark.parametrize("wanted", [True, False], ids=["on", "off"])
@pytest.mark.parametrize("kind", ["whole", "odd", "half"])
def test_it_is_on_or_off_as_before(kind: str, page: bytes, *, wanted: bool) -> None:
    with collecting(wanted=wanted):
        if kind == "half":
            with pytest.raises(ResponseError):
                load(BODIES[kind])
        else:
            load(BODIES.get(kind, page))
        assert gc.isenabled() is wanted


def test_a_page_is_not_gone_through_again_and_again_while_it_grows(page: bytes) -> None:
    load(page)  # whose validators are made once
    with collecting(wanted=True) as collections:
        builds = load(page)
        told = collections.count("start")
    assert sum(len(build.embedded_jobs or ()) for build in builds) == 2_000
    assert told <= 3
