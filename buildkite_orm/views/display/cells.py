"""What stands in one place of a table: any value, put so that it can be drawn and harms nobody."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

from buildkite_orm.models.resource import Model
from buildkite_orm.utils.json_types import as_array
from buildkite_orm.utils.text import ago, one_line, said, short_duration, with_emoji

if TYPE_CHECKING:
    from buildkite_orm.views.display.status_colors import StatusStyle

_LONGEST: Final = 120
_SEVERAL: Final = 8


class Linked(NamedTuple):
    """A value that leads to a page."""

    value: object
    url: object


class Toned(NamedTuple):
    """A value with a tone."""

    value: object
    tone: StatusStyle


@dataclass(frozen=True, slots=True)
class Cell:
    """What is drawn.

    Attributes:
        text: What it says; harmless.
        tone: Its tone, where it has one.
        href: The page that it leads to, where it leads to one; `http` or `https` only.
        exact: The exact time, where the text tells it from now on; as people read it.
        moment: That time as machines read it.
        right: Whether it is a number, which stands to the right.
    """

    text: str = ""
    tone: StatusStyle | None = None
    href: str | None = None
    exact: str = ""
    moment: str = ""
    right: bool = False


def cell_of(value: object, now: datetime) -> Cell:
    """Make the cell of a value; what has no words, an object without a name say, is empty.

    Args:
        value: Any value, one that the server sent in the place of another too.
        now: What time it is.
    """
    if isinstance(value, Linked):
        return replace(cell_of(value.value, now), href=safe_href(value.url))
    if isinstance(value, Toned):
        return replace(cell_of(value.value, now), tone=value.tone)
    if isinstance(value, datetime):
        return Cell(ago(value, now), exact=said(value), moment=value.astimezone(UTC).isoformat())
    if isinstance(value, timedelta):
        return Cell(short_duration(value), right=True)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Cell(said(value), right=True)
    return Cell(_words(value))


def safe_href(url: object) -> str | None:
    """Give a URL that a page may lead to: of the web, and nothing else; None for all others."""
    if not isinstance(url, str) or not url.isprintable() or any(char in url for char in " \"'<>\\"):
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return url if parts.scheme in {"http", "https"} and parts.netloc else None


def _words(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return with_emoji(one_line(value, _LONGEST))
    if isinstance(value, Model):
        return _words(value.__dict__.get("name"))
    several = as_array(value) or []
    parts = [_words(part) for part in several[:_SEVERAL]] + (["…"] if len(several) > _SEVERAL else [])
    return one_line(", ".join(filter(None, parts)), _LONGEST)
