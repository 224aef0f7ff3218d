"""Glob patterns, as `artifact_paths` has them.

Documentation: https://buildkite.com/docs/pipelines/configure/glob-pattern-syntax
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_TOKEN = re.compile(
    r"\\(?P<escaped>.)|\[(?P<negated>\^?)(?P<set>[^\]]+)\]|(?P<stars>\*\*/?|\*)|(?P<other>.)", re.DOTALL
)
_ANY = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*"}


def patterns_of(artifact_paths: str | None) -> list[re.Pattern[str]]:
    """Return the patterns of `artifact_paths`, which has semicolons between them."""
    return [compiled(each.strip()) for each in (artifact_paths or "").split(";") if each.strip()]


def compiled(pattern: str) -> re.Pattern[str]:
    """Return a regular expression that matches the whole paths that a pattern matches."""
    return re.compile("".join(_parts(pattern.removeprefix("./"))), re.DOTALL)


def _parts(pattern: str) -> Iterator[str]:
    depth = 0
    for found in _TOKEN.finditer(pattern):
        if found["other"] == "{":
            depth += 1
            yield "(?:"
        elif found["other"] == "}" and depth:
            depth -= 1
            yield ")"
        elif found["other"] == "," and depth:
            yield "|"
        else:
            yield _part(found)
    yield ")" * depth


def _part(found: re.Match[str]) -> str:
    if found["set"] is not None:
        return f"[{found['negated']}{re.escape(found['set'])}]"
    if found["stars"] is not None:
        return _ANY[found["stars"]]
    return "[^/]" if found["other"] == "?" else re.escape(found["escaped"] or found["other"])


def any_matches(patterns: Iterable[re.Pattern[str]], path: str) -> bool:
    """Return whether one of the patterns matches a path."""
    return any(pattern.fullmatch(path) for pattern in patterns)
