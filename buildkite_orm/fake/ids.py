"""Ids, tokens and hashes, all from one seed."""

from __future__ import annotations

import base64
import hashlib
import re
from random import Random


class Ids:
    """Makes the same ids in the same order for the same seed."""

    def __init__(self, seed: int | str) -> None:
        self.random = Random(seed)

    def uuid(self) -> str:
        """Make a UUID."""
        digits = f"{self.random.getrandbits(128):032x}"
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"

    def commit(self) -> str:
        """Make a git commit's SHA."""
        return f"{self.random.getrandbits(160):040x}"

    def token(self, kind: str = "bkua") -> str:
        """Make a token; an access token unless another kind is named."""
        return f"{kind}_{self.random.getrandbits(160):040x}"


def graphql_id(kind: str, uuid: str) -> str:
    """Give the id that the GraphQL API has for a thing."""
    return base64.b64encode(f"{kind}---{uuid}".encode()).decode()


def digest(*parts: object) -> str:
    """Give 40 hexadecimal digits that follow from `parts`."""
    return hashlib.sha1("/".join(map(str, parts)).encode(), usedforsecurity=False).hexdigest()


def slug_of(name: str) -> str:
    """Give the slug that follows from a name."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
