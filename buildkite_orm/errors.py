"""The errors of the library, and the function that returns the error for a response.

    BuildkiteError
    ├── ConfigurationError          no token, a bad base URL, an option that is not usable
    ├── UnboundError                an object without a client was used for I/O
    ├── MultipleResultsError        one() found more than one
    ├── NotCachedError              the cache does not have it, and no request is sent with cache="only"
    ├── TransportError
    │   ├── ConnectionFailedError   no connection, or it broke before the response was complete
    │   └── RequestTimeoutError     connecting or reading took too long
    ├── ResponseError               not JSON, or not a response of the expected kind
    ├── StatusError
    │   ├── BadRequestError         400
    │   ├── AuthenticationError     401
    │   ├── PermissionDeniedError   403
    │   ├── NotFoundError           404
    │   ├── GoneError               410
    │   ├── UnprocessableEntityError  422
    │   ├── RateLimitError          429
    │   └── ServerError             5xx
    ├── DownloadError
    │   ├── ChecksumMismatchError   the bytes are not those that the agent uploaded
    │   ├── UnsafePathError         a path that would leave the folder
    │   └── PartialDownloadError    some of several files failed
    ├── UploadError                 a file could not be sent whole
    ├── WaitTimeoutError            waiting took longer than it was allowed to
    ├── BuildBlockedError           a build waits to be unblocked
    ├── WebhookError                a request that is not an acceptable webhook
    │   ├── UnsignedWebhookError    401: it has neither a signature nor a token
    │   ├── WebhookSignatureError   401: its signature or token is wrong
    │   ├── StaleWebhookError       401: it was not signed recently
    │   ├── RepeatedWebhookError    409: it was received before
    │   ├── WebhookTooLargeError    413: its body is too large
    │   ├── WebhookFormatError      400: its body is not a JSON object
    │   └── WebhookCharsetError     400: its body is not UTF-8
    └── RecordingError              a recording has no response to a request, or cannot be read

None of them needs `requests` to be caught, and all survive pickle.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qsl, quote, urlsplit

from buildkite_orm.utils.error_bodies import (
    LONGEST_MESSAGE,
    describe,
    error_line,
    error_list,
    error_payload,
    printable,
    scopes_in,
    seconds_in,
)
from buildkite_orm.utils.header_values import retry_after
from buildkite_orm.utils.redaction import NO_SECRETS, redact_url

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from buildkite_orm.files.bulk import DownloadReport
    from buildkite_orm.resources.builds.build import Build
    from buildkite_orm.utils.redaction import Secrets

_MOST_NAMED = 20


class BuildkiteWarning(UserWarning):
    """The root of the warnings: the library noticed something, and continued."""


class ManyRequestsWarning(BuildkiteWarning):
    """A loop requests one resource at a time that a single listing could have returned."""


class BuildkiteError(Exception):
    """The root of the tree.

    Attributes:
        method: The HTTP method, if there was a request.
        url: The URL of the request, without secrets.
        status: The HTTP status, if there was a response.
        request_id: Buildkite's id of the request (`X-Request-Id`), for its support.
        server_message: The message of the server.
        errors: The server's list of the values that it did not accept, one mapping for each.
        outcome_unknown: True if a write may have happened nevertheless.
        about: The URL of the resource that the request was about, if that is known to exist.
    """

    about: str | None = None
    retries_ended = False  # set by a retry loop that raises the error; a loop around it does not start over
    next_step: str = ""
    """The next step for the caller: a text of the class, or of this error."""

    def __init__(
        self,
        message: str,
        *,
        method: str | None = None,
        url: str | None = None,
        status: int | None = None,
        request_id: str | None = None,
        server_message: str | None = None,
        errors: Sequence[Mapping[str, Any]] = (),
        outcome_unknown: bool = False,
        next_step: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.method = method
        self.url = url
        self.status = status
        self.request_id = request_id
        self.server_message = server_message
        self.errors = [dict(error) for error in errors]
        self.outcome_unknown = outcome_unknown
        if next_step is not None:
            self.next_step = next_step

    def __str__(self) -> str:
        request = f"{self.method} {self.url}: " if self.url else ""
        steps = [self.how_to_find_out()] if self.outcome_unknown else []
        steps += [self.next_step] if self.next_step else []
        ended = self.message.endswith((".", "!", "?")) or not steps
        return " ".join([f"{request}{self.message}{'' if ended else '.'}", *steps])

    def how_to_find_out(self) -> str:
        """Return a sentence on how to learn whether a write of unknown outcome has happened."""
        url = (self.url or "").partition("?")[0]
        above, _, verb = url.rpartition("/")
        if verb == "rebuild":
            look = f"list {above.rpartition('/')[0]} and look for a build that was rebuilt from this one"
        elif verb == "copy":
            to = quote(dict(parse_qsl(urlsplit(self.url or "").query)).get("to", ""), safe="")
            look = f"list {above.rsplit('/', 3)[0]}/{to}/packages and look for it"
        elif self.method == "PATCH" and self.status == 404:  # noqa: PLR2004 - it may have another name now
            look = f"list {above} and look for it"
        elif self.about is None and self.method == "POST":
            look = f"list {url} and look for it"
        else:
            look = f"look at {self.about or url}"
        return f"It may have happened nevertheless: before you send it again, {look}."


class ConfigurationError(BuildkiteError):
    """The options of the client are not usable."""


class UnboundError(BuildkiteError):
    """An object without a client was used for I/O."""


class MultipleResultsError(BuildkiteError):
    """`one()` found more than one."""

    next_step = "Narrow the filters, or take first()."


class NotCachedError(BuildkiteError):
    """The cache does not have it, and with `cache="only"` no request is sent.

    Attributes:
        missing: What is missing, one text for each.
    """

    missing: Sequence[str] = ()
    next_step = "Run it once without cache='only'; builds and jobs that are not finished are never cached."

    @classmethod
    def of(cls, missing: Sequence[str]) -> NotCachedError:
        """Return the error for what is missing; its message names the first twenty."""
        more = len(missing) - _MOST_NAMED
        named = ", ".join(missing[:_MOST_NAMED])
        error = cls(f"not in the cache: {named}{f' and {more} more' if more > 0 else ''}", method="GET")
        error.missing = list(missing)
        return error


class TransportError(BuildkiteError):
    """There was no complete response.

    Attributes:
        never_sent: True if the request cannot have reached the server.
        permanent: True if another attempt cannot help: a certificate that is not trusted, a proxy that refuses, a
            host name that does not exist.
    """

    never_sent: bool = False
    permanent: bool = False


class ConnectionFailedError(TransportError):
    """No connection could be made, or it broke before the response was complete."""

    next_step = "Check the network, and base_url, then try again."


class RequestTimeoutError(TransportError):
    """Connecting or reading took longer than `timeout`."""

    next_step = "Try again, or set a longer timeout= on the client."


class ResponseError(BuildkiteError):
    """The response is not of the expected kind.

    Attributes:
        damaged: True if the response is incomplete, or not from the API; another attempt may succeed.
    """

    damaged: bool = False
    next_step = "Check that base_url is Buildkite's API and that nothing in between responds in its place."


class StatusError(BuildkiteError):
    """The server responded with an error status.

    Attributes:
        retry_after: How many seconds the server, or a gateway before it, requests to wait (`Retry-After`); None if
            there is no such header.
    """

    retry_after: float | None = None
    next_step = "See https://buildkite.com/docs/apis/rest-api for what the operation accepts."


class BadRequestError(StatusError):
    """400: the server did not understand the request."""

    next_step = "Check the filters and the values."


class AuthenticationError(StatusError):
    """401: the token is not valid."""

    next_step = "Check BUILDKITE_API_TOKEN, or make a token at https://buildkite.com/user/api-access-tokens."


class PermissionDeniedError(StatusError):
    """403: the token may not do this.

    Attributes:
        required_scopes: The scopes of which the operation needs one (`X-Accepted-OAuth-Scopes`).
        held_scopes: The scopes that the token has (`X-OAuth-Scopes`).
    """

    required_scopes: tuple[str, ...] = ()
    held_scopes: tuple[str, ...] = ()
    next_step = "Add what the token lacks at https://buildkite.com/user/api-access-tokens."


class NotFoundError(StatusError):
    """404: the resource does not exist, or the token may not see it."""

    next_step = "Check the slug, number or id; Buildkite also responds so if the token may not see it."


class GoneError(StatusError):
    """410: the resource existed once."""

    next_step = "It does not come back; list the resources that exist."


class UnprocessableEntityError(StatusError):
    """422: the server did not accept the values."""

    next_step = "See `errors` for what was not accepted."


class RateLimitError(StatusError):
    """429: a request budget is used up, and waiting for it would take longer than allowed.

    Attributes:
        retry_after: Seconds until there is budget again, if known: by the budget's headers, the body's `reset`, or
            else `Retry-After`.
        reset: Seconds until the window ends, from the body.
        scope: `rest` for the organization's budget, `rest_user` for the user's, if known.
        gave_up: True if the request was not sent, since waiting would take too long.
    """

    reset: float | None = None
    scope: str | None = None
    gave_up: bool = False
    next_step = "Wait, or allow a longer wait with RetryPolicy(max_wait=…)."


class ServerError(StatusError):
    """5xx: Buildkite has a problem."""

    next_step = "Try again later; see https://www.buildkitestatus.com."


class DownloadError(BuildkiteError):
    """A file could not be downloaded completely."""


class ChecksumMismatchError(DownloadError):
    """The bytes are not those that the agent uploaded."""

    next_step = "Nothing was kept; try again."


class UnsafePathError(DownloadError):
    """A path would leave the folder that was named."""

    next_step = "Nothing was written; choose a file name yourself."


class PartialDownloadError(DownloadError):
    """Some of several files failed; all others are saved.

    Attributes:
        report: The result of each.
    """

    report: DownloadReport
    next_step = "Save them again: complete files are skipped. The error's report has the reason of each failure."


class UploadError(BuildkiteError):
    """A file could not be sent completely."""


class WaitTimeoutError(BuildkiteError):
    """Waiting took longer than it was allowed to.

    Attributes:
        build: The last known build; None if none was loaded.
    """

    build: Build | None = None
    next_step = "Wait again, or allow a longer timeout=."


class BuildBlockedError(BuildkiteError):
    """A build waits to be unblocked.

    Attributes:
        build: The last known build.
    """

    build: Build | None = None
    next_step = "Open it with build.unblock_all(), or wait until a user does, with on_blocked='wait'."


class WebhookError(BuildkiteError):
    """A request is not an acceptable webhook.

    Attributes:
        status: The HTTP status to respond with.
    """

    status: int  # pyright: ignore[reportIncompatibleVariableOverride] # it is never None
    _status: ClassVar[int] = 400

    def __init__(self, message: str, **fields: Any) -> None:
        fields.setdefault("status", self._status)
        super().__init__(message, **fields)


class UnsignedWebhookError(WebhookError):
    """401: the request has neither a signature nor a token."""

    _status = 401
    next_step = "Check that the webhook has a token, and that no proxy removes the header."


class WebhookSignatureError(WebhookError):
    """401: the signature, or the token, is not made by one of the secrets."""

    _status = 401
    next_step = "Check the secret, and that body= is the raw body: JSON that was parsed and written again differs."


class StaleWebhookError(WebhookError):
    """401: the request was not signed recently, so it may be a replay."""

    _status = 401
    next_step = "Check the clock of this machine, or allow more with tolerance=."


class RepeatedWebhookError(WebhookError):
    """409: the same request was received before."""

    _status = 409


class WebhookTooLargeError(WebhookError):
    """413: the body is larger than allowed."""

    _status = 413
    next_step = "Allow more with max_size=."


class WebhookFormatError(WebhookError):
    """400: the body is not a JSON object."""


class WebhookCharsetError(WebhookError):
    """400: the body is not UTF-8, or says so."""


class RecordingError(BuildkiteError):
    """A cassette cannot be read, or has no response to a request."""

    next_step = "Record it again: Recorder(path, record=True), or pytest --buildkite-orm-record."


_PROXY_AUTHENTICATION = 407
_BY_STATUS: dict[int, type[StatusError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    410: GoneError,
    422: UnprocessableEntityError,
    429: RateLimitError,
}


def error_for(
    *,
    method: str,
    url: str,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    outcome_unknown: bool = False,
    now: float | None = None,
    secrets: Secrets = NO_SECRETS,
) -> StatusError:
    """Return the error for a response with an error status.

    Args:
        method: The HTTP method of the request.
        url: Its URL; secrets are masked.
        status: The status of the response, 400 or more.
        headers: The headers of the response.
        body: Its body, of any kind.
        outcome_unknown: Whether a write may have happened nevertheless.
        now: The wall time, in seconds since the Unix epoch; the machine's by default.
        secrets: What to mask in the texts of the response.
    """
    headers = {name.lower(): secrets.mask(value) for name, value in headers.items()}
    payload = error_payload(body, secrets)
    kind = _BY_STATUS.get(status, ServerError if status >= 500 else StatusError)  # noqa: PLR2004
    error = kind(
        f"{status} {printable(payload.get('message') or describe(body, headers))}",
        method=method,
        url=secrets.mask(redact_url(url)),
        status=status,
        request_id=headers.get("x-request-id"),
        server_message=payload.get("message"),
        errors=error_list(payload.get("errors")),
        outcome_unknown=outcome_unknown,
    )
    error.retry_after = retry_after(headers, time.time() if now is None else now)
    if isinstance(error, PermissionDeniedError):
        _explain_scopes(error, headers)
    elif isinstance(error, RateLimitError):
        scope = payload.get("scope")
        error.reset = seconds_in(payload.get("reset"))
        error.retry_after = error.retry_after if error.reset is None else error.reset
        error.scope = scope if isinstance(scope, str) else None
    elif status == _PROXY_AUTHENTICATION:
        error.next_step = "A proxy wants a user and password: HTTP_PROXY=http://user:password@host:port, or proxies=."
    elif error.errors:
        details = "; ".join(error_line(detail) for detail in error.errors)
        error.message += f": {printable(details)[:LONGEST_MESSAGE]}"
    return error


def _explain_scopes(error: PermissionDeniedError, headers: Mapping[str, str]) -> None:
    error.required_scopes = scopes_in(headers.get("x-accepted-oauth-scopes"))
    error.held_scopes = scopes_in(headers.get("x-oauth-scopes"))
    lacking = [scope for scope in error.required_scopes if scope not in error.held_scopes]
    if lacking:
        held = ", ".join(error.held_scopes) or "none"
        error.message += printable(f": the token needs the scope {' or '.join(lacking)}; it has: {held}.")
