"""The budget and the content of requests, and the parts of responses."""

from __future__ import annotations

import copy
import gzip
import json
import logging
import math
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPResponse

from buildkite_orm import ConnectionFailedError, ResponseError, RetryPolicy
from buildkite_orm.http.auth import StaticToken
from buildkite_orm.http.messages import ApiRequest, ApiResponse, path_of, query_of

if TYPE_CHECKING:
    from pathlib import Path

    from buildkite_orm import Buildkite
    from buildkite_orm.fake import FakeBuildkite


def response_with(body: bytes = b"", *, method: str = "GET", status: int = 200, **headers: str) -> ApiResponse:
    """Return a response; the names of its headers have hyphens in place of underscores."""
    named = CaseInsensitiveDict({name.replace("_", "-"): value for name, value in headers.items()})
    return ApiResponse(method, "https://api.buildkite.com/v2/x", status, named, body)


# -- a call ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "organization"),
    [
        ("organizations/acme", "acme"),
        ("organizations/acme/pipelines/web/builds", "acme"),
        ("organizations/acme/pipelines/organizations/builds", "acme"),
        ("analytics/organizations/acme/suites", "acme"),
        ("packages/organizations/acme/registries/organizations", "acme"),
        ("organizations", None),
        ("organizations/", None),
        ("user", None),
        ("builds", None),
    ],
)
def test_a_request_counts_against_the_organization_in_its_path(path: str, organization: str | None) -> None:
    assert ApiRequest("GET", path).organization == organization


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
def test_a_body_that_json_has_nothing_for_is_refused(odd: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        _ = ApiRequest("POST", "builds", body={"priority": odd}).content


def test_the_contents_of_a_request_appear_in_no_repr() -> None:
    shown = repr(ApiRequest("POST", "builds", body={"token": "hush"}))
    assert "POST" in shown
    assert "hush" not in shown


# -- a response --------------------------------------------------------------------------------------------------------


def test_links_are_read_by_their_relation_and_others_are_left_out() -> None:
    links = [
        '<https://api.buildkite.com/v2/x?page=2&per_page=5>; rel="next"',
        "<https://api.buildkite.com/v2/x?page=3>",
        '<https://api.buildkite.com/v2/x?page=4>; title="rel"',
        '<>; rel="last"',
        '<https://api.buildkite.com/v2/x?page=1&access_token=hush&api_key=hush>; rel="first"',
    ]
    response = response_with(Link=", ".join(links)).links
    assert response == {"next": [("page", "2"), ("per_page", "5")], "first": [("page", "1")]}


def test_without_links_there_are_none() -> None:
    assert response_with().links == response_with(Link="").links == {}


def test_an_error_about_a_response_states_which_it_was() -> None:
    error = response_with(b"{}", method="PUT", X_Request_Id="req-1").unexpected("a list was expected")
    assert (error.method, error.url, error.status) == ("PUT", "https://api.buildkite.com/v2/x", 200)
    assert (error.message, error.request_id) == ("a list was expected", "req-1")


@pytest.mark.parametrize(
    ("response", "damaged"),
    [
        (response_with(b'{"id": '), True),
        (response_with(b""), True),
        (response_with(b"\xff"), True),
        (response_with(b"[" * 100_000), True),
        (response_with(b'{"id": ', status=299), True),
        (response_with(b'{"id": ', status=300), False),
        (response_with(b'{"id": ', status=302), False),
        (response_with(b"", method="HEAD"), False),
        (response_with(b"{}"), False),
        (response_with(json.dumps("text").encode()), False),
    ],
    ids=lambda value: f"{value.method} {value.status} {value.body[:9]!r}" if isinstance(value, ApiResponse) else None,
)
def test_a_response_is_damaged_if_it_should_be_json_and_is_not(response: ApiResponse, damaged: bool) -> None:  # noqa: FBT001
    assert response.unexpected("another was expected").damaged is damaged


def test_the_contents_of_a_response_appear_in_no_repr() -> None:
    shown = repr(response_with(b"hush", X_Token="hush"))
    assert "https://api.buildkite.com/v2/x" in shown
    assert "hush" not in shown


def test_a_delete_that_finds_nothing_after_a_lost_response_succeeds(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_pipeline("web")
    server.faults.add("reset_after_headers", match="DELETE")
    path = "organizations/acme/pipelines/web"
    response = bk.session.send(ApiRequest("DELETE", path), lambda response: response)
    assert response == ApiResponse("DELETE", f"https://api.buildkite.com/v2/{path}", 204, {}, b"")


# -- URLs in responses -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["organizations/acme/pipelines/v2/builds", "organizations/v2", "X/X"])
def test_a_path_of_any_characters_is_read_to_its_end(path: str) -> None:
    assert path_of(f"https://api.buildkite.com/v2/{path}") == path
    assert path_of(f"https://api.buildkite.com/v2/{path}/") == path


@pytest.mark.parametrize("path", ["organizations/./acme", "organizations/%2E/acme", ".", "organizations/.."])
def test_a_path_that_leads_back_is_none(path: str) -> None:
    assert path_of(f"https://api.buildkite.com/v2/{path}") is None


def test_a_query_is_read_whole_but_for_a_token() -> None:
    url = "https://api.buildkite.com/v2/x?state[]=failed&state[]=&q=a+b%26&api_key=hush&access_token=hush&Api_Key=kept"
    assert query_of(url) == [("state[]", "failed"), ("state[]", ""), ("q", "a b&"), ("Api_Key", "kept")]


def test_text_that_is_not_a_url_has_no_query() -> None:
    with pytest.raises(ResponseError) as caught:
        query_of("https://[?page=2")
    assert caught.value.message == "the response links to a page by a text that is not a URL"


# -- streams -----------------------------------------------------------------------------------------------------------


PORTAL = "organizations/acme/portals/x"  # a place to read, to replace and to delete


class Canned(BaseAdapter):
    """A transport that returns the same response to every request."""

    def __init__(self, status: int, body: bytes = b"", **headers: str) -> None:
        super().__init__()
        self._status, self._body = status, body
        self._headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.headers: list[CaseInsensitiveDict[str]] = []

    @property
    def request_count(self) -> int:
        return len(self.headers)

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        self.headers.append(request.headers.copy())
        raw = HTTPResponse(BytesIO(self._body), self._headers, self._status, preload_content=False)
        return HTTPAdapter().build_response(request, raw)

    def close(self) -> None:
        pass


@pytest.mark.parametrize("status", [200, 206, 299])
def test_a_stream_is_returned_if_the_file_has_one(server: FakeBuildkite, status: int) -> None:
    with (
        server.client(transport=Canned(status, b"hello")) as bk,
        bk.session.stream(ApiRequest("GET", PORTAL)) as stream,
    ):
        assert b"".join(stream) == b"hello"


@pytest.mark.parametrize("status", [300, 301, 399])
def test_a_stream_is_not_looked_for_elsewhere(server: FakeBuildkite, status: int) -> None:
    canned = Canned(status, b"hello", Location="https://files.example/a?key=hush?key=hush")
    with server.client(transport=canned) as bk, pytest.raises(ResponseError) as caught:
        bk.session.stream(ApiRequest("GET", PORTAL))
    assert caught.value.message.startswith(f"{status}: a redirect to https://files.example/a, which is not followed")
    assert (caught.value.status, canned.request_count) == (status, 1)


@pytest.mark.parametrize("kind", ["text/html", "Text/HTML; charset=utf-8"])
@pytest.mark.parametrize(
    ("body", "message"),
    [(b"<html>", "200: an HTML page, which the API never responds with"), (b"", "the response has no content")],
)
def test_an_html_page_is_not_a_stream_and_is_requested_again(
    server: FakeBuildkite, kind: str, body: bytes, message: str
) -> None:
    canned = Canned(200, body, Content_Type=kind)
    with server.client(transport=canned) as bk, pytest.raises(ResponseError) as caught:
        bk.session.stream(ApiRequest("GET", PORTAL))
    assert (caught.value.message, canned.request_count) == (message, RetryPolicy().attempts)


# -- responses of a server --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_response_names_its_request(server: FakeBuildkite, method: str) -> None:
    with server.client(transport=Canned(299, b"{}", X_Request_Id="req-1")) as bk:
        response = bk.session.send(
            ApiRequest(method, PORTAL, query=[("access_token", "hush"), ("page", "2")]), lambda response: response
        )
    assert (response.method, response.status, response.body) == (method, 299, b"{}")
    assert response.headers["x-request-id"] == "req-1"
    assert response.url.startswith(f"https://api.buildkite.com/v2/{PORTAL}?")
    assert "hush" not in response.url


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_read_without_a_response_has_changed_nothing(server: FakeBuildkite, bk: Buildkite, method: str) -> None:
    server.faults.add("reset_before", times=None)
    with pytest.raises(ConnectionFailedError) as caught:
        bk.session.send(ApiRequest(method, "user"), lambda response: response)
    assert not caught.value.outcome_unknown


def test_a_url_without_a_query_has_no_question_mark(server: FakeBuildkite, bk: Buildkite) -> None:
    response = bk.session.send(ApiRequest("GET", "organizations/acme"), lambda response: response)
    assert response.url == "https://api.buildkite.com/v2/organizations/acme"
    assert server.requests[-1].line.endswith("/v2/organizations/acme")


@pytest.mark.parametrize("status", [300, 301, 302, 303, 399])
@pytest.mark.parametrize("expects_redirect", [False, True])
def test_a_redirect_is_a_response_only_if_it_is_requested(
    server: FakeBuildkite, status: int, *, expects_redirect: bool
) -> None:
    canned = Canned(status, b"", Location="https://files.example/a?key=hush?key=hush")
    call = ApiRequest("GET", PORTAL, expects_redirect=expects_redirect)
    with server.client(transport=canned) as bk:
        if expects_redirect and status == 302:
            assert bk.session.send(call, lambda response: response.status) == 302
        else:
            with pytest.raises(ResponseError) as caught:
                bk.session.send(call, lambda response: response.status)
            expected = f"{status}: a redirect to https://files.example/a, which is not followed with a token"
            assert caught.value.message == expected
    assert canned.request_count == 1


def test_each_request_is_logged_with_its_status_and_without_secrets(
    server: FakeBuildkite, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "buildkite_orm"), server.client(transport=Canned(299, b"{}")) as bk:
        bk.session.send(ApiRequest("PUT", PORTAL, query=[("page", "2")]), lambda response: response)
        bk.session.stream_without_token("https://files.example/a?key=hush?key=hush", {}).close()
    logged = [record.getMessage() for record in caplog.records if record.name == "buildkite_orm"]
    assert logged == [f"PUT https://api.buildkite.com/v2/{PORTAL}?page=2 -> 299", "GET https://files.example/a -> 299"]


def test_a_redirect_to_nowhere_states_so(server: FakeBuildkite) -> None:
    with server.client(transport=Canned(302)) as bk, pytest.raises(ResponseError, match="a redirect to nowhere, "):
        bk.session.send(ApiRequest("GET", PORTAL), lambda response: response.status)


def test_an_html_page_without_anything_in_it_is_a_response_as_any_other_empty_one(server: FakeBuildkite) -> None:
    with server.client(transport=Canned(200, Content_Type="text/html")) as bk:
        assert bk.session.send(ApiRequest("DELETE", PORTAL), lambda response: response.body) == b""


def test_a_stream_that_breaks_names_its_request(server: FakeBuildkite, bk: Buildkite) -> None:
    job = server.add_build("web", jobs=1).jobs[0]
    server.set_log(job, b"hello" * 1000)
    server.faults.add("reset_mid_body", at=10)
    path = f"organizations/acme/jobs/{job.id}/log"
    with bk.session.stream(ApiRequest("GET", path)) as stream, pytest.raises(ConnectionFailedError) as caught:
        list(stream)
    assert (caught.value.method, caught.value.url) == ("GET", f"https://api.buildkite.com/v2/{path}")


@pytest.mark.parametrize(("body", "kind"), [(None, None), ({}, "application/json"), ({"a": 1}, "application/json")])
def test_a_request_with_a_body_states_its_type(
    server: FakeBuildkite, bk: Buildkite, body: Any, kind: str | None
) -> None:
    server.add_pipeline("web")
    bk.session.send(ApiRequest("PATCH", "organizations/acme/pipelines/web", body=body), lambda response: response)
    assert server.requests[-1].headers.get("Content-Type") == kind


# -- files elsewhere ---------------------------------------------------------------------------------------------------


class Nowhere(BaseAdapter):
    """A transport that reaches no server."""

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        raise requests.ConnectionError(request=request)

    def close(self) -> None:
        pass


@pytest.mark.parametrize("query", ["", "?key=hush", "?key=hush?key=hush", "?key=hush&hush#hush"])
def test_an_error_of_a_file_elsewhere_shows_its_url_without_the_key(server: FakeBuildkite, query: str) -> None:
    where = "https://files.example/a.txt"
    with server.client(transport=Nowhere()) as bk, pytest.raises(ConnectionFailedError) as caught:
        bk.session.stream_without_token(where + query, {})
    assert (caught.value.method, caught.value.url) == ("GET", where)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("query", ["", "?key=hush", "?key=hush?key=hush"])
def test_a_file_elsewhere_over_plain_http_is_refused_with_its_host(bk: Buildkite, query: str) -> None:
    where = "http://files.example/a.txt"
    with pytest.raises(ResponseError) as caught:
        bk.session.stream_without_token(where + query, {})
    assert caught.value.message == "the server points to a URL that is not https"
    assert str(caught.value).startswith(f"GET {where}: the server points to a URL that is not https. ")


@pytest.mark.parametrize("host", ["files.example:99999", "files.example:x", "*.example", "files example"])
def test_a_file_elsewhere_without_a_url_is_refused_without_a_request(server: FakeBuildkite, host: str) -> None:
    canned = Canned(200)
    with server.client(transport=canned) as bk, pytest.raises(ResponseError) as caught:
        bk.session.stream_without_token(f"https://{host}/a.txt?key=hush", {}, method="PUT")
    assert str(caught.value).startswith(f"PUT https://{host}/a.txt: the URL is not usable. ")
    assert canned.request_count == 0


def test_a_file_elsewhere_is_requested_as_it_is_and_without_the_token(server: FakeBuildkite) -> None:
    canned = Canned(200, b"hello")
    with server.client(transport=canned) as bk:
        bk.session.stream_without_token("https://files.example/a.txt", {"Range": "bytes=2-"}).close()
    (headers,) = canned.headers
    assert (headers["Accept"], headers["Accept-Encoding"], headers["Range"]) == ("*/*", "identity", "bytes=2-")
    assert "Authorization" not in headers
    assert "Content-Type" not in headers


def test_a_file_elsewhere_is_returned_as_it_is_stored(server: FakeBuildkite) -> None:
    packed = gzip.compress(b"hello")
    with (
        server.client(transport=Canned(200, packed, Content_Encoding="gzip")) as bk,
        bk.session.stream_without_token("https://files.example/a.txt.gz", {}) as stream,
    ):
        assert b"".join(stream) == packed


def test_no_request_contains_the_password_of_a_netrc(
    server: FakeBuildkite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login someone password hush\n")
    monkeypatch.setenv("NETRC", str(netrc))
    canned = Canned(200, b"{}")
    with server.client(transport=canned) as bk:
        bk.session.stream_without_token("https://files.example/a.txt", {}).close()
        bk.session.send(ApiRequest("GET", "user"), lambda response: response)
    assert [headers.get("Authorization") for headers in canned.headers] == [None, f"Bearer {server.token}"]


# -- what stays in this process ----------------------------------------------------------------------------------------


def test_copying_a_token_or_a_session_fails_and_says_what_to_do(bk: Buildkite) -> None:
    token = StaticToken("bkua_hush")
    assert repr(token) == "<token>"
    for value, message in (
        (token, "a token is not copied or pickled"),
        (bk.session, "a client is not copied or pickled; make a new one, and bind objects to it: bk.bind(…)"),
    ):
        with pytest.raises(TypeError) as caught:
            copy.copy(value)
        assert str(caught.value) == message
