"""Objects: refs with validated data.

`Model` is data of the API that pydantic validated. A `Resource` is a ref too: `Fetchable` can be loaded again,
`Editable` can be changed and saved. The class of an object names its ref first: `class Build(BuildRef, Fetchable)`.
"""

from __future__ import annotations

import json
from datetime import UTC
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self, TypeVar, cast, dataclass_transform

from pydantic import ConfigDict, Field

from buildkite_orm.models.binding import UNBOUND, Binding
from buildkite_orm.models.display import ShownObject
from buildkite_orm.models.guesses import REFUSED
from buildkite_orm.models.hints import Unavailable, not_iterable, not_subscriptable, unknown_attribute
from buildkite_orm.models.paths import path_below, path_from_url, short_path
from buildkite_orm.models.ref import Ref
from buildkite_orm.models.timestamps import UtcTime, write_time
from buildkite_orm.utils.close_names import meant
from buildkite_orm.utils.introspection import name_methods, public_dir
from buildkite_orm.utils.json_types import as_text
from buildkite_orm.utils.plain_values import as_plain, as_plain_data
from buildkite_orm.utils.redaction import is_secret, mask_fields
from buildkite_orm.utils.surrogates import SurrogateSafeModel
from buildkite_orm.utils.text import format_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from pydantic._internal._model_construction import ModelMetaclass
    from pydantic._internal._repr import ReprArgs

    from buildkite_orm.models.parsing import Drift

    Timestamp = datetime
else:
    from datetime import datetime

    Timestamp = Annotated[datetime, UtcTime()]

R = TypeVar("R", bound="Resource")

_COPIED_SLOTS = ("_binding", "_drift", "_loaded")


class Model(SurrogateSafeModel):
    """Data of the API: unknown fields are kept, and fields that the server sets cannot be assigned."""

    model_config = ConfigDict(
        extra="allow",
        strict=True,
        populate_by_name=True,
        protected_namespaces=(),
        hide_input_in_errors=True,  # the input may contain a secret
    )

    editable: ClassVar[frozenset[str]] = frozenset()
    """The fields that may be assigned, and that `save()` sends."""

    def __getstate__(self) -> dict[Any, Any]:
        object.__setattr__(self, "__pydantic_private__", None)  # older versions of pydantic do not set it in all cases
        return super().__getstate__()

    @classmethod
    def class_for(cls, data: Mapping[str, Any]) -> type[Self]:
        """Return the class that a payload is loaded into; a kind with several classes overrides it."""
        del data
        return cls

    def note_drift(self, drift: tuple[Drift, ...]) -> None:
        """Record the drift in this object; that of a part is recorded by the object that it belongs to."""

    def __repr_args__(self) -> ReprArgs:
        """Return the fields for the repr, and for that of `rich`, without secrets, also those in unknown fields."""
        return [(name, mask_fields(value)) for name, value in super().__repr_args__() if not is_secret(name or "")]

    def __dir__(self) -> list[str]:
        return public_dir(self, super().__dir__())

    def dump(self) -> dict[str, Any]:
        """Return what the server sent: its names and values, without fields that it left out."""
        # through JSON, since pydantic's own serializer writes an unexpected `true` in a number field as 1
        payload: dict[str, Any] = json.loads(json.dumps(self._payload(), default=self._as_json))
        return payload

    def _payload(self) -> dict[str, Any]:
        fields, received = type(self).model_fields, self.model_fields_set
        payload = {fields[name].alias or name: value for name, value in self.__dict__.items() if name in received}
        return payload | (self.model_extra or {})

    @staticmethod
    def _as_json(value: object) -> object:
        if isinstance(value, datetime):
            return write_time(value)
        if isinstance(value, Model):
            return value._payload()  # noqa: SLF001
        plain = as_plain(value)  # of a value that the caller put into a dict or list of the object
        if plain is value:
            raise TypeError(f"a {type(value).__name__} is not valid in JSON; use a string, number, bool, list or dict")
        return plain

    if not TYPE_CHECKING:  # type checkers know the fields

        def __setattr__(self, name: str, value: Any) -> None:
            if name not in type(self).editable:
                raise AttributeError(_why_not_assigned(type(self), name))
            super().__setattr__(name, _validated(type(self), name, value))

        def __delattr__(self, name: str) -> None:
            raise AttributeError(f"{type(self).__name__}.{name} cannot be deleted; assign None to clear a field")

        def __getattr__(self, name: str) -> Any:
            if name in type(self).model_fields:
                raise AttributeError(f"the server sent no {name!r} for this {type(self).__name__}; see .dump()")
            if name.startswith("_") or name in (self.model_extra or ()) or hasattr(type(self), name):
                return super().__getattr__(name)
            raise AttributeError(unknown_attribute(type(self), name, has_data=True))

        def __getitem__(self, key: object) -> Any:
            raise TypeError(not_subscriptable(type(self), key, has_data=True))

        def __iter__(self) -> Any:
            """Refuse: pydantic would yield pairs of names and values."""
            raise TypeError(not_iterable(type(self)))


for _name in REFUSED:
    setattr(Model, _name, Unavailable(_name))

if TYPE_CHECKING:
    # Type checkers treat models as dataclasses, whose `__eq__` would remove the hash.
    @dataclass_transform(kw_only_default=True, eq_default=False, field_specifiers=(Field,))
    class _ByIdentity(ModelMetaclass): ...

    class _Data(Model, metaclass=_ByIdentity): ...
else:
    _Data = Model


class Resource(Ref, ShownObject, _Data):
    """An object: a ref with validated data. The concrete class names its ref first."""

    __slots__ = ("_binding", "_drift", "_loaded", "_path")

    has_url: ClassVar[bool] = True
    """Whether the field `url` contains the path."""

    _repr_fields: ClassVar[tuple[str, ...]] = ()
    """The fields in the repr and in tables; if empty, the path is shown."""

    @classmethod
    def listed_as(cls) -> Any:
        """Return the type that validates one item of a listing; a kind with several classes overrides it."""
        return cls

    @property
    def drift(self) -> tuple[Drift, ...]:
        """The values in this object that differ from the documentation, and are kept as received."""
        drift: tuple[Drift, ...] = self._read_slot("_drift", ())
        return drift

    @property
    def from_cache(self) -> bool:
        """Whether this object, or the jobs of this build, was read from the cache; see `Cache`."""
        return self._bound.cached_at is not None

    @property
    def cached_at(self) -> datetime | None:
        """When that was stored in the cache; None if all of it was requested."""
        cached_at = self._bound.cached_at
        return None if cached_at is None else datetime.fromtimestamp(cached_at, UTC)

    def note_drift(self, drift: tuple[Drift, ...]) -> None:
        """Record the drift in this object."""
        object.__setattr__(self, "_drift", drift)

    def bind(self, binding: Binding) -> Self:
        """Set the session that this object belongs to, and the collection that it was listed in."""
        object.__setattr__(self, "_binding", binding)
        return self

    @property
    def _bound(self) -> Binding:
        bound: Binding = self._read_slot("_binding", UNBOUND)
        return bound

    def _read_slot(self, name: str, default: Any) -> Any:
        """Read a slot, and never a key of the payload that has its name."""
        try:
            return object.__getattribute__(self, name)
        except AttributeError:
            return default

    def _find_path(self) -> str | None:
        path = path_from_url(self.__dict__.get("url")) if self.has_url else None
        return path or self._path_in_collection() or self._bound.path

    def _path_in_collection(self) -> str | None:
        collection = self._bound.collection
        return collection if self.identity is None else path_below(collection, self.__dict__.get(self.identity))

    def _summary(self) -> Iterable[object]:
        """Return the parts of a one-line description; unknown ones are left out."""
        values = ((name, self.__dict__.get(name)) for name in self._repr_fields)
        return (name.replace("_", " ") if value is True else value for name, value in values)

    def __repr__(self) -> str:
        try:
            parts = [*filter(None, map(format_value, self._summary()))]
        except (ArithmeticError, AttributeError, TypeError, ValueError, RecursionError):  # a field is odd or missing
            parts = []
        return f"{type(self).__name__}({', '.join(parts) or short_path(self._find_path())})"

    __str__ = __repr__

    if not TYPE_CHECKING:
        __setattr__, __getattr__ = Model.__setattr__, Model.__getattr__
        __getitem__, __iter__ = Model.__getitem__, Model.__iter__

    def _copy_data_from(self, other: Self) -> Self:
        """Replace the data by that of another object of the same resource."""
        for name in ("__dict__", "__pydantic_extra__", "__pydantic_fields_set__"):
            object.__setattr__(self, name, getattr(other, name))
        self.note_drift(())
        return other._copy_slots_to(self)

    def _apply(self, updated: R) -> R:
        return cast("R", self._copy_data_from(cast("Self", updated)))

    def __copy__(self) -> Self:
        return self._copy_slots_to(super().__copy__())

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        return self._copy_slots_to(super().__deepcopy__(memo))

    def __getstate__(self) -> dict[Any, Any]:
        """Return the content of a pickle: all data, also secrets that the server sent, and never the client's token."""
        return {**super().__getstate__(), "slots": {name: self._read_slot(name, None) for name in _COPIED_SLOTS}}

    def __setstate__(self, state: dict[Any, Any]) -> None:
        super().__setstate__({name: value for name, value in state.items() if name != "slots"})
        _set_slots(self, state["slots"])

    def _copy_slots_to(self, copy: Self) -> Self:
        """Copy what is known besides the data; its values are never changed in place, so both objects share them."""
        _set_slots(copy, {name: self._read_slot(name, None) for name in _COPIED_SLOTS})
        return copy


def _set_slots(item: Resource, slots: Mapping[str, Any]) -> None:
    for name, value in slots.items():
        if value is not None:
            object.__setattr__(item, name, value)


class Fetchable(Resource):
    """An object that the API returns by itself, not only in listings."""

    def reload(self) -> Self:
        """Load this object again, into itself.

        Raises:
            NotFoundError: It does not exist any more.
        """
        return self._copy_data_from(self._request(type(self)))


class Editable(Fetchable):
    """An object whose fields can be assigned, and saved."""

    def model_post_init(self, context: Any, /) -> None:
        """Record the loaded values, to find out later which of them changed."""
        del context
        object.__setattr__(self, "_loaded", {name: as_text(value) for name, value in self._edited().items()})

    def changes(self) -> dict[str, Any]:
        """Return what changed since it was loaded, as `save()` would send it; changes in place count."""
        loaded: dict[str, str] = self._read_slot("_loaded", {})
        return {name: value for name, value in self._edited().items() if as_text(value) != loaded.get(name)}

    def save(self) -> Self:
        """Send what changed since it was loaded, and nothing else; no request if nothing changed.

        An assigned `None` is sent as null, which clears the field.

        Raises:
            UnprocessableEntityError: The server rejects a value; nothing was saved.
        """
        changes = self.changes()
        if not changes:
            return self
        return self._copy_data_from(self._request(type(self), self._update_method, body=changes))

    def _edited(self) -> dict[str, Any]:
        """Return the editable fields that were received, or assigned or filled since."""
        self.model_fields_set.update(name for name in self.editable if self.__dict__.get(name))
        fields = type(self).model_fields
        names = {fields[name].alias or name for name in self.editable if name in fields}
        return {name: value for name, value in self.dump().items() if name in names}


name_methods(Fetchable)
name_methods(Editable)


def _validated(model: type[Model], name: str, value: object) -> object:
    data = as_plain_data(value)
    partial = model.__pydantic_validator__.validate_assignment(model.model_construct(), name, data)
    return partial.__dict__[name]


def _why_not_assigned(model: type[Model], name: str) -> str:
    if name in model.model_fields:
        return f"{model.__name__}.{name} is set by the server and cannot be assigned"
    names = ", ".join(sorted(model.editable)) or "none"
    right = meant(name, model.editable)
    hint = "" if right is None else f"; use .{right}"
    return f"{model.__name__} has no field {name!r}; editable fields: {names}{hint}"


def repr_fields(model: type[Resource]) -> tuple[str, ...]:
    """Return the fields that say what an object of this class is, in its repr and in tables."""
    return model._repr_fields  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
