"""The cells of tables and cards: any value as text that is safe to display."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

from buildkite_orm.models.resource import Model
from buildkite_orm.utils.json_types import as_array
from buildkite_orm.utils.text import ago, format_value, one_line, short_duration, with_emoji

if TYPE_CHECKING:
    from buildkite_orm.views.display.status_colors import StatusStyle

_MAX_LENGTH: Final = 120
_MAX_ITEMS: Final = 8


class Linked(NamedTuple):
    """A value that is linked to a page."""

    value: object
    url: object


class Styled(NamedTuple):
    """A value with a status style."""

    value: object
    style: StatusStyle


@dataclass(frozen=True, slots=True)
class Cell:
    """The content of one cell.

    Attributes:
        text: Its text; control characters are escaped.
        style: Its status style, if it has one.
        href: The `http` or `https` URL that it is linked to, if any.
        exact_time: The exact time for people, if the text is relative to now.
        iso_time: That time in ISO 8601.
        right_aligned: Whether it is a number.
    """

    text: str = ""
    style: StatusStyle | None = None
    href: str | None = None
    exact_time: str = ""
    iso_time: str = ""
    right_aligned: bool = False


def cell_of(value: object, now: datetime) -> Cell:
    """Return the cell of a value; empty for a value without text, such as an object without a name.

    Args:
        value: Any value, also one of an unexpected type.
        now: The current time.
    """
    if isinstance(value, Linked):
        return replace(cell_of(value.value, now), href=safe_href(value.url))
    if isinstance(value, Styled):
        return replace(cell_of(value.value, now), style=value.style)
    if isinstance(value, datetime):
        return Cell(ago(value, now), exact_time=format_value(value), iso_time=value.astimezone(UTC).isoformat())
    if isinstance(value, timedelta):
        return Cell(short_duration(value), right_aligned=True)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Cell(format_value(value), right_aligned=True)
    return Cell(_text(value))


def safe_href(url: object) -> str | None:
    """Return a URL if a page may link to it: an `http` or `https` URL without odd characters; None for others."""
    if not isinstance(url, str) or not url.isprintable() or any(char in url for char in " \"'<>\\"):
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return url if parts.scheme in {"http", "https"} and parts.netloc else None


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return with_emoji(one_line(value, _MAX_LENGTH))
    if isinstance(value, Model):
        return _text(value.__dict__.get("name"))
    items = as_array(value) or []
    parts = [_text(part) for part in items[:_MAX_ITEMS]] + (["…"] if len(items) > _MAX_ITEMS else [])
    return one_line(", ".join(filter(None, parts)), _MAX_LENGTH)
