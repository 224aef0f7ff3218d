"""The content of an artifact: given bytes, or bytes that are generated while they are read."""

from __future__ import annotations

import hashlib
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_BLOCK = 1 << 16


class Content:
    """A file's content, read in blocks and never held in memory as a whole unless it was given as bytes."""

    def __init__(self, source: bytes | int, seed: object = 0) -> None:
        """Create a content from bytes, or from the size of a content that is generated from `seed`."""
        self._given = source if isinstance(source, bytes) else None
        self._seed = str(seed)
        self._block = b""
        self._sums: tuple[str, str] | None = None
        self.size = len(source) if isinstance(source, bytes) else source

    @property
    def sha1sum(self) -> str:
        """The SHA-1 of the content."""
        return self._digests()[0]

    @property
    def sha256sum(self) -> str:
        """The SHA-256 of the content."""
        return self._digests()[1]

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Yield the bytes from `start` up to `stop`, in blocks."""
        end = self.size if stop is None else min(stop, self.size)
        while start < end:
            number, skip = divmod(start, _BLOCK)
            piece = self._numbered(number)[skip : skip + end - start]
            yield piece
            start += len(piece)

    def _numbered(self, number: int) -> bytes:
        if self._given is not None:
            return self._given[number * _BLOCK : (number + 1) * _BLOCK]
        if not self._block:
            self._block = Random(self._seed).randbytes(min(_BLOCK, self.size + 8))
        # each block has its number, so that swapped blocks are detected
        return (number.to_bytes(8, "big") + self._block[8:])[: self.size - number * _BLOCK]

    def _digests(self) -> tuple[str, str]:
        if self._sums is None:
            short, long = hashlib.sha1(usedforsecurity=False), hashlib.sha256()
            for piece in self.read():
                short.update(piece)
                long.update(piece)
            self._sums = (short.hexdigest(), long.hexdigest())
        return self._sums
