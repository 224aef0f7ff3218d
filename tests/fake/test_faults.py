"""Faults: each kind, through the adapter and over HTTP, and the requests that they apply to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from requests import ConnectionError as NoConnectionError
from requests import ReadTimeout
from requests.exceptions import ChunkedEncodingError, ContentDecodingError, JSONDecodeError, RequestException

if TYPE_CHECKING:
    from requests import Session

    from buildkite_orm.fake import FakeBuildkite, RecordedRequest
    from buildkite_orm.fake.faults import Kind


@pytest.fixture(params=["local", "http"])
def session(request: pytest.FixtureRequest) -> Session:
    """Return a session through the adapter, and one over HTTP."""
    session: Session = request.getfixturevalue("api" if request.param == "local" else "http")
    return session


def fails(session: Session, kind: type[RequestException], path: str = "/user") -> RequestException:
    with pytest.raises(kind) as caught:
        session.get(path, timeout=5)
    return caught.value


@pytest.mark.parametrize(
    ("kind", "options", "error"),
    [
        ("refuse", {}, NoConnectionError),
        ("dns", {}, NoConnectionError),
        ("reset_before", {}, NoConnectionError),
        ("reset_after_headers", {}, RequestException),
        ("reset_mid_body", {}, RequestException),
        ("reset_mid_body", {"at": 1}, RequestException),
        ("truncate", {}, ChunkedEncodingError),
        ("truncate", {"at": 0}, ChunkedEncodingError),
        ("corrupt_gzip", {}, ContentDecodingError),
    ],
)
def test_a_broken_response_is_an_error_and_the_next_one_is_complete(
    server: FakeBuildkite, session: Session, kind: Kind, options: dict[str, Any], error: type[RequestException]
) -> None:
    server.faults.add(kind, **options)
    fails(session, error)
    assert session.get("/user", timeout=5).status_code == 200


def test_requests_from_before_a_reset_can_be_read(server: FakeBuildkite, session: Session) -> None:
    whole = session.get("/user", headers={"Accept-Encoding": "identity"}).content
    server.faults.add("reset_mid_body", at=100)
    response = session.get("/user", headers={"Accept-Encoding": "identity"}, stream=True)
    assert response.raw.read(100) == whole[:100]
    with pytest.raises(RequestException):
        next(response.iter_content(1))


def test_a_silent_server_times_out(server: FakeBuildkite, api: Session) -> None:
    server.faults.add("read_timeout")
    before = server.clock.now()
    fails(api, ReadTimeout)
    assert server.clock.now() - before == 5


def test_a_silent_server_times_out_over_a_socket(server: FakeBuildkite, http: Session) -> None:
    server.faults.add("read_timeout")
    with pytest.raises(ReadTimeout):
        http.get("/user", timeout=0.05)
    assert http.get("/user").status_code == 200


def test_cut_json_has_a_length_that_fits(server: FakeBuildkite, session: Session) -> None:
    server.faults.add("cut_json", at=20)
    response = session.get("/user")
    assert (response.status_code, len(response.content)) == (200, 20)
    with pytest.raises(JSONDecodeError):
        response.json()


@pytest.mark.parametrize(("options", "status"), [({}, 502), ({"status": 503}, 503)])
def test_a_response_may_be_an_html_page(
    server: FakeBuildkite, session: Session, options: dict[str, Any], status: int
) -> None:
    server.faults.add("html", **options)
    response = session.get("/user")
    assert response.status_code == status
    assert response.headers["Content-Type"].startswith("text/html")
    assert str(status) in response.text


@pytest.mark.parametrize(
    ("options", "status", "payload"),
    [
        ({}, 500, {"message": "Internal Server Error"}),
        ({"status": 418, "message": "Tea"}, 418, {"message": "Tea"}),
        ({"status": 422, "payload": [1]}, 422, [1]),
    ],
)
def test_an_error_has_the_status_and_payload_it_is_given(
    server: FakeBuildkite, session: Session, options: dict[str, Any], status: int, payload: Any
) -> None:
    server.faults.add("error", headers={"X-More": "yes"}, **options)
    response = session.get("/user")
    assert (response.status_code, response.json(), response.headers["X-More"]) == (status, payload, "yes")


@pytest.mark.parametrize(
    ("options", "scope", "remaining"),
    [
        ({}, "rest_user", ("199", "0")),
        ({"scope": "rest", "remaining": -3}, "rest", ("-3", "49")),
        ({"scope": "both", "reset": 7}, "rest", ("0", "0")),
    ],
)
def test_a_rate_limit_can_be_played(
    server: FakeBuildkite, session: Session, options: dict[str, Any], scope: str, remaining: tuple[str, str]
) -> None:
    server.faults.add("rate_limit", **options)
    response = session.get("/user")
    reset = options.get("reset", 30)
    assert response.status_code == 429
    assert (response.json()["scope"], response.json()["reset"]) == (scope, reset)
    assert (response.headers["RateLimit-Remaining"], response.headers["RateLimit-User-Remaining"]) == remaining
    assert response.headers["RateLimit-Reset"] == str(reset)


def test_a_rate_limit_may_have_no_headers(server: FakeBuildkite, session: Session) -> None:
    server.faults.add("rate_limit", headers=False)
    assert not [name for name in session.get("/user").headers if name.startswith("RateLimit")]


def test_a_redirect_leads_away(server: FakeBuildkite, session: Session) -> None:
    server.faults.add("redirect", location="https://elsewhere.example/x", status=307)
    response = session.get("/user", allow_redirects=False)
    assert (response.status_code, response.headers["Location"]) == (307, "https://elsewhere.example/x")


def test_a_trickle_is_whole_in_the_end(server: FakeBuildkite, session: Session) -> None:
    whole = session.get("/user").content
    server.faults.add("trickle", pause=1.0)
    before = server.clock.now()
    assert session.get("/user").content == whole
    assert server.clock.now() - before >= len(whole) - 1  # the last byte arrives before the pause behind it


def test_a_trickle_slower_than_the_timeout_is_a_timeout(server: FakeBuildkite, api: Session) -> None:
    server.faults.add("trickle", pause=6.0)
    before = server.clock.now()
    fails(api, NoConnectionError)  # the error of requests after the headers were received
    assert server.clock.now() - before == 5


def test_a_response_that_stalls_times_out_after_the_bytes_received(server: FakeBuildkite, api: Session) -> None:
    server.faults.add("stall", at=3)
    before = server.clock.now()
    fails(api, NoConnectionError)
    assert server.clock.now() - before == 5
    assert server.requests[0].status == 200


def test_a_response_that_stalls_times_out_over_a_socket(server: FakeBuildkite, http: Session) -> None:
    server.faults.add("stall", at=3)
    response = http.get("/user", stream=True, timeout=0.5, headers={"Accept-Encoding": "identity"})
    assert len(response.raw.read(3)) == 3
    with pytest.raises(NoConnectionError):
        next(response.iter_content(1))


def test_latency_passes_on_the_clock(server: FakeBuildkite, session: Session) -> None:
    server.faults.add("latency", seconds=3.0)
    before = server.clock.now()
    assert session.get("/user").status_code == 200
    assert server.clock.now() - before == 3.0


def test_latency_beyond_the_timeout_is_a_timeout(server: FakeBuildkite, api: Session) -> None:
    server.faults.add("latency", seconds=30.0)
    fails(api, ReadTimeout)


def test_every_request_may_take_its_time(server: FakeBuildkite, api: Session) -> None:
    server.settings.latency = 0.25
    before = server.clock.now()
    api.get("/user")
    api.get("/user")
    assert server.clock.now() - before == 0.5


def test_an_artifact_may_arrive_with_other_bytes(server: FakeBuildkite, session: Session) -> None:
    job = server.add_build("web", jobs=1).jobs[0]
    artifact = server.add_artifact(job, "x", b"hello")
    server.faults.add("corrupt_body", origin="artifacts")
    path = f"/organizations/acme/jobs/{job.id}/artifacts/{artifact.id}/download"
    assert [session.get(path).content == b"hello" for _ in range(2)] == [False, True]


def test_a_fault_applies_as_often_as_given(server: FakeBuildkite, api: Session) -> None:
    rule = server.faults.add("error", times=2, after=1)
    assert [api.get("/user").status_code for _ in range(5)] == [200, 500, 500, 200, 200]
    assert (rule.seen, rule.used) == (5, 2)


def test_a_rule_may_never_end_until_it_is_cleared(server: FakeBuildkite, api: Session) -> None:
    server.faults.add("error", times=None)
    assert {api.get("/user").status_code for _ in range(5)} == {500}
    server.faults.clear()
    assert api.get("/user").status_code == 200


def requests_page_2(request: RecordedRequest) -> bool:
    return ("page", "2") in request.query


@pytest.mark.parametrize("match", ["GET .*organizations", re.compile("page=2"), requests_page_2])
def test_a_rule_may_name_its_requests(server: FakeBuildkite, api: Session, match: Any) -> None:
    server.faults.add("error", match=match)
    assert api.get("/user").status_code == 200
    assert api.get("/organizations?page=2").status_code == 500


def test_the_first_rule_that_is_due_strikes(server: FakeBuildkite, api: Session) -> None:
    server.faults.add("error", status=501)
    server.faults.add("latency", seconds=2.0)
    server.faults.add("error", status=502)
    assert [api.get("/user").status_code for _ in range(3)] == [501, 502, 200]


@pytest.mark.parametrize(("options", "builds"), [({}, 0), ({"processed": True}, 1)])
@pytest.mark.parametrize("kind", ["reset_before", "read_timeout", "html", "error"])
def test_a_request_may_be_processed_although_its_response_is_lost(
    server: FakeBuildkite, api: Session, kind: Kind, options: dict[str, Any], builds: int
) -> None:
    server.add_pipeline("web")
    server.faults.add(kind, **options)
    path = "/organizations/acme/pipelines/web/builds"
    try:
        status = api.post(path, json={"commit": "HEAD", "branch": "main"}, timeout=1).status_code
    except RequestException:
        status = 0
    assert status in {0, 500, 502}
    assert len(api.get(path).json()) == builds


def test_requests_are_recorded_with_the_status_of_the_response(server: FakeBuildkite, api: Session) -> None:
    server.faults.add("error", match="page=1")
    server.faults.add("reset_before", match="DELETE")
    api.get("/organizations?page=1&state[]=ü")
    with pytest.raises(NoConnectionError):
        api.delete("/access-token", data="body")
    first, second = server.requests
    assert (first.method, first.path, first.status) == ("GET", "/v2/organizations", 500)
    assert first.query == [("page", "1"), ("state[]", "ü")]
    assert (second.body, second.status, second.headers["User-Agent"]) == (b"body", 0, "fake-tests/1")


def test_an_unknown_kind_or_option_is_refused_at_once(server: FakeBuildkite) -> None:
    wrong: Any = "explode"
    with pytest.raises(ValueError, match="unknown fault 'explode'; choose one of refuse, "):
        server.faults.add(wrong)
    with pytest.raises(TypeError, match="the fault html has no option stauts; its options: processed, status"):
        server.faults.add("html", stauts=503)
    with pytest.raises(TypeError, match="the fault redirect needs location="):
        server.faults.add("redirect")
