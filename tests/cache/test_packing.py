"""How payloads are stored: compressed, with a checksum; pages as they arrived, if they were compressed."""

from __future__ import annotations

import gzip
import json
import os
import sqlite3
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildkite_orm import Cache, NotCachedError
from buildkite_orm.cache import packing
from buildkite_orm.cache.packing import is_intact, pack, unpack
from buildkite_orm.http.stream import ReceivedCopy
from tests.cache.conftest import web_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from buildkite_orm.fake import FakeBuildkite

PAYLOAD = b'{"state":"passed","name":"a job"}' * 200


def use_library(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Compress with `isal`, or with `zlib` as if it were not installed."""
    if name == "zlib":
        monkeypatch.setitem(sys.modules, "isal", None)
    else:
        pytest.importorskip("isal", reason="install the extra check")
    packing.library.cache_clear()


@pytest.fixture(params=["isal", "zlib"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    use_library(monkeypatch, request.param)
    yield request.param
    packing.library.cache_clear()


@pytest.mark.parametrize("payload", [b"", b"{}", PAYLOAD], ids=["empty", "short", "long"])
def test_a_payload_is_read_as_it_was_stored(library: str, payload: bytes) -> None:
    assert unpack(pack(payload)) == payload
    assert packing.library().__name__.endswith(library if library == "zlib" else "isal_zlib")


def test_each_library_reads_what_the_other_has_written(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("isal", reason="install the extra check")
    packed = pack(PAYLOAD)
    with monkeypatch.context() as without:
        use_library(without, "zlib")
        by_zlib = pack(PAYLOAD)
        assert unpack(packed) == PAYLOAD
    packing.library.cache_clear()
    assert unpack(by_zlib) == PAYLOAD
    assert max(len(packed), len(by_zlib)) < len(PAYLOAD) / 20


@given(place=st.integers(min_value=0), change=st.integers(1, 255))
def test_one_changed_byte_is_noticed(place: int, change: int) -> None:
    packed = bytearray(pack(PAYLOAD))
    packed[place % len(packed)] ^= change
    assert not is_intact(bytes(packed))
    assert unpack(bytes(packed)) is None


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("data", [b"", b"\0\0\0", b"\0\0\0\0", pack(PAYLOAD)[:-1], b"\0" * 100])
def test_other_data_is_damaged(data: bytes) -> None:
    assert unpack(data) is None


def stored_page(folder: Path) -> bytes:
    """Return the only stored page."""
    with closing(sqlite3.connect(folder / "cache.sqlite3")) as rows:
        (found,) = rows.execute("SELECT data FROM entries WHERE kind = 'page'").fetchall()
    return bytes(found[0])


def list_and_read(server: FakeBuildkite, folder: Path, **options: Any) -> None:
    """List 50 builds without their jobs; then read the same from the cache."""
    server.add_builds("web", 50, jobs=3, spacing=60, newest=server.clock.now() - 3600)
    with server.client(http=True, cache=Cache(folder, namespace="test", **options)) as bk:
        listed = [build.dump() for build in web_of(bk).builds(cache="refresh")]
    with server.client(cache=Cache(folder, namespace="test", mode="only", **options), base_url=server.url) as bk:
        read = [build.dump() for build in web_of(bk).builds()]
    assert len(listed) == 50
    dropped = options.get("drop", ())
    assert read == [{name: value for name, value in build.items() if name not in dropped} for build in listed]


def test_a_page_without_jobs_is_stored_as_it_arrived(server: FakeBuildkite, folder: Path) -> None:
    sent: list[bytes] = []
    compress = gzip.compress

    def compress_and_note(body: bytes, *args: Any, **named: Any) -> bytes:
        sent.append(compress(body, *args, **named))
        return sent[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gzip, "compress", compress_and_note)
        list_and_read(server, folder)
    assert stored_page(folder) in sent


def test_a_page_that_is_not_compressed_is_compressed_to_be_stored(
    server: FakeBuildkite, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(_incoming: object) -> bool:
        return False

    monkeypatch.setattr("buildkite_orm.fake.app._accepts_gzip", never)
    list_and_read(server, folder)
    assert len(json.loads(gzip.decompress(stored_page(folder)))) == 50


def test_a_page_is_stored_without_the_fields_that_must_not_be(server: FakeBuildkite, folder: Path) -> None:
    list_and_read(server, folder, drop=("author",))
    assert b"author" not in gzip.decompress(stored_page(folder))


def test_a_damaged_page_is_missing(server: FakeBuildkite, folder: Path) -> None:
    list_and_read(server, folder)
    with closing(sqlite3.connect(folder / "cache.sqlite3")) as rows, rows:
        rows.execute("UPDATE entries SET data = ? WHERE kind = 'page'", [stored_page(folder)[:-9]])
    with (
        server.client(cache=Cache(folder, namespace="test", mode="only"), base_url=server.url) as bk,
        pytest.raises(NotCachedError, match="a damaged page"),
    ):
        list(web_of(bk).builds())


@pytest.mark.parametrize(
    ("received", "content", "is_kept"),
    [
        (gzip.compress(PAYLOAD), PAYLOAD, True),
        (gzip.compress(PAYLOAD), b"[]", False),  # a tool that watches requests has replaced it
        (PAYLOAD, PAYLOAD, False),
        (gzip.compress(os.urandom(2**18)), PAYLOAD, False),  # too large
    ],
    ids=["gzip", "replaced", "not compressed", "large"],
)
def test_a_body_is_copied_as_it_arrived_if_it_is_small_and_in_gzip(
    received: bytes, content: bytes, *, is_kept: bool
) -> None:
    copy = ReceivedCopy()
    chunks = [received[start : start + 1000] for start in range(0, len(received), 1000)]
    assert list(copy.copying(iter(chunks))) == chunks
    assert copy.as_gzip(PAYLOAD, content) == (received if is_kept else None)
