"""Raw requests: any path of the API, with the token, budgets, retries and paging of the client."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm import Buildkite, NotFoundError, ResponseError, RetryPolicy, ServerError
from tests.querysets.stub_server import client, link

if TYPE_CHECKING:
    from buildkite_orm import PipelineRef
    from buildkite_orm.fake import FakeBuildkite
    from tests.conftest import Costs, Sent


@pytest.mark.parametrize(
    "path",
    [
        "organizations/acme/pipelines/web",
        "/organizations/acme/pipelines/web/",
        "v2/organizations/acme/pipelines/web",
        "/v2/organizations/acme/pipelines/web",
        "https://api.buildkite.com/v2/organizations/acme/pipelines/web",
    ],
)
@pytest.mark.usefixtures("web")
def test_a_request_returns_the_json_of_the_response(bk: Buildkite, costs: Costs, path: str) -> None:
    with costs(1):
        assert bk.request("get", path)["slug"] == "web"


def test_parameters_and_bodies_are_encoded_as_in_all_requests(bk: Buildkite, web: PipelineRef, sent: Sent) -> None:
    moment = datetime(2026, 7, 1, tzinfo=UTC)
    path = f"{web.api_path}/builds?branch=main"
    bk.request("GET", path, params={"state": ["failed", "passed"], "created_from": moment, "commit": None})
    line, _ = sent()
    assert line.endswith(
        "/builds?branch=main&state%5B%5D=failed&state%5B%5D=passed&created_from=2026-07-01T00%3A00%3A00Z"
    )
    build = bk.request(
        "POST", f"{web.api_path}/builds", json={"commit": "HEAD", "branch": "main", "meta_data": {"a": "b"}}
    )
    assert sent()[1] == {"commit": "HEAD", "branch": "main", "meta_data": {"a": "b"}}
    assert build["number"] == 1


def test_a_response_without_content_is_none(bk: Buildkite, web: PipelineRef, costs: Costs) -> None:
    with costs(1):
        assert bk.request("DELETE", web.api_path) is None


def test_errors_are_those_of_all_requests(bk: Buildkite, costs: Costs) -> None:
    with costs(1), pytest.raises(NotFoundError, match="404"):
        bk.request("GET", "organizations/acme/pipelines/none")


@pytest.mark.parametrize(
    ("method", "action", "requests"),
    [("GET", "", 2), ("PATCH", "", 2), ("POST", "/builds", 1), ("PUT", "/builds/1/rebuild", 1)],
)
def test_only_idempotent_requests_are_sent_again(
    server: FakeBuildkite, web: PipelineRef, method: str, action: str, requests: int
) -> None:
    server.add_build("web")
    server.faults.add("error", match=f"{method} .*", status=502)
    before = len(server.requests)
    with server.client(retry=RetryPolicy(backoff=0)) as bk:
        body = (
            None if method == "GET" else {"commit": "HEAD", "branch": "main"} if method == "POST" else {"name": "web"}
        )
        if requests == 1:
            with pytest.raises(ServerError) as caught:
                bk.request(method, web.api_path + action, json=body)
            assert caught.value.outcome_unknown
        else:
            bk.request(method, web.api_path + action, json=body)
    assert len(server.requests) - before == requests


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("https://example.com/v2/organizations/acme", "the token is for"),
        ("//example.com/v2/organizations/acme", "the token is for"),
        ("https://api.buildkite.com.example.com/v2/organizations", "the token is for"),
        ("file:///v2/organizations", "the token is for"),
        ("organizations/../access-token", "not a path of the API"),
        ("organizations/%2e%2e/access-token", "not a path of the API"),
        ("", "not a path of the API"),
        ("https://api.buildkite.com/organizations", "not a path of the API"),
    ],
)
def test_a_url_of_another_host_is_refused(bk: Buildkite, costs: Costs, path: str, message: str) -> None:
    with costs(0):
        with pytest.raises(ValueError, match=message):
            bk.request("GET", path)
        with pytest.raises(ValueError, match=message):
            bk.paginate(path)


def test_wrong_arguments_are_refused_before_sending(bk: Buildkite, costs: Costs) -> None:
    wrong: Any = 3
    with costs(0):
        with pytest.raises(ValueError, match="one of GET, POST, PUT, PATCH, DELETE"):
            bk.request("HEAD", "organizations")
        with pytest.raises(TypeError, match="the path is a string"):
            bk.request("GET", wrong)
        with pytest.raises(TypeError, match="a GET has no body"):
            bk.request("GET", "organizations", json={"a": 1})
        with pytest.raises(ValueError, match="per_page is 1 to 100"):
            bk.paginate("organizations", params={"per_page": 101})


def test_a_response_that_is_not_json_is_an_error() -> None:
    bk, _ = client(lambda _query: (b"log", {"Content-Type": "text/plain"}))
    with pytest.raises(ResponseError, match="JSON was expected, not 3 bytes of text/plain"):
        bk.request("POST", "organizations/acme/logs")


# -- listings


def test_a_listing_with_links_is_followed_page_by_page(
    server: FakeBuildkite, bk: Buildkite, web: PipelineRef, costs: Costs
) -> None:
    for _ in range(5):
        server.add_build("web")
    with costs(0):
        builds = bk.paginate(f"{web.api_path}/builds", params={"per_page": 2, "branch": "main"})
    with costs(1):
        assert next(builds)["number"] == 5
    with costs(2):
        assert [build["number"] for build in builds] == [4, 3, 2, 1]
    with costs(1):
        assert len([*bk.paginate(f"{web.api_path}/builds")]) == 5


def test_a_listing_with_cursors_is_followed() -> None:
    def respond(query: dict[str, str]) -> tuple[Any, dict[str, str]]:
        if "after" in query:
            return {"items": [{"uuid": "b"}], "links": {"next": None}}, {}
        following = "https://api.buildkite.com/v2/organizations/acme/audit_events?per_page=100&after=x"
        return {"items": [{"uuid": "a"}], "links": {"next": following}}, {}

    bk, server = client(respond)
    assert [*bk.paginate("organizations/acme/audit_events")] == [{"uuid": "a"}, {"uuid": "b"}]
    assert server.queries == [{"per_page": "100"}, {"per_page": "100", "after": "x"}]


def test_a_bare_array_is_one_page() -> None:
    bk, server = client(lambda _query: ([{"a": 1.0, "b": {"c": [True, None]}}, {}], {}))
    assert [*bk.paginate("organizations/acme/new")] == [{"a": 1.0, "b": {"c": [True, None]}}, {}]
    assert len(server.queries) == 1


def test_a_listing_may_begin_in_the_middle(server: FakeBuildkite, bk: Buildkite, web: PipelineRef) -> None:
    for _ in range(5):
        server.add_build("web")
    builds = bk.paginate(f"{web.api_path}/builds?page=2&per_page=2")
    assert [build["number"] for build in builds] == [3, 2, 1]


def test_an_item_that_moved_to_the_next_page_is_not_repeated() -> None:
    def respond(query: dict[str, str]) -> tuple[Any, dict[str, str]]:
        if query.get("page") == "2":
            return [{"id": "a", "n": 2}, {"id": "b"}], {}
        return [{"id": "a", "n": 1}], {"Link": link("x", "page=2")}

    bk, _ = client(respond)
    assert [item["id"] for item in bk.paginate("x")] == ["a", "b"]


def test_links_that_form_a_loop_are_an_error() -> None:
    bk, server = client(lambda _query: ([{"id": str(len(server.queries))}], {"Link": link("x", "page=1")}))
    with pytest.raises(ResponseError, match="repeats a page"):
        list(bk.paginate("x"))


@pytest.mark.filterwarnings("ignore:_RawItem")
@pytest.mark.parametrize("payload", [["a"], {"id": "a"}])
def test_a_response_that_is_not_a_listing_of_objects_is_an_error(payload: object) -> None:
    bk, _ = client(lambda _query: (payload, {}))
    with pytest.raises(ResponseError):
        list(bk.paginate("x"))
