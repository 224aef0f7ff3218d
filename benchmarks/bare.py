"""The floor under parsing: bare pydantic models with the fields of the library's, made from these, and nothing else.

Plain enums stand for the open ones, `datetime` for times in either form, and a union by `type` for the kinds of job.
"""

from __future__ import annotations

import types
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, Field, TypeAdapter, create_model

from buildkite_orm.resources.builds.build import Build
from buildkite_orm.resources.builds.job import Job, ManualJob, ScriptJob, TriggerJob, WaiterJob
from buildkite_orm.states import OpenEnum

_JOBS = {"script": ScriptJob, "waiter": WaiterJob, "manual": ManualJob, "trigger": TriggerJob}


def floor() -> TypeAdapter[Any]:
    """Give what validates a page of builds."""
    return TypeAdapter(list[_bare(Build)])  # type: ignore[misc]


@cache
def _bare(model: type[BaseModel], kind: str | None = None) -> Any:
    fields: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        plain = Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
        fields[name] = (_plain(plain), field)
    if kind is not None:
        fields["type"] = _literal(kind)
    return create_model(f"Bare{model.__name__}", **fields)


def _literal(kind: str) -> Any:
    from typing import Literal  # noqa: PLC0415

    return (Literal[kind], ...)


@cache
def _plain(annotation: Any) -> Any:
    """Give what a bare model would say in the place of an annotation."""
    bare = get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
    if bare is datetime:
        return datetime
    if bare is Job:
        kinds = tuple(_bare(model, kind) for kind, model in _JOBS.items())
        return Annotated[Union[kinds], Field(discriminator="type")]  # noqa: UP007
    if isinstance(bare, type) and issubclass(bare, OpenEnum):
        return StrEnum(bare.__name__, {member.name: member.value for member in bare})
    if isinstance(bare, type) and issubclass(bare, BaseModel):
        return _bare(bare)
    origin, inner = get_origin(bare), get_args(bare)
    if origin in {Union, types.UnionType}:
        return Union[tuple(_plain(part) for part in inner)]  # noqa: UP007
    if origin is list:
        return list[_plain(inner[0])]  # type: ignore[misc]
    return bare
