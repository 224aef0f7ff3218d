"""The token, and the header that carries it: the only code that touches either."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Final, NoReturn

from buildkite_orm.errors import ConfigurationError
from buildkite_orm.utils.environment import setting, stripped
from buildkite_orm.utils.plain_values import as_plain, kind_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests

    from buildkite_orm.utils.redaction import Secrets

TOKEN_VARIABLE: Final = "BUILDKITE_API_TOKEN"  # noqa: S105 - a name
_INVALID: Final = "the token has characters that no token has; check how it was copied"


class StaticToken:
    """A token that never changes. Its repr does not show it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value
        del value  # tracebacks may show the locals of this frame
        if _bearer(self._value) is None:
            raise ConfigurationError(_INVALID)

    def __call__(self) -> str:
        """Return the token."""
        return self._value

    def __repr__(self) -> str:
        return "<token>"

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled: the token stays in this process."""
        msg = "a token is not copied or pickled"
        raise TypeError(msg)


def authentication(
    token: str | None, auth: Callable[[], str] | None, *, default: str | None = None
) -> Callable[[], str]:
    """Return the function that returns the token of a client.

    Args:
        token: The token; default: `BUILDKITE_API_TOKEN`.
        auth: The function that replaces it.
        default: The token to use in place of that of the environment.

    Raises:
        ConfigurationError: There is no token, it is not valid, or both are given.
    """
    if auth is not None:
        if token is not None:
            raise ConfigurationError("token= and auth= cannot be combined; pass one of them")
        if not callable(auth):
            raise ConfigurationError("auth= is a function that returns the token, as PublicKeyAuth(…) is; see token=")
        return auth
    source = TOKEN_VARIABLE if token is None else "token="
    if token is not None and not isinstance(as_plain(token), str):
        raise ConfigurationError(f"token= is a string, not {kind_of(token)}")
    value = default or setting(TOKEN_VARIABLE) if token is None else stripped(str(as_plain(token)))
    given, token = token is not None, None
    if not value:
        reason = "no token: token= is empty" if given else f"no token: pass Buildkite(token=…) or set {TOKEN_VARIABLE}"
        raise ConfigurationError(f"{reason}; make one at https://buildkite.com/user/api-access-tokens")
    try:
        return StaticToken(value)
    except ConfigurationError as error:
        value, problem = None, error.message
    raise ConfigurationError(f"{source}: {problem}")


class Authorizer:
    """Adds the token to requests, and removes it when they were sent.

    Args:
        auth: Called for each request; returns the token.
        secrets: Each token is added to these before it is sent, so that it is masked wherever it is repeated.
    """

    def __init__(self, auth: Callable[[], str], secrets: Secrets) -> None:
        self._token: Callable[[], str] = lambda: secrets.remember(auth())  # debuggers show what attributes hold

    def add_token(self, request: requests.PreparedRequest) -> None:
        """Add the header with the token.

        Raises:
            ConfigurationError: A header cannot carry the token.
        """
        request.headers["Authorization"] = _bearer(self._token()) or ""
        if not request.headers["Authorization"]:
            raise ConfigurationError(_INVALID)

    def fingerprint(self, key: bytes, context: str) -> str:
        """Return a hash of the token that only the holder of a key can make, and that does not lead back to it.

        Args:
            key: The key.
            context: What the hash is for, as the URL of the API.
        """
        return hmac.new(key, f"{context}\n{self._token()}".encode(), "sha256").hexdigest()

    def remove_token(self, request: requests.PreparedRequest) -> None:
        """Remove the header: the response keeps a reference to its request."""
        request.headers.pop("Authorization", None)


def _bearer(token: object) -> str | None:
    """Return the value of the header for a token; None if a header cannot carry it."""
    if not isinstance(token, str) or not token or " " in token or not (token.isascii() and token.isprintable()):
        return None
    return f"Bearer {token}"
