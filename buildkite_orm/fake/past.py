"""The past of the finished builds of the seed: how long their jobs waited and ran, and which of them failed.

Steps take longer from week to week, jobs wait longer during working hours, and an incident lasts for ten hours: agents
were stopped, so jobs waited long and builds failed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from buildkite_orm.fake.steps import BlockStep, CommandStep, WaitStep, is_gate

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from buildkite_orm.fake.steps import Step

_HOUR: Final = 3600.0
_INCIDENT: Final = (-100 * _HOUR, -90 * _HOUR)  # before the clock's time
_SPEED_AT_FIRST: Final = 0.72
_SCHEDULING: Final = 1.0
_UNBLOCKING: Final = 600.0
_TRIGGERED: Final = 30.0
_FLAKY_RUN: Final = 0.4  # the part of its time after which a flaky job fails
RETRYING: Final = 2.0
_WORKING_HOURS: Final = range(8, 18)
_SATURDAY: Final = 5


@dataclass(frozen=True, slots=True)
class Failure:
    """The job that failed a build: the place of its step in the plan, and its number among the jobs of that step."""

    step: int
    number: int


@dataclass(frozen=True, slots=True)
class Past:
    """The past of a build.

    Attributes:
        state: The state in which it ended.
        pace: How long its steps took, relative to their durations.
        queue: The seconds that its jobs waited for an agent.
        flaked: Whether the first attempt of its flaky steps failed.
        soft_failed: Whether its steps that may fail softly did.
        failure: The job that failed it.
        agents_stopped: Whether that job failed since its agent was stopped.
        starts: When the jobs of each step could start; None if they could not.
        started_at: When its first job started; None if none did.
        failing_at: When it started to fail.
        finished_at: When it ended.
    """

    state: str
    pace: float
    queue: float
    flaked: bool
    soft_failed: bool
    failure: Failure | None
    agents_stopped: bool
    starts: tuple[float | None, ...] = ()
    started_at: float | None = None
    failing_at: float | None = None
    finished_at: float = 0.0

    @property
    def times(self) -> dict[str, Any]:
        """The times of the build."""
        return {"started_at": self.started_at, "failing_at": self.failing_at, "finished_at": self.finished_at}

    @property
    def blocked_time(self) -> float:
        """Seconds that its block steps waited to be unblocked."""
        return self.pace * _UNBLOCKING

    def flakes(self, step: Step | None) -> bool:
        """Return whether the first attempt of a step's jobs failed, and the second passed."""
        return self.flaked and isinstance(step, CommandStep) and step.automatic_retries > 0 and step.exits[0] != 0

    def run_time(self, step: Step | None) -> float:
        """Return how long one attempt of a step ran."""
        return self.pace * (step.duration if isinstance(step, CommandStep) else _TRIGGERED)

    def first_run_time(self, step: Step | None) -> float:
        """Return how long an attempt that failed ran."""
        return _FLAKY_RUN * self.run_time(step)


def past_of(plan: Sequence[Step], random: Random, *, state: str, created_at: float, now: float, age: float) -> Past:
    """Return the past of a build.

    Args:
        plan: The steps of its pipeline.
        random: The source of chance; all of it is used for this build.
        state: The state that it ended in, unless the incident failed it.
        created_at: When it was created.
        now: The time of the clock.
        age: Its place in the history, from 0 for the oldest build to 1 for the newest.
    """
    incident = _INCIDENT[0] <= created_at - now < _INCIDENT[1]
    if incident and state == "passed" and random.random() < 0.7:  # noqa: PLR2004 - a probability
        state = "failed"
    pace = (_SPEED_AT_FIRST + (1 - _SPEED_AT_FIRST) * age) * random.lognormvariate(0, 0.07) * (1.3 if incident else 1)
    queue = random.uniform(600, 1500) if incident else random.lognormvariate(1.2, 0.6) * _demand(created_at)
    flaked = random.random() < 0.35  # noqa: PLR2004 - a probability
    failure = _failure(plan, random) if state == "failed" else None
    soft_failed = random.random() > 0.6  # noqa: PLR2004 - a probability
    past = Past(state, pace, round(queue, 3), flaked, soft_failed, failure, incident)
    return _with_times(past, plan, created_at, random)


def _demand(moment: float) -> float:
    """Return how much longer jobs wait at this time of the week."""
    at = datetime.fromtimestamp(moment, UTC)
    return 6.0 if at.hour in _WORKING_HOURS and at.weekday() < _SATURDAY else 1.0


def _failure(plan: Sequence[Step], random: Random) -> Failure | None:
    """Choose the job that failed a build; long ones fail more often."""
    jobs = [
        (Failure(place, number), step.duration**0.5)
        for place, step in enumerate(plan)
        if isinstance(step, CommandStep) and step.condition and not step.soft_fail
        for number in range(step.parallelism or len(step.matrix or ()) or 1)
    ]
    return random.choices([job for job, _ in jobs], [weight for _, weight in jobs])[0] if jobs else None


def _with_times(past: Past, plan: Sequence[Step], created_at: float, random: Random) -> Past:
    """Return a past with its times."""
    if past.state in {"skipped", "not_run"}:
        return replace(past, starts=(None,) * len(plan), finished_at=round(created_at + _SCHEDULING, 3))
    starts, end = _starts(past, plan, created_at + _SCHEDULING)
    started = created_at + _SCHEDULING + past.queue
    if past.state == "canceled":
        end = started + (end - started) * random.uniform(0.1, 0.9)
    failing = None
    if past.failure is not None:
        began = starts[past.failure.step] or created_at
        failing = round(began + past.queue + past.run_time(plan[past.failure.step]), 3)
    return replace(
        past, starts=tuple(starts), started_at=round(started, 3), failing_at=failing, finished_at=round(end, 3)
    )


def _starts(past: Past, plan: Sequence[Step], moment: float) -> tuple[list[float | None], float]:
    """Return when the jobs of each step could start, and when the last job ended."""
    starts: list[float | None] = []
    end, stopped = moment, False
    for place, step in enumerate(plan):
        if not is_gate(step):
            starts.append(None if stopped else round(moment, 3))
            end = end if stopped else max(end, moment + _length(past, step))
            continue
        if past.failure is not None and past.failure.step < place:
            stopped = stopped or not (isinstance(step, WaitStep) and step.continue_on_failure)
        starts.append(None if stopped else round(end, 3))
        if isinstance(step, BlockStep) and not stopped:
            end += past.blocked_time
        moment = end
    return starts, end


def _length(past: Past, step: Step) -> float:
    """Return how long the jobs of a step waited and ran."""
    if isinstance(step, CommandStep) and not step.condition:
        return 0.0
    queue = past.queue if isinstance(step, CommandStep) else 0.0
    retried = past.first_run_time(step) + RETRYING + queue if past.flakes(step) else 0.0
    return queue + past.run_time(step) + retried
