"""Certificates that are made while the tests run."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

import trustme

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Certificates:
    """A certificate authority and what it issues.

    Args:
        folder: Where `ca_file` is written.

    Attributes:
        ca_file: The certificate of the authority, in PEM.
    """

    def __init__(self, folder: Path) -> None:
        self._authority = trustme.CA()
        self._stranger = trustme.CA()
        self.ca_file = folder / "ca.pem"
        self._authority.cert_pem.write_to_path(self.ca_file)
        self.server_context: Callable[..., ssl.SSLContext] = cache(self._server_context)

    def unknown_context(self, *hosts: str) -> ssl.SSLContext:
        """Make the TLS settings of a server whose certificate is of an authority that nobody trusts."""
        return _context(self._stranger, *hosts)

    def expired_context(self, *hosts: str) -> ssl.SSLContext:
        """Make the TLS settings of a server whose certificate has expired."""
        certificate = self._authority.issue_cert(*hosts, not_after=datetime(2020, 1, 1, tzinfo=UTC))
        return _with_certificate(certificate)

    def configure(self, context: ssl.SSLContext, *hosts: str) -> None:
        """Give TLS settings a certificate for some hosts."""
        self._authority.issue_cert(*hosts).configure_cert(context)  # pyright: ignore[reportUnknownMemberType]

    def _server_context(self, *hosts: str) -> ssl.SSLContext:
        """Make the TLS settings of a server for some hosts."""
        return _context(self._authority, *hosts)


def _context(authority: trustme.CA, *hosts: str) -> ssl.SSLContext:
    return _with_certificate(authority.issue_cert(*(hosts or ("127.0.0.1", "localhost"))))


def _with_certificate(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)  # pyright: ignore[reportUnknownMemberType]
    return context
