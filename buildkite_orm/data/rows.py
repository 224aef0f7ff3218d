"""Objects as rows: the values of each column, as documented, and all else as JSON text in the column `_rest`.

Values are never converted to the type of a column: one that has another type, such as a number in place of a time, is
kept as received in `_rest`, and so are fields that the class does not have.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import unquote

from buildkite_orm.data.schema import REST, ColumnType
from buildkite_orm.errors import UnboundError
from buildkite_orm.models.deferred import Deferred
from buildkite_orm.models.resource import Model
from buildkite_orm.models.timestamps import write_time
from buildkite_orm.utils.numbers import parse_decimal
from buildkite_orm.utils.plain_values import as_plain
from buildkite_orm.utils.surrogates import is_writable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from buildkite_orm.data.schema import Column, Table
    from buildkite_orm.logs.text import LogLine
    from buildkite_orm.models.resource import Resource

Values = list[Any]

_NONE: Final = type(None)
_LOWEST, _HIGHEST = -(1 << 63), (1 << 63) - 1
_PLAIN_TEXT: Final = frozenset({str, _NONE})
_PLAIN_TIMES: Final = frozenset({datetime, _NONE})
_NO_DATA: Final[dict[str, Any]] = {}
_TOO_DEEP: Final = "nested too deeply"
_NO_ID: Final = "without-id-"


class Rest:
    """The values that have no column, by the position of their row."""

    def __init__(self) -> None:
        self._found: defaultdict[int, dict[str, Any]] = defaultdict(dict)

    def put(self, row: int, value: object, name: str, part: str = "") -> None:
        """Add a value that its column cannot contain.

        Args:
            row: The position of the row.
            value: The value as received.
            name: The name of the field in the payload.
            part: The name of the field in the object in that field.
        """
        if part:
            self._found[row].setdefault(name, {})[part] = value
        else:
            self._found[row][name] = value

    def texts(self, rows: int) -> Values:
        """Return the values of the column `_rest`."""
        values: Values = [None] * rows
        for row, found in self._found.items():
            values[row] = _rest_text(found)
        return values


def read_columns(table: Table, items: Sequence[Resource], given: Mapping[str, Values] | None = None) -> list[Values]:
    """Return the values of the columns of a table, in their order.

    Args:
        table: The table.
        items: The objects, one a row.
        given: Values of computed columns that are known already.
    """
    rest = Rest()
    data: list[dict[str, Any]] = [vars(item) for item in items]
    computed = _computed(table, items, given or {})
    parts: dict[str, list[dict[str, Any]] | None] = {}
    no_values: Values = [None] * len(items)
    values: dict[str, Values] = {}
    for column in table.columns:
        if column.field is None:
            continue
        if column.part is None:
            values[column.name] = _checked([each.get(column.field) for each in data], column, rest)
            continue
        if column.field not in parts:
            parts[column.field] = _parts(column, data, rest)
        found = parts[column.field]
        values[column.name] = (
            no_values if found is None else _checked([each.get(column.part) for each in found], column, rest)
        )
    for row, item in enumerate(items):
        for name, value in (item.__pydantic_extra__ or _NO_DATA).items():
            rest.put(row, value, name)
    for field in table.left_out:
        _put_left_out(data, field, rest)
    computed[REST] = rest.texts(len(items))
    return [values[column.name] if column.field else computed[column.name] for column in table.columns]


def with_ids(table: Table, columns: list[Values]) -> list[Values]:
    """Return columns in which each row has an id, by which rows are merged.

    The id of a row without one is made from its content, so that other rows do not replace it, and the same row does.

    Args:
        table: The table.
        columns: Its columns.
    """
    place = table.names.index("id")
    if None not in columns[place]:
        return columns
    found = [
        _id_of_content(row) if value is None else value
        for value, row in zip(columns[place], zip(*columns, strict=True), strict=True)
    ]
    return [*columns[:place], found, *columns[place + 1 :]]


def _id_of_content(row: tuple[object, ...]) -> str:
    text = json.dumps(row, default=_as_json)
    return f"{_NO_ID}{hashlib.sha256(text.encode()).hexdigest()[:32]}"


def rows_of(table: Table, columns: list[Values]) -> Iterator[dict[str, Any]]:
    """Yield the rows of columns as dictionaries."""
    names = table.names
    plain = [_plain_times(values) if column.type is ColumnType.TIME else values
             for column, values in zip(table.columns, columns, strict=True)]  # fmt: skip
    for row in zip(*plain, strict=True):
        yield dict(zip(names, row, strict=True))


def log_columns(lines: Iterable[LogLine]) -> list[Values]:
    """Return the columns of the lines of a log: time, group and text."""
    known = list(lines)
    times: Values = [line.timestamp for line in known]
    return [times, _writable([line.group for line in known]), _writable([line.text for line in known])]


def json_text(value: object) -> str:
    """Return a value of a payload as JSON text; a number that JSON does not have, such as NaN, is a string in it."""
    if value == {}:  # most often, and quickly
        return "{}"
    try:
        text = _dumps(value, ensure_ascii=False)
        return text if is_writable(text) else _dumps(value)
    except RecursionError:
        return json.dumps(_TOO_DEEP)


# -- the parts of an object


def _parts(column: Column, data: Sequence[dict[str, Any]], rest: Rest) -> list[dict[str, Any]] | None:
    """Return the data of the objects in a field; None if it is null in all rows.

    What is no object, and what the objects do not know, goes into the rest.
    """
    field = cast("str", column.field)
    if all(each.get(field) is None for each in data):
        return None
    found: list[dict[str, Any]] = []
    for row, each in enumerate(data):
        part = each.get(field)
        if isinstance(part, Model):
            found.append(vars(part))
            for name, value in (part.__pydantic_extra__ or _NO_DATA).items():
                if name:  # an author that is a string has it here, and as its name
                    rest.put(row, value, column.alias, name)
        else:
            found.append(_NO_DATA)
            if part is not None:
                rest.put(row, part, column.alias)
    return found


def _put_left_out(data: Sequence[dict[str, Any]], field: str, rest: Rest) -> None:
    """Put the value of a field without a column into the rest, unless it is the list that another table has."""
    for row, each in enumerate(data):
        value = each.get(field)
        if value is not None and not isinstance(value, list | Deferred):  # the cache stores lists only
            rest.put(row, value, field.removeprefix("embedded_"))


# -- values


def _checked(values: Values, column: Column, rest: Rest) -> Values:
    """Return the values of a column; one that it cannot contain becomes None and goes into the rest."""
    if column.type is ColumnType.JSON:
        return [None if value is None else json_text(value) for value in values]
    kinds = set(map(type, values))
    if kinds == {_NONE}:
        return values
    fits = _FITS[column.type]
    if not fits(kinds, values):
        for row, value in enumerate(values):
            if value is not None and not fits({type(value)}, [value]):
                rest.put(row, value, column.alias, column.part_alias)
                values[row] = None
    if column.type is ColumnType.NUMBER and int in kinds:
        return [None if value is None else float(value) for value in values]
    if column.type is ColumnType.STRING and not kinds <= _PLAIN_TEXT:
        return [None if value is None else str.__str__(value) for value in values]
    return values


def _fits_string(kinds: set[type], values: Values) -> bool:
    return all(kind is _NONE or issubclass(kind, str) for kind in kinds) and is_writable("".join(filter(None, values)))


def _fits_integer(kinds: set[type], values: Values) -> bool:
    return kinds <= {int, _NONE} and all(value is None or _LOWEST <= value <= _HIGHEST for value in values)


def _fits_number(kinds: set[type], values: Values) -> bool:
    if int not in kinds:
        return kinds <= {float, _NONE}
    return kinds <= {int, float, _NONE} and all(_is_exact(value) for value in values if isinstance(value, int))


def _is_exact(value: int) -> bool:
    try:
        return int(float(value)) == value
    except OverflowError:
        return False


def _fits_boolean(kinds: set[type], values: Values) -> bool:
    del values
    return kinds <= {bool, _NONE}


def _fits_time(kinds: set[type], values: Values) -> bool:
    if not all(kind is _NONE or issubclass(kind, datetime) for kind in kinds):
        return False
    return all(value is None or value.tzinfo is not None for value in values)


def _fits_texts(kinds: set[type], values: Values) -> bool:
    if not kinds <= {list, _NONE}:
        return False
    texts: Values = list(chain.from_iterable(filter(None, values)))
    return _NONE not in (inner := set(map(type, texts))) and _fits_string(inner, texts)


def _fits_map(kinds: set[type], values: Values) -> bool:
    if not kinds <= {dict, _NONE}:
        return False
    maps: list[dict[Any, Any]] = list(filter(None, values))
    texts: Values = [*chain.from_iterable(maps), *chain.from_iterable(each.values() for each in maps)]
    return _NONE not in (inner := set(map(type, texts))) and _fits_string(inner, texts)


_FITS: Final[dict[ColumnType, Callable[[set[type], Values], bool]]] = {
    ColumnType.STRING: _fits_string,
    ColumnType.INTEGER: _fits_integer,
    ColumnType.NUMBER: _fits_number,
    ColumnType.BOOLEAN: _fits_boolean,
    ColumnType.TIME: _fits_time,
    ColumnType.TEXTS: _fits_texts,
    ColumnType.MAP: _fits_map,
}


def _writable(values: Values) -> Values:
    """Return texts with half characters replaced by question marks; those of a log have no rest to go into."""
    if is_writable("".join(filter(None, values))):
        return values
    return [None if value is None else value.encode(errors="replace").decode() for value in values]


def _plain_times(values: Values) -> Values:
    """Return times without the subclass and the time zone class of the parser, which other libraries do not know."""
    return [value and datetime.combine(value.date(), value.time(), UTC) for value in values]


def _rest_text(found: dict[str, Any]) -> str:
    try:
        return _dumps(found)
    except RecursionError:
        return json.dumps(dict.fromkeys(found, _TOO_DEEP))


def _dumps(value: object, *, ensure_ascii: bool = True) -> str:
    try:
        return json.dumps(value, default=_as_json, ensure_ascii=ensure_ascii, allow_nan=False)
    except ValueError:
        plain = json.loads(json.dumps(value, default=_as_json), parse_constant=str)
        return json.dumps(plain, ensure_ascii=ensure_ascii)


def _as_json(value: object) -> object:
    if isinstance(value, Model):
        return value.dump()
    if isinstance(value, datetime):
        return write_time(value)
    plain = as_plain(value)
    if plain is value:
        raise TypeError(f"a {type(value).__name__} is not valid in JSON; use a string, number, bool, list or dict")
    return plain


# -- computed columns


def _computed(table: Table, items: Sequence[Resource], given: Mapping[str, Values]) -> dict[str, Values]:
    names = {column.name for column in table.columns if column.field is None} - {REST, *given}
    columns: dict[str, Values] = {**given, **{name: [None] * len(items) for name in names}}
    from_path = names & {*_KEYS, "build_number"}
    keys = _keys_above(items) if from_path else []
    for name in from_path:
        key = _KEYS.get(name, "build")
        columns[name] = [each.get(key) for each in keys]
    if "build_number" in names:
        columns["build_number"] = list(map(parse_decimal, columns["build_number"]))
    data = list(map(vars, items))
    for name, (begin, *ends) in _ENDS.get(table.name, {}).items():
        columns[name] = list(map(_seconds, _times(data, begin), _times(data, *ends)))
    return columns


_KEYS: Final = {"organization_slug": "organization", "pipeline_slug": "pipeline", "suite_slug": "suite"}
_ENDS: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "builds": {
        "duration": ("started_at", "finished_at"),
        "queue_time": ("created_at", "started_at", "finished_at"),
    },
    "jobs": {
        "duration": ("started_at", "finished_at"),
        "queue_time": ("runnable_at", "started_at", "finished_at", "expired_at"),
    },
}


def keys_of(item: Resource) -> dict[str, str]:
    """Return the keys in the path of an object, decoded; none if the path is unknown."""
    try:
        keys = item._keys()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    except UnboundError:
        return {}
    return {name: unquote(key) if "%" in key else key for name, key in keys.items()}


def _keys_above(items: Sequence[Resource]) -> list[dict[str, str]]:
    """Return the keys in the paths of objects; the last one may be that of another object of the same collection."""
    known: dict[object, dict[str, str]] = {}
    found: list[dict[str, str]] = []
    for item in items:
        url = vars(item).get("url") if item.has_url else None
        collection = url.rpartition("/")[0] if isinstance(url, str) else id(item)
        if collection not in known:
            known[collection] = keys_of(item)
        found.append(known[collection])
    return found


def _times(data: Sequence[dict[str, Any]], *names: str) -> list[datetime | None]:
    """Return the first of some fields that is not null in each object; None if that is not a time."""
    first, *others = names
    found: Values = [each.get(first) for each in data]
    for name in others:
        found = [each.get(name) if value is None else value for value, each in zip(found, data, strict=True)]
    if set(map(type, found)) <= _PLAIN_TIMES:
        return found
    return [value if isinstance(value, datetime) else None for value in found]


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    """Return the seconds from one time to another, 0 or more; None until both are known."""
    if start is None or end is None:
        return None
    return max((end - start).total_seconds(), 0.0)
