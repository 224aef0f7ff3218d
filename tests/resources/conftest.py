"""What the tests of the areas share: the documented example answers, where they are beside this checkout."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from buildkite_orm.utils.json_types import as_array, as_object

if TYPE_CHECKING:
    from buildkite_orm import Buildkite
    from buildkite_orm.models.resource import Model
    from buildkite_orm.resources.clusters.cluster import Cluster

PAYLOADS = Path(__file__).resolve().parents[3] / "shared" / "contract" / "payloads"


class Examples(Protocol):
    """Asserts that documented answers (`teams/get-a-team`) load into a model and dump back to themselves."""

    def __call__(self, model: type[Model], *names: str) -> None: ...


def _instants(value: Any) -> Any:
    """Write times as instants, so that they are compared as such."""
    if (told := as_object(value)) is not None:
        return {key: _instants(item) for key, item in told.items()}
    if (several := as_array(value)) is not None:
        return [_instants(item) for item in several]
    try:
        return datetime.fromisoformat(value.replace(" UTC", "+00:00")) if isinstance(value, str) else value
    except ValueError:
        return value


@pytest.fixture
def payloads() -> Path:
    """The folder of the documented answers."""
    if not PAYLOADS.exists():
        pytest.skip("the documented examples are not beside this checkout")
    return PAYLOADS


@pytest.fixture
def cluster(bk: Buildkite) -> Cluster:
    """A cluster without queues."""
    return bk.organization("acme").clusters().create(name="Linux")


@pytest.fixture
def examples(payloads: Path) -> Examples:
    """See `Examples`."""

    def check(model: type[Model], *names: str) -> None:
        for name in names:
            told = json.loads((payloads / f"{name}.json").read_text(encoding="utf-8"))
            page = (as_object(told) or {}).get("items", told)
            for item in as_array(page) or [page]:
                loaded = model.model_validate_json(json.dumps(item))
                assert not loaded.model_extra, name
                assert _instants(loaded.dump()) == _instants(item), name

    return check
