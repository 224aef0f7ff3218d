"""Access to the control API, and the responses to invalid requests."""

from __future__ import annotations

import http.client
import logging
import subprocess
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import requests

from buildkite_orm.fake import FakeBuildkite
from buildkite_orm.fake.control.access import Access
from buildkite_orm.fake.control.gate import ControlGate
from buildkite_orm.fake.records import BUILD_STATES
from buildkite_orm.fake.validation import LARGEST_BODY
from tests.fake.control_client import Control

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def control(server: FakeBuildkite) -> Iterator[Control]:
    with Control(server) as session:
        yield session


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8080", "127.0.0.1", "127.8.9.1:1", "[::1]:8080"])
def test_loopback_names_reach_it(control: Control, host: str) -> None:
    assert control.send_to("GET", "/clock", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "0.0.0.0:80", "192.0.2.1", "[", "a:b:c"])
def test_a_host_name_of_another_machine_does_not_reach_it(control: Control, host: str) -> None:
    response = control.send_to("GET", "/clock", headers={"Host": host})
    assert response.status_code == 403
    assert "--control-host" in response.json()["message"]


def test_a_container_is_reached_by_the_names_that_were_configured() -> None:
    options: dict[str, Any] = {"host": "127.0.0.1", "control_hosts": ["Fake"]}
    with FakeBuildkite(populate=False, **options) as server, Control(server) as control:
        assert control.send_to("GET", "/clock", headers={"Host": "fake:8080"}).status_code == 200
        assert control.send_to("GET", "/clock", headers={"Host": "fake2:8080"}).status_code == 403
    with FakeBuildkite(populate=False, host="0.0.0.0") as server, Control(server) as control:  # noqa: S104 - a container's
        assert control.base.startswith("http://127.0.0.1:")
        assert control.send_to("GET", "/clock").status_code == 200
    assert Access.of("12345678", ["0.0.0.0", "::", "host"]).hosts == {"host"}  # noqa: S104 - never accepted


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:3000"])
@pytest.mark.parametrize(("method", "path"), [("GET", "/clock"), ("OPTIONS", "/reset"), ("POST", "/reset")])
def test_a_web_page_cannot_use_it(control: Control, origin: str, method: str, path: str) -> None:
    response = control.send_to(method, path, headers={"Origin": origin})
    assert response.status_code == 403
    assert not [name for name in response.headers if name.lower().startswith("access-control-")]


def test_no_response_has_cors_headers(control: Control) -> None:
    for method, path in (("GET", ""), ("OPTIONS", "/clock"), ("GET", "/nothing"), ("POST", "/clock")):
        names = {name.lower() for name in control.send_to(method, path).headers}
        assert not {name for name in names if name.startswith("access-control-")}
        assert "cache-control" in names


@pytest.mark.parametrize("kind", ["none", "api", "wrong", "basic", "empty"])
def test_only_the_control_token_is_accepted(server: FakeBuildkite, control: Control, kind: str) -> None:
    value = {
        "none": None,
        "api": f"Bearer {server.token}",
        "wrong": "Bearer fake_control_0",
        "basic": f"Basic {server.control_token}",
        "empty": "Bearer ",
    }[kind]
    response = control.send_to("POST", "/reset", headers={"Authorization": value})
    assert response.status_code == 401
    assert "BUILDKITE_FAKE_CONTROL_TOKEN" in response.json()["message"]


def test_the_control_token_is_not_an_api_token(server: FakeBuildkite) -> None:
    headers = {"Authorization": f"Bearer {server.control_token}"}
    assert requests.get(f"{server.url}/v2/user", headers=headers, timeout=30).status_code == 401


def test_each_server_has_a_token_of_its_own_unless_one_is_given() -> None:
    assert FakeBuildkite(populate=False).control_token != FakeBuildkite(populate=False).control_token
    assert FakeBuildkite(populate=False, control_token="chosen-by-me").control_token == "chosen-by-me"
    for token in ("", "short", "has spaces in it", "ünglücklich"):
        with pytest.raises(ValueError, match="at least 8 characters"):
            FakeBuildkite(populate=False, control_token=token)


def test_a_path_that_is_unknown_is_a_404_and_a_method_a_405(server: FakeBuildkite, control: Control) -> None:
    server.add_build("web")
    builds = "/organizations/acme/pipelines/web/builds"
    for method, path in (
        ("GET", "/nothing"),
        ("GET", "/jobs/unknown"),
        ("POST", "/jobs/unknown/finish"),
        ("POST", "/organizations/none/agents"),
        ("POST", "/organizations/acme/pipelines/none/builds"),
        ("GET", f"{builds}/9"),
        ("GET", f"{builds}/{'9' * 5000}"),
        ("GET", f"{builds}/-1"),
        ("GET", "//clock"),
    ):
        response = control.send_to(method, path)
        assert (response.status_code, "No " in response.json()["message"]) == (404, True), path
    for method, path, allowed in (
        ("DELETE", "/clock", "GET, POST"),
        ("HEAD", "/clock", "GET, POST"),
        ("GET", "/reset", "POST"),
    ):
        response = control.send_to(method, path)
        assert (response.status_code, response.headers["Allow"]) == (405, allowed)


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_a_body_must_be_sent_as_json(control: Control, kind: str | None) -> None:
    response = control.request(
        "POST", f"{control.base}/clock", data=b'{"advance": 1}', headers={"Content-Type": kind}, timeout=30
    )
    assert (response.status_code, "application/json" in response.json()["message"]) == (415, True)
    chunked = control.request("POST", f"{control.base}/clock", data=iter([b"{}"]), timeout=30)
    assert chunked.status_code == 415


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"\xff", 400),
        (b"[" * 5000, 400),
        (b'{"advance": NaN}', 400),
        (b'{"advance": 1e999}', 422),
        (b'{"advance": "1"}', 422),
        (b'{"advance": true}', 422),
        (b'{"advance": -1}', 422),
        (b'{"advance": 1e9}', 422),
        (b"[]", 422),
        (b"null", 422),
        (b"3", 422),
        (b'{"advance": 1, "advance2": 2}', 422),
        (b'{"\\ud800": 1}', 400),
    ],
)
def test_a_body_that_is_wrong_is_refused_by_name(control: Control, body: bytes, status: int) -> None:
    headers = {"Content-Type": "application/json"}
    response = control.request("POST", f"{control.base}/clock", data=body, headers=headers, timeout=30)
    assert response.status_code == status
    assert response.json()["message"]
    assert control.do("GET", "/clock")["now"] == "2026-08-01T12:00:00.000Z"


def test_a_body_that_is_too_large_is_refused(server: FakeBuildkite, control: Control) -> None:
    place = urlsplit(control.base)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)
    connection.putrequest("POST", f"{place.path}/clock")
    connection.putheader("Authorization", f"Bearer {server.control_token}")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", str(LARGEST_BODY + 1))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


def test_values_that_are_not_allowed_are_named_with_the_choices(server: FakeBuildkite, control: Control) -> None:
    server.add_pipeline("web")
    builds = "/organizations/acme/pipelines/web/builds"
    body = {"state": "bogus", "jobs": [{"state": "passed"}, {"lable": "x"}, {"artifacts": [{"path": "a"}]}, 3]}
    errors = {each["field"]: each for each in control.refused("POST", builds, body)["errors"]}
    assert errors["state"]["choices"] == sorted(BUILD_STATES)
    assert errors["jobs[1].lable"]["choices"][:3] == ["type", "state", "label"]
    assert errors["jobs[2].artifacts[0]"]["message"] == "send exactly one of text, base64, size"
    assert errors["jobs[3]"]["message"] == "must be an object"
    assert server.store.builds == []


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/organizations", {"slug": "acme"}, "slug"),
        ("/organizations", {"slug": "A b"}, "slug"),
        ("/organizations/acme/pipelines", {"slug": "web"}, "slug"),
        ("/organizations/acme/pipelines", {"slug": "x", "steps": [{"type": "what"}]}, "steps[0].type"),
        ("/organizations/acme/pipelines", {"slug": "x", "steps": ["wait"]}, "steps[0]"),
        ("/organizations/acme/pipelines", {"slug": "x", "steps": [{"type": "trigger"}]}, "steps[0].pipeline"),
        ("/organizations/acme/pipelines", {"slug": "x", "env": {"A": 1}}, "env.A"),
        ("/organizations/acme/pipelines/web/builds", {"number": 1}, "number"),
        ("/organizations/acme/pipelines/web/builds", {"creator": "unknown"}, "creator"),
        ("/organizations/acme/pipelines/web/builds", {"created_at": "yesterday"}, "created_at"),
        ("/organizations/acme/pipelines/web/builds", {"jobs": "many"}, "jobs"),
        ("/organizations/acme/pipelines/web/builds", {"created_at": "1969-12-31T23:59:59Z"}, "created_at"),
        ("/organizations/acme/pipelines/web/builds", {"created_at": "9999-12-31T23:59:59Z"}, "created_at"),
        ("/organizations/acme/pipelines/web/builds/bulk", {"count": 10**6}, "count"),
        ("/organizations/acme/pipelines/web/builds/bulk", {"count": 10**5, "spacing": 2e6}, "spacing"),
        ("/faults", {"kind": "rate_limit", "headers": {"A": "b"}}, "headers"),
        ("/organizations/acme/pipelines/web/builds/1/annotations", {"style": "x"}, "body"),
        ("/faults", {"kind": "x"}, "kind"),
        ("/reset", {"x": 1}, "x"),
    ],
)
def test_each_mistake_names_its_field(
    server: FakeBuildkite, control: Control, path: str, body: dict[str, Any], field: str
) -> None:
    server.add_build("web")
    refused = control.refused("POST", path, body)
    assert field in [each["field"] for each in refused["errors"]]
    assert field in refused["message"]


def test_an_error_of_the_fake_itself_is_logged_and_not_shown(
    server: FakeBuildkite, control: Control, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(server, "reset_budgets", broken)
    with caplog.at_level(logging.ERROR):
        response = control.send_to("POST", "/budgets/reset")
    assert (response.status_code, response.json()) == (500, {"message": "Internal Server Error"})
    assert "secret detail" in caplog.text


def test_paths_that_only_look_like_it_belong_to_the_api(server: FakeBuildkite) -> None:
    assert not ControlGate.owns("/_controls")
    assert not ControlGate.owns("/v2/_control/clock")
    headers = {"Authorization": f"Bearer {server.control_token}"}
    assert requests.get(f"{server.url}/v2/_control/clock", headers=headers, timeout=30).status_code == 404
    assert requests.get(f"{server.artifacts_url}/_control/clock", headers=headers, timeout=30).status_code >= 400


def test_the_index_lists_every_endpoint(control: Control) -> None:
    endpoints = control.do("GET", "")["endpoints"]
    assert {(each["method"], each["path"]) for each in endpoints} >= {
        ("POST", "/_control/reset"),
        ("PUT", "/_control/jobs/{job}/log"),
    }
    assert all(each["summary"] for each in endpoints)
    assert control.do("GET", "/") == {"endpoints": endpoints}


def test_a_fake_without_the_control_api_does_not_import_pydantic() -> None:
    code = "import sys\nfrom buildkite_orm.fake import FakeBuildkite\nwith FakeBuildkite() as server: server.url\n"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}print('pydantic' in sys.modules)"], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
