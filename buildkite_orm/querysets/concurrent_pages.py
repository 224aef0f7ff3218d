"""Pages of builds that are requested concurrently.

The first page ends in a second that is over, and the filters are such that no build enters or leaves. So the builds
before that second do not change, and their pages can be requested by number. Below the depth limit of the API, and
everywhere else, builds are paged by time.
"""

from __future__ import annotations

import logging
from contextlib import closing
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Final

from buildkite_orm.errors import BadRequestError
from buildkite_orm.progress import progress_line
from buildkite_orm.querysets.crowded_second import created_at, is_too_deep, unseen
from buildkite_orm.querysets.pagination import PageResult
from buildkite_orm.querysets.time_pagination import TimeCursor
from buildkite_orm.utils.workers import map_in_threads

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from buildkite_orm.querysets.listing import PageResponse
    from buildkite_orm.querysets.page import LoadedPage
    from buildkite_orm.querysets.time_pagination import BuildPage, TimePaginator
    from buildkite_orm.resources.builds.build import Build

logger = logging.getLogger("buildkite_orm")

_PAGES_AHEAD: Final = 4  # a thread loads no more pages than this before they are used: a bound on memory and requests
_MOST_PAGES: Final = 10**9


def load_concurrently(
    start: LoadedPage[Build], paginator: TimePaginator, *, limit: int | None, workers: int, progress: bool | None
) -> None:
    """Load pages concurrently as far as that is possible, and append them to what is loaded.

    Args:
        start: What precedes the first page.
        paginator: The paginator of the builds.
        limit: How many builds are wanted.
        workers: How many requests may be under way at once.
        progress: Whether to show how many builds are loaded; None if there is a terminal or a notebook.
    """
    page = start.load_next()
    if page is None:
        return
    newest, count = page.items[:1], len(page.items)
    while page.loaded_next is not None:
        page = page.loaded_next
        count += len(page.items)
    cursor = page.cursor
    if cursor is None or not newest or (limit is not None and count >= limit):
        return
    if paginator.builds_can_leave:
        logger.info("loading pages in order, since builds can stop matching these filters; see BuildQuerySet.all")
        return
    if not isinstance(cursor, TimeCursor) or not _is_over(cursor, newest[0]):
        return
    results = _fetch_pages(paginator, cursor, workers=workers, wanted=None if limit is None else limit - count)
    with progress_line(progress) as show, closing(results):
        for result in results:
            following = page.append(result)
            if following is None:  # another thread has loaded it meanwhile
                break
            page, count = following, count + len(result.items)
            show(f"{count} loaded")


def _is_over(cursor: TimeCursor, newest: Build) -> bool:
    """Return whether the builds that are left were created before a second that is over."""
    time = created_at(newest)
    return cursor.before is not None and time is not None and time >= cursor.before


def _fetch_pages(
    paginator: TimePaginator, cursor: TimeCursor, *, workers: int, wanted: int | None
) -> Generator[BuildPage]:
    """Fetch the pages from a cursor on, several at once, and yield them in order.

    What is deeper than the server lists is left to the cursor of the last result.
    """
    first = paginator.fetch_number(1, cursor.before)
    last_number = min(first.page_number("last") or 1, _MOST_PAGES)
    if wanted is not None:
        last_number = min(last_number, -(-(wanted + len(cursor.seen)) // paginator.per_page))
    deepest = last_number

    def fetch(number: int) -> PageResponse[Build] | None:
        nonlocal deepest
        if number > deepest:
            return None
        try:
            return paginator.fetch_number(number, cursor.before)
        except BadRequestError as error:
            if not is_too_deep(error):
                raise
            deepest = min(deepest, number - 1)
            return None

    numbers = range(2, last_number + 1)
    with closing(map_in_threads(fetch, numbers, workers=workers, ahead=_PAGES_AHEAD * workers)) as others:
        yield from _in_order(paginator, cursor, chain([first], others))


def _in_order(
    paginator: TimePaginator, cursor: TimeCursor, pages: Iterable[PageResponse[Build] | None]
) -> Generator[BuildPage]:
    for page in pages:
        if page is None:
            return
        following = paginator.next_cursor(page, cursor)
        yield PageResult(unseen(page, cursor.seen), following)
        if following is None:
            return
        cursor = replace(cursor, seen=following.seen)
