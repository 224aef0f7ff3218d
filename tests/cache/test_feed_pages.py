"""The order of builds in listings after a change feed, what the run costs, their pages, and odd builds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm import NotCachedError
from buildkite_orm.utils.json_types import as_array
from tests.cache.conftest import web_of
from tests.cache.feeds import RUN, check_same, dumps, follow, listing, move

if TYPE_CHECKING:
    from buildkite_orm.fake import FakeBuildkite
    from tests.cache.conftest import Clients
    from tests.conftest import Costs

MORNING: dict[str, Any] = {"created_to": datetime(2026, 8, 1, 8, tzinfo=UTC)}
"""The filter of 69 builds, all of which are finished."""

STATES = ("passed", "running", "failed", "scheduled", "passed")


def test_builds_that_were_created_at_the_same_moment_are_in_the_order_of_their_numbers(
    followed: FakeBuildkite, new_client: Clients
) -> None:
    now = followed.clock.now()
    for state in STATES:
        finished_at = now + 60 if state in {"passed", "failed"} else None
        followed.add_build("web", state=state, jobs=1, created_at=now, finished_at=finished_at)
    followed.clock.advance(60)
    followed.add_builds("web", 25, jobs=1, spacing=1)
    followed.clock.advance(1200)
    list(listing(new_client()))  # its run lists the open builds before the finished ones
    followed.clock.advance(1200)
    check_same(followed, new_client(), most=1 + RUN + 1)


@pytest.mark.parametrize("seconds", [2, 200, 2000])
def test_a_listing_equals_one_without_a_cache_after_the_clock_of_the_server_was_set_back(
    followed: FakeBuildkite, new_client: Clients, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    list(listing(new_client()))
    move(followed, 50, "running")
    monkeypatch.setattr(followed.clock, "_now", followed.clock.now() - seconds)
    check_same(followed, new_client(), most=1 + RUN + 14)


def test_a_run_that_would_list_many_recent_builds_again_is_left_out(
    followed: FakeBuildkite, new_client: Clients
) -> None:
    followed.add_builds("web", 2000, jobs=1, spacing=1)
    followed.clock.advance(1200)
    check_same(followed, new_client(), most=106 + 14)


@pytest.mark.parametrize("filters", [{}, {"with_jobs": False}, {"include_retried_jobs": True}])
def test_a_listing_after_a_feed_is_read_again_without_requests(
    followed: FakeBuildkite, new_client: Clients, costs: Costs, filters: dict[str, Any]
) -> None:
    check_same(followed, new_client(), most=1, created_to=datetime(2026, 7, 1, tzinfo=UTC))
    with costs(1 + RUN):
        expected = dumps(list(listing(new_client(), **filters, **MORNING).per_page(5)))
    with costs(0):
        found = list(listing(new_client(mode="only"), **filters, **MORNING).per_page(5))
    assert dumps(found) == expected
    assert len(found) == 69
    assert all(build.from_cache for build in found)


def test_without_requests_a_second_with_more_builds_than_a_page_must_have_been_listed_by_pages(
    server: FakeBuildkite, new_client: Clients
) -> None:
    server.add_builds("web", 30, spacing=0.02, newest=server.clock.now() - 7200.2)
    server.add_builds("web", 60, spacing=60, newest=server.clock.now() - 3600)
    follow(new_client())
    first = dumps(list(listing(new_client()).per_page(7)))
    with pytest.raises(NotCachedError, match="a page of the builds"):
        list(listing(new_client(mode="only")).per_page(7))
    list(listing(new_client(), cache="refresh").per_page(7))
    assert dumps(list(web_of(new_client(mode="only")).builds(with_jobs=True).per_page(7))) == first


# -- pages that are requested by their links, and odd builds


@pytest.mark.parametrize("filters", [{}, {"include_retried_jobs": True}])
def test_a_slice_in_the_middle_has_jobs(followed: FakeBuildkite, new_client: Clients, filters: dict[str, Any]) -> None:
    with followed.client() as plain:
        expected = dumps(listing(plain, **filters)[60:140])
    assert dumps(listing(new_client(), **filters)[60:140]) == expected
    assert all("jobs" in build for build in expected)


@pytest.mark.filterwarnings("ignore::buildkite_orm.DriftWarning")
@pytest.mark.parametrize(("name", "value"), [("state", ["passed"]), ("state", {}), ("created_at", None)])
def test_a_listing_of_odd_builds_equals_one_without_a_cache(
    year: FakeBuildkite, new_client: Clients, name: str, value: object
) -> None:
    def change(payload: Any) -> Any:
        items: list[Any] = as_array(payload) or []
        for build in items:
            build[name] = value if build["number"] in {60, 170} else build[name]
        return payload

    year.settings.drift = change
    follow(new_client())
    for _ in range(2):
        check_same(year, new_client(), most=30)
        year.clock.advance(3600)
