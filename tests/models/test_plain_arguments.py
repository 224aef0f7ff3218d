"""Paths, counts and seconds that a caller gives as an enum, a scalar of numpy, or something else altogether."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum, IntEnum
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm.files.bulk import save_all
from buildkite_orm.files.multipart import File
from buildkite_orm.utils.plain_values import as_number, as_path

if TYPE_CHECKING:
    from buildkite_orm import ArtifactQuerySet, Buildkite, LogRef
    from buildkite_orm.fake import FakeBuildkite

numpy = pytest.importorskip("numpy")


class Place(str, Enum):  # noqa: UP042 - the point
    """An enum of strings as it was written before `StrEnum`: `str()` gives `Place.OUT`."""

    OUT = "out"


class Five(IntEnum):
    FIVE = 5


@pytest.fixture
def artifacts(server: FakeBuildkite, bk: Buildkite) -> ArtifactQuerySet:
    build = server.add_build("web", jobs=1)
    server.add_artifact(build.jobs[0], "a/file.txt", b"content")
    return bk.organization("acme").pipeline("web").build(build.number).artifacts()


@pytest.fixture
def log(server: FakeBuildkite, bk: Buildkite) -> LogRef:
    return bk.organization("acme").job(server.add_build("web", jobs=1).jobs[0].id).log()


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_files_are_saved_in_a_folder_named_by_an_enum_member(artifacts: ArtifactQuerySet, log: LogRef) -> None:
    assert artifacts[0].save_to(Place.OUT) == Path("out")
    Path("out").unlink()
    assert log.save_to(Place.OUT) == Path("out")
    Path("out").unlink()
    assert artifacts.save_all(Place.OUT).paths == [Path("out/a/file.txt")]
    assert [place.name for place in Path().iterdir()] == ["out"]


def test_a_file_is_published_under_the_name_that_a_member_of_an_enum_stands_for() -> None:
    Path("out").write_bytes(b"content")
    assert File(Place.OUT).name == "out"
    assert File(BytesIO(b"content"), Place.OUT).name == "out"


@pytest.mark.parametrize("path", [b"out", None, 7, 1.5, ["out"]])
def test_a_value_that_is_not_a_path_is_refused_before_any_request(
    server: FakeBuildkite, artifacts: ArtifactQuerySet, log: LogRef, path: Any
) -> None:
    artifact = artifacts[0]
    server.requests.clear()
    for save in (artifact.save_to, log.save_to, artifacts.save_all):
        with pytest.raises(TypeError, match="is a path or a string, not"):
            save(path)
    assert not server.requests
    assert list(Path().iterdir()) == []


def test_a_layout_may_return_a_path(artifacts: ArtifactQuerySet) -> None:
    assert artifacts.save_all("out", layout=lambda _: Path("by/path")).paths == [Path("out/by/path")]  # type: ignore[arg-type, return-value]
    assert artifacts.save_all("out", layout=lambda _: Place.OUT).paths == [Path("out/out")]


@pytest.mark.parametrize("returned", [None, 5, b"file"])
def test_a_layout_that_does_not_return_a_path_is_refused_by_name(artifacts: ArtifactQuerySet, returned: Any) -> None:
    with pytest.raises(TypeError, match="the path that the layout returns is a path or a string, not"):
        artifacts.save_all("out", layout=lambda _: returned)


@pytest.mark.parametrize("layout", ["jobs", "", None, 5])
def test_a_layout_that_is_none_is_refused_by_name(artifacts: ArtifactQuerySet, layout: Any) -> None:
    with pytest.raises(ValueError, match="layout="):
        artifacts.save_all("out", layout=layout)


@pytest.mark.parametrize("number", [Five.FIVE, numpy.int64(5)])
def test_counts_may_be_whole_numbers_of_any_kind(artifacts: ArtifactQuerySet, log: LogRef, number: Any) -> None:
    assert len(artifacts.save_all("out", workers=number).saved) == 1
    assert artifacts[0].open(buffer_size=number).read() == b"content"
    assert len(list(log.search("~~~", context=number))) == len(list(log.search("~~~", context=5)))
    assert len(list(log.fetch().search("~~~", context=number))) > 0


@pytest.mark.parametrize("number", [5.0, True, "5", None, numpy.float64(5), numpy.True_, Decimal(5)])
def test_counts_that_are_not_whole_numbers_are_refused_by_name(
    bk: Buildkite, artifacts: ArtifactQuerySet, log: LogRef, number: Any
) -> None:
    artifact = artifacts[0]
    for use in (
        lambda: save_all([], "out", workers=number),
        lambda: bk.organization("acme").builds().all(workers=number),
        lambda: artifact.open(buffer_size=number),
        lambda: next(log.search("~~~", context=number)),
    ):
        with pytest.raises(TypeError, match=r"(workers|buffer_size|context) is a whole number, not"):
            use()


def test_an_index_or_a_slice_beyond_all_numbers_finds_nothing(artifacts: ArtifactQuerySet) -> None:
    assert len(artifacts[0 : 10**30]) == 1
    assert artifacts.fresh()[10**30 :] == []
    with pytest.raises(IndexError):
        artifacts[10**30]


@pytest.mark.parametrize("seconds", ["5", None, True, b"5", [5]])
def test_seconds_that_are_not_a_number_are_refused_by_name(bk: Buildkite, log: LogRef, seconds: Any) -> None:
    with pytest.raises(TypeError, match="every is a number, not"):
        next(log.follow(every=seconds))
    if seconds is not None:  # which means: without end
        with pytest.raises(TypeError, match="timeout is a number, not"):
            bk.organization("acme").pipeline("web").build(1).wait(timeout=seconds)


def test_plain_paths_and_numbers_stay_as_they_are() -> None:
    assert as_path("path", "a/") == "a/"
    assert as_path("path", Path("a")) == "a"
    assert type(as_path("path", Place.OUT)) is str
    assert as_number("timeout", numpy.float32(0.5)) == 0.5
    assert as_number("timeout", Decimal("0.5")) == 0.5
