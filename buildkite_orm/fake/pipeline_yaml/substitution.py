"""Substitute variables in a parsed pipeline, as `buildkite-agent pipeline upload` does.

Documentation: https://buildkite.com/docs/agent/cli/reference/pipeline#environment-variable-substitution
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from buildkite_orm.fake.pipeline_yaml.errors import PipelineYamlError
from buildkite_orm.fake.pipeline_yaml.values import is_list, is_map

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RANGE = re.compile(r":\s*(-?\d{1,9})(?::\s*(-?\d{1,9}))?\Z")
_LONGEST = 10_000_000
_DEEPEST = 50


def substitute(document: Any, variables: Mapping[str, str], *, block_wins: bool) -> Any:
    """Return a document with the values of variables in place of `$NAME` and `${NAME}`.

    Args:
        document: The parsed document. The variables of its top-level `env` are known too.
        variables: The variables.
        block_wins: Whether the top-level `env` wins over `variables`.

    Raises:
        PipelineYamlError: A required variable is missing, or a substitution is malformed.
    """
    known = dict(variables)
    substitution = _Substitution(known)
    block = document.get("env") if is_map(document) else None
    for name, value in block.items() if is_map(block) else ():
        if isinstance(value, str | int | float) and (block_wins or name not in variables):
            known[str(name)] = substitution.text(str(value).lower() if isinstance(value, bool) else str(value))
    return substitution.document(document)


class _Substitution:
    """Replaces variables, up to a total length."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self._length = 0

    def document(self, value: Any) -> Any:
        """Return a value with the variables in all of its texts replaced."""
        if isinstance(value, str):
            return self.text(value)
        if is_list(value):
            return [self.document(each) for each in value]
        if is_map(value):
            return {self.text(name): self.document(each) for name, each in value.items()}
        return value

    def text(self, text: str, depth: int = 0) -> str:
        """Return a text with its variables replaced; a dollar may be escaped with another one or a backslash."""
        if "$" not in text:
            return text
        if depth > _DEEPEST:
            raise PipelineYamlError("variables are nested too deeply")
        replaced = "".join(self._parts(text, depth))
        self._length += len(replaced)
        if self._length > _LONGEST:
            raise PipelineYamlError(f"the variables of the pipeline expand to more than {_LONGEST} characters")
        return replaced

    def _parts(self, text: str, depth: int) -> Iterator[str]:
        place = 0
        while (dollar := text.find("$", place)) >= 0:
            if text[dollar - 1 : dollar] == "\\" and dollar > place:
                yield text[place : dollar - 1] + "$"
                place = dollar + 1
                continue
            yield text[place:dollar]
            value, place = self._expansion(text, dollar + 1, depth)
            yield value
        yield text[place:]

    def _expansion(self, text: str, place: int, depth: int) -> tuple[str, int]:
        """Return what is in place of a dollar before `place`, and where the text continues."""
        following = text[place : place + 1]
        if following == "$":
            return "$", place + 1
        if following == "{":
            end = _closing_brace(text, place)
            return self._braces(text[place + 1 : end], depth), end + 1
        found = _NAME.match(text, place)
        return ("$", place) if found is None else (self._variables.get(found[0], ""), found.end())

    def _braces(self, inner: str, depth: int) -> str:
        found = _NAME.match(inner)
        if found is None:
            raise PipelineYamlError(f"${{{inner}}} is not a variable")
        name, rest = found[0], inner[found.end() :]
        value = self._variables.get(name)
        if not rest:
            return value or ""
        if rest.startswith(":-"):
            return value or self.text(rest[2:], depth + 1)
        if rest.startswith("-"):
            return self.text(rest[1:], depth + 1) if value is None else value
        if rest.startswith(("?", ":?")):
            return _required(name, value or None if rest[0] == ":" else value, rest.lstrip(":")[1:])
        if (bounds := _RANGE.match(rest)) is not None:
            return _part(value or "", int(bounds[1]), None if bounds[2] is None else int(bounds[2]))
        raise PipelineYamlError(f"${{{inner}}} is not a variable, with :-default, -default, ?message or :start:length")


def _closing_brace(text: str, place: int) -> int:
    """Return where the brace at `place` is closed."""
    depth = 0
    for index in range(place, len(text)):
        depth += (text[index] == "{") - (text[index] == "}")
        if not depth:
            return index
    raise PipelineYamlError(f"the brace of a variable is not closed: ${text[place : place + 40]}")


def _required(name: str, value: str | None, message: str) -> str:
    if value is None:
        raise PipelineYamlError(f"{name}: {message or 'not set'}")
    return value


def _part(value: str, start: int, length: int | None) -> str:
    """Return a part of a text, as a shell does: a negative start counts from the end, a negative length is an end."""
    begin = max(0, start + len(value)) if start < 0 else start
    if length is None:
        return value[begin:]
    return value[begin:length] if length < 0 else value[begin : begin + length]
