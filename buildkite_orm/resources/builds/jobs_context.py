"""Which jobs are embedded in builds, and whether they are complete."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from buildkite_orm.errors import ManyRequestsWarning
from buildkite_orm.utils.warn import warn_caller

_ENOUGH_TO_WARN: Final = 3
_EMBED: Final = (
    "a request for the jobs of each build: list them with builds(with_jobs=True), and their jobs are in the same "
    "requests"
)
_FILTERED: Final = (
    "a request for the jobs of each build, since only the server can apply these filters: filter build.jobs() in "
    "Python, or add kind=ScriptJob if wait steps do not matter"
)
_RETRIED: Final = (
    "a request for the jobs of each build: list them with builds(with_jobs=True, include_retried_jobs=True), and all "
    "attempts are in the same requests"
)


@dataclass(slots=True)
class JobsContext:
    """The way in which builds were requested, which determines whether their embedded jobs are complete.

    Attributes:
        complete: Whether jobs in every state were requested.
        with_retried: Whether retried attempts were requested.
        could_embed: Whether a listing left the jobs out.
        is_listing: Whether this is a listing, which may have many builds.
        requested: The builds whose jobs were requested since.
    """

    complete: bool = True
    with_retried: bool = False
    could_embed: bool = False
    is_listing: bool = False
    requested: set[str] = field(default_factory=set[str])

    def note(self, build: str, *, filtered: bool = False, with_retried: bool = False) -> None:
        """Record that the jobs of a build are requested, and warn if that is repeated for each build.

        Args:
            build: The path of the build.
            filtered: Whether filters are applied.
            with_retried: Whether all attempts are requested.
        """
        message = self._warning(filtered=filtered, with_retried=with_retried)
        if message is None or build in self.requested or len(self.requested) >= _ENOUGH_TO_WARN:
            return
        self.requested.add(build)
        if len(self.requested) == _ENOUGH_TO_WARN:
            warn_caller(message, ManyRequestsWarning)

    def _warning(self, *, filtered: bool, with_retried: bool) -> str | None:
        if self.could_embed:
            return _EMBED
        if not self.is_listing or not self.complete:
            return None
        if with_retried and not self.with_retried:
            return _RETRIED
        return _FILTERED if filtered else None
