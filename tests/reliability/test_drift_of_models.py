"""Answers of every kind, also those that come later, that are not as documented: a page gives all of its items."""

from __future__ import annotations

import json
import warnings
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings

from buildkite_orm import DriftWarning, Resource, ResponseError
from buildkite_orm.http.messages import ApiResponse
from buildkite_orm.models import parsing
from buildkite_orm.models.parsing import load_list, load_one
from tests.oddities import hold, mutations
from tests.reliability.models import RESOURCES, payload_of

SECRET = "hunter2-value"
every_model = pytest.mark.parametrize("model", RESOURCES, ids=lambda model: model.__name__)
quick = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def answer_of(payload: object) -> ApiResponse:
    return ApiResponse("GET", "https://api.buildkite.com/v2/things?name=hidden", 200, {}, json.dumps(payload).encode())


def listed(model: type[Resource], items: list[Any]) -> tuple[list[Resource], list[str]]:
    """Load a page, and give the warnings too."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        things = load_list(model, answer_of(items), strict=False)
    assert {warning.category for warning in caught} <= {DriftWarning}
    return list(things), [str(warning.message) for warning in caught]


@every_model
def test_what_is_as_documented_is_not_odd_and_not_looked_at_item_by_item(
    model: type[Resource], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        pytest.fail("an item was looked at by itself")

    monkeypatch.setattr(parsing, "_tolerant", refuse)
    payload = payload_of(model)
    things, warned = listed(model, [payload] * 3)
    assert [(thing.drift, thing.dump()) for thing in things] == [((), payload)] * 3
    assert warned == []


@every_model
def test_whatever_is_in_one_item_the_page_gives_all(model: type[Resource]) -> None:
    payload = payload_of(model)

    @quick
    @given(mutations(payload))
    @example({})
    @example({**payload, "brand_new": {"deep": [[[{}]]]}})
    @example(dict.fromkeys(payload, 0))
    def check(odd: dict[str, Any]) -> None:
        things, warned = listed(model, [payload, odd, payload])
        assert [thing.drift for thing in (things[0], things[2])] == [(), ()]
        assert len(warned) == (1 if things[1].drift else 0)
        for thing, sent in zip(things, [payload, odd, payload], strict=True):
            hold(thing, sent)
        hold(load_one(model, answer_of(odd)), odd)
        if things[1].drift:
            with pytest.raises(ResponseError, match="not as documented"):
                load_list(model, answer_of([odd]), strict=True)
        else:
            load_list(model, answer_of([odd]), strict=True)

    check()


@every_model
def test_the_warning_names_class_field_and_type_and_never_the_value(model: type[Resource]) -> None:
    payload = payload_of(model)
    for name in payload:
        odd = {**payload, name: [[SECRET]]}
        (thing,), warned = listed(model, [odd])
        for drift in thing.drift:
            (told,) = warned
            assert told.startswith(f"{type(thing).__name__}.")
            assert drift.field.partition("[")[0] == name
            assert f"{name}" in told
            assert "received as array" in told
        assert SECRET not in f"{warned} {thing.drift}"
        assert thing.dump() == odd
