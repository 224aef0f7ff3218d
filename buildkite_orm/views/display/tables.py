"""Tables of listings and cards of objects, before they are drawn in one way or another."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Final

from buildkite_orm.errors import BuildkiteError
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
"""How many rows of a listing are shown."""

_ODD: Final = (ArithmeticError, AttributeError, TypeError, ValueError, KeyError, RecursionError, BuildkiteError)
_NOT_SHOWN: Final = ("url", "_html", "graphql_id")


@dataclass(frozen=True, slots=True)
class Table:
    """A table.

    Attributes:
        title: What it is of.
        columns: Its columns.
        rows: Its cells, row by row.
        foot: How much it shows of how much.
    """

    title: str
    columns: tuple[Column, ...]
    rows: list[list[Cell]]
    foot: str

    def is_right(self, index: int) -> bool:
        """Tell whether what stands in a column, by its index, are numbers."""
        return any(row[index].right for row in self.rows)


@dataclass(frozen=True, slots=True)
class Card:
    """What is shown of one object.

    Attributes:
        kind: What kind of thing it is.
        title: What it is called; it leads to its page.
        lines: What is told of it, by what that is called.
    """

    kind: str
    title: Cell
    lines: list[tuple[str, Cell]]


def table_of(glimpse: Preview) -> Table:
    """Make the table of a listing: its first rows, without the columns that are empty in all of them."""
    rows = glimpse.rows or ()
    now = _now_of(rows[0] if rows else None)
    columns = columns_of(glimpse.model)
    cells = [[_cell(column, thing, now) for column in columns] for thing in rows[:ROWS]]
    used = [index for index in range(len(columns)) if not cells or any(row[index].text for row in cells)]
    return Table(
        escape_control(glimpse.title),
        tuple(columns[index] for index in used),
        [[row[index] for index in used] for row in cells],
        _foot(len(rows), whole=glimpse.whole),
    )


def card_of(thing: Resource) -> Card:
    """Make the card of an object: the columns of its kind, and whatever else is told in one word."""
    now = _now_of(thing)
    columns = columns_of(type(thing))
    told = {name for column in columns for name in column.fields}
    shown = ((column.title, _cell(column, thing, now)) for column in (*columns, *_further(thing, told)))
    name = repr(thing).partition("(")[2][:-1]
    return Card(
        type(thing).__name__,
        cell_of(Linked(name, thing.__dict__.get("web_url")), now),
        [(title, cell) for title, cell in shown if cell.text],
    )


def _further(thing: Resource, told: set[str]) -> Iterator[Column]:
    for name in type(thing).model_fields:
        value = thing.__dict__.get(name)
        hidden = is_secret(name) or name.endswith(_NOT_SHOWN) or (isinstance(value, str) and "\n" in value)
        if name not in told and not hidden and _is_simple(value):
            yield field(name)


def _is_simple(value: object) -> bool:
    parts = as_array(value)
    return all(isinstance(part, str | int | float | datetime | Enum) for part in ([value] if parts is None else parts))


def _cell(column: Column, thing: Resource, now: datetime) -> Cell:
    try:
        return cell_of(column.value(thing), now)
    except _ODD:  # what it tells of is odd, or did not come
        return Cell()


def _foot(many: int, *, whole: bool) -> str:
    more = "" if whole else ", more follow"
    if many > ROWS:
        return f"… {ROWS} of {many}{' loaded' if more else ''}{more}"
    if many == 0:
        return "nothing on the first page, more follow" if more else "nothing"
    return f"{many}{more or ' in all'}"


def _now_of(thing: Resource | None) -> datetime:
    """Tell what time it is for the client of a thing; for the machine, where there is none."""
    return (now_of(thing) if thing else None) or datetime.now(UTC)
