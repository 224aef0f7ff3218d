"""A cache that fails costs one warning, and never a wrong result, an error or a request."""

from __future__ import annotations

import errno
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import warnings
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from buildkite_orm import Cache, CacheWarning
from buildkite_orm.cache import schema
from buildkite_orm.fake import FakeBuildkite
from tests.cache.conftest import web_of
from tests.conftest import unlimited

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from buildkite_orm import Buildkite
    from tests.cache.conftest import Clients

ROOT = Path(__file__).resolve().parents[2]
CONTENT = b"content\n" * 1000


@pytest.fixture
def acme_web(server: FakeBuildkite) -> FakeBuildkite:
    """`server` with 30 builds, each with a log; the newest has an artifact."""
    records = server.add_builds("web", 30, jobs=2, spacing=60, newest=server.clock.now() - 3600)
    for record in records:
        server.set_log(record.jobs[0], f"log of {record.number}\n".encode())
    server.add_artifact(records[-1].jobs[0], "a.txt", CONTENT)
    return server


def analysis(bk: Buildkite) -> list[object]:
    """Return all that a script reads: builds, jobs, logs and a file."""
    found: list[object] = []
    for build in web_of(bk).builds(with_jobs=True):
        found.append(build.dump())
        found.append(build.jobs()[0].log().fetch().text)
    found.append(web_of(bk).build(30).fetch().artifacts()[0].download())
    return found


def warned(bk: Buildkite) -> tuple[list[object], list[str]]:
    """Return an analysis, and the warnings of the cache."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = analysis(bk)
    assert {each.category for each in caught} <= {CacheWarning}
    return found, [str(each.message) for each in caught]


@pytest.fixture
def expected(acme_web: FakeBuildkite) -> list[object]:
    """The analysis without a cache."""
    with acme_web.client() as bk:
        return analysis(bk)


# -- private


def every_file(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.skipif(sys.platform == "win32", reason="modes of POSIX")
@pytest.mark.usefixtures("acme_web")
def test_folders_and_files_are_for_this_user_only(new_client: Clients, folder: Path) -> None:
    before = os.umask(0)
    try:
        analysis(new_client())
        modes = {stat.S_IMODE(path.stat().st_mode) for path in every_file(folder)}
        folders = {stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.rglob("*")) if path.is_dir()}
    finally:
        os.umask(before)
    assert (modes, folders) == ({0o600}, {0o700})
    assert {"cache.sqlite3", "cache.sqlite3-wal"} <= {path.name for path in every_file(folder)}


@pytest.mark.skipif(sys.platform == "win32", reason="modes of POSIX")
def test_an_open_folder_is_closed_unless_it_has_other_files(
    expected: list[object], new_client: Clients, folder: Path
) -> None:
    folder.mkdir()
    folder.chmod(0o755)
    (folder / "cache.sqlite3").touch(mode=0o644)
    assert warned(new_client()) == (expected, [])
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "cache.sqlite3").stat().st_mode) == 0o600


@pytest.mark.skipif(sys.platform == "win32", reason="modes of POSIX")
def test_an_open_folder_with_other_files_is_left_alone(
    expected: list[object], new_client: Clients, folder: Path
) -> None:
    folder.mkdir()
    folder.chmod(0o755)
    (folder / "thesis.txt").touch()
    found, (message,) = warned(new_client())
    assert found == expected
    assert "use a folder of its own" in message
    assert (stat.S_IMODE(folder.stat().st_mode), len(every_file(folder))) == (0o755, 1)


def test_the_token_is_in_no_file(acme_web: FakeBuildkite, new_client: Clients, folder: Path) -> None:
    analysis(new_client(namespace=None))
    content = b"".join(path.read_bytes() for path in every_file(folder))
    assert len(content) > 10_000
    assert acme_web.token.encode() not in content
    assert b"Bearer" not in content


# -- unusable files


def make_newer(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "cache.sqlite3")) as connection:
        connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}")


def make_foreign(folder: Path) -> None:
    for path in folder.glob("cache.sqlite3*"):
        path.unlink()
    with closing(sqlite3.connect(folder / "cache.sqlite3")) as connection:
        connection.execute("CREATE TABLE other (x)")


def make_garbage(folder: Path) -> None:
    for path in folder.glob("cache.sqlite3*"):
        path.write_bytes(b"not a database " * 1000)


def make_folder(folder: Path) -> None:
    for path in folder.glob("cache.sqlite3*"):
        path.unlink()
    (folder / "cache.sqlite3").mkdir()


DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "newer": (make_newer, "newer version"),
    "foreign": (make_foreign, "another program"),
    "garbage": (make_garbage, "not a database"),
    "folder": (make_folder, "directory"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_an_unusable_database_costs_one_warning(
    expected: list[object], new_client: Clients, folder: Path, damage: str
) -> None:
    analysis(new_client())
    for client in (new_client(), new_client(namespace=None)):
        client.close()
    make, reason = DAMAGES[damage]
    make(folder)
    before = {path: path.read_bytes() for path in folder.glob("cache.sqlite3") if path.is_file()}
    found, (message,) = warned(new_client())
    assert found == expected
    assert reason in message
    assert {path: path.read_bytes() for path in before} == before


def test_a_file_in_place_of_the_folder_costs_one_warning(
    expected: list[object], new_client: Clients, folder: Path
) -> None:
    folder.write_text("a file")
    found, messages = warned(new_client())
    assert (found, len(messages)) == (expected, 1)
    assert folder.read_text() == "a file"


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.ENOSPC, errno.EMFILE])
def test_a_folder_that_cannot_be_written_costs_one_warning(
    expected: list[object], new_client: Clients, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(*_args: object, **_options: object) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("buildkite_orm.cache.folder.os.open", refuse)
    found, (message,) = warned(new_client())
    assert found == expected
    assert os.strerror(code) in message


def test_a_disk_that_is_full_costs_one_warning(
    expected: list[object], new_client: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = schema.connect

    def connect_to_full_disk(folder: Path) -> sqlite3.Connection:
        connection = connect(folder)
        connection.execute("PRAGMA max_page_count = 14")
        return connection

    monkeypatch.setattr("buildkite_orm.cache.store.connect", connect_to_full_disk)
    found, (message,) = warned(new_client())
    assert found == expected
    assert "full" in message
    monkeypatch.undo()
    assert warned(new_client()) == (expected, [])


def test_a_disk_that_becomes_full_in_a_file_costs_one_warning(
    expected: list[object], new_client: Clients, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_fd: int, _data: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("buildkite_orm.cache.files.os.write", full)
    found, (message,) = warned(new_client())
    assert found == expected
    assert "No space left" in message
    assert [path.name for path in every_file(folder) if path.parent != folder] == []


def test_another_process_that_writes_for_long_costs_nothing(
    expected: list[object], new_client: Clients, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "_BUSY_SECONDS", 0.0)
    first = new_client()
    assert warned(first) == (expected, [])
    first.close()
    with closing(sqlite3.connect(folder / "cache.sqlite3", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert warned(new_client(mode="refresh")) == (expected, [])
        assert warned(new_client()) == (expected, [])
    assert warned(new_client()) == (expected, [])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_anywhere_gives_no_wrong_result(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("damaged") / "cache"
    with FakeBuildkite(populate=False, settings=unlimited()) as server:
        records = server.add_builds("web", 6, jobs=1, spacing=60, newest=server.clock.now() - 3600)
        for record in records:
            server.set_log(record.jobs[0], f"log of {record.number}\n".encode())
        server.add_artifact(records[-1].jobs[0], "a.txt", CONTENT)

        def shortened(bk: Buildkite) -> list[object]:
            found: list[object] = []
            for build in web_of(bk).builds(with_jobs=True):
                found += [build.dump(), build.jobs()[0].log().fetch().text]
            return [*found, web_of(bk).build(6).fetch().artifacts()[0].download()]

        with server.client(cache=Cache(folder, namespace="x")) as bk:
            expected = shortened(bk)
        path = data.draw(st.sampled_from(sorted(every_file(folder))))
        content = bytearray(path.read_bytes())
        start = data.draw(st.integers(0, len(content) - 1))
        damage = data.draw(st.binary(min_size=1, max_size=300))
        content[start : start + len(damage)] = damage
        path.write_bytes(content)
        with server.client(cache=Cache(folder, namespace="x")) as bk, warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert shortened(bk) == expected
        assert len(caught) <= 1


# -- the token's uuid


def test_a_uuid_that_cannot_be_requested_costs_one_warning(
    acme_web: FakeBuildkite, expected: list[object], new_client: Clients
) -> None:
    acme_web.faults.add("error", status=403, match=lambda request: request.path == "/v2/access-token")
    found, (message,) = warned(new_client(namespace=None))
    assert found == expected
    assert "namespace" in message


def test_tokens_that_change_with_each_request_cost_one_warning(
    acme_web: FakeBuildkite, expected: list[object], folder: Path
) -> None:
    tokens: Iterator[str] = (
        acme_web.make_token("read_builds", "read_build_logs", "read_artifacts") for _ in range(999)
    )
    with acme_web.client(token=None, auth=lambda: next(tokens), cache=Cache(folder)) as bk:
        found, (message,) = warned(bk)
    assert found == expected
    assert "changes too often" in message


# -- threads, processes, and their ends


def test_threads_share_a_cache(expected: list[object], new_client: Clients) -> None:
    clients = [new_client() for _ in range(2)]
    results: list[list[object]] = []

    def run(bk: Buildkite) -> None:
        results.append(analysis(bk))

    threads = [threading.Thread(target=run, args=(bk,)) for bk in clients * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [expected] * 6


def test_a_database_that_another_process_makes_meanwhile_is_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = schema._pragma  # pyright: ignore[reportPrivateUsage]

    def read_before_it_is_made(connection: sqlite3.Connection, name: str) -> object:
        value = read(connection, name)
        if name == "user_version" and value == 0:
            monkeypatch.setattr(schema, "_pragma", read)
            schema.connect(folder).close()
        return value

    monkeypatch.setattr(schema, "_pragma", read_before_it_is_made)
    with closing(schema.connect(folder)) as connection:
        assert read(connection, "user_version") == schema.VERSION


SCRIPT = """
import sys
from buildkite_orm import Cache
from buildkite_orm.fake import FakeBuildkite, Settings
with FakeBuildkite(populate=False, settings=Settings(organization_limit=None, user_limit=None)) as server:
    records = server.add_builds("web", 40, jobs=2, spacing=60, newest=server.clock.now() - 3600)
    for record in records:
        server.set_log(record.jobs[0], f"log of {record.number}\\n".encode() * 1000)
        server.add_artifact(record.jobs[0], "a.txt", f"file of {record.number}\\n".encode() * 10_000)
    mode = sys.argv[2]
    for _ in range(int(sys.argv[3])):
        with server.client(cache=Cache(sys.argv[1], namespace="x", mode=mode)) as bk:
            for build in bk.organization("acme").pipeline("web").builds(with_jobs=True).per_page(7):
                assert build.jobs()[0].log().fetch().text == f"log of {build.number}\\n" * 1000
                artifact = build.jobs()[0].artifacts()[0]
                assert artifact.download() == f"file of {build.number}\\n".encode() * 10_000
                print(build.number, flush=True)
"""


def start(folder: Path, mode: str, rounds: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "error", "-c", SCRIPT, str(folder), mode, str(rounds)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> None:
    _, errors = process.communicate()
    assert (process.returncode, errors) == (0, "")


def test_processes_share_a_cache(folder: Path) -> None:
    processes = [start(folder, mode, 2) for mode in ("on", "refresh")]
    for process in processes:
        finish(process)


def test_a_process_that_is_killed_leaves_a_cache_that_others_use(folder: Path) -> None:
    for lines in (1, 9, 25):
        process = start(folder, "refresh", 9)
        assert process.stdout is not None
        for _ in range(lines):
            assert process.stdout.readline()
        process.send_signal(signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)
        process.communicate()
    finish(start(folder, "on", 1))
    with closing(sqlite3.connect(folder / "cache.sqlite3")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a fork")
def test_a_forked_child_opens_the_database_itself(expected: list[object], new_client: Clients) -> None:
    bk = new_client()
    analysis(bk)
    child = os.fork()
    if child == 0:  # pragma: no cover - in the child
        code = 1
        try:
            code = 0 if analysis(bk) == expected else 2
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert warned(bk) == (expected, [])


def test_an_interruption_leaves_the_database_usable(
    expected: list[object], new_client: Clients, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_args: Any) -> None:
        raise KeyboardInterrupt

    bk = new_client()
    with monkeypatch.context() as patch:
        patch.setattr("buildkite_orm.cache.files.UnfinishedContent.move_to_place", interrupt)
        with pytest.raises(KeyboardInterrupt):
            analysis(bk)
    assert [path.name for path in every_file(folder / "files")] == []
    assert warned(bk) == (expected, [])
