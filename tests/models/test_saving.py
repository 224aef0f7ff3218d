"""Changing an object and saving it: the fields sent, the fields that are refused, and the state after a failure."""

from __future__ import annotations

import copy
import json
import pickle
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from buildkite_orm import (
    NotFoundError,
    Pipeline,
    PipelineChanges,
    ResponseError,
    ServerError,
    TransportError,
    UnboundError,
    UnprocessableEntityError,
    Visibility,
)
from buildkite_orm.fake import FakeBuildkite, Settings

if TYPE_CHECKING:
    from buildkite_orm import Buildkite, Resource
    from tests.conftest import Costs

PAYLOAD: dict[str, Any] = {
    "id": "0190-pipeline",
    "url": "https://api.buildkite.com/v2/organizations/acme/pipelines/web",
    "name": "Web",
    "slug": "web",
    "repository": "git@github.com:acme/web.git",
    "description": "The site",
    "tags": ["a"],
    "env": {"A": "1"},
    "steps": [{"type": "script", "command": "make", "name": None}, {"type": "waiter"}],
}


@pytest.fixture
def pipeline(server: FakeBuildkite, bk: Buildkite) -> Pipeline:
    record = server.add_pipeline("web", name="Web", description="The site", tags=["a", "b"], env={"A": "1"})
    record.configuration, record.steps = None, [{"type": "script"}]  # with steps as YAML, `env` is ignored
    fetched = bk.organization("acme").pipeline("web").fetch()
    server.requests.clear()
    return fetched


def sent(server: FakeBuildkite) -> Any:
    (request,) = server.requests
    assert (request.method, request.path) == ("PATCH", "/v2/organizations/acme/pipelines/web")
    return json.loads(request.body)


# -- the fields sent


def test_save_sends_the_assigned_fields_and_nothing_else(server: FakeBuildkite, pipeline: Pipeline) -> None:
    pipeline.description = "Another"
    assert pipeline.changes() == {"description": "Another"}
    assert pipeline.save() is pipeline
    assert sent(server) == {"description": "Another"}
    assert pipeline.description == "Another"
    assert server.store.organizations["acme"].pipelines["web"].description == "Another"


def test_an_assigned_none_is_sent_as_null(server: FakeBuildkite, pipeline: Pipeline) -> None:
    pipeline.description = None
    pipeline.save()
    assert sent(server) == {"description": None}
    assert server.store.organizations["acme"].pipelines["web"].description is None


def test_none_is_sent_for_a_field_that_the_server_never_sent() -> None:
    pipeline = Pipeline.model_validate(PAYLOAD)
    assert pipeline.changes() == {}
    pipeline.clone_mirror_url = None
    assert pipeline.changes() == {"clone_mirror_url": None}


@pytest.mark.parametrize(("field", "value"), [("allow_rebuilds", False), ("description", ""), ("tags", [])])
def test_empty_and_false_values_are_sent_unchanged(
    server: FakeBuildkite, pipeline: Pipeline, field: str, value: object
) -> None:
    setattr(pipeline, field, value)
    pipeline.save()
    assert sent(server) == {field: value}


def test_saving_an_unchanged_object_sends_no_request(pipeline: Pipeline, costs: Costs) -> None:
    with costs(0):
        assert pipeline.save() is pipeline


def test_a_change_that_was_reverted_is_not_sent(pipeline: Pipeline, costs: Costs) -> None:
    pipeline.description = "Another"
    pipeline.description = "The site"
    pipeline.tags = ["a", "b"]
    with costs(0):
        pipeline.save()


def test_a_change_in_place_counts(server: FakeBuildkite, pipeline: Pipeline) -> None:
    assert pipeline.tags is not None
    assert pipeline.env is not None
    pipeline.tags.append("c")
    pipeline.env["B"] = "2"
    pipeline.save()
    assert sent(server) == {"tags": ["a", "b", "c"], "env": {"A": "1", "B": "2"}}


def test_a_change_in_place_of_another_type_counts() -> None:
    pipeline = Pipeline.model_validate({**PAYLOAD, "env": {"A": 1}})
    assert pipeline.env is not None
    pipeline.env["A"] = True
    assert pipeline.changes() == {"env": {"A": True}}


def test_a_change_within_a_step_sends_the_steps_without_absent_fields() -> None:
    pipeline = Pipeline.model_validate(PAYLOAD)
    pipeline.steps[0].command = "make all"
    assert pipeline.changes() == {
        "steps": [{"type": "script", "command": "make all", "name": None}, {"type": "waiter"}]
    }


def test_a_list_that_was_absent_is_sent_when_it_is_filled() -> None:
    pipeline = Pipeline.model_validate({key: value for key, value in PAYLOAD.items() if key != "steps"})
    assert pipeline.changes() == {}
    pipeline.steps.append(Pipeline.model_validate(PAYLOAD).steps[1])
    assert pipeline.changes() == {"steps": [{"type": "waiter"}]}


def test_saved_changes_are_not_sent_again(pipeline: Pipeline, costs: Costs) -> None:
    pipeline.description = "Another"
    pipeline.save()
    with costs(0):
        pipeline.save()


def test_the_response_to_save_replaces_all_fields(server: FakeBuildkite, pipeline: Pipeline) -> None:
    server.store.organizations["acme"].pipelines["web"].emoji = ":rocket:"
    pipeline.description = "Another"
    pipeline.save()
    assert pipeline.emoji == ":rocket:"


def test_reload_drops_unsaved_changes(pipeline: Pipeline, costs: Costs) -> None:
    pipeline.description = "Another"
    with costs(1):
        assert pipeline.reload() is pipeline
    assert pipeline.description == "The site"
    assert pipeline.changes() == {}


def test_update_of_an_object_applies_the_response(server: FakeBuildkite, pipeline: Pipeline) -> None:
    assert pipeline.update(description="Another") is pipeline
    assert sent(server) == {"description": "Another"}
    assert (pipeline.description, pipeline.changes()) == ("Another", {})


def test_update_of_a_ref_returns_the_object(server: FakeBuildkite, bk: Buildkite, pipeline: Pipeline) -> None:
    updated = bk.organization("acme").pipeline("web").update(description=None, tags=None)
    assert sent(server) == {"description": None, "tags": None}
    assert updated == pipeline
    assert pipeline.description == "The site"


# -- renames


@pytest.mark.parametrize(("change", "path"), [({"name": "New Web"}, "new-web"), ({"slug": "shop"}, "shop")])
def test_a_rename_changes_the_path(
    server: FakeBuildkite, bk: Buildkite, pipeline: Pipeline, change: dict[str, str], path: str
) -> None:
    for field, value in change.items():
        setattr(pipeline, field, value)
    assert pipeline.api_path == "organizations/acme/pipelines/web"
    pipeline.save()
    assert sent(server) == change
    assert pipeline.api_path == f"organizations/acme/pipelines/{path}"
    assert pipeline == bk.organization("acme").pipeline(path)
    assert pipeline.reload().slug == path


# -- what cannot be assigned


def test_fields_that_the_server_sets_cannot_be_assigned(acme: FakeBuildkite) -> None:
    with acme.client() as bk:
        org = bk.organization("acme")
        build = next(iter(org.builds(with_jobs=True, state="passed")))
        resources: list[Resource] = [
            org.fetch(),
            org.pipelines()[0],
            build,
            build.jobs()[0],
            org.agents()[0],
            bk.user(),
            bk.access_token(),
            bk.meta(),
        ]
    for resource in resources:
        for name in set(type(resource).model_fields) - type(resource).editable:
            with pytest.raises(AttributeError, match=f"{name} is set by the server"):
                setattr(resource, name, "x")
            with pytest.raises(AttributeError, match="cannot be deleted"):
                delattr(resource, name)
        assert resource.drift == ()


def test_an_unknown_name_cannot_be_assigned_and_the_error_lists_the_fields(pipeline: Pipeline) -> None:
    with pytest.raises(
        AttributeError, match=r"no field 'desciption'.*default_command_step_timeout, description, "
    ) as caught:
        pipeline.desciption = "x"  # type: ignore[attr-defined]
    assert " id," not in str(caught.value).split("editable fields:")[1]
    assert pipeline.model_extra == {}


def test_a_relation_or_a_verb_cannot_be_assigned(pipeline: Pipeline) -> None:
    for name in ("organization", "builds", "save", "session", "drift"):
        with pytest.raises(AttributeError):
            setattr(pipeline, name, None)


def test_a_field_of_an_embedded_object_cannot_be_assigned() -> None:
    pipeline = Pipeline.model_validate({**PAYLOAD, "provider": {"id": "github"}})
    assert pipeline.provider is not None
    with pytest.raises(AttributeError, match=r"Provider\.id is set by the server"):
        pipeline.provider.id = "gitlab"


def test_a_ref_has_no_data_to_assign(bk: Buildkite) -> None:
    org = bk.organization("acme")
    for ref in (org, org.pipeline("web"), org.pipeline("web").build(1), org.job("a"), org.agent("a")):
        with pytest.raises(AttributeError, match=r"has no data; \.fetch\(\)"):
            ref.name = "x"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("description", 5),
        ("tags", "a"),
        ("allow_rebuilds", "yes"),
        ("default_command_step_timeout", 1.5),
        ("name", None),
    ],
)
def test_a_value_of_another_type_is_refused_and_nothing_changes(pipeline: Pipeline, field: str, value: object) -> None:
    before = pipeline.dump()
    with pytest.raises(ValidationError, match=field):
        setattr(pipeline, field, value)
    assert pipeline.dump() == before
    assert pipeline.changes() == {}


def test_an_enum_may_be_assigned_as_string_too(pipeline: Pipeline) -> None:
    pipeline.visibility = "public"  # type: ignore[assignment]
    assert pipeline.visibility is Visibility.PUBLIC
    assert pipeline.changes() == {"visibility": "public"}


def test_every_editable_field_is_a_field_and_may_be_updated() -> None:
    assert Pipeline.editable <= set(Pipeline.model_fields)
    assert Pipeline.editable <= set(PipelineChanges.__annotations__)


# -- failures


@pytest.mark.parametrize("value", ["", "   "])
def test_changes_that_the_server_refuses_are_not_lost(server: FakeBuildkite, pipeline: Pipeline, value: str) -> None:
    pipeline.name = value
    pipeline.description = "Another"
    with pytest.raises(UnprocessableEntityError, match="422"):
        pipeline.save()
    assert (pipeline.name, pipeline.description) == (value, "Another")
    pipeline.name = "Web"
    server.requests.clear()
    pipeline.save()
    assert sent(server) == {"description": "Another"}


@pytest.mark.parametrize("fault", ["error", "html", "reset_before", "cut_json", "read_timeout"])
def test_after_a_failure_save_can_be_tried_again(server: FakeBuildkite, pipeline: Pipeline, fault: Any) -> None:
    pipeline.description = "Another"
    rule = server.faults.add(fault, times=None)
    with pytest.raises((ServerError, TransportError, ResponseError)) as caught:
        pipeline.save()
    assert caught.value.outcome_unknown
    assert (pipeline.description, pipeline.changes()) == ("Another", {"description": "Another"})
    server.faults.rules.remove(rule)
    server.requests.clear()
    pipeline.save()
    assert sent(server) == {"description": "Another"}
    assert pipeline.changes() == {}


def test_a_save_that_fails_once_is_sent_again(server: FakeBuildkite, pipeline: Pipeline) -> None:
    server.faults.add("error", status=503)
    pipeline.description = "Another"
    pipeline.save()
    assert [request.status for request in server.requests] == [503, 200]


def test_saving_a_deleted_object_says_so_and_loses_no_change(server: FakeBuildkite, pipeline: Pipeline) -> None:
    del server.store.organizations["acme"].pipelines["web"]
    pipeline.description = "Another"
    with pytest.raises(NotFoundError):
        pipeline.save()
    assert pipeline.changes() == {"description": "Another"}


# -- copies, pickles, and objects of one's own


def test_a_copy_has_the_changes_and_makes_its_own(server: FakeBuildkite, pipeline: Pipeline) -> None:
    pipeline.description = "Another"
    twin = copy.deepcopy(pipeline)
    assert twin.tags is not None
    twin.tags.append("c")
    assert pipeline.changes() == {"description": "Another"}
    assert twin.changes() == {"description": "Another", "tags": ["a", "b", "c"]}
    twin.save()
    assert sent(server) == {"description": "Another", "tags": ["a", "b", "c"]}
    assert pipeline.changes() == {"description": "Another"}


def test_changes_survive_pickle_and_binding(server: FakeBuildkite, bk: Buildkite, pipeline: Pipeline) -> None:
    pipeline.description = "Another"
    twin = pickle.loads(pickle.dumps(pipeline))  # noqa: S301 - our own
    with pytest.raises(UnboundError):
        twin.save()
    assert bk.bind(twin).changes() == {"description": "Another"}
    twin.save()
    assert sent(server) == {"description": "Another"}


def test_binding_again_loses_no_change(bk: Buildkite, pipeline: Pipeline) -> None:
    pipeline.description = "Another"
    assert bk.bind(pipeline).changes() == {"description": "Another"}


def test_an_object_created_by_a_caller_saves_the_fields_changed_since(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_pipeline("web")
    pipeline = Pipeline.model_validate(PAYLOAD)
    pipeline.description = "Another"
    assert pipeline.changes() == {"description": "Another"}
    bk.bind(pipeline).save()
    assert sent(server) == {"description": "Another"}


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
changes = st.fixed_dictionaries(
    {},
    optional={
        "description": st.none() | texts,
        "tags": st.none() | st.lists(texts.filter(bool), max_size=3),
        "env": st.none() | st.dictionaries(texts, texts, max_size=3),
        "emoji": st.none() | texts,
        "allow_rebuilds": st.booleans(),
        "default_command_step_timeout": st.none() | st.integers(1, 1000),
    },
)


def test_save_sends_exactly_the_fields_that_differ() -> None:
    with FakeBuildkite(populate=False, settings=Settings(organization_limit=None, user_limit=None)) as server:
        server.add_pipeline("web", steps=[]).configuration = None
        client = server.client()

        @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
        @given(changes)
        def check(given: dict[str, Any]) -> None:
            pipeline = client.organization("acme").pipeline("web").fetch()
            before = pipeline.dump()
            for name, value in given.items():
                setattr(pipeline, name, value)
            expected = {name: value for name, value in given.items() if before.get(name, object()) != value}
            server.requests.clear()
            pipeline.save()
            bodies = [json.loads(request.body) for request in server.requests]
            assert bodies == ([expected] if expected else [])
            assert pipeline.changes() == {}

        check()
        client.close()
