"""Artifacts, and the other origin that has their content."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from requests import Response, Session

    from buildkite_orm.fake import ArtifactRecord, FakeBuildkite, JobRecord

WEB = "/organizations/acme/pipelines/web/builds/1"
NO_TOKEN: dict[str, Any] = {"Authorization": None}


@pytest.fixture
def artifact(server: FakeBuildkite, job: JobRecord) -> ArtifactRecord:
    return server.add_artifact(job, "dist/größe 1.txt", b"0123456789")


@pytest.fixture
def path(artifact: ArtifactRecord) -> str:
    return f"/organizations/acme/jobs/{artifact.job.id}/artifacts/{artifact.id}"


def location(api: Session, path: str) -> str:
    response = api.get(f"{path}/download", allow_redirects=False)
    assert response.status_code == 302
    return response.headers["Location"]


def fetch(api: Session, url: str, **headers: str) -> Response:
    return api.get(url, headers=NO_TOKEN | headers)


def paths(api: Session, url: str, **params: Any) -> list[str]:
    response = api.get(url, params=params)
    assert response.status_code == 200
    return [each["path"] for each in response.json()]


def test_the_payload_of_an_artifact_describes_it(api: Session, artifact: ArtifactRecord, path: str) -> None:
    payload = api.get(path).json()
    url = f"https://api.buildkite.com/v2{WEB}/jobs/{artifact.job.id}/artifacts/{artifact.id}"
    assert payload == {
        "id": artifact.id,
        "job_id": artifact.job.id,
        "url": url,
        "download_url": f"{url}/download",
        "state": "finished",
        "path": "dist/größe 1.txt",
        "dirname": "dist",
        "filename": "größe 1.txt",
        "mime_type": "text/plain",
        "file_size": 10,
        "glob_path": None,
        "original_path": None,
        "sha1sum": hashlib.sha1(b"0123456789", usedforsecurity=False).hexdigest(),
    }
    assert api.get(url).json() == payload


def test_a_sha_256_may_be_included(server: FakeBuildkite, api: Session, path: str) -> None:
    server.settings.sha256sums = True
    assert api.get(path).json()["sha256sum"] == hashlib.sha256(b"0123456789").hexdigest()


def test_the_payload_of_an_artifact_may_be_false(server: FakeBuildkite, api: Session, job: JobRecord) -> None:
    artifact = server.add_artifact(job, "x", b"abc", file_size=5, sha1sum="0" * 40)
    payload = api.get(f"/organizations/acme/jobs/{job.id}/artifacts/{artifact.id}").json()
    assert (payload["file_size"], payload["sha1sum"], payload["dirname"]) == (5, "0" * 40, ".")


def test_a_build_lists_the_artifacts_of_all_its_jobs(server: FakeBuildkite, api: Session, job: JobRecord) -> None:
    server.add_job(job.build)
    for number, each in enumerate(job.build.jobs):
        server.add_artifact(each, f"log/{number}.txt")
    assert paths(api, f"{WEB}/artifacts") == ["log/0.txt", "log/1.txt"]
    assert paths(api, f"{WEB}/jobs/{job.id}/artifacts") == ["log/0.txt"]
    assert paths(api, f"/organizations/acme/jobs/{job.id}/artifacts") == ["log/0.txt"]


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({}, ["a.log", "dir/a.log", "b.txt"]),
        ({"path": "a.log"}, ["a.log"]),
        ({"path": "*.log"}, ["a.log", "dir/a.log"]),
        ({"path": "dir/*"}, ["dir/a.log"]),
        ({"path": "a?log"}, []),
        ({"state": "finished"}, ["a.log", "dir/a.log"]),
        ({"state": "error"}, ["b.txt"]),
        ({"state": "deleted"}, ["c.txt"]),
        ({"state": "new", "path": "a.log"}, []),
    ],
)
def test_filters_choose_artifacts(
    server: FakeBuildkite, api: Session, job: JobRecord, params: dict[str, str], found: list[str]
) -> None:
    for name, state in (("a.log", "finished"), ("dir/a.log", "finished"), ("b.txt", "error"), ("c.txt", "deleted")):
        server.add_artifact(job, name, state=state)
    assert paths(api, f"{WEB}/artifacts", **params) == found


@pytest.mark.usefixtures("job")
def test_an_unknown_state_is_422(api: Session) -> None:
    assert api.get(f"{WEB}/artifacts?state=lost").status_code == 422


def test_artifacts_are_paged(server: FakeBuildkite, api: Session, job: JobRecord) -> None:
    for number in range(40):
        server.add_artifact(job, f"{number}.txt")
    response = api.get(f"{WEB}/artifacts")
    assert len(response.json()) == 30
    assert len(api.get(response.links["next"]["url"]).json()) == 10


def test_a_deleted_artifact_is_not_found(api: Session, path: str) -> None:
    url = location(api, path)
    assert api.delete(path).status_code == 204
    assert api.get(path).json() == {"message": "No artifact found"}
    assert api.get(f"{path}/download", allow_redirects=False).status_code == 404
    assert api.delete(path).status_code == 404
    assert paths(api, f"{WEB}/artifacts") == []
    assert fetch(api, url).status_code == 404


# -- the content


def test_a_download_is_a_redirect_with_the_target_in_header_and_body(api: Session, path: str) -> None:
    response = api.get(f"{path}/download", allow_redirects=False)
    assert response.json() == {"url": response.headers["Location"]}
    assert response.headers["Location"].startswith("https://artifacts.buildkite.fake/")


def test_following_the_redirect_returns_the_content(api: Session, path: str) -> None:
    response = api.get(f"{path}/download")
    assert response.content == b"0123456789"
    assert response.headers["Content-Type"].startswith("text/plain")


def test_over_a_socket_the_content_is_at_another_port(server: FakeBuildkite, http: Session, path: str) -> None:
    assert location(http, path).startswith(server.artifacts_url)
    assert server.artifacts_url != server.url
    assert http.get(f"{path}/download").content == b"0123456789"


def test_the_other_origin_refuses_a_token(server: FakeBuildkite, api: Session, path: str) -> None:
    response = api.get(location(api, path))
    assert response.status_code == 400
    assert response.headers["Content-Type"] == "application/xml"
    assert "<Code>InvalidArgument</Code>" in response.text
    assert "Only one auth mechanism allowed" in response.text
    assert server.requests[-1].origin == "artifacts"


def test_a_url_is_good_for_a_minute(server: FakeBuildkite, api: Session, path: str) -> None:
    url = location(api, path)
    server.clock.advance(60)
    assert fetch(api, url).status_code == 200
    server.clock.advance(1)
    response = fetch(api, url)
    assert response.status_code == 403
    assert "Request has expired" in response.text


def test_its_lifetime_can_be_set(server: FakeBuildkite, api: Session, path: str) -> None:
    server.settings.artifact_url_lifetime = 5
    url = location(api, path)
    server.clock.advance(6)
    assert fetch(api, url).status_code == 403


@pytest.mark.parametrize(
    ("old", "new"), [("Signature=", "Signature=0"), ("Expires=", "Expires=9"), ("?", "x?"), ("Signature=", "S=")]
)
def test_a_url_that_was_changed_is_refused(api: Session, path: str, old: str, new: str) -> None:
    assert fetch(api, location(api, path).replace(old, new)).status_code == 403


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_the_other_origin_is_for_reading(api: Session, path: str, method: str) -> None:
    assert api.request(method, location(api, path), headers=NO_TOKEN).status_code == 405


@pytest.mark.parametrize(
    ("requested", "status", "body"),
    [
        ("bytes=2-4", 206, b"234"),
        ("bytes=7-", 206, b"789"),
        ("bytes=-2", 206, b"89"),
        ("bytes=0-99", 206, b"0123456789"),
        ("bytes=0-1,4-5", 200, b"0123456789"),
        ("nonsense", 200, b"0123456789"),
    ],
)
def test_ranges_can_be_requested(api: Session, path: str, requested: str, status: int, body: bytes) -> None:
    response = fetch(api, location(api, path), Range=requested)
    assert (response.status_code, response.content) == (status, body)
    assert response.headers["Content-Length"] == str(len(body))


def test_a_part_past_the_end_is_416(api: Session, path: str) -> None:
    response = fetch(api, location(api, path), Range="bytes=10-")
    assert response.status_code == 416
    assert response.headers["Content-Range"] == "bytes */10"


def test_a_part_of_another_version_is_the_whole(api: Session, path: str) -> None:
    url = location(api, path)
    etag = fetch(api, url).headers["ETag"]
    assert fetch(api, url, Range="bytes=2-", **{"If-Range": etag}).status_code == 206
    assert fetch(api, url, Range="bytes=2-", **{"If-Range": '"other"'}).content == b"0123456789"


@pytest.mark.parametrize(("state", "status"), [("new", 302), ("finished", 302), ("error", 404), ("expired", 404)])
def test_a_stored_artifact_can_be_downloaded(
    server: FakeBuildkite, api: Session, job: JobRecord, state: str, status: int
) -> None:
    artifact = server.add_artifact(job, "x", b"x", state=state)
    path = f"/organizations/acme/jobs/{job.id}/artifacts/{artifact.id}/download"
    assert api.get(path, allow_redirects=False).status_code == status


def test_a_content_can_be_made_while_it_is_read(server: FakeBuildkite, api: Session, job: JobRecord) -> None:
    artifact = server.add_artifact(job, "big.bin", 200_001)
    path = f"/organizations/acme/jobs/{job.id}/artifacts/{artifact.id}"
    body = api.get(f"{path}/download").content
    assert len(body) == 200_001
    assert hashlib.sha1(body, usedforsecurity=False).hexdigest() == api.get(path).json()["sha1sum"]
    assert fetch(api, location(api, path), Range="bytes=65530-131080").content == body[65530:131081]


@pytest.mark.parametrize("name", ["../../x", "/etc/passwd", "a\u0000b", "per%20cent?#&.txt"])
def test_artifacts_may_have_any_path(server: FakeBuildkite, api: Session, job: JobRecord, name: str) -> None:
    artifact = server.add_artifact(job, name, b"x")
    path = f"/organizations/acme/jobs/{job.id}/artifacts/{artifact.id}"
    assert api.get(path).json()["path"] == name
    assert api.get(f"{path}/download").content == b"x"
