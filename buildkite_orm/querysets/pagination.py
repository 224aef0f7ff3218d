"""One page of a listing, in whichever of the API's three shapes, and the steps from page to page.

The shapes: an array with a `Link` header, `{items, links}` with cursors, and a bare array. A page that takes the server
too long is asked for in smaller ones, and so are those after it for a while.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

from buildkite_orm.errors import BuildkiteError, ResponseError
from buildkite_orm.http.retry import is_slow
from buildkite_orm.http.session import ApiRequest, query_of
from buildkite_orm.models.binding import Binding
from buildkite_orm.models.parsing import load_cursor_page, load_list
from buildkite_orm.models.resource import Resource
from buildkite_orm.utils.forking import ForkSafeLock
from buildkite_orm.utils.numbers import parse_decimal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from buildkite_orm.http.encoding import Query
    from buildkite_orm.http.session import ApiResponse, Session

R = TypeVar("R", bound=Resource)
T = TypeVar("T")

_LEAST: Final = 5
_CALM: Final = 4
_LONGEST_CALM: Final = 64
MOST_IDLE_PAGES: Final = 20


@dataclass(frozen=True, slots=True)
class PageResult(Generic[R]):
    """One page as the server gave it.

    Attributes:
        items: Its objects, bound.
        links: The queries of other pages, by `next`, `prev`, `first` and `last`.
    """

    items: list[R]
    links: dict[str, Query]

    def number(self, rel: str) -> int | None:
        """Return the page number that a link leads to, or None where it names none that can be."""
        return _page_number(self.links.get(rel, []))


@dataclass(frozen=True, slots=True)
class PageSize:
    """How many items to ask for at once.

    Attributes:
        size: How many.
        divisible: Whether fewer are asked for where the answer takes too long, in place of the same again.
    """

    size: int
    splittable: bool


class TooSlowError(Exception):
    """A portion took the server too long. It never leaves `Listing.divided`."""


class AdaptivePageSize:
    """How large the portions are that the server gives in time; shared by all who read a listing.

    Attributes:
        size: How many items to ask for now.
        aligned: Whether page numbers count in the size that is asked for, as far as that has shown.
    """

    def __init__(self, full: int) -> None:
        self.size = full
        self.aligned: bool | None = None
        self._full = full
        self._calm = _CALM
        self._good = 0
        self._grown = False
        self._lock = ForkSafeLock()

    def slow(self, size: int) -> None:
        """Take in that a portion took too long; the more often larger ones are tried in vain, the later they are."""
        with self._lock:
            if size != self.size:  # another thread has met it too
                return
            if self._grown:
                self._calm = min(2 * self._calm, _LONGEST_CALM)
            self.size, self._good, self._grown = _smaller(size), 0, False

    def good(self, size: int, sheet: PageResult[R]) -> None:
        """Take in a portion that came in time."""
        with self._lock:
            if "next" in sheet.links:
                self.aligned = self.aligned is not False and len(sheet.items) == size
            self._good += size == self.size < self._full
            if self._good >= self._calm:
                self.size, self._good, self._grown = _larger(self.size, self._full), 0, True


@dataclass(frozen=True, slots=True)
class Listing(Generic[R]):
    """What is listed, how it is filtered, and how many come at once."""

    session: Session
    path: str
    model: type[R]
    query: Query
    per_page: int
    collection: str
    context: object = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    pace: AdaptivePageSize = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pace", AdaptivePageSize(self.per_page))

    def fetch(
        self, *, number: int | None = None, link: Query | None = None, extra: Query | None = None
    ) -> PageResult[R]:
        """Ask for one page: the first, one by its number, or what a link leads to.

        Args:
            number: The page's number, from 1.
            link: The query of a link from another page, which replaces the listing's own.
            extra: Query pairs that replace those of the same name.
        """
        query = link if link is not None else self.query_for(number, extra or [])
        if not self._can_divide(query):
            return self._ask(query, PageSize(self.per_page, splittable=False))
        begun = _Begun[R](query, self.per_page, link if link is not None and "page" not in dict(link) else None)
        sheet = self.divided(lambda portion: self._in_parts(begun, portion))
        return self._ask(query, PageSize(self.per_page, splittable=False)) if sheet is None else sheet

    def fetch_some(self, extra: Query) -> PageResult[R]:
        """Ask for the beginning: as much as the server gives in time, a page at most.

        Args:
            extra: Query pairs that replace those of the same name.
        """
        return self.divided(lambda portion: self.fetch_portion(portion, 1, extra))

    def fetch_portion(self, portion: PageSize, number: int, extra: Query) -> PageResult[R]:
        """Ask for one page of another size; for use in what `divided` does."""
        return self._ask(_changed(self.query_for(number, extra), per_page=portion.size), portion)

    def divided(self, do: Callable[[PageSize], T]) -> T:
        """Do something with as large a portion as the server gives in time; again with less where it does not.

        That happens one time less than RetryPolicy has attempts; the last portion is asked for like any request.
        """
        for _ in range(self.session.retry.attempts - 1):
            size = self.pace.size
            if _smaller(size) == size:
                break
            try:
                return do(PageSize(size, splittable=True))
            except TooSlowError:
                self.pace.slow(size)
        return do(PageSize(self.pace.size, splittable=False))

    def with_page_size(self, per_page: int) -> Listing[R]:
        """Give the same listing with other pages."""
        return replace(self, per_page=per_page)

    def query_for(self, number: int | None, extra: Query) -> Query:
        """Return the query of a page, by its number; pairs in `extra` replace those of the same name."""
        replaced = {name for name, _ in extra}
        pairs = [pair for pair in self.query if pair[0] not in replaced] + extra
        pairs.append(("per_page", str(self.per_page)))
        return pairs if number in {None, 1} else [*pairs, ("page", str(number))]

    def _can_divide(self, query: Query) -> bool:
        """Tell whether a page can be had in parts; by number only where numbers count in the size that is asked for."""
        told = dict(query)
        if told.get("per_page") != str(self.per_page) or self.pace.aligned is False:
            return False
        return told.get("page", "1") == "1" or (self.pace.aligned is True and _page_number(query) is not None)

    def _ask(self, query: Query, portion: PageSize) -> PageResult[R]:
        call = ApiRequest("GET", self.path, query, headers=self.headers, splittable=portion.splittable)
        clock, began = self.session.clock, self.session.clock.monotonic()
        try:
            sheet = self.session.send(call, self._parse)
        except BuildkiteError as error:
            in_time = clock.monotonic() - began < self.session.retry.in_time().max_elapsed
            if portion.splittable and is_slow(error) and in_time:
                raise TooSlowError from error
            raise
        self.pace.good(portion.size, sheet)
        return sheet

    def _in_parts(self, begun: _Begun[R], portion: PageSize) -> PageResult[R] | None:
        """Ask for what is left of a page, portion by portion; None where the server has pages of its own size."""
        while True:
            size = math.gcd(portion.size, begun.done)
            sheet = self._ask(begun.query_for(size), replace(portion, size=size))
            if size == self.per_page:
                return sheet
            if not begun.take(sheet, size):
                raise repeats(self)
            goes_on, is_full = "next" in sheet.links, len(sheet.items) == size
            if goes_on and not is_full and begun.cursor is None:
                return None
            # a server that has told of no page yet may tell of none ever, and cut off what does not fit
            goes_on = goes_on or (is_full and begun.cursor is None and self.pace.aligned is None)
            if not goes_on or begun.done == self.per_page:
                return begun.whole(sheet, size)

    def _parse(self, answer: ApiResponse) -> PageResult[R]:
        strict = self.session.strict
        if answer.body.lstrip()[:1] == b"{":
            items, urls = load_cursor_page(self.model, answer, strict=strict)
            links = _queries(urls)
        else:
            items, links = load_list(self.model, answer, strict=strict), answer.links
        binding = Binding(self.session, self.collection, self.context)
        for item in items:
            item.bind(binding)
        return PageResult(items, links)


@dataclass(slots=True)
class _Begun(Generic[R]):
    """A page of which a part is there.

    Attributes:
        query: What asks for all of it.
        full: How many items it has.
        cursor: The query of what comes next, where that goes by cursor.
        items: What is there.
        done: How many were asked for so far.
        cursors: The cursors that were followed.
    """

    query: Query
    full: int
    cursor: Query | None
    items: dict[R, None] = field(default_factory=dict[R, None])
    done: int = 0
    cursors: list[Query] = field(default_factory=list["Query"])

    @property
    def page(self) -> int:
        """Its number."""
        return _page_number(self.query) or 1

    def query_for(self, size: int) -> Query:
        """Give what asks for so many more."""
        if self.cursor is not None:
            return _changed(self.cursor, per_page=size)
        before = (self.page - 1) * self.full + self.done
        return _changed(self.query, per_page=size, page=before // size + 1 if before else None)

    def take(self, sheet: PageResult[R], size: int) -> bool:
        """Add a part; return False where it leads back to a cursor that was followed for an earlier part."""
        self.items |= dict.fromkeys(sheet.items)
        self.done += size
        following = sheet.links.get("next")
        if following is None or "page" in dict(following):
            return True
        if self.cursor is not None:
            self.cursors.append(_changed(self.cursor, per_page=None))
        self.cursor = following
        return _changed(following, per_page=None) not in self.cursors

    def whole(self, last: PageResult[R], size: int) -> PageResult[R]:
        """Give the page as it would have come at once."""
        links = self._links(last, size) if self.cursor is None else last.links
        return PageResult(list(self.items), {rel: _changed(link, per_page=self.full) for rel, link in links.items()})

    def _links(self, last: PageResult[R], size: int) -> dict[str, Query]:
        end = last.number("last")
        numbers = {"next": self.page + 1, "last": None if end is None else -(-end * size // self.full)}
        if self.page > 1:
            numbers |= {"first": 1, "prev": self.page - 1}
        known = {rel: number for rel, number in numbers.items() if number is not None and rel in last.links}
        return {rel: _changed(last.links[rel], page=number) for rel, number in known.items()}


class Step(Protocol[R]):
    """The way to one page of an iteration."""

    def load(self) -> tuple[list[R], Step[R] | None]:
        """Ask for the page; give what is new on it, and the way to the one after it, if there is one."""
        ...


@dataclass(frozen=True, slots=True)
class Trail:
    """The pages that a walk through a listing has requested, so that it notices when it goes in circles.

    Each step has its own trail, which leads to the next step's; the steps of one walk share `seen`. A page that failed
    is requested again by the same step, and so at the same place, which is no repeat.

    Attributes:
        seen: Hashes of the queries and of the pages, each with the place in the walk where it was first met.
        place: How many pages were loaded before.
        idle: How many of the last pages in a row came empty, or were the same as an earlier page.
    """

    seen: dict[int, int] = field(default_factory=dict[int, int])
    place: int = 0
    idle: int = 0

    def check(self, listing: Listing[R], link: Query) -> None:
        """Refuse to request a page where that would not end.

        Raises:
            ResponseError: This walk has requested the page already, or the last pages brought nothing new.
        """
        if self.seen.get(hash(tuple(sorted(link))), self.place) < self.place:
            raise repeats(listing)
        if self.idle >= MOST_IDLE_PAGES:
            raise repeats(listing, f"sent {self.idle} pages in a row without anything new, and names another one")

    def after(self, query: Query, sheet: PageResult[R]) -> Trail:
        """Note a page that was loaded, and return the trail of the step after it."""
        self.seen.setdefault(hash(tuple(sorted(query))), self.place)
        idle = not sheet.items or self.seen.setdefault(_content(sheet), self.place) < self.place
        return Trail(self.seen, self.place + 1, self.idle + 1 if idle else 0)


@dataclass(frozen=True, slots=True)
class LinkStep(Generic[R]):
    """By the server's links, no item twice against the page before."""

    listing: Listing[R]
    link: Query | None = None
    before: frozenset[R] = frozenset()
    trail: Trail = field(default_factory=Trail, compare=False, repr=False)

    def load(self) -> tuple[list[R], Step[R] | None]:
        """Ask for the page.

        Raises:
            ResponseError: The page repeats an earlier one, or nothing new comes, so that going on would never end.
        """
        link = self.listing.query_for(None, []) if self.link is None else self.link
        self.trail.check(self.listing, link)
        sheet = self.listing.fetch(link=self.link)
        items = [item for item in sheet.items if item not in self.before]
        follow = sheet.links.get("next")
        if follow is None:
            return items, None
        if sheet.items and not items:
            raise repeats(self.listing)
        return items, LinkStep(self.listing, follow, frozenset(sheet.items), self.trail.after(link, sheet))


@dataclass(frozen=True, slots=True)
class FilteredPaginator(Generic[R]):
    """Another step, less what does not match."""

    step: Step[R]
    matches: Callable[[R], bool]

    def load(self) -> tuple[list[R], Step[R] | None]:
        """Ask for the page; there may be nothing left of it, and others after it."""
        items, step = self.step.load()
        onward = None if step is None else FilteredPaginator(step, self.matches)
        return [item for item in items if self.matches(item)], onward


def _smaller(size: int) -> int:
    """Give the next smaller portion that a page can be had in without a remainder; the same where there is none."""
    return next((size // parts for parts in range(2, size // _LEAST + 1) if size % parts == 0), size)


def _larger(size: int, full: int) -> int:
    """Give the portion whose next smaller one this is."""
    while _smaller(full) > size:
        full = _smaller(full)
    return full


def _changed(query: Query, **changes: int | None) -> Query:
    """Give a query with some numbers changed, where it has them, or added; None leaves one out."""
    kept = [(name, str(changes[name]) if name in changes else value) for name, value in query]
    added = [(name, str(value)) for name, value in changes.items() if name not in dict(query)]
    return [pair for pair in [*kept, *added] if pair[0] not in changes or changes[pair[0]] is not None]


def _page_number(query: Query) -> int | None:
    """Return the page number in a query, or None where there is none that can be."""
    return parse_decimal(dict(query).get("page")) or None  # pages are numbered from 1


def _queries(urls: Mapping[str, str]) -> dict[str, Query]:
    """Return the queries of the links of a cursor page; only a broken link to the next page is an error."""
    links: dict[str, Query] = {}
    for rel, url in urls.items():
        try:
            links[rel] = query_of(url)
        except ResponseError:
            if rel == "next":
                raise
    return links


def _content(sheet: PageResult[R]) -> int:
    """Return a hash of what begins and ends a page, to tell it from others."""
    return hash((len(sheet.items), _mark(sheet.items[0]), _mark(sheet.items[-1])))


def _mark(item: Resource) -> str | int:
    """Return the id of an object, or else all that it holds."""
    key = item.__dict__.get(item.identity or "id")
    return key if isinstance(key, str | int) else f"{item.__dict__} {item.__pydantic_extra__}"


def repeats(listing: Listing[R], what: str = "repeats a page instead of going on") -> ResponseError:
    """Make the error for a listing that does not come to an end."""
    next_step = "The server's links lead nowhere: try again later, or read only its beginning with .limit(n)."
    return ResponseError(f"the listing {listing.path} {what}", method="GET", next_step=next_step)
