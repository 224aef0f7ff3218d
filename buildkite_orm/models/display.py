"""Mixins that display objects in IPython, notebooks and rich. The code that renders is loaded on first use."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from buildkite_orm.models.resource import Resource


@dataclass(frozen=True, slots=True)
class Preview:
    """The part of a listing that can be shown without a request.

    Attributes:
        title: A description of the listing.
        model: The class of its items.
        rows: The loaded items, from the first on; None if nothing was requested yet.
        whole: Whether these are all.
    """

    title: str
    model: type[Resource]
    rows: Sequence[Resource] | None
    whole: bool


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a report.

    Attributes:
        title: Its heading, escaped for display.
        url: The page that the heading is linked to, if any.
        notes: Lines of text below it, escaped for display.
        log: Lines of a log, escaped for display.
    """

    title: str
    url: object = None
    notes: tuple[str, ...] = ()
    log: tuple[str, ...] = ()


class ShownReport(ABC):
    """A report that is shown in full, without a request; `str()` returns its plain text."""

    __slots__ = ()

    @abstractmethod
    def _sections(self) -> Sequence[Section]:
        """Return its parts."""

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """Return the representations that IPython and notebooks show."""
        from buildkite_orm.views.display.render import report_mimebundle  # noqa: PLC0415 - loaded on first use

        del include, exclude
        return report_mimebundle(self._sections(), str(self))

    def __rich__(self) -> RenderableType:
        """Return the renderable that rich prints."""
        from buildkite_orm.views.display.console import rich_report  # noqa: PLC0415

        return rich_report(self._sections())


class ShownObject:
    """An object that is shown as a card, without a request."""

    __slots__ = ()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """Return the representations that IPython and notebooks show."""
        from buildkite_orm.views.display.render import object_mimebundle  # noqa: PLC0415 - loaded on first use

        del include, exclude
        return object_mimebundle(self)

    def __rich__(self) -> RenderableType:
        """Return the renderable that rich prints."""
        from buildkite_orm.views.display.render import rich_object  # noqa: PLC0415

        return rich_object(self)

    def __rich_repr__(self) -> Any:
        """Make rich show its repr inside of other objects."""


class ShownListing(ABC):
    """A listing that is shown as a table."""

    __slots__ = ()

    @abstractmethod
    def _preview(self) -> Preview:
        """Return what can be shown without a request."""

    def _load_preview(self) -> None:  # noqa: B027 - nothing, if all is loaded
        """Load what is shown, in at most one request; loaded items are not requested again."""

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """Return the representations that IPython and notebooks show; this may request one page, once."""
        from buildkite_orm.views.display.render import listing_mimebundle  # noqa: PLC0415 - loaded on first use

        del include, exclude
        return listing_mimebundle(self, self._preview, self._load_preview)

    def __rich__(self) -> RenderableType:
        """Return the renderable that rich prints: loaded items, without a request."""
        from buildkite_orm.views.display.render import rich_listing  # noqa: PLC0415

        return rich_listing(self, self._preview())
