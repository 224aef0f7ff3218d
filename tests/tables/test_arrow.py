"""Arrow tables: lazy, one request a page, the same columns always, and errors that arrive."""

from __future__ import annotations

import inspect
import json
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm import BuildkiteError, ConfigurationError, ManyRequestsWarning, RetryPolicy
from tests.helpers import web_pipeline

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildkite_orm import Buildkite, PipelineRef
    from buildkite_orm.data.arrow import ArrowStream
    from buildkite_orm.fake import FakeBuildkite
    from tests.conftest import Costs

pa: Any = pytest.importorskip("pyarrow", reason="install the extra check")
MISSING = "install the extra check"


def with_duckdb(x: Any) -> Any:  # noqa: ARG001 - named in the query
    return pytest.importorskip("duckdb", reason=MISSING).sql("SELECT * FROM x").fetchall()


def with_polars(x: Any) -> Any:
    return pytest.importorskip("polars", reason=MISSING).DataFrame(x).rows()


def with_pandas(x: Any) -> Any:
    return pytest.importorskip("pandas", reason=MISSING).DataFrame.from_arrow(x).to_numpy()


def with_pyarrow(x: Any) -> Any:
    return pa.table(x).to_pylist()


CONSUMERS = [with_duckdb, with_polars, with_pandas, with_pyarrow]
every_consumer = pytest.mark.parametrize("read", CONSUMERS, ids=lambda read: read.__name__)


@pytest.fixture
def builds(server: FakeBuildkite, web: PipelineRef) -> ArrowStream:
    """A table of 250 builds, which is three pages."""
    server.add_builds("web", 250)
    return web.builds().arrow()


@every_consumer
def test_a_consumer_reads_all_rows_with_one_request_a_page(
    read: Callable[[Any], Any], builds: ArrowStream, costs: Costs
) -> None:
    with costs(3):
        assert len(read(builds)) == 250
    assert builds.error is None


def test_nothing_is_requested_before_it_is_read(server: FakeBuildkite, web: PipelineRef, costs: Costs) -> None:
    server.add_builds("web", 250)
    with costs(0):
        table = web.builds().arrow()
        assert table.schema.field("created_at").type == pa.timestamp("us", tz="UTC")
        assert " columns" in repr(table)
        reader = pa.RecordBatchReader.from_stream(table)
    with costs(1):
        assert len(reader.read_next_batch()) == 100


def test_a_limit_in_sql_costs_one_request(server: FakeBuildkite, web: PipelineRef, costs: Costs) -> None:
    duckdb = pytest.importorskip("duckdb", reason=MISSING)
    server.add_builds("web", 1000)
    x = web.builds().arrow()
    with costs(1):
        assert len(duckdb.sql("SELECT number, state FROM x LIMIT 5").fetchall()) == 5
    del x


def test_the_columns_are_those_of_rows_also_without_any_row(web: PipelineRef) -> None:
    empty = web.builds()
    assert pa.table(empty.arrow()).schema == empty.arrow().schema
    assert empty.arrow().schema.names == list(dict.fromkeys(empty.arrow().schema.names))


def test_the_values_are_those_of_rows(acme: FakeBuildkite) -> None:
    with acme.client() as bk:
        listing = web_pipeline(bk).builds().limit(20)
        rows = list(listing.rows())
        table = pa.table(listing.arrow()).to_pylist(maps_as_pydicts="strict")
    assert table == rows
    assert list(rows[0]) == listing.arrow().schema.names


def test_times_in_all_forms_on_one_page_are_the_same_moments(server: FakeBuildkite, web: PipelineRef) -> None:
    server.add_builds("web", 7)
    forms = {
        "2026-07-01T12:00:00.250Z": "2026-07-01T12:00:00.250000+00:00",
        "2013-09-03 13:24:38 UTC": "2013-09-03T13:24:38+00:00",
        "2026-07-01T14:00:00.000001+02:00": "2026-07-01T12:00:00.000001+00:00",
        "1969-12-31T23:59:59.999Z": "1969-12-31T23:59:59.999000+00:00",
        "0001-01-01T00:00:00.000Z": "0001-01-01T00:00:00+00:00",
        "9999-12-31T23:59:59.999999Z": "9999-12-31T23:59:59.999999+00:00",
        None: None,
    }

    def change(payload: Any) -> Any:
        for build, text in zip(payload, forms, strict=True):
            build["finished_at"] = text
        return payload

    server.settings.drift = change
    table = pa.table(web.builds().arrow())
    assert table.schema.field("finished_at").type == pa.timestamp("us", tz="UTC")
    found = table.column("finished_at").to_pylist()
    assert [value and value.isoformat() for value in found] == list(forms.values())


def test_an_integer_in_place_of_a_time_is_not_a_time_in_1970(server: FakeBuildkite, web: PipelineRef) -> None:
    server.add_build("web")

    def change(payload: Any) -> Any:
        payload[0]["created_at"] = 1785571533
        return payload

    server.settings.drift = change
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (row,) = pa.table(web.builds().arrow()).to_pylist()
    assert row["created_at"] is None
    assert json.loads(row["_rest"]) == {"created_at": 1785571533}


def test_a_queryset_itself_has_no_arrow_stream(web: PipelineRef, costs: Costs) -> None:
    with costs(0):
        assert not hasattr(web.builds(), "__arrow_c_stream__")
        assert not hasattr(web.builds(with_jobs=True).tables(), "__arrow_c_stream__")


# -- reading again, and errors


def test_each_reading_is_a_new_listing_and_the_second_warns_once(builds: ArrowStream, costs: Costs) -> None:
    assert len(pa.table(builds)) == 250
    with costs(6), pytest.warns(ManyRequestsWarning, match=r"3 requests .*pyarrow\.table\(x\)") as caught:
        assert [len(pa.table(builds)), len(pa.table(builds))] == [250, 250]
    assert len(caught) == 1


def test_a_second_reading_sees_what_changed(server: FakeBuildkite, web: PipelineRef) -> None:
    table = web.builds().arrow()
    assert len(pa.table(table)) == 0
    server.add_build("web")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ManyRequestsWarning)
        assert len(pa.table(table)) == 1


def test_a_table_of_loaded_objects_costs_nothing_and_does_not_warn(
    server: FakeBuildkite, web: PipelineRef, costs: Costs
) -> None:
    server.add_build("web", jobs=[{"name": "a"}, {"name": "b"}])
    build = web.build(1).fetch()
    with costs(0):
        jobs = build.jobs().arrow()
        assert [pa.table(jobs)["build_id"].to_pylist() for _ in range(3)] == [[build.id, build.id]] * 3


@every_consumer
def test_an_error_in_the_middle_arrives_with_its_text(read: Callable[[Any], Any], server: FakeBuildkite) -> None:
    server.add_builds("web", 250)
    with server.client(retry=RetryPolicy(attempts=1)) as bk:
        table = web_pipeline(bk).builds().arrow()
        server.faults.add("error", after=1)
        with pytest.raises(Exception, match="500") as caught:
            read(table)
    assert isinstance(table.error, BuildkiteError)
    assert str(table.error).splitlines()[0][:40] in str(caught.value)


@pytest.mark.usefixtures("web")
@every_consumer
def test_ctrl_c_during_a_reading_is_its_error(
    read: Callable[[Any], Any], web: PipelineRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_arguments: object) -> None:
        raise KeyboardInterrupt

    x = web.builds().arrow()
    monkeypatch.setattr(x, "_read", interrupt)
    with pytest.raises(BaseException, match="KeyboardInterrupt"):
        read(x)
    assert isinstance(x.error, KeyboardInterrupt)


def test_a_reader_that_stops_early_leaves_no_error(builds: ArrowStream) -> None:
    reader = pa.RecordBatchReader.from_stream(builds)
    reader.read_next_batch()
    del reader
    assert builds.error is None


def test_a_reading_that_succeeds_clears_the_error(server: FakeBuildkite) -> None:
    server.add_build("web")
    with server.client(retry=RetryPolicy(attempts=1)) as bk:
        table = web_pipeline(bk).builds().arrow()
        server.faults.add("error")
        with pytest.raises(Exception, match="500"):
            pa.table(table)
        assert table.error is not None
        assert len(pa.table(table)) == 1
    assert table.error is None


def test_without_pyarrow_the_error_names_the_extra(web: PipelineRef, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(ConfigurationError, match=r"buildkite_orm\[arrow\]"):
        web.builds().arrow()


# -- other kinds


def test_other_kinds_of_objects_have_tables(acme: FakeBuildkite) -> None:
    with acme.client() as bk:
        org = bk.organization("acme")
        build = org.pipeline("web").builds(state="passed")[0]
        listings: list[Any] = [
            build.artifacts(),
            org.pipeline("web").build(95).annotations(scope="all"),
            org.agents(),
            org.pipelines(),
            org.suite("rspec").tests(),
        ]
        tables = [pa.table(listing.arrow()) for listing in listings]
        ids = [[item.id for item in listing] for listing in listings]
    assert [table["id"].to_pylist() for table in tables] == ids
    assert [bool(each) for each in ids] == [True, False, True, True, True]
    assert set(tables[0]["build_number"].to_pylist()) == {build.number}
    assert set(tables[0]["pipeline_slug"].to_pylist()) == {"web"}
    assert set(tables[4]["suite_slug"].to_pylist()) == {"rspec"}


def test_annotations_have_a_table(server: FakeBuildkite, web: PipelineRef) -> None:
    server.add_build("web", jobs=[{"name": "a"}])
    created = web.build(1).annotations().create(body="hello", style="info")
    (row,) = pa.table(web.build(1).annotations().arrow()).to_pylist()
    assert (row["id"], row["style"], row["build_number"], row["pipeline_slug"]) == (created.id, "info", 1, "web")


def test_a_fetched_log_has_a_table(acme: FakeBuildkite, costs: Costs) -> None:
    with acme.client() as bk:
        log = web_pipeline(bk).builds(state="passed")[0].jobs()[0].log().fetch()
        with costs(0, of=acme):
            table = pa.table(log.arrow())
    assert table.schema.names == ["time", "group", "line"]
    assert table["line"].to_pylist() == [line.text for line in log.lines]


# -- builds and jobs


@pytest.fixture
def jobs_server(server: FakeBuildkite) -> FakeBuildkite:
    server.add_builds("web", 150, jobs=3)
    return server


def test_builds_and_jobs_come_from_the_same_responses(jobs_server: FakeBuildkite, bk: Buildkite, costs: Costs) -> None:
    del jobs_server
    with costs(2):
        batches = list(web_pipeline(bk).builds(with_jobs=True).tables())
    assert [(len(builds), len(jobs)) for builds, jobs in batches] == [(100, 300), (50, 150)]
    ids = {row for builds, _ in batches for row in builds.column("id").to_pylist()}
    assert {row for _, jobs in batches for row in jobs.column("build_id").to_pylist()} == ids


def test_tables_alone_list_once_and_builds_without_their_jobs(
    jobs_server: FakeBuildkite, bk: Buildkite, costs: Costs
) -> None:
    tables = web_pipeline(bk).builds(with_jobs=True, include_retried_jobs=True).tables()
    with costs(2):
        assert len(pa.table(tables.builds)) == 150
    assert all("exclude_jobs=true" in request.line for request in jobs_server.requests)
    with costs(2):
        assert len(pa.table(tables.jobs)) == 450


def test_tables_without_jobs_are_refused(web: PipelineRef) -> None:
    with pytest.raises(ValueError, match="with_jobs=True"):
        web.builds().tables()


def test_a_job_that_is_no_object_keeps_its_row(server: FakeBuildkite, web: PipelineRef) -> None:
    server.add_build("web", jobs=[{"name": "a"}])

    def change(payload: Any) -> Any:
        payload[0]["jobs"].append("odd")
        return payload

    server.settings.drift = change
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ((_, jobs),) = web.builds(with_jobs=True).tables()
    assert jobs.column("_rest").to_pylist() == [None, '{"": "odd"}']
    assert len(set(jobs.column("build_id").to_pylist())) == 1


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("to_pandas", "use pandas.DataFrame.from_arrow(x)"),
        ("to_polars", "use polars.DataFrame(x)"),
        ("to_pylist", "use pyarrow.table(x).to_pylist()"),
        ("num_rows", "use pyarrow.table(x)"),
    ],
)
def test_an_attribute_of_another_library_names_what_reads_the_table(web: PipelineRef, name: str, right: str) -> None:
    with pytest.raises(AttributeError) as of_stream:
        getattr(web.builds().arrow(), name)
    assert right in str(of_stream.value)
    with pytest.raises(AttributeError) as of_tables:
        getattr(web.builds(with_jobs=True).tables(), name)
    assert right.replace("(x)", "(x.jobs)") in str(of_tables.value)


def test_the_attributes_of_a_table_are_few() -> None:
    from buildkite_orm.data.arrow import ArrowStream  # noqa: PLC0415

    public = [name for name, _ in inspect.getmembers(ArrowStream) if not name.startswith("_")]
    assert public == ["schema", "to_duckdb", "to_parquet"]
