"""Querysets: requests and texts at the edges of pages and limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import buildkite_orm
from buildkite_orm import MultipleResultsError, NotFoundError, ResponseError
from tests.helpers import ids

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildkite_orm import Buildkite
    from buildkite_orm.fake import FakeBuildkite
    from tests.conftest import Costs
    from tests.querysets.conftest import Kind


# -- costs -------------------------------------------------------------------------------------------------------------


def test_an_iterator_ends_at_the_limit(kind: Kind, costs: Costs) -> None:
    with costs(2):
        assert ids(kind.qs.limit(26).iterator()) == kind.ids[:26]


def test_a_further_filter_does_not_use_loaded_objects(server: FakeBuildkite, bk: Buildkite, costs: Costs) -> None:
    server.add_build("web", branch="main", jobs=2)
    build = bk.organization("acme").pipeline("web").build(1).fetch()
    jobs = build.jobs()
    with costs(0):
        assert len(list(jobs)) == 2
    with costs(1):
        assert list(jobs.filter(include_retried_jobs=True)) == list(jobs)


def test_one_needs_two_items_to_raise(kind: Kind, costs: Costs) -> None:
    with costs(1), pytest.raises(MultipleResultsError):
        kind.qs.per_page(2).one()


def test_the_first_item_of_the_second_page_requests_that_page_alone(numbered: Kind, costs: Costs) -> None:
    with costs(1):
        assert numbered.qs[20].id == numbered.ids[20]


def test_a_slice_from_the_second_page_does_not_request_the_first(numbered: Kind, costs: Costs) -> None:
    with costs(1):
        assert ids(numbered.qs[20:25]) == numbered.ids[20:25]


def test_a_slice_from_the_first_page_is_kept(kind: Kind, costs: Costs) -> None:
    with costs(2):
        assert ids(kind.qs[19:21]) == kind.ids[19:21]
    with costs(0):
        assert ids(kind.qs[:21]) == kind.ids[:21]


def test_a_slice_past_the_end_of_a_loaded_listing_sends_no_request(kind: Kind, costs: Costs) -> None:
    list(kind.qs)
    with costs(0):
        assert kind.qs[60:80] == []


def test_a_slice_may_end_before_the_limit(kind: Kind) -> None:
    limited = kind.qs.limit(24)
    assert (ids(limited[2:5]), ids(limited[:3])) == (kind.ids[2:5], kind.ids[:3])


def test_a_page_just_past_the_limit_is_empty_and_not_requested(numbered: Kind, costs: Costs) -> None:
    with costs(0):
        page = numbered.qs.limit(40).page(3)
    assert (page.items, page.number, page.next_page, page.previous_page) == ([], 3, None, None)
    assert (page.first_page, page.last_page) == (None, None)


# -- the first page ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "first"), [("page=1&per_page=20", 1), ("per_page=20", 1), ("page=7", 7), (None, None)]
)
def test_the_first_page_is_what_the_server_names(
    numbered: Kind, server: FakeBuildkite, query: str | None, first: int | None
) -> None:
    links = [f'<https://api.buildkite.com/v2/x?{query}>; rel="first"'] if query else []
    links.append('<https://api.buildkite.com/v2/x?page=3&per_page=20>; rel="last"')
    server.faults.add("error", status=200, payload=[], headers={"Link": ", ".join(links)})
    page = numbered.qs.page(2)
    assert (page.first_page, page.last_page) == (first, 3)


# -- words -------------------------------------------------------------------------------------------------------------


def test_a_method_that_is_taken_for_a_filter_is_named(bk: Buildkite) -> None:
    with pytest.raises(TypeError, match=r"no filter limit, per_page; .*; use \.limit\(n\); use \.per_page\(n\)$"):
        bk.organization("acme").builds(limit=3, per_page=100)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def test_unknown_filters_are_named_with_the_known_ones(bk: Buildkite) -> None:
    pipeline = bk.organization("acme").pipeline("web")
    with pytest.raises(TypeError, match=r"^BuildQuerySet has no filter nor, stat; it has: branch, cache, commit, "):
        pipeline.builds(stat="running", nor=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"^JobQuerySet has no filter stat; it has: "):
        pipeline.build(1).jobs(stat="running")  # type: ignore[call-overload]
    with pytest.raises(
        TypeError, match=r"^OrganizationQuerySet has no filter name; it has: none; its objects have it: "
    ):
        type(bk.organizations())(bk.session, "organizations", {"name": "acme"})


def test_repr_begins_with_the_class(bk: Buildkite) -> None:
    assert repr(bk.organization("acme").agents()).startswith("<AgentQuerySet acme/agents")


def test_the_repr_of_a_page_shows_its_size_and_whether_more_follow(kind: Kind, costs: Costs) -> None:
    pages = list(kind.qs.limit(26).pages())
    with costs(0):
        assert repr(pages[0]) == "<LoadedPage of 20, more follow>"
        assert repr(pages[-1]) == "<LoadedPage of 6>"


def test_the_error_of_one_says_what_to_do(empty: Kind) -> None:
    with pytest.raises(NotFoundError) as caught:
        empty.qs.one()
    assert caught.value.next_step == "Check the filters."


def test_the_error_of_count_says_what_to_do(numbered: Kind, server: FakeBuildkite) -> None:
    server.settings.link_last = False
    with pytest.raises(ResponseError) as caught:
        numbered.qs.count()
    assert caught.value.next_step == "Count list(qs), which loads them."


def test_a_listing_without_numbers_says_why(server: FakeBuildkite, bk: Buildkite, jobs: Kind) -> None:
    with pytest.raises(TypeError, match="JobQuerySet has no numbered pages, since its API uses cursors; "):
        jobs.qs.page(2)
    server.add_build("web")
    artifacts = bk.organization("acme").pipeline("web").build(1).artifacts(path="**/*.{json,html}")
    with pytest.raises(TypeError, match="ArtifactQuerySet has no numbered pages, since the client applies a filter; "):
        artifacts.page(2)


@pytest.mark.parametrize("index", [50, 51, 59, 60, 5000, -51, -52])
def test_an_index_error_names_the_index(kind: Kind, index: int) -> None:
    with pytest.raises(IndexError, match=rf"^\[{index}\]: .* has (fewer|\d+) objects$"):
        kind.qs[index]


@pytest.mark.parametrize("index", [6, 7])
def test_an_index_past_the_limit_raises_whatever_is_loaded(kind: Kind, index: int) -> None:
    limited = kind.qs.limit(6)
    for _ in range(2):
        with pytest.raises(IndexError, match=rf"^\[{index}\]: .* has (fewer|\d+) objects$"):
            limited[index]
        assert len(list(limited)) == 6


# -- names -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in buildkite_orm.__all__ if name.endswith("QuerySet")])
def test_a_queryset_class_has_no_public_attributes_but_methods(name: str) -> None:
    kind = getattr(buildkite_orm, name)
    public = [each for each in dir(kind) if not each.startswith("_")]
    assert {"all", "count", "first", "limit", "one"} <= set(public)
    assert [each for each in public if not callable(getattr(kind, each)) or isinstance(getattr(kind, each), type)] == []


# -- shortened SHAs

LISTINGS: dict[str, Callable[[Buildkite, Any], object]] = {
    "all": lambda bk, commit: bk.builds(commit=commit),
    "organization": lambda bk, commit: bk.organization("acme").builds(commit=commit),
    "pipeline": lambda bk, commit: bk.organization("acme").pipeline("web").builds(commit=commit),
    "filter": lambda bk, commit: bk.builds(branch="main").filter(commit=commit),
    "wait_for": lambda bk, commit: bk.organization("acme").pipeline("web").wait_for(commit=commit, timeout=60),
}


@pytest.mark.parametrize("commit", ["a82ff8b", "A82FF8BFCC", "a" * 39, ["a" * 40, "a82ff8bfcc"], ("a82ff8bfcc",)])
@pytest.mark.parametrize("listing", LISTINGS)
def test_a_shortened_sha_is_refused_before_sending(bk: Buildkite, costs: Costs, listing: str, commit: Any) -> None:
    with costs(0), pytest.raises(ValueError, match="the API finds builds by the full SHA only, 40 digits"):
        LISTINGS[listing](bk, commit)


@pytest.mark.parametrize(
    "commit", ["HEAD", "abcdef", "1234567", "a" * 40, "deadbeef-branch", "v1.2", ["HEAD", "b" * 40], None]
)
def test_other_commits_are_sent_as_they_are(server: FakeBuildkite, bk: Buildkite, commit: Any) -> None:
    bk.builds(commit=commit).first()
    sent = [value for name, value in server.requests[-1].query if name in {"commit", "commit[]"}]
    assert sent == ([] if commit is None else [commit] if isinstance(commit, str) else commit)
