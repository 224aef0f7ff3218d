"""The `Link` header, which names the other pages of a listing."""

from __future__ import annotations

import re
from typing import Final

# A URL may have commas and semicolons: requests' own reader ends it at the first semicolon, and then has no `rel`.
_LINK: Final = re.compile(r"<([^<>]*)>([^<]*)")
_REL: Final = re.compile(r";\s*rel\s*=\s*(?:\"([^\"]*)\"|([^\s;,]+))", re.IGNORECASE)


def read_links(header: str) -> dict[str, str]:
    """Return the URLs that a `Link` header names, by `next`, `prev`, `first` and `last`."""
    links: dict[str, str] = {}
    for link in _LINK.finditer(header):
        url, rel = link[1].strip(), _REL.search(link[2])
        for name in (rel[1] or rel[2] or "").lower().split() if url and rel else []:
            links[name] = url
    return links
