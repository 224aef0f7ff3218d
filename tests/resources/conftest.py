"""Fixtures that the tests of the resources share: a cluster, and a check of the documented example payloads."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from buildkite_orm.utils.json_types import as_array, as_object
from tests.documented import example

if TYPE_CHECKING:
    from buildkite_orm import Buildkite
    from buildkite_orm.models.resource import Model
    from buildkite_orm.resources.clusters.cluster import Cluster


class Examples(Protocol):
    """Asserts that documented example payloads (`teams/get-a-team`) load into a model and dump back to themselves."""

    def __call__(self, model: type[Model], *names: str) -> None: ...


def _instants(value: Any) -> Any:
    """Return a payload with its times parsed, so that they are compared as times."""
    if (fields := as_object(value)) is not None:
        return {key: _instants(item) for key, item in fields.items()}
    if (items := as_array(value)) is not None:
        return [_instants(item) for item in items]
    try:
        return datetime.fromisoformat(value.replace(" UTC", "+00:00")) if isinstance(value, str) else value
    except ValueError:
        return value


@pytest.fixture
def cluster(bk: Buildkite) -> Cluster:
    """A cluster without queues."""
    return bk.organization("acme").clusters().create(name="Linux")


@pytest.fixture
def examples() -> Examples:
    """See `Examples`."""

    def check(model: type[Model], *names: str) -> None:
        for name in names:
            payload = example(name)
            page = (as_object(payload) or {}).get("items", payload)
            for item in as_array(page) or [page]:
                loaded = model.model_validate_json(json.dumps(item))
                assert not loaded.model_extra, name
                assert _instants(loaded.dump()) == _instants(item), name

    return check
