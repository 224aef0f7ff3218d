"""Read JSON or YAML into models; errors name each invalid field and the values that it allows."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Any, TypeVar, cast

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from buildkite_orm.fake import times

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pydantic_core import ErrorDetails

    from buildkite_orm.fake.records import Json

M = TypeVar("M", bound=BaseModel)

_MOST_ERRORS = 20
_LATEST_TIME = 253370764800.0  # 9999-01-01T00:00:00Z
_LONGEST_PATH = 300
_CHOICE = re.compile(r"'([^']*)'")


class Body(BaseModel):
    """An object with known fields: values are not converted, and an unknown field is an error."""

    model_config = ConfigDict(strict=True, extra="ignore")

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_fields(cls, data: Any) -> Any:
        names = cls.names()
        keys = list(cast("dict[object, object]", data)) if isinstance(data, dict) else []
        if unknown := [key for key in keys if key not in names]:
            raise choice_error(unknown[0], names, what="unknown field", at=str(unknown[0])[:100])
        return cast("object", data)

    @classmethod
    def names(cls) -> list[str]:
        """Return the fields' names in JSON."""
        return [field.alias or name for name, field in cls.model_fields.items()]

    def given(self, *but: str) -> dict[str, Any]:
        """Return the fields that were sent, except some."""
        return {name: getattr(self, name) for name in self.model_fields_set if name not in but}


def choice_error(value: object, choices: Iterable[str], *, what: str = "not allowed", at: str = "") -> Exception:
    """Return the error for a value that is not one of the choices; `at` is appended to the path of the field."""
    listed = list(choices)
    text = f"{what} {str(value)[:100]!r}; choose from {', '.join(listed) or '(nothing)'}"
    # passed as a parameter, since the value may contain braces
    return PydanticCustomError("choice", "{text}", {"text": text, "choices": listed, "at": at})


def one_of(choices: Iterable[str]) -> Callable[[str], str]:
    """Return a validator of strings that are one of the choices."""
    known = sorted(choices)

    def check(value: str) -> str:
        if value not in known:
            raise choice_error(value, known)
        return value

    return check


def read_time(value: object) -> float:
    """Read a time from 1970 on: ISO 8601, or a date and time of YAML; UTC unless it has an offset."""
    if isinstance(value, date):  # a `datetime` is one too
        value = value.isoformat()
    moment = times.parse(value) if isinstance(value, str) else None
    if moment is None or not 0 <= moment <= _LATEST_TIME:
        raise PydanticCustomError("time", "must be a time from 1970 to 9998, such as 2026-08-01T12:00:00Z")
    return moment


def read(model: type[M], data: Any, *, strict: bool = True) -> M:
    """Validate data.

    Raises:
        InvalidFieldsError: Some fields are wrong.
    """
    try:
        return model.model_validate(data, strict=strict)
    except ValidationError as error:
        raise InvalidFieldsError(
            [_problem(each) for each in error.errors(include_url=False, include_input=False)]
        ) from None


class InvalidFieldsError(ValueError):
    """Invalid fields: `errors` has `field`, `message` and, for a fixed set of values, `choices`."""

    def __init__(self, errors: list[Json]) -> None:
        self.errors = errors[:_MOST_ERRORS]
        super().__init__("; ".join(f"{each['field']}: {each['message']}" for each in self.errors))


def _problem(error: ErrorDetails) -> Json:
    context = error.get("ctx", {})
    message = error["msg"].replace("Input should be", "must be").replace("valid dictionary", "object")
    if error["type"] == "model_type":
        message = "must be an object"
    choices = context.get("choices") or _choices_of_literal(error["type"], context)
    problem: Json = {"field": _path(error["loc"], context), "message": message.removeprefix("Value error, ")}
    return problem | {"choices": choices} if choices else problem


def _choices_of_literal(kind: str, context: Mapping[str, Any]) -> list[str]:
    return _CHOICE.findall(str(context.get("expected", ""))) if kind == "literal_error" else []


def _path(location: tuple[int | str, ...], context: Mapping[str, Any]) -> str:
    """Return the location as it is written in code: `jobs[0].state`."""
    parts = [*location, context["at"]] if context.get("at") else location
    text = ""
    for part in parts:
        if isinstance(part, int):
            text += f"[{part}]"
        elif not part.startswith(("<", "[")):  # pydantic's names for an alternative and for a key
            text += f".{part}"
    return text.removeprefix(".")[:_LONGEST_PATH] or "(top level)"
