"""Saving only the artifacts that a function selects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from buildkite_orm import PartialDownloadError
from buildkite_orm.progress import progress_bar
from tests.helpers import web_build

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from buildkite_orm import Artifact, ArtifactQuerySet, Buildkite
    from buildkite_orm.fake import ArtifactRecord, FakeBuildkite, JobRecord
    from tests.conftest import Costs

SIZES = (10, 2_000, 30, 4_000, 50)


@pytest.fixture
def records(server: FakeBuildkite, job: JobRecord) -> list[ArtifactRecord]:
    return [server.add_artifact(job, f"out/{size}.bin", bytes(size)) for size in SIZES]


def listing(bk: Buildkite) -> ArtifactQuerySet:
    return web_build(bk).artifacts()


def is_small(artifact: Artifact) -> bool:
    return (artifact.file_size or 0) < 1_000


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


@pytest.mark.usefixtures("records")
def test_only_selected_artifacts_are_requested_and_reported(bk: Buildkite, tmp_path: Path, costs: Costs) -> None:
    with costs(1 + 3, artifacts=3):
        report = listing(bk).save_all(tmp_path, where=is_small)
    assert names(tmp_path) == ["10.bin", "30.bin", "50.bin"]
    assert [each.artifact.path for each in report.saved] == ["out/10.bin", "out/30.bin", "out/50.bin"]
    assert (report.skipped, report.failed) == ([], [])


@pytest.mark.usefixtures("records")
def test_the_same_call_skips_saved_files(bk: Buildkite, tmp_path: Path, costs: Costs) -> None:
    listing(bk).limit(1).save_all(tmp_path, where=is_small)
    with costs(1 + 2, artifacts=2):
        report = listing(bk).save_all(tmp_path, where=is_small)
    assert [each.path.name for each in report.skipped] == ["10.bin"]
    assert [each.path.name for each in report.saved] == ["30.bin", "50.bin"]


@pytest.mark.usefixtures("records")
def test_progress_counts_only_selected_artifacts(
    bk: Buildkite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    totals: list[dict[str, int]] = []

    def record_totals(*options: Any, **total: Any) -> AbstractContextManager[Any]:
        totals.append(total)
        return progress_bar(*options, **total)

    monkeypatch.setattr("buildkite_orm.files.bulk.progress_bar", record_totals)
    listing(bk).save_all(tmp_path, where=is_small)
    assert totals == [{"files": 3, "size": 90}]


def test_a_failure_is_reported_among_selected_artifacts(
    server: FakeBuildkite, bk: Buildkite, tmp_path: Path, records: list[ArtifactRecord]
) -> None:
    server.faults.add("error", match=f"{records[2].id}/download", status=404, times=None)
    with pytest.raises(PartialDownloadError, match="1 of 3 artifacts could not be saved") as caught:
        listing(bk).save_all(tmp_path, where=is_small)
    assert names(tmp_path) == ["10.bin", "50.bin"]
    assert [each.artifact.path for each in caught.value.report.failed] == ["out/30.bin"]


@pytest.mark.usefixtures("records")
def test_the_function_is_called_once_for_each_artifact_together_with_other_filters(
    bk: Buildkite, tmp_path: Path
) -> None:
    seen: list[str] = []
    listing(bk).filter(path="**/*0.bin").limit(4).save_all(tmp_path, where=lambda artifact: seen.append(artifact.path))
    assert seen == ["out/10.bin", "out/2000.bin", "out/30.bin", "out/4000.bin"]
    assert names(tmp_path) == []


@pytest.mark.usefixtures("records")
def test_an_error_in_the_function_is_raised_before_a_file_is_saved(bk: Buildkite, tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        listing(bk).save_all(tmp_path, where=lambda artifact: 1 / (artifact.file_size != 4_000))
    assert names(tmp_path) == []


def test_another_value_than_a_function_is_refused_before_any_request(
    bk: Buildkite, tmp_path: Path, costs: Costs
) -> None:
    with costs(0), pytest.raises(TypeError, match=r"where='\*\.log': must be a function .* filter\(path=…\)"):
        listing(bk).save_all(tmp_path, where=cast("Any", "*.log"))
