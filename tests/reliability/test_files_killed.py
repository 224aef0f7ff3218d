"""Files left behind by a process that is killed while saving, and how the next save uses them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm import Artifact, BuildkiteError
from buildkite_orm.files.atomic import PartialFile
from buildkite_orm.files.folders import WORKING_FOLDER

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from buildkite_orm import Buildkite
    from buildkite_orm.fake import ArtifactRecord, FakeBuildkite
    from tests.conftest import Costs

    Leave = Callable[[int], Path]

CONTENT = b"".join(number.to_bytes(4, "big") for number in range(50_000))

# -- files left behind


@pytest.fixture
def stored(server: FakeBuildkite) -> ArtifactRecord:
    return server.add_artifact(server.add_build("web", jobs=1).jobs[0], "dist/app.bin", CONTENT)


@pytest.fixture
def artifact(bk: Buildkite, stored: ArtifactRecord) -> Artifact:
    return bk.organization("acme").job(stored.job.id).artifact(stored.id).fetch()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "app.bin"


def do_nothing(_: object) -> None: ...


def die(saved: Any, place: Path, monkeypatch: pytest.MonkeyPatch) -> Path | None:
    """Save as a process that is killed: nothing is cleaned up. Return the partial file, if any."""
    with monkeypatch.context() as patch:
        patch.setattr(PartialFile, "discard", do_nothing)
        with pytest.raises(BuildkiteError):
            saved.save_to(place)
    return next(iter(place.parent.glob(f"{WORKING_FOLDER}/*.part")), None)


@pytest.fixture
def leave(server: FakeBuildkite, artifact: Artifact, place: Path, monkeypatch: pytest.MonkeyPatch) -> Leave:
    """Leave a partial file of the first bytes."""

    def begin(size: int) -> Path:
        server.faults.add("corrupt_body" if size == len(CONTENT) else "truncate", origin="artifacts", **at(size))
        server.faults.add("reset_before", origin="artifacts", times=None)
        left = die(artifact, place, monkeypatch)
        assert left is not None
        left.write_bytes(CONTENT[:size])
        server.faults.clear()
        server.requests.clear()
        return left

    def at(size: int) -> dict[str, Any]:
        return {} if size == len(CONTENT) else {"at": size}

    return begin


def ranges(server: FakeBuildkite) -> list[str | None]:
    return [each.headers.get("Range") for each in server.requests if each.origin == "artifacts"]


def saved(artifact: Artifact, place: Path) -> bool:
    """Save, and return whether the folder has the complete file and nothing else."""
    artifact.save_to(place)
    return place.read_bytes() == CONTENT and list(place.parent.iterdir()) == [place]


@pytest.mark.parametrize("size", [1, 65_536, 70_001, len(CONTENT) - 1])
def test_a_partial_file_is_resumed(
    server: FakeBuildkite, artifact: Artifact, place: Path, leave: Leave, size: int
) -> None:
    leave(size)
    assert saved(artifact, place)
    assert ranges(server) == [f"bytes={size}-"]


def test_a_complete_file_without_its_name_is_renamed_and_not_downloaded(
    artifact: Artifact, place: Path, leave: Leave, costs: Costs
) -> None:
    leave(len(CONTENT))
    with costs(0):
        assert saved(artifact, place)


@pytest.mark.parametrize(
    "content",
    [bytes([CONTENT[0] ^ 1]), b"x" * 70_000, CONTENT + b"x", CONTENT[:-1] + b"x"],
    ids=["one byte", "begin", "long", "end"],
)
def test_a_damaged_partial_file_is_downloaded_again(
    server: FakeBuildkite, artifact: Artifact, place: Path, leave: Leave, content: bytes
) -> None:
    leave(70_000).write_bytes(content)
    assert saved(artifact, place)
    assert ranges(server)[-1] is None


def test_a_wrong_checksum_twice_is_an_error_and_nothing_is_left(
    server: FakeBuildkite, artifact: Artifact, place: Path, leave: Leave
) -> None:
    leave(70_000)
    server.faults.add("corrupt_body", origin="artifacts", times=None)
    with pytest.raises(BuildkiteError, match="SHA1"):
        artifact.save_to(place)
    assert list(place.parent.iterdir()) == []
    assert ranges(server) == ["bytes=70000-", None]


def test_a_partial_file_of_other_content_is_not_resumed(
    server: FakeBuildkite, bk: Buildkite, artifact: Artifact, place: Path, leave: Leave
) -> None:
    left = leave(70_000)
    again = Artifact.model_validate({**artifact.dump(), "sha1sum": "0" * 40})
    with pytest.raises(BuildkiteError):
        bk.bind(again).save_to(place)
    assert ranges(server) == [None]
    assert list(place.parent.rglob("*.part")) == [left]


def test_without_a_checksum_it_starts_again(
    server: FakeBuildkite, bk: Buildkite, artifact: Artifact, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = bk.bind(Artifact.model_validate({**artifact.dump(), "sha1sum": None}))
    server.faults.add("truncate", origin="artifacts", at=70_000)
    server.faults.add("reset_before", origin="artifacts", times=None)
    assert die(bare, place, monkeypatch) is not None
    server.faults.clear()
    server.requests.clear()
    assert saved(bare, place)
    assert ranges(server) == [None]


def test_a_log_starts_again_and_replaces_the_partial_file(
    server: FakeBuildkite, bk: Buildkite, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = server.add_build("web", jobs=1).jobs[0]
    server.set_log(job, b"line\n" * 50_000)
    log = bk.organization("acme").job(job.id).log()
    server.faults.add("reset_mid_body", at=1000, match="/log", times=None)
    left = die(log, place, monkeypatch)
    assert left is not None
    left.write_bytes(b"rotten")
    server.faults.clear()
    log.save_to(place)
    assert place.read_bytes() == b"line\n" * 50_000
    assert list(place.parent.iterdir()) == [place]
