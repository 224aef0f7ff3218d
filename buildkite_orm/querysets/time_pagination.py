"""Builds by time, not by page number, so that nothing appears twice or is lost while builds come and go.

Builds are listed newest first. The next request asks for those created before the whole second after the last one seen;
what was given of that second already is dropped. So each request is a first page, and no depth limit is met. Where one
second holds more builds than a page, that second is paged by number; under filters that a build can leave, it is swept
until a sweep adds nothing.
"""

from __future__ import annotations

import re
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING, Final

from buildkite_orm.errors import BadRequestError, ResponseError
from buildkite_orm.http.encoding import encode_time
from buildkite_orm.querysets.pagination import MOST_IDLE_PAGES, Listing, Trail, repeats
from buildkite_orm.utils.workers import map_in_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from buildkite_orm.http.encoding import Query
    from buildkite_orm.querysets.pagination import PageResult, PageSize, Step
    from buildkite_orm.resources.builds.build import Build

    Given = Mapping[str, datetime | None]
    """The ids of builds that were given, and when those were created, where that can be read."""

SECOND: Final = timedelta(seconds=1)
_SWEEPS: Final = 10
_AHEAD: Final = 4  # pages that a thread may load before they are wanted: no memory, and no requests past the end
_MOST_PAGES: Final = 10**9
_STALE_PAGES: Final = 10
_NARROW: Final = "narrow the query by branch, creator or state, or list pipeline by pipeline."
# Under these parameters alone, no build leaves a listing while it is read: a build keeps them as long as it is.
_KEPT: Final = frozenset({"branch", "creator", "created_from", "created_to"})
_PAYLOAD: Final = frozenset({"exclude_jobs", "exclude_pipeline", "include_retried_jobs"})
_FULL_COMMIT: Final = re.compile(r"[0-9a-fA-F]{40}")


@dataclass(frozen=True, slots=True)
class Span:
    """A listing of builds, and the caller's own bounds: from `earliest` (included) to `latest` (excluded)."""

    listing: Listing[Build]
    earliest: datetime | None = None
    latest: datetime | None = None

    @property
    def can_shrink(self) -> bool:
        """Whether a build that matches may stop matching while the listing is read."""
        return not all(_is_kept(name.removesuffix("[]"), value) for name, value in self.listing.query)

    def fetch(
        self,
        *,
        since: datetime | None = None,
        to: datetime | None = None,
        number: int | None = None,
        portion: PageSize | None = None,
    ) -> PageResult[Build]:
        """Ask for builds within further bounds; the caller's hold too.

        Args:
            since: From when on.
            to: Before when.
            number: A page's number; without one, as many of the newest as the server gives in time.
            portion: The size of the pages, where that is not the listing's.

        Raises:
            ResponseError: What comes lies outside of them, so that going by time would never end.
        """
        bounds = {"created_from": _both(since, self.earliest, max), "created_to": _both(to, self.latest, min)}
        extra = [(name, encode_time(moment)) for name, moment in bounds.items() if moment is not None]
        sheet = self._ask(extra, number, portion)
        newest = created_at(sheet.items[0]) if sheet.items else None
        if newest is not None and to is not None and newest >= to + SECOND:
            raise ResponseError(f"the listing {self.listing.path} does not heed created_to", method="GET", next_step="")
        return sheet

    def _ask(self, extra: Query, number: int | None, portion: PageSize | None) -> PageResult[Build]:
        if number is None:
            return self.listing.fetch_some(extra)
        if portion is None:
            return self.listing.fetch(number=number, extra=extra)
        return self.listing.fetch_portion(portion, number, extra)

    def onward(
        self, sheet: PageResult[Build], to: datetime | None, given: Given, trail: Trail | None = None
    ) -> _Onward | None:
        """Give the step past a page.

        Args:
            sheet: The page.
            to: Before which whole second it was asked for.
            given: What was given before it, as far as that can come again.
            trail: The pages that were requested by links since the last one by time, this page included.

        Raises:
            ResponseError: It ends where it should not even have begun.
        """
        link = sheet.links.get("next")
        if link is None:
            return None
        seen = {**given, **{build_id(build): created_at(build) for build in sheet.items}}
        last = created_at(sheet.items[-1]) if sheet.items else None
        if last is None:
            return LinkedStep(self, link, to, seen, trail or Trail().after([], sheet))
        after = last.replace(microsecond=0) + SECOND
        if to is None or after < to:
            return TimeStep(self, after, {key: at for key, at in seen.items() if at is None or at <= after})
        if after > to:
            raise repeats(self.listing)
        return SecondStep(self, to - SECOND, seen)


@dataclass(frozen=True, slots=True)
class TimeStep:
    """One page of the builds created before `to` (a whole second; None at the start), less those given already."""

    span: Span
    to: datetime | None = None
    given: Given = field(default_factory=dict[str, datetime | None])

    def load(self) -> tuple[list[Build], Step[Build] | None]:
        """Ask for the page, and find the way on."""
        sheet = self.span.fetch(to=self.to)
        return _less(sheet, self.given), self.span.onward(sheet, self.to, self.given)


@dataclass(frozen=True, slots=True)
class LinkedStep:
    """One page by the server's link, since the last build of the page before has no time to go by."""

    span: Span
    link: Query
    to: datetime | None
    given: Given
    trail: Trail = field(compare=False, repr=False)

    def load(self) -> tuple[list[Build], Step[Build] | None]:
        """Ask for the page; by time again from there, where that is possible.

        Raises:
            ResponseError: The page repeats what came before, so that going on would never end.
        """
        self.trail.check(self.span.listing, self.link)
        sheet = self.span.listing.fetch(link=self.link)
        trail = self.trail.after(self.link, sheet)
        items, step = _less(sheet, self.given), self.span.onward(sheet, self.to, self.given, trail)
        if isinstance(step, LinkedStep) and sheet.items and not items:
            raise repeats(self.span.listing)
        return items, step


@dataclass(slots=True)
class _Found:
    """What has come of a second, which an error in the middle of it leaves as it is.

    Attributes:
        builds: The builds, by their ids.
        places: How many have come, from the newest on, on full pages that others follow.
    """

    builds: dict[str, Build] = field(default_factory=dict[str, "Build"])
    places: int = 0


@dataclass(frozen=True, slots=True)
class SecondStep:
    """All builds of one second that holds more than a page, less those given already."""

    span: Span
    second: datetime
    given: Given
    found: _Found = field(default_factory=_Found, compare=False, repr=False)

    def load(self) -> tuple[list[Build], Step[Build] | None]:
        """Ask for all pages of the second, again and again while builds can leave them.

        Raises:
            BadRequestError: The second holds more than the server lists.
            ResponseError: Sweep after sweep finds further builds.
        """
        self.span.listing.divided(self._find)
        return list(self.found.builds.values()), self._next()

    def _find(self, portion: PageSize) -> None:
        """Add what is not found yet."""
        top = self._climb(portion, self.found.places // portion.size + 1)
        if self.span.can_shrink:
            self._settle(portion, top)

    def _next(self) -> Step[Build] | None:
        earliest = self.span.earliest
        return None if earliest is not None and earliest >= self.second else TimeStep(self.span, self.second)

    def _settle(self, portion: PageSize, top: int) -> None:
        """Sweep from the last page to the first until that adds nothing.

        A build that leaves moves those behind it to pages that are still to come, so that none is missed. One that
        enters may move another to a page that is done; but then it is itself found, and calls for another sweep.
        """
        for _ in range(1, _SWEEPS):
            known = len(self.found.builds)
            for number in range(top - 1, 0, -1):
                self._take(self._page(portion, number))
            if len(self.found.builds) == known:
                return
            top = self._climb(portion, top)
        when = encode_time(self.second)
        what = f"builds created at {when} come and go too fast to list"
        raise ResponseError(what, method="GET", next_step=_NARROW.capitalize())

    def _climb(self, portion: PageSize, number: int) -> int:
        """Ask for page after page from one on; give the number of the last one."""
        come, stale = set[str](), 0
        while True:
            sheet = self._page(portion, number)
            here = self._take(sheet)
            if "next" not in sheet.links:
                return number
            if len(sheet.items) == portion.size:  # else the server may have pages of its own size
                self.found.places = number * portion.size
            # with small pages, builds that enter may move all of one page to the next
            stale = stale + 1 if here <= come else 0
            if stale >= (_STALE_PAGES if here else MOST_IDLE_PAGES):
                raise repeats(self.span.listing)
            number += 1
            come |= here

    def _take(self, sheet: PageResult[Build]) -> frozenset[str]:
        """Take over what is new on a page; give the ids of all on it."""
        for build in _less(sheet, self.given):
            self.found.builds.setdefault(build_id(build), build)
        return frozenset(map(build_id, sheet.items))

    def _page(self, portion: PageSize, number: int) -> PageResult[Build]:
        try:
            return self.span.fetch(since=self.second, to=self.second + SECOND, number=number, portion=portion)
        except BadRequestError as error:
            if is_too_deep(error):
                error.message += f" More builds than that were created at {encode_time(self.second)}; {_NARROW}"
            raise


_Onward = TimeStep | LinkedStep | SecondStep


def side_by_side(step: TimeStep, *, workers: int, most: int | None) -> Iterator[tuple[list[Build], Step[Build] | None]]:
    """Load the pages from a step on, several at a time; what is past the depth limit is left to the last one's step.

    Sound only where no build enters or leaves: under `Span.can_shrink` False, and before a second that is over.

    Args:
        step: Where to begin.
        workers: How many requests may be under way at once.
        most: How many builds are wanted.

    Returns:
        What each page has that is new, and the way on from there.
    """
    span, size = step.span, step.span.listing.per_page
    first = span.fetch(to=step.to, number=1)
    last = min(first.number("last") or 1, _MOST_PAGES)
    if most is not None:
        last = min(last, -(-(most + len(step.given)) // size))
    deepest = last

    def ask(number: int) -> PageResult[Build] | None:
        nonlocal deepest
        if number > deepest:
            return None
        try:
            return span.fetch(to=step.to, number=number)
        except BadRequestError as error:
            if not is_too_deep(error):
                raise
            deepest = min(deepest, number - 1)
            return None

    with closing(map_in_threads(ask, range(2, last + 1), workers=workers, ahead=_AHEAD * workers)) as sheets:
        yield from _in_order(step, chain([first], sheets))


def _in_order(
    step: TimeStep, sheets: Iterable[PageResult[Build] | None]
) -> Iterator[tuple[list[Build], _Onward | None]]:
    given = step.given
    for sheet in sheets:
        if sheet is None:
            return
        onward = step.span.onward(sheet, step.to, given)
        yield _less(sheet, given), onward
        if onward is None:
            return
        given = onward.given


def _less(sheet: PageResult[Build], given: Given) -> list[Build]:
    return [build for build in sheet.items if build_id(build) not in given]


def _is_kept(name: str, value: str) -> bool:
    """Tell whether a build that matches a query pair will always do so; `HEAD` becomes a full commit some day."""
    return name in _KEPT or name in _PAYLOAD or (name == "commit" and _FULL_COMMIT.fullmatch(value) is not None)


def is_too_deep(error: BadRequestError) -> bool:
    """Tell whether the server refuses to list further."""
    return "this deep" in (error.server_message or "")


def created_at(build: Build) -> datetime | None:
    """Give when a build was created, if that can be read."""
    moment = build.__dict__.get("created_at")
    return moment if isinstance(moment, datetime) else None


def is_over(step: TimeStep, newest: Build) -> bool:
    """Tell whether what is left to load lies before a second that is over, under filters that no build leaves."""
    at = created_at(newest)
    return not step.span.can_shrink and step.to is not None and at is not None and at >= step.to


def build_id(build: Build) -> str:
    """Give what tells a build from others: its id, else its URL; without either it is told apart by itself."""
    return str(build.__dict__.get("id") or build.__dict__.get("url") or id(build))


def _both(
    moment: datetime | None, own: datetime | None, choose: Callable[[datetime, datetime], datetime]
) -> datetime | None:
    if moment is None or own is None:
        return moment or own
    return choose(moment, own)
