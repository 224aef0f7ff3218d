"""Bare pydantic models with the same fields as the library's models: the least that parsing can cost.

They are made from the library's models. Open enums become plain enums, timestamps become `datetime`, and the kinds of
job become a union that `type` discriminates.
"""

from __future__ import annotations

import types
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, Field, TypeAdapter, create_model

from buildkite_orm.models.enums import OpenEnum
from buildkite_orm.resources.builds.build import Build
from buildkite_orm.resources.builds.job import Job, ManualJob, ScriptJob, TriggerJob, WaiterJob

_JOBS: dict[str, Any] = {"script": ScriptJob, "waiter": WaiterJob, "manual": ManualJob, "trigger": TriggerJob}


def builds_adapter() -> TypeAdapter[Any]:
    """Return the adapter that validates a page of builds."""
    builds: Any = list[_bare(Build)]  # type: ignore[misc]
    return TypeAdapter(builds)


@cache
def _bare(model: type[BaseModel], kind: str | None = None) -> Any:
    fields: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        annotation: Any = field.annotation
        fields[name] = (_plain(annotation), field)
    if kind is not None:
        fields["type"] = (Literal[kind], ...)
    return create_model(f"Bare{model.__name__}", **fields)


@cache
def _plain(annotation: Any) -> Any:
    """Return the annotation that a bare model has in place of this one."""
    bare: Any = get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
    origin, inner = get_origin(bare), get_args(bare)
    if bare is Job:
        kinds = tuple(_bare(model, kind) for kind, model in _JOBS.items())
        return Annotated[Union[kinds], Field(discriminator="type")]  # noqa: UP007
    if isinstance(bare, type) and issubclass(bare, OpenEnum | BaseModel):
        plain: Any = StrEnum(bare.__name__, dict(bare.__members__)) if issubclass(bare, OpenEnum) else _bare(bare)
        return plain
    if origin in {Union, types.UnionType}:
        return Union[tuple(_plain(part) for part in inner)]  # noqa: UP007
    listed: Any = list[_plain(inner[0])] if origin is list else bare  # type: ignore[misc]
    return listed
