"""The fake works with an independent client: pybuildkite, unchanged, over HTTP."""

# pybuildkite has no annotations
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from pybuildkite.buildkite import Buildkite as Pybuildkite
from pybuildkite.builds import BuildState
from pybuildkite.jobs import LogFormat
from requests import HTTPError

from buildkite_orm.fake import BlockStep, CommandStep

if TYPE_CHECKING:
    from buildkite_orm import Buildkite
    from buildkite_orm.fake import ArtifactRecord, FakeBuildkite, JobRecord, Step

CONTENT = bytes(range(256)) * 2_000


def pointed_at(server: FakeBuildkite, *, per_page: int = 100) -> Any:
    """Return a pybuildkite client of the fake; `Any`, since it has no types."""
    peer: Any = Pybuildkite(per_page)
    peer.base_url = f"{server.url}/v2/"
    peer.set_access_token(server.token)
    return peer


@pytest.fixture
def peer(server: FakeBuildkite) -> Any:
    return pointed_at(server)


@pytest.fixture
def failed_job(server: FakeBuildkite) -> JobRecord:
    record = server.add_build("web", state="failed", jobs=[{"state": "failed", "exit_status": 1}]).jobs[0]
    server.set_log(record, "größe ✓\r\n".encode())
    return record


@pytest.fixture
def stored(server: FakeBuildkite, failed_job: JobRecord) -> ArtifactRecord:
    return server.add_artifact(failed_job, "dist/app.bin", CONTENT)


def test_it_lists_and_gets_organizations(server: FakeBuildkite, peer: Any) -> None:
    server.add_organization("umbrella")
    assert [each["slug"] for each in peer.organizations().list_all()] == ["acme", "umbrella"]
    assert peer.organizations().get_org("acme")["name"] == "Acme Inc"


def test_it_lists_and_gets_pipelines(server: FakeBuildkite, bk: Buildkite, peer: Any) -> None:
    for slug in ("web", "api", "docs"):
        server.add_pipeline(slug)
    theirs = [each["id"] for each in peer.pipelines().list_pipelines("acme")]
    assert theirs == [each.id for each in bk.organization("acme").pipelines()]
    assert peer.pipelines().get_pipeline("acme", "api")["slug"] == "api"


def test_it_lists_builds_of_several_states_page_by_page(server: FakeBuildkite, bk: Buildkite) -> None:
    for number in range(12):
        server.add_build("web", state=("running", "failed", "passed")[number % 3])
    peer = pointed_at(server, per_page=3)
    theirs: list[int] = []
    page = 1
    while page:
        response = peer.builds().list_all_for_pipeline(
            "acme", "web", states=[BuildState.RUNNING, BuildState.FAILED], page=page, with_pagination=True
        )
        assert len(response.body) <= 3
        theirs += [each["number"] for each in response.body]
        page = response.next_page
    ours = bk.organization("acme").pipeline("web").builds(state=["running", "failed"])
    assert theirs == [each.number for each in ours]
    assert len(theirs) == 8


def test_it_learns_the_urls_of_the_pages(server: FakeBuildkite) -> None:
    server.add_builds("web", 7)
    response = pointed_at(server, per_page=3).builds().list_all(page=2, with_pagination=True)
    assert (response.first_page, response.previous_page, response.next_page, response.last_page) == (1, 1, 3, 3)


def test_it_filters_builds_as_this_library_does(server: FakeBuildkite, bk: Buildkite, peer: Any) -> None:
    grace = server.add_user("Grace", "grace@acme.example")
    now = datetime(2026, 8, 1, 10, tzinfo=UTC)
    for hours in range(6):
        server.add_build(
            "web",
            created_at=now - timedelta(hours=hours),
            branch=("main", "dev")[hours % 2],
            creator=grace,
            meta_data={"release": str(hours % 3)},
        )
    theirs = peer.builds().list_all_for_org(
        "acme",
        creator=grace.id,
        branch="main",
        created_from=(now - timedelta(hours=4)).replace(tzinfo=None),
        created_to=now.replace(tzinfo=None),
        meta_data={"release": "2"},
    )
    ours = bk.organization("acme").builds(
        creator=grace.id,
        branch="main",
        created_from=now - timedelta(hours=4),
        created_to=now,
        meta_data={"release": "2"},
    )
    assert [each["id"] for each in theirs] == [each.id for each in ours]
    assert len(theirs) == 1


def test_it_gets_a_build_as_this_library_does(failed_job: JobRecord, bk: Buildkite, peer: Any) -> None:
    theirs = peer.builds().get_build_by_number("acme", "web", 1)
    ours = bk.organization("acme").pipeline("web").build(1).fetch()
    assert theirs["jobs"][0]["id"] == failed_job.id
    assert theirs.keys() == ours.dump().keys()


def test_it_creates_cancels_and_rebuilds_a_build(server: FakeBuildkite, bk: Buildkite, peer: Any) -> None:
    server.add_pipeline("web", steps=[CommandStep(duration=900)])
    created = peer.builds().create_build(
        "acme", "web", "HEAD", "main", message="Größe", env={"A": "b"}, meta_data={"release": "1"}, clean_checkout=True
    )
    assert (created["state"], created["message"], created["meta_data"]) == ("creating", "Größe", {"release": "1"})
    server.run(30)
    build = bk.organization("acme").pipeline("web").build(created["number"])
    assert build.fetch().state == "running"
    assert peer.builds().cancel_build("acme", "web", created["number"])["state"] == "canceling"
    server.run(30)
    assert build.fetch().state == "canceled"
    again = peer.builds().rebuild_build("acme", "web", created["number"])
    assert again["number"] == created["number"] + 1
    assert again["rebuilt_from"]["number"] == created["number"]


def test_it_reads_a_log_in_each_form(failed_job: JobRecord, peer: Any) -> None:
    def read(form: LogFormat) -> Any:
        return peer.jobs().get_job_log("acme", "web", 1, failed_job.id, log_format=form)

    assert read(LogFormat.JSON)["content"] == "größe ✓\r\n"
    assert read(LogFormat.TEXT).decode() == "größe ✓\r\n"
    assert "größe ✓" in read(LogFormat.HTML).decode()


def test_it_reads_the_environment_of_a_job(failed_job: JobRecord, bk: Buildkite, peer: Any) -> None:
    theirs = peer.jobs().get_job_environment_variables("acme", "web", 1, failed_job.id)["env"]
    assert theirs == bk.organization("acme").job(failed_job.id).environment()


def test_it_lists_and_gets_artifacts(failed_job: JobRecord, stored: ArtifactRecord, peer: Any) -> None:
    artifacts = peer.artifacts()
    assert [each["path"] for each in artifacts.list_artifacts_for_build("acme", "web", 1)] == ["dist/app.bin"]
    assert [each["path"] for each in artifacts.list_artifacts_for_job("acme", "web", 1, failed_job.id)] == [
        "dist/app.bin"
    ]
    one = artifacts.get_artifact("acme", "web", 1, failed_job.id, stored.id)
    assert one["sha1sum"] == hashlib.sha1(CONTENT).hexdigest()  # noqa: S324 - the API's choice


def test_it_downloads_an_artifact_as_bytes(failed_job: JobRecord, stored: ArtifactRecord, peer: Any) -> None:
    assert peer.artifacts().download_artifact("acme", "web", 1, failed_job.id, stored.id) == CONTENT


def test_it_downloads_an_artifact_as_a_stream(failed_job: JobRecord, stored: ArtifactRecord, peer: Any) -> None:
    chunks = peer.artifacts().download_artifact("acme", "web", 1, failed_job.id, stored.id, as_stream=True)
    assert iter(chunks) is chunks
    assert b"".join(chunks) == CONTENT


def test_it_retries_a_job_once(failed_job: JobRecord, peer: Any) -> None:
    again = peer.jobs().retry_job("acme", "web", 1, failed_job.id)
    assert again["retry_source"]["job_id"] == failed_job.id
    with pytest.raises(HTTPError, match="400"):
        peer.jobs().retry_job("acme", "web", 1, failed_job.id)


def test_it_unblocks_a_job(server: FakeBuildkite, peer: Any) -> None:
    steps: list[Step] = [BlockStep(key="approve", fields=[{"text": "Name", "key": "name"}]), CommandStep(duration=5)]
    server.add_pipeline("web", steps=steps)
    number = peer.builds().create_build("acme", "web", "HEAD", "main")["number"]
    server.run(30)
    blocked = peer.builds().get_build_by_number("acme", "web", number)
    assert blocked["blocked"]
    opened = peer.jobs().unblock_job("acme", "web", number, blocked["jobs"][0]["id"], {"name": "x"})
    assert opened["state"] == "unblocked"
    server.run(30)
    assert peer.builds().get_build_by_number("acme", "web", number)["state"] == "passed"


def test_it_lists_agents_annotations_and_the_user(server: FakeBuildkite, bk: Buildkite, peer: Any) -> None:
    server.add_agent("one")
    build = server.add_build("web")
    server.add_annotation(build, "Hello")
    assert [each["name"] for each in peer.agents().list_all("acme")] == ["one"]
    assert [each["context"] for each in peer.annotations().list_annotations("acme", "web", 1)] == ["default"]
    assert peer.users().get_current_user()["id"] == bk.user().id


def test_it_is_refused_without_a_good_token(server: FakeBuildkite) -> None:
    peer = pointed_at(server)
    peer.set_access_token("wrong")
    with pytest.raises(HTTPError, match="401"):
        peer.organizations().list_all()
