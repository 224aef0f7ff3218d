"""The values of the fields of block and input steps.

Documentation: https://buildkite.com/docs/pipelines/configure/step-types/block-step#text-field-attributes
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from buildkite_orm.fake.http import InvalidError
from buildkite_orm.fake.pipeline_yaml.checks import python_pattern
from buildkite_orm.fake.pipeline_yaml.values import is_list
from buildkite_orm.fake.steps import BlockStep

if TYPE_CHECKING:
    from collections.abc import Mapping

    from buildkite_orm.fake.records import Json


def field_values(step: object, given: Json) -> dict[str, str]:
    """Return the meta-data that unblocking a step sets: each field has a value, an empty one if it is optional.

    Raises:
        InvalidError: A required value is missing, or a value is not valid.
    """
    fields = {str(each["key"]): each for each in step.fields} if isinstance(step, BlockStep) else {}
    values = {name: _text(each.get("default")) for name, each in fields.items()}
    values |= {str(name): _text(value) for name, value in given.items()}
    missing = [name for name, each in fields.items() if _is_set(each, "required", default=True) and not values[name]]
    if missing:
        raise InvalidError((name, "missing_field") for name in missing)
    invalid = [name for name, each in fields.items() if values[name] and not _fits(each, values[name])]
    if invalid:
        raise InvalidError((name, "invalid") for name in invalid)
    return values


def _text(value: Any) -> str:
    """Return a value as meta-data: several options, and lines of text, have line feeds between them."""
    if is_list(value):
        return "\n".join(map(_text, value))
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value).replace("\r\n", "\n").replace("\r", "\n")


def _is_set(field: Mapping[str, Any], name: str, *, default: bool) -> bool:
    return field.get(name, default) in (True, "true")


def _fits(field: Mapping[str, Any], value: str) -> bool:
    """Return whether a value has the format of a text field, or is among the options of a select field."""
    if "options" in field:
        chosen = value.split("\n") if _is_set(field, "multiple", default=False) else [value]
        return {_text(option["value"]) for option in field["options"]}.issuperset(chosen)
    return "format" not in field or re.fullmatch(python_pattern(str(field["format"])), value) is not None
