"""The hooks `on_request` and `on_response` of a client, and their arguments."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from buildkite_orm.errors import ConfigurationError
from buildkite_orm.http.rate_limit import nested_requests

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from buildkite_orm.http.rate_limit import Budget

E = TypeVar("E")

logger = logging.getLogger("buildkite_orm")


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestEvent:
    """A request is about to be sent; each attempt is one.

    Attributes:
        method: The HTTP method.
        host: The host, with its port if that is not the usual one.
        path: The path, without its query, which may be the key to a file.
    """

    method: str
    host: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseEvent:
    """The headers of a response were received, or the attempt failed before.

    Attributes:
        method: The HTTP method.
        host: The host, with its port if that is not the usual one.
        path: The path, without its query.
        status: The HTTP status; None if there was no response.
        seconds: The time since the request was sent.
        request_id: Buildkite's id of the request (`X-Request-Id`); None for the storage of files.
        budgets: The request budgets that are known: the user's, and the organization's if the request names one;
            empty before the first response with budget headers, and for the storage of files.
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
    """The hooks of a client. An exception in one is logged, and does not affect the request.

    Raises:
        ConfigurationError: One is not callable.
    """

    on_request: Callable[[RequestEvent], object] | None = None
    on_response: Callable[[ResponseEvent], object] | None = None

    def __post_init__(self) -> None:
        for name, hook, event in (
            ("on_request", self.on_request, "RequestEvent"),
            ("on_response", self.on_response, "ResponseEvent"),
        ):
            if hook is not None and not callable(hook):
                raise ConfigurationError(f"{name}={hook!r}: a function that takes a {event}")

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
        status: int | None = None,
        request_id: str | None = None,
        budgets: Callable[[], Sequence[Budget]] = tuple,
    ) -> None:
        """Call `on_response`."""
        if self.on_response is None:
            return
        parts = urlsplit(url)
        event = ResponseEvent(
            method=method,
            host=parts.netloc,
            path=parts.path,
            status=status,
            seconds=seconds,
            request_id=request_id,
            budgets=tuple(budget for budget in budgets() if budget.limit is not None),
        )
        _call(self.on_response, event)


def _call(hook: Callable[[E], object], event: E) -> None:
    try:
        with nested_requests():
            hook(event)
    except Exception:
        logger.exception("the hook %r failed", getattr(hook, "__qualname__", type(hook).__name__))
