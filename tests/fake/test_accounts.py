"""The user, the token, the organizations, and what needs no token."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from requests import Session

    from buildkite_orm.fake import FakeBuildkite


def test_the_user_is_whose_token_it_is(server: FakeBuildkite, api: Session) -> None:
    person = server.add_user("Grace Hopper", "grace@acme.example")
    token = server.make_token("read_user", user=person)
    payload = api.get("/user", headers={"Authorization": f"Bearer {token}"}).json()
    assert (payload["id"], payload["name"], payload["email"]) == (person.id, "Grace Hopper", "grace@acme.example")
    assert set(payload) == {"id", "graphql_id", "name", "email", "avatar_url", "created_at"}


def test_the_payload_of_the_token_has_no_secret(server: FakeBuildkite, api: Session) -> None:
    token = server.make_token("read_builds")
    response = api.get("/access-token", headers={"Authorization": f"Bearer {token}"})
    payload = response.json()
    assert payload["scopes"] == ["read_builds"]
    assert payload["user"] == {"email": "ada@acme.example", "name": "Ada Lovelace"}
    assert payload["created_at"] == "2026-07-23 12:00:00 UTC"
    assert token not in response.text


def test_a_revoked_token_is_good_for_nothing(api: Session) -> None:
    assert api.delete("/access-token").status_code == 204
    assert api.get("/access-token").status_code == 401


def test_tokens_look_like_real_ones(server: FakeBuildkite) -> None:
    assert server.token.startswith("bkua_")
    assert len(server.token) == 45


def test_meta_needs_no_token(api: Session) -> None:
    api.headers.clear()
    response = api.get("/meta")
    assert response.json() == {"webhook_ips": ["192.0.2.0/24", "198.51.100.12"]}


def test_organizations_are_listed(server: FakeBuildkite, api: Session) -> None:
    server.add_organization("other", name="The Other")
    assert [each["name"] for each in api.get("/organizations").json()] == ["Acme Inc", "The Other"]


def test_an_organization_has_its_urls(api: Session) -> None:
    payload = api.get("/organizations/acme").json()
    base = "https://api.buildkite.com/v2/organizations/acme"
    assert payload["url"] == base
    assert payload["web_url"] == "https://buildkite.com/acme"
    assert [payload[f"{name}_url"] for name in ("pipelines", "agents", "emojis")] == [
        f"{base}/pipelines",
        f"{base}/agents",
        f"{base}/emojis",
    ]
