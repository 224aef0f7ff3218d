"""The change feed: the builds that are new or have changed since the last run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeVar, cast

from buildkite_orm.data.checkpoint import EARLIEST, FeedQuery, FeedState, Run, read_state, write_state
from buildkite_orm.data.known import KnownBuilds
from buildkite_orm.data.windows import learn, windows_of
from buildkite_orm.errors import ConfigurationError
from buildkite_orm.querysets.crowded_second import SECOND, build_id, created_at
from buildkite_orm.utils.header_values import sent_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from buildkite_orm.data.checkpoint import Checkpoint
    from buildkite_orm.data.feed_index import FeedRecord
    from buildkite_orm.data.known import Known
    from buildkite_orm.data.windows import Window
    from buildkite_orm.http.messages import ApiResponse
    from buildkite_orm.models.enums import BuildState
    from buildkite_orm.resources.builds.build import Build
    from buildkite_orm.resources.builds.build_filters import BuildFilters

    class ListBuilds(Protocol):
        """Lists the builds that match further filters, and passes each response and each page to a function."""

        def __call__(
            self,
            filters: BuildFilters,
            on_response: Callable[[ApiResponse], None],
            on_page: Callable[[Sequence[Build]], None],
            *,
            may_miss: bool,
        ) -> Iterator[Build]:
            """List them."""
            ...


C = TypeVar("C", bound="Change | Gone")


@dataclass(frozen=True, slots=True)
class Change:
    """A build that is new or has changed since the last run.

    Attributes:
        item: The build as it is now.
        kind: `new` if it was created since the last run began, which may have reported it already; else `changed`.
    """

    item: Build
    kind: Literal["new", "changed"]


@dataclass(frozen=True, slots=True)
class Gone:
    """A known build that the API no longer lists.

    Attributes:
        id: Its id.
        kind: Always `gone`.
    """

    id: str
    kind: Literal["gone"] = "gone"


class Changes(Generic[C]):
    """A run of a change feed: iterate over it, then keep its checkpoint for the next run.

    The checkpoint covers the builds after which the loop has come back for more. So it can be saved at any time, and a
    run that continues from it repeats at most the build that was being processed. A loop that was interrupted, by an
    error or by `break`, continues in the same way when the object is iterated again.

    Memory: one page of builds, the ids of the builds of one second, and with `reconcile` or a cache an entry for each
    build that was reported.

    Example:
        >>> builds = bk.organization("acme").pipeline("web").builds()
        >>> changes = builds.changed_since(None)
        >>> for change in changes:
        ...     print(change.kind, change.item.number)
        ...     break
        new 123
        >>> changes.checkpoint.is_complete
        False
    """

    def __init__(
        self,
        state: FeedState,
        list_builds: ListBuilds,
        *,
        reconcile: timedelta | None = None,
        known: KnownBuilds | None = None,
        record: FeedRecord | None = None,
    ) -> None:
        self._state = state
        self._list_builds = list_builds
        self._reconcile = reconcile
        self._known = known
        self._record = record
        self._since = state.started_at
        self._reported: dict[str, tuple[object, ...]] = {}
        self._is_listed = False
        self._is_complete = False
        if record is not None:
            record.begin(state)

    def __repr__(self) -> str:
        return f"<Changes {self._state.query.path} {'complete' if self._is_complete else 'not complete'}>"

    @property
    def checkpoint(self) -> Checkpoint:
        """The place from which the next run continues; no request."""
        return write_state(self._state)

    def __iter__(self) -> Iterator[C]:
        return cast("Iterator[C]", self._run())

    def _run(self) -> Iterator[Change | Gone]:
        if not self._is_listed:
            windows = windows_of(self._state)
            while windows:
                yield from self._read(windows.pop(0))
                if windows:
                    self._state.enter(windows[0].name)
            self._state.complete()
            self._is_listed = True
            self._store_record()
        if self._reconcile is not None and not self._is_complete:
            yield from self._list_again(self._reconcile)
        self._is_complete = True

    def _read(self, window: Window) -> Iterator[Change]:
        """Report the builds of a window; if fewer states are needed than at first, list only these from there on."""
        bounds = window.bounds(self._state)
        while bounds is not None:
            states = window.states(self._state)
            for build in self._list(bounds, states, may_miss=window.may_miss):
                if window.includes(self._state, build):
                    yield self._report(build, is_new=self._is_recent(build))
                learn(self._state, build)
                self._state.cover(build_id(build), created_at(build))
                if window.states(self._state) != states:
                    break
            else:
                return

    def _list(
        self, bounds: BuildFilters, states: Sequence[BuildState] | None = None, *, may_miss: bool = False
    ) -> Iterator[Build]:
        """List builds, from the place in the window on."""
        run, filters = self._state.run, bounds.copy()
        position = None if run is None else run.position
        starts = [bounds.get("created_from"), self._state.query.created_from]
        ends = [bounds.get("created_to"), None if position is None else position.second + SECOND]
        since = max((time for time in starts if time is not None), default=None)
        until = min((time for time in ends if time is not None), default=None)
        if (states is not None and not states) or (since is not None and until is not None and since >= until):
            return
        if since is not None:
            filters["created_from"] = since
        if until is not None:
            filters["created_to"] = until
        if states is not None:
            filters["state"] = states
        if self._state.query.filters.get("with_jobs"):
            filters["include_retried_jobs"] = True
        for build in self._list_builds(filters, self._note_start, self._note_page, may_miss=may_miss):
            self._check_start()
            if position is None or build_id(build) not in position.ids:
                yield build
        self._check_start()

    def _note_start(self, response: ApiResponse) -> None:
        """Note the server's time of the first response of the run."""
        if self._state.run is not None or self._is_listed:
            return
        now = sent_at(response.headers)
        if now is None:
            raise response.unexpected("the response has no Date header, from which the next run would continue")
        self._state.run = Run(started_at=now, window=windows_of(self._state)[0].name)

    def _note_page(self, builds: Sequence[Build]) -> None:
        if self._record is not None:
            self._record.note(builds, self._state)

    def _check_start(self) -> None:
        if self._state.run is None and not self._is_listed:
            raise ConfigurationError(
                "changed_since() needs the server, and this cache is used without one: cache='only'"
            )

    def _is_recent(self, build: Build) -> bool:
        """Whether a build was created since the last run began."""
        created = created_at(build)
        return self._since is None or (created is not None and created >= self._since)

    def _report(self, build: Build, *, is_new: bool) -> Change:
        if self._reconcile is not None:
            self._reported[build_id(build)] = _fingerprint(build)
        return Change(build, "new" if is_new else "changed")

    def _list_again(self, period: timedelta) -> Iterator[Change | Gone]:
        """Report the builds of a time that were not reported as they are, and the known ones that are not listed."""
        since = time_before(self._state.started_at or EARLIEST, period)
        known, missing = self._known, set[str]()
        if known is not None:
            missing = known.created_from(max(since, self._state.query.created_from or since))
        for build in self._list({"created_from": since}):
            key = build_id(build)
            missing.discard(key)
            if self._reported.get(key) == _fingerprint(build) or (known is not None and known.has_equal(build)):
                continue
            yield self._report(build, is_new=self._is_recent(build) if known is None else key not in known)
        self._store_record(since)
        for key in sorted(missing):
            yield Gone(key)

    def _store_record(self, relisted_from: datetime | None = None) -> None:
        if self._record is not None:
            self._record.store(self._state, relisted_from=relisted_from)


def follow(
    query: FeedQuery,
    list_builds: ListBuilds,
    checkpoint: str | Mapping[str, Any] | None,
    *,
    reconcile: timedelta | None,
    known: Known | None,
    record: FeedRecord | None = None,
) -> Changes[Any]:
    """Return a feed of a query; see `BuildQuerySet.changed_since`.

    Args:
        query: The query.
        list_builds: Lists its builds.
        checkpoint: The checkpoint of the last run.
        reconcile: The time whose builds to list again.
        known: The builds of that time that are known.
        record: Stores what the run sees; None if that is not stored.
    """
    check_reconcile(reconcile, known)
    if reconcile is not None and (checkpoint is None or reconcile <= timedelta()):
        why = "changed_since(None) lists everything" if checkpoint is None else "a positive timedelta"
        raise ValueError(f"reconcile={reconcile!r}: {why}")
    state = FeedState(query=query) if checkpoint is None else read_state(checkpoint)
    query.check_same(state.query)
    builds = None if known is None else KnownBuilds(known)
    return Changes(state, list_builds, reconcile=reconcile, known=builds, record=record)


def check_reconcile(reconcile: object, known: object) -> None:
    """Check that `reconcile` is a time, and that there is no `known` without it.

    Raises:
        TypeError: It is not a timedelta.
        ValueError: It is missing.
    """
    if reconcile is None and known is not None:
        raise ValueError("known= is compared with what reconcile= lists again: add reconcile=timedelta(…)")
    if reconcile is not None and not isinstance(reconcile, timedelta):
        raise TypeError(f"reconcile={reconcile!r}: a timedelta, such as timedelta(days=7)")


def _fingerprint(build: Build) -> tuple[object, ...]:
    return tuple(build.__dict__.get(name) for name in ("state", "blocked", "finished_at"))


def time_before(moment: datetime, period: timedelta) -> datetime:
    """Return an earlier time as a whole second; not before 1970."""
    try:
        return max((moment - period).replace(microsecond=0), EARLIEST)
    except OverflowError:
        return EARLIEST
