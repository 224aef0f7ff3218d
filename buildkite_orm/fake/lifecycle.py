"""The lifecycle of builds: events on a heap, processed up to the clock's time before each request.

A build goes creating -> scheduled -> running -> (failing ->) passed, failed or canceled. A job is released when the
steps that it needs have ended: its dependencies, or the wait and block steps before it.
"""

from __future__ import annotations

import heapq
import itertools
from functools import partial
from typing import TYPE_CHECKING, Any

from buildkite_orm.fake.agents import disconnect, free_agent
from buildkite_orm.fake.job_factory import create_jobs, create_retry, upload_jobs
from buildkite_orm.fake.outcomes import Outcomes
from buildkite_orm.fake.progress import Progress, needs_step
from buildkite_orm.fake.records import UNFINISHED_JOB
from buildkite_orm.fake.steps import BlockStep, CommandStep, TriggerStep, absorbs
from buildkite_orm.fake.times import seconds
from buildkite_orm.fake.wildcards import allows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from buildkite_orm.fake.clock import Clock
    from buildkite_orm.fake.records import AgentRecord, BuildRecord, JobRecord, PipelineRecord, UserRecord
    from buildkite_orm.fake.settings import Settings
    from buildkite_orm.fake.steps import Step
    from buildkite_orm.fake.store import Store

_AGENT_RETRY = 5.0
CANCELABLE = frozenset({"creating", "scheduled", "running", "failing"})
FINISHABLE = frozenset({"pending", "scheduled", "assigned", "accepted", "running", "limited"})


class Lifecycle:
    """Moves builds and their jobs from state to state."""

    def __init__(self, store: Store, clock: Clock, settings: Settings) -> None:
        self._store = store
        self._clock = clock
        self._settings = settings
        self.outcomes = Outcomes()
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._moment: float | None = None

    @property
    def now(self) -> float:
        """The time of the current event, or the clock's."""
        return seconds(self._clock.now()) if self._moment is None else self._moment

    def run(self) -> None:
        """Process all events that are due."""
        until = self._clock.now()
        while self._heap and self._heap[0][0] <= until:
            self._moment, _, callback = heapq.heappop(self._heap)
            try:
                callback()
            finally:
                self._moment = None

    def at(self, moment: float, callback: Callable[[], None]) -> None:
        """Schedule a callback."""
        heapq.heappush(self._heap, (round(moment, 3), next(self._order), callback))

    def _later(self, delay: float, callback: Callable[[], None]) -> None:
        self.at(self.now + delay, callback)

    # -- builds

    def create(self, pipeline: PipelineRecord, *, created_at: float | None = None, **fields: Any) -> BuildRecord:
        """Create a build that will run; if `created_at` is in the past, `run` catches up."""
        created = self.now if created_at is None else seconds(created_at)
        build = self._store.new_build(pipeline, created_at=created, state="creating", **fields)
        build.job_list = create_jobs(self._store, build)
        self.at(created + self._settings.pace.creating, lambda: self._schedule(build))
        self._replace_earlier_builds(build)
        return build

    def _replace_earlier_builds(self, build: BuildRecord) -> None:
        """Skip or cancel earlier builds of the branch, if the pipeline says so."""
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
        build.finished_at = self._settings.finished_at("skipped", self.now)
        for job in build.jobs:
            if job.unfinished or job.state == "waiting":
                self._drop(job, "skipped")
                self._free(job)
        self._store.move(build, "skipped")
        self._finish_trigger_job(build)

    def _schedule(self, build: BuildRecord) -> None:
        if build.state != "creating":
            return
        build.scheduled_at = self.now
        self._store.move(build, "scheduled")
        self.advance(build)

    def cancel(self, build: BuildRecord, *, outdated: bool = False) -> None:
        """Cancel a build: jobs that have not started end at once, running ones after a delay."""
        self._store.move(build, "canceling")
        origin = build.triggered_from
        if outdated and origin is not None and origin.state == "running":
            self._finish(origin, "skipped")
        for job in build.jobs:
            self._cancel_job(job)
        self._later(self._settings.pace.canceling, lambda: self._canceled(build))

    def _cancel_job(self, job: JobRecord) -> None:
        job.retry_pending = False
        if job.state in {"running", "accepted", "assigned"}:
            job.state = "canceling"
            self._later(self._settings.pace.canceling, partial(self._kill, job))
        elif job.state in {"waiting", "blocked"} or (job.state in UNFINISHED_JOB and job.state != "canceling"):
            job.finished_at = self.now
            self._drop(job, "canceled")

    def _drop(self, job: JobRecord, state: str) -> None:
        """End a job that has not run."""
        job.state = state
        if job.type in {"script", "trigger"}:
            self._store.notify("job.finished", job)

    def _kill(self, job: JobRecord) -> None:
        if job.state != "canceling":
            return
        job.exit_status, job.signal, job.signal_reason = -1, "SIGTERM", "cancel"
        self._finish(job, "canceled")

    def _canceled(self, build: BuildRecord) -> None:
        if build.state == "canceling":
            build.finished_at = self.now if build.started_at else self._settings.finished_at("canceled", self.now)
            build.blocked = False
            self._store.move(build, "canceled")
            self._finish_trigger_job(build)

    def delete(self, pipeline: PipelineRecord) -> None:
        """Delete a pipeline with its builds, and free their agents."""
        for build in pipeline.builds:
            self._store.move(build, "canceled", notify=False)
            for job in build.job_list:
                if job.unfinished or job.state in {"waiting", "blocked"}:
                    job.state, job.retry_pending = "canceled", False
                    self._free(job)
            self._finish_trigger_job(build)
        self._store.remove_pipeline(pipeline)

    def build_repeatedly(self, pipeline: PipelineRecord, every: float) -> None:
        """Create a build of a pipeline's default branch every `every` seconds."""

        def callback() -> None:
            if pipeline.organization.pipelines.get(pipeline.slug) is not pipeline:
                return
            branch, commit = pipeline.default_branch or "main", self._store.ids.commit()
            self.create(pipeline, branch=branch, commit=commit, message="Scheduled build", source="schedule")
            self._later(every, callback)

        self._later(every, callback)

    def rebuild(self, build: BuildRecord, user: UserRecord) -> BuildRecord:
        """Create a build with the same commit and settings as another."""
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

    # -- jobs

    def advance(self, build: BuildRecord) -> None:
        """Start the jobs that can start, and update the build's state from its jobs."""
        if not build.unfinished and not build.blocked:
            return
        if build.state in {"creating", "canceling"}:
            return
        self._release(build)
        if self._cancel_on_failing(build):
            self._release(build)
        self._validate(build)

    def _release(self, build: BuildRecord) -> None:
        """Release or fail the waiting jobs whose needs have ended, until no more can be."""
        changed = True
        while changed:
            changed = False
            progress = Progress(build)
            for job in build.jobs:
                if job.state != "waiting" or job.retried:
                    continue
                verdict = progress.verdict(job)
                if verdict == "pending":
                    continue
                self._open(job, failed=verdict == "failed")
                progress.update(job)
                changed = True

    def _open(self, job: JobRecord, *, failed: bool) -> None:
        """Release a waiting job, or end it because what it needs has failed."""
        if failed:
            job.state = "blocked_failed" if job.type == "manual" else "waiting_failed"
        elif job.type == "waiter":
            job.state, job.finished_at = "passed", self.now
        elif job.type == "manual":
            job.state = "blocked"
        else:
            self._make_runnable(job)

    def _make_runnable(self, job: JobRecord) -> None:
        job.scheduled_at = job.runnable_at = self.now
        job.state = "scheduled"
        pace = self._settings.pace
        if isinstance(job.step, TriggerStep):
            self._later(pace.triggering, lambda: self._trigger(job))
        else:
            self._store.notify("job.scheduled", job)
            self._later(pace.assigning, lambda: self._assign(job))

    def _validate(self, build: BuildRecord) -> None:
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
            build.finished_at = self._settings.finished_at("not_run", self.now)
            self._store.move(build, "not_run")
            self._finish_trigger_job(build)
            return
        gate = next((job for job in current if job.state == "blocked"), None)
        build.blocked = gate is not None
        passing = gate.step.blocked_state if gate and isinstance(gate.step, BlockStep) else "passed"
        self._store.move(build, "failed" if failed else passing)
        if build.blocked:
            build.finished_at = self._settings.finished_at("blocked", self.now)
        else:
            self._finish_trigger_job(build)

    def _cancel_on_failing(self, build: BuildRecord) -> bool:
        """Cancel the jobs of a failing build whose step says so; return whether there are any."""
        current = [job for job in build.jobs if not job.retried]
        if not any(job.failed_hard for job in current):
            return False
        found = [job for job in current if job.unfinished and getattr(job.step, "cancel_on_build_failing", False)]
        for job in found:
            self._cancel_job(job)
        return bool(found)

    def _assign(self, job: JobRecord) -> None:
        if job.state != "scheduled":
            return
        agent = free_agent(self._store, job, self.now)
        if agent is None:
            self._later(_AGENT_RETRY, lambda: self._assign(job))
            return
        agent.job, job.agent = job, agent
        job.state = "assigned"
        self._later(self._settings.pace.accepting, lambda: self._accept(job))

    def _accept(self, job: JobRecord) -> None:
        if job.state != "assigned":
            return
        job.state = "accepted"
        self._later(self._settings.pace.starting, lambda: self._start(job))

    def _start(self, job: JobRecord) -> None:
        if job.state != "accepted":
            return
        step = self.outcomes.apply(job, job.step if isinstance(job.step, CommandStep) else CommandStep())
        job.step, job.state, job.started_at = step, "running", self.now
        job.build.started_at = job.build.started_at or self.now
        if step.concurrency_wait_ms is not None:
            job.concurrency_wait_time_ms = step.concurrency_wait_ms
        if step.promised_exit_status is not None:
            self._later(step.duration / 2, lambda: self._promise(job, step.promised_exit_status))
        if step.log is not None:
            job.log = step.log
        limit = self._timeout(job, step)
        if limit is not None and step.duration > limit:
            self._later(limit, lambda: self._time_out(job, step))
        else:
            self._later(step.duration, lambda: self._end(job, step))
        self.advance(job.build)
        self._store.notify("job.started", job)

    def _timeout(self, job: JobRecord, step: CommandStep) -> float | None:
        """Return the seconds after which a job times out, at most the maximum of its pipeline."""
        pipeline = job.build.pipeline
        default, maximum = pipeline.default_command_step_timeout, pipeline.maximum_command_step_timeout
        limits = [step.timeout or (default and default * 60.0), maximum and maximum * 60.0]
        return min((each for each in limits if each), default=None)

    def _time_out(self, job: JobRecord, step: CommandStep) -> None:
        if job.state == "running":
            job.signal_reason = "cancel"
            self._fail(job, step, -1, "SIGTERM", "timed_out")

    def _promise(self, job: JobRecord, status: int | None) -> None:
        if job.state == "running":
            job.promised_exit_status, job.promised_exit_status_at = status, self.now
            self._store.notify("job.promised_exit_status", job)
            self.advance(job.build)

    def _end(self, job: JobRecord, step: CommandStep) -> None:
        if job.state != "running":
            return
        for path, content in step.artifacts:
            self._store.add_artifact(job, path, content)
        self._exit(job, step, step.exits[min(job.attempt, len(step.exits) - 1)], step.signal)

    def finish(self, job: JobRecord, status: int, signal: str | None = None) -> None:
        """End a script job with any exit status; a failure is retried if the step says so.

        Raises:
            ValueError: It is not a script job, waits for another step, or has ended.
        """
        if job.type != "script" or job.state not in FINISHABLE:
            states = ", ".join(sorted(FINISHABLE))
            raise ValueError(f"a {job.type} job that is {job.state} cannot be finished, only a script job in: {states}")
        job.started_at = job.started_at or self.now
        job.build.started_at = job.build.started_at or self.now
        self._exit(job, job.step if isinstance(job.step, CommandStep) else CommandStep(), status, signal)

    def _exit(self, job: JobRecord, step: CommandStep, status: int, signal: str | None) -> None:
        job.exit_status = status
        if status == 0:
            self._finish(job, "passed")
        else:
            self._fail(job, step, status, signal, "timed_out" if step.times_out else "failed")

    def _fail(self, job: JobRecord, step: CommandStep, status: int, signal: str | None, state: str) -> None:
        job.exit_status, job.signal = status, signal
        job.soft_failed = absorbs(step.soft_fail, status)
        if job.will_retry(*job.ending):
            job.retry_pending, job.retry_type = True, "automatic"
            self._later(self._settings.pace.retrying, lambda: self._retry_automatically(job))
        self._finish(job, state)

    def _finish(self, job: JobRecord, state: str) -> None:
        job.state, job.finished_at = state, self.now
        self._store.notify("job.finished", job)
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
        """Disconnect an agent."""
        disconnect(self._store, agent, self.now)

    # -- triggers

    def _trigger(self, job: JobRecord) -> None:
        step = job.step
        if job.state != "scheduled" or not isinstance(step, TriggerStep):
            return
        target = job.build.organization.pipelines.get(step.pipeline)
        job.started_at = self.now
        job.build.started_at = job.build.started_at or self.now
        if target is None or target.archived_at is not None:
            self._fail_trigger(job)
            return
        job.triggered_build = self.create(
            target,
            branch=step.branch or target.default_branch or "main",
            commit=step.commit or "HEAD",
            message=step.message or step.label or f"Triggered by {job.build.pipeline.slug} #{job.build.number}",
            env={**step.env, **job.env},
            meta_data=dict(step.meta_data),
            source="trigger_job",
            creator=job.build.creator,
            triggered_from=job,
        )
        job.state = "running"
        if step.async_:
            self._finish(job, "passed")
        else:
            self.advance(job.build)

    def _finish_trigger_job(self, build: BuildRecord) -> None:
        origin = build.triggered_from
        if origin is not None and origin.state == "running":
            ends = {"passed": "passed", "skipped": "skipped", "not_run": "passed"}
            state = ends.get(build.state, "failed")
            if state == "failed":
                self._fail_trigger(origin)
            else:
                self._finish(origin, state)

    def _fail_trigger(self, job: JobRecord) -> None:
        job.soft_failed = bool(getattr(job.step, "soft_fail", False))
        self._finish(job, "failed")

    # -- uploads, retries and unblocking

    def upload(self, job: JobRecord, plan: Sequence[Step]) -> list[JobRecord]:
        """Add steps that a running job uploads to its build, after its own step; return their jobs.

        Raises:
            ValueError: The job is not running, or the keys or dependencies of the steps do not fit the build.
        """
        build = job.build
        if job.state != "running":
            raise ValueError(f"a job that is {job.state} cannot upload steps, only one that is running")
        keys = {each.step_key for each in build.jobs} & {step.key for step in plan if step.key is not None}
        if keys:
            raise ValueError(f"the build has steps with the same keys: {', '.join(sorted(map(str, keys)))}")
        jobs = upload_jobs(self._store, job, plan, self.now)
        if any(needs_step(build, each, job.step_id) for each in jobs):
            raise ValueError("an uploaded step depends on a step that waits for it")
        place = max(build.jobs.index(each) for each in build.jobs if job.step_id in {each.step_id, each.uploaded_by})
        build.jobs[place + 1 : place + 1] = jobs
        self.advance(build)
        return jobs

    def retry(self, job: JobRecord, *, kind: str, user: UserRecord | None = None) -> JobRecord:
        """Replace a job with a new attempt."""
        job.retry_pending = False
        job.retry_type, job.retried_by = kind, user
        build = job.build
        retry_job = create_retry(self._store, job, self.now)
        job.retried_in = retry_job
        build.jobs.insert(build.jobs.index(job) + 1, retry_job)
        self._reopen(build)
        self._make_runnable(retry_job)
        self._validate(build)
        return retry_job

    def _retry_automatically(self, job: JobRecord) -> None:
        if job.retry_pending and job.build.unfinished:
            self.retry(job, kind="automatic")

    def retry_soon(self, jobs: list[JobRecord], user: UserRecord) -> None:
        """Retry jobs after a delay."""

        def callback() -> None:
            for job in jobs:
                if not job.retried and job.build.state not in {"canceled", "canceling"}:
                    self.retry(job, kind="manual", user=user)

        self._later(self._settings.pace.retrying, callback)

    def unblock(self, job: JobRecord, user: UserRecord, fields: dict[str, Any]) -> None:
        """Unblock a block step."""
        job.state, job.unblocked_by, job.unblocked_at = "unblocked", user, self.now
        job.field_values = fields
        self._store.notify("job.activated", job)
        build = job.build
        build.meta_data |= {name: str(value) for name, value in fields.items()}
        self._reopen(build)
        self.advance(build)

    def _reopen(self, build: BuildRecord) -> None:
        build.finished_at, build.blocked = build.finished_at if self._settings.keeps_finished_at else None, False
        for job in build.jobs:
            if job.state in {"waiting_failed", "blocked_failed"}:
                job.state = "waiting"
        self._store.move(build, "scheduled" if build.started_at is None else "running")
