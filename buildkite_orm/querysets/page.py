"""Pages of a listing: as the server numbers them, and as iteration loads them, each leading to the next one.

Objects never point to pages, and no page to the one before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from buildkite_orm.models.display import Preview, ShownListing
from buildkite_orm.models.resource import Resource
from buildkite_orm.utils.forking import ForkSafeLock

if TYPE_CHECKING:
    from buildkite_orm.querysets.pagination import Step

R = TypeVar("R", bound=Resource)


@dataclass(frozen=True, slots=True, repr=False)
class Page(ShownListing, Generic[R]):
    """One page of a listing, as the server numbers it at that moment.

    Attributes:
        items: Its objects.
        number: Its number, from 1.
        next_page: The number of the next page, if there is one.
        previous_page: The number of the page before, if there is one.
        first_page: The number of the first page, where the server tells it.
        last_page: The number of the last page, where the server tells it.
    """

    items: list[R]
    number: int
    next_page: int | None
    previous_page: int | None
    first_page: int | None
    last_page: int | None

    def __repr__(self) -> str:
        kinds = sorted({type(item).__name__ for item in self.items})
        of = "" if self.last_page is None else f" of {self.last_page}"
        return f"<Page {self.number}{of}: {len(self.items)} {' and '.join(kinds) or 'objects'}>"

    def _preview(self) -> Preview:
        return Preview(repr(self)[1:-1], type(self.items[0]) if self.items else Resource, self.items, whole=True)


class LoadedPage(Generic[R]):
    """A page as iteration loads it; it leads to the next one.

    Attributes:
        items: Its objects.
    """

    __slots__ = ("_lock", "_next", "_step", "items")

    def __init__(self, items: list[R], step: Step[R] | None) -> None:
        self.items = items
        self._step = step
        self._next: LoadedPage[R] | None = None
        self._lock = ForkSafeLock()

    def __repr__(self) -> str:
        return f"<LoadedPage of {len(self.items)}{', more follow' if self.has_next else ''}>"

    @property
    def has_next(self) -> bool:
        """Whether the server has told of a page after this one."""
        return self._next is not None or self._step is not None

    @property
    def step(self) -> Step[R] | None:
        """The way to the next page, while that is not loaded."""
        return self._step

    @property
    def loaded_next(self) -> LoadedPage[R] | None:
        """The next page, if that is loaded."""
        return self._next

    def follow(self) -> LoadedPage[R] | None:
        """Give the next page; it is asked for once, and again only where that failed."""
        with self._lock:
            if self._step is not None:
                items, step = self._step.load()
                self._next, self._step = LoadedPage(items, step), None
            return self._next

    def append(self, items: list[R], step: Step[R] | None) -> LoadedPage[R] | None:
        """Put a page after this one that was loaded in another way; None where one came there in the meantime."""
        with self._lock:
            if self._next is not None:
                return None
            self._next, self._step = LoadedPage(items, step), None
            return self._next
