"""Access by public key: a JWT for each request, checked by the fake."""

from __future__ import annotations

import pickle
import time
from typing import TYPE_CHECKING

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from buildkite_orm import AuthenticationError, Buildkite, ConfigurationError, PermissionDeniedError
from buildkite_orm.http.public_key import PublicKeyAuth

if TYPE_CHECKING:
    from pathlib import Path

    from buildkite_orm.fake import FakeBuildkite

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PUBLIC = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def pem(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey = KEY, encryption: KeySerializationEncryption | None = None
) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())


def client(server: FakeBuildkite, auth: PublicKeyAuth) -> Buildkite:
    return server.client(token=None, auth=auth)


def test_requests_bear_a_jwt_of_their_own(server: FakeBuildkite) -> None:
    auth = PublicKeyAuth(server.add_public_key(PUBLIC), pem(), clock=server.clock)
    bk = client(server, auth)
    assert bk.user().name == "Ada Lovelace"
    server.clock.advance(3600)
    assert bk.access_token().description == "Public key"
    first, second = (request.headers["Authorization"].removeprefix("Bearer ") for request in server.requests)
    assert first != second
    claims = jwt.decode(second, PUBLIC, algorithms=["RS256"], options={"verify_exp": False, "verify_iat": False})
    assert claims["iss"] == auth.__dict__["_token_uuid"]
    assert 0 < claims["exp"] - claims["iat"] <= 300


def test_a_clock_that_is_wrong_is_refused(server: FakeBuildkite) -> None:
    uuid = server.add_public_key(PUBLIC)
    wrong = type(server.clock)(server.clock.now() - 60)
    with pytest.raises(AuthenticationError):
        client(server, PublicKeyAuth(uuid, pem(), clock=wrong)).user()


@pytest.mark.parametrize("jump", [-86_400, -1, 1, 86_400])
def test_a_jwt_is_signed_with_the_wall_time_however_it_jumps(monkeypatch: pytest.MonkeyPatch, jump: int) -> None:
    auth = PublicKeyAuth("0191", pem())
    for wall in (1_785_585_600, 1_785_585_600 + jump):
        monkeypatch.setattr(time, "time", lambda wall=wall: wall + 0.9)
        claims = jwt.decode(auth(), PUBLIC, algorithms=["RS256"], options={"verify_exp": False, "verify_iat": False})
        assert (claims["iat"], claims["exp"]) == (wall, wall + 60)


def test_a_clock_that_jumps_is_followed_by_the_requests_of_a_client(server: FakeBuildkite) -> None:
    bk = client(server, PublicKeyAuth(server.add_public_key(PUBLIC), pem(), clock=server.clock))
    for hours in (1, 24, 1000):
        server.clock.advance(3600 * hours)  # while the machine slept, say
        assert bk.user().name


def test_a_key_of_another_server_is_refused(server: FakeBuildkite) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    with pytest.raises(AuthenticationError):
        client(server, PublicKeyAuth(server.add_public_key(PUBLIC), pem(other), clock=server.clock)).user()


def test_an_unknown_uuid_is_refused(server: FakeBuildkite) -> None:
    with pytest.raises(AuthenticationError):
        client(server, PublicKeyAuth("0191", pem(), clock=server.clock)).user()


def test_a_client_may_do_what_the_scopes_of_its_token_allow(server: FakeBuildkite) -> None:
    bk = client(server, PublicKeyAuth(server.add_public_key(PUBLIC, "read_user"), pem(), clock=server.clock))
    assert bk.user().name
    with pytest.raises(PermissionDeniedError, match="read_pipelines"):
        bk.organization("acme").pipelines().first()


def test_a_key_is_read_from_a_file_with_a_password(server: FakeBuildkite, tmp_path: Path) -> None:
    path = tmp_path / "private_key.pem"
    path.write_bytes(pem(encryption=BestAvailableEncryption(b"sesame")))
    auth = PublicKeyAuth.from_file(server.add_public_key(PUBLIC), path, password=b"sesame", clock=server.clock)
    assert client(server, auth).user().name


@pytest.mark.parametrize(
    "key",
    [
        b"",
        b"-----BEGIN PRIVATE KEY-----\nnonsense\n-----END PRIVATE KEY-----\n",
        pem(ec.generate_private_key(ec.SECP256R1())),
        pem(rsa.generate_private_key(public_exponent=65537, key_size=1024)),  # noqa: S505 - that is the point
        pem(encryption=BestAvailableEncryption(b"sesame")),
    ],
    ids=["nothing", "nonsense", "not RSA", "too short", "encrypted"],
)
def test_a_key_that_buildkite_does_not_accept_is_refused_at_once(key: bytes) -> None:
    with pytest.raises(ConfigurationError, match="private_key"):
        PublicKeyAuth("0191", key)


def test_the_private_key_shows_nowhere() -> None:
    auth = PublicKeyAuth("0191", pem())
    assert repr(auth) == "PublicKeyAuth('0191', <private key>)"
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(auth)


def test_a_token_and_a_key_exclude_each_other() -> None:
    with pytest.raises(ConfigurationError, match="cannot be combined"):
        Buildkite("bkua_x", auth=PublicKeyAuth("0191", pem()))


def test_without_pyjwt_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "jwt", None)
    with pytest.raises(ConfigurationError, match=r"buildkite_orm\[public-key\]"):
        PublicKeyAuth("0191", pem())
