"""Replay: each request gets the response that was recorded for it; nothing is sent."""

from __future__ import annotations

import io
from http.client import responses
from typing import TYPE_CHECKING, Any, Final

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPHeaderDict, HTTPResponse

from buildkite_orm.testing.cassette import read_cassette
from buildkite_orm.testing.clocks import ReplayClock
from buildkite_orm.testing.errors import RecordingError
from buildkite_orm.testing.matching import Player
from buildkite_orm.testing.tape import request_of

if TYPE_CHECKING:
    from pathlib import Path

    from requests import PreparedRequest, Response

    from buildkite_orm.testing.cassette import Exchange, RecordedResponse

_BUILDER: Final = HTTPAdapter()


class Replay:
    """Returns recorded responses.

    Attributes:
        clock: The clock of the client.
        organization: The slug of the organization, if all recorded requests name the same one.

    Args:
        path: The file.

    Raises:
        RecordingError: It cannot be read.
    """

    def __init__(self, path: Path) -> None:
        cassette = read_cassette(path)
        self.clock = ReplayClock(cassette.started_at)
        self.organization = cassette.organization
        self._player = Player(cassette.exchanges, path)

    def send(self, request: PreparedRequest) -> Response:
        """Return the recorded response to a request.

        Raises:
            RecordingError: There is none, or no more.
        """
        began = self.clock.monotonic()
        exchange = self._player.take(request_of(request))
        self.clock.receive(exchange.seconds, monotonic=began + exchange.took)
        if exchange.response.failure is not None:
            raise _recorded_failure(exchange.response, request)
        built: Any = _BUILDER.build_response(request, _raw_response(exchange))
        return built  # type: ignore[no-any-return]


def _recorded_failure(response: RecordedResponse, request: PreparedRequest) -> requests.RequestException:
    """Return the exception for a failure that was recorded."""
    kind = requests.ReadTimeout if response.failure == "timeout" else requests.ConnectionError
    error = kind("as recorded", request=request)
    if not response.was_sent:
        vars(error)["request_was_sent"] = False
    return error


def _raw_response(exchange: Exchange) -> HTTPResponse:
    request, response = exchange.request, exchange.response
    headers = HTTPHeaderDict(response.headers)
    body: io.BytesIO | _Missing = io.BytesIO(response.content)
    if response.left_out is not None:
        if request.method == "GET":
            body = _Missing(response.left_out)
        elif request.method != "HEAD":
            headers.discard("Content-Length")
    return HTTPResponse(
        body=body,
        headers=headers,
        status=response.status,
        reason=responses.get(response.status, ""),
        version=11,
        preload_content=False,
        request_method=request.method,
    )


class _Missing(io.RawIOBase):
    """The place of a body that the cassette does not contain."""

    def __init__(self, reason: str) -> None:
        super().__init__()
        self._reason = reason

    def readable(self) -> bool:
        return True

    def read1(self, size: int = -1, /) -> bytes:
        """Raise, as any other way to read."""
        return self.read(size)

    def readinto(self, buffer: Any) -> int:
        del buffer
        raise RecordingError(f"the cassette does not have the content of this response: {self._reason}")
