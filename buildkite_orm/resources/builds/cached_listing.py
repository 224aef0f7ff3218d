"""Listings of builds with a cache: without jobs where the cache has them, and without a request if none may be sent.

With jobs, a page is one request for the builds without their jobs, and one more, with jobs, for the time in which the
builds that the cache does not have were created. Where it has none, the page is requested with jobs at once.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from buildkite_orm.cache.keys import PAGE, build_kinds, page_key, prefix_of_builds
from buildkite_orm.cache.packing import is_intact, packed_row, unpack
from buildkite_orm.cache.store import Row
from buildkite_orm.errors import BuildkiteError, NotCachedError
from buildkite_orm.http.decoding import DecodingError, gunzipped
from buildkite_orm.http.encoding import encode_time, to_query_string
from buildkite_orm.http.messages import ApiRequest, ApiResponse
from buildkite_orm.models.binding import Binding
from buildkite_orm.models.parsing import load_list
from buildkite_orm.models.paths import short_path
from buildkite_orm.querysets.crowded_second import SECOND, build_id, created_at
from buildkite_orm.querysets.listing import Listing, PageResponse, with_numbers
from buildkite_orm.resources.builds.build import Build
from buildkite_orm.resources.builds.status import build_is_finished
from buildkite_orm.resources.builds.stored_builds import (
    FinalBuild,
    StoredJobs,
    all_are_final,
    final_builds,
    has_final_jobs,
    key_of,
    leave_out,
    leave_out_retried,
    load_rows,
    may_be_used,
    rows_of,
    stamp_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from buildkite_orm.cache.client_cache import CacheUse
    from buildkite_orm.cache.store import FoundRow
    from buildkite_orm.http.encoding import Query

_WITHOUT_JOBS: Final = ("exclude_jobs", "true")
_WITHOUT_PIPELINE: Final = ("exclude_pipeline", "true")
_OF_JOBS: Final = frozenset({"exclude_jobs", "include_retried_jobs"})
_OF_PLACE: Final = frozenset({"page", "created_from", "created_to"})
_MOST_PAGES: Final = 10_000
_LEVEL: Final = 1
_BUILDS: Final = "builds"
_KEYS: Final = "keys"
_MORE: Final = ", more follow"


@dataclass(slots=True)
class Walk:
    """The pages of a listing that were loaded so far, as far as they tell whether the next one is stored.

    Attributes:
        expects_hits: Whether the cache probably has most builds of the next page; None before the first page.
    """

    expects_hits: bool | None = None

    def note(self, known: int, final: int) -> None:
        """Note of how many finished builds the cache had."""
        if final:
            self.expects_hits = 2 * known >= final


@dataclass(frozen=True, slots=True)
class CachedListing(Listing[Build]):
    """A listing of builds that reads and writes the cache.

    Attributes:
        use: How the cache is used.
        walk: What the pages have shown so far; other page sizes share it.
    """

    use: CacheUse = field(kw_only=True)
    walk: Walk = field(default_factory=Walk)

    def request(self, query: Query, *, splittable: bool = False) -> PageResponse[Build]:
        """Request one page, or read it; see `Listing.request`."""
        if not self.use.requests:
            return _StoredPages(self, query).page()
        if _WITHOUT_JOBS in query:
            response, page = self._send(query, splittable=splittable)
            self._store_page(query, response, page)
            return page
        if self.use.reads and self._expects_hits():
            return self._with_stored_jobs(query, splittable=splittable)
        return self._with_jobs(query, splittable=splittable)

    def with_page_size(self, per_page: int) -> Listing[Build]:
        """Return the same listing with another page size; to count builds, one request without the cache is enough."""
        own: dict[str, Any] = {each.name: getattr(self, each.name) for each in fields(Listing)}
        own["per_page"] = per_page
        plain: Listing[Build] = Listing(**own)
        return plain if self.use.requests else replace(self, per_page=per_page)

    @property
    def _with_retried(self) -> bool:
        return ("include_retried_jobs", "true") in self.query

    @property
    def with_pipeline(self) -> bool:
        """Whether the builds contain their pipelines."""
        return _WITHOUT_PIPELINE not in self.query

    @property
    def with_jobs(self) -> bool:
        """Whether the builds contain their jobs."""
        return _WITHOUT_JOBS not in self.query

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of rows that have the jobs that are requested."""
        return build_kinds(with_retried=self._with_retried)

    @property
    def _kind(self) -> str:
        """The kind of row for what is requested."""
        return build_kinds(with_retried=self._with_retried, with_pipeline=self.with_pipeline)[0]

    def _expects_hits(self) -> bool:
        if self.use.cache.problem is not None:
            return False
        if self.walk.expects_hits is None:
            self.walk.expects_hits = self.use.cache.has_below(self.kinds, prefix_of_builds(self.path))
        return self.walk.expects_hits

    def _send(self, query: Query, *, splittable: bool) -> tuple[ApiResponse, PageResponse[Build]]:
        request = ApiRequest("GET", self.path, query, headers=self.headers, splittable=splittable)
        return self.session.send(request, lambda response: (response, self._parse(response)))

    # -- with jobs

    def _with_jobs(self, query: Query, *, splittable: bool, is_page: bool = True) -> PageResponse[Build]:
        """Request builds with jobs, and store them.

        Args:
            query: The query.
            splittable: As for `request`.
            is_page: Whether they are a page of the listing, and not a part of one.
        """
        response, page = self._send(query, splittable=splittable)
        final = final_builds(page.items, response.headers)
        whole = [each for each in final if has_final_jobs(each)]
        stored = self.use.cache.stamps(self.kinds, [each.key for each in whole]) if whole else {}
        new = [each for each in whole if stored.get(each.key) != each.stamp]
        rows = rows_of(self.use, response, page.items, new if self.use.reads else whole, self._kind)
        if is_page:
            self.walk.note(len(whole) - len(new), len(whole))
            rows.append(self._row_of_keys(query, page, final))
        self.use.cache.put(rows)
        return page

    def _with_stored_jobs(self, query: Query, *, splittable: bool) -> PageResponse[Build]:
        """Request a page without jobs, and add those that the cache has."""
        light = [pair for pair in query if pair[0] not in _OF_JOBS] + [_WITHOUT_JOBS]
        response, page = self._send(light, splittable=splittable)
        page = PageResponse(page.items, _links_with_jobs(page.links, query))
        missing = self.add_jobs(page.items)
        self.walk.note(len(page.items) - len(missing), sum(map(build_is_finished, page.items)))
        if missing:
            completed = self._completed(query, page, missing, splittable=splittable)
            if completed is None:
                return self._with_jobs(query, splittable=splittable)
            page = completed
        if self.with_pipeline and not missing:  # the rows of the builds may be without it
            self._store_page(query, response, page)
        else:
            self.use.cache.put_page(self._row_of_keys(query, page, final_builds(page.items, response.headers)))
        return page

    def add_jobs(self, builds: Sequence[Build]) -> list[Build]:
        """Add the jobs that the cache has to builds of a listing; return the builds whose jobs it does not have."""
        wanted = {
            id(build): (key, stamp_of(build)) for build in builds if build_is_finished(build) and (key := key_of(build))
        }
        pairs = set(wanted.values())
        found = self.use.cache.find(self.kinds, list({key for key, _ in pairs}))
        rows = [row for row in found if (row.key, row.stamp) in pairs]
        intact = {(row.key, row.stamp): row for row in rows if is_intact(row.data)}
        if damaged := [row for row in rows if (row.key, row.stamp) not in intact]:
            self.use.cache.remove(damaged)
        usable = {pair: row for pair, row in intact.items() if may_be_used(row, self.session)}
        missing: list[Build] = []
        for build in builds:
            row = usable.get(wanted.get(id(build), ("", "")))
            if row is None:
                missing.append(build)
            else:
                self._add_jobs_of(build, row)
        return missing

    def _load(self, rows: Sequence[FoundRow]) -> dict[str, tuple[FoundRow, Build]]:
        """Load builds from rows; remove those that are damaged."""
        if not rows:
            return {}
        builds = load_rows(rows, pause_gc=self.session.pause_gc)
        if builds is not None:
            return {row.key: (row, build) for row, build in zip(rows, builds, strict=True)}
        one_by_one = [(row, load_rows([row])) for row in rows]
        self.use.cache.remove([row for row, builds in one_by_one if builds is None])
        return {row.key: (row, builds[0]) for row, builds in one_by_one if builds}

    def _add_jobs_of(self, build: Build, row: FoundRow) -> None:
        vars(build)["embedded_jobs"] = StoredJobs(row)  # most loops read the jobs of few builds
        build.model_fields_set.add("embedded_jobs")
        build.bind(Binding(self.session, self.collection, self.context, cached_at=row.stored_at))

    def _completed(
        self, query: Query, page: PageResponse[Build], missing: Sequence[Build], *, splittable: bool
    ) -> PageResponse[Build] | None:
        """Return a page with the builds that the cache does not have, requested at once; None if that is not possible.

        Args:
            query: The query of the page, with jobs.
            page: The page.
            missing: The builds whose jobs are missing.
            splittable: As for `request`.
        """
        bounds = _bounds_of(missing, query)
        if bounds is None or len(missing) == len(page.items):
            return None
        narrow = [pair for pair in query if pair[0] not in _OF_PLACE] + bounds
        part = self._with_jobs(narrow, splittable=splittable, is_page=False)
        requested = {build_id(build): build for build in part.items}
        if not {build_id(build) for build in missing} <= requested.keys():
            return None  # a build has left the filters meanwhile
        without = {id(build) for build in missing}
        items = [requested[build_id(build)] if id(build) in without else build for build in page.items]
        return PageResponse(items, page.links)

    # -- builds that a change feed has seen

    @property
    def kinds_with_all_parts(self) -> list[str]:
        """The kinds of rows that have all that is requested, perhaps with more."""
        attempts = (True,) if self._with_retried else (False, True)
        return [kind for each in attempts for kind in build_kinds(with_retried=each, with_pipeline=self.with_pipeline)]

    def stored_builds(self, wanted: Iterable[tuple[str, str]]) -> dict[str, Build]:
        """Return builds from rows alone, as the server would list them now, by their stamps.

        Args:
            wanted: The keys and the stamps of builds.
        """
        pairs = set(wanted)
        found = self.use.cache.find(self.kinds_with_all_parts, list(dict(pairs)))
        rows = sorted((row for row in found if (row.key, row.stamp) in pairs), key=attrgetter("stored_at"))
        loaded = self._load(list({row.key: row for row in rows}.values())).values()
        return {row.stamp: build for row, build in loaded if self.take(build, row.stored_at, row.kind)}

    def take(self, build: Build, cached_at: float | None, kind: str | None = None) -> bool:
        """Make a build one of this listing, without the parts that were not requested; False if that is not possible.

        Args:
            build: A build with all attempts of its jobs, or with the latest ones.
            cached_at: When it was stored; None if it was requested.
            kind: The kind of its row, if it has one.
        """
        if not self._cut(build, kind):
            return False
        build.bind(Binding(self.session, self.collection, self.context, cached_at=cached_at))
        return True

    def _cut(self, build: Build, kind: str | None) -> bool:
        """Leave out the parts of a build that were not requested; return whether that is possible."""
        may_have_retried = self.with_jobs and not self._with_retried and kind not in self.kinds
        if may_have_retried and not leave_out_retried(build):  # which loads its jobs
            return False
        leave_out(build, jobs=not self.with_jobs, pipeline=not self.with_pipeline)
        return True

    def request_part(self, query: Query) -> PageResponse[Build]:
        """Request builds that the cache does not have, and store them; they are not a page of the listing."""
        if self.with_jobs:
            return self._with_jobs(query, splittable=False, is_page=False)
        return self._send(query, splittable=False)[1]

    def store_keys(self, query: Query, builds: Sequence[Build], *, has_next: bool) -> None:
        """Store which builds are on a page that was not requested.

        Args:
            query: The query with which it would be requested.
            builds: The builds.
            has_next: Whether a page follows.
        """
        known = [FinalBuild(build, key, stamp_of(build)) for build in builds if (key := key_of(build))]
        page = PageResponse(list(builds), {"next": []} if has_next else {})
        self.use.cache.put_page(self._row_of_keys(query, page, known))

    # -- pages

    def _store_page(self, query: Query, response: ApiResponse, page: PageResponse[Build]) -> None:
        """Store a page without jobs; if some of its builds are not finished, only the keys of all."""
        body = self._stored_body(response) if all_are_final(page.items, response.headers) else None
        if body is None:
            row = self._row_of_keys(query, page, final_builds(page.items, response.headers))
        else:
            row = Row(page_key(self.path, query), PAGE, _stamp_of_page(_BUILDS, page), body, len(body))
        self.use.cache.put_page(row)

    def _stored_body(self, response: ApiResponse) -> bytes | None:
        """Return a page as it is stored: in gzip, as it arrived if possible; None if it must not be stored."""
        if not self.use.cache.options.dropped and response.compressed is not None:
            return response.compressed
        body = response.body
        if self.use.cache.options.dropped:
            try:
                body = json.dumps(self.use.cache.without_dropped(json.loads(body))).encode()
            except (ValueError, RecursionError):
                return None
        return gzip.compress(body, _LEVEL, mtime=0)

    def _row_of_keys(self, query: Query, page: PageResponse[Build], final: Sequence[FinalBuild]) -> Row:
        """Return the row of a page whose builds have rows of their own, as far as they are finished."""
        known = {id(each.build): (each.key, each.stamp) for each in final}
        keys = [known.get(id(build)) or (key_of(build), None) for build in page.items]
        return packed_row(page_key(self.path, query), PAGE, _stamp_of_page(_KEYS, page), json.dumps(keys).encode())

    def describe(self, query: Query) -> str:
        """Return a text for what a page is, without its size."""
        pairs = [pair for pair in query if pair[0] not in {"per_page", "exclude_jobs", "exclude_pipeline"}]
        return f"a page of the builds of {short_path(self.path)} ({to_query_string(pairs) or 'without filters'})"

    def load_stored(self, row: FoundRow) -> tuple[list[Build], list[str]]:
        """Load the builds of a stored page, and name those that are not stored any more."""
        if row.stamp.startswith(_KEYS):
            return self._load_by_keys(row)
        try:
            body = gunzipped(row.data)
            builds = load_list(Build, ApiResponse("GET", "the cache", 200, {}, body), strict=False)
        except (BuildkiteError, DecodingError):
            return self._remove_damaged(row)
        self._bind(builds, row)
        missing = self.add_jobs(builds) if self.with_jobs else []
        return builds, [f"the jobs of {short_path(key_of(build))}" for build in missing]

    def _load_by_keys(self, row: FoundRow) -> tuple[list[Build], list[str]]:
        text = unpack(row.data)
        if text is None:
            return self._remove_damaged(row)
        listed: list[tuple[str, str | None]] = [(key or "?", stamp) for key, stamp in json.loads(text)]
        stamps = dict(listed)
        found = self.use.cache.find(self.kinds_with_all_parts, list(stamps))
        rows = {each.key: each for each in found if each.stamp == stamps[each.key]}
        stored = self._load(list(rows.values()))
        loaded = {key: build for key, (of_build, build) in stored.items() if self._cut(build, of_build.kind)}
        builds = [loaded[key] for key, _ in listed if key in loaded]
        self._bind(builds, row)
        return builds, [short_path(key) for key in stamps if key not in loaded]

    def _remove_damaged(self, row: FoundRow) -> tuple[list[Build], list[str]]:
        self.use.cache.remove([row])
        return [], ["a damaged page"]

    def _bind(self, builds: Iterable[Build], row: FoundRow) -> None:
        binding = Binding(self.session, self.collection, self.context, cached_at=row.stored_at)
        for build in builds:
            build.bind(binding)


class _StoredPages:
    """Reads a page, and in case that something is missing, those after it, to name all that is.

    Args:
        listing: The listing.
        query: The query of the page.
    """

    def __init__(self, listing: CachedListing, query: Query) -> None:
        self._listing = listing
        self._query = query

    def page(self) -> PageResponse[Build]:
        """Return the page.

        Raises:
            NotCachedError: Something is missing, on this page or on those after it.
        """
        page, missing = self._read(self._query)
        if page is not None and not missing:
            return page
        query = self._query
        for _ in range(_MOST_PAGES):
            following = None if page is None else _following(query, page)
            if following is None:
                break
            query = following
            page, more = self._read(query)
            missing += more
        raise NotCachedError.of(list(dict.fromkeys(missing)))

    def _read(self, query: Query) -> tuple[PageResponse[Build] | None, list[str]]:
        listing, cache = self._listing, self._listing.use.cache
        found = cache.find([PAGE], [page_key(listing.path, query)], max_age=cache.options.max_age)
        if not found:
            return None, [listing.describe(query)]
        row = found[0]
        builds, missing = listing.load_stored(row)
        links = {"next": with_numbers(query, page=2)} if row.stamp.endswith(_MORE) else {}
        return PageResponse(builds, links), missing


def _following(query: Query, page: PageResponse[Build]) -> Query | None:
    """Return the query of the page after one, as iteration requests it; None if there is none."""
    last = created_at(page.items[-1]) if page.items else None
    if "next" not in page.links or last is None:
        return None
    place = ("created_to", encode_time(last.replace(microsecond=0) + SECOND))
    return None if place in query else [*(pair for pair in query if pair[0] != "created_to"), place]


def _stamp_of_page(form: str, page: PageResponse[Build]) -> str:
    return f"{form}{_MORE if 'next' in page.links else ''}"


def _links_with_jobs(links: Mapping[str, Query], query: Query) -> dict[str, Query]:
    """Return the links of a page that was requested without jobs, for pages with the jobs that a query asks for."""
    of_jobs = [pair for pair in query if pair[0] in _OF_JOBS]
    return {rel: [pair for pair in link if pair[0] not in _OF_JOBS] + of_jobs for rel, link in links.items()}


def _bounds_of(builds: Iterable[Build], query: Query) -> list[tuple[str, str]] | None:
    """Return the query pairs for the time in which builds were created, within those of a query."""
    times = [created_at(build) for build in builds]
    known = [time for time in times if time is not None]
    given = dict(query)
    try:
        own = {name: datetime.fromisoformat(given[name]) for name in ("created_from", "created_to") if name in given}
    except ValueError:
        return None
    if len(known) < len(times) or not known:
        return None
    since = min(known).replace(microsecond=0)
    before = max(known).replace(microsecond=0) + timedelta(seconds=1)
    since = max(since, own.get("created_from", since))
    before = min(before, own.get("created_to", before))
    return [("created_from", encode_time(since)), ("created_to", encode_time(before))]


def with_cache(listing: Listing[Build], use: CacheUse) -> CachedListing:
    """Return a listing that reads and writes the cache."""
    own = {each.name: getattr(listing, each.name) for each in fields(listing)}
    return CachedListing(**own, use=use)


def without_hits(listing: Listing[Build]) -> Listing[Build]:
    """Return a listing of builds that the cache hardly has, so that the first page is requested with jobs at once."""
    return replace(listing, walk=Walk(expects_hits=False)) if isinstance(listing, CachedListing) else listing
