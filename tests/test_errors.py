"""The error tree: which failure raises which error, its attributes, and that it can be pickled."""

from __future__ import annotations

import copy
import http.server
import inspect
import json
import pickle
import threading
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buildkite_orm import (
    AuthenticationError,
    BadRequestError,
    BuildkiteError,
    ConfigurationError,
    ConnectionFailedError,
    GoneError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RequestTimeoutError,
    ResponseError,
    RetryPolicy,
    ServerError,
    StatusError,
    TransportError,
    UnprocessableEntityError,
    errors,
)
from buildkite_orm.errors import error_for
from buildkite_orm.utils.redaction import redact_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from buildkite_orm import Buildkite
    from buildkite_orm.fake import FakeBuildkite

    Canned = Callable[[bytes], str]

BY_STATUS: dict[int, type[StatusError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    402: StatusError,
    403: PermissionDeniedError,
    404: NotFoundError,
    405: StatusError,
    409: StatusError,
    410: GoneError,
    418: StatusError,
    422: UnprocessableEntityError,
    429: RateLimitError,
    500: ServerError,
    501: ServerError,
    502: ServerError,
    503: ServerError,
    504: ServerError,
    599: ServerError,
}
CLASSES: list[type[BuildkiteError]] = [
    kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, BuildkiteError)
]


def make(status: int, body: object = b"", **headers: str) -> StatusError:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    url = "https://api.buildkite.com/v2/organizations/acme"
    return error_for(method="GET", url=url, status=status, headers=named, body=content)


# -- which -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "kind"), BY_STATUS.items())
def test_each_status_has_its_class(server: FakeBuildkite, status: int, kind: type[StatusError]) -> None:
    server.faults.add("error", status=status, message="It says why", times=None)
    with server.client(retry=RetryPolicy(attempts=1, max_wait=0)) as bk, pytest.raises(kind) as caught:
        bk.organization("acme").fetch()
    assert type(caught.value) is kind
    assert issubclass(kind, StatusError)


def test_the_tree_is_the_one_that_its_docstring_draws() -> None:
    drawn = (errors.__doc__ or "").partition("None of them")[0].splitlines()
    parents: list[str] = []
    found: dict[str, str] = {}
    for line in drawn:
        text = line.strip(" │├└─")
        if not text.split()[:1] or not text.split()[0].endswith("Error"):
            continue
        depth = (len(line) - len(line.lstrip(" │├└─")) - 4) // 4
        parents[depth:] = [text.split()[0]]
        found[parents[-1]] = parents[-2] if depth else "Exception"
    assert found == {kind.__name__: kind.__bases__[0].__name__ for kind in CLASSES}


def test_a_401_names_the_page_that_creates_tokens(server: FakeBuildkite) -> None:
    with server.client(token="bkua_of_nobody_at_all") as bk, pytest.raises(AuthenticationError) as caught:
        bk.user()
    assert caught.value.status == 401
    assert "BUILDKITE_API_TOKEN" in str(caught.value)
    assert "https://buildkite.com/user/api-access-tokens" in str(caught.value)


# -- what it carries ---------------------------------------------------------------------------------------------------


def test_an_error_carries_the_message_of_the_server(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_pipeline("web")
    details = [{"field": "branch", "code": "invalid", "message": "not a branch"}]
    server.faults.add(
        "error",
        status=422,
        headers={"X-Request-Id": "f00-ba7"},
        payload={"message": "Validation Failed", "errors": details},
    )
    with pytest.raises(UnprocessableEntityError) as caught:
        bk.organization("acme").pipeline("web").builds().create(commit="HEAD", branch="?")
    error = caught.value
    assert (error.method, error.status, error.request_id) == ("POST", 422, "f00-ba7")
    assert error.url == "https://api.buildkite.com/v2/organizations/acme/pipelines/web/builds"
    assert (error.server_message, error.errors) == ("Validation Failed", details)
    assert str(error).startswith(f"POST {error.url}: 422 Validation Failed: branch: not a branch. ")


def test_a_real_422_explains_itself(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_pipeline("web")
    with pytest.raises(UnprocessableEntityError) as caught:
        bk.organization("acme").pipeline("web").builds().create(commit="", branch="main")
    assert caught.value.request_id
    assert caught.value.server_message


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (["is bad"], [{"message": "is bad"}]),
        ([{"code": "x"}, None], [{"code": "x"}, {"message": None}]),
        ({"branch": ["is bad"]}, [{"branch": ["is bad"]}]),
        ("is bad", []),
        (None, []),
        (7, []),
    ],
    ids=str,
)
def test_errors_of_any_shape_are_kept_as_mappings(given: object, kept: list[dict[str, Any]]) -> None:
    assert make(422, {"message": "no", "errors": given}).errors == kept


def test_a_url_keeps_its_filters_and_loses_its_secrets(server: FakeBuildkite, bk: Buildkite) -> None:
    server.faults.add("error", status=400)
    with pytest.raises(BadRequestError) as caught:
        list(bk.organization("acme").builds(branch="feature/#1", state=["running", "failed"]))
    assert "branch=feature/%231&" in (caught.value.url or "")
    assert "state[]=running&state[]=failed" in (caught.value.url or "")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://api.example/v2/x?page=2&api_key=s3cret", "https://api.example/v2/x?page=2&api_key=[hidden]"),
        ("https://me:s3cret@api.example/v2/x", "https://api.example/v2/x"),
        ("https://s3.example/x?X-Amz-Signature=s3cret", "https://s3.example/x?X-Amz-Signature=[hidden]"),
        ("https://s3.example/x?ACCESS_TOKEN=s3cret", "https://s3.example/x?ACCESS_TOKEN=[hidden]"),
        ("https://api.example/v2/bkua_0123456789s3cret", "https://api.example/v2/[hidden]"),
        ("http://[s3cret", "(no URL)"),
    ],
)
def test_a_redacted_url_shows_no_secret(url: str, shown: str) -> None:
    assert redact_url(url) == shown


@given(url=st.text())
def test_any_text_can_be_redacted(url: str) -> None:
    assert redact_url(url) is not None
    assert "s3cret" not in redact_url(f"https://h/{url.replace('?', '').replace('#', '')}?token=s3cret")


def test_a_token_that_the_server_repeats_is_hidden() -> None:
    secret = "bkua_0123456789abcdef0123456789abcdef01234567"
    error = make(401, {"message": f"{secret} has expired", "errors": [{"token": secret}]})
    assert "has expired" in str(error)
    assert secret not in f"{error} {error!r} {error.server_message} {error.errors} {vars(error)}"


# -- 403 ---------------------------------------------------------------------------------------------------------------


def test_a_403_names_the_scope_that_is_needed_and_those_that_are_held(server: FakeBuildkite) -> None:
    token = server.make_token("read_user", "read_builds")
    with server.client(token=token) as bk, pytest.raises(PermissionDeniedError) as caught:
        bk.organization("acme").fetch()
    error = caught.value
    assert error.required_scopes == ("read_organizations",)
    assert sorted(error.held_scopes) == ["read_builds", "read_user"]
    assert "the token needs the scope read_organizations; it has: " in str(error)
    assert "read_builds" in str(error)


def test_a_403_of_a_token_without_scopes_states_so(server: FakeBuildkite) -> None:
    with server.client(token=server.make_token()) as bk, pytest.raises(PermissionDeniedError, match="it has: none"):
        bk.organization("acme").fetch()


def test_a_403_for_another_reason_blames_no_scope() -> None:
    error = make(403, {"message": "IP not allowed"}, X_Accepted_OAuth_Scopes="read_x", X_OAuth_Scopes="read_x, b")
    assert "IP not allowed" in str(error)
    assert "needs the scope" not in str(error)


def test_a_403_from_a_proxy_before_the_api_is_one_too() -> None:
    error = make(403, b"<html>", Content_Type="text/html; charset=utf-8")
    assert isinstance(error, PermissionDeniedError)
    assert (error.required_scopes, error.held_scopes, error.server_message) == ((), (), None)
    assert "6 bytes of text/html" in str(error)


# -- on one line, with what to do next ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [kind for kind in CLASSES if issubclass(kind, StatusError | TransportError)])
def test_each_error_states_the_next_step_on_one_line(kind: type[BuildkiteError]) -> None:
    error = kind("it failed", method="GET", url="https://h/v2/x")
    if kind is not TransportError:
        assert kind.next_step.endswith(".")
        assert str(error) == f"GET https://h/v2/x: it failed. {kind.next_step}"


KEYS = ["message", "errors", "scope", "reset", "field", "code", "attribute"]
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(KEYS), inner),
)


@settings(deadline=None)
@given(
    status=st.integers(400, 599),
    body=st.binary() | JSON.map(lambda value: json.dumps(value).encode()),
    headers=st.dictionaries(
        st.sampled_from(["X-Request-Id", "Content-Type", "X-OAuth-Scopes", "X-Accepted-OAuth-Scopes"]), st.text()
    ),
)
def test_any_server_message_makes_an_error_of_one_printable_line(
    status: int, body: bytes, headers: dict[str, str]
) -> None:
    error = error_for(method="GET", url="https://h/v2/x", status=status, headers=headers, body=body)
    assert type(error) is BY_STATUS.get(status, ServerError if status >= 500 else StatusError)
    assert str(error).isprintable()
    assert all(isinstance(each, dict) for each in error.errors)


@pytest.mark.parametrize("body", [b"[" * 100_000, b"\xff\xfe\x00", b'{"message": ' + b'"x' * 9, b"{}" * 2])
def test_a_body_that_is_not_json_is_described_by_its_size(body: bytes) -> None:
    assert f"({len(body)} bytes of an unnamed type)" in str(make(500, body))


# -- that it travels ---------------------------------------------------------------------------------------------------


def full(kind: type[BuildkiteError]) -> BuildkiteError:
    error = kind(
        "it failed",
        method="POST",
        url="https://h/v2/x",
        status=429,
        request_id="f00",
        server_message="no",
        errors=[{"field": "a", "message": "b"}],
        outcome_unknown=True,
    )
    for name, value in {
        "retry_after": 3.5,
        "scope": "rest",
        "gave_up": True,
        "never_sent": True,
        "damaged": True,
        "required_scopes": ("a",),
        "held_scopes": ("b",),
    }.items():
        if hasattr(kind, name):
            setattr(error, name, value)
    return error


def _pickled(protocol: int) -> Callable[[BuildkiteError], BuildkiteError]:
    return lambda error: cast("BuildkiteError", pickle.loads(pickle.dumps(error, protocol)))  # noqa: S301


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("travel", [*map(_pickled, (2, 5)), copy.copy, copy.deepcopy], ids=["2", "5", "copy", "deep"])
def test_an_error_survives_pickle_and_copy(
    kind: type[BuildkiteError], travel: Callable[[BuildkiteError], BuildkiteError]
) -> None:
    error = full(kind)
    twin = travel(error)
    assert type(twin) is kind
    assert (str(twin), vars(twin), twin.args) == (str(error), vars(error), error.args)


def test_an_error_of_a_request_survives_pickle(server: FakeBuildkite) -> None:
    with server.client(token=server.make_token("read_user")) as bk, pytest.raises(PermissionDeniedError) as caught:
        bk.organization("acme").fetch()
    twin = pickle.loads(pickle.dumps(caught.value))  # noqa: S301
    assert (str(twin), twin.required_scopes) == (str(caught.value), ("read_organizations",))


# -- none is of requests -----------------------------------------------------------------------------------------------


class Raw(threading.Thread):
    """A server that responds to every request with the same bytes, and closes the connection."""

    def __init__(self, response: bytes) -> None:
        super().__init__(daemon=True)
        self.request_lines: list[str] = []
        raw = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def parse_request(self) -> bool:
                whole = super().parse_request()
                raw.request_lines.append(self.requestline)
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.wfile.write(response)
                self.close_connection = True
                return whole and False

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.start()

    def run(self) -> None:
        self._server.serve_forever(0.01)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self.join()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
ODD_RESPONSES = {
    "nothing": b"",
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n",
    "half a status line": b"HTTP/1.",
    "a status that is not a number": b"HTTP/1.1 abc OK\r\n\r\n",
    "a header without end": b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000,
    "hundreds of headers": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 300 + b"\r\n",
    "two lengths": HEAD + b"Content-Length: 2, 3\r\n\r\n{}",
    "a length that is not a number": HEAD + b"Content-Length: many\r\n\r\n{]",
    "a length that is too long": HEAD + b"Content-Length: 200\r\n\r\n{}",
    "a malformed chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "a chunk that is cut": HEAD + b"Transfer-Encoding: chunked\r\n\r\n20\r\n{}",
    "chunks without end": HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
    "a chunk of a negative size": HEAD + b"Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
    "gzip that is none": HEAD + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
    "deflate that is none": HEAD + b"Content-Encoding: deflate\r\nContent-Length: 2\r\n\r\n{}",
    "JSON that is cut, without a length": HEAD + b'\r\n{"id": "',
    "JSON twice": HEAD + b"Content-Length: 4\r\n\r\n{}{}",
    "JSON of another encoding": HEAD + b'Content-Length: 9\r\n\r\n{"a": "\xff"}'.replace(b"9", b"10"),
    "JSON that is too deep": HEAD + b"Connection: close\r\n\r\n" + b"[" * 200_000,
    "204 for an object": b"HTTP/1.1 204 No Content\r\n\r\n",
    "304 that was not requested": b"HTTP/1.1 304 Not Modified\r\n\r\n",
    "a redirect to nowhere": b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n",
    "a redirect to no URL": b"HTTP/1.1 302 Found\r\nLocation: http://[bad\r\nContent-Length: 0\r\n\r\n",
    "a redirect to itself": b"HTTP/1.1 302 Found\r\nLocation: /v2/user\r\nContent-Length: 0\r\n\r\n",
    "a cookie that is none": HEAD + b"Set-Cookie: ;;=;\x01\r\nContent-Length: 1\r\n\r\n{",
    "links that are none": HEAD + b"Link: <http://[bad>; rel=next\r\nContent-Length: 1\r\n\r\n[",
}
odd = pytest.mark.parametrize("response", ODD_RESPONSES.values(), ids=ODD_RESPONSES)


@pytest.fixture
def open_client(server: FakeBuildkite) -> Iterator[Callable[[bytes], tuple[Raw, Buildkite]]]:
    """Makes a server of given bytes, and a client of it."""
    opened: list[Any] = []

    def open_one(response: bytes) -> tuple[Raw, Buildkite]:
        raw = Raw(response)
        client = server.client(base_url=raw.url, transport=None, timeout=5)
        opened.extend([client, raw])
        return raw, client

    yield open_one
    for each in opened:
        each.close()


@odd
def test_an_odd_response_to_a_get_is_an_error_of_ours(
    open_client: Callable[[bytes], tuple[Raw, Buildkite]], response: bytes
) -> None:
    _, bk = open_client(response)
    with pytest.raises((ConnectionFailedError, ResponseError)) as caught:
        bk.user()
    assert (caught.value.method, caught.value.url) == ("GET", f"{bk.session.base_url}/v2/user")
    assert not caught.value.outcome_unknown


@odd
def test_an_odd_response_to_a_post_is_unknown_and_not_requested_again(
    open_client: Callable[[bytes], tuple[Raw, Buildkite]], response: bytes
) -> None:
    raw, bk = open_client(response)
    with pytest.raises((ConnectionFailedError, ResponseError)) as caught:
        bk.organization("acme").pipeline("web").builds().create(commit="HEAD", branch="main")
    assert caught.value.outcome_unknown
    assert len(raw.request_lines) == 1


def test_a_timeout_over_a_socket_is_an_error_of_ours(server: FakeBuildkite) -> None:
    server.faults.add("read_timeout", times=None)
    with (
        server.client(http=True, timeout=0.05, retry=RetryPolicy(attempts=2)) as bk,
        pytest.raises(RequestTimeoutError, match="waiting for the response"),
    ):
        bk.user()
    assert len(server.requests) == 2


def test_a_body_that_json_cannot_say_is_the_callers_mistake(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_pipeline("web")
    with pytest.raises((ValueError, TypeError)):
        bk.organization("acme").pipeline("web").builds().create(
            commit="HEAD", branch="main", env=cast("Any", {"A": float("nan")})
        )
    assert server.requests == []


def test_a_host_that_cannot_be_is_stated_so(server: FakeBuildkite) -> None:
    with pytest.raises(ConfigurationError):
        server.client(base_url=f"https://{'a' * 70}.example")


def test_errors_inherit_only_from_the_library_and_builtins() -> None:
    bases = {base.__module__.partition(".")[0] for kind in CLASSES for base in kind.__mro__}
    assert bases == {"buildkite_orm", "builtins"}
