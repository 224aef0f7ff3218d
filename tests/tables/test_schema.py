"""The columns of tables: from the classes, the same in the file and in the documentation, and only appended to."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from buildkite_orm.data.schema import COLUMNS_FILE, table, table_names
from docs.make_schema import appended, columns_now

ROOT = Path(__file__).resolve().parents[2]
RELEASED: dict[str, dict[str, str]] = json.loads(COLUMNS_FILE.read_text(encoding="utf-8"))


def test_the_file_and_the_page_are_up_to_date() -> None:
    checked = subprocess.run([sys.executable, str(ROOT / "docs" / "make_schema.py"), "--check"], check=False)
    assert checked.returncode == 0, "out of date: run python docs/make_schema.py"


@pytest.mark.parametrize("name", table_names())
def test_the_columns_of_a_table_have_the_order_of_the_file(name: str) -> None:
    assert list(table(name).types.items()) == list(RELEASED[name].items())


@pytest.mark.parametrize("name", table_names())
def test_no_table_has_a_column_twice(name: str) -> None:
    assert len(set(table(name).names)) == len(table(name).names)


def test_new_columns_are_appended() -> None:
    released = {"builds": {"id": "string", "number": "int64"}}
    now = {"builds": {"new": "string", "number": "int64", "id": "string"}, "more": {"id": "string"}}
    found = appended(released, now)
    assert list(found["builds"]) == ["id", "number", "new"]
    assert found["more"] == {"id": "string"}


@pytest.mark.parametrize("now", [{}, {"builds": {}}, {"builds": {"id": "int64"}}], ids=["table", "column", "type"])
def test_a_released_column_cannot_be_removed_or_changed(now: dict[str, dict[str, str]]) -> None:
    with pytest.raises(ValueError, match=r"builds\.id was released as string"):
        appended({"builds": {"id": "string"}}, now)


def test_the_classes_have_all_released_columns() -> None:
    assert appended(RELEASED, columns_now()) == RELEASED


def test_columns_have_the_types_that_the_documentation_promises() -> None:
    builds = RELEASED["builds"]
    assert {builds[name] for name in ("created_at", "finished_at")} == {"timestamp[us, tz=UTC]"}
    assert (builds["state"], builds["duration"], builds["queue_time"]) == ("string", "double", "double")
    assert (builds["meta_data"], builds["env"], builds["_rest"]) == ("map<string, string>", "json", "json")
    assert (RELEASED["jobs"]["matrix"], RELEASED["jobs"]["async"]) == ("json", "bool")
    assert "jobs" not in builds
