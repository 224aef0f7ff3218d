"""Finds what is to be completed at the cursor: a member, the name of an argument, or a value."""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass
from typing import Final, Literal

_TOKEN: Final = re.compile(
    r"""
    (?P<space>\s+|\\\n)
    |(?P<comment>\#[^\n]*)
    |(?P<string>[rbuf]{0,2}(?:'{3}.*?'{3}|"{3}.*?"{3}|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"))
    |(?P<open_string>[rbuf]{0,2}(?P<quote>['"])(?P<inside>[^'"\\\n]*))\Z
    |(?P<number>\d[\w.]*)
    |(?P<name>[^\W\d]\w*)
    |(?P<operator>==|!=|.)
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
_CLOSES: Final = {")": "(", "]": "[", "}": "{"}


@dataclass(frozen=True)
class Target:
    """The text to complete.

    Attributes:
        kind: A member of `subject`, the name of an argument of it, the value of an argument, or a value that `subject`
            is compared with.
        subject: The expression before the cursor: the object, or the function that is called.
        prefix: The beginning of the text to complete.
        quote: The quotation mark before the prefix, if there is one.
        argument: The argument that the value is for; None for the first positional one.
        used: The arguments that are given already.
    """

    kind: Literal["member", "argument", "value", "comparison"]
    subject: str
    prefix: str
    quote: str = ""
    argument: str | None = None
    used: frozenset[str] = frozenset()


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    start: int


def parse_target(text: str) -> Target | None:
    """Return what is to be completed at the end of a text; None if nothing is.

    Args:
        text: The text before the cursor.
    """
    tokens = _tokens(text)
    prefix, quote = "", ""
    if tokens and tokens[-1].kind == "comment":
        return None
    if tokens and tokens[-1].kind in {"open_string", "name"} and _is_at_end(tokens[-1], text):
        last = tokens.pop()
        prefix = last.text
        if last.kind == "open_string":
            quote = "'" if "'" in last.text else '"'
            prefix = last.text.partition(quote)[2]
    return _Parser(text, tokens).target(prefix, quote)


def _tokens(text: str) -> list[_Token]:
    found = (_Token(_kind(match), match[0], match.start()) for match in _TOKEN.finditer(text))
    return [token for token in found if token.kind != "space" and (token.kind != "comment" or _is_at_end(token, text))]


def _kind(match: re.Match[str]) -> str:
    return next(
        kind
        for kind in ("space", "comment", "string", "open_string", "number", "name", "operator")
        if match[kind] is not None
    )


def _is_at_end(token: _Token, text: str) -> bool:
    return token.start + len(token.text) == len(text)


class _Parser:
    """Parses the tokens before the prefix; knows which brackets match."""

    def __init__(self, text: str, tokens: list[_Token]) -> None:
        self._text = text
        self._tokens = tokens
        self._open_brackets: list[int] = []
        self._opening: dict[int, int] = {}
        for index, token in enumerate(tokens):
            if token.kind == "operator" and token.text in "([{":
                self._open_brackets.append(index)
            elif token.text in _CLOSES and self._open_brackets:
                self._opening[index] = self._open_brackets.pop()

    def target(self, prefix: str, quote: str) -> Target | None:
        last = len(self._tokens) - 1
        if self._is(last, ".") and not quote:
            subject = self._subject(last - 1)
            return Target("member", subject, prefix) if subject else None
        if self._is(last, "==", "!="):
            subject = self._subject(last - 1)
            return Target("comparison", subject, prefix, quote) if subject else None
        return self._in_call(prefix, quote)

    def _in_call(self, prefix: str, quote: str) -> Target | None:
        open_brackets = list(self._open_brackets)
        first = len(self._tokens)  # the beginning of the argument
        if open_brackets and self._is(open_brackets[-1], "[", "{") and self._is(open_brackets[-1] - 1, "="):
            first = open_brackets.pop()  # a list of values
        if not open_brackets or not self._is(open_brackets[-1], "("):
            return None
        call = open_brackets[-1]
        subject = self._subject(call - 1)
        if not subject:
            return None
        commas = [index for index in range(call + 1, first) if self._is(index, ",") and self._is_direct(index, call)]
        before = self._tokens[(commas[-1] if commas else call) + 1 : first]
        used = frozenset(self._tokens[index - 1].text for index in range(call + 2, first) if self._is(index, "="))
        if not before:
            if quote:
                return Target("value", subject, prefix, quote) if not commas else None
            return Target("argument", subject, prefix, used=used)
        if len(before) == 2 and before[1].text == "=":  # noqa: PLR2004 - the name and the sign
            return Target("value", subject, prefix, quote, before[0].text)
        return None

    def _is_direct(self, index: int, call: int) -> bool:
        """Whether a token is directly in a call, and not in brackets within it."""
        return not any(call < opener < index < closer for closer, opener in self._opening.items())

    def _subject(self, last: int) -> str:
        """Return the expression that ends with a token: names, calls and indexes; empty if there is none."""
        first = last
        while first >= 0:
            token = self._tokens[first]
            if token.text in {")", "]"} and first in self._opening:
                first = self._opening[first]
                if self._is_operand_end(first - 1):
                    first -= 1
                    continue
            elif token.kind == "name" and self._is(first - 1, "."):
                first -= 2
                continue
            elif token.kind not in {"name", "string"} or keyword.iskeyword(token.text):
                return ""
            end = self._tokens[last]
            return self._text[self._tokens[first].start : end.start + len(end.text)]
        return ""

    def _is_operand_end(self, index: int) -> bool:
        if index < 0:
            return False
        token = self._tokens[index]
        return token.text in {")", "]"} or (token.kind == "name" and not keyword.iskeyword(token.text))

    def _is(self, index: int, *texts: str) -> bool:
        return 0 <= index < len(self._tokens) and self._tokens[index].text in texts
