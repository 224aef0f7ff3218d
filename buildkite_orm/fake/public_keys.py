"""Authentication by public key: JWTs that are signed with a token's key, verified as Buildkite does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from buildkite_orm.fake.records import TokenRecord

_CLOCK_SKEW = 10.0
_MAX_LIFETIME = 300.0


def token_of_jwt(secret: str, keys: Mapping[str, tuple[TokenRecord, str]], now: float) -> TokenRecord | None:
    """Return the token that a JWT authenticates; None if it is not a JWT, or its signature or times are invalid.

    Args:
        secret: The text after `Bearer` in the header.
        keys: Tokens and their public keys (PEM), by the tokens' UUIDs.
        now: The current time.
    """
    if secret.count(".") != 2:  # noqa: PLR2004 - a JWT has three parts
        return None
    import jwt  # noqa: PLC0415 - optional dependency

    try:
        token, public_key = keys[str(jwt.decode(secret, options={"verify_signature": False}).get("iss"))]
        claims: dict[str, Any] = jwt.decode(
            secret, public_key, algorithms=["RS256"], options={"verify_exp": False, "verify_iat": False}
        )
        issued, expires = float(claims["iat"]), float(claims["exp"])
    except (jwt.PyJWTError, KeyError, TypeError, ValueError):
        return None
    is_valid = abs(now - issued) <= _CLOCK_SKEW and now < expires <= issued + _MAX_LIFETIME
    return token if is_valid else None
