"""Names that are meant by others: synonyms in filters and fields, and names and values that are misspelled."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SYNONYMS: Final[Mapping[str, tuple[str, ...]]] = {
    "after": ("created_from",),
    "author": ("creator",),
    "before": ("created_to",),
    "branch_name": ("branch",),
    "cluster_queue": ("cluster_queue_id",),
    "commit_sha": ("commit",),
    "content": ("body",),
    "created_after": ("created_from",),
    "created_before": ("created_to",),
    "creator_id": ("creator",),
    "cron": ("cronline",),
    "desc": ("description",),
    "environment": ("env",),
    "environment_variables": ("env",),
    "env_vars": ("env",),
    "from_date": ("created_from",),
    "glob": ("path",),
    "host": ("hostname",),
    "job_type": ("kind",),
    "key": ("step_key",),
    "metadata": ("meta_data",),
    "ref": ("branch",),
    "repo": ("repository",),
    "sha": ("commit",),
    "since": ("created_from",),
    "start": ("created_from",),
    "status": ("state",),
    "step": ("step_key",),
    "text": ("body",),
    "title": ("name",),
    "to_date": ("created_to",),
    "type": ("kind",),
    "until": ("created_to",),
    "user": ("creator",),
    "variables": ("env",),
    "yaml": ("configuration",),
}
"""Filters of listings and fields of bodies that do not exist, with those that they may stand for."""

_WORD: Final = 4
_USUAL_WORD: Final = 6
_LONG_WORD: Final = 8


def meant(name: str, known: Iterable[str]) -> str | None:
    """Return the filter or field that another name stands for, or is a misspelling of; None if there is none."""
    names = list(known)
    return next((each for each in SYNONYMS.get(name, ()) if each in names), None) or close_name(name, names)


def close_name(name: str, known: Iterable[str]) -> str | None:
    """Return the name that another is a misspelling of; None if none is really close.

    A word of four letters or more may have one mistake, one of eight or more may have two; a shorter one must be right.
    A mistake is a letter that is missing, added or another, or two that are exchanged. The first letter is never wrong,
    and a word of less than six letters has no letter that is another: `stop` is not `step`.
    A name may also lack its underscores.
    """
    close = [each for each in sorted(known) if _is_close(name.lower(), each.lower())]
    return min(close, key=lambda each: _mistakes(name, each), default=None)


def close_value(value: str, known: Iterable[str]) -> str | None:
    """Return the value that another is a misspelling of, or the beginning of; None if none is really close."""
    values = list(known)
    longer = [each for each in values if len(value) >= _WORD and each.startswith(value)]
    return close_name(value, values) or min(longer, key=len, default=None)


def _is_close(name: str, other: str) -> bool:
    words, others = re.split("[_-]", name), re.split("[_-]", other)
    if "".join(words) == "".join(others):
        return True
    return len(words) == len(others) and all(map(_is_close_word, words, others))


def _is_close_word(word: str, other: str) -> bool:
    if word.removesuffix("s") == other.removesuffix("s"):
        return True
    shorter = min(len(word), len(other))
    if shorter < _WORD or word[0] != other[0] or {word, other} & {f"{word}d", f"{word}ed", f"{other}d", f"{other}ed"}:
        return False  # the second is the past of the first: data about an action, not the action
    if len(word) == len(other) < _USUAL_WORD and sorted(word) != sorted(other):
        return False
    return _mistakes(word, other) <= (2 if shorter >= _LONG_WORD else 1)


def _mistakes(word: str, other: str) -> int:
    """Return how many letters are missing, added, others, or exchanged with their neighbour."""
    rows = [list(range(len(other) + 1))]
    for i, letter in enumerate(word, start=1):
        row = [i]
        for j, right in enumerate(other, start=1):
            best = min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (letter != right))
            if i > 1 and j > 1 and letter == other[j - 2] and word[i - 2] == right:
                best = min(best, rows[-2][j - 2] + 1)
            row.append(best)
        rows.append(row)
    return rows[-1][-1]
