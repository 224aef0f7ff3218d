"""When a listing uses what a change feed has seen, and which runs it knows."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import pytest

from buildkite_orm import Cache, NotCachedError
from buildkite_orm.cache.packing import pack
from buildkite_orm.data import feed_index
from buildkite_orm.data.feed_listing import Source
from tests.cache.conftest import web_of
from tests.cache.feeds import RUN, check_same, dumps, follow, listing, move, numbers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from buildkite_orm import Build, Buildkite, Checkpoint
    from buildkite_orm.fake import FakeBuildkite
    from tests.cache.conftest import Clients
    from tests.conftest import Costs

# -- when it is used


def rows_of(folder: Path, kind: str) -> int:
    """Return how many rows of a kind there are."""
    with closing(sqlite3.connect(folder / "cache.sqlite3")) as rows:
        return int(rows.execute("SELECT count(*) FROM entries WHERE kind = ?", [kind]).fetchone()[0])


OTHERS: list[dict[str, Any]] = [
    {"branch": "main"},
    {"state": "passed"},
    {"finished_from": datetime(2026, 7, 1, tzinfo=UTC)},
    {"created_from": datetime(2026, 8, 1, 7, 50, 0, 5, tzinfo=UTC)},
    {"cache": "refresh"},
    {"cache": "off"},
]


@pytest.mark.parametrize("filters", OTHERS)
def test_a_listing_costs_its_pages_with(followed: FakeBuildkite, new_client: Clients, filters: dict[str, Any]) -> None:
    before = len(followed.requests)
    list(listing(new_client(), **filters))
    assert not any("running" in request.line for request in followed.requests[before:])


@pytest.mark.parametrize("options", [{"drop": ("env",)}, {"namespace": "other"}, {"mode": "refresh"}, {"mode": "off"}])
def test_a_listing_costs_its_pages_with_a_cache_of(
    followed: FakeBuildkite, new_client: Clients, options: dict[str, Any], costs: Costs
) -> None:
    with costs(14):
        assert len(list(listing(new_client(**options)))) == 250
    assert followed.requests


def test_a_listing_with_another_token_costs_its_pages(year: FakeBuildkite, new_client: Clients, costs: Costs) -> None:
    follow(new_client(namespace=None))
    other = new_client(namespace=None, token=year.make_token("read_builds"))
    with costs(1 + 14):
        assert not any(build.from_cache for build in listing(other))


def test_without_requests_the_pages_must_be_stored(followed: FakeBuildkite, new_client: Clients) -> None:
    expected = dumps(list(listing(new_client(), cache="refresh")))
    before = len(followed.requests)
    with pytest.raises(NotCachedError, match="web #201"):
        list(listing(new_client(mode="only")))
    finished = {"created_to": datetime(2026, 8, 1, 8, tzinfo=UTC)}
    stored = dumps(list(listing(new_client(), **finished)))
    assert len(followed.requests) > before
    assert stored[0] in expected


def test_a_strict_client_requests_all_pages(followed: FakeBuildkite, folder: Path, costs: Costs) -> None:
    with followed.client(cache=Cache(folder, namespace="test"), strict=True) as bk, costs(14):
        assert len(list(listing(bk, with_jobs=False))) == 250


@pytest.mark.parametrize("filters", [{"branch": "main"}, {"commit": "0123456789abcdef0123456789abcdef01234567"}])
def test_a_feed_of_a_branch_or_a_commit_covers_its_listing(
    server: FakeBuildkite, new_client: Clients, filters: dict[str, Any]
) -> None:
    server.add_builds("web", 150, spacing=60, newest=server.clock.now() - 3600, **filters)
    server.add_builds("web", 50, spacing=60, branch="other")
    follow(new_client(), **filters)
    assert len(check_same(server, new_client(), most=1 + RUN, **filters)) == 150
    assert len(check_same(server, new_client(), most=20)) == 200


def test_a_feed_with_a_beginning_covers_what_is_later(year: FakeBuildkite, new_client: Clients) -> None:
    since = datetime(2026, 8, 1, 8, tzinfo=UTC)
    follow(new_client(), created_from=since)
    check_same(year, new_client(), most=1 + RUN + 1, created_from=since)
    check_same(year, new_client(), most=1 + RUN + 1, created_from=since + timedelta(minutes=30))
    check_same(year, new_client(), most=26, created_from=since - timedelta(minutes=30))
    check_same(year, new_client(), most=26)


@pytest.mark.usefixtures("year")
@pytest.mark.parametrize("options", [{"mode": "off"}, {"drop": ("env",)}])
def test_nothing_is_stored_of_a_feed_with(new_client: Clients, folder: Path, options: dict[str, Any]) -> None:
    new_client().session.cache.usage()  # type: ignore[union-attr] # pyright: ignore[reportOptionalMemberAccess]
    follow(new_client(**options))
    assert rows_of(folder, "feed") == 0


@pytest.mark.usefixtures("year")
def test_nothing_is_stored_of_a_feed_without_jobs_or_of_a_run_that_was_interrupted(
    new_client: Clients, folder: Path
) -> None:
    bk = new_client()
    for _ in web_of(bk).builds().changed_since(None):
        pass
    changes = web_of(bk).builds(with_jobs=True).changed_since(None)
    next(iter(changes))
    assert rows_of(folder, "feed") == 0
    for _ in changes:  # the same object continues, and has seen everything
        pass
    assert rows_of(folder, "feed") == 1


def test_a_run_that_began_earlier_continues_the_index(year: FakeBuildkite, new_client: Clients, costs: Costs) -> None:
    first = follow(new_client())
    year.clock.advance(3600)
    list(listing(new_client()))  # its run is later than the checkpoint that the caller has
    move(year, 101, "failed")
    year.clock.advance(3600)
    second = follow(new_client(), first)
    move(year, 151, "passed")
    year.clock.advance(3600)
    follow(new_client(), second)
    with costs(1 + RUN + 2):  # one for the blocked build, and one in case that older ones were unblocked
        found = list(listing(new_client()))
    with year.client() as plain:
        assert dumps(found) == dumps(list(listing(plain)))


def test_a_run_that_began_later_leaves_the_index_as_it_is(year: FakeBuildkite, new_client: Clients) -> None:
    first = follow(new_client())
    year.clock.advance(3600)
    move(year, 50, "failed")
    year.clock.advance(3600)
    with year.client() as plain:
        second = follow(plain, first)  # only this run reports the build
    year.clock.advance(3600)
    follow(new_client(), second)
    check_same(year, new_client(), most=1 + RUN + 2)


def interrupt(bk: Buildkite, after: int, checkpoint: Checkpoint | None = None) -> Checkpoint:
    """Do a run up to a number of builds, and return its checkpoint."""
    changes = web_of(bk).builds(with_jobs=True).per_page(30).changed_since(checkpoint)
    for number, _ in enumerate(changes):
        if number == after:
            break
    return changes.checkpoint


def test_a_first_run_that_other_processes_continue_counts(
    year: FakeBuildkite, new_client: Clients, folder: Path
) -> None:
    checkpoint = interrupt(new_client(), 70)
    checkpoint = interrupt(new_client(), 40, checkpoint)
    assert rows_of(folder, "feed run") == 5
    assert rows_of(folder, "feed") == 0
    follow(new_client(), checkpoint)
    assert (rows_of(folder, "feed run"), rows_of(folder, "feed")) == (0, 1)
    year.clock.advance(3600)
    check_same(year, new_client(), most=1 + RUN + 1)


def without_a_cache(server: FakeBuildkite, _rows: sqlite3.Connection, checkpoint: Checkpoint) -> Checkpoint:
    with server.client() as plain:
        return interrupt(plain, 60, checkpoint)


def with_a_page_less(_server: FakeBuildkite, rows: sqlite3.Connection, checkpoint: Checkpoint) -> Checkpoint:
    rows.execute("DELETE FROM entries WHERE kind = 'feed run' AND key LIKE '% 1'")
    return checkpoint


def with_a_damaged_page(_server: FakeBuildkite, rows: sqlite3.Connection, checkpoint: Checkpoint) -> Checkpoint:
    rows.execute("UPDATE entries SET data = x'00' WHERE kind = 'feed run' AND key LIKE '% 0'")
    return checkpoint


def with_an_odd_page(_server: FakeBuildkite, rows: sqlite3.Connection, checkpoint: Checkpoint) -> Checkpoint:
    rows.execute("UPDATE entries SET data = ? WHERE kind = 'feed run'", [pack(b"a line")])
    return checkpoint


@pytest.mark.parametrize("change", [without_a_cache, with_a_page_less, with_a_damaged_page, with_an_odd_page])
def test_a_first_run_does_not_count_that_is_continued(
    year: FakeBuildkite,
    new_client: Clients,
    folder: Path,
    change: Callable[[FakeBuildkite, Any, Checkpoint], Checkpoint],
) -> None:
    checkpoint = interrupt(new_client(), 100)
    with closing(sqlite3.connect(folder / "cache.sqlite3")) as rows, rows:
        checkpoint = change(year, rows, checkpoint)
    follow(new_client(), checkpoint)
    assert rows_of(folder, "feed") == 0
    check_same(year, new_client(), most=26)


def test_the_builds_of_the_second_in_which_a_first_run_was_interrupted_are_not_lost(
    server: FakeBuildkite, new_client: Clients
) -> None:
    server.add_builds("web", 250, spacing=0.3, newest=server.clock.now() - 3600)
    with server.client() as plain:
        checkpoint = interrupt(plain, 2, interrupt(new_client(), 29))  # the 31st build was created with the 30th
    follow(new_client(), checkpoint)
    server.clock.advance(3600)
    assert len(check_same(server, new_client(), most=1 + RUN)) == 250


def test_a_later_run_that_another_process_continues_leaves_the_index_as_it_is(
    year: FakeBuildkite, new_client: Clients
) -> None:
    first = follow(new_client())
    year.clock.advance(3600)
    for number in (40, 50, 60):
        move(year, number, "failed")
    follow(new_client(), interrupt(new_client(), 1, first))
    check_same(year, new_client(), most=1 + RUN + 2)


@pytest.mark.usefixtures("followed")
def test_a_feed_that_has_not_run_for_long_is_not_used_if_it_would_cost_more(
    followed: FakeBuildkite, new_client: Clients
) -> None:
    followed.clock.advance(86_400)
    followed.add_builds("web", 100, spacing=800)
    check_same(followed, new_client(), most=26)


@pytest.mark.filterwarnings("ignore::buildkite_orm.DriftWarning")
@pytest.mark.parametrize("change", [{"created_at": None}, {"url": "?"}, {"state": "a\tb"}, {"state": "half \ud800"}])
def test_nothing_is_stored_of_a_feed_with_an_odd_build(
    year: FakeBuildkite, new_client: Clients, folder: Path, change: dict[str, Any]
) -> None:
    def drift(payload: Any) -> Any:
        return [*payload[:70], *({**each, **change} for each in payload[70:71]), *payload[71:]]

    year.settings.drift = drift
    follow(new_client())
    assert rows_of(folder, "feed") == 0


def test_an_index_that_is_evicted_after_the_first_page_costs_the_other_pages(
    followed: FakeBuildkite, new_client: Clients, folder: Path
) -> None:
    pages = listing(new_client()).pages()
    found = list(next(pages).items)
    with closing(sqlite3.connect(folder / "cache.sqlite3")) as rows, rows:
        rows.execute("DELETE FROM entries WHERE kind = 'feed'")
    found += [build for page in pages for build in page.items]
    with followed.client() as plain:
        assert dumps(found) == dumps(list(listing(plain)))


@pytest.mark.parametrize("is_first", [True, False])
def test_of_two_feeds_the_one_that_begins_earlier_is_used(
    year: FakeBuildkite, new_client: Clients, *, is_first: bool
) -> None:
    since = datetime(2026, 8, 1, 8, tzinfo=UTC)
    if is_first:
        follow(new_client())
    checkpoint = follow(new_client(), created_from=since)
    if not is_first:
        follow(new_client())
    year.clock.advance(3600)
    follow(new_client(), checkpoint, created_from=since)
    check_same(year, new_client(), most=1 + RUN + 2, created_from=since)
    check_same(year, new_client(), most=1 + RUN + 2)


def test_a_feed_of_too_many_builds_is_not_stored(
    year: FakeBuildkite, new_client: Clients, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_index, "_MOST_BUILDS", 249)
    follow(new_client())
    assert rows_of(folder, "feed") == 0
    check_same(year, new_client(), most=16)


def test_the_shell_completes_the_numbers_of_all_builds(followed: FakeBuildkite, new_client: Clients) -> None:
    bk, seen = new_client(), set[int]()
    bk.session.on_load = lambda builds: seen.update(build.number for build in builds)
    assert set(numbers(list(listing(bk)))) <= seen
    assert followed.requests


def test_a_crowded_second_is_listed_once(server: FakeBuildkite, new_client: Clients) -> None:
    server.add_builds("web", 120, spacing=0.01, newest=server.clock.now() - 3600)
    server.add_builds("web", 120, spacing=0.1, newest=server.clock.now() - 7200)
    follow(new_client())
    with server.client() as plain:
        expected = dumps(list(listing(plain)))
    assert dumps(list(listing(new_client()))) == expected


# -- threads


def test_threads_list_at_once(followed: FakeBuildkite, new_client: Clients) -> None:
    with followed.client() as plain:
        expected = dumps(list(listing(plain)))
    clients = [new_client(), new_client()]
    found: list[list[dict[str, Any]]] = []

    def run(bk: Buildkite) -> None:
        found.append(dumps(list(listing(bk))))

    threads = [threading.Thread(target=run, args=[bk]) for bk in (*clients, clients[0])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 3


def test_pages_that_are_read_later_are_as_the_run_has_seen_them(followed: FakeBuildkite, new_client: Clients) -> None:
    pages = listing(new_client()).pages()
    found = [build for _ in range(3) for build in next(pages).items]
    move(followed, 50, "running")
    found += [build for page in pages for build in page.items]
    assert numbers(found) == list(range(250, 0, -1))
    assert found[-50].state == "passed"


def test_builds_are_not_kept(followed: FakeBuildkite, new_client: Clients) -> None:
    assert followed.requests
    alive, most = WeakSet[Any](), 0
    for build in listing(new_client()):
        alive.add(build)
        most = max(most, len(alive))
    assert most <= 60


def test_what_cannot_be_listed_from_the_index_is_listed_from_there_on(
    followed: FakeBuildkite, new_client: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    with followed.client() as plain:
        expected = dumps(list(listing(plain)))
    load = Source.load

    def load_some(self: Source, start: int, end: int) -> list[Build] | None:
        return None if start >= 100 else load(self, start, end)

    monkeypatch.setattr(Source, "load", load_some)
    assert dumps(list(listing(new_client()))) == expected
