"""Paths of the API, as answers tell them."""

from __future__ import annotations

from urllib.parse import unquote

from buildkite_orm.encoding import encode_path
from buildkite_orm.session import path_of


def path_told(url: object) -> str | None:
    """Read where a thing is from its URL in an answer; None where it is no URL of the API, or steps out of it."""
    try:
        path = path_of(url) if isinstance(url, str) else None
        return None if path is None else encode_path(*map(unquote, path.split("/")))
    except ValueError:
        return None


def path_below(collection: str | None, key: object) -> str | None:
    """Give the path of what a collection knows by a key; None where either is not known, or is no key."""
    if collection is None or not isinstance(key, str | int):
        return None
    try:
        return f"{collection}/{encode_path(key)}"
    except ValueError:
        return None
