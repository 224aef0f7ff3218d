"""Jobs on the wire: what each operation sends, and how it uses the response."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from buildkite_orm import (
    BadRequestError,
    Job,
    JobState,
    ManualJob,
    NotFoundError,
    PermissionDeniedError,
    ResponseError,
    ScriptJob,
    TriggerJob,
    UnprocessableEntityError,
    WaiterJob,
)
from buildkite_orm.fake import BlockStep, CommandStep, TriggerStep

if TYPE_CHECKING:
    from buildkite_orm import Buildkite, BuildRef, JobRef
    from buildkite_orm.fake import FakeBuildkite, JobRecord

BUILD = "/v2/organizations/acme/pipelines/web/builds/1"


def web_1(bk: Buildkite) -> BuildRef:
    return bk.organization("acme").pipeline("web").build(1)


def one_job(server: FakeBuildkite, **fields: object) -> JobRecord:
    build = server.add_build("web", state="failed", jobs=[fields])
    return build.jobs[0]


def blocked(server: FakeBuildkite, bk: Buildkite, *steps: BlockStep) -> ManualJob:
    """Create a build that waits at a block step, and return the step's job."""
    server.add_pipeline("web", steps=list(steps) or [BlockStep(key="approve")])
    bk.organization("acme").pipeline("web").builds().create(commit="HEAD", branch="main")
    server.run(30)
    job = web_1(bk).jobs()[0]
    assert isinstance(job, ManualJob)
    server.requests.clear()
    return job


def both_routes(bk: Buildkite, job_id: str) -> list[JobRef]:
    return [web_1(bk).job(job_id), bk.organization("acme").job(job_id)]


# -- list and get


def test_a_listing_sends_every_filter(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_build("web")
    jobs = web_1(bk).jobs(
        state=[JobState.FAILED, "timed_out"], include_retried_jobs=True, step_key="a b+c", group_key="größe"
    )
    assert list(jobs) == []
    (request,) = server.requests
    assert (request.method, request.path, request.body) == ("GET", f"{BUILD}/jobs", b"")
    assert sorted(request.query) == [
        ("group_key", "größe"),
        ("include_retried_jobs", "true"),
        ("per_page", "100"),
        ("state[]", "failed"),
        ("state[]", "timed_out"),
        ("step_key", "a b+c"),
    ]


def test_one_state_is_sent_as_the_list_that_the_api_documents(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_build("web")
    list(web_1(bk).jobs(state="failed"))
    assert ("state[]", "failed") in server.requests[-1].query


def test_a_listing_returns_each_kind_of_job_as_its_class(server: FakeBuildkite, bk: Buildkite) -> None:
    kinds = ("script", "waiter", "manual", "trigger")
    server.add_build("web", jobs=[{"type": kind} for kind in kinds])
    assert [type(job) for job in web_1(bk).jobs()] == [ScriptJob, WaiterJob, ManualJob, TriggerJob]


def test_a_listing_continues_by_cursor_with_its_filters(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_build("web", jobs=[{"state": "failed", "step_key": "t"} for _ in range(5)])
    jobs = list(web_1(bk).jobs(state="failed", step_key="t").per_page(2))
    assert len({job.id for job in jobs}) == len(jobs) == 5
    assert len(server.requests) == 3
    for request in server.requests:
        assert {("state[]", "failed"), ("step_key", "t"), ("per_page", "2")} <= set(request.query)


def test_a_state_that_jobs_do_not_have_is_a_bad_request(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_build("web")
    with pytest.raises(BadRequestError, match="Invalid state"):
        list(web_1(bk).jobs(state=JobState("finished")))


@pytest.mark.parametrize("kind", ["script", "waiter", "manual", "trigger"])
def test_a_job_is_fetched_by_either_route_as_its_kind(server: FakeBuildkite, bk: Buildkite, kind: str) -> None:
    record = one_job(server, type=kind)
    through_build, alone = (ref.fetch() for ref in both_routes(bk, record.id))
    assert [request.path for request in server.requests] == [
        f"{BUILD}/jobs/{record.id}",
        f"/v2/organizations/acme/jobs/{record.id}",
    ]
    assert {request.method for request in server.requests} == {"GET"}
    assert type(through_build) is type(alone)
    assert isinstance(alone, Job)
    assert (alone.id, str(alone.type)) == (record.id, kind)
    assert through_build == alone


def test_a_job_that_is_not_there_is_not_found(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_build("web")
    with pytest.raises(NotFoundError, match="No job found"):
        bk.organization("acme").job("0190-unknown").fetch()


# -- retry


def test_retrying_returns_the_new_job(server: FakeBuildkite, bk: Buildkite) -> None:
    record = one_job(server, state="failed", exit_status=1)
    job = bk.organization("acme").job(record.id).retry()
    (request,) = server.requests
    assert (request.method, request.path, request.query, request.body) == (
        "PUT",
        f"/v2/organizations/acme/jobs/{record.id}/retry",
        [],
        b"",
    )
    assert isinstance(job, ScriptJob)
    assert job.id != record.id
    assert job == bk.organization("acme").job(job.id)
    assert job.retry_source is not None
    assert job.retry_source.job_id == record.id


def test_a_job_of_a_build_is_retried_by_the_route_of_the_build(server: FakeBuildkite, bk: Buildkite) -> None:
    record = one_job(server, state="failed", exit_status=1)
    job = web_1(bk).job(record.id).retry()
    (request,) = server.requests
    assert request.path == f"{BUILD}/jobs/{record.id}/retry"
    assert job.build == web_1(bk)


def test_a_job_is_retried_only_once(server: FakeBuildkite, bk: Buildkite) -> None:
    record = one_job(server, state="failed", exit_status=1)
    ref = bk.organization("acme").job(record.id)
    ref.retry()
    with pytest.raises(BadRequestError, match="only be retried once"):
        ref.retry()


def test_a_job_that_passed_is_not_retried(server: FakeBuildkite, bk: Buildkite) -> None:
    record = one_job(server, state="passed", exit_status=0)
    with pytest.raises(BadRequestError, match="Only failed, timed out or canceled"):
        bk.organization("acme").job(record.id).retry()


def test_a_job_of_a_canceled_build_is_not_retried(server: FakeBuildkite, bk: Buildkite) -> None:
    build = server.add_build("web", state="canceled", jobs=[{"state": "canceled"}])
    with pytest.raises(UnprocessableEntityError, match="from canceled builds cannot be retried"):
        bk.organization("acme").job(build.jobs[0].id).retry()


def test_a_job_that_a_canceled_build_waited_for_is_not_retried(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_pipeline("lib", steps=[CommandStep(duration=5, exits=(1,))])
    server.add_pipeline("web", steps=[TriggerStep(pipeline="lib"), CommandStep(duration=900)])
    bk.organization("acme").pipeline("web").builds().create(commit="HEAD", branch="main")
    server.run(30)
    (failed,) = bk.organization("acme").pipeline("lib").build(1).jobs()
    server.set_state(server.build("web", 1), "canceled")
    with pytest.raises(UnprocessableEntityError, match="triggered by a synchronous trigger step"):
        failed.retry()


# -- unblock


def test_the_fields_are_the_first_argument_of_unblock(server: FakeBuildkite, bk: Buildkite) -> None:
    step = BlockStep(key="approve", fields=[{"text": "Name", "key": "release-name", "required": True}])
    assert blocked(server, bk, step).unblock({"release-name": "Größe"}).state == "unblocked"
    (request,) = server.requests
    assert json.loads(request.body) == {"fields": {"release-name": "Größe"}}


def test_unblocking_without_a_word_sends_an_empty_object(server: FakeBuildkite, bk: Buildkite) -> None:
    server.settings.unblock_needs_body = True
    opened = blocked(server, bk).unblock()
    (request,) = server.requests
    assert (request.method, request.query, request.body) == ("PUT", [], b"{}")
    assert request.headers["Content-Type"] == "application/json"
    assert isinstance(opened, ManualJob)
    assert opened.state == JobState.UNBLOCKED


def test_unblocking_sends_fields_and_unblocker(server: FakeBuildkite, bk: Buildkite) -> None:
    grace = server.add_user("Grace", "grace@acme.example")
    step = BlockStep(key="approve", fields=[{"text": "Name", "key": "release-name", "required": True}])
    job = blocked(server, bk, step)
    opened = bk.organization("acme").job(job.id).unblock(fields={"release-name": "Größe #1"}, unblocker=grace.id)
    (request,) = server.requests
    assert request.path == f"/v2/organizations/acme/jobs/{job.id}/unblock"
    assert json.loads(request.body) == {"fields": {"release-name": "Größe #1"}, "unblocker": grace.id}
    assert isinstance(opened, ManualJob)
    assert opened.unblocked_by is not None
    assert opened.unblocked_by.name == "Grace"


def test_unblocking_without_a_required_field_names_it(server: FakeBuildkite, bk: Buildkite) -> None:
    job = blocked(server, bk, BlockStep(fields=[{"text": "Name", "key": "release-name"}]))
    with pytest.raises(UnprocessableEntityError, match="release-name"):
        job.unblock()


def test_an_unblocker_who_is_not_a_member_is_refused(server: FakeBuildkite, bk: Buildkite) -> None:
    with pytest.raises(UnprocessableEntityError, match="not a valid user id"):
        blocked(server, bk).unblock(unblocker="0190-unknown")


def test_a_command_cannot_be_unblocked(server: FakeBuildkite, bk: Buildkite) -> None:
    record = one_job(server)
    with pytest.raises(BadRequestError, match="cannot be unblocked"):
        bk.organization("acme").job(record.id).unblock()


def test_a_block_step_of_a_canceled_build_cannot_be_unblocked(server: FakeBuildkite, bk: Buildkite) -> None:
    build = server.add_build("web", state="canceled", jobs=[{"type": "manual", "state": "blocked"}])
    with pytest.raises(UnprocessableEntityError, match="from canceled builds cannot be unblocked"):
        bk.organization("acme").job(build.jobs[0].id).unblock()


# -- reprioritize, environment


def test_reprioritizing_returns_the_job_with_its_priority(server: FakeBuildkite, bk: Buildkite) -> None:
    record = one_job(server, state="scheduled")
    job = bk.organization("acme").job(record.id).reprioritize(-7)
    (request,) = server.requests
    assert (request.method, request.path) == ("PUT", f"/v2/organizations/acme/jobs/{record.id}/reprioritize")
    assert json.loads(request.body) == {"priority": -7}
    assert isinstance(job, ScriptJob)
    assert job.priority is not None
    assert job.priority.number == -7


def test_a_priority_that_is_not_an_integer_is_a_bad_request(server: FakeBuildkite, bk: Buildkite) -> None:
    record = one_job(server, state="scheduled")
    with pytest.raises(BadRequestError, match="must be an integer"):
        web_1(bk).job(record.id).reprioritize("high")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_the_environment_is_a_mapping(server: FakeBuildkite, bk: Buildkite) -> None:
    record = one_job(server, env={"GREETING": "Grüß\n#Gott"})
    environments = [ref.environment() for ref in both_routes(bk, record.id)]
    assert [request.path for request in server.requests] == [
        f"{BUILD}/jobs/{record.id}/env",
        f"/v2/organizations/acme/jobs/{record.id}/env",
    ]
    assert environments[0] == environments[1]
    assert environments[0]["GREETING"] == "Grüß\n#Gott"
    assert environments[0]["BUILDKITE_JOB_ID"] == record.id


def test_an_environment_with_more_about_it_than_is_known_is_read(server: FakeBuildkite, bk: Buildkite) -> None:
    record = one_job(server)
    server.settings.drift = lambda _payload: {"env": {"A": "1", "B": 2, "C": None}, "redacted": ["TOKEN"]}
    assert bk.organization("acme").job(record.id).environment() == {"A": "1", "B": "2", "C": "null"}


@pytest.mark.parametrize("payload", [{"message": "hm"}, {"env": []}, [], "x"])
def test_text_that_is_not_an_environment_is_not_taken_for_one(
    server: FakeBuildkite, bk: Buildkite, payload: object
) -> None:
    record = one_job(server)
    server.settings.drift = lambda _payload: payload
    with pytest.raises(ResponseError, match="an object with env"):
        bk.organization("acme").job(record.id).environment()


def test_the_environment_of_a_job_without_a_command_is_not_found(server: FakeBuildkite, bk: Buildkite) -> None:
    record = one_job(server, type="waiter")
    with pytest.raises(NotFoundError):
        bk.organization("acme").job(record.id).environment()


def test_the_environment_needs_its_own_scope(server: FakeBuildkite) -> None:
    record = one_job(server)
    lacking = pytest.raises(PermissionDeniedError, match="needs the scope read_job_env; it has: read_builds")
    with server.client(token=server.make_token("read_builds")) as bk, lacking:
        bk.organization("acme").job(record.id).environment()
