"""What the storage of files says where it refuses: the error that comes of it."""

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
    """Make the error for a file that its storage does not give.

    Args:
        stream: The response.
        session: The session, for its limits.
    """
    error = storage_error(DownloadError, "the storage does not give the file", "GET", stream, session)
    if stream.status in _UNSIGNED:
        error.next_step = _HOW_TO_SIGN
    return error


def storage_error(
    kind: type[BuildkiteError], what: str, method: str, stream: Stream, session: Session
) -> BuildkiteError:
    """Make the error for what the storage of files has refused; where it failed, trying again may help.

    Args:
        kind: The error of a refusal.
        what: What the storage does not do.
        method: The HTTP method.
        stream: The answer, of whose body the beginning is read.
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
        told = ServerError if stream.status == _TOO_MANY else kind  # its budget is none of the API's
        error = told(f"{what}: status {stream.status}", method=method, url=stream.url, status=stream.status)
    if isinstance(error, ServerError):
        error.retry_after = retry_after(stream.headers, session.clock.now())
    code = _CODE.search(body)  # as S3 and those who speak as it does, and Azure, say it
    if code is not None:
        error.message += f" ({code[1].decode()})"
    return error


def _error_body(stream: Stream, session: Session) -> bytes:
    """Read the body of an error response as far as `SizeLimits.error_body`, and as it comes within some seconds."""
    body, until = bytearray(), session.clock.monotonic() + _ERROR_BODY_SECONDS
    with contextlib.suppress(BuildkiteError, ValueError):  # the status counts, whatever becomes of the body
        for chunk in stream.arriving():
            body += chunk
            if len(body) >= session.limits.error_body or session.clock.monotonic() > until:
                break
    stream.close()
    return bytes(body[: session.limits.error_body])
