"""The headers of a webhook. Documentation: https://buildkite.com/docs/apis/webhooks/pipelines#http-headers."""

from __future__ import annotations

import hmac
from typing import Literal

TokenMode = Literal["signature", "token"]


def headers_of(body: bytes, event: str | None, secret: str, mode: TokenMode, timestamp: int) -> dict[str, str]:
    """Return the headers of a request, signed at a time in seconds since the epoch, or with the token itself."""
    headers = {"Content-Type": "application/json", "User-Agent": "buildkite_orm.fake"}
    if event is not None:
        headers["X-Buildkite-Event"] = event
    if mode == "token":
        return headers | {"X-Buildkite-Token": secret}
    digest = hmac.digest(secret.encode(), b"%d.%b" % (timestamp, body), "sha256")
    return headers | {"X-Buildkite-Signature": f"timestamp={timestamp},signature={digest.hex()}"}
