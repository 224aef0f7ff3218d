"""While a request is being sent, a timeout counts since the last progress."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

import pytest

from buildkite_orm import TransportError
from tests.helpers import web_pipeline
from tests.network import payloads
from tests.network.conftest import policy
from tests.network.proxies import ConnectProxy, SlowLine
from tests.network.servers import always, in_turn, json_response, response
from tests.network.timing import timed

if TYPE_CHECKING:
    from buildkite_orm import Buildkite
    from tests.network.certificates import Certificates
    from tests.network.conftest import Connect, Serve
    from tests.network.servers import RawRequest

pytestmark = pytest.mark.measured

SPEED: Final = 300_000  # bytes a second; a chunk of an upload takes longer than TIMEOUT
SIZE: Final = 450_000
CONTENT: Final = b"x" * SIZE
TIMEOUT: Final = (0.25, 1.5)  # what the buffers hold at the end takes a while, too
HOST: Final = "api.buildkite.test"

PACKAGE: Final[dict[str, Any]] = {
    "id": "0190abcd-0000-4000-8000-00000000000b",
    "url": f"{payloads.API}/registries/files/packages/1",
    "web_url": "https://buildkite.com/organizations/acme/packages/registries/files/packages/1",
    "name": "app",
}


def _publish(bk: Buildkite) -> Any:
    return bk.organization().registry("files").packages().publish(BytesIO(CONTENT), filename="app-1.0.0.zip")


def _received(request: RawRequest) -> bytes:
    assert CONTENT in request.body
    return json_response(PACKAGE, 201)


def test_an_upload_on_a_slow_line_arrives_though_it_takes_longer_than_the_timeout(
    serve: Serve, connect: Connect
) -> None:
    server = serve(always(_received))
    with SlowLine(server.address, SPEED) as line, timed(at_least=1.0, deadline=3.0):
        assert _publish(connect(line, timeout=TIMEOUT, retry=policy(attempts=1))).name == "app"
    assert len(server.requests) == 1


def test_an_upload_on_a_slow_line_may_take_longer_than_max_elapsed(serve: Serve, connect: Connect) -> None:
    server = serve(always(_received))
    with SlowLine(server.address, SPEED) as line:
        assert _publish(connect(line, timeout=TIMEOUT, retry=policy(attempts=1, max_elapsed=1.0))).name == "app"


@pytest.mark.parametrize("route", ["direct", "proxy"])
def test_an_upload_over_tls_on_a_slow_line_arrives(
    serve: Serve, connect: Connect, trusted: Certificates, monkeypatch: pytest.MonkeyPatch, route: str
) -> None:
    host = HOST if route == "proxy" else "localhost"
    server = serve(always(_received), tls=trusted.server_context(host), host=host)
    with (
        ConnectProxy({HOST: server.address}) as proxy,
        SlowLine(proxy.address if route == "proxy" else server.address, SPEED) as line,
    ):
        if route == "proxy":
            monkeypatch.setenv("HTTPS_PROXY", line.url)
        url = server.url if route == "proxy" else f"https://localhost:{line.port}"
        bk = connect(url, timeout=TIMEOUT, retry=policy(attempts=1))
        assert _publish(bk).name == "app"
        bk.close()


def test_an_upload_over_a_connection_that_was_used_before_arrives_on_a_slow_line(
    serve: Serve, connect: Connect
) -> None:
    server = serve(in_turn(json_response(payloads.build(1)), json_response(PACKAGE, 201)))
    with SlowLine(server.address, SPEED) as line:
        bk = connect(line, timeout=TIMEOUT, retry=policy(attempts=1))
        web_pipeline(bk).build(1).fetch()
        assert _publish(bk).name == "app"
        assert line.connections == 1


def test_an_upload_that_stands_still_ends_at_the_read_timeout(serve: Serve, connect: Connect) -> None:
    server = serve(always(_received))
    with SlowLine(server.address, 3_000_000, stops_after=100_000) as line:
        bk = connect(line, timeout=(0.2, 0.4), retry=policy(attempts=1, max_elapsed=60.0))
        with timed(at_least=0.2, deadline=0.6), pytest.raises(TransportError) as caught:
            bk.organization().registry("files").packages().publish(BytesIO(b"x" * 3_000_000), filename="a-1.0.zip")
    assert caught.value.outcome_unknown
    assert not server.requests


def test_an_upload_to_the_storage_on_a_slow_line_arrives(serve: Serve, connect: Connect) -> None:
    stored = serve(always(lambda request: response(204) if CONTENT in request.body else response(400)))
    with SlowLine(stored.address, SPEED) as line:
        form = {"file_input": "file", "method": "POST", "url": f"{line.url}/", "data": {"key": "k/${filename}"}}
        responses = [json_response({"uri": "u", "form": form}), json_response(PACKAGE, 201)]
        bk = connect(serve(in_turn(*responses)), timeout=TIMEOUT, retry=policy(attempts=1))
        packages = bk.organization().registry("files").packages()
        assert packages.publish_presigned(BytesIO(CONTENT), filename="app-1.0.0.zip").name == "app"
    assert len(stored.requests) == 1
