"""Listings of builds, paged by time, and the creation of a build."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast, overload

from buildkite_orm.http.encoding import encode_body
from buildkite_orm.querysets.queryset import QuerySet
from buildkite_orm.resources.builds.build import Build
from buildkite_orm.resources.builds.build_filters import BuildFilters, BuildOptions, check_commits
from buildkite_orm.resources.builds.jobs_context import JobsContext
from buildkite_orm.resources.builds.partitions import time_parts
from buildkite_orm.utils.plain_values import as_index

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Unpack

    from buildkite_orm.cache.options import CacheMode
    from buildkite_orm.data.changes import Change, Changes, Gone
    from buildkite_orm.data.tables import BuildTables
    from buildkite_orm.http.messages import ApiResponse
    from buildkite_orm.querysets.listing import Listing
    from buildkite_orm.querysets.pagination import Paginator
    from buildkite_orm.querysets.time_pagination import BuildCursor, TimePaginator
    from buildkite_orm.utils.choices import CheckedFilters


class BuildQuerySet(QuerySet[Build]):
    """Builds, newest first.

    Iteration pages by time, so that builds that are created, start or finish meanwhile cause no repeats and no gaps,
    and no depth limit is reached.
    """

    _model = Build
    _filters_type = BuildFilters
    _label = "BuildQuerySet"
    _pipeline_is_known: ClassVar[bool] = False

    def filter(self, **filters: Unpack[BuildFilters]) -> Self:
        """Return a queryset with more filters; see `BuildFilters`."""
        return self._filtered(filters)

    def all(self, *, workers: int = 8, progress: bool | None = None) -> list[Build]:
        """Load everything, with concurrent requests if the filters allow for that, else page after page.

        They do if a build matches them always or never: `branch`, `creator`, a full `commit`, `created_from`,
        `created_to`. Builds of the current second, and those below the depth limit of the API, are loaded in order.
        If other filters rule out concurrency, that is logged once, at level INFO.

        Args:
            workers: How many pages to request at once; 1 to load them in order.
            progress: Whether to show how many are loaded; see `QuerySet.all`.
        """
        from buildkite_orm.querysets.concurrent_pages import load_concurrently

        if as_index("workers", workers) > 1 and self._limit != 0:
            paginator = self._time_paginator()
            load_concurrently(self._start, paginator, limit=self._limit, workers=workers, progress=progress)
        return super().all(progress=progress)

    def tables(self) -> BuildTables:
        """Return the builds and their jobs as two Arrow tables, from the same responses; no request is sent yet.

        Iterate over it, one pair of batches a page, or write both tables: `to_parquet(folder)`, `to_duckdb(path)`.

        Raises:
            ValueError: The listing does not contain the jobs.
            ConfigurationError: pyarrow is not installed: `pip install 'buildkite_orm[arrow]'`.
        """
        from buildkite_orm.data.tables import BuildTables

        if not self._filters.get("with_jobs"):
            msg = "tables() needs the jobs of the builds: list them with_jobs=True; arrow() returns the builds alone"
            raise ValueError(msg)
        return BuildTables(self, self._table_pages)

    def _table_options(self) -> dict[str, Any]:
        # the slug of the pipeline is in the URL of the build; its other data, 4 kB, would be repeated in each row
        return {"filters": {"with_pipeline": False, **self._filters}}

    def partitions(self, by: timedelta = timedelta(days=1)) -> list[Self]:
        """Divide the query by the time of creation, for several processes; no request.

        Each build is in exactly one part, and the parts are in the order of the listing, the newest builds first. A
        part is a queryset that can be pickled: it takes a few hundred bytes and has no token. The process that reads
        it binds it to its own client, `Buildkite(processes=n)`.

        Args:
            by: The length of a part, at least one second. Parts begin at whole seconds, except for the first one.

        Raises:
            ValueError: The query lacks `created_from` or `created_to`, or has a limit, or there would be more than
                100,000 parts.

        Example:
            >>> from datetime import UTC, datetime, timedelta
            >>> since, until = datetime(2026, 7, 30, tzinfo=UTC), datetime(2026, 8, 2, tzinfo=UTC)
            >>> builds = bk.organization("acme").builds(created_from=since, created_to=until)
            >>> [len(list(part)) for part in builds.partitions(by=timedelta(days=1))]
            [46, 89, 60]
        """
        since, until = self._time("created_from"), self._time("created_to")
        if since is None or until is None:
            msg = "partitions() divides the time between two bounds: add builds(created_from=…, created_to=…)"
            raise ValueError(msg)
        if self._limit is not None:
            msg = f"partitions() of a query with limit({self._limit}): each part would have that limit; leave it out"
            raise ValueError(msg)
        bounds = reversed(time_parts(since, until, by))
        return [self._filtered({"created_from": start, "created_to": end}) for start, end in bounds]

    @overload
    def changed_since(
        self, checkpoint: str | Mapping[str, Any] | None, *, reconcile: timedelta | None = None
    ) -> Changes[Change]: ...
    @overload
    def changed_since(
        self,
        checkpoint: str | Mapping[str, Any] | None,
        *,
        reconcile: timedelta,
        known: Iterable[str] | Mapping[str, Build | datetime],
    ) -> Changes[Change | Gone]: ...
    def changed_since(
        self,
        checkpoint: str | Mapping[str, Any] | None,
        *,
        reconcile: timedelta | None = None,
        known: Iterable[str] | Mapping[str, Build | datetime] | None = None,
    ) -> Changes[Any]:
        """Return a feed of the builds that are new or have changed since a checkpoint; no request yet.

        Runs overlap, so merge by id: the later one of two is right. A build that is listed has its jobs too, all
        attempts of them, if the queryset has `with_jobs=True`.

        Args:
            checkpoint: The `checkpoint` of the last run, or its text. None lists all builds.
            reconcile: List the builds of this time up to now again, and report those that differ.
            known: With `reconcile`: the ids of the builds that are known and were created in that time, to report
                those that no longer exist. A mapping from ids to builds, or to the times of their creation, may have
                older ones too; builds in it that are the same are not reported.

        Raises:
            ValueError: The checkpoint is of another query; there is a limit; or a filter is not among `branch`,
                `creator`, full `commit` and `created_from`, so that a build could stop matching.

        Example:
            >>> builds = bk.organization("acme").builds()
            >>> changes = builds.changed_since(None)
            >>> mirror = {change.item.id: change.item for change in changes}
            >>> later = builds.changed_since(changes.checkpoint)
            >>> mirror |= {change.item.id: change.item for change in later}
        """
        from buildkite_orm.data.changes import follow
        from buildkite_orm.data.checkpoint import FeedQuery

        if self._limit is not None:
            msg = f"limit({self._limit}): changed_since() reports all changes; stop iterating instead"
            raise ValueError(msg)
        query = FeedQuery.of(self._session.base_url, self._path, self._filters)
        record = None
        if self._session.cache is not None:
            from buildkite_orm.data.feed_index import record_of

            record = record_of(self._pages.listing, query)
        return follow(query, self._stream, checkpoint, reconcile=reconcile, known=known, record=record)

    def _stream(
        self,
        filters: BuildFilters,
        on_response: Callable[[ApiResponse], None],
        on_page: Callable[[Sequence[Build]], None],
        *,
        may_miss: bool,
    ) -> Iterator[Build]:
        """Iterate over the builds that match further filters, and remember none.

        Args:
            filters: The filters; among them the bounds of this queryset, if it has any.
            on_response: Called with each response.
            on_page: Called with the builds of each page, before the first of them.
            may_miss: Whether builds may be missed that others move to another page; see `TimePaginator`.
        """
        from buildkite_orm.querysets.adaptive_page_size import AdaptivePageSize
        from buildkite_orm.querysets.time_pagination import TimePaginator

        listing = replace(self._filtered(filters)._make_listing(), on_response=on_response)  # noqa: SLF001
        if self._session.cache is not None and filters.keys() & {"state", "finished_from"}:
            from buildkite_orm.resources.builds.cached_listing import without_hits

            listing = without_hits(listing)
        bounds = filters.get("created_from"), filters.get("created_to")
        paginator = TimePaginator(AdaptivePageSize(listing), *bounds, may_miss=may_miss)
        cursor: BuildCursor | None = paginator.first_cursor()
        while cursor is not None:
            page = paginator.fetch(cursor)
            on_page(page.items)
            yield from page.items
            cursor = page.next_cursor

    def _merged(self, filters: Mapping[str, object]) -> CheckedFilters:
        merged = super()._merged(filters)
        check_commits(merged.get("commit"))
        return merged

    def _params(self) -> Mapping[str, object]:
        params = {name: value for name, value in self._filters.items() if name != "cache"}
        with_jobs = params.pop("with_jobs", False)
        with_pipeline = params.pop("with_pipeline", not self._pipeline_is_known)
        if params.get("include_retried_jobs") and not with_jobs:
            msg = "include_retried_jobs=True says which jobs each build contains: add with_jobs=True"
            raise ValueError(msg)
        return {
            **params,
            "exclude_jobs": None if with_jobs else True,
            "exclude_pipeline": None if with_pipeline else True,
        }

    def _context(self) -> JobsContext:
        return JobsContext(
            complete=self._filters.get("include_paused") is not False,
            with_retried=bool(self._filters.get("include_retried_jobs")),
            could_embed=not self._filters.get("with_jobs"),
            is_listing=True,
        )

    def _make_listing(self) -> Listing[Build]:
        listing, session = super()._make_listing(), self._bound_session
        if session is None or (session.cache is None and "cache" not in self._filters):
            return listing
        from buildkite_orm.cache.client_cache import cache_use

        use = cache_use(session, cast("CacheMode | None", self._filters.get("cache")))
        if use is None or self._filters.get("include_paused") is False:  # then builds may lack some of their jobs
            return listing
        from buildkite_orm.resources.builds.cached_listing import with_cache

        return with_cache(listing, use)

    def _make_paginator(self) -> Paginator[Build, Any]:
        session = self._bound_session
        if session is None or session.cache is None:
            return self._time_paginator()
        from buildkite_orm.data.feed_listing import by_feed

        # the paginator must not refer to this queryset, which refers to its pages
        make = partial(type(self), session, self._path, collection=self._collection)
        return by_feed(self._time_paginator(), self._pages, self._filters, limit=self._limit, make=make)

    def _time_paginator(self) -> TimePaginator:
        from buildkite_orm.querysets.time_pagination import TimePaginator

        return TimePaginator(self._pages, self._time("created_from"), self._time("created_to"))

    def _time(self, name: str) -> datetime | None:
        return cast("datetime | None", self._filters.get(name))


class PipelineBuildQuerySet(BuildQuerySet):
    """The builds of one pipeline, newest first."""

    _pipeline_is_known: ClassVar[bool] = True

    def create(
        self, *, commit: str, branch: str, extra: Mapping[str, object] | None = None, **options: Unpack[BuildOptions]
    ) -> Build:
        """Create a build.

        It is never sent twice: if the response is lost, the error's `outcome_unknown` is True, and its message says how
        to find out.

        Args:
            commit: A full SHA, or a name that the agent can resolve: `HEAD`, a tag.
            branch: The branch that the commit is on.
            extra: Fields of the body that this library does not know.
            options: See `BuildOptions`.

        Raises:
            UnprocessableEntityError: The server rejects a value, or the pipeline does not build the branch.

        Example:
            >>> builds = bk.organization("acme").pipeline("web").builds()
            >>> build = builds.create(commit="HEAD", branch="main", message="Once more")
            >>> build.state, build.message
            (<BuildState.CREATING: 'creating'>, 'Once more')

        Documentation: https://buildkite.com/docs/apis/rest-api/builds#create-a-build
        """
        return self._create(
            encode_body({"commit": commit, "branch": branch, **options}, BuildOptions, "commit", "branch", extra=extra)
        )
