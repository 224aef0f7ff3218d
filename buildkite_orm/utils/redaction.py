"""Secrets and their masking: tokens that were used, texts like Buildkite's tokens, parameters and fields.

A field is secret by its name, so that a new one is masked before this module knows it.
"""

from __future__ import annotations

import re
from base64 import b64encode
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar, cast
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from buildkite_orm.utils.forking import ForkSafeLock
from buildkite_orm.utils.json_types import as_array, as_object

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

T = TypeVar("T")

MASK: Final = "[hidden]"

TOKEN_PARAMETERS: Final = frozenset({"access_token", "api_key"})
"""The query parameters that may carry the token of an API."""

_SECRET_PARAMETERS: Final = TOKEN_PARAMETERS | {
    *("token", "jwt", "sig", "signature", "awsaccesskeyid"),
    *("x-amz-signature", "x-amz-credential", "x-amz-security-token", "x-goog-signature", "x-goog-credential"),
}
_QUERY: Final = re.compile(r"\?\S+")

# 40 hexadecimal digits may be an old token or a commit. Neither is masked by its form alone.
_TOKEN_PATTERN: Final = re.compile(r"\bbk[a-z]{1,4}(?:_|%5f|\\u005f|&#x5f;|&#95;)\w{8,}", re.IGNORECASE)
# each alternative begins with a literal, so that Python's `re` skips the other characters fast
_ESCAPE: Final = re.compile(
    r"%(?:25)*+(?P<url>[2-7][0-9a-f])"
    r"|\\(?<!\\\\)\\*+(?:u00|x)(?P<json>[2-7][0-9a-f])|\\(?<!\\\\)\\*+(?P<char>[!-~])"
    r"|&#x0*+(?P<html>[2-7][0-9a-f]);|&#0*+(?P<decimal>1[01]\d|12[0-6]|[3-9]\d);"
)
_MIN_LENGTH: Final = 6  # a shorter secret, as tests have, would be found inside of many words
_MIN_SIGNED_VALUE: Final = 16  # a shorter value of a signed query is a number, a date or a region
_MAX_SECRETS: Final = 32


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
    """The secrets that were used last, to be masked in everything that is shown. Safe for threads.

    A session has one, and adds each token before it sends it. A token is found in its plain form, in any case, with
    escaped characters (as in JSON, URLs and HTML), and in Base64.

    Args:
        max_secrets: How many secrets are kept; a signed token is a new one for each request.
    """

    __slots__ = ("_finders", "_known", "_lock", "_max_secrets")

    def __init__(self, max_secrets: int = _MAX_SECRETS) -> None:
        self._max_secrets = max_secrets
        self._lock = ForkSafeLock()
        self._finders: dict[str, _Finder] = {}
        self._known: tuple[_Finder, ...] = ()

    def __repr__(self) -> str:
        return f"<Secrets: {len(self._finders)}>"

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled: secrets stay in this process."""
        msg = "secrets are not copied or pickled"
        raise TypeError(msg)

    def remember(self, secret: T) -> T:
        """Add a secret, and return it. A value that is not a string is ignored."""
        if isinstance(secret, str) and len(secret) >= _MIN_LENGTH:
            with self._lock.current:
                known = self._finders.pop(secret, None)
                self._finders[secret] = known or _Finder(secret)
                while len(self._finders) > self._max_secrets:
                    del self._finders[next(iter(self._finders))]
                self._known = tuple(self._finders.values())
        return secret

    def mask(self, text: str) -> str:
        """Return a text in which the secrets, and all that has the form of a Buildkite token, are masked."""
        lower = text.lower()
        folded = lower if (plain := _unescaped(lower)) == lower else f"{lower}\n{plain}"
        masked = _TOKEN_PATTERN.sub(MASK, text) if "bk" in folded else text
        for finder in self._known:
            masked = finder.mask(masked, folded)
        return masked

    def mask_bytes(self, body: bytes) -> bytes:
        """Return a body in which the secrets are masked, in any encoding that extends ASCII."""
        return self.mask(body.decode("latin-1")).encode("latin-1")

    def mask_json(self, value: Any) -> Any:
        """Return a JSON value in which the secrets are masked in all strings, including keys."""
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
        if self.mask(values) == values:
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
        self._escaped: re.Pattern[str] | None = None  # compiled when it is first needed: that takes milliseconds

    def mask(self, text: str, folded: str) -> str:
        """Return a text in which the secret is masked.

        Args:
            text: The text.
            folded: The text in lower case, followed by its form without escapes; made once for all secrets.
        """
        if self._folded in folded:
            self._escaped = self._escaped or re.compile("".join(map(_escapes_of, self._secret)), re.IGNORECASE)
            text = self._escaped.sub(MASK, text.replace(self._secret, MASK))
        for encoded in self._encoded:
            text = text.replace(encoded, MASK)
        return text


def _unescaped(text: str) -> str:
    """Return a lower-case text in which escapes of JSON, URLs and HTML are replaced by their ASCII characters."""
    return _ESCAPE.sub(_character, text) if "\\" in text or "%" in text or "&#" in text else text


def _character(escape: re.Match[str]) -> str:
    kind = escape.lastgroup or ""
    return escape[kind] if kind == "char" else chr(int(escape[kind], 10 if kind == "decimal" else 16)).lower()


def _escapes_of(char: str) -> str:
    """Return a pattern, which runs in linear time, for a character or its escapes in JSON, URLs and HTML."""
    number = f"{ord(char):02x}"
    ways = (
        re.escape(char),
        rf"(?<!\\)\\++(?:u00{number}|x{number}|{re.escape(char)})",
        rf"%(?:25)*+{number}",
        rf"&#(?:x0*+{number}|0*+{ord(char)});",
    )
    return f"(?:{'|'.join(ways)})"


def _in_base64(secret: str) -> tuple[str, ...]:
    """Return the Base64 forms of a secret inside of a longer text, without the characters at its ends that vary."""
    found: list[str] = []
    for before in range(3):
        whole = b64encode(b"\0" * before + secret.encode())
        core = whole[(8 * before + 5) // 6 : 8 * (before + len(secret.encode())) // 6].decode()
        found += [core, core.replace("+", "-").replace("/", "_")]
    return tuple(dict.fromkeys(found))


NO_SECRETS: Final = Secrets()


class SignedUrl:
    """A URL whose query is the key to a file. Its repr does not show the query, nor do tracebacks and debuggers.

    Args:
        url: The URL.
    """

    __slots__ = ("reveal",)

    reveal: Callable[[], str]
    """Return the URL, to send a request to it."""

    def __init__(self, url: str) -> None:
        self.reveal = lambda: url  # a closure, since debuggers show what attributes hold

    def __repr__(self) -> str:
        return f"<SignedUrl {self}>"

    def __str__(self) -> str:
        """Return the URL without user, password, query and fragment."""
        try:
            parts = urlsplit(self.reveal())
        except ValueError:
            return "(no URL)"
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}" if parts.netloc else parts.path

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled: the key stays in this process."""
        msg = "a signed URL is not copied or pickled"
        raise TypeError(msg)

    def secrets(self) -> Secrets:
        """Return the parts of the URL to mask in responses of a storage: the query, and the long values in it."""
        secrets = Secrets()
        try:
            query = urlsplit(self.reveal()).query
        except ValueError:
            return secrets
        values = (value for _, value in parse_qsl(query) if len(value) >= _MIN_SIGNED_VALUE)
        for secret in (*values, query):
            secrets.remember(secret)
        return secrets


def redact_url(url: str) -> str:
    """Return a URL without user and password, and with secret parameters masked."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(no URL)"
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    masked = [(key, MASK if key.lower() in _SECRET_PARAMETERS else value) for key, value in pairs]
    query = urlencode(masked, quote_via=quote, safe="[]:/*", errors="replace")
    redacted = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, query, ""))
    return NO_SECRETS.mask(redacted.encode(errors="replace").decode())


def mask_queries(text: str) -> str:
    """Return a text in which the queries of all URLs are masked."""
    return _QUERY.sub(f"?{MASK}", text)


def mask_query(url: object) -> object:
    """Return the text of a value with everything after its first `?` masked; the value itself if it has none."""
    text = str(url)
    return f"{text.partition('?')[0]}?{MASK}" if "?" in text else url


def is_secret(name: str) -> bool:
    """Whether a field of this name holds a secret; `api_token`, `apiToken` and `X-Api-Token` are alike."""
    return _NOT_A_LETTER.sub("", name.lower()).endswith(_SECRET_NAMES)


def mask_fields(value: Any) -> Any:
    """Return a JSON value with its secret fields masked, for display."""
    if (known := as_object(value)) is not None:
        return {key: MASK if is_secret(key) else mask_fields(item) for key, item in known.items()}
    if (several := as_array(value)) is not None:
        return [mask_fields(item) for item in several]
    return value
