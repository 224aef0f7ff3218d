"""The source for dlt, with real dlt and DuckDB: runs merge, a killed run loses nothing, deletions are reconciled."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm import ConfigurationError, RetryPolicy
from buildkite_orm.dlt import buildkite_source
from tests.helpers import web_build

if TYPE_CHECKING:
    from pathlib import Path

    from buildkite_orm import Buildkite
    from buildkite_orm.fake import FakeBuildkite
    from tests.conftest import Costs


class Warehouse:
    """A DuckDB database that a pipeline of dlt loads."""

    def __init__(self, folder: Path) -> None:
        self._dlt: Any = import_module("dlt")
        self._duckdb: Any = import_module("duckdb")
        self._folder = folder

    def load(self, bk: Buildkite, **options: Any) -> None:
        """Run a new pipeline object, as a new process would."""
        destination = self._dlt.destinations.duckdb(str(self._folder / "warehouse.duckdb"))
        pipeline = self._dlt.pipeline(
            "ci", destination=destination, dataset_name="ci", pipelines_dir=str(self._folder / "dlt")
        )
        pipeline.run(buildkite_source("acme", client=bk, since=timedelta(days=3650), **options))

    def rows(self, query: str) -> list[Any]:
        """Return the rows of a query."""
        with self._duckdb.connect(str(self._folder / "warehouse.duckdb")) as connection:
            found: list[Any] = connection.sql(query).fetchall()
            return found


@pytest.fixture
def warehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    for package in ("dlt", "duckdb", "pyarrow"):
        pytest.importorskip(package, reason="install the extra check")
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return Warehouse(tmp_path)


pytestmark = pytest.mark.filterwarnings("ignore")  # of dlt and its dependencies


def test_a_second_run_merges_running_builds_to_their_end(
    server: FakeBuildkite, bk: Buildkite, warehouse: Warehouse, costs: Costs
) -> None:
    running = server.add_build("web", state="running", jobs=[{"name": "a", "state": "running"}])
    server.add_build("web", state="passed", jobs=[{"name": "a", "state": "passed"}])
    with costs(3):  # builds with their jobs, agents, pipelines
        warehouse.load(bk)
    assert warehouse.rows("SELECT state, count(*) FROM ci.builds GROUP BY ALL ORDER BY ALL") == [
        ("passed", 1),
        ("running", 1),
    ]
    server.set_state(running, "passed")
    server.clock.advance(600)
    warehouse.load(bk)
    assert warehouse.rows("SELECT state, count(*) FROM ci.builds GROUP BY ALL") == [("passed", 2)]
    assert warehouse.rows("SELECT count(*), count(DISTINCT build_id) FROM ci.jobs") == [(2, 2)]
    assert warehouse.rows("SELECT count(*) FROM ci.pipelines") == [(1,)]


def test_all_columns_are_there_from_the_first_row(server: FakeBuildkite, bk: Buildkite, warehouse: Warehouse) -> None:
    server.add_build("web", state="passed")
    warehouse.load(bk)
    query = "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = 'builds' AND schema_name = 'ci'"
    types = dict(warehouse.rows(query))
    assert types["finished_at"] == types["failing_at"] == "TIMESTAMP WITH TIME ZONE"
    assert (types["queue_time"], types["number"], types["meta_data"]) == ("DOUBLE", "BIGINT", "VARCHAR")
    assert len(types) > 70


def test_dlt_logs_no_warning(
    server_with_build: FakeBuildkite,
    bk: Buildkite,
    warehouse: Warehouse,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logging.getLogger("dlt"), "handlers", [caplog.handler])
    server_with_build.add_annotation(server_with_build.build("web", 1), "<p>slow</p>")
    for _ in range(2):
        warehouse.load(bk, artifacts=True, annotations=True)
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert warehouse.rows("SELECT count(*) FROM ci.artifacts UNION ALL SELECT count(*) FROM ci.annotations") == [
        (1,),
        (1,),
    ]


@pytest.mark.parametrize("value", [None, 5, "\ud800"], ids=["null", "a number", "half a character"])
def test_objects_without_a_valid_id_are_loaded(
    server: FakeBuildkite, bk: Buildkite, warehouse: Warehouse, value: object
) -> None:
    server.add_build("web", state="passed", jobs=[{"name": "a"}])
    warehouse.load(bk)
    server.clock.advance(600)
    for _ in range(120):  # two batches, of which only the first one has rows without an id
        server.add_build("web", state="passed", jobs=[{"name": "b"}, {"name": "c"}])

    def change(payload: Any) -> Any:
        for each in payload:
            if each.get("number") in {115, 116} or "builds_url" in each:  # builds or pipelines
                each["id"] = value
                for job in each.get("jobs", ()):
                    job["id"] = value
        return payload

    server.settings.drift = change
    for _ in range(2):
        warehouse.load(bk)
    counts = "SELECT count(*), count(id) FROM ci."
    assert warehouse.rows(f"{counts}builds") == [(121, 121)]
    assert warehouse.rows(f"{counts}jobs") == [(241, 241)]
    assert warehouse.rows(f"{counts}pipelines") == [(1, 0)]


def test_a_killed_run_loses_nothing(server: FakeBuildkite, bk: Buildkite, warehouse: Warehouse) -> None:
    server.add_build("web", state="passed")
    warehouse.load(bk)
    server.clock.advance(3600)
    server.add_builds("web", 150)
    server.faults.add("error", match="/builds", after=2)
    with server.client(retry=RetryPolicy(attempts=1)) as impatient, pytest.raises(Exception, match="500"):
        warehouse.load(impatient)
    server.faults.clear()
    warehouse.load(bk)
    assert warehouse.rows("SELECT count(*), count(DISTINCT id) FROM ci.builds") == [(151, 151)]


def test_retried_builds_are_right(server: FakeBuildkite, bk: Buildkite, warehouse: Warehouse) -> None:
    build = server.add_build("web", state="failed", jobs=[{"name": "a", "state": "failed"}])
    warehouse.load(bk)
    web_build(bk, build.number).retry_failed_jobs()
    server.clock.advance(3600)
    warehouse.load(bk)
    assert warehouse.rows("SELECT state FROM ci.builds") == [(build.state,)]
    assert warehouse.rows("SELECT retried FROM ci.jobs ORDER BY retried") == [(False,), (True,)]


def test_deleted_builds_are_deleted_by_reconcile_only(
    server: FakeBuildkite, bk: Buildkite, warehouse: Warehouse
) -> None:
    server.add_build("web", state="passed")
    deleted = server.add_build("old", state="passed")
    warehouse.load(bk)
    bk.organization("acme").pipeline("old").delete()
    warehouse.load(bk)
    assert (deleted.id,) in warehouse.rows("SELECT id FROM ci.builds")
    known = [row[0] for row in warehouse.rows("SELECT id FROM ci.builds")]
    warehouse.load(bk, reconcile=timedelta(days=7), known=known)
    assert len(known) == 2
    assert [row[0] for row in warehouse.rows("SELECT id FROM ci.builds")] == [
        each for each in known if each != deleted.id
    ]
    assert warehouse.rows("SELECT name FROM ci.pipelines") == [("Web",)]


def test_artifacts_and_annotations_are_loaded_on_demand(
    server: FakeBuildkite, bk: Buildkite, warehouse: Warehouse
) -> None:
    build = server.add_build("web", state="passed", jobs=[{"name": "a", "state": "passed"}])
    server.add_artifact(build.jobs[0], "a.txt", b"hello")
    server.add_annotation(build, "Hello")
    warehouse.load(bk, artifacts=True, annotations=True)
    assert warehouse.rows("SELECT path, build_number FROM ci.artifacts") == [("a.txt", build.number)]
    assert warehouse.rows("SELECT build_number FROM ci.annotations") == [(build.number,)]


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"since": "30d"}, TypeError, "since='30d': a datetime, or a timedelta"),
        ({"since": datetime(2026, 7, 1)}, ValueError, "since"),  # noqa: DTZ001 - refused
        ({"reconcile": 7}, TypeError, "reconcile=7: a timedelta"),
        ({"known": ["b1"]}, ValueError, "add reconcile="),
    ],
)
def test_wrong_arguments_are_refused_before_the_first_run(
    options: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        buildkite_source("acme", **options)


def test_a_mapping_of_known_builds_keeps_those_that_are_older_than_the_time_to_reconcile(
    server: FakeBuildkite, bk: Buildkite, warehouse: Warehouse
) -> None:
    old = server.add_build("old", state="passed", created_at=server.clock.now() - 30 * 86_400)
    server.add_build("old", state="passed", created_at=server.clock.now() - 86_400)
    warehouse.load(bk)
    bk.organization("acme").pipeline("old").delete()
    known = dict(warehouse.rows("SELECT id, created_at FROM ci.builds"))
    warehouse.load(bk, reconcile=timedelta(days=7), known=known)
    assert warehouse.rows("SELECT id FROM ci.builds") == [(old.id,)]


def test_without_dlt_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "dlt", None)
    with pytest.raises(ConfigurationError, match=r"buildkite_orm\[dlt\]"):
        buildkite_source("acme")
