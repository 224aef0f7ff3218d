"""Authentication, scopes, routes, and what every response has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from requests import Session

    from buildkite_orm.fake import FakeBuildkite


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize("header", [None, "Bearer bkua_nobody", "Basic dXNlcjpwYXNz", "Bearer", ""])
def test_without_a_good_token_it_is_401(api: Session, header: str | None) -> None:
    headers: dict[str, Any] = {"Authorization": header}
    response = api.get("/user", headers=headers)
    assert response.status_code == 401
    assert response.json()["message"].startswith("Authentication required")


def test_an_expired_token_is_401(server: FakeBuildkite, api: Session) -> None:
    server.store.tokens[server.token].expires_at = server.clock.now()
    assert api.get("/user").status_code == 401


def test_a_token_reaches_the_organizations_it_is_for(server: FakeBuildkite, api: Session) -> None:
    server.add_organization("other")
    token = server.make_token("read_organizations", "read_builds", organizations=["other"])
    assert [each["slug"] for each in api.get("/organizations", headers=bearer(token)).json()] == ["other"]
    assert api.get("/organizations/acme", headers=bearer(token)).status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/nothing"),
        ("GET", "/organizations/acme/nothing"),
        ("POST", "/organizations/acme"),
        ("DELETE", "/organizations/acme/builds"),
        ("OPTIONS", "/user"),
    ],
)
def test_an_unknown_route_is_404(api: Session, method: str, path: str) -> None:
    response = api.request(method, path)
    assert response.status_code == 404
    assert response.json()["message"].startswith(f"No route matches [{method}]")


@pytest.mark.parametrize("path", ["/v1", "/graphql", "/v2/graphql"])
def test_graphql_is_a_404_that_says_so(api: Session, path: str) -> None:
    response = api.post(f"https://api.buildkite.com{path}", json={"query": "{ viewer { id } }"})
    assert response.status_code == 404
    assert response.json()["message"].endswith("the fake does not support GraphQL")


@pytest.mark.parametrize("url", ["https://api.buildkite.com/nothing", "https://api.buildkite.com/v1/organizations"])
def test_a_path_outside_the_api_is_404(api: Session, url: str) -> None:
    assert api.get(url).status_code == 404


def test_the_root_has_a_greeting(server: FakeBuildkite, api: Session) -> None:
    assert api.get("https://api.buildkite.com/").json() == {"message": "🛠", "timestamp": int(server.clock.now())}


def test_a_doubled_slash_breaks_the_server(api: Session) -> None:
    assert api.get("//organizations").status_code == 500


def test_a_slash_at_the_end_is_ignored(api: Session) -> None:
    assert api.get("/organizations/").status_code == 200


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/organizations/unknown", "No organization found"),
        ("/organizations/unknown/builds", "No organization found"),
        ("/organizations/acme/pipelines/none", "No pipeline found"),
        ("/organizations/acme/pipelines/web/builds/99", "No build found"),
        ("/organizations/acme/pipelines/web/builds/x", "No build found"),
        ("/organizations/acme/pipelines/web/builds/1/jobs/none", "No job found"),
        ("/organizations/acme/jobs/none", "No job found"),
        ("/organizations/acme/agents/none", "No agent found"),
    ],
)
def test_a_missing_object_is_404(server: FakeBuildkite, api: Session, path: str, message: str) -> None:
    server.add_build("web", number=1)
    response = api.get(path)
    assert response.status_code == 404
    assert response.json() == {"message": message}


@pytest.mark.parametrize("body", ["{", "[1]", '"text"', b"\xff"])
def test_a_body_that_is_not_a_json_object_is_400(server: FakeBuildkite, api: Session, body: str | bytes) -> None:
    server.add_pipeline("web")
    assert api.post("/organizations/acme/pipelines/web/builds", data=body).status_code == 400


def test_head_is_get_without_the_body(api: Session) -> None:
    whole, head = api.get("/user"), api.head("/user")
    assert head.status_code == 200
    assert head.content == b""
    assert head.headers["Content-Length"] == str(len(whole.content))


def test_each_response_has_its_own_request_id(server: FakeBuildkite, api: Session) -> None:
    first = api.get("/user").headers["X-Request-Id"]
    server.requests.clear()
    assert api.get("/user").headers["X-Request-Id"] != first
    assert api.get("/nothing").headers["X-Request-Id"]


def test_responses_may_be_read_by_any_web_page(api: Session) -> None:
    headers = api.get("/user").headers
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert headers["Access-Control-Expose-Headers"] == "Link"


def test_large_responses_are_compressed_if_accepted(server: FakeBuildkite, api: Session) -> None:
    server.add_builds("web", 10)
    packed = api.get("/organizations/acme/builds", headers={"Accept-Encoding": "gzip"})
    plain = api.get("/organizations/acme/builds", headers={"Accept-Encoding": "identity"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert packed.json() == plain.json()


@pytest.mark.parametrize(
    ("base", "payload"),
    [
        ("https://api.buildkite.com", "https://api.buildkite.com/v2/"),
        ("http://127.0.0.1:1234", "http://127.0.0.1:1234/v2/"),
        ("https://proxy.example/buildkite/api", "https://proxy.example/buildkite/api/v2/"),
    ],
)
def test_urls_use_the_requested_host(server: FakeBuildkite, api: Session, base: str, payload: str) -> None:
    server.add_builds("web", 3)
    response = api.get(f"{base}/v2/organizations/acme/builds?per_page=1")
    assert response.json()[0]["url"].startswith(payload)
    assert response.links["next"]["url"].startswith(payload)


def test_urls_may_be_those_of_the_real_api(server: FakeBuildkite, api: Session) -> None:
    server.settings.public_urls = "https://api.buildkite.com"
    server.add_builds("web", 3)
    response = api.get("http://127.0.0.1:1234/v2/organizations/acme/builds?per_page=1")
    assert response.json()[0]["pipeline"]["url"] == "https://api.buildkite.com/v2/organizations/acme/pipelines/web"
    assert response.links["next"]["url"].startswith("https://api.buildkite.com/v2/organizations/acme/builds?")


def test_a_payload_may_drift(server: FakeBuildkite, api: Session) -> None:
    server.settings.drift = lambda payload: payload | {"brand_new": 1}
    assert api.get("/user").json()["brand_new"] == 1
