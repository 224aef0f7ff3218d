"""The size of the cache is bounded, and the command shows and reduces it."""

from __future__ import annotations

import hashlib
import os
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from buildkite_orm import Cache, ConfigurationError
from buildkite_orm.cache.files import content_path
from buildkite_orm.cache.options import read_size
from buildkite_orm.cache.store import Row, Store
from tests.cache.conftest import web_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from buildkite_orm.fake import FakeBuildkite
    from tests.cache.conftest import Clients

KIB = 1024


class Time:
    """A clock that a test sets."""

    now = 1_000_000.0


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def store(folder: Path, time: Time) -> Iterator[Store]:
    store = Store(folder, max_bytes=1024 * KIB, now=lambda: time.now)
    yield store
    store.close()


def row(key: str, size: int = 50 * KIB) -> Row:
    return Row(key, "log", "", hashlib.shake_128(key.encode()).digest(size), size)


def keys(store: Store, count: int) -> list[str]:
    return sorted(found.key for found in store.find(1, ["log"], [f"{each:03}" for each in range(count)]))


def test_what_was_used_least_recently_is_deleted(store: Store, time: Time) -> None:
    for number in range(40):
        store.put(1, [row(f"{number:03}")])
        time.now += 4000
        assert store.find(1, ["log"], ["000"])  # used all the time
        assert store.usage().total <= 1024 * KIB
    left = keys(store, 40)
    assert left[0] == "000"
    assert left[1:] == [f"{number:03}" for number in range(40 - len(left) + 1, 40)]
    assert len(left) > 10
    assert (store.folder / "cache.sqlite3").stat().st_size <= 1100 * KIB


def test_files_count_too(store: Store, folder: Path, time: Time) -> None:
    for number in range(30):
        content = hashlib.shake_128(str(number).encode()).digest(100 * KIB)
        digest = hashlib.sha256(content).hexdigest()

        def place(digest: str = digest, content: bytes = content) -> None:
            content_path(folder, digest).parent.mkdir(exist_ok=True)
            content_path(folder, digest).write_bytes(content)

        store.put_file(1, Row(str(number), "file", digest, b"", len(content)), place)
        time.now += 1
    on_disk = [path for path in (folder / "files").rglob("*") if path.is_file()]
    assert 5 <= len(on_disk) <= 10
    assert store.usage().counts == {"file": len(on_disk)}
    assert store.usage().files == len(on_disk) * 100 * KIB


def test_a_file_that_two_rows_name_stays_until_both_are_gone(store: Store, folder: Path) -> None:
    digest = hashlib.sha256(b"x").hexdigest()
    path = content_path(folder, digest)

    def place() -> None:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")

    store.put_file(1, Row("a", "file", digest, b"", 1), place)
    store.put_file(1, Row("b", "file", digest, b"", 1), place)
    assert store.usage().files == 1
    store.forget(["a"])
    assert path.exists()
    store.forget(["b"])
    assert not path.exists()


def test_a_removal_counts_for_ten_minutes_whatever_else_is_removed(store: Store, time: Time) -> None:
    store.forget(["000"])
    time.now += 599
    store.forget(["001"])
    store.put(1, [row("000"), row("001")])
    assert keys(store, 2) == []
    time.now += 2
    store.put(1, [row("000"), row("001")])
    assert keys(store, 2) == ["000"]


def test_prune_deletes_old_rows_files_without_a_row_and_what_a_killed_process_has_left(
    store: Store, folder: Path, time: Time
) -> None:
    store.put(1, [row("000")])
    time.now += 100
    store.put(1, [row("001")])
    orphan = content_path(folder, "ab" * 32)
    orphan.parent.mkdir(parents=True)
    orphan.write_bytes(b"x")
    unfinished = folder / "files" / "unfinished-1"
    unfinished.write_bytes(b"x")
    store.prune(max_age=50)
    assert keys(store, 2) == ["001"]
    assert not orphan.exists()
    assert unfinished.exists()  # another process may be writing it
    os.utime(unfinished, (0, 0))
    store.prune()
    assert not unfinished.exists()
    assert keys(store, 2) == ["001"]


def test_pruning_makes_the_database_smaller(store: Store) -> None:
    for number in range(15):
        store.put(1, [row(f"{number:03}")])
    before = store.usage().database
    store.max_bytes = 200 * KIB
    store.prune()
    assert (store.folder / "cache.sqlite3").stat().st_size < before / 2


def test_nothing_is_stored_under_a_key_that_was_removed_a_moment_ago(store: Store, time: Time) -> None:
    store.forget(["000"], ["organizations/acme/"])
    store.put(1, [row("000"), row("organizations/acme/x"), row("001")])
    assert store.usage().counts == {"log": 1}
    time.now += 601
    store.put(1, [row("000"), row("organizations/acme/x"), row("001")])
    assert store.usage().counts == {"log": 3}


def test_a_small_cache_stays_small_and_right(server: FakeBuildkite, new_client: Clients, folder: Path) -> None:
    server.add_builds("web", 300, jobs=3, spacing=60, newest=server.clock.now() - 3600)
    first = [build.dump() for build in web_of(new_client(max_size=300_000)).builds(with_jobs=True)]
    second = list(web_of(new_client(max_size=300_000)).builds(with_jobs=True))
    assert [build.dump() for build in second] == first
    assert (folder / "cache.sqlite3").stat().st_size <= 500_000


@pytest.mark.parametrize(
    ("text", "size"),
    [("2 GB", 2 * 10**9), ("1.5MB", 1_500_000), (5000, 5000), ("64 MiB", 64 * 2**20), ("7", 7), ("10 kb", 10_000)],
)
def test_sizes_are_read(text: object, size: int) -> None:
    assert read_size(text) == size


@pytest.mark.parametrize(
    "options",
    [
        {"max_size": "much"},
        {"max_size": 0},
        {"max_size": -1},
        {"max_size": True},
        {"max_size": "1 EB"},
        {"max_age": 30},
        {"max_age": timedelta(-1)},
        {"namespace": ""},
        {"namespace": 7},
        {"drop": "env"},
        {"drop": ["id"]},
        {"drop": [1]},
        {"mode": "always"},
        {"path": 7},
    ],
)
def test_options_are_checked(options: dict[str, object]) -> None:
    with pytest.raises((ConfigurationError, TypeError)):
        Cache(**{"path": "x", **options})  # type: ignore[arg-type]
