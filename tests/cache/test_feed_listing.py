"""Listings after a change feed: they cost the requests of a run, and show what the server would list."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm.cache.packing import pack, unpack
from buildkite_orm.data.windows import Finished
from tests.cache.conftest import web_of
from tests.cache.feeds import RUN, check_same, dumps, follow, listing, move, numbers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from buildkite_orm import Buildkite, BuildQuerySet
    from buildkite_orm.data.checkpoint import FeedState
    from buildkite_orm.fake import FakeBuildkite
    from buildkite_orm.fake.records import BuildRecord
    from buildkite_orm.resources.builds.build_filters import BuildFilters
    from tests.cache.conftest import Clients
    from tests.conftest import Costs

# -- what it costs


def test_an_analysis_after_a_feed_costs_its_first_page_and_a_run(
    followed: FakeBuildkite, new_client: Clients, costs: Costs
) -> None:
    with costs(14), followed.client() as plain:
        expected = dumps(list(listing(plain)))
    with costs(1 + RUN + 1):  # the blocked build is neither in the cache nor reported
        found = list(listing(new_client()))
    assert dumps(found) == expected
    assert sum(not build.from_cache for build in found) == 20 + 3


@pytest.mark.usefixtures("followed")
def test_so_does_the_one_after_it(new_client: Clients, costs: Costs) -> None:
    first = dumps(list(listing(new_client())))
    with costs(1 + RUN + 1):
        second = list(listing(new_client()))
    assert dumps(second) == first
    assert all(build.from_cache for build in second[:20])


def test_a_long_listing_of_an_organization_costs_a_few_requests(
    server: FakeBuildkite, new_client: Clients, costs: Costs
) -> None:
    for slug in ("web", "api"):
        server.add_builds(slug, 1000, spacing=60, newest=server.clock.now() - 3600)
    with costs(21):
        for _ in new_client().organization("acme").builds(with_jobs=True).changed_since(None):
            pass
    server.clock.advance(3600)
    with server.client() as plain:
        expected = dumps(list(plain.organization("acme").builds(with_jobs=True)))
    with costs(1 + RUN):
        assert dumps(list(new_client().organization("acme").builds(with_jobs=True))) == expected


def test_builds_say_since_when_they_are_stored(followed: FakeBuildkite, new_client: Clients) -> None:
    builds = list(listing(new_client()))
    stored = builds[60]
    assert stored.cached_at is not None
    assert stored.cached_at.timestamp() == followed.clock.now() - 3600
    assert stored.jobs()[0].from_cache
    running = next(build for build in builds if build.state == "running")
    assert (running.from_cache, running.cached_at) == (False, None)


FIRST_PAGE: list[Callable[[BuildQuerySet], object]] = [
    lambda builds: builds.first(),
    lambda builds: builds[3],
    lambda builds: next(iter(builds)),
    lambda builds: list(builds.limit(20)),
    lambda builds: builds.page(7),
    lambda builds: builds.count(),
]


@pytest.mark.usefixtures("followed")
def test_the_first_page_costs_one_request(new_client: Clients, costs: Costs) -> None:
    for read in FIRST_PAGE:
        with costs(1):
            read(listing(new_client(), with_jobs=False))


@pytest.mark.usefixtures("followed")
def test_a_few_pages_cost_a_request_each(new_client: Clients, costs: Costs) -> None:
    with costs(6):
        assert len(list(listing(new_client()).limit(100))) == 100
    with costs(1 + RUN + 1):
        assert len(list(listing(new_client()).limit(120))) == 120


def test_loading_everything_with_threads_costs_the_same(
    followed: FakeBuildkite, new_client: Clients, costs: Costs
) -> None:
    with followed.client() as plain:
        expected = dumps(list(listing(plain)))
    with costs(1 + RUN + 1):
        assert dumps(listing(new_client()).all(workers=4)) == expected


# -- what it shows

VARIANTS: list[dict[str, Any]] = [
    {},
    {"include_retried_jobs": True},
    {"with_jobs": False},
    {"created_from": datetime(2026, 8, 1, 8, tzinfo=UTC)},
    {"created_to": datetime(2026, 8, 1, 10, tzinfo=UTC)},
    {"created_from": datetime(2026, 8, 1, 7, 59, 30, 250_000, tzinfo=UTC)},
]


@pytest.mark.parametrize("filters", VARIANTS)
def test_a_listing_equals_one_without_a_cache_with(
    followed: FakeBuildkite, new_client: Clients, filters: dict[str, Any]
) -> None:
    check_same(followed, new_client(), most=1 + RUN + 1, **filters)


def finish(server: FakeBuildkite) -> None:
    move(server, 101, "failed")


def cancel(server: FakeBuildkite) -> None:
    move(server, 151, "canceled")


def unblock(server: FakeBuildkite) -> None:
    move(server, 201, "running")


def retry(server: FakeBuildkite) -> None:
    move(server, 50, "running")


def retry_and_finish(server: FakeBuildkite) -> None:
    move(server, 50, "failed")
    server.clock.advance(1200)


def create(server: FakeBuildkite) -> None:
    server.add_builds("web", 30, jobs=2, spacing=60)
    server.add_build("web", state="running", jobs=1)


CHANGES: dict[str, Callable[[FakeBuildkite], None]] = {
    "a build has finished": finish,
    "a build was canceled": cancel,
    "a build was unblocked": unblock,
    "a finished build was retried": retry,
    "a finished build was retried and has finished": retry_and_finish,
    "builds were created": create,
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_listing_equals_one_without_a_cache_after(followed: FakeBuildkite, new_client: Clients, change: str) -> None:
    CHANGES[change](followed)
    check_same(followed, new_client(), most=RUN + 4)
    followed.clock.advance(900)
    check_same(followed, new_client(), most=RUN + 4)


def test_attempts_that_were_retried_are_left_out(
    year: FakeBuildkite, bk: Buildkite, new_client: Clients, costs: Costs
) -> None:
    year.add_build("web", state="failed", jobs=[{"state": "failed"}], created_at=year.clock.now() - 86_400)
    web_of(bk).builds()[-1].jobs()[0].retry()
    year.run(7200)
    follow(new_client())
    with costs(1 + RUN + 1):
        found = list(listing(new_client()))
    assert len(found[-1].embedded_jobs or []) == 1
    assert found[-1].from_cache
    every = check_same(year, new_client(), most=1 + RUN + 1, include_retried_jobs=True)
    assert len(every[-1].embedded_jobs or []) == 2


# -- what is missing


def evict(_server: FakeBuildkite, rows: sqlite3.Connection) -> None:
    rows.execute("DELETE FROM entries WHERE kind LIKE 'build%' AND id % 3 = 0")


def damage(_server: FakeBuildkite, rows: sqlite3.Connection) -> None:
    rows.execute("UPDATE entries SET data = x'00' WHERE kind LIKE 'build%' AND id % 3 = 0")


def exchange(_server: FakeBuildkite, rows: sqlite3.Connection) -> None:
    rows.execute("UPDATE entries SET data = (SELECT data FROM entries WHERE kind LIKE 'build%' LIMIT 1) WHERE id % 2")


def change_the_feed(_server: FakeBuildkite, rows: sqlite3.Connection) -> None:
    rows.execute("UPDATE entries SET data = x'00' WHERE kind = 'feed'")


def cut_the_feed(_server: FakeBuildkite, rows: sqlite3.Connection) -> None:
    text = unpack(rows.execute("SELECT data FROM entries WHERE kind = 'feed'").fetchone()[0])
    assert text
    rows.execute("UPDATE entries SET data = ? WHERE kind = 'feed'", [pack(text[:-90])])


def replace_the_checkpoint(_server: FakeBuildkite, rows: sqlite3.Connection) -> None:
    rows.execute("UPDATE entries SET data = ? WHERE kind = 'feed'", [pack(b"{}")])


def reject_the_run(server: FakeBuildkite, _rows: sqlite3.Connection) -> None:
    server.faults.add("error", status=404, match="finished_from")


def reject_parts(server: FakeBuildkite, rows: sqlite3.Connection) -> None:
    evict(server, rows)
    server.faults.add("error", status=404, match="created_from")


TROUBLES: list[Callable[[FakeBuildkite, sqlite3.Connection], None]] = [
    evict,
    damage,
    exchange,
    change_the_feed,
    cut_the_feed,
    replace_the_checkpoint,
    reject_the_run,
    reject_parts,
]


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_listing_equals_one_without_a_cache_in_spite_of(
    followed: FakeBuildkite,
    new_client: Clients,
    folder: Path,
    trouble: Callable[[FakeBuildkite, sqlite3.Connection], None],
) -> None:
    with closing(sqlite3.connect(folder / "cache.sqlite3")) as rows, rows:
        trouble(followed, rows)
    check_same(followed, new_client(), most=1 + RUN + 14)
    check_same(followed, new_client(), most=1 + RUN + 14)


def test_a_build_that_no_run_has_seen_is_listed(followed: FakeBuildkite, new_client: Clients) -> None:
    followed.add_build("web", created_at=followed.build("web", 60).created_at + 10, finished_at=1.0)
    check_same(followed, new_client(), most=26)


def test_a_build_that_no_run_has_seen_is_noticed_while_the_pages_are_read(
    followed: FakeBuildkite, new_client: Clients, folder: Path
) -> None:
    with closing(sqlite3.connect(folder / "cache.sqlite3")) as rows, rows:
        evict(followed, rows)
    pages = listing(new_client()).pages()
    found = [build for _ in range(3) for build in next(pages).items]
    followed.add_build("web", created_at=followed.build("web", 60).created_at + 10, finished_at=1.0)
    found += [build for page in pages for build in page.items]
    assert numbers(found) == [*range(250, 60, -1), 251, *range(60, 0, -1)]


def test_a_build_that_moves_during_a_run_is_listed(
    followed: FakeBuildkite, new_client: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = followed.add_builds("web", 40, jobs=1, spacing=60)
    followed.set_state(records[10], "blocked")  # so that the run does not list it with the open builds
    bounds = Finished.bounds

    def unblock_first(self: Finished, state: FeedState) -> BuildFilters:
        followed.set_state(records[10], "running")
        return bounds(self, state)

    monkeypatch.setattr(Finished, "bounds", unblock_first)
    assert numbers(list(listing(new_client()))) == list(range(290, 0, -1))
    check_same(followed, new_client(), most=1 + RUN + 4)


def test_a_second_with_more_builds_than_a_request_is_listed_whole(
    server: FakeBuildkite, new_client: Clients, folder: Path
) -> None:
    server.add_builds("web", 40, jobs=1, spacing=60, newest=server.clock.now() - 3600)
    server.add_builds("web", 150, jobs=1, spacing=0.002, newest=server.clock.now() - 7200)
    follow(new_client())
    with closing(sqlite3.connect(folder / "cache.sqlite3")) as rows, rows:
        evict(server, rows)
    with server.client() as plain:
        expected = dumps(list(listing(plain)))
    assert dumps(list(listing(new_client()))) == expected


def remove(server: FakeBuildkite, record: BuildRecord) -> None:
    for builds in (server.store.builds, record.pipeline.organization.builds, record.pipeline.builds):
        builds.remove(record)


def test_a_build_that_was_deleted_is_not_listed(followed: FakeBuildkite, new_client: Clients) -> None:
    remove(followed, followed.build("web", 50))
    check_same(followed, new_client(), most=1 + 26)


def test_a_build_that_is_deleted_while_the_pages_are_read_is_left_out_if_it_is_requested(
    followed: FakeBuildkite, new_client: Clients, folder: Path
) -> None:
    with closing(sqlite3.connect(folder / "cache.sqlite3")) as rows, rows:
        rows.execute("DELETE FROM entries WHERE key LIKE '%/50' OR key LIKE '%/52'")
    pages = listing(new_client()).pages()
    found = [build for _ in range(3) for build in next(pages).items]
    remove(followed, followed.build("web", 50))
    found += [build for page in pages for build in page.items]
    assert numbers(found) == [*range(250, 50, -1), *range(49, 0, -1)]


def test_without_the_number_of_builds_the_pages_are_requested(followed: FakeBuildkite, new_client: Clients) -> None:
    followed.settings.link_last = False
    check_same(followed, new_client(), most=26)


def test_reconcile_takes_out_what_was_deleted(followed: FakeBuildkite, new_client: Clients) -> None:
    checkpoint = follow(new_client())
    remove(followed, followed.build("web", 50))
    for _ in web_of(new_client()).builds(with_jobs=True).changed_since(checkpoint, reconcile=timedelta(days=2)):
        pass
    check_same(followed, new_client(), most=1 + RUN + 1)


def test_our_own_retry_makes_a_build_be_requested(followed: FakeBuildkite, new_client: Clients, bk: Buildkite) -> None:
    followed.build("web", 60).state = followed.build("web", 60).jobs[0].state = "failed"
    follow(new_client())
    assert web_of(bk).build(60).fetch().jobs()[0].state == "failed"
    web_of(new_client()).build(60).fetch().jobs()[0].retry()
    check_same(followed, new_client(), most=1 + RUN + 2)
