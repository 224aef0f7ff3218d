"""`buildkite-orm cache info|clear|prune`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from buildkite_orm.cli import main
from tests.cache.conftest import web_of

if TYPE_CHECKING:
    from pathlib import Path

    from buildkite_orm.fake import FakeBuildkite
    from tests.cache.conftest import Clients


@pytest.fixture
def filled(month: FakeBuildkite, new_client: Clients, folder: Path) -> Path:
    """The folder of a cache with 150 builds, a log and a file."""
    build = month.add_build("web", jobs=[{"name": "Test"}], created_at=month.clock.now() - 3600)
    month.set_log(build.jobs[0], b"log")
    month.add_artifact(build.jobs[0], "a.txt", b"x" * 10_000)
    bk = new_client()
    newest, *_ = web_of(bk).builds(with_jobs=True)
    newest.jobs()[0].log().fetch()
    newest.artifacts()[0].download()
    bk.close()
    return folder


def test_info_shows_what_is_stored(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", "info", "--path", str(filled)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == str(filled)
    assert lines[1].endswith("files 10.0 kB")
    assert [line.split() for line in lines[2:]] == [["build", "151"], ["file", "1"], ["log", "1"], ["page", "2"]]


def test_the_folder_is_that_of_the_environment(
    filled: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUILDKITE_ORM_CACHE", str(filled))
    assert main(["cache", "info"]) == 0
    assert "build                 151" in capsys.readouterr().out


def test_clear_deletes_everything(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", "clear", "--path", str(filled)]) == 0
    assert "build" not in capsys.readouterr().out
    assert [path.name for path in (filled / "files").rglob("*") if path.is_file()] == []
    assert (filled / "cache.sqlite3").stat().st_size < 100_000


def test_clear_deletes_a_damaged_cache(
    filled: Path, month: FakeBuildkite, new_client: Clients, capsys: pytest.CaptureFixture[str]
) -> None:
    (filled / "cache.sqlite3").write_bytes(b"garbage" * 1000)
    assert main(["cache", "info", "--path", str(filled)]) == 1
    assert "cache clear deletes it" in capsys.readouterr().err
    assert main(["cache", "clear", "--path", str(filled)]) == 0
    assert len(list(web_of(new_client()).builds(with_jobs=True))) == 151
    assert month.requests


def test_prune_keeps_a_size_and_an_age(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", "prune", "--path", str(filled), "--max-size", "100 kB"]) == 0
    assert "build                 151" not in capsys.readouterr().out
    assert main(["cache", "prune", "--path", str(filled), "--older-than", "0m"]) == 0
    assert "build" not in capsys.readouterr().out.partition("\n")[2]


@pytest.mark.parametrize("action", ["info", "clear", "prune"])
def test_a_cache_that_does_not_exist_is_not_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], action: str
) -> None:
    assert main(["cache", action, "--path", str(tmp_path / "none")]) == 0
    assert "there is no cache in" in capsys.readouterr().out
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("wrong", [["--older-than", "soon"], ["--max-size", "much"]])
def test_wrong_arguments_are_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str], wrong: list[str]) -> None:
    assert main(["cache", "prune", "--path", str(tmp_path), *wrong]) == 2
    assert wrong[1] in capsys.readouterr().err
