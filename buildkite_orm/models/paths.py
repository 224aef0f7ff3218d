"""Paths of the API: read from URLs, matched with the templates that refs declare, built from keys, and shortened."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from buildkite_orm.http.encoding import encode_path
from buildkite_orm.http.messages import path_of
from buildkite_orm.utils.text import escape_control

if TYPE_CHECKING:
    from collections.abc import Mapping

# Matches URLs whose path needs no decoding, as nearly all are: parsing one in full takes ten times as long.
# The quantifiers are possessive, so that a long URL takes time in proportion to its length.
_PLAIN: Final = re.compile(
    r"https?://[\w.:-]++(?:/(?!v2/)[\w-]++)*+/v2/([\w-]++(?:/[\w-]++)*+)",
    re.ASCII,
)


class Routes:
    """The paths that lead to resources of one kind, as templates with the keys in braces.

    `organizations/{organization}/pipelines/{pipeline}/builds/{number}` is the template of a build. A key of a resource
    above is named after its kind. The last key, if the template ends with one, is named after the field that has it.

    Args:
        kind: The kind of resource, as `build`.
        templates: The templates; the preferred one first.
    """

    __slots__ = ("identity", "shared", "templates")

    def __init__(self, kind: str, templates: tuple[str, ...]) -> None:
        parts = [template.split("/") for template in templates]
        last = _name_in(parts[0][-1]) if parts else None
        self.identity = last
        """The field whose value is the last segment; None if there is only one such resource below its parent."""

        if last is not None:
            parts = [[*segments[:-1], f"{{{kind}}}"] for segments in parts]
        self.templates = tuple(tuple((each, _name_in(each)) for each in segments) for segments in parts)
        names = [{name for _, name in template if name} for template in self.templates]
        self.shared: list[str] = sorted(names[0].intersection(*names[1:])) if len(names) > 1 else []
        """The names of the keys that all of several templates have: they identify a resource on every route."""

    def keys_in(self, path: str) -> dict[str, str]:
        """Return the keys in a path, encoded, by the kinds that they identify; none if no template matches.

        A path below a resource of this kind matches too.
        """
        segments = path.split("/")
        for template in self.templates:
            if len(segments) >= len(template) and all(
                name or part == segment for (part, name), segment in zip(template, segments, strict=False)
            ):
                return {name: segment for (_, name), segment in zip(template, segments, strict=False) if name}
        return {}

    def matches(self, path: str) -> bool:
        """Whether a path is that of a resource of this kind."""
        length = path.count("/") + 1
        return any(len(template) == length for template in self.templates) and bool(self.keys_in(path))

    def path_of(self, keys: Mapping[str, str]) -> str | None:
        """Return the path with these keys, by the first template that needs no other; None if each needs another."""
        for template in self.templates:
            if all(name is None or name in keys for _, name in template):
                return "/".join(part if name is None else keys[name] for part, name in template)
        return None


def _name_in(segment: str) -> str | None:
    return segment[1:-1] if segment.startswith("{") else None


def path_from_url(url: object) -> str | None:
    """Return the path in a URL of a response; None if it is not a URL of the API, or has `..` in it."""
    if isinstance(url, str) and (plain := _PLAIN.fullmatch(url)):
        return plain[1]
    try:
        path = path_of(url) if isinstance(url, str) else None
        return None if path is None else encode_path(*map(unquote, path.split("/")))
    except ValueError:
        return None


def path_below(collection: str | None, key: object) -> str | None:
    """Return the path of the item of a collection that has a key; None if either is unknown or not valid."""
    segment = encode_key(key)
    return None if collection is None or segment is None else f"{collection}/{segment}"


def encode_key(key: object) -> str | None:
    """Return a key as a segment of a path; None if it is not one."""
    if isinstance(key, bool) or not isinstance(key, str | int):
        return None
    try:
        return encode_path(key)
    except ValueError:
        return None


def key_in(path: str) -> str:
    """Return the last segment of a path, decoded: the key of a resource in its collection."""
    return unquote(path.rpartition("/")[2])


def collection_of(path: str) -> str:
    """Return the path of the collection that a resource is in."""
    return path.rpartition("/")[0]


def short_path(path: str | None) -> str:
    """Shorten a path for people: `acme/web #42` for `organizations/acme/pipelines/web/builds/42`."""
    if path is None:
        return "?"
    match [unquote(part) for part in path.split("/")]:
        case ["organizations", organization, *rest] | [_, "organizations", organization, *rest]:
            return escape_control("/".join([organization, *_shortened(rest)]))
        case parts:
            return escape_control("/".join(parts))


def _shortened(parts: list[str]) -> list[str]:
    match parts:
        case ["pipelines", pipeline, "builds", number, *rest]:
            return [f"{pipeline} #{number}", *rest]
        case ["pipelines", pipeline, *rest]:
            return [pipeline, *rest]
        case _:
            return parts
