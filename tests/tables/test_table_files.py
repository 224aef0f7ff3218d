"""Tables in Parquet files and DuckDB databases: large row groups, one pass, and never half of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm import ConfigurationError, RetryPolicy, ServerError
from buildkite_orm.data import parquet as module
from buildkite_orm.data.databases import write_duckdb
from tests.helpers import web_pipeline

if TYPE_CHECKING:
    from pathlib import Path

    from buildkite_orm import Buildkite, PipelineRef
    from buildkite_orm.fake import FakeBuildkite
    from tests.conftest import Costs

pa: Any = pytest.importorskip("pyarrow", reason="install the extra check")
pq: Any = pytest.importorskip("pyarrow.parquet", reason="install the extra check")


def database() -> Any:
    return pytest.importorskip("duckdb", reason="install the extra check")


@pytest.fixture(autouse=True)
def _jobs(server: FakeBuildkite, web: PipelineRef) -> None:
    del web
    server.add_builds("web", 150, jobs=2)


def groups(path: Path) -> list[int]:
    file = pq.ParquetFile(path)
    return [file.metadata.row_group(index).num_rows for index in range(file.num_row_groups)]


def test_a_parquet_file_has_the_table_and_its_types(web: PipelineRef, tmp_path: Path, costs: Costs) -> None:
    table = web.builds().arrow()
    with costs(2):
        path = table.to_parquet(tmp_path / "builds.parquet")
    assert path == tmp_path / "builds.parquet"
    read = pq.read_table(path)
    assert read.schema == table.schema
    assert read.to_pylist() == pa.table(web.builds().arrow()).to_pylist()
    assert [each.name for each in tmp_path.iterdir()] == ["builds.parquet"]


def test_pages_are_joined_to_large_row_groups(
    web: PipelineRef, server: FakeBuildkite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert module.ROWS_PER_GROUP >= 50_000
    monkeypatch.setattr(module, "ROWS_PER_GROUP", 500)
    monkeypatch.setattr(module, "_ROWS_PER_PIECE", 200)
    server.add_builds("web", 1_100)
    path = web.builds().arrow().to_parquet(tmp_path / "builds.parquet")
    *full, last = groups(path)
    assert sum([*full, last]) == 1_250
    assert len(full) == 2
    assert min(full) >= 500
    assert pq.read_table(path)["id"].to_pylist() == [row["id"] for row in web.builds().rows()]


def test_an_empty_table_is_a_file_with_its_columns(server: FakeBuildkite, bk: Buildkite, tmp_path: Path) -> None:
    server.add_pipeline("empty")
    table = bk.organization("acme").pipeline("empty").builds().arrow()
    assert pq.read_table(table.to_parquet(tmp_path / "builds.parquet")).schema == table.schema


def test_both_tables_are_written_in_one_pass(web: PipelineRef, tmp_path: Path, costs: Costs) -> None:
    with costs(2):
        paths = web.builds(with_jobs=True).tables().to_parquet(tmp_path / "new" / "folder")
    builds, jobs = map(pq.read_table, paths)
    assert [path.name for path in paths] == ["builds.parquet", "jobs.parquet"]
    assert (len(builds), len(jobs)) == (150, 300)
    assert set(jobs["build_id"].to_pylist()) == set(builds["id"].to_pylist())


def test_a_folder_may_be_empty_or_a_path_object_and_nothing_else(
    web: PipelineRef, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Named:
        def __fspath__(self) -> str:
            return "named"

    monkeypatch.chdir(tmp_path)
    tables = web.builds(with_jobs=True).tables()
    wrong: Any = b"bytes"
    with pytest.raises(TypeError, match="folder is a path or a string"):
        tables.to_parquet(wrong)
    tables.to_parquet("")
    tables.to_parquet(Named())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["builds.parquet", "jobs.parquet", "named"]


def test_a_failed_run_leaves_the_previous_files_whole(server: FakeBuildkite, tmp_path: Path) -> None:
    with server.client(retry=RetryPolicy(attempts=1)) as bk:
        tables = web_pipeline(bk).builds(with_jobs=True).tables()
        before = [path.read_bytes() for path in tables.to_parquet(tmp_path)]
        server.add_build("web")
        server.faults.add("error", after=1)
        with pytest.raises(ServerError):
            tables.to_parquet(tmp_path)
    assert [path.read_bytes() for path in sorted(tmp_path.iterdir())] == before


def test_a_duckdb_database_has_both_tables_from_one_pass(web: PipelineRef, tmp_path: Path, costs: Costs) -> None:
    duckdb, path = database(), tmp_path / "acme.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE mine AS SELECT 1 AS one")
        connection.execute("CREATE TABLE builds AS SELECT 'old' AS id")
    with costs(2):
        assert web.builds(with_jobs=True).tables().to_duckdb(path) == path
    with duckdb.connect(str(path)) as connection:
        joined = "SELECT count(*), count(DISTINCT b.id) FROM builds b JOIN jobs j ON j.build_id = b.id"
        assert connection.sql(joined).fetchall() == [(300, 150)]
        assert connection.sql("SELECT table_name FROM duckdb_tables() ORDER BY ALL").fetchall() == [
            ("builds",),
            ("jobs",),
            ("mine",),
        ]
        assert connection.sql("SELECT typeof(created_at), typeof(meta_data) FROM builds LIMIT 1").fetchall() == [
            ("TIMESTAMP WITH TIME ZONE", "MAP(VARCHAR, VARCHAR)")
        ]


def test_a_failed_run_leaves_the_tables_of_a_database_whole(server: FakeBuildkite, tmp_path: Path) -> None:
    duckdb, path = database(), tmp_path / "acme.duckdb"
    with server.client(retry=RetryPolicy(attempts=1)) as bk:
        table = web_pipeline(bk).builds().arrow()
        table.to_duckdb(path, "history")
        server.faults.add("error", after=1)
        with pytest.raises(ServerError), pytest.warns():
            table.to_duckdb(path, "history")
    with duckdb.connect(str(path)) as connection:
        assert connection.sql("SELECT count(*) FROM history").fetchall() == [(150,)]
        assert connection.sql("SELECT table_name FROM duckdb_tables()").fetchall() == [("history",)]


def test_a_view_with_the_name_of_a_table_is_an_error_that_leaves_the_database_as_it_was(
    web: PipelineRef, tmp_path: Path
) -> None:
    path, duckdb = tmp_path / "acme.duckdb", database()
    names = "SELECT table_name FROM duckdb_tables() UNION ALL SELECT view_name FROM duckdb_views() WHERE NOT internal"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE builds_unfinished AS SELECT 1; CREATE VIEW jobs AS SELECT 2")
        before = connection.execute(names).fetchall()
    with pytest.raises(duckdb.Error, match="jobs"):
        web.builds(with_jobs=True).tables().to_duckdb(path)
    with duckdb.connect(str(path)) as connection:
        assert connection.execute(names).fetchall() == before


def test_a_name_of_a_table_may_be_any_text(web: PipelineRef, tmp_path: Path) -> None:
    duckdb = database()
    path = web.builds().arrow().to_duckdb(tmp_path / "acme.duckdb", 'the "web"; DROP TABLE x')
    with duckdb.connect(str(path)) as connection:
        assert connection.sql("SELECT table_name FROM duckdb_tables()").fetchall() == [('the "web"; DROP TABLE x',)]


@pytest.mark.parametrize("version", [None, "1.3.2"])  # older ones would open the file twice
def test_a_database_that_this_process_has_open_gets_the_table(
    web: PipelineRef, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str | None
) -> None:
    if version is not None:
        monkeypatch.setattr(database(), "__version__", version)
    with database().connect(str(tmp_path / "acme.duckdb")) as connection:
        web.builds().arrow().to_duckdb(tmp_path / "acme.duckdb")
        assert connection.sql("SELECT count(*) FROM builds").fetchall() == [(150,)]


def test_the_path_of_a_database_may_have_quotes(web: PipelineRef, tmp_path: Path) -> None:
    path = web.builds().arrow().to_duckdb(tmp_path / 'the team\'s "builds".duckdb')
    with database().connect(str(path)) as connection:
        assert connection.sql("SELECT count(*) FROM builds").fetchall() == [(150,)]


def test_row_groups_of_a_database_are_small_so_that_writing_takes_little_memory(tmp_path: Path) -> None:
    duckdb, path = database(), tmp_path / "numbers.duckdb"
    batches = [pa.RecordBatch.from_pydict({"number": range(start, start + 1_000)}) for start in range(0, 40_000, 1_000)]
    write_duckdb(path, {"numbers": batches[0].schema}, ({"numbers": batch} for batch in batches))
    with duckdb.connect(str(path)) as connection:
        assert connection.sql("SELECT count(*), sum(number) FROM numbers").fetchall() == [(40_000, sum(range(40_000)))]
        rows = connection.sql(
            "SELECT row_group_id, max(start + count) - min(start) FROM pragma_storage_info('numbers') GROUP BY ALL"
        )
        assert max(count for _, count in rows.fetchall()) <= 8_192


def test_without_duckdb_the_error_says_what_to_install(
    web: PipelineRef, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "duckdb", None)
    with pytest.raises(ConfigurationError, match="pip install duckdb"):
        web.builds().arrow().to_duckdb(tmp_path / "acme.duckdb")
