"""The errors of `receive`, which are part of the tree in `buildkite_orm.errors`."""

from __future__ import annotations

from buildkite_orm.errors import (
    RepeatedWebhookError,
    StaleWebhookError,
    UnsignedWebhookError,
    WebhookCharsetError,
    WebhookError,
    WebhookFormatError,
    WebhookSignatureError,
    WebhookTooLargeError,
)

__all__ = [
    "RepeatedWebhookError",
    "StaleWebhookError",
    "UnsignedWebhookError",
    "WebhookCharsetError",
    "WebhookError",
    "WebhookFormatError",
    "WebhookSignatureError",
    "WebhookTooLargeError",
]
