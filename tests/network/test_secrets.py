"""Neither the password of a proxy nor the token is shown where a request fails or is watched."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any, Final

import pytest

from buildkite_orm import Buildkite, BuildkiteError, ConfigurationError
from buildkite_orm.http.network import NetworkOptions
from buildkite_orm.http.session import Session
from tests.network import payloads
from tests.network.calls import build
from tests.network.conftest import TOKEN, policy
from tests.network.servers import always, json_response

if TYPE_CHECKING:
    from tests.network.conftest import Connect, Serve

PASSWORD: Final = "s3cr3t-of-the-proxy"
PROXIES: Final = {"https": f"http://user:{PASSWORD}@127.0.0.1:9"}


def _with_locals(error: BaseException) -> str:
    return "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())


def test_the_options_of_a_network_do_not_show_the_password_of_a_proxy() -> None:
    assert PASSWORD not in repr(NetworkOptions(proxies=PROXIES))


def test_a_traceback_of_an_auth_that_fails_does_not_show_the_password_of_a_proxy() -> None:
    def fail() -> str:
        raise RuntimeError("no token today")

    options: dict[str, Any] = {"base_url": "https://api.buildkite.test", "retry": policy(attempts=1)}
    with Buildkite(auth=fail, organization="acme", proxies=PROXIES, **options) as bk:
        with pytest.raises(RuntimeError) as caught:
            build(bk).fetch()
        assert PASSWORD not in _with_locals(caught.value).replace(repr(PROXIES), "")


def test_a_traceback_of_a_session_that_cannot_be_created_is_complete() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Session(lambda: TOKEN, base_url="nonsense", network=NetworkOptions(proxies=PROXIES))
    shown = _with_locals(caught.value)
    assert "Session" in shown
    assert PASSWORD not in shown


@pytest.mark.parametrize("place", ["proxies", "environment"])
@pytest.mark.parametrize("url", ["http://user:{}@", "http://user:{}@:80", "http://u:{}@[::1", "http://u:{}@h:99999"])
def test_a_proxy_without_a_host_is_a_configuration_error_that_shows_no_password(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, place: str, url: str
) -> None:
    options: dict[str, Any] = {}
    if place == "proxies":
        options["proxies"] = {"https": url.format(PASSWORD)}
    else:
        monkeypatch.setenv("HTTPS_PROXY", url.format(PASSWORD))
    with pytest.raises(ConfigurationError, match=r"(?i)prox") as caught:
        build(connect("https://api.buildkite.test", **options)).fetch()
    assert PASSWORD not in f"{caught.value}{caught.value!r}"


def test_a_response_that_repeats_the_token_does_not_show_it_to_a_hook(serve: Serve, connect: Connect) -> None:
    events: list[object] = []
    server = serve(
        always(lambda request: json_response(payloads.build(1), 200, {"X-Request-Id": request.header("Authorization")}))
    )
    build(connect(server, on_response=events.append)).fetch()
    assert events
    assert TOKEN not in repr(events)


def test_an_error_of_configuration_of_a_proxy_is_raised_at_once(connect: Connect) -> None:
    with pytest.raises(BuildkiteError, match="proxies="):
        connect("https://api.buildkite.test", proxies={"https": "http://"})
