"""Pages that are smaller while the server takes too long for full ones.

A page whose response is slow is requested again in smaller parts, and so are the pages after it for a while. The caller
gets the same pages: parts are put together.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Generic, Self, TypeVar

from buildkite_orm.http.retry import is_slow
from buildkite_orm.models.resource import Resource
from buildkite_orm.querysets.listing import PageResponse, page_number, with_numbers
from buildkite_orm.utils.forking import ForkSafeLock

if TYPE_CHECKING:
    from buildkite_orm.http.encoding import Query
    from buildkite_orm.querysets.listing import Listing

R = TypeVar("R", bound=Resource)

_SMALLEST: Final = 5
_GOOD_RESPONSES: Final = 4  # in a row, before a larger size is tried
_MOST_GOOD_RESPONSES: Final = 64


class AdaptivePageSize(Generic[R]):
    """Fetches the pages of a listing, as many items at once as the server returns in time.

    All threads that read a listing share one.

    Attributes:
        listing: The listing.
        size: How many items to request at the moment.
        is_aligned: Whether page numbers count in pages of the requested size; None until a response shows it.
    """

    def __init__(self, listing: Listing[R]) -> None:
        self.listing = listing
        self.size = listing.per_page
        self.is_aligned: bool | None = None
        self._good = 0
        self._good_until_larger = _GOOD_RESPONSES
        self._was_enlarged = False
        self._lock = ForkSafeLock()

    def fetch(self, query: Query) -> PageResponse[R]:
        """Fetch one full page; if the server is too slow for that, in parts.

        Args:
            query: The query of the page, from `Listing.query_for` or from a link.

        Raises:
            ResponseError: The links among the parts form a loop.
        """
        if not self._can_split(query):
            return self._fetch_unsplit(query)
        page, size = _PartialPage(query, self.listing), PageSize(self)
        while not page.is_complete:
            with size:
                count = math.gcd(size.value, page.requested)  # the next part begins where the last one ended
                response = self.listing.request(page.query_for(count), splittable=size.splittable)
                size.record(response, count)
                if count == self.listing.per_page:
                    return response
                page.add(response, count, may_lack_links=self.is_aligned is None)
        return page.whole() if page.is_aligned else self._fetch_unsplit(query)

    def fetch_some(self, query: Query) -> PageResponse[R]:
        """Fetch the beginning of a listing: a full page, or as much of it as the server returns in time."""
        size = PageSize(self)
        while True:
            with size:
                query = with_numbers(query, per_page=size.value)
                return size.record(self.listing.request(query, splittable=size.splittable))

    def shrink(self, size: int) -> None:
        """Use a smaller size, since a response took too long.

        The more often larger sizes were tried in vain, the later they are tried again.
        """
        with self._lock.current:
            if size != self.size:  # another thread has changed it already
                return
            if self._was_enlarged:
                self._good_until_larger = min(2 * self._good_until_larger, _MOST_GOOD_RESPONSES)
            self.size, self._good, self._was_enlarged = _smaller(size), 0, False

    def record(self, response: PageResponse[R], size: int) -> PageResponse[R]:
        """Note a response that arrived in time, and return it; after some of them, use a larger size."""
        with self._lock.current:
            if "next" in response.links:
                self.is_aligned = self.is_aligned is not False and len(response.items) == size
            self._good += size == self.size < self.listing.per_page
            if self._good >= self._good_until_larger:
                self.size, self._good, self._was_enlarged = _larger(self.size, self.listing.per_page), 0, True
        return response

    def _fetch_unsplit(self, query: Query) -> PageResponse[R]:
        return self.record(self.listing.request(query), self.listing.per_page)

    def _can_split(self, query: Query) -> bool:
        """Return whether a page can be requested in parts; page numbers must count in the requested size."""
        params = dict(query)
        if params.get("per_page") != str(self.listing.per_page) or self.is_aligned is False:
            return False
        return params.get("page", "1") == "1" or (self.is_aligned is True and page_number(query) is not None)


class PageSize(Generic[R]):
    """The number of items per page, for the requests in a `with` block.

    A slow response ends the block without an error and shrinks the size; the caller then runs the block again. That
    happens one time less than RetryPolicy has attempts; after that, a slow response is retried as any other.

    Attributes:
        value: The number of items.
        splittable: Whether a smaller size is possible.
    """

    __slots__ = ("_pages", "_since", "_tries", "splittable", "value")

    def __init__(self, pages: AdaptivePageSize[R]) -> None:
        self._pages = pages
        self._tries = pages.listing.session.retry.attempts - 1
        self._since = 0.0
        self._set()

    def __enter__(self) -> Self:
        self._since = self._pages.listing.session.clock.monotonic()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _traceback: object) -> bool:
        if error is None or not self.splittable or not is_slow(error) or self._is_out_of_time():
            return False
        self._pages.shrink(self.value)
        self._tries -= 1
        self._set()
        return True

    def record(self, response: PageResponse[R], count: int | None = None) -> PageResponse[R]:
        """Note a response that arrived in time, and return it.

        Args:
            response: The response.
            count: How many items were requested, if fewer than `value`.
        """
        self._since = self._pages.listing.session.clock.monotonic()
        return self._pages.record(response, self.value if count is None else count)

    def _set(self) -> None:
        self.value = self._pages.size
        self.splittable = self._tries > 0 and _smaller(self.value) != self.value

    def _is_out_of_time(self) -> bool:
        """Return whether the request took all the time that RetryPolicy allows."""
        session = self._pages.listing.session
        return session.clock.monotonic() - self._since >= session.retry.limited().max_elapsed


class _PartialPage(Generic[R]):
    """A page of which some parts are loaded.

    Attributes:
        requested: How many items were requested so far.
        is_complete: Whether nothing is left to request.
        is_aligned: False if the server has pages of another size, so that the parts are of no use.
    """

    def __init__(self, query: Query, listing: Listing[R]) -> None:
        self.requested = 0
        self.is_complete = False
        self.is_aligned = True
        self._query = query
        self._listing = listing
        self._page = page_number(query) or 1
        self._items: dict[R, None] = {}
        self._cursor: Query | None = None  # the link to the next part, if that has no page number
        self._links: dict[str, Query] = {}
        self._requested_cursors = [with_numbers(query, per_page=None)]

    def query_for(self, count: int) -> Query:
        """Return the query of the next `count` items."""
        if self._cursor is not None:
            return with_numbers(self._cursor, per_page=count)
        before = (self._page - 1) * self._listing.per_page + self.requested
        return with_numbers(self._query, per_page=count, page=before // count + 1 if before else None)

    def add(self, response: PageResponse[R], count: int, *, may_lack_links: bool) -> None:
        """Add a part.

        Args:
            response: The part.
            count: How many items were requested.
            may_lack_links: Whether the server may name no next page even if there is one.

        Raises:
            ResponseError: The part leads back to an earlier one.
        """
        self._items |= dict.fromkeys(response.items)
        self.requested += count
        self._follow(response.links.get("next"))
        has_next, is_full, by_number = "next" in response.links, len(response.items) == count, self._cursor is None
        self.is_aligned = is_full or not has_next or not by_number
        has_next = has_next or (may_lack_links and is_full and by_number)
        self.is_complete = not self.is_aligned or not has_next or self.requested == self._listing.per_page
        self._links = self._numbered_links(response, count) if by_number else response.links

    def whole(self) -> PageResponse[R]:
        """Return the page as if it had been loaded at once."""
        size = self._listing.per_page
        return PageResponse(
            list(self._items), {rel: with_numbers(link, per_page=size) for rel, link in self._links.items()}
        )

    def _follow(self, link: Query | None) -> None:
        if link is None or "page" in dict(link):
            return
        self._cursor, cursor = link, with_numbers(link, per_page=None)
        if cursor in self._requested_cursors:
            raise self._listing.repeats()
        self._requested_cursors.append(cursor)

    def _numbered_links(self, last: PageResponse[R], count: int) -> dict[str, Query]:
        """Return the links of the last part, with the page numbers of full pages."""
        end = last.page_number("last")
        numbers = {"next": self._page + 1, "last": None if end is None else -(-end * count // self._listing.per_page)}
        if self._page > 1:
            numbers |= {"first": 1, "prev": self._page - 1}
        known = {rel: number for rel, number in numbers.items() if number is not None and rel in last.links}
        return {rel: with_numbers(last.links[rel], page=number) for rel, number in known.items()}


def _smaller(size: int) -> int:
    """Return the next smaller size that divides a size; the same size if there is none."""
    return next((size // parts for parts in range(2, size // _SMALLEST + 1) if size % parts == 0), size)


def _larger(size: int, full: int) -> int:
    """Return the size whose next smaller one this is."""
    while _smaller(full) > size:
        full = _smaller(full)
    return full
