"""Paths of the API: as answers tell them, as they lead up and down, and as people write them."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

from buildkite_orm.http.encoding import encode_path
from buildkite_orm.http.session import path_of
from buildkite_orm.utils.text import escape_control

# A URL in whose path there is nothing to encode or decode, as nearly all are: taking it apart costs ten times as much.
# Nothing in it is tried in two ways, so that a long URL costs time in proportion to its length.
_PLAIN: Final = re.compile(
    r"https?://[\w.:-]++(?:/(?!v2/)[\w-]++)*+/v2/([\w-]++(?:/[\w-]++)*+)",
    re.ASCII,
)


def path_told(url: object) -> str | None:
    """Read where a thing is from its URL in an answer; None where it is no URL of the API, or steps out of it."""
    if isinstance(url, str) and (plain := _PLAIN.fullmatch(url)):
        return plain[1]
    try:
        path = path_of(url) if isinstance(url, str) else None
        return None if path is None else encode_path(*map(unquote, path.split("/")))
    except ValueError:
        return None


def path_below(collection: str | None, key: object) -> str | None:
    """Give the path of what a collection knows by a key; None where either is not known, or is no key."""
    if collection is None or isinstance(key, bool) or not isinstance(key, str | int):
        return None
    try:
        return f"{collection}/{encode_path(key)}"
    except ValueError:
        return None


def parent_path(path: str, levels: int = 1) -> str:
    """Go up in a path."""
    return path.rsplit("/", levels)[0]


def short_path(path: str | None) -> str:
    """Write a path as people do: `acme/web #42` for `organizations/acme/pipelines/web/builds/42`."""
    if path is None:
        return "?"
    parts = [unquote(part) for part in path.split("/")]
    if parts[1:2] == ["organizations"]:  # behind the name of an area
        del parts[0]
    if parts[:1] == ["organizations"] and len(parts) > 1:
        parts = parts[1:]
    if parts[1:2] == ["pipelines"] and len(parts) > 2:  # noqa: PLR2004
        del parts[1]
    if parts[2:3] == ["builds"] and len(parts) > 3:  # noqa: PLR2004
        parts[1:4] = [f"{parts[1]} #{parts[3]}"]
    return escape_control("/".join(parts))
