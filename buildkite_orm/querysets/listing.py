"""A listing of the API: what is requested, and one page as the server sent it.

The API has three kinds of pages: an array with a `Link` header, `{items, links}` with cursors, and a bare array.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Generic, TypeVar

from buildkite_orm.errors import ResponseError, UnboundError
from buildkite_orm.http.messages import ApiRequest, query_of
from buildkite_orm.models.binding import Binding
from buildkite_orm.models.parsing import load_cursor_page, load_list
from buildkite_orm.models.resource import Resource
from buildkite_orm.utils.numbers import parse_decimal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from buildkite_orm.http.encoding import Query
    from buildkite_orm.http.messages import ApiResponse
    from buildkite_orm.http.session import Session

R = TypeVar("R", bound=Resource)


@dataclass(frozen=True, slots=True)
class PageResponse(Generic[R]):
    """One page as the server sent it.

    Attributes:
        items: Its objects, bound.
        links: The queries of other pages, by `next`, `prev`, `first` and `last`.
    """

    items: list[R]
    links: dict[str, Query]

    def page_number(self, rel: str) -> int | None:
        """Return the page number in a link, or None if there is no such link or no valid number in it."""
        return page_number(self.links.get(rel, []))


@dataclass(frozen=True, slots=True)
class Listing(Generic[R]):
    """The query of a listing.

    Attributes:
        bound_session: Sends the requests; None for a queryset that was unpickled.
        path: The path of the listing.
        model: The class of its objects.
        query: The query pairs of its filters.
        per_page: How many items a page has.
        collection: The path below which the objects are, if their payloads do not contain it.
        context: What the objects know about the listing.
        headers: Further request headers.
        on_response: Called with each response that has a page.
    """

    bound_session: Session | None
    path: str
    model: type[R]
    query: Query
    per_page: int
    collection: str
    context: object = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    on_response: Callable[[ApiResponse], None] | None = None

    @property
    def session(self) -> Session:
        """The session that sends the requests.

        Raises:
            UnboundError: The queryset was unpickled, and is not bound to a client yet.
        """
        if self.bound_session is None:
            raise UnboundError(
                f"the listing {self.path} belongs to no client, as a queryset that was unpickled: bind it and use what "
                "bind returns, as in `for item in bk.bind(part)`"
            )
        return self.bound_session

    def query_for(self, page: int = 1, extra: Sequence[tuple[str, str]] = ()) -> Query:
        """Return the query of a page.

        Args:
            page: The page number, from 1.
            extra: Query pairs that replace those of the same name.
        """
        replaced = {name for name, _ in extra}
        pairs = [pair for pair in self.query if pair[0] not in replaced] + [*extra, ("per_page", str(self.per_page))]
        return pairs if page == 1 else [*pairs, ("page", str(page))]

    def request(self, query: Query, *, splittable: bool = False) -> PageResponse[R]:
        """Request one page.

        Args:
            query: The query, from `query_for` or from a link.
            splittable: Whether to give up on a slow response at once, since the caller then requests fewer items.
        """
        request = ApiRequest("GET", self.path, query, headers=self.headers, splittable=splittable)
        return self.session.send(request, self._parse)

    def with_page_size(self, per_page: int) -> Listing[R]:
        """Return the same listing with another page size."""
        return replace(self, per_page=per_page)

    def repeats(self, what: str = "repeats a page instead of continuing") -> ResponseError:
        """Return the error for a listing that would never end."""
        next_step = "Its links form a loop: try again later, or read only its beginning with .limit(n)."
        return ResponseError(f"the listing {self.path} {what}", method="GET", next_step=next_step)

    def _parse(self, response: ApiResponse) -> PageResponse[R]:
        strict = self.session.strict
        if response.body.lstrip()[:1] == b"{":
            items, urls = load_cursor_page(self.model, response, strict=strict)
            links = _queries(urls)
        else:
            items, links = (
                load_list(self.model, response, strict=strict, pause_gc=self.session.pause_gc),
                response.links,
            )
        binding = Binding(self.session, self.collection, self.context)
        for item in items:
            item.bind(binding)
        if self.on_response is not None:
            self.on_response(response)
        if self.session.on_load is not None:
            self.session.on_load(items)
        return PageResponse(items, links)


def with_numbers(query: Query, **numbers: int | None) -> Query:
    """Return a query with some of its numbers replaced or added; None removes one."""
    changed = [(name, str(numbers[name]) if name in numbers else value) for name, value in query]
    added = [(name, str(value)) for name, value in numbers.items() if name not in dict(query)]
    return [pair for pair in [*changed, *added] if pair[0] not in numbers or numbers[pair[0]] is not None]


def page_number(query: Query) -> int | None:
    """Return the page number in a query, or None if there is no valid one."""
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
