"""Jobs: listings, payloads by type, retry, reprioritize, unblock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm.fake import BlockStep, CommandStep

if TYPE_CHECKING:
    from requests import Session

    from buildkite_orm.fake import FakeBuildkite, JobRecord

WEB = "/organizations/acme/pipelines/web/builds/1"
JOBS = "/organizations/acme/jobs"


@pytest.fixture
def mixed(server: FakeBuildkite) -> dict[str, JobRecord]:
    """Return a build's jobs by name."""
    build = server.add_build("web", state="running", jobs=())
    fields: dict[str, dict[str, Any]] = {
        "unit": {"state": "failed", "step_key": "unit", "group_key": "tests"},
        "unit again": {"state": "passed", "step_key": "unit", "group_key": "tests"},
        "wait": {"type": "waiter", "state": "passed", "group_key": "tests"},
        "lint": {"state": "running", "step_key": "lint"},
        "approve": {"type": "manual", "state": "blocked", "step_key": "approve"},
        "deploy": {"type": "trigger", "state": "waiting", "step_key": "deploy"},
    }
    jobs = {name: server.add_job(build, **values) for name, values in fields.items()}
    jobs["unit"].retried_in = jobs["unit again"]
    return jobs


def listed(api: Session, jobs: dict[str, JobRecord], **params: Any) -> list[str]:
    response = api.get(f"{WEB}/jobs", params=params)
    assert response.status_code == 200
    names = {job.id: name for name, job in jobs.items()}
    return [names[each["id"]] for each in response.json()["items"]]


def test_retried_jobs_are_listed_unless_excluded(api: Session, mixed: dict[str, JobRecord]) -> None:
    assert listed(api, mixed) == ["unit", "unit again", "wait", "lint", "approve", "deploy"]
    assert listed(api, mixed, include_retried_jobs="false") == ["unit again", "wait", "lint", "approve", "deploy"]


def test_builds_omit_retried_jobs_by_default(api: Session, mixed: dict[str, JobRecord]) -> None:
    assert len(api.get(WEB).json()["jobs"]) == 5
    assert len(api.get(f"{WEB}?include_retried_jobs=true").json()["jobs"]) == len(mixed)


@pytest.mark.parametrize(
    ("params", "names"),
    [
        ({"state": "passed"}, ["unit again", "wait"]),
        ({"state[]": ["failed", "running"]}, ["unit", "lint"]),
        ({"state[]": "blocked"}, ["approve"]),
        ({"step_key": "unit"}, ["unit", "unit again"]),
        ({"group_key": "tests"}, ["unit", "unit again", "wait"]),
        ({"group_key": "tests", "state[]": "failed"}, ["unit"]),
        ({"step_key": "none"}, []),
        ({"group_key": "none"}, []),
    ],
)
def test_filters_choose_jobs(
    api: Session, mixed: dict[str, JobRecord], params: dict[str, Any], names: list[str]
) -> None:
    assert listed(api, mixed, **params) == names


@pytest.mark.usefixtures("mixed")
@pytest.mark.parametrize("state", ["finished", "nonsense"])
def test_an_unknown_state_is_400(api: Session, state: str) -> None:
    assert api.get(f"{WEB}/jobs", params={"state[]": state}).status_code == 400


def test_a_promised_failure_counts_as_failed_though_it_runs(api: Session, mixed: dict[str, JobRecord]) -> None:
    mixed["lint"].promised_exit_status, mixed["lint"].promised_exit_status_at = 1, 1785585600.0
    assert listed(api, mixed, state="failed") == ["unit", "lint"]
    assert listed(api, mixed, state="running") == []
    payload = api.get(f"{JOBS}/{mixed['lint'].id}").json()
    assert (payload["state"], payload["promised_exit_status"]) == ("running", 1)


def test_a_promise_that_will_be_absorbed_does_not_count(api: Session, mixed: dict[str, JobRecord]) -> None:
    mixed["lint"].step = CommandStep(soft_fail=True)
    mixed["lint"].promised_exit_status = 1
    assert listed(api, mixed, state="running") == ["lint"]


def test_a_promised_exit_status_is_omitted_if_there_is_none(api: Session, mixed: dict[str, JobRecord]) -> None:
    assert not [name for name in api.get(f"{JOBS}/{mixed['lint'].id}").json() if name.startswith("promised")]


def test_a_job_is_reached_by_two_routes(api: Session, mixed: dict[str, JobRecord]) -> None:
    lint = mixed["lint"].id
    assert api.get(f"{JOBS}/{lint}").json() == api.get(f"{WEB}/jobs/{lint}").json()


def test_a_job_belongs_to_its_build_and_organization(
    server: FakeBuildkite, api: Session, mixed: dict[str, JobRecord]
) -> None:
    server.add_build("web", number=2)
    server.add_organization("other")
    lint = mixed["lint"].id
    assert api.get(f"/organizations/acme/pipelines/web/builds/2/jobs/{lint}").status_code == 404
    assert api.get(f"/organizations/other/jobs/{lint}").status_code == 404


def test_each_type_of_job_has_its_own_fields(api: Session, mixed: dict[str, JobRecord]) -> None:
    payload = {name: api.get(f"{JOBS}/{job.id}").json() for name, job in mixed.items()}
    assert set(payload["wait"]) == {"id", "graphql_id", "type", "group_key"}
    assert "name" not in payload["approve"]
    assert (payload["approve"]["label"], payload["approve"]["web_url"]) == ("Job 5", None)
    assert payload["approve"]["unblock_url"].endswith(f"{WEB}/jobs/{payload['approve']['id']}/unblock")
    assert (payload["deploy"]["async"], payload["deploy"]["triggered_build"]) == (False, None)
    assert payload["lint"]["priority"] == {"number": 0}
    assert payload["lint"]["build_url"].endswith(WEB)


# -- retry


def test_a_retry_returns_the_next_attempt(server: FakeBuildkite, api: Session) -> None:
    job = server.add_build("web", state="failed", jobs=1).jobs[0]
    payload = api.put(f"{JOBS}/{job.id}/retry").json()
    assert (payload["state"], payload["retries_count"]) == ("scheduled", 1)
    assert payload["retry_source"] == {"job_id": job.id, "retry_type": "manual"}
    old = api.get(f"{JOBS}/{job.id}").json()
    assert (old["retried"], old["retried_in_job_id"]) == (True, payload["id"])
    assert old["retried_by"]["name"] == "Ada Lovelace"


def test_a_job_is_retried_once(server: FakeBuildkite, api: Session) -> None:
    job = server.add_build("web", state="failed", jobs=1).jobs[0]
    api.put(f"{JOBS}/{job.id}/retry")
    response = api.put(f"{WEB}/jobs/{job.id}/retry")
    assert (response.status_code, response.json()) == (400, {"message": "Jobs can only be retried once"})


@pytest.mark.parametrize(
    ("build", "fields", "status"),
    [
        ("failed", {"state": "failed"}, 200),
        ("failed", {"state": "timed_out"}, 200),
        ("failed", {"state": "canceled"}, 200),
        ("failed", {"state": "passed"}, 400),
        ("failed", {"state": "passed", "step": CommandStep(permit_retry_on_passed=True)}, 200),
        ("failed", {"state": "broken"}, 400),
        ("failed", {"state": "expired"}, 400),
        ("running", {"state": "running"}, 400),
        ("failed", {"type": "waiter"}, 400),
        ("failed", {"type": "manual", "state": "unblocked"}, 400),
        ("canceled", {"state": "canceled"}, 422),
        ("canceling", {"state": "failed"}, 422),
    ],
)
def test_only_failed_jobs_can_be_retried(
    server: FakeBuildkite, api: Session, build: str, fields: dict[str, Any], status: int
) -> None:
    job = server.add_build("web", state=build, jobs=[fields]).jobs[0]
    response = api.put(f"{JOBS}/{job.id}/retry")
    assert response.status_code == status
    refusals = {
        400: "Only failed, timed out or canceled jobs can be retried",
        422: "Jobs from canceled builds cannot be retried",
    }
    assert response.json().get("message") == refusals.get(status)


@pytest.mark.parametrize("origin_state", ["canceled", "failed"])
def test_a_job_below_a_canceled_build_is_not_retried(server: FakeBuildkite, api: Session, origin_state: str) -> None:
    origin = server.add_build("web", state=origin_state, jobs=[{"type": "trigger"}]).jobs[0]
    job = server.add_build("api", state="failed", jobs=1, triggered_from=origin).jobs[0]
    response = api.put(f"{JOBS}/{job.id}/retry")
    assert response.status_code == (422 if origin_state == "canceled" else 200)
    if origin_state == "canceled":
        assert "triggered by a synchronous trigger step in a canceled build" in response.json()["message"]


# -- reprioritize


def test_a_priority_is_a_number_in_requests_and_an_object_in_responses(
    api: Session, mixed: dict[str, JobRecord]
) -> None:
    payload = api.put(f"{JOBS}/{mixed['lint'].id}/reprioritize", json={"priority": -5}).json()
    assert payload["priority"] == {"number": -5}
    assert api.get(f"{JOBS}/{mixed['lint'].id}").json()["priority"] == {"number": -5}


@pytest.mark.parametrize("body", [{}, {"priority": "5"}, {"priority": None}, {"priority": True}, {"priority": 1.5}])
def test_another_priority_is_400(api: Session, mixed: dict[str, JobRecord], body: dict[str, Any]) -> None:
    response = api.put(f"{JOBS}/{mixed['lint'].id}/reprioritize", json=body)
    assert (response.status_code, response.json()) == (400, {"message": "Priority must be an integer"})


# -- unblock


@pytest.fixture
def gate(server: FakeBuildkite) -> JobRecord:
    step = BlockStep(
        label="Release?",
        fields=(
            {"text": "Name", "key": "name", "required": True},
            {"select": "Stage", "key": "stage", "default": "beta"},
        ),
    )
    build = server.add_build("web", state="blocked", jobs=[{"type": "manual", "step": step}])
    return build.jobs[0]


def test_unblocking_stores_the_fields_and_the_user(api: Session, gate: JobRecord) -> None:
    assert api.get(f"{JOBS}/{gate.id}").json()["unblockable"] is True
    payload = api.put(f"{JOBS}/{gate.id}/unblock", json={"fields": {"name": "Dolphin"}}).json()
    assert (payload["state"], payload["unblockable"]) == ("unblocked", False)
    assert payload["unblocked_by"]["name"] == "Ada Lovelace"
    assert payload["unblocked_at"] == "2026-08-01T12:00:00.000Z"
    build = api.get(WEB).json()
    assert build["blocked"] is False
    assert build["meta_data"] == {"name": "Dolphin", "stage": "beta"}


def test_another_member_may_be_named(server: FakeBuildkite, api: Session, gate: JobRecord) -> None:
    person = server.add_user("Grace", "grace@acme.example")
    payload = api.put(f"{JOBS}/{gate.id}/unblock", json={"fields": {"name": "x"}, "unblocker": person.id}).json()
    assert payload["unblocked_by"]["id"] == person.id


def test_an_unblocker_must_be_a_member(api: Session, gate: JobRecord) -> None:
    response = api.put(f"{JOBS}/{gate.id}/unblock", json={"unblocker": "unknown"})
    assert response.status_code == 422
    assert response.json() == {"message": "Unblocker is not a valid user id for this organization"}


@pytest.mark.parametrize("body", [{}, {"fields": {}}, {"fields": {"name": ""}}, {"fields": ["name"]}])
def test_required_fields_must_be_there(api: Session, gate: JobRecord, body: dict[str, Any]) -> None:
    response = api.put(f"{JOBS}/{gate.id}/unblock", json=body)
    assert response.status_code == 422
    assert [each["field"] for each in response.json()["errors"]] in (["name"], ["fields"])
    assert api.get(f"{JOBS}/{gate.id}").json()["state"] == "blocked"


def test_a_gate_opens_once(api: Session, gate: JobRecord) -> None:
    body = {"fields": {"name": "x"}}
    statuses = [api.put(f"{WEB}/jobs/{gate.id}/unblock", json=body).status_code for _ in range(2)]
    assert statuses == [200, 422]


def test_only_a_gate_can_be_unblocked(api: Session, mixed: dict[str, JobRecord]) -> None:
    response = api.put(f"{JOBS}/{mixed['lint'].id}/unblock")
    assert (response.status_code, response.json()) == (400, {"message": "This job type cannot be unblocked"})


def test_a_gate_of_a_canceled_build_stays_shut(server: FakeBuildkite, api: Session) -> None:
    job = server.add_build("web", state="canceled", jobs=[{"type": "manual"}]).jobs[0]
    response = api.put(f"{JOBS}/{job.id}/unblock")
    assert (response.status_code, response.json()) == (
        422,
        {"message": "Jobs from canceled builds cannot be unblocked"},
    )


@pytest.mark.parametrize("data", [b"", b"null"])
def test_an_empty_body_may_break_the_server(server: FakeBuildkite, api: Session, data: bytes) -> None:
    job = server.add_build("web", state="blocked", jobs=[{"type": "manual"}]).jobs[0]
    server.settings.unblock_needs_body = True
    assert api.put(f"{JOBS}/{job.id}/unblock", data=data).status_code == 500
    server.settings.unblock_needs_body = False
    assert api.put(f"{JOBS}/{job.id}/unblock", data=data).status_code == 200
