"""One build with a cache: fetched from it, and its jobs, if a listing shows that they are still those of the build."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final

from buildkite_orm.cache.client_cache import CacheUse, cache_use
from buildkite_orm.cache.keys import build_key, build_kinds
from buildkite_orm.errors import NotCachedError
from buildkite_orm.http.encoding import encode_body
from buildkite_orm.models.binding import Binding
from buildkite_orm.models.paths import collection_of, short_path
from buildkite_orm.querysets.listing import Listing, PageResponse
from buildkite_orm.resources.builds.build import Build, BuildRef
from buildkite_orm.resources.builds.build_filters import BuildFetch
from buildkite_orm.resources.builds.job import Job
from buildkite_orm.resources.builds.jobs_context import JobsContext
from buildkite_orm.resources.builds.status import build_is_finished
from buildkite_orm.resources.builds.stored_builds import (
    final_builds,
    has_final_jobs,
    leave_out,
    load_rows,
    may_be_used,
    rows_of,
    stamp_of,
)
from buildkite_orm.utils.json_types import as_array

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildkite_orm.cache.store import FoundRow
    from buildkite_orm.http.encoding import Query
    from buildkite_orm.http.messages import ApiResponse

_PARTS: Final = frozenset({"with_jobs", "with_pipeline", "include_retried_jobs"})
_OF_CACHE: Final = frozenset({"cache", "max_age"})
_ALL_JOBS: Final = frozenset({"include_retried_jobs", "per_page"})


def fetch_build(ref: BuildRef, params: BuildFetch) -> Build:
    """Fetch a build; see `BuildRef.fetch`."""
    of_request = {name: value for name, value in params.items() if name not in _OF_CACHE}
    sent: dict[str, Any] = encode_body(of_request, BuildFetch)
    context = JobsContext(complete=not params.get("job_states"), with_retried=params.get("include_retried_jobs", False))
    use = cache_use(ref.session, params.get("cache"))
    parts = _Parts.of(sent)
    if use is not None:
        stored = _stored_build(ref, use, params, parts, context)
        if stored is not None:
            return stored

    def store(response: ApiResponse, build: Build) -> None:
        if use is not None and parts is not None and parts.jobs:
            chosen = [each for each in final_builds([build], response.headers) if has_final_jobs(each)]
            use.cache.put(rows_of(use, response, [build], chosen, parts.kinds[0]))

    sent["exclude_jobs"] = None if sent.pop("with_jobs", True) else True
    sent["exclude_pipeline"] = None if sent.pop("with_pipeline", True) else True
    return ref._request(  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        Build, params=sent, lists=("job_states",), context=context, received=None if use is None else store
    )


@dataclass(frozen=True, slots=True)
class _Parts:
    """The parts of a build that are requested: those that the cache can have."""

    jobs: bool
    pipeline: bool
    retried: bool

    @classmethod
    def of(cls, sent: dict[str, Any]) -> _Parts | None:
        """Return the parts of a request; None if it has others."""
        if sent.keys() - _PARTS:
            return None
        retried = bool(sent.get("include_retried_jobs"))
        return cls(bool(sent.get("with_jobs", True)), bool(sent.get("with_pipeline", True)), retried)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of rows that have these parts."""
        return build_kinds(with_retried=self.retried, with_pipeline=self.pipeline)


def _stored_build(
    ref: BuildRef, use: CacheUse, params: BuildFetch, parts: _Parts | None, context: JobsContext
) -> Build | None:
    max_age = params.get("max_age")
    path = ref.api_path
    found: list[FoundRow] = []
    if use.requests and (max_age is None or not use.reads):
        return None
    if parts is not None and build_key(path) is not None:
        found = use.cache.find(parts.kinds, [path], max_age=max_age)
    for row in found:
        if not may_be_used(row, ref.session):
            continue
        builds = load_rows([row])
        if builds is None:
            use.cache.remove([row])
            continue
        leave_out(builds[0], jobs=not parts.jobs, pipeline=not parts.pipeline)  # type: ignore[union-attr]
        return builds[0].bind(Binding(ref.session, collection_of(path), context, path, row.stored_at))
    if not use.requests:
        what = "" if parts is None or parts.pipeline is False else ", with its pipeline"
        raise NotCachedError.of([f"{short_path(path)}{what}"])
    return None


def stored_jobs(build: Build, *, include_retried: bool) -> tuple[Build, float] | None:
    """Return the stored build that has all jobs of a build, and when it was stored; None if there is none.

    Args:
        build: A build, as a listing has shown it.
        include_retried: Whether all attempts are needed.
    """
    session, key = build._bound.session, build_key(build._find_path())  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    if session is None or session.cache is None or key is None or not build_is_finished(build):
        return None
    use = cache_use(session, None) if session.cache.problem is None else None
    if use is None or not use.reads:
        return None
    attempts = (True,) if include_retried else (False, True)
    kinds = [kind for with_retried in attempts for kind in build_kinds(with_retried=with_retried)]
    for row in use.cache.find(kinds, [key]):
        is_usable = row.stamp == stamp_of(build) and may_be_used(row, session)
        builds = load_rows([row]) if is_usable else None
        if builds is not None:
            return builds[0], row.stored_at
    return None


def with_stored_jobs(build: Build, *, include_retried: bool) -> Build | None:
    """Return a copy of a build that contains the jobs that the cache has; None if it does not have them."""
    found = stored_jobs(build, include_retried=include_retried)
    if found is None:
        return None
    copy = build.__copy__()
    vars(copy)["embedded_jobs"] = found[0].__dict__.get("embedded_jobs")
    copy.model_fields_set.add("embedded_jobs")
    context = JobsContext(with_retried=include_retried)
    return copy.bind(Binding(build.session, build._bound.collection, context, build.api_path, found[1]))  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]


@dataclass(frozen=True, slots=True)
class JobsOfFinishedBuild(Listing[Job]):
    """The jobs of a finished build: all at once, from the build itself, so that the cache can store them."""

    build: BuildRef = field(kw_only=True)

    def request(self, query: Query, *, splittable: bool = False) -> PageResponse[Job]:
        """Request all jobs, or with filters, one page of them; see `Listing.request`."""
        given = dict(query)
        if not given.keys() <= _ALL_JOBS or given.get("include_retried_jobs") not in {"true", "false"}:
            return Listing[Job].request(self, query, splittable=splittable)
        with_retried = given["include_retried_jobs"] == "true"
        build = self.build.fetch(with_pipeline=False, include_retried_jobs=with_retried)
        embedded: Sequence[object] = as_array(build.embedded_jobs) or []
        jobs = [job for job in embedded if isinstance(job, Job)]
        if len(jobs) < len(embedded):  # some of them are not as documented: the listing keeps them
            return Listing[Job].request(self, query, splittable=splittable)
        binding = Binding(self.session, self.collection, self.context)
        return PageResponse([job.bind(binding) for job in jobs], {})


def jobs_of_finished(listing: Listing[Job], build: Build) -> Listing[Job]:
    """Return a listing of the jobs of a build that stores them in the cache, if the client has one."""
    session = listing.bound_session
    if session is None or cache_use(session, None) is None or not build_is_finished(build):
        return listing
    if build_key(build._find_path()) is None:  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        return listing
    own = {each.name: getattr(listing, each.name) for each in fields(listing)}
    return JobsOfFinishedBuild(**own, build=BuildRef.at(session, build.api_path))
