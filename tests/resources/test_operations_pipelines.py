"""Organizations and pipelines on the wire: what each operation sends, and how it uses the response."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm import NotFoundError, Organization, Pipeline, PipelineChanges, UnprocessableEntityError, Visibility
from buildkite_orm.fake.collections import Record

if TYPE_CHECKING:
    from buildkite_orm import Buildkite
    from buildkite_orm.fake import FakeBuildkite

UUID = "01234567-89ab-cdef-0123-456789abcdef"
VISUAL: PipelineChanges = {
    "env": {"GREETING": "Grüß Gott"},
    "steps": [{"type": "script", "name": "Test", "command": "make test"}],
    "name": "Web",
}
YAML: PipelineChanges = {
    "allow_rebuilds": False,
    "branch_configuration": "main feature/*",
    "cancel_running_branch_builds": True,
    "cancel_running_branch_builds_filter": "!main",
    "clone_mirror_url": "https://mirror.acme.example/web",
    "cluster_id": UUID,
    "color": "#14CC80",
    "configuration": "steps:\n  - command: make größe\n",
    "default_branch": "größe",
    "default_command_step_timeout": 10,
    "description": None,
    "emoji": ":ruby:",
    "maximum_command_step_timeout": 20,
    "name": "Größe",
    "pipeline_template_uuid": UUID,
    "provider_settings": {"trigger_mode": "code", "build_tags": True},
    "repository": "git@github.com:acme/größe.git",
    "skip_queued_branch_builds": True,
    "skip_queued_branch_builds_filter": "!main",
    "slug": "groesse",
    "tags": ["frontend", "größe"],
    "teams": {UUID: "read_only"},
    "visibility": "public",
}


# -- organizations


def test_the_organizations_that_the_token_reaches_are_listed(server: FakeBuildkite) -> None:
    server.add_organization("umbrella")
    server.add_organization("hidden")
    token = server.make_token("read_organizations", organizations=["acme", "umbrella"])
    with server.client(token=token) as bk:
        organizations = list(bk.organizations())
    (request,) = server.requests
    assert (request.method, request.path, request.query, request.body) == (
        "GET",
        "/v2/organizations",
        [("per_page", "100")],
        b"",
    )
    assert [type(each) for each in organizations] == [Organization, Organization]
    assert [each.slug for each in organizations] == ["acme", "umbrella"]


def test_an_organization_is_fetched_by_its_slug(server: FakeBuildkite, bk: Buildkite) -> None:
    organization = bk.organization("acme").fetch()
    (request,) = server.requests
    assert (request.method, request.path, request.query) == ("GET", "/v2/organizations/acme", [])
    assert (type(organization), organization.name) == (Organization, "Acme Inc")
    assert organization == bk.organization("acme")


def test_an_organization_that_is_not_there_is_not_found(bk: Buildkite) -> None:
    with pytest.raises(NotFoundError, match="No organization found"):
        bk.organization("unknown").fetch()


# -- pipelines


def test_a_listing_sends_every_filter(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_pipeline("web", name="Größe #1 + more", repository="git@github.com:acme/a+b.git")
    server.add_pipeline("api")
    (pipeline,) = bk.organization("acme").pipelines(name="größe #1 +", repository="acme/a+b")
    (request,) = server.requests
    assert (request.method, request.path, request.body) == ("GET", "/v2/organizations/acme/pipelines", b"")
    assert sorted(request.query) == [("name", "größe #1 +"), ("per_page", "100"), ("repository", "acme/a+b")]
    assert (type(pipeline), pipeline.slug) == (Pipeline, "web")


def test_a_pipeline_is_fetched_by_its_slug(server: FakeBuildkite, bk: Buildkite) -> None:
    record = server.add_pipeline("web")
    pipeline = bk.organization("acme").pipeline("web").fetch()
    (request,) = server.requests
    assert (request.method, request.path, request.query) == ("GET", "/v2/organizations/acme/pipelines/web", [])
    assert (type(pipeline), pipeline.id) == (Pipeline, record.id)
    assert pipeline.organization == bk.organization("acme")


def test_a_pipeline_that_is_not_there_is_not_found(bk: Buildkite) -> None:
    with pytest.raises(NotFoundError, match="No pipeline found"):
        bk.organization("acme").pipeline("nothing").fetch()


@pytest.mark.parametrize("changes", [YAML, VISUAL], ids=["yaml", "visual"])
def test_an_update_sends_the_fields_that_were_named(
    server: FakeBuildkite, bk: Buildkite, changes: PipelineChanges
) -> None:
    server.add_pipeline("web", configuration=None)
    acme = server.store.organizations["acme"]
    for kind in ("cluster", "pipeline_template", "team"):  # what the changes name by its id
        server.store.collections.put(kind, acme.id, UUID, Record(id=UUID, data={}, created_at=0.0))
    pipeline = bk.organization("acme").pipeline("web").update(**changes)
    (request,) = server.requests
    assert (request.method, request.path, request.query) == ("PATCH", "/v2/organizations/acme/pipelines/web", [])
    assert json.loads(request.body) == changes
    assert pipeline.name == changes.get("name")


def test_the_updates_of_this_file_name_every_field() -> None:
    assert YAML.keys() | VISUAL.keys() == PipelineChanges.__annotations__.keys()


def test_an_object_applies_the_response_to_its_update(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_pipeline("web")
    pipeline = bk.organization("acme").pipeline("web").fetch()
    assert pipeline.update(description="The web application") is pipeline
    assert pipeline.description == "The web application"
    assert pipeline.changes() == {}


def test_a_renamed_pipeline_is_requested_by_its_new_slug(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_pipeline("web")
    pipeline = bk.organization("acme").pipeline("web").fetch()
    pipeline.update(slug="site")
    pipeline.reload()
    assert server.requests[-1].path == "/v2/organizations/acme/pipelines/site"


def test_a_value_that_a_pipeline_cannot_have_is_refused_by_name(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_pipeline("web")
    with pytest.raises(UnprocessableEntityError, match="visibility") as caught:
        bk.organization("acme").pipeline("web").update(visibility=Visibility("secret"))
    assert [error["field"] for error in caught.value.errors] == ["visibility"]


def test_a_field_that_a_pipeline_does_not_have_is_not_sent(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_pipeline("web")
    misspelt: dict[str, Any] = {"descripton": "x"}
    with pytest.raises(TypeError, match=r"there is no field descripton; there are: .*description"):
        bk.organization("acme").pipeline("web").update(**misspelt)
    assert server.requests == []
