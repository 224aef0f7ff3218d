"""The windows of a change feed: which builds a run lists, and what it learns from them.

A build that has changed since the last run is open, or has ended since. The API finds the open ones by their state, and
those that have ended by `finished_at`. What is left are endings without that time: the documentation mentions none, but
does not rule them out either. These are found by the time of creation.

| window | what it lists |
| --- | --- |
| everything | in the first run only: all builds |
| open | the builds in open states; blocked ones too, until one with a `finished_at` and none without was seen |
| finished | the builds that have finished since the start of the last run, less five minutes |
| dropped | skipped, not run and canceled builds, as old as the oldest open build of the last run |
| unblocked | older ones in these states, as old as the oldest blocked build that has not started |

The last window is left out where it can find nothing: if all endings that were seen have a time, or nothing is blocked.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar, Final

from buildkite_orm.data.checkpoint import EARLIEST
from buildkite_orm.models.enums import BuildState
from buildkite_orm.querysets.crowded_second import build_id, created_at
from buildkite_orm.resources.builds.status import BUILD_ENDS, build_is_blocked, moment

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from buildkite_orm.data.checkpoint import FeedState, WindowName
    from buildkite_orm.resources.builds.build import Build
    from buildkite_orm.resources.builds.build_filters import BuildFilters

MARGIN: Final = timedelta(minutes=5)
_MOST_GATES: Final = 20
OPEN_STATES: Final = (
    BuildState.CREATING,
    BuildState.SCHEDULED,
    BuildState.RUNNING,
    BuildState.FAILING,
    BuildState.CANCELING,
)
DROPPED: Final = (BuildState.SKIPPED, BuildState.NOT_RUN, BuildState.CANCELED)


class Window(ABC):
    """A part of the builds that a run lists, newest first.

    Attributes:
        name: Its name in checkpoints.
        may_miss: Whether a build that is missed, since it moves to another page meanwhile, is found by the next run.
    """

    name: ClassVar[WindowName]
    may_miss: ClassVar[bool] = True

    def states(self, state: FeedState) -> Sequence[BuildState] | None:  # noqa: ARG002 - for subclasses
        """Return the states to list; None for all. They may become fewer while the window is read."""
        return None

    @abstractmethod
    def bounds(self, state: FeedState) -> BuildFilters | None:
        """Return the times to list; None if there is nothing to list."""

    def includes(self, state: FeedState, build: Build) -> bool:  # noqa: ARG002 - for subclasses
        """Whether this window reports a build that it lists; if not, another one does."""
        return True


class Everything(Window):
    """All builds: the only window of the first run."""

    name = "everything"

    def bounds(self, state: FeedState) -> BuildFilters:  # noqa: ARG002
        """Return no bounds."""
        return {}


class Open(Window):
    """The builds in open states.

    A blocked build that has a `finished_at` counts as finished. Blocked builds are only listed until it is known that
    they have one: those that nobody unblocks must not cost requests in every run.
    """

    name = "open"

    def states(self, state: FeedState) -> Sequence[BuildState]:
        """Return the open states."""
        return OPEN_STATES if state.finish_times.get(BuildState.BLOCKED) else (*OPEN_STATES, BuildState.BLOCKED)

    def bounds(self, state: FeedState) -> BuildFilters:  # noqa: ARG002
        """Return no bounds."""
        return {}

    def includes(self, state: FeedState, build: Build) -> bool:  # noqa: ARG002
        """Leave out blocked builds that count as finished."""
        return not _is_gate(build) or moment(build, "finished_at") is None


class Finished(Window):
    """The builds that have finished since the start of the last run."""

    name = "finished"
    may_miss = False

    def bounds(self, state: FeedState) -> BuildFilters:
        """Return the start of the last run, less five minutes."""
        return {"finished_from": last_run(state)}

    def includes(self, state: FeedState, build: Build) -> bool:  # noqa: ARG002
        """Leave out builds that continue after a retry: they are open now, or will be in the next run."""
        return _is_gate(build) or build.__dict__.get("state") not in OPEN_STATES


class _NotStarted(Window):
    """Builds that may have ended before they started."""

    def includes(self, state: FeedState, build: Build) -> bool:
        """Leave out the builds that the window `finished` lists."""
        finished_at = moment(build, "finished_at")
        return finished_at is None or finished_at < last_run(state)


class Dropped(_NotStarted):
    """Builds that may have ended without `finished_at` since the last run."""

    name = "dropped"

    def states(self, state: FeedState) -> Sequence[BuildState]:  # noqa: ARG002
        """Return the states in which a build may end before it starts."""
        return DROPPED

    def bounds(self, state: FeedState) -> BuildFilters:
        """Return the creation of the oldest build that was open in the last run."""
        return {"created_from": dropped_from(state)}


class Unblocked(_NotStarted):
    """Older builds that were unblocked since the last run, and then ended before they started, without `finished_at`.

    That may be a build that was seen blocked; or one that was open two runs ago, and blocked and unblocked since.
    """

    name = "unblocked"

    def states(self, state: FeedState) -> Sequence[BuildState]:
        """Return the states in which no build with a `finished_at` was seen, or one without."""
        return [each for each in DROPPED if not state.finish_times.get(each)]

    def bounds(self, state: FeedState) -> BuildFilters | None:
        """Return the time from the oldest such build to the bound of the window `dropped`."""
        times = [*state.gates.values(), state.gates_since]
        if state.finish_times.get(BuildState.BLOCKED):  # else the window `open` lists blocked builds
            times.append(state.open_before)
        since = min((time for time in times if time is not None), default=None)
        until = dropped_from(state)
        return None if since is None or since >= until else {"created_from": since, "created_to": until}


FIRST_RUN: Final[list[Window]] = [Everything()]
LATER_RUNS: Final[list[Window]] = [Open(), Finished(), Dropped(), Unblocked()]


def windows_of(state: FeedState) -> list[Window]:
    """Return the windows of a run in the order in which they are read, from the one on that it has arrived at."""
    windows = FIRST_RUN if state.started_at is None else LATER_RUNS
    names = [window.name for window in windows]
    at = names.index(state.run.window) if state.run is not None and state.run.window in names else 0
    return windows[at:]


def learn(state: FeedState, build: Build) -> None:
    """Note what a build shows about this run, and about the server."""
    is_gate, data = _is_gate(build), build.__dict__
    found = data.get("state")
    ending = BuildState.BLOCKED if is_gate else found if isinstance(found, str) else None  # a list has no hash
    if is_gate or ending in {BuildState.SKIPPED, BuildState.NOT_RUN} or _is_canceled_before_start(build):
        has_time = moment(build, "finished_at") is not None
        state.finish_times[str(ending)] = has_time and state.finish_times.get(str(ending), True)
    created = created_at(build)
    note_gate(state, build_id(build), created if is_gate and moment(build, "started_at") is None else None)
    if created is None or is_gate or ending in BUILD_ENDS or state.run is None:
        return
    second = created.replace(microsecond=0)  # other builds of this second may have been missed
    if state.run.open_since is None or second < state.run.open_since:
        state.run.open_since = second


def note_gate(state: FeedState, build: str, created: datetime | None) -> None:
    """Remember a blocked build that has not started; forget it when it is no longer blocked."""
    if created is None:
        state.gates.pop(build, None)
        return
    state.gates[build] = created
    if len(state.gates) > _MOST_GATES:
        times = [*state.gates.values(), state.gates_since]
        state.gates_since = min(time for time in times if time is not None)
        state.gates.clear()


def _is_gate(build: Build) -> bool:
    """Return whether a build waits to be unblocked; one that is being canceled does not any more."""
    return build_is_blocked(build) and build.__dict__.get("state") != BuildState.CANCELING


def _is_canceled_before_start(build: Build) -> bool:
    return build.__dict__.get("state") == BuildState.CANCELED and moment(build, "started_at") is None


def last_run(state: FeedState) -> datetime:
    """Return the start of the last run, less five minutes."""
    return EARLIEST if state.started_at is None else state.started_at - MARGIN


def dropped_from(state: FeedState) -> datetime:
    """Return the start of the last run, less five minutes, or the creation of the oldest build that was open in it."""
    since = last_run(state)
    return since if state.open_since is None else min(since, state.open_since)
