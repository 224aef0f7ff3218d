"""Artifact files with a cache."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm import ChecksumMismatchError, ConfigurationError, NotCachedError
from tests.cache.conftest import web_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from buildkite_orm import Artifact, Buildkite
    from buildkite_orm.fake import FakeBuildkite
    from buildkite_orm.fake.records import ArtifactRecord
    from tests.cache.conftest import Clients
    from tests.conftest import Costs

pytestmark = pytest.mark.usefixtures("record")

CONTENT = b"hello\n" * 50_000


@pytest.fixture
def record(server: FakeBuildkite) -> ArtifactRecord:
    """An artifact of a job that was finished almost an hour ago."""
    build = server.add_build("web", jobs=[{"name": "Test"}], created_at=server.clock.now() - 3600)
    return server.add_artifact(build.jobs[0], "dist/a.txt", CONTENT)


def artifact_of(bk: Buildkite) -> Artifact:
    return web_of(bk).build(1).fetch().artifacts()[0]


def content_files(folder: Path) -> list[Path]:
    return [path for path in (folder / "files").rglob("*") if path.is_file()]


READS: dict[str, Callable[[Artifact, Path], bytes]] = {
    "download": lambda artifact, _folder: artifact.download(),
    "stream": lambda artifact, _folder: b"".join(artifact.download(stream=True)),
    "save_to": lambda artifact, folder: artifact.save_to(folder / "saved").read_bytes(),
}


@pytest.mark.parametrize("first", READS)
@pytest.mark.parametrize("second", [*READS, "open"])
def test_a_file_is_requested_once(new_client: Clients, costs: Costs, tmp_path: Path, first: str, second: str) -> None:
    assert READS[first](artifact_of(new_client()), tmp_path) == CONTENT
    artifact = artifact_of(new_client())
    with costs(0):
        if second != "open":
            assert READS[second](artifact, tmp_path) == CONTENT
            return
        with artifact.open() as file:
            assert (file.seek(6), file.read(5), file.seek(-6, 2), file.read()) == (
                6,
                b"hello",
                len(CONTENT) - 6,
                b"hello\n",
            )


def test_a_ref_of_the_artifact_finds_a_stored_file(record: ArtifactRecord, new_client: Clients, costs: Costs) -> None:
    bk = new_client()
    ref = bk.organization("acme").job(record.job.id).artifact(record.id)
    ref.download()
    artifact_of(bk).download()
    with costs(0):
        assert ref.download() == CONTENT
        with ref.open() as file:
            assert file.read() == CONTENT


def test_save_all_stores_files_too(new_client: Clients, costs: Costs, tmp_path: Path) -> None:
    web_of(new_client()).build(1).fetch().artifacts().save_all(tmp_path / "a")
    artifacts = web_of(new_client()).build(1).fetch().artifacts()
    with costs(1):  # listings of artifacts are never stored
        report = artifacts.save_all(tmp_path / "b")
    assert report.paths[0].read_bytes() == CONTENT


def test_equal_files_are_stored_once_under_their_own_sha_256(
    record: ArtifactRecord, server: FakeBuildkite, new_client: Clients, folder: Path
) -> None:
    server.add_artifact(record.job, "dist/b.txt", CONTENT)
    for artifact in web_of(new_client()).build(1).fetch().artifacts():
        artifact.download()
    (path,) = content_files(folder)
    assert path.name == hashlib.sha256(CONTENT).hexdigest()


def test_a_file_is_found_by_its_id_and_not_by_a_checksum_of_the_server(
    record: ArtifactRecord, server: FakeBuildkite, new_client: Clients
) -> None:
    digest = hashlib.sha256(CONTENT).hexdigest()

    def with_sums(payload: Any) -> Any:
        return [{**each, "sha256sum": digest} for each in payload] if "sha1sum" in str(payload) else payload

    artifact_of(new_client()).download()
    server.settings.drift = with_sums
    other = server.add_artifact(record.job, "dist/b.txt", b"other")
    found = {each.id: each for each in web_of(new_client()).build(1).fetch().artifacts()}
    with pytest.raises(ChecksumMismatchError):
        found[other.id].download()


def test_the_file_of_an_unfinished_job_is_not_stored(
    record: ArtifactRecord, server: FakeBuildkite, new_client: Clients, folder: Path
) -> None:
    record.job.state = "running"
    job = web_of(new_client()).build(1).fetch().jobs()[0]
    assert job.artifacts()[0].download() == CONTENT
    record.job.state, record.job.finished_at = "passed", server.clock.now() - 590
    job = web_of(new_client()).build(1).fetch().jobs()[0]
    assert job.artifacts()[0].download() == CONTENT
    assert content_files(folder) == []
    server.clock.advance(11)
    job.artifacts()[0].download()
    assert len(content_files(folder)) == 1


def test_a_download_that_breaks_off_or_ends_early_stores_nothing(new_client: Clients, folder: Path) -> None:
    with artifact_of(new_client()).download(stream=True) as chunks:
        next(chunks)
    assert content_files(folder) == []


def test_wrong_bytes_are_not_stored(new_client: Clients, folder: Path, tmp_path: Path) -> None:
    artifact = artifact_of(new_client())
    vars(artifact)["sha1sum"] = "0" * 40
    with pytest.raises(ChecksumMismatchError):
        artifact.download()
    with pytest.raises(ChecksumMismatchError):
        artifact.save_to(tmp_path / "a")
    assert content_files(folder) == []


@pytest.mark.parametrize("damage", [b"jello" + CONTENT[5:], CONTENT[:-1], b"", None])
def test_a_damaged_or_missing_file_is_requested_again(
    new_client: Clients, folder: Path, costs: Costs, damage: bytes | None
) -> None:
    artifact_of(new_client()).download()
    (path,) = content_files(folder)
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage)
    artifact = artifact_of(new_client())
    with costs(1, artifacts=1):
        assert artifact.download() == CONTENT
    with costs(0):
        assert artifact.download() == CONTENT


def test_our_own_delete_removes_a_file(new_client: Clients, folder: Path) -> None:
    artifact = artifact_of(new_client())
    artifact.download()
    artifact.delete()
    assert content_files(folder) == []
    with pytest.raises(NotCachedError):
        artifact.download(cache="only")


def test_modes_of_one_call(new_client: Clients, costs: Costs, folder: Path) -> None:
    artifact = artifact_of(new_client())
    with costs(1, artifacts=1):
        artifact.download(cache="off")
    assert content_files(folder) == []
    artifact.download()
    with costs(1, artifacts=1):
        artifact.download(cache="refresh")
    with costs(0):
        artifact.download(cache="only")


@pytest.mark.parametrize("mode", ["only", "bad"])
def test_saving_a_ref_sends_no_request_if_none_may_be_sent(
    record: ArtifactRecord, new_client: Clients, costs: Costs, tmp_path: Path, mode: Any
) -> None:
    error = NotCachedError if mode == "only" else ConfigurationError
    ref = new_client().organization("acme").job(record.job.id).artifact(record.id)
    with costs(0), pytest.raises(error):
        ref.save_to(tmp_path, cache=mode)


def test_a_file_that_is_too_large_for_the_cache_is_not_stored(new_client: Clients, folder: Path) -> None:
    assert artifact_of(new_client(max_size=400_000)).download() == CONTENT
    assert content_files(folder) == []
