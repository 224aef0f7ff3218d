"""Bad input and bad responses: each leads to a clear error, and nothing is lost."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm import (
    BuildkiteError,
    ConfigurationError,
    ConnectionFailedError,
    NotFoundError,
    PermissionDeniedError,
    RequestTimeoutError,
    ResponseError,
    RetryPolicy,
    ServerError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildkite_orm import Buildkite
    from buildkite_orm.fake import FakeBuildkite
    from tests.conftest import Costs

NAIVE = datetime(2026, 8, 1, 12, 0)  # noqa: DTZ001 - the point of it


def test_an_unknown_organization_is_not_found_and_says_what_to_check(bk: Buildkite) -> None:
    for operations in (
        bk.organization("unknown").fetch,
        bk.organization("unknown").pipelines().first,
        bk.organization("unknown").builds().first,
        bk.organization("unknown").job("j").fetch,
    ):
        with pytest.raises(NotFoundError, match=r"No organization found.*Check the slug") as caught:
            operations()
        assert caught.value.status == 404


# -- filters and fields


def every_listing(bk: Buildkite) -> dict[str, Callable[..., Any]]:
    organization = bk.organization("acme")
    build = organization.pipeline("web").build(1)
    return {
        "state": bk.builds,
        "branch": organization.builds,
        "commit": organization.pipeline("web").builds,
        "repository": organization.pipelines,
        "hostname": organization.agents,
        "step_key": build.jobs,
        "path": build.artifacts,
        "omit_body": build.annotations,
    }


def test_a_misspelt_filter_is_refused_and_the_known_ones_are_named(bk: Buildkite, costs: Costs) -> None:
    for known, listing in every_listing(bk).items():
        with costs(0), pytest.raises(TypeError, match=rf"has no filter stat; it has: .*{known}"):
            listing(stat="x")


def test_a_misspelt_filter_is_refused_by_filter_too(bk: Buildkite, costs: Costs) -> None:
    for known, listing in every_listing(bk).items():
        with costs(0), pytest.raises(TypeError, match=rf"has no filter stat; it has: .*{known}"):
            listing().filter(stat="x")


def test_a_misspelt_option_is_refused_and_the_known_ones_are_named(bk: Buildkite, costs: Costs) -> None:
    web = bk.organization("acme").pipeline("web")
    misspelt: dict[str, Any] = {"mesage": "x"}
    with costs(0), pytest.raises(TypeError, match=r"no field mesage; there are: .*message"):
        web.builds().create(commit="HEAD", branch="main", **misspelt)
    with costs(0), pytest.raises(TypeError, match=r"no field mesage; there are: .*context"):
        web.build(1).annotations().create(body="x", **misspelt)
    with costs(0), pytest.raises(TypeError, match=r"no field mesage; there are: .*job_states"):
        web.build(1).fetch(**misspelt)


@pytest.mark.parametrize("name", ["created_from", "created_to", "finished_from"])
def test_a_naive_datetime_is_refused_by_name(bk: Buildkite, costs: Costs, name: str) -> None:
    filters: dict[str, Any] = {name: NAIVE}
    with costs(0), pytest.raises(ValueError, match=rf"{name}=.* has no time zone"):
        list(bk.builds(**filters))


@pytest.mark.parametrize("value", [object(), 1.5, b"main", {"a": object()}, [["main"]], [None], []])
def test_a_filter_that_a_query_cannot_contain_is_refused(bk: Buildkite, costs: Costs, value: object) -> None:
    filters: dict[str, Any] = {"branch": value}
    with costs(0), pytest.raises((TypeError, ValueError), match="branch"):
        list(bk.builds(**filters))


def test_a_body_that_json_cannot_represent_is_refused_by_name(bk: Buildkite, costs: Costs) -> None:
    odd: dict[str, Any] = {"env": {"A": object()}}
    with costs(0), pytest.raises(TypeError, match="env"):
        bk.organization("acme").pipeline("web").builds().create(commit="HEAD", branch="main", **odd)


def test_none_is_not_a_filter(server: FakeBuildkite, bk: Buildkite) -> None:
    filters: dict[str, Any] = {"branch": None, "state": None, "created_from": None}
    list(bk.builds(**filters))
    assert sorted(server.requests[-1].query) == [("exclude_jobs", "true"), ("per_page", "100")]


def test_retried_jobs_without_jobs_are_refused_since_nothing_would_show_them(bk: Buildkite, costs: Costs) -> None:
    with costs(0), pytest.raises(ValueError, match="with_jobs=True"):
        list(bk.builds(include_retried_jobs=True))


@pytest.mark.parametrize("segment", ["", ".", "..", "a\0b", "a\nb"])
def test_an_id_that_would_change_the_path_is_refused(bk: Buildkite, costs: Costs, segment: str) -> None:
    organization = bk.organization("acme")
    with costs(0):
        for make in (
            organization.pipeline,
            organization.job,
            organization.agent,
            organization.job("j").artifact,
            organization.pipeline("web").build(1).job,
        ):
            with pytest.raises(ValueError, match="cannot be part of a path"):
                make(segment)


# -- the token


@pytest.mark.parametrize("scope", ["read_builds", "read_pipelines", "read_agents", "read_artifacts", "write_builds"])
def test_a_token_without_a_scope_causes_an_error_that_names_the_scope(server: FakeBuildkite, scope: str) -> None:
    server.add_build("web")
    with server.client(token=server.make_token("read_user")) as bk:
        organization = bk.organization("acme")
        operations: dict[str, Callable[[], object]] = {
            "read_builds": organization.builds().first,
            "read_pipelines": organization.pipelines().first,
            "read_agents": organization.agents().first,
            "read_artifacts": organization.pipeline("web").build(1).artifacts().first,
            "write_builds": organization.pipeline("web").build(1).rebuild,
        }
        with pytest.raises(PermissionDeniedError, match=f"needs the scope {scope}; it has: read_user") as caught:
            operations[scope]()
    assert (caught.value.required_scopes, caught.value.held_scopes) == ((scope,), ("read_user",))
    assert server.token not in str(caught.value)


# -- responses


@pytest.fixture
def operations(server: FakeBuildkite, bk: Buildkite) -> dict[str, Callable[[], object]]:
    build = server.add_build("web", jobs=[{"name": "Test"}])
    web = bk.organization("acme").pipeline("web")
    return {
        "object": web.build(1).fetch,
        "array": lambda: list(web.builds().fresh()),
        "cursor": lambda: list(web.build(1).jobs()),
        "env": bk.organization("acme").job(build.jobs[0].id).environment,
        "log": bk.organization("acme").job(build.jobs[0].id).log().fetch,
    }


kinds = pytest.mark.parametrize("kind", ["object", "array", "cursor", "env", "log"])


@kinds
def test_a_web_page_in_place_of_a_response_is_an_error(
    server: FakeBuildkite, operations: dict[str, Callable[[], object]], kind: str
) -> None:
    server.faults.add("html", status=200, times=None)
    with pytest.raises(ResponseError, match="base_url is Buildkite's API"):
        operations[kind]()
    assert len(server.requests) <= RetryPolicy().attempts


@kinds
def test_a_web_page_that_says_that_the_server_is_down_is_an_error_of_the_server(
    server: FakeBuildkite, operations: dict[str, Callable[[], object]], kind: str
) -> None:
    server.faults.add("html", status=502, times=None)
    with pytest.raises(ServerError, match="502") as caught:
        operations[kind]()
    assert "<html" not in str(caught.value)


@kinds
@pytest.mark.parametrize("fault", ["truncate", "reset_mid_body", "corrupt_gzip", "cut_json"])
def test_an_incomplete_response_is_requested_again(
    server: FakeBuildkite, operations: dict[str, Callable[[], object]], kind: str, fault: str
) -> None:
    server.faults.add(fault)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    expected = operations[kind]()
    assert len(server.requests) == 2
    assert operations[kind]() == expected


@kinds
@pytest.mark.parametrize("fault", ["truncate", "reset_mid_body", "corrupt_gzip", "cut_json"])
def test_an_incomplete_response_is_never_taken_for_a_complete_one(
    server: FakeBuildkite, operations: dict[str, Callable[[], object]], kind: str, fault: str
) -> None:
    server.faults.add(fault, times=None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises((ConnectionFailedError, ResponseError)):
        operations[kind]()
    assert len(server.requests) == RetryPolicy().attempts


@kinds
@pytest.mark.parametrize("payload", [None, True, 7, "x", {"message": "Something went wrong"}, [], {}, [[]]])
def test_a_response_of_another_kind_is_never_an_empty_object(
    server: FakeBuildkite, operations: dict[str, Callable[[], object]], kind: str, payload: object
) -> None:
    """An error, or an object that says how it is odd; never an empty one that looks sound."""
    server.faults.add("error", status=200, payload=payload, times=None)
    if kind in {"array", "cursor"} and payload == []:
        assert operations[kind]() == []  # either shape of a listing will do
        return
    with pytest.raises((ResponseError, UserWarning)):
        operations[kind]()


@kinds
def test_a_missing_response_is_a_timeout(
    server: FakeBuildkite, operations: dict[str, Callable[[], object]], kind: str
) -> None:
    server.faults.add("read_timeout", times=None)
    with pytest.raises(RequestTimeoutError, match="longer timeout"):
        operations[kind]()


def test_a_deeply_nested_response_is_an_error_and_not_a_crash(server: FakeBuildkite, bk: Buildkite) -> None:
    nested: object = []
    for _ in range(400):
        nested = [nested]
    server.settings.drift = lambda _payload: {"name": nested}
    with pytest.raises((BuildkiteError, UserWarning)):
        bk.user()


def test_an_error_for_a_lost_response_to_create_build_says_how_to_find_the_build(
    server: FakeBuildkite, bk: Buildkite
) -> None:
    server.add_pipeline("web")
    server.faults.add("html", status=502, processed=True)
    with pytest.raises(ServerError, match=r"may have happened nevertheless.*list .*/builds") as caught:
        bk.organization("acme").pipeline("web").builds().create(commit="HEAD", branch="main")
    assert caught.value.outcome_unknown
    assert len(server.requests) == 1


def test_a_web_page_in_response_to_a_write_leaves_its_outcome_unknown(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_build("web", state="running", jobs=[{"state": "running"}])
    server.faults.add("html", status=200, processed=True)
    with pytest.raises(ResponseError, match="may have happened") as caught:
        bk.organization("acme").pipeline("web").build(1).cancel()
    assert caught.value.outcome_unknown
    assert server.build("web", 1).state == "canceling"


def test_a_redirect_of_the_api_is_not_followed_with_the_token(server: FakeBuildkite, bk: Buildkite) -> None:
    server.faults.add("redirect", location="https://evil.example/v2/user?access_token=x", status=301)
    with pytest.raises(ResponseError, match=r"redirect to .*evil\.example") as caught:
        bk.user()
    assert len(server.requests) == 1
    assert "access_token=x" not in str(caught.value)


def test_an_error_can_be_written_as_json_for_any_payload(server: FakeBuildkite, bk: Buildkite) -> None:
    payload = {"message": "x" * 10_000, "errors": "none", "more": [1, {"a": None}]}
    server.faults.add("error", status=422, payload=payload)
    with pytest.raises(BuildkiteError) as caught:
        bk.user()
    assert len(str(caught.value)) < 2_000
    assert json.dumps(caught.value.errors)


def test_a_bad_time_in_a_filter_window_finds_nothing_rather_than_all(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_build("web", created_at=datetime(2026, 7, 1, tzinfo=UTC))
    late, early = datetime(2026, 8, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)
    assert list(bk.builds(created_from=late, created_to=early)) == []


def test_an_option_that_cannot_be_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(ConfigurationError, match="attempts"):
        RetryPolicy(attempts=0)
