"""Tables of listings and cards of objects, before they are rendered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Final

from buildkite_orm.errors import BuildkiteError
from buildkite_orm.logs.terminal import plain_text
from buildkite_orm.resources.builds.log import Log
from buildkite_orm.resources.builds.status import now_of
from buildkite_orm.utils.json_types import as_array
from buildkite_orm.utils.redaction import is_secret
from buildkite_orm.utils.text import escape_control
from buildkite_orm.views.display.cells import Cell, Linked, cell_of
from buildkite_orm.views.display.columns import Column, columns_of, field

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildkite_orm.models.display import Preview
    from buildkite_orm.models.resource import Resource

ROWS: Final = 20
"""The maximum number of rows that are shown."""

_LOG_END: Final = 64 * 1024  # characters
_LOG_WIDTH: Final = 500
_ODD_DATA: Final = (ArithmeticError, AttributeError, TypeError, ValueError, KeyError, RecursionError, BuildkiteError)
_NOT_SHOWN: Final = ("url", "_html", "graphql_id")


@dataclass(frozen=True, slots=True)
class Table:
    """A table.

    Attributes:
        title: The title.
        columns: The columns.
        rows: The cells, row by row.
        footer: The number of rows, shown and in all.
    """

    title: str
    columns: tuple[Column, ...]
    rows: list[list[Cell]]
    footer: str

    def is_right_aligned(self, index: int) -> bool:
        """Whether a column, by its index, has numbers."""
        return any(row[index].right_aligned for row in self.rows)


@dataclass(frozen=True, slots=True)
class Card:
    """The view of one object.

    Attributes:
        kind: The name of its class.
        title: Its name, linked to its page.
        lines: Titles and cells.
        log: The last lines of a log.
    """

    kind: str
    title: Cell
    lines: list[tuple[str, Cell]]
    log: tuple[str, ...] = ()


def table_of(preview: Preview) -> Table:
    """Return the table of a listing: its first rows, without columns that are empty in all of them."""
    rows = preview.rows or ()
    now = _now_of(rows[0] if rows else None)
    columns = columns_of(preview.model)
    cells = [[_cell(column, resource, now) for column in columns] for resource in rows[:ROWS]]
    used = [index for index in range(len(columns)) if not cells or any(row[index].text for row in cells)]
    return Table(
        escape_control(preview.title),
        tuple(columns[index] for index in used),
        [[row[index] for index in used] for row in cells],
        _footer(len(rows), whole=preview.whole),
    )


def card_of(resource: Resource) -> Card:
    """Return the card of an object: the columns of its class, and all other fields with simple values."""
    now = _now_of(resource)
    columns = columns_of(type(resource))
    covered = {name for column in columns for name in column.fields}
    shown = ((column.title, _cell(column, resource, now)) for column in (*columns, *_other_fields(resource, covered)))
    name = repr(resource).partition("(")[2][:-1]
    return Card(
        type(resource).__name__,
        cell_of(Linked(name, resource.__dict__.get("web_url")), now),
        [(title, cell) for title, cell in shown if cell.text],
        _last_lines(resource) if isinstance(resource, Log) else (),
    )


def _last_lines(log: Log) -> tuple[str, ...]:
    content = log.__dict__.get("content")
    if not isinstance(content, str):
        return ()
    end = content if len(content) <= _LOG_END else content[-_LOG_END:].partition("\n")[2]
    lines = plain_text(end).removesuffix("\n").split("\n") if end else []
    return tuple(escape_control(line.expandtabs()[:_LOG_WIDTH]) for line in lines[-ROWS:])


def _other_fields(resource: Resource, covered: set[str]) -> Iterator[Column]:
    for name in type(resource).model_fields:
        value = resource.__dict__.get(name)
        hidden = is_secret(name) or name.endswith(_NOT_SHOWN) or (isinstance(value, str) and "\n" in value)
        if name not in covered and not hidden and _is_simple(value):
            yield field(name)


def _is_simple(value: object) -> bool:
    parts = as_array(value)
    return all(isinstance(part, str | int | float | datetime | Enum) for part in ([value] if parts is None else parts))


def _cell(column: Column, resource: Resource, now: datetime) -> Cell:
    try:
        return cell_of(column.value(resource), now)
    except _ODD_DATA:  # a field is missing, or has an unexpected type
        return Cell()


def _footer(count: int, *, whole: bool) -> str:
    more = "" if whole else ", more follow"
    if count > ROWS:
        return f"… {ROWS} of {count}{' loaded' if more else ''}{more}"
    if count == 0:
        return "nothing on the first page, more follow" if more else "nothing"
    return f"{count}{more or ' in all'}"


def _now_of(resource: Resource | None) -> datetime:
    """Return the current time by the clock of the client; by that of the machine for an unbound object."""
    return (now_of(resource) if resource else None) or datetime.now(UTC)
