"""Create the jobs of a build that finished in the past, when they are first requested."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from buildkite_orm.fake.ids import Ids, digest
from buildkite_orm.fake.job_factory import create_jobs, create_retry
from buildkite_orm.fake.past import RETRYING, Failure
from buildkite_orm.fake.steps import CommandStep

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildkite_orm.fake.past import Past
    from buildkite_orm.fake.records import AgentRecord, BuildRecord, JobRecord
    from buildkite_orm.fake.store import Store


def create_finished_jobs(store: Store, past: Past, build: BuildRecord) -> list[JobRecord]:
    """Create the jobs of a finished build, as its past was; the same ones every time."""
    ids = Ids(digest(store.seed, build.sequence))
    jobs = create_jobs(store, build, ids)
    finished: list[JobRecord] = []
    for step, (_, group) in enumerate(groupby(jobs, key=lambda job: job.step_id)):
        for number, job in enumerate(group):
            job.scheduled_at = build.created_at
            finished.extend(_Finisher(store, past, ids).finish(job, Failure(step, number)))
    return finished


class _Finisher:
    """Finishes a job."""

    def __init__(self, store: Store, past: Past, ids: Ids) -> None:
        self._store = store
        self._past = past
        self._ids = ids

    def finish(self, job: JobRecord, place: Failure) -> Iterator[JobRecord]:
        """Yield the attempts of a job.

        Args:
            job: The job, which waits.
            place: Where it is in the plan.
        """
        past = self._past
        start = past.starts[place.step] if place.step < len(past.starts) else None  # a step that was added since
        yield job
        if job.state != "waiting":
            return
        if start is None:
            _mark_not_run(job, past.state)
        elif past.state == "canceled" and start >= past.finished_at:
            _mark_not_run(job, "canceled")
        elif job.type in {"waiter", "manual"}:
            _pass_gate(job, start, past)
        else:
            yield from self._run(job, start, place)

    def _run(self, job: JobRecord, start: float, place: Failure) -> Iterator[JobRecord]:
        """Run a job; yield its second attempt, if it has one."""
        past, step = self._past, job.step
        job.agent = _agent(job, self._ids)
        whole = place.number == 0 or place == past.failure  # the other jobs of a step are faster
        part = 1.0 if whole else self._ids.random.uniform(0.75, 1)
        queue = past.queue if job.type == "script" else 0.0
        flakes = past.flakes(step) and place != past.failure
        run_time = past.first_run_time(step) if flakes else past.run_time(step) * part
        self._end(job, start, queue, run_time, self._status(job, place, flakes=flakes))
        if flakes and job.state == "failed" and job.finished_at is not None:
            job.retry_type = "automatic"
            retry = create_retry(self._store, job, round(job.finished_at + RETRYING, 3), self._ids)
            job.retried_in, retry.agent = retry, job.agent
            self._end(retry, retry.created_at, queue, past.run_time(step), 0)
            yield retry

    def _status(self, job: JobRecord, place: Failure, *, flakes: bool) -> int:
        if place == self._past.failure:
            return -1 if self._past.agents_stopped else 1
        step = job.step
        if not isinstance(step, CommandStep):
            return 0
        return step.exits[0] if flakes or (step.soft_fail and self._past.soft_failed) else 0

    def _end(self, job: JobRecord, start: float, queue: float, run_time: float, status: int) -> None:
        """Set the times and the outcome of an attempt."""
        past, started = self._past, round(start + queue, 3)
        job.runnable_at = start
        if past.state == "canceled" and started >= past.finished_at:
            _mark_not_run(job, "canceled")
            return
        job.started_at, job.finished_at = started, round(started + run_time, 3)
        if past.state != "canceled":
            job.finished_at = min(job.finished_at, past.finished_at)  # rounded times may exceed it
        elif job.finished_at > past.finished_at:
            job.finished_at = past.finished_at
            job.state = "canceled"
            if job.type == "script":
                job.exit_status, job.signal, job.signal_reason = -1, "SIGTERM", "cancel"
            return
        if job.type == "trigger":
            job.state = "passed"
            return
        self._exit(job, status)

    def _exit(self, job: JobRecord, status: int) -> None:
        job.state, job.exit_status = "failed" if status else "passed", status
        if status == -1:
            job.signal, job.signal_reason = "SIGTERM", "agent_stop"
        if isinstance(job.step, CommandStep):
            job.soft_failed = bool(status and job.step.soft_fail)
            job.concurrency_wait_time_ms = job.step.concurrency_wait_ms
            self._store.add_artifacts(job, job.step.artifacts, self._ids)


def _agent(job: JobRecord, ids: Ids) -> AgentRecord | None:
    every = job.build.organization.agents.values()
    agents = [agent for agent in every if agent.queue is job.queue and not agent.ephemeral]
    return ids.random.choice(agents) if agents and job.type == "script" else None


def _mark_not_run(job: JobRecord, state: str) -> None:
    job.agent = None
    if state == "failed":
        job.state = "blocked_failed" if job.type == "manual" else "waiting_failed"
    else:
        job.state = "canceled" if state == "canceled" else "skipped"
        job.finished_at = job.build.finished_at


def _pass_gate(job: JobRecord, moment: float, past: Past) -> None:
    if job.type == "waiter":
        job.state, job.finished_at = "passed", moment
        return
    job.state, job.unblocked_by = "unblocked", job.build.creator
    job.unblocked_at = job.finished_at = round(moment + past.blocked_time, 3)
