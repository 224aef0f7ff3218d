"""What is secret, and how it is masked: the tokens that were used, texts like Buildkite's tokens, and fields by name.

A field is secret by its name, so that a new one is masked before it is known here.
"""

from __future__ import annotations

import re
from base64 import b64encode
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar, cast
from urllib.parse import parse_qsl, urlsplit

from buildkite_orm.utils.forking import ForkSafeLock
from buildkite_orm.utils.json_types import as_array, as_object

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

T = TypeVar("T")

MASK: Final = "[hidden]"

# 40 hexadecimal digits may be a token of old, and also a commit: by its looks alone neither is masked.
_LOOKS_LIKE_A_TOKEN: Final = re.compile(r"\bbk[a-z]{1,4}(?:_|%5f|\\u005f|&#x5f;|&#95;)\w{8,}", re.IGNORECASE)
_ESCAPE: Final = re.compile(
    r"(?:%(?:25)*+|(?<!\\)\\++(?:u00|x))(?P<hex>[2-7][0-9a-f])|(?<!\\)\\++(?P<char>[!-~])"
    r"|&#x0*+(?P<html>[2-7][0-9a-f]);|&#0*+(?P<decimal>1[01]\d|12[0-6]|[3-9]\d);"
)
_SHORTEST: Final = 6  # a shorter one, in a test say, would be found in many words
_SHORTEST_VALUE: Final = 16  # of a signed query; a shorter one is a number, a date or a region
_MOST: Final = 32


_NOT_A_LETTER: Final = re.compile(r"[^a-z]")
_SECRET_NAMES: Final = (
    "token",
    "secret",
    "secretkey",
    "secretaccesskey",
    "password",
    "passphrase",
    "privatekey",
    "apikey",
    "accesskey",
    "signingkey",
    "integrationkey",
    "routingkey",
    "credential",
    "credentials",
    "authorization",
    "webhookurl",
)


class Secrets:
    """The secrets that were used last, to be masked in what is shown; safe for threads.

    A session has one, and adds each token before it sends it. A token is found as it is, in any case, with its
    characters escaped (as in JSON, URLs and HTML), and in Base64.

    Args:
        most: How many are kept: a signed token is a new one for each request.
    """

    __slots__ = ("_finders", "_known", "_lock", "_most")

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._lock = ForkSafeLock()
        self._finders: dict[str, _Finder] = {}
        self._known: tuple[_Finder, ...] = ()

    def __repr__(self) -> str:
        return f"<Secrets: {len(self._finders)}>"

    def __reduce__(self) -> NoReturn:
        """Stay in this process."""
        msg = "secrets are not copied or pickled"
        raise TypeError(msg)

    def remember(self, secret: T) -> T:
        """Add a secret, and return it; what is no text is left alone."""
        if isinstance(secret, str) and len(secret) >= _SHORTEST:
            if self._known and self._known[-1].finds(secret):  # the same as for the request before
                return secret
            with self._lock:
                known = self._finders.pop(secret, None)
                self._finders[secret] = known if known is not None else _Finder(secret)
                while len(self._finders) > self._most:
                    del self._finders[next(iter(self._finders))]
                self._known = tuple(self._finders.values())
        return secret

    def mask(self, text: str) -> str:
        """Return a text with the secrets masked, and with what looks like a token of Buildkite's."""
        lower = text.lower()
        folded = lower if (plain := _unescaped(lower)) == lower else f"{lower}\n{plain}"
        masked = _LOOKS_LIKE_A_TOKEN.sub(MASK, text) if "bk" in folded else text
        for finder in self._known:
            masked = finder.mask(masked, folded)
        return masked

    def mask_bytes(self, body: bytes) -> bytes:
        """Return a body of any encoding that extends ASCII with the secrets masked."""
        return self.mask(body.decode("latin-1")).encode("latin-1")

    def mask_json(self, value: Any) -> Any:
        """Return a JSON value with the secrets masked in all of its texts, keys too."""
        if isinstance(value, str):
            return self.mask(value)
        if isinstance(value, list):
            return [self.mask_json(item) for item in cast("list[object]", value)]
        if isinstance(value, dict):
            return {self.mask(key): self.mask_json(item) for key, item in cast("dict[str, object]", value).items()}
        return value

    def mask_headers(self, headers: MutableMapping[str, str]) -> None:
        """Mask the secrets in the values of headers, in place."""
        values = "\n".join(headers.values())
        if self.mask(values) == values:  # as nearly always, and for each value it takes longer
            return
        for name, value in list(headers.items()):
            headers[name] = self.mask(value)


class _Finder:
    """Finds one secret in texts."""

    __slots__ = ("_encoded", "_escaped", "_folded", "_secret")

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._folded = secret.lower()
        self._encoded = _in_base64(secret)
        self._escaped: re.Pattern[str] | None = None  # made when first needed, which is seldom

    def finds(self, secret: str) -> bool:
        """Whether this is the finder of a secret."""
        return self._secret == secret

    def mask(self, text: str, folded: str) -> str:
        """Return a text with the secret masked.

        Args:
            text: The text.
            folded: It in small letters, and that without escapes; made once for all secrets.
        """
        if self._folded in folded:
            self._escaped = self._escaped or re.compile("".join(map(_escapes_of, self._secret)), re.IGNORECASE)
            text = self._escaped.sub(MASK, text.replace(self._secret, MASK))
        for encoded in self._encoded:
            text = text.replace(encoded, MASK)
        return text


def _unescaped(text: str) -> str:
    """Replace what JSON, URLs and HTML write for a character of ASCII by the character; `text` is in small letters."""
    return _ESCAPE.sub(_character, text) if "\\" in text or "%" in text or "&#" in text else text


def _character(escape: re.Match[str]) -> str:
    kind = escape.lastgroup or ""
    return escape[kind] if kind == "char" else chr(int(escape[kind], 10 if kind == "decimal" else 16)).lower()


def _escapes_of(char: str) -> str:
    """Return a pattern for a character as it is, or as JSON, a URL or HTML may write it; it takes linear time."""
    number = f"{ord(char):02x}"
    ways = (
        re.escape(char),
        rf"(?<!\\)\\++(?:u00{number}|x{number}|{re.escape(char)})",
        rf"%(?:25)*+{number}",
        rf"&#(?:x0*+{number}|0*+{ord(char)});",
    )
    return f"(?:{'|'.join(ways)})"


def _in_base64(secret: str) -> tuple[str, ...]:
    """Return what Base64 makes of a secret wherever it stands in a longer text, but for the characters at its ends."""
    found: list[str] = []
    for before in range(3):
        whole = b64encode(b"\0" * before + secret.encode())
        core = whole[(8 * before + 5) // 6 : 8 * (before + len(secret.encode())) // 6].decode()
        found += [core, core.replace("+", "-").replace("/", "_")]
    return tuple(dict.fromkeys(found))


class SignedUrl:
    """A URL whose query is a key to a file: it shows itself without that, also in a traceback or a debugger.

    Args:
        url: The URL.
    """

    __slots__ = ("reveal",)

    reveal: Callable[[], str]
    """Return the URL, to send a request to it."""

    def __init__(self, url: str) -> None:
        self.reveal = lambda: url  # in a closure: whoever walks through attributes finds no text

    def __repr__(self) -> str:
        return f"<SignedUrl {self}>"

    def __str__(self) -> str:
        """Return it without user, password, query and fragment."""
        try:
            parts = urlsplit(self.reveal())
        except ValueError:
            return "(no URL)"
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}" if parts.netloc else parts.path

    def __reduce__(self) -> NoReturn:
        """Stay in this process."""
        msg = "a signed URL is not copied or pickled"
        raise TypeError(msg)

    def secrets(self) -> Secrets:
        """Return what is to be masked of it in what a storage says: its query, and the long values in it."""
        secrets = Secrets()
        try:
            query = urlsplit(self.reveal()).query
        except ValueError:
            return secrets
        values = (value for _, value in parse_qsl(query) if len(value) >= _SHORTEST_VALUE)
        for secret in (*values, query):
            secrets.remember(secret)
        return secrets


def is_secret(name: str) -> bool:
    """Whether the value of this name is a secret; `api_token`, `apiToken` and `X-Api-Token` are alike."""
    return _NOT_A_LETTER.sub("", name.lower()).endswith(_SECRET_NAMES)


def mask_fields(value: Any) -> Any:
    """Return a JSON value with its secrets masked, for display."""
    if (known := as_object(value)) is not None:
        return {key: MASK if is_secret(key) else mask_fields(item) for key, item in known.items()}
    if (several := as_array(value)) is not None:
        return [mask_fields(item) for item in several]
    return value
