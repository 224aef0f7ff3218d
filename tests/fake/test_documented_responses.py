"""Headers and bodies that clients in other languages rely on, requested over HTTP without a client of ours."""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import requests

from buildkite_orm.fake import FakeBuildkite, Settings
from buildkite_orm.fake.handlers.test_engine.records import add_execution, add_run, add_suite, add_test

if TYPE_CHECKING:
    from collections.abc import Iterator

ORGANIZATION_HEADERS = {"RateLimit-Scope", "RateLimit-Remaining", "RateLimit-Limit", "RateLimit-Reset"}
USER_HEADERS = {
    "RateLimit-User-Scope",
    "RateLimit-User-Remaining",
    "RateLimit-User-Limit",
    "RateLimit-User-Reset",
}


@pytest.fixture
def limited() -> Iterator[FakeBuildkite]:
    """A server with the documented limits."""
    with FakeBuildkite(populate=False) as server:
        yield server


def send(server: FakeBuildkite, method: str, path: str, **options: Any) -> requests.Response:
    headers = {"Authorization": f"Bearer {server.token}"} | options.pop("headers", {})
    return requests.request(method, f"{server.url}{path}", headers=headers, timeout=30, **options)


# -- https://buildkite.com/docs/apis/rest-api/rate-limits#checking-rate-limit-details


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v2/organizations/acme", 200),
        ("/v2/user", 200),
        ("/v2/builds", 200),
        ("/v2/organizations/none/pipelines", 404),
        ("/v2/organizations/acme/pipelines/none", 404),
        ("/v2/no/such/route", 404),
    ],
)
def test_every_response_has_both_sets_of_rate_limit_headers(limited: FakeBuildkite, path: str, status: int) -> None:
    response = send(limited, "GET", path)
    assert response.status_code == status
    assert set(response.headers) >= ORGANIZATION_HEADERS | USER_HEADERS
    assert (response.headers["RateLimit-Limit"], response.headers["RateLimit-User-Limit"]) == ("200", "50")


def test_a_429_has_both_sets_of_rate_limit_headers(limited: FakeBuildkite) -> None:
    limited.settings.user_limit = 1
    responses = [send(limited, "GET", "/v2/user") for _ in range(2)]
    assert responses[1].status_code == 429
    assert set(responses[1].headers) >= ORGANIZATION_HEADERS | USER_HEADERS


def test_a_request_without_an_organization_counts_for_its_user_only(limited: FakeBuildkite) -> None:
    remaining = [send(limited, "GET", path).headers["RateLimit-Remaining"] for path in ("/v2/user", "/v2/builds")]
    assert remaining == ["200", "200"]
    assert send(limited, "GET", "/v2/organizations/acme").headers["RateLimit-Remaining"] == "199"


def test_limits_that_are_not_enforced_keep_the_headers() -> None:
    with FakeBuildkite(populate=False, settings=Settings(enforce_limits=False)) as server:
        responses = [send(server, "GET", "/v2/organizations/acme/rate_limit") for _ in range(60)]
    assert {each.status_code for each in responses} == {200}
    assert set(responses[-1].headers) >= ORGANIZATION_HEADERS | USER_HEADERS
    assert responses[-1].headers["RateLimit-User-Remaining"] == "50"
    assert responses[-1].json()["scopes"]["rest"]["enforced"] is False


# -- https://buildkite.com/docs/apis/rest-api#cors-headers


def test_a_browser_may_send_the_token(server: FakeBuildkite) -> None:
    headers = {
        "Origin": "https://example.com",
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "authorization",
    }
    response = requests.options(f"{server.url}/v2/organizations/acme/emojis", headers=headers, timeout=30)
    assert response.ok
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert "authorization" in response.headers["Access-Control-Allow-Headers"].lower().split(", ")
    assert "GET" in response.headers["Access-Control-Allow-Methods"].split(", ")


# -- https://buildkite.com/docs/apis/rest-api#authentication; `access_token` is an older form that clients still send


def test_the_token_may_be_in_the_query(server: FakeBuildkite) -> None:
    response = requests.get(f"{server.url}/v2/user?access_token={server.token}", timeout=30)
    assert response.status_code == 200
    assert requests.get(f"{server.url}/v2/user?access_token=wrong", timeout=30).status_code == 401


def test_a_token_in_the_query_is_not_recorded(server: FakeBuildkite) -> None:
    requests.get(f"{server.url}/v2/user?page=1&access_token={server.token}", timeout=30)
    request = server.requests[-1]
    assert request.line == "GET /v2/user?page=1&access_token=***"
    assert request.query == [("page", "1"), ("access_token", "***")]


# -- https://buildkite.com/docs/apis/rest-api#openapi-specification


def test_the_api_catalog_needs_no_token(server: FakeBuildkite) -> None:
    response = requests.get(f"{server.url}/.well-known/api-catalog", timeout=30)
    (entry,) = response.json()["linkset"]
    assert entry["anchor"] == f"{server.url}/v2/analytics"
    assert {"service-desc", "service-doc"} < set(entry)
    assert response.headers["Content-Type"].startswith("application/linkset+json")


# -- https://buildkite.com/docs/apis/rest-api#request-body-properties


def test_texts_are_cast_if_a_boolean_is_documented(server: FakeBuildkite) -> None:
    server.add_pipeline("web")
    path = "/v2/organizations/acme/pipelines/web"
    for text, value in (("true", True), ("1", True), ("false", False), ("0", False)):
        response = send(server, "PATCH", path, json={"skip_queued_branch_builds": text})
        assert (response.status_code, response.json()["skip_queued_branch_builds"]) == (200, value)
    assert send(server, "PATCH", path, json={"skip_queued_branch_builds": "perhaps"}).status_code == 422


def test_an_error_has_the_value_that_was_sent(server: FakeBuildkite) -> None:
    response = send(server, "POST", "/v2/organizations/acme/clusters", json={"name": "x", "color": "green"})
    assert response.status_code == 422
    assert response.json()["errors"] == [{"field": "color", "code": "invalid", "value": "green"}]


def test_an_error_in_a_nested_field_has_its_value(server: FakeBuildkite) -> None:
    body = {"provider": "slack", "settings": {"url": "https://hooks.example", "theme": "text", "colour": "red"}}
    response = send(server, "POST", "/v2/organizations/acme/services", json=body)
    assert response.json()["errors"] == [{"field": "settings.colour", "code": "unknown", "value": "red"}]


def test_a_body_may_wait_for_a_100_continue(server: FakeBuildkite) -> None:
    parts = urlsplit(server.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    body = b'{"name": "x"}'
    connection.putrequest("POST", "/v2/organizations/acme/clusters")
    for name, value in (
        ("Authorization", f"Bearer {server.token}"),
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("Expect", "100-continue"),
    ):
        connection.putheader(name, value)
    connection.endheaders()
    assert connection.sock.recv(1024) == b"HTTP/1.1 100 Continue\r\n\r\n"
    connection.send(body)
    assert connection.getresponse().status == 201
    connection.close()


# -- https://buildkite.com/docs/apis/rest-api/package-registries/registries#create-a-registry


@pytest.mark.parametrize("policy", ["- iss: https://agent.buildkite.com", [{"iss": "https://x", "claims": {}}], None])
def test_the_oidc_policy_of_a_registry_is_a_text(server: FakeBuildkite, policy: Any) -> None:
    body = {"name": "Gems", "ecosystem": "ruby", "oidc_policy": policy}
    response = send(server, "POST", "/v2/packages/organizations/acme/registries", json=body)
    assert isinstance(response.json()["oidc_policy"], str if policy else type(None))


# -- https://buildkite.com/docs/apis/rest-api/test-engine/runs#get-failed-execution-data
# `include_failure_expanded` and its field are those of Buildkite's own Go client.


def test_failed_executions_have_their_expanded_failures_if_requested(server: FakeBuildkite) -> None:
    store = server.store
    suite = add_suite(store, store.organizations["acme"], "RSpec")
    run, test = add_run(store, suite), add_test(store, suite, "is blank", location="./spec/user_spec.rb:42")
    add_execution(store, suite, run, test, result="failed", failure_reason="expected true")
    path = f"/v2/analytics/organizations/acme/suites/rspec/runs/{run.id}/failed_executions"
    (plain,) = send(server, "GET", path).json()
    (expanded,) = send(server, "GET", path, params={"include_failure_expanded": "true"}).json()
    assert "failure_expanded" not in plain
    assert expanded["failure_expanded"] == [{"expanded": ["expected true"], "backtrace": ["./spec/user_spec.rb:42"]}]
