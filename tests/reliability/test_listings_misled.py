"""Servers whose links form a loop: the listing ends with an error that says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from buildkite_orm import BadRequestError, DriftWarning, ResponseError

if TYPE_CHECKING:
    from buildkite_orm import Buildkite, BuildQuerySet
    from buildkite_orm.fake import FakeBuildkite

FEW = 20


@pytest.fixture
def builds(server: FakeBuildkite, bk: Buildkite) -> BuildQuerySet:
    """Sixty builds, ten to a page."""
    server.add_builds("web", 60)
    return bk.organization("acme").pipeline("web").builds().per_page(10)


def test_a_link_from_a_page_of_unreadable_times_to_itself_is_an_error(
    server: FakeBuildkite, builds: BuildQuerySet
) -> None:
    page = [{**builds[0].dump(), "created_at": "some day"}]
    link = '<https://api.buildkite.com/v2/organizations/acme/pipelines/web/builds?page=2>; rel="next"'
    server.requests.clear()
    server.faults.add("error", status=200, payload=page, headers={"Link": link}, times=None)
    with pytest.warns(DriftWarning), pytest.raises(ResponseError, match="repeats a page"):
        list(builds.fresh())
    assert len(server.requests) < FEW


def test_a_second_whose_pages_are_all_the_same_is_an_error(server: FakeBuildkite, bk: Buildkite) -> None:
    """It holds more builds than a page, and the server sends its first page for any page number."""
    server.add_builds("crowded", 60, spacing=0.0001)
    builds = bk.organization("acme").pipeline("crowded").builds().per_page(10)
    page = [build.dump() for build in builds[:10]]
    link = '<https://api.buildkite.com/v2/organizations/acme/pipelines/crowded/builds?page=2>; rel="next"'
    server.requests.clear()
    server.faults.add("error", status=200, payload=page, headers={"Link": link}, match="created_from", times=None)
    with pytest.raises(ResponseError, match="repeats a page"):
        list(builds.fresh())
    assert len(server.requests) < FEW


def test_a_rejected_page_among_concurrent_ones_is_an_error(server: FakeBuildkite, builds: BuildQuerySet) -> None:
    server.faults.add("error", status=400, message="Try something else", match="[?&]page=3", times=None)
    with pytest.raises(BadRequestError, match="Try something else"):
        builds.all(workers=4)
