"""Logs with a cache."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm import NotCachedError
from tests.cache.conftest import web_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from buildkite_orm import Buildkite, LogRef
    from buildkite_orm.fake import FakeBuildkite
    from buildkite_orm.fake.records import JobRecord
    from tests.cache.conftest import Clients
    from tests.conftest import Costs

    Read = Callable[[LogRef, Path], object]

pytestmark = pytest.mark.usefixtures("record")

TEXT = "--- Test\r\nfirst\r\nsecond line\r\n"


@pytest.fixture
def record(server: FakeBuildkite) -> JobRecord:
    """A job with a log, finished almost an hour ago."""
    build = server.add_build("web", jobs=[{"name": "Test"}], created_at=server.clock.now() - 3600)
    server.set_log(build.jobs[0], TEXT.encode())
    return build.jobs[0]


def log_of(bk: Buildkite) -> LogRef:
    return web_of(bk).build(1).fetch().jobs()[0].log()


def test_the_log_of_a_finished_job_is_requested_once(server: FakeBuildkite, new_client: Clients, costs: Costs) -> None:
    first = log_of(new_client()).fetch()
    assert not first.from_cache
    server.clock.advance(60)
    log = log_of(new_client())
    with costs(0):
        second = log.fetch()
    assert second.from_cache
    assert second.cached_at is not None
    assert second.cached_at.timestamp() == server.clock.now() - 60
    assert second.dump() == first.dump()
    assert second.plain == first.plain
    assert second.job == first.job


def test_a_ref_of_the_job_finds_a_stored_log(record: JobRecord, new_client: Clients, costs: Costs) -> None:
    bk = new_client()
    with costs(2):  # a ref does not show that the job is finished
        bk.organization("acme").job(record.id).log().fetch()
        bk.organization("acme").job(record.id).log().fetch()
    log_of(bk).fetch()
    with costs(0):
        assert bk.organization("acme").job(record.id).log().fetch().from_cache


@pytest.mark.parametrize("change", [{"state": "running"}, {"finished_at": None}])
def test_the_log_of_an_unfinished_job_is_not_stored(
    record: JobRecord, new_client: Clients, costs: Costs, change: dict[str, Any]
) -> None:
    for name, value in change.items():
        setattr(record, name, value)
    log = log_of(new_client())
    with costs(2):
        log.fetch()
        assert not log.fetch().from_cache


def test_a_log_is_not_stored_until_ten_minutes_after_the_end(
    record: JobRecord, server: FakeBuildkite, new_client: Clients
) -> None:
    record.finished_at = server.clock.now() - 590
    log = log_of(new_client())
    log.fetch()
    assert not log.fetch().from_cache
    server.clock.advance(11)
    log.fetch()
    assert log.fetch().from_cache


def test_a_log_is_requested_again_after_its_age(server: FakeBuildkite, new_client: Clients, costs: Costs) -> None:
    log = log_of(new_client())
    log.fetch()
    server.clock.advance(29 * 86_400)
    with costs(0):
        log.fetch()
    with costs(1):
        log.fetch(max_age=timedelta(days=1))
    server.clock.advance(2 * 86_400)
    log.fetch(cache="refresh")
    server.clock.advance(31 * 86_400)
    with costs(1):
        assert not log.fetch().from_cache


def test_a_clock_that_goes_back_makes_no_log_young(server: FakeBuildkite, new_client: Clients) -> None:
    log = log_of(new_client())
    log.fetch()
    server.clock._now -= 3600
    assert not log.fetch(cache="on").from_cache


def test_modes_of_one_call(new_client: Clients, costs: Costs) -> None:
    log = log_of(new_client())
    with pytest.raises(NotCachedError, match=r"acme/web #1"), costs(0):
        log.fetch(cache="only")
    log.fetch()
    with costs(2):
        assert not log.fetch(cache="refresh").from_cache
        assert not log.fetch(cache="off").from_cache
    with costs(0):
        assert log.fetch(cache="only").from_cache


def test_our_own_delete_removes_a_log(record: JobRecord, server: FakeBuildkite, new_client: Clients) -> None:
    log = log_of(new_client())
    log.fetch()
    log.tail()
    other = log_of(new_client())
    log.delete()
    server.set_log(record, b"another")
    assert (other.fetch().text, other.tail()) == ("another", "another")
    assert not other.fetch().from_cache  # held back: a request that was under way may have stored the old one


READS: list[Read] = [
    lambda log, _folder: log.tail(1),
    lambda log, _folder: log.tail_bytes(7),
    lambda log, _folder: [match.line.text for match in log.search("second")],
    lambda log, folder: log.save_to(folder / "a.log").read_bytes(),
]


FREE_READS: list[Read] = [*READS, lambda log, _folder: log.fetch_size()]


@pytest.mark.parametrize("read", FREE_READS)
def test_what_is_read_of_a_stored_log_costs_nothing(
    bk: Buildkite, new_client: Clients, costs: Costs, tmp_path: Path, read: Read
) -> None:
    expected = read(log_of(bk), tmp_path)
    log_of(new_client()).fetch()
    log = log_of(new_client())
    with costs(0):
        assert read(log, tmp_path) == expected


@pytest.mark.parametrize("read", READS)
def test_what_was_read_of_a_log_is_stored(new_client: Clients, costs: Costs, tmp_path: Path, read: Read) -> None:
    expected = read(log_of(new_client()), tmp_path)
    log = log_of(new_client())
    with costs(0):
        assert read(log, tmp_path) == expected


def test_bytes_that_are_not_text_are_requested(
    record: JobRecord, server: FakeBuildkite, new_client: Clients, tmp_path: Path
) -> None:
    server.set_log(record, b"a\xffb\n")
    log_of(new_client()).fetch()
    assert log_of(new_client()).save_to(tmp_path / "a").read_bytes() == b"a\xffb\n"


def test_a_search_that_ends_early_stores_nothing(
    record: JobRecord, server: FakeBuildkite, new_client: Clients, costs: Costs
) -> None:
    server.set_log(record, b"first\n" + b"another line\n" * 100_000)
    matches = log_of(new_client()).search("first")
    next(matches)
    matches.close()  # type: ignore[attr-defined]
    log = log_of(new_client())
    with costs(1):
        list(log.search("first"))


def test_a_failure_summary_costs_no_logs_the_second_time(
    server: FakeBuildkite, new_client: Clients, costs: Costs
) -> None:
    failed = server.add_build("web", state="failed", jobs=[{"state": "failed"}], created_at=server.clock.now() - 3600)
    server.set_log(failed.jobs[0], b"--- Test\nError: no\n")
    first = str(web_of(new_client()).builds(with_jobs=True)[0].failure_summary())
    build = web_of(new_client()).builds(with_jobs=True)[0]
    with costs(1):  # annotations are never stored
        assert str(build.failure_summary()) == first
