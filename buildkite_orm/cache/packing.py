"""Payloads as the cache stores them: a checksum, then the compressed payload. The extra `cache` makes that faster."""

from __future__ import annotations

import zlib
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from buildkite_orm.cache.store import Row

if TYPE_CHECKING:
    from types import ModuleType

_LEVEL: Final = 1  # measured: higher levels take two to four times as long, and save a tenth
_WITHOUT_HEADER: Final = -zlib.MAX_WBITS  # nor zlib's checksum, which is of the whole payload: six times as slow
_CHECKSUM_BYTES: Final = 4


@lru_cache(maxsize=1)
def library() -> ModuleType:
    """Return the module that compresses: isal if it is installed, else zlib. Each reads what the other has written."""
    try:
        from isal import isal_zlib  # noqa: PLC0415 - loaded when the cache is used
    except ImportError:
        return zlib
    module: ModuleType = isal_zlib
    return module


def pack(payload: bytes) -> bytes:
    """Return a payload as it is stored."""
    packed: bytes = library().compress(payload, _LEVEL, _WITHOUT_HEADER)
    return _checksum(packed) + packed


def is_intact(data: bytes) -> bool:
    """Whether stored data is as it was when it was stored."""
    return data[:_CHECKSUM_BYTES] == _checksum(memoryview(data)[_CHECKSUM_BYTES:])


def unpack(data: bytes) -> bytes | None:
    """Return the payload of stored data; None if that is damaged."""
    if not is_intact(data):
        return None
    try:
        payload: bytes = library().decompress(memoryview(data)[_CHECKSUM_BYTES:], _WITHOUT_HEADER)
    except (zlib.error, library().error):
        return None
    return payload


def packed_row(key: str, kind: str, stamp: str, payload: bytes) -> Row:
    """Return the row of a payload."""
    data = pack(payload)
    return Row(key, kind, stamp, data, len(data))


def _checksum(data: bytes | memoryview) -> bytes:
    return zlib.crc32(data).to_bytes(_CHECKSUM_BYTES)
