"""Clusters and queues, requested as other clients do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from requests import Session

CLUSTERS = "/organizations/acme/clusters"


@pytest.fixture
def cluster(api: Session) -> str:
    """The path of a cluster."""
    return f"{CLUSTERS}/{api.post(CLUSTERS, json={'name': 'Linux'}).json()['id']}"


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize(
    ("listing", "made"), [("queues", {"key": "linux"}), ("tokens", {"description": "x"}), ("secrets", {"key": "X"})]
)
def test_put_and_patch_are_alike(api: Session, cluster: str, method: str, listing: str, made: dict[str, str]) -> None:
    created = api.post(f"{cluster}/{listing}", json=made)
    assert created.status_code == 201
    changed = api.request(method, created.json()["url"], json={"description": "Changed"})
    assert (changed.status_code, changed.json()["description"]) == (200, "Changed")
    assert api.request(method, cluster, json={"description": "Changed"}).json()["description"] == "Changed"


@pytest.mark.parametrize("name", ["note", "dispatch_paused_note"])
def test_a_note_has_two_names(api: Session, cluster: str, name: str) -> None:
    queue = api.post(f"{cluster}/queues", json={"key": "linux"}).json()["url"]
    paused = api.post(f"{queue}/pause_dispatch", json={name: "Wait"})
    assert (paused.status_code, paused.json()["dispatch_paused_note"]) == (200, "Wait")
    assert api.post(f"{queue}/resume_dispatch").json()["dispatch_paused"] is False


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"key": "OTHER"}, "The key parameter cannot be updated."),
        ({"value": "other"}, "The value parameter cannot be updated on this endpoint."),
    ],
)
def test_a_secret_keeps_its_key_and_its_value(api: Session, cluster: str, body: object, message: str) -> None:
    secret = api.post(f"{cluster}/secrets", json={"key": "MINE"}).json()["url"]
    refused = api.put(secret, json=body)
    assert (refused.status_code, refused.json()["message"]) == (422, message)


@pytest.mark.parametrize("body", [{}, {"tag": ""}, {"tag": 1}])
def test_a_cache_volume_is_named_by_its_tag(api: Session, cluster: str, body: object) -> None:
    refused = api.delete(f"{cluster}/cache_volumes", json=body)
    assert (refused.status_code, refused.json()["message"]) == (400, "`tag` must be a non-empty string")


def test_a_list_of_maintainers_has_objects(api: Session) -> None:
    assert api.post(CLUSTERS, json={"name": "Linux", "maintainers": ["someone"]}).status_code == 422
