"""Payloads that are not as documented, and a check of what holds for an object all the same."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any, cast

from hypothesis import strategies as st

from buildkite_orm import Drift
from buildkite_orm.utils.text import escape_control

if TYPE_CHECKING:
    from collections.abc import Iterator


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


SPECIAL = [
    None,
    True,
    0,
    -1,
    10**400,
    2**63,
    1.5,
    1e308,
    "",
    "..",
    "\x00\x1b[2J",
    "half \ud800 a character",
    "https://[",
    "2013-09-03T13:24:38.000Z",
    [],
    {},
    [None],
    {"id": None},
    {"half \ud800": 1},
    nested(100),
    nested(300),
    {"deep": nested(400)},
]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
odd_values = st.sampled_from(SPECIAL) | json_values


def paths_in(value: Any, where: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if where:
        yield where
    inside: dict[Any, Any] = {}
    if isinstance(value, dict):
        inside = cast("dict[Any, Any]", cast("object", value))
    elif isinstance(value, list):
        inside = dict(enumerate(cast("list[object]", value)))
    for key, item in inside.items():
        yield from paths_in(item, (*where, key))


def changed(payload: dict[str, Any], where: tuple[Any, ...], value: Any, *, drop: bool) -> dict[str, Any]:
    result: Any = copy.deepcopy(payload)
    inside = result
    for key in where[:-1]:
        inside = inside[key]
    if drop:
        del inside[where[-1]]
    else:
        inside[where[-1]] = value
    return cast("dict[str, Any]", result)


def text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def check_object(item: Any, payload: Any) -> None:
    """Check what holds for every object: it dumps back, and `repr`, `==`, `hash` and `drift` work."""
    assert text(item.dump()) == text(payload)
    assert escape_control(repr(item)) == repr(item)  # nothing is left to escape
    assert item == item  # noqa: PLR0124 - the point
    assert item in {item: 1}
    assert all(isinstance(drift, Drift) for drift in item.drift)


def mutations(payload: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    def change(where: tuple[Any, ...], value: Any, drop: bool) -> dict[str, Any]:  # noqa: FBT001 - drawn
        return changed(payload, where, value, drop=drop)

    return st.builds(
        change,
        st.sampled_from(sorted(paths_in(payload), key=str)),
        odd_values,
        st.booleans(),
    )
