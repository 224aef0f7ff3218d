"""What builds know of the jobs that they carry."""

from __future__ import annotations

from dataclasses import dataclass, field

from buildkite_orm.errors import ManyRequestsWarning
from buildkite_orm.models.parsing import warn_caller

_ENOUGH_TO_WARN = 3


@dataclass(slots=True)
class JobsContext:
    """What builds know of how they were asked for, to tell whether the jobs that they carry are all there are.

    Attributes:
        complete: Whether jobs of every state were asked for.
        with_retried: Whether attempts that were retried were asked for.
        could_embed: Whether a listing was told to leave the jobs out.
        asked: The builds that were asked for their jobs since.
    """

    complete: bool = True
    with_retried: bool = False
    could_embed: bool = False
    asked: set[str] = field(default_factory=set[str])

    def note(self, build: str) -> None:
        """Take note that a build is asked for its jobs, and warn where that becomes a habit."""
        if not self.could_embed or build in self.asked or len(self.asked) >= _ENOUGH_TO_WARN:
            return
        self.asked.add(build)
        if len(self.asked) == _ENOUGH_TO_WARN:
            warn_caller(
                "a request for the jobs of each build: list them with builds(with_jobs=True), and their jobs come in "
                "the same requests",
                ManyRequestsWarning,
            )
