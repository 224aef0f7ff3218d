"""Verify that a request comes from Buildkite: by the token in its headers, or by a signature that the token makes."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NoReturn, Protocol, cast

from buildkite_orm.errors import ConfigurationError, UnsignedWebhookError, WebhookSignatureError
from buildkite_orm.utils.environment import stripped
from buildkite_orm.utils.json_types import as_several
from buildkite_orm.utils.numbers import parse_decimal
from buildkite_orm.utils.plain_values import kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

TOKEN_HEADER: Final = "x-buildkite-token"  # noqa: S105 - a name
SIGNATURE_HEADER: Final = "x-buildkite-signature"
_CONTENT_TYPE: Final = "content-type"
_HEX: Final = re.compile(r"[0-9a-f]{64}", re.IGNORECASE | re.ASCII)
_MAKE_ONE: Final = "copy it from the webhook's settings, where it is the Token"


class HasItems(Protocol):
    """A mapping, or what frameworks have in its place."""

    def items(self) -> Iterable[tuple[Any, Any]]:
        """Return pairs of names and values."""
        ...


class Keys:
    """The secrets of a webhook, as bytes. Their repr does not show them, nor do tracebacks and debuggers.

    Args:
        secret: One, or several of which any may be used.

    Raises:
        ConfigurationError: There is none, or one of them is empty: anybody could sign with that.
    """

    __slots__ = ("reveal",)

    reveal: Callable[[], tuple[bytes, ...]]

    def __init__(self, secret: object) -> None:
        try:
            several = as_several(secret)
            keys = [_key(each) for each in ([secret] if several is None else several)]
            problem = next((key for key in keys if isinstance(key, str)), None if keys else "there is none")
            known = tuple(key for key in keys if isinstance(key, bytes))
        finally:
            secret = several = keys = None  # type: ignore[assignment] # a traceback with locals would show them
        if problem is not None:
            known = ()
            raise ConfigurationError(f"secret=: {problem}; {_MAKE_ONE}")
        self.reveal = lambda: known  # a closure, since debuggers show what attributes hold

    def __repr__(self) -> str:
        return "<Keys>"

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled: secrets stay in this process."""
        raise TypeError("secrets are not copied or pickled")

    def include(self, token: str) -> bool:
        """Whether a token is one of the secrets; the time does not depend on how much of it is right."""
        found = False
        for key in self.reveal():
            for sent in _encodings(token):
                found |= hmac.compare_digest(key, sent)
        return found

    def signed(self, timestamp: str, body: bytes, signature: str) -> bool:
        """Whether a signature is that of a timestamp and a body, by one of the secrets."""
        message, sent, found = timestamp.encode() + b"." + body, signature.lower().encode(), False
        for key in self.reveal():
            found |= hmac.compare_digest(hmac.new(key, message, hashlib.sha256).hexdigest().encode(), sent)
        return found


def _key(secret: object) -> bytes | str:
    """Return a secret as bytes, or the problem with it."""
    if isinstance(secret, bytes):
        key = secret.strip()
    elif isinstance(secret, str):
        key = stripped(secret).encode(errors="surrogatepass")
    elif secret is None:
        return "there is none"
    else:
        return f"a secret is a string, not {kind_of(secret)}"
    return key or "a secret is empty"


def _encodings(text: str) -> set[bytes]:
    """Return the bytes that a header may have been decoded from: most servers read them as Latin-1."""
    utf8 = text.encode(errors="surrogatepass")
    try:
        return {utf8, text.encode("latin-1")}
    except UnicodeEncodeError:
        return {utf8}


@dataclass(frozen=True, slots=True)
class SentHeaders:
    """The headers of a request that matter; those that prove its origin are in no repr.

    Attributes:
        tokens: The values of `X-Buildkite-Token`.
        signatures: The values of `X-Buildkite-Signature`.
        content_types: The values of `Content-Type`.
    """

    tokens: tuple[str, ...] = field(repr=False)
    signatures: tuple[str, ...] = field(repr=False)
    content_types: tuple[str, ...]

    @classmethod
    def of(cls, headers: HasItems | Iterable[tuple[Any, Any]]) -> SentHeaders:
        """Read the headers of any framework, also those of a WSGI environment (`HTTP_X_BUILDKITE_TOKEN`).

        Args:
            headers: A mapping or pairs; names in any case, values as text, bytes, or lists of these.
        """
        found: dict[str, list[str]] = {TOKEN_HEADER: [], SIGNATURE_HEADER: [], _CONTENT_TYPE: []}
        for name, value in _pairs(headers):
            known = found.get(_text(name).lower().replace("_", "-").removeprefix("http-"))
            if known is not None:
                known += [text.strip() for text in _texts(value) if text.strip() not in known]
        return cls(*(tuple(found[name]) for name in (TOKEN_HEADER, SIGNATURE_HEADER, _CONTENT_TYPE)))


def _pairs(headers: HasItems | Iterable[tuple[Any, Any]]) -> Iterable[tuple[object, object]]:
    items = getattr(headers, "items", None)
    return cast("Iterable[tuple[object, object]]", items() if callable(items) else headers)


def _texts(value: object) -> Iterator[str]:
    several = as_several(value)
    for each in [value] if several is None else several:
        if isinstance(each, str | bytes):
            yield _text(each)


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value if isinstance(value, str) else ""


def verify(body: bytes, headers: SentHeaders, keys: Keys) -> str:
    """Return the signed timestamp; "" if the request has a token instead of a signature.

    A request that has both, or several of one kind, needs all of them to be right.

    Args:
        body: The raw body.
        headers: Its headers.
        keys: The secrets.

    Raises:
        UnsignedWebhookError: It has neither.
        WebhookSignatureError: One is not right.
    """
    if not headers.tokens and not headers.signatures:
        raise UnsignedWebhookError("the request has neither X-Buildkite-Signature nor X-Buildkite-Token")
    if not all(keys.include(token) for token in headers.tokens):
        raise WebhookSignatureError("X-Buildkite-Token is not one of the secrets")
    if not headers.signatures:
        return ""
    first, *others = headers.signatures
    if others:
        raise WebhookSignatureError("the request has several X-Buildkite-Signature headers")
    timestamp, signature = _parts(first)
    if not keys.signed(timestamp, body, signature):
        raise WebhookSignatureError("X-Buildkite-Signature is not the signature of this body by one of the secrets")
    return timestamp


def _parts(header: str) -> tuple[str, str]:
    """Return the timestamp and the signature in a header.

    Raises:
        WebhookSignatureError: It does not have one of each.
    """
    pairs = [(name.strip(), value.strip()) for name, _, value in (part.partition("=") for part in header.split(","))]
    parts = dict(pairs)
    timestamp, signature = parts.get("timestamp", ""), parts.get("signature", "")
    if len(pairs) != len(parts) or parse_decimal(timestamp) is None or not _HEX.fullmatch(signature):
        raise WebhookSignatureError("X-Buildkite-Signature is not `timestamp=<seconds>,signature=<64 hex digits>`")
    return timestamp, signature
