"""Numbers, links and cursors as no server should send them: listings raise only the library's own errors."""

from __future__ import annotations

import contextlib
import json
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buildkite_orm import BuildkiteError, ResponseError, RetryPolicy
from tests.oddities import odd_values
from tests.querysets.stub_server import API, agent, client, job, link

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildkite_orm.querysets.queryset import QuerySet

AGENTS = "organizations/acme/agents"
NUMBERS = ["²", "٣", "-1", "0", "1.5", "", "1_000", " 7 ", "9" * 19, "9" * 5000, "%00", "%ED%A0%80"]
WALKS: dict[str, Callable[[QuerySet[Any]], object]] = {
    "list": list,
    "count": lambda qs: qs.count(),
    "last": lambda qs: qs[-1],
    "later": lambda qs: qs[150],
    "slice": lambda qs: qs[100:101],
    "page": lambda qs: qs.page(1),
    "all": lambda qs: qs.all(),
}
LATIN = st.characters(max_codepoint=255, exclude_characters="\r\n")
CURSOR_WALKS = {name: walk for name, walk in WALKS.items() if name != "page"}


def own_errors_only(walk: Callable[[QuerySet[Any]], object], qs: QuerySet[Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with contextlib.suppress(BuildkiteError, IndexError):
            walk(qs)


def latin(text: str) -> str:
    """A header as it arrives: its bytes as Latin-1."""
    return text.encode("utf-8", "replace").decode("latin-1")


def agents_with(header: str) -> QuerySet[Any]:
    bk, _ = client(lambda _query: ([agent(1)], {"Link": header}))
    return bk.organization().agents()


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("walk", WALKS)
def test_an_invalid_page_number_in_a_link_raises_only_our_errors(walk: str, number: str) -> None:
    header = latin(f"{link(AGENTS, f'page={number}', 'next')}, {link(AGENTS, f'page={number}', 'last')}")
    own_errors_only(WALKS[walk], agents_with(header))
    own_errors_only(WALKS[walk], agents_with(header.replace("page=", "per_page=100&page=")))


@pytest.mark.parametrize("number", [number for number in NUMBERS if number != "9" * 18])
def test_count_from_an_invalid_page_number_is_a_response_error(number: str) -> None:
    header = latin(f"{link(AGENTS, 'page=2', 'next')}, {link(AGENTS, f'page={number}', 'last')}")
    with pytest.raises(ResponseError, match="does not say how many"):
        agents_with(header).count()


def test_invalid_page_numbers_are_none() -> None:
    header = ", ".join(latin(link(AGENTS, f"page={'9' * 5000}", rel)) for rel in ("first", "prev", "next", "last"))
    page = agents_with(header).page(1)
    assert (page.next_page, page.previous_page, page.last_page) == (None, None, None)


HEADERS = [
    '<{url}>; rel="next"',
    "<{url}>; rel=next",
    '<{url}>;rel="next"; title=x',
    '<{url}>; title="a, b"; REL="Next"',
    '<{url}>; rel="last next"',
    '<https://x/first>; rel="first", <{url}> ; rel = "next" , <https://x/9>; rel="last"',
]
QUERIES = ["page=2", "branch=a;b&page=2", "branch=a,b&page=2", "page=2&x=%3C%3E;", "x=a%20;rel=last&page=2"]


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("query", QUERIES)
def test_a_next_page_is_found_however_its_link_is_written(header: str, query: str) -> None:
    """A link that is not understood would end the listing early without a word."""
    headers = {"Link": header.format(url=f"{API}/{AGENTS}?{query}")}
    bk, server = client(lambda query: ([agent(2)], {}) if "page" in query else ([agent(1)], headers))
    assert [each.name for each in bk.organization().agents()] == ["a-1", "a-2"]
    assert server.queries[1]["page"] == "2"


@settings(max_examples=80, deadline=None)
@given(st.text(LATIN, max_size=60), st.sampled_from([*WALKS]))
def test_any_link_header_raises_only_our_errors(text: str, walk: str) -> None:
    own_errors_only(WALKS[walk], agents_with(text))
    own_errors_only(WALKS[walk], agents_with(f'<{text}>; rel="next", <{text}>; rel="last"'))
    own_errors_only(WALKS[walk], agents_with(f'<{API}/x?page={text}>; rel="next", <{API}/x?page={text}>; rel="last"'))


@pytest.mark.parametrize("url", ["http://[::1", "https://x/?after=\ud800", 5, 1.5, True, ["x"], {"cursor": "x"}])
def test_an_unreadable_url_of_the_next_page_is_an_error(url: object) -> None:
    """To take it for none would end the listing early without a word."""
    bk, _ = client(lambda _query: ({"items": [job(1)], "links": {"next": url}}, {}))
    with pytest.raises(ResponseError, match="page"):
        list(bk.organization().pipeline("web").build(1).jobs())


@pytest.mark.parametrize("links", ["next", 5, True, ["x"], [{"rel": "next"}]])
def test_links_that_are_not_an_object_are_an_error(links: object) -> None:
    bk, _ = client(lambda _query: ({"items": [job(1)], "links": links}, {}))
    with pytest.raises(ResponseError, match="links were expected"):
        list(bk.organization().pipeline("web").build(1).jobs())


@pytest.mark.parametrize("url", ["http://[::1", "https://x/?after=\ud800", 5, None, ["x"]])
def test_links_that_a_listing_does_not_follow_may_be_anything(url: object) -> None:
    links = dict.fromkeys(("self", "first", "prev", "last"), url)
    bk, _ = client(lambda _query: ({"items": [job(1)], "links": links}, {}))
    assert len(list(bk.organization().pipeline("web").build(1).jobs())) == 1


bodies = st.fixed_dictionaries(
    {"items": st.lists(odd_values, max_size=3) | odd_values},
    optional={"links": st.fixed_dictionaries({}, optional={"next": odd_values, "self": odd_values}) | odd_values},
)


@settings(max_examples=80, deadline=None)
@given(bodies, st.sampled_from(sorted(CURSOR_WALKS)))
def test_any_cursor_page_raises_only_our_errors(body: dict[str, Any], walk: str) -> None:
    bk, _ = client(lambda _query: (json.dumps(body).encode(), {}))
    own_errors_only(WALKS[walk], bk.organization().pipeline("web").build(1).jobs())


@settings(max_examples=60, deadline=None)
@given(st.lists(odd_values | st.dictionaries(st.sampled_from(["id", "url", "name"]), odd_values), max_size=4))
def test_items_of_any_kind_raise_only_our_errors(items: list[Any]) -> None:
    header = {"Link": link(AGENTS, "page=2")}
    bk, _ = client(lambda query: (items if "page" not in query else [agent(1)], {} if "page" in query else header))
    for walk in WALKS.values():
        own_errors_only(walk, bk.organization().agents())
        own_errors_only(walk, bk.organization().builds())


@pytest.mark.parametrize(
    "body", [b"", b"[", b"\xff", b"[1" + b"0" * 5000 + b"]", b"[" * 100_000, b'{"items": [1e999]}']
)
def test_a_body_that_is_not_a_list_raises_only_our_errors(body: bytes) -> None:
    bk, _ = client(lambda _query: (body, {}), retry=RetryPolicy(attempts=1))
    for walk in WALKS.values():
        own_errors_only(walk, bk.organization().agents())
        own_errors_only(walk, bk.organization().builds())
