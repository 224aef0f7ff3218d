"""Type checks of JSON values."""

from __future__ import annotations

import json
from collections import UserString
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final, cast

_TEXTS: Final = (str, bytes, bytearray, memoryview, UserString)

Number = int | float
"""A number of the type in the payload: 3 is not 3.0."""


def as_object(value: object) -> dict[str, Any] | None:
    """Return a value if it is a JSON object, else None."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def as_array(value: object) -> list[object] | None:
    """Return a value if it is a JSON array, else None."""
    return cast("list[object]", value) if isinstance(value, list) else None


def as_mapping(value: object) -> Mapping[object, object] | None:
    """Return a value if it is a mapping, else None."""
    return cast("Mapping[object, object]", value) if isinstance(value, Mapping) else None


def as_several(value: object) -> list[object] | None:
    """Return a sequence or set as a list; None for a single value."""
    if isinstance(value, Sequence | AbstractSet) and not isinstance(value, _TEXTS):
        return list(cast("Sequence[object]", value))
    return None


def as_text(value: object) -> str:
    """Return a JSON value as text, to compare it later; "" if it is nested too deeply."""
    try:
        return json.dumps(value, sort_keys=True)
    except RecursionError:
        return ""
