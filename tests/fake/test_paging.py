"""Pages by number with a Link header, pages by cursor, and how deep builds are listed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

if TYPE_CHECKING:
    from requests import Response, Session

    from buildkite_orm.fake import FakeBuildkite

BUILDS = "/organizations/acme/pipelines/web/builds"


def numbers(response: Response) -> list[int]:
    return [each["number"] for each in response.json()]


def page_of(url: str) -> str:
    return parse_qs(urlsplit(url).query)["page"][0]


@pytest.fixture
def many(server: FakeBuildkite) -> FakeBuildkite:
    server.add_builds("web", 120)
    return server


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize(
    ("query", "size"),
    [("", 30), ("?per_page=7", 7), ("?per_page=100", 100), ("?per_page=1000", 100), ("?per_page=0", 30)],
)
def test_a_page_has_30_items_by_default_and_100_at_most(api: Session, query: str, size: int) -> None:
    assert len(api.get(BUILDS + query).json()) == size


@pytest.mark.usefixtures("many")
def test_builds_are_listed_newest_first(api: Session) -> None:
    assert numbers(api.get(f"{BUILDS}?per_page=3")) == [120, 119, 118]
    assert numbers(api.get(f"{BUILDS}?per_page=3&page=2")) == [117, 116, 115]


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize(
    ("page", "links"),
    [
        (1, {"next": "2", "last": "3"}),
        (2, {"first": "1", "prev": "1", "next": "3", "last": "3"}),
        (3, {"first": "1", "prev": "2"}),
    ],
)
def test_the_link_header_names_the_other_pages(api: Session, page: int, links: dict[str, str]) -> None:
    response = api.get(f"{BUILDS}?per_page=50&page={page}")
    assert {name: page_of(link["url"]) for name, link in response.links.items()} == links


@pytest.mark.usefixtures("many")
def test_links_keep_the_query(api: Session) -> None:
    query: dict[str, Any] = {
        "state[]": ["passed", "failed"],
        "branch": "m*n",
        "created_to": "2026-08-02T00:00:00+00:00",
        "per_page": 50,
    }
    response = api.get(BUILDS, params=query)
    kept = parse_qs(urlsplit(response.links["next"]["url"]).query)
    assert kept == {
        "state[]": ["passed", "failed"],
        "branch": ["m*n"],
        "created_to": ["2026-08-02T00:00:00+00:00"],
        "per_page": ["50"],
        "page": ["2"],
    }


@pytest.mark.usefixtures("many")
def test_following_the_links_returns_each_item_once(api: Session) -> None:
    response = api.get(f"{BUILDS}?per_page=50")
    seen = numbers(response)
    while "next" in response.links:
        response = api.get(response.links["next"]["url"])
        seen += numbers(response)
    assert seen == list(range(120, 0, -1))


@pytest.mark.usefixtures("many")
def test_a_page_past_the_end_is_empty(api: Session) -> None:
    assert api.get(f"{BUILDS}?per_page=100&page=9").json() == []


def test_one_page_needs_no_link_header(server: FakeBuildkite, api: Session) -> None:
    server.add_builds("web", 3)
    assert "Link" not in api.get(BUILDS).headers


def test_the_link_header_may_be_empty(server: FakeBuildkite, api: Session) -> None:
    server.settings.empty_link_header = True
    assert api.get("/organizations").headers["Link"] == ""


def test_the_link_header_may_omit_the_last_page(many: FakeBuildkite, api: Session) -> None:
    many.settings.link_last = False
    assert set(api.get(BUILDS).links) == {"next"}


@pytest.mark.parametrize("path", ["/builds", "/organizations/acme/builds", BUILDS])
def test_builds_are_listed_so_deep_only(many: FakeBuildkite, api: Session, path: str) -> None:
    many.settings.depth_limit = 100
    assert api.get(f"{path}?per_page=50&page=2").status_code == 200
    response = api.get(f"{path}?per_page=50&page=3")
    assert response.status_code == 400
    assert response.json()["message"].startswith("Listing builds this deep is not supported. Please narrow")


# -- cursors


@pytest.fixture
def jobs(server: FakeBuildkite) -> str:
    server.add_build("web", number=1, jobs=7)
    return f"{BUILDS}/1/jobs"


def names(payload: Any) -> list[str]:
    return [each["step_key"] for each in payload["items"]]


def test_cursors_lead_forth_and_back(api: Session, jobs: str) -> None:
    first = api.get(f"{jobs}?per_page=3").json()
    second = api.get(first["links"]["next"]).json()
    third = api.get(second["links"]["next"]).json()
    assert [names(each) for each in (first, second, third)] == [
        ["job-1", "job-2", "job-3"],
        ["job-4", "job-5", "job-6"],
        ["job-7"],
    ]
    assert set(first["links"]) == {"self", "first", "next"}
    assert set(second["links"]) == {"self", "first", "prev", "next"}
    assert set(third["links"]) == {"self", "first", "prev"}
    assert api.get(third["links"]["prev"]).json()["items"] == second["items"]
    assert api.get(second["links"]["first"]).json() == first
    assert api.get(second["links"]["self"]).json() == second


def test_cursors_are_in_the_body_alone(api: Session, jobs: str) -> None:
    assert "Link" not in api.get(f"{jobs}?per_page=3").headers


def test_cursors_hold_while_jobs_are_added(server: FakeBuildkite, api: Session, jobs: str) -> None:
    first = api.get(f"{jobs}?per_page=5").json()
    server.add_job(server.build("web", 1), step_key="late")
    assert names(api.get(first["links"]["next"]).json()) == ["job-6", "job-7", "late"]


@pytest.mark.parametrize(
    "query", ["per_page=0", "per_page=101", "per_page=x", "after=nonsense", "before=!", "after=", "after=a&before=b"]
)
def test_a_bad_cursor_or_size_is_400(api: Session, jobs: str, query: str) -> None:
    assert api.get(f"{jobs}?{query}").status_code == 400
