"""Pagination: a paginator fetches the page at a cursor, and returns its items with the cursor of the next page.

    cursor = paginator.first_cursor()
    while cursor is not None:
        result = paginator.fetch(cursor)
        yield from result.items
        cursor = result.next_cursor

A cursor holds all that is known at its place. So a page that failed is fetched again with the same cursor, and no
request is repeated.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

from buildkite_orm.models.resource import Resource

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildkite_orm.http.encoding import Query
    from buildkite_orm.querysets.adaptive_page_size import AdaptivePageSize
    from buildkite_orm.querysets.listing import Listing, PageResponse

R = TypeVar("R", bound=Resource)
C = TypeVar("C")

MOST_EMPTY_PAGES: Final = 20


@dataclass(frozen=True, slots=True)
class PageResult(Generic[R, C]):
    """A page as iteration needs it.

    Attributes:
        items: The objects on the page that no earlier page had.
        next_cursor: The cursor of the next page; None at the end.
    """

    items: list[R]
    next_cursor: C | None


class Paginator(Protocol[R, C]):
    """Fetches a listing page by page."""

    def first_cursor(self) -> C:
        """Return the cursor of the first page, for a new walk through the listing."""
        ...

    def fetch(self, cursor: C) -> PageResult[R, C]:
        """Fetch the page at a cursor."""
        ...


@dataclass(frozen=True, slots=True)
class RepeatGuard:
    """Notices when a walk through a listing would never end, because the server's links form a loop.

    Each cursor has its own guard; the guards of one walk share `seen`. A page that failed is requested again at the
    same position, which is not a repeat.

    Attributes:
        seen: Hashes of the links and pages, each with the position in the walk at which it was first seen.
        position: How many pages were loaded before.
        empty: How many of the last pages in a row were empty, or the same as an earlier page.
    """

    seen: dict[int, int] = field(default_factory=dict[int, int])
    position: int = 0
    empty: int = 0

    def check(self, listing: Listing[R], link: Query) -> None:
        """Refuse to request a page if that would not end.

        Raises:
            ResponseError: This walk has requested the page already, or the last pages had nothing new.
        """
        if self.seen.get(_hash_of_link(link), self.position) < self.position:
            raise listing.repeats()
        if self.empty >= MOST_EMPTY_PAGES:
            raise listing.repeats(f"sent {self.empty} pages in a row without anything new, and names another one")

    def after(self, link: Query, page: PageResponse[R]) -> RepeatGuard:
        """Return the guard for the page after one that was loaded from a link."""
        self.seen.setdefault(_hash_of_link(link), self.position)
        is_empty = not page.items or self.seen.setdefault(_hash_of_page(page), self.position) < self.position
        return RepeatGuard(self.seen, self.position + 1, self.empty + 1 if is_empty else 0)


@dataclass(frozen=True, slots=True)
class LinkCursor(Generic[R]):
    """The place of a page that has a link.

    Attributes:
        link: The query of the page.
        previous: The objects on the page before.
        guard: Ends the walk if the links form a loop.
    """

    link: Query
    previous: frozenset[R] = frozenset()
    guard: RepeatGuard = field(default_factory=RepeatGuard, compare=False, repr=False)

    @property
    def is_first(self) -> bool:
        """Whether this is the first page of a walk."""
        return self.guard.position == 0


class LinkPaginator(Generic[R]):
    """Follows the links in the responses; an object that the page before had is left out.

    Args:
        pages: Fetches single pages.
        first_page: The number of the page to begin with.
    """

    def __init__(self, pages: AdaptivePageSize[R], first_page: int = 1) -> None:
        self._pages = pages
        self._first_page = first_page

    def first_cursor(self) -> LinkCursor[R]:
        """Return the cursor of the first page."""
        return LinkCursor(self._pages.listing.query_for(self._first_page))

    def fetch(self, cursor: LinkCursor[R]) -> PageResult[R, LinkCursor[R]]:
        """Fetch the page at a cursor.

        Raises:
            ResponseError: The page repeats an earlier one, or there was nothing new for many pages.
        """
        listing = self._pages.listing
        cursor.guard.check(listing, cursor.link)
        page = self._pages.fetch(cursor.link)
        items = [item for item in page.items if item not in cursor.previous]
        link = page.links.get("next")
        if link is None:
            return PageResult(items, None)
        if page.items and not items:
            raise listing.repeats()
        return PageResult(items, LinkCursor(link, frozenset(page.items), cursor.guard.after(cursor.link, page)))


@dataclass(frozen=True, slots=True)
class FilteredPaginator(Generic[R, C]):
    """Another paginator, without the objects that do not match. A page of it may be empty, and others follow."""

    paginator: Paginator[R, C]
    matches: Callable[[R], bool]

    def first_cursor(self) -> C:
        """Return the cursor of the first page."""
        return self.paginator.first_cursor()

    def fetch(self, cursor: C) -> PageResult[R, C]:
        """Fetch the page at a cursor."""
        page = self.paginator.fetch(cursor)
        return PageResult([item for item in page.items if self.matches(item)], page.next_cursor)


def _hash_of_link(link: Query) -> int:
    return hash(tuple(sorted(link)))


def _hash_of_page(page: PageResponse[R]) -> int:
    """Return a hash of the length, the first and the last object of a page."""
    return hash((len(page.items), _key(page.items[0]), _key(page.items[-1])))


def _key(item: Resource) -> str | int:
    """Return the id of an object, or its whole data if it has none."""
    key = item.__dict__.get(item.identity or "id")
    return key if isinstance(key, str | int) else f"{item.__dict__} {item.__pydantic_extra__}"
