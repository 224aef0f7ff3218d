"""Exports: each run adds what is new and replaces what has changed, and a file is complete or unchanged."""

from __future__ import annotations

import codecs
import csv
import functools
import json
import sqlite3
from datetime import UTC, datetime, timedelta
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm import ConfigurationError, DownloadError, RetryPolicy, ServerError
from buildkite_orm.cli import main
from buildkite_orm.data import export as module
from buildkite_orm.data.command import parse_since
from buildkite_orm.data.export import export
from buildkite_orm.data.schema import table
from buildkite_orm.data.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from buildkite_orm import Buildkite, OrganizationRef
    from buildkite_orm.fake import FakeBuildkite

SINCE = datetime(2020, 1, 1, tzinfo=UTC)
FORMATS = [".csv", ".jsonl", ".parquet", ".duckdb"]
NEEDS = {".parquet": ("pyarrow",), ".duckdb": ("pyarrow", "duckdb")}


@pytest.fixture(params=FORMATS)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if any(find_spec(package) is None for package in NEEDS.get(request.param, ())):
        pytest.skip("install the extra check")
    return tmp_path / f"export{request.param}"


@pytest.fixture
def org(bk: Buildkite) -> OrganizationRef:
    return bk.organization("acme")


def read(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".csv":
        return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    if path.suffix == ".parquet":
        return list(import_module("pyarrow.parquet").read_table(path).to_pylist())
    with import_module("duckdb").connect(str(path)) as connection:
        ((name,),) = connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()
        found = connection.execute(f"SELECT * FROM {name}")  # noqa: S608 - the only table
        names = [each[0] for each in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def states(path: Path) -> dict[str, str]:
    rows = read(path)
    assert len({row["id"] for row in rows}) == len(rows)
    return {row["id"]: row["state"] for row in rows}


def test_a_later_run_adds_what_is_new_and_replaces_what_has_changed(
    server: FakeBuildkite, org: OrganizationRef, path: Path
) -> None:
    first = server.add_build("web", state="running")
    other = server.add_build("web", state="passed")
    assert export(org, "builds", path, since=SINCE, progress=False).rows == 2
    server.set_state(first, "failed")
    server.clock.advance(60)
    new = server.add_build("web", state="running")
    export(org, "builds", path, since=SINCE, progress=False)
    assert states(path) == {first.id: "failed", other.id: "passed", new.id: "running"}
    assert sorted(each.name for each in path.parent.iterdir()) == sorted([path.name, f"{path.name}.checkpoint.json"])


def test_since_is_that_of_the_first_run(server: FakeBuildkite, org: OrganizationRef, path: Path) -> None:
    now = datetime.fromtimestamp(server.clock.now(), UTC)
    server.add_build("web", created_at=server.clock.now() - 3 * 86_400, state="passed")
    server.add_build("web", created_at=server.clock.now() - 86_400, state="passed")
    start = export(org, "builds", path, since=now - timedelta(days=2), progress=False).since
    assert len(read(path)) == 1
    assert export(org, "builds", path, since=now - timedelta(days=9), progress=False).since == start
    assert len(read(path)) == 1


def test_an_interrupted_run_leaves_the_file_whole_and_is_continued(
    server: FakeBuildkite, org: OrganizationRef, path: Path
) -> None:
    export(org, "builds", path, since=SINCE, progress=False)
    before = path.read_bytes()
    server.clock.advance(3600)
    for _ in range(250):
        server.add_build("web", state="passed")
    server.faults.add("error", match="finished_from", after=2)
    with server.client(retry=RetryPolicy(attempts=1)) as bk, pytest.raises(ServerError):
        export(bk.organization("acme"), "builds", path, since=SINCE, progress=False)
    assert path.read_bytes() == before
    server.faults.clear()
    export(org, "builds", path, since=SINCE, progress=False)
    assert len(states(path)) == 250


@pytest.mark.parametrize("place", ["file", "checkpoint"])
def test_a_run_that_is_killed_at_its_end_loses_nothing(
    server: FakeBuildkite, org: OrganizationRef, path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    server.add_build("web", state="passed")
    with monkeypatch.context() as patch:
        name = "atomic_write" if place == "checkpoint" else "Spool"
        target: Any = module if place == "checkpoint" else Spool
        attribute = name if place == "checkpoint" else "batches"
        patch.setattr(target, attribute, _raise)
        with pytest.raises(KeyboardInterrupt):
            export(org, "builds", path, since=SINCE, progress=False)
    late = server.add_build("web", state="passed")
    export(org, "builds", path, since=SINCE, progress=False)
    assert late.id in states(path)
    assert len(states(path)) == 2


def _raise(*_args: object, **_options: object) -> None:
    raise KeyboardInterrupt


def test_jobs_of_retried_builds_are_right(server: FakeBuildkite, org: OrganizationRef, path: Path) -> None:
    build = server.add_build("web", state="failed", jobs=[{"name": "a", "state": "failed"}])
    export(org, "jobs", path, since=SINCE, progress=False)
    org.pipeline("web").build(build.number).fetch().retry_failed_jobs()
    server.clock.advance(3600)
    export(org, "jobs", path, since=SINCE, progress=False)
    rows = read(path)
    assert len(rows) == 2
    assert sorted(str(row["retried"]) for row in rows) == ["False", "True"] or path.suffix == ".csv"
    assert {row["build_id"] for row in rows} == {build.id}


@pytest.mark.parametrize("kind", ["artifacts", "annotations"])
def test_parts_of_builds_are_exported(server: FakeBuildkite, org: OrganizationRef, tmp_path: Path, kind: str) -> None:
    build = server.add_build("web", state="passed", jobs=[{"name": "a", "state": "passed"}])
    server.add_artifact(build.jobs[0], "a.txt", b"hello")
    server.add_annotation(build, "Hello")
    path = tmp_path / "export.jsonl"
    assert export(org, kind, path, since=SINCE, progress=False).rows == 1
    (row,) = read(path)
    assert (row["build_number"], row["pipeline_slug"]) == (build.number, "web")


@pytest.mark.filterwarnings("ignore::buildkite_orm.DriftWarning")
@pytest.mark.parametrize("value", [None, 5], ids=["null", "a number"])
def test_objects_without_a_valid_id_are_separate_rows(
    server: FakeBuildkite, org: OrganizationRef, tmp_path: Path, value: object
) -> None:
    for name in ("a", "b", "c"):
        server.add_build("web", state="passed", jobs=[{"name": name}])

    def change(payload: Any) -> Any:
        for job in (each for build in payload for each in build["jobs"]):
            job["id"] = value
        return payload

    server.settings.drift = change
    path = tmp_path / "export.jsonl"
    for _ in range(2):  # the second run lists the builds again, since they have just finished
        export(org, "jobs", path, since=SINCE, progress=False)
        assert sorted(row["name"] for row in read(path)) == ["a", "b", "c"]


def test_a_file_that_is_no_export_is_not_replaced(org: OrganizationRef, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("a,b\n")
    with pytest.raises(ConfigurationError, match="no checkpoint is beside it"):
        export(org, "builds", path, since=SINCE, progress=False)
    assert path.read_text() == "a,b\n"


def test_a_file_of_another_kind_is_refused(org: OrganizationRef, tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    export(org, "builds", path, since=SINCE, progress=False)
    with pytest.raises(ConfigurationError, match="has builds"):
        export(org, "jobs", path, since=SINCE, progress=False)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"kind": "builds", "version": 1, "since": 5}'])
def test_a_damaged_checkpoint_is_an_error(org: OrganizationRef, tmp_path: Path, text: str) -> None:
    path = tmp_path / "export.csv"
    (tmp_path / "export.csv.checkpoint.json").write_text(text)
    with pytest.raises(ConfigurationError, match="no checkpoint of an export"):
        export(org, "builds", path, since=SINCE, progress=False)


def test_a_missing_file_with_a_checkpoint_is_an_error(server: FakeBuildkite, org: OrganizationRef, path: Path) -> None:
    server.add_build("web", created_at=server.clock.now() - 86_400, state="passed")
    export(org, "builds", path, since=SINCE, progress=False)
    path.unlink()
    with pytest.raises(
        ConfigurationError, match=r"is missing, .* delete .*checkpoint\.json to export everything"
    ) as told:
        export(org, "builds", path, since=SINCE, progress=False)
    assert "unfinished" not in str(told.value)
    path.with_name(f"{path.name}.checkpoint.json").unlink()
    assert export(org, "builds", path, since=SINCE, progress=False).rows == 1


def test_a_missing_table_of_a_database_is_an_error(org: OrganizationRef, tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb", reason="install the extra check")
    path = tmp_path / "export.duckdb"
    export(org, "builds", path, since=SINCE, progress=False)
    with duckdb.connect(str(path)) as connection:
        connection.execute("DROP TABLE builds")
    with pytest.raises(ConfigurationError, match=r"the table builds of .* is missing, and a run adds only what is new"):
        export(org, "builds", path, since=SINCE, progress=False)


def test_a_csv_file_may_begin_with_the_mark_that_excel_writes(
    server: FakeBuildkite, org: OrganizationRef, tmp_path: Path
) -> None:
    path = tmp_path / "export.csv"
    server.add_build("web", state="passed")
    export(org, "builds", path, since=SINCE, progress=False)
    path.write_bytes(codecs.BOM_UTF8 + path.read_bytes())
    export(org, "builds", path, since=SINCE, progress=False)
    assert [row["state"] for row in read(path)] == ["passed"]


@pytest.mark.parametrize("content", [b"damaged\n" * 1000, b'{"name": "no id"}\n', b"[]\n", b"\xff\n"])
def test_a_damaged_file_is_an_error_that_names_it(
    server: FakeBuildkite, org: OrganizationRef, path: Path, content: bytes
) -> None:
    server.add_build("web", state="passed")
    export(org, "builds", path, since=SINCE, progress=False)
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=rf"cannot read .*{path.name}, which earlier runs have written: \w+: "):
        export(org, "builds", path, since=SINCE, progress=False)
    assert path.read_bytes() == content


def test_texts_may_have_any_length(server: FakeBuildkite, org: OrganizationRef, path: Path) -> None:
    limit = csv.field_size_limit()
    text = "x" * 200_000  # longer than the limit of the module csv
    server.add_build("web", state="passed", created_at=server.clock.now() - 86_400, message=text)
    export(org, "builds", path, since=SINCE, progress=False)
    server.clock.advance(3600)
    server.add_build("web", state="passed")
    export(org, "builds", path, since=SINCE, progress=False)
    assert csv.field_size_limit() == limit
    if path.suffix == ".csv":
        assert path.read_text(encoding="utf-8").count(text) == 1
    else:
        assert [row["message"] for row in read(path)].count(text) == 1


@pytest.mark.parametrize("name", ["export.csv.unfinished", "export.csv.checkpoint.json"])
def test_a_folder_in_place_of_a_file_beside_the_export_is_an_error(
    org: OrganizationRef, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(ConfigurationError, match=f"cannot .*{name}"):
        export(org, "builds", tmp_path / "export.csv", since=SINCE, progress=False)


def test_a_damaged_unfinished_file_is_an_error_that_says_what_to_delete(org: OrganizationRef, tmp_path: Path) -> None:
    (tmp_path / "export.csv.unfinished").write_bytes(b"damaged" * 1000)
    with pytest.raises(ConfigurationError, match=r"cannot use .*export\.csv\.unfinished: .*delete it"):
        export(org, "builds", tmp_path / "export.csv", since=SINCE, progress=False)


def test_a_full_disk_is_an_error_that_names_the_file(
    server: FakeBuildkite, org: OrganizationRef, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def execute(self: Any, *arguments: Any) -> Any:
        if arguments[0] == "COMMIT":
            raise sqlite3.OperationalError("database or disk is full")
        return sqlite3.Connection.execute(self, *arguments)

    server.add_build("web", state="passed")
    path = tmp_path / "export.csv"
    full: Any = type("Full", (sqlite3.Connection,), {"execute": execute})
    connect: Any = functools.partial(sqlite3.connect, factory=full)
    monkeypatch.setattr(sqlite3, "connect", connect)
    with pytest.raises(DownloadError, match=r"cannot write .*export\.csv\.unfinished: database or disk is full"):
        export(org, "builds", path, since=SINCE, progress=False)
    assert not path.exists()
    monkeypatch.undo()
    assert export(org, "builds", path, since=SINCE, progress=False).rows == 1


def test_a_folder_that_does_not_exist_is_an_error_that_asks_for_it(org: OrganizationRef, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="does its folder exist"):
        export(org, "builds", tmp_path / "missing" / "export.csv", since=SINCE, progress=False)


def test_two_exports_of_one_file_at_once_are_refused(org: OrganizationRef, tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    with Spool(tmp_path / "export.csv.unfinished", table("builds")) as spool:
        spool.add([], "{}", SINCE)
        with pytest.raises(ConfigurationError, match="another export"):
            export(org, "builds", path, since=SINCE, progress=False)


def test_an_unknown_format_names_the_choices(org: OrganizationRef, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"\.parquet, \.csv"):
        export(org, "builds", tmp_path / "export.xlsx", since=SINCE, progress=False)


# -- the command


@pytest.fixture
def run(server: FakeBuildkite, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    monkeypatch.setenv("BUILDKITE_API_TOKEN", server.token)
    monkeypatch.setenv("BUILDKITE_REST_API_ENDPOINT", server.url)
    return lambda *arguments: main(["export", *arguments])


def test_the_command_writes_a_file(
    server: FakeBuildkite, run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.add_build("web", state="passed")
    path = tmp_path / "builds.csv"
    assert run("builds", "--org", "acme", "--since", "2020-01-01", "--to", str(path)) == 0
    assert len(read(path)) == 1
    assert "1 builds added or replaced" in capsys.readouterr().out


def test_the_command_explains_what_is_wrong(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("builds", "--org", "acme", "--since", "soon", "--to", "builds.csv") == 2
    assert "--since soon" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["soon", "30", "0001-01-01T00:00:00+14:00"])
def test_since_that_is_no_time_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="a period such as"):
        parse_since(text, datetime(2026, 8, 1, 12, tzinfo=UTC))


@pytest.mark.parametrize(
    ("text", "ago"), [("30d", timedelta(days=30)), ("12h", timedelta(hours=12)), ("2w", timedelta(weeks=2))]
)
def test_since_is_a_period_or_a_date(text: str, ago: timedelta) -> None:
    now = datetime(2026, 8, 1, 12, tzinfo=UTC)
    assert parse_since(text, now) == now - ago
    assert parse_since("2026-07-01", now) == datetime(2026, 7, 1, tzinfo=UTC)
    assert parse_since("2026-07-01T02:00:00+02:00", now) == datetime(2026, 7, 1, tzinfo=UTC)
