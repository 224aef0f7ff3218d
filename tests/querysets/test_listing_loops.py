"""Listings whose links form a loop, or lead to endless empty pages: each walk ends with an error that says why."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import requests

from buildkite_orm import ResponseError, RetryPolicy, ServerError
from buildkite_orm.fake import ManualClock
from tests.querysets.stub_server import API, agent, client, job, link

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildkite_orm import Buildkite
    from buildkite_orm.querysets.queryset import QuerySet
    from tests.querysets.stub_server import StubResponse, StubTransport

AGENTS = "organizations/acme/agents"
ALL_WALKS: dict[str, Callable[[QuerySet[Any]], object]] = {
    "list": list,
    "iterator": lambda qs: list(qs.iterator()),
    "all": lambda qs: qs.all(),
    "pages": lambda qs: list(qs.pages()),
    "contains": lambda qs: object() in qs,
    "slice": lambda qs: qs[:],
}
CURSOR_WALKS: dict[str, Callable[[QuerySet[Any]], object]] = {
    "count": lambda qs: qs.count(),
    "last": lambda qs: qs[-1],
    "later page": lambda qs: qs[500],
    "slice of a later page": lambda qs: qs[500:600],
}


def agents_in_a_loop(length: int) -> tuple[Buildkite, StubTransport]:
    """Pages 1 to `length`, the last of which leads to the first."""

    def respond(query: dict[str, str]) -> StubResponse:
        number = int(query.get("page", 1))
        return [agent(number)], {"Link": link(AGENTS, f"page={number % length + 1}&per_page=100")}

    return client(respond)


def jobs_in_a_loop(length: int, **options: Any) -> tuple[Buildkite, StubTransport]:
    """Pages by cursor, the last of which leads to the first."""

    def respond(query: dict[str, str]) -> StubResponse:
        number = int(query.get("after", 0))
        following = f"{API}/x?after={(number + 1) % length}&per_page={query.get('per_page', 100)}"
        return {"items": [job(number)], "links": {"next": following}}, {}

    return client(respond, **options)


def jobs_of(bk: Buildkite) -> QuerySet[Any]:
    return bk.organization().pipeline("web").build(1).jobs()


# -- loops


@pytest.mark.parametrize("walk", ALL_WALKS)
@pytest.mark.parametrize("length", [1, 2, 3, 7])
def test_links_in_a_loop_end_with_an_error(walk: str, length: int) -> None:
    bk, server = agents_in_a_loop(length)
    with pytest.raises(ResponseError, match="repeats a page"):
        ALL_WALKS[walk](bk.organization().agents())
    assert len(server.queries) <= length + 1


@pytest.mark.parametrize("walk", [*ALL_WALKS, *CURSOR_WALKS])
@pytest.mark.parametrize("length", [1, 2, 3, 7])
def test_cursors_in_a_loop_end_with_an_error(walk: str, length: int) -> None:
    bk, server = jobs_in_a_loop(length)
    with pytest.raises(ResponseError, match="repeats a page"):
        (ALL_WALKS | CURSOR_WALKS)[walk](jobs_of(bk))
    assert len(server.queries) <= length + 1


def test_a_slice_from_a_later_page_ends_when_links_lead_back() -> None:
    bk, server = agents_in_a_loop(3)
    with pytest.raises(ResponseError, match="repeats a page"):
        bk.organization().agents()[100:]
    assert [query["page"] for query in server.queries] == ["2", "3", "1"]


def test_pages_that_repeat_under_new_links_end_with_an_error() -> None:
    """Page numbers increase, or each cursor is new; the items show that the pages repeat."""
    served = iter(range(1, 1000))

    def respond(_query: dict[str, str]) -> StubResponse:
        number = next(served)
        return [agent(number % 3)], {"Link": link(AGENTS, f"page={number + 1}&per_page=100")}

    bk, server = client(respond)
    with pytest.raises(ResponseError, match="20 pages in a row without anything new"):
        list(bk.organization().agents())
    assert len(server.queries) == 23


@pytest.mark.parametrize("length", [1, 2])
def test_cursors_in_a_loop_among_the_parts_of_a_slow_page_end_with_an_error(length: int) -> None:
    def respond(query: dict[str, str]) -> StubResponse:
        if int(query["per_page"]) > 25:
            raise requests.ReadTimeout
        number = int(query.get("after", 0))
        items = [job(f"{number}-{each}") for each in range(25)]
        return {"items": items, "links": {"next": f"{API}/x?after={(number + 1) % length}&per_page=25"}}, {}

    bk, server = client(respond, clock=ManualClock())
    with pytest.raises(ResponseError, match="repeats a page"):
        list(jobs_of(bk))
    assert len(server.queries) <= 2 + length + 1


def test_a_slow_page_requested_again_in_parts_is_not_a_repeat() -> None:
    def respond(query: dict[str, str]) -> StubResponse:
        size = int(query["per_page"])
        if size > 25:
            raise requests.ReadTimeout
        begin = int(query.get("after", 0))
        links = {"next": f"{API}/x?after={begin + size}&per_page={size}"} if begin + size < 300 else {}
        return {"items": [job(begin + each) for each in range(size)], "links": links}, {}

    bk, _ = client(respond, clock=ManualClock())
    assert [each.id for each in jobs_of(bk)] == [f"j-{number}" for number in range(300)]


def test_the_error_names_the_next_step_and_is_raised_again_without_a_request() -> None:
    bk, server = agents_in_a_loop(2)
    agents = bk.organization().agents()
    for _ in range(3):
        with pytest.raises(ResponseError, match=r"agents repeats a page .*\.limit\(n\)"):
            list(agents)
    assert len(server.queries) == 3
    assert [each.name for each in agents.limit(2)] == ["a-1", "a-2"]


# -- empty pages


def empty_pages(count: int) -> tuple[Buildkite, StubTransport]:
    """A number of empty pages, and then one with an item."""

    def respond(query: dict[str, str]) -> StubResponse:
        number = int(query.get("page", 1))
        if number > count:
            return [agent(number)], {}
        return [], {"Link": link(AGENTS, f"page={number + 1}&per_page=100")}

    return client(respond)


@pytest.mark.parametrize("walk", ALL_WALKS)
def test_endless_empty_pages_end_with_an_error_after_20(walk: str) -> None:
    bk, server = empty_pages(10**9)
    with pytest.raises(ResponseError, match="20 pages in a row without anything new"):
        ALL_WALKS[walk](bk.organization().agents())
    assert len(server.queries) == 20


def test_nineteen_empty_pages_are_accepted() -> None:
    bk, _ = empty_pages(19)
    assert [each.name for each in bk.organization().agents()] == ["a-20"]


def test_empty_pages_by_cursor_end_with_an_error() -> None:
    def respond(query: dict[str, str]) -> StubResponse:
        return {"items": [], "links": {"next": f"{API}/x?after={int(query.get('after', 0)) + 1}"}}, {}

    bk, server = client(respond)
    with pytest.raises(ResponseError, match="without anything new"):
        jobs_of(bk).count()
    assert len(server.queries) == 20


def test_pages_that_a_client_filter_empties_do_not_count() -> None:
    path = "organizations/acme/pipelines/web/builds/1/artifacts"

    def respond(query: dict[str, str]) -> StubResponse:
        number = int(query.get("page", 1))
        name = f"{number}.txt"
        item = {"id": name, "url": f"{API}/{path}/{name}", "path": name, "filename": name, "state": "finished"}
        return [item], {"Link": link(path, f"page={number + 1}&per_page=100")} if number < 60 else {}

    bk, _ = client(respond)
    found = bk.organization().pipeline("web").build(1).artifacts(path="**/6?.txt")
    assert [each.path for each in found] == ["60.txt"]


# -- builds, which are paged by time


NEWEST = datetime(2026, 7, 1, tzinfo=UTC)


def build(number: int, created_at: object) -> dict[str, Any]:
    url = f"{API}/organizations/acme/pipelines/web/builds/{number}"
    known = {"id": f"b-{number}", "number": number, "url": url, "state": "passed", "commit": "HEAD"}
    return known | {"created_at": created_at}


def builds_from(respond: Callable[[dict[str, str]], StubResponse]) -> tuple[QuerySet[Any], StubTransport]:
    bk, server = client(respond)
    return bk.organization().pipeline("web").builds(), server


@pytest.mark.filterwarnings("ignore::buildkite_orm.DriftWarning")
@pytest.mark.parametrize("length", [1, 2, 3])
def test_builds_without_a_time_whose_links_form_a_loop_end_with_an_error(length: int) -> None:
    def respond(query: dict[str, str]) -> StubResponse:
        number = int(query.get("page", 1))
        return [build(number, "unreadable")], {"Link": link("x", f"page={number % length + 1}&per_page=100")}

    builds, server = builds_from(respond)
    with pytest.raises(ResponseError, match="repeats a page"):
        list(builds)
    assert len(server.queries) <= length + 1


@pytest.mark.parametrize("length", [2, 10**9])
def test_empty_pages_of_builds_end_with_an_error(length: int) -> None:
    def respond(query: dict[str, str]) -> StubResponse:
        return [], {"Link": link("x", f"page={int(query.get('page', 1)) % length + 1}&per_page=100")}

    builds, server = builds_from(respond)
    with pytest.raises(ResponseError, match=r"repeats a page|without anything new"):
        list(builds)
    assert len(server.queries) <= 20


@pytest.mark.parametrize("length", [1, 2, 3])
@pytest.mark.parametrize("empty", [False, True])
def test_pages_of_one_second_that_repeat_or_stay_empty_end_with_an_error(length: int, *, empty: bool) -> None:
    """One second has more builds than a page, so that it is paged by number."""
    at = NEWEST.strftime("%Y-%m-%dT%H:%M:%SZ")

    def respond(query: dict[str, str]) -> StubResponse:
        page, size = int(query.get("page", 1)), int(query["per_page"])
        place = (page - 1) % length
        items = [build(1000 - place * size - each, at) for each in range(size)]
        return [] if empty and page > 1 else items, {"Link": link("x", f"page={page + 1}&per_page={size}")}

    builds, server = builds_from(respond)
    with pytest.raises(ResponseError, match="repeats a page"):
        list(builds)
    assert len(server.queries) < 40


# -- listings without a loop


def test_walking_through_a_listing_again_is_not_a_repeat() -> None:
    def respond(query: dict[str, str]) -> StubResponse:
        number = int(query.get("page", 1))
        return [agent(number)], {"Link": link(AGENTS, f"page={number + 1}&per_page=100")} if number < 30 else {}

    bk, server = client(respond)
    agents = bk.organization().agents()
    for _ in range(2):
        assert len(list(agents)) == len(list(agents.iterator())) == len(list(agents.fresh())) == 30
    assert len(server.queries) == 150


def test_a_page_that_failed_and_is_requested_again_is_not_a_repeat() -> None:
    failing = iter([False, True, True, False, True, False])

    def respond(query: dict[str, str]) -> StubResponse:
        number = int(query.get("page", 1))
        if next(failing, False):
            raise ServerError("for once", status=503)
        return [agent(number)], {"Link": link(AGENTS, f"page={number + 1}&per_page=100")} if number < 4 else {}

    bk, _ = client(respond, retry=RetryPolicy(attempts=1))
    agents = bk.organization().agents()
    for _ in range(3):
        with pytest.raises(ServerError):
            list(agents)
    assert [each.name for each in agents] == [f"a-{number}" for number in range(1, 5)]


def test_a_link_to_the_same_page_number_in_another_size_is_not_a_repeat() -> None:
    links = {"100": "page=1&per_page=50", "50": "page=2&per_page=50"}

    def respond(query: dict[str, str]) -> StubResponse:
        if query.get("page") == "2":
            return [agent("last")], {}
        return [agent(query["per_page"])], {"Link": link(AGENTS, links[query["per_page"]])}

    bk, _ = client(respond)
    assert [each.name for each in bk.organization().agents()] == ["a-100", "a-50", "a-last"]


def test_concurrent_walks_do_not_disturb_each_other() -> None:
    def respond(query: dict[str, str]) -> StubResponse:
        number = int(query.get("page", 1))
        return [agent(number)], {"Link": link(AGENTS, f"page={number + 1}&per_page=100")} if number < 9 else {}

    bk, _ = client(respond)
    agents = bk.organization().agents()
    assert all(one == other for one, other in zip(agents.iterator(), agents.iterator(), strict=True))


def test_older_builds_on_each_page_are_not_a_repeat() -> None:
    def respond(query: dict[str, str]) -> StubResponse:
        to = datetime.fromisoformat(query.get("created_to", NEWEST.isoformat()))
        at = to - timedelta(minutes=1)
        return [build(int(at.timestamp()), at.isoformat())], {"Link": link("x", "page=2")} if at.day == 30 else {}

    builds, _ = builds_from(respond)
    assert len(list(builds)) > 100


@pytest.mark.parametrize("item", [{"name": "nameless"}, None, {"id": None}, {"id": ["x"]}])
@pytest.mark.filterwarnings("ignore::buildkite_orm.DriftWarning")
def test_repeated_pages_of_objects_without_ids_end_with_an_error(item: Any) -> None:
    served = iter(range(2, 1000))

    def respond(_query: dict[str, str]) -> StubResponse:
        return [item], {"Link": link(AGENTS, f"page={next(served)}&per_page=100")}

    bk, server = client(respond)
    with pytest.raises(ResponseError, match="without anything new"):
        list(bk.organization().agents())
    assert len(server.queries) == 21
