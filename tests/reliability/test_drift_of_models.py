"""For each model: a page whose items are not as documented still returns all of its items."""

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
from tests.oddities import check_object, mutations
from tests.reliability.models import RESOURCES, payload_of

SECRET = "hunter2-value"
every_model = pytest.mark.parametrize("model", RESOURCES, ids=lambda model: model.__name__)
quick = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def response_with(payload: object) -> ApiResponse:
    return ApiResponse("GET", "https://api.buildkite.com/v2/items?name=hidden", 200, {}, json.dumps(payload).encode())


def listed(model: type[Resource], items: list[Any]) -> tuple[list[Resource], list[str]]:
    """Load a page, and return its items and the warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        items_loaded = load_list(model, response_with(items), strict=False)
    assert {warning.category for warning in caught} <= {DriftWarning}
    return list(items_loaded), [str(warning.message) for warning in caught]


@every_model
def test_documented_payloads_have_no_drift_and_are_not_validated_item_by_item(
    model: type[Resource], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        pytest.fail("an item was looked at by itself")

    monkeypatch.setattr(parsing, "_tolerant", refuse)
    payload = payload_of(model)
    items_loaded, warned = listed(model, [payload] * 3)
    assert [(item.drift, item.dump()) for item in items_loaded] == [((), payload)] * 3
    assert warned == []


@every_model
def test_an_unexpected_item_does_not_hide_the_others(model: type[Resource]) -> None:
    payload = payload_of(model)

    @quick
    @given(mutations(payload))
    @example({})
    @example({**payload, "brand_new": {"deep": [[[{}]]]}})
    @example(dict.fromkeys(payload, 0))
    def check(odd: dict[str, Any]) -> None:
        items_loaded, warned = listed(model, [payload, odd, payload])
        assert [item.drift for item in (items_loaded[0], items_loaded[2])] == [(), ()]
        assert len(warned) == (1 if items_loaded[1].drift else 0)
        for item, sent in zip(items_loaded, [payload, odd, payload], strict=True):
            check_object(item, sent)
        check_object(load_one(model, response_with(odd)), odd)
        if items_loaded[1].drift:
            with pytest.raises(ResponseError, match="not as documented"):
                load_list(model, response_with([odd]), strict=True)
        else:
            load_list(model, response_with([odd]), strict=True)

    check()


@every_model
def test_the_warning_names_class_field_and_type_and_never_the_value(model: type[Resource]) -> None:
    payload = payload_of(model)
    for name in payload:
        odd = {**payload, name: [[SECRET]]}
        (item,), warned = listed(model, [odd])
        for drift in item.drift:
            (message,) = warned
            assert message.startswith(f"{type(item).__name__}.")
            assert drift.field.partition("[")[0] == name
            assert f"{name}" in message
            assert "received as array" in message
        assert SECRET not in f"{warned} {item.drift}"
        assert item.dump() == odd
