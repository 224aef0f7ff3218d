"""A server made of one function from a query to a payload and headers, for pages that the fake does not send."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import requests
from requests.adapters import BaseAdapter
from urllib3 import HTTPResponse

from buildkite_orm import Buildkite

if TYPE_CHECKING:
    from collections.abc import Callable

    StubResponse = tuple[Any, dict[str, str]]

API = "https://api.buildkite.com/v2"
TOKEN = "bkua_0123456789"


class StubTransport(BaseAdapter):
    """A transport that sends nothing: the response to a request is what a function returns for its query."""

    def __init__(self, respond: Callable[[dict[str, str]], StubResponse]) -> None:
        super().__init__()
        self.respond = respond
        self.queries: list[dict[str, str]] = []

    def send(self, request: requests.PreparedRequest, *_args: Any, **_options: Any) -> requests.Response:
        query = dict(parse_qsl(urlsplit(request.url or "").query, keep_blank_values=True))
        self.queries.append(query)
        payload, headers = self.respond(query)
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        raw = HTTPResponse(io.BytesIO(body), headers, preload_content=False, status=200)
        response = requests.Response()
        response.status_code, response.raw, response.request = 200, raw, request
        response.headers.update(headers)
        response.url = request.url or ""
        return response

    def close(self) -> None:
        """Nothing is open."""


def client(respond: Callable[[dict[str, str]], StubResponse], **options: Any) -> tuple[Buildkite, StubTransport]:
    """Return a client of such a server, and the server."""
    server = StubTransport(respond)
    return Buildkite(TOKEN, organization="acme", transport=server, **options), server


def agent(number: object) -> dict[str, Any]:
    return {"id": f"a-{number}", "name": f"a-{number}", "connection_state": "connected"}


def job(number: object) -> dict[str, Any]:
    return {"id": f"j-{number}", "type": "waiter"}


def link(path: str, query: str, rel: str = "next") -> str:
    return f'<{API}/{path}?{query}>; rel="{rel}"'
