"""Every model of the library, also those that come later, and a payload of each that is as documented."""

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
URL: Final = "https://api.buildkite.com/v2/organizations/acme/things/1"
_SAMPLES: Final[dict[object, object]] = {
    str: "text", int: 1, float: 1.5, bool: True, datetime: TIME, Any: "anything", object: "anything", type(None): None,
}  # fmt: skip


def modules() -> Iterator[types.ModuleType]:
    for found in pkgutil.walk_packages(buildkite_orm.resources.__path__, "buildkite_orm.resources."):
        yield importlib.import_module(found.name)


MODELS: Final = {
    thing
    for module in modules()
    for thing in vars(module).values()
    if isinstance(thing, type) and issubclass(thing, Model) and thing.__module__ == module.__name__
}
RESOURCES: Final = sorted((model for model in MODELS if issubclass(model, Resource)), key=lambda model: model.__name__)


def payload_of(model: type[Model]) -> dict[str, Any]:
    """Make what the API may answer with where it answers with this model: all fields, each with some value."""
    fields = {field.alias or name: sample(field.annotation) for name, field in model.model_fields.items()}
    return fields | ({"url": URL} if "url" in fields else {})


def sample(annotation: Any) -> Any:
    """Make some value of a type."""
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
