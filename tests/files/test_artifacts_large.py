"""Artifacts of more than a block: hashed in a thread of its own while they load, and no thread is left behind."""

from __future__ import annotations

import hashlib
import threading
from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm import ChecksumMismatchError, ConnectionFailedError, DownloadError, RetryPolicy
from buildkite_orm.files.atomic import PartialFile
from buildkite_orm.files.folders import WORKING_FOLDER

if TYPE_CHECKING:
    from pathlib import Path

    from buildkite_orm.fake import FakeBuildkite
    from buildkite_orm.fake.records import ArtifactRecord

BLOCK = 1 << 20
LARGE = 4 * BLOCK + 7


@pytest.fixture
def large(server: FakeBuildkite) -> ArtifactRecord:
    job = server.add_build("web", jobs=[{"name": "Test"}]).jobs[0]
    return server.add_artifact(job, "dist/large.bin", LARGE)


def save(server: FakeBuildkite, stored: ArtifactRecord, folder: Path, **options: Any) -> Path:
    with server.client(**options) as bk:
        return bk.organization("acme").job(stored.job.id).artifact(stored.id).save_to(folder / "large.bin")


def sha1(content: bytes) -> str:
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()


def do_nothing(_: object) -> None:
    """As a process that is not there any more."""


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 3 * BLOCK + 65_537])
def test_a_file_of_any_size_is_saved_and_checked(server: FakeBuildkite, tmp_path: Path, size: int) -> None:
    job = server.add_build("web", jobs=[{"name": "Test"}]).jobs[0]
    stored = server.add_artifact(job, "dist/any.bin", size)
    content = save(server, stored, tmp_path).read_bytes()
    assert (len(content), sha1(content)) == (size, stored.content.sha1sum)


def test_wrong_bytes_are_an_error_and_nothing_is_kept(
    server: FakeBuildkite, large: ArtifactRecord, tmp_path: Path
) -> None:
    server.faults.add("corrupt_body", origin="artifacts")
    with pytest.raises(ChecksumMismatchError, match="SHA1"):
        save(server, large, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_breaks_in_a_later_block_is_whole_nevertheless(
    server: FakeBuildkite, large: ArtifactRecord, tmp_path: Path
) -> None:
    server.faults.add("reset_mid_body", origin="artifacts", at=2 * BLOCK + 100)
    assert sha1(save(server, large, tmp_path).read_bytes()) == large.content.sha1sum


def test_the_partial_file_of_a_killed_process_is_hashed_too(
    server: FakeBuildkite, large: ArtifactRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.faults.add("reset_mid_body", origin="artifacts", at=3 * BLOCK)
    with monkeypatch.context() as patch:
        patch.setattr(PartialFile, "discard", do_nothing)
        with pytest.raises(ConnectionFailedError):
            save(server, large, tmp_path, retry=RetryPolicy(attempts=1))
    (left,) = (tmp_path / WORKING_FOLDER).iterdir()
    assert 2 * BLOCK < left.stat().st_size < LARGE
    assert sha1(save(server, large, tmp_path).read_bytes()) == large.content.sha1sum
    assert server.requests[-1].headers["Range"] != "bytes=0-"


def refuse_late(part: PartialFile, chunk: bytes) -> None:
    """Write as a disk does that is full after some blocks."""
    if part.size > 3 * BLOCK:
        raise DownloadError("the disk is full")
    part.size += len(chunk)


@pytest.mark.parametrize("ending", ["whole", "broken", "corrupt", "full"])
def test_no_thread_is_left(
    server: FakeBuildkite, large: ArtifactRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    if ending == "broken":
        server.faults.add("reset_mid_body", origin="artifacts", at=3 * BLOCK)
    elif ending == "corrupt":
        server.faults.add("corrupt_body", origin="artifacts")
    elif ending == "full":
        monkeypatch.setattr(PartialFile, "write", refuse_late)
    before = set(threading.enumerate())
    if ending == "whole":
        save(server, large, tmp_path)
    else:
        with pytest.raises((DownloadError, ConnectionFailedError)):
            save(server, large, tmp_path, retry=RetryPolicy(attempts=1))
    assert set(threading.enumerate()) <= before
