"""Certificates that are made while the tests run."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

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
        """Make the TLS settings of a server whose certificate is signed by an untrusted authority."""
        return _context(self._stranger, *hosts)

    def expired_context(self, *hosts: str) -> ssl.SSLContext:
        """Make the TLS settings of a server whose certificate has expired."""
        certificate = self._authority.issue_cert(*hosts, not_after=datetime(2020, 1, 1, tzinfo=UTC))
        return _with_certificate(certificate)

    def demanding_context(self, *hosts: str) -> ssl.SSLContext:
        """Make the TLS settings of a server that demands a certificate of its clients."""
        context = self._server_context(*hosts)
        context.verify_mode = ssl.CERT_REQUIRED
        self._authority.configure_trust(context)  # pyright: ignore[reportUnknownMemberType]
        return context

    def write_client_certificate(self, folder: Path, password: bytes | None = None) -> tuple[Path, Path, Path]:
        """Write a certificate for a client: certificate and key in one file, the certificate, and the key.

        Args:
            folder: Where.
            password: Encrypts the key in all of them.
        """
        issued = self._authority.issue_cert("client@example.com")
        key, certificate = issued.private_key_pem.bytes(), issued.cert_chain_pems[0].bytes()
        if password is not None:
            encryption = serialization.BestAvailableEncryption(password)
            loaded = serialization.load_pem_private_key(key, None)
            key = loaded.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
        both, alone, key_file = folder / "both.pem", folder / "client.pem", folder / "client.key"
        both.write_bytes(key + certificate)
        alone.write_bytes(certificate)
        key_file.write_bytes(key)
        return both, alone, key_file

    def write_stranger(self, path: Path) -> None:
        """Write the certificate of another authority."""
        self._stranger.cert_pem.write_to_path(path)

    def write_folder(self, folder: Path) -> Path:
        """Write a folder of certificates to trust, as `openssl rehash` makes them, and return it."""
        openssl = shutil.which("openssl")
        if openssl is None:
            pytest.skip("openssl is not here")
        folder.mkdir()
        (folder / "ca.pem").write_bytes(self.ca_file.read_bytes())
        subprocess.run([openssl, "rehash", str(folder)], check=True)
        return folder

    def configure(self, context: ssl.SSLContext, *hosts: str) -> None:
        """Load a certificate for some hosts into TLS settings."""
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
