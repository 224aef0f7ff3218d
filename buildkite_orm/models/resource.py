"""Refs and objects: where a thing is, its validated data, and what is the same thing.

A `Ref` knows a session and a path, asks nothing, and carries the relations and verbs of its kind. A `Resource` is data
that pydantic validated; `Fetchable` can be loaded again, `Editable` can be changed and saved. An object of the API is
both a ref and data: `class Build(BuildRef, Fetchable)`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self, TypeVar, cast, dataclass_transform

from pydantic import ConfigDict, Field

from buildkite_orm.errors import UnboundError
from buildkite_orm.http.encoding import encode_body, encode_json, encode_path, encode_query
from buildkite_orm.http.session import ApiRequest
from buildkite_orm.models.binding import UNBOUND, Binding
from buildkite_orm.models.display import ShownObject
from buildkite_orm.models.parsing import check_identity, load_one, report
from buildkite_orm.models.paths import parent_path, path_below, path_told, short_path
from buildkite_orm.models.timestamps import UtcTime, write_time
from buildkite_orm.utils.introspection import public_dir
from buildkite_orm.utils.json_types import as_text
from buildkite_orm.utils.plain_values import as_plain, as_plain_data
from buildkite_orm.utils.redaction import is_secret, mask_fields
from buildkite_orm.utils.surrogates import SurrogateSafeModel
from buildkite_orm.utils.text import said

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from pydantic._internal._model_construction import ModelMetaclass
    from pydantic._internal._repr import ReprArgs

    from buildkite_orm.http.session import Session
    from buildkite_orm.models.parsing import Drift

    Timestamp = datetime
else:
    from datetime import datetime

    Timestamp = Annotated[datetime, UtcTime()]

R = TypeVar("R", bound="Resource")


_KEPT = ("_binding", "_drift", "_loaded")


class Ref:
    """Where a thing is: a session and a path. It costs no request.

    Two refs or objects are equal when they are of one kind and have one path.
    """

    _kind: ClassVar[str] = ""
    """What kind of thing: the same for a ref and its object."""

    _update_method: ClassVar[str] = "PATCH"
    """The method that the documentation shows for an update."""

    _binding: Binding
    _path: str | None

    @classmethod
    def at(cls, session: Session | None, path: str | None) -> Self:
        """Make the ref of what stands at a path; the library's own way, see the relations for yours."""
        ref = cls.__new__(cls)
        ref._binding = Binding(session, None)  # noqa: SLF001 - its own
        ref._path = path  # noqa: SLF001
        return ref

    def bind(self, binding: Binding) -> Self:
        """Say which session this belongs to, and in which collection it was found."""
        self._binding = binding
        return self

    def rebind(self, session: Session) -> Self:
        """Say which session this belongs to; `bk.bind(…)` is the way to call it."""
        bound = self._bound
        return self.bind(Binding(session, bound.collection, bound.context, bound.path))

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
        """What stands behind `/v2/` in this thing's URL.

        Raises:
            UnboundError: Nothing is known of where it is.
        """
        path = self._find_path()
        if path is None:
            raise UnboundError(f"{self!r} does not say where it is in the API")
        return path

    def _find_path(self) -> str | None:
        return self._path

    def _key(self) -> object:
        """What makes two of one kind the same thing; None where it is not known."""
        return self._find_path()

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

    if not TYPE_CHECKING:  # a type checker knows what there is

        def __setattr__(self, name: str, value: Any) -> None:
            if name not in {"_binding", "_path"}:
                raise AttributeError(f"{type(self).__name__} is a ref and has no data; .fetch() gives what has")
            object.__setattr__(self, name, value)

    # -- sending ------------------------------------------------------------------------------------------------------

    def _send(
        self,
        model: type[R],
        method: str = "GET",
        verb: str = "",
        *,
        params: Mapping[str, object] | None = None,
        lists: Sequence[str] = (),
        body: object = None,
        headers: Mapping[str, str] | None = None,
        idempotent: bool = True,
        context: object = None,
    ) -> R:
        """Send one request and load the object it is answered with, which stands beside this one.

        Args:
            model: The class of the object.
            method: The HTTP method.
            verb: What is appended to the path.
            params: Query parameters.
            lists: Those of them that are always lists.
            body: The JSON body.
            headers: Further headers.
            idempotent: False if it starts something each time it is sent.
            context: What the object is to know of how it was asked for.
        """
        session, path = self.session, self.api_path
        target, query = f"{path}/{verb}" if verb else path, encode_query(params or {}, lists=lists)
        call = ApiRequest(method, target, query, encode_json(body), headers or {}, idempotent=idempotent, about=path)
        collection = path if model.identity is None else parent_path(path)
        return load_object(model, session, call, Binding(session, collection, context, None if verb else path))

    def _do(self, method: str, verb: str = "", *, body: object = None, idempotent: bool = True) -> None:
        """Send one request whose answer says nothing."""
        path = f"{self.api_path}/{verb}" if verb else self.api_path
        call = ApiRequest(method, path, body=encode_json(body), idempotent=idempotent, about=self.api_path)
        self.session.send(call, lambda _answer: None)

    def _update(self, model: type[R], changes: Mapping[str, object], options: type) -> R:
        """Send the fields of an update, and nothing else; `options` is the TypedDict that names those there are."""
        return self._own(self._send(model, self._update_method, body=encode_body(changes, options)))

    def _own(self, answer: R) -> R:
        """Give what an update was answered with; an object takes it over and gives itself."""
        return answer

    def _child(self, *segments: str | int) -> str:
        return f"{self.api_path}/{encode_path(*segments)}"


class Deletable(Ref):
    """What the API can delete."""

    delete_documentation: ClassVar[str]
    """The page and heading that document it, as `clusters#clusters-delete-a-cluster`."""

    def delete(self) -> None:
        """Delete it, for good.

        Raises:
            NotFoundError: It is not there.
        """
        self._do("DELETE")


class Model(SurrogateSafeModel):
    """Data of the API: fields that are not known are kept, and what the server sets is not assigned."""

    model_config = ConfigDict(
        extra="allow",
        strict=True,
        populate_by_name=True,
        protected_namespaces=(),
        hide_input_in_errors=True,  # it may be, or have, a secret
    )

    editable: ClassVar[frozenset[str]] = frozenset()
    """The fields that may be assigned, and that `save()` sends."""

    def __getstate__(self) -> dict[Any, Any]:
        object.__setattr__(self, "__pydantic_private__", None)  # an older pydantic leaves it out of what it constructs
        return super().__getstate__()

    @classmethod
    def class_for(cls, data: Mapping[str, Any]) -> type[Self]:
        """Choose the class that data is loaded into; a kind with several overrides it."""
        del data
        return cls

    def note_drift(self, drift: tuple[Drift, ...]) -> None:
        """Keep what was odd about this; what is a part of something is told of by the whole."""

    def __repr_args__(self) -> ReprArgs:
        """Give what a repr shows, one of `rich` too: no secret, also where it comes in a field that is not known."""
        return [(name, mask_fields(value)) for name, value in super().__repr_args__() if not is_secret(name or "")]

    def __dir__(self) -> list[str]:
        return public_dir(self, super().__dir__())

    def dump(self) -> dict[str, Any]:
        """Give back what the server sent: its names, its values, and nothing that it left out."""
        # by way of JSON, since pydantic's own writes an odd `true` in the place of a number as 1
        told: dict[str, Any] = json.loads(json.dumps(self._told(), default=self._as_json))
        return told

    def _told(self) -> dict[str, Any]:
        fields, come = type(self).model_fields, self.model_fields_set
        told = {fields[name].alias or name: value for name, value in self.__dict__.items() if name in come}
        return told | (self.model_extra or {})

    @staticmethod
    def _as_json(value: object) -> object:
        if isinstance(value, datetime):
            return write_time(value)
        if isinstance(value, Model):
            return value._told()  # noqa: SLF001 - its own
        plain = as_plain(value)  # of a value that the caller put into a dict or list of the object
        if plain is value:
            raise TypeError(f"JSON has nothing for a {type(value).__name__}; give a string, number, bool, list or dict")
        return plain

    if not TYPE_CHECKING:  # a type checker sees the fields themselves

        def __setattr__(self, name: str, value: Any) -> None:
            if name not in type(self).editable:
                raise AttributeError(_why_not(type(self), name))
            super().__setattr__(name, _validated(type(self), name, value))

        def __delattr__(self, name: str) -> None:
            raise AttributeError(f"{type(self).__name__}.{name} cannot be deleted; assign None to what can be cleared")

        def __getattr__(self, name: str) -> Any:
            if name in type(self).model_fields:
                raise AttributeError(f"the server sent no {name!r} for this {type(self).__name__}; see .dump()")
            return super().__getattr__(name)


if TYPE_CHECKING:
    # Type checkers take models for dataclasses, whose `__eq__` would take away the hash.
    @dataclass_transform(kw_only_default=True, eq_default=False, field_specifiers=(Field,))
    class _ByIdentity(ModelMetaclass): ...

    class _Data(Model, metaclass=_ByIdentity): ...
else:
    _Data = Model


class Resource(Ref, ShownObject, _Data):
    """An object: a ref with validated data. The concrete class names its ref first."""

    __slots__ = ("_binding", "_drift", "_loaded", "_path")

    identity: ClassVar[str | None] = "id"
    """The field that is the last segment of the path; None for what there is only one of."""

    has_url: ClassVar[bool] = True
    """Whether the field `url` tells the path."""

    _repr_fields: ClassVar[tuple[str, ...]] = ()
    """The fields that tell people what this is, in its repr and in tables; its path, where there are none."""

    @classmethod
    def listed_as(cls) -> Any:
        """Give the type that validates one of these; a kind with several classes overrides it."""
        return cls

    @property
    def drift(self) -> tuple[Drift, ...]:
        """What in this object was not as documented, and is kept as it came."""
        drift: tuple[Drift, ...] = self._slot("_drift", ())
        return drift

    def note_drift(self, drift: tuple[Drift, ...]) -> None:
        """Keep what was odd about this object."""
        object.__setattr__(self, "_drift", drift)

    def bind(self, binding: Binding) -> Self:
        """Say which session this object belongs to, and in which collection it was found."""
        object.__setattr__(self, "_binding", binding)
        return self

    @property
    def _bound(self) -> Binding:
        bound: Binding = self._slot("_binding", UNBOUND)
        return bound

    def _slot(self, name: str, default: Any) -> Any:
        """Read a slot, and never a key of the payload that has its name."""
        try:
            return object.__getattribute__(self, name)
        except AttributeError:
            return default

    def _find_path(self) -> str | None:
        told = path_told(self.__dict__.get("url")) if self.has_url else None
        return told or self._path_in_collection() or self._bound.path

    def _path_in_collection(self) -> str | None:
        collection = self._bound.collection
        return collection if self.identity is None else path_below(collection, self.__dict__.get(self.identity))

    def _summary(self) -> Iterable[object]:
        """Give what tells in one line what this is, part by part; what is not known is left out."""
        told = ((name, self.__dict__.get(name)) for name in self._repr_fields)
        return (name.replace("_", " ") if value is True else value for name, value in told)

    def __repr__(self) -> str:
        try:
            parts = [*filter(None, map(said, self._summary()))]
        except (ArithmeticError, AttributeError, TypeError, ValueError, RecursionError):  # it is odd, or did not come
            parts = []
        return f"{type(self).__name__}({', '.join(parts) or short_path(self._find_path())})"

    __str__ = __repr__

    if not TYPE_CHECKING:
        __setattr__ = Model.__setattr__

    def _become(self, other: Self) -> Self:
        """Take over the data of another load of the same thing."""
        for name in ("__dict__", "__pydantic_extra__", "__pydantic_fields_set__"):
            object.__setattr__(self, name, getattr(other, name))
        self.note_drift(())
        return other._hand_slots_to(self)

    def _own(self, answer: R) -> R:
        return cast("R", self._become(cast("Self", answer)))

    def __copy__(self) -> Self:
        return self._hand_slots_to(super().__copy__())

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        return self._hand_slots_to(super().__deepcopy__(memo))

    def __getstate__(self) -> dict[Any, Any]:
        """Give what a pickle has: all data, a secret that the server told included, and never the client's token."""
        return {**super().__getstate__(), "slots": {name: self._slot(name, None) for name in _KEPT}}

    def __setstate__(self, state: dict[Any, Any]) -> None:
        super().__setstate__({name: value for name, value in state.items() if name != "slots"})
        _set_slots(self, state["slots"])

    def _hand_slots_to(self, twin: Self) -> Self:
        """Hand over what is known besides the data; nothing in it is ever changed, so that both can have it."""
        _set_slots(twin, {name: self._slot(name, None) for name in _KEPT})
        return twin


def _set_slots(thing: Resource, slots: Mapping[str, Any]) -> None:
    for name, value in slots.items():
        if value is not None:
            object.__setattr__(thing, name, value)


class Fetchable(Resource):
    """An object that the API gives by itself, not only in listings."""

    def reload(self) -> Self:
        """Load this object again, into itself.

        Raises:
            NotFoundError: It is not there any more.
        """
        return self._become(self._send(type(self)))


class Editable(Fetchable):
    """An object whose fields can be assigned, and saved."""

    def model_post_init(self, context: Any, /) -> None:
        """Keep what came, to know later what was changed."""
        del context
        object.__setattr__(self, "_loaded", {name: as_text(value) for name, value in self._edited().items()})

    def changes(self) -> dict[str, Any]:
        """Tell what was changed since it was loaded, as `save()` would send it; changes in place count."""
        loaded: dict[str, str] = self._slot("_loaded", {})
        return {name: value for name, value in self._edited().items() if as_text(value) != loaded.get(name)}

    def save(self) -> Self:
        """Send what was changed since it was loaded, and nothing else; no request where that is nothing.

        An assigned `None` is sent as null, which clears the field.

        Raises:
            UnprocessableEntityError: The server does not accept a value; nothing was saved.
        """
        changes = self.changes()
        return self._become(self._send(type(self), self._update_method, body=changes)) if changes else self

    def _edited(self) -> dict[str, Any]:
        """Give what can be assigned and has come, or was assigned or filled since."""
        self.model_fields_set.update(name for name in self.editable if self.__dict__.get(name))
        fields = type(self).model_fields
        names = {fields[name].alias or name for name in self.editable if name in fields}
        return {name: value for name, value in self.dump().items() if name in names}


def load_object(model: type[R], session: Session, call: ApiRequest, binding: Binding) -> R:
    """Send a request and load the object that it is answered with.

    Args:
        model: The class of the object.
        session: The session to ask.
        call: The request.
        binding: What the object is bound to.

    Raises:
        ResponseError: The answer is no JSON object.
    """
    answer, item = session.send(call, lambda answer: (answer, load_one(model, answer)))
    check_identity(call.method, call.path, answer, item)
    report(answer, [(item, "")], strict=session.strict)
    return item.bind(binding)


def _validated(model: type[Model], name: str, value: object) -> object:
    data = as_plain_data(value)
    partial = model.__pydantic_validator__.validate_assignment(model.model_construct(), name, data)
    return partial.__dict__[name]


def _why_not(model: type[Model], name: str) -> str:
    if name in model.model_fields:
        return f"{model.__name__}.{name} is set by the server and cannot be assigned"
    names = ", ".join(sorted(model.editable)) or "none"
    return f"{model.__name__} has no field {name!r}; what can be assigned: {names}"


def repr_fields(model: type[Resource]) -> tuple[str, ...]:
    """Return the fields that say what an object of this class is, in its repr and in tables."""
    return model._repr_fields  # noqa: SLF001 - of this module
