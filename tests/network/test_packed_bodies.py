"""Bodies that are compressed, and arrive in pieces of any size."""

from __future__ import annotations

import gzip
import zlib
from typing import TYPE_CHECKING, Final

import pytest

from buildkite_orm.http.decoding import Decoder, DecodingError
from tests.network.calls import log
from tests.network.servers import chunked, head, in_turn

if TYPE_CHECKING:
    from pathlib import Path

    from tests.network.conftest import Connect, Serve

FIRST: Final = b"the first member\n" * 500
SECOND: Final = b"the second member\n" * 500


def _decoded(encoding: str, packed: bytes, size: int) -> bytes:
    decoder = Decoder(encoding)
    pieces = [packed[start : start + size] for start in range(0, len(packed), size)]
    unpacked = b"".join(part for piece in pieces for part in decoder.decode(piece))
    decoder.finish()
    return unpacked


def _raw_deflate(data: bytes, level: int) -> bytes:
    packer = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100_000])
def test_members_of_a_gzip_stream_are_read_wherever_its_pieces_end(size: int) -> None:
    assert _decoded("gzip", gzip.compress(FIRST) + gzip.compress(SECOND), size) == FIRST + SECOND


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("level", range(10))
def test_deflate_is_read_with_and_without_its_header_wherever_its_pieces_end(level: int, size: int) -> None:
    assert _decoded("deflate", _raw_deflate(FIRST, level), size) == FIRST
    assert _decoded("deflate", zlib.compress(FIRST, level), size) == FIRST


@pytest.mark.parametrize("size", [1, 2, 100_000])
def test_padding_behind_a_gzip_stream_is_left_out(size: int) -> None:
    assert _decoded("gzip", gzip.compress(FIRST) + b"\0" * 7, size) == FIRST


@pytest.mark.parametrize("left", [1, 2, 10, 30])
@pytest.mark.parametrize("size", [1, 100_000])
def test_a_further_member_that_is_cut_is_damaged(left: int, size: int) -> None:
    with pytest.raises(DecodingError):
        _decoded("gzip", gzip.compress(FIRST) + gzip.compress(SECOND)[:left], size)


def test_a_log_whose_second_gzip_member_begins_with_a_chunk_of_one_byte_is_whole(
    serve: Serve, connect: Connect, tmp_path: Path
) -> None:
    packed, further = gzip.compress(FIRST), gzip.compress(SECOND)
    headers = {"Content-Type": "text/plain", "Content-Encoding": "gzip", "Transfer-Encoding": "chunked"}
    server = serve(in_turn(head(200, headers) + chunked(packed, further[:1], further[1:])))
    assert log(connect(server)).save_to(tmp_path / "job.log").read_bytes() == FIRST + SECOND
