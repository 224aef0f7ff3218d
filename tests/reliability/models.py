"""All models of the library, found by walking its modules, and a documented payload for each."""

from __future__ import annotations

import importlib
import pkgutil
import types
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Union, get_args, get_origin

import buildkite_orm.resources
from buildkite_orm.models.resource import Model, Resource

if TYPE_CHECKING:
    from collections.abc import Iterator

TIME: Final = "2026-07-01T10:00:00.123Z"
URL: Final = "https://api.buildkite.com/v2/organizations/acme/items/1"
_SAMPLES: Final[dict[object, object]] = {
    str: "text", int: 1, float: 1.5, bool: True, datetime: TIME, Any: "anything", object: "anything", type(None): None,
}  # fmt: skip


def modules() -> Iterator[types.ModuleType]:
    for found in pkgutil.walk_packages(buildkite_orm.resources.__path__, "buildkite_orm.resources."):
        yield importlib.import_module(found.name)


MODELS: Final = {
    member
    for module in modules()
    for member in vars(module).values()
    if isinstance(member, type) and issubclass(member, Model) and member.__module__ == module.__name__
}
RESOURCES: Final = sorted((model for model in MODELS if issubclass(model, Resource)), key=lambda model: model.__name__)


def payload_of(model: type[Model]) -> dict[str, Any]:
    """Return a payload for a model: all fields, each with some value."""
    fields = {field.alias or name: sample(field.annotation) for name, field in model.model_fields.items()}
    return fields | ({"url": URL} if "url" in fields else {})


def sample(annotation: Any) -> Any:
    """Return some value of a type."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in {Annotated, Union, types.UnionType}:
        return sample(next(part for part in arguments if part is not type(None)))
    if origin in {list, dict}:
        inner = sample(arguments[-1])
        return [inner] if origin is list else {"a": inner}
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return payload_of(annotation)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return next(iter(annotation)).value
    return arguments[0] if origin is Literal else _SAMPLES[annotation]
