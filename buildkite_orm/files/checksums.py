"""The expected length and hashes of a file, and whether the received bytes match them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Self

from buildkite_orm.errors import ChecksumMismatchError
from buildkite_orm.utils.workers import Background

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from buildkite_orm.resources.builds.artifact import ArtifactRef

_BLOCK: Final = 1 << 20
_MAX_SIZE: Final = 1 << 63


@dataclass(slots=True)
class ExpectedContent:
    """The size and the checksums of a file, and the hashes of the bytes that have arrived.

    Attributes:
        size: The number of bytes, if it is known.
        sums: The checksums, by their kinds.
        hashes: The hashes of the bytes that have arrived, by the same kinds.
    """

    size: int | None
    sums: dict[str, str]
    hashes: dict[str, Any]

    @classmethod
    def of(cls, artifact: ArtifactRef) -> ExpectedContent:
        """Return what is known of an artifact, before any byte has arrived."""
        known: dict[str, Any] = artifact.__dict__
        sums = {name: str(known[f"{name}sum"]).lower() for name in ("sha1", "sha256") if known.get(f"{name}sum")}
        hashes = {name: hashlib.new(name, usedforsecurity=False) for name in sums}
        return cls(size_of(artifact), sums, hashes)

    def size_only(self) -> ExpectedContent:
        """Return the same without checksums, for content whose checksums are checked elsewhere."""
        return ExpectedContent(self.size, {}, {})

    def update(self, chunk: bytes | memoryview) -> None:
        """Hash the next bytes."""
        for each in self.hashes.values():
            each.update(chunk)

    def check(self, path: str, size: int) -> None:
        """Check that the bytes that have arrived are the content.

        Args:
            path: The path of the file, for the error.
            size: The number of bytes.

        Raises:
            ChecksumMismatchError: They are not.
        """
        if self.size is not None and size != self.size:
            raise ChecksumMismatchError(f"{path}: {size} bytes were received, not the {self.size} that were uploaded")
        for name, expected in self.sums.items():
            if self.hashes[name].hexdigest() != expected:
                raise ChecksumMismatchError(
                    f"{path}: the content that was received does not have the {name.upper()} of what was uploaded"
                )


class ThreadedHasher:
    """Hashes in a thread of its own, block by block, because hashing takes as long as downloading.

    Chunks are copied into one of two blocks while the other one is hashed: handing over each chunk by itself takes as
    long as hashing it. Content that fits into one block is hashed without a thread.

    Args:
        update: Called with the bytes in order; all of them when the `with` has ended.
    """

    def __init__(self, update: Callable[[memoryview], None]) -> None:
        self._update = update
        self._first = bytearray()
        self._blocks: list[memoryview] = []
        self._filled = 0
        self._thread = Background()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._thread.wait()
                self._update(self._block())
        finally:
            self._thread.close()

    def add(self, chunk: bytes) -> None:
        """Add the next bytes, one block at most."""
        if self._filled + len(chunk) > _BLOCK:
            self._hand_over()
        if self._blocks:
            self._blocks[0][self._filled : self._filled + len(chunk)] = chunk
        else:
            self._first += chunk
        self._filled += len(chunk)

    def _block(self) -> memoryview:
        return self._blocks[0][: self._filled] if self._blocks else memoryview(self._first)

    def _hand_over(self) -> None:
        # waits until the other block, which is filled next, is hashed
        self._thread.submit(partial(self._update, self._block()))
        if self._blocks:
            self._blocks.reverse()
        else:
            self._first, self._blocks = bytearray(), [memoryview(bytearray(_BLOCK)) for _ in range(2)]
        self._filled = 0


def size_of(artifact: ArtifactRef) -> int | None:
    """Return the size of an artifact in the API; None if it is missing or not a size."""
    size = artifact.__dict__.get("file_size")
    is_size = isinstance(size, int) and not isinstance(size, bool) and 0 <= size < _MAX_SIZE
    return size if is_size else None
