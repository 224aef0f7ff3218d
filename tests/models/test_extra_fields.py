"""Fields of a body that the library does not know: `create(extra=…)` and `update(extra=…)`."""

from __future__ import annotations

import inspect
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import buildkite_orm
from buildkite_orm.http.encoding import encode_body

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildkite_orm import PipelineRef
    from tests.conftest import Costs, Sent

RESOURCES = Path(buildkite_orm.__file__).parent / "resources"


def writes() -> dict[str, Callable[..., object]]:
    """Return the methods that send the fields of a resource."""
    found: dict[str, Callable[..., object]] = {}
    for path in sorted(RESOURCES.rglob("[!_]*.py")):
        parts = path.relative_to(RESOURCES.parents[1]).with_suffix("").parts
        for member in vars(import_module(".".join(parts))).values():
            if inspect.isclass(member) and member.__module__.startswith("buildkite_orm."):
                methods = (vars(member).get(name) for name in ("create", "update"))
                found |= {each.__qualname__: each for each in methods if inspect.isfunction(each)}
    return found


def test_each_create_and_update_takes_extra_fields() -> None:
    found = {name: inspect.signature(method).parameters for name, method in writes().items()}
    assert len(found) > 30
    assert {name for name, parameters in found.items() if "extra" not in parameters} == set()


def test_extra_fields_are_sent_with_the_others(web: PipelineRef, sent: Sent, costs: Costs) -> None:
    with costs(1):
        web.builds().create(commit="HEAD", branch="main", extra={"message": "x"})
    assert sent()[1] == {"commit": "HEAD", "branch": "main", "message": "x"}
    with costs(1):
        web.update(description="y", extra={"brand_new": [1, {"a": None}]})
    assert sent()[1] == {"description": "y", "brand_new": [1, {"a": None}]}


def test_a_field_is_passed_once(web: PipelineRef, costs: Costs) -> None:
    with costs(0), pytest.raises(TypeError, match="extra= repeats description; pass each field once"):
        web.update(description="y", extra={"description": "z"})


def test_extra_fields_are_checked_as_json(web: PipelineRef, costs: Costs) -> None:
    odd: Any = object()
    with costs(0), pytest.raises(TypeError, match="brand_new: JSON has nothing for"):
        web.update(extra={"brand_new": odd})


def test_no_extra_fields_change_nothing() -> None:
    assert encode_body({"a": 1}, extra=None) == encode_body({"a": 1}, extra={}) == {"a": 1}
