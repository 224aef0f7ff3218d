"""Step uploads: the steps that jobs add to their build."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm import BadRequestError, Build, GoneError, NotFoundError, UnprocessableEntityError
from buildkite_orm.fake.handlers.step_uploads import add_step_upload
from buildkite_orm.http.messages import ApiRequest
from buildkite_orm.resources.builds.step_upload import StepUpload, StepUploadState

if TYPE_CHECKING:
    from buildkite_orm import Buildkite
    from buildkite_orm.fake import FakeBuildkite
    from buildkite_orm.fake.records import JobRecord
    from tests.conftest import Costs, Sent

UPLOADS = "/v2/organizations/acme/pipelines/web/builds/1/step-uploads"
YAML = "---\nsteps:\n- command: echo grüß\n"
DAY = 86400
LISTED: dict[str, Any] = {
    "uuid": "0198f2f4-1c33-4e0a-9d5e-3a4a5b6c7d8e",
    "graphql_id": "QnVpbGRTdGVwVXBsb2Fk",
    "state": "rejected",
    "source": "job",
    "source_job_id": "0198f2f3-64a2-4a8e-8b78-0d9157a0e35f",
    "replace_existing_steps": True,
    "created_jobs_count": None,
    "rejection_type": "validation_error",
    "message": "The upload was rejected",
    "url": f"https://api.buildkite.com{UPLOADS}/0198f2f4-1c33-4e0a-9d5e-3a4a5b6c7d8e",
    "created_at": "2026-08-11T10:15:32.000Z",
    "processed_at": None,
}


@pytest.fixture
def jobs(server: FakeBuildkite) -> list[JobRecord]:
    """The jobs of the build 1 of `web`."""
    server.add_pipeline("web")
    return server.add_build("web", number=1, jobs=[{}, {}]).jobs


@pytest.fixture
def build(bk: Buildkite, jobs: list[JobRecord]) -> Build:
    assert jobs
    return bk.organization("acme").pipeline("web").build(1).fetch()


def upload(server: FakeBuildkite, job: JobRecord, definition: str = YAML, **fields: Any) -> str:
    return add_step_upload(server.store, job, definition, **fields).id


def test_uploads_are_listed_newest_first_without_their_steps(
    server: FakeBuildkite, jobs: list[JobRecord], build: Build, sent: Sent, costs: Costs
) -> None:
    ids = [upload(server, jobs[0]), upload(server, jobs[1], created_jobs_count=2)]
    with costs(1):
        found = list(build.step_uploads())
    assert sent() == (f"GET {UPLOADS}?per_page=100", None)
    assert [each.uuid for each in found] == ids[::-1]
    assert (type(found[0]), found[0].created_jobs_count, found[0].definition_yaml) == (StepUpload, 2, None)
    assert found[0].source_job == build.job(jobs[1].id)
    assert (found[0].build, found[0].organization) == (build, build.organization)


def test_those_of_one_job_are_listed(server: FakeBuildkite, jobs: list[JobRecord], build: Build, sent: Sent) -> None:
    upload(server, jobs[0])
    mine = upload(server, jobs[1])
    assert [each.uuid for each in build.step_uploads(source_job_id=jobs[1].id)] == [mine]
    assert sent()[0] == f"GET {UPLOADS}?filter%5Bsource_job_id%5D={jobs[1].id}&per_page=100"
    assert [each.uuid for each in build.step_uploads().filter(source_job_id=jobs[1].id)] == [mine]


def test_pages_go_by_cursors(server: FakeBuildkite, jobs: list[JobRecord], build: Build, costs: Costs) -> None:
    ids = [upload(server, jobs[number % 2]) for number in range(5)]
    with costs(3):
        assert [each.uuid for each in build.step_uploads().per_page(2)] == ids[::-1]
    with costs(2):
        assert [each.uuid for each in build.step_uploads(source_job_id=jobs[0].id).per_page(2)] == ids[::-2]
    with pytest.raises(TypeError, match="cursors"):
        build.step_uploads().page(2)


def test_one_is_fetched_with_the_uploaded_steps(
    server: FakeBuildkite, jobs: list[JobRecord], build: Build, sent: Sent, costs: Costs
) -> None:
    identity = upload(server, jobs[0], state="rejected", rejection_type="validation_error", message="No")
    with costs(1):
        found = build.step_upload(identity).fetch()
    assert sent() == (f"GET {UPLOADS}/{identity}", None)
    assert (found.definition_yaml, found.definition_bytes, found.definition_yaml_omitted) == (
        YAML,
        len(YAML.encode()),
        False,
    )
    assert (found.state, repr(found)) == (StepUploadState.REJECTED, f"StepUpload({identity}, rejected, No)")
    assert found == next(iter(build.step_uploads()))


def test_too_large_definitions_are_left_out(server: FakeBuildkite, jobs: list[JobRecord], build: Build) -> None:
    found = build.step_upload(upload(server, jobs[0], "x" * (2 * 1024 * 1024 + 1))).fetch()
    assert (found.definition_yaml, found.definition_yaml_omitted, found.definition_bytes) == (None, True, 2097153)


def test_a_missing_object_is_not_found(server: FakeBuildkite, build: Build) -> None:
    with pytest.raises(NotFoundError, match="No step upload found"):
        build.step_upload("0191").fetch()
    server.add_build("web", number=2)
    with pytest.raises(NotFoundError, match="No build found"):
        list(build.pipeline.build(3).step_uploads())


def test_those_of_an_old_build_are_deleted(server: FakeBuildkite, jobs: list[JobRecord], build: Build) -> None:
    identity = upload(server, jobs[0])
    server.clock.advance(30 * DAY + 1)
    with pytest.raises(GoneError):
        list(build.step_uploads())
    with pytest.raises(GoneError):
        build.step_upload(identity).fetch()


def test_an_invalid_filter_is_refused(build: Build) -> None:
    with pytest.raises(UnprocessableEntityError):
        list(build.step_uploads(source_job_id="mine"))
    misspelt: Any = {"job": "mine"}
    with pytest.raises(TypeError, match="has no filter job"):
        build.step_uploads(**misspelt)


@pytest.mark.parametrize(
    ("query", "error"),
    [
        (("filter[state]", "applied"), UnprocessableEntityError),
        (("after", "x"), BadRequestError),
        (("per_page", "0"), BadRequestError),
    ],
)
def test_other_queries_are_refused(build: Build, query: tuple[str, str], error: type[Exception]) -> None:
    with pytest.raises(error):
        build.session.send(ApiRequest("GET", f"{build.api_path}/step-uploads", [query]), lambda response: response)


@pytest.mark.parametrize(
    "more", [{}, {"definition_bytes": 4096, "definition_yaml": YAML, "definition_yaml_omitted": False}]
)
def test_responses_load_and_dump(more: dict[str, Any]) -> None:
    loaded = StepUpload.model_validate_json(json.dumps(LISTED | more))
    assert not loaded.model_extra
    assert loaded.dump() | {"created_at": LISTED["created_at"]} == LISTED | more
