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
    """

    __slots__ = ("collection", "context", "path", "session")

    def __init__(
        self, session: Session | None, collection: str | None, context: object = None, path: str | None = None
    ) -> None:
        self.session = session
        self.collection = collection
        self.context = context
        self.path = path

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> tuple[type[Binding], tuple[None, str | None, object, str | None]]:
        """Pickle without the session, and so without the token."""
        return Binding, (None, self.collection, self.context, self.path)


UNBOUND = Binding(None, None)
