"""Proxies and certificates of the environment: read again when it changes, and for each server."""

from __future__ import annotations

import sys
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import certifi
import pytest
import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3 import HTTPResponse

from buildkite_orm import Buildkite, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildkite_orm.fake import FakeBuildkite

PROXY = "http://proxy.example:3128"
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")


class Noting(BaseAdapter):
    """A transport that notes how requests are to be sent, and gives nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.options: list[dict[str, Any]] = []

    def send(self, request: requests.PreparedRequest, *_: Any, **options: Any) -> requests.Response:
        self.options.append(options)
        return HTTPAdapter().build_response(request, HTTPResponse(BytesIO(b"{}"), status=200, preload_content=False))

    def close(self) -> None:
        pass


@pytest.fixture
def noting(monkeypatch: pytest.MonkeyPatch) -> Noting:
    """A transport, in an environment that says nothing."""
    for name in (*PROXIES, *BUNDLES):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return Noting()


@pytest.fixture
def bk(server: FakeBuildkite, noting: Noting) -> Iterator[Buildkite]:
    """A client through `noting`."""
    with server.client(transport=noting) as client:
        yield client


def options_for(bk: Buildkite, noting: Noting, url: str = "https://files.example/x") -> dict[str, Any]:
    """Request a file, and return the settings with which the request was sent."""
    bk.session.stream_without_token(url, {}).close()
    return noting.options[-1]


def test_if_the_environment_states_nothing_all_is_as_usual(bk: Buildkite, noting: Noting) -> None:
    options = options_for(bk, noting)
    assert (options["proxies"], options["verify"], options["cert"], options["stream"]) == ({}, True, None, True)


def test_a_server_has_five_seconds_to_connect_and_thirty_for_each_byte(noting: Noting) -> None:
    with Buildkite("bkua_0", transport=noting) as bk:
        assert options_for(bk, noting)["timeout"] == (5, 30)


@pytest.mark.parametrize("name", [name for upper in PROXIES[:3] for name in (upper, upper.lower())])
def test_a_proxy_that_the_environment_names_later_counts_from_then_on(
    bk: Buildkite, noting: Noting, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    options_for(bk, noting)
    monkeypatch.setenv(name, PROXY)
    assert options_for(bk, noting)["proxies"] == {name.lower().removesuffix("_proxy"): PROXY}
    monkeypatch.delenv(name)
    assert options_for(bk, noting)["proxies"] == {}


@pytest.mark.parametrize("name", ["NO_PROXY", "no_proxy"])
def test_servers_in_no_proxy_are_reached_directly_and_others_through_the_proxy(
    bk: Buildkite, noting: Noting, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    assert options_for(bk, noting)["proxies"] == {"https": PROXY}
    monkeypatch.setenv(name, "files.example")
    assert options_for(bk, noting)["proxies"] == {}
    assert options_for(bk, noting, "https://others.example/x")["proxies"]["https"] == PROXY


@pytest.mark.parametrize("name", BUNDLES)
def test_certificates_that_the_environment_names_later_count_from_then_on(
    bk: Buildkite, noting: Noting, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    options_for(bk, noting)
    bundle = tmp_path / "ca.pem"
    bundle.write_text(Path(certifi.where()).read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setenv(name, str(bundle))
    assert options_for(bk, noting)["verify"] == str(bundle)
    bundle.unlink()
    with pytest.raises(ConfigurationError, match=r"^the certificates at .*ca\.pem are gone; see verify=, REQ"):
        options_for(bk, noting)


def test_plain_http_and_https_are_kept_apart(
    server: FakeBuildkite, noting: Noting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", PROXY)
    bk = server.client(transport=noting, base_url="http://localhost")  # else links to this machine are not followed
    for _ in range(2):
        assert options_for(bk, noting, "http://localhost/x")["proxies"] == {}
        assert options_for(bk, noting, "https://localhost/x")["proxies"] == {"all": PROXY}


@pytest.mark.skipif(sys.platform in {"darwin", "win32"}, reason="the operating system may have proxies too")
def test_proxies_are_looked_up_only_if_the_environment_names_one(
    bk: Buildkite, noting: Noting, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up: list[str] = []
    look_up = requests.utils.get_environ_proxies

    def noted(url: str) -> Any:
        looked_up.append(url)
        return look_up(url)

    monkeypatch.setattr(requests.utils, "get_environ_proxies", noted)
    urls = ["https://files.example/x", "https://others.example/x"]
    for url in urls:
        options_for(bk, noting, url)
    assert looked_up == []
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    for url in urls:
        options_for(bk, noting, url)
    assert looked_up == urls
