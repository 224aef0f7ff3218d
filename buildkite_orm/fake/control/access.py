"""Access to the control API: by its host names, with the control token, and from no web page."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from buildkite_orm.fake.hosts import is_unspecified
from buildkite_orm.fake.http import ApiError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from werkzeug.wrappers import Request

PREFIX = "/_control"
SHORTEST_TOKEN = 8


def new_token() -> str:
    """Return a random control token."""
    return f"fake_control_{secrets.token_hex(20)}"


def new_access_token() -> str:
    """Return a random access token of the API, which does not follow from the seed."""
    return f"bkua_{secrets.token_hex(20)}"


def check_token(token: str) -> str:
    """Return a control token that can be sent in a header.

    Raises:
        ValueError: It is too short, or has characters other than printable ASCII.
    """
    if len(token) < SHORTEST_TOKEN or not (token.isascii() and token.isprintable()) or " " in token:
        raise ValueError(
            f"the control token must have at least {SHORTEST_TOKEN} characters, all printable ASCII without spaces"
        )
    return token


@dataclass(frozen=True, slots=True)
class Access:
    """The control token, and the host names, in addition to loopback, at which the control API accepts requests."""

    token: str
    hosts: frozenset[str]

    @classmethod
    def of(cls, token: str, hosts: Iterable[str]) -> Access:
        """Return the access rules; host names are compared without case."""
        return cls(check_token(token), frozenset(host.lower() for host in hosts if not is_unspecified(host)))

    def check(self, request: Request) -> None:
        """Raise a 403 for a host name or an origin that is not allowed, and a 401 for a wrong token."""
        self.check_sender(request, "The control API")
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(token.strip().encode(), self.token.encode()):
            raise ApiError(
                401,
                "Send the control token as `Authorization: Bearer <token>`; it is printed at start as "
                "BUILDKITE_FAKE_CONTROL_TOKEN, and is not the API token",
            )

    def check_sender(self, request: Request, receiver: str) -> None:
        """Raise a 403 for a host name or an origin that is not allowed.

        A web page can send requests to loopback, by its own host name too (DNS rebinding): so the `Host` header is
        compared, and a browser's `Origin` header is never accepted.
        """
        host = _host_name(request.headers.get("Host", ""))
        if not (_is_loopback(host) or host in self.hosts):
            raise ApiError(
                403,
                f"{receiver} does not accept the Host {host or '(none)'!r}: use localhost or 127.0.0.1, "
                "or start the fake with --control-host",
            )
        if "Origin" in request.headers:
            raise ApiError(403, f"{receiver} does not accept requests of web pages (they have an Origin header)")


def _host_name(host: str) -> str:
    """Return a Host header's name in lower case, without port and brackets; "" if it is not valid."""
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
