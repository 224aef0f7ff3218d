"""The garbage collector pauses while a page is validated, and is on or off afterwards as it was before."""

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
    """Turn garbage collection on or off, and return a list that grows with each collection."""
    collections: list[str] = []
    was = gc.isenabled()

    def note(phase: str, _info: dict[str, int]) -> None:
        collections.append(phase)

    (gc.enable if wanted else gc.disable)()
    gc.callbacks.append(note)
    try:
        yield collections
    finally:
        gc.callbacks.remove(note)
        (gc.enable if was else gc.disable)()


def load(body: bytes, *, pause_gc: bool = True) -> list[Build]:
    response = ApiResponse("GET", "https://api.buildkite.com/v2/builds", 200, {}, body)
    with warnings.catch_warnings(action="ignore", category=DriftWarning):
        return load_list(Build, response, strict=False, pause_gc=pause_gc)


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


@pytest.mark.parametrize("pause_gc", [True, False])
def test_a_page_is_validated_without_collections_unless_the_pause_is_off(page: bytes, *, pause_gc: bool) -> None:
    load(page)  # compiles the validators
    with collecting(wanted=True) as collections:
        builds = load(page, pause_gc=pause_gc)
        count = collections.count("start")
    assert sum(len(build.embedded_jobs or ()) for build in builds) == 2_000
    assert (count <= 3) is pause_gc


@pytest.mark.parametrize("pause_gc", [True, False])
def test_a_client_pauses_the_collector_unless_that_is_turned_off(
    server: FakeBuildkite, monkeypatch: pytest.MonkeyPatch, *, pause_gc: bool
) -> None:
    server.add_build("web")
    pauses: list[str] = []
    monkeypatch.setattr(gc, "isenabled", lambda: True)
    monkeypatch.setattr(gc, "disable", lambda: pauses.append("paused"))
    monkeypatch.setattr(gc, "enable", lambda: pauses.append("resumed"))
    with server.client(pause_gc=pause_gc) as bk:
        assert bk.organization("acme").pipeline("web").builds().page(1).items
    assert pauses == (["paused", "resumed"] if pause_gc else [])
