"""Querysets: listings that load their pages on demand, and remember what they have loaded.

A queryset refers to the first page, and an iterator to the current one. So a loop over a queryset that nothing else
refers to needs the memory of one page; a queryset that is kept is loaded once.
"""

from __future__ import annotations

import sys
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Self, TypeVar, cast, overload

from buildkite_orm.errors import MultipleResultsError, NotFoundError, ResponseError
from buildkite_orm.http.encoding import encode_query
from buildkite_orm.http.messages import ApiRequest
from buildkite_orm.models.binding import Binding
from buildkite_orm.models.display import Preview, ShownListing
from buildkite_orm.models.hints import no_item, no_key, unknown_filter, unknown_of_queryset
from buildkite_orm.models.paths import short_path
from buildkite_orm.models.ref import load_object
from buildkite_orm.models.resource import Resource
from buildkite_orm.progress import gather
from buildkite_orm.querysets.adaptive_page_size import AdaptivePageSize
from buildkite_orm.querysets.listing import Listing
from buildkite_orm.querysets.no_length import NoLength
from buildkite_orm.querysets.page import LoadedPage, Page, items_of, pages_from
from buildkite_orm.querysets.pagination import FilteredPaginator, LinkPaginator, PageResult
from buildkite_orm.querysets.tabular import Tabular
from buildkite_orm.utils.choices import CheckedFilters, checked_filters
from buildkite_orm.utils.introspection import public_dir
from buildkite_orm.utils.json_types import as_several
from buildkite_orm.utils.plain_values import as_index, as_plain
from buildkite_orm.utils.text import escape_control

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from buildkite_orm.http.messages import StreamedBody
    from buildkite_orm.http.session import Session
    from buildkite_orm.querysets.pagination import Paginator

R = TypeVar("R", bound=Resource)
Q = TypeVar("Q", bound="QuerySet[Any]")

MOST_PER_PAGE = 100


class QuerySet(Tabular[R], ShownListing):
    """A listing. It sends no request until it is used, and requests nothing again that it has loaded.

    Iterate over it, index and slice it. `len()` raises, since it would send a request: see `count()`.

    It is pickled as a query: without its client, the token, and what it has loaded. `bk.bind(queryset)` binds it again.
    """

    _filters_type: ClassVar[type | None] = None
    """The TypedDict that has the filters."""

    _list_filters: ClassVar[frozenset[str]] = frozenset()
    """Filters that the API documents as lists (`state[]`) even for one value."""

    _label: ClassVar[str] = ""
    """The name in `repr`, if that is not the name of the class."""

    _is_numbered: ClassVar[bool] = True
    """Whether the API numbers the pages; False for listings with cursors."""

    def __init__(
        self,
        session: Session | None,
        path: str,
        filters: Mapping[str, object] | None = None,
        *,
        per_page: int = MOST_PER_PAGE,
        limit: int | None = None,
        collection: str | None = None,
        loaded: list[R] | None = None,
    ) -> None:
        self._bound_session = session
        self._path = path
        self._filters = CheckedFilters()
        self._filters = self._merged(filters or {})
        self._per_page = per_page
        self._limit = limit
        self._collection = path if collection is None else collection
        self._given = loaded
        self._client_filter = self._make_client_filter()
        self._pages = AdaptivePageSize(self._make_listing())
        self._paginator: Paginator[R, Any] = self._make_paginator()
        if self._client_filter is not None:
            self._paginator = FilteredPaginator(self._paginator, self._client_filter)
        self._start = self._new_start()
        self._peeks: dict[int, QuerySet[R]] = {}

    # -- derived querysets ---------------------------------------------------------------------------------------------

    def limit(self, most: int) -> Self:
        """Return a queryset of at most `most` objects; no more are requested either.

        Args:
            most: The number of objects, from 0.

        Raises:
            ValueError: It is negative.
        """
        most = as_index("limit", most)
        if most < 0:
            msg = f"limit({most}): not below 0"
            raise ValueError(msg)
        return self._with(limit=most)

    def per_page(self, size: int) -> Self:
        """Return a queryset with pages of this size.

        Args:
            size: 1 to 100 objects.

        Raises:
            ValueError: It is not within 1 to 100.
        """
        size = as_index("per_page", size)
        if not 1 <= size <= MOST_PER_PAGE:
            msg = f"per_page({size}): the API accepts 1 to {MOST_PER_PAGE}"
            raise ValueError(msg)
        return self._with(per_page=size)

    def fresh(self) -> Self:
        """Return the same query with nothing loaded."""
        return self._with(loaded=None)

    def _filtered(self, filters: Mapping[str, object]) -> Self:
        return self._with(filters=self._merged(filters), loaded=None)

    def _with(self, **changed: Any) -> Self:
        options: dict[str, Any] = {**self._options(), "loaded": self._given, **changed}
        return type(self)(self._bound_session, self._path, **options)

    def _options(self) -> dict[str, Any]:
        """Return the arguments that make the query what it is, besides its path."""
        return {
            "filters": self._filters,
            "per_page": self._per_page,
            "limit": self._limit,
            "collection": self._collection,
        }

    def _merged(self, filters: Mapping[str, object]) -> CheckedFilters:
        label = self._label or type(self).__name__
        hint = partial(unknown_filter, self._model, filters)
        return CheckedFilters({**self._filters, **checked_filters(filters, self._filters_type, label, hint)})

    # -- binding and copying -------------------------------------------------------------------------------------------

    @property
    def _session(self) -> Session:
        return self._pages.listing.session

    def rebind(self, session: Session | None) -> Self:
        """Return the same query, with nothing loaded, of another client; callers use `bk.bind(…)`."""
        return type(self)(session, self._path, **self._options())

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle the query: without the client and its token, and without what is loaded."""
        options = self._options()
        return _unbound, (type(self), self._path, dict(options.pop("filters")), options)

    def __copy__(self) -> Self:
        return self._with()

    def __deepcopy__(self, memo: object) -> Self:
        return self._with()

    # -- iterating -----------------------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[R]:
        return items_of(self.pages())

    def iterator(self) -> Iterator[R]:
        """Stream the objects and remember none."""
        return items_of(pages_from(self._new_start(), self._limit))

    def pages(self) -> Iterator[LoadedPage[R]]:
        """Iterate over the pages as they load, with `items` and `has_next`; a limit cuts within a page."""
        return pages_from(self._start, self._limit)

    def all(self, *, progress: bool | None = None) -> list[R]:
        """Load everything.

        Args:
            progress: Whether to show how many are loaded. By default, they are shown on a terminal or in a notebook if
                tqdm is installed (`pip install 'buildkite_orm[progress]'`).
        """
        return gather(self.pages(), progress)

    # -- one object, or some -------------------------------------------------------------------------------------------

    @overload
    def __getitem__(self, index: int) -> R: ...
    @overload
    def __getitem__(self, index: slice) -> list[R]: ...
    def __getitem__(self, index: int | slice) -> R | list[R]:
        if isinstance(index, slice):
            return self._slice(index)
        if isinstance(cast("object", index), str):
            raise TypeError(no_key(self._model, str(index)))
        index = as_index("the index of a queryset", index)
        if index < 0:
            return self._from_end(index)
        if self._limit is not None and index >= self._limit:
            raise self._no_item(index)
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
        """Request one page by its number, as it is now; iteration does not use it. A limit cuts it short.

        Args:
            number: From 1.

        Raises:
            ValueError: It is below 1.
            TypeError: The API does not number the pages of this listing, or the client applies a filter.
        """
        number = as_index("page", number)
        if number < 1:
            msg = f"page({number}): pages are numbered from 1"
            raise ValueError(msg)
        if not self._has_numbers:
            why = "its API uses cursors" if self._client_filter is None else "the client applies a filter"
            msg = f"{type(self).__name__} has no numbered pages, since {why}; use pages()"
            raise TypeError(msg)
        size, most = self._pages.listing.per_page, self._limit
        if most is not None and (number - 1) * size >= most:
            return Page([], number, next_page=None, previous_page=None, first_page=None, last_page=None)
        response = self._pages.fetch(self._pages.listing.query_for(number))
        first, following, last = (response.page_number(rel) for rel in ("first", "next", "last"))
        last_wanted = None if most is None else -(-most // size)
        return Page(
            items=response.items if most is None else response.items[: most - (number - 1) * size],
            number=number,
            next_page=None if number == last_wanted else following,
            previous_page=response.page_number("prev"),
            first_page=first if first is not None or "first" not in response.links else 1,
            last_page=last if last is None or last_wanted is None else min(last, last_wanted),
        )

    # -- counting ------------------------------------------------------------------------------------------------------

    def count(self) -> int:
        """Count the objects with one request: with one item per page, the number of the last page is the count.

        If pages have no numbers, or the client applies a filter, this loads all of them.

        Raises:
            ResponseError: The server does not name the last page; count `list(qs)`, which loads everything.
        """
        total = self._total()
        if total is None:
            what = f"the server does not say how many match {self._describe()}"
            raise ResponseError(what, next_step="Count list(qs), which loads them.")
        return total

    if TYPE_CHECKING:

        def __len__(self) -> NoReturn: ...
    else:
        __len__ = NoLength()

    if not TYPE_CHECKING:  # type checkers know the attributes

        def __getattr__(self, name: str) -> Any:
            if hasattr(type(self), name):
                return object.__getattribute__(self, name)  # raises the error of a property
            raise AttributeError(unknown_of_queryset(type(self), self._model, name))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:  # noqa: FBT001 - numpy's protocol
        """Load the objects into a numpy array; otherwise numpy would take the queryset for one object."""
        import numpy as np  # noqa: PLC0415 - no dependency

        if copy is False:
            msg = "copy=False: an array is always a copy of the objects of a queryset; leave it out"
            raise ValueError(msg)
        return np.fromiter(self, dtype=object).astype(object if dtype is None else dtype)

    def __bool__(self) -> bool:
        return next(iter(self), self) is not self

    def __contains__(self, item: object) -> bool:
        return any(item == other for other in self)

    def __repr__(self) -> str:
        loaded, whole = self._loaded()
        count = f"{len(loaded)}{'' if whole else '+'} loaded" if self._has_first_page else "not loaded"
        return f"<{self._describe()} [{count}]>"

    def _preview(self) -> Preview:
        loaded, whole = self._loaded()
        rows = loaded if self._has_first_page else None
        return Preview(self._describe(), self._model, rows, whole=whole)

    def _load_preview(self) -> None:
        next(self.pages(), None)

    def __dir__(self) -> list[str]:
        return public_dir(self, super().__dir__())

    def _create(self, body: Mapping[str, object] | StreamedBody) -> R:
        """Create an object in this listing."""
        request = ApiRequest("POST", self._path, body=body)
        binding = Binding(self._session, self._collection, self._context())
        return cast("R", load_object(self._model, self._session, request, binding))

    # -- internals -----------------------------------------------------------------------------------------------------

    def _describe(self) -> str:
        filters = "".join(f" {name}={_text(value)}" for name, value in self._filters.items() if value is not None)
        limit = "" if self._limit is None else f" limit={self._limit}"
        return f"{self._label or type(self).__name__} {short_path(self._path)}{filters}{limit}"

    def _params(self) -> Mapping[str, object]:
        """Return the filters by their names in the API."""
        return self._filters

    def _headers(self) -> Mapping[str, str]:
        """Return further request headers."""
        return {}

    def _context(self) -> object:
        """Return what the objects know about this listing; see `Binding`."""
        return None

    def _make_client_filter(self) -> Callable[[R], bool] | None:
        """Return a function that selects the matching objects, if the server cannot do that exactly."""
        return None

    @property
    def _has_numbers(self) -> bool:
        return self._is_numbered and self._client_filter is None

    def _make_listing(self) -> Listing[R]:
        size = self._per_page
        if self._limit and self._client_filter is None:
            size = min(size, self._limit)
        model: type[R] = self._model  # type: ignore[assignment]
        query = encode_query(self._params(), lists=tuple(self._list_filters))
        context, headers = self._context(), self._headers()
        return Listing(self._bound_session, self._path, model, query, size, self._collection, context, headers)

    def _make_paginator(self) -> Paginator[R, Any]:
        return LinkPaginator(self._pages)

    def _new_start(self) -> LoadedPage[R]:
        """Return an empty page that precedes the first one."""
        if self._given is None:
            return LoadedPage([], self._paginator, self._paginator.first_cursor())
        start = LoadedPage[R]([])
        start.append(PageResult(self._given, None))
        return start

    @property
    def _has_first_page(self) -> bool:
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
        """Return the first objects, at most `count`; if nothing is loaded yet, request no more than these, and once."""
        if self._has_first_page or self._client_filter is not None or count >= self._pages.listing.per_page:
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
        if index < len(loaded):
            return loaded[index]
        if whole:
            raise self._no_item(index, len(loaded))
        if index < size or not self._has_numbers:
            found = next(islice(self, min(index, sys.maxsize), None), None)
            if found is None:
                raise self._no_item(index)
            return found
        items = self._pages.fetch(self._pages.listing.query_for(index // size + 1)).items
        if index % size >= len(items):
            raise self._no_item(index)
        return items[index % size]

    def _total(self) -> int | None:
        """Count, with one request at most if the pages are numbered; return None if the server does not say."""
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
        total = sum(1 for _ in self) if total is None else total
        if total + index < 0:
            raise self._no_item(index, total)
        return self._at(total + index)

    def _no_item(self, index: int, total: int | None = None) -> IndexError:
        loaded, whole = self._loaded()
        return IndexError(no_item(self._describe(), index, len(loaded) if whole else total))

    def _slice(self, index: slice) -> list[R]:
        bounds = (index.start, index.stop, index.step)
        start, stop, step = (None if each is None else as_index("a bound of a slice", each) for each in bounds)
        start = min(start or 0, sys.maxsize)
        stop = None if stop is None else min(stop, sys.maxsize)
        if step not in {None, 1} or start < 0 or (stop is not None and stop < 0):
            msg = f"[{index.start}:{index.stop}:{step}]: no step and no negative bounds, since the end is not known yet"
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
        pages = pages_from(LoadedPage([], paginator, paginator.first_cursor()), None)
        return list(islice(items_of(pages), skip, None if stop is None else stop - start + skip))


def _unbound(kind: type[Q], path: str, filters: dict[str, object], options: dict[str, Any]) -> Q:
    """Return a queryset that was pickled; `bk.bind(queryset)` binds it to a client."""
    return kind(None, path, CheckedFilters(filters), **options)


def listed_model(kind: type[object]) -> type[Resource] | None:
    """Return the class of the objects that a queryset class lists; None if the class is not a queryset."""
    model: type[Resource] | None = getattr(kind, "_model", None)
    return model if issubclass(kind, QuerySet) else None


def _text(value: object) -> str:
    if (several := as_several(value)) is not None:
        return "|".join(_text(item) for item in several)
    return escape_control(str(as_plain(value)))
