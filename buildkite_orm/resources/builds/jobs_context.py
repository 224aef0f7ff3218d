"""What builds know about their embedded jobs."""

from __future__ import annotations

from dataclasses import dataclass, field

from buildkite_orm.errors import ManyRequestsWarning
from buildkite_orm.models.parsing import warn_caller

_ENOUGH_TO_WARN = 3


@dataclass(slots=True)
class JobsContext:
    """How builds were requested: it says whether their embedded jobs are complete.

    Attributes:
        complete: Whether jobs in every state were requested.
        with_retried: Whether retried attempts were requested.
        could_embed: Whether a listing left the jobs out.
        requested: The builds whose jobs were requested since.
    """

    complete: bool = True
    with_retried: bool = False
    could_embed: bool = False
    requested: set[str] = field(default_factory=set[str])

    def note(self, build: str) -> None:
        """Record that the jobs of a build are requested, and warn if that is repeated for each build."""
        if not self.could_embed or build in self.requested or len(self.requested) >= _ENOUGH_TO_WARN:
            return
        self.requested.add(build)
        if len(self.requested) == _ENOUGH_TO_WARN:
            warn_caller(
                "a request for the jobs of each build: list them with builds(with_jobs=True), and their jobs are in "
                "the same requests",
                ManyRequestsWarning,
            )
