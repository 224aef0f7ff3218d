"""Globs over the paths of artifacts: what the server can match is its affair, the rest is matched here.

The server knows exact paths, and `*` for anything, slashes too. Here there are `**`, `?`, `[…]`, `{a,b}` and several
patterns at once besides. They stand on `fnmatch`, whose `*` means what the server's does. The libraries for globs, such
as wcmatch, keep `*` within a folder, so that it would mean one thing to the server and another here.
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
_HEAD: Final = re.compile(r"[^*?\[\]{}]*")
_MOST: Final = 1000


@dataclass(frozen=True, slots=True)
class Globs:
    """Patterns, of which a path must match one.

    Attributes:
        told: The patterns as they were told.
    """

    told: tuple[str, ...]

    @classmethod
    def of(cls, path: object) -> Self | None:
        """Give the patterns that a filter names; None where it is none.

        Raises:
            TypeError: There is something that is no text.
            ValueError: There is no pattern at all, or there are far too many.
        """
        if path is None:
            return None
        several = as_several(path)
        told = [as_plain(each) for each in ([path] if several is None else several)]
        if not told:
            msg = f"path={path!r}: an empty list would be no filter at all; leave it out, or name something"
            raise ValueError(msg)
        if odd := [each for each in told if not isinstance(each, str)]:
            msg = f"path={odd[0]!r}: a path is text or a pathlib path, not {kind_of(odd[0])}"
            raise TypeError(msg)
        return cls(tuple(dict.fromkeys(map(str, told))))

    @property
    def for_server(self) -> str | None:
        """What the server is asked for: at least all that matches; None where that is everything."""
        if self._is_the_servers:
            return self.told[0]
        patterns = [*self._expanded(), *self.told]
        heads = [_first(_HEAD, pattern) for pattern in patterns]
        head = commonprefix(heads)  # noqa: RUF071 - by characters
        tails = [_first(_HEAD, pattern[len(head) :][::-1]) for pattern in patterns]
        tail = commonprefix(tails)[::-1]  # noqa: RUF071
        # `**/` may stand for nothing, and where an agent runs on Windows, a slash is a backslash
        coarse = re.sub(r"[*/\\]+", "*", f"{head}*{tail}")
        return None if coarse == "*" else coarse

    def matcher(self) -> Callable[[str], bool] | None:
        """Give what tells whether a path matches; None where the server tells."""
        if self._is_the_servers:
            return None
        literal = frozenset(self.told)
        patterns = [_compiled(pattern.replace("\\", "/")) for pattern in self._expanded()]

        def matches(path: str) -> bool:
            plain = path.replace("\\", "/")
            return path in literal or any(pattern(plain) for pattern in patterns)

        return matches

    @property
    def _is_the_servers(self) -> bool:
        (first, *others) = self.told
        return not others and re.search(r"[?\[{]", first) is None and "**" not in re.split(r"[/\\]", first)

    def _expanded(self) -> list[str]:
        """Give a pattern for each choice that there is between braces."""
        left, done = list(self.told), list[str]()
        while left:
            pattern = left.pop()
            found = next((braces for braces in _BRACES.finditer(pattern) if "," in braces[1]), None)
            if found is None:
                done.append(pattern)
                continue
            left += [pattern[: found.start()] + choice + pattern[found.end() :] for choice in found[1].split(",")]
            if len(left) + len(done) > _MOST:
                msg = f"path={list(self.told)!r} stands for more than {_MOST} patterns"
                raise ValueError(msg)
        return done


def _first(expression: re.Pattern[str], text: str) -> str:
    found = expression.search(text)
    return found[0] if found else ""


def _compiled(pattern: str) -> Callable[[str], bool]:
    """Give what tells whether a path matches a pattern without braces.

    Where `**` stands for folders, `*` stays within one; where it does not, `*` stands for anything, as on the server.
    """
    parts = pattern.split("/")
    if "**" not in parts:
        return partial(fnmatchcase, pat=pattern)
    if parts[-1] == "**":
        parts.append("*")  # a path ends with a file
    return lambda path: _fits(path.split("/"), parts)


def _fits(folders: list[str], parts: list[str]) -> bool:
    """Tell whether a path matches a pattern, both cut at slashes: keep how far each part may have come."""
    reached = {0}
    for part in parts:
        if part == "**":
            reached = set(range(min(reached), len(folders)))
        else:
            reached = {at + 1 for at in reached if at < len(folders) and fnmatchcase(folders[at], part)}
        if not reached:
            return False
    return len(folders) in reached
