"""What is asked for where the cursor stands: a member, the name of an argument, or a value."""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass
from typing import Final, Literal

_TOKEN: Final = re.compile(
    r"""
    (?P<space>\s+|\\\n)
    |(?P<remark>\#[^\n]*)
    |(?P<string>[rbuf]{0,2}(?:'{3}.*?'{3}|"{3}.*?"{3}|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"))
    |(?P<begun>[rbuf]{0,2}(?P<quote>['"])(?P<inside>[^'"\\\n]*))\Z
    |(?P<number>\d[\w.]*)
    |(?P<name>[^\W\d]\w*)
    |(?P<mark>==|!=|.)
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
_CLOSES: Final = {")": "(", "]": "[", "}": "{"}


@dataclass(frozen=True)
class Question:
    """What is to be completed.

    Attributes:
        about: Whether it is a member of `subject`, the name of an argument of it, a value of an argument, or a value
            that `subject` is compared with.
        subject: An expression: the object, or what is called.
        begun: What of the answer is there already.
        quote: The quotation mark before that, if there is one.
        argument: The argument that the value is for; None for the first one, by its place.
        taken: The arguments that are there already.
    """

    about: Literal["member", "argument", "value", "comparison"]
    subject: str
    begun: str
    quote: str = ""
    argument: str | None = None
    taken: frozenset[str] = frozenset()


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    start: int


def question_at_end(text: str) -> Question | None:
    """Tell what the end of a text asks for; None where that is nothing of an object.

    Args:
        text: What stands before the cursor.
    """
    tokens = _tokens(text)
    begun, quote = "", ""
    if tokens and tokens[-1].kind == "remark":
        return None
    if tokens and tokens[-1].kind in {"begun", "name"} and _is_last(tokens[-1], text):
        last = tokens.pop()
        begun = last.text
        if last.kind == "begun":
            quote = "'" if "'" in last.text else '"'
            begun = last.text.partition(quote)[2]
    return _Reader(text, tokens).question(begun, quote)


def _tokens(text: str) -> list[_Token]:
    found = (_Token(_kind(match), match[0], match.start()) for match in _TOKEN.finditer(text))
    return [token for token in found if token.kind != "space" and (token.kind != "remark" or _is_last(token, text))]


def _kind(match: re.Match[str]) -> str:
    return next(
        kind for kind in ("space", "remark", "string", "begun", "number", "name", "mark") if match[kind] is not None
    )


def _is_last(token: _Token, text: str) -> bool:
    return token.start + len(token.text) == len(text)


class _Reader:
    """The tokens before what is begun, and which bracket belongs to which."""

    def __init__(self, text: str, tokens: list[_Token]) -> None:
        self._text = text
        self._tokens = tokens
        self._opened: list[int] = []
        self._openers: dict[int, int] = {}
        for place, token in enumerate(tokens):
            if token.kind == "mark" and token.text in "([{":
                self._opened.append(place)
            elif token.text in _CLOSES and self._opened:
                self._openers[place] = self._opened.pop()

    def question(self, begun: str, quote: str) -> Question | None:
        last = len(self._tokens) - 1
        if self._is(last, ".") and not quote:
            subject = self._subject(last - 1)
            return Question("member", subject, begun) if subject else None
        if self._is(last, "==", "!="):
            subject = self._subject(last - 1)
            return Question("comparison", subject, begun, quote) if subject else None
        return self._in_call(begun, quote)

    def _in_call(self, begun: str, quote: str) -> Question | None:
        opened = list(self._opened)
        first = len(self._tokens)  # where the argument begins
        if opened and self._is(opened[-1], "[", "{") and self._is(opened[-1] - 1, "="):
            first = opened.pop()  # a list of values
        if not opened or not self._is(opened[-1], "("):
            return None
        call = opened[-1]
        subject = self._subject(call - 1)
        if not subject:
            return None
        commas = [place for place in range(call + 1, first) if self._is(place, ",") and self._is_own(place, call)]
        before = self._tokens[(commas[-1] if commas else call) + 1 : first]
        taken = frozenset(self._tokens[place - 1].text for place in range(call + 2, first) if self._is(place, "="))
        if not before:
            if quote:
                return Question("value", subject, begun, quote) if not commas else None
            return Question("argument", subject, begun, taken=taken)
        if len(before) == 2 and before[1].text == "=":  # noqa: PLR2004 - its name, and this
            return Question("value", subject, begun, quote, before[0].text)
        return None

    def _is_own(self, place: int, call: int) -> bool:
        """Tell whether a token stands in a call itself, and not in brackets within it."""
        return not any(call < opener < place < closer for closer, opener in self._openers.items())

    def _subject(self, last: int) -> str:
        """Give the expression that ends with a token: names, calls and indexes; nothing where there is none."""
        first = last
        while first >= 0:
            token = self._tokens[first]
            if token.text in {")", "]"} and first in self._openers:
                first = self._openers[first]
                if self._ends_operand(first - 1):
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

    def _ends_operand(self, place: int) -> bool:
        if place < 0:
            return False
        token = self._tokens[place]
        return token.text in {")", "]"} or (token.kind == "name" and not keyword.iskeyword(token.text))

    def _is(self, place: int, *texts: str) -> bool:
        return 0 <= place < len(self._tokens) and self._tokens[place].text in texts
