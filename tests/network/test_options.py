"""The options of a client for real networks: certificates, proxies, plain HTTP, its name, hooks and limits."""

from __future__ import annotations

import base64
import logging
import ssl
import sys
import warnings
from typing import TYPE_CHECKING, Any, Final

import pytest

from buildkite_orm import (
    Buildkite,
    ConfigurationError,
    ConnectionFailedError,
    InsecureConnectionWarning,
    RequestEvent,
    ResponseError,
    ResponseEvent,
    RetryPolicy,
    SizeLimits,
    TransportError,
)
from tests.helpers import web_pipeline
from tests.network import payloads
from tests.network.calls import artifact, build
from tests.network.conftest import TOKEN, policy
from tests.network.names import closed_port
from tests.network.proxies import ConnectProxy
from tests.network.servers import RawServer, always, in_turn, json_response, response

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.network.certificates import Certificates
    from tests.network.conftest import Connect, Serve
    from tests.network.names import Names
    from tests.network.servers import RawRequest

HOST: Final = "api.buildkite.test"
PASSWORD: Final = "s3cr3t-of-the-proxy"
BUILD: Final = json_response(payloads.build(1))

Events = list[RequestEvent | ResponseEvent]


# -- verify=, cert= ----------------------------------------------------------------------------------------------------


def _file(certificates: Certificates, _folder: Path) -> object:
    return str(certificates.ca_file)


def _path(certificates: Certificates, _folder: Path) -> object:
    return certificates.ca_file


def _folder(certificates: Certificates, folder: Path) -> object:
    return certificates.write_folder(folder / "trusted")


def _context(certificates: Certificates, _folder: Path) -> object:
    return ssl.create_default_context(cafile=certificates.ca_file)


@pytest.mark.parametrize("route", ["direct", "proxy"])
@pytest.mark.parametrize("verify", [_file, _path, _folder, _context])
def test_verify_trusts_a_file_a_folder_and_an_ssl_context(  # noqa: PLR0917
    serve: Serve,
    connect: Connect,
    certificates: Certificates,
    tmp_path: Path,
    verify: Callable[[Certificates, Path], object],
    route: str,
) -> None:
    server = serve(always(BUILD), tls=certificates.server_context("localhost", HOST), host="localhost")
    with ConnectProxy({HOST: server.address}) as proxy:
        base_url = f"https://{HOST}:{server.port}" if route == "proxy" else server.url
        proxies = {"https": proxy.url} if route == "proxy" else {}
        bk = connect(base_url, verify=verify(certificates, tmp_path), proxies=proxies)
        assert build(bk).fetch().number == 1
        bk.close()
        assert len(proxy.connects) == (route == "proxy")


@pytest.mark.parametrize("verify", [True, "another"])
def test_verify_arrives_before_the_environment(
    serve: Serve, connect: Connect, certificates: Certificates, tmp_path: Path, verify: Any
) -> None:
    """Without it, the environment counts; with it, only what it names."""
    server = serve(always(BUILD), tls=certificates.server_context("localhost"), host="localhost")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REQUESTS_CA_BUNDLE", str(certificates.ca_file))
        if verify is True:
            assert build(connect(server, verify=verify)).fetch().number == 1
            return
        certificates.write_stranger(tmp_path / "stranger.pem")
        with pytest.raises(ConnectionFailedError, match="certificate verify failed for localhost"):
            build(connect(server, verify=tmp_path / "stranger.pem")).fetch()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux lets a test add to the system's store")
def test_verify_system_trusts_the_certificates_of_the_operating_system(
    serve: Serve, connect: Connect, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(always(BUILD), tls=certificates.server_context("localhost"), host="localhost")
    with pytest.raises(ConnectionFailedError, match="certificate verify failed for localhost"):
        build(connect(server, verify="system")).fetch()
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.ca_file))  # OpenSSL reads it in place of the system's file
    assert build(connect(server, verify="system")).fetch().number == 1


def test_verify_system_without_truststore_causes_an_error_that_names_the_package(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "truststore", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'buildkite_orm\[truststore\]'"):
        Buildkite(TOKEN, verify="system")


def _unchecked() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


@pytest.mark.parametrize("verify", [False, None, 0, 1, "", 3.5, [], _unchecked()])
def test_verify_cannot_turn_the_check_off(verify: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^verify=.*token.*ca\.pem"):
        Buildkite(TOKEN, verify=verify)


@pytest.mark.parametrize("content", [None, "", "no certificate", "-----BEGIN CERTIFICATE-----\nx\n"])
@pytest.mark.parametrize("name", ["verify=", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_a_file_without_certificates_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: str | None
) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    if name != "verify=":
        monkeypatch.setenv(name, str(path))
    with pytest.raises(ConfigurationError, match=rf"{name}.*ca\.pem.*name (one|a) file"):
        build(Buildkite(TOKEN, organization="acme", verify=path if name == "verify=" else True)).fetch()


def test_certificates_are_read_once_for_all_clients_and_again_when_the_file_has_changed(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, content, reads = tmp_path / "ca.pem", certificates.ca_file.read_text(), list[str]()

    def note(_: ssl.SSLContext, cafile: str) -> None:
        reads.append(cafile)

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", note)
    path.write_text(content)
    for _ in range(3):
        Buildkite(TOKEN, verify=path).close()
    assert reads == [str(path)]
    path.write_text(f"{content}\n{content}")
    Buildkite(TOKEN, verify=path).close()
    assert reads == [str(path)] * 2


def test_a_folder_without_hashed_names_causes_an_error_that_names_the_command(certificates: Certificates) -> None:
    with pytest.raises(ConfigurationError, match="openssl rehash"):
        Buildkite(TOKEN, verify=certificates.ca_file.parent)


def test_certificates_of_the_environment_do_not_matter_over_plain_http(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/ca.pem")
    assert build(connect(serve(always(BUILD)))).fetch().number == 1


def test_quotes_and_blanks_around_certificates_of_the_environment_are_stripped(
    serve: Serve, connect: Connect, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", f' "{certificates.ca_file}"\n')
    server = serve(always(BUILD), tls=certificates.server_context("localhost"), host="localhost")
    assert build(connect(server)).fetch().number == 1


@pytest.mark.parametrize("form", ["one file", "two files", "with a context"])
def test_cert_is_shown_to_a_server_that_demands_one(
    serve: Serve, connect: Connect, trusted: Certificates, tmp_path: Path, form: str
) -> None:
    both, certificate, key = trusted.write_client_certificate(tmp_path)
    server = serve(always(BUILD), tls=trusted.demanding_context("localhost"), host="localhost")
    options: dict[str, Any] = {"cert": (str(certificate), key) if form == "two files" else both}
    if form == "with a context":
        options["verify"] = ssl.create_default_context(cafile=trusted.ca_file)
    assert build(connect(server, **options)).fetch().number == 1
    with pytest.raises(TransportError):
        build(connect(server)).fetch()


def test_a_context_may_have_loaded_an_encrypted_client_certificate(
    serve: Serve, connect: Connect, certificates: Certificates, tmp_path: Path
) -> None:
    both, _, _ = certificates.write_client_certificate(tmp_path, b"password")
    context = ssl.create_default_context(cafile=certificates.ca_file)
    context.load_cert_chain(both, password="password")
    server = serve(always(BUILD), tls=certificates.demanding_context("localhost"), host="localhost")
    assert build(connect(server, verify=context)).fetch().number == 1


def test_an_encrypted_client_certificate_is_refused_and_no_password_is_read_from_the_terminal(
    certificates: Certificates, tmp_path: Path
) -> None:
    both, certificate, key = certificates.write_client_certificate(tmp_path, b"password")
    for cert in (both, (certificate, key)):
        with pytest.raises(ConfigurationError, match=r"key is encrypted.*load_cert_chain\(…, password=…\)"):
            Buildkite(TOKEN, cert=cert)


def test_a_client_certificate_without_its_key_is_refused(certificates: Certificates, tmp_path: Path) -> None:
    both, certificate, key = certificates.write_client_certificate(tmp_path)
    (tmp_path / "other").mkdir()
    _, _, other_key = certificates.write_client_certificate(tmp_path / "other")
    cases: list[Any] = [certificate, key, (certificate, other_key), (key, certificate)]
    for cert in cases:
        with pytest.raises(ConfigurationError, match=r"cert=: no certificate in PEM with the key"):
            Buildkite(TOKEN, cert=cert)
    wrong: list[Any] = ["", 3, True, [both], (), (both, both, both), (both, None)]
    for cert in wrong:
        with pytest.raises(ConfigurationError, match=r"cert=: the path of a file"):
            Buildkite(TOKEN, cert=cert)
    for cert in (tmp_path, tmp_path / "none.pem"):
        with pytest.raises(ConfigurationError, match=r"cert=.*there is no such file"):
            Buildkite(TOKEN, cert=cert)


# -- proxies= ----------------------------------------------------------------------------------------------------------


def test_proxies_lead_to_the_server_with_credentials_and_not_those_of_the_environment(
    serve: Serve, connect: Connect, trusted: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(always(BUILD), tls=trusted.server_context(HOST), host=HOST)
    with ConnectProxy({HOST: server.address}) as proxy, ConnectProxy({}) as other:
        for name in ("HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, other.url)
        monkeypatch.setenv("NO_PROXY", "*")
        bk = connect(server, proxies={"https": f"http://user:p%40ss@127.0.0.1:{proxy.port}"})
        assert build(bk).fetch().number == 1
        bk.close()
        assert base64.b64encode(b"user:p@ss").decode() in proxy.heads[0]
        assert not other.connects


def test_empty_proxies_mean_no_proxy_at_all(serve: Serve, connect: Connect, trusted: Certificates) -> None:
    server = serve(always(BUILD), tls=trusted.server_context("localhost"), host="localhost")
    with ConnectProxy({}) as other, pytest.MonkeyPatch.context() as patch:
        patch.setenv("HTTPS_PROXY", other.url)
        assert build(connect(server, proxies={})).fetch().number == 1
        assert not other.connects


def test_no_proxy_names_hosts_that_are_reached_without_the_proxy_of_the_environment(
    serve: Serve, connect: Connect, trusted: Certificates, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(always(BUILD), tls=trusted.server_context(HOST), host=HOST)
    names.lead(HOST, server.address)
    with ConnectProxy({}) as other:
        monkeypatch.setenv("HTTPS_PROXY", other.url)
        monkeypatch.setenv("NO_PROXY", "buildkite.test")
        assert build(connect(server)).fetch().number == 1
        assert not other.connects


@pytest.mark.parametrize(
    "proxies",
    [
        "http://proxy:3128",
        3,
        [],
        {"htps": "http://proxy:3128"},
        {"https": None},
        {"https": 3},
        {3: "http://proxy:3128"},
    ],
)
def test_proxies_of_another_kind_are_refused_with_an_example(proxies: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^proxies=: .*\{'https': 'http://proxy\.example:3128'\}"):
        Buildkite(TOKEN, proxies=proxies)


TYPOS: Final = (
    "proxy:port",
    "htp://proxy:3128",
    "http:/proxy:3128",
    "http//proxy:3128",
    "http://",
    "http://:3128",
    "http://proxy:99999",
    "http://[::1",
    "http://pro xy:3128",
    "http://proxy:3128/proxy.pac",
    f"http://user:{PASSWORD}/@proxy:3128",
    f"http://user:{PASSWORD}#@proxy:3128",
    f"htp://user:{PASSWORD}@proxy:3128",
)


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "ALL_PROXY", "proxies="])
@pytest.mark.parametrize("url", TYPOS)
def test_a_typo_in_a_proxy_causes_an_error_that_names_the_setting_and_shows_no_password(
    monkeypatch: pytest.MonkeyPatch, name: str, url: str
) -> None:
    options: dict[str, Any] = {"proxies": {"https": url}} if name == "proxies=" else {}
    if not options:
        monkeypatch.setenv(name, url)
    with pytest.raises(ConfigurationError, match=rf"{name}.* is not the URL of a proxy, as http://proxy\.ex") as caught:
        build(Buildkite(TOKEN, organization="acme", **options)).fetch()
    assert PASSWORD not in f"{caught.value}{caught.value!r}{vars(caught.value)}"


def test_quotes_and_blanks_around_a_proxy_of_the_environment_are_stripped(
    serve: Serve, connect: Connect, trusted: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(always(BUILD), tls=trusted.server_context(HOST), host=HOST)
    with ConnectProxy({HOST: server.address}) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f' "{proxy.url}"\n')
        bk = connect(server)
        assert build(bk).fetch().number == 1
        bk.close()


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "proxies="])
def test_a_socks_proxy_without_pysocks_causes_an_error_that_names_the_package(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setitem(sys.modules, "socks", None)
    url = "socks5h://127.0.0.1:1080"
    options: dict[str, Any] = {"proxies": {"https": url}} if name == "proxies=" else {}
    if not options:
        monkeypatch.setenv(name, url)
    with pytest.raises(ConfigurationError, match=rf"{name}.*PySocks: pip install 'requests\[socks\]'"):
        build(Buildkite(TOKEN, organization="acme", **options)).fetch()


# -- plain HTTP --------------------------------------------------------------------------------------------------------


def _lead_to_a_container(names: Names, server: RawServer) -> str:
    names.lead("fake.test", server.address)
    return f"http://fake.test:{server.port}"


@pytest.mark.parametrize("host", ["fake.test", "evil.localhost", "localhost.evil.test", "127.0.0.1.test", "10.0.0.1"])
def test_plain_http_to_another_host_needs_insecure_http(host: str) -> None:
    with pytest.raises(ConfigurationError, match=r"plain http to .*insecure_http=True"):
        Buildkite(TOKEN, base_url=f"http://{host}:8080")
    for wrong in ("no", 1, None):
        with pytest.raises(ConfigurationError, match=r"insecure_http=.*True or False"):
            Buildkite(TOKEN, base_url=f"http://{host}:8080", insecure_http=wrong)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


def test_insecure_http_warns_once_at_the_line_that_makes_the_client(serve: Serve, names: Names, tmp_path: Path) -> None:
    server = serve(always(BUILD))
    base_url = _lead_to_a_container(names, server)
    script = tmp_path / "script.py"
    source = f"bk = Buildkite({TOKEN!r}, organization='acme', base_url={base_url!r}, insecure_http=True)\n"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        space: dict[str, Any] = {"Buildkite": Buildkite}
        exec(compile(f"\n\n{source}", str(script), "exec"), space)  # noqa: S102
        for _ in range(3):
            assert build(space["bk"]).fetch().number == 1
        space["bk"].close()
    assert [(each.category, each.filename, each.lineno) for each in caught] == [
        (InsecureConnectionWarning, str(script), 3)
    ]
    assert "fake.test" in str(caught[0].message)


@pytest.mark.parametrize(
    "base_url", ["http://localhost:1", "http://127.0.0.1:1", "http://[::1]:1", "https://fake.test"]
)
def test_insecure_http_to_this_machine_does_not_warn(base_url: str) -> None:
    Buildkite(TOKEN, base_url=base_url, insecure_http=True).close()  # warnings are errors in the tests


def test_insecure_http_allows_files_over_plain_http_from_other_machines(
    serve: Serve, connect: Connect, names: Names
) -> None:
    server = serve(in_turn(response(302, {"Location": "http://fake.test:1/file"}), response(200, {}, b"content")))
    names.lead("fake.test", server.address)
    with pytest.warns(InsecureConnectionWarning):
        bk = connect(f"http://fake.test:{server.port}", insecure_http=True)
    assert artifact(bk).download() == b"content"


def test_insecure_http_of_an_https_api_follows_no_link_to_plain_http(
    serve: Serve, connect: Connect, trusted: Certificates, names: Names
) -> None:
    storage = serve(always(response(200, {}, b"content")))
    location = f"http://files.test:{storage.port}/file"
    server = serve(always(response(302, {"Location": location})), tls=trusted.server_context(HOST), host=HOST)
    names.lead(HOST, server.address)
    names.lead("files.test", storage.address)
    with pytest.raises(ResponseError, match="not https"):
        artifact(connect(server, insecure_http=True)).download()
    assert not storage.requests


def test_insecure_http_to_another_machine_follows_no_link_to_this_one(
    serve: Serve, connect: Connect, names: Names
) -> None:
    storage = serve(always(response(200, {}, b"what others may not reach")))
    server = serve(always(response(302, {"Location": f"{storage.url}/file"})))
    with pytest.warns(InsecureConnectionWarning):
        bk = connect(_lead_to_a_container(names, server), insecure_http=True)
    with pytest.raises(ResponseError, match="not https"):
        artifact(bk).download()
    assert not storage.requests


# -- app= --------------------------------------------------------------------------------------------------------------


def test_app_is_appended_to_the_user_agent(serve: Serve, connect: Connect) -> None:
    server = serve(always(BUILD))
    build(connect(server, app=" my-bot/1.0 (+https://example.com) ")).fetch()
    build(connect(server)).fetch()
    first, second = (request.header("User-Agent") for request in server.requests)
    assert first == f"{second} my-bot/1.0 (+https://example.com)"
    assert second.startswith("buildkite-orm/")


@pytest.mark.parametrize("app", ["", " ", "a\nb", "a\r\nX-Header: 1", "a\0", "bät/1.0", "东京", 3, b"my-bot"])
def test_an_app_that_a_header_cannot_carry_is_refused(app: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^app=.*'my-bot/1\.0'"):
        Buildkite(TOKEN, app=app)


# -- hooks -------------------------------------------------------------------------------------------------------------

BUDGET: Final = {"RateLimit-Limit": "200", "RateLimit-Remaining": "150", "RateLimit-Reset": "30"}


def _hooks(events: Events) -> dict[str, Any]:
    return {"on_request": events.append, "on_response": events.append}


def test_hooks_are_called_once_per_attempt_with_the_request_and_the_response(serve: Serve, connect: Connect) -> None:
    responses = (
        response(503, {"X-Request-Id": "first"}),
        json_response(payloads.build(1), 200, {"X-Request-Id": "second"} | BUDGET),
    )
    server, events = serve(in_turn(*responses)), Events()
    build(connect(server, **_hooks(events))).fetch()
    path, host = "/v2/organizations/acme/pipelines/web/builds/1", f"127.0.0.1:{server.port}"
    assert [type(event) for event in events] == [RequestEvent, ResponseEvent] * 2
    assert {(event.method, event.host, event.path) for event in events} == {("GET", host, path)}
    first, second = (event for event in events if isinstance(event, ResponseEvent))
    assert [(event.status, event.request_id) for event in (first, second)] == [(503, "first"), (200, "second")]
    assert 0 <= second.seconds < 2
    assert first.budgets == ()
    assert [(budget.limit, budget.remaining) for budget in second.budgets if "acme" in budget.name] == [(200, 150)]


def test_hooks_are_called_for_the_storage_of_artifacts_without_the_key_in_its_query(
    serve: Serve, connect: Connect
) -> None:
    storage = serve(always(response(200, {"X-Request-Id": "of-the-storage"}, b"content")))
    location = f"{storage.url}/bucket/file.txt?X-Amz-Signature=0123456789abcdef"
    server, events = serve(always(response(302, {"Location": location}))), Events()
    assert artifact(connect(server, **_hooks(events))).download() == b"content"
    last = events[-1]
    assert isinstance(last, ResponseEvent)
    assert (last.method, last.host, last.path) == ("GET", f"127.0.0.1:{storage.port}", "/bucket/file.txt")
    assert (last.status, last.request_id, last.budgets) == (200, None, ())
    assert len(events) == 4


def test_hooks_are_called_if_no_response_arrives(
    connect: Connect, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, port = closed_port()
    dropping = serve(in_turn(lambda connection, _: connection.close()))
    cases: list[tuple[str, type[Exception]]] = [
        (f"http://127.0.0.1:{port}", ConnectionFailedError),
        (dropping.url, ConnectionFailedError),
    ]
    for base_url, kind in cases:
        events = Events()
        with pytest.raises(kind):
            build(connect(base_url, retry=policy(attempts=2), **_hooks(events))).fetch()
        assert [type(event) for event in events] == [RequestEvent, ResponseEvent] * 2
        assert [event.status for event in events if isinstance(event, ResponseEvent)] == [None, None]
    events = Events()
    monkeypatch.setenv("HTTPS_PROXY", "proxy:port")
    with pytest.raises(ConfigurationError):
        build(connect(f"https://{HOST}", **_hooks(events))).fetch()
    assert [type(event) for event in events] == [RequestEvent, ResponseEvent]


def test_hooks_never_see_the_token_a_query_or_a_body(serve: Serve, connect: Connect) -> None:
    def echo(request: RawRequest) -> bytes:
        return json_response(payloads.build(1), 201, {"X-Request-Id": request.header("Authorization")})

    server, events = serve(always(echo)), Events()
    bk = connect(server, **_hooks(events))
    web_pipeline(bk).builds().create(commit="HEAD", branch="main", message="the text of the body")
    with pytest.raises(ResponseError):
        list(web_pipeline(bk).builds(branch="the-text-of-the-query"))
    assert len(events) >= 4
    for secret in (TOKEN, TOKEN.partition("_")[2], "the text of the body", "the-text-of-the-query", "?"):
        assert secret not in f"{events}"


def test_a_hook_that_raises_changes_nothing_and_is_logged(
    serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_event: object) -> None:
        raise ConnectionError("of the hook")

    server = serve(always(BUILD))
    assert build(connect(server, on_request=fail, on_response=fail)).fetch().number == 1
    assert len(server.requests) == 1
    failed = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(failed) == 2
    assert "the hook" in failed[0].getMessage()
    assert "fail" in failed[0].getMessage()


@pytest.mark.parametrize("name", ["on_request", "on_response"])
def test_a_hook_that_cannot_be_called_is_refused(name: str) -> None:
    wrong: Any = "print"
    with pytest.raises(ConfigurationError, match=rf"^{name}='print': a function that takes a Re"):
        Buildkite(TOKEN, **{name: wrong})


# -- kinds of other options --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", ["5", None, 0, -1, float("nan")])
def test_a_limit_that_is_not_a_number_of_bytes_is_refused(limit: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^SizeLimits\(file=.*must be a number of bytes, above 0"):
        SizeLimits(file=limit)


def test_options_of_another_kind_are_refused_with_an_example() -> None:
    wrong: Any = 3
    with pytest.raises(ConfigurationError, match=r"^limits= is a SizeLimits, as SizeLimits\(file=10\*\*9\), not int"):
        Buildkite(TOKEN, limits=wrong)
    with pytest.raises(ConfigurationError, match=r"^retry= is a RetryPolicy, as RetryPolicy\(attempts=3\), not int"):
        Buildkite(TOKEN, retry=wrong)
    with pytest.raises(ConfigurationError, match=r"^auth= is a function that returns the token"):
        Buildkite(auth=wrong)
    assert Buildkite(TOKEN, retry=RetryPolicy(), limits=SizeLimits()).session.limits == SizeLimits()
