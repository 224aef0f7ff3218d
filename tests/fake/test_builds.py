"""Single builds: payload, create, cancel, rebuild, retry of failed jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm.fake import BlockStep, CommandStep, Pace

if TYPE_CHECKING:
    from requests import Session

    from buildkite_orm.fake import FakeBuildkite

WEB = "/organizations/acme/pipelines/web/builds"


def create(api: Session, **fields: Any) -> Any:
    response = api.post(WEB, json={"commit": "HEAD", "branch": "main"} | fields)
    assert response.status_code == 201
    return response.json()


# -- get


def test_a_build_includes_its_jobs_and_their_counts(server: FakeBuildkite, api: Session) -> None:
    server.add_build("web", state="failed", jobs=[{"state": "passed"}, {"state": "failed"}, {"state": "failed"}])
    payload = api.get(f"{WEB}/1").json()
    assert [each["state"] for each in payload["jobs"]] == ["passed", "failed", "failed"]
    assert payload["job_state_counts"] == {"total": 3, "states": {"passed": 1, "failed": 2}}


def test_job_states_choose_the_jobs_but_not_the_counts(server: FakeBuildkite, api: Session) -> None:
    server.add_build("web", jobs=[{"state": "failed"}, {"state": "passed"}, {"type": "waiter", "state": "passed"}])
    payload = api.get(f"{WEB}/1", params={"job_states[]": "passed"}).json()
    assert [each["type"] for each in payload["jobs"]] == ["script", "waiter"]
    assert payload["job_state_counts"]["total"] == 3


def test_parts_may_be_left_out(server: FakeBuildkite, api: Session) -> None:
    server.add_build("web", jobs=1)
    payload = api.get(f"{WEB}/1?exclude_jobs=true&exclude_pipeline=true").json()
    assert not payload.keys() & {"jobs", "pipeline", "test_engine"}
    assert payload["job_state_counts"]["total"] == 1


def test_test_engine_is_included_on_request(server: FakeBuildkite, api: Session) -> None:
    server.add_build("web")
    assert api.get(f"{WEB}/1?include_test_engine=true").json()["test_engine"] == {"runs": []}


def test_a_build_is_found_by_its_number_only(server: FakeBuildkite, api: Session) -> None:
    build = server.add_build("web")
    assert api.get(f"{WEB}/{build.id}").status_code == 404


# -- create


def test_a_created_build_has_the_fields_that_were_sent(server: FakeBuildkite, api: Session) -> None:
    server.add_pipeline("web")
    payload = create(
        api,
        message="Go :rocket:",
        author={"name": "Grace", "email": "grace@acme.example"},
        env={"A": "1"},
        meta_data={"n": 1, "yes": True},
        pull_request_id=42,
        pull_request_base_branch="main",
        pull_request_labels=["bug"],
    )
    assert (payload["number"], payload["state"], payload["source"]) == (1, "creating", "api")
    assert (payload["commit"], payload["branch"], payload["message"]) == ("HEAD", "main", "Go :rocket:")
    assert payload["author"] == {"name": "Grace", "email": "grace@acme.example"}
    assert payload["env"] == {"A": "1"}
    assert payload["meta_data"] == {"n": "1", "yes": "true"}
    assert payload["pull_request"] == {"id": "42", "base": "main", "repository": None, "labels": ["bug"]}
    assert payload["creator"]["name"] == "Ada Lovelace"


@pytest.mark.parametrize(
    ("author", "payload"),
    [
        (None, {"name": "Ada Lovelace", "email": "ada@acme.example"}),
        ("Grace <grace@acme.example>", {"name": "Grace", "email": "grace@acme.example"}),
        ("Grace", {"name": "Grace", "email": None}),
    ],
)
def test_the_author_is_the_user_of_the_token_by_default(
    server: FakeBuildkite, api: Session, author: str | None, payload: dict[str, str | None]
) -> None:
    server.add_pipeline("web")
    assert create(api, author=author)["author"] == payload


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"commit", "branch"}),
        ({"commit": "", "branch": None}, {"commit", "branch"}),
        ({"commit": "HEAD", "branch": 3}, {"branch"}),
        ({"commit": "HEAD", "branch": "main", "env": [], "meta_data": "x"}, {"env", "meta_data"}),
        ({"commit": "HEAD", "branch": "main", "clean_checkout": "yes", "author": 3}, {"clean_checkout", "author"}),
        ({"commit": "HEAD", "branch": "main", "pull_request_id": "x"}, {"pull_request_id"}),
    ],
)
def test_a_body_that_is_wrong_is_422(
    server: FakeBuildkite, api: Session, body: dict[str, Any], fields: set[str]
) -> None:
    server.add_pipeline("web")
    response = api.post(WEB, json=body)
    assert response.status_code == 422
    assert response.json()["message"] == "Validation Failed"
    assert {each["field"] for each in response.json()["errors"]} == fields


@pytest.mark.parametrize(
    ("configuration", "branch", "status"),
    [
        ("main feature/*", "main", 201),
        ("main feature/*", "feature/x", 201),
        ("main feature/*", "fix/x", 422),
        ("!wip/*", "main", 201),
        ("!wip/*", "wip/x", 422),
        ("", "any", 201),
    ],
)
def test_the_branch_filter_of_a_pipeline_holds(
    server: FakeBuildkite, api: Session, configuration: str, branch: str, status: int
) -> None:
    server.add_pipeline("web", branch_configuration=configuration)
    body = {"commit": "HEAD", "branch": branch}
    assert api.post(WEB, json=body).status_code == status
    assert api.post(WEB, json=body | {"ignore_pipeline_branch_filters": True}).status_code == 201


def test_an_archived_pipeline_builds_nothing(server: FakeBuildkite, api: Session) -> None:
    server.add_pipeline("web", archived_at=server.clock.now())
    response = api.post(WEB, json={"commit": "HEAD", "branch": "main"})
    assert (response.status_code, response.json()) == (422, {"message": "Pipeline is archived"})


def test_without_delays_the_response_shows_the_agent_of_the_job(server: FakeBuildkite, api: Session) -> None:
    server.add_pipeline("web")
    server.add_agent("ci-1")
    server.settings.pace = Pace(creating=0, assigning=0, accepting=0, starting=0)
    payload = create(api)
    assert (payload["state"], payload["jobs"][0]["agent"]["name"]) == ("running", "ci-1")


# -- cancel


def test_a_canceled_build_is_canceling_first(server: FakeBuildkite, api: Session) -> None:
    server.add_pipeline("web")
    number = create(api)["number"]
    server.run(10)
    payload = api.put(f"{WEB}/{number}/cancel").json()
    assert (payload["state"], payload["jobs"][0]["state"]) == ("canceling", "canceling")
    server.run(10)
    payload = api.get(f"{WEB}/{number}").json()
    job = payload["jobs"][0]
    assert (payload["state"], job["state"]) == ("canceled", "canceled")
    assert (job["exit_status"], job["signal"], job["signal_reason"]) == (-1, "SIGTERM", "cancel")
    assert payload["finished_at"] is not None


@pytest.mark.parametrize("state", ["scheduled", "running", "failing"])
def test_an_active_build_can_be_canceled(server: FakeBuildkite, api: Session, state: str) -> None:
    server.add_build("web", state=state, jobs=1)
    assert api.put(f"{WEB}/1/cancel").json()["state"] == "canceling"


@pytest.mark.parametrize("state", ["passed", "failed", "canceled", "canceling", "skipped", "not_run", "blocked"])
def test_a_finished_build_cannot_be_canceled(server: FakeBuildkite, api: Session, state: str) -> None:
    server.add_build("web", state=state)
    response = api.put(f"{WEB}/1/cancel")
    assert response.status_code == 422
    assert response.json()["message"].startswith("Build can't be canceled because it's already")


# -- rebuild


def test_a_rebuild_copies_the_captured_values(server: FakeBuildkite, api: Session) -> None:
    server.add_pipeline("web")
    first = create(api, message="Once", env={"A": "1"}, pull_request_id=7, commit="a" * 40)
    payload = api.put(f"{WEB}/1/rebuild").json()
    assert payload["number"] == 2
    same = ("message", "commit", "branch", "env", "pull_request", "author")
    assert [payload[name] for name in same] == [first[name] for name in same]
    assert payload["rebuilt_from"] == {"id": first["id"], "number": 1, "url": first["url"]}


def test_a_pipeline_may_forbid_rebuilds(server: FakeBuildkite, api: Session) -> None:
    server.add_build(server.add_pipeline("web", allow_rebuilds=False))
    response = api.put(f"{WEB}/1/rebuild")
    assert (response.status_code, response.json()) == (422, {"message": "Rebuilds are not allowed on this pipeline"})


# -- retry failed jobs


@pytest.fixture
def broken(server: FakeBuildkite) -> None:
    jobs: list[dict[str, Any]] = [
        {"state": "passed"},
        {"state": "failed"},
        {"state": "failed", "soft_failed": True},
        {"state": "timed_out"},
        {"state": "expired"},
        {"state": "canceled"},
        {"type": "manual"},
    ]
    server.add_build("web", state="failed", jobs=jobs)


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize(
    ("body", "count"),
    [
        (None, 5),
        ({}, 5),
        ({"states": ""}, 5),
        ({"states": "failed"}, 1),
        ({"states": "failed, soft_failed"}, 2),
        ({"states": "canceled,expired,timed_out"}, 3),
    ],
)
def test_states_select_the_jobs_to_retry(api: Session, body: dict[str, str] | None, count: int) -> None:
    response = api.put(f"{WEB}/1/retry_failed_jobs", json=body)
    assert response.status_code == 202
    assert response.json()["retried_jobs_count"] == count


@pytest.mark.usefixtures("broken")
def test_the_build_stays_failed_for_a_moment(server: FakeBuildkite, api: Session) -> None:
    payload = api.put(f"{WEB}/1/retry_failed_jobs", json={"states": "failed"}).json()
    assert payload["state"] == api.get(f"{WEB}/1").json()["state"] == "failed"
    server.run(2)
    payload = api.get(f"{WEB}/1?include_retried_jobs=true").json()
    assert payload["state"] == "failing"  # others have failed for good
    old, new = payload["jobs"][1:3]
    assert (old["retried"], old["retried_in_job_id"], old["retry_type"]) == (True, new["id"], "manual")
    assert (new["retries_count"], new["retry_source"]) == (1, {"job_id": old["id"], "retry_type": "manual"})


@pytest.mark.usefixtures("broken")
def test_unknown_states_are_400(api: Session) -> None:
    response = api.put(f"{WEB}/1/retry_failed_jobs", json={"states": "failed,broken"})
    assert response.status_code == 400
    assert response.json() == {
        "message": "Invalid states: broken. Valid states are canceled, expired, failed, soft_failed, timed_out."
    }


@pytest.mark.usefixtures("broken")
def test_states_are_one_text(api: Session) -> None:
    assert api.put(f"{WEB}/1/retry_failed_jobs", json={"states": ["failed"]}).status_code == 422


def test_nothing_of_a_canceled_build_is_tried_again(server: FakeBuildkite, api: Session) -> None:
    server.add_build("web", state="canceled", jobs=2)
    assert api.put(f"{WEB}/1/retry_failed_jobs").json()["retried_jobs_count"] == 0


def test_a_retry_can_save_a_build(server: FakeBuildkite, api: Session) -> None:
    server.add_pipeline("web", steps=[CommandStep(exits=(1, 0)), BlockStep()])
    create(api)
    server.run(60)
    assert api.get(f"{WEB}/1").json()["state"] == "failed"
    api.put(f"{WEB}/1/retry_failed_jobs")
    server.run(60)
    payload = api.get(f"{WEB}/1").json()
    assert (payload["state"], payload["blocked"]) == ("passed", True)
    assert payload["failing_at"] is None
