"""The token, and the header that carries it: the only code that touches either."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NoReturn

from buildkite_orm.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests

    from buildkite_orm.utils.redaction import Secrets

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

    def remove_token(self, request: requests.PreparedRequest) -> None:
        """Remove the header: the response keeps a reference to its request."""
        request.headers.pop("Authorization", None)


def _bearer(token: object) -> str | None:
    """Return the value of the header for a token; None if a header cannot carry it."""
    if not isinstance(token, str) or not token or " " in token or not (token.isascii() and token.isprintable()):
        return None
    return f"Bearer {token}"
