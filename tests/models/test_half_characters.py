"""Half of an emoji, as a server cuts it: an object that contains it is dumped, pickled, shown and compared as usual."""

from __future__ import annotations

import copy
import json
import pickle
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buildkite_orm import Build, Job
from tests.querysets.stub_server import API, client

if TYPE_CHECKING:
    from collections.abc import Callable

HALF = "half \ud83d of an emoji"
PAYLOAD: dict[str, Any] = {
    "id": "b",
    "url": f"{API}/organizations/acme/pipelines/web/builds/1",
    "number": 1,
    "state": "passed",
    "commit": "HEAD",
    "created_at": "2026-07-01T10:00:00.000Z",
    "message": HALF,
    "env": {HALF: HALF, "list": [HALF, {HALF: None}]},
    "creator": {"id": "u", "name": HALF},
    "unknown": [HALF],
    HALF: "a field that is not known",
    "source": HALF,
    "jobs": [{"id": "j", "type": "script", "name": HALF, "state": HALF}],
}


@pytest.fixture
def build() -> Build:
    bk, _ = client(lambda _query: (json.dumps(PAYLOAD).encode(), {}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return bk.organization().pipeline("web").build(1).fetch()


def test_half_of_an_emoji_does_not_break_model_dump_json(build: Build) -> None:
    text = build.model_dump_json(by_alias=True, exclude_unset=True)
    assert text.isascii()
    assert json.loads(text) == PAYLOAD


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"indent": 2},
        {"by_alias": True},
        {"exclude_none": True},
        {"include": {"message"}},
        {"exclude": {"env"}},
    ],
    ids=repr,
)
def test_half_of_an_emoji_is_dumped_under_all_options(build: Build, options: dict[str, Any]) -> None:
    data = json.loads(build.model_dump_json(**options))
    options.pop("indent", None)
    assert data == build.model_dump(mode="json", **options)
    assert data.get("message", HALF) == HALF
    assert build.model_dump(**options).keys() == data.keys()


def test_a_dump_of_python_values_has_the_same_values(build: Build) -> None:
    data = build.model_dump()
    assert (data["message"], data["env"], data["created_at"]) == (HALF, PAYLOAD["env"], build.created_at)
    assert (data["embedded_jobs"][0]["name"], data["creator"]["name"]) == (HALF, HALF)
    assert build.message == HALF


def equal_to_its_copy(build: Build) -> bool:
    return build == copy.copy(build)


@pytest.mark.parametrize(
    "use",
    [repr, str, hash, Build.dump, pickle.dumps, copy.copy, copy.deepcopy, equal_to_its_copy],
    ids=["repr", "str", "hash", "dump", "pickle", "copy", "deepcopy", "equality"],
)
def test_half_of_an_emoji_breaks_nothing_else(build: Build, use: Callable[[Build], object]) -> None:
    assert use(build) is not None


def test_it_is_dumped_as_it_was_received(build: Build) -> None:
    assert build.dump() == PAYLOAD
    assert pickle.loads(pickle.dumps(build)).dump() == PAYLOAD  # noqa: S301 - its own
    assert repr(build).isprintable()


def test_embedded_objects_are_dumped_too(build: Build) -> None:
    assert build.creator is not None
    assert build.embedded_jobs is not None
    job = build.embedded_jobs[0]
    assert isinstance(job, Job)
    assert json.loads(build.creator.model_dump_json(exclude_unset=True)) == PAYLOAD["creator"]
    assert json.loads(job.model_dump_json(exclude_unset=True)) == PAYLOAD["jobs"][0]


texts = st.text(st.characters() | st.characters(categories=["Cs", "Co"]), max_size=5)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=100, deadline=None)
@given(values)
def test_an_object_with_any_value_is_dumped(value: Any) -> None:
    bk, _ = client(lambda _query: (json.dumps({**PAYLOAD, "message": value, "env": {"a": value}}).encode(), {}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        build = bk.organization().pipeline("web").build(1).fetch()
        assert json.loads(build.model_dump_json())["env"] == {"a": value}
