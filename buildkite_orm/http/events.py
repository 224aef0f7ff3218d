"""What the hooks `on_request` and `on_response` of a client are called with."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from buildkite_orm.ratelimit import nested_requests

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import requests

    from buildkite_orm.ratelimit import Budget

E = TypeVar("E")

logger = logging.getLogger("buildkite_orm")


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestEvent:
    """A request is about to be sent; each attempt is one.

    Attributes:
        method: The HTTP method.
        host: The host, with its port if that is not the usual one.
        path: The path, without a query: that of a file is the key to it.
    """

    method: str
    host: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseEvent:
    """The headers of a response have come, or the attempt failed before.

    Attributes:
        method: The HTTP method.
        host: The host, with its port if that is not the usual one.
        path: The path, without a query.
        status: The HTTP status; None if there was no response.
        seconds: From before the request was sent until now.
        request_id: Buildkite's id of the request (`X-Request-Id`).
        budgets: The request budgets as known now: the user's, and the organization's if the request names one.
    """

    method: str
    host: str
    path: str
    status: int | None
    seconds: float
    request_id: str | None = None
    budgets: tuple[Budget, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """The hooks of a client. An exception in one is logged, and changes nothing for the request."""

    on_request: Callable[[RequestEvent], object] | None = None
    on_response: Callable[[ResponseEvent], object] | None = None

    def request(self, method: str, url: str) -> None:
        """Call `on_request`."""
        if self.on_request is not None:
            parts = urlsplit(url)
            _call(self.on_request, RequestEvent(method=method, host=parts.netloc, path=parts.path))

    def response(
        self,
        method: str,
        url: str,
        *,
        seconds: float,
        response: requests.Response | None = None,
        budgets: Sequence[Budget] = (),
    ) -> None:
        """Call `on_response`."""
        if self.on_response is None:
            return
        parts = urlsplit(url)
        event = ResponseEvent(
            method=method,
            host=parts.netloc,
            path=parts.path,
            status=None if response is None else response.status_code,
            seconds=seconds,
            request_id=None if response is None else response.headers.get("X-Request-Id"),
            budgets=tuple(budgets),
        )
        _call(self.on_response, event)


def _call(hook: Callable[[E], object], event: E) -> None:
    try:
        with nested_requests():
            hook(event)
    except Exception:
        logger.exception("the hook %r failed", getattr(hook, "__qualname__", type(hook).__name__))
