"""The server object: what tests add to it, and that it shares no code with the client."""

from __future__ import annotations

import ast
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import buildkite_orm.fake
from buildkite_orm.fake import FakeBuildkite, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from requests import Session

WEB = "/organizations/acme/pipelines/web/builds"
FOLDER = Path(buildkite_orm.fake.__file__).parent


def imported(path: Path) -> Iterator[str]:
    """Yield the modules that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            yield node.module or ""


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.py")), ids=lambda path: str(path.relative_to(FOLDER)))
def test_the_fake_shares_no_code_with_the_client(path: Path) -> None:
    ours = {name for name in imported(path) if name.split(".")[0] == "buildkite_orm"}
    foreign = {name for name in ours if not name.startswith("buildkite_orm.fake")}
    assert foreign <= ({"buildkite_orm.client"} if path.name == "server.py" else set())


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.py")), ids=lambda path: str(path.relative_to(FOLDER)))
def test_the_fake_needs_few_packages(path: Path) -> None:
    packages = {name.split(".")[0] for name in imported(path)} - {"buildkite_orm"}
    validates_control = path.parent.name == "control" or path.name == "seed_file.py"  # no payload of the API
    assert packages & {"pydantic", "tenacity"} <= ({"pydantic"} if validates_control else set())
    assert packages & {"requests", "urllib3"} <= (
        {"requests", "urllib3"} if path.name == "requests_adapter.py" else set()
    )


def test_a_build_stays_in_the_state_it_was_added_in(server: FakeBuildkite, api: Session) -> None:
    server.add_build("web", state="running", jobs=2)
    server.run(3600)
    payload = api.get(f"{WEB}/1").json()
    assert (payload["state"], [job["state"] for job in payload["jobs"]]) == ("running", ["running", "running"])


def test_a_build_may_be_moved_by_hand(server: FakeBuildkite, api: Session) -> None:
    build = server.add_build("web", state="scheduled")
    server.clock.advance(60)
    for state, finished in (("running", False), ("failing", False), ("failed", True), ("blocked", True)):
        server.set_state(build, state)
        payload = api.get(f"{WEB}/1").json()
        assert (payload["state"], bool(payload["finished_at"])) == ("passed" if state == "blocked" else state, finished)
        assert payload["blocked"] is (state == "blocked")


def test_fields_can_be_given(server: FakeBuildkite, api: Session) -> None:
    moment = datetime(2020, 1, 2, 3, 4, 5, 678000, UTC)
    server.add_build("web", number=42, created_at=moment, branch="b", meta_data={"k": "v"}, jobs=[{"name": "One"}])
    payload = api.get(f"{WEB}/42").json()
    assert (payload["created_at"], payload["branch"], payload["meta_data"]) == (
        "2020-01-02T03:04:05.678Z",
        "b",
        {"k": "v"},
    )
    assert payload["jobs"][0]["name"] == "One"
    assert server.add_build("web").number == 43


def test_many_builds_lie_apart_and_end_now(server: FakeBuildkite, api: Session) -> None:
    builds = server.add_builds("web", 3, spacing=10, newest=datetime(2026, 1, 1, tzinfo=UTC), state="failed")
    assert [each.created_at - builds[0].created_at for each in builds] == [0, 10, 20]
    assert api.get(WEB).json()[0]["created_at"] == "2026-01-01T00:00:00.000Z"
    assert {each["state"] for each in api.get(WEB).json()} == {"failed"}


def test_lazy_jobs_are_the_same_in_any_order_of_access() -> None:
    first, second = (FakeBuildkite(populate=False) for _ in "ab")
    one, two = first.add_builds("web", 10, jobs=3), second.add_builds("web", 10, jobs=3)
    ids = {build.number: [job.id for job in build.jobs] for build in one}
    assert {build.number: [job.id for job in build.jobs] for build in reversed(two)} == ids


def test_an_organization_may_be_added(server: FakeBuildkite, api: Session) -> None:
    server.add_organization("other")
    server.add_build("web", organization="other")
    assert server.build("web", 1, organization="other").state == "passed"
    assert api.get("/organizations/other/pipelines/web/builds/1").status_code == 200


def test_requests_are_kept_but_not_for_ever(
    server: FakeBuildkite, api: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("buildkite_orm.fake.app._MOST_REQUESTS", 4)
    for page in range(6):
        api.get(f"/organizations?page={page}")
    assert [each.query_string for each in server.requests] == ["page=2", "page=3", "page=4", "page=5"]


def test_the_server_listens_on_first_access_of_its_url() -> None:
    with FakeBuildkite(settings=Settings()) as server:
        before = threading.active_count()
        first = server.url
        assert threading.active_count() > before
        assert server.url == first
    assert threading.active_count() == before


@pytest.mark.parametrize("http", [False, True])
def test_client_returns_a_client_of_the_server(seeded: FakeBuildkite, *, http: bool) -> None:
    with seeded.client(http=http) as client:
        assert client.user().name == "Ada Lovelace"
    assert seeded.requests[-1].headers["User-Agent"].startswith("buildkite-orm/")
