"""The token is sent to the base URL, in the header, and nowhere else: no log, repr or error contains it."""

from __future__ import annotations

import logging
import pickle
import socket
import traceback
from types import FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests import Request
from urllib3.util import parse_url

from buildkite_orm import (
    Buildkite,
    BuildkiteError,
    ConfigurationError,
    ConnectionFailedError,
    ResponseError,
    RetryPolicy,
)
from buildkite_orm.fake import FakeBuildkite
from buildkite_orm.http.auth import StaticToken
from buildkite_orm.http.messages import ApiRequest, ApiResponse, path_of, query_of
from buildkite_orm.http.session import Session
from tests.helpers import web_pipeline

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

    Operation = Callable[[Buildkite], object]

PUBLIC = "https://api.buildkite.com"
pytestmark = pytest.mark.usefixtures("server_with_build")


def requested_urls(server: FakeBuildkite) -> list[str]:
    """The URLs that were requested, without their scheme."""
    return [f"{request.headers['Host']}{request.path}" for request in server.requests]


def use_much(bk: Buildkite, folder: Path) -> None:
    """Fetch objects and listings, write, save files."""
    build = web_pipeline(bk).builds()[0]
    job = build.fetch().jobs()[0]
    job.log().save_to(folder / "log")
    assert job.log().fetch_size() == 4
    assert job.artifacts()[0].download() == b"hello"
    web_pipeline(bk).builds().create(commit="HEAD", branch="main")


# -- the token, and which servers do not get it ------------------------------------------------------------------------


@pytest.fixture
def netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `.netrc` that has a password for every host."""
    hosts = ["127.0.0.1", "localhost", "api.buildkite.com", "artifacts.buildkite.fake"]
    file = tmp_path / "netrc"
    file.write_text("".join(f"machine {host} login mallory password evil\n" for host in hosts))
    monkeypatch.setenv("NETRC", str(file))


@pytest.mark.usefixtures("netrc")
@pytest.mark.parametrize("http", [False, True])
def test_the_password_of_a_netrc_replaces_no_token_and_is_not_sent(
    server: FakeBuildkite, tmp_path: Path, *, http: bool
) -> None:
    with server.client(http=http) as bk:
        use_much(bk, tmp_path)
    sent = {(request.origin, request.headers.get("Authorization")) for request in server.requests}
    assert sent == {("api", f"Bearer {server.token}"), ("artifacts", None)}


ELSEWHERE = [
    "https://evil.example/v2/user",
    "https://api.buildkite.com:8443/v2/user",
    "http://api.buildkite.com/v2/user",
    "https://api.buildkite.com/v2/elsewhere",
    "//evil.example/",
    "/v2/user",
    "http://[bad",
    "",
]


@pytest.mark.parametrize("location", ELSEWHERE)
def test_a_redirect_is_not_followed_and_not_requested_again(
    server: FakeBuildkite, bk: Buildkite, location: str
) -> None:
    server.faults.add("redirect", location=location, times=None)
    with pytest.raises(ResponseError, match="redirect") as caught:
        bk.user()
    assert caught.value.status == 302
    assert requested_urls(server) == ["api.buildkite.com/v2/user"]


@pytest.mark.parametrize(
    ("method", "status"), [("GET", 301), ("POST", 302), ("POST", 303), ("PUT", 307), ("PATCH", 308), ("HEAD", 302)]
)
def test_no_kind_of_redirect_is_followed(server: FakeBuildkite, bk: Buildkite, method: str, status: int) -> None:
    server.faults.add("redirect", location="https://evil.example/?token=s3cret", status=status, times=None)
    with pytest.raises(ResponseError, match=r"to https://evil\.example/, which"):
        bk.session.send(ApiRequest(method, "user", headers={"User-Agent": "odd/1"}), lambda response: response)
    assert requested_urls(server) == ["api.buildkite.com/v2/user"]


def test_a_redirect_to_another_port_receives_no_token(server: FakeBuildkite) -> None:
    with FakeBuildkite(populate=False) as other:
        server.faults.add("redirect", location=f"{other.url}/v2/user", times=None)
        with server.client(http=True) as bk:
            for operation in (bk.user, bk.builds().first):
                with pytest.raises(ResponseError):
                    operation()
        assert other.requests == []


def test_a_file_from_elsewhere_is_had_without_the_token(server: FakeBuildkite, bk: Buildkite) -> None:
    artifact = web_pipeline(bk).build(1).artifacts()[0]
    assert artifact.download() == b"hello"
    elsewhere = [request for request in server.requests if request.origin == "artifacts"]
    assert len(elsewhere) == 1
    assert "Authorization" not in elsewhere[0].headers
    assert elsewhere[0].headers["Accept"] == "*/*"


@pytest.mark.parametrize(
    "url",
    ["http://evil.example/x?key=s3cret", "ftp://h/x?key=s3cret", "file:///etc/passwd", "//h/x", "http://[bad", "", "x",
     f"https://{'a' * 70}/?key=s3cret", "https://"],
)  # fmt: skip
def test_a_file_is_not_loaded_from_an_unsafe_url(server: FakeBuildkite, bk: Buildkite, url: str) -> None:
    with pytest.raises(ResponseError) as caught:
        bk.session.stream_without_token(url, {})
    assert "s3cret" not in f"{caught.value} {vars(caught.value)}"
    assert server.requests == []


def test_an_error_from_elsewhere_does_not_show_the_key_to_the_file(server: FakeBuildkite, bk: Buildkite) -> None:
    server.faults.add("reset_before", origin="artifacts", times=None)
    with pytest.raises(ConnectionFailedError) as caught:
        bk.session.stream_without_token("https://artifacts.buildkite.fake/x?sig=s3cret", {})
    assert caught.value.url == "https://artifacts.buildkite.fake/x"


# -- auth --------------------------------------------------------------------------------------------------------------


def test_auth_is_requested_each_request_and_each_attempt(server: FakeBuildkite) -> None:
    tokens = iter([server.token, server.make_token("read_user"), server.make_token("read_user")])
    server.faults.add("error", after=1)
    with server.client(token=None, auth=lambda: next(tokens)) as bk:
        bk.user()
        bk.user()
    assert len({request.headers["Authorization"] for request in server.requests}) == 3


def test_an_error_raised_by_auth_reaches_the_caller_and_nothing_is_sent(server: FakeBuildkite) -> None:
    def locked() -> str:
        raise LookupError("the keyring is locked")

    with (
        server.client(token=None, auth=locked) as bk,
        pytest.raises(LookupError, match="the keyring is locked") as caught,
    ):
        web_pipeline(bk).fetch()
    assert any(entry.name == "locked" for entry in caught.traceback)
    assert server.requests == []


@pytest.mark.parametrize("token", [None, "", "a b", "a\nX-Evil: 1", "tök", 7, b"bytes"], ids=repr)
def test_auth_must_return_a_token(server: FakeBuildkite, token: Any) -> None:
    with (
        server.client(token=None, auth=lambda: token) as bk,
        pytest.raises(ConfigurationError, match="token"),
    ):
        bk.user()
    assert server.requests == []


# -- URLs in responses -------------------------------------------------------------------------------------------------


def test_links_to_elsewhere_are_followed_at_the_base_url(server: FakeBuildkite) -> None:
    server.settings.public_urls = "https://evil.example:666/other/prefix"
    for number in range(4):
        server.add_pipeline(f"p{number}")
    with server.client(base_url="https://proxy.example/bk") as bk:
        assert len(list(bk.organization("acme").pipelines().per_page(2))) == 5
    assert requested_urls(server) == ["proxy.example/bk/v2/organizations/acme/pipelines"] * 3


def test_objects_whose_url_is_elsewhere_are_requested_at_the_base_url(server: FakeBuildkite) -> None:
    server.settings.public_urls = "https://evil.example:666/other/prefix"
    with server.client(base_url="https://proxy.example/bk") as bk:
        build = web_pipeline(bk).builds()[0]
        assert build.url.startswith("https://evil.example:666/")
        build.reload()
        build.jobs()[0].artifacts()[0].reload()
    assert len(server.requests) >= 4
    assert all(url.startswith("proxy.example/bk/v2/organizations/acme/") for url in requested_urls(server))


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://api.buildkite.com/v2/organizations/acme", "organizations/acme"),
        ("https://evil.example/x/v2/organizations/a%2Fb/?q#f", "organizations/a%2Fb"),
        ("https://api.buildkite.com/v2/", None),
        ("https://api.buildkite.com/organizations", None),
        ("https://evil.example/v2/../../admin", None),
        ("https://evil.example/v2/a/%2e%2E/%2e./b", None),
        ("https://evil.example/v2/a//b", None),
        ("http://[bad/v2/a", None),
        ("", None),
    ],
)
def test_of_a_url_in_a_response_the_path_behind_v2_is_read(url: str, path: str | None) -> None:
    assert path_of(url) == path


@given(url=st.text() | st.text("/.%2eE:?#@[]v", max_size=30).map(lambda text: f"https://h/v2/{text}"))
def test_no_url_in_a_response_leads_outside_the_api(url: str) -> None:
    path = path_of(url)
    if path is not None:
        prepared = requests_url(f"{PUBLIC}/v2/{path}")
        assert prepared.startswith(f"{PUBLIC}/v2/")


def requests_url(url: str) -> str:
    """Return what requests and urllib3 make of a URL before it is sent."""
    return str(parse_url(Request("GET", url).prepare().url or ""))


@given(url=st.text())
def test_of_any_link_a_query_is_read_or_it_is_an_error_of_ours(url: str) -> None:
    try:
        pairs = query_of(f"{url}?page=2&api_key=s3cret")
    except ResponseError:
        return
    assert "s3cret" not in [value for key, value in pairs if key == "api_key"]


def test_an_invalid_next_link_does_not_end_a_listing(server: FakeBuildkite, bk: Buildkite) -> None:
    server.faults.add("error", status=200, payload=[], headers={"Link": '<http://[bad?page=2>; rel="next"'}, times=None)
    with pytest.raises(ResponseError) as caught:
        list(bk.organizations())
    assert caught.value.method == "GET"
    assert len(server.requests) == 1


# -- redaction ---------------------------------------------------------------------------------------------------------


class Found(AssertionError):  # noqa: N818
    """The token was found where it does not belong."""


def search(value: object, secret: str, where: str, depth: int = 0, seen: set[int] | None = None) -> None:
    """Look for a secret in an object and in all that it holds, but for the session and for code."""
    seen = set() if seen is None else seen
    of_the_fake = type(value).__module__.startswith("buildkite_orm.fake")
    if id(value) in seen or depth > 8 or of_the_fake or isinstance(value, Session | Buildkite | StaticToken):
        return
    seen.add(id(value))
    if isinstance(value, str | bytes):
        if secret in (value if isinstance(value, str) else value.decode("latin-1")):
            raise Found(where)
        return
    if isinstance(value, type | ModuleType | FunctionType | MethodType):
        return
    if secret in repr(value):
        raise Found(f"repr of {where}")
    if isinstance(value, BaseException):
        search_error(value, secret, where, seen)
    for name, held in held_by(value):
        search(held, secret, f"{where}.{name}", depth + 1, seen)


def held_by(value: Any) -> list[tuple[str, object]]:
    held: list[tuple[str, object]] = list(getattr(value, "__dict__", {}).items())
    slots = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
    held += [(name, getattr(value, name)) for name in slots if hasattr(value, name)]
    mapping = cast("dict[object, object]", value) if isinstance(value, dict) else {}
    several = cast("list[object]", value) if isinstance(value, list | tuple | set | frozenset) else []
    return [*held, *((str(name), item) for name, item in mapping.items()), *(("item", item) for item in several)]


def search_error(error: BaseException, secret: str, where: str, seen: set[int]) -> None:
    """Search an exception, its causes, and the frames of their tracebacks."""
    for text in (str(error), repr(error), *error.args):
        search(str(text), secret, f"{where}: {type(error).__name__}", 0, seen)
    search_frames(error.__traceback__, secret, seen)
    for before in (error.__cause__, error.__context__):
        if before is not None:
            search(before, secret, f"before {where}", 0, seen)


def search_frames(entry: TracebackType | None, secret: str, seen: set[int]) -> None:
    while entry is not None:
        frame = entry.tb_frame
        if frame.f_code.co_filename != __file__:
            for name, value in frame.f_locals.items():
                search(value, secret, f"{frame.f_code.co_qualname}: {name}", 0, seen)
        entry = entry.tb_next


def test_the_search_finds_a_secret_in_a_frame() -> None:
    def leak(text: str) -> object:
        return pickle.loads(text.encode())  # noqa: S301 - fails

    with pytest.raises(pickle.UnpicklingError) as caught:
        leak("s3cret")
    with pytest.raises(Found):
        search([{"a": caught.value, "b": ApiResponse("GET", "/", 200, {"X": "s3cret"}, b"")}], "s3cret", "x")


def interrupt(_: object) -> object:
    raise KeyboardInterrupt


def stumble(_: object) -> object:
    raise RuntimeError("a transport's own mistake")


TROUBLE: dict[str, dict[str, Any]] = {
    "401": {"kind": "error", "status": 401},
    "403": {"kind": "error", "status": 403},
    "404": {"kind": "error", "status": 404},
    "500": {"kind": "error", "status": 500},
    "HTML with 502": {"kind": "html", "status": 502},
    "HTML with 200": {"kind": "html", "status": 200},
    "429": {"kind": "rate_limit", "reset": 3600},
    "redirect": {"kind": "redirect", "location": "https://evil.example/"},
    "refused": {"kind": "refuse"},
    "reset": {"kind": "reset_before"},
    "reset after headers": {"kind": "reset_after_headers"},
    "reset in the body": {"kind": "reset_mid_body"},
    "truncated": {"kind": "truncate"},
    "timeout": {"kind": "read_timeout"},
    "corrupt gzip": {"kind": "corrupt_gzip"},
    "cut JSON": {"kind": "cut_json"},
}
trouble = pytest.mark.parametrize("options", TROUBLE.values(), ids=TROUBLE)


def write(bk: Buildkite) -> object:
    return web_pipeline(bk).builds().create(commit="HEAD", branch="main")


def check_traceback(error: BaseException, secret: str) -> None:
    search(error, secret, "the error")
    shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    assert secret not in "".join(shown.format())


@trouble
@pytest.mark.parametrize("operation", [Buildkite.user, write], ids=["read", "write"])
def test_no_error_holds_the_token(
    server: FakeBuildkite, bk: Buildkite, options: dict[str, Any], operation: Operation
) -> None:
    server.faults.add(**options, times=None)
    with pytest.raises(BuildkiteError) as caught:
        operation(bk)
    check_traceback(caught.value, server.token)
    assert server.token.encode() not in pickle.dumps(caught.value)


@trouble
def test_no_socket_error_holds_the_token(server: FakeBuildkite, options: dict[str, Any]) -> None:
    server.faults.add(**options, times=None)
    policy = RetryPolicy(attempts=2)
    with (
        server.client(http=True, timeout=(5, 0.2), retry=policy) as bk,
        pytest.raises(BuildkiteError) as caught,
    ):
        bk.user()
    check_traceback(caught.value, server.token)


@pytest.mark.parametrize(
    ("drift", "kind"), [(interrupt, KeyboardInterrupt), (stumble, RuntimeError)], ids=["interrupt", "mistake"]
)
def test_no_exception_of_another_library_holds_the_token(
    server: FakeBuildkite, bk: Buildkite, drift: Any, kind: type[BaseException]
) -> None:
    server.settings.drift = drift
    with pytest.raises(kind) as caught:
        bk.user()
    check_traceback(caught.value, server.token)


def test_an_error_of_a_refused_connection_holds_no_token(server: FakeBuildkite) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with server.client(base_url=url, transport=None) as bk, pytest.raises(ConnectionFailedError) as caught:
        bk.user()
    check_traceback(caught.value, server.token)


@pytest.mark.parametrize("token", ["s3cret with spaces", "s3cret\n", "s3crét", "s3cret\x00"], ids=ascii)
def test_a_token_that_is_none_is_not_repeated(token: str) -> None:
    with pytest.raises(ConfigurationError, match="token") as caught:
        StaticToken(token)
    search_frames(caught.value.__traceback__, "s3cr", set())
    assert "s3cr" not in f"{caught.value} {caught.value!r}"


def test_an_invalid_value_returned_by_auth_is_not_shown_in_the_error(server: FakeBuildkite) -> None:
    with (
        server.client(token=None, auth=lambda: "s3cret \n") as bk,
        pytest.raises(ConfigurationError) as caught,
    ):
        bk.user()
    search(caught.value, "s3cret", "the error")


def test_nothing_shows_the_token(server: FakeBuildkite, bk: Buildkite) -> None:
    build = web_pipeline(bk).build(1).fetch()
    objects = [
        bk,
        bk.session,
        bk.organization("acme"),
        web_pipeline(bk),
        web_pipeline(bk).builds(),
        build,
        build.jobs()[0],
    ]
    objects += [bk.user(), bk.access_token(), ApiRequest("GET", "user", body={"a": server.token})]
    shown = [f"{value!r} {value}" for value in objects]
    assert server.token not in " ".join(shown)


def test_an_objects_pickle_does_not_have_the_token(server: FakeBuildkite, bk: Buildkite) -> None:
    build = web_pipeline(bk).build(1).fetch()
    for value in (build, build.jobs()[0], web_pipeline(bk), bk.organization("acme"), bk.user()):
        assert server.token.encode() not in pickle.dumps(value)


def test_a_client_and_a_token_are_not_pickled(bk: Buildkite) -> None:
    for value in (bk, bk.session, StaticToken("bkua_x")):
        with pytest.raises(TypeError, match="pickled"):
            pickle.dumps(value)


@pytest.mark.parametrize("http", [False, True])
def test_no_log_has_the_token(
    server: FakeBuildkite, tmp_path: Path, caplog: pytest.LogCaptureFixture, *, http: bool
) -> None:
    server.settings.user_limit = 5
    link = f'<{PUBLIC}/v2/organizations?page=2&api_key={server.token}>; rel="next"'
    with caplog.at_level(logging.DEBUG), server.client(http=http) as bk:
        use_much(bk, tmp_path)
        server.faults.add("reset_before")
        bk.user()
        server.faults.add("error", status=200, payload=[], headers={"Link": link})
        list(bk.organizations())
    assert "DEBUG" in caplog.text
    assert "waiting " in caplog.text
    assert server.token not in caplog.text


def test_a_token_in_a_link_is_not_sent_on(server: FakeBuildkite, bk: Buildkite) -> None:
    link = f'<{PUBLIC}/v2/organizations?page=2&api_key={server.token}&access_token={server.token}>; rel="next"'
    server.faults.add("error", status=200, payload=[], headers={"Link": link})
    list(bk.organizations())
    assert server.requests[1].query == [("page", "2")]


def test_a_url_never_has_the_token(server: FakeBuildkite, bk: Buildkite, tmp_path: Path) -> None:
    use_much(bk, tmp_path)
    assert not any(server.token in request.line for request in server.requests)
    assert {request.headers["Authorization"] for request in server.requests if request.origin == "api"} == {
        f"Bearer {server.token}"
    }
