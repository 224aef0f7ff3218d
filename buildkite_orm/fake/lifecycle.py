"""The lifecycle of builds: events on a heap, processed up to the clock's time before each request.

A build goes creating -> scheduled -> running -> (failing ->) passed, failed or canceled. A job is released when the
steps that it needs have ended: its dependencies, or the wait and block steps before it.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from buildkite_orm.fake.agents import disconnect
from buildkite_orm.fake.commands import Commands
from buildkite_orm.fake.concurrency import ConcurrencyGroups, group_of
from buildkite_orm.fake.dispatch import Dispatcher
from buildkite_orm.fake.events import Events
from buildkite_orm.fake.execution import Execution
from buildkite_orm.fake.job_factory import create_jobs, create_retry
from buildkite_orm.fake.pipeline_upload import insert_steps
from buildkite_orm.fake.pipeline_yaml.errors import PipelineYamlError
from buildkite_orm.fake.progress import Progress
from buildkite_orm.fake.records import UNFINISHED_JOB
from buildkite_orm.fake.steps import BlockStep, TriggerStep
from buildkite_orm.fake.times import seconds
from buildkite_orm.fake.wildcards import allows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from buildkite_orm.fake.clock import Clock
    from buildkite_orm.fake.outcomes import Outcomes
    from buildkite_orm.fake.records import AgentRecord, BuildRecord, JobRecord, Json, PipelineRecord, UserRecord
    from buildkite_orm.fake.settings import Settings
    from buildkite_orm.fake.steps import Step
    from buildkite_orm.fake.store import Store

CANCELABLE = frozenset({"creating", "scheduled", "running", "failing"})
_DEEPEST_TRIGGER = 10


class Lifecycle:
    """Moves builds and their jobs from state to state.

    Attributes:
        commands: The commands that run for real.
    """

    def __init__(self, store: Store, clock: Clock, settings: Settings, commands: Commands | None = None) -> None:
        self._store = store
        self._settings = settings
        self.commands = commands or Commands(clock)
        self._events = Events(clock, self.commands)
        self._groups = ConcurrencyGroups()
        self._execution = Execution(
            store,
            settings,
            self._events,
            self.commands,
            finish=self._finish,
            advance=self.advance,
            retry=self._retry_automatically,
        )
        self._dispatcher = Dispatcher(store, settings, self._events, self._execution.accept_soon)

    @property
    def outcomes(self) -> Outcomes:
        """The rules that the test has set for jobs."""
        return self._execution.outcomes

    @property
    def now(self) -> float:
        """The time of the current event, or the clock's."""
        return self._events.now

    def run(self) -> None:
        """Process all events that are due."""
        self._events.run()

    def at(self, moment: float, callback: Callable[[], None]) -> None:
        """Schedule a callback."""
        self._events.at(moment, callback)

    def _later(self, delay: float, callback: Callable[[], None]) -> None:
        self._events.later(delay, callback)

    def finish(self, job: JobRecord, status: int, signal: str | None = None) -> None:
        """End a script job with any exit status; see `Execution.finish`."""
        self._execution.finish(job, status, signal)

    def disconnect(self, agent: AgentRecord) -> None:
        """Disconnect an agent."""
        disconnect(self._store, agent, self.now)

    # -- builds

    def create(self, pipeline: PipelineRecord, *, created_at: float | None = None, **fields: Any) -> BuildRecord:
        """Create a build that will run; if `created_at` is in the past, `run` catches up.

        Raises:
            PipelineYamlError: The pipeline is not valid with the variables of the build.
        """
        created = self.now if created_at is None else seconds(created_at)
        build = self._store.new_build(pipeline, created_at=created, state="creating", **fields)
        try:
            build.job_list = create_jobs(self._store, build)
        except PipelineYamlError:
            self._store.discard_build(build)
            raise
        self._groups.add(build.job_list)
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
                self._dispatcher.free(job)
        self._store.move(build, "skipped")
        self._finish_trigger_job(build)
        self._schedule_limited()

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
        self._schedule_limited()

    def _cancel_job(self, job: JobRecord) -> None:
        job.retry_pending = False
        if job.state in {"running", "accepted", "assigned"}:
            job.state = "canceling"
            self.commands.cancel(job)
            self._later(self._settings.pace.canceling, partial(self._execution.kill, job))
        elif job.state in {"waiting", "blocked"} or (job.state in UNFINISHED_JOB and job.state != "canceling"):
            job.finished_at = self.now
            self._drop(job, "canceled")

    def _drop(self, job: JobRecord, state: str) -> None:
        """End a job that has not run."""
        job.state = state
        if job.type in {"script", "trigger"}:
            self._store.notify("job.finished", job)

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
                    self._execution.stop_command(job)
                    self._dispatcher.free(job)
            self._finish_trigger_job(build)
        self._store.remove_pipeline(pipeline)
        self._schedule_limited()

    def build_repeatedly(self, pipeline: PipelineRecord, every: float) -> None:
        """Create a build of a pipeline's default branch every `every` seconds."""

        def callback() -> None:
            if pipeline.organization.pipelines.get(pipeline.slug) is not pipeline:
                return
            branch, commit = pipeline.default_branch or "main", self._store.ids.commit()
            with suppress(PipelineYamlError):
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
        self._schedule_limited()

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
        job.scheduled_at = self.now
        if group_of(job) is not None:
            job.state = "limited"  # until its concurrency group has room
            return
        job.state, job.runnable_at = "scheduled", self.now
        if isinstance(job.step, TriggerStep):
            self._later(self._settings.pace.triggering, lambda: self._trigger(job))
        else:
            self._dispatcher.add(job)

    def _schedule_limited(self) -> None:
        """Schedule the jobs whose concurrency group has room."""
        for job in self._groups.startable():
            job.state, job.runnable_at = "scheduled", self.now
            job.concurrency_wait_time_ms = round((self.now - (job.scheduled_at or self.now)) * 1000)
            self._dispatcher.add(job)

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
        if build.blocked:
            build.finished_at = self._settings.finished_at("blocked", self.now)
            if passing == build.state == "running" and not failed:  # its webhook is that of any blocked build
                self._store.notify("build.finished", build)
        self._store.move(build, "failed" if failed else passing)
        if not build.blocked:
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

    def _finish(self, job: JobRecord, state: str) -> None:
        job.state, job.finished_at = state, self.now
        self._store.notify("job.finished", job)
        self._dispatcher.free(job)
        self.advance(job.build)
        self._schedule_limited()

    # -- triggers

    def _trigger(self, job: JobRecord) -> None:
        step = job.step
        if job.state != "scheduled" or not isinstance(step, TriggerStep):
            return
        target = job.build.organization.pipelines.get(step.pipeline)
        job.started_at = self.now
        job.build.started_at = job.build.started_at or self.now
        if target is None or target.archived_at is not None or _depth(job.build) >= _DEEPEST_TRIGGER:
            self._fail_trigger(job)
            return
        try:
            job.triggered_build = self._create_triggered(job, step, target)
        except PipelineYamlError:
            self._fail_trigger(job)
            return
        job.state = "running"
        if step.async_:
            self._finish(job, "passed")
        else:
            self.advance(job.build)

    def _create_triggered(self, job: JobRecord, step: TriggerStep, target: PipelineRecord) -> BuildRecord:
        return self.create(
            target,
            branch=step.branch or target.default_branch or "main",
            commit=step.commit or "HEAD",
            message=step.message or step.label or f"Triggered by {job.build.pipeline.slug} #{job.build.number}",
            env={**step.env, **job.env},
            meta_data=dict(step.meta_data),
            source="trigger_job",
            creator=job.build.creator,
            author=job.build.author,
            triggered_from=job,
        )

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

    def upload(self, job: JobRecord, plan: Sequence[Step], env: Json, *, replace: bool = False) -> list[JobRecord]:
        """Add steps that a running job uploads to its build, after the job; return their jobs.

        Args:
            job: The job.
            plan: The steps.
            env: Variables for all jobs of the build that have not started.
            replace: Whether the steps that have not started are removed first.

        Raises:
            ValueError: The job is not running, or the steps do not fit the build.
        """
        jobs = insert_steps(self._store, job, plan, env, self.now, replace=replace)
        self._groups.add(jobs)
        self.advance(job.build)
        return jobs

    def retry(self, job: JobRecord, *, kind: str, user: UserRecord | None = None) -> JobRecord:
        """Replace a job with a new attempt."""
        job.retry_pending = False
        job.retry_type, job.retried_by = kind, user
        build = job.build
        retry_job = create_retry(self._store, job, self.now)
        job.retried_in = retry_job
        build.jobs.insert(build.jobs.index(job) + 1, retry_job)
        self._groups.add([retry_job])
        self._reopen(build)
        self._make_runnable(retry_job)
        self._validate(build)
        self._schedule_limited()
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

    def unblock(self, job: JobRecord, user: UserRecord, fields: dict[str, str]) -> None:
        """Unblock a block step."""
        job.state, job.unblocked_by, job.unblocked_at = "unblocked", user, self.now
        job.field_values = fields
        self._store.notify("job.activated", job)
        build = job.build
        build.meta_data |= fields
        self._reopen(build)
        self.advance(build)

    def _reopen(self, build: BuildRecord) -> None:
        build.finished_at, build.blocked = build.finished_at if self._settings.keeps_finished_at else None, False
        for job in build.jobs:
            if job.state in {"waiting_failed", "blocked_failed"}:
                job.state = "waiting"
                self._groups.add([job])
        self._store.move(build, "scheduled" if build.started_at is None else "running")


def _depth(build: BuildRecord) -> int:
    """Return how many builds triggered each other before a build."""
    depth = 0
    while build.triggered_from is not None:
        build, depth = build.triggered_from.build, depth + 1
    return depth
