"""Globs over the paths of artifacts: the server applies the patterns that it knows, and the client all others.

The server knows exact paths, and `*` for anything, including slashes. The client adds `**`, `?`, `[…]`, `{a,b}` and
several patterns at once. They are built on `fnmatch`, whose `*` matches as the server's does. Libraries for globs, such
as wcmatch, keep `*` within a folder, so that it would have different meanings on the server and in the client.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from os.path import commonprefix
from typing import TYPE_CHECKING, Final, Self

from buildkite_orm.utils.json_types import as_several
from buildkite_orm.utils.plain_values import as_plain, kind_of

if TYPE_CHECKING:
    from collections.abc import Callable

_BRACES: Final = re.compile(r"\{([^{}]*)\}")
_LITERAL: Final = re.compile(r"[^*?\[\]{}]*")
_MOST: Final = 1000


@dataclass(frozen=True, slots=True)
class Globs:
    """Patterns, of which a path must match one.

    Attributes:
        patterns: The patterns as the caller wrote them.
    """

    patterns: tuple[str, ...]

    @classmethod
    def of(cls, path: object) -> Self | None:
        """Return the patterns of a filter; None if there is no filter.

        Raises:
            TypeError: A pattern is not text.
            ValueError: There are no patterns, or braces stand for too many.
        """
        if path is None:
            return None
        several = as_several(path)
        patterns = [as_plain(each) for each in ([path] if several is None else several)]
        if not patterns:
            msg = f"path={path!r}: an empty list would be no filter at all; leave it out, or name something"
            raise ValueError(msg)
        if odd := [each for each in patterns if not isinstance(each, str)]:
            msg = f"path={odd[0]!r}: a path is text or a pathlib path, not {kind_of(odd[0])}"
            raise TypeError(msg)
        return cls(tuple(dict.fromkeys(map(str, patterns))))

    @property
    def for_server(self) -> str | None:
        """The pattern to send: it matches at least what these patterns match; None if it would match everything."""
        if self._is_known_to_server:
            return self.patterns[0]
        patterns = [*self._expanded(), *self.patterns]
        prefixes = [_first(_LITERAL, pattern) for pattern in patterns]
        prefix = commonprefix(prefixes)  # noqa: RUF071 - by characters
        suffixes = [_first(_LITERAL, pattern[len(prefix) :][::-1]) for pattern in patterns]
        suffix = commonprefix(suffixes)[::-1]  # noqa: RUF071
        # `**/` may stand for nothing, and if an agent runs on Windows, a slash is a backslash
        coarse = re.sub(r"[*/\\]+", "*", f"{prefix}*{suffix}")
        return None if coarse == "*" else coarse

    def matcher(self) -> Callable[[str], bool] | None:
        """Return a function that returns whether a path matches; None if the server applies the pattern."""
        if self._is_known_to_server:
            return None
        literal = frozenset(self.patterns)
        patterns = [_compiled(pattern.replace("\\", "/")) for pattern in self._expanded()]

        def matches(path: str) -> bool:
            plain = path.replace("\\", "/")
            return path in literal or any(pattern(plain) for pattern in patterns)

        return matches

    @property
    def _is_known_to_server(self) -> bool:
        (first, *others) = self.patterns
        return not others and re.search(r"[?\[{]", first) is None and "**" not in re.split(r"[/\\]", first)

    def _expanded(self) -> list[str]:
        """Return the patterns without braces: one for each choice."""
        left, done = list(self.patterns), list[str]()
        while left:
            pattern = left.pop()
            found = next((braces for braces in _BRACES.finditer(pattern) if "," in braces[1]), None)
            if found is None:
                done.append(pattern)
                continue
            left += [pattern[: found.start()] + choice + pattern[found.end() :] for choice in found[1].split(",")]
            if len(left) + len(done) > _MOST:
                msg = f"path={list(self.patterns)!r} stands for more than {_MOST} patterns"
                raise ValueError(msg)
        return done


def _first(expression: re.Pattern[str], text: str) -> str:
    found = expression.search(text)
    return found[0] if found else ""


def _compiled(pattern: str) -> Callable[[str], bool]:
    """Return a function that returns whether a path matches a pattern without braces.

    In a pattern with `**` for folders, `*` stays within a folder; in all others, `*` is anything, as on the server.
    """
    parts = pattern.split("/")
    if "**" not in parts:
        return partial(fnmatchcase, pat=pattern)
    if parts[-1] == "**":
        parts.append("*")  # a path ends with a file
    return lambda path: _fits(path.split("/"), parts)


def _fits(folders: list[str], parts: list[str]) -> bool:
    """Return whether a path matches a pattern, both split at slashes: after each part, note where it may have ended."""
    reached = {0}
    for part in parts:
        if part == "**":
            reached = set(range(min(reached), len(folders)))
        else:
            reached = {at + 1 for at in reached if at < len(folders) and fnmatchcase(folders[at], part)}
        if not reached:
            return False
    return len(folders) in reached
