"""Servers that respond before they have read the whole request."""

from __future__ import annotations

import threading
from io import BytesIO
from typing import TYPE_CHECKING, Final

import pytest

from buildkite_orm import StatusError, TransportError
from tests.network import payloads
from tests.network.calls import build
from tests.network.conftest import policy
from tests.network.servers import json_response
from tests.network.timing import timed

if TYPE_CHECKING:
    from buildkite_orm import Buildkite
    from tests.network.certificates import Certificates
    from tests.network.conftest import Connect, Serve
    from tests.network.servers import Connection

TOO_LARGE: Final = json_response({"message": "Too large"}, 413)
CONTENT: Final = b"x" * 20_000_000


def _publish(bk: Buildkite) -> None:
    bk.organization().registry("files").packages().publish(BytesIO(CONTENT), filename="app-1.0.0.zip")


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("ending", ["close", "stall"])
def test_a_refusal_counts_that_arrives_before_an_upload_was_read(
    serve: Serve, connect: Connect, trusted: Certificates, scheme: str, ending: str
) -> None:
    def refuse(connection: Connection, _: int) -> None:
        connection.read_head()
        connection.send(TOO_LARGE)
        if ending == "stall":
            connection.hold()
        threading.Event().wait(0.1)

    tls = trusted.server_context("localhost") if scheme == "https" else None
    server = serve(refuse, tls=tls, host="localhost")
    bk = connect(server, timeout=0.5, retry=policy(attempts=1))
    with pytest.raises(StatusError) as caught:
        _publish(bk)
    assert (caught.value.status, caught.value.outcome_unknown) == (413, False)
    bk.close()


def test_a_connection_over_which_a_request_was_not_sent_whole_is_not_used_again(serve: Serve, connect: Connect) -> None:
    def refuse_first(connection: Connection, index: int) -> None:
        connection.read_head()
        if index == 0:
            connection.send(TOO_LARGE)
            connection.hold()
        connection.send(json_response(payloads.build(1)))

    server = serve(refuse_first)
    bk = connect(server, timeout=0.5, retry=policy(attempts=1))
    with pytest.raises(StatusError):
        _publish(bk)
    assert build(bk).fetch().number == 1
    assert server.connections == 2


def test_an_upload_over_tls_that_stands_still_ends_at_the_read_timeout(
    serve: Serve, connect: Connect, trusted: Certificates
) -> None:
    """Bytes that TLS itself sent meanwhile are not a response."""

    def hold(connection: Connection, _: int) -> None:
        connection.read_head()
        connection.hold()

    server = serve(hold, tls=trusted.server_context("localhost"), host="localhost")
    bk = connect(server, timeout=0.5, retry=policy(attempts=1))
    with timed(at_least=0.5, deadline=0.9), pytest.raises(TransportError) as caught:
        _publish(bk)
    assert caught.value.outcome_unknown
    bk.close()
