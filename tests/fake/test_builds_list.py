"""Listing builds: the three routes, and every filter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from requests import Session

    from buildkite_orm.fake import FakeBuildkite

WEB = "/organizations/acme/pipelines/web/builds"
NOW = 1785585600.0  # 2026-08-01T12:00:00Z, when the server's clock stands


def numbers(api: Session, **params: Any) -> list[int]:
    response = api.get(WEB, params=params)
    assert response.status_code == 200
    return [each["number"] for each in response.json()]


def test_each_route_lists_its_builds(server: FakeBuildkite, api: Session) -> None:
    server.add_organization("other")
    for organization, pipeline in (("acme", "web"), ("acme", "api"), ("other", "web")):
        server.add_build(pipeline, organization=organization, created_at=NOW - len(server.store.builds))
    routes = (WEB, "/organizations/acme/builds", "/builds")
    listed = [[each["url"].split("organizations/")[1] for each in api.get(path).json()] for path in routes]
    web, backend, other = (f"{owner}/builds/1" for owner in ("acme/pipelines/web", "acme/pipelines/api", "x"))
    assert listed == [[web], [web, backend], [web, backend, other.replace("x", "other/pipelines/web")]]


def test_all_builds_are_those_a_token_reaches(server: FakeBuildkite, api: Session) -> None:
    server.add_organization("other")
    server.add_build("web")
    server.add_build("web", organization="other")
    token = server.make_token("read_builds", organizations=["acme"])
    assert len(api.get("/builds", headers={"Authorization": f"Bearer {token}"}).json()) == 1


def test_states_are_ored(server: FakeBuildkite, api: Session) -> None:
    for state in ("passed", "failed", "running", "failing"):
        server.add_build("web", state=state)
    assert numbers(api, state="passed") == [1]
    assert numbers(api, state="running") == [3]
    assert numbers(api, **{"state[]": ["failed", "failing"]}) == [4, 2]


def test_finished_is_a_shortcut_for_four_states(server: FakeBuildkite, api: Session) -> None:
    for state in ("passed", "failed", "blocked", "canceled", "skipped", "not_run", "running", "canceling"):
        server.add_build("web", state=state)
    assert numbers(api, state="finished") == [4, 3, 2, 1]


def test_a_blocked_build_is_found_by_its_flag_and_its_last_state(server: FakeBuildkite, api: Session) -> None:
    server.add_build("web", state="blocked")
    assert numbers(api, state="blocked") == numbers(api, state="passed") == [1]
    assert api.get(f"{WEB}/1").json()["state"] == "passed"


def test_a_blocked_build_may_say_so_in_its_state(server: FakeBuildkite, api: Session) -> None:
    server.settings.blocked_state = True
    server.add_build("web", state="blocked")
    payload = api.get(f"{WEB}/1").json()
    assert (payload["state"], payload["blocked"]) == ("blocked", True)
    assert numbers(api, state="passed") == []


@pytest.mark.parametrize("state", ["waiting", "nonsense", "PASSED"])
def test_an_unknown_state_is_422(server: FakeBuildkite, api: Session, state: str) -> None:
    server.add_build("web")
    assert api.get(WEB, params={"state": state}).status_code == 422


@pytest.mark.parametrize("name", ["state", "state[]", "branch", "commit", "creator", "created_from"])
def test_a_blank_filter_is_none(server: FakeBuildkite, api: Session, name: str) -> None:
    server.add_build("web")
    assert numbers(api, **{name: ""}) == [1]


@pytest.mark.parametrize(
    ("branches", "found"),
    [
        ("main", [1]),
        (["main", "fix/#1 +ü"], [2, 1]),
        ("fix/#1 +ü", [2]),
        ("*eature*", [3]),
        ("feature", []),
        ("機能/検索", [4]),
        ("m.in", []),
    ],
)
def test_branches_match_whole_or_by_pattern(
    server: FakeBuildkite, api: Session, branches: str | list[str], found: list[int]
) -> None:
    for branch in ("main", "fix/#1 +ü", "my/feature/x", "機能/検索"):
        server.add_build("web", branch=branch)
    assert numbers(api, **{"branch[]" if isinstance(branches, list) else "branch": branches}) == found


def test_commits_match_whole(server: FakeBuildkite, api: Session) -> None:
    for commit in ("a" * 40, "b" * 40, "c" * 40):
        server.add_build("web", commit=commit)
    assert numbers(api, commit="a" * 40) == [1]
    assert numbers(api, commit="a" * 8) == []
    assert numbers(api, **{"commit[]": ["a" * 40, "c" * 40]}) == [3, 1]


def test_the_creator_is_a_user_id(server: FakeBuildkite, api: Session) -> None:
    person = server.add_user("Grace", "grace@acme.example")
    server.add_build("web", creator=person)
    server.add_build("web")
    assert numbers(api, creator=person.id) == [1]


def test_meta_data_must_hold_altogether(server: FakeBuildkite, api: Session) -> None:
    server.add_build("web", meta_data={"a": "1", "b c": "ü"})
    server.add_build("web", meta_data={"a": "1"})
    assert numbers(api, **{"meta_data[a]": "1"}) == [2, 1]
    assert numbers(api, **{"meta_data[a]": "1", "meta_data[b c]": "ü"}) == [1]


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({"created_from": "2026-08-01T11:59:58Z"}, [4, 3]),
        ({"created_to": "2026-08-01T11:59:58Z"}, [2, 1]),
        ({"created_from": "2026-08-01T11:59:57Z", "created_to": "2026-08-01T11:59:59Z"}, [3, 2]),
        ({"created_from": "2026-08-01T13:59:59+02:00"}, [4]),
        ({"created_from": "2026-08-01"}, [4, 3, 2, 1]),
        ({"created_from": "2030-01-01T00:00:00Z"}, []),
        ({"created_from": "2026-08-01T11:59:59Z", "created_to": "2026-08-01T11:59:57Z"}, []),
    ],
)
def test_created_from_is_inside_and_created_to_is_not(
    server: FakeBuildkite, api: Session, params: dict[str, str], found: list[int]
) -> None:
    server.add_builds("web", 4, newest=NOW - 1)
    assert numbers(api, **params) == found


def test_bounds_go_to_the_millisecond_or_to_the_second(server: FakeBuildkite, api: Session) -> None:
    server.add_builds("web", 4, spacing=0.25, newest=NOW + 0.75)
    bound = "2026-08-01T12:00:00.500Z"
    assert numbers(api, created_to=bound) == [2, 1]
    server.settings.filter_precision = "seconds"
    assert numbers(api, created_to=bound) == []
    assert numbers(api, created_from=bound) == [4, 3, 2, 1]


@pytest.mark.parametrize("name", ["created_from", "created_to", "finished_from"])
@pytest.mark.parametrize("text", ["yesterday", "2026-08-01T12:00:00 00:00", "2026-13-01T00:00:00Z", "1785585600"])
def test_a_time_that_is_not_iso_8601_is_422(server: FakeBuildkite, api: Session, name: str, text: str) -> None:
    server.add_build("web")
    response = api.get(WEB, params={name: text})
    assert response.status_code == 422
    assert name in response.json()["message"]


def test_an_unescaped_plus_is_a_space(server: FakeBuildkite, api: Session) -> None:
    server.add_build("web")
    assert api.get(f"{WEB}?created_from=2026-08-01T11:00:00+00:00").status_code == 422


def test_finished_from_wants_an_end(server: FakeBuildkite, api: Session) -> None:
    for state, created in (("passed", NOW - 300), ("failed", NOW - 200), ("running", NOW - 100)):
        server.add_build("web", state=state, created_at=created)
    assert numbers(api, finished_from="2026-08-01T00:00:00Z") == [2, 1]
    assert numbers(api, finished_from="2026-08-01T11:57:00Z") == [2]


def test_builds_on_paused_queues_may_be_left_out(server: FakeBuildkite, api: Session) -> None:
    acme = server.store.organizations["acme"]
    gpu, default = server.store.add_queue(acme, "gpu", paused=True), acme.queues["default"]
    server.add_build("web", jobs=[{"queue": gpu}, {"type": "waiter"}])
    server.add_build("web", jobs=[{"queue": gpu}, {"queue": default}])
    server.add_build("web", jobs=[{"queue": None}])
    server.add_build("web")
    assert numbers(api) == [4, 3, 2, 1]
    assert numbers(api, include_paused="false") == [4, 3, 2]
    mixed = api.get(WEB, params={"include_paused": "false"}).json()[2]
    assert [each["cluster_queue_id"] for each in mixed["jobs"]] == [default.id]


def test_jobs_and_pipeline_are_included_unless_excluded(server: FakeBuildkite, api: Session) -> None:
    server.add_build("web", jobs=2)
    whole = api.get(WEB).json()[0]
    small = api.get(WEB, params={"exclude_jobs": "true", "exclude_pipeline": "true"}).json()[0]
    assert len(whole["jobs"]) == 2
    assert whole["pipeline"]["slug"] == "web"
    assert whole.keys() - small.keys() == {"jobs", "pipeline"}


def test_builds_of_one_moment_keep_their_order(server: FakeBuildkite, api: Session) -> None:
    for _ in range(5):
        server.add_build("web", created_at=NOW)
    assert numbers(api) == [5, 4, 3, 2, 1]


def test_a_build_may_be_filed_in_the_past(server: FakeBuildkite, api: Session) -> None:
    server.add_builds("web", 3)
    server.add_build("web", created_at=NOW - 1.5)
    assert numbers(api) == [3, 2, 4, 1]


def test_a_page_repeats_its_pipeline_in_each_build(server: FakeBuildkite, api: Session) -> None:
    for slug in ("web", "api"):
        server.add_build(slug, message='a "text" with \\ and \u2028')
        server.add_build(slug)
    builds = api.get("/organizations/acme/builds").json()
    assert [each["pipeline"]["slug"] for each in builds] == ["api", "api", "web", "web"]
    for each in builds:
        assert each["pipeline"] == api.get(f"/organizations/acme/pipelines/{each['pipeline']['slug']}").json()
    server.settings.drift = lambda payload: payload
    assert api.get("/organizations/acme/builds").json() == builds
