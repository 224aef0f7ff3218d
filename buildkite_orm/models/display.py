"""What displays itself: in IPython, in a notebook, by rich. How it looks is loaded when it is looked at."""

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
    """What there is to be seen of a listing without asking the server.

    Attributes:
        title: What is listed.
        model: The class of what is listed.
        rows: What is loaded of it, from its beginning on; None where nothing was asked for yet.
        whole: Whether that is all.
    """

    title: str
    model: type[Resource]
    rows: Sequence[Resource] | None
    whole: bool


class ShownObject:
    """An object that is shown as a card where that is possible; it asks nothing for that."""

    __slots__ = ()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """Give what IPython and notebooks show."""
        from buildkite_orm.views.display.render import object_mimebundle  # noqa: PLC0415 - only where one looks

        del include, exclude
        return object_mimebundle(self)

    def __rich__(self) -> RenderableType:
        """Give what rich prints."""
        from buildkite_orm.views.display.render import rich_object  # noqa: PLC0415

        return rich_object(self)

    def __rich_repr__(self) -> Any:
        """Have rich show it as its repr does, where it is a part of something."""


class ShownListing(ABC):
    """A listing that is shown as a table where that is possible."""

    __slots__ = ()

    @abstractmethod
    def _preview(self) -> Preview:
        """Give what there is to be seen without asking the server."""

    def _load_preview(self) -> None:  # noqa: B027 - where all is there, that is nothing
        """Load what there is to be seen, in one request; what is loaded is not asked for again."""

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """Give what IPython and notebooks show; it may ask for one page, once."""
        from buildkite_orm.views.display.render import listing_mimebundle  # noqa: PLC0415 - only where one looks

        del include, exclude
        return listing_mimebundle(self, self._preview, self._load_preview)

    def __rich__(self) -> RenderableType:
        """Give what rich prints: what is loaded, and no request."""
        from buildkite_orm.views.display.render import rich_listing  # noqa: PLC0415

        return rich_listing(self, self._preview())
