"""Redaction of cassettes: tokens, and the private data in requests and responses, become placeholders.

Fields are private by their names. In all texts, these are found by their form: tokens, e-mail addresses, URLs with a
signature or a password, and webhook URLs; and by their value: tokens that were sent, the values of secret fields and
variables, and the names of people.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from buildkite_orm.http.signed_links import split_link
from buildkite_orm.testing.placeholders import Placeholders, has_placeholder
from buildkite_orm.utils.json_types import as_array, as_object
from buildkite_orm.utils.redaction import Secrets, is_secret

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST_SECRETS: Final = 1000
_SHORTEST_NAME: Final = 5
_RANDOM: Final = 16
_PASSWORD_LENGTH: Final = 8
_DIGIT_AND_LETTER: Final = re.compile(r"\d.*[A-Za-z]|[A-Za-z].*\d", re.DOTALL)

_JWT: Final = re.compile(r"(?<![\w-])eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*")
_WEBHOOK: Final = re.compile(r"https?://webhook\.buildkite\.com/[^\s\"'<>\\]+")
_BADGE: Final = re.compile(r"https?://badge\.buildkite\.com/[^\s\"'<>\\]+")
_URL: Final = re.compile(r"https?://[^\s\"'<>\\]+", re.IGNORECASE)
_SIGNED: Final = re.compile(
    r"[?&;](?:amp;)?(?:[\w-]*(?:signature|credential|security-token)|sig|policy|jwt|token|access_token|awsaccesskeyid"
    r"|key-pair-id)=[^&]",
    re.IGNORECASE,
)
_PASSWORD: Final = re.compile(r"(?<=://)(?!git@)[^\s/@\"'<>]+(?=@)")
_EMAIL: Final = re.compile(r"(?<![\w.+-])(?:[\w.+-]|%2B)++(?P<at>@|%40)(?:[\w-]+\.)+[^\W\d_]{2,}")
_SIGNATURE: Final = re.compile(
    r"^([ \t]{0,20}(?:author|committer|[\w-]{1,40}-by): {0,4})(\S[^<\n]{0,100}?)(?= {0,4}<[^>\n]{1,100}@)",
    re.IGNORECASE | re.MULTILINE,
)
_NO_MAILBOX: Final = frozenset({"git", "hg", "ssh", "svn"})
_FORM_FIELDS: Final = (
    *("awsaccesskeyid", "googleaccessid", "policy", "signature"),
    *("xamzcredential", "xamzsecuritytoken", "xgoogcredential"),
)
_KINDS: Final = {
    "avatar": "avatar",
    "badgeurl": "badge",
    "composeddockerfile": "dockerfile",
    "configuration": "yaml",
    "definition": "yaml",
    "definitionyaml": "yaml",
    "dockerfile": "dockerfile",
    "hostname": "host",
    "ip": "ip",
    "requestip": "ip",
    "requestuseragent": "browser",
}
_KINDS_BY_END: Final = (
    ("avatarurl", "avatar"),
    ("email", "email"),
    (("ipaddress", "ipaddresses"), "ip"),
    ("webhookurl", "webhook"),
)
_ENVIRONMENTS: Final = ("env", "envvars", "environmentvariables")
_PEOPLE: Final = frozenset({"actor", "author", "creator", "owner", "user"})
_PERSON_NAMES: Final = frozenset({"name", "username", "display_name", "user_name", "full_name"})
_NOT_A_LETTER: Final = re.compile(r"[^a-z]")


class Redactor:
    """Replaces private values. The same value has the same placeholder in all that one redactor returns.

    A cassette is redacted twice: what is found in a later response is then replaced in the earlier ones too.

    Attributes:
        secrets: Tokens and other values that are masked wherever they are.
    """

    def __init__(self) -> None:
        self.secrets = Secrets(_MOST_SECRETS)
        self._placeholders = Placeholders()
        self._full_names: re.Pattern[str] | None = None
        self._names_in_pattern = 0

    def link(self, url: str) -> str:
        """Return the placeholder of a URL that is the key to a file."""
        return self._placeholders.of("link", link_key(url))

    def body(self, value: Any) -> Any:
        """Return the JSON body of a request without private values."""
        return self._json(value, is_request=True)

    def json(self, value: Any) -> Any:
        """Return the JSON of a response without private values."""
        return self._json(value)

    def text(self, text: str) -> str:
        """Return a text without private values."""
        text = self.secrets.mask(text)
        if "eyJ" in text:
            text = _JWT.sub(self._replace("secret"), text)
        if "://" in text:
            text = _WEBHOOK.sub(self._replace("webhook"), text)
            text = _BADGE.sub(self._replace("badge"), text)
            text = _URL.sub(self._signed, text)
            text = _PASSWORD.sub(self._replace("secret"), text)
        if "@" in text or "%40" in text:
            text = _SIGNATURE.sub(lambda match: match[1] + self._placeholders.of("name", match[2]), text)
            text = _EMAIL.sub(self._email, text)
        return self._without_names(text)

    def _json(self, value: Any, *, is_request: bool = False) -> Any:
        if isinstance(value, str):
            return self._string(value)
        if (items := as_array(value)) is not None:
            return [self._json(item, is_request=is_request) for item in items]
        if (fields := as_object(value)) is None:
            return value
        is_person = _is_person(fields)
        return {
            self.text(name): self._field(name, item, is_person=is_person, is_request=is_request)
            for name, item in fields.items()
        }

    def _field(self, name: str, value: Any, *, is_person: bool, is_request: bool) -> Any:
        plain = _NOT_A_LETTER.sub("", name.lower())
        if plain.endswith(_ENVIRONMENTS):
            return self._environment(value)
        if plain in _PEOPLE or plain.endswith("by"):
            return self._person(plain, value)
        if not isinstance(value, str) or not value:
            return self._json(value, is_request=is_request)
        if is_person and name in _PERSON_NAMES:
            return self._placeholders.of("name", value)
        kind = _kind_of(plain)
        if is_request and kind is None and plain == "value":
            kind = "secret"
        if kind is None:
            return self._string(value)
        if kind == "secret":
            self._learn(value)
        return self._placeholders.of(kind, value.lower() if kind == "email" else value)

    def _learn(self, secret: str) -> None:
        """Mask a secret wherever it is, unless it may be a word that other values have too."""
        if len(secret) >= _RANDOM or (len(secret) >= _PASSWORD_LENGTH and _DIGIT_AND_LETTER.search(secret)):
            self.secrets.remember(secret)

    def _environment(self, value: Any) -> Any:
        """Return variables with their names and without their values, which may also be lines `NAME=value`."""
        if (variables := as_object(value)) is not None:
            return {self.text(name): self._variable(name, item) for name, item in variables.items()}
        if (lines := as_array(value)) is not None:
            return [self._assignment(line) if isinstance(line, str) else self._json(line) for line in lines]
        if isinstance(value, str):
            return "\n".join(map(self._assignment, value.split("\n")))
        return value

    def _assignment(self, line: str) -> str:
        name, equals, value = line.partition("=")
        return f"{self.text(name)}={self._variable(name, value)}" if equals else self._variable("", line)

    def _variable(self, name: str, value: Any) -> Any:
        if value is None or value == "":
            return value
        if not isinstance(value, str | int | float):
            return self._environment(value)
        text = str(value)
        if is_secret(name):
            self._learn(text)
        return self._placeholders.of("env", text)

    def _person(self, name: str, value: Any) -> Any:
        if isinstance(value, str):
            return self._placeholders.of("name", value) if name == "author" and value else self._string(value)
        fields = as_object(value)
        if fields is None:
            return self._json(value)
        return {
            self.text(key): self._field(key, item, is_person=True, is_request=False) for key, item in fields.items()
        }

    def _string(self, value: str) -> str:
        if value[:4].lower() == "http" and link_key(value) in self._placeholders.known("link"):
            return self.link(value)
        return self.text(value)

    def _replace(self, kind: str) -> Callable[[re.Match[str]], str]:
        return lambda match: self._placeholders.of(kind, match[0])

    def _signed(self, match: re.Match[str]) -> str:
        return self.link(match[0]) if _SIGNED.search(match[0]) else match[0]

    def _email(self, match: re.Match[str]) -> str:
        at = match["at"]
        mailbox, _, domain = match[0].partition(at)
        if mailbox in _NO_MAILBOX or has_placeholder(match[0]):
            return match[0]
        return self._placeholders.of("email", f"{mailbox}@{domain}".lower()).replace("@", at)

    def _without_names(self, text: str) -> str:
        known = self._placeholders.known("name")
        if len(known) != self._names_in_pattern:
            full = sorted(
                (name for name in known if len(name) >= _SHORTEST_NAME and " " in name), key=len, reverse=True
            )
            self._full_names = re.compile("|".join(map(re.escape, full))) if full else None
            self._names_in_pattern = len(known)
        return self._full_names.sub(self._replace("name"), text) if self._full_names else text


def link_key(url: str) -> str:
    """Return a URL in the form in which requests are sent to it."""
    try:
        server, target = split_link(url)
    except ValueError:
        return url
    return f"{server.lower()}{target}"


def _is_person(fields: dict[str, Any]) -> bool:
    if "email" in fields or "avatar_url" in fields or "user_name" in fields or "user_id" in fields:
        return True
    return str(fields.get("type", "")).lower() == "user"


def _kind_of(name: str) -> str | None:
    """Return the kind of placeholder for a field by its name, in lower-case letters; None if it is not private."""
    return _KINDS.get(name) or next((kind for ends, kind in _KINDS_BY_END if name.endswith(ends)), _secret_kind(name))


def _secret_kind(name: str) -> str | None:
    return "secret" if is_secret(name) or name.endswith(_FORM_FIELDS) else None
