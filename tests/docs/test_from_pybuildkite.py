"""The page about moving from pybuildkite: it has every call of it, and each replacement exists."""

from __future__ import annotations

import inspect
import pkgutil
import re
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pybuildkite
import pytest

import buildkite_orm
from buildkite_orm import resources
from tests.docs.page import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = (ROOT / "docs" / "from-pybuildkite.md").read_text(encoding="utf-8")
ROWS = [row.strip("| ").split(" | ", 1) for row in PAGE.splitlines() if row.startswith("| ")][2:]
THEIRS, OURS = ("\n".join(column) for column in zip(*ROWS, strict=True))


def classes(package: Any) -> Iterator[tuple[str, type[Any]]]:
    """Yield the classes of a package's modules, with the names of the modules."""
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        for member in vars(import_module(module.name)).values():
            if inspect.isclass(member) and member.__module__ == module.name:
                yield module.name.rpartition(".")[2], member


CALLS = [
    f"{area}().{name}(" if area not in {"buildkite", "client"} else f"{name}("
    for area, kind in classes(pybuildkite)
    for name, member in vars(kind).items()
    if inspect.isfunction(member) and not name.startswith("_")
]


@pytest.mark.parametrize("call", CALLS)
def test_a_call_of_pybuildkite_has_its_row(call: str) -> None:
    assert f"`{call}" in THEIRS


def test_all_calls_of_pybuildkite_are_found() -> None:
    assert len(CALLS) == 58
    assert {"builds().list_all_for_pipeline(", "jobs().get_job_log(", "set_access_token("} <= set(CALLS)


def test_each_replacement_exists() -> None:
    kinds = [kind for _, kind in classes(resources)] + [buildkite_orm.Buildkite, buildkite_orm.QuerySet]
    known = {name for kind in kinds for name in dir(kind)} | {"Buildkite"}
    named = set(re.findall(r"\b(\w+)\(", OURS))
    assert len(named) > 30
    assert named - known == set()
