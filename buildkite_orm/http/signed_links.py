"""Signed links: the path and query of a request, byte for byte as the server wrote them."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

# What no request line can carry. All else stays: a signature covers each byte, also of what could be written otherwise.
_NOT_IN_A_TARGET: Final = re.compile(r"[^\x21-\x7e]+")


def split_link(url: str) -> tuple[str, str]:
    """Split a URL into its server, to connect to, and the target of the request line.

    Spaces, control characters and what is not ASCII are percent-encoded; nothing else is changed. The fragment is left
    out, since no server gets it.

    Args:
        url: An absolute URL.

    Raises:
        ValueError: It is not one.
    """
    url = url.strip()
    parts = urlsplit(url)
    if not parts.netloc:
        raise ValueError("the URL names no host")
    after = url[url.index("//") + 2 :].partition("#")[0]  # urlsplit drops tabs and newlines, and an empty query
    end = min((place for place in map(after.find, "/?") if place >= 0), default=len(after))
    target = after[end:] if after[end : end + 1] == "/" else f"/{after[end:]}"
    return f"{parts.scheme}://{parts.netloc}", _NOT_IN_A_TARGET.sub(_percent_encoded, target)


def _percent_encoded(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "surrogatepass"))
