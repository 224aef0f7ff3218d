"""An adapter that returns what a function of the test says, in place of a server."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3 import HTTPResponse

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests import PreparedRequest, Response

    Answer = tuple[int, dict[str, str], bytes]


class StubAdapter(BaseAdapter):
    """Returns responses of a function.

    Attributes:
        lines: The method and URL of each request.
    """

    def __init__(self, answer: Callable[[PreparedRequest], Answer]) -> None:
        super().__init__()
        self._answer = answer
        self.lines: list[str] = []

    def send(self, request: PreparedRequest, *_args: Any, **_options: Any) -> Response:
        self.lines.append(f"{request.method} {request.url}")
        status, headers, body = self._answer(request)
        raw = HTTPResponse(
            io.BytesIO(body), headers, status, version=11, preload_content=False, request_method=request.method
        )
        response: Any = HTTPAdapter().build_response(request, raw)
        return response  # type: ignore[no-any-return]

    def close(self) -> None:
        pass


def json_headers(**headers: str) -> dict[str, str]:
    """Return the headers of a response in JSON."""
    return {"Content-Type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
