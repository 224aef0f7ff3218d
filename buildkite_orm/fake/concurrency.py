"""Concurrency groups: how many jobs of a group run at the same time, and in which order.

Documentation: https://buildkite.com/docs/pipelines/configure/workflows/controlling-concurrency
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkite_orm.fake.steps import CommandStep

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from buildkite_orm.fake.records import JobRecord

_HOLDING = frozenset({"scheduled", "assigned", "accepted", "running", "canceling", "timing_out"})
_QUEUED = frozenset({"waiting", "limited"})


class ConcurrencyGroups:
    """The unfinished jobs of each concurrency group of each organization, the oldest one first.

    A job waits in its group from the creation of its build or upload on. It takes a slot when what it needs has ended
    and the group has room.
    """

    def __init__(self) -> None:
        self._groups: dict[tuple[str, str], dict[str, JobRecord]] = {}

    def add(self, jobs: Iterable[JobRecord]) -> None:
        """Add the jobs that have a group."""
        for job in jobs:
            if (name := group_of(job)) is not None:
                self._groups.setdefault((job.build.organization.id, name), {})[job.id] = job

    def startable(self) -> list[JobRecord]:
        """Return the limited jobs that may start now; each is expected to be scheduled."""
        return [job for key in list(self._groups) for job in self._startable_in(key)]

    def _startable_in(self, key: tuple[str, str]) -> list[JobRecord]:
        jobs = self._groups[key].values()
        active = [job for job in jobs if job.state in _HOLDING | _QUEUED and not job.retried]
        if not active:
            del self._groups[key]
            return []
        active.sort(key=lambda job: (_created_at(job), job.build.sequence))
        self._groups[key] = {job.id: job for job in active}
        holding = sum(job.state in _HOLDING for job in active)
        started = list(_eager(active, holding))
        return [*started, *_ordered(active, holding + len(started), started)]


def group_of(job: JobRecord) -> str | None:
    """Return the concurrency group of a job, or None."""
    return job.step.concurrency_group if isinstance(job.step, CommandStep) else None


def _eager(active: list[JobRecord], holding: int) -> Iterator[JobRecord]:
    """Yield the eager jobs that may start: they need a free slot only, and the highest priority comes first."""
    eager = [job for job in active if job.state == "limited" and _method(job) == "eager"]
    for job in sorted(eager, key=lambda job: -job.priority):
        if holding < _limit(job):
            holding += 1
            yield job


def _ordered(active: list[JobRecord], holding: int, started: list[JobRecord]) -> Iterator[JobRecord]:
    """Yield the other jobs that may start: the slots in use and the jobs ahead are fewer than a job's limit."""
    ahead = 0
    for job in active:
        if job.state not in _QUEUED or job in started or _is_behind_block(job):
            continue
        if job.state == "limited" and _method(job) != "eager" and holding + ahead < _limit(job):
            holding += 1
            yield job
        else:
            ahead += 1


def _created_at(job: JobRecord) -> float:
    """Return when the first attempt of a job was created: when its build or its upload was."""
    while job.retry_source is not None:
        job = job.retry_source
    return job.created_at


def _method(job: JobRecord) -> str:
    return job.step.concurrency_method if isinstance(job.step, CommandStep) else "ordered"


def _limit(job: JobRecord) -> int:
    return (job.step.concurrency if isinstance(job.step, CommandStep) else None) or 1


def _is_behind_block(job: JobRecord) -> bool:
    """Return whether a job waits for a block or input step, directly or not: it has not joined its group yet."""
    if job.state != "waiting":
        return False
    by_step: dict[str, list[JobRecord]] = {}
    for each in job.build.jobs:
        by_step.setdefault(each.step_id, []).append(each)
    waiting, found = [job], {job.step_id}
    while waiting:
        needed = {step_id for need in waiting.pop().needs for step_id in need.step_ids} - found
        found |= needed
        jobs = [each for step_id in needed for each in by_step.get(step_id, ())]
        if any(each.type == "manual" and each.state in {"waiting", "blocked"} for each in jobs):
            return True
        waiting.extend(jobs)
    return False
