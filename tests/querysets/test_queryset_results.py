"""Querysets: how many, whether, pages and limits; what each costs, for each kind of listing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from buildkite_orm import MultipleResultsError, NotFoundError, ResponseError
from tests.helpers import ids

if TYPE_CHECKING:
    from buildkite_orm import Buildkite
    from buildkite_orm.fake import FakeBuildkite
    from tests.conftest import Costs
    from tests.querysets.conftest import Kind

COUNT = 50  # items in each listing


def sizes(server: FakeBuildkite) -> list[str | None]:
    return [dict(request.query).get("per_page") for request in server.requests]


# -- how many


def test_len_raises_and_names_the_alternatives(kind: Kind, costs: Costs) -> None:
    with costs(0), pytest.raises(TypeError, match=r"\.count\(\).*list\(qs\)"):
        len(kind.qs)


def test_counting_costs_one_request(numbered: Kind, server: FakeBuildkite, costs: Costs) -> None:
    server.requests.clear()
    with costs(1):
        assert numbered.qs.count() == COUNT
    assert sizes(server) == ["1"]


def test_counting_a_cursor_listing_loads_it_once(jobs: Kind, costs: Costs) -> None:
    with costs(3):
        assert jobs.qs.count() == COUNT
    with costs(0):
        assert ids(jobs.qs) == jobs.ids


def test_counting_loaded_items_sends_no_request(kind: Kind, costs: Costs) -> None:
    list(kind.qs)
    with costs(0):
        assert kind.qs.count() == COUNT


def test_count_without_a_last_page_raises_and_names_list(numbered: Kind, server: FakeBuildkite, costs: Costs) -> None:
    server.settings.link_last = False
    with costs(1), pytest.raises(ResponseError, match=r"list\(qs\)"):
        numbered.qs.count()


@pytest.mark.parametrize("count", [0, 1])
@pytest.mark.parametrize("link_last", [True, False])
def test_zero_and_one_are_counted_with_or_without_a_last_page(
    server: FakeBuildkite, bk: Buildkite, costs: Costs, *, count: int, link_last: bool
) -> None:
    server.settings.link_last = link_last
    for _ in range(count):
        server.add_agent()
    with costs(1):
        assert bk.organization("acme").agents().count() == count


def test_a_last_page_of_an_empty_listing_is_no_count(server: FakeBuildkite, bk: Buildkite) -> None:
    url = "https://api.buildkite.com/v2/organizations/acme/agents?page=1&per_page=1"
    server.faults.add("error", status=200, payload=[], headers={"Link": f'<{url}>; rel="last"'})
    assert bk.organization("acme").agents().count() == 0


# -- truth and membership


def test_bool_costs_one_request(kind: Kind, costs: Costs) -> None:
    with costs(1):
        assert kind.qs


def test_an_empty_listing_is_false(empty: Kind, costs: Costs) -> None:
    with costs(1):
        assert not empty.qs


def test_first_costs_one_request(kind: Kind, costs: Costs) -> None:
    with costs(1):
        first = kind.qs.first()
    assert first is not None
    assert first.id == kind.ids[0]


def test_first_of_an_empty_listing_is_none(empty: Kind, costs: Costs) -> None:
    with costs(1):
        assert empty.qs.first() is None


def test_membership_loads_pages_until_the_item_is_found(kind: Kind, costs: Costs) -> None:
    wanted = list(kind.qs.fresh())[24]
    with costs(2):
        assert wanted in kind.qs


def test_membership_of_a_missing_item_loads_everything(kind: Kind, costs: Costs) -> None:
    with costs(3):
        assert "something else" not in kind.qs


def test_a_ref_is_in_the_listing_of_its_object(server: FakeBuildkite, bk: Buildkite, costs: Costs) -> None:
    server.add_builds("web", 3)
    web = bk.organization("acme").pipeline("web")
    builds = web.builds()
    with costs(1):
        assert web.build(2) in builds
        assert web.build(9) not in builds


def test_one_costs_one_request(server: FakeBuildkite, bk: Buildkite, costs: Costs) -> None:
    server.add_agent("lonely")
    with costs(1):
        assert bk.organization("acme").agents().one().name == "lonely"


def test_one_of_an_empty_listing_raises_not_found(empty: Kind, costs: Costs) -> None:
    with costs(1), pytest.raises(NotFoundError, match="nothing matches"):
        empty.qs.one()


def test_one_of_several_raises(kind: Kind, costs: Costs) -> None:
    with costs(1), pytest.raises(MultipleResultsError, match="more than one"):
        kind.qs.one()


def test_one_respects_the_limit(kind: Kind) -> None:
    assert kind.qs.limit(1).one().id == kind.ids[0]


# -- all of it


def test_all_of_other_listings_loads_page_after_page(jobs: Kind, agents: Kind, costs: Costs) -> None:
    for kind in (jobs, agents):
        with costs(3):
            assert ids(kind.qs.all()) == kind.ids


def test_all_returns_the_objects_of_iteration(kind: Kind, costs: Costs) -> None:
    every = kind.qs.all()
    with costs(0):
        assert all(one is other for one, other in zip(every, kind.qs, strict=True))


# -- pages


def test_a_page_by_number_costs_one_request_and_names_the_others(numbered: Kind, costs: Costs) -> None:
    with costs(1):
        page = numbered.qs.page(2)
    assert ids(page.items) == numbered.ids[20:40]
    assert (page.number, page.first_page, page.previous_page, page.next_page, page.last_page) == (2, 1, 1, 3, 3)


def test_the_first_page_has_no_previous_and_the_last_no_next(numbered: Kind) -> None:
    first, last = numbered.qs.page(1), numbered.qs.page(3)
    assert (first.previous_page, first.next_page, last.previous_page, last.next_page) == (None, 2, 2, None)
    assert len(last.items) == 10


def test_a_page_past_the_end_is_empty(numbered: Kind) -> None:
    page = numbered.qs.page(9)
    assert (page.items, page.next_page) == ([], None)


def test_iteration_does_not_use_a_page_by_number(numbered: Kind, costs: Costs) -> None:
    numbered.qs.page(1)
    with costs(3):
        list(numbered.qs)


@pytest.mark.parametrize("number", [0, -1])
def test_page_numbers_below_one_are_rejected(numbered: Kind, costs: Costs, number: int) -> None:
    with costs(0), pytest.raises(ValueError, match="from 1"):
        numbered.qs.page(number)


def test_a_cursor_listing_has_no_numbered_pages(jobs: Kind, costs: Costs) -> None:
    with costs(0), pytest.raises(TypeError, match=r"pages\(\)"):
        jobs.qs.page(2)


def test_pages_are_shared_with_iteration(kind: Kind, costs: Costs) -> None:
    with costs(3):
        pages = list(kind.qs.pages())
    assert [page.has_next for page in pages] == [True, True, False]
    assert [item for page in pages for item in page.items] == list(kind.qs)
    with costs(0):
        list(kind.qs)


def test_dir_shows_what_pages_have_for_callers(kind: Kind, costs: Costs) -> None:
    with costs(1):
        page = next(kind.qs.pages())
    assert [name for name in dir(page) if not name.startswith("_")] == ["has_next", "items"]


def test_the_next_page_loads_on_demand(kind: Kind, costs: Costs) -> None:
    pages = kind.qs.pages()
    with costs(1):
        next(pages)
    with costs(1):
        next(pages)


def test_an_empty_listing_has_one_empty_page(empty: Kind, costs: Costs) -> None:
    with costs(1):
        pages = list(empty.qs.pages())
    assert [(page.items, page.has_next) for page in pages] == [([], False)]


# -- what it says


def test_repr_sends_no_request(kind: Kind, costs: Costs) -> None:
    with costs(0):
        assert "[not loaded]" in repr(kind.qs)
        assert str(kind.qs) == repr(kind.qs)
    assert kind.qs
    with costs(0):
        assert "[20+ loaded]" in repr(kind.qs)
    list(kind.qs)
    with costs(0):
        assert "[50 loaded]" in repr(kind.qs)


def test_repr_shows_path_and_filters(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_builds("web", 40, state="running")
    builds = bk.organization("acme").pipeline("web").builds(state="running").per_page(30)
    assert builds
    assert repr(builds) == "<BuildQuerySet acme/web/builds state=running [30+ loaded]>"


def test_repr_shows_the_limit(bk: Buildkite) -> None:
    builds = bk.organization("acme").builds(state=["running", "failing"], branch="main").limit(5)
    assert repr(builds) == "<BuildQuerySet acme/builds state=running|failing branch=main limit=5 [not loaded]>"


def test_repr_escapes_control_characters(bk: Buildkite) -> None:
    assert repr(bk.builds(branch="\x1b[31mred\n")).isprintable()


def test_comparing_hashing_and_dir_send_no_request(kind: Kind, costs: Costs) -> None:
    with costs(0):
        assert kind.qs == kind.qs
        assert kind.qs != kind.qs.fresh()
        dir(kind.qs)
        hash(kind.qs)


# -- limits


def test_a_limit_bounds_the_objects_and_the_page_size(kind: Kind, server: FakeBuildkite, costs: Costs) -> None:
    server.requests.clear()
    with costs(1):
        assert ids(kind.qs.limit(6)) == kind.ids[:6]
    assert sizes(server) == ["6"]


def test_a_limit_at_the_end_of_a_page_requests_no_other_page(kind: Kind, costs: Costs) -> None:
    with costs(1):
        assert ids(kind.qs.limit(20)) == kind.ids[:20]


def test_a_limit_within_the_second_page_requests_two_pages(kind: Kind, costs: Costs) -> None:
    with costs(2):
        assert ids(kind.qs.limit(26)) == kind.ids[:26]


def test_a_limit_past_the_end_has_no_effect(kind: Kind, costs: Costs) -> None:
    with costs(3):
        assert ids(kind.qs.limit(1000)) == kind.ids


def test_a_limit_of_zero_sends_no_request(kind: Kind, costs: Costs) -> None:
    nothing = kind.qs.limit(0)
    with costs(0):
        assert (list(nothing), nothing.all(), nothing.first(), nothing.count(), list(nothing.pages())) == (
            [], [], None, 0, [],
        )  # fmt: skip
        assert not nothing
        assert nothing[0:5] == []


def test_an_index_past_the_limit_sends_no_request(kind: Kind, costs: Costs) -> None:
    with costs(0), pytest.raises(IndexError):
        kind.qs.limit(6)[6]


def test_the_last_item_is_the_last_within_the_limit(kind: Kind) -> None:
    assert kind.qs.limit(24)[-1].id == kind.ids[23]


def test_slices_end_at_the_limit(kind: Kind) -> None:
    limited = kind.qs.limit(24)
    assert ids(limited[22:40]) == kind.ids[22:24]
    assert ids(limited[22:]) == kind.ids[22:24]
    assert limited[24:] == []


def test_a_limit_bounds_the_count(kind: Kind) -> None:
    assert (kind.qs.limit(24).count(), kind.qs.limit(1000).count()) == (24, COUNT)


def test_a_limit_cuts_within_a_page(kind: Kind) -> None:
    pages = list(kind.qs.limit(24).pages())
    assert ids(item for page in pages for item in page.items) == kind.ids[:24]
    assert [page.has_next for page in pages] == [True, False]


def test_after_the_limit_no_page_follows(kind: Kind) -> None:
    assert [page.has_next for page in kind.qs.limit(20).pages()] == [False]


def test_a_limit_cuts_numbered_pages(numbered: Kind, costs: Costs) -> None:
    limited = numbered.qs.limit(26)
    first, second = limited.page(1), limited.page(2)
    assert ids(first.items + second.items) == numbered.ids[:26]
    assert (first.next_page, first.last_page, second.next_page, second.last_page) == (2, 2, None, 2)
    with costs(0):
        assert limited.page(3).items == []


def test_a_small_page_is_one_request(kind: Kind, costs: Costs) -> None:
    few = kind.qs.limit(10).per_page(10)
    with costs(1):
        assert ids(few) == kind.ids[:10]
