"""Waiting for builds: until one has ended, change by change, or until there is one."""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast, get_args

from buildkite_orm.errors import (
    BuildBlockedError,
    BuildkiteError,
    RateLimitError,
    StatusError,
    UnprocessableEntityError,
    WaitTimeoutError,
)
from buildkite_orm.http.retry import is_retryable, within
from buildkite_orm.http.session import ApiRequest
from buildkite_orm.models.paths import parent_path, short_path
from buildkite_orm.progress import progress_line
from buildkite_orm.resources.builds.actions import OnBlocked
from buildkite_orm.resources.builds.build import BuildRef
from buildkite_orm.resources.builds.status import JOB_ENDS, job_title, moment
from buildkite_orm.resources.builds.wait_state import wait_state
from buildkite_orm.utils.cancellation import sleep
from buildkite_orm.utils.plain_values import as_number
from buildkite_orm.utils.text import escape_control

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from contextlib import AbstractContextManager
    from datetime import datetime

    from buildkite_orm.http.session import Session
    from buildkite_orm.resources.builds.build import Build, BuildFetch, BuildFilters
    from buildkite_orm.resources.builds.job import Job
    from buildkite_orm.resources.pipelines.ref import PipelineRef

T = TypeVar("T")

SHORTEST: Final = 2.0
LONGEST: Final = 30.0
OUTAGE: Final = 900.0
_UNKNOWN_WAIT: Final = 60.0
# What a request gets that begins when the time is up, or nearly: the first look, one after the last pause, the cancel.
_FIRST_LOOK: Final = 0.5
_LAST_LOOK: Final = 0.4
_CANCEL: Final = 0.5


@dataclass(frozen=True, slots=True)
class BuildChange:
    """Something changed: the build, or one of its jobs.

    Attributes:
        build: The build as it is now, with its jobs.
        job: The job that changed; None where the build itself did.
        before: The state before; None for what was not there, or not seen, before.
        after: The state now; `blocked` for a build that waits for somebody.
    """

    build: Build
    job: Job | None
    before: str | None
    after: str

    def __str__(self) -> str:
        what = short_path(self.build.api_path) if self.job is None else escape_control(job_title(self.job))
        return f"{what}: {self.after}" if self.before is None else f"{what}: {self.before} -> {self.after}"


@dataclass(frozen=True, slots=True)
class WaitOptions:
    """How to wait; see `Build.wait`."""

    timeout: float | None = None
    on_blocked: OnBlocked = "return"
    cancel_on_timeout: bool = False
    on_change: Callable[[Build], object] | None = None
    progress: bool | None = None

    def __post_init__(self) -> None:
        timeout = None if self.timeout is None else as_number("timeout", self.timeout)
        object.__setattr__(self, "timeout", timeout)
        if timeout is not None and not timeout >= 0:  # nor is it NaN
            msg = f"timeout={self.timeout!r}: seconds, not below 0"
            raise ValueError(msg)
        if self.on_blocked not in get_args(OnBlocked):
            msg = f"on_blocked={self.on_blocked!r}: one of {', '.join(map(repr, get_args(OnBlocked)))}"
            raise ValueError(msg)


def wait(ref: BuildRef, rules: WaitOptions, own: Callable[[Build], Build]) -> Build:
    """Wait until a build has ended; see `Build.wait`.

    Args:
        ref: The build.
        rules: How to wait.
        own: Has the ref take over what was seen of it, and gives what is to be given.
    """
    return BuildWaiter(ref, rules, Deadline(ref.session, rules.timeout), own=own).keep()


def watch(ref: BuildRef, rules: WaitOptions) -> Iterator[BuildChange]:
    """Give the changes of a build as they happen; see `Build.watch`."""
    vigil = BuildWaiter(ref, rules, Deadline(ref.session, rules.timeout), with_jobs=True)
    return _changes_seen(vigil)


def wait_for(
    pipeline: PipelineRef,
    rules: WaitOptions,
    *,
    commit: str | None = None,
    branch: str | None = None,
    created_from: datetime | None = None,
) -> Build:
    """Wait for a build of a pipeline to appear, and then for its end; see `Pipeline.wait_for`."""
    wanted: dict[str, Any] = {"commit": commit, "branch": branch, "created_from": created_from}
    filters: BuildFilters = {name: value for name, value in wanted.items() if value is not None}  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    patience = Deadline(pipeline.session, rules.timeout)
    found = _appearance(pipeline, filters, patience, rules)
    return BuildWaiter(found, rules, patience, seen=found).keep()


def state_of(build: Build) -> str:
    """Tell the state of a build: `blocked` where it waits for somebody, whatever else it says."""
    return "blocked" if build.is_blocked else str(build.__dict__.get("state"))


def interval(elapsed: float, usual: float | None) -> float:
    """Tell how many seconds to leave between two looks.

    Args:
        elapsed: How many seconds there is something to wait for.
        usual: How many it usually takes, where that is known.
    """
    wanted = elapsed / 10 if usual is None else abs(usual - elapsed) / 2
    return min(max(wanted, SHORTEST), LONGEST)


class Deadline:
    """How long one waits, and what one puts up with meanwhile."""

    def __init__(self, session: Session, timeout: float | None) -> None:
        self._clock = session.clock
        self._timeout = timeout
        self._failing_since: float | None = None
        self._not_before = -math.inf
        self._least = _FIRST_LOOK
        self.began = self._clock.monotonic()
        self.deadline = math.inf if timeout is None else self.began + timeout
        self.error: BuildkiteError | None = None

    @property
    def elapsed(self) -> float:
        """The seconds since the beginning."""
        return self._clock.monotonic() - self.began

    @property
    def is_over(self) -> bool:
        """Whether no time is left."""
        return self._clock.monotonic() >= self.deadline

    def in_time(self, at_least: float) -> AbstractContextManager[None]:
        """Bound the requests of a block by the time that is left, or by so many seconds where that is more."""
        return within(max(self.deadline - self._clock.monotonic(), at_least), self._clock)

    def outlive(self, ask: Callable[[], T | None]) -> T | None:
        """Ask, and put up with it where that fails in a way that may pass; then there is no answer."""
        at_least, self._least = self._least, _LAST_LOOK
        try:
            with self.in_time(at_least):
                answer = ask()
        except BuildkiteError as error:
            if not self._may_pass(error):
                raise
            self.error = error
            return None
        self.error = self._failing_since = None
        return answer

    def pause(self, seconds: float) -> None:
        """Wait, but not past the end of it."""
        now = self._clock.monotonic()
        sleep(self._clock, max(0.0, min(max(now + seconds, self._not_before), self.deadline) - now))

    def out_of_time(self, what: str) -> WaitTimeoutError:
        """Make the error that says so."""
        failing = f"; the last request failed: {self.error.message}" if self.error else ""
        error = WaitTimeoutError(f"{what} after {self._timeout:g} s{failing}")
        error.__cause__ = self.error
        return error

    def _may_pass(self, error: BuildkiteError) -> bool:
        now = self._clock.monotonic()
        asked = error.retry_after if isinstance(error, StatusError) else None
        if isinstance(error, RateLimitError):
            asked = _UNKNOWN_WAIT if asked is None and not error.gave_up else asked
        elif not is_retryable(error, repeatable=True):
            return False
        self._not_before = now + (asked or 0.0)
        self._failing_since = now if self._failing_since is None else self._failing_since
        return self.deadline < math.inf or self._not_before - self._failing_since <= OUTAGE


class BuildWaiter:
    """Looks at one build again and again, until it has ended."""

    def __init__(
        self,
        ref: BuildRef,
        rules: WaitOptions,
        patience: Deadline,
        *,
        own: Callable[[Build], Build] | None = None,
        seen: Build | None = None,
        with_jobs: bool = False,
    ) -> None:
        self._asked_for = ref.api_path
        self._own = own
        self._ref = BuildRef.at(ref.session, self._asked_for)
        self._rules = rules
        self._patience = patience
        self._seen = seen
        self._build = seen
        self._state = wait_state(ref.session)
        self._start: datetime | None = None
        self._started = 0.0
        self._is_restarted = self._state.restart_of(self._asked_for) is not None
        self._fetch: BuildFetch = {
            "with_jobs": with_jobs,
            "with_pipeline": ref.__dict__.get("embedded_pipeline") is not None,
        }
        if with_jobs:
            self._fetch["include_retried_jobs"] = True

    def keep(self) -> Build:
        """Wait for the end, and give the build as it is then."""
        told: str | None = None
        try:
            with self.attended(), progress_line(self._rules.progress) as show:
                for build in self.looks():
                    show(_progress(build))
                    if state_of(build) != told:
                        told = state_of(build)
                        self._tell(build)
        finally:
            self._take_over()
        return cast("Build", self._build)

    @contextmanager
    def attended(self) -> Generator[None]:
        """Count as a wait, inside the block, and say on Ctrl-C how things stand."""
        try:
            with self._state.waiting():
                yield
        except KeyboardInterrupt as stop:
            stop.args = (self._left(),)
            raise

    def in_time(self) -> AbstractContextManager[None]:
        """Bound the requests of a block by the time that is left."""
        return self._patience.in_time(_LAST_LOOK)

    def looks(self) -> Iterator[Build]:
        """Give the build each time that it is seen; the last time as it is in the end."""
        while True:
            seen = self._seen or self._patience.outlive(self._look)
            self._seen = None
            if seen is not None:
                self._build = seen
                yield seen
                if self._is_over(seen):
                    return
            if self._patience.is_over:
                yield self._at_the_last_moment()
                return
            self._patience.pause(self._pace())

    def _look(self) -> Build:
        return self._ref.fetch(**self._fetch)

    def _tell(self, build: Build) -> None:
        if self._rules.on_change is not None:
            self._rules.on_change(build)

    def _is_over(self, build: Build) -> bool:
        """Judge what was seen: an end from before it was begun again is none."""
        path = self._ref.api_path
        restart = self._state.restart_of(path)
        if not build.is_blocked and not build.is_finished:
            self._state.has_begun(path)
            return False
        if build.is_blocked and self._rules.on_blocked == "wait":
            self._note_blocked(build)
            return False
        if restart is not None and restart.is_old(moment(build, "finished_at"), build.session.clock.monotonic()):
            if restart.rebuilt_as is not None:
                self._ref = BuildRef.at(build.session, restart.rebuilt_as)
            return False
        if build.is_blocked and self._rules.on_blocked == "raise":
            error = BuildBlockedError(f"{short_path(build.api_path)} is blocked: it waits for somebody to unblock it")
            error.build = build
            raise error
        self._note_duration(build)
        return True

    def _note_blocked(self, build: Build) -> None:
        """Keep in mind how it was blocked: when somebody opens it, it may show that state for a moment, as if ended."""
        restart = self._state.restart_of(build.api_path)
        if restart is None or restart.rebuilt_as is None:
            self._state.add_restart(build.api_path, moment(build, "finished_at"))

    def _note_duration(self, build: Build) -> None:
        if build.is_finished and build.duration is not None and not self._is_restarted:
            self._state.note_duration(self._pipeline, build.duration.total_seconds())

    @property
    def _pipeline(self) -> str:
        return parent_path(self._ref.api_path, 2)

    def _pace(self) -> float:
        """Tell how long to wait before the next look: by the usual length, and within the request budget."""
        elapsed, usual = self._patience.elapsed, None
        if self._build is not None and not self._is_restarted:
            elapsed = max(elapsed, self._age(self._build))
            usual = self._state.usual_duration(self._pipeline)
        organization = ApiRequest("GET", self._ref.api_path).organization
        return max(interval(elapsed, usual), self._state.pace(organization))

    def _age(self, build: Build) -> float:
        """Return for how many seconds a build runs; how old it was when first seen, and the time since then."""
        clock = build.session.clock
        start = moment(build, "started_at") or moment(build, "created_at")
        if start is None:
            return 0.0
        if start != self._start:
            self._start, self._started = start, clock.monotonic() - max(0.0, clock.now() - start.timestamp())
        return clock.monotonic() - self._started

    def _at_the_last_moment(self) -> Build:
        """Cancel the build if that is asked for, and give it if it has ended now; else say that the time is up."""
        state = "not seen" if self._build is None else f"still {state_of(self._build)}"
        error = self._patience.out_of_time(f"{short_path(self._ref.api_path)} is {state}")
        if self._rules.cancel_on_timeout:
            try:
                with within(_CANCEL, self._ref.session.clock):
                    self._build = self._ref.cancel()
                error.message += "; it is being canceled"
            except BuildkiteError as failed:
                error.message += f"; it could not be canceled: {failed.message}"
                error.message += "; it may be canceled all the same" if failed.outcome_unknown else ""
                ended = self._ended_after(failed)
                if ended is not None:
                    return ended
        error.build = self._build
        raise error

    def _ended_after(self, failed: BuildkiteError) -> Build | None:
        """Give the build if it is not canceled because it has ended meanwhile."""
        seen = self._patience.outlive(self._look) if isinstance(failed, UnprocessableEntityError) else None
        self._build = seen or self._build
        return seen if seen is not None and self._is_over(seen) else None

    def _left(self) -> str:
        name, build = short_path(self._ref.api_path), self._build
        if build is None:
            return f"stopped waiting for {name}; the build goes on"
        where = f": {build.web_url}" if build.web_url else ""
        return f"stopped waiting for {name}, which is {state_of(build)}; the build goes on{where}"

    def _take_over(self) -> None:
        """Have the object that was asked take over what was seen of it."""
        if self._build is not None and self._own is not None and self._build.api_path == self._asked_for:
            self._build = self._own(self._build)


def _changes_seen(vigil: BuildWaiter) -> Iterator[BuildChange]:
    states: dict[str, str] = {}
    with vigil.attended():
        for build in vigil.looks():
            with vigil.in_time():  # they came with the build, unless the response was odd
                jobs = [_change(states, build, job) for job in build.jobs(include_retried_jobs=True)]
            own = _change(states, build, None)
            yield from (change for change in ([*jobs, own] if build.is_finished else [own, *jobs]) if change)


def _change(states: dict[str, str], build: Build, job: Job | None) -> BuildChange | None:
    """Give what has changed since it was asked for the last time, if something has."""
    key, told = (build.id, state_of(build)) if job is None else (job.id, job.state)
    if told is None or states.get(key) == told:
        return None
    before, states[key] = states.get(key), str(told)
    return BuildChange(build, job, before, str(told))


def _appearance(pipeline: PipelineRef, filters: BuildFilters, patience: Deadline, rules: WaitOptions) -> Build:
    """Wait until there is a build, and give the newest."""
    told = " and ".join(f"{name} {value}" for name, value in filters.items())
    what = f"{short_path(pipeline.api_path)}: a build{' of ' if told else ''}{told}"
    builds = pipeline.builds(**filters).limit(1)
    organization = ApiRequest("GET", pipeline.api_path).organization
    state = wait_state(pipeline.session)
    try:
        with progress_line(rules.progress) as show, state.waiting():
            while True:
                found = patience.outlive(builds.fresh().first)
                if found is not None:
                    return found
                if patience.is_over:
                    raise patience.out_of_time(f"{what} has not appeared")
                show(f"{what} has not appeared yet")
                patience.pause(max(interval(patience.elapsed, None), state.pace(organization)))
    except KeyboardInterrupt as stop:
        stop.args = (f"stopped waiting: {what} has not appeared",)
        raise


def _progress(build: Build) -> str:
    told = f"{short_path(build.api_path)} {state_of(build)}"
    if build.duration is not None:
        told += f", {int(build.duration.total_seconds()) // 60}:{int(build.duration.total_seconds()) % 60:02}"
    counts = build.job_state_counts
    if counts is None:
        return told
    ended = sum(count for state, count in counts.states.items() if state in JOB_ENDS)
    return f"{told}, {ended} of {counts.total} jobs ended"
