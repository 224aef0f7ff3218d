"""Annotations on the wire: what each operation sends, and how it uses the response."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from buildkite_orm import (
    Annotation,
    AnnotationScope,
    AnnotationStyle,
    NotFoundError,
    UnprocessableEntityError,
)
from tests.helpers import web_build

if TYPE_CHECKING:
    from buildkite_orm import Buildkite, JobRef
    from buildkite_orm.fake import FakeBuildkite, JobRecord

BUILD = "/v2/organizations/acme/pipelines/web/builds/1"


@pytest.fixture(autouse=True)
def _annotations(server: FakeBuildkite, job: JobRecord) -> None:
    server.add_annotation(job.build, "of the build", context="b", priority=3)
    server.add_annotation(job.build, "of the job", context="j", priority=7, job=job)


def routes(bk: Buildkite, job_id: str) -> dict[str, JobRef]:
    return {
        f"{BUILD}/jobs/{job_id}/annotations": web_build(bk).job(job_id),
        f"/v2/organizations/acme/jobs/{job_id}/annotations": bk.organization("acme").job(job_id),
    }


def test_a_build_lists_its_own_annotations(server: FakeBuildkite, bk: Buildkite) -> None:
    (annotation,) = web_build(bk).annotations()
    (request,) = server.requests
    assert (request.method, request.path, request.query, request.body) == (
        "GET",
        f"{BUILD}/annotations",
        [("per_page", "100")],
        b"",
    )
    assert (type(annotation), annotation.context, annotation.scope) == (Annotation, "b", AnnotationScope.BUILD)
    assert "of the build" in (annotation.body_html or "")


def test_a_build_lists_those_of_its_jobs_too_and_leaves_out_bodies(server: FakeBuildkite, bk: Buildkite) -> None:
    annotations = list(web_build(bk).annotations(scope="all", omit_body=True))
    (request,) = server.requests
    assert sorted(request.query) == [("omit_body", "true"), ("per_page", "100"), ("scope", "all")]
    assert [(each.context, each.body_html) for each in annotations] == [("j", None), ("b", None)]


def test_a_job_lists_its_annotations_by_either_route(server: FakeBuildkite, bk: Buildkite, job: JobRecord) -> None:
    found = [list(ref.annotations()) for ref in routes(bk, job.id).values()]
    assert [request.path for request in server.requests] == list(routes(bk, job.id))
    assert [[each.context for each in annotations] for annotations in found] == [["j"], ["j"]]
    assert found[0] == found[1]


def test_creating_sends_every_field(server: FakeBuildkite, bk: Buildkite) -> None:
    annotation = (
        web_build(bk)
        .annotations()
        .create(body="# Größe\n<b>#1</b>", style=AnnotationStyle.WARNING, priority=9, context="a b+c", append=False)
    )
    (request,) = server.requests
    assert (request.method, request.path, request.query) == ("POST", f"{BUILD}/annotations", [])
    assert json.loads(request.body) == {
        "body": "# Größe\n<b>#1</b>",
        "style": "warning",
        "priority": 9,
        "context": "a b+c",
        "append": False,
    }
    assert (type(annotation), annotation.style, annotation.priority) == (Annotation, AnnotationStyle.WARNING, 9)


def test_appending_keeps_the_old_text(server: FakeBuildkite, bk: Buildkite) -> None:
    annotation = web_build(bk).annotations().create(body=", and more", context="b", append=True)
    assert json.loads(server.requests[-1].body) == {"body": ", and more", "context": "b", "append": True}
    assert "of the build, and more" in (annotation.body_html or "")


def test_creating_on_a_job_takes_either_route(server: FakeBuildkite, bk: Buildkite, job: JobRecord) -> None:
    for path, ref in routes(bk, job.id).items():
        server.requests.clear()
        annotation = ref.annotations().create(body="Hello", style="info", priority=1, context=path, append=True)
        (request,) = server.requests
        assert (request.method, request.path) == ("POST", path)
        assert json.loads(request.body) == {
            "body": "Hello",
            "style": "info",
            "priority": 1,
            "context": path,
            "append": True,
        }
        assert annotation.job_id == job.id


def test_a_priority_that_there_is_not_is_refused_by_name(bk: Buildkite) -> None:
    with pytest.raises(UnprocessableEntityError, match="priority"):
        web_build(bk).annotations().create(body="Hello", priority=11)


def test_an_annotation_of_a_build_is_deleted_there(server: FakeBuildkite, bk: Buildkite) -> None:
    (annotation,) = web_build(bk).annotations()
    annotation.delete()
    request = server.requests[-1]
    assert (request.method, request.path, request.body) == ("DELETE", f"{BUILD}/annotations/{annotation.id}", b"")
    assert list(web_build(bk).annotations()) == []


def test_an_annotation_that_a_build_lists_for_its_job_is_deleted_below_the_job(
    server: FakeBuildkite, bk: Buildkite, job: JobRecord
) -> None:
    (annotation,) = web_build(bk).annotations(scope="job")
    annotation.delete()
    assert server.requests[-1].path == f"/v2/organizations/acme/jobs/{job.id}/annotations/{annotation.id}"
    assert job.annotations == []


def test_an_annotation_of_a_job_is_deleted_there(server: FakeBuildkite, bk: Buildkite, job: JobRecord) -> None:
    (annotation,) = web_build(bk).job(job.id).annotations()
    annotation.delete()
    assert server.requests[-1].path == f"{BUILD}/jobs/{job.id}/annotations/{annotation.id}"
    assert job.annotations == []


def test_a_deleted_annotation_is_not_found(bk: Buildkite) -> None:
    (annotation,) = web_build(bk).annotations()
    annotation.delete()
    with pytest.raises(NotFoundError, match="No annotation found"):
        annotation.delete()


def test_an_annotation_is_the_same_whichever_way_it_was_found(bk: Buildkite, job: JobRecord) -> None:
    (through_build,) = web_build(bk).annotations(scope="job")
    (through_job,) = web_build(bk).job(job.id).annotations()
    assert through_build == through_job


def test_a_created_annotation_can_be_deleted(bk: Buildkite, job: JobRecord) -> None:
    for listing in (web_build(bk).annotations(), bk.organization("acme").job(job.id).annotations()):
        annotation = listing.create(body="Hello", context="new")
        annotation.delete()
        assert annotation.id not in [each.id for each in listing.fresh()]
