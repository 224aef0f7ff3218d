"""How builds and jobs stand and how long they take, read off their data alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from buildkite_orm.errors import UnboundError
from buildkite_orm.models.enums import BuildState, JobFailure, JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from buildkite_orm.models.resource import Model, Resource

BUILD_ENDS: Final = frozenset(
    {BuildState.PASSED, BuildState.FAILED, BuildState.CANCELED, BuildState.SKIPPED, BuildState.NOT_RUN}
)
JOB_ENDS: Final = frozenset(
    {
        JobState.PASSED,
        JobState.FAILED,
        JobState.TIMED_OUT,
        JobState.CANCELED,
        JobState.SKIPPED,
        JobState.BROKEN,
        JobState.EXPIRED,
        JobState.UNBLOCKED,
        JobState.UNBLOCKED_FAILED,
        JobState.BLOCKED_FAILED,
        JobState.WAITING_FAILED,
    }
)
_NOTHING: Final = timedelta()
_FAILURES: Final[dict[str, JobFailure]] = {
    JobState.FAILED: JobFailure.FAILED,
    JobState.TIMED_OUT: JobFailure.TIMED_OUT,
    JobState.EXPIRED: JobFailure.EXPIRED,
    JobState.CANCELED: JobFailure.CANCELED,
}


def build_is_blocked(build: Resource) -> bool:
    """Tell whether a build waits for somebody: by the flag, whatever its state; some pages say so in the state."""
    told = build.__dict__
    return told.get("blocked") is True or told.get("state") == BuildState.BLOCKED


def displayed_state(build: Resource) -> str:
    """Return the state of a build; `blocked` if it waits to be unblocked, whatever its state."""
    return "blocked" if build_is_blocked(build) else str(build.__dict__.get("state"))


def build_is_finished(build: Resource) -> bool:
    """Tell whether a build is at its end; of a state that is not known yet, only `finished_at` tells."""
    if build_is_blocked(build):
        return False
    state = build.__dict__.get("state")
    if isinstance(state, BuildState) and state.is_known:
        return state in BUILD_ENDS
    return moment(build, "finished_at") is not None


def job_is_finished(job: Resource) -> bool:
    """Tell whether a job is at its end; one in a state that is not known yet is not."""
    state = job.__dict__.get("state")
    return isinstance(state, str) and state in JOB_ENDS


def job_failure(job: Resource) -> JobFailure | None:
    """Tell in what way a job failed; None where it did not.

    A job that is `broken` was never run, for its condition or because of another failure: it is none itself.
    """
    told = job.__dict__
    state = told.get("state")
    if state == JobState.RUNNING:
        return JobFailure.PROMISED if told.get("promised_exit_status") else None
    failure = _FAILURES.get(state) if isinstance(state, str) else None
    return JobFailure.SOFT_FAILED if failure and told.get("soft_failed") is True else failure


def job_title(job: Model) -> str:
    """Tell what a job is called: a command may have no name, a block step has a label, a wait has neither."""
    told = job.__dict__
    names: Iterable[Any] = (told.get(key) for key in ("name", "label", "step_key", "command", "type"))
    return next((str(name) for name in names if name), "job")


def job_share(job: Resource) -> str:
    """Tell which of several parallel jobs one is, as `2/5`; nothing where it is the only one."""
    index, total = job.__dict__.get("parallel_group_index"), job.__dict__.get("parallel_group_total")
    return f"{index + 1}/{total}" if isinstance(index, int) and isinstance(total, int) else ""


def took(thing: Resource) -> timedelta | None:
    """Tell how long a build or a job took that has ended; by its data alone, whatever time it is."""
    start, end = moment(thing, "started_at"), moment(thing, "finished_at")
    return None if start is None or end is None else max(end - start, _NOTHING)


def span(thing: Resource, begin: str, *ends: str, over: Callable[[Resource], bool]) -> timedelta | None:
    """Give the time from one of a thing's times to the first of others that it has, or to now.

    Args:
        thing: A build or a job.
        begin: The field that tells when the span begins.
        ends: The fields that tell when it ends.
        over: Tells whether it is over; asked only where none of them tells when it ended.

    Returns:
        None where it has not begun, where it is not known when it ended, or what time it is now; else 0 or more.
    """
    start = moment(thing, begin)
    if start is None:
        return None
    for name in ends:
        end = moment(thing, name)
        if end is not None:
            break
    else:
        end = None if over(thing) else now_of(thing)
    return None if end is None else max(end - start, _NOTHING)


def moment(thing: Resource, name: str) -> datetime | None:
    """Read a time; what came in the place of one is none."""
    value = thing.__dict__.get(name)
    return value if isinstance(value, datetime) else None


def now_of(thing: Resource) -> datetime | None:
    """Tell what time it is for the client that a thing belongs to; None where it belongs to none."""
    try:
        return datetime.fromtimestamp(thing.session.clock.now(), UTC)
    except UnboundError:
        return None
