"""The display of objects and listings in IPython, notebooks and rich, and the requests that it may send."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from buildkite_orm.errors import BuildkiteError
from buildkite_orm.utils.text import one_line
from buildkite_orm.views.display.html import card_html, note_html, report_html, table_html
from buildkite_orm.views.display.ipython import ipython_text
from buildkite_orm.views.display.plain import table_text
from buildkite_orm.views.display.tables import Table, card_of, table_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import RenderableType

    from buildkite_orm.models.display import Preview, Section, ShownObject
    from buildkite_orm.models.resource import Resource

_MAX_LENGTH = 500


def object_mimebundle(resource: ShownObject) -> dict[str, str]:
    """Return the MIME bundle of an object: its repr and a card; no request."""
    return {"text/plain": repr(resource), "text/html": card_html(card_of(cast("Resource", resource)))}


def listing_mimebundle(listing: object, preview: Callable[[], Preview], load: Callable[[], None]) -> dict[str, str]:
    """Return the MIME bundle of a listing: a table, or the error if it cannot be loaded.

    Args:
        listing: The listing.
        preview: Returns the rows that are loaded.
        load: Loads the first page; called if nothing is loaded.
    """
    if preview().rows is None:
        try:
            load()
        except BuildkiteError as error:
            text = f"{listing!r}\n{one_line(f'{type(error).__name__}: {error}', _MAX_LENGTH)}"
            return {"text/plain": text, "text/html": note_html(text)}
    table = table_of(preview())
    return {
        "text/plain": ipython_text(lambda: _rich_table(table), lambda: table_text(table)),
        "text/html": table_html(table),
    }


def report_mimebundle(sections: Sequence[Section], text: str) -> dict[str, str]:
    """Return the MIME bundle of a report: all of its text; no request.

    Args:
        sections: Its parts.
        text: Its plain text.
    """

    def draw() -> RenderableType:
        from buildkite_orm.views.display.console import rich_report  # noqa: PLC0415 - an extra

        return rich_report(sections)

    return {"text/plain": ipython_text(draw, lambda: text), "text/html": report_html(sections)}


def rich_object(resource: ShownObject) -> RenderableType:
    """Return what rich prints for an object: a card."""
    from buildkite_orm.views.display.console import rich_card  # noqa: PLC0415 - an extra

    return rich_card(card_of(cast("Resource", resource)))


def rich_listing(listing: object, preview: Preview) -> RenderableType:
    """Return what rich prints for a listing: a table of what is loaded."""
    from rich.text import Text  # noqa: PLC0415 - an extra

    return Text(repr(listing)) if preview.rows is None else _rich_table(table_of(preview))


def _rich_table(table: Table) -> RenderableType:
    from buildkite_orm.views.display.console import TerminalTable  # noqa: PLC0415 - an extra

    return TerminalTable(table)
