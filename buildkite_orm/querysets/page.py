"""Pages of a listing: as the server numbers them, and as iteration loads them.

A loaded page refers to the next one only, and objects refer to no page. So a loop holds one page at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from buildkite_orm.models.display import Preview, ShownListing
from buildkite_orm.models.resource import Resource
from buildkite_orm.utils.forking import ForkSafeLock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from buildkite_orm.querysets.pagination import PageResult, Paginator

R = TypeVar("R", bound=Resource)


@dataclass(frozen=True, slots=True, repr=False)
class Page(ShownListing, Generic[R]):
    """One page of a listing, as the server numbers it at the moment of the request.

    Attributes:
        items: Its objects.
        number: Its number, from 1.
        next_page: The number of the next page, if there is one.
        previous_page: The number of the page before, if there is one.
        first_page: The number of the first page, if the server names it.
        last_page: The number of the last page, if the server names it.
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

    __slots__ = ("_cursor", "_lock", "_next", "_paginator", "items")

    def __init__(self, items: list[R], paginator: Paginator[R, Any] | None = None, cursor: object = None) -> None:
        self.items = items
        self._paginator = paginator
        self._cursor = cursor
        self._next: LoadedPage[R] | None = None
        self._lock = ForkSafeLock()

    def __repr__(self) -> str:
        return f"<LoadedPage of {len(self.items)}{', more follow' if self.has_next else ''}>"

    def __dir__(self) -> list[str]:
        """Return what is for callers; the rest is for querysets."""
        return [*(name for name in super().__dir__() if name.startswith("_")), "has_next", "items"]

    @property
    def has_next(self) -> bool:
        """Whether a page follows, according to the server."""
        return self._next is not None or self._cursor is not None

    @property
    def cursor(self) -> object:
        """The cursor of the next page; None if that is loaded, or if there is none."""
        return self._cursor

    @property
    def loaded_next(self) -> LoadedPage[R] | None:
        """The next page, if it is loaded."""
        return self._next

    def load_next(self) -> LoadedPage[R] | None:
        """Return the next page. It is requested once, and again only if that failed."""
        with self._lock.current:
            if self._cursor is not None and self._paginator is not None:
                self._set_next(self._paginator.fetch(self._cursor))
            return self._next

    def append(self, result: PageResult[R, Any]) -> LoadedPage[R] | None:
        """Add the next page, loaded elsewhere; return None if there is a next page already."""
        with self._lock.current:
            if self._next is not None:
                return None
            self._set_next(result)
            return self._next

    def _set_next(self, result: PageResult[R, Any]) -> None:
        self._next = LoadedPage(result.items, self._paginator, result.next_cursor)
        self._cursor = None


def pages_from(start: LoadedPage[R], limit: int | None) -> Iterator[LoadedPage[R]]:
    """Yield the pages after one, up to a number of objects, and hold only the current page."""
    if limit == 0:
        return
    page, left = start.load_next(), limit
    del start  # it leads to all pages
    while page is not None:
        if left is not None and left <= len(page.items):
            yield LoadedPage(page.items[:left])
            return
        left = None if left is None else left - len(page.items)
        yield page
        page = page.load_next()


def items_of(pages: Iterator[LoadedPage[R]]) -> Iterator[R]:
    """Yield the objects of pages."""
    of_page: Callable[[LoadedPage[R]], list[R]] = attrgetter("items")
    return chain.from_iterable(map(of_page, pages))
