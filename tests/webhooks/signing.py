"""Requests as Buildkite sends them, signed by code that the library does not share."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any, Final

SECRET: Final = "309c9c842g8565adecpd7469x6005989"
NOW: Final = 1_785_585_600  # 2026-08-01T12:00:00Z, where the clocks of the fake start


def signature(body: bytes, *, secret: str = SECRET, timestamp: object = NOW) -> str:
    """Return the value of X-Buildkite-Signature."""
    message = f"{timestamp}.".encode() + body
    return f"timestamp={timestamp},signature={hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()}"


def signed(body: bytes, *, secret: str = SECRET, timestamp: object = NOW) -> dict[str, str]:
    """Return the headers of a signed request."""
    return {
        "Content-Type": "application/json",
        "X-Buildkite-Signature": signature(body, secret=secret, timestamp=timestamp),
    }


def written(**payload: Any) -> bytes:
    """Return a payload as a body."""
    return json.dumps(payload).encode()
