"""The execution of a job from its assignment to an agent on: as its step or the test says, or its command for real."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkite_orm.fake.outcomes import Outcomes
from buildkite_orm.fake.steps import CommandStep, absorbs

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildkite_orm.fake.commands import Commands
    from buildkite_orm.fake.events import Events
    from buildkite_orm.fake.records import BuildRecord, JobRecord
    from buildkite_orm.fake.settings import Settings
    from buildkite_orm.fake.store import Store
    from buildkite_orm.fake.subprocesses import ShellCommand

_ROOM_RETRY = 1.0
FINISHABLE = frozenset({"pending", "scheduled", "assigned", "accepted", "running", "limited"})


class Execution:
    """Runs the jobs of command steps.

    Attributes:
        outcomes: The rules that the test has set.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        events: Events,
        commands: Commands,
        *,
        finish: Callable[[JobRecord, str], None],
        advance: Callable[[BuildRecord], None],
        retry: Callable[[JobRecord], None],
    ) -> None:
        """Create an execution.

        Args:
            store: The records.
            settings: The pace of jobs.
            events: The events to schedule.
            commands: The commands that run for real.
            finish: Ends a job in a state.
            advance: Updates a build, one of whose jobs has changed.
            retry: Retries a failed job.
        """
        self.outcomes = Outcomes()
        self._store, self._settings, self._events, self._commands = store, settings, events, commands
        self._finish, self._advance, self._retry = finish, advance, retry

    def accept_soon(self, job: JobRecord) -> None:
        """Schedule the acceptance of a job that has been assigned to an agent, and its start."""
        self._events.later(self._settings.pace.accepting, lambda: self._accept(job))

    def _accept(self, job: JobRecord) -> None:
        if job.state != "assigned":
            return
        job.state = "accepted"
        self._events.later(self._settings.pace.starting, lambda: self._start(job))

    def _start(self, job: JobRecord) -> None:
        if job.state != "accepted":
            return
        step = job.step if isinstance(job.step, CommandStep) else CommandStep()
        is_real = self._commands.enabled and step.real and not self.outcomes.has_rule(job)
        if is_real and not self._commands.has_room:
            self._events.later(_ROOM_RETRY, lambda: self._start(job))
            return
        step = self.outcomes.apply(job, step)
        job.step, job.state, job.started_at = step, "running", self._events.now
        job.build.started_at = job.build.started_at or self._events.now
        if is_real:
            self._commands.start(job, self._timeout(job, step), self._events.now, self._end_command)
        else:
            self._simulate(job, step)
        self._advance(job.build)
        self._store.notify("job.started", job)

    def _simulate(self, job: JobRecord, step: CommandStep) -> None:
        if step.concurrency_wait_ms is not None:
            job.concurrency_wait_time_ms = step.concurrency_wait_ms
        if step.promised_exit_status is not None:
            self._events.later(step.duration / 2, lambda: self._promise(job, step.promised_exit_status))
        if step.log is not None:
            job.log = step.log
        limit = self._timeout(job, step)
        if limit is not None and step.duration > limit:
            self._events.later(limit, lambda: self._time_out(job, step))
        else:
            self._events.later(step.duration, lambda: self._end(job, step))

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
            job.promised_exit_status, job.promised_exit_status_at = status, self._events.now
            self._store.notify("job.promised_exit_status", job)
            self._advance(job.build)

    def _end(self, job: JobRecord, step: CommandStep) -> None:
        if job.state != "running":
            return
        job.exit_status, job.finished_at = step.exits[min(job.attempt, len(step.exits) - 1)], self._events.now
        self._store.add_artifacts(job, step.artifacts)
        self._exit(job, step, job.exit_status, step.signal)

    def finish(self, job: JobRecord, status: int, signal: str | None = None) -> None:
        """End a script job with any exit status; a failure is retried if the step says so.

        Raises:
            ValueError: It is not a script job, waits for another step, or has ended.
        """
        if job.type != "script" or job.state not in FINISHABLE:
            states = ", ".join(sorted(FINISHABLE))
            raise ValueError(f"a {job.type} job that is {job.state} cannot be finished, only a script job in: {states}")
        job.started_at = job.started_at or self._events.now
        job.build.started_at = job.build.started_at or self._events.now
        self.stop_command(job)
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
            self._events.later(self._settings.pace.retrying, lambda: self._retry(job))
        self._finish(job, state)

    # -- commands that run for real

    def _end_command(self, job: JobRecord, command: ShellCommand) -> None:
        """End a job as its command has ended; if it is being canceled, it is canceled now."""
        _store_log(job, command)
        if job.state == "canceling":
            self.kill(job)
        if job.state != "running":
            return
        for path, content in command.files:
            self._store.add_artifact(job, path, content)
        step = job.step if isinstance(job.step, CommandStep) else CommandStep()
        if command.timed_out and command.status:
            self._time_out(job, step)
            return
        if command.error is not None:
            job.signal_reason = "process_run_error"
        self._exit(job, step, -1 if command.status is None else command.status, command.signal)

    def kill(self, job: JobRecord) -> None:
        """End a job that is being canceled."""
        if job.state != "canceling":
            return
        self.stop_command(job)
        job.exit_status, job.signal, job.signal_reason = -1, "SIGTERM", "cancel"
        self._finish(job, "canceled")

    def stop_command(self, job: JobRecord) -> None:
        """Kill the command of a job, if it runs for real."""
        if (command := self._commands.kill(job)) is not None:
            _store_log(job, command)


def _store_log(job: JobRecord, command: ShellCommand) -> None:
    log = bytes(command.output)
    if command.error is not None:
        log += f"\U0001f6a8 Error: the command could not be started: {command.error}\r\n".encode()
    elif command.timed_out:
        log += b"\r\n# Received cancellation signal, interrupting: the job timed out\r\n"
    elif command.status:
        log += f"\r\n\U0001f6a8 Error: The command exited with status {command.status}\r\n".encode()
    job.log = log
