"""`partitions()`: querysets for parts of a time range; each build is in exactly one of them."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buildkite_orm.fake import FakeBuildkite
from buildkite_orm.resources.builds.partitions import time_parts
from tests.conftest import unlimited
from tests.helpers import ids, newest_first, web_pipeline

if TYPE_CHECKING:
    from buildkite_orm import Buildkite, PipelineBuildQuerySet, PipelineRef
    from tests.conftest import Costs

SINCE = datetime(2026, 7, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def july(pipeline: PipelineRef, **filters: Any) -> PipelineBuildQuerySet:
    return pipeline.builds(created_from=SINCE, created_to=SINCE + 31 * DAY, **filters)


def bounds(part: PipelineBuildQuerySet) -> tuple[datetime, datetime]:
    filters = part._filters  # pyright: ignore[reportPrivateUsage]
    created_from, created_to = filters["created_from"], filters["created_to"]
    assert isinstance(created_from, datetime)
    assert isinstance(created_to, datetime)
    return created_from, created_to


def test_parts_are_days_by_default_and_cost_no_request(web: PipelineRef, costs: Costs) -> None:
    with costs(0):
        parts = july(web).partitions()
    assert [bounds(part) for part in parts] == [
        (SINCE + day * DAY, SINCE + (day + 1) * DAY) for day in reversed(range(31))
    ]
    assert {type(part) for part in parts} == {type(web.builds())}


def test_the_last_part_ends_at_the_bound(web: PipelineRef) -> None:
    parts = july(web).partitions(by=timedelta(days=30))
    assert [bounds(part) for part in parts] == [
        (SINCE + 30 * DAY, SINCE + 31 * DAY),
        (SINCE, SINCE + 30 * DAY),
    ]


def test_one_part_is_enough_for_a_short_range(web: PipelineRef) -> None:
    (part,) = july(web).partitions(by=timedelta.max)
    assert bounds(part) == (SINCE, SINCE + 31 * DAY)


def test_a_range_without_time_has_no_parts(web: PipelineRef) -> None:
    assert web.builds(created_from=SINCE, created_to=SINCE).partitions() == []
    assert web.builds(created_from=SINCE + DAY, created_to=SINCE).partitions() == []


def test_parts_keep_filters_and_page_size_and_are_read_by_another_client(
    server: FakeBuildkite, web: PipelineRef, costs: Costs
) -> None:
    server.add_builds("web", 62, spacing=43_200, newest=SINCE + 31 * DAY - timedelta(seconds=1), branch="main")
    server.add_builds("web", 62, spacing=43_200, newest=SINCE + 31 * DAY - timedelta(seconds=1), branch="other")
    builds = july(web, branch="main").per_page(50)
    sent = [pickle.dumps(part) for part in builds.partitions(by=7 * DAY)]
    assert max(map(len, sent)) < 500
    with server.client() as other, costs(5):
        found = [build.id for part in sent for build in other.bind(pickle.loads(part))]  # noqa: S301 - our own
    assert found == ids(builds)
    assert len(found) == 62


@pytest.mark.parametrize("bound", ["created_from", "created_to"])
def test_both_bounds_are_needed(web: PipelineRef, bound: str) -> None:
    one: Any = {bound: SINCE}
    with pytest.raises(ValueError, match=r"add builds\(created_from=…, created_to=…\)"):
        web.builds(**one).partitions()
    with pytest.raises(ValueError, match="two bounds"):
        web.builds(created_from=SINCE).filter(created_to=None).partitions()  # type: ignore[arg-type]


@pytest.mark.parametrize("by", [timedelta(0), timedelta(days=-1), timedelta(milliseconds=999), timedelta.min])
def test_a_part_is_at_least_a_second(web: PipelineRef, by: timedelta) -> None:
    with pytest.raises(ValueError, match="at least"):
        july(web).partitions(by=by)


@pytest.mark.parametrize("by", [1, 86_400.0, "1 day", None])
def test_the_length_of_a_part_is_a_timedelta(web: PipelineRef, by: Any) -> None:
    with pytest.raises(TypeError, match=r"timedelta\(days=1\)"):
        july(web).partitions(by=by)


def test_a_limit_cannot_be_divided(web: PipelineRef) -> None:
    with pytest.raises(ValueError, match=r"limit\(10\)"):
        july(web).limit(10).partitions()


def test_the_number_of_parts_is_bounded(web: PipelineRef) -> None:
    with pytest.raises(ValueError, match="2678400 parts, more than 100000"):
        july(web).partitions(by=timedelta(seconds=1))


def test_a_day_is_24_hours_also_where_clocks_change(web: PipelineRef) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    builds = web.builds(
        created_from=datetime(2026, 3, 28, tzinfo=berlin), created_to=datetime(2026, 3, 31, tzinfo=berlin)
    )
    lengths = [end - start for start, end in map(bounds, builds.partitions())]
    assert lengths == [timedelta(hours=23), DAY, DAY]


PLUS_FIVE = timezone(timedelta(hours=5))
moments = st.timedeltas(timedelta(0), timedelta(days=2)).map(lambda after: SINCE.astimezone(PLUS_FIVE) + after)


@settings(deadline=None)
@given(since=moments, length=st.timedeltas(timedelta(0), DAY / 24), by=st.timedeltas(timedelta(seconds=1), DAY))
def test_parts_follow_each_other_and_meet_at_whole_seconds(since: datetime, length: timedelta, by: timedelta) -> None:
    parts = time_parts(since, since + length, by)
    assert all(start < end for start, end in parts)
    assert [end for _, end in parts[:-1]] == [start for start, _ in parts[1:]]
    assert all(start.microsecond == 0 for start, _ in parts[1:])
    assert all(end - start < by + timedelta(seconds=1) for start, end in parts)
    assert len(parts) == -(-length // by)
    if parts:
        assert (parts[0][0], parts[-1][1]) == (since, since + length)


@settings(deadline=None, max_examples=60)
@given(
    ages=st.lists(st.integers(0, 12_000), max_size=30),
    since=st.integers(0, 12_000),
    until=st.integers(0, 12_000),
    by=st.integers(1_000, 9_000),
    precision=st.sampled_from(["milliseconds", "seconds"]),
)
def test_each_build_is_in_exactly_one_part(ages: list[int], since: int, until: int, by: int, precision: Any) -> None:
    """Times are milliseconds; the server may compare whole seconds only."""
    with FakeBuildkite(populate=False, settings=unlimited(filter_precision=precision)) as server:
        server.add_pipeline("web")
        records = [server.add_build("web", created_at=server.clock.now() - age / 1000) for age in ages]
        with server.client() as bk:
            check_parts(server, bk, since, until, by)
            assert len(list(web_pipeline(bk).builds())) == len(records)


def check_parts(server: FakeBuildkite, bk: Buildkite, since: int, until: int, by: int) -> None:
    start, end = (
        datetime.fromtimestamp(server.clock.now() - age / 1000, UTC) for age in (max(since, until), min(since, until))
    )
    builds = web_pipeline(bk).builds(created_from=start, created_to=end)
    found = [build.id for part in builds.partitions(by=timedelta(milliseconds=by)) for build in part]
    assert found == ids(builds)
    if server.settings.filter_precision == "milliseconds":
        matching = [each for each in server.store.builds if start.timestamp() <= each.created_at < end.timestamp()]
        assert found == newest_first(matching)
