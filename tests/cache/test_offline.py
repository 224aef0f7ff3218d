"""`cache="only"`: no request is sent, and one error names what is missing."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from buildkite_orm import NotCachedError
from tests.cache.conftest import web_of

if TYPE_CHECKING:
    from buildkite_orm.fake import FakeBuildkite
    from tests.cache.conftest import Clients
    from tests.conftest import Costs

pytestmark = pytest.mark.usefixtures("month")


def test_a_listing_is_read_without_a_request(new_client: Clients, costs: Costs) -> None:
    first = [build.dump() for build in web_of(new_client(namespace=None)).builds(with_jobs=True)]
    with costs(0):
        builds = list(web_of(new_client(namespace=None, mode="only")).builds(with_jobs=True))
    assert [build.dump() for build in builds] == first
    assert all(build.from_cache for build in builds)
    assert builds[0].jobs()[0].from_cache


def test_a_listing_without_jobs_is_read_without_a_request(new_client: Clients, costs: Costs) -> None:
    first = [build.dump() for build in web_of(new_client()).builds(branch="main")]
    with costs(0):
        assert [build.dump() for build in web_of(new_client(mode="only")).builds(branch="main")] == first


def test_a_listing_with_jobs_answers_one_without(new_client: Clients, costs: Costs) -> None:
    list(web_of(new_client()).builds(with_jobs=True))
    expected = [build.dump() for build in web_of(new_client()).builds(cache="off")]
    with costs(0):
        builds = list(web_of(new_client()).builds(cache="only"))
    assert [build.dump() for build in builds] == expected


def test_another_query_is_missing(new_client: Clients, costs: Costs) -> None:
    list(web_of(new_client()).builds(with_jobs=True))
    since = datetime(2026, 7, 1, tzinfo=UTC)
    with (
        costs(0),
        pytest.raises(NotCachedError, match=r"a page of the builds of acme/web/builds \(created_from=2026-07"),
    ):
        list(web_of(new_client(mode="only")).builds(with_jobs=True, created_from=since))


def test_one_error_names_all_that_is_missing(month: FakeBuildkite, new_client: Clients, costs: Costs) -> None:
    builds = month.store.organizations["acme"].pipelines["web"].builds
    for number in (149, 100, 10):
        builds[number - 1].state = "running"
    month.add_build("web", state="running", jobs=1)
    list(web_of(new_client()).builds(with_jobs=True))
    with costs(0), pytest.raises(NotCachedError) as caught:
        list(web_of(new_client(mode="only")).builds(with_jobs=True))
    assert caught.value.missing == ["acme/web #151", "acme/web #149", "acme/web #100", "acme/web #10"]
    assert "acme/web #10. Run it once" in str(caught.value)
    assert pickle.loads(pickle.dumps(caught.value)).missing == caught.value.missing  # noqa: S301


def test_a_page_that_has_changed_replaces_the_stored_one(month: FakeBuildkite, new_client: Clients) -> None:
    list(web_of(new_client()).builds(with_jobs=True))
    month.add_build("web", state="running", jobs=1)
    list(web_of(new_client()).builds(with_jobs=True))
    with pytest.raises(NotCachedError, match="#151"):
        list(web_of(new_client(mode="only")).builds(with_jobs=True))
    list(web_of(new_client()).builds())
    with pytest.raises(NotCachedError, match="#151"):
        list(web_of(new_client(mode="only")).builds())


def test_jobs_that_are_missing_are_named(new_client: Clients, costs: Costs) -> None:
    list(web_of(new_client()).builds())
    with (
        costs(0),
        pytest.raises(NotCachedError, match="the jobs of acme/web #150, the jobs of acme/web #149") as caught,
    ):
        list(web_of(new_client(mode="only")).builds(with_jobs=True))
    assert len(caught.value.missing) == 150
    assert "and 130 more" in str(caught.value)


def test_every_other_request_is_refused(new_client: Clients, costs: Costs) -> None:
    bk = new_client(mode="only")
    with costs(0):
        for call in (
            bk.user,
            lambda: web_of(bk).fetch(),
            lambda: web_of(bk).build(1).fetch(),
            lambda: web_of(bk).build(1).annotations().all(),
            lambda: web_of(bk).build(1).artifacts().all(),
            lambda: web_of(bk).build(1).rebuild(),
            lambda: web_of(bk).builds().count(),
            lambda: bk.organization("acme").agents().all(),
            lambda: bk.organization("acme").job("x").log().fetch_size(),
            lambda: bk.organization("acme").job("x").log().tail(),
            lambda: bk.organization("acme").job("x").artifact("y").download(),
            lambda: bk.request("GET", "organizations"),
        ):
            with pytest.raises(NotCachedError):
                call()


def test_an_unknown_token_finds_nothing(month: FakeBuildkite, new_client: Clients, costs: Costs) -> None:
    list(web_of(new_client(namespace=None)).builds())
    other = new_client(namespace=None, mode="only", token=month.make_token("read_builds"))
    with costs(0), pytest.raises(NotCachedError):
        list(web_of(other).builds())
