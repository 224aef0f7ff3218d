"""Polls a build until it is finished."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from buildkite_orm.errors import BuildBlockedError, BuildkiteError, UnprocessableEntityError
from buildkite_orm.http.retry import time_limit
from buildkite_orm.models.paths import short_path
from buildkite_orm.progress import progress_line
from buildkite_orm.resources.builds.build import BuildRef
from buildkite_orm.resources.builds.poll_schedule import PollSchedule
from buildkite_orm.resources.builds.status import JOB_ENDS, displayed_state, moment
from buildkite_orm.resources.builds.wait_state import wait_state

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from buildkite_orm.resources.builds.build import Build
    from buildkite_orm.resources.builds.build_filters import BuildFetch
    from buildkite_orm.resources.builds.deadline import Deadline
    from buildkite_orm.resources.builds.waiting import WaitOptions

# Seconds for the request that cancels a build when the time is up.
_CANCEL = 0.5


class BuildWaiter:
    """Polls one build until it is finished.

    Args:
        ref: The build.
        options: How to wait.
        deadline: The time that is left.
        adopt: Loads what was received into the object that the caller holds, and returns that object.
        first: The build, if it was just loaded; it takes the place of the first poll.
        with_jobs: Whether to load its jobs, retried ones included.
    """

    def __init__(
        self,
        ref: BuildRef,
        options: WaitOptions,
        deadline: Deadline,
        *,
        adopt: Callable[[Build], Build] | None = None,
        first: Build | None = None,
        with_jobs: bool = False,
    ) -> None:
        self._requested_path = ref.api_path
        self._ref = BuildRef.at(ref.session, ref.api_path)  # the new build after a rebuild
        self._options = options
        self._deadline = deadline
        self._adopt = adopt
        self._first = first
        self._build = first
        self._state = wait_state(ref.session)
        self._schedule = PollSchedule(ref, deadline)
        self._fetch_options: BuildFetch = {
            "with_jobs": with_jobs,
            "with_pipeline": ref.__dict__.get("embedded_pipeline") is not None,
        }
        if with_jobs:
            self._fetch_options["include_retried_jobs"] = True

    def wait(self) -> Build:
        """Wait until the build is finished, and return it."""
        last_state: str | None = None
        try:
            with self.interruptible(), progress_line(self._options.progress) as show:
                for build in self.polls():
                    show(_progress(build))
                    if displayed_state(build) != last_state and self._options.on_change is not None:
                        self._options.on_change(build)
                    last_state = displayed_state(build)
        finally:
            if self._build is not None and self._adopt is not None and self._build.api_path == self._requested_path:
                self._build = self._adopt(self._build)
        return cast("Build", self._build)

    @contextmanager
    def interruptible(self) -> Generator[None]:
        """Count as a wait inside the block; on Ctrl-C, say that the build continues."""
        try:
            with self._state.waiting():
                yield
        except KeyboardInterrupt as interrupt:
            interrupt.args = (self._interrupt_message(),)
            raise

    def polls(self) -> Iterator[Build]:
        """Yield the build each time that it was loaded; the last one is finished, or blocked if that ends the wait."""
        while True:
            build = self._first or self._deadline.try_request(self._fetch)
            self._first = None
            if build is not None:
                self._build = build
                yield build
                if self.is_done(build):
                    return
            if self._deadline.is_over:
                yield self._cancel_or_raise()
                return
            self._deadline.pause(self._schedule.interval(self._build))

    def _fetch(self) -> Build:
        return self._ref.fetch(**self._fetch_options)

    @property
    def ref(self) -> BuildRef:
        """The build that is polled; after a rebuild, the new one."""
        return self._ref

    @property
    def build(self) -> Build | None:
        """The build as it was loaded last; None before that."""
        return self._build

    def interval(self, build: Build | None) -> float:
        """Return the seconds until the next poll."""
        return self._schedule.interval(build)

    def is_done(self, build: Build) -> bool:
        """Whether the wait ends with this build; the end from before a restart does not count."""
        path = self._ref.api_path
        restart = self._state.restart_of(path)
        if not build.is_blocked and not build.is_finished:
            self._state.note_unfinished(path)
            return False
        if build.is_blocked and self._options.on_blocked == "wait":
            self._note_blocked(build)
            return False
        if restart is not None and restart.is_old(moment(build, "finished_at"), build.session.clock.monotonic()):
            if restart.rebuilt_as is not None:
                self._ref = BuildRef.at(build.session, restart.rebuilt_as)
            return False
        if build.is_blocked and self._options.on_blocked == "raise":
            error = BuildBlockedError(f"{short_path(build.api_path)} is blocked: it waits to be unblocked")
            error.build = build
            raise error
        self._schedule.note_finished(build)
        return True

    def _note_blocked(self, build: Build) -> None:
        """Remember the time of the blocked state: once unblocked, the build may show that state as if finished."""
        restart = self._state.restart_of(build.api_path)
        if restart is None or restart.rebuilt_as is None:
            self._state.add_restart(build.api_path, moment(build, "finished_at"))

    def _cancel_or_raise(self) -> Build:
        """End a wait whose time is up: cancel the build if requested; return it if it finished meanwhile, or raise."""
        state = "could not be loaded" if self._build is None else f"is still {displayed_state(self._build)}"
        error = self._deadline.timeout_error(f"{short_path(self._ref.api_path)} {state}")
        if self._options.cancel_on_timeout:
            outcome, finished = self.cancel()
            if finished is not None:
                return finished
            error.message += f"; {outcome}"
        error.build = self._build
        raise error

    def cancel(self) -> tuple[str, Build | None]:
        """Cancel the build; return what has become of it, and the build if it was finished before."""
        try:
            with time_limit(_CANCEL, self._ref.session.clock):
                self._build = self._ref.cancel()
        except BuildkiteError as failure:
            outcome = f"it could not be canceled: {failure.message}"
            outcome += "; it may be canceled nevertheless" if failure.outcome_unknown else ""
            return outcome, self._finished_before(failure)
        return "it is being canceled", None

    def _finished_before(self, failure: BuildkiteError) -> Build | None:
        """Return the build if it could not be canceled because it is finished."""
        build = self._deadline.try_request(self._fetch) if isinstance(failure, UnprocessableEntityError) else None
        self._build = build or self._build
        return build if build is not None and self.is_done(build) else None

    def _interrupt_message(self) -> str:
        name, build = short_path(self._ref.api_path), self._build
        if build is None:
            return f"stopped waiting for {name}; the build continues"
        url = f": {build.web_url}" if build.web_url else ""
        return f"stopped waiting for {name}, which is {displayed_state(build)}; the build continues{url}"


def _progress(build: Build) -> str:
    parts = [f"{short_path(build.api_path)} {displayed_state(build)}"]
    if build.duration is not None:
        minutes, seconds = divmod(int(build.duration.total_seconds()), 60)
        parts.append(f"{minutes}:{seconds:02}")
    counts = build.job_state_counts
    if counts is not None:
        finished = sum(count for state, count in counts.states.items() if state in JOB_ENDS)
        parts.append(f"{finished} of {counts.total} jobs finished")
    return ", ".join(parts)
