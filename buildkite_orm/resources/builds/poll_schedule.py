"""The pauses of a wait between two polls of a build."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from buildkite_orm.resources.builds.status import moment
from buildkite_orm.resources.builds.wait_state import wait_state

if TYPE_CHECKING:
    from datetime import datetime

    from buildkite_orm.resources.builds.build import Build, BuildRef
    from buildkite_orm.resources.builds.deadline import Deadline

SHORTEST: Final = 2.0
LONGEST: Final = 30.0


def poll_interval(elapsed: float, usual: float | None = None) -> float:
    """Return how many seconds to pause between two polls.

    Args:
        elapsed: For how many seconds the build has been running, or been waited for.
        usual: How many seconds it usually takes, if that is known.
    """
    wanted = elapsed / 10 if usual is None else abs(usual - elapsed) / 2
    return min(max(wanted, SHORTEST), LONGEST)


class PollSchedule:
    """Chooses the pauses between the polls of a build, by the usual duration and within the request budget.

    Args:
        ref: The build.
        deadline: The deadline of the wait.
    """

    def __init__(self, ref: BuildRef, deadline: Deadline) -> None:
        self._deadline = deadline
        self._path = ref.api_path
        self._pipeline = ref.pipeline.api_path
        self._state = wait_state(ref.session)
        self._was_restarted = self._state.restart_of(ref.api_path) is not None
        self._started_at: datetime | None = None
        self._started = 0.0

    def interval(self, build: Build | None) -> float:
        """Return the seconds until the next poll.

        Args:
            build: The build as last loaded, if it was.
        """
        elapsed, usual = self._deadline.elapsed, None
        if build is not None and not self._was_restarted:
            elapsed = max(elapsed, self._age(build))
            usual = self._state.usual_duration(self._pipeline)
        return max(poll_interval(elapsed, usual), self._state.min_interval(self._path))

    def note_finished(self, build: Build) -> None:
        """Remember how long a finished build took; a restarted one says nothing about others."""
        if build.is_finished and build.duration is not None and not self._was_restarted:
            self._state.note_duration(self._pipeline, build.duration.total_seconds())

    def _age(self, build: Build) -> float:
        """Return for how many seconds a build has been running: its age when first loaded, and the time since then."""
        clock = build.session.clock
        started_at = moment(build, "started_at") or moment(build, "created_at")
        if started_at is None:
            return 0.0
        if started_at != self._started_at:
            age = max(0.0, clock.now() - started_at.timestamp())
            self._started_at, self._started = started_at, clock.monotonic() - age
        return clock.monotonic() - self._started
