"""The addresses that the HTTP servers listen on, and the host name of artifacts."""

from __future__ import annotations

from typing import Final

_LOOPBACK: Final = ("127.0.0.1", "::1")
_ALL_INTERFACES: Final = ("0.0.0.0", "::")  # noqa: S104
_LOOPBACK_OF: Final = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104


def bind_addresses(host: str) -> tuple[str, ...]:
    """Return the addresses to bind for a host: that of the host itself, then the one of the other IP version.

    `localhost` resolves to IPv6 first on many machines, and not all clients try the second address.
    """
    for pair in (_LOOPBACK, _ALL_INTERFACES):
        if host in pair:
            return pair if host == pair[0] else pair[::-1]
    return _LOOPBACK if host == "localhost" else (host,)


def is_unspecified(host: str) -> bool:
    """Return whether a host names all interfaces, which is not an address to connect to."""
    return host in _LOOPBACK_OF


def loopback_of(host: str) -> str:
    """Return the address by which a server on this interface is reached: loopback, if it listens on all of them."""
    return _LOOPBACK_OF.get(host, host)


def artifact_host_for(requested_host: str) -> str:
    """Return the host name for artifacts, given that of the API: another one, as at Buildkite.

    Go's net/http and others keep `Authorization` on a redirect unless the host name changes; another port is not
    enough. Loopback has two names. Another machine's name is returned as it is, since no second name is known.
    """
    if requested_host == "localhost":
        return "127.0.0.1"
    is_local = requested_host.startswith("127.") or requested_host in {*_LOOPBACK, *_ALL_INTERFACES}
    return "localhost" if is_local else requested_host


def base_url(host: str, port: int) -> str:
    """Return the URL of a host and a port."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
