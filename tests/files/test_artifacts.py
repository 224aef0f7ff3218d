"""Artifacts: listed, fetched, deleted, and downloaded whole or chunk by chunk."""

from __future__ import annotations

import hashlib
import tracemalloc
from typing import TYPE_CHECKING, Any, Literal

import pytest
from requests.adapters import HTTPAdapter

from buildkite_orm import (
    Artifact,
    ArtifactState,
    ChecksumMismatchError,
    ConnectionFailedError,
    DownloadError,
    NotFoundError,
    PermissionDeniedError,
    ResponseError,
    RetryPolicy,
    ServerError,
    UnboundError,
    UnprocessableEntityError,
)

if TYPE_CHECKING:
    from requests import PreparedRequest, Response

    from buildkite_orm import ArtifactRef, Buildkite, JobRef
    from buildkite_orm.fake import ArtifactRecord, FakeBuildkite, JobRecord, RecordedRequest
    from tests.conftest import Costs

BUILD = "/v2/organizations/acme/pipelines/web/builds/1"
BIG = 1_000_000  # more than a few chunks
CONTENT = bytes(range(256)) * (BIG // 256)


@pytest.fixture
def stored(server: FakeBuildkite, job: JobRecord) -> ArtifactRecord:
    return server.add_artifact(job, "dist/app.bin", CONTENT)


@pytest.fixture
def artifact(server: FakeBuildkite, bk: Buildkite, stored: ArtifactRecord) -> Artifact:
    found = ref_to(bk, stored).fetch()
    server.requests.clear()
    return found


def ref_to(bk: Buildkite, stored: ArtifactRecord) -> ArtifactRef:
    return bk.organization("acme").job(stored.job.id).artifact(stored.id)


def routes(bk: Buildkite, job: JobRecord) -> dict[str, JobRef]:
    return {
        f"{BUILD}/jobs/{job.id}": bk.organization("acme").pipeline("web").build(1).job(job.id),
        f"/v2/organizations/acme/jobs/{job.id}": bk.organization("acme").job(job.id),
    }


def downloads_from(server: FakeBuildkite, origin: str = "artifacts") -> list[tuple[str, int]]:
    """Return the ranges that were requested from an origin, and the statuses of the responses."""
    return [(each.headers.get("Range", ""), each.status) for each in server.requests if each.origin == origin]


# -- list, get, delete


def test_a_build_lists_artifacts_by_every_filter(server: FakeBuildkite, bk: Buildkite, job: JobRecord) -> None:
    wanted = server.add_artifact(job, "log dir/größe #1+2.txt", b"x", state="new")
    server.add_artifact(job, "log dir/größe #1+2.xml", b"x", state="new")
    server.add_artifact(job, "log dir/größe #1+2.txt", b"x")
    (artifact,) = (
        bk.organization("acme")
        .pipeline("web")
        .build(1)
        .artifacts(state=ArtifactState.NEW, path="log dir/größe #1+2.t*")
    )
    (request,) = server.requests
    assert (request.method, request.path, request.body) == ("GET", f"{BUILD}/artifacts", b"")
    assert sorted(request.query) == [("path", "log dir/größe #1+2.t*"), ("per_page", "100"), ("state", "new")]
    assert (type(artifact), artifact.id, artifact.state) == (Artifact, wanted.id, ArtifactState.NEW)


def test_a_job_lists_artifacts_by_either_route(
    server: FakeBuildkite, bk: Buildkite, job: JobRecord, stored: ArtifactRecord
) -> None:
    for path, ref in routes(bk, job).items():
        server.requests.clear()
        (artifact,) = ref.artifacts(state="finished", path="dist/*")
        (request,) = server.requests
        assert request.path == f"{path}/artifacts"
        assert sorted(request.query) == [("path", "dist/*"), ("per_page", "100"), ("state", "finished")]
        assert artifact.id == stored.id


def test_a_state_that_artifacts_do_not_have_is_refused(bk: Buildkite, job: JobRecord) -> None:
    artifacts = bk.organization("acme").job(job.id).artifacts
    with pytest.raises(ValueError, match="state='done': the values are new"):
        artifacts(state="done")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(UnprocessableEntityError, match="Invalid state"):
        list(artifacts(state=ArtifactState("done")))


def test_an_artifact_is_fetched_by_either_route(
    server: FakeBuildkite, bk: Buildkite, job: JobRecord, stored: ArtifactRecord
) -> None:
    for path, ref in routes(bk, job).items():
        server.requests.clear()
        artifact = ref.artifact(stored.id).fetch()
        (request,) = server.requests
        assert (request.method, request.path, request.query) == ("GET", f"{path}/artifacts/{stored.id}", [])
        assert (type(artifact), artifact.path, artifact.file_size) == (Artifact, "dist/app.bin", len(CONTENT))
        assert artifact.sha1sum == hashlib.sha1(CONTENT).hexdigest()  # noqa: S324 - the API's choice
        assert artifact.job == bk.organization("acme").job(job.id)


def test_deleting_is_one_request(server: FakeBuildkite, bk: Buildkite, job: JobRecord, stored: ArtifactRecord) -> None:
    ref_to(bk, stored).delete()
    (request,) = server.requests
    assert (request.method, request.path, request.body) == (
        "DELETE",
        f"/v2/organizations/acme/jobs/{job.id}/artifacts/{stored.id}",
        b"",
    )
    with pytest.raises(NotFoundError, match="No artifact found"):
        ref_to(bk, stored).fetch()


def test_downloading_needs_its_own_scope(server: FakeBuildkite, stored: ArtifactRecord) -> None:
    with (
        server.client(token=server.make_token("read_builds")) as bk,
        pytest.raises(PermissionDeniedError, match="read_artifacts"),
    ):
        ref_to(bk, stored).download()


# -- whole


def test_a_download_returns_the_bytes(artifact: Artifact, costs: Costs) -> None:
    with costs(1, artifacts=1):
        content = artifact.download()
    assert content == CONTENT


def test_a_download_through_a_ref_costs_no_more(bk: Buildkite, stored: ArtifactRecord, costs: Costs) -> None:
    with costs(1, artifacts=1):
        assert ref_to(bk, stored).download() == CONTENT


def test_an_empty_artifact_is_empty(server: FakeBuildkite, bk: Buildkite, job: JobRecord) -> None:
    artifact = ref_to(bk, server.add_artifact(job, "empty.txt", b"")).fetch()
    assert artifact.download() == b""
    assert list(artifact.download(stream=True)) == []


def test_text_is_decoded(server: FakeBuildkite, bk: Buildkite, job: JobRecord) -> None:
    ref = ref_to(bk, server.add_artifact(job, "a.txt", "größe ✓".encode()))
    assert ref.text() == "größe ✓"
    assert ref.text(encoding="latin-1") == "größe ✓".encode().decode("latin-1")
    with pytest.raises(UnicodeDecodeError):
        ref.text(encoding="ascii")
    assert ref.text(encoding="ascii", errors="ignore") == "gre "


def test_an_artifact_without_a_client_states_so(artifact: Artifact) -> None:
    unbound = Artifact.model_validate(artifact.dump())
    with pytest.raises(UnboundError, match="belongs to no client"):
        unbound.download()


# -- as a stream


def test_nothing_is_requested_before_the_first_chunk(artifact: Artifact, costs: Costs) -> None:
    with costs(0):
        chunks = artifact.download(stream=True)
    with costs(1, artifacts=1):
        next(chunks)
    chunks.close()


def test_a_stream_returns_all_in_chunks_that_are_small(artifact: Artifact) -> None:
    sizes: list[int] = []
    whole = hashlib.sha256()
    for chunk in artifact.download(stream=True):
        sizes.append(len(chunk))
        whole.update(chunk)
    assert whole.digest() == hashlib.sha256(CONTENT).digest()
    assert min(sizes) > 0
    assert max(sizes) <= 128 * 1024


def test_a_stream_that_is_at_its_end_stays_there(artifact: Artifact, costs: Costs) -> None:
    chunks = artifact.download(stream=True)
    list(chunks)
    with costs(0):
        assert list(chunks) == []


def test_a_stream_that_was_closed_requests_nothing_more(artifact: Artifact, costs: Costs) -> None:
    with artifact.download(stream=True) as chunks:
        next(chunks)
    with costs(0):
        assert list(chunks) == []


def test_a_stream_holds_no_more_than_a_chunk(server: FakeBuildkite, bk: Buildkite, job: JobRecord) -> None:
    ref = ref_to(bk, server.add_artifact(job, "big.bin", 20_000_000))
    next(iter(ref.download(stream=True)))  # load lazy imports first
    chunks = ref.download(stream=True)
    tracemalloc.start()
    try:
        for _ in chunks:
            pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_500_000


# -- what goes wrong on the way


@pytest.mark.parametrize("kind", ["reset_mid_body", "truncate"])
@pytest.mark.parametrize("http", [False, True])
def test_a_download_that_breaks_continues_at_its_offset(
    server: FakeBuildkite,
    stored: ArtifactRecord,
    kind: Literal["reset_mid_body", "truncate"],
    *,
    http: bool,
) -> None:
    server.faults.add(kind, origin="artifacts", at=300_000)
    with server.client(http=http) as bk:
        assert ref_to(bk, stored).download() == CONTENT
    (_, (second, status)) = downloads_from(server)
    assert status == 206
    assert 0 < int(second.removeprefix("bytes=").removesuffix("-")) <= 300_000


def test_a_download_may_break_as_often_as_it_gets_on(server: FakeBuildkite, artifact: Artifact) -> None:
    def has_far_to_go(request: RecordedRequest) -> bool:
        begin = request.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-")
        return int(begin) < len(CONTENT) - 70_000

    server.faults.add("reset_mid_body", origin="artifacts", at=70_000, times=None, match=has_far_to_go)
    assert artifact.download() == CONTENT
    assert len(downloads_from(server)) > 10


class Rangeless(HTTPAdapter):
    """Leads to storages that know of no ranges."""

    def send(self, request: PreparedRequest, *args: Any, **options: Any) -> Response:
        request.headers.pop("Range", None)
        return super().send(request, *args, **options)


def test_a_storage_that_ignores_ranges_returns_the_right_bytes(server: FakeBuildkite, stored: ArtifactRecord) -> None:
    server.faults.add("truncate", origin="artifacts", at=300_000)
    with server.client(http=True, transport=Rangeless()) as bk:
        assert ref_to(bk, stored).fetch().download() == CONTENT
    assert [status for _, status in downloads_from(server)] == [200, 200]


def test_a_storage_that_returns_another_range_is_not_believed(server: FakeBuildkite, artifact: Artifact) -> None:
    server.faults.add("reset_mid_body", origin="artifacts", at=300_000)
    server.faults.add(
        "error",
        origin="artifacts",
        after=0,
        status=206,
        payload="x" * 100,
        headers={"Content-Range": f"bytes 0-99/{len(CONTENT)}"},
    )
    with pytest.raises(DownloadError, match="another range"):
        artifact.download()


def break_off_and_refuse_the_rest(server: FakeBuildkite, *, length: int) -> None:
    """Break off at 128 KiB, and say of the rest that the file is only `length` bytes long."""
    server.faults.add("truncate", origin="artifacts", at=131_072)
    server.faults.add(
        "error", origin="artifacts", status=416, headers={"Content-Range": f"bytes */{length}"}, times=None
    )


def test_a_connection_that_breaks_after_the_last_byte_is_not_a_failure(
    server: FakeBuildkite, bk: Buildkite, stored: ArtifactRecord
) -> None:
    break_off_and_refuse_the_rest(server, length=131_072)
    assert ref_to(bk, stored).download() == CONTENT[:131_072]
    assert len(downloads_from(server)) == 2


def test_an_end_that_differs_from_the_end_of_the_uploaded_file_is_an_error(
    server: FakeBuildkite, artifact: Artifact
) -> None:
    break_off_and_refuse_the_rest(server, length=131_072)
    with pytest.raises(ChecksumMismatchError, match="131072 bytes were received"):
        artifact.download()


def test_a_rest_that_is_refused_is_an_error(server: FakeBuildkite, bk: Buildkite, stored: ArtifactRecord) -> None:
    break_off_and_refuse_the_rest(server, length=100)
    with pytest.raises(DownloadError, match="status 416"):
        ref_to(bk, stored).download()


def test_a_connection_that_never_gets_on_is_given_up(server: FakeBuildkite, artifact: Artifact) -> None:
    server.faults.add("reset_before", origin="artifacts", times=None)
    with pytest.raises(ConnectionFailedError):
        artifact.download()
    assert len(downloads_from(server)) == RetryPolicy().attempts


def test_a_storage_that_has_a_problem_is_retried_as_often_as_the_policy_allows(
    server: FakeBuildkite, artifact: Artifact
) -> None:
    server.faults.add("html", status=503, origin="artifacts", times=None)
    before = server.clock.now()
    with pytest.raises(ServerError, match="503"):
        artifact.download()
    assert len(downloads_from(server)) == RetryPolicy().attempts
    assert server.clock.now() > before


def test_a_storage_that_recovers_is_forgiven(server: FakeBuildkite, artifact: Artifact) -> None:
    server.faults.add("html", status=503, origin="artifacts", times=4)
    assert artifact.download() == CONTENT


def test_without_retries_the_first_failure_is_the_last(server: FakeBuildkite, stored: ArtifactRecord) -> None:
    server.faults.add("html", status=503, origin="artifacts", times=None)
    with server.client(retry=RetryPolicy(attempts=1)) as bk, pytest.raises(ServerError):
        ref_to(bk, stored).download()
    assert len(downloads_from(server)) == 1


def test_an_api_that_returns_no_link_is_requested_no_more_often_than_the_policy_allows(
    server: FakeBuildkite, artifact: Artifact
) -> None:
    server.faults.add("error", status=500, match="/download", times=None)
    with pytest.raises(ServerError):
        artifact.download()
    assert len(server.requests) == RetryPolicy().attempts


def test_a_link_that_is_refused_is_requested_anew(server: FakeBuildkite, artifact: Artifact, costs: Costs) -> None:
    server.faults.add("error", origin="artifacts", status=403)
    with costs(2, artifacts=2):
        assert artifact.download() == CONTENT


def test_a_link_that_has_expired_before_the_download_continues_is_replaced(
    server: FakeBuildkite, artifact: Artifact
) -> None:
    server.faults.add("reset_mid_body", origin="artifacts", at=300_000)
    chunks = artifact.download(stream=True)
    got = next(chunks)
    server.clock.advance(3600)
    assert got + b"".join(chunks) == CONTENT


def test_a_file_that_is_refused_with_a_new_link_too_is_an_error(server: FakeBuildkite, artifact: Artifact) -> None:
    server.faults.add("error", origin="artifacts", status=403, times=None)
    with pytest.raises(DownloadError, match="status 403") as caught:
        artifact.download()
    assert len(server.requests) == 4
    assert "Signature" not in str(caught.value)
    assert "Signature" not in (caught.value.url or "")


def test_a_file_that_its_storage_does_not_have_is_an_error(server: FakeBuildkite, artifact: Artifact) -> None:
    server.faults.add("error", origin="artifacts", status=404, times=None)
    with pytest.raises(DownloadError, match="status 404") as caught:
        artifact.download()
    assert caught.value.status == 404
    assert len(downloads_from(server)) == 1


def test_a_storage_that_redirects_is_followed(server: FakeBuildkite, artifact: Artifact) -> None:
    url = link(server, artifact)
    server.faults.add("redirect", origin="artifacts", location=url, status=307)
    assert artifact.download() == CONTENT
    assert [status for _, status in downloads_from(server)] == [307, 200]


def link(server: FakeBuildkite, artifact: Artifact) -> str:
    """Request a link to an artifact's content as another client would."""
    import requests  # noqa: PLC0415

    with requests.Session() as session:
        session.mount("https://", server.adapter())
        response = session.get(
            f"https://api.buildkite.com/v2/{artifact.api_path}/download",
            headers={"Authorization": f"Bearer {server.token}"},
            allow_redirects=False,
        )
    return response.headers["Location"]


def test_a_storage_that_redirects_in_circles_is_an_error(server: FakeBuildkite, artifact: Artifact) -> None:
    server.faults.add("redirect", origin="artifacts", location="/again", times=None)
    with pytest.raises(DownloadError, match="redirects more than"):
        artifact.download()
    assert len(downloads_from(server)) < 10


@pytest.mark.parametrize(
    "location", ["http://evil.example/x", "ftp://evil.example/x", "file:///etc/passwd", "http://[::1"]
)
def test_a_link_that_leads_off_https_is_not_followed(server: FakeBuildkite, artifact: Artifact, location: str) -> None:
    server.faults.add("redirect", match="/download", location=location, times=None)
    with pytest.raises(ResponseError):
        artifact.download()
    assert len(server.requests) == 1


@pytest.mark.parametrize("location", ["/files/x?sig=1", f"{'../' * 12}files/x?sig=1"])
def test_a_relative_link_is_resolved_and_requested_without_the_token(
    server: FakeBuildkite, artifact: Artifact, location: str
) -> None:
    server.faults.add("redirect", match="/download", location=location, times=1)
    with pytest.raises(DownloadError):
        artifact.download()
    followed = [request for request in server.requests if request.path.endswith("/files/x")]
    assert followed
    assert not any("Authorization" in request.headers for request in followed)


def test_a_response_that_is_not_a_link_is_not_taken_for_the_file(server: FakeBuildkite, artifact: Artifact) -> None:
    server.faults.add("error", match="/download", status=200, payload={"url": "https://evil.example"}, times=None)
    with pytest.raises(ResponseError, match="a redirect to the file was expected"):
        artifact.download()


# -- checks


def test_bytes_that_are_not_those_that_were_uploaded_are_an_error(server: FakeBuildkite, artifact: Artifact) -> None:
    server.faults.add("corrupt_body", origin="artifacts")
    with pytest.raises(ChecksumMismatchError, match="SHA1"):
        artifact.download()


def test_a_stream_states_of_wrong_bytes_at_its_end(server: FakeBuildkite, artifact: Artifact) -> None:
    server.faults.add("corrupt_body", origin="artifacts")
    got: list[bytes] = []
    with pytest.raises(ChecksumMismatchError):
        got.extend(artifact.download(stream=True))
    assert sum(map(len, got)) == len(CONTENT)


def test_too_few_bytes_are_an_error(bk: Buildkite, stored: ArtifactRecord) -> None:
    stored.file_size = len(CONTENT) + 1
    with pytest.raises(ChecksumMismatchError, match=f"{len(CONTENT)} bytes were received, not the {len(CONTENT) + 1}"):
        ref_to(bk, stored).fetch().download()


def test_a_sha256_in_the_payload_is_checked(server: FakeBuildkite, bk: Buildkite, stored: ArtifactRecord) -> None:
    server.settings.sha256sums = True
    assert ref_to(bk, stored).fetch().download() == CONTENT
    stored.sha256sum = "0" * 64
    with pytest.raises(ChecksumMismatchError, match="SHA256"):
        ref_to(bk, stored).fetch().download()


def test_a_checksum_in_capitals_is_the_same(bk: Buildkite, stored: ArtifactRecord) -> None:
    stored.sha1sum = hashlib.sha1(CONTENT).hexdigest().upper()  # noqa: S324 - the API's choice
    assert ref_to(bk, stored).fetch().download() == CONTENT


def test_unknown_lengths_and_hashes_are_not_checked(
    server: FakeBuildkite, bk: Buildkite, stored: ArtifactRecord
) -> None:
    artifact = ref_to(bk, stored).fetch()
    bare = Artifact.model_validate({**artifact.dump(), "file_size": None, "sha1sum": None})
    assert bk.bind(bare).download() == CONTENT
    assert server.requests[-1].origin == "artifacts"


# -- states


def test_a_new_artifact_downloads(bk: Buildkite, stored: ArtifactRecord) -> None:
    stored.state = "new"
    assert ref_to(bk, stored).fetch().download() == CONTENT


@pytest.mark.parametrize("state", ["error", "expired", "deleted"])
def test_an_error_for_a_deleted_artifact_names_its_state(
    server: FakeBuildkite, bk: Buildkite, stored: ArtifactRecord, state: str
) -> None:
    stored.state = state
    (artifact,) = bk.organization("acme").pipeline("web").build(1).artifacts(state=ArtifactState(state))
    server.requests.clear()
    with pytest.raises(NotFoundError, match=f"its state was '{state}'"):
        artifact.download()
    assert len(server.requests) == 1


# -- the token


def test_the_token_never_goes_to_the_storage(server: FakeBuildkite, stored: ArtifactRecord) -> None:
    server.faults.add("reset_mid_body", origin="artifacts", at=300_000)
    server.faults.add("error", origin="artifacts", status=403)
    with server.client(http=True) as bk:
        assert ref_to(bk, stored).download() == CONTENT
    for request in server.requests:
        text = request.line + str(list(request.headers)) + str(request.body)
        assert (server.token in text) == (request.origin == "api")
    assert len(downloads_from(server)) == 3


def test_a_netrc_for_the_storage_is_not_used(
    server: FakeBuildkite,
    stored: ArtifactRecord,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    netrc = tmp_path_factory.mktemp("home") / "netrc"
    netrc.write_text("default login someone password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with server.client(http=True) as bk:
        assert ref_to(bk, stored).download() == CONTENT
    assert all("Authorization" not in each.headers for each in server.requests if each.origin == "artifacts")
