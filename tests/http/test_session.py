"""The session: one pool of connections, to one place, with timeouts; and what the environment has a say in."""

from __future__ import annotations

import contextlib
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import certifi
import pytest
from requests.adapters import BaseAdapter, HTTPAdapter

from buildkite_orm import (
    Buildkite,
    BuildkiteError,
    ConfigurationError,
    ConnectionFailedError,
    RetryPolicy,
    ServerError,
    __version__,
)
from buildkite_orm.http.messages import ApiRequest, ApiResponse
from tests.helpers import web_pipeline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import requests

    from buildkite_orm import Artifact
    from buildkite_orm.fake import FakeBuildkite

PUBLIC = "https://api.buildkite.com"
CERTIFICATES = Path(certifi.where()).read_bytes()
pytestmark = pytest.mark.usefixtures("server_with_build")


class Watching(BaseAdapter):
    """A transport that notes what it is given, and hands it on."""

    def __init__(self, server: FakeBuildkite) -> None:
        super().__init__()
        self._inner = server.adapter()
        self.urls: list[str] = []
        self.options: list[dict[str, Any]] = []
        self.responses: list[requests.Response] = []
        self.closed = False
        self.before: Callable[[], None] = lambda: None
        self.after: Callable[[requests.Response], None] = lambda _: None

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:  # noqa: ARG002
        self.urls.append(request.url or "")
        self.options.append(options)
        self.before()
        response = self._inner.send(request, **options)
        self.responses.append(response)
        self.after(response)
        return response

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def watching(server: FakeBuildkite) -> Watching:
    """A transport to `web`."""
    return Watching(server)


@pytest.fixture
def watched(server: FakeBuildkite, watching: Watching) -> Iterator[Buildkite]:
    """A client of `web` through `watching`."""
    with server.client(transport=watching) as bk:
        yield bk


def use_everything(bk: Buildkite, folder: Path) -> Artifact:
    """Send each kind of request: objects, listings, writes, HEAD, ranges, streams, errors, files from elsewhere."""
    build = web_pipeline(bk).build(1).fetch()
    job = build.jobs()[0]
    artifact = job.artifacts()[0]
    assert job.log().fetch_size() == 4
    assert job.log().tail_bytes(2) == "g\n"
    job.log().save_to(folder / "log")
    assert artifact.download() == b"hello"
    with artifact.download(stream=True) as chunks:
        assert next(chunks) == b"hello"
    with contextlib.suppress(BuildkiteError):
        bk.organization("none").fetch()
    web_pipeline(bk).builds().create(commit="HEAD", branch="main")
    web_pipeline(bk).build(1).rebuild()
    web_pipeline(bk).update(description="new")
    artifact.delete()
    return artifact


# -- one pool ----------------------------------------------------------------------------------------------------------


def pools(bk: Buildkite) -> dict[int, int]:
    """The number of connections made, by port."""
    http = cast("requests.Session", vars(vars(bk.session)["_transport"])["_http"])
    adapter = http.get_adapter(bk.session.base_url)
    assert isinstance(adapter, HTTPAdapter)
    keys = adapter.poolmanager.pools.keys()
    made = {key.key_port: adapter.poolmanager.pools[key].num_connections for key in keys}
    return {int(port): count for port, count in made.items()}


def test_one_connection_serves_many_requests_of_all_kinds(server: FakeBuildkite, tmp_path: Path) -> None:
    with server.client(http=True) as bk:
        use_everything(bk, tmp_path)
        assert len(server.requests) > 12
        assert list(pools(bk).values()) == [1, 1]  # the API's, and that of where artifacts are


def test_a_connection_outlives_errors_and_redirects(server: FakeBuildkite) -> None:
    server.faults.add("error", status=422)
    server.faults.add("html", status=403)
    server.faults.add("redirect", location="https://elsewhere.example/")
    with server.client(http=True) as bk:
        for _ in range(3):
            with pytest.raises(BuildkiteError, match=r"422|403|302"):
                bk.user()
        bk.user()
        assert list(pools(bk).values()) == [1]


def test_threads_use_at_most_one_connection_each(server: FakeBuildkite) -> None:
    with server.client(http=True) as bk, ThreadPoolExecutor(4) as pool:
        assert len({user.id for user in pool.map(Buildkite.user, [bk] * 40)}) == 1
        (made,) = pools(bk).values()
        assert made <= 4


def test_closing_a_client_closes_its_connections(server: FakeBuildkite) -> None:
    with server.client(http=True) as bk:
        bk.user()
        assert pools(bk)
    assert pools(bk) == {}


def test_closing_a_client_closes_its_transport(watched: Buildkite, watching: Watching) -> None:
    watched.close()
    assert watching.closed


def test_a_body_that_breaks_returns_its_connection_up(
    watched: Buildkite, watching: Watching, server: FakeBuildkite
) -> None:
    server.faults.add("truncate")
    watched.user()
    assert len(watching.responses) == 2
    assert all(response.raw.closed for response in watching.responses)


# -- interrupts --------------------------------------------------------------------------------------------------------


def in_flight(bk: Buildkite) -> int:
    limiter: Any = bk.session.limiter
    return sum(budget.in_flight for budget in [limiter._user, *limiter._organizations.values()])


def interrupt(*_: object, **__: object) -> Any:
    raise KeyboardInterrupt


def test_an_interrupt_while_sending_ends_the_request_and_is_not_retried(watched: Buildkite, watching: Watching) -> None:
    watching.before = interrupt
    with pytest.raises(KeyboardInterrupt):
        web_pipeline(watched).fetch()
    assert (len(watching.urls), in_flight(watched)) == (1, 0)


def test_an_interrupt_while_reading_closes_the_connection(watched: Buildkite, watching: Watching) -> None:
    watching.after = lambda response: setattr(response.raw, "read1", interrupt)
    with pytest.raises(KeyboardInterrupt):
        web_pipeline(watched).fetch()
    assert (len(watching.urls), in_flight(watched)) == (1, 0)
    assert watching.responses[0].raw.closed


def test_an_interrupt_while_waiting_returns_all_permits_back(server: FakeBuildkite) -> None:
    server.faults.add("error")
    with server.client(retry=RetryPolicy(on_wait=interrupt)) as bk:
        with pytest.raises(KeyboardInterrupt):
            web_pipeline(bk).fetch()
        assert in_flight(bk) == 0
        assert web_pipeline(bk).fetch().slug == "web"


def test_a_parser_that_raises_returns_its_permit_back(watched: Buildkite) -> None:
    def parse(_: ApiResponse) -> object:
        raise RuntimeError("of the caller")

    with pytest.raises(RuntimeError, match="of the caller"):
        watched.session.send(ApiRequest("GET", "organizations/acme"), parse)
    assert in_flight(watched) == 0


# -- timeouts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "sent"), [({}, (5.0, 30.0)), ({"timeout": 7}, (7, 7)), ({"timeout": (1.5, 60)}, (1.5, 60))], ids=str
)
def test_every_request_has_both_timeouts(
    server: FakeBuildkite, watching: Watching, tmp_path: Path, given: dict[str, Any], sent: object
) -> None:
    with server.client(transport=watching, **given) as bk:
        use_everything(bk, tmp_path)
    assert len(watching.options) > 12
    assert {options["timeout"] for options in watching.options} == {sent}


@pytest.mark.parametrize(
    "timeout",
    [None, 0, -1, float("inf"), float("nan"), (5, None), (None, 5), (0, 5), (5,), (1, 2, 3), "5", (5, "5")],
    ids=str,
)
def test_a_client_without_timeouts_cannot_be(server: FakeBuildkite, timeout: Any) -> None:
    with pytest.raises(ConfigurationError, match="timeout"):
        server.client(timeout=timeout)


# -- headers -----------------------------------------------------------------------------------------------------------


def test_each_request_names_the_library_and_its_version(server: FakeBuildkite, bk: Buildkite, tmp_path: Path) -> None:
    use_everything(bk, tmp_path)
    assert {request.headers["User-Agent"] for request in server.requests} == {f"buildkite-orm/{__version__}"}


def test_gzip_is_requested_except_if_bytes_are_counted(
    server: FakeBuildkite, watched: Buildkite, tmp_path: Path
) -> None:
    use_everything(watched, tmp_path)
    for request in server.requests:
        counted = request.method == "HEAD" or "Range" in request.headers or request.origin == "artifacts"
        assert ("gzip" in request.headers["Accept-Encoding"]) is not counted, request.line


def test_a_response_in_gzip_is_read(server: FakeBuildkite, watched: Buildkite, watching: Watching) -> None:
    server.add_builds("web", 30)
    assert len(list(web_pipeline(watched).builds())) == 31
    assert watching.responses[0].headers["Content-Encoding"] == "gzip"


def test_a_json_body_states_that_it_is_one(server: FakeBuildkite, bk: Buildkite) -> None:
    web_pipeline(bk).builds().create(commit="HEAD", branch="grün")
    (request,) = server.requests
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["Accept"] == "application/json"
    assert b'"branch": "gr\\u00fcn"' in request.body


def test_cookies_are_not_kept(server: FakeBuildkite) -> None:
    for http in (False, True):
        with server.client(http=http) as bk:
            server.faults.add("error", status=500, headers={"Set-Cookie": "session=abc; Path=/"})
            bk.user()
            bk.user()
    assert len(server.requests) == 6
    assert not any("Cookie" in request.headers for request in server.requests)


# -- base_url ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "base"),
    [
        ("https://api.buildkite.com", "https://api.buildkite.com"),
        ("https://api.buildkite.com/", "https://api.buildkite.com"),
        ("https://api.buildkite.com/v2", "https://api.buildkite.com"),
        ("https://api.buildkite.com//v2//", "https://api.buildkite.com"),
        (" HTTPS://api.buildkite.com/v2/ ", "https://api.buildkite.com"),
        ("https://proxy.example:8443/buildkite/v2/", "https://proxy.example:8443/buildkite"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://127.8.9.1", "http://127.8.9.1"),
        ("http://localhost:8080/proxy", "http://localhost:8080/proxy"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_a_base_url_is_the_part_before_v2(server: FakeBuildkite, given: str, base: str) -> None:
    watching = Watching(server)
    with server.client(base_url=given, transport=watching) as bk:
        assert bk.session.base_url == base
        bk.user()
    assert watching.urls == [f"{base}/v2/user"]


@pytest.mark.parametrize(
    "url",
    [
        "http://api.buildkite.com",
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "http://10.0.0.1",
        "http://0.0.0.0:8080",
        "https://user:s3cret@api.buildkite.com",
        "https://s3cret@api.buildkite.com",
        "http://127.0.0.1@evil.example",
        "https://api.buildkite.com?token=s3cret",
        "https://api.buildkite.com#s3cret",
        "user:s3cret@api.buildkite.com",
        "bkua_s3cret",
        "api.buildkite.com",
        "localhost:8080",
        "ftp://api.buildkite.com",
        "https://",
        "https:///v2",
        "https://[bad",
        "https://host:port",
        "https://host:99999",
        "https://a b.example",
        "javascript:alert(1)",
        " ",
    ],
)
def test_a_base_url_that_cannot_be_is_refused_and_not_repeated(server: FakeBuildkite, url: str) -> None:
    with pytest.raises(ConfigurationError, match="base_url") as caught:
        server.client(base_url=url)
    assert "s3cret" not in f"{caught.value!r} {caught.value}"


@pytest.mark.parametrize("slash", ["", "/", "/v2", "/v2/"])
def test_a_proxy_with_a_path_prefix_works(server: FakeBuildkite, tmp_path: Path, slash: str) -> None:
    with server.client(http=True, base_url=f"{server.url}/proxy{slash}") as bk:
        use_everything(bk, tmp_path)
    assert {request.path.split("/v2/")[0] for request in server.requests if request.origin == "api"} == {"/proxy"}


# -- the environment ---------------------------------------------------------------------------------------------------


class Listening(threading.Thread):
    """A proxy that notes what it is sent, and refuses."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.received: list[bytes] = []
        self.start()

    def run(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(5)
                self.received.append(connection.recv(1 << 16))
                connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.join()


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Listening]:
    """A proxy that the environment names for everything."""
    proxy = Listening()
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url)
        monkeypatch.setenv(name.lower(), proxy.url)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    yield proxy
    proxy.close()


def test_plain_http_on_this_machine_goes_through_no_proxy(
    server: FakeBuildkite, proxy: Listening, tmp_path: Path
) -> None:
    with server.client(http=True) as bk:
        use_everything(bk, tmp_path)
    assert proxy.received == []


def test_https_goes_through_the_proxy_that_the_environment_names_which_sees_no_token(
    server: FakeBuildkite, proxy: Listening
) -> None:
    with (
        server.client(transport=None, retry=RetryPolicy(attempts=2)) as bk,
        pytest.raises(ConnectionFailedError) as caught,
    ):
        web_pipeline(bk).builds().create(commit="HEAD", branch="main")
    assert caught.value.never_sent
    assert caught.value.permanent
    assert len(proxy.received) == 1
    assert all(data.startswith(b"CONNECT api.buildkite.com:443 ") for data in proxy.received)
    assert not any(server.token.encode() in data for data in proxy.received)


def test_a_proxy_that_cannot_be_is_stated_so(server: FakeBuildkite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://")
    monkeypatch.setenv("https_proxy", "http://")
    with server.client(transport=None) as bk, pytest.raises(ConfigurationError, match="proxy"):
        bk.user()


def test_certificates_that_are_not_there_are_stated_so(server: FakeBuildkite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    with server.client(transport=None) as bk, pytest.raises(ConfigurationError, match=r"/nowhere/ca\.pem"):
        bk.user()


def test_certificates_that_the_environment_names_are_used(
    watched: Buildkite, watching: Watching, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_bytes(CERTIFICATES)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    watched.user()
    assert watching.options[0]["verify"] == str(bundle)


def test_a_change_of_the_environment_counts_from_the_next_request_on(
    watched: Buildkite, watching: Watching, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("one.pem", "other.pem"):
        bundle = tmp_path / name
        bundle.write_bytes(CERTIFICATES)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
        watched.user()
        assert watching.options[-1]["verify"] == str(bundle)


# -- streams -----------------------------------------------------------------------------------------------------------


def test_a_stream_is_requested_again_until_its_headers_are_there(server: FakeBuildkite, bk: Buildkite) -> None:
    server.faults.add("reset_before")
    server.faults.add("html", status=502)
    server.faults.add("html", status=200)
    job = server.build("web", 1).jobs[0]
    call = ApiRequest("GET", f"organizations/acme/jobs/{job.id}/log", headers={"Accept": "text/plain"})
    with bk.session.stream(call) as stream:
        assert stream.read() == b"log\n"
    assert len(server.requests) == 4


@pytest.mark.parametrize("kind", ["truncate", "reset_mid_body"])
@pytest.mark.parametrize("http", [False, True])
def test_a_stream_that_breaks_raises_and_is_not_requested_again(
    server: FakeBuildkite, kind: Any, *, http: bool
) -> None:
    server.faults.add(kind, at=2)
    job = server.build("web", 1).jobs[0]
    call = ApiRequest("GET", f"organizations/acme/jobs/{job.id}/log", headers={"Accept": "text/plain"})
    received: list[bytes] = []
    with (
        server.client(http=http) as bk,
        bk.session.stream(call) as stream,
        pytest.raises(ConnectionFailedError),
    ):
        received.extend(stream.chunks(1))
    assert b"".join(received) == b"lo"
    assert len(server.requests) == 1


def test_a_refused_stream_is_an_error_with_the_message_of_the_server(server: FakeBuildkite, bk: Buildkite) -> None:
    server.faults.add("error", status=503, message="Down for maintenance", times=None)
    with pytest.raises(ServerError, match="Down for maintenance") as caught:
        bk.session.stream(ApiRequest("GET", "organizations/acme"))
    assert caught.value.url == f"{PUBLIC}/v2/organizations/acme"


def test_chunks_are_no_larger_than_requested(server: FakeBuildkite, bk: Buildkite) -> None:
    job = server.build("web", 1).jobs[0]
    server.set_log(job, b"x" * 1000)
    call = ApiRequest("GET", f"organizations/acme/jobs/{job.id}/log", headers={"Accept": "text/plain"})
    with bk.session.stream(call) as stream:
        sizes = [len(chunk) for chunk in stream.chunks(300)]
    assert sizes == [300, 300, 300, 100]


def test_leaving_a_stream_early_closes_its_connection(
    watched: Buildkite, watching: Watching, server: FakeBuildkite
) -> None:
    job = server.build("web", 1).jobs[0]
    server.set_log(job, b"x" * 1_000_000)
    call = ApiRequest("GET", f"organizations/acme/jobs/{job.id}/log", headers={"Accept": "text/plain"})
    with watched.session.stream(call) as stream:
        next(iter(stream))
    assert watching.responses[0].raw.closed
