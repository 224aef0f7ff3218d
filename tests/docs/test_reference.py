"""The reference has each public name once, as it is imported."""

from __future__ import annotations

from collections import Counter
from importlib import import_module
from typing import Any

import pytest

from buildkite_orm import Build
from docs.docstrings import reference_names, skip_member

LISTED = reference_names()
PACKAGES = [
    "buildkite_orm",
    "buildkite_orm.fake",
    "buildkite_orm.webhooks",
    "buildkite_orm.testing",
    *(
        f"buildkite_orm.resources.{area}"
        for area in ("clusters", "organizations", "packages", "pipelines", "teams", "test_engine")
    ),
]


def test_nothing_is_in_the_reference_twice() -> None:
    assert [name for name, times in Counter(LISTED).items() if times > 1] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_exports_of_a_package_are_in_the_reference(package: str) -> None:
    names = {f"{package}.{name}" for name in import_module(package).__all__ if not name.startswith("__")}
    assert sorted(names - set(LISTED)) == []


def test_names_in_the_reference_exist() -> None:
    for name in LISTED:
        module, _, attribute = name.rpartition(".")
        assert hasattr(import_module(module), attribute), name


@pytest.mark.parametrize("name", ["__init_subclass__", "at"])
def test_members_that_are_not_for_users_are_not_in_the_reference(name: str) -> None:
    app: Any = None
    skipped = {each: skip_member(app, "method", each, getattr(Build, each), False, None) for each in (name, "fetch")}
    assert skipped == {name: True, "fetch": None}
