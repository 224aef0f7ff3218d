"""The commands of jobs, run for real: off unless Python or the command line enables it, never over HTTP."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from buildkite_orm.fake.accelerated_clock import AcceleratedClock
from buildkite_orm.fake.clock import SystemClock
from buildkite_orm.fake.environments import environment_of
from buildkite_orm.fake.globs import patterns_of
from buildkite_orm.fake.subprocesses import ShellCommand

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildkite_orm.fake.clock import Clock
    from buildkite_orm.fake.records import JobRecord

LONGEST_COMMAND = 3600.0
MOST_COMMANDS = 16
_PRIVATE = "BUILDKITE_"


@dataclass(slots=True, eq=False)
class _Running:
    """The command of a job, and when it was started on the clock of the fake."""

    job: JobRecord
    started_at: float
    done: Callable[[JobRecord, ShellCommand], None]
    command: ShellCommand | None = None
    ended_at: float | None = None


class Commands:
    """Runs the commands of jobs in subprocesses.

    They take real time. On a clock that tests move, a command runs for at most as many real seconds as the clock is
    moved: `server.run(60)` waits until it ends, or for 60 seconds.

    Attributes:
        enabled: Whether commands run for real.
    """

    def __init__(self, clock: Clock) -> None:
        self.enabled = False
        self._clock = clock
        self._has_real_time = isinstance(clock, SystemClock | AcceleratedClock)
        self._running: dict[str, _Running] = {}
        self._changed = threading.Condition()
        self._process_id = os.getpid()

    @property
    def has_room(self) -> bool:
        """Whether another command may be started."""
        return len(self._running) < MOST_COMMANDS

    def start(
        self, job: JobRecord, limit: float | None, now: float, done: Callable[[JobRecord, ShellCommand], None]
    ) -> None:
        """Start the command of a job; `done` is called with its result when it has ended."""
        running = self._running[job.id] = _Running(job, now, done)
        running.command = ShellCommand(
            job.command or "",
            _environment(job),
            limit=min(limit or LONGEST_COMMAND, LONGEST_COMMAND),
            patterns=patterns_of(job.artifact_paths),
            now=partial(self._time_after, running),
            ended=partial(self._note_end, running),
        )

    def _time_after(self, running: _Running, elapsed: float) -> float:
        """Return the time of the clock after a command has run for some seconds."""
        return self._clock.now() if self._has_real_time else running.started_at + elapsed

    def _note_end(self, running: _Running, elapsed: float) -> None:
        """Note, in the thread of a command, when it has ended."""
        with self._changed:
            running.ended_at = round(self._time_after(running, elapsed), 3)
            self._changed.notify_all()

    def next_ended(self, due: float) -> tuple[float, Callable[[], None]] | None:
        """Return when the next command has ended, up to `due`, and what follows from it; None if none has."""
        if not self._running:
            return None
        with self._changed:
            while True:
                ended = [each for each in self._running.values() if each.ended_at is not None]
                first = min(ended, key=lambda each: each.ended_at or 0.0, default=None)
                if first is not None and (self._has_real_time or (first.ended_at or 0.0) <= due):
                    return first.ended_at or due, partial(self._finish, first)
                left = self._time_left(due)
                if left <= 0:
                    return None
                self._changed.wait(left)

    def _time_left(self, due: float) -> float:
        """Return the real seconds that a running command may still use up to a time of the clock."""
        if self._has_real_time:
            return 0.0
        going = [(each, each.command) for each in self._running.values() if each.ended_at is None]
        return max((due - each.started_at - command.elapsed for each, command in going if command), default=0.0)

    def _finish(self, running: _Running) -> None:
        if self._running.pop(running.job.id, None) is not None and running.command is not None:
            running.done(running.job, running.command)

    def cancel(self, job: JobRecord) -> None:
        """Terminate the command of a job, if it runs."""
        running = self._running.get(job.id)
        if running is not None and running.command is not None:
            running.command.cancel()

    def kill(self, job: JobRecord) -> ShellCommand | None:
        """Kill the command of a job, and return it; None if it does not run."""
        running = self._running.pop(job.id, None)
        if running is None or running.command is None:
            return None
        running.command.kill()
        return running.command

    def output_of(self, job: JobRecord) -> bytes | None:
        """Return the output of a job's command so far; None if it does not run."""
        running = self._running.get(job.id)
        return None if running is None or running.command is None else bytes(running.command.output)

    def close(self) -> None:
        """Kill all commands; a forked process leaves those of its parent alone."""
        running = list(self._running.values()) if os.getpid() == self._process_id else []
        self._running.clear()
        for each in running:
            if each.command is not None:
                each.command.cancel(grace=0)
        for each in running:
            if each.command is not None:
                each.command.kill()


def check_platform() -> None:
    """Raise if commands cannot run for real here.

    Raises:
        ValueError: It is not a POSIX system.
    """
    if os.name != "posix":
        raise ValueError("run_commands needs a POSIX system, such as Linux or macOS")


def _environment(job: JobRecord) -> dict[str, str]:
    """Return the environment of a job's command: that of this process without Buildkite's, and that of the job."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(_PRIVATE)}
    return own | environment_of(job)
