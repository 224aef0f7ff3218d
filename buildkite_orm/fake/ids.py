"""Ids, tokens and hashes, all derived from one seed."""

from __future__ import annotations

import base64
import hashlib
import re
from random import Random


class Ids:
    """Generates the same ids in the same order for the same seed."""

    def __init__(self, seed: int | str) -> None:
        self.random = Random(seed)

    def uuid(self) -> str:
        """Return a new UUID."""
        digits = f"{self.random.getrandbits(128):032x}"
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"

    def commit(self) -> str:
        """Return a new commit SHA."""
        return f"{self.random.getrandbits(160):040x}"

    def token(self, kind: str = "bkua") -> str:
        """Return a new token; an access token unless `kind` names another prefix."""
        return f"{kind}_{self.random.getrandbits(160):040x}"


def graphql_id(kind: str, uuid: str) -> str:
    """Return the GraphQL id of a resource."""
    return base64.b64encode(f"{kind}---{uuid}".encode()).decode()


def digest(*parts: object) -> str:
    """Return 40 hexadecimal digits that are derived from `parts`."""
    return hashlib.sha1("/".join(map(str, parts)).encode(), usedforsecurity=False).hexdigest()


def slug_of(name: str) -> str:
    """Return the slug for a name."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
