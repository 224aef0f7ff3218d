"""Signed links: the path and query of a request, byte for byte as the server wrote them."""

from __future__ import annotations

import re
from itertools import takewhile
from typing import Final
from urllib.parse import urlsplit

# Characters that a request line cannot carry. All others stay, because a signature covers each byte.
_NOT_IN_A_TARGET: Final = re.compile(r"[^\x21-\x7e]+")
# Characters that URL parsers disagree on: some end the host at a backslash, others take all before `@` for a user.
_NOT_IN_A_SERVER: Final = re.compile(r"[\\\x00-\x20\x7f]")
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


def split_link(url: str) -> tuple[str, str]:
    """Split a URL into its server, to connect to, and the target of the request line.

    Spaces, control characters and what is not ASCII are percent-encoded; nothing else is changed. The fragment is
    omitted, since it is never sent.

    Args:
        url: An absolute URL.

    Raises:
        ValueError: The text is not a URL.
    """
    url = url.strip()
    parts = urlsplit(url)
    if not parts.netloc or _NOT_IN_A_SERVER.search(parts.netloc):
        raise ValueError("the URL names no host")
    after = url[url.index("//") + 2 :].partition("#")[0]  # urlsplit drops tabs and newlines, and an empty query
    end = min((place for place in map(after.find, "/?") if place >= 0), default=len(after))
    target = after[end:] if after[end : end + 1] == "/" else f"/{after[end:]}"
    return f"{parts.scheme}://{parts.netloc}", _NOT_IN_A_TARGET.sub(_percent_encoded, target)


def resolve_link(base: str, location: str) -> str:
    """Return the target of a `Location` header.

    A complete URL is not changed, since a signature may depend on each byte. Neither are the path and query of a
    relative one: unlike `urljoin`, this keeps `//`, an empty query, and dot segments except at the beginning.

    Args:
        base: The URL of the response.
        location: The header.

    Raises:
        ValueError: The header is not a URL.
    """
    location = _decoded(location.strip())
    if _SCHEME.match(location):
        urlsplit(location)
        return location
    server, target = split_link(base)
    if location.startswith("//"):
        return f"{urlsplit(base).scheme}:{location}"
    path = target.partition("?")[0]
    if location.startswith("/"):
        return f"{server}{location}"
    if not location or location.startswith("#"):
        return f"{server}{target}"
    return f"{server}{path}{location}" if location.startswith("?") else f"{server}{_relative_to(path, location)}"


def _relative_to(path: str, relative: str) -> str:
    """Resolve a path that is relative to the folder of another."""
    folders = path.split("/")[:-1]
    relative, mark, query = relative.partition("?")
    steps = relative.split("/")
    dots = list(takewhile(lambda step: step in {".", ".."}, steps))
    for step in dots:
        if step == ".." and len(folders) > 1:
            folders.pop()
    return "/".join([*folders, *(steps[len(dots) :] or [""])]) + mark + query


def _decoded(header: str) -> str:
    """Decode a header in UTF-8, which was read with one character for each byte."""
    try:
        return header.encode("latin-1").decode()
    except UnicodeError:
        return header


def _percent_encoded(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "surrogatepass"))
