"""Many artifacts at once: concurrently within the budget, resumable, each whole or reported."""

from __future__ import annotations

import io
import os
import pickle
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Self, cast

import pytest
from requests.adapters import HTTPAdapter

from buildkite_orm import (
    Artifact,
    ChecksumMismatchError,
    ConfigurationError,
    DownloadError,
    NotFoundError,
    PartialDownloadError,
    UnsafePathError,
)
from buildkite_orm.fake import FakeBuildkite, Settings
from buildkite_orm.progress import progress_bar
from buildkite_orm.utils.cancellation import Cancelled

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from requests import PreparedRequest, Response

    from buildkite_orm import ArtifactQuerySet, Buildkite, DownloadReport
    from buildkite_orm.fake import ArtifactRecord, JobRecord
    from tests.conftest import Costs

CONTENT = bytes(range(256)) * 1200  # more than a few chunks


@pytest.fixture
def other(server: FakeBuildkite, job: JobRecord) -> JobRecord:
    return server.add_job(job.build)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "a" / "b"


def listed(bk: Buildkite) -> ArtifactQuerySet:
    return bk.organization("acme").pipeline("web").build(1).artifacts()


def fill(server: FakeBuildkite, job: JobRecord, count: int) -> list[ArtifactRecord]:
    return [server.add_artifact(job, f"out/{number}.bin", CONTENT[number:]) for number in range(count)]


def there(folder: Path) -> dict[str, bytes]:
    """Return all files in a folder, also those that no user is to see."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def partial(artifacts: ArtifactQuerySet, folder: Path, **options: Any) -> DownloadReport:
    with pytest.raises(PartialDownloadError) as caught:
        artifacts.save_all(folder, **options)
    return caught.value.report


# -- saved files


def test_all_are_saved_at_one_request_each_and_reported_in_order(
    server: FakeBuildkite, bk: Buildkite, job: JobRecord, folder: Path, costs: Costs
) -> None:
    fill(server, job, 20)
    with costs(1 + 20, artifacts=20):
        report = listed(bk).save_all(folder)
    assert there(folder) == {f"out/{number}.bin": CONTENT[number:] for number in range(20)}
    assert [each.path for each in report.saved] == [folder / f"out/{number}.bin" for number in range(20)]
    assert [each.artifact.path for each in report.saved] == [f"out/{number}.bin" for number in range(20)]
    assert (report.folder, report.skipped, report.failed) == (folder, [], [])
    assert report.paths == [each.path for each in report.saved]


def test_only_listed_artifacts_are_saved(server: FakeBuildkite, bk: Buildkite, job: JobRecord, folder: Path) -> None:
    fill(server, job, 5)
    listed(bk).filter(path=["out/1.bin", "**/[34].bin"]).limit(2).save_all(folder)
    assert sorted(there(folder)) == ["out/1.bin", "out/3.bin"]


def test_the_folder_of_unfinished_files_is_removed_once_after_the_last_file(
    server: FakeBuildkite, bk: Buildkite, job: JobRecord, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(server, job, 5)
    removed: list[str] = []
    rmdir = os.rmdir

    def remove(path: Any, *, dir_fd: int | None = None) -> None:
        removed.append(Path(path).name)
        rmdir(path, dir_fd=dir_fd)

    monkeypatch.setattr(os, "rmdir", remove)
    listed(bk).save_all(folder)
    assert removed == [".buildkite_orm-unfinished"]
    assert sorted(each.name for each in folder.rglob("*") if each.is_dir()) == ["out"]


def test_nothing_to_save_makes_nothing(bk: Buildkite, job: JobRecord, folder: Path) -> None:
    report = bk.organization("acme").job(job.id).artifacts().save_all(folder)
    assert str(report) == f"0 saved (0 bytes), 0 skipped, 0 failed: {folder}"
    assert not folder.exists()


def test_the_folder_may_be_text_or_end_with_a_slash(
    server: FakeBuildkite, bk: Buildkite, job: JobRecord, folder: Path
) -> None:
    fill(server, job, 1)
    (saved,) = listed(bk).save_all(f"{folder}/").saved
    assert saved.path == folder / "out/0.bin"


@pytest.mark.parametrize("workers", [0, -1])
def test_zero_workers_are_refused_before_any_request(bk: Buildkite, folder: Path, costs: Costs, workers: int) -> None:
    with costs(0), pytest.raises(ValueError, match="at least 1"):
        listed(bk).save_all(folder, workers=workers)


class Meeting(HTTPAdapter):
    """Returns files only when this many are requested at once."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self._barrier = threading.Barrier(count)

    def send(self, request: PreparedRequest, *args: Any, **options: Any) -> Response:
        if "Signature=" in (request.url or ""):
            self._barrier.wait(timeout=20)
        return super().send(request, *args, **options)


def test_as_many_files_as_workers_are_loaded_at_once(server: FakeBuildkite, job: JobRecord, folder: Path) -> None:
    fill(server, job, 8)
    with server.client(http=True, transport=Meeting(4)) as bk:
        assert len(listed(bk).save_all(folder, workers=4).saved) == 8


def test_it_stays_within_the_budget_that_all_threads_share(folder: Path) -> None:
    with FakeBuildkite(populate=False, settings=Settings(user_limit=10, artifact_url_lifetime=10**6)) as limited:
        fill(limited, limited.add_build("web", jobs=1).jobs[0], 35)
        began = limited.clock.now()
        with limited.client(http=True) as bk:
            assert len(listed(bk).save_all(folder, workers=8).saved) == 35
        assert 429 not in {request.status for request in limited.requests}
        windows = (1 + 35) // 10
        assert windows * 60 <= limited.clock.now() - began <= windows * 65


# -- going on


def test_a_complete_file_is_skipped_without_a_request(
    server: FakeBuildkite, bk: Buildkite, job: JobRecord, folder: Path, costs: Costs
) -> None:
    fill(server, job, 4)
    listed(bk).limit(3).save_all(folder)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.bin")}
    with costs(1 + 1, artifacts=1):
        report = listed(bk).save_all(folder)
    assert [each.path.name for each in report.skipped] == ["0.bin", "1.bin", "2.bin"]
    assert [each.path.name for each in report.saved] == ["3.bin"]
    assert {path: path.stat().st_mtime_ns for path in before} == before


@pytest.mark.parametrize("content", [b"", CONTENT[1:], b"\0" * len(CONTENT), CONTENT + b"x"])
def test_an_incomplete_file_is_replaced(
    server: FakeBuildkite, bk: Buildkite, job: JobRecord, folder: Path, content: bytes
) -> None:
    fill(server, job, 1)
    (folder / "out").mkdir(parents=True)
    (folder / "out/0.bin").write_bytes(content)
    assert len(listed(bk).save_all(folder).saved) == 1
    assert there(folder) == {"out/0.bin": CONTENT}


def test_a_link_to_a_complete_file_is_replaced(
    server: FakeBuildkite, bk: Buildkite, job: JobRecord, folder: Path, tmp_path: Path
) -> None:
    fill(server, job, 1)
    (tmp_path / "elsewhere").write_bytes(CONTENT)
    (folder / "out").mkdir(parents=True)
    (folder / "out/0.bin").symlink_to(tmp_path / "elsewhere")
    report = partial(listed(bk), folder)
    assert isinstance(report.failed[0].error, UnsafePathError)
    (folder / "out/0.bin").unlink()
    (folder / "out/0.bin").symlink_to("1.bin")
    (folder / "out/1.bin").write_bytes(CONTENT)
    assert len(listed(bk).save_all(folder).saved) == 1
    assert not (folder / "out/0.bin").is_symlink()


def test_a_link_as_long_as_the_file_is_not_taken_for_the_file(
    server: FakeBuildkite, bk: Buildkite, job: JobRecord, folder: Path
) -> None:
    server.add_artifact(job, "a.txt", b"other")
    folder.mkdir(parents=True)
    (folder / "other").write_bytes(b"other")
    (folder / "a.txt").symlink_to("other")
    assert len(listed(bk).save_all(folder).saved) == 1
    assert not (folder / "a.txt").is_symlink()


def test_without_a_checksum_nothing_states_whether_it_is_whole_so_it_arrives_again(
    server: FakeBuildkite, bk: Buildkite, job: JobRecord, folder: Path
) -> None:
    fill(server, job, 1)
    server.settings.drift = without_checksums
    for _ in range(2):
        assert len(listed(bk).save_all(folder).saved) == 1


def without_checksums(payload: Any) -> Any:
    if isinstance(payload, list):
        for each in cast("list[dict[str, Any]]", payload):
            each["sha1sum"] = None
    return cast("Any", payload)


def test_an_interrupted_save_continues_with_the_same_call(  # noqa: PLR0917
    server: FakeBuildkite, bk: Buildkite, job: JobRecord, folder: Path, monkeypatch: pytest.MonkeyPatch, costs: Costs
) -> None:
    fill(server, job, 6)
    stopping = Stopping(after=3)
    with monkeypatch.context() as patch:
        patch.setattr("buildkite_orm.files.bulk.save_at", stopping.save_at)
        with pytest.raises(KeyboardInterrupt):
            listed(bk).save_all(folder, workers=1)
    assert sorted(there(folder)) == ["out/0.bin", "out/1.bin", "out/2.bin"]
    with costs(1 + 3, artifacts=3):
        report = listed(bk).save_all(folder)
    assert (len(report.skipped), len(report.saved)) == (3, 3)


class Stopping:
    """Saves some, and is interrupted then."""

    def __init__(self, *, after: int) -> None:
        from buildkite_orm.files.download import save_at  # noqa: PLC0415 - before it is replaced

        self._save_at = save_at
        self._left = after

    def save_at(self, *args: Any) -> None:
        self._left -= 1
        if self._left < 0:
            raise KeyboardInterrupt
        self._save_at(*args)


def test_when_one_thread_is_stopped_the_others_end_and_leave_nothing_half(
    server: FakeBuildkite, bk: Buildkite, job: JobRecord, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from buildkite_orm.files.download import save_at  # noqa: PLC0415 - before it is replaced

    fill(server, job, 6)
    is_half, ended = threading.Event(), list[BaseException]()

    def saving(artifact: Artifact, target: Any, note: Any) -> None:
        if artifact.path == "out/0.bin":
            is_half.wait(timeout=20)
            raise KeyboardInterrupt

        def long(size: int) -> None:
            is_half.set()
            for _ in range(10_000_000):
                note(size)

        try:
            save_at(artifact, target, long)
        except BaseException as error:
            ended.append(error)
            raise

    monkeypatch.setattr("buildkite_orm.files.bulk.save_at", saving)
    with pytest.raises(KeyboardInterrupt):
        listed(bk).save_all(folder, workers=2)
    assert {type(error) for error in ended} == {Cancelled}
    assert there(folder) == {}


# -- what fails


HOSTILE = ["../evil", "/etc/passwd", "a/../../evil", "..\\evil", "C:\\evil", "..", "a\0b", ""]


@pytest.mark.parametrize("layout", ["path", "job"])
@pytest.mark.parametrize("path", HOSTILE)
def test_a_hostile_path_is_refused_and_stops_no_other(  # noqa: PLR0917
    server: FakeBuildkite, bk: Buildkite, job: JobRecord, folder: Path, tmp_path: Path, path: str, layout: Any
) -> None:
    bad = server.add_artifact(job, path or "x", b"evil")
    bad.path = path
    fill(server, job, 3)
    report = partial(listed(bk), folder, layout=layout)
    (failed,) = report.failed
    assert (failed.artifact.path, type(failed.error)) == (path, UnsafePathError)
    assert len(report.saved) == 3
    assert len(there(tmp_path)) == 3
    assert [each.line for each in server.requests if bad.id in each.line] == []


def leads_out(artifact: Artifact) -> str:
    return f"../{artifact.filename}"


def test_a_function_that_leads_out_of_the_folder_is_refused(
    server: FakeBuildkite, bk: Buildkite, job: JobRecord, folder: Path
) -> None:
    fill(server, job, 1)
    report = partial(listed(bk), folder, layout=leads_out)
    assert isinstance(report.failed[0].error, UnsafePathError)


def test_a_link_out_of_the_folder_is_not_followed(
    server: FakeBuildkite, bk: Buildkite, job: JobRecord, folder: Path, tmp_path: Path
) -> None:
    fill(server, job, 1)
    server.add_artifact(job, "fine.txt", b"fine")
    folder.mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (folder / "out").symlink_to(tmp_path / "outside")
    report = partial(listed(bk), folder)
    assert [each.artifact.path for each in report.failed] == ["out/0.bin"]
    assert (len(report.saved), list((tmp_path / "outside").iterdir())) == (1, [])


def test_all_others_are_done_before_the_error_arrives_and_it_states_why_each_failed(
    server: FakeBuildkite, bk: Buildkite, job: JobRecord, folder: Path
) -> None:
    records = fill(server, job, 6)
    records[0].state = "expired"
    records[1].file_size = 5
    server.faults.add("error", origin="artifacts", match=records[2].id, status=404, times=None)
    with pytest.raises(PartialDownloadError, match=r"3 of 6 artifacts could not be saved: out/0.bin: 404") as caught:
        listed(bk).save_all(folder)
    report = caught.value.report
    kinds = [(each.artifact.path, type(each.error)) for each in report.failed]
    assert kinds == [
        ("out/0.bin", NotFoundError),
        ("out/1.bin", ChecksumMismatchError),
        ("out/2.bin", DownloadError),
    ]
    assert sorted(there(folder)) == ["out/3.bin", "out/4.bin", "out/5.bin"]
    first, *lines = str(report).splitlines()
    assert first == f"3 saved (921.6 kB), 0 skipped, 3 failed: {folder}"[: len(first)]
    assert [line.split(":")[0] for line in lines] == ["  out/0.bin", "  out/1.bin", "  out/2.bin"]
    assert "its state was 'expired'" in lines[0]
    assert "Save them again: complete files are skipped." in str(caught.value)


def test_the_error_survives_pickle_with_its_report(
    server: FakeBuildkite, bk: Buildkite, job: JobRecord, folder: Path
) -> None:
    fill(server, job, 5)[1].state = "error"
    with pytest.raises(PartialDownloadError) as caught:
        listed(bk).save_all(folder)
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301
    assert str(again) == str(caught.value)
    assert str(again.report) == str(caught.value.report)
    assert server.token.encode() not in pickle.dumps(caught.value)


def test_a_name_that_would_harm_a_terminal_is_escaped(
    server: FakeBuildkite, bk: Buildkite, job: JobRecord, folder: Path
) -> None:
    server.add_artifact(job, "\x1b[2Jx", b"x", state="expired")
    report = partial(listed(bk), folder)
    assert "\\x1b[2Jx: 404" in str(report)
    assert "\x1b" not in str(report)


def test_an_odd_artifact_is_reported_and_stops_no_other(
    server: FakeBuildkite, bk: Buildkite, job: JobRecord, folder: Path
) -> None:
    fill(server, job, 2)
    server.settings.drift = lambda payload: [*payload, "odd", {"id": "x"}] if isinstance(payload, list) else payload
    with pytest.warns(UserWarning, match="kept as received"):
        report = partial(listed(bk), folder, layout="job")
    assert (len(report.saved), len(report.failed)) == (2, 2)


def test_a_folder_that_is_a_file_fails_each_without_a_request(
    server: FakeBuildkite, bk: Buildkite, job: JobRecord, tmp_path: Path, costs: Costs
) -> None:
    fill(server, job, 2)
    (tmp_path / "file").write_text("x")
    with costs(1):
        report = partial(listed(bk), tmp_path / "file")
    assert [type(each.error) for each in report.failed] == [DownloadError] * 2


def test_a_temporary_failure_is_retried(server: FakeBuildkite, job: JobRecord, folder: Path, costs: Costs) -> None:
    fill(server, job, 6)
    server.faults.add("reset_mid_body", origin="artifacts", at=100_000, times=3)
    with server.client(http=True) as bk, costs(1 + 6, artifacts=6 + 3):
        assert len(listed(bk).save_all(folder).saved) == 6


# -- names that collide


def test_names_that_collide_are_kept_apart_by_job_and_found_again(  # noqa: PLR0917
    server: FakeBuildkite, bk: Buildkite, job: JobRecord, other: JobRecord, folder: Path, costs: Costs
) -> None:
    server.add_artifact(job, "report.xml", b"one")
    server.add_artifact(other, "report.xml", b"two")
    server.add_artifact(other, "log.txt", b"log")
    listed(bk).save_all(folder)
    wanted = {f"{job.id}/report.xml": b"one", f"{other.id}/report.xml": b"two", "log.txt": b"log"}
    assert there(folder) == wanted
    with costs(1):
        assert len(listed(bk).save_all(folder).skipped) == 3


def test_by_job_each_has_a_folder(
    server: FakeBuildkite, bk: Buildkite, job: JobRecord, other: JobRecord, folder: Path
) -> None:
    server.add_artifact(job, "a", b"one")
    server.add_artifact(other, "b", b"two")
    listed(bk).save_all(folder, layout="job")
    assert there(folder) == {f"{job.id}/a": b"one", f"{other.id}/b": b"two"}


def test_a_function_chooses_the_path_of_each_file(
    server: FakeBuildkite, bk: Buildkite, job: JobRecord, folder: Path
) -> None:
    fill(server, job, 2)
    listed(bk).save_all(folder, layout=lambda artifact: f"flat-{artifact.filename}")
    assert sorted(there(folder)) == ["flat-0.bin", "flat-1.bin"]


# -- the bar on a terminal


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    shown = Terminal()
    monkeypatch.setattr(sys, "stderr", shown)
    return shown


def test_on_a_terminal_a_bar_states_of_files_and_bytes_and_goes_away(
    server: FakeBuildkite, bk: Buildkite, job: JobRecord, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tqdm")
    terminal = on_a_terminal(monkeypatch)
    fill(server, job, 3)
    listed(bk).limit(1).save_all(folder, progress=False)
    assert terminal.getvalue() == ""
    listed(bk).save_all(folder)
    assert "0/3 files:   0%" in terminal.getvalue()
    assert "/922k" in terminal.getvalue()
    assert terminal.getvalue().split("\r")[-1].strip() == ""


def test_the_bytes_of_the_bar_add_up_after_any_failure(
    server: FakeBuildkite, bk: Buildkite, job: JobRecord, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = fill(server, job, 5)
    listed(bk).limit(1).save_all(folder)
    records[4].state = "expired"
    server.faults.add("reset_mid_body", origin="artifacts", at=100_000, times=1)
    server.faults.add("corrupt_body", origin="artifacts", match=records[3].id, times=None)
    shown: list[tuple[int, int]] = []

    @contextmanager
    def bar(_wanted: bool | None, **_: int) -> Generator[Callable[[int, int], object]]:  # noqa: FBT001
        yield lambda files, size: shown.append((files, size))

    monkeypatch.setattr("buildkite_orm.files.bulk.progress_bar", bar)
    report = partial(listed(bk), folder)
    assert len(report.failed) == 2
    assert shown[-1][0] == 5
    assert sum(size for _, size in shown) == sum(len(CONTENT) - number for number in range(3))


def test_the_bar_counts_each_file_and_the_bytes_as_they_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    displayed: list[object] = []

    class Tqdm:
        def __init__(self, **options: object) -> None:
            displayed.append((options["desc"], options["total"], options["leave"]))

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            displayed.append("gone")

        def set_description_str(self, text: str, *, refresh: bool) -> None:
            displayed.append((text, refresh))

        def update(self, more: int) -> None:
            displayed.append(more)

    monkeypatch.setitem(sys.modules, "tqdm", SimpleNamespace(tqdm=Tqdm))  # pyright: ignore[reportArgumentType]
    with progress_bar(True, files=2, size=900) as show:
        show(0, 500)
        show(1, 400)
    assert displayed == [("0/2 files", 900, False), ("0/2 files", False), 500, ("1/2 files", False), 400, "gone"]


def test_elsewhere_it_is_silent(
    server: FakeBuildkite, bk: Buildkite, job: JobRecord, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    fill(server, job, 2)
    listed(bk).save_all(folder)
    assert capfd.readouterr() == ("", "")


def test_without_the_extra_no_bar_is_shown_and_progress_true_names_the_extra(
    server: FakeBuildkite,
    bk: Buildkite,
    job: JobRecord,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = on_a_terminal(monkeypatch)
    monkeypatch.setitem(sys.modules, "tqdm", None)
    fill(server, job, 1)
    with pytest.raises(ConfigurationError, match=r"pip install 'buildkite_orm\[progress\]'"):
        listed(bk).save_all(folder, progress=True)
    listed(bk).save_all(folder)
    assert terminal.getvalue() == ""
    assert sorted(there(folder)) == ["out/0.bin"]
