"""Tables of measurements: a row measures its own cells, and fails if a requirement does not hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

Cells = tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Attributes:
        name: Its title.
        measure: Measures and returns its cells.
    """

    name: str
    measure: Callable[[], Cells]


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        title: Its heading.
        note: The text above it.
        columns: The titles of its columns.
        rows: Its rows.
    """

    title: str
    note: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
