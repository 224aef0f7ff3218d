"""Read the bodies and headers of error responses, of any kind."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from buildkite_orm.utils.header_values import LONGEST_WINDOW
from buildkite_orm.utils.json_types import as_array, as_object

if TYPE_CHECKING:
    from collections.abc import Mapping

    from buildkite_orm.utils.redaction import Secrets

LONGEST_MESSAGE: Final = 500


def error_payload(body: bytes, secrets: Secrets) -> dict[str, Any]:
    """Return the JSON object of an error; secrets are masked before the message is cut."""
    try:
        payload = as_object(secrets.mask_json(json.loads(body))) or {}
    except (ValueError, RecursionError):
        return {}
    message = payload.get("message")
    if message is not None:
        payload["message"] = str(message)[:LONGEST_MESSAGE]
    return payload


def seconds_in(value: object) -> float | None:
    """Return the seconds until a window ends, from a body; None if the value is impossible."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LONGEST_WINDOW:
        return None
    return float(value)


def printable(text: str) -> str:
    """Return a text of the server on one line, with control characters escaped."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in " ".join(text.split()))


def describe(body: bytes, headers: Mapping[str, str]) -> str:
    """Return the size and the type of a body that has no message."""
    if not body:
        return "(no body)"
    kind = headers.get("content-type", "an unnamed type").partition(";")[0]
    return f"({len(body)} bytes of {kind})"


def error_list(errors: object) -> list[Mapping[str, Any]]:
    """Return the errors in a payload, one mapping for each."""
    several = as_array(errors) if as_object(errors) is None else [errors]
    return [as_object(error) or {"message": error} for error in several or []]


def error_line(detail: Mapping[str, Any]) -> str:
    """Return one of the errors as a line."""
    field = detail.get("field") or detail.get("attribute")
    message = detail.get("message") or detail.get("code") or detail
    return f"{field}: {message}" if field else str(message)


def scopes_in(header: str | None) -> tuple[str, ...]:
    """Return the scopes that a header names."""
    return tuple(scope.strip() for scope in (header or "").split(",") if scope.strip())
