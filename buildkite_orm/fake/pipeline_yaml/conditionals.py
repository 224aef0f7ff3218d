"""The expressions of `if`: the documented grammar, parsed and evaluated.

Documentation: https://buildkite.com/docs/pipelines/configure/conditionals
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*)
    |(?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
    |(?P<regex>/(?:\\.|[^/\\\n])+/[a-z]*)
    |(?P<number>-?\d{1,18})
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)
    |(?P<operator>==|!=|=~|!~|\|\||&&|!|\(|\)|,)
    """,
    re.VERBOSE,
)
_LITERALS = {"true": True, "false": False, "null": None}
_COMPARATORS = ("==", "!=", "=~", "!~", "includes")
_DEEPEST = 100
_RUBY = re.compile(r"\\.|\(\?<(?=[A-Za-z_])", re.DOTALL)
_IN_PYTHON = {"\\z": "\\Z", "\\Z": "(?=\\n?\\Z)", "\\h": "[0-9a-fA-F]", "(?<": "(?P<"}

VARIABLES = frozenset(
    [
        *(f"build.{person}.{name}" for person in ("author", "creator") for name in ("email", "id", "name", "teams")),
        *(f"build.{name}" for name in ("branch", "commit", "id", "message", "number", "source", "source_event")),
        *(f"build.{name}" for name in ("source_action", "state", "tag")),
        *(f"build.pull_request.{name}" for name in ("base_branch", "id", "draft", "labels", "label", "repository")),
        "build.pull_request.repository.fork",
        "build.merge_queue.base_branch",
        "build.merge_queue.base_commit",
        *(f"pipeline.{name}" for name in ("default_branch", "id", "repository", "slug")),
        "organization.id",
        "organization.slug",
    ]
)


class ConditionalError(ValueError):
    """An expression does not follow the grammar."""


@dataclass(frozen=True, slots=True)
class Values:
    """The values for an expression: its variables, and the environment of `build.env()`."""

    variables: Mapping[str, Any]
    env: Mapping[str, str]


def parse(text: str) -> Callable[[Values], Any]:
    """Return an expression as a function of its values.

    Raises:
        ConditionalError: The text does not follow the grammar, or has an unknown variable.
    """
    return _Parser(text).expression()


def evaluate(text: str, values: Values) -> bool:
    """Return whether an expression is true."""
    return bool(parse(text)(values))


class _Parser:
    """A recursive-descent parser: `||` binds weaker than `&&`, that weaker than comparators, `!` strongest."""

    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._place = 0
        self._depth = 0

    def expression(self) -> Callable[[Values], Any]:
        """Parse the whole text."""
        parsed = self._either()
        if self._place < len(self._tokens):
            raise ConditionalError(f"unexpected {self._tokens[self._place][1]!r}")
        return parsed

    def _peek(self) -> str:
        return self._tokens[self._place][1] if self._place < len(self._tokens) else ""

    def _next(self) -> tuple[str, str]:
        if self._place == len(self._tokens):
            raise ConditionalError("the expression is incomplete")
        self._place += 1
        return self._tokens[self._place - 1]

    def _takes(self, operator: str) -> bool:
        is_next = self._place < len(self._tokens) and self._tokens[self._place] == ("operator", operator)
        self._place += is_next
        return is_next

    def _expect(self, operator: str) -> None:
        if not self._takes(operator):
            raise ConditionalError(f"{operator!r} is missing")

    def _either(self) -> Callable[[Values], Any]:
        operands = [self._both()]
        while self._takes("||"):
            operands.append(self._both())
        return operands[0] if len(operands) == 1 else lambda values: any(each(values) for each in operands)

    def _both(self) -> Callable[[Values], Any]:
        operands = [self._comparison()]
        while self._takes("&&"):
            operands.append(self._comparison())
        return operands[0] if len(operands) == 1 else lambda values: all(each(values) for each in operands)

    def _comparison(self) -> Callable[[Values], Any]:
        left = self._prefixed()
        comparator = self._peek()
        if comparator not in _COMPARATORS:
            return left
        self._next()
        if comparator in {"=~", "!~"}:
            return self._match(left, negated=comparator == "!~")
        right = self._prefixed()
        if comparator == "includes":
            return lambda values: right(values) in (left(values) or ())
        wanted = comparator == "=="
        return lambda values: (left(values) == right(values)) is wanted

    def _match(self, left: Callable[[Values], Any], *, negated: bool) -> Callable[[Values], Any]:
        kind, literal = self._next()
        if kind != "regex":
            raise ConditionalError("the right side of =~ and !~ is a regular expression, such as /^v1/")
        search = _pattern(literal).search
        return lambda values: (search(str(left(values) or "")) is not None) is not negated

    def _prefixed(self) -> Callable[[Values], Any]:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise ConditionalError("the expression is nested too deeply")
        try:
            if self._takes("!"):
                operand = self._prefixed()
                return lambda values: not operand(values)
            return self._primary()
        finally:
            self._depth -= 1

    def _primary(self) -> Callable[[Values], Any]:
        if self._takes("("):
            inner = self._either()
            self._expect(")")
            return inner
        kind, text = self._next()
        if kind == "string":
            value = re.sub(r"\\(.)", r"\1", text[1:-1])
            return lambda _: value
        if kind == "number":
            number = int(text)
            return lambda _: number
        if kind != "name":
            raise ConditionalError(f"unexpected {text!r}")
        return self._named(text)

    def _named(self, name: str) -> Callable[[Values], Any]:
        if name in _LITERALS:
            literal = _LITERALS[name]
            return lambda _: literal
        if name in {"build.env", "env"}:
            self._expect("(")
            variable = self._primary()
            self._expect(")")
            return lambda values: values.env.get(str(variable(values)))
        if name not in VARIABLES:
            raise ConditionalError(f"unknown variable {name}")
        return lambda values: values.variables.get(name)


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    place = 0
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None:
            raise ConditionalError(f"unexpected {text[place]!r}")
        if found.lastgroup != "space":
            yield str(found.lastgroup), found[0]
        place = found.end()


def _pattern(literal: str) -> re.Pattern[str]:
    """Return a regular expression; `$` may be escaped against substitution, with a dollar or a backslash."""
    body, _, flags = literal[1:].rpartition("/")
    if not set(flags) <= set("imx"):
        raise ConditionalError(f"unknown flags of a regular expression: {flags}")
    options = re.IGNORECASE * ("i" in flags) | re.MULTILINE | re.DOTALL * ("m" in flags) | re.VERBOSE * ("x" in flags)
    plain = body.replace("\\/", "/").replace("$$", "$").replace("\\$", "$")
    try:
        return re.compile(_RUBY.sub(lambda found: _IN_PYTHON.get(found[0], found[0]), plain), options)
    except (re.error, RecursionError, OverflowError) as error:
        raise ConditionalError(f"invalid regular expression {literal}: {error}") from error
