"""Access by public key: each request has a JWT of its own, signed with a private key that stays in this process.

Documentation: https://buildkite.com/docs/apis/rest-api#authentication-public-key
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from buildkite_orm.errors import ConfigurationError
from buildkite_orm.utils.clock import SystemClock
from buildkite_orm.utils.plain_values import as_path

if TYPE_CHECKING:
    import os

    from buildkite_orm.utils.clock import Clock

_LIFETIME: Final = 60
_FEWEST_BITS: Final = 2048
_MOST_BITS: Final = 4096


class PublicKeyAuth:
    """Signs a short-lived RS256 JWT for each request: `Buildkite(auth=PublicKeyAuth(…))`.

    Buildkite accepts a JWT that was issued within ten seconds of its own time, so the machine's clock must be right.

    Args:
        token_uuid: The UUID of the API access token that the public key belongs to.
        private_key: The RSA private key, as PEM, of 2048 to 4096 bits.
        password: The password of the key, if it is encrypted.
        clock: Returns the time; for tests.

    Raises:
        ConfigurationError: PyJWT is not installed, or Buildkite does not accept such a key.
    """

    def __init__(
        self,
        token_uuid: str,
        private_key: str | bytes,
        *,
        password: bytes | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._token_uuid = token_uuid
        self._key = _rsa_key(private_key, password)
        self._clock = clock or SystemClock()

    @classmethod
    def from_file(
        cls, token_uuid: str, path: str | os.PathLike[str], *, password: bytes | None = None, clock: Clock | None = None
    ) -> Self:
        """Read the private key from a PEM file; arguments and errors as for the class, and OSError."""
        return cls(token_uuid, Path(as_path("path", path)).read_bytes(), password=password, clock=clock)

    def __call__(self) -> str:
        """Return a signed JWT that is valid for a minute."""
        import jwt  # noqa: PLC0415 - an extra

        now = int(self._clock.now())
        return jwt.encode({"iss": self._token_uuid, "iat": now, "exp": now + _LIFETIME}, self._key, algorithm="RS256")

    def __repr__(self) -> str:
        return f"PublicKeyAuth({self._token_uuid!r}, <private key>)"

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("a PublicKeyAuth is not pickled: its private key stays in this process")


def _rsa_key(pem: str | bytes, password: bytes | None) -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415
        from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415
        from jwt import algorithms as _needed  # noqa: PLC0415
    except ImportError:
        raise ConfigurationError("access by public key needs PyJWT: pip install 'buildkite_orm[public-key]'") from None
    del _needed
    try:
        key = load_pem_private_key(pem.encode() if isinstance(pem, str) else pem, password)
    except (ValueError, TypeError):
        raise ConfigurationError("private_key cannot be read as PEM; check the file, and its password") from None
    if not isinstance(key, RSAPrivateKey) or not _FEWEST_BITS <= key.key_size <= _MOST_BITS:
        raise ConfigurationError(f"private_key must be an RSA key of {_FEWEST_BITS} to {_MOST_BITS} bits")
    return key
