"""Tables as plain text, aligned by how wide characters are in a terminal, and how they are made to fit into one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from buildkite_orm.views.text_width import pad, text_width

if TYPE_CHECKING:
    from buildkite_orm.views.display.tables import Table

GAP: Final = "  "
_MOST: Final = 50
_LEAST: Final = 16  # to what a long text is cut, before columns are left out for it


def table_text(table: Table) -> str:
    """Write a table as text: a title, a line for each row, and how much that is."""
    places = layout(table)
    heads = [pad(table.columns[index].title, size, right=table.is_right(index)) for index, size in places.items()]
    rows = [
        [pad(row[index].text, size, right=table.is_right(index)) for index, size in places.items()]
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


def _natural(table: Table, index: int) -> int:
    texts = [table.columns[index].title, *(row[index].text for row in table.rows)]
    return min(max(map(text_width, texts)), _MOST)


def _total(table: Table, places: dict[int, int], most: int = _MOST) -> int:
    sizes = [min(size, most) if table.columns[index].long else size for index, size in places.items()]
    return sum(sizes) + len(GAP) * (len(sizes) - 1)
