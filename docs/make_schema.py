"""Append new columns to buildkite_orm/data/columns.json, and write docs/columns.md from it.

python docs/make_schema.py           write both
python docs/make_schema.py --check   fail if one of them is out of date

A column that is in the file stays there, with its type and in its place: reports and databases depend on it. If a class
loses a field or changes its type, this fails.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from buildkite_orm.data.schema import COLUMNS_FILE, ColumnType, Table, table, table_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Columns = Mapping[str, Mapping[str, str]]

PAGE: Final = Path(__file__).parent / "columns.md"
_INTRODUCTION: Final = """# Columns of tables

The tables of `qs.rows()`, `qs.arrow()`, `tables()` and of exports have these columns, also if a listing is empty. A
column is never removed, renamed, moved or given another type; a release may append columns. See
[Analyse builds](analyse.md).

- Times are UTC, in microseconds. `duration` and `queue_time` are seconds, and null until they are known.
- States and kinds are strings, since Buildkite may add values.
- A field of an object in the object is a column of its own: `creator_id` is the `id` of `creator`. What is nested more
  deeply, and what has no fixed shape, is JSON text.
- `_rest` is JSON text with everything that has no column: fields that the library does not know, and values of another
  type than documented, which are never converted. It is null if there is nothing.
- Values of `rows()` are the corresponding Python values; a map is a dict.

Written by `python docs/make_schema.py`.
"""
_NAMES: Final = {
    ColumnType.JSON: "string, JSON text",
    ColumnType.NUMBER: "double",
}
_CALLS: Final = {
    "builds": "`org.builds()`, `pipeline.builds()`",
    "jobs": "`build.jobs()`, and the jobs of `builds(with_jobs=True).tables()`",
    "artifacts": "`build.artifacts()`, `job.artifacts()`",
    "annotations": "`build.annotations()`, `job.annotations()`",
    "agents": "`org.agents()`",
    "pipelines": "`org.pipelines()`",
    "tests": "`suite.tests()`, `build.tests()` of Test Engine",
    "log": "a fetched log: `job.log().fetch()`",
}
_NOT_API: Final = frozenset({"duration", "queue_time", "build_id", "build_number", "_rest"})


def appended(released: Columns, now: Columns) -> dict[str, dict[str, str]]:
    """Return the released columns, followed by the new ones.

    Args:
        released: The types of columns by table and name, as in the file.
        now: The same, as the classes have them.

    Raises:
        ValueError: A released column is missing, or has another type.
    """
    for name, columns in released.items():
        for column, kind in columns.items():
            found = now.get(name, {}).get(column)
            if found != kind:
                msg = f"{name}.{column} was released as {kind}, and is {found or 'missing'} now: restore it"
                raise ValueError(msg)
    return {name: {**released.get(name, {}), **columns} for name, columns in now.items()}


def columns_now() -> dict[str, dict[str, str]]:
    """Return the columns as the classes have them."""
    return {name: table(name).types for name in table_names()}


def written(columns: Columns) -> str:
    """Return the content of the file."""
    return json.dumps(columns, indent=1) + "\n"


def page(columns: Columns) -> str:
    """Return the page of the documentation."""
    sections = [line for name in columns for line in _section(name, table(name), columns[name])]
    return "\n".join([_INTRODUCTION, *sections])


def _section(name: str, found: Table, columns: Mapping[str, str]) -> Iterator[str]:
    yield from (f"## {name}", "", f"From {_CALLS[name]}.", "", "| column | type | |", "| --- | --- | --- |")
    by_name = {column.name: column for column in found.columns}
    for column_name, kind in columns.items():
        column, note = by_name[column_name], ""
        if column.part is not None:
            note = f"`{column.part_alias}` of `{column.alias}`"
        elif column.field is None and column_name not in _NOT_API:
            note = "from the URL"
        yield f"| `{column_name}` | {_NAMES.get(ColumnType(kind), kind)} | {note} |"
    yield ""


def main() -> int:
    """Write the file and the page, or return 1 if one of them is out of date."""
    released: dict[str, dict[str, str]] = json.loads(COLUMNS_FILE.read_text(encoding="utf-8"))
    columns = appended(released, columns_now())
    texts = {COLUMNS_FILE: written(columns), PAGE: page(columns)}
    if "--check" in sys.argv[1:]:
        return int(any(path.read_text(encoding="utf-8") != text for path, text in texts.items()))
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
