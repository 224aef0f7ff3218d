"""Tables as plain text, and the widths of their columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from buildkite_orm.views.text_width import pad, text_width

if TYPE_CHECKING:
    from buildkite_orm.views.display.tables import Table

GAP: Final = "  "
_MAX_COLUMN: Final = 50
_MIN_LONG: Final = 16  # long texts are truncated to this before minor columns are omitted


def table_text(table: Table) -> str:
    """Render a table as text: title, headings, rows, and the number of rows."""
    widths = column_widths(table)
    rows = [
        [pad(row[index].text, size, right=table.is_right_aligned(index)) for index, size in widths.items()]
        for row in table.rows
    ]
    lines = (GAP.join(row).rstrip() for row in [headings(table, widths), *rows])
    return "\n".join([table.title, *lines, table.footer])


def headings(table: Table, widths: dict[int, int]) -> list[str]:
    """Return the headings of the columns, padded to their widths."""
    return [
        pad(table.columns[index].title, width, right=table.is_right_aligned(index)) for index, width in widths.items()
    ]


def column_widths(table: Table, available: int | None = None) -> dict[int, int]:
    """Choose which columns of a table are shown, and their widths.

    Args:
        table: The table.
        available: The width of the terminal; None for no limit.

    Returns:
        The widths by the indexes of the columns. If there is no room, minor columns are omitted, from the right; then
        texts are truncated, the longest first.
    """
    widths = {index: _natural_width(table, index) for index in range(len(table.columns))}
    minor = [index for index in widths if table.columns[index].minor]
    while available is not None and minor and _total_width(table, widths, _MIN_LONG) > available:
        del widths[minor.pop()]
    for truncatable in ([index for index in widths if table.columns[index].long], list(widths)):
        while available is not None and truncatable and _total_width(table, widths) > available:
            widest = max(truncatable, key=lambda index: widths[index])
            if widths[widest] <= len(GAP):
                break
            widths[widest] -= 1
    return widths


def _natural_width(table: Table, index: int) -> int:
    texts = [table.columns[index].title, *(row[index].text for row in table.rows)]
    return min(max(map(text_width, texts)), _MAX_COLUMN)


def _total_width(table: Table, widths: dict[int, int], most: int = _MAX_COLUMN) -> int:
    sizes = [min(size, most) if table.columns[index].long else size for index, size in widths.items()]
    return sum(sizes) + len(GAP) * (len(sizes) - 1)
