"""The formats of pages, and servers that do not do as requested."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm import BadRequestError, ResponseError
from tests.helpers import ids

if TYPE_CHECKING:
    from buildkite_orm import Buildkite
    from buildkite_orm.fake import FakeBuildkite
    from tests.conftest import Costs
    from tests.querysets.conftest import Kind


# -- the shapes


def test_an_empty_link_header_has_no_links(server: FakeBuildkite, bk: Buildkite, costs: Costs) -> None:
    server.settings.empty_link_header = True
    server.add_agent("only")
    with costs(1):
        assert [agent.name for agent in bk.organization("acme").agents()] == ["only"]


def test_a_listing_without_a_link_header_is_one_page(server: FakeBuildkite, bk: Buildkite, costs: Costs) -> None:
    payload = [{"id": str(n), "name": f"a-{n}", "connection_state": "connected"} for n in range(100)]
    server.faults.add("error", status=200, payload=payload)
    with costs(1):
        assert [agent.name for agent in bk.organization("acme").agents()] == [f"a-{n}" for n in range(100)]


def test_a_link_header_with_only_the_last_page_ends_the_listing(
    numbered: Kind, server: FakeBuildkite, costs: Costs
) -> None:
    last = '<https://api.buildkite.com/v2/x?page=1>; rel="last"'
    server.faults.add("error", status=200, payload=[], headers={"Link": last})
    with costs(1):
        assert list(numbered.qs) == []


def test_a_short_page_does_not_end_a_listing(numbered: Kind, server: FakeBuildkite, costs: Costs) -> None:
    """Pages may be short, even empty: the server says whether another follows."""
    path = server.requests[-1].path if server.requests else "/v2/organizations/acme/pipelines/web/builds"
    following = f'<https://api.buildkite.com{path}?page=1&per_page=20>; rel="next"'
    server.faults.add("error", status=200, payload=[], headers={"Link": following})
    with costs(4):
        assert ids(numbered.qs) == numbered.ids


def test_only_path_and_query_of_a_link_are_read(server: FakeBuildkite, bk: Buildkite) -> None:
    agents = bk.organization("acme").agents()
    payload = [{"id": "x", "name": "x", "connection_state": "connected"}]
    evil = '<https://evil.example/v2/elsewhere?page=2&per_page=2&access_token=bkua_0>; rel="next"'
    server.faults.add("error", status=200, payload=payload, headers={"Link": evil})
    list(agents)
    follow = server.requests[1]
    assert (follow.path, follow.headers["Host"]) == ("/v2/organizations/acme/agents", "api.buildkite.com")
    assert follow.query == [("page", "2"), ("per_page", "2")]


def test_a_listing_with_links_may_be_sent_as_items_and_links(
    server: FakeBuildkite, bk: Buildkite, costs: Costs
) -> None:
    server.add_agent("last")
    first = {"id": "x", "name": "x", "connection_state": "connected"}
    url = "https://api.buildkite.com/v2/organizations/acme/agents?per_page=100"
    server.faults.add("error", status=200, payload={"items": [first], "links": {"self": url, "next": url + "&page=1"}})
    with costs(2):
        assert [agent.name for agent in bk.organization("acme").agents()] == ["x", "last"]


@pytest.mark.parametrize("links", [None, {}, {"next": None}, {"next": ""}])
def test_a_cursor_page_without_a_next_link_is_the_last(
    server: FakeBuildkite, bk: Buildkite, costs: Costs, links: Any
) -> None:
    server.faults.add("error", status=200, payload={"items": [{"id": "j", "type": "waiter"}], "links": links})
    with costs(1):
        assert ids(bk.organization("acme").pipeline("web").build(1).jobs()) == ["j"]


def test_jobs_may_be_sent_as_a_bare_array(server: FakeBuildkite, bk: Buildkite, costs: Costs) -> None:
    server.faults.add("error", status=200, payload=[{"id": "j", "type": "waiter"}])
    with costs(1):
        assert ids(bk.organization("acme").pipeline("web").build(1).jobs()) == ["j"]


@pytest.mark.parametrize("payload", [{"message": "Something is off"}, {"items": "none", "message": "Something is off"}])
def test_an_error_object_instead_of_a_list_is_an_error_with_its_message(
    kind: Kind, server: FakeBuildkite, payload: Any
) -> None:
    server.faults.add("error", status=200, payload=payload, times=None)
    with pytest.raises(ResponseError, match="Something is off"):
        list(kind.qs)


@pytest.mark.parametrize("payload", [None, 3, "text", {}])
def test_a_payload_that_is_not_a_list_is_an_error(kind: Kind, server: FakeBuildkite, payload: Any) -> None:
    server.faults.add("error", status=200, payload=payload, times=None)
    with pytest.raises(ResponseError, match="expected"):
        list(kind.qs)


# -- listings that move, or go in circles


def test_an_item_that_moved_to_the_next_page_is_not_repeated(server: FakeBuildkite, bk: Buildkite) -> None:
    """Pipelines are listed newest first: one that is made while they are read moves the others."""
    for number in range(4):
        server.add_pipeline(f"p{number}")
    stream = iter(bk.organization("acme").pipelines().per_page(2))
    found = [next(stream).slug, next(stream).slug]
    server.faults.add("error", status=200, payload=_moved(server, bk, found[1]), headers={})
    found += [pipeline.slug for pipeline in stream]
    assert len(found) == len(set(found)) == 3


def _moved(server: FakeBuildkite, bk: Buildkite, slug: str) -> list[Any]:
    del server
    others = [pipeline.dump() for pipeline in bk.organization("acme").pipelines()]
    return [each for each in others if each["slug"] == slug] + [
        dict(others[0], slug="new", url=others[0]["url"] + "-n")
    ]


def test_a_page_that_repeats_itself_raises_instead_of_looping(server: FakeBuildkite, bk: Buildkite) -> None:
    """A server that sends the first page for any request, and always names a next one."""
    payload = [{"id": str(n), "name": str(n), "connection_state": "connected"} for n in range(2)]
    for number in range(2, 6):
        link = f'<https://api.buildkite.com/v2/organizations/acme/agents?page={number}>; rel="next"'
        server.faults.add("error", status=200, payload=payload, headers={"Link": link})
    with pytest.raises(ResponseError, match="repeats a page"):
        list(bk.organization("acme").agents())
    assert len(server.requests) == 2


def test_a_link_that_leads_to_itself_raises_instead_of_looping(server: FakeBuildkite, bk: Buildkite) -> None:
    link = '<https://api.buildkite.com/v2/organizations/acme/agents?page=2>; rel="next"'
    for number in range(5):
        payload = [{"id": str(number), "name": str(number), "connection_state": "connected"}]
        server.faults.add("error", status=200, payload=payload, headers={"Link": link})
    with pytest.raises(ResponseError, match="repeats a page"):
        list(bk.organization("acme").agents())
    assert len(server.requests) == 2


def test_a_slice_of_pages_that_repeat_raises_instead_of_looping(server: FakeBuildkite, bk: Buildkite) -> None:
    payload = [{"id": str(n), "name": str(n), "connection_state": "connected"} for n in range(100)]
    link = '<https://api.buildkite.com/v2/organizations/acme/agents?page=9>; rel="next"'
    server.faults.add("error", status=200, payload=payload, headers={"Link": link}, times=10)
    with pytest.raises(ResponseError, match="repeats a page"):
        bk.organization("acme").agents()[150:]
    assert len(server.requests) == 2


def test_an_error_of_the_server_is_the_error_of_the_listing(kind: Kind, server: FakeBuildkite) -> None:
    server.faults.add("error", status=400, message="Bad filter", times=None)
    with pytest.raises(BadRequestError, match="Bad filter"):
        kind.qs.count()
