"""The columns of tables: names and types, from the fields of the model classes.

`columns.json` lists the columns of each table in their order. A column that is in it is never removed, renamed, moved
or given another type; new ones are appended (`python docs/make_schema.py`).
"""

from __future__ import annotations

import json
import types
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Union, cast, get_args, get_origin

from buildkite_orm.models.resource import Model
from buildkite_orm.resources.agent import Agent
from buildkite_orm.resources.builds.annotation import Annotation
from buildkite_orm.resources.builds.artifact import Artifact
from buildkite_orm.resources.builds.build import Build
from buildkite_orm.resources.builds.job import Job, ManualJob, ScriptJob, TriggerJob, WaiterJob
from buildkite_orm.resources.pipelines.pipeline import Pipeline
from buildkite_orm.resources.test_engine.test import SuiteTest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from buildkite_orm.models.resource import Resource

COLUMNS_FILE: Final = Path(__file__).with_name("columns.json")
REST: Final = "_rest"


class ColumnType(StrEnum):
    """The types of columns, by their names in Arrow; JSON is a string that contains JSON text."""

    STRING = "string"
    INTEGER = "int64"
    NUMBER = "double"
    BOOLEAN = "bool"
    TIME = "timestamp[us, tz=UTC]"
    TEXTS = "list<string>"
    MAP = "map<string, string>"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        name: Its name.
        type: Its type.
        field: The field of the object whose value it has; None if the value is computed.
        part: The field of the object in that field, if it has the value of one.
        alias: The name of `field` in payloads.
        part_alias: The name of `part` in payloads.
    """

    name: str
    type: ColumnType
    field: str | None = None
    part: str | None = None
    alias: str = ""
    part_alias: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of objects of one kind.

    Attributes:
        name: Its name, as `builds`.
        columns: Its columns in their order.
        left_out: The fields of the class that are no columns.
    """

    name: str
    columns: tuple[Column, ...]
    left_out: frozenset[str] = frozenset()

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return [column.name for column in self.columns]

    @property
    def types(self) -> dict[str, str]:
        """The types of the columns by their names, as in `columns.json`."""
        return {column.name: column.type.value for column in self.columns}


_KINDS: Final[dict[str, type[Resource]]] = {
    "builds": Build,
    "jobs": Job,
    "artifacts": Artifact,
    "annotations": Annotation,
    "agents": Agent,
    "pipelines": Pipeline,
    "tests": SuiteTest,
}
_OF_BUILD: Final = {
    "build_number": ColumnType.INTEGER,
    "pipeline_slug": ColumnType.STRING,
    "organization_slug": ColumnType.STRING,
}
_SPANS: Final = {"duration": ColumnType.NUMBER, "queue_time": ColumnType.NUMBER}
# What is computed: from the path of an object, or from its times.
_COMPUTED: Final[dict[str, dict[str, ColumnType]]] = {
    "builds": {"pipeline_slug": ColumnType.STRING, "organization_slug": ColumnType.STRING, **_SPANS},
    "jobs": {"build_id": ColumnType.STRING, **_OF_BUILD, **_SPANS},
    "artifacts": _OF_BUILD,
    "annotations": _OF_BUILD,
    "agents": {"organization_slug": ColumnType.STRING},
    "pipelines": {"organization_slug": ColumnType.STRING},
    "tests": {"suite_slug": ColumnType.STRING, "organization_slug": ColumnType.STRING},
}
_LEFT_OUT: Final = {"builds": frozenset({"embedded_jobs"})}  # they are rows of another table
_SCALARS: Final[tuple[tuple[type, ColumnType], ...]] = (
    (bool, ColumnType.BOOLEAN),
    (int, ColumnType.INTEGER),
    (float, ColumnType.NUMBER),
    (str, ColumnType.STRING),
    (datetime, ColumnType.TIME),
)

LOG_TABLE: Final = Table(
    "log",
    (
        Column("time", ColumnType.TIME, "timestamp"),
        Column("group", ColumnType.STRING, "group"),
        Column("line", ColumnType.STRING, "text"),
    ),
)


def table_names() -> list[str]:
    """Return the names of the tables whose columns are documented."""
    return [*_KINDS, LOG_TABLE.name]


def table(name: str) -> Table:
    """Return the table that has a name."""
    return LOG_TABLE if name == LOG_TABLE.name else table_of(_KINDS[name])


def table_of(model: type[Resource]) -> Table:
    """Return the table for the objects of a class."""
    kind: Any = model  # type checkers take the class for an object without a hash
    return _table_of(kind)


@cache
def _table_of(model: Any) -> Table:
    name = next((name for name, kind in _KINDS.items() if kind is model), model.__name__)
    found = {column.name: column for column in _columns(name, model)}
    released = [column for column in _released().get(name, {}) if column in found]
    left_out = _LEFT_OUT.get(name, frozenset())
    return Table(name, tuple(found[column] for column in dict.fromkeys([*released, *found])), left_out)


@cache
def _released() -> Mapping[str, Mapping[str, str]]:
    tables: dict[str, dict[str, str]] = json.loads(COLUMNS_FILE.read_text(encoding="utf-8"))
    return tables


def _columns(name: str, model: type[Resource]) -> Iterator[Column]:
    """Yield the columns of a class; computed ones replace those of fields."""
    left_out = _LEFT_OUT.get(name, frozenset())
    computed = _COMPUTED.get(name, {})
    for each in _classes(model):
        for field, info in each.model_fields.items():
            if field not in left_out:
                for column in _of_field(field, info.alias or field, info.annotation):
                    kept = Column(column.name, computed[column.name]) if column.name in computed else column
                    yield kept
    for column_name, kind in computed.items():
        yield Column(column_name, kind)
    yield Column(REST, ColumnType.JSON)


def _classes(model: type[Resource]) -> tuple[type[Resource], ...]:
    return (Job, ScriptJob, WaiterJob, ManualJob, TriggerJob) if model is Job else (model,)


def _of_field(field: str, alias: str, annotation: Any) -> Iterator[Column]:
    parts = _alternatives(annotation)
    if len(parts) == 1 and _is_model(parts[0]):
        for part, info in cast("type[Model]", parts[0]).model_fields.items():
            part_alias = info.alias or part
            kind = _type_of(_alternatives(info.annotation))
            yield Column(f"{alias}_{part_alias}", kind, field, part, alias, part_alias)
    else:
        yield Column(alias, _type_of(parts), field, alias=alias)


def _type_of(parts: list[Any]) -> ColumnType:
    """Return the type for the alternatives of an annotation; what has no type of its own becomes JSON text."""
    kinds = {_type_of_one(part) for part in parts}
    if kinds == {ColumnType.INTEGER, ColumnType.NUMBER}:
        return ColumnType.NUMBER
    return kinds.pop() if len(kinds) == 1 else ColumnType.JSON


def _type_of_one(part: Any) -> ColumnType:
    origin, inner = get_origin(part), get_args(part)
    if origin is list and _type_of(_alternatives(inner[0])) is ColumnType.STRING:
        return ColumnType.TEXTS
    if origin is dict and inner == (str, str):
        return ColumnType.MAP
    if isinstance(part, type):
        return next((kind for scalar, kind in _SCALARS if issubclass(part, scalar)), ColumnType.JSON)
    return ColumnType.JSON


def _alternatives(annotation: Any) -> list[Any]:
    """Return the alternatives of an annotation, without None and metadata."""
    if get_origin(annotation) is Annotated:
        return _alternatives(get_args(annotation)[0])
    if get_origin(annotation) in {Union, types.UnionType}:
        return [part for each in get_args(annotation) for part in _alternatives(each)]
    return [] if annotation is type(None) else [annotation]


def _is_model(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Model)
