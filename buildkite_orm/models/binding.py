"""The binding of an object to a client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from buildkite_orm.http.session import Session


class Bindable(Protocol):
    """Anything that `bk.bind(…)` accepts: refs, objects, querysets and events."""

    def rebind(self, session: Session) -> Self:
        """Return this, or the same of another session."""
        ...


class Binding:
    """The session that loaded an object, and the listing that it was in. The objects of a page share one.

    Attributes:
        session: The session; None for an object that no client has loaded.
        collection: The path of the listing that it was in.
        context: What its listing knows about the request.
        path: The path of the ref whose verb returned the object, if that is the object's own.
        cached_at: When the object, or a part of it, was stored in the cache that it was read from, in seconds since the
            Unix epoch; None if all of it was requested.
    """

    __slots__ = ("cached_at", "collection", "context", "path", "session")

    def __init__(
        self,
        session: Session | None,
        collection: str | None,
        context: object = None,
        path: str | None = None,
        cached_at: float | None = None,
    ) -> None:
        self.session = session
        self.collection = collection
        self.context = context
        self.path = path
        self.cached_at = cached_at

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> tuple[type[Binding], tuple[None, str | None, object, str | None, float | None]]:
        """Pickle without the session, and so without the token."""
        return Binding, (None, self.collection, self.context, self.path, self.cached_at)

    def with_session(self, session: Session) -> Binding:
        """Return the same with another session."""
        return Binding(session, self.collection, self.context, self.path, self.cached_at)


UNBOUND = Binding(None, None)
