"""Every error of the library, and the one factory from an answer to its error.

    BuildkiteError
    ├── ConfigurationError          no token, a bad base URL, an option that cannot be
    ├── UnboundError                an object without a client was asked to do I/O
    ├── MultipleResultsError        one() found more than one
    ├── TransportError
    │   ├── ConnectionFailedError   no connection, or it broke before the answer was whole
    │   └── RequestTimeoutError     connecting or reading took too long
    ├── ResponseError               not JSON, or no answer of the kind that was asked for
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
    └── BuildBlockedError           a build waits for somebody to unblock it

None of them needs `requests` to be caught, and all survive pickle.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlsplit

from buildkite_orm.utils.header_values import LONGEST_WINDOW, retry_after
from buildkite_orm.utils.json_types import as_array, as_object
from buildkite_orm.utils.redaction import NO_SECRETS, redact_url

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from buildkite_orm.files.bulk import DownloadReport
    from buildkite_orm.resources.builds.build import Build
    from buildkite_orm.utils.redaction import Secrets

_LONGEST_MESSAGE = 500


class BuildkiteWarning(UserWarning):
    """Something the library noticed and could go on from."""


class ManyRequestsWarning(BuildkiteWarning):
    """A loop asks for one thing after the other that one listing could have brought."""


class BuildkiteError(Exception):
    """The root of the tree.

    Attributes:
        method: The HTTP method, where a request was involved.
        url: The URL that was asked, without secrets.
        status: The HTTP status, where there was an answer.
        request_id: Buildkite's id of the request (`X-Request-Id`), for its support.
        server_message: What the server said.
        errors: The server's list of what it did not accept, one mapping for each.
        outcome_unknown: True where a write may have happened all the same.
        about: The URL of what the request was about, where that was there before.
    """

    about: str | None = None
    retries_ended = False  # set by a retry loop that raises the error; a loop around it does not start over
    next_step: str = ""
    """What to do next; what a kind of error says may be replaced for one of them."""

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
        asked = f"{self.method} {self.url}: " if self.url else ""
        what = [self.how_to_find_out()] if self.outcome_unknown else []
        what += [self.next_step] if self.next_step else []
        ended = self.message.endswith((".", "!", "?")) or not what
        return " ".join([f"{asked}{self.message}{'' if ended else '.'}", *what])

    def how_to_find_out(self) -> str:
        """Say how to learn whether a write of unknown outcome has happened."""
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
        return f"It may have happened all the same: before you send it again, {look}."


class ConfigurationError(BuildkiteError):
    """The client cannot be made as it was asked for."""


class UnboundError(BuildkiteError):
    """An object that no client loaded was asked to do I/O."""


class MultipleResultsError(BuildkiteError):
    """`one()` found more than one."""

    next_step = "Narrow the filters, or take first()."


class TransportError(BuildkiteError):
    """There was no whole answer.

    Attributes:
        never_sent: True where the request cannot have reached the server.
        permanent: True where another attempt cannot help: a certificate that is not trusted, a proxy that refuses, a
            host name that does not exist.
    """

    never_sent: bool = False
    permanent: bool = False


class ConnectionFailedError(TransportError):
    """No connection could be made, or it broke before the answer was whole."""

    next_step = "Check the network, and base_url, then try again."


class RequestTimeoutError(TransportError):
    """Connecting or reading took longer than `timeout`."""

    next_step = "Try again, or give the client a longer timeout=."


class ResponseError(BuildkiteError):
    """The answer is not of the kind that was asked for.

    Attributes:
        damaged: True where what came is not whole, or not from the API; another attempt may bring what was asked for.
    """

    damaged: bool = False
    next_step = "Check that base_url is Buildkite's API and that nothing between answers in its place."


class StatusError(BuildkiteError):
    """The server refused the request.

    Attributes:
        retry_after: How many seconds the server, or a gateway before it, asks to wait (`Retry-After`); None if it
            does not say.
    """

    retry_after: float | None = None
    next_step = "See https://buildkite.com/docs/apis/rest-api for what it takes."


class BadRequestError(StatusError):
    """400: the server did not understand the request."""

    next_step = "Check the filters and the values."


class AuthenticationError(StatusError):
    """401: the token is not known."""

    next_step = "Check BUILDKITE_API_TOKEN, or make a token at https://buildkite.com/user/api-access-tokens."


class PermissionDeniedError(StatusError):
    """403: the token may not do this.

    Attributes:
        required_scopes: The scopes of which the operation needs one (`X-Accepted-OAuth-Scopes`).
        held_scopes: The scopes that the token has (`X-OAuth-Scopes`).
    """

    required_scopes: tuple[str, ...] = ()
    held_scopes: tuple[str, ...] = ()
    next_step = "Give the token what it lacks at https://buildkite.com/user/api-access-tokens."


class NotFoundError(StatusError):
    """404: it is not there, or the token may not see it."""

    next_step = "Check the slug, number or id; Buildkite also says this of what the token may not see."


class GoneError(StatusError):
    """410: it was there once."""

    next_step = "It does not come back; see what is there by listing it."


class UnprocessableEntityError(StatusError):
    """422: the values were understood and not accepted."""

    next_step = "See `errors` for what was not accepted."


class RateLimitError(StatusError):
    """429: a request budget is used up, and waiting for it would take longer than allowed.

    Attributes:
        retry_after: Seconds until there is budget again, where known: by the budget's headers, the body's `reset`, or
            else `Retry-After`.
        reset: Seconds until the window ends, as the body says.
        scope: `rest` for the organization's budget, `rest_user` for the user's, where known.
        gave_up: True where the request was not sent, since waiting would take too long.
    """

    reset: float | None = None
    scope: str | None = None
    gave_up: bool = False
    next_step = "Wait, or allow a longer wait with RetryPolicy(max_wait=…)."


class ServerError(StatusError):
    """5xx: Buildkite has a problem."""

    next_step = "Try again later; https://www.buildkitestatus.com tells more."


class DownloadError(BuildkiteError):
    """A file could not be had whole."""


class ChecksumMismatchError(DownloadError):
    """The bytes are not those that the agent uploaded."""

    next_step = "Nothing was kept; try again."


class UnsafePathError(DownloadError):
    """A path would leave the folder that was named."""

    next_step = "Nothing was written; name a file of your own choice in its place."


class PartialDownloadError(DownloadError):
    """Some of several files failed; all others are done.

    Attributes:
        report: What became of each.
    """

    report: DownloadReport
    next_step = "Save them again: what is whole is skipped. The error's report tells why each has failed."


class UploadError(BuildkiteError):
    """A file could not be sent whole."""


class WaitTimeoutError(BuildkiteError):
    """Waiting took longer than it was allowed to.

    Attributes:
        build: The build as it was last seen; None where none was seen.
    """

    build: Build | None = None
    next_step = "Wait again, or allow a longer timeout=."


class BuildBlockedError(BuildkiteError):
    """A build waits for somebody to unblock it.

    Attributes:
        build: The build as it was last seen.
    """

    build: Build | None = None
    next_step = "Open it with build.unblock_all(), or wait until somebody does with on_blocked='wait'."


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
    """Make the error that belongs to an answer with an error status.

    Args:
        method: The HTTP method of the request.
        url: Its URL; secrets are taken out.
        status: The status of the answer, 400 or more.
        headers: The headers of the answer.
        body: Its body, of whatever kind.
        outcome_unknown: Whether a write may have happened all the same.
        now: The wall time, in seconds since the Unix epoch; the machine's if not given.
        secrets: What is masked wherever the answer repeats it.
    """
    headers = {name.lower(): secrets.mask(value) for name, value in headers.items()}
    said = _said(body, secrets)
    kind = _BY_STATUS.get(status, ServerError if status >= 500 else StatusError)  # noqa: PLR2004
    error = kind(
        f"{status} {_printable(said.get('message') or _describe(body, headers))}",
        method=method,
        url=secrets.mask(redact_url(url)),
        status=status,
        request_id=headers.get("x-request-id"),
        server_message=said.get("message"),
        errors=_listed(said.get("errors")),
        outcome_unknown=outcome_unknown,
    )
    error.retry_after = retry_after(headers, time.time() if now is None else now)
    if isinstance(error, PermissionDeniedError):
        _explain_scopes(error, headers)
    elif isinstance(error, RateLimitError):
        scope = said.get("scope")
        error.reset = _seconds(said.get("reset"))
        error.retry_after = error.retry_after if error.reset is None else error.reset
        error.scope = scope if isinstance(scope, str) else None
    elif status == _PROXY_AUTHENTICATION:
        error.next_step = "A proxy wants a user and password: HTTP_PROXY=http://user:password@host:port, or proxies=."
    elif error.errors:
        details = "; ".join(_one_line(detail) for detail in error.errors)
        error.message += f": {_printable(details)[:_LONGEST_MESSAGE]}"
    return error


def _said(body: bytes, secrets: Secrets) -> dict[str, Any]:
    """Read what an error says; the secrets are masked before anything is cut."""
    try:
        said = as_object(secrets.mask_json(json.loads(body))) or {}
    except (ValueError, RecursionError):
        return {}
    message = said.get("message")
    if message is not None:
        said["message"] = str(message)[:_LONGEST_MESSAGE]
    return said


def _seconds(told: object) -> float | None:
    """Return what a body says of the seconds until its window ends; None if that cannot be."""
    if isinstance(told, bool) or not isinstance(told, int | float) or not 0 <= told <= LONGEST_WINDOW:
        return None
    return float(told)


def _printable(text: str) -> str:
    """Bring a text of the server on one line, and escape what would harm a terminal."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in " ".join(text.split()))


def _describe(body: bytes, headers: Mapping[str, str]) -> str:
    if not body:
        return "(no body)"
    kind = headers.get("content-type", "an unnamed type").partition(";")[0]
    return f"({len(body)} bytes of {kind})"


def _listed(errors: object) -> list[Mapping[str, Any]]:
    several = as_array(errors) if as_object(errors) is None else [errors]
    return [as_object(error) or {"message": error} for error in several or []]


def _one_line(detail: Mapping[str, Any]) -> str:
    field = detail.get("field") or detail.get("attribute")
    said = detail.get("message") or detail.get("code") or detail
    return f"{field}: {said}" if field else str(said)


def _explain_scopes(error: PermissionDeniedError, headers: Mapping[str, str]) -> None:
    error.required_scopes = _scopes(headers.get("x-accepted-oauth-scopes"))
    error.held_scopes = _scopes(headers.get("x-oauth-scopes"))
    lacking = [scope for scope in error.required_scopes if scope not in error.held_scopes]
    if lacking:
        held = ", ".join(error.held_scopes) or "none"
        error.message += _printable(f": the token needs the scope {' or '.join(lacking)}; it has: {held}.")


def _scopes(header: str | None) -> tuple[str, ...]:
    return tuple(scope.strip() for scope in (header or "").split(",") if scope.strip())
