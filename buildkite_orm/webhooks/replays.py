"""Recognize requests that were received before."""

from __future__ import annotations

import hashlib
from typing import Final

from buildkite_orm.errors import ConfigurationError
from buildkite_orm.utils.forking import ForkSafeLock
from buildkite_orm.utils.plain_values import as_index

MOST_REMEMBERED: Final = 50_000


def digest_of(timestamp: str, body: bytes) -> str:
    """Return what identifies a request: the SHA-256 of its timestamp and its body, in hexadecimal digits."""
    return hashlib.sha256(timestamp.encode() + b"." + body).hexdigest()


class SeenInMemory:
    """Remembers the latest requests, for `receive(seen=…)`. Safe for threads; it serves one process.

    Only requests that were verified are remembered. Several processes need a store that they share.

    Args:
        size: How many are remembered; the oldest ones are forgotten. One takes some 200 bytes.

    Example:
        >>> seen = SeenInMemory(size=1000)
        >>> seen("5feceb66"), seen("5feceb66")
        (False, True)
    """

    __slots__ = ("_digests", "_lock", "_size")

    def __init__(self, size: int = MOST_REMEMBERED) -> None:
        self._size = as_index("size", size)
        if self._size < 1:
            raise ConfigurationError(f"size={size!r}: a number of requests, 1 or more")
        self._lock = ForkSafeLock()
        self._digests: dict[str, None] = {}

    def __call__(self, digest: str, /) -> bool:
        """Return whether a request was seen before, and remember it.

        Args:
            digest: What identifies it.
        """
        with self._lock.current:
            if digest in self._digests:
                return True
            self._digests[digest] = None
            if len(self._digests) > self._size:
                del self._digests[next(iter(self._digests))]
            return False

    def __repr__(self) -> str:
        return f"<SeenInMemory: {len(self._digests)} of {self._size}>"


SEEN_BY_THIS_PROCESS: Final = SeenInMemory()
"""The requests that this process has received: the default of `receive(seen=…)`."""
