"""One page of a listing, in whichever of the API's three shapes, and the steps from page to page.

The shapes: an array with a `Link` header, `{items, links}` with cursors, and a bare array.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from buildkite_orm.loading import load_cursor_page, load_list
from buildkite_orm.resource import Binding, Resource
from buildkite_orm.session import Call, query_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from buildkite_orm.encoding import Query
    from buildkite_orm.session import Answer, Session

R = TypeVar("R", bound=Resource)


@dataclass(frozen=True, slots=True)
class Sheet(Generic[R]):
    """One page as the server gave it.

    Attributes:
        items: Its objects, bound.
        links: The queries of other pages, by `next`, `prev`, `first` and `last`.
    """

    items: list[R]
    links: dict[str, Query]

    def number(self, rel: str) -> int | None:
        """Tell the page number that a link leads to, if it leads to one."""
        found = dict(self.links.get(rel, ())).get("page", "")
        return int(found) if found.isdecimal() else None


@dataclass(frozen=True, slots=True)
class Listing(Generic[R]):
    """What is listed, how it is filtered, and how many come at once; each fetch is one request."""

    session: Session
    path: str
    model: type[R]
    query: Query
    per_page: int
    collection: str
    context: object = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    def fetch(self, *, number: int | None = None, link: Query | None = None, extra: Query | None = None) -> Sheet[R]:
        """Ask for one page: the first, one by its number, or what a link leads to.

        Args:
            number: The page's number, from 1.
            link: The query of a link from another page, which replaces the listing's own.
            extra: Query pairs that replace those of the same name.
        """
        query = link if link is not None else self._query(number, extra or [])
        call = Call("GET", self.path, query, headers=self.headers)
        return self.session.send(call, self._parse)

    def at_once(self, per_page: int) -> Listing[R]:
        """Give the same listing with other pages."""
        return replace(self, per_page=per_page)

    def _query(self, number: int | None, extra: Query) -> Query:
        replaced = {name for name, _ in extra}
        pairs = [pair for pair in self.query if pair[0] not in replaced] + extra
        pairs.append(("per_page", str(self.per_page)))
        return pairs if number in {None, 1} else [*pairs, ("page", str(number))]

    def _parse(self, answer: Answer) -> Sheet[R]:
        strict = self.session.strict
        if answer.body.lstrip()[:1] == b"{":
            items, urls = load_cursor_page(self.model, answer, strict=strict)
            links = {rel: query_of(url) for rel, url in urls.items()}
        else:
            items, links = load_list(self.model, answer, strict=strict), answer.links
        binding = Binding(self.session, self.collection, self.context)
        for item in items:
            item.bind(binding)
        return Sheet(items, links)


class Step(Protocol[R]):
    """The way to one page of an iteration."""

    def load(self) -> tuple[list[R], Step[R] | None]:
        """Ask for the page; give what is new on it, and the way to the one after it, if there is one."""
        ...


@dataclass(frozen=True, slots=True)
class LinkStep(Generic[R]):
    """By the server's links, no item twice against the page before."""

    listing: Listing[R]
    link: Query | None = None
    before: frozenset[R] = frozenset()

    def load(self) -> tuple[list[R], Step[R] | None]:
        """Ask for the page.

        Raises:
            ResponseError: The page repeats the one before it, so that going on would never end.
        """
        sheet = self.listing.fetch(link=self.link)
        items = [item for item in sheet.items if item not in self.before]
        follow = sheet.links.get("next")
        if follow is None:
            return items, None
        if follow == self.link or (sheet.items and not items):
            raise repeats(self.listing)
        return items, LinkStep(self.listing, follow, frozenset(sheet.items))


@dataclass(frozen=True, slots=True)
class SiftedStep(Generic[R]):
    """Another step, less what does not match."""

    step: Step[R]
    matches: Callable[[R], bool]

    def load(self) -> tuple[list[R], Step[R] | None]:
        """Ask for the page; there may be nothing left of it, and others after it."""
        items, step = self.step.load()
        onward = None if step is None else SiftedStep(step, self.matches)
        return [item for item in items if self.matches(item)], onward


def repeats(listing: Listing[R]) -> Exception:
    """Make the error for a listing that goes in circles."""
    from buildkite_orm.errors import ResponseError  # noqa: PLC0415 - rarely needed

    return ResponseError(f"the listing {listing.path} repeats a page instead of going on", method="GET", next_step="")
