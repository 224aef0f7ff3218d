"""The base of all events: a name, a sender, and the objects in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

from buildkite_orm.errors import UnboundError
from buildkite_orm.models.binding import Binding
from buildkite_orm.models.ref import Ref
from buildkite_orm.models.resource import Model
from buildkite_orm.resources.builds.build import Build
from buildkite_orm.resources.builds.job import Job
from buildkite_orm.resources.builds.jobs_context import JobsContext
from buildkite_orm.resources.embedded import EmbeddedUser

if TYPE_CHECKING:
    from buildkite_orm.http.session import Session
    from buildkite_orm.models.parsing import Drift

_DOCUMENTED_WITHOUT_JOBS = JobsContext(complete=False)


class WebhookEvent(Model):
    """An event that Buildkite notifies of. Its class is that of its kind; unknown fields are kept.

    The objects in it may show a later state than that of the event. They belong to no client, until `bk.bind(event)`.

    Attributes:
        event: The name of the event, as `build.finished`; None in the webhooks of Test Engine that have none.
        sender: The user who created the webhook, by id and name.

    Documentation: https://buildkite.com/docs/apis/webhooks/pipelines#events
    """

    __slots__ = ("_drift",)

    kinds: ClassVar[frozenset[str]] = frozenset()
    """The names of the events of this class."""

    event: str | None = None
    sender: EmbeddedUser | None = None

    def model_post_init(self, context: Any, /) -> None:
        """Relate the objects to each other: a job is one of its build, and a build contains no jobs."""
        del context
        build, job = self.__dict__.get("build"), self.__dict__.get("job")
        if not isinstance(build, Build):
            return
        build.bind(Binding(None, None, _DOCUMENTED_WITHOUT_JOBS))
        if isinstance(job, Job):
            try:
                job.bind(Binding(None, f"{build.api_path}/jobs"))
            except UnboundError:  # its URL is missing
                return

    @property
    def drift(self) -> tuple[Drift, ...]:
        """The values that differ from the documentation, and are kept as received."""
        try:
            drift: tuple[Drift, ...] = object.__getattribute__(self, "_drift")
        except AttributeError:
            return ()
        return drift

    def note_drift(self, drift: tuple[Drift, ...]) -> None:
        """Record the drift in this event."""
        object.__setattr__(self, "_drift", drift)

    def __repr__(self) -> str:
        """Return the class with the objects in it, and no field of theirs that may be a secret."""
        shown = [part for part in self.__dict__.values() if isinstance(part, Ref)]
        named = [] if self.__dict__.get("event") is None else [self.__dict__["event"]]
        return f"{type(self).__name__}({', '.join(map(repr, shown or named))})"

    __str__ = __repr__

    def rebind(self, session: Session) -> Self:
        """Set the session that the objects in it belong to; callers use `bk.bind(…)`."""
        for part in self.__dict__.values():
            if isinstance(part, Ref):
                part.rebind(session)
        return self


class UnknownEvent(WebhookEvent):
    """An event that this library does not know, kept whole: `dump()` returns the payload."""
