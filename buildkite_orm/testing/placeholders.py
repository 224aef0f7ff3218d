"""Placeholders of private values: the same value has the same placeholder everywhere in a cassette."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_HOST: Final = "https://redacted.invalid"
_FORMS: Final = {
    "email": "redacted-person-{}@redacted.invalid",
    "avatar": f"{_HOST}/avatar-{{}}",
    "badge": f"{_HOST}/badge-{{}}",
    "link": f"{_HOST}/link-{{}}",
    "webhook": f"{_HOST}/webhook-{{}}",
}
_ANY: Final = re.compile(
    r"https(?:://|%3A%2F%2F)redacted\.invalid(?:/|%2F)[a-z]+-\d+"
    r"|redacted-[a-z]+-\d+(?:(?:@|%40)redacted\.invalid)?|\[hidden\]|%5Bhidden%5D",
    re.IGNORECASE,
)


class Placeholders:
    """Numbers the private values of a cassette, by their kind."""

    def __init__(self) -> None:
        self._known: dict[str, dict[str, str]] = {}

    def of(self, kind: str, value: str) -> str:
        """Return the placeholder of a value.

        Args:
            kind: `email`, `name`, `env`, `link`, …
            value: The value.
        """
        if _ANY.fullmatch(value):
            return value
        known = self._known.setdefault(kind, {})
        if value not in known:
            known[value] = _FORMS.get(kind, f"redacted-{kind}-{{}}").format(len(known) + 1)
        return known[value]

    def known(self, kind: str) -> Mapping[str, str]:
        """Return the values of a kind with their placeholders, in the order in which they were found."""
        return self._known.get(kind, {})


def has_placeholder(text: str) -> bool:
    """Whether a text of a cassette has a placeholder."""
    return _ANY.search(text) is not None


def matches(recorded: str, actual: str) -> bool:
    """Whether a text is the same as a recorded one, in which a placeholder stands for any text but none."""
    first, *rest = _ANY.split(recorded)
    if not rest:
        return recorded == actual
    last = rest.pop()
    if not actual.startswith(first) or not actual.endswith(last):
        return False
    at, end = len(first), len(actual) - len(last)
    for part in rest:
        found = actual.find(part, at + 1, end)
        if found < 0:
            return False
        at = found + len(part)
    return at < end
