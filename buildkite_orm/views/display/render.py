"""What IPython, notebooks and rich show of objects and listings, and how much they may ask for that."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from buildkite_orm.errors import BuildkiteError
from buildkite_orm.utils.text import one_line
from buildkite_orm.views.display.html import card_html, note_html, table_html
from buildkite_orm.views.display.ipython import printed
from buildkite_orm.views.display.plain import table_text
from buildkite_orm.views.display.tables import Table, card_of, table_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType

    from buildkite_orm.models.display import Preview, ShownObject
    from buildkite_orm.models.resource import Resource

_LONGEST = 500


def object_bundle(thing: ShownObject) -> dict[str, str]:
    """Give what IPython and notebooks show of an object: its line, and a card; it asks nothing."""
    return {"text/plain": repr(thing), "text/html": card_html(card_of(cast("Resource", thing)))}


def listing_bundle(listing: object, glimpse: Callable[[], Preview], load: Callable[[], None]) -> dict[str, str]:
    """Give what IPython and notebooks show of a listing: a table.

    Args:
        listing: The listing.
        glimpse: Gives what there is to be seen.
        load: Loads what there is to be seen. It is called where nothing is loaded; where it fails, that is told.
    """
    if glimpse().rows is None:
        try:
            load()
        except BuildkiteError as error:
            text = f"{listing!r}\n{one_line(f'{type(error).__name__}: {error}', _LONGEST)}"
            return {"text/plain": text, "text/html": note_html(text)}
    table = table_of(glimpse())
    return {"text/plain": printed(lambda: _drawn(table), lambda: table_text(table)), "text/html": table_html(table)}


def rich_object(thing: ShownObject) -> RenderableType:
    """Give what rich prints of an object."""
    from buildkite_orm.views.display.console import rich_card  # noqa: PLC0415 - an extra

    return rich_card(card_of(cast("Resource", thing)))


def rich_listing(listing: object, glimpse: Preview) -> RenderableType:
    """Give what rich prints of a listing: a table of what is loaded."""
    from rich.text import Text  # noqa: PLC0415 - an extra

    return Text(repr(listing)) if glimpse.rows is None else _drawn(table_of(glimpse))


def _drawn(table: Table) -> RenderableType:
    from buildkite_orm.views.display.console import DrawnTable  # noqa: PLC0415 - an extra

    return DrawnTable(table)
