"""Rows: flat dictionaries with the same keys, and values that are never converted."""

from __future__ import annotations

import json
import warnings
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm import Agent, Build, DriftWarning, Job
from buildkite_orm.data.rows import read_columns, rows_of
from buildkite_orm.data.schema import table_of
from tests.helpers import web_pipeline

if TYPE_CHECKING:
    from buildkite_orm import Buildkite, PipelineRef
    from buildkite_orm.fake import FakeBuildkite
    from buildkite_orm.models.resource import Resource
    from tests.conftest import Costs

BUILD: dict[str, Any] = {
    "id": "b1",
    "url": "https://api.buildkite.com/v2/organizations/acme/pipelines/web/builds/7",
    "number": 7,
    "state": "passed",
    "commit": "HEAD",
    "created_at": "2026-08-01T12:00:00.000Z",
    "started_at": "2026-08-01T12:00:05.000Z",
    "finished_at": "2026-08-01T12:01:05.500Z",
}


def row_of(model: type[Resource], data: dict[str, Any]) -> dict[str, Any]:
    item: Any = model.model_validate(data)
    (row,) = rows_of(table_of(model), read_columns(table_of(model), [item]))
    return row


def served(server: FakeBuildkite, web: PipelineRef, **changes: Any) -> dict[str, Any]:
    """Return the row of a build whose payload the server changes."""
    server.add_build("web")

    def change(payload: Any) -> Any:
        payload[0].update(changes)
        return payload

    server.settings.drift = change
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DriftWarning)
        (row,) = web.builds().rows()
    return row


def rest_of(row: dict[str, Any]) -> Any:
    return json.loads(row["_rest"])


def test_a_build_becomes_one_flat_row() -> None:
    row = row_of(Build, BUILD | {"creator": {"id": "u1", "name": "Ada"}, "env": {"CI": True}, "meta_data": {"k": "v"}})
    assert (row["id"], row["number"], row["state"], type(row["state"])) == ("b1", 7, "passed", str)
    assert (row["pipeline_slug"], row["organization_slug"]) == ("web", "acme")
    assert (row["creator_id"], row["creator_name"], row["creator_email"]) == ("u1", "Ada", None)
    assert (row["queue_time"], row["duration"]) == (5.0, 60.5)
    assert (json.loads(row["env"]), row["meta_data"], row["_rest"]) == ({"CI": True}, {"k": "v"}, None)
    assert row["created_at"] == datetime(2026, 8, 1, 12, tzinfo=UTC)
    assert type(row["created_at"]) is datetime
    assert row["created_at"].tzinfo is UTC


def test_a_row_has_all_columns_whatever_the_server_sent() -> None:
    assert list(row_of(Build, BUILD)) == table_of(Build).names
    assert list(row_of(Job, {"id": "j", "type": "waiter"})) == table_of(Job).names


def test_unknown_fields_are_kept_also_those_of_parts() -> None:
    row = row_of(Build, BUILD | {"new": [1], "creator": {"id": "u1", "team": {"slug": "web"}}})
    assert rest_of(row) == {"new": [1], "creator": {"team": {"slug": "web"}}}


def test_an_author_that_is_a_string_is_its_name_and_nothing_is_left_over() -> None:
    row = row_of(Build, BUILD | {"author": "Ada <ada@acme.example>"})
    assert (row["author_name"], row["_rest"]) == ("Ada <ada@acme.example>", None)


def test_durations_are_unknown_until_both_times_are_known() -> None:
    row = row_of(Build, {key: value for key, value in BUILD.items() if key != "finished_at"} | {"state": "running"})
    assert (row["queue_time"], row["duration"]) == (5.0, None)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("created_at", 1785571533),
        ("started_at", "yesterday"),
        ("number", "7"),
        ("number", True),
        ("number", 1 << 70),
        ("blocked", 1),
        ("message", 5),
        ("message", {"text": "hello"}),
        ("message", "half \ud83d"),
        ("state", 3),
        ("meta_data", {"k": 1}),
        ("meta_data", {"k": None}),
        ("meta_data", ["k"]),
        ("creator", "Ada"),
        ("creator", [1]),
        ("jobs", "none"),
    ],
)
def test_a_value_of_another_type_is_kept_as_received_and_never_converted(
    server: FakeBuildkite, web: PipelineRef, field: str, value: Any
) -> None:
    row = served(server, web, **{field: value}, unknown=0)
    assert rest_of(row)[field] == value
    assert row.get(field) is None


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")], ids=str)
def test_numbers_that_json_does_not_have_are_texts_in_it(value: float) -> None:
    row = row_of(Build, {**BUILD, "env": {"é": [value]}, "unknown": value})
    names = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
    assert json.loads(row["env"], parse_constant=pytest.fail) == {"é": [names[str(value)]]}
    assert json.loads(row["_rest"], parse_constant=pytest.fail) == {"unknown": names[str(value)]}


def test_a_value_of_another_type_in_a_part_is_kept_with_the_name_of_the_part(
    server: FakeBuildkite, web: PipelineRef
) -> None:
    row = served(server, web, creator={"id": 5, "name": "Ada"})
    assert (row["creator_id"], row["creator_name"], rest_of(row)) == (None, "Ada", {"creator": {"id": 5}})


def test_an_item_that_is_no_object_is_a_row_too(server: FakeBuildkite, web: PipelineRef) -> None:
    server.add_build("web")
    server.settings.drift = lambda payload: ["odd", *payload]
    with pytest.warns(DriftWarning):
        rows = list(web.builds().rows())
    assert [rest_of(row) for row in rows if row["id"] is None] == [{"": "odd"}]


def test_other_rows_of_the_page_keep_their_values(server: FakeBuildkite, web: PipelineRef) -> None:
    for number in range(3):
        server.add_build("web", message=f"build {number}")

    def change(payload: Any) -> Any:
        payload[1]["message"] = 5
        return payload

    server.settings.drift = change
    with pytest.warns(DriftWarning):
        rows = list(web.builds().rows())
    assert [row["message"] for row in rows] == ["build 2", None, "build 0"]
    assert [row["_rest"] for row in rows] == [None, '{"message": 5}', None]


def test_jobs_of_all_kinds_share_their_columns(acme: FakeBuildkite) -> None:
    with acme.client() as bk:
        build = web_pipeline(bk).builds(state="passed")[0].fetch()
        rows = list(build.jobs().rows())
    assert {row["type"] for row in rows} >= {"script", "waiter"}
    assert {row["build_id"] for row in rows} == {build.id}
    assert {(row["pipeline_slug"], row["build_number"]) for row in rows} == {("web", build.number)}
    assert next(row for row in rows if row["type"] == "script")["duration"] is not None


def test_lists_of_texts_are_lists_and_other_lists_go_into_the_rest() -> None:
    agent = {"id": "a", "name": "a", "connection_state": "connected", "meta_data": ["queue=default"]}
    assert row_of(Agent, agent)["meta_data"] == ["queue=default"]
    item: Any = Agent.model_validate(agent)
    item.__dict__["meta_data"] = ["queue=default", 5]
    (row,) = rows_of(table_of(Agent), read_columns(table_of(Agent), [item]))
    assert (row["meta_data"], rest_of(row)) == (None, {"meta_data": ["queue=default", 5]})


def test_numbers_that_are_whole_become_floats_if_they_are_exact(bk: Buildkite) -> None:
    from buildkite_orm.resources.test_engine import SuiteTest  # noqa: PLC0415

    del bk
    data = {"id": "t", "url": "u", "name": "n", "duration_avg": 2, "duration_sum": (1 << 53) + 1}
    row = row_of(SuiteTest, data)
    assert (row["duration_avg"], type(row["duration_avg"])) == (2.0, float)
    assert (row["duration_sum"], rest_of(row)) == (None, {"duration_sum": (1 << 53) + 1})


def test_rows_request_pages_as_they_are_read_and_remember_none(
    server: FakeBuildkite, web: PipelineRef, costs: Costs
) -> None:
    server.add_builds("web", 250)
    builds = web.builds()
    with costs(1):
        next(builds.rows())
    with costs(3):
        assert len(list(builds.rows())) == 250
    assert "not loaded" in repr(builds)


def test_rows_of_a_loaded_listing_cost_nothing(server: FakeBuildkite, web: PipelineRef, costs: Costs) -> None:
    server.add_builds("web", 3)
    builds = web.builds()
    builds.all()
    with costs(0):
        assert len(list(builds.rows())) == 3


def test_builds_of_an_organization_are_requested_without_their_pipeline_unless_wanted(
    acme: FakeBuildkite,
) -> None:
    with acme.client() as bk:
        builds = bk.organization("acme").builds().limit(1)
        (row,) = builds.rows()
        (wanted,) = builds.filter(with_pipeline=True).rows()
    assert (row["pipeline_name"], row["pipeline_slug"]) == (None, wanted["pipeline_slug"])
    assert wanted["pipeline_name"]


def test_the_lines_of_a_log_are_rows(acme: FakeBuildkite, costs: Costs) -> None:
    with acme.client() as bk:
        log = web_pipeline(bk).builds(state="passed")[0].jobs()[0].log().fetch()
        with costs(0, of=acme):
            rows = list(log.rows())
    assert [row["line"] for row in rows] == [line.text for line in log.lines]
    assert rows[1] == {"time": log.lines[1].timestamp, "group": log.lines[1].group, "line": log.lines[1].text}
