"""Querysets: listings that load when they are used, and remember the beginning that they have loaded.

A queryset holds the first page, an iterator the current. So looping over a queryset that nothing else holds runs in the
memory of one page, and one that is held is loaded once.
"""

from __future__ import annotations

import sys
from itertools import chain, islice
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NoReturn, Self, TypeVar, cast, overload

from buildkite_orm.errors import MultipleResultsError, NotFoundError, ResponseError
from buildkite_orm.http.encoding import encode_query
from buildkite_orm.http.messages import ApiRequest
from buildkite_orm.models.binding import Binding
from buildkite_orm.models.display import Preview, ShownListing
from buildkite_orm.models.paths import short_path
from buildkite_orm.models.ref import load_object
from buildkite_orm.models.resource import Resource
from buildkite_orm.progress import gather
from buildkite_orm.querysets.adaptive_page_size import AdaptivePageSize
from buildkite_orm.querysets.listing import Listing
from buildkite_orm.querysets.page import LoadedPage, Page
from buildkite_orm.querysets.pagination import FilteredPaginator, LinkPaginator, PageResult
from buildkite_orm.utils.introspection import public_dir
from buildkite_orm.utils.json_types import as_several
from buildkite_orm.utils.plain_values import as_index, as_plain, as_plain_data
from buildkite_orm.utils.text import escape_control

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from buildkite_orm.http.messages import StreamedBody
    from buildkite_orm.http.session import Session
    from buildkite_orm.querysets.pagination import Paginator

R = TypeVar("R", bound=Resource)

MOST_PER_PAGE = 100


class _NoLengthError(TypeError, AttributeError):
    """A queryset has no length: a TypeError from `len()`, and what `hasattr(qs, "__len__")` takes for its absence.

    It is shown and pickled as the TypeError that it is.
    """

    __module__ = "builtins"
    __qualname__ = "TypeError"

    def __reduce__(self) -> tuple[type[TypeError], tuple[object, ...]]:
        return TypeError, self.args


class _NoLength:
    """Refuses `len()`, and says what to call in its place.

    Code that looks for `__len__` first, as the `map` of thread pools does, finds none, and so iterates.
    """

    def __get__(self, queryset: object, owner: type) -> Self:
        if queryset is None:
            return self
        msg = "a queryset has no len(), which would have to ask the server; use .count(), or len(list(qs))"
        raise _NoLengthError(msg)


class QuerySet(ShownListing, Generic[R]):
    """A listing. It asks nothing until it is used, and what it has loaded it does not ask for again.

    Iterate over it, index and slice it; `len()` is refused, since it would have to ask: see `count()`.
    """

    model: ClassVar[type[Resource]]
    filters: ClassVar[frozenset[str]] = frozenset()
    """The names of the filters."""

    lists: ClassVar[frozenset[str]] = frozenset()
    """Filters that the API documents as lists (`state[]`) even for one value."""

    label: ClassVar[str] = ""
    """What it is called in `repr`, where that is not the name of its class."""

    by_number: ClassVar[bool] = True
    """Whether the API numbers the pages; a cursor listing has none."""

    def __init__(
        self,
        session: Session,
        path: str,
        filters: Mapping[str, object] | None = None,
        *,
        per_page: int = MOST_PER_PAGE,
        limit: int | None = None,
        collection: str | None = None,
        loaded: list[R] | None = None,
    ) -> None:
        self._session = session
        self._path = path
        self._filters = self._checked(filters or {})
        self._per_page = per_page
        self._limit = limit
        self._collection = path if collection is None else collection
        self._given = loaded
        self._client_filter = self._make_client_filter()
        self._pages = AdaptivePageSize(self._make_listing())
        self._paginator = self._make_paginator()
        self._start = self._new_start()
        self._peeks: dict[int, QuerySet[R]] = {}

    # -- making others ------------------------------------------------------------------------------------------------

    def limit(self, most: int) -> Self:
        """Give a queryset of at most so many objects; no more are asked for either.

        Args:
            most: How many, from 0.

        Raises:
            ValueError: It is negative.
        """
        most = as_index("limit", most)
        if most < 0:
            msg = f"limit({most}): not below 0"
            raise ValueError(msg)
        return self._with(limit=most)

    def per_page(self, size: int) -> Self:
        """Give a queryset that asks for pages of this size.

        Args:
            size: 1 to 100 objects.

        Raises:
            ValueError: It is not within 1 to 100.
        """
        size = as_index("per_page", size)
        if not 1 <= size <= MOST_PER_PAGE:
            msg = f"per_page({size}): the API takes 1 to {MOST_PER_PAGE}"
            raise ValueError(msg)
        return self._with(per_page=size)

    def fresh(self) -> Self:
        """Give the same query with nothing loaded."""
        return self._with(loaded=None)

    def _filtered(self, filters: Mapping[str, object]) -> Self:
        return self._with(filters={**self._filters, **filters}, loaded=None)

    def _with(self, **changed: Any) -> Self:
        options: dict[str, Any] = {
            "filters": self._filters,
            "per_page": self._per_page,
            "limit": self._limit,
            "collection": self._collection,
            "loaded": self._given,
        }
        return type(self)(self._session, self._path, **{**options, **changed})

    def _checked(self, filters: Mapping[str, object]) -> dict[str, object]:
        if unknown := sorted(filters.keys() - self.filters):
            known = ", ".join(sorted(self.filters)) or "none"
            msg = f"{self.label or type(self).__name__} has no filter {', '.join(unknown)}; it has: {known}"
            raise TypeError(msg)
        return {name: as_plain_data(value) for name, value in filters.items()}

    # -- iterating ----------------------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[R]:
        return _items(self.pages())

    def iterator(self) -> Iterator[R]:
        """Stream the objects and remember none."""
        return _items(_pages(self._new_start(), self._limit))

    def pages(self) -> Iterator[LoadedPage[R]]:
        """Iterate over the pages as they load, with `items` and `has_next`; a limit cuts within a page."""
        return _pages(self._start, self._limit)

    def all(self, *, progress: bool | None = None) -> list[R]:
        """Load everything.

        Args:
            progress: Whether to show how many are loaded. By default, they are shown on a terminal or in a notebook if
                tqdm is installed (`pip install 'buildkite_orm[progress]'`).
        """
        return gather(self.pages(), progress)

    # -- one, or some -------------------------------------------------------------------------------------------------

    @overload
    def __getitem__(self, index: int) -> R: ...
    @overload
    def __getitem__(self, index: slice) -> list[R]: ...
    def __getitem__(self, index: int | slice) -> R | list[R]:
        if isinstance(index, slice):
            return self._slice(index)
        index = as_index("the index of a queryset", index)
        if index < 0:
            return self._from_end(index)
        if self._limit is not None and index >= self._limit:
            raise IndexError(index)
        return self._at(index)

    def first(self) -> R | None:
        """Return the first object, or None if nothing matches.

        If nothing is loaded yet, this requests one object. The result is remembered.
        """
        return next(iter(self._peek(1)), None)

    def one(self) -> R:
        """Return the only object.

        If nothing is loaded yet, this requests two objects. The result is remembered.

        Raises:
            NotFoundError: Nothing matches.
            MultipleResultsError: Several objects match.
        """
        found = self._peek(2)
        if not found:
            raise NotFoundError(f"nothing matches {self._describe()}", next_step="Check the filters.")
        if len(found) > 1:
            raise MultipleResultsError(f"more than one matches {self._describe()}")
        return found[0]

    def page(self, number: int) -> Page[R]:
        """Ask for one page by its number, at this moment; it does not enter iteration. A limit cuts it short.

        Args:
            number: From 1.

        Raises:
            ValueError: It is below 1.
            TypeError: The API does not number the pages of this listing, or a filter is applied here.
        """
        number = as_index("page", number)
        if number < 1:
            msg = f"page({number}): pages are numbered from 1"
            raise ValueError(msg)
        if not self._has_numbers:
            why = "its API goes by cursors" if self._client_filter is None else "what matches is found here"
            msg = f"{type(self).__name__} has no numbered pages, {why}; use pages()"
            raise TypeError(msg)
        size, most = self._pages.listing.per_page, self._limit
        if most is not None and (number - 1) * size >= most:
            return Page([], number, next_page=None, previous_page=None, first_page=None, last_page=None)
        response = self._pages.fetch(self._pages.listing.query_for(number))
        first, following, last = (response.page_number(rel) for rel in ("first", "next", "last"))
        wanted = None if most is None else -(-most // size)
        return Page(
            items=response.items if most is None else response.items[: most - (number - 1) * size],
            number=number,
            next_page=None if number == wanted else following,
            previous_page=response.page_number("prev"),
            first_page=first if first is not None or "first" not in response.links else 1,
            last_page=last if last is None or wanted is None else min(last, wanted),
        )

    # -- counting -----------------------------------------------------------------------------------------------------

    def count(self) -> int:
        """Count the objects, with one request for one item: the number of its last page is the count.

        Where pages have no numbers, or a filter is applied here and not by the server, this loads them.

        Raises:
            ResponseError: The server does not tell the last page; `list(qs)` counts by loading.
        """
        total = self._total()
        if total is None:
            what = f"the server does not tell how many match {self._describe()}"
            raise ResponseError(what, next_step="Count list(qs), which loads them.")
        return total

    if TYPE_CHECKING:

        def __len__(self) -> NoReturn: ...
    else:
        __len__ = _NoLength()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:  # noqa: FBT001 - numpy's protocol
        """Load the objects into an array of numpy, one for each: numpy would take the queryset itself for one."""
        import numpy as np  # noqa: PLC0415 - no dependency

        if copy is False:
            msg = "the objects of a queryset are copied into an array: leave out copy=False"
            raise ValueError(msg)
        return np.fromiter(self, dtype=object).astype(object if dtype is None else dtype)

    def __bool__(self) -> bool:
        return next(iter(self), self) is not self

    def __contains__(self, item: object) -> bool:
        return any(item == other for other in self)

    def __repr__(self) -> str:
        loaded, whole = self._loaded()
        count = f"{len(loaded)}{'' if whole else '+'} loaded" if self._is_loading else "not loaded"
        return f"<{self._describe()} [{count}]>"

    def _preview(self) -> Preview:
        loaded, whole = self._loaded()
        rows = loaded if self._is_loading else None
        return Preview(self._describe(), self.model, rows, whole=whole)

    def _load_preview(self) -> None:
        next(self.pages(), None)

    def __dir__(self) -> list[str]:
        return public_dir(self, super().__dir__())

    def _create(self, body: Mapping[str, object] | StreamedBody) -> R:
        """Create an object in this listing."""
        call, binding = (
            ApiRequest("POST", self._path, body=body),
            Binding(self._session, self._collection, self._context()),
        )
        return cast("R", load_object(self.model, self._session, call, binding))

    # -- inside -------------------------------------------------------------------------------------------------------

    def _describe(self) -> str:
        filters = "".join(f" {name}={_text(value)}" for name, value in self._filters.items() if value is not None)
        limit = "" if self._limit is None else f" limit={self._limit}"
        return f"{self.label or type(self).__name__} {short_path(self._path)}{filters}{limit}"

    def _params(self) -> Mapping[str, object]:
        """Give the filters by their names in the API."""
        return self._filters

    def _headers(self) -> Mapping[str, str]:
        """Give what each request says beside the query."""
        return {}

    def _context(self) -> object:
        """Make what the objects of this listing are to know of how they were listed."""
        return None

    def _make_client_filter(self) -> Callable[[R], bool] | None:
        """Make what tells which objects match, where the server cannot tell it exactly."""
        return None

    @property
    def _has_numbers(self) -> bool:
        return self.by_number and self._client_filter is None

    def _make_listing(self) -> Listing[R]:
        size = self._per_page
        if self._limit and self._client_filter is None:
            size = min(size, self._limit)
        model: type[R] = self.model  # type: ignore[assignment]
        query = encode_query(self._params(), lists=tuple(self.lists))
        context, headers = self._context(), self._headers()
        return Listing(self._session, self._path, model, query, size, self._collection, context, headers)

    def _make_paginator(self) -> Paginator[R, Any]:
        paginator = LinkPaginator(self._pages)
        return paginator if self._client_filter is None else FilteredPaginator(paginator, self._client_filter)

    def _new_start(self) -> LoadedPage[R]:
        """Return an empty page that precedes the first one."""
        if self._given is None:
            return LoadedPage([], self._paginator, self._paginator.first_cursor())
        start = LoadedPage[R]([])
        start.append(PageResult(self._given, None))
        return start

    @property
    def _is_loading(self) -> bool:
        """Whether the first page is loaded."""
        return self._start.loaded_next is not None

    def _loaded(self) -> tuple[list[R], bool]:
        """Return what is loaded from the beginning on, and whether that is everything."""
        items: list[R] = []
        page = self._start
        while page.loaded_next is not None:
            page = page.loaded_next
            items += page.items
        if self._limit is not None and len(items) >= self._limit:
            return items[: self._limit], True
        return items, not page.has_next

    def _peek(self, count: int) -> list[R]:
        """Return the first `count` objects; if nothing is loaded yet, request no more than these, and once."""
        if self._is_loading or self._client_filter is not None or count >= self._pages.listing.per_page:
            return list(islice(self, count))
        for limit, peek in list(self._peeks.items()):
            loaded, whole = peek._loaded()  # noqa: SLF001 - another queryset
            if whole and (limit >= count or len(loaded) < limit):
                return loaded[:count]
        limit = count if self._limit is None else min(count, self._limit)
        return list(self._peeks.setdefault(count, self._with(limit=limit)))

    def _at(self, index: int) -> R:
        loaded, whole = self._loaded()
        size = self._pages.listing.per_page
        if index < len(loaded) or whole:
            return loaded[index]
        if index < size or not self._has_numbers:
            found = next(islice(self, min(index, sys.maxsize), None), None)
            if found is None:
                raise IndexError(index)
            return found
        items = self._pages.fetch(self._pages.listing.query_for(index // size + 1)).items
        if index % size >= len(items):
            raise IndexError(index)
        return items[index % size]

    def _total(self) -> int | None:
        """Count, with one request at most where the pages are numbered; None where the server does not tell."""
        loaded, whole = self._loaded()
        if whole:
            return len(loaded)
        if not self._has_numbers:
            return sum(1 for _ in self)
        one_per_page = self._pages.listing.with_page_size(1)
        response = one_per_page.request(one_per_page.query_for())
        total = response.page_number("last") if "next" in response.links else len(response.items)
        if total is None:
            return None
        return total if self._limit is None else min(total, self._limit)

    def _from_end(self, index: int) -> R:
        total = self._total()
        if total is None:
            return list(self)[index]
        if total + index < 0:
            raise IndexError(index)
        return self._at(total + index)

    def _slice(self, index: slice) -> list[R]:
        bounds = (index.start, index.stop, index.step)
        start, stop, step = (None if each is None else as_index("a bound of a slice", each) for each in bounds)
        start = min(start or 0, sys.maxsize)
        stop = None if stop is None else min(stop, sys.maxsize)
        if step not in {None, 1} or start < 0 or (stop is not None and stop < 0):
            msg = f"[{index.start}:{index.stop}:{step}]: bounds from 0 on and no step, since the end is not known yet"
            raise ValueError(msg)
        if self._limit is not None:
            stop = self._limit if stop is None else min(stop, self._limit)
        if stop is not None and start >= stop:
            return []
        loaded, whole = self._loaded()
        if whole or start <= max(len(loaded), self._pages.listing.per_page - 1) or not self._has_numbers:
            return list(islice(self, start, stop))
        number, skip = divmod(start, self._pages.listing.per_page)
        paginator = LinkPaginator(self._pages, first_page=number + 1)
        pages = _pages(LoadedPage([], paginator, paginator.first_cursor()), None)
        return list(islice(_items(pages), skip, None if stop is None else stop - start + skip))


def _items(pages: Iterator[LoadedPage[R]]) -> Iterator[R]:
    of_page: Callable[[LoadedPage[R]], list[R]] = attrgetter("items")
    return chain.from_iterable(map(of_page, pages))


def _pages(start: LoadedPage[R], limit: int | None) -> Iterator[LoadedPage[R]]:
    """Yield page after page, and hold only the current one."""
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


def _text(value: object) -> str:
    if (several := as_several(value)) is not None:
        return "|".join(_text(item) for item in several)
    return escape_control(str(as_plain(value)))
