"""Certificates that cannot be used are named, and tried once."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Final

import pytest
import trustme

from buildkite_orm import ConfigurationError, ConnectionFailedError
from tests.network import payloads
from tests.network.calls import build
from tests.network.servers import always, json_response

if TYPE_CHECKING:
    from pathlib import Path

    from tests.network.certificates import Certificates
    from tests.network.conftest import Connect, Serve

BUILD: Final = json_response(payloads.build(1))


@pytest.fixture
def own() -> trustme.CA:
    """The authority of client certificates."""
    return trustme.CA()


def _files(own: trustme.CA, folder: Path, *, key_of_another: bool = False) -> tuple[str, str]:
    issued, another = own.issue_cert("me"), own.issue_cert("another")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    issued.cert_chain_pems[0].write_to_path(certificate)
    (another if key_of_another else issued).private_key_pem.write_to_path(key)
    return str(certificate), str(key)


def _context(own: trustme.CA, certificates: Certificates) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificates.configure(context, "localhost")
    own.configure_trust(context)  # pyright: ignore[reportUnknownMemberType]
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def test_a_server_that_requires_a_client_certificate_gets_it(
    serve: Serve, connect: Connect, trusted: Certificates, own: trustme.CA, tmp_path: Path
) -> None:
    server = serve(always(BUILD), tls=_context(own, trusted), host="localhost")
    bk = connect(server, cert=_files(own, tmp_path))
    assert build(bk).fetch().number == 1
    bk.close()


def test_a_server_that_requires_a_client_certificate_is_tried_once_without(
    serve: Serve, connect: Connect, trusted: Certificates, own: trustme.CA
) -> None:
    """With TLS 1.3, it says so after the request was sent."""
    server = serve(always(BUILD), tls=_context(own, trusted), host="localhost")
    with pytest.raises(ConnectionFailedError, match="client certificate") as caught:
        build(connect(server)).fetch()
    assert "cert=" in str(caught.value)
    assert server.connections == 1


@pytest.mark.parametrize("kind", ["no certificate", "the key of another certificate"])
def test_a_client_certificate_that_cannot_be_read_is_refused_when_the_client_is_made(  # noqa: PLR0917
    serve: Serve, connect: Connect, trusted: Certificates, own: trustme.CA, tmp_path: Path, kind: str
) -> None:
    certificate, key = _files(own, tmp_path, key_of_another=kind != "no certificate")
    if kind == "no certificate":
        (tmp_path / "certificate.pem").write_text("this is none")
    server = serve(always(BUILD), tls=trusted.server_context("localhost"), host="localhost")
    with pytest.raises(ConfigurationError, match="cert="):
        connect(server, cert=(certificate, key))
    assert server.connections == 0


@pytest.mark.parametrize("text", ["", "this is none"])
def test_certificates_to_trust_that_cannot_be_read_are_refused_by_their_name(  # noqa: PLR0917
    serve: Serve,
    connect: Connect,
    certificates: Certificates,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    text: str,
) -> None:
    path = tmp_path / "ca.pem"
    path.write_text(text)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    server = serve(always(BUILD), tls=certificates.server_context("localhost"), host="localhost")
    with pytest.raises(ConfigurationError, match="SSL_CERT_FILE"):
        build(connect(server)).fetch()
    assert server.connections == 0
