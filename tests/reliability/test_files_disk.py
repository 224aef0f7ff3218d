"""Failures of the disk while a file is saved: full, read-only, blocked names; `disk` measures the main ones."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm import Artifact, DownloadError, UnsafePathError
from buildkite_orm.files import atomic, folders
from buildkite_orm.files.atomic import PartialFile
from buildkite_orm.files.folders import WORKING_FOLDER
from buildkite_orm.files.safe_paths import Target, safe_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildkite_orm import Buildkite
    from buildkite_orm.fake import ArtifactRecord, FakeBuildkite

CONTENT = bytes(range(256)) * 1200
OTHER = bytes(reversed(CONTENT))
DESCRIPTORS = Path("/proc/self/fd")


@pytest.fixture
def stored(server: FakeBuildkite) -> ArtifactRecord:
    return server.add_artifact(server.add_build("web", jobs=1).jobs[0], "dist/app.bin", CONTENT)


@pytest.fixture
def artifact(bk: Buildkite, stored: ArtifactRecord) -> Artifact:
    return bk.organization("acme").job(stored.job.id).artifact(stored.id).fetch()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder to save to; another folder next to it must not change."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_bytes(b"secret")
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder"


def everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def outside_is_as_it_was(folder: Path) -> bool:
    outside = folder.parent / "outside"
    return everything(outside) == ["secret"] and (outside / "secret").read_bytes() == b"secret"


# -- no room, and no right


def test_a_disk_that_is_full_is_a_clear_error_and_nothing_is_left(artifact: Artifact, folder: Path) -> None:
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(DownloadError, match=r"cannot write '.*app\.bin': File too large; nothing was kept"):
            artifact.save_to(f"{folder}/new/")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert everything(folder) == []


@pytest.mark.parametrize(
    ("function", "number"),
    [
        ("dup", errno.ENOSPC),
        ("dup", errno.EDQUOT),
        ("replace", errno.EROFS),
        ("mkdir", errno.EACCES),
        ("open", errno.EMFILE),
    ],
)
def test_a_failed_system_call_is_a_clear_error_and_nothing_is_left(
    artifact: Artifact, folder: Path, monkeypatch: pytest.MonkeyPatch, function: str, number: int
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, function, refuse)
        with pytest.raises(DownloadError, match=f"cannot write .*: {os.strerror(number)}; nothing was kept"):
            artifact.save_to(f"{folder}/new/")
    assert everything(folder) == []
    assert artifact.save_to(f"{folder}/new/").read_bytes() == CONTENT


def test_no_file_stays_open(artifact: Artifact, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not DESCRIPTORS.is_dir():
        pytest.skip("only Linux shows which files are open")
    artifact.save_to(folder)
    before = len(list(DESCRIPTORS.iterdir()))
    for name in ("dup", "replace", "open"):
        with monkeypatch.context() as patch:
            patch.setattr(os, name, denied)
            with pytest.raises(DownloadError):
                artifact.save_to(f"{folder}/{name}/")
    assert len(list(DESCRIPTORS.iterdir())) == before


def denied(*_: object, **__: object) -> None:
    raise PermissionError(errno.EACCES, "Permission denied")


def do_nothing(_: object) -> None:
    """Leave a partial file as a killed process does."""


# -- something in the way


def test_a_device_or_folder_is_not_replaced_and_nothing_is_requested(
    server: FakeBuildkite, artifact: Artifact, folder: Path
) -> None:
    """As `/dev/null` would be by root."""
    os.mkfifo(folder / "pipe")
    server.requests.clear()
    with pytest.raises(DownloadError, match="something that is not a file exists there"):
        artifact.save_to(folder / "pipe")
    assert (folder / "pipe").is_fifo()
    assert everything(folder) == ["pipe"]
    assert server.requests == []


def meanwhile(server: FakeBuildkite, do: Callable[[], object]) -> None:
    """Run an action during the download."""

    def match(_: object) -> bool:
        do()
        return False

    server.faults.add("html", origin="artifacts", match=match)


def test_a_link_that_replaces_the_file_meanwhile_is_not_followed(
    server: FakeBuildkite, artifact: Artifact, folder: Path
) -> None:
    (folder / "dist").mkdir()
    place = folder / "dist/app.bin"
    meanwhile(server, lambda: place.symlink_to(folder.parent / "outside/secret"))
    artifact.save_to(folder)
    assert not place.is_symlink()
    assert place.read_bytes() == CONTENT
    assert outside_is_as_it_was(folder)


@pytest.mark.skipif(os.open not in os.supports_dir_fd, reason="folders cannot be held here")
def test_a_link_that_replaces_a_folder_meanwhile_is_not_followed(
    server: FakeBuildkite, artifact: Artifact, folder: Path
) -> None:
    def swap() -> None:
        (folder / "dist").rename(folder / "moved")
        (folder / "dist").symlink_to(folder.parent / "outside", target_is_directory=True)

    meanwhile(server, swap)
    with pytest.raises(DownloadError, match="moved or replaced its folder"):
        artifact.save_to(folder)
    assert everything(folder / "moved") == []
    assert outside_is_as_it_was(folder)


@pytest.mark.skipif(os.open not in os.supports_dir_fd, reason="folders cannot be held here")
def test_a_link_that_replaces_a_folder_before_it_is_opened_is_not_followed(
    artifact: Artifact, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mkdir(name: str, *_: object, **__: object) -> None:
        (folder / name).symlink_to(folder.parent / "outside", target_is_directory=True)
        raise FileExistsError

    monkeypatch.setattr(os, "mkdir", mkdir)
    with pytest.raises(DownloadError, match="Not a directory"):
        artifact.save_to(folder)
    assert outside_is_as_it_was(folder)


def test_a_link_to_a_folder_inside_is_followed(artifact: Artifact, folder: Path) -> None:
    (folder / "real").mkdir()
    (folder / "dist").symlink_to("real", target_is_directory=True)
    assert artifact.save_to(folder) == folder / "dist/app.bin"
    assert everything(folder) == ["dist", "real", "real/app.bin"]


def test_links_that_go_in_circles_are_a_clear_error(artifact: Artifact, folder: Path) -> None:
    (folder / "dist").symlink_to("dist")
    with pytest.raises(DownloadError):
        artifact.save_to(folder)
    assert everything(folder) == ["dist"]


@pytest.fixture
def left(artifact: Artifact, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The name under which a killed process leaves `app.bin`; it does not exist."""
    with monkeypatch.context() as patch:
        patch.setattr(os, "dup", denied)
        patch.setattr(PartialFile, "discard", do_nothing)
        with pytest.raises(DownloadError):
            artifact.save_to(folder / "app.bin")
    (part,) = (folder / WORKING_FOLDER).iterdir()
    part.unlink()
    return part


def link(left: Path) -> None:
    left.symlink_to(left.parent.parent.parent / "outside/secret")


def hard_link(left: Path) -> None:
    left.hardlink_to(left.parent.parent.parent / "outside/secret")


def pipe(left: Path) -> None:
    os.mkfifo(left)


@pytest.mark.parametrize("put", [link, hard_link, pipe], ids=["link", "hard link", "pipe"])
def test_a_file_of_others_under_the_name_of_a_partial_file_is_not_written_to(
    artifact: Artifact, folder: Path, left: Path, put: Callable[[Path], None]
) -> None:
    put(left)
    assert artifact.save_to(folder / "app.bin").read_bytes() == CONTENT
    assert everything(folder) == ["app.bin"]
    assert outside_is_as_it_was(folder)


def test_a_folder_under_the_name_of_a_partial_file_does_not_matter(
    artifact: Artifact, folder: Path, left: Path
) -> None:
    left.mkdir()
    assert artifact.save_to(folder / "app.bin").read_bytes() == CONTENT


def test_a_file_system_without_locks_does_not_matter(
    artifact: Artifact, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fcntl = pytest.importorskip("fcntl")

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert artifact.save_to(folder).read_bytes() == CONTENT
    assert everything(folder) == ["dist", "dist/app.bin"]


# -- the folder of unfinished files


def test_it_is_for_this_user_only_and_removed_in_the_end(
    server: FakeBuildkite, artifact: Artifact, folder: Path
) -> None:
    modes: list[int] = []
    meanwhile(server, lambda: modes.append((folder / WORKING_FOLDER).stat().st_mode & 0o777))
    artifact.save_to(folder / "app.bin")
    assert modes == [0o700]
    assert everything(folder) == ["app.bin"]


def test_a_file_has_the_mode_that_new_files_have(artifact: Artifact, folder: Path) -> None:
    (folder / "new").write_bytes(b"")
    place = artifact.save_to(folder / "app.bin")
    assert place.stat().st_mode == (folder / "new").stat().st_mode


def a_file(place: Path) -> None:
    place.write_bytes(b"theirs")


def a_link(place: Path) -> None:
    place.symlink_to(place.parent.parent / "outside", target_is_directory=True)


def a_pipe(place: Path) -> None:
    os.mkfifo(place)


@pytest.mark.parametrize("put", [a_file, a_link, a_pipe])
def test_something_else_of_its_name_does_not_matter(
    artifact: Artifact, folder: Path, put: Callable[[Path], None]
) -> None:
    put(folder / WORKING_FOLDER)
    assert artifact.save_to(folder / "app.bin").read_bytes() == CONTENT
    assert everything(folder) == [WORKING_FOLDER, "app.bin"]
    assert outside_is_as_it_was(folder)


def test_one_of_another_user_is_not_used(
    server: FakeBuildkite, artifact: Artifact, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / WORKING_FOLDER).mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    seen: list[list[str]] = []
    meanwhile(server, lambda: seen.append(everything(folder / WORKING_FOLDER)))
    assert artifact.save_to(folder / "app.bin").read_bytes() == CONTENT
    assert seen == [[]]
    assert everything(folder) == [WORKING_FOLDER, "app.bin"]


def test_a_link_in_the_folder_that_leads_to_it_is_refused(artifact: Artifact, folder: Path) -> None:
    (folder / WORKING_FOLDER).mkdir()
    (folder / "dist").symlink_to(WORKING_FOLDER, target_is_directory=True)
    with pytest.raises(UnsafePathError, match="leads to the folder of unfinished files"):
        artifact.save_to(folder)
    assert everything(folder) == [WORKING_FOLDER, "dist"]


def test_it_may_be_taken_away_by_another_at_any_time(
    artifact: Artifact, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process ends and removes the folder just before this one uses it."""
    whole, left = os.open, [3]

    def open_late(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if left[0] and str(path).endswith((WORKING_FOLDER, ".part")):
            left[0] -= 1
            (folder / WORKING_FOLDER).rmdir()
        return whole(path, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", open_late)
    assert artifact.save_to(folder / "app.bin").read_bytes() == CONTENT
    assert left == [0]
    assert everything(folder) == ["app.bin"]


def test_many_threads_share_it(server: FakeBuildkite, bk: Buildkite, stored: ArtifactRecord, folder: Path) -> None:
    for number in range(60):
        server.add_artifact(stored.job, f"{number}.bin", b"%d" % number)
    report = bk.organization("acme").job(stored.job.id).artifacts().save_all(folder, workers=8)
    assert len(report.saved) == 61
    assert all((folder / f"{number}.bin").read_bytes() == b"%d" % number for number in range(60))
    assert not (folder / WORKING_FOLDER).exists()


# -- two at once


def test_two_that_save_one_name_at_once_both_succeed(server: FakeBuildkite, artifact: Artifact, folder: Path) -> None:
    seen: list[tuple[bytes, list[str]]] = []

    def save_too() -> None:
        server.faults.clear()
        content = artifact.save_to(folder / "app.bin").read_bytes()
        seen.append((content, everything(folder)))

    meanwhile(server, save_too)
    assert artifact.save_to(folder / "app.bin").read_bytes() == CONTENT
    ((content, there),) = seen
    assert content == CONTENT
    assert [name for name in there if not name.startswith(WORKING_FOLDER)] == ["app.bin"]
    assert everything(folder) == ["app.bin"]


def test_a_file_that_another_process_just_renamed_is_not_written_to(
    artifact: Artifact, folder: Path, left: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process held the lock when this one opened the file, and renames it to its final name."""
    fcntl = pytest.importorskip("fcntl")
    left.write_bytes(OTHER)

    def flock(*_: object) -> None:
        if left.exists():
            left.rename(folder / "theirs.bin")

    monkeypatch.setattr(fcntl, "flock", flock)
    assert artifact.save_to(folder / "app.bin").read_bytes() == CONTENT
    assert (folder / "theirs.bin").read_bytes() == OTHER
    assert everything(folder) == ["app.bin", "theirs.bin"]


def test_a_folder_that_cannot_be_made_is_a_clear_error(artifact: Artifact, folder: Path) -> None:
    (folder / "gone").symlink_to(folder / "nowhere")
    with pytest.raises(DownloadError, match="No such file or directory; nothing was kept"):
        artifact.save_to(folder / "gone/app.bin")
    assert everything(folder) == ["gone"]


def test_one_that_fails_does_not_take_the_folder_away_from_another(
    artifact: Artifact, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has created the folder, fails and removes it just before the other one uses it."""
    whole = os.open
    taken: list[object] = []

    def open_late(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if str(path).endswith(".part") and not taken:
            taken.append(path)
            (folder / "dist").rmdir()
        return whole(path, flags, mode, dir_fd=dir_fd)

    (folder / "dist").mkdir()
    monkeypatch.setattr(os, "open", open_late)
    assert artifact.save_to(folder).read_bytes() == CONTENT
    assert len(taken) == 1


# -- names


FOR_WINDOWS = [
    "NUL", "con", "dist/aux.txt", "COM1", "lpt9.log", "COM¹", "CONIN$", "nul .txt", "a/NUL.tar.gz", "file.", "file ",
    "dist./x", ".. /x", "a/.. ./x", "...", "a/C:/x", "file.txt:stream", "dist/a:b",
]  # fmt: skip
FINE = ["console.log", "null", "aux_.txt", "dist/.hidden", "a b/c.d", "COM10", "lpt", "nullify.nul"]


@pytest.mark.parametrize("name", FOR_WINDOWS)
def test_a_name_with_a_special_meaning_on_windows_is_refused_there(folder: Path, name: str) -> None:
    with pytest.raises(UnsafePathError, match="means something else to Windows"):
        safe_path(folder, name, windows=True)
    assert safe_path(folder, name, windows=False).is_relative_to(folder)


@pytest.mark.parametrize("name", FINE)
def test_a_name_without_one_is_not_refused(folder: Path, name: str) -> None:
    assert safe_path(folder, name, windows=True) == folder / name


def test_it_saves_if_folders_cannot_be_opened_and_open_files_not_renamed(
    server: FakeBuildkite, artifact: Artifact, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows."""
    monkeypatch.setattr(folders, "_CAN_HOLD", False)
    monkeypatch.setattr(atomic, "_ON_WINDOWS", True)
    assert artifact.save_to(f"{folder}/new/").read_bytes() == CONTENT
    assert everything(folder) == ["new", "new/dist", "new/dist/app.bin"]
    server.faults.add("error", origin="artifacts", status=403, times=None)
    with pytest.raises(DownloadError, match="status 403"):
        artifact.save_to(f"{folder}/newer/")
    assert everything(folder) == ["new", "new/dist", "new/dist/app.bin"]


def test_a_folder_given_by_name_is_used_as_it_is(folder: Path) -> None:
    target = Target.of(folder, "a/b")
    assert (target.below, target.name, target.path) == (("a",), "b", folder / "a/b")
