"""The status and the durations of builds and jobs, from their data alone."""

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
    """Return whether a build is blocked: by the flag in any state; some payloads say so in the state."""
    data = build.__dict__
    return data.get("blocked") is True or data.get("state") == BuildState.BLOCKED


def displayed_state(build: Resource) -> str:
    """Return the state of a build; `blocked` if it waits to be unblocked, in any state."""
    return "blocked" if build_is_blocked(build) else str(build.__dict__.get("state"))


def build_is_finished(build: Resource) -> bool:
    """Return whether a build is finished; in an unknown state, `finished_at` decides."""
    if build_is_blocked(build):
        return False
    state = build.__dict__.get("state")
    if isinstance(state, BuildState) and state.is_known:
        return state in BUILD_ENDS
    return moment(build, "finished_at") is not None


def build_has_passed(build: Resource) -> bool:
    """Return whether a build is finished and has passed; one that is blocked may keep that state until it goes on."""
    return build_is_finished(build) and build.__dict__.get("state") == BuildState.PASSED


def job_is_finished(job: Resource) -> bool:
    """Return whether a job is finished; one in an unknown state is not."""
    state = job.__dict__.get("state")
    return isinstance(state, str) and state in JOB_ENDS


def job_failure(job: Resource) -> JobFailure | None:
    """Return the way a job failed; None if it did not.

    A `broken` job was never run, for its condition or because of another failure: it did not fail itself.
    """
    data = job.__dict__
    state = data.get("state")
    if state == JobState.RUNNING:
        return JobFailure.PROMISED if data.get("promised_exit_status") else None
    failure = _FAILURES.get(state) if isinstance(state, str) else None
    return JobFailure.SOFT_FAILED if failure and data.get("soft_failed") is True else failure


def job_title(job: Model) -> str:
    """Return the title of a job: a command may have no name, a block step has a label, a wait step has neither."""
    data = job.__dict__
    names: Iterable[Any] = (data.get(key) for key in ("name", "label", "step_key", "command", "type"))
    return next((str(name) for name in names if name), "job")


def job_share(job: Resource) -> str:
    """Return the index of a parallel job, as `2/5`; empty if it is the only one."""
    index, total = job.__dict__.get("parallel_group_index"), job.__dict__.get("parallel_group_total")
    return f"{index + 1}/{total}" if isinstance(index, int) and isinstance(total, int) else ""


def took(item: Resource) -> timedelta | None:
    """Return the duration of a finished build or job; by its data alone, without a clock."""
    start, end = moment(item, "started_at"), moment(item, "finished_at")
    return None if start is None or end is None else max(end - start, _NOTHING)


def span(item: Resource, begin: str, *ends: str, over: Callable[[Resource], bool]) -> timedelta | None:
    """Return the time from one field of a build or job to the first of other fields that is set, or to now.

    Args:
        item: A build or a job.
        begin: The field of the beginning.
        ends: The fields of the end.
        over: Returns whether it is over; called only if no field of the end is set.

    Returns:
        None if it has not begun, or if its end or the current time is unknown; else 0 or more.
    """
    start = moment(item, begin)
    if start is None:
        return None
    for name in ends:
        end = moment(item, name)
        if end is not None:
            break
    else:
        end = None if over(item) else now_of(item)
    return None if end is None else max(end - start, _NOTHING)


def moment(item: Resource, name: str) -> datetime | None:
    """Return the time in a field; None if the value is not a time."""
    value = item.__dict__.get(name)
    return value if isinstance(value, datetime) else None


def now_of(item: Resource) -> datetime | None:
    """Return the current time of an object's client; None if it has no client."""
    try:
        return datetime.fromtimestamp(item.session.clock.now(), UTC)
    except UnboundError:
        return None
