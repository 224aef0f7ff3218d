"""The receivers of webhooks: a URL, or a function of a test."""

from __future__ import annotations

import logging
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit, urlunsplit

Receiver = str | Callable[[bytes, dict[str, str]], object]
"""A URL, or a function of a body and headers that returns a status, a response with a `status_code`, or nothing."""

Outcome = tuple[int | None, BaseException | None]
"""The status of a response, None if there was none, and the exception that was the reason."""

_LOG = logging.getLogger(__name__)
_TIMEOUT = 10.0
_OK = 200
_FAILED = 500


def post_to(receiver: Receiver) -> Callable[[bytes, dict[str, str]], Outcome]:
    """Return the function that sends a body and headers to a receiver, and returns the status of the response.

    Raises:
        ValueError: It is neither an HTTP URL nor a function.
    """
    if callable(receiver):
        return lambda body, headers: _call(receiver, body, headers)
    parts = urlsplit(receiver)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"{receiver!r}: webhooks are sent to an http or https URL, or to a function")
    return lambda body, headers: _post(receiver, body, headers)


def _call(receiver: Callable[[bytes, dict[str, str]], object], body: bytes, headers: dict[str, str]) -> Outcome:
    try:
        result = receiver(body, headers)
    except Exception as error:  # noqa: BLE001 - a web server responds with a 500
        _LOG.warning("the receiver of a webhook has failed", exc_info=True)
        return _FAILED, error
    status = getattr(result, "status_code", result)
    return (status if isinstance(status, int) and not isinstance(status, bool) else _OK), None


def _post(url: str, body: bytes, headers: dict[str, str]) -> Outcome:
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=_TIMEOUT)
    try:
        connection.request("POST", urlunsplit(("", "", parts.path or "/", parts.query, "")), body, headers)
        return connection.getresponse().status, None
    except (OSError, HTTPException) as error:
        _LOG.warning("a webhook was not delivered: %s", error)
        return None, error
    finally:
        connection.close()
