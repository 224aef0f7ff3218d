"""The token, and the header that carries it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NoReturn

from buildkite_orm.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests

_NOT_A_HEADER: Final = "the token has characters that no token has; check how it was copied"


class StaticToken:
    """A token that shows itself to nobody but the API."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value
        del value  # a traceback may show what is in this frame
        if _bearer(self._value) is None:
            raise ConfigurationError(_NOT_A_HEADER)

    def __call__(self) -> str:
        """Return the token."""
        return self._value

    def __repr__(self) -> str:
        return "<token>"

    def __reduce__(self) -> NoReturn:
        """Stay in this process."""
        msg = "a token is not copied or pickled"
        raise TypeError(msg)


def authorize(request: requests.PreparedRequest, auth: Callable[[], str]) -> None:
    """Add the token to a request.

    Raises:
        ConfigurationError: It is none that a header can carry.
    """
    request.headers["Authorization"] = _bearer(auth()) or ""
    if not request.headers["Authorization"]:
        raise ConfigurationError(_NOT_A_HEADER)


def _bearer(token: object) -> str | None:
    """Return the header for a token; None if it is none that a header can carry."""
    if not isinstance(token, str) or not token or " " in token or not (token.isascii() and token.isprintable()):
        return None
    return f"Bearer {token}"
