"""Tables as plain text, aligned by how wide characters are in a terminal, and how they are made to fit into one."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from buildkite_orm.views.display.tables import Table

GAP: Final = "  "
_MOST: Final = 50
_LEAST: Final = 16  # to what a long text is cut, before columns are left out for it
_JOINER: Final = "\u200d"
_WIDE: Final = ("W", "F")
_ZERO: Final = ("Mn", "Me", "Cf")


def table_text(table: Table) -> str:
    """Write a table as text: a title, a line for each row, and how much that is."""
    places = layout(table)
    heads = [padded(table.columns[index].title, size, right=table.is_right(index)) for index, size in places.items()]
    rows = [
        [padded(row[index].text, size, right=table.is_right(index)) for index, size in places.items()]
        for row in table.rows
    ]
    lines = (GAP.join(row).rstrip() for row in [heads, *rows])
    return "\n".join([table.title, *lines, table.foot])


def layout(table: Table, room: int | None = None) -> dict[int, int]:
    """Choose which columns of a table are shown, and how wide they are.

    Args:
        table: The table.
        room: How wide it may be; unless told, as wide as it is.

    Returns:
        The widths by the indexes of the columns. Where there is no room, minor columns are left out, from the right
        on; then texts are cut, the longest first.
    """
    places = {index: _natural(table, index) for index in range(len(table.columns))}
    minor = [index for index in places if table.columns[index].minor]
    while room is not None and minor and _total(table, places, _LEAST) > room:
        del places[minor.pop()]
    for cuttable in ([index for index in places if table.columns[index].long], list(places)):
        while room is not None and cuttable and _total(table, places) > room:
            widest = max(cuttable, key=lambda index: places[index])
            if places[widest] <= len(GAP):
                break
            places[widest] -= 1
    return places


def width(text: str) -> int:
    """Tell how many columns of a terminal a text takes; what joins emoji takes none, nor does what is joined on."""
    before, total = "", 0
    for char in text:
        total += 0 if before == _JOINER else _width(char)
        before = char
    return total


def cut(text: str, most: int) -> str:
    """Cut a text to a width, with an ellipsis; nothing is cut off from what it belongs to."""
    if width(text) <= most:
        return text
    end, used = 0, 0
    for index, char in enumerate(text):
        joined = index > 0 and text[index - 1] == _JOINER
        step = 0 if joined else _width(char)
        if step and used + step > most - 1:
            break
        used, end = used + step, index + 1
    return f"{text[:end].rstrip(f' {_JOINER}')}…"


def padded(text: str, size: int, *, right: bool) -> str:
    """Bring a text to a width: cut, or with space before it (`right`) or behind it."""
    shown = cut(text, size)
    space = " " * (size - width(shown))
    return f"{space}{shown}" if right else f"{shown}{space}"


def _natural(table: Table, index: int) -> int:
    texts = [table.columns[index].title, *(row[index].text for row in table.rows)]
    return min(max(map(width, texts)), _MOST)


def _total(table: Table, places: dict[int, int], most: int = _MOST) -> int:
    sizes = [min(size, most) if table.columns[index].long else size for index, size in places.items()]
    return sum(sizes) + len(GAP) * (len(sizes) - 1)


def _width(char: str) -> int:
    if unicodedata.category(char) in _ZERO:
        return 0
    return 2 if unicodedata.east_asian_width(char) in _WIDE else 1
