"""Access by public key: JWTs that are signed with the key of a token, as Buildkite checks them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from buildkite_orm.fake.records import TokenRecord

_NEAR_ENOUGH = 10.0
_LONGEST = 300.0


def holder_of(secret: str, keys: Mapping[str, tuple[TokenRecord, str]], now: float) -> TokenRecord | None:
    """Give the token that a JWT speaks for; None where it is none, or its signature or times are not good.

    Args:
        secret: What stands in the header behind `Bearer`.
        keys: Tokens and their public keys (PEM), by the tokens' UUIDs.
        now: The time.
    """
    if secret.count(".") != 2:  # noqa: PLR2004 - a JWT has three parts
        return None
    import jwt  # noqa: PLC0415 - an extra

    try:
        token, public_key = keys[str(jwt.decode(secret, options={"verify_signature": False}).get("iss"))]
        claims: dict[str, Any] = jwt.decode(
            secret, public_key, algorithms=["RS256"], options={"verify_exp": False, "verify_iat": False}
        )
        issued, expires = float(claims["iat"]), float(claims["exp"])
    except (jwt.PyJWTError, KeyError, TypeError, ValueError):
        return None
    good = abs(now - issued) <= _NEAR_ENOUGH and now < expires <= issued + _LONGEST
    return token if good else None
