"""Pipelines: listings, payloads and updates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from requests import Session

    from buildkite_orm.fake import FakeBuildkite

PIPELINES = "/organizations/acme/pipelines"
WEB = f"{PIPELINES}/web"


@pytest.fixture(autouse=True)
def _two_pipelines(server: FakeBuildkite) -> None:
    server.add_pipeline("web", name="Web")
    server.add_pipeline("api", name="Public API", repository="https://git.example/acme/Backend.git")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["web", "api"]),
        ("?name=api", ["api"]),
        ("?name=WEB", ["web"]),
        ("?repository=backend", ["api"]),
        ("?name=web&repository=backend", []),
    ],
)
def test_filters_match_parts_in_any_case(api: Session, query: str, found: list[str]) -> None:
    assert [each["slug"] for each in api.get(PIPELINES + query).json()] == found


def test_a_pipeline_has_the_same_payload_alone_and_in_a_listing(api: Session) -> None:
    assert api.get(PIPELINES).json()[0] == api.get(WEB).json()


def test_the_webhook_url_needs_the_scope_to_edit(server: FakeBuildkite, api: Session) -> None:
    reader = {"Authorization": f"Bearer {server.make_token('read_pipelines')}"}
    assert api.get(WEB).json()["provider"]["webhook_url"].startswith("https://webhook.buildkite.com/deliver/")
    assert api.get(WEB, headers=reader).json()["provider"]["webhook_url"] == ""


def test_a_pipeline_counts_unfinished_builds_and_jobs(server: FakeBuildkite, api: Session) -> None:
    server.add_build("web", state="running", jobs=[{"state": "running"}, {"state": "scheduled"}, {"state": "waiting"}])
    server.add_build("web", state="scheduled")
    server.add_build("web", state="passed")
    payload = api.get(WEB).json()
    assert (payload["running_builds_count"], payload["scheduled_builds_count"]) == (1, 1)
    assert (payload["running_jobs_count"], payload["scheduled_jobs_count"], payload["waiting_jobs_count"]) == (1, 1, 1)


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_patch_and_put_both_change_only_the_given_fields(api: Session, method: str) -> None:
    before = api.get(WEB).json()
    response = api.request(method, WEB, json={"description": "New", "tags": ["a", ":rocket:"]})
    assert response.status_code == 200
    assert response.json() == before | {"description": "New", "tags": ["a", ":rocket:"]}
    assert api.get(WEB).json() == response.json()


def test_null_clears(api: Session) -> None:
    api.patch(WEB, json={"description": "x", "branch_configuration": "main", "emoji": ":ruby:"})
    payload = api.patch(WEB, json={"description": None, "branch_configuration": None, "emoji": None}).json()
    assert (payload["description"], payload["branch_configuration"], payload["emoji"]) == (None, None, None)


def test_a_new_name_makes_a_new_slug(api: Session) -> None:
    assert api.patch(WEB, json={"name": "The Web: 2.0"}).json()["slug"] == "the-web-2-0"
    assert api.get(WEB).status_code == 404
    assert api.get(f"{PIPELINES}/the-web-2-0").status_code == 200


def test_a_slug_is_derived_from_the_name(api: Session) -> None:
    assert api.patch(WEB, json={"name": "Anything", "slug": "web"}).json()["slug"] == "web"


def test_a_renamed_pipeline_keeps_its_place(api: Session) -> None:
    api.patch(WEB, json={"slug": "zebra"})
    assert [each["slug"] for each in api.get(PIPELINES).json()] == ["zebra", "api"]


def test_a_slug_is_taken_once(api: Session) -> None:
    response = api.patch(WEB, json={"slug": "api"})
    assert response.status_code == 422
    assert response.json()["errors"] == [{"field": "slug", "code": "already_exists", "value": "api"}]


def test_all_fields_at_fault_are_named(api: Session) -> None:
    response = api.patch(WEB, json={"name": "", "visibility": "secret", "tags": [1], "color": "red", "emoji": 3})
    assert response.status_code == 422
    assert response.json()["message"] == "Validation Failed"
    assert {each["field"] for each in response.json()["errors"]} == {"name", "visibility", "tags", "color", "emoji"}
    assert api.get(WEB).json()["name"] == "Web"


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("git@mirror.example.com:acme/web.git", 200),
        ("https://mirror.example.com/acme/web.git", 200),
        (None, 200),
        ("https://user:secret@mirror.example.com/web.git", 422),
        ("https://mirror.example.com/web.git?x=1", 422),
        ("https://mirror.example.com/web.git#x", 422),
    ],
)
def test_a_mirror_url_holds_nothing_secret(api: Session, url: str | None, status: int) -> None:
    assert api.patch(WEB, json={"clone_mirror_url": url}).status_code == status


def test_provider_settings_are_merged(api: Session) -> None:
    settings = api.patch(WEB, json={"provider_settings": {"build_tags": True}}).json()["provider"]["settings"]
    assert (settings["build_tags"], settings["trigger_mode"]) == (True, "code")


def test_yaml_pipelines_ignore_env_and_refuse_steps(api: Session) -> None:
    assert api.patch(WEB, json={"env": {"A": "1"}}).json()["env"] is None
    assert api.patch(WEB, json={"steps": [{"type": "waiter"}]}).status_code == 422


def test_configuration_takes_precedence_over_steps(api: Session) -> None:
    body: dict[str, Any] = {"configuration": 'steps:\n  - command: "new.sh"', "steps": [{"type": "waiter"}]}
    payload = api.patch(WEB, json=body).json()
    assert payload["configuration"] == body["configuration"]
    assert [each["command"] for each in payload["steps"]] == ["new.sh"]


def test_visual_pipelines_take_env_and_steps(server: FakeBuildkite, api: Session) -> None:
    server.add_pipeline("visual", configuration=None)
    payload = api.patch(f"{PIPELINES}/visual", json={"env": {"A": "1"}, "steps": [{"type": "waiter"}]}).json()
    assert (payload["env"], payload["steps"]) == ({"A": "1"}, [{"type": "waiter"}])
    assert "configuration" not in payload


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT"])
@pytest.mark.parametrize("configuration", ["steps: []", "steps:", "a: [", "null", "steps: x"])
def test_a_configuration_that_is_not_a_pipeline_adds_nothing(
    server: FakeBuildkite, api: Session, method: str, configuration: str
) -> None:
    before = api.get(PIPELINES).json()
    cluster_id = next(iter(server.store.collections.of("cluster", server.store.organizations["acme"].id)))
    body = {"name": "Shop", "repository": "git@git.example:shop", "cluster_id": cluster_id}
    url = PIPELINES if method == "POST" else WEB
    response = api.request(method, url, json=body | {"configuration": configuration})
    assert (response.status_code, [each["field"] for each in response.json()["errors"]]) == (422, ["configuration"])
    assert api.get(PIPELINES).json() == before
