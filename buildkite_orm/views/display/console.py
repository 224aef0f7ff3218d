"""Tables and cards for rich."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.style import Style
from rich.table import Table as RichTable
from rich.text import Text

from buildkite_orm.views.display.cells import safe_href
from buildkite_orm.views.display.plain import GAP, column_widths, headings
from buildkite_orm.views.text_width import pad, truncate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.console import Console, ConsoleOptions, RenderableType

    from buildkite_orm.models.display import Section
    from buildkite_orm.views.display.cells import Cell
    from buildkite_orm.views.display.tables import Card, Table


class TerminalTable:
    """A table for rich that fits into the width of the console."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """Yield the lines: title, headings, rows, and the number of rows."""
        table, widths = self._table, column_widths(self._table, options.max_width)
        yield _line(truncate(table.title, options.max_width), "dim")
        yield _line(GAP.join(headings(table, widths)), "bold")
        for row in table.rows:
            cells = (_cell(row[index], size, right=table.is_right_aligned(index)) for index, size in widths.items())
            line = _line(GAP).join(cells)
            line.rstrip()
            yield line
        yield _line(table.footer, "dim")


def rich_card(card: Card) -> RenderableType:
    """Return a card for rich."""
    grid = RichTable.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for title, cell in card.lines:
        exact = (f" ({cell.exact_time})" if cell.exact_time else "", "dim")
        grid.add_row(title, Text.assemble((cell.text, _style(cell)), exact))
    return Group(Text.assemble((f"{card.kind} ", "bold"), (card.title.text, _style(card.title))), grid, *_log(card.log))


def rich_report(sections: Iterable[Section]) -> RenderableType:
    """Return a report for rich."""
    parts: list[Text] = []
    for section in sections:
        parts += [Text()] if parts else []
        url = safe_href(section.url)
        parts.append(Text(section.title, style=Style(bold=True, link=url)))
        parts += [Text(url, style="dim")] if url else []
        parts += [Text(f"  {line}") for line in section.notes]
        parts += _log(section.log)
    return Group(*parts)


def _log(lines: Iterable[str]) -> list[Text]:
    return [Text.assemble(("  | ", "dim"), line) for line in lines]


def _cell(cell: Cell, size: int, *, right: bool) -> Text:
    text = pad(cell.text, size, right=right)
    start, content = len(text) - len(text.lstrip(" ")), text.strip(" ")
    return Text.assemble(text[:start], (content, _style(cell)), text[start + len(content) :])


def _style(cell: Cell) -> Style:
    return (Style.parse(cell.style.style) if cell.style else Style.null()) + Style(link=cell.href)


def _line(text: str, style: str = "") -> Text:
    return Text(text, style=style, no_wrap=True, overflow="ignore")
