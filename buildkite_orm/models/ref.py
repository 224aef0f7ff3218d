"""Refs: a session and a path. A ref has the relations and verbs of its kind, and costs no request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from buildkite_orm.errors import UnboundError
from buildkite_orm.http.encoding import encode_body, encode_json, encode_path, encode_query
from buildkite_orm.http.messages import ApiRequest
from buildkite_orm.models.binding import Binding
from buildkite_orm.models.hints import not_assigned, not_subscriptable, unknown_attribute
from buildkite_orm.models.parsing import check_identity, load_one, report
from buildkite_orm.models.paths import Routes, collection_of, encode_key, key_in, short_path
from buildkite_orm.utils.introspection import name_methods, public_dir
from buildkite_orm.utils.numbers import parse_decimal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from buildkite_orm.http.messages import ApiResponse
    from buildkite_orm.http.session import Session
    from buildkite_orm.models.resource import Resource

R = TypeVar("R", bound="Resource")
T = TypeVar("T", bound="Ref")


class Ref:
    """The session and the path of a resource. It costs no request.

    The last key of the path is an attribute, under its name in the object: `pipeline.slug`, `build.number`, `job.id`.
    Two refs or objects are equal if they are of one kind and have the same path.
    """

    _kind: ClassVar[str] = ""
    """The kind of resource: the same for a ref and its object."""

    _paths: ClassVar[tuple[str, ...]] = ()
    """The templates of its path, see `Routes`; parents, keys, identity and `from_url` derive from them."""

    routes: ClassVar[Routes] = Routes("", ())
    """The same templates, parsed."""

    identity: ClassVar[str | None] = "id"
    """The field that is the last segment of the path; None if there is only one such resource."""

    _update_method: ClassVar[str] = "PATCH"
    """The method that the documentation shows for an update."""

    _binding: Binding
    _path: str | None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "_paths" in vars(cls):
            cls.routes = Routes(cls._kind, cls._paths)
            cls.identity = cls.routes.identity
        for base in cls.__bases__:
            if base.__name__.endswith("Verbs"):
                name_methods(base, cls.__name__)

    @classmethod
    def at(cls, session: Session | None, path: str | None) -> Self:
        """Create the ref of a path. For the library itself; callers use relations such as `org.pipeline("web")`."""
        ref = cls.__new__(cls)
        ref._binding = Binding(session, None)  # noqa: SLF001
        if path is not None and cls._paths and cls.identity is not None:
            key = key_in(path)
            number = parse_decimal(key) if cls.identity == "number" else None
            if number is not None:
                path = f"{collection_of(path)}/{number}"  # the same for 42 and "0042"
            vars(ref)[cls.identity] = key if number is None else number
        ref._path = path  # noqa: SLF001
        return ref

    def bind(self, binding: Binding) -> Self:
        """Set the session that this belongs to, and the collection that it was listed in."""
        self._binding = binding
        return self

    def rebind(self, session: Session) -> Self:
        """Set the session that this belongs to; callers use `bk.bind(…)`."""
        return self.bind(self._bound.with_session(session))

    @property
    def _bound(self) -> Binding:
        return self._binding

    @property
    def session(self) -> Session:
        """The session that requests go through.

        Raises:
            UnboundError: No client has loaded this; `bk.bind(…)` binds it.
        """
        session = self._bound.session
        if session is None:
            raise UnboundError(f"{self!r} belongs to no client; load it through one, or bind it: bk.bind(…)")
        return session

    @property
    def api_path(self) -> str:
        """The part of its URL after `/v2/`.

        Raises:
            UnboundError: The path is not known.
        """
        path = self._find_path()
        if path is None:
            raise UnboundError(f"the path of {self!r} in the API is unknown")
        return path

    def _find_path(self) -> str | None:
        return self._path

    # -- keys and parents ---------------------------------------------------------------------------------------------

    def _keys(self) -> dict[str, str]:
        """Return the keys in the path, encoded, by the kinds that they identify."""
        return self.routes.keys_in(self.api_path)

    def _parent(self, kind: type[T]) -> T:
        """Return the ref of a resource that this one is below.

        Raises:
            UnboundError: The path does not have the keys of that resource.
        """
        session, path = self.session, kind.routes.path_of(self._keys())
        if path is None:
            name = kind._kind.replace("_", " ")  # noqa: SLF001
            raise UnboundError(f"{self!r} does not say which {name} it belongs to; call .fetch() first")
        return kind.at(session, path)

    def _sibling(self, kind: type[T], key: object) -> T:
        """Return the ref of the resource that has a key and, apart from it, the keys of this one."""
        session, keys, segment = self.session, self._keys(), encode_key(key)
        if segment is not None:
            keys[kind._kind] = segment  # noqa: SLF001
        return kind.at(session, kind.routes.path_of(keys))

    def _key(self) -> object:
        """Return what identifies this among its kind: the path, or the keys that all routes have; None if unknown."""
        path = self._find_path()
        if path is None or not self.routes.shared:
            return path
        keys = self.routes.keys_in(path)
        return tuple(keys[name] for name in self.routes.shared) if keys else path

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Ref) or other._kind != self._kind:
            return NotImplemented
        key = self._key()
        return key is not None and key == other._key()

    def __hash__(self) -> int:
        key = self._key()
        return object.__hash__(self) if key is None else hash((self._kind, key))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({short_path(self._find_path())})"

    def __dir__(self) -> list[str]:
        return public_dir(self, super().__dir__())

    if not TYPE_CHECKING:  # type checkers know the attributes

        def __setattr__(self, name: str, value: Any) -> None:
            if name not in {"_binding", "_path"}:
                raise AttributeError(not_assigned(type(self), name, value))
            object.__setattr__(self, name, value)

        def __getattr__(self, name: str) -> Any:
            if hasattr(type(self), name):
                return object.__getattribute__(self, name)  # raises the error of a property
            raise AttributeError(unknown_attribute(type(self), name, has_data=False))

        def __getitem__(self, key: object) -> Any:
            raise TypeError(not_subscriptable(type(self), key, has_data=False))

        __iter__ = None  # else Python would iterate by `__getitem__`

    # -- requests -----------------------------------------------------------------------------------------------------

    def _request(
        self,
        model: type[R],
        method: str = "GET",
        action: str = "",
        *,
        params: Mapping[str, object] | None = None,
        lists: Sequence[str] = (),
        body: object = None,
        headers: Mapping[str, str] | None = None,
        idempotent: bool = True,
        context: object = None,
        received: Callable[[ApiResponse, R], None] | None = None,
    ) -> R:
        """Send one request and load the object in the response, which is in the same collection as this one.

        Args:
            model: The class of the object.
            method: The HTTP method.
            action: A segment that is appended to the path.
            params: Query parameters.
            lists: The names of those that are always lists.
            body: The JSON body.
            headers: Further headers.
            idempotent: False if it starts something each time it is sent.
            context: What the object has to know about the request.
            received: Called with the response and the object.
        """
        session, path = self.session, self.api_path
        target, query = f"{path}/{action}" if action else path, encode_query(params or {}, lists=lists)
        request = ApiRequest(method, target, query, encode_json(body), headers or {}, idempotent=idempotent, about=path)
        collection = path if model.identity is None else collection_of(path)
        binding = Binding(session, collection, context, None if action else path)
        return load_object(model, session, request, binding, received)

    def _execute(self, method: str, action: str = "", *, body: object = None, idempotent: bool = True) -> None:
        """Send one request whose response has no content."""
        path = f"{self.api_path}/{action}" if action else self.api_path
        request = ApiRequest(method, path, body=encode_json(body), idempotent=idempotent, about=self.api_path)
        self.session.send(request, lambda _response: None)

    def _update(
        self, model: type[R], changes: Mapping[str, object], options: type, extra: Mapping[str, object] | None = None
    ) -> R:
        """Send the fields of an update, and no others.

        Args:
            model: The class of the object in the response.
            changes: The fields.
            options: The TypedDict with the valid ones.
            extra: Further fields, which are not checked.
        """
        body = encode_body(changes, options, extra=extra)
        return self._apply(self._request(model, self._update_method, body=body))

    def _apply(self, updated: R) -> R:
        """Return the object in the response to an update; an object copies its data and returns itself."""
        return updated

    def _child(self, *segments: str | int) -> str:
        return f"{self.api_path}/{encode_path(*segments)}"


class Deletable(Ref):
    """A resource that the API can delete."""

    delete_documentation: ClassVar[str]
    """The page and heading of the documentation, as `clusters#clusters-delete-a-cluster`."""

    def delete(self) -> None:
        """Delete it. This cannot be undone.

        Raises:
            NotFoundError: It does not exist.
        """
        self._execute("DELETE")


name_methods(Deletable)


def kind_of(ref: type[Ref]) -> str:
    """Return the kind of resource of a ref or object, such as `pipeline`."""
    return ref._kind  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]


def load_object(
    model: type[R],
    session: Session,
    request: ApiRequest,
    binding: Binding,
    received: Callable[[ApiResponse, R], None] | None = None,
) -> R:
    """Send a request and load the object in the response.

    Args:
        model: The class of the object.
        session: The session that sends the request.
        request: The request.
        binding: What the object is bound to.
        received: Called with the response and the object.

    Raises:
        ResponseError: The response is not a JSON object.
    """
    response, item = session.send(request, lambda response: (response, load_one(model, response)))
    check_identity(request.method, request.path, response, item)
    report(response, [(item, "")], strict=session.strict)
    item.bind(binding)
    if received is not None:
        received(response, item)
    if session.on_load is not None:
        session.on_load([item])
    return item
