"""Values that are loaded when they are first read: the jobs of builds in the cache."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from pydantic_core import core_schema

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler

    from buildkite_orm.models.resource import Resource


class Deferred(ABC):
    """A value in the data of an object that is loaded when it is first read."""

    @abstractmethod
    def load(self, owner: Resource) -> object:
        """Return the value.

        Args:
            owner: The object whose field it is.
        """


class MayBeDeferred:
    """Metadata of a field whose value may be deferred: another object may be made of the data of one, by `vars()`."""

    @staticmethod
    def __get_pydantic_core_schema__(source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Accept a deferred value as it is. JSON has none, and is not slower."""
        loaded = handler(source)
        either = core_schema.no_info_wrap_validator_function(_keep_deferred, loaded)
        return core_schema.json_or_python_schema(json_schema=loaded, python_schema=either)


def _keep_deferred(value: object, validate: core_schema.ValidatorFunctionWrapHandler) -> object:
    return value if isinstance(value, Deferred) else validate(value)


class DeferredField:
    """The attribute of a field whose value may be deferred.

    It is set on the class after pydantic has made it.

    Args:
        name: The name of the field.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, owner: Resource | None, kind: type[Resource]) -> Any:
        """Return the value; load it if it was not read yet."""
        data: dict[str, Any] = {} if owner is None else vars(owner)
        if owner is None or self._name not in data:
            raise AttributeError(self._name)  # of the class too, or subclasses would take this for the field's default
        value = data[self._name]
        if isinstance(value, Deferred):
            value = data[self._name] = value.load(owner)
        return value

    def __set__(self, owner: Resource, value: object) -> None:
        """Refuse, as `Model` does before; without this method, Python would look into `__dict__` first."""
        raise AttributeError(f"{type(owner).__name__}.{self._name} cannot be assigned")
