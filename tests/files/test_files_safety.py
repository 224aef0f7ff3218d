"""Saving to files: whole or not at all, inside of the folder that was named, and nothing left behind."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from buildkite_orm import (
    Artifact,
    BuildkiteError,
    ChecksumMismatchError,
    ConnectionFailedError,
    DownloadError,
    NotFoundError,
    ServerError,
    UnsafePathError,
)
from buildkite_orm.files.atomic import atomic_write
from buildkite_orm.files.folders import WORKING_FOLDER
from buildkite_orm.files.safe_paths import Target, safe_path
from buildkite_orm.utils.cancellation import Cancellation, Cancelled

if TYPE_CHECKING:
    from buildkite_orm import Buildkite
    from buildkite_orm.fake import ArtifactRecord, FakeBuildkite
    from tests.conftest import Costs

CONTENT = b"whole\n" * 60_000


@pytest.fixture
def stored(server: FakeBuildkite) -> ArtifactRecord:
    job = server.add_build("web", jobs=[{"name": "Test"}]).jobs[0]
    return server.add_artifact(job, "dist/sub dir/größe.bin", CONTENT)


@pytest.fixture
def artifact(server: FakeBuildkite, bk: Buildkite, stored: ArtifactRecord) -> Artifact:
    found = bk.organization("acme").job(stored.job.id).artifact(stored.id).fetch()
    server.requests.clear()
    return found


def named(artifact: Artifact, bk: Buildkite, path: object) -> Artifact:
    """Return the same artifact under another path."""
    return bk.bind(Artifact.model_construct(None, **{**artifact.__dict__, "path": path}))


def everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


# -- where to


def test_a_folder_gets_the_artifact_under_its_own_path(artifact: Artifact, tmp_path: Path, costs: Costs) -> None:
    with costs(1, artifacts=1):
        place = artifact.save_to(tmp_path)
    assert place == tmp_path / "dist/sub dir/größe.bin"
    assert place.read_bytes() == CONTENT
    assert everything(tmp_path) == ["dist", "dist/sub dir", "dist/sub dir/größe.bin"]


def test_a_string_that_ends_with_a_slash_is_a_folder_that_is_made(artifact: Artifact, tmp_path: Path) -> None:
    place = artifact.save_to(f"{tmp_path}/new/folder/")
    assert place == tmp_path / "new/folder/dist/sub dir/größe.bin"
    assert place.read_bytes() == CONTENT


def test_any_other_path_is_the_file(artifact: Artifact, tmp_path: Path) -> None:
    place = artifact.save_to(tmp_path / "new/app.bin")
    assert place == tmp_path / "new/app.bin"
    assert everything(tmp_path) == ["new", "new/app.bin"]
    assert place.read_bytes() == CONTENT


def test_a_path_may_be_relative(artifact: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert artifact.save_to("app.bin") == Path("app.bin")
    assert artifact.save_to("") == Path("dist/sub dir/größe.bin")
    assert (tmp_path / "dist/sub dir/größe.bin").read_bytes() == CONTENT


def test_a_file_that_is_there_is_replaced(artifact: Artifact, tmp_path: Path) -> None:
    (tmp_path / "app.bin").write_bytes(b"old")
    artifact.save_to(tmp_path / "app.bin")
    assert everything(tmp_path) == ["app.bin"]
    assert (tmp_path / "app.bin").read_bytes() == CONTENT


def test_a_file_is_replaced_by_a_whole_one_at_once(artifact: Artifact, tmp_path: Path) -> None:
    """A process that has the old file open continues reading the old file."""
    (tmp_path / "app.bin").write_bytes(b"old")
    with (tmp_path / "app.bin").open("rb") as old:
        artifact.save_to(tmp_path / "app.bin")
        assert old.read() == b"old"


def test_a_bare_ref_requests_path_and_checksums_first(
    bk: Buildkite, stored: ArtifactRecord, tmp_path: Path, costs: Costs
) -> None:
    stored.sha1sum = "0" * 40
    with costs(2, artifacts=1), pytest.raises(ChecksumMismatchError):
        bk.organization("acme").job(stored.job.id).artifact(stored.id).save_to(tmp_path)
    assert everything(tmp_path) == []


def test_a_name_as_long_as_names_may_be_is_saved(artifact: Artifact, bk: Buildkite, tmp_path: Path) -> None:
    name = "語" * 85  # 255 bytes
    assert named(artifact, bk, name).save_to(tmp_path).name == name


def test_a_connection_that_breaks_does_not_prevent_saving(
    server: FakeBuildkite, artifact: Artifact, tmp_path: Path
) -> None:
    server.faults.add("reset_mid_body", origin="artifacts", at=200_000)
    assert artifact.save_to(tmp_path).read_bytes() == CONTENT


# -- nothing is left behind


def corrupt(server: FakeBuildkite) -> type[BuildkiteError]:
    server.faults.add("corrupt_body", origin="artifacts")
    return ChecksumMismatchError


def break_off(server: FakeBuildkite) -> type[BuildkiteError]:
    server.faults.add("truncate", origin="artifacts", at=200_000)
    server.faults.add("reset_before", origin="artifacts", times=None)
    return ConnectionFailedError


def refuse(server: FakeBuildkite) -> type[BuildkiteError]:
    server.faults.add("error", origin="artifacts", status=403, times=None)
    return DownloadError


def give_no_link(server: FakeBuildkite) -> type[BuildkiteError]:
    server.faults.add("error", match="/download", status=404)
    return NotFoundError


FAILURES = [corrupt, break_off, refuse, give_no_link]
failures = pytest.mark.parametrize("fail", FAILURES, ids=[fail.__name__ for fail in FAILURES])


@failures
def test_a_failure_leaves_neither_file_nor_folder(
    server: FakeBuildkite, artifact: Artifact, tmp_path: Path, fail: type
) -> None:
    with pytest.raises(fail(server)):
        artifact.save_to(f"{tmp_path}/new/")
    assert everything(tmp_path) == []


@failures
def test_a_failure_leaves_the_old_file(server: FakeBuildkite, artifact: Artifact, tmp_path: Path, fail: type) -> None:
    old = tmp_path / "dist/sub dir/größe.bin"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"old")
    with pytest.raises(fail(server)):
        artifact.save_to(tmp_path)
    assert old.read_bytes() == b"old"
    assert everything(tmp_path) == ["dist", "dist/sub dir", "dist/sub dir/größe.bin"]


def test_no_file_has_the_final_name_before_it_is_complete(
    server: FakeBuildkite, artifact: Artifact, tmp_path: Path
) -> None:
    seen: list[list[str]] = []

    def look(request: object) -> bool:
        del request
        seen.append(everything(tmp_path))
        return False

    server.faults.add("truncate", origin="artifacts", at=200_000)
    server.faults.add("html", origin="artifacts", match=look)
    artifact.save_to(tmp_path / "app.bin")
    assert len(seen) == 2
    assert all(name.startswith(WORKING_FOLDER) for name in seen[-1])


def test_a_keyboard_interrupt_leaves_nothing(
    artifact: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        artifact.save_to(f"{tmp_path}/new/")
    assert everything(tmp_path) == []


# -- what cannot be written


def test_a_file_in_place_of_a_folder_is_a_clear_error(artifact: Artifact, tmp_path: Path) -> None:
    (tmp_path / "dist").write_bytes(b"a file")
    with pytest.raises(DownloadError, match=r"cannot write .*nothing was kept"):
        artifact.save_to(tmp_path)
    assert everything(tmp_path) == ["dist"]
    assert (tmp_path / "dist").read_bytes() == b"a file"


def test_a_folder_in_place_of_the_file_is_a_clear_error(artifact: Artifact, tmp_path: Path) -> None:
    (tmp_path / "dist/sub dir/größe.bin/inside").mkdir(parents=True)
    with pytest.raises(DownloadError, match="cannot write"):
        artifact.save_to(tmp_path)
    assert everything(tmp_path / "dist/sub dir") == ["größe.bin", "größe.bin/inside"]


def test_a_folder_that_may_not_be_written_is_a_clear_error(
    artifact: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for every user but root, whom permissions do not stop."""
    folder = tmp_path / "read-only"
    folder.mkdir(mode=0o500)
    if os.access(folder, os.W_OK):
        monkeypatch.setattr(os, "mkdir", denied)
    with pytest.raises(DownloadError, match="Permission denied; nothing was kept"):
        artifact.save_to(folder)
    assert everything(tmp_path) == ["read-only"]


def denied(*_: object, **__: object) -> None:
    raise PermissionError(13, "Permission denied")


@pytest.mark.parametrize("name", ["x" * 300, "a\0b", "\ud800"], ids=["too long", "NUL", "surrogate"])
def test_a_name_that_no_file_can_have_is_a_clear_error(artifact: Artifact, tmp_path: Path, name: str) -> None:
    with pytest.raises(DownloadError, match="cannot write"):
        artifact.save_to(tmp_path / "new" / name)
    assert everything(tmp_path) == []


# -- paths that the server sends


HOSTILE = [
    "../../x",
    "..",
    "a/../../x",
    "a/..",
    "/etc/passwd",
    "//server/share/x",
    "C:/x",
    "c:x",
    "C:\\x",
    "..\\..\\x",
    "a\\..\\..\\x",
    "\\x",
    "\\\\server\\share\\x",
    "a\0b",
    "\0",
    "",
    ".",
    "./",
    "/",
    "\ud800",
    None,
    7.5,
]


@pytest.mark.parametrize("path", HOSTILE[:-1], ids=repr)
def test_a_path_that_leaves_the_folder_is_refused_and_nothing_is_requested_or_written(
    artifact: Artifact, bk: Buildkite, tmp_path: Path, path: str | None, costs: Costs
) -> None:
    folder = tmp_path / "a/b/c"
    folder.mkdir(parents=True)
    with costs(0), pytest.raises(UnsafePathError, match=r"would leave the folder .*, or names no file"):
        named(artifact, bk, path).save_to(folder)
    assert everything(tmp_path) == ["a", "a/b", "a/b/c"]


def test_a_hostile_path_is_ignored_if_the_caller_names_the_file(
    artifact: Artifact, bk: Buildkite, tmp_path: Path
) -> None:
    assert named(artifact, bk, "../../x").save_to(tmp_path / "mine").read_bytes() == CONTENT


def test_a_path_of_windows_becomes_folders(artifact: Artifact, bk: Buildkite, tmp_path: Path) -> None:
    assert named(artifact, bk, "a\\b c\\d.txt").save_to(tmp_path) == tmp_path / "a/b c/d.txt"


def test_a_link_in_the_folder_that_leads_out_of_it_is_refused(artifact: Artifact, tmp_path: Path, costs: Costs) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/dist").symlink_to(tmp_path / "outside", target_is_directory=True)
    with costs(0), pytest.raises(UnsafePathError, match="through a link"):
        artifact.save_to(tmp_path / "folder")
    assert everything(tmp_path / "outside") == []


def test_a_link_in_place_of_the_file_that_leads_out_is_refused(
    artifact: Artifact, bk: Buildkite, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/app.bin").symlink_to(tmp_path / "secret")
    with pytest.raises(UnsafePathError, match="through a link"):
        named(artifact, bk, "app.bin").save_to(tmp_path / "folder")
    assert (tmp_path / "secret").read_bytes() == b"secret"


def test_the_folder_itself_may_be_a_link(artifact: Artifact, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real", target_is_directory=True)
    artifact.save_to(tmp_path / "link")
    assert (tmp_path / "real/dist/sub dir/größe.bin").read_bytes() == CONTENT


# -- unfinished files

ALIASES = [
    WORKING_FOLDER,
    f"{WORKING_FOLDER}/0123456789abcdef.part",
    f"dist/{WORKING_FOLDER}/x",
    f"dist/{WORKING_FOLDER.upper()}",
    f"{WORKING_FOLDER}-0123456789abcdef/x",
    WORKING_FOLDER.replace("i", "\u200dI", 1),
    WORKING_FOLDER.replace("fi", "\ufb01"),
    WORKING_FOLDER.replace("b", "\uff42"),
    f"a\\{WORKING_FOLDER}\\x",
    f"{WORKING_FOLDER}. ",
]


@pytest.mark.parametrize("path", ALIASES)
def test_a_path_that_some_file_system_takes_for_the_folder_of_unfinished_files_is_refused(
    artifact: Artifact, bk: Buildkite, tmp_path: Path, path: str, costs: Costs
) -> None:
    with costs(0), pytest.raises(UnsafePathError, match="leads to the folder of unfinished files"):
        named(artifact, bk, path).save_to(tmp_path)
    assert everything(tmp_path) == []


@pytest.mark.parametrize("name", ["BUILDK~1", "bu3A2F~12", "BUILDK~1/x", "x/buildk~1"])
def test_the_short_name_of_the_folder_of_unfinished_files_is_refused_on_windows(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnsafePathError, match="unfinished files"):
        safe_path(tmp_path, name, windows=True)
    assert safe_path(tmp_path, name, windows=False) == tmp_path / name


@pytest.mark.parametrize("name", [".buildkite", ".buildkite_orm", "buildkite_orm-unfinished", "build~1.txt", "BUG~x"])
def test_other_names_like_it_are_fine(tmp_path: Path, name: str) -> None:
    assert safe_path(tmp_path, name, windows=True) == tmp_path / name


def test_a_file_that_is_named_by_its_caller_is_not_called_like_that_folder(artifact: Artifact, tmp_path: Path) -> None:
    with pytest.raises(UnsafePathError, match="is reserved for the folder of unfinished files"):
        artifact.save_to(tmp_path / WORKING_FOLDER)
    assert everything(tmp_path) == []


def test_an_artifact_that_is_called_like_the_unfinished_file_of_another_never_takes_its_place(
    server: FakeBuildkite, artifact: Artifact, bk: Buildkite, tmp_path: Path
) -> None:
    """While one is on its way, another one is saved under each path that is there by then."""
    evil = server.add_artifact(server.context.store.jobs[artifact.job_id or ""], "x", b"evil")
    other = bk.organization("acme").job(evil.job.id).artifact(evil.id).fetch()
    tried: list[str] = []

    def save_others(_: object) -> bool:
        server.faults.clear()
        for path in [path for path in everything(tmp_path) if (tmp_path / path).is_file()]:
            tried.append(path)
            with suppress(DownloadError):
                named(other, bk, path).save_to(tmp_path)
        return False

    server.faults.add("html", origin="artifacts", match=save_others)
    assert artifact.save_to(tmp_path).read_bytes() == CONTENT
    assert len(tried) == 1
    assert everything(tmp_path) == ["dist", "dist/sub dir", "dist/sub dir/größe.bin"]


def test_the_file_that_gets_the_final_name_is_the_one_that_was_written(
    server: FakeBuildkite, artifact: Artifact, tmp_path: Path
) -> None:
    def replace(_: object) -> bool:
        (unfinished,) = [path for path in tmp_path.rglob("*") if path.is_file()]
        unfinished.rename(tmp_path / "moved")
        unfinished.write_bytes(CONTENT.replace(b"w", b"W"))
        return False

    server.faults.add("html", origin="artifacts", match=replace)
    with pytest.raises(DownloadError, match="another program has removed or replaced the unfinished file"):
        artifact.save_to(tmp_path / "app.bin")
    assert not (tmp_path / "app.bin").exists()


def test_a_file_whose_saving_was_cancelled_gets_no_final_name(tmp_path: Path) -> None:
    cancellation = Cancellation()
    with cancellation, pytest.raises(Cancelled), atomic_write(Target.of(tmp_path / "a", ""), "key"):
        cancellation.cancel()
    assert everything(tmp_path) == []


PIECES = st.sampled_from(["..", ".", "/", "\\", "\0", "a", "C:", " ", "~", "é", "\ud800", "\udc80", "$HOME", "%2e%2e"])


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(PIECES, max_size=8).map("".join) | st.text(st.characters(codec=None), max_size=20))
@example("..")
@example("a/../b")
def test_any_path_stays_below_the_folder_or_is_refused(tmp_path: Path, name: str) -> None:
    try:
        place = safe_path(tmp_path, name)
    except UnsafePathError:
        return
    assert place != tmp_path
    assert os.path.normpath(place).startswith(f"{tmp_path}{os.sep}")
    assert os.fsencode(place)


# -- the storage fails while a file is saved


def test_a_storage_that_is_down_is_stated_to_be(server: FakeBuildkite, artifact: Artifact, tmp_path: Path) -> None:
    server.faults.add("html", status=503, origin="artifacts", times=None)
    with pytest.raises(ServerError, match="503"):
        artifact.save_to(tmp_path)
    assert everything(tmp_path) == []


@pytest.mark.skipif(os.name == "nt", reason="an open folder cannot be moved there")
@pytest.mark.parametrize("level", [0, 1])
def test_a_file_whose_folder_is_replaced_in_between_is_not_reported_as_saved(tmp_path: Path, level: int) -> None:
    """Its path leads to another file then, which was there before."""
    target = Target.of(f"{tmp_path}/", "a/b/file")
    folder, other = (tmp_path / "a/b", tmp_path / "a")[level], tmp_path / "other"
    (other / "b").mkdir(parents=True)

    def save() -> None:
        with atomic_write(target, "key") as part:
            part.write(CONTENT)
            folder.rename(tmp_path / "moved")
            folder.symlink_to(other)
            target.path.write_bytes(b"of another")

    with pytest.raises(DownloadError, match="another program has moved or replaced its folder"):
        save()
    assert target.path.read_bytes() == b"of another"
    assert [place for place in (tmp_path / "moved").rglob("*") if place.is_file()] == []


def test_a_path_that_is_too_long_to_be_opened_is_not_reported_as_saved(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="too long"):
        Target.of(f"{tmp_path}/", "/".join(["folder" * 30] * 30))
