"""Errors for responses of the storage of files."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Final

from buildkite_orm.errors import BuildkiteError, DownloadError, ServerError, error_for
from buildkite_orm.utils.header_values import retry_after

if TYPE_CHECKING:
    from buildkite_orm.http.session import Session
    from buildkite_orm.http.stream import Stream

_TOO_MANY: Final = 429
_ERROR_BODY_SECONDS: Final = 5.0
_CODE: Final = re.compile(rb"<Code>\s*([A-Za-z0-9_.-]{1,100})\s*</Code>")
_UNSIGNED: Final = frozenset({401, 403})
_HOW_TO_SIGN: Final = (
    "If it is in an organization's own bucket: the library does not sign requests for that. Get the file with the"
    " bucket's own client (`aws s3 cp`, `gcloud storage cp`) or `buildkite-agent artifact download`, or allow this"
    " machine to read the bucket."
)


def download_refused(stream: Stream, session: Session) -> BuildkiteError:
    """Return the error for a file that its storage does not return.

    Args:
        stream: The response.
        session: The session, for its limits.
    """
    error = storage_error(DownloadError, "the storage does not return the file", "GET", stream, session)
    if stream.status in _UNSIGNED:
        error.next_step = _HOW_TO_SIGN
    return error


def storage_error(
    kind: type[BuildkiteError], message: str, method: str, stream: Stream, session: Session
) -> BuildkiteError:
    """Return the error for a request that the storage has refused; if the storage failed, a retry may help.

    Args:
        kind: The class of the error for a refusal.
        message: What the storage does not do.
        method: The HTTP method.
        stream: The response; the beginning of its body is read.
        session: The session, for its limits.
    """
    body = _error_body(stream, session)
    if stream.status >= 500:  # noqa: PLR2004
        error: BuildkiteError = error_for(
            method=method,
            url=stream.url,
            status=stream.status,
            headers=stream.headers,
            body=body,
            secrets=stream.secrets(),
        )
    else:
        error_class = ServerError if stream.status == _TOO_MANY else kind  # it has nothing to do with the API's budget
        error = error_class(f"{message}: status {stream.status}", method=method, url=stream.url, status=stream.status)
    if isinstance(error, ServerError):
        error.retry_after = retry_after(stream.headers, session.clock.now())
    code = _CODE.search(body)  # in the format of S3, of compatible storages, and of Azure
    if code is not None:
        error.message += f" ({code[1].decode()})"
    return error


def _error_body(stream: Stream, session: Session) -> bytes:
    """Read the body of an error response, up to `SizeLimits.error_body` and for some seconds."""
    body, until = bytearray(), session.clock.monotonic() + _ERROR_BODY_SECONDS
    with contextlib.suppress(BuildkiteError, ValueError):  # the status counts, even if the body is damaged
        for chunk in stream.chunks_as_received():
            body += chunk
            if len(body) >= session.limits.error_body or session.clock.monotonic() > until:
                break
    stream.close()
    return bytes(body[: session.limits.error_body])
