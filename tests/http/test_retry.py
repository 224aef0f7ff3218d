"""Which requests are retried, which never are, and for how long."""

from __future__ import annotations

import logging
import socket
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buildkite_orm import (
    BuildkiteError,
    ConfigurationError,
    ConnectionFailedError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RequestTimeoutError,
    ResponseError,
    RetryPolicy,
    ServerError,
    TransportError,
)
from buildkite_orm.fake import FakeBuildkite
from buildkite_orm.http.messages import ApiRequest
from buildkite_orm.models.enums import BuildState
from tests.helpers import web_pipeline

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildkite_orm import Buildkite
    from buildkite_orm.http.retry import Wait

    Write = Callable[[Buildkite], object]

JOB = {"type": "script", "state": "failed", "exit_status": 1}
LOST: dict[str, tuple[str, dict[str, Any]]] = {
    "reset before a response": ("reset_before", {}),
    "reset after the headers": ("reset_after_headers", {}),
    "reset in the body": ("reset_mid_body", {}),
    "truncated body": ("truncate", {}),
    "nothing but headers": ("truncate", {"at": 0}),
    "no response at all": ("read_timeout", {}),
    "500": ("error", {"status": 500}),
    "503 in JSON": ("error", {"status": 503}),
    "HTML with 502": ("html", {"status": 502}),
    "HTML with 503": ("html", {"status": 503}),
    "HTML with 504": ("html", {"status": 504}),
}
GARBLED: dict[str, tuple[str, dict[str, Any]]] = {
    "cut JSON": ("cut_json", {}),
    "empty body": ("cut_json", {"at": 0}),
    "corrupt gzip": ("corrupt_gzip", {}),
    "HTML with 200": ("html", {"status": 200}),
}
ANY = LOST | GARBLED
lost = pytest.mark.parametrize(("kind", "options"), LOST.values(), ids=LOST)
broken = pytest.mark.parametrize(("kind", "options"), ANY.values(), ids=ANY)


@pytest.fixture(autouse=True)
def _failed_build(server: FakeBuildkite) -> None:
    """Add one failed build, which has one job with one artifact, and an agent."""
    build = server.add_build("web", state="failed", jobs=[JOB])
    server.add_artifact(build.jobs[0], "a.txt", b"hello")
    server.add_agent("one")


# -- what may be retried -----------------------------------------------------------------------------------------------


@broken
def test_a_get_is_retried(server: FakeBuildkite, bk: Buildkite, kind: Any, options: dict[str, Any]) -> None:
    server.faults.add(kind, **options)
    assert web_pipeline(bk).fetch().slug == "web"
    assert [request.method for request in server.requests] == ["GET", "GET"]


@broken
def test_a_listing_is_complete_although_each_page_fails_once(
    server: FakeBuildkite, bk: Buildkite, kind: Any, options: dict[str, Any]
) -> None:
    server.add_builds("api", 25)
    for page in range(3):
        server.faults.add(kind, match=r"GET .*/builds\?", after=page, **options)
    builds = bk.organization("acme").pipeline("api").builds().per_page(10)
    assert [build.number for build in builds] == list(range(25, 0, -1))


@pytest.mark.parametrize("kind", ["reset_before", "read_timeout", "error"])
def test_a_head_is_retried(server: FakeBuildkite, bk: Buildkite, kind: Any) -> None:
    server.set_log(server.build("web", 1).jobs[0], b"hello")
    server.faults.add(kind)
    job = bk.organization("acme").job(server.build("web", 1).jobs[0].id)
    assert job.log().fetch_size() == 5
    assert [request.method for request in server.requests] == ["HEAD", "HEAD"]


@broken
def test_a_patch_is_retried(server: FakeBuildkite, bk: Buildkite, kind: Any, options: dict[str, Any]) -> None:
    server.faults.add(kind, **options)
    assert web_pipeline(bk).update(description="new").description == "new"
    assert [request.method for request in server.requests] == ["PATCH", "PATCH"]
    assert server.requests[0].body == server.requests[1].body


@lost
def test_a_put_to_a_resource_is_retried(
    server: FakeBuildkite, bk: Buildkite, kind: Any, options: dict[str, Any]
) -> None:
    server.faults.add(kind, **options)
    with pytest.raises(NotFoundError):  # the fake has no such route; the second request matters
        bk.session.send(
            ApiRequest("PUT", "organizations/acme/nothing", body={"a": 1}, headers=ODD), lambda response: response
        )
    assert [request.method for request in server.requests] == ["PUT", "PUT"]


@pytest.mark.parametrize("kind", ["reset_before", "read_timeout", "html", "error"])
def test_a_delete_that_did_its_work_and_is_retried_has_succeeded(
    server: FakeBuildkite, bk: Buildkite, kind: Any
) -> None:
    artifact = web_pipeline(bk).build(1).artifacts()[0]
    server.requests.clear()
    server.faults.add(kind, processed=True)
    artifact.delete()
    assert [(request.method, request.status == 404) for request in server.requests] == [
        ("DELETE", False),
        ("DELETE", True),
    ]


def test_a_delete_that_finds_nothing_at_once_has_failed(bk: Buildkite) -> None:
    artifact = web_pipeline(bk).build(1).artifacts()[0]
    artifact.delete()
    with pytest.raises(NotFoundError) as caught:
        artifact.delete()
    assert not caught.value.outcome_unknown


@pytest.mark.parametrize("kind", ["rate_limit", "refuse"])
def test_a_delete_that_was_never_sent_before_fails_if_the_object_is_missing(
    server: FakeBuildkite, bk: Buildkite, kind: Any
) -> None:
    server.faults.add(kind)
    with pytest.raises(NotFoundError):
        bk.session.send(ApiRequest("DELETE", "organizations/acme/pipelines/none"), lambda response: response.status)


def test_an_html_page_with_status_200_is_not_a_deletion(server: FakeBuildkite, bk: Buildkite) -> None:
    artifact = web_pipeline(bk).build(1).artifacts()[0]
    server.faults.add("html", status=200, times=None)
    with pytest.raises(ResponseError) as caught:
        artifact.delete()
    assert caught.value.outcome_unknown


def test_a_rename_that_is_retried_and_finds_nothing_is_unknown(server: FakeBuildkite, bk: Buildkite) -> None:
    server.faults.add("read_timeout")
    server.faults.add("error", status=404, message="No pipeline found", match="PATCH", after=1)
    with pytest.raises(NotFoundError) as caught:
        web_pipeline(bk).update(name="Other")
    assert caught.value.outcome_unknown
    assert "list https://api.buildkite.com/v2/organizations/acme/pipelines and look for it" in str(caught.value)


def test_a_rename_that_finds_nothing_at_once_has_not_happened(bk: Buildkite) -> None:
    with pytest.raises(NotFoundError) as caught:
        bk.organization("acme").pipeline("unknown").update(name="Other")
    assert not caught.value.outcome_unknown


@pytest.mark.parametrize(
    ("second", "kind"), [("error", PermissionDeniedError), ("refuse", ConnectionFailedError)], ids=["refused", "gone"]
)
def test_the_outcome_of_an_earlier_attempt_stays_unknown(
    server: FakeBuildkite, bk: Buildkite, second: Any, kind: type[BuildkiteError]
) -> None:
    server.faults.add("reset_before", processed=True)
    options: dict[str, Any] = {"status": 403} if second == "error" else {}
    server.faults.add(second, times=None, **options)
    with pytest.raises(kind) as caught:
        web_pipeline(bk).update(description="new")
    assert caught.value.outcome_unknown
    assert server.store.organizations["acme"].pipelines["web"].description == "new"


# -- what never is -----------------------------------------------------------------------------------------------------

WRITES: dict[str, Write] = {
    "POST builds": lambda bk: web_pipeline(bk).builds().create(commit="HEAD", branch="main"),
    "POST annotations": lambda bk: web_pipeline(bk).build(1).annotations().create(body="hello"),
    "PUT rebuild": lambda bk: web_pipeline(bk).build(1).rebuild(),
    "PUT cancel": lambda bk: web_pipeline(bk).build(1).cancel(),
    "PUT retry_failed_jobs": lambda bk: web_pipeline(bk).build(1).retry_failed_jobs(),
    "PUT retry": lambda bk: web_pipeline(bk).build(1).job("0190").retry(),
    "PUT unblock": lambda bk: web_pipeline(bk).build(1).job("0190").unblock(),
    "PUT stop": lambda bk: bk.organization("acme").agent("0190").stop(),
    "PUT pause": lambda bk: bk.organization("acme").agent("0190").pause(),
    "PUT resume": lambda bk: bk.organization("acme").agent("0190").resume(),
}
writes = pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)


@writes
def test_a_request_with_side_effects_reaches_the_server_once(
    server: FakeBuildkite, bk: Buildkite, write: Write
) -> None:
    for kind, options in LOST.values():
        server.requests.clear()
        server.faults.clear()
        server.faults.add(kind, times=None, **options)  # type: ignore[arg-type]
        with pytest.raises((TransportError, ServerError), match="It may have happened nevertheless") as caught:
            write(bk)
        assert (len(server.requests), caught.value.outcome_unknown) == (1, True), kind


@broken
def test_a_build_is_not_created_twice(server: FakeBuildkite, bk: Buildkite, kind: Any, options: dict[str, Any]) -> None:
    processed: dict[str, Any] = {"processed": True} if kind in {"reset_before", "read_timeout", "html", "error"} else {}
    server.faults.add(kind, **options, **processed)
    with pytest.raises(BuildkiteError) as caught:
        web_pipeline(bk).builds().create(commit="HEAD", branch="main")
    assert caught.value.outcome_unknown
    where = "https://api.buildkite.com/v2/organizations/acme/pipelines/web/builds"
    assert f"before you send it again, list {where} and look for it" in str(caught.value)
    assert len(server.store.organizations["acme"].pipelines["web"].by_number) == 2


@pytest.mark.parametrize(
    ("write", "where"),
    [
        ("PUT rebuild", "list https://api.buildkite.com/v2/organizations/acme/pipelines/web/builds and"),
        ("PUT cancel", "look at https://api.buildkite.com/v2/organizations/acme/pipelines/web/builds/1."),
        ("PUT retry", "look at https://api.buildkite.com/v2/organizations/acme/pipelines/web/builds/1/jobs/0190."),
    ],
)
def test_an_unknown_outcome_says_what_to_do(server: FakeBuildkite, bk: Buildkite, write: str, where: str) -> None:
    server.faults.add("read_timeout")
    with pytest.raises(RequestTimeoutError) as caught:
        WRITES[write](bk)
    assert where in str(caught.value)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 410, 422])
def test_a_refusal_is_final_and_known(server: FakeBuildkite, bk: Buildkite, status: int) -> None:
    server.faults.add("error", status=status, times=None)
    for method in ("GET", "PATCH", "DELETE", "POST"):
        server.requests.clear()
        with pytest.raises(BuildkiteError) as caught:
            bk.session.send(ApiRequest(method, "organizations/acme/x", headers=ODD), lambda response: response)
        assert (len(server.requests), caught.value.status, caught.value.outcome_unknown) == (
            1,
            status,
            False,
        )


@pytest.mark.parametrize("kind", [kind for kind, _ in LOST.values()][:4])
def test_the_outcome_of_a_get_is_never_unknown(server: FakeBuildkite, bk: Buildkite, kind: Any) -> None:
    server.faults.add(kind, times=None)
    with pytest.raises(ConnectionFailedError) as caught:
        web_pipeline(bk).fetch()
    assert not caught.value.outcome_unknown


def test_json_of_another_shape_is_the_response_and_requested_once(server: FakeBuildkite, bk: Buildkite) -> None:
    server.faults.add("error", status=200, payload={"message": "a dict, not a list"}, times=None)
    with pytest.raises(ResponseError):
        list(web_pipeline(bk).builds())
    assert len(server.requests) == 1


def test_a_strict_client_requests_an_undocumented_payload_once(server: FakeBuildkite) -> None:
    server.settings.drift = lambda payload: payload | {"created_at": 7}
    with server.client(strict=True) as bk, pytest.raises(ResponseError, match="not as documented"):
        web_pipeline(bk).fetch()
    assert len(server.requests) == 1


# -- a connection that was never made ----------------------------------------------------------------------------------


@writes
def test_a_request_of_any_kind_that_was_never_sent_is_retried(
    server: FakeBuildkite, bk: Buildkite, write: Write
) -> None:
    server.faults.add("refuse")
    server.faults.add("error", status=422, after=1)
    with pytest.raises(BuildkiteError) as caught:
        write(bk)
    assert (len(server.requests), caught.value.status) == (2, 422)


def test_a_build_is_created_once_the_server_is_there() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    servers: list[FakeBuildkite] = []

    def start(_: Wait) -> None:
        server = FakeBuildkite(populate=False, port=port)
        server.add_pipeline("web")
        servers.append(server)
        assert server.url == url

    url = f"http://127.0.0.1:{port}"
    with FakeBuildkite(populate=False) as other:  # of the same seed, so of the same token
        client = other.client(base_url=url, transport=None, retry=RetryPolicy(on_wait=start))
    with client:
        created = web_pipeline(client).builds().create(commit="HEAD", branch="main")
    assert created.state in {BuildState.CREATING, BuildState.SCHEDULED}
    (server,) = servers
    assert [request.method for request in server.requests] == ["POST"]
    server.close()


def test_if_nothing_listens_the_outcome_is_known() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    waits: list[Wait] = []
    with (
        FakeBuildkite(populate=False) as other,
        other.client(base_url=url, transport=None, retry=RetryPolicy(on_wait=waits.append)) as bk,
        pytest.raises(ConnectionFailedError) as caught,
    ):
        web_pipeline(bk).builds().create(commit="HEAD", branch="main")
    assert (caught.value.outcome_unknown, caught.value.never_sent, len(waits)) == (False, True, 4)


# -- over sockets ------------------------------------------------------------------------------------------------------

# Requests for undocumented paths are marked, and do not count as requests of the library.
ODD = {"User-Agent": "odd/1"}

SOCKETS = [
    "refuse",
    "reset_before",
    "reset_after_headers",
    "reset_mid_body",
    "truncate",
    "read_timeout",
    "corrupt_gzip",
]


@pytest.mark.parametrize("kind", SOCKETS)
def test_over_a_socket_a_get_is_retried(server: FakeBuildkite, kind: Any) -> None:
    server.faults.add(kind)
    with server.client(http=True, timeout=(5, 1 if kind == "read_timeout" else 5)) as bk:
        assert web_pipeline(bk).fetch().slug == "web"
    assert len(server.requests) == 2


@pytest.mark.parametrize("kind", SOCKETS)
def test_over_a_socket_a_post_is_sent_once(server: FakeBuildkite, kind: Any) -> None:
    server.faults.add(kind)
    with (
        server.client(http=True, timeout=(5, 1 if kind == "read_timeout" else 5)) as bk,
        pytest.raises(BuildkiteError) as caught,
    ):
        web_pipeline(bk).builds().create(commit="HEAD", branch="main")
    assert (len(server.requests), caught.value.outcome_unknown) == (1, True)


# -- 429 ---------------------------------------------------------------------------------------------------------------


@writes
def test_any_request_waits_after_a_429(server: FakeBuildkite, bk: Buildkite, write: Write) -> None:
    server.faults.add("rate_limit", reset=30)
    server.faults.add("error", status=422, after=1)
    began = server.clock.now()
    with pytest.raises(BuildkiteError) as caught:
        write(bk)
    assert (len(server.requests), caught.value.status) == (2, 422)
    assert 30 <= server.clock.now() - began <= 32


def test_a_429_is_not_a_failed_attempt(server: FakeBuildkite) -> None:
    server.faults.add("rate_limit", reset=1, times=8)
    with server.client(retry=RetryPolicy(attempts=1)) as bk:
        assert web_pipeline(bk).fetch().slug == "web"
    assert len(server.requests) == 9


# -- how long ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("attempts", [1, 2, 7])
def test_a_request_is_attempted_as_often_as_allowed(server: FakeBuildkite, attempts: int) -> None:
    server.faults.add("error", times=None)
    with server.client(retry=RetryPolicy(attempts=attempts)) as bk, pytest.raises(ServerError):
        web_pipeline(bk).fetch()
    assert len(server.requests) == attempts


def test_no_attempt_begins_after_the_time_that_is_allowed(server: FakeBuildkite) -> None:
    server.faults.add("latency", times=None, seconds=20)
    server.faults.add("error", times=None)
    with (
        server.client(retry=RetryPolicy(attempts=50, max_elapsed=90)) as bk,
        pytest.raises((ServerError, RequestTimeoutError)),
    ):
        web_pipeline(bk).fetch()
    assert 3 <= len(server.requests) <= 5  # at 0, 20, 40, … seconds, and pauses between


def test_429_after_429_ends_with_the_time_that_is_allowed(server: FakeBuildkite) -> None:
    server.faults.add("rate_limit", times=None, reset=0)
    began = server.clock.now()
    with server.client(retry=RetryPolicy(max_elapsed=20)) as bk, pytest.raises(RateLimitError):
        web_pipeline(bk).fetch()
    assert server.clock.now() - began <= 20
    assert len(server.requests) <= 21


@settings(deadline=None, max_examples=30)
@given(
    policy=st.builds(
        RetryPolicy,
        attempts=st.integers(1, 12),
        backoff=st.floats(0, 100),
        max_backoff=st.floats(0, 100),
        max_wait=st.floats(0, 100),
        max_elapsed=st.floats(0.01, 500),
    ),
    kinds=st.lists(st.sampled_from(["error", "reset_before", "rate_limit", "html"]), min_size=1, max_size=12),
)
def test_no_policy_is_exceeded(policy: RetryPolicy, kinds: list[Any]) -> None:
    with FakeBuildkite(populate=False) as server, server.client(retry=policy) as bk:
        for kind in kinds:
            server.faults.add(kind)
        server.faults.add("error", times=None)
        began = server.clock.now()
        with pytest.raises((ServerError, TransportError, RateLimitError)):
            web_pipeline(bk).fetch()
        assert server.clock.now() - began <= policy.max_elapsed + 0.001
        assert sum(request.status != 429 for request in server.requests) <= policy.attempts


def test_each_wait_is_announced_before_it_begins(server: FakeBuildkite, caplog: pytest.LogCaptureFixture) -> None:
    server.faults.add("error", times=3)
    waits: list[tuple[Wait, float]] = []
    policy = RetryPolicy(on_wait=lambda wait: waits.append((wait, server.clock.now())))
    with caplog.at_level(logging.INFO, "buildkite_orm"), server.client(retry=policy) as bk:
        web_pipeline(bk).fetch()
    assert len(waits) == 3
    for wait, now in waits:
        assert wait.until == now + wait.seconds
        assert "ServerError" in wait.reason
    assert caplog.text.count("waiting ") == 3


def test_pauses_stay_below_their_bound_and_use_the_clock(server: FakeBuildkite) -> None:
    server.faults.add("error", times=9)
    waits: list[Wait] = []
    began = server.clock.now()
    with server.client(retry=RetryPolicy(attempts=10, backoff=4, max_backoff=5, on_wait=waits.append)) as bk:
        web_pipeline(bk).fetch()
    assert all(0 < wait.seconds <= 5 for wait in waits)
    assert server.clock.now() - began == pytest.approx(sum(wait.seconds for wait in waits))


def test_a_callback_that_raises_ends_the_request(server: FakeBuildkite) -> None:
    def stop(wait: Wait) -> None:
        raise RuntimeError(wait.reason)

    server.faults.add("error", times=None)
    with (
        server.client(retry=RetryPolicy(on_wait=stop)) as bk,
        pytest.raises(RuntimeError, match="ServerError"),
    ):
        web_pipeline(bk).fetch()
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "options",
    [
        {"attempts": 0},
        {"backoff": -1},
        {"max_backoff": -0.1},
        {"max_wait": -5},
        {"max_elapsed": -1},
        {"max_wait": float("nan")},
    ],
    ids=str,
)
def test_a_policy_that_cannot_be_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        RetryPolicy(**options)
