"""Settings, services and the audit log: requests that the library does not send."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from requests import Session

ACME = "/organizations/acme"
HOOK = {"provider": "webhook", "settings": {"url": "https://example.com/hook"}}


@pytest.mark.parametrize(
    ("place", "change"),
    [
        ("api-settings", {"restrict_user_api_token_creation": True}),
        ("pipeline-settings", {"default_branch": "trunk"}),
    ],
)
def test_settings_are_updated_by_put_too(api: Session, place: str, change: dict[str, Any]) -> None:
    response = api.put(f"{ACME}/{place}", json=change)
    assert response.status_code == 200
    assert response.json().items() >= change.items()


@pytest.mark.parametrize("body", [{"enabled": False}, {"created_by": None}, {"provider": "slack"}])
def test_a_setting_that_a_service_does_not_accept_is_422(api: Session, body: dict[str, Any]) -> None:
    service = f"{ACME}/services/{api.post(f'{ACME}/services', json=HOOK).json()['id']}"
    assert api.patch(service, json=body).status_code == 422
    assert api.put(service, json={"provider": "webhook", "description": "Hook"}).json()["description"] == "Hook"


@pytest.mark.parametrize("missing", ["location", "strategy_id"])
def test_an_export_needs_a_destination(api: Session, missing: str) -> None:
    body = {"location": "bucket", "strategy_id": "s3"}
    del body[missing]
    response = api.put(f"{ACME}/pipeline-settings/build-export", json=body)
    assert (response.status_code, response.json()["errors"][0]["field"]) == (422, missing)


@pytest.mark.parametrize("query", ["after=x", "after=a&before=b", "per_page=0", "per_page=101"])
def test_a_page_of_the_log_that_cannot_be_is_400(api: Session, query: str) -> None:
    assert api.get(f"{ACME}/audit_events?{query}").status_code == 400


def test_pages_of_the_log_lead_there_and_back(api: Session) -> None:
    for _ in range(5):
        api.post(f"{ACME}/services", json=HOOK)
    first = api.get(f"{ACME}/audit_events?per_page=2")
    second = api.get(_path(first.json()["links"]["next"]))
    back = api.get(_path(second.json()["links"]["prev"]))
    assert back.json()["items"] == first.json()["items"]
    assert {name: link["url"] for name, link in second.links.items()} == second.json()["links"]


def _path(url: str) -> str:
    return url.partition("/v2")[2]
