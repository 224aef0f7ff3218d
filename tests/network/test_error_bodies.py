"""The status of an error counts, though its body cannot be decoded."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Final

import pytest

from buildkite_orm import (
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    StatusError,
    UnprocessableEntityError,
)
from tests.helpers import web_pipeline
from tests.network.conftest import policy
from tests.network.servers import in_turn, response

if TYPE_CHECKING:
    from tests.network.conftest import Connect, Serve
    from tests.network.servers import Connection, RawRequest

TEXT: Final = b'{"message": "No"}'
BODIES: Final = {
    "of an encoding that was not requested": ({"Content-Encoding": "br"}, b"\x0b\x02\x80"),
    "not compressed as declared": ({"Content-Encoding": "gzip"}, TEXT),
    "a truncated gzip stream": ({"Content-Encoding": "gzip"}, gzip.compress(TEXT)[:-5]),
}
STATUSES: Final[dict[int, type[StatusError]]] = {
    403: PermissionDeniedError,
    404: NotFoundError,
    422: UnprocessableEntityError,
    429: RateLimitError,
    500: ServerError,
}


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("status", STATUSES)
def test_the_status_of_an_error_counts_though_its_body_cannot_be_decoded(
    serve: Serve, connect: Connect, status: int, name: str
) -> None:
    headers, body = BODIES[name]

    def refuse(connection: Connection, _: RawRequest) -> None:
        connection.send(response(status, headers, body))
        connection.close()

    server = serve(in_turn(refuse))
    bk = connect(server, retry=policy(max_wait=0.0))
    with pytest.raises(STATUSES[status]) as caught:
        web_pipeline(bk).builds().create(commit="HEAD", branch="main")
    assert caught.value.status == status or isinstance(caught.value, RateLimitError)
    assert caught.value.outcome_unknown == (status >= 500)
    assert len(server.requests) == 1
