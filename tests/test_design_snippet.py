"""The example of the design, word for word, over HTTP, with a token that has only the scopes it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from buildkite_orm import PermissionDeniedError
from buildkite_orm.fake import FakeBuildkite

if TYPE_CHECKING:
    from collections.abc import Iterator

SNIPPET = """\
from buildkite_orm import Buildkite, BuildState

bk = Buildkite()                                     # token from BUILDKITE_API_TOKEN
org = bk.organization("acme")
for build in org.pipelines()[0].builds(state=BuildState.RUNNING):
    for job in build.jobs():
        for artifact in job.artifacts():
            for chunk in artifact.download(stream=True): ...
"""
SCOPES = ("read_artifacts", "read_builds", "read_pipelines")
FILES = {"a.log": b"a" * 100_000, "b.log": b"b" * 200_000, "c.log": b"c" * 70_000}


@pytest.fixture
def running() -> Iterator[FakeBuildkite]:
    """A server with three artifacts of running builds, and one of a build that has ended."""
    with FakeBuildkite(populate=False) as server:
        for state, paths in (("running", ["a.log", "b.log"]), ("passed", ["not"]), ("running", ["c.log"])):
            build = server.add_build("web", state=state, jobs=[{"state": state}, {"type": "waiter"}])
            for path in paths:
                server.add_artifact(build.jobs[0], path, FILES.get(path, b"not requested"))
        yield server


def prepare(server: FakeBuildkite, monkeypatch: pytest.MonkeyPatch, *scopes: str) -> None:
    monkeypatch.setenv("BUILDKITE_REST_API_ENDPOINT", server.url)
    monkeypatch.setenv("BUILDKITE_API_TOKEN", server.make_token(*scopes))


def test_the_snippet_runs_as_it_stands(running: FakeBuildkite, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(running, monkeypatch, *SCOPES)
    exec(SNIPPET, {})  # noqa: S102 - the code under test
    fetched = [request.path.rpartition("/")[2] for request in running.requests if request.origin == "artifacts"]
    assert sorted(fetched) == sorted(FILES)
    assert {request.status for request in running.requests} == {200, 302}


def test_the_snippet_returns_the_bytes_of_the_running_builds(
    running: FakeBuildkite, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(running, monkeypatch, *SCOPES)
    chunks: list[bytes] = []
    exec(SNIPPET.replace("...\n", "chunks.append(chunk)\n"), {"chunks": chunks})  # noqa: S102
    assert b"".join(chunks) == FILES["c.log"] + FILES["a.log"] + FILES["b.log"]


@pytest.mark.parametrize("lacking", SCOPES)
def test_the_snippet_needs_each_of_its_scopes(
    running: FakeBuildkite, monkeypatch: pytest.MonkeyPatch, lacking: str
) -> None:
    prepare(running, monkeypatch, *(scope for scope in SCOPES if scope != lacking))
    with pytest.raises(PermissionDeniedError, match=f"needs the scope {lacking}"):
        exec(SNIPPET, {})  # noqa: S102


def test_the_snippet_runs_on_the_seeded_organization(acme: FakeBuildkite, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(acme, monkeypatch, *SCOPES)
    chunks: list[bytes] = []
    exec(SNIPPET.replace("...\n", "chunks.append(chunk)\n"), {"chunks": chunks})  # noqa: S102
    assert sum(map(len, chunks)) > 0
