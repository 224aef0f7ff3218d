"""Fixtures that the tests of the resources share: a cluster, and a check of the documented example payloads."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Protocol

import pytest

from tests.documented import items_of_example

if TYPE_CHECKING:
    from buildkite_orm import Buildkite
    from buildkite_orm.models.resource import Model
    from buildkite_orm.resources.clusters.cluster import Cluster


class Examples(Protocol):
    """Asserts that documented example payloads (`teams/get-a-team`) load into a model and dump back to themselves."""

    def __call__(self, model: type[Model], *names: str) -> None: ...


@pytest.fixture
def cluster(bk: Buildkite) -> Cluster:
    """A cluster without queues."""
    return bk.organization("acme").clusters().create(name="Linux")


@pytest.fixture
def examples() -> Examples:
    """The payloads that the documentation shows; see `Examples`."""

    def check(model: type[Model], *names: str) -> None:
        for name in names:
            for item in items_of_example(name):
                loaded = model.model_validate_json(json.dumps(item))
                assert not loaded.model_extra, name
                assert loaded.dump() == item, name

    return check
