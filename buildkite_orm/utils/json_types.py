"""JSON values whose kind is not known yet, seen as what they are."""

from __future__ import annotations

import json
from collections import UserString
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final, cast

_TEXTS: Final = (str, bytes, bytearray, memoryview, UserString)

Number = int | float
"""A number that stays of the kind that came: 3 is not 3.0."""


def as_object(value: object) -> dict[str, Any] | None:
    """Give a JSON object as one; None where it is something else."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def as_array(value: object) -> list[object] | None:
    """Give a JSON array as one; None where it is something else."""
    return cast("list[object]", value) if isinstance(value, list) else None


def as_mapping(value: object) -> Mapping[object, object] | None:
    """Give any mapping as one; None where it is something else."""
    return cast("Mapping[object, object]", value) if isinstance(value, Mapping) else None


def as_several(value: object) -> list[object] | None:
    """Give what stands for several values as a list; None where it is one."""
    if isinstance(value, Sequence | AbstractSet) and not isinstance(value, _TEXTS):
        return list(cast("Sequence[object]", value))
    return None


def as_text(value: object) -> str:
    """Return a JSON value as text, to compare it later; what nests too deep for that is not compared."""
    try:
        return json.dumps(value, sort_keys=True)
    except RecursionError:
        return ""
