"""Tables and cards as HTML without scripts or external files, for the light and the dark theme.

All text from elsewhere is escaped and put into a `bdi` element, so that its direction does not affect the page.
"""

from __future__ import annotations

from html import escape
from string import Template
from typing import TYPE_CHECKING, Final

from buildkite_orm.views.display.cells import safe_href
from buildkite_orm.views.display.status_colors import StatusStyle
from buildkite_orm.views.display.themes import THEMES, css_by_theme, css_declarations, theme_colors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildkite_orm.models.display import Section
    from buildkite_orm.views.display.cells import Cell
    from buildkite_orm.views.display.tables import Card, Table

_TEMPLATE: Final = Template("""
$themes
.bk-orm{background:var(--bk-paper);color:var(--bk-ink);font:13px/1.5 system-ui,sans-serif;
padding:8px 10px;border:1px solid var(--bk-line);border-radius:6px;
width:fit-content;max-width:100%;box-sizing:border-box}
.bk-orm .bk-scroll{overflow-x:auto}
.bk-orm .bk-title,.bk-orm .bk-foot{color:var(--bk-soft)}
.bk-orm .bk-title,.bk-orm .bk-name{overflow-wrap:anywhere}
.bk-orm .bk-name{font-weight:600;margin-bottom:4px}
.bk-orm .bk-scroll table.bk-table{border-collapse:collapse;margin:4px 0;border:0;font-size:13px;color:inherit}
.bk-orm .bk-scroll table.bk-table tr{background:none}
.bk-orm .bk-scroll table.bk-table th,.bk-orm .bk-scroll table.bk-table td{text-align:left;padding:3px 14px 3px 0;
border:0;border-bottom:1px solid var(--bk-line);white-space:nowrap;color:inherit;vertical-align:top;max-width:26em;
overflow:hidden;text-overflow:ellipsis}
.bk-orm .bk-scroll table.bk-table th{color:var(--bk-soft);font-weight:600}
.bk-orm .bk-scroll table.bk-table .bk-right{text-align:right;font-variant-numeric:tabular-nums}
.bk-orm .bk-scroll table.bk-card td{white-space:normal;overflow-wrap:anywhere;max-width:46em}
.bk-orm.bk-orm a:any-link{color:var(--bk-busy);text-decoration:none}
.bk-orm.bk-orm a:hover,.bk-orm.bk-orm a:focus{text-decoration:underline}
.bk-orm .bk-scroll pre.bk-log{font:12px/1.45 ui-monospace,monospace;color:inherit;background:none;border:0;
border-left:2px solid var(--bk-line);margin:4px 0 8px;padding:0 0 0 8px;white-space:pre}
.bk-orm time{text-decoration:underline dotted var(--bk-soft);text-underline-offset:3px}
$tones""")


def table_html(table: Table) -> str:
    """Render a table as HTML."""
    right = [' class="bk-right"' if table.is_right_aligned(index) else "" for index in range(len(table.columns))]
    heads = "".join(
        f'<th scope="col"{css}>{escape(column.title)}</th>' for column, css in zip(table.columns, right, strict=True)
    )
    rows = "".join(
        f"<tr>{''.join(f'<td{css}>{_cell_markup(cell)}</td>' for cell, css in zip(row, right, strict=True))}</tr>"
        for row in table.rows
    )
    body = f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody>"
    foot = f'<div class="bk-foot">{escape(table.footer)}</div>'
    return _box(f'<div class="bk-title">{_text(table.title)}</div>{_table_markup(body)}{foot}')


def card_html(card: Card) -> str:
    """Render a card as HTML."""
    rows = "".join(
        f'<tr><th scope="row">{escape(title)}</th><td>{_cell_markup(cell)}</td></tr>' for title, cell in card.lines
    )
    name = f'<div class="bk-name">{escape(card.kind)} {_cell_markup(card.title)}</div>'
    return _box(f"{name}{_table_markup(f'<tbody>{rows}</tbody>', ' bk-card')}{_log_markup(card.log)}")


def report_html(sections: Sequence[Section]) -> str:
    """Render a report as HTML."""
    return _box("".join(map(_section_markup, sections)))


def note_html(text: str) -> str:
    """Render lines of text as HTML."""
    return _box("".join(f"<div>{_text(line)}</div>" for line in text.splitlines()))


def _section_markup(section: Section) -> str:
    title = f'<div class="bk-name">{_link(_text(section.title), safe_href(section.url))}</div>'
    notes = "".join(f"<div>{_text(line)}</div>" for line in section.notes)
    return f"{title}{notes}{_log_markup(section.log)}"


def _log_markup(lines: Sequence[str]) -> str:
    text = "\n".join(map(_text, lines))
    return f'<div class="bk-scroll" tabindex="0"><pre class="bk-log">{text}</pre></div>' if lines else ""


def _box(inner: str) -> str:
    return f'<div class="bk-orm"><style>{STYLESHEET}</style>{inner}</div>'


def _table_markup(body: str, more: str = "") -> str:
    return f'<div class="bk-scroll" tabindex="0"><table class="bk-table{more}">{body}</table></div>'


def _cell_markup(cell: Cell) -> str:
    inner = _text(cell.text)
    if cell.iso_time:
        return f'<time datetime="{escape(cell.iso_time)}" title="{escape(cell.exact_time)}">{inner}</time>'
    if cell.style:
        inner = f'<span class="bk-{cell.style}">{inner}</span>'
    return _link(inner, cell.href)


def _link(inner: str, href: str | None) -> str:
    return f'<a href="{escape(href)}" target="_blank" rel="noopener noreferrer">{inner}</a>' if href else inner


def _text(text: str) -> str:
    return f"<bdi>{escape(text)}</bdi>" if text else ""


STYLESHEET: Final = _TEMPLATE.substitute(
    themes=css_by_theme(
        ".bk-orm", *(f"color-scheme:{theme};{css_declarations(theme_colors(theme))}" for theme in THEMES)
    ),
    tones="\n".join(f".bk-orm .bk-{style}{{color:var(--bk-{style})}}" for style in StatusStyle),
).strip()
"""The style sheet; all selectors are limited to the class `bk-orm`."""
