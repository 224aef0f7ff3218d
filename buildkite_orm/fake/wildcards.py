"""Patterns in which `*` matches any text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def compiled(patterns: Iterable[str]) -> re.Pattern[str]:
    """Return a regular expression that matches what any of the patterns matches."""
    return re.compile("|".join(map(_expression, patterns)), re.DOTALL)


def _expression(pattern: str) -> str:
    """Return a pattern as an expression that takes linear time: each star matches as little as possible, atomically."""
    first, *rest = map(re.escape, pattern.split("*"))
    if not rest:
        return first
    inner = "".join(f"(?>.*?{each})" for each in rest[:-1] if each)
    return f"{first}{inner}.*{rest[-1]}"


def allows(configuration: str | None, branch: str) -> bool:
    """Return whether a pipeline's branch filter ("main feature/* !feature/x") allows a branch."""
    patterns = (configuration or "").split()
    wanted = [each for each in patterns if not each.startswith("!")]
    unwanted = [each[1:] for each in patterns if each.startswith("!")]
    if unwanted and compiled(unwanted).fullmatch(branch):
        return False
    return not wanted or compiled(wanted).fullmatch(branch) is not None
