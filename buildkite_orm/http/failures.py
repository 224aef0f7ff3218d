"""The errors of this library for failures of the network."""

from __future__ import annotations

import re
import socket
import ssl
from http.client import HTTPException
from typing import TYPE_CHECKING, Final

import urllib3.exceptions as urllib3_errors
from requests import exceptions as requests_errors

from buildkite_orm.errors import (
    ConfigurationError,
    ConnectionFailedError,
    RequestTimeoutError,
    ResponseError,
    TransportError,
)
from buildkite_orm.http.connection import ProxyRefusedError
from buildkite_orm.http.response import DamagedResponseError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildkite_orm.http.exchange import Exchange

_FROM_BELOW: Final = (
    requests_errors.RequestException,
    urllib3_errors.HTTPError,
    HTTPException,
    OSError,
    ValueError,
)
_DEEPEST: Final = 12
_NOT_AUTHENTICATED: Final = 407
_FORBIDDEN: Final = 403
_TRUST: Final = (
    "If this network has a certificate authority of its own, name its certificate: Buildkite(verify='ca.pem') or "
    "SSL_CERT_FILE; or use the system's: pip install 'buildkite_orm[truststore]' and Buildkite(verify='system')."
)
_CERTIFICATE: Final = "Name a client certificate that the server takes, with its key: Buildkite(cert=(…, …))."
_UNREADABLE: Final = "Check the files in PEM that verify=, cert=, REQUESTS_CA_BUNDLE or SSL_CERT_FILE name."
_IN_SSL_ERROR: Final = re.compile(r"^\[[^\]]*\] *| *\(_ssl.*$")
_REJECTED: Final = re.compile(r"alert (?:.* )?(?:certificate|unknown ca)|alert access denied")
_PROXY: Final = "Check the proxy: proxies=, or HTTPS_PROXY, and NO_PROXY for hosts to reach without it."
_DNS: Final = "Check the host name in base_url, in HTTPS_PROXY, and this machine's DNS."


def error_from(problem: BaseException, exchange: Exchange, *, method: str, url: str) -> BaseException:
    """Return our error for what was raised while a request was sent or its response was read.

    The error holds neither the exception nor its frames, which may hold the token. An exception that is not a failure
    of the network, such as a mistake in a caller's transport, is returned without its frames.

    Args:
        problem: The exception.
        exchange: The state of the attempt.
        method: Its HTTP method.
        url: Its URL, redacted.
    """
    if not isinstance(problem, _FROM_BELOW):
        problem.__cause__ = problem.__context__ = None
        return problem.with_traceback(None)
    causes = list(_causes(problem))
    error = _configuration_error(causes) or _transport_error(causes, exchange)
    error.method, error.url = method, url
    if isinstance(error, TransportError):
        error.never_sent = _was_never_sent(causes, exchange)
    return error


def too_large(limit: int) -> ResponseError:
    """Return the error for a response that is larger than the client allows."""
    what = f"the response has more than {limit} bytes"
    step = "Request less, such as per_page(10), or allow more with Buildkite(limits=SizeLimits(response=…))."
    return ResponseError(what, next_step=step)


def too_late(method: str, url: str) -> RequestTimeoutError:
    """Return the error for a request whose time was over before it could be sent."""
    error = RequestTimeoutError("not sent: the time for the request was over before", method=method, url=url)
    error.never_sent = True
    return error


def _causes(problem: BaseException) -> Iterator[BaseException]:
    """Yield an exception and all exceptions that it wraps."""
    waiting = [problem]
    seen: set[int] = set()
    while waiting and len(seen) < _DEEPEST:
        each = waiting.pop(0)
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        wrapped = [*each.args, getattr(each, "reason", None), each.__cause__, each.__context__]
        waiting += [item for item in wrapped if isinstance(item, BaseException)]


def _was_never_sent(causes: list[BaseException], exchange: Exchange) -> bool:
    """Whether it is certain that no byte of the request was sent; a caller's transport states that itself."""
    if any(getattr(cause, "request_was_sent", None) is False for cause in causes):
        return True
    return exchange.is_tracked and not exchange.is_sent


def _configuration_error(causes: list[BaseException]) -> ConfigurationError | None:
    for cause in causes:
        if isinstance(cause, urllib3_errors.LocationValueError):
            return ConfigurationError("there is no such host")
        if isinstance(cause, requests_errors.InvalidURL | requests_errors.InvalidSchema):
            kind = type(cause).__name__
            return ConfigurationError(f"the request could not be made: {kind}; check base_url, and the proxy settings")
    return None


def _transport_error(causes: list[BaseException], exchange: Exchange) -> TransportError:
    for cause in causes:
        if isinstance(cause, ssl.SSLError) and (error := _certificate_error(cause, exchange)):
            return error
        if isinstance(cause, ProxyRefusedError):
            return _refused_by_proxy(cause, exchange)
        if isinstance(cause, socket.gaierror):
            return _unresolved(cause, exchange)
        if isinstance(cause, DamagedResponseError):
            return _damaged(cause, exchange)
    if any(map(_is_timeout, causes)):
        return _timed_out(exchange)
    return _disconnected(causes, exchange)


def _damaged(problem: DamagedResponseError, exchange: Exchange) -> TransportError:
    if exchange.is_tracked and not exchange.is_sent:  # it was to CONNECT
        what = f"the response of the proxy {exchange.host} is damaged: {problem}"
        return ConnectionFailedError(what, next_step=_PROXY)
    return ConnectionFailedError(f"the response is damaged: {problem}")


def _is_timeout(problem: BaseException) -> bool:
    if isinstance(
        problem, urllib3_errors.NewConnectionError
    ):  # a ConnectTimeoutError by its class, even if it did not time out
        return False
    return isinstance(problem, TimeoutError | urllib3_errors.TimeoutError | requests_errors.Timeout)


def _untrusted(problem: ssl.SSLCertVerificationError, exchange: Exchange) -> TransportError:
    why = problem.verify_message if getattr(problem, "verify_message", "") else "unknown reason"
    return _failed(f"certificate verify failed for {exchange.host}: {why}", _TRUST)


def _certificate_error(problem: ssl.SSLError, exchange: Exchange) -> TransportError | None:
    """Return the error for a certificate of either side; None if TLS has failed for another reason."""
    if isinstance(problem, ssl.SSLCertVerificationError):
        return _untrusted(problem, exchange)
    reason = _IN_SSL_ERROR.sub("", str(problem.reason or problem.strerror or "")).replace("_", " ").lower()
    if _REJECTED.search(reason):
        what, step = f"{exchange.host} does not accept the client certificate: {reason}", _CERTIFICATE
    elif problem.library in {"X509", "PEM"} or reason == "pem lib":
        what, step = f"the certificates to use cannot be read: {reason}", _UNREADABLE
    else:
        return None
    return _failed(what, step)


def _refused_by_proxy(problem: ProxyRefusedError, exchange: Exchange) -> TransportError:
    reasons = {_NOT_AUTHENTICATED: " Proxy Authentication Required", _FORBIDDEN: " Forbidden"}
    what = f"the proxy {exchange.host} refused to connect: {problem.status}{reasons.get(problem.status, '')}"
    next_step = _PROXY
    if problem.status == _NOT_AUTHENTICATED:
        next_step = "The proxy wants a user and password: HTTPS_PROXY=http://user:password@host:port, or proxies=."
    return _failed(what, next_step, permanent=problem.status in {_NOT_AUTHENTICATED, _FORBIDDEN})


def _unresolved(problem: socket.gaierror, exchange: Exchange) -> TransportError:
    why = problem.strerror or "no such host"
    # a client that has received a response knew the name: the network is down
    permanent = problem.errno != getattr(socket, "EAI_AGAIN", None) and not exchange.had_response
    return _failed(f"the host name {exchange.host} could not be resolved: {why}", _DNS, permanent=permanent)


def _failed(what: str, next_step: str, *, permanent: bool = True) -> ConnectionFailedError:
    """Return the error for a connection that was not made; if `permanent`, another attempt cannot help."""
    error = ConnectionFailedError(what, next_step=next_step)
    error.permanent = permanent
    return error


def _timed_out(exchange: Exchange) -> TransportError:
    if exchange.is_tracked and not exchange.is_sent:
        return RequestTimeoutError(f"timed out while connecting to {exchange.host}")
    if exchange.left <= 0:
        return RequestTimeoutError(
            "the response was not complete when the time for the request was over",
            next_step="Try again, or allow more time with RetryPolicy(max_elapsed=…), or the timeout= of the wait.",
        )
    return RequestTimeoutError("timed out while waiting for the response")


def _disconnected(causes: list[BaseException], exchange: Exchange) -> TransportError:
    problem = next((cause for cause in causes if isinstance(cause, OSError) and cause.strerror), causes[-1])
    why = problem.strerror if isinstance(problem, OSError) and problem.strerror else type(problem).__name__
    if exchange.is_tracked and not exchange.is_sent:
        through = "the proxy " if any(isinstance(cause, urllib3_errors.ProxyError) for cause in causes) else ""
        step = _PROXY if through else ConnectionFailedError.next_step
        return ConnectionFailedError(f"no connection to {through}{exchange.host}: {why}", next_step=step)
    incomplete = (urllib3_errors.IncompleteRead, requests_errors.ChunkedEncodingError)
    if any(isinstance(cause, incomplete) for cause in causes):
        return ConnectionFailedError("the response broke off before its end")
    return ConnectionFailedError(f"the connection was lost: {why}")
