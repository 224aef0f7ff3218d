"""How builds move: events on a heap, processed up to the clock's time at the beginning of each request.

A build goes creating -> scheduled -> running -> (failing ->) passed, failed or canceled. Its jobs are released section
by section: a wait or block step opens when nothing before it is unfinished, and stays shut behind a failure.
"""

from __future__ import annotations

import heapq
import itertools
from functools import partial
from typing import TYPE_CHECKING, Any

from buildkite_orm.fake.job_factory import expand, retry_of
from buildkite_orm.fake.records import UNFINISHED_JOB
from buildkite_orm.fake.steps import BlockStep, CommandStep, TriggerStep, WaitStep
from buildkite_orm.fake.times import seconds
from buildkite_orm.fake.wildcards import allows

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildkite_orm.fake.clock import Clock
    from buildkite_orm.fake.records import AgentRecord, BuildRecord, JobRecord, PipelineRecord, UserRecord
    from buildkite_orm.fake.settings import Settings
    from buildkite_orm.fake.store import Store

_NO_AGENT_YET = 5.0
CANCELABLE = frozenset({"creating", "scheduled", "running", "failing"})


class Lifecycle:
    """Moves builds and their jobs through time."""

    def __init__(self, store: Store, clock: Clock, settings: Settings) -> None:
        self._store = store
        self._clock = clock
        self._settings = settings
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._moment: float | None = None

    @property
    def now(self) -> float:
        """The time: that of the event in hand, else the clock's."""
        return seconds(self._clock.now()) if self._moment is None else self._moment

    def run(self) -> None:
        """Process all events that are due."""
        until = self._clock.now()
        while self._heap and self._heap[0][0] <= until:
            self._moment, _, happen = heapq.heappop(self._heap)
            try:
                happen()
            finally:
                self._moment = None

    def at(self, moment: float, happen: Callable[[], None]) -> None:
        """Have something happen at a time."""
        heapq.heappush(self._heap, (round(moment, 3), next(self._order), happen))

    def _later(self, delay: float, happen: Callable[[], None]) -> None:
        self.at(self.now + delay, happen)

    # -- builds

    def create(self, pipeline: PipelineRecord, *, created_at: float | None = None, **fields: Any) -> BuildRecord:
        """Create a build that goes its way; `created_at` may lie in the past, and `run` catches up."""
        created = self.now if created_at is None else seconds(created_at)
        build = self._store.new_build(pipeline, created_at=created, state="creating", **fields)
        build.job_list = expand(self._store, build)
        self.at(created + self._settings.pace.creating, lambda: self._schedule(build))
        self._intermediate(build)
        return build

    def _intermediate(self, build: BuildRecord) -> None:
        """Skip or cancel earlier builds of the branch, where the pipeline says so."""
        pipeline = build.pipeline
        for other in list(pipeline.active.values()):
            if other is build or other.branch != build.branch:
                continue
            if other.state in {"creating", "scheduled"}:
                skips = allows(pipeline.skip_queued_branch_builds_filter, other.branch)
                if pipeline.skip_queued_branch_builds and skips:
                    self._skip(other)
            elif other.state in {"running", "failing"}:
                cancels = allows(pipeline.cancel_running_branch_builds_filter, other.branch)
                if pipeline.cancel_running_branch_builds and cancels:
                    self.cancel(other, outdated=True)

    def _skip(self, build: BuildRecord) -> None:
        self._store.move(build, "skipped")
        build.finished_at = self.now
        for job in build.jobs:
            if job.unfinished or job.state == "waiting":
                job.state = "skipped"
                self._free(job)
        self._tell_trigger(build)

    def _schedule(self, build: BuildRecord) -> None:
        if build.state != "creating":
            return
        build.scheduled_at = self.now
        self._store.move(build, "scheduled")
        self.advance(build)

    def cancel(self, build: BuildRecord, *, outdated: bool = False) -> None:
        """Cancel a build: what has not begun ends at once, what runs ends after a moment."""
        self._store.move(build, "canceling")
        origin = build.triggered_from
        if outdated and origin is not None and origin.state == "running":
            self._finish(origin, "skipped")
        for job in build.jobs:
            job.retry_pending = False
            if job.state in {"running", "accepted", "assigned"}:
                job.state = "canceling"
                self._later(self._settings.pace.canceling, partial(self._kill, job))
            elif job.state in UNFINISHED_JOB or job.state in {"waiting", "blocked"}:
                job.state = "canceled"
                job.finished_at = self.now
        self._later(self._settings.pace.canceling, lambda: self._canceled(build))

    def _kill(self, job: JobRecord) -> None:
        if job.state != "canceling":
            return
        job.exit_status, job.signal, job.signal_reason = -1, "SIGTERM", "cancel"
        self._finish(job, "canceled")

    def _canceled(self, build: BuildRecord) -> None:
        if build.state == "canceling":
            build.finished_at = self.now
            build.blocked = False
            self._store.move(build, "canceled")
            self._tell_trigger(build)

    def delete(self, pipeline: PipelineRecord) -> None:
        """Delete a pipeline with its builds; what they ran is let go."""
        for build in pipeline.builds:
            self._store.move(build, "canceled")
            for job in build.job_list:
                if job.unfinished or job.state in {"waiting", "blocked"}:
                    job.state, job.retry_pending = "canceled", False
                    self._free(job)
            self._tell_trigger(build)
        self._store.remove_pipeline(pipeline)

    def recur(self, pipeline: PipelineRecord, every: float) -> None:
        """Build a pipeline's default branch again and again."""

        def happen() -> None:
            if pipeline.organization.pipelines.get(pipeline.slug) is not pipeline:
                return
            branch = pipeline.default_branch or "main"
            self.create(pipeline, branch=branch, commit=self._store.ids.commit(), message="Go on", source="schedule")
            self._later(every, happen)

        self._later(every, happen)

    def rebuild(self, build: BuildRecord, user: UserRecord) -> BuildRecord:
        """Create a build that copies what was captured on another."""
        return self.create(
            build.pipeline,
            branch=build.branch,
            commit=build.commit,
            message=build.message,
            env=dict(build.env) if build.env else {},
            tag=build.tag,
            author=build.author,
            pull_request=build.pull_request,
            meta_data=dict(build.meta_data),
            source="api",
            creator=user,
            rebuilt_from=build,
        )

    # -- the way of the jobs

    def advance(self, build: BuildRecord) -> None:
        """Release the jobs whose turn it is, and give the build the state that follows from its jobs."""
        if not build.unfinished and not build.blocked:
            return
        if build.state in {"creating", "canceling"}:
            return
        self._release(build)
        self._settle(build)

    def _release(self, build: BuildRecord) -> None:
        waiting, failed = False, False
        for job in build.jobs:
            if job.retried:
                continue
            if job.state == "blocked":
                return
            if job.state == "waiting" and isinstance(job.step, WaitStep | BlockStep):
                if waiting:
                    return
                if not self._open(job, failed=failed):
                    return
                continue
            if job.state == "waiting":
                self._make_runnable(job)
            waiting = waiting or job.unfinished
            failed = failed or job.failed_hard

    def _open(self, gate: JobRecord, *, failed: bool) -> bool:
        """Open a gate that has nothing unfinished before it; tell whether what is behind may go on."""
        if isinstance(gate.step, WaitStep):
            if failed and not gate.step.continue_on_failure:
                self._shut(gate)
                return False
            gate.state, gate.finished_at = "passed", self.now
            return True
        if failed:
            self._shut(gate)
        else:
            gate.state = "blocked"
        return False

    def _shut(self, gate: JobRecord) -> None:
        behind = False
        for job in gate.build.jobs:
            behind = behind or job is gate
            if behind and job.state == "waiting":
                job.state = "blocked_failed" if job.type == "manual" else "waiting_failed"

    def _make_runnable(self, job: JobRecord) -> None:
        job.scheduled_at = job.runnable_at = self.now
        step = job.step
        if isinstance(step, CommandStep) and not step.condition:
            job.state, job.broken_reason = "broken", "conditional_failed"
            job.runnable_at = None
            return
        job.state = "scheduled"
        pace = self._settings.pace
        if isinstance(step, TriggerStep):
            self._later(pace.triggering, lambda: self._trigger(job))
        else:
            self._later(pace.assigning, lambda: self._assign(job))

    def _settle(self, build: BuildRecord) -> None:
        current = [job for job in build.jobs if not job.retried]
        failed = any(job.failed_hard for job in current)
        if any(job.unfinished for job in current):
            if failed and build.failing_at is None:
                build.failing_at = self.now
            if build.started_at is not None:
                self._store.move(build, "failing" if failed else "running")
            return
        build.finished_at = self.now
        work = [job.state for job in current if job.type != "waiter"]
        if work and all(state == "broken" for state in work):
            self._store.move(build, "not_run")
            self._tell_trigger(build)
            return
        gate = next((job for job in current if job.state == "blocked"), None)
        build.blocked = gate is not None
        passing = gate.step.blocked_state if gate and isinstance(gate.step, BlockStep) else "passed"
        self._store.move(build, "failed" if failed else passing)
        if not build.blocked:
            self._tell_trigger(build)

    def _assign(self, job: JobRecord) -> None:
        if job.state != "scheduled":
            return
        agent = self._free_agent(job)
        if agent is None:
            self._later(_NO_AGENT_YET, lambda: self._assign(job))
            return
        agent.job, job.agent = job, agent
        job.state = "assigned"
        self._later(self._settings.pace.accepting, lambda: self._accept(job))

    def _free_agent(self, job: JobRecord) -> AgentRecord | None:
        """Find an agent, or bring one up where all of the queue are busy; None where they may not work."""
        organization, queue = job.build.organization, job.queue
        if queue is None or queue.paused or queue.id not in self._store.shelves.of("queue", queue.cluster_id):
            return None
        mine = [agent for agent in organization.agents.values() if agent.queue is queue and not agent.ephemeral]
        ready = [agent for agent in mine if agent.connection_state == "connected" and agent.paused_at is None]
        if mine and not ready:
            return None
        idle = next((agent for agent in ready if agent.job is None), None)
        name = f"elastic-{queue.key}-{len(organization.agents) + 1}"
        return idle or self._store.add_agent(
            organization, name=name, queue=queue, ephemeral=True, created_at=self.now, connected_at=self.now
        )

    def _accept(self, job: JobRecord) -> None:
        if job.state != "assigned":
            return
        job.state = "accepted"
        self._later(self._settings.pace.starting, lambda: self._start(job))

    def _start(self, job: JobRecord) -> None:
        if job.state != "accepted":
            return
        step = job.step if isinstance(job.step, CommandStep) else CommandStep()
        job.state, job.started_at = "running", self.now
        job.build.started_at = job.build.started_at or self.now
        if step.concurrency_wait_ms is not None:
            job.concurrency_wait_time_ms = step.concurrency_wait_ms
        if step.promised_exit_status is not None:
            self._later(step.duration / 2, lambda: self._promise(job, step.promised_exit_status))
        self._later(step.duration, lambda: self._end(job, step))
        self.advance(job.build)

    def _promise(self, job: JobRecord, status: int | None) -> None:
        if job.state == "running":
            job.promised_exit_status, job.promised_exit_status_at = status, self.now
            self.advance(job.build)

    def _end(self, job: JobRecord, step: CommandStep) -> None:
        if job.state != "running":
            return
        for path, content in step.artifacts:
            self._store.add_artifact(job, path, content)
        status = step.exits[min(job.attempt, len(step.exits) - 1)]
        job.exit_status = status
        if status == 0:
            self._finish(job, "passed")
            return
        job.signal = step.signal
        job.soft_failed = step.soft_fail
        if job.attempt < step.automatic_retries:
            job.retry_pending, job.retry_type = True, "automatic"
            self._later(self._settings.pace.retrying, lambda: self._retry_by_itself(job))
        self._finish(job, "timed_out" if step.times_out else "failed")

    def _finish(self, job: JobRecord, state: str) -> None:
        job.state, job.finished_at = state, self.now
        self._free(job)
        self.advance(job.build)

    def _free(self, job: JobRecord) -> None:
        agent = job.agent
        if agent is None or agent.job is not job:
            return
        agent.job, agent.last_job_finished_at = None, self.now
        if agent.ephemeral or agent.connection_state == "stopping":
            self.disconnect(agent)

    def disconnect(self, agent: AgentRecord) -> None:
        """Let an agent go."""
        stopping = agent.connection_state == "stopping"
        agent.connection_state = "stopped" if stopping else "disconnected"
        agent.disconnected_at = self.now
        agent.stopped_at = self.now if stopping else None

    # -- triggers

    def _trigger(self, job: JobRecord) -> None:
        step = job.step
        if job.state != "scheduled" or not isinstance(step, TriggerStep):
            return
        target = job.build.organization.pipelines.get(step.pipeline)
        job.started_at = self.now
        job.build.started_at = job.build.started_at or self.now
        if target is None or target.archived_at is not None:
            self._finish(job, "failed")
            return
        job.triggered_build = self.create(
            target,
            branch=step.branch or job.build.branch,
            commit=job.build.commit if step.branch is None else "HEAD",
            message=job.build.message,
            source="trigger_job",
            creator=job.build.creator,
            triggered_from=job,
        )
        job.state = "running"
        if step.async_:
            self._finish(job, "passed")
        else:
            self.advance(job.build)

    def _tell_trigger(self, build: BuildRecord) -> None:
        origin = build.triggered_from
        if origin is not None and origin.state == "running":
            ends = {"passed": "passed", "skipped": "skipped", "not_run": "passed"}
            self._finish(origin, ends.get(build.state, "failed"))

    # -- once more

    def retry(self, job: JobRecord, *, kind: str, user: UserRecord | None = None) -> JobRecord:
        """Put a new attempt in a job's place."""
        job.retry_pending = False
        job.retry_type, job.retried_by = kind, user
        build = job.build
        again = retry_of(self._store, job, self.now)
        job.retried_in = again
        build.jobs.insert(build.jobs.index(job) + 1, again)
        self._reopen(build)
        self._make_runnable(again)
        self._settle(build)
        return again

    def _retry_by_itself(self, job: JobRecord) -> None:
        if job.retry_pending and job.build.unfinished:
            self.retry(job, kind="automatic")

    def retry_soon(self, jobs: list[JobRecord], user: UserRecord) -> None:
        """Retry jobs after a moment."""

        def happen() -> None:
            for job in jobs:
                if not job.retried and job.build.state not in {"canceled", "canceling"}:
                    self.retry(job, kind="manual", user=user)

        self._later(self._settings.pace.retrying, happen)

    def unblock(self, job: JobRecord, user: UserRecord, fields: dict[str, Any]) -> None:
        """Open a block step."""
        job.state, job.unblocked_by, job.unblocked_at = "unblocked", user, self.now
        job.field_values = fields
        build = job.build
        build.meta_data |= {name: str(value) for name, value in fields.items()}
        self._reopen(build)
        self.advance(build)

    def _reopen(self, build: BuildRecord) -> None:
        build.finished_at, build.blocked = None, False
        for job in build.jobs:
            if job.state in {"waiting_failed", "blocked_failed"}:
                job.state = "waiting"
        self._store.move(build, "scheduled" if build.started_at is None else "running")
