"""Receive webhooks: verify a request, and return its event with its type."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from buildkite_orm.errors import (
    ConfigurationError,
    RepeatedWebhookError,
    StaleWebhookError,
    WebhookTooLargeError,
)
from buildkite_orm.utils.clock import SystemClock
from buildkite_orm.utils.plain_values import kind_of
from buildkite_orm.webhooks.body import raw_body, read_object
from buildkite_orm.webhooks.events.loading import event_of
from buildkite_orm.webhooks.replays import SEEN_BY_THIS_PROCESS, digest_of
from buildkite_orm.webhooks.verification import Keys, SentHeaders, verify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from buildkite_orm.utils.clock import Clock
    from buildkite_orm.webhooks.events.base import WebhookEvent
    from buildkite_orm.webhooks.verification import HasItems

DEFAULT_TOLERANCE: Final = timedelta(minutes=5)
DEFAULT_MAX_SIZE: Final = 5_000_000


def receive(
    body: bytes | bytearray | memoryview | str,
    headers: HasItems | Iterable[tuple[Any, Any]],
    *,
    secret: str | bytes | Sequence[str | bytes],
    tolerance: timedelta | None = DEFAULT_TOLERANCE,
    seen: Callable[[str], object] | None = SEEN_BY_THIS_PROCESS,
    max_size: int = DEFAULT_MAX_SIZE,
    clock: Clock | None = None,
) -> WebhookEvent:
    """Verify a request, and return its event.

    Each problem with the request is a `WebhookError`, whose `status` is the HTTP status to respond with: 400, 401, 409
    or 413. The checks are in this order: size, token or signature, time, charset, JSON, repetition.

    Args:
        body: The raw body, exactly as it was received.
        headers: The headers of the request: any mapping, pairs, or a WSGI environment. Case does not matter.
        secret: The token in the settings of the webhook; several while it is changed. Spaces and quotes around
            it are removed.
        tolerance: How far the time of the signature may be from now, in either direction; None for any. A request with
            a token has no time.
        seen: Called with a digest of time and body once all else is right. It returns whether the request was seen
            before, and remembers it. Default: the memory of this process, a `SeenInMemory`. None does not look.
        max_size: The most bytes that a body may have.
        clock: The clock to compare with; for tests.

    Returns:
        An event of the class of its kind, as `BuildFinished`; an `UnknownEvent` for one that this library does not
        know.

    Raises:
        WebhookError: The request is not acceptable.
        ConfigurationError: The secret is empty, or an option is invalid.

    Example:
        >>> import hashlib, hmac, time
        >>> from buildkite_orm import webhooks
        >>> body = b'{"event": "ping", "organization": {"slug": "acme"}, "sender": {"name": "Ada"}}'
        >>> timestamp = str(int(time.time()))
        >>> signature = hmac.new(b"s3cret", f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
        >>> headers = {"X-Buildkite-Signature": f"timestamp={timestamp},signature={signature}"}
        >>> webhooks.receive(body, headers, secret=["s3cret", "the-one-before"]).event
        'ping'
        >>> webhooks.receive(body, headers, secret="another")
        Traceback (most recent call last):
            ...
        buildkite_orm.errors.WebhookSignatureError: X-Buildkite-Signature is not the signature of this body by ...

    Documentation: https://buildkite.com/docs/apis/webhooks/pipelines#http-headers
    """
    try:
        keys = Keys(secret)
        sent = SentHeaders.of(headers)
    finally:
        del secret, headers  # a traceback with locals would show them
    _check_options(tolerance, max_size)
    raw = raw_body(body)
    if len(raw) > max_size:
        raise WebhookTooLargeError(f"the body has {len(raw)} bytes, more than max_size={max_size}")
    timestamp = verify(raw, sent, keys)
    if timestamp and tolerance is not None:
        _check_time(int(timestamp), tolerance, clock or SystemClock())
    payload = read_object(raw, sent.content_types)
    if seen is not None and seen(digest_of(timestamp, raw)):
        raise RepeatedWebhookError("a request with this time and body was received before")
    return event_of(payload)


def parse(body: bytes | bytearray | memoryview | str) -> WebhookEvent:
    """Return the event in a body. Nothing is verified: anybody may have written it.

    This is for bodies that were verified already, as one that a handler has put into a queue, and for the webhooks of
    Test Engine, for which no headers are documented.

    Args:
        body: The raw body.

    Raises:
        WebhookFormatError: It is not a JSON object.
        WebhookCharsetError: It is not UTF-8.

    Example:
        >>> from buildkite_orm import webhooks
        >>> webhooks.parse(b'{"event": "build.exploded", "build": {"number": 7}}').dump()["build"]
        {'number': 7}

    Documentation: https://buildkite.com/docs/pipelines/configure/tests/workflows/actions#send-webhook-notification
    """
    return event_of(read_object(raw_body(body)))


def _check_options(tolerance: object, max_size: object) -> None:
    if tolerance is not None and not (isinstance(tolerance, timedelta) and tolerance >= timedelta()):
        what = "less than nothing" if isinstance(tolerance, timedelta) else kind_of(tolerance)
        raise ConfigurationError(f"tolerance= is a timedelta, as timedelta(minutes=5), or None, not {what}")
    if isinstance(max_size, bool) or not isinstance(max_size, int) or max_size < 1:
        raise ConfigurationError(f"max_size={max_size!r}: a number of bytes, 1 or more")


def _check_time(signed_at: int, tolerance: timedelta, clock: Clock) -> None:
    """Raise if a request was not signed recently.

    Raises:
        StaleWebhookError: The time is too far from now.
    """
    age = clock.now() - signed_at
    if abs(age) > tolerance.total_seconds():
        when = f"{age:.0f} s ago" if age > 0 else f"{-age:.0f} s in the future"
        raise StaleWebhookError(f"the request was signed {when}, and tolerance is {tolerance.total_seconds():g} s")
