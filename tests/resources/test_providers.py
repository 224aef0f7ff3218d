"""Settings of the providers of pipelines: by provider, changed in place, and open for new ones."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from buildkite_orm import Pipeline, UnprocessableEntityError
from buildkite_orm.http.messages import ApiResponse
from buildkite_orm.models.parsing import load_one
from buildkite_orm.resources.pipelines import provider as providers
from buildkite_orm.resources.pipelines.provider import (
    BitbucketProvider,
    BitbucketServerProvider,
    CommentMatchMode,
    GitHubEnterpriseProvider,
    GitHubProvider,
    GitHubSettings,
    GitLabProvider,
    OriginProvider,
    Provider,
    ProviderSettings,
    TriggerMode,
)

if TYPE_CHECKING:
    from buildkite_orm import Buildkite, Model
    from buildkite_orm.fake import FakeBuildkite
    from tests.conftest import Costs, Sent

WEB = "/v2/organizations/acme/pipelines/web"
PAYLOAD: dict[str, Any] = {
    "id": "0190-pipeline",
    "url": "https://api.buildkite.com/v2/organizations/acme/pipelines/web",
    "name": "Web",
    "slug": "web",
}


@pytest.fixture
def pipeline(server: FakeBuildkite, bk: Buildkite) -> Pipeline:
    server.add_pipeline("web", provider_settings={"brand_new": {"x": [1]}})
    return bk.organization("acme").pipeline("web").fetch()


def github(pipeline: Pipeline) -> GitHubSettings:
    assert isinstance(pipeline.provider, GitHubProvider)
    return pipeline.provider.settings


@pytest.mark.parametrize(
    ("identity", "kind"),
    [
        ("github", GitHubProvider),
        ("github_enterprise", GitHubEnterpriseProvider),
        ("bitbucket", BitbucketProvider),
        ("bitbucket_server", BitbucketServerProvider),
        ("gitlab", GitLabProvider),
        ("gitlab_enterprise", GitLabProvider),
        ("origin", OriginProvider),
        ("private", Provider),
        ("forge", Provider),
    ],
)
def test_each_provider_has_its_class_and_dumps_unchanged(identity: str, kind: type[Model]) -> None:
    payload = {"id": identity, "settings": {"filter_enabled": True, "repository": "a/b", "new": {"y": [1]}}, "more": 1}
    pipeline = Pipeline.model_validate_json(json.dumps({**PAYLOAD, "provider": payload}))
    assert type(pipeline.provider) is kind
    assert pipeline.provider is not None
    assert pipeline.provider.settings.filter_enabled is True
    assert pipeline.dump()["provider"] == payload
    assert pipeline.model_dump(mode="json", by_alias=True, exclude_unset=True)["provider"] == payload


@pytest.mark.parametrize(
    "provider", [GitHubProvider, GitLabProvider, BitbucketProvider], ids=["github", "gitlab", "bitbucket"]
)
def test_the_fake_returns_every_documented_setting_of_a_provider(
    server: FakeBuildkite, bk: Buildkite, provider: type[Model], request: pytest.FixtureRequest
) -> None:
    host = {"bitbucket": "bitbucket.org"}.get(name := request.node.callspec.id, f"{name}.com")
    server.add_pipeline("app")
    found: Any = bk.organization("acme").pipeline("app").update(repository=f"git@{host}:acme/app.git").provider
    settings: Model = found.settings
    assert type(found) is provider
    assert set(settings.dump()) == set(type(settings).model_fields)


@pytest.mark.parametrize("name", ["build_pull_request_stacks", "github_workflow_access_tokens_enabled"])
def test_the_fake_checks_the_type_of_a_setting(pipeline: Pipeline, name: str) -> None:
    with pytest.raises(UnprocessableEntityError):
        pipeline.update(provider_settings={name: "yes"})


def test_the_settings_of_a_provider_may_be_missing() -> None:
    pipeline = Pipeline.model_validate({**PAYLOAD, "provider": {"id": "gitlab"}})
    assert isinstance(pipeline.provider, GitLabProvider)
    assert pipeline.provider.settings.build_tags is None
    assert pipeline.dump()["provider"] == {"id": "gitlab"}
    assert Pipeline.model_validate({**PAYLOAD, "provider": None}).changes() == {}


def test_settings_are_read_with_their_types(pipeline: Pipeline) -> None:
    settings = github(pipeline)
    assert settings.trigger_mode is TriggerMode.CODE
    assert (settings.build_tags, settings.repository) == (False, "acme/web")
    assert settings.model_extra == {"brand_new": {"x": [1]}}
    payload = {"issue_comment_match_mode": "brand-new", "review_comment_match_mode": "exact"}
    odd = GitHubSettings.model_validate_json(json.dumps(payload))
    assert (odd.issue_comment_match_mode, odd.review_comment_match_mode) == ("brand-new", CommentMatchMode.EXACT)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("build_pull_request_forks", True),
        ("publish_commit_status", False),
        ("filter_condition", "build.branch == 'main'"),
        ("skip_builds_for_closed_pull_requests", True),
        ("pull_request_branch_filter_configuration", None),
        ("trigger_mode", "none"),
    ],
)
def test_changes_in_place_are_saved_and_nothing_else(
    pipeline: Pipeline, sent: Sent, costs: Costs, name: str, value: object
) -> None:
    setattr(github(pipeline), name, value)
    assert pipeline.changes() == {"provider_settings": {name: value}}
    with costs(1):
        assert pipeline.save() is pipeline
    assert sent() == (f"PATCH {WEB}", {"provider_settings": {name: value}})
    assert getattr(github(pipeline), name) == value
    assert github(pipeline).build_branches is True
    with costs(0):
        pipeline.save()


def test_settings_and_fields_are_saved_together(pipeline: Pipeline, sent: Sent) -> None:
    pipeline.description = None
    settings = github(pipeline)
    settings.build_tags, settings.build_create_event = True, True
    pipeline.description = "The shop"
    pipeline.save()
    assert sent()[1] == {
        "description": "The shop",
        "provider_settings": {"build_tags": True, "build_create_event": True},
    }


def test_a_change_that_was_reverted_is_not_sent(pipeline: Pipeline, costs: Costs) -> None:
    github(pipeline).build_tags = True
    github(pipeline).build_tags = False
    with costs(0):
        pipeline.save()


def test_unknown_settings_are_set_by_update(pipeline: Pipeline, sent: Sent) -> None:
    pipeline.update(provider_settings={"brand_new": 2, "build_tags": True})
    assert sent() == (f"PATCH {WEB}", {"provider_settings": {"brand_new": 2, "build_tags": True}})
    assert (github(pipeline).model_extra, github(pipeline).build_tags) == ({"brand_new": 2}, True)


def test_a_misspelt_setting_and_the_repository_cannot_be_assigned(pipeline: Pipeline) -> None:
    settings: Any = github(pipeline)
    with pytest.raises(AttributeError, match="has no field 'bild_tags'"):
        settings.bild_tags = True
    with pytest.raises(AttributeError, match="repository is set by the server"):
        settings.repository = "acme/other"
    with pytest.raises(ValidationError, match="build_tags"):
        settings.build_tags = "yes"
    assert pipeline.changes() == {}


def test_every_setting_of_every_provider_can_be_assigned() -> None:
    kinds = [each for each in vars(providers).values() if isinstance(each, type) and issubclass(each, ProviderSettings)]
    assert len(kinds) == 7
    for kind in kinds:
        assert kind.editable == frozenset(kind.model_fields) - {"repository"}


def test_odd_settings_are_kept_and_reported() -> None:
    payload = {"id": "github", "webhook_url": 5, "settings": {"build_tags": "yes", "build_branches": True}}
    body = json.dumps({**PAYLOAD, "provider": payload}).encode()
    pipeline = load_one(Pipeline, ApiResponse("GET", "", 200, {}, body))
    assert type(pipeline.provider) is GitHubProvider
    assert github(pipeline).dump() == payload["settings"]
    assert [each.field for each in pipeline.drift] == ["provider.webhook_url", "provider.settings.build_tags"]
    assert pipeline.dump()["provider"] == payload
    github(pipeline).build_branches = False
    assert pipeline.changes() == {"provider_settings": {"build_branches": False}}
