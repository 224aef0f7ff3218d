"""Builds with a cache: what a first and a second analysis request, and when a cached build is not used."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm import Cache, ConfigurationError
from buildkite_orm.resources.builds.build_texts import divide
from buildkite_orm.resources.builds.cached_listing import CachedListing
from tests.cache.conftest import web_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from buildkite_orm import Build, Buildkite, Job
    from buildkite_orm.fake import FakeBuildkite
    from tests.cache.conftest import Clients
    from tests.conftest import Costs


def analyse(bk: Buildkite, **filters: Any) -> list[tuple[int, bool, list[tuple[str, str]]]]:
    """Return what a script reads of each build and its jobs."""
    return [
        (build.number, build.blocked, [(job.id, str(job.state)) for job in build.jobs()])
        for build in web_of(bk).builds(with_jobs=True, **filters)
    ]


def lines(server: FakeBuildkite, since: int) -> list[str]:
    return [request.line for request in server.requests[since:]]


@pytest.mark.usefixtures("month")
def test_a_first_analysis_costs_what_it_costs_without_a_cache(bk: Buildkite, new_client: Clients, costs: Costs) -> None:
    with costs(2):
        expected = analyse(bk)
    with costs(2):
        assert analyse(new_client()) == expected


def test_a_second_analysis_costs_the_listing_without_jobs(
    month: FakeBuildkite, new_client: Clients, costs: Costs
) -> None:
    first = analyse(new_client())
    before = len(month.requests)
    with costs(2):
        assert analyse(new_client()) == first
    assert all("exclude_jobs=true" in line for line in lines(month, before))


def test_the_uuid_of_a_token_is_requested_once(month: FakeBuildkite, new_client: Clients, costs: Costs) -> None:
    with costs(3):
        analyse(new_client(namespace=None))
    assert month.requests[0].line == "GET /v2/access-token"
    with costs(2):
        analyse(new_client(namespace=None))


def test_another_token_shares_nothing(month: FakeBuildkite, new_client: Clients, costs: Costs) -> None:
    analyse(new_client(namespace=None))
    other = new_client(namespace=None, token=month.make_token("read_builds", "read_organizations"))
    with costs(3):
        builds = list(web_of(other).builds(with_jobs=True))
    assert not any(build.from_cache for build in builds)


def test_a_token_of_another_api_shares_nothing(month: FakeBuildkite, folder: Path, costs: Costs) -> None:
    cache = Cache(folder, namespace="test")
    with month.client(cache=cache) as bk:
        analyse(bk)
    with month.client(cache=cache, base_url="https://buildkite.example") as bk, costs(2):
        assert not any(build.from_cache for build in web_of(bk).builds(with_jobs=True))


def test_builds_say_whether_they_are_from_the_cache_and_since_when(month: FakeBuildkite, new_client: Clients) -> None:
    (first,) = web_of(new_client()).builds(with_jobs=True).limit(1)
    assert (first.from_cache, first.cached_at) == (False, None)
    month.clock.advance(60)
    (second,) = web_of(new_client()).builds(with_jobs=True).limit(1)
    assert second.from_cache
    assert second.cached_at is not None
    assert second.cached_at.timestamp() == month.clock.now() - 60
    assert second.jobs()[0].from_cache
    assert second.dump() == first.dump()


def test_new_builds_cost_one_more_request_for_their_page(
    month: FakeBuildkite, new_client: Clients, costs: Costs
) -> None:
    analyse(new_client())
    month.add_build("web", state="running", jobs=2)
    month.add_build("web", jobs=2, finished_at=month.clock.now())
    before = len(month.requests)
    with costs(3):
        found = analyse(new_client())
    assert len(found) == 152
    assert "created_from" in lines(month, before)[1]  # only of the time in which the new ones were created


def test_a_page_with_only_new_builds_is_requested_with_jobs(
    month: FakeBuildkite, bk: Buildkite, new_client: Clients, costs: Costs
) -> None:
    analyse(new_client())
    month.clock.advance(7200)
    month.add_builds("web", 200, jobs=1, newest=month.clock.now() - 3600)
    expected = analyse(bk)
    with costs(5):  # the first of four pages shows that what follows is new, and the third that it is not
        assert analyse(new_client()) == expected


def test_a_build_that_was_retried_elsewhere_is_requested_again(
    month: FakeBuildkite, bk: Buildkite, new_client: Clients, costs: Costs
) -> None:
    analyse(new_client())
    record = month.add_build("web", state="failed", jobs=[{"state": "failed"}])
    month.clock.advance(3600)
    assert analyse(new_client())[0][0] == record.number
    record.state = "running"
    record.finished_at = None
    record.jobs[0].state = "running"
    with costs(3):
        found = analyse(new_client())
    assert found == analyse(bk)
    assert found[0][2][0][1] == "running"


@pytest.mark.parametrize("change", [{"state": "failed"}, {"blocked": True}, {"finished_at": 1785500000.0}])
def test_a_build_whose_listing_has_changed_is_requested_again(
    month: FakeBuildkite, new_client: Clients, costs: Costs, change: dict[str, Any]
) -> None:
    analyse(new_client())
    record = month.store.organizations["acme"].pipelines["web"].builds[70]
    for name, value in change.items():
        setattr(record, name, value)
    with costs(3):
        builds = list(web_of(new_client()).builds(with_jobs=True))
    assert [build.number for build in builds if not build.from_cache] == [record.number]


def test_an_analysis_after_our_own_retry_requests_the_build(
    month: FakeBuildkite, new_client: Clients, costs: Costs
) -> None:
    month.add_build("web", state="failed", jobs=[{"state": "failed"}], created_at=month.clock.now() - 3000)
    bk = new_client()
    newest = next(iter(web_of(bk).builds(with_jobs=True)))
    assert next(iter(web_of(new_client()).builds(with_jobs=True))).from_cache
    newest.jobs()[0].retry()
    with costs(2):  # its page, and the build, which may be shown as failed for a moment
        assert not web_of(new_client()).builds(with_jobs=True)[0].from_cache


WRITES: list[Callable[[Buildkite, Build, Job], object]] = [
    lambda _bk, build, _job: build.retry_failed_jobs(),
    lambda _bk, build, _job: build.rebuild(),
    lambda _bk, _build, job: job.retry(),
    lambda bk, _build, job: bk.organization("acme").job(job.id).retry(),
    lambda bk, build, _job: bk.request("PUT", f"{build.api_path}/retry_failed_jobs"),
    lambda bk, _build, job: bk.request("PUT", f"organizations/acme/jobs/{job.id}/retry"),
]


@pytest.mark.parametrize("act", WRITES)
def test_our_own_writes_remove_a_build(
    server: FakeBuildkite, new_client: Clients, act: Callable[[Buildkite, Build, Job], object]
) -> None:
    server.add_build("web", state="failed", jobs=[{"state": "failed"}], created_at=server.clock.now() - 3600)
    bk = new_client()
    build = web_of(bk).build(1).fetch()
    offline = web_of(new_client(mode="only")).build(1)
    assert offline.fetch().from_cache
    act(bk, build, build.jobs()[0])
    assert not web_of(new_client()).build(1).fetch(max_age=timedelta(days=1)).from_cache


def test_a_refused_write_removes_nothing(server: FakeBuildkite, new_client: Clients) -> None:
    server.add_build("web", jobs=[{"state": "passed"}], created_at=server.clock.now() - 3600)
    bk = new_client()
    build = web_of(bk).build(1).fetch()
    with pytest.raises(Exception, match="400"):
        bk.request("PUT", f"organizations/acme/jobs/{build.jobs()[0].id}/unblock")
    assert web_of(bk).build(1).fetch(max_age=timedelta(days=1)).from_cache


# -- what is never stored


def stored(bk: Buildkite) -> dict[str, int]:
    assert bk.session.cache is not None
    return bk.session.cache.usage().counts


@pytest.mark.parametrize("state", ["running", "scheduled", "failing", "canceling", "creating", "blocked"])
def test_builds_that_are_not_finished_are_not_stored(server: FakeBuildkite, new_client: Clients, state: str) -> None:
    server.add_build("web", state=state, jobs=1, created_at=server.clock.now() - 3600)
    bk = new_client()
    list(web_of(bk).builds(with_jobs=True))
    web_of(bk).build(1).fetch()
    assert stored(bk).keys() <= {"page"}


def test_a_blocked_build_is_not_stored(server: FakeBuildkite, new_client: Clients) -> None:
    server.add_build("web", state="passed", blocked=True, jobs=1, created_at=server.clock.now() - 3600)
    bk = new_client()
    web_of(bk).build(1).fetch()
    assert stored(bk) == {}


def test_a_build_with_a_job_that_is_not_finished_is_not_stored(server: FakeBuildkite, new_client: Clients) -> None:
    server.add_build("web", state="failed", jobs=[{"state": "running"}], created_at=server.clock.now() - 3600)
    bk = new_client()
    web_of(bk).build(1).fetch()
    assert stored(bk) == {}


def test_nothing_is_stored_until_ten_minutes_after_the_end_by_the_servers_clock(
    server: FakeBuildkite, new_client: Clients
) -> None:
    record = server.add_build("web", jobs=1, created_at=server.clock.now() - 3600)
    bk = new_client()
    record.finished_at = server.clock.now() - 590
    web_of(bk).build(1).fetch()
    assert stored(bk) == {}
    server.clock.advance(11)
    web_of(bk).build(1).fetch()
    assert stored(bk) == {"build, pipeline": 1}


def test_without_a_date_nothing_is_stored(
    server: FakeBuildkite, new_client: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    def at_noon(_now: float) -> str:
        return "at noon"

    monkeypatch.setattr("buildkite_orm.fake.app.http_date", at_noon)
    server.add_build("web", jobs=1, created_at=server.clock.now() - 3600)
    bk = new_client()
    web_of(bk).build(1).fetch()
    assert stored(bk) == {}


# -- one build, and its jobs


@pytest.mark.usefixtures("month")
def test_jobs_of_a_build_that_was_listed_without_them_are_requested_once(new_client: Clients, costs: Costs) -> None:
    with costs(2):
        first = [job.id for job in web_of(new_client()).builds()[0].jobs()]
    with costs(1):
        build = web_of(new_client()).builds()[0]
        assert [job.id for job in build.jobs()] == first
        assert [job.id for job in build.jobs(state="passed")] == first
        assert build.failed_jobs() == []
        assert len(build.timeline().rows) == 3


def test_entries_with_and_without_retried_jobs_are_separate(
    server: FakeBuildkite, new_client: Clients, costs: Costs
) -> None:
    server.add_build("web", state="failed", jobs=[{"state": "failed"}], created_at=server.clock.now() - 7200)
    web_of(new_client()).build(1).fetch().jobs()[0].retry()
    server.run(3600)
    with costs(1):
        latest = list(web_of(new_client()).builds(with_jobs=True))
    with costs(2):
        every = list(web_of(new_client()).builds(with_jobs=True, include_retried_jobs=True))
        again = list(web_of(new_client()).builds(with_jobs=True, include_retried_jobs=True))
    counts = [len(build.embedded_jobs or []) for build in (*latest, *every, *again)]
    assert counts == [1, 2, 2]
    assert again[0].from_cache


def test_fetch_requests_a_build_unless_it_was_stored_recently(
    month: FakeBuildkite, new_client: Clients, costs: Costs
) -> None:
    ref = web_of(new_client()).build(7)
    ref.fetch()
    with costs(1):
        assert not ref.fetch().from_cache
    month.clock.advance(120)
    with costs(0):
        assert ref.fetch(max_age=timedelta(minutes=5)).from_cache
        assert ref.fetch(max_age=timedelta(minutes=5), with_jobs=False, with_pipeline=False).embedded_jobs is None
    with costs(3):
        ref.fetch(max_age=timedelta(minutes=1), cache="off")
        ref.fetch(max_age=timedelta(minutes=5), cache="refresh")
        month.clock.advance(120)
        ref.fetch(max_age=timedelta(minutes=1))


@pytest.mark.usefixtures("month")
def test_a_part_that_was_not_stored_is_requested(new_client: Clients, costs: Costs) -> None:
    ref = web_of(new_client()).build(7)
    ref.fetch(with_pipeline=False)
    day = timedelta(days=1)
    with costs(3):
        assert ref.fetch(max_age=day).embedded_pipeline is not None
        assert not ref.fetch(max_age=day, job_states="failed").from_cache
        assert not ref.fetch(max_age=day, include_test_engine=True).from_cache
    with costs(0):
        assert ref.fetch(max_age=day, with_pipeline=False).embedded_pipeline is None


# -- modes


def test_refresh_requests_everything_and_stores_it(month: FakeBuildkite, new_client: Clients, costs: Costs) -> None:
    analyse(new_client())
    month.clock.advance(60)
    with costs(2):
        analyse(new_client(mode="refresh"))
    build = web_of(new_client()).builds(with_jobs=True)[0]
    assert build.cached_at is not None
    assert build.cached_at.timestamp() == month.clock.now()


@pytest.mark.usefixtures("month")
def test_off_neither_reads_nor_writes(new_client: Clients, costs: Costs) -> None:
    bk = new_client()
    with costs(2):
        analyse(bk, cache="off")
    assert stored(bk) == {}
    analyse(bk)
    with costs(2):
        assert not any(build.from_cache for build in web_of(bk).builds(with_jobs=True, cache="off"))


def test_the_environment_names_a_cache(month: FakeBuildkite, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUILDKITE_ORM_CACHE", str(folder))
    for from_cache, mode in ((False, None), (True, None), (False, "off"), (False, "refresh")):
        with month.client(cache=mode) as bk:
            assert next(iter(web_of(bk).builds(with_jobs=True))).from_cache is from_cache, mode
    monkeypatch.setenv("BUILDKITE_ORM_CACHE", "0")
    with month.client() as bk:
        assert bk.session.cache is None


def test_there_is_no_cache_by_default(server: FakeBuildkite, bk: Buildkite) -> None:
    assert bk.session.cache is None
    with pytest.raises(ConfigurationError, match="has no cache"):
        web_of(bk).builds(cache="only")
    with pytest.raises(ConfigurationError, match="BUILDKITE_ORM_CACHE"):
        server.client(cache="only")


def test_fields_that_are_dropped_are_not_stored(
    server: FakeBuildkite,
    new_client: Clients,
) -> None:
    server.add_build("web", jobs=1, created_at=server.clock.now() - 3600, env={"KEY": "very-secret"})
    bk = new_client(drop=("env", "emails"))
    (build,) = web_of(bk).builds(with_jobs=True)
    assert build.env == {"KEY": "very-secret"}
    web_of(bk).build(1).fetch()
    offline = web_of(new_client(drop=("env", "emails"), mode="only")).build(1).fetch()
    assert offline.env is None
    assert offline.author is None or "email" not in offline.author.model_fields_set
    (listed,) = web_of(new_client(drop=("env", "emails"))).builds(with_jobs=True)
    assert listed.env == {"KEY": "very-secret"}  # listing fields are those of the listing
    assert listed.from_cache
    (other,) = web_of(new_client()).builds(with_jobs=True)
    assert not other.from_cache  # one that drops nothing does not read what was stored without fields


def test_concurrent_pages_use_the_cache(
    month: FakeBuildkite,
    new_client: Clients,
) -> None:
    first = web_of(new_client()).builds(with_jobs=True, branch="main").per_page(30).all(workers=3)
    before = len(month.requests)
    second = web_of(new_client()).builds(with_jobs=True, branch="main").per_page(30).all(workers=3)
    assert [build.dump() for build in second] == [build.dump() for build in first]
    assert all(build.from_cache for build in second)
    assert all("exclude_jobs=true" in line for line in lines(month, before))


def test_a_build_that_leaves_the_filters_between_two_requests_is_not_lost(
    server: FakeBuildkite, new_client: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.add_builds("web", 5, jobs=1, newest=server.clock.now() - 3600)
    list(web_of(new_client()).builds(with_jobs=True))
    running = server.add_build("web", state="running", jobs=1)
    complete = CachedListing._completed  # pyright: ignore[reportPrivateUsage]

    def finish_first(self: CachedListing, *args: Any, **options: Any) -> Any:
        running.state = "failed"
        return complete(self, *args, **options)

    monkeypatch.setattr(CachedListing, "_completed", finish_first)
    found = list(web_of(new_client()).builds(with_jobs=True, state=["running", "passed"]))
    assert [build.number for build in found] == [5, 4, 3, 2, 1]  # as a listing with jobs has it by then


# -- dividing a response


def test_a_body_is_divided_where_its_builds_begin() -> None:
    body = b'[{"id":"a","x":{"id":"b"},"y":[1]}, {"id":"b","z":"]"}\n]'
    assert divide(body, ["a", "b"]) is None  # `b` is first found within `a`
    texts = divide(b'[{"id":"a","y":[1]}, {"id":"b","z":"]"}\n]', ["a", "b"]) or []
    assert [text.body[text.start : text.end] for text in texts] == [b'{"id":"a","y":[1]}', b'{"id":"b","z":"]"}']
    assert divide(b'{"id":"a","y":[1]}', ["a"]) == [(b'{"id":"a","y":[1]}', 0, 18)]
    assert divide(b'[{"number":1,"id":"a"}]', ["a"]) is None
    assert divide(b"[]", []) is None


def test_builds_in_another_form_are_stored_too(
    server: FakeBuildkite,
    new_client: Clients,
) -> None:
    def reversed_fields(payload: Any) -> Any:
        return [dict(reversed(each.items())) for each in payload] if isinstance(payload, list) else payload  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType, reportUnknownArgumentType]

    server.settings.drift = reversed_fields
    server.add_builds("web", 3, jobs=1, newest=server.clock.now() - 3600)
    first = [build.dump() for build in web_of(new_client()).builds(with_jobs=True)]
    second: list[Build] = list(web_of(new_client()).builds(with_jobs=True))
    assert [build.from_cache for build in second] == [True] * 3
    assert [build.dump() for build in second] == first


def test_debug_logs_show_no_token(month: FakeBuildkite, new_client: Clients, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        analyse(new_client(namespace=None))
    assert month.token not in caplog.text


def test_counting_costs_one_request(month: FakeBuildkite, new_client: Clients, costs: Costs) -> None:
    analyse(new_client())
    month.add_build("web", state="running", jobs=1)
    with costs(1):
        assert web_of(new_client()).builds(with_jobs=True).count() == 151


@pytest.mark.usefixtures("month")
def test_builds_that_may_lack_some_jobs_are_not_stored(new_client: Clients) -> None:
    bk = new_client()
    list(web_of(bk).builds(with_jobs=True, include_paused=False))
    assert stored(bk) == {}


def test_a_client_whose_cache_is_off_removes_what_it_changes(
    server: FakeBuildkite, new_client: Clients, costs: Costs
) -> None:
    server.add_build("web", state="failed", jobs=[{"state": "failed"}], created_at=server.clock.now() - 3600)
    web_of(new_client()).build(1).fetch()
    off = new_client(mode="off")
    with costs(2):
        off_build = web_of(off).build(1).fetch(max_age=timedelta(days=1))
        off_build.retry_failed_jobs()
    assert not web_of(new_client()).build(1).fetch(max_age=timedelta(days=1)).from_cache


def test_a_client_of_a_fake_does_not_use_the_cache_of_the_environment(
    server: FakeBuildkite, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUILDKITE_ORM_CACHE", str(folder))
    with server.client() as bk:
        assert bk.session.cache is None


@pytest.mark.parametrize("listing", ["organization", "all"])
def test_listings_of_several_pipelines_use_the_cache(
    month: FakeBuildkite, new_client: Clients, costs: Costs, listing: str
) -> None:
    month.add_builds("api", 20, jobs=2, spacing=60, newest=month.clock.now() - 3600)

    def builds(bk: Buildkite) -> list[Build]:
        return list((bk.organization("acme") if listing == "organization" else bk).builds(with_jobs=True))

    first = [build.dump() for build in builds(new_client())]
    before = len(month.requests)
    with costs(2):
        second = builds(new_client())
    assert all("exclude_jobs=true" in line for line in lines(month, before))
    assert [build.dump() for build in second] == first
    assert all(build.from_cache and build.embedded_pipeline for build in second)
    with costs(0):
        offline = builds(new_client(mode="only"))
    assert [build.dump() for build in offline] == first


def test_a_database_that_is_replaced_is_not_read_in_the_scope_of_the_old_one(
    month: FakeBuildkite, new_client: Clients, folder: Path
) -> None:
    bk = new_client(namespace="first")
    analyse(bk)
    assert bk.session.cache is not None
    bk.session.cache.close()
    for path in folder.glob("cache.sqlite3*"):
        path.unlink()
    analyse(new_client(namespace="second"))
    assert not any(build.from_cache for build in web_of(bk).builds(with_jobs=True))
    assert month.requests
