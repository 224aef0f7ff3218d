"""Waiting for builds: until one is finished, for each change of one, or until one appears."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from buildkite_orm.models.paths import short_path
from buildkite_orm.progress import progress_line
from buildkite_orm.resources.builds.actions import OnBlocked
from buildkite_orm.resources.builds.build_waiter import BuildWaiter
from buildkite_orm.resources.builds.deadline import Deadline
from buildkite_orm.resources.builds.poll_schedule import poll_interval
from buildkite_orm.resources.builds.status import displayed_state, job_title
from buildkite_orm.resources.builds.wait_state import wait_state
from buildkite_orm.utils.plain_values import as_number
from buildkite_orm.utils.text import escape_control

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from buildkite_orm.resources.builds.build import Build, BuildRef
    from buildkite_orm.resources.builds.build_filters import BuildFilters
    from buildkite_orm.resources.builds.job import Job
    from buildkite_orm.resources.pipelines.ref import PipelineRef


@dataclass(frozen=True, slots=True)
class BuildChange:
    """A change of the state of a build or of one of its jobs.

    Attributes:
        build: The build after the change, with its jobs.
        job: The job that changed; None if the build itself did.
        before: The state before; None if it is seen for the first time.
        after: The state now; `blocked` for a build that waits to be unblocked.
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
    """The options of a wait; see `Build.wait`."""

    timeout: float | None = None
    on_blocked: OnBlocked = "return"
    cancel_on_timeout: bool = False
    on_change: Callable[[Any], object] | None = None
    progress: bool | None = None

    def __post_init__(self) -> None:
        timeout = None if self.timeout is None else as_number("timeout", self.timeout)
        object.__setattr__(self, "timeout", timeout)
        if timeout is not None and not timeout >= 0:  # also refuses NaN
            msg = f"timeout={self.timeout!r}: must be 0 or more seconds"
            raise ValueError(msg)
        if self.on_blocked not in get_args(OnBlocked):
            msg = f"on_blocked={self.on_blocked!r}: must be one of {', '.join(map(repr, get_args(OnBlocked)))}"
            raise ValueError(msg)


def wait(ref: BuildRef, options: WaitOptions, adopt: Callable[[Build], Build]) -> Build:
    """Wait until a build is finished; see `Build.wait`.

    Args:
        ref: The build.
        options: How to wait.
        adopt: Loads what was received into the object that the caller holds, and returns that object.
    """
    return BuildWaiter(ref, options, Deadline(ref.session, options.timeout), adopt=adopt).wait()


def watch(ref: BuildRef, options: WaitOptions) -> Iterator[BuildChange]:
    """Yield the changes of a build as they happen; see `Build.watch`."""
    deadline = Deadline(ref.session, options.timeout)
    return _changes(BuildWaiter(ref, options, deadline, with_jobs=True), deadline)


def wait_for(
    pipeline: PipelineRef,
    options: WaitOptions,
    *,
    commit: str | None = None,
    branch: str | None = None,
    created_from: datetime | None = None,
) -> Build:
    """Wait for a build of a pipeline to appear, then until it is finished; see `Pipeline.wait_for`."""
    named: dict[str, Any] = {"commit": commit, "branch": branch, "created_from": created_from}
    filters: BuildFilters = {name: value for name, value in named.items() if value is not None}  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    deadline = Deadline(pipeline.session, options.timeout)
    build = _first_build(pipeline, filters, deadline, options)
    return BuildWaiter(build, options, deadline, first=build).wait()


def _changes(waiter: BuildWaiter, deadline: Deadline) -> Iterator[BuildChange]:
    states: dict[str, str] = {}
    with waiter.interruptible():
        for build in waiter.polls():
            with deadline.limit_requests():  # the jobs are embedded, unless the response was odd
                jobs = [_change(states, build, job) for job in build.jobs(include_retried_jobs=True)]
            own = _change(states, build, None)
            yield from (change for change in ([*jobs, own] if build.is_finished else [own, *jobs]) if change)


def _change(states: dict[str, str], build: Build, job: Job | None) -> BuildChange | None:
    """Return the change of a build or a job since the last poll, and update its state in `states`."""
    key, state = (build.id, displayed_state(build)) if job is None else (job.id, job.state)
    if state is None or states.get(key) == state:
        return None
    before, states[key] = states.get(key), str(state)
    return BuildChange(build, job, before, str(state))


def _first_build(pipeline: PipelineRef, filters: BuildFilters, deadline: Deadline, options: WaitOptions) -> Build:
    """Wait until a build matches the filters, and return the newest."""
    conditions = " and ".join(f"{name} {value}" for name, value in filters.items())
    what = f"{short_path(pipeline.api_path)}: a build{' of ' if conditions else ''}{conditions}"
    builds = pipeline.builds(**filters).limit(1)
    state = wait_state(pipeline.session)
    try:
        with progress_line(options.progress) as show, state.waiting():
            while True:
                build = deadline.try_request(builds.fresh().first)
                if build is not None:
                    return build
                if deadline.is_over:
                    raise deadline.timeout_error(f"{what} has not appeared")
                show(f"{what} has not appeared yet")
                deadline.pause(max(poll_interval(deadline.elapsed), state.min_interval(pipeline.api_path)))
    except KeyboardInterrupt as interrupt:
        interrupt.args = (f"stopped waiting: {what} has not appeared",)
        raise
