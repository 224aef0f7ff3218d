"""The control API as tests in other languages use it, over real sockets."""

from __future__ import annotations

import base64
from dataclasses import fields
from typing import TYPE_CHECKING, Any, get_args

import pytest
import requests

from buildkite_orm.fake import AcceleratedClock, FakeBuildkite, ManualClock, Settings, SharedClock
from buildkite_orm.fake.control.bodies import NewFault, PaceChange, SettingsChange
from buildkite_orm.fake.faults import Kind
from buildkite_orm.fake.settings import Pace
from tests.fake.control_client import Control

if TYPE_CHECKING:
    from collections.abc import Iterator

BUILDS = "/organizations/acme/pipelines/web/builds"


@pytest.fixture
def control(server: FakeBuildkite) -> Iterator[Control]:
    with Control(server) as session:
        yield session


def read_api(server: FakeBuildkite, path: str, token: str | None = None) -> requests.Response:
    headers = {"Authorization": f"Bearer {token or server.token}", "User-Agent": "fake-tests/1"}
    return requests.get(f"{server.url}/v2{path}", headers=headers, timeout=30)


def build_of(server: FakeBuildkite, number: int, pipeline: str = "web") -> dict[str, Any]:
    payload: dict[str, Any] = read_api(server, f"/organizations/acme/pipelines/{pipeline}/builds/{number}").json()
    return payload


# -- the clock


def test_advance_the_clock_until_a_build_has_passed(server: FakeBuildkite, control: Control) -> None:
    control.do("POST", "/organizations/acme/pipelines", {"slug": "web", "steps": [{"label": "Test", "duration": 60}]})
    started = requests.post(
        f"{server.url}/v2{BUILDS}",
        json={"commit": "HEAD", "branch": "main"},
        headers={"Authorization": f"Bearer {server.token}"},
        timeout=30,
    )
    assert started.status_code == 201
    control.do("POST", "/clock", {"advance": 30})
    assert build_of(server, 1)["state"] == "running"
    assert control.do("POST", "/clock", {"advance": 60}) == {"now": "2026-08-01T12:01:30.000Z", "speed": None}
    assert build_of(server, 1)["state"] == "passed"


def test_speed_up_the_clock() -> None:
    source = ManualClock()
    with FakeBuildkite(populate=False, clock=AcceleratedClock(source=source)) as server, Control(server) as control:
        assert control.do("GET", "/clock") == {"now": "2026-08-01T12:00:00.000Z", "speed": 1.0}
        control.do("POST", "/clock", {"speed": 60})
        source.advance(10)
        assert control.do("GET", "/clock") == {"now": "2026-08-01T12:10:00.000Z", "speed": 60.0}
        control.do("POST", "/clock", {"speed": 0, "advance": 60})
        source.advance(10)
        assert control.do("GET", "/clock") == {"now": "2026-08-01T12:11:00.000Z", "speed": 0.0}


def test_a_clock_that_cannot_be_moved_so_is_named(server: FakeBuildkite, control: Control) -> None:
    assert control.refused("POST", "/clock", {"speed": 2})["errors"][0]["field"] == "speed"
    assert control.refused("POST", "/clock", {})["errors"][0]["message"] == "send `advance`, `speed`, or both"
    with FakeBuildkite(populate=False, clock=SharedClock(1)) as other, Control(other) as of_other:
        refused = of_other.refused("POST", "/clock", {"advance": 2})
        assert refused["errors"] == [{"field": "advance", "message": "a SharedClock cannot be advanced"}]
    assert server.clock.now() == ManualClock().now()


# -- contents


def test_add_an_organization_with_its_people_agents_pipelines_and_builds(
    server: FakeBuildkite, control: Control
) -> None:
    control.do("POST", "/organizations", {"slug": "umbrella", "name": "Umbrella Corp"})
    control.do("POST", "/organizations/umbrella/users", {"name": "Alice", "email": "alice@umbrella.example"})
    agent = control.do("POST", "/organizations/umbrella/agents", {"queue": "gpu", "hostname": "big-1"})
    control.do("POST", "/organizations/umbrella/pipelines", {"slug": "app", "tags": ["backend"]})
    build = control.do(
        "POST",
        "/organizations/umbrella/pipelines/app/builds",
        {"number": 7, "branch": "fix", "creator": "alice@umbrella.example", "meta_data": {"a": "b"}},
    )
    assert (build["organization"], build["number"], build["state"]) == ("umbrella", 7, "passed")
    agents = read_api(server, "/organizations/umbrella/agents").json()
    assert [(each["id"], each["hostname"]) for each in agents] == [(agent["id"], "big-1")]
    assert read_api(server, "/organizations/umbrella/pipelines/app").json()["tags"] == ["backend"]
    (listed,) = read_api(server, "/organizations/umbrella/builds").json()
    assert (listed["id"], listed["creator"]["name"], listed["meta_data"]) == (build["id"], "Alice", {"a": "b"})


def test_add_a_failed_build_with_its_jobs_logs_artifacts_and_annotations(
    server: FakeBuildkite, control: Control
) -> None:
    server.add_pipeline("web")
    build = control.do(
        "POST",
        BUILDS,
        {
            "state": "failed",
            "created_at": "2026-08-01T10:00:00Z",
            "jobs": [
                {
                    "label": "Test",
                    "state": "failed",
                    "exit_status": 2,
                    "log": "--- Test\r\nboom\r\n",
                    "artifacts": [
                        {"path": "log/a.txt", "text": "größer"},
                        {"path": "b.bin", "base64": base64.b64encode(b"\xff\x00").decode()},
                        {"path": "c.bin", "size": 1000},
                    ],
                },
                {"type": "waiter"},
                {"label": "Lint", "state": "passed"},
            ],
            "annotations": [{"body": "1 test failed", "style": "error"}],
        },
    )
    payload = build_of(server, build["number"])
    assert (payload["state"], payload["created_at"]) == ("failed", "2026-08-01T10:00:00.000Z")
    assert [job.get("exit_status") for job in payload["jobs"]] == [2, None, 0]
    path = f"{BUILDS}/{build['number']}"
    job = build["jobs"][0]["id"]
    assert read_api(server, f"{path}/jobs/{job}/log.txt").text == "--- Test\r\nboom\r\n"
    artifacts = read_api(server, f"{path}/artifacts").json()
    assert sorted((each["path"], each["file_size"]) for each in artifacts) == [
        ("b.bin", 2),
        ("c.bin", 1000),
        ("log/a.txt", 8),
    ]
    assert read_api(server, f"{path}/annotations").json()[0]["style"] == "error"


def test_add_many_builds(server: FakeBuildkite, control: Control) -> None:
    server.add_pipeline("web")
    assert control.do("POST", f"{BUILDS}/bulk", {"count": 250, "jobs": 2, "branch": "x"}) == {"first": 1, "last": 250}
    assert len(read_api(server, f"{BUILDS}?branch=x&per_page=100&page=3").json()) == 50


def test_add_a_job_and_an_annotation_to_a_build(server: FakeBuildkite, control: Control) -> None:
    server.add_build("web", state="running")
    job = control.do("POST", f"{BUILDS}/1/jobs", {"label": "Late", "step_key": "late"})
    control.do("POST", f"{BUILDS}/1/annotations", {"body": "Hello", "context": "x"})
    assert (job["state"], job["step_key"]) == ("running", "late")
    assert control.do("GET", f"{BUILDS}/1")["jobs"] == [job]
    assert read_api(server, f"{BUILDS}/1/annotations").json()[0]["context"] == "x"


def test_put_a_build_into_a_state(server: FakeBuildkite, control: Control) -> None:
    server.add_build("web", state="running")
    assert control.do("PATCH", f"{BUILDS}/1", {"state": "blocked"})["state"] == "blocked"
    payload = build_of(server, 1)
    assert (payload["state"], payload["blocked"]) == ("passed", True)


# -- jobs


@pytest.mark.parametrize(("status", "state"), [(0, "passed"), (1, "failed"), (-1, "failed")])
def test_finish_a_running_job_and_so_its_build(
    server: FakeBuildkite, control: Control, status: int, state: str
) -> None:
    build = server.add_build("web", state="running", jobs=[{"name": "Test"}])
    job = control.do("POST", f"/jobs/{build.jobs[0].id}/finish", {"exit_status": status})
    assert (job["state"], job["exit_status"]) == (state, status)
    assert build_of(server, 1)["state"] == state


def test_fail_a_job_of_a_build_that_moves_and_see_it_retried(server: FakeBuildkite, control: Control) -> None:
    steps = [{"label": "Test", "duration": 600, "automatic_retries": 1}, {"type": "wait"}, {"label": "Ship"}]
    control.do("POST", "/organizations/acme/pipelines", {"slug": "web", "steps": steps})
    server.client().organization("acme").pipeline("web").builds().create(commit="HEAD", branch="main")
    control.do("POST", "/clock", {"advance": 10})
    first = control.do("GET", f"{BUILDS}/1")["jobs"][0]
    assert first["state"] == "running"
    control.do("POST", f"/jobs/{first['id']}/finish", {"exit_status": 3, "signal": "SIGKILL"})
    control.do("POST", "/clock", {"advance": 10})
    again = control.do("GET", f"{BUILDS}/1")["jobs"][1]
    assert (again["label"], again["state"]) == ("Test", "running")
    control.do("POST", f"/jobs/{again['id']}/finish")
    control.do("POST", "/clock", {"advance": 10})
    assert [job["state"] for job in control.do("GET", f"{BUILDS}/1")["jobs"]] == [
        "failed",
        "passed",
        "passed",
        "running",
    ]
    assert build_of(server, 1)["jobs"][0].get("signal") in {None, "SIGKILL"}


def test_a_job_that_waits_or_has_ended_cannot_be_finished(server: FakeBuildkite, control: Control) -> None:
    build = server.add_build("web", state="running", jobs=[{"state": "passed"}, {"type": "waiter"}])
    for job, state in zip(build.jobs, ("passed", "running"), strict=True):
        message = control.refused("POST", f"/jobs/{job.id}/finish", {})["message"]
        assert message.startswith(f"a {job.type} job that is {state} cannot be finished")


def test_set_a_log_and_upload_an_artifact(server: FakeBuildkite, control: Control) -> None:
    build = server.add_build("web", jobs=[{"name": "Test"}])
    job = f"/jobs/{build.jobs[0].id}"
    control.do("PUT", f"{job}/log", {"text": "new"})
    artifact = control.do("POST", f"{job}/artifacts", {"path": "a.txt", "text": "abc"})
    assert (artifact["size"], artifact["state"]) == (3, "finished")
    assert read_api(server, f"{BUILDS}/1{job}/log.txt").text == "new"
    assert read_api(server, f"{BUILDS}/1{job}/artifacts/{artifact['id']}").json()["path"] == "a.txt"


# -- faults, tokens, budgets, requests


def test_make_the_next_request_fail(server: FakeBuildkite, control: Control) -> None:
    control.do("POST", "/faults", {"kind": "html", "status": 503, "match": "GET /v2/user"})
    assert [read_api(server, "/user").status_code for _ in range(2)] == [503, 200]
    (fault,) = control.do("GET", "/faults")["faults"]
    assert (fault["kind"], fault["seen"], fault["used"], fault["options"]) == ("html", 2, 1, {"status": 503})
    control.do("DELETE", "/faults")
    assert control.do("GET", "/faults") == {"faults": []}


@pytest.mark.parametrize("kind", get_args(Kind))
def test_every_kind_of_fault_can_be_added(server: FakeBuildkite, control: Control, kind: str) -> None:
    options = {"location": "/elsewhere"} if kind == "redirect" else {}
    assert control.do("POST", "/faults", {"kind": kind, **options})["kind"] == kind
    assert [rule.kind for rule in server.faults.rules] == [kind]


def test_rate_limit_a_client_without_headers(server: FakeBuildkite, control: Control) -> None:
    fault = {"kind": "rate_limit", "scope": "both", "reset": 7, "rate_limit_headers": False}
    control.do("POST", "/faults", fault)
    response = read_api(server, "/user")
    assert (response.status_code, response.json()["reset"]) == (429, 7)
    assert "RateLimit-Remaining" not in response.headers


def test_faults_name_the_options_that_a_kind_takes(control: Control) -> None:
    refused = control.refused("POST", "/faults", {"kind": "html", "location": "/x"})
    message = "the fault html has no option location; its options: processed, status"
    assert refused["errors"] == [{"field": "kind", "message": message}]
    assert control.refused("POST", "/faults", {"kind": "redirect"})["errors"][0]["field"] == "kind"
    assert control.refused("POST", "/faults", {"kind": "html", "match": "("})["errors"][0]["field"] == "match"
    refused = control.refused("POST", "/faults", {"kind": "redirect", "location": "/x\r\nSet-Cookie: a=b"})
    assert refused["errors"] == [{"field": "location", "message": "must have no control characters"}]


def test_use_a_token_that_may_only_read_builds(server: FakeBuildkite, control: Control) -> None:
    server.add_build("web")
    token = control.do("POST", "/tokens", {"scopes": ["read_builds"], "organizations": ["acme"]})["token"]
    assert read_api(server, BUILDS, token).status_code == 200
    assert read_api(server, "/user", token).status_code == 403
    refused = control.refused("POST", "/tokens", {"scopes": ["read_bulds"]})["errors"][0]
    assert (refused["field"], "read_builds" in refused["choices"]) == ("scopes[0]", True)
    refused = control.refused("POST", "/tokens", {"scopes": [], "organizations": ["acme", "none"]})["errors"][0]
    assert (refused["field"], refused["choices"]) == ("organizations[1]", ["acme"])


def test_set_budgets_and_begin_new_windows(server: FakeBuildkite, control: Control) -> None:
    settings = control.do("PATCH", "/settings", {"user_limit": 2, "organization_limit": None})
    assert (settings["user_limit"], settings["organization_limit"]) == (2, None)
    assert [read_api(server, "/user").status_code for _ in range(3)] == [200, 200, 429]
    control.do("POST", "/budgets/reset")
    assert read_api(server, "/user").status_code == 200
    assert control.do("GET", "/settings") == settings


def test_change_quirks_and_pace(server: FakeBuildkite, control: Control) -> None:
    control.do("PATCH", "/settings", {"blocked_state": True, "pace": {"creating": 0.5}})
    assert (server.settings.blocked_state, server.settings.pace) == (True, Pace(creating=0.5))
    refused = control.refused("PATCH", "/settings", {"time_precision": "minutes", "pace": {"walking": 1}})["errors"]
    assert [(each["field"], each["choices"][0]) for each in refused] == [
        ("time_precision", "milliseconds"),
        ("pace.walking", "creating"),
    ]


def test_every_setting_can_be_changed_but_functions() -> None:
    assert set(SettingsChange.names()) == {each.name for each in fields(Settings)} - {"drift", "public_urls"}
    assert set(PaceChange.names()) == {each.name for each in fields(Pace)}
    assert set(get_args(Kind)) == set(get_args(NewFault.model_fields["kind"].annotation))


def test_read_the_requests_that_a_script_sent_without_its_tokens(server: FakeBuildkite, control: Control) -> None:
    read_api(server, "/user?a=1&a=2&access_token=secret")
    requests.post(
        f"{server.url}/v2/nothing", json={"token": server.token}, headers={"Authorization": "Basic eDp5"}, timeout=30
    )
    text = control.send_to("GET", "/requests").text
    assert not [secret for secret in (server.token, server.token[5:], "eDp5", "secret") if secret in text]
    first, second = control.do("GET", "/requests")["requests"]
    assert (first["number"], first["method"], first["path"], first["status"]) == (1, "GET", "/v2/user", 200)
    assert first["query"] == [["a", "1"], ["a", "2"], ["access_token", "[redacted]"]]
    assert ["User-Agent", "fake-tests/1"] in first["headers"]
    assert (second["body"], second["status"]) == ('{"token": "bkua_[redacted]"}', 404)
    assert control.do("GET", "/requests?after=1&limit=5")["requests"] == [second]
    assert control.do("GET", "/requests?limit=1")["requests"] == [first]
    control.do("DELETE", "/requests")
    read_api(server, "/user")
    page = control.do("GET", "/requests")
    assert ([each["number"] for each in page["requests"]], page["last"]) == ([3], 3)


def test_the_control_api_is_not_counted_recorded_or_broken_by_faults(server: FakeBuildkite, control: Control) -> None:
    server.settings.user_limit = 0
    server.faults.add("reset_before", times=None, origin=None)
    control.do("GET", "/clock")
    assert control.do("GET", "/requests") == {"requests": [], "last": 0}


# -- reset


def test_go_back_to_the_beginning_between_tests() -> None:
    with FakeBuildkite(clock=AcceleratedClock(source=ManualClock())) as server, Control(server) as control:
        before = [read_api(server, path).json() for path in ("/organizations/acme/pipelines", "/user")]
        control.do("POST", "/organizations", {"slug": "umbrella"})
        control.do("POST", "/clock", {"speed": 60})
        control.do("PATCH", "/settings", {"user_limit": 1, "pace": {"creating": 9}})
        control.do("POST", "/faults", {"kind": "html", "times": None})
        token = control.do("POST", "/tokens", {"scopes": ["read_user"]})["token"]
        assert control.do("POST", "/reset") == {"token": server.token, "now": "2026-08-01T12:00:00.000Z"}
        assert control.do("GET", "/requests")["requests"] == []
        assert (server.clock.speed, server.settings) == (1, Settings())
        assert [read_api(server, path).json() for path in ("/organizations/acme/pipelines", "/user")] == before
        assert read_api(server, "/organizations/umbrella").status_code == 404
        assert read_api(server, "/user", token).status_code == 401


def test_a_reset_runs_the_setup_again() -> None:
    with FakeBuildkite(populate=False, setup=lambda server: server.add_build("web")) as server:
        server.add_build("web")
        server.reset()
        assert [build.number for build in server.store.builds] == [1]
