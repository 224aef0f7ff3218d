"""Jobs: listed, told by their kind, tried again, put first, unblocked."""

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
    """Give a build's jobs by what they are called here."""
    build = server.add_build("web", state="running", jobs=())
    fields: dict[str, dict[str, Any]] = {
        "unit": {"state": "failed", "step_key": "unit", "group_key": "tests"},
        "unit again": {"state": "passed", "step_key": "unit", "group_key": "tests"},
        "wait": {"type": "waiter", "state": "passed", "group_key": "tests"},
        "lint": {"state": "running", "step_key": "lint"},
        "ask": {"type": "manual", "state": "blocked", "step_key": "ask"},
        "deploy": {"type": "trigger", "state": "waiting", "step_key": "deploy"},
    }
    jobs = {name: server.add_job(build, **values) for name, values in fields.items()}
    jobs["unit"].retried_in = jobs["unit again"]
    return jobs


def listed(api: Session, jobs: dict[str, JobRecord], **params: Any) -> list[str]:
    answer = api.get(f"{WEB}/jobs", params=params)
    assert answer.status_code == 200
    names = {job.id: name for name, job in jobs.items()}
    return [names[each["id"]] for each in answer.json()["items"]]


def test_retried_jobs_are_listed_unless_told_otherwise(api: Session, mixed: dict[str, JobRecord]) -> None:
    assert listed(api, mixed) == ["unit", "unit again", "wait", "lint", "ask", "deploy"]
    assert listed(api, mixed, include_retried_jobs="false") == ["unit again", "wait", "lint", "ask", "deploy"]


def test_builds_leave_retried_jobs_out_unless_asked(api: Session, mixed: dict[str, JobRecord]) -> None:
    assert len(api.get(WEB).json()["jobs"]) == 5
    assert len(api.get(f"{WEB}?include_retried_jobs=true").json()["jobs"]) == len(mixed)


@pytest.mark.parametrize(
    ("params", "names"),
    [
        ({"state": "passed"}, ["unit again", "wait"]),
        ({"state[]": ["failed", "running"]}, ["unit", "lint"]),
        ({"state[]": "blocked"}, ["ask"]),
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
    told = api.get(f"{JOBS}/{mixed['lint'].id}").json()
    assert (told["state"], told["promised_exit_status"]) == ("running", 1)


def test_a_promise_that_will_be_absorbed_does_not_count(api: Session, mixed: dict[str, JobRecord]) -> None:
    mixed["lint"].step = CommandStep(soft_fail=True)
    mixed["lint"].promised_exit_status = 1
    assert listed(api, mixed, state="running") == ["lint"]


def test_a_promise_is_not_told_where_there_is_none(api: Session, mixed: dict[str, JobRecord]) -> None:
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


def test_each_kind_is_told_its_own_way(api: Session, mixed: dict[str, JobRecord]) -> None:
    told = {name: api.get(f"{JOBS}/{job.id}").json() for name, job in mixed.items()}
    assert set(told["wait"]) == {"id", "graphql_id", "type", "group_key"}
    assert "name" not in told["ask"]
    assert (told["ask"]["label"], told["ask"]["web_url"]) == ("Job 5", None)
    assert told["ask"]["unblock_url"].endswith(f"{WEB}/jobs/{told['ask']['id']}/unblock")
    assert (told["deploy"]["async"], told["deploy"]["triggered_build"]) == (False, None)
    assert told["lint"]["priority"] == {"number": 0}
    assert told["lint"]["build_url"].endswith(WEB)


# -- retry


def test_a_retry_answers_with_the_next_attempt(server: FakeBuildkite, api: Session) -> None:
    job = server.add_build("web", state="failed", jobs=1).jobs[0]
    told = api.put(f"{JOBS}/{job.id}/retry").json()
    assert (told["state"], told["retries_count"]) == ("scheduled", 1)
    assert told["retry_source"] == {"job_id": job.id, "retry_type": "manual"}
    old = api.get(f"{JOBS}/{job.id}").json()
    assert (old["retried"], old["retried_in_job_id"]) == (True, told["id"])
    assert old["retried_by"]["name"] == "Ada Lovelace"


def test_a_job_is_retried_once(server: FakeBuildkite, api: Session) -> None:
    job = server.add_build("web", state="failed", jobs=1).jobs[0]
    api.put(f"{JOBS}/{job.id}/retry")
    answer = api.put(f"{WEB}/jobs/{job.id}/retry")
    assert (answer.status_code, answer.json()) == (400, {"message": "Jobs can only be retried once"})


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
def test_what_has_failed_can_be_retried(
    server: FakeBuildkite, api: Session, build: str, fields: dict[str, Any], status: int
) -> None:
    job = server.add_build("web", state=build, jobs=[fields]).jobs[0]
    answer = api.put(f"{JOBS}/{job.id}/retry")
    assert answer.status_code == status
    refusals = {
        400: "Only failed, timed out or canceled jobs can be retried",
        422: "Jobs from canceled builds cannot be retried",
    }
    assert answer.json().get("message") == refusals.get(status)


@pytest.mark.parametrize("origin_state", ["canceled", "failed"])
def test_a_job_below_a_canceled_build_is_not_retried(server: FakeBuildkite, api: Session, origin_state: str) -> None:
    origin = server.add_build("web", state=origin_state, jobs=[{"type": "trigger"}]).jobs[0]
    job = server.add_build("api", state="failed", jobs=1, triggered_from=origin).jobs[0]
    answer = api.put(f"{JOBS}/{job.id}/retry")
    assert answer.status_code == (422 if origin_state == "canceled" else 200)
    if origin_state == "canceled":
        assert "triggered by a synchronous trigger step in a canceled build" in answer.json()["message"]


# -- reprioritize


def test_a_priority_is_a_number_going_in_and_an_object_coming_out(api: Session, mixed: dict[str, JobRecord]) -> None:
    told = api.put(f"{JOBS}/{mixed['lint'].id}/reprioritize", json={"priority": -5}).json()
    assert told["priority"] == {"number": -5}
    assert api.get(f"{JOBS}/{mixed['lint'].id}").json()["priority"] == {"number": -5}


@pytest.mark.parametrize("body", [{}, {"priority": "5"}, {"priority": None}, {"priority": True}, {"priority": 1.5}])
def test_another_priority_is_400(api: Session, mixed: dict[str, JobRecord], body: dict[str, Any]) -> None:
    answer = api.put(f"{JOBS}/{mixed['lint'].id}/reprioritize", json=body)
    assert (answer.status_code, answer.json()) == (400, {"message": "Priority must be an integer"})


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


def test_unblocking_takes_the_fields_and_tells_who_did_it(api: Session, gate: JobRecord) -> None:
    assert api.get(f"{JOBS}/{gate.id}").json()["unblockable"] is True
    told = api.put(f"{JOBS}/{gate.id}/unblock", json={"fields": {"name": "Dolphin"}}).json()
    assert (told["state"], told["unblockable"]) == ("unblocked", False)
    assert told["unblocked_by"]["name"] == "Ada Lovelace"
    assert told["unblocked_at"] == "2026-08-01T12:00:00.000Z"
    build = api.get(WEB).json()
    assert build["blocked"] is False
    assert build["meta_data"] == {"name": "Dolphin", "stage": "beta"}


def test_another_member_may_be_named(server: FakeBuildkite, api: Session, gate: JobRecord) -> None:
    person = server.add_user("Grace", "grace@acme.example")
    told = api.put(f"{JOBS}/{gate.id}/unblock", json={"fields": {"name": "x"}, "unblocker": person.id}).json()
    assert told["unblocked_by"]["id"] == person.id


def test_who_is_no_member_cannot_be_named(api: Session, gate: JobRecord) -> None:
    answer = api.put(f"{JOBS}/{gate.id}/unblock", json={"unblocker": "nobody"})
    assert answer.status_code == 422
    assert answer.json() == {"message": "Unblocker is not a valid user id for this organization"}


@pytest.mark.parametrize("body", [{}, {"fields": {}}, {"fields": {"name": ""}}, {"fields": ["name"]}])
def test_required_fields_must_be_there(api: Session, gate: JobRecord, body: dict[str, Any]) -> None:
    answer = api.put(f"{JOBS}/{gate.id}/unblock", json=body)
    assert answer.status_code == 422
    assert [each["field"] for each in answer.json()["errors"]] in (["name"], ["fields"])
    assert api.get(f"{JOBS}/{gate.id}").json()["state"] == "blocked"


def test_a_gate_opens_once(api: Session, gate: JobRecord) -> None:
    body = {"fields": {"name": "x"}}
    statuses = [api.put(f"{WEB}/jobs/{gate.id}/unblock", json=body).status_code for _ in range(2)]
    assert statuses == [200, 422]


def test_only_a_gate_can_be_unblocked(api: Session, mixed: dict[str, JobRecord]) -> None:
    answer = api.put(f"{JOBS}/{mixed['lint'].id}/unblock")
    assert (answer.status_code, answer.json()) == (400, {"message": "This job type cannot be unblocked"})


def test_a_gate_of_a_canceled_build_stays_shut(server: FakeBuildkite, api: Session) -> None:
    job = server.add_build("web", state="canceled", jobs=[{"type": "manual"}]).jobs[0]
    answer = api.put(f"{JOBS}/{job.id}/unblock")
    assert (answer.status_code, answer.json()) == (422, {"message": "Jobs from canceled builds cannot be unblocked"})


@pytest.mark.parametrize("data", [b"", b"null"])
def test_an_empty_body_may_break_the_server(server: FakeBuildkite, api: Session, data: bytes) -> None:
    job = server.add_build("web", state="blocked", jobs=[{"type": "manual"}]).jobs[0]
    server.settings.unblock_needs_body = True
    assert api.put(f"{JOBS}/{job.id}/unblock", data=data).status_code == 500
    server.settings.unblock_needs_body = False
    assert api.put(f"{JOBS}/{job.id}/unblock", data=data).status_code == 200
