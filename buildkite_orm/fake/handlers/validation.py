"""Validation of request bodies."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from buildkite_orm.fake.http import ApiError, InvalidError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from buildkite_orm.fake.http import ApiRequest
    from buildkite_orm.fake.records import Json

# clients that build forms send texts, which Rails casts
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_COLOR = re.compile(r"#[0-9A-Fa-f]{6}").fullmatch
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch


@dataclass(frozen=True, slots=True)
class Check:
    """The rule for one field of a body.

    Attributes:
        types: The types that it may have.
        required: Whether it must be present.
        filled: Whether it must be neither null nor empty.
        accepts: A predicate that it must fulfill.
    """

    types: type | tuple[type, ...]
    required: bool = False
    filled: bool = False
    accepts: Callable[[Any], bool] | None = None

    def problem(self, body: Json, name: str) -> str | None:
        """Return the error code of the field, or None."""
        if name not in body:
            return "missing_field" if self.required else None
        value = body[name]
        is_blank = value is None or value in ("", [], {})
        if is_blank and self.filled:
            return "missing_field"
        if value is None:
            return None
        if self.types is bool and isinstance(value, str) and value in _BOOLEANS:
            return None
        if not isinstance(value, self.types) or (isinstance(value, bool) and not self._takes_bool()):
            return "invalid"
        return None if is_blank or self.accepts is None or self.accepts(value) else "invalid"

    def _takes_bool(self) -> bool:
        return bool in (self.types if isinstance(self.types, tuple) else (self.types,))


def are_objects(values: list[Any]) -> bool:
    """Return whether all values are JSON objects."""
    return all(isinstance(each, dict) for each in values)


def are_strings(values: Iterable[Any]) -> bool:
    """Return whether all values are strings."""
    return all(isinstance(each, str) for each in values)


def is_policy(value: Any) -> bool:
    """Return whether a value is an OIDC policy: a text, or a list of statements."""
    return isinstance(value, str) or all(isinstance(each, dict) and {"iss", "claims"} <= each.keys() for each in value)


def texts_of(values: Json | None) -> dict[str, str]:
    """Return environment variables or meta-data as strings."""
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in (values or {}).items()
    }


def is_color(text: str) -> bool:
    """Return whether a text is a color such as `#F0CCFF`."""
    return _COLOR(text) is not None


def is_uuid(text: str) -> bool:
    """Return whether a text has the form of a UUID."""
    return _UUID(text) is not None


def one_of(*values: str, required: bool = False) -> Check:
    """Return the check of a field that must be one of some values."""
    return Check(str, required=required, filled=True, accepts=lambda value: value in values)


def require_administrator(request: ApiRequest) -> None:
    """Raise a 403 if the user is not an administrator of the organization."""
    user = request.token.user
    if user not in request.organization.users or user.role != "admin":
        raise ApiError(403, "You must be an organization administrator to do that")


def require_valid(body: Json, checks: Mapping[str, Check]) -> None:
    """Raise a 422 that names all invalid fields; unknown fields are ignored, and booleans cast, as Rails does."""

    def problems() -> Iterator[tuple[str, str]]:
        for name, check in checks.items():
            if (code := check.problem(body, name)) is not None:
                yield name, code

    if found := list(problems()):
        raise InvalidError(found)
    for name, check in checks.items():
        if check.types is bool and isinstance(body.get(name), str):
            body[name] = _BOOLEANS.get(body[name])
