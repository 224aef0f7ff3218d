"""The responses that a storage of artifacts may send, status by status, and the outcome of each."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest
from requests.adapters import BaseAdapter

from buildkite_orm import ChecksumMismatchError, DownloadError, RetryPolicy, ServerError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import requests

    from buildkite_orm import Artifact, Buildkite
    from buildkite_orm.fake import ArtifactRecord, FakeBuildkite
    from tests.conftest import Costs

ATTEMPTS = RetryPolicy().attempts


@pytest.fixture
def stored(server: FakeBuildkite) -> ArtifactRecord:
    return server.add_artifact(server.add_build("web", jobs=1).jobs[0], "a.txt", b"hello")


@pytest.fixture
def artifact(server: FakeBuildkite, bk: Buildkite, stored: ArtifactRecord) -> Artifact:
    found = bk.organization("acme").job(stored.job.id).artifact(stored.id).fetch()
    server.requests.clear()
    return found


@pytest.fixture
def elsewhere(server: FakeBuildkite, artifact: Artifact) -> str:
    """A second link to the content."""
    artifact.download()
    request = server.requests[-1]
    server.requests.clear()
    return f"https://{request.headers['Host']}{request.path}?{request.query_string}"


def respond_with(server: FakeBuildkite, status: int, *, times: int | None = None, **options: Any) -> None:
    server.faults.add("error", origin="artifacts", status=status, times=times, **options)


# -- statuses ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 401, 403, 410])
def test_if_a_link_may_not_be_good_any_more_another_is_requested_once(
    server: FakeBuildkite, artifact: Artifact, costs: Costs, status: int
) -> None:
    respond_with(server, status)
    with costs(2, artifacts=2), pytest.raises(DownloadError) as caught:
        artifact.download()
    assert caught.value.status == status


@pytest.mark.parametrize("status", [402, 404, 405, 409, 411, 416, 418, 428, 430, 499])
def test_no_other_link_is_requested_if_it_would_not_help(
    server: FakeBuildkite, artifact: Artifact, costs: Costs, status: int
) -> None:
    respond_with(server, status)
    with costs(1, artifacts=1), pytest.raises(DownloadError) as caught:
        artifact.download()
    assert (caught.value.status, caught.value.method) == (status, "GET")
    assert caught.value.message == f"the storage does not return the file: status {status}"


@pytest.mark.parametrize("status", [429, 500, 503, 504, 599])
def test_if_the_storage_fails_it_is_requested_again_by_the_same_link(
    server: FakeBuildkite, artifact: Artifact, costs: Costs, status: int
) -> None:
    respond_with(server, status)
    with costs(1, artifacts=ATTEMPTS), pytest.raises(ServerError) as caught:
        artifact.download()
    assert (caught.value.status, caught.value.method) == (status, "GET")


@pytest.mark.parametrize("status", [201, 203, 204, 226])
def test_a_body_that_is_not_content_is_not_taken_for_it(server: FakeBuildkite, artifact: Artifact, status: int) -> None:
    respond_with(server, status)
    with pytest.raises(DownloadError, match=f"status {status}"):
        artifact.download()


def test_an_unrequested_range_is_accepted_if_it_is_the_beginning(
    server: FakeBuildkite, bk: Buildkite, artifact: Artifact
) -> None:
    bare = bk.organization("acme").job(artifact.job_id or "").artifact(artifact.id)
    respond_with(server, 206, times=1, payload="01234567", headers={"Content-Range": "bytes 0-9/10"})
    assert bare.download() == b'"01234567"'
    respond_with(server, 206, times=1, payload="01234567", headers={"Content-Range": "bytes 1-10/11"})
    with pytest.raises(DownloadError, match=r"^the storage returned another range"):
        bare.download()
    respond_with(server, 206, times=1, payload="01234567")
    with pytest.raises(DownloadError, match="another range"):
        bare.download()


def test_if_a_storage_returns_a_part_the_rest_is_requested_although_nothing_else_states_the_size(
    server: FakeBuildkite, bk: Buildkite, stored: ArtifactRecord
) -> None:
    longer = server.add_artifact(stored.job, "longer.txt", b"0123456789abcdefghij")
    bare = bk.organization("acme").job(longer.job.id).artifact(longer.id)
    respond_with(server, 206, times=1, payload="12345678", headers={"Content-Range": "bytes 0-9/20"})
    assert bare.download() == b'"12345678"abcdefghij'
    assert server.requests[-1].headers["Range"] == "bytes=10-"


def test_a_part_that_ends_before_its_range_is_not_the_whole_file(
    server: FakeBuildkite, bk: Buildkite, stored: ArtifactRecord
) -> None:
    longer = server.add_artifact(stored.job, "longer.txt", b"0123456789abcdefghij")
    bare = bk.organization("acme").job(longer.job.id).artifact(longer.id)
    respond_with(server, 206, times=1, payload="12345678", headers={"Content-Range": "bytes 0-19/*"})
    assert bare.download() == b'"12345678"abcdefghij'
    assert server.requests[-1].headers["Range"] == "bytes=10-"


def test_a_part_is_not_the_rest_if_an_earlier_response_has_stated_the_size(
    server: FakeBuildkite, bk: Buildkite, stored: ArtifactRecord
) -> None:
    longer = server.add_artifact(stored.job, "longer.txt", b"0123456789abcdefghij")
    bare = bk.organization("acme").job(longer.job.id).artifact(longer.id)
    server.faults.add("truncate", origin="artifacts", times=1, at=5)
    respond_with(server, 206, times=1, payload="6789abcd", headers={"Content-Range": "bytes 5-14/*"})
    assert bare.download() == b'01234"6789abcd"fghij'
    assert server.requests[-1].headers["Range"] == "bytes=15-"


def test_the_body_of_a_refused_range_is_not_content(
    server: FakeBuildkite, bk: Buildkite, stored: ArtifactRecord
) -> None:
    large = server.add_artifact(stored.job, "large.bin", 500_000)
    bare = bk.organization("acme").job(large.job.id).artifact(large.id)
    whole = bare.download()
    server.faults.add("truncate", origin="artifacts", at=131_072)
    respond_with(server, 416, headers={"Content-Range": "bytes */131072"}, payload="x" * 300_000)
    assert bare.download() == whole[:131_072]


# -- redirects ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_storage_that_has_moved_the_file_is_followed(
    server: FakeBuildkite, artifact: Artifact, elsewhere: str, costs: Costs, status: int
) -> None:
    server.faults.add("redirect", origin="artifacts", location=elsewhere, status=status)
    with costs(1, artifacts=2):
        assert artifact.download() == b"hello"


@pytest.mark.parametrize("status", [300, 304, 305, 306, 309])
def test_a_response_that_is_not_a_redirect_is_not_followed(
    server: FakeBuildkite, artifact: Artifact, elsewhere: str, costs: Costs, status: int
) -> None:
    server.faults.add("redirect", origin="artifacts", location=elsewhere, status=status)
    with costs(1, artifacts=1), pytest.raises(DownloadError, match=f"status {status}"):
        artifact.download()


def test_a_move_to_nowhere_is_an_error(server: FakeBuildkite, artifact: Artifact) -> None:
    respond_with(server, 302)
    with pytest.raises(DownloadError, match="status 302"):
        artifact.download()


@pytest.mark.parametrize(("moves", "arrives"), [(4, True), (5, False)])
def test_a_storage_is_followed_so_far_and_no_further(
    server: FakeBuildkite, artifact: Artifact, elsewhere: str, costs: Costs, *, moves: int, arrives: bool
) -> None:
    server.faults.add("redirect", origin="artifacts", location=elsewhere, times=moves)
    with costs(1, artifacts=5):
        if arrives:
            assert artifact.download() == b"hello"
        else:
            with pytest.raises(DownloadError, match=rf"{artifact.api_path}: its storage redirects "):
                artifact.download()


# -- connections -------------------------------------------------------------------------------------------------------


class Watching(BaseAdapter):
    """A transport that records requests."""

    def __init__(self, server: FakeBuildkite) -> None:
        super().__init__()
        self._inner = server.adapter()
        self.responses: list[requests.Response] = []

    def send(self, request: requests.PreparedRequest, *_: Any, **options: Any) -> requests.Response:
        self.responses.append(self._inner.send(request, **options))
        return self.responses[-1]

    def close(self) -> None:
        pass

    def open(self) -> int:
        """Count the responses that were neither read to their end nor closed."""
        return sum(not response.raw.closed for response in self.responses)


@pytest.fixture
def watching(server: FakeBuildkite) -> Watching:
    return Watching(server)


@pytest.fixture
def watched(server: FakeBuildkite, watching: Watching, stored: ArtifactRecord) -> Iterator[Artifact]:
    """An artifact that is large enough to be left in the middle, through `watching`."""
    large = server.add_artifact(stored.job, "large.bin", 500_000)
    with server.client(transport=watching) as bk:
        found = bk.organization("acme").job(large.job.id).artifact(large.id).fetch()
        watching.responses.clear()
        yield found


def test_a_download_that_is_left_returns_its_connection_back(watched: Artifact, watching: Watching) -> None:
    for _ in watched.download(stream=True):
        assert watching.open() == 1
        break
    assert (len(watching.responses), watching.open()) == (2, 0)


def test_a_download_that_is_closed_returns_its_connection_back(watched: Artifact, watching: Watching) -> None:
    with watched.download(stream=True) as chunks:
        next(chunks)
        assert watching.open() == 1
    assert watching.open() == 0
    assert list(chunks) == []


@pytest.mark.parametrize("status", [302, 403, 404, 503])
def test_a_response_without_content_releases_its_connection(
    server: FakeBuildkite, watched: Artifact, watching: Watching, status: int
) -> None:
    headers = {"Location": "https://files.example/a"} if status == 302 else {}
    respond_with(server, status, times=10, headers=headers, payload="x" * 100_000)
    chunks = watched.download(stream=True)
    with pytest.raises((DownloadError, ServerError)):
        next(chunks)
    assert len(watching.responses) > 1
    assert watching.open() == 0


class Rangeless(Watching):
    """A transport to a storage that knows of no ranges."""

    def send(self, request: requests.PreparedRequest, *_: Any, **options: Any) -> requests.Response:
        request.headers.pop("Range", None)
        return super().send(request, **options)


@pytest.mark.parametrize("at", [1, 65_535, 65_536, 65_537, 131_072, 200_000, 499_999])
def test_wherever_a_download_breaks_a_storage_without_ranges_returns_the_rest(
    server: FakeBuildkite, stored: ArtifactRecord, at: int
) -> None:
    large = server.add_artifact(stored.job, "large.bin", 500_000)
    server.faults.add("truncate", origin="artifacts", at=at)
    with server.client(transport=Rangeless(server)) as bk:
        content = bk.organization("acme").job(large.job.id).artifact(large.id).fetch().download()
    assert hashlib.sha1(content, usedforsecurity=False).hexdigest() == large.content.sha1sum


def test_a_download_that_has_failed_is_over(server: FakeBuildkite, artifact: Artifact, costs: Costs) -> None:
    respond_with(server, 404, times=1)
    chunks = artifact.download(stream=True)
    with pytest.raises(DownloadError):
        next(chunks)
    with costs(0):
        assert list(chunks) == []


def test_wrong_bytes_are_reported_once(server: FakeBuildkite, artifact: Artifact) -> None:
    server.faults.add("corrupt_body", origin="artifacts")
    chunks = artifact.download(stream=True)
    next(chunks)
    with pytest.raises(ChecksumMismatchError):
        next(chunks)
    assert list(chunks) == []


# -- what errors show --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", ["", "?key=hush", "?key=hush?key=hush"])
def test_an_error_shows_the_url_of_the_file_without_its_key(
    server: FakeBuildkite, artifact: Artifact, elsewhere: str, query: str
) -> None:
    where = f"{elsewhere.partition('?')[0]}-moved"
    server.faults.add("redirect", origin="artifacts", location=where + query)
    respond_with(server, 404)
    with pytest.raises(DownloadError) as caught:
        artifact.download()
    assert caught.value.url == where
    assert "hush" not in str(caught.value)


def test_an_error_of_the_api_names_its_request_of_it(server: FakeBuildkite, artifact: Artifact) -> None:
    server.faults.add("error", match="/download", status=403, message="No", times=None)
    with pytest.raises(Exception, match="No") as caught:
        artifact.download()
    assert f"GET https://api.buildkite.com/v2/{artifact.api_path}/download" in str(caught.value)
    assert "its state" not in str(caught.value)


def test_wrong_bytes_are_reported_with_whose_they_are(bk: Buildkite, stored: ArtifactRecord, tmp_path: Path) -> None:
    stored.file_size = 6
    found = bk.organization("acme").job(stored.job.id).artifact(stored.id).fetch()
    message = f"{found.api_path}: 5 bytes were received, not the 6 that were uploaded"
    with pytest.raises(ChecksumMismatchError, match=message):
        found.download()
    with pytest.raises(ChecksumMismatchError, match=message):
        found.save_to(tmp_path)
    stored.file_size, stored.sha1sum = 5, "0" * 40
    found = bk.organization("acme").job(stored.job.id).artifact(stored.id).fetch()
    message = f"{found.api_path}: the content that was received does not have the SHA1 of what was uploaded"
    with pytest.raises(ChecksumMismatchError, match=message):
        found.save_to(tmp_path)
    with pytest.raises(ChecksumMismatchError, match=message):
        found.download()
