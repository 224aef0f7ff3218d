"""Annotations of builds and of jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkite_orm.fake.arguments import ANNOTATION_STYLES
from buildkite_orm.fake.handlers.route import BUILD, JOB, route, under
from buildkite_orm.fake.handlers.validation import Check, require_valid
from buildkite_orm.fake.http import ApiError, InvalidError, Reply
from buildkite_orm.fake.paging import paged
from buildkite_orm.fake.payloads.jobs import annotation

if TYPE_CHECKING:
    from collections.abc import Iterable

    from buildkite_orm.fake.http import ApiRequest
    from buildkite_orm.fake.records import AnnotationRecord, BuildRecord, JobRecord

_MOST_BYTES = 1 << 20


def _fits(body: str) -> bool:
    return len(body.encode(errors="replace")) <= _MOST_BYTES


_CREATE = {
    "body": Check(str, required=True, filled=True, accepts=_fits),
    "style": Check(str, accepts=lambda value: value in ANNOTATION_STYLES),
    "priority": Check(int, accepts=lambda value: value in range(1, 11)),
    "context": Check(str),
    "append": Check(bool),
}


def list_build_annotations(request: ApiRequest) -> Reply:
    """List annotations of a build, of its jobs, or both."""
    build, scope = request.build, request.http.args.get("scope", "build")
    if scope not in {"build", "job", "all"}:
        raise ApiError(422, f"Invalid scope: {scope}")
    found = list(build.annotations) if scope in {"build", "all"} else []
    if scope in {"job", "all"}:
        found += [each for job in build.jobs for each in job.annotations]
    return _list(request, found)


def list_job_annotations(request: ApiRequest) -> Reply:
    """List a job's annotations."""
    return _list(request, request.job.annotations)


def _list(request: ApiRequest, found: Iterable[AnnotationRecord]) -> Reply:
    view, with_body = request.view, not request.flag("omit_body")
    ordered = sorted(found, key=lambda each: -each.priority)
    return paged(request, ordered, lambda each: annotation(view, each, with_body=with_body))


def create_build_annotation(request: ApiRequest) -> Reply:
    """Annotate a build."""
    return _create(request, request.build, None)


def create_job_annotation(request: ApiRequest) -> Reply:
    """Annotate a job."""
    return _create(request, request.job.build, request.job)


def _create(request: ApiRequest, build: BuildRecord, job: JobRecord | None) -> Reply:
    body = request.body()
    require_valid(body, _CREATE)
    context = body.get("context") or "default"
    there = job.annotations if job else build.annotations
    record = next((each for each in there if each.context == context), None)
    if record is None:
        record = request.context.store.add_annotation(build, body=body["body"], context=context, job=job)
    else:
        text = record.body + body["body"] if body.get("append") else body["body"]
        if not _fits(text):
            raise InvalidError([("body", "invalid")])
        record.body = text
        record.updated_at = request.context.lifecycle.now
    record.style = body.get("style") or record.style
    record.priority = body.get("priority") or record.priority
    return Reply(201, payload=annotation(request.view, record))


def delete_build_annotation(request: ApiRequest) -> Reply:
    """Delete an annotation of a build."""
    return _delete(request, request.build.annotations)


def delete_job_annotation(request: ApiRequest) -> Reply:
    """Delete an annotation of a job."""
    return _delete(request, request.job.annotations)


def _delete(request: ApiRequest, there: list[AnnotationRecord]) -> Reply:
    record = next((each for each in there if each.id == request.arguments["annotation"]), None)
    if record is None:
        raise ApiError(404, "No annotation found")
    there.remove(record)
    return Reply(204)


_OF_JOB = under(JOB, "/annotations")

ROUTES = (
    route("GET", BUILD + "/annotations", "read_builds", list_build_annotations),
    route("POST", BUILD + "/annotations", "write_builds", create_build_annotation),
    route("DELETE", BUILD + "/annotations/{annotation}", "write_builds", delete_build_annotation),
    route("GET", _OF_JOB, "read_builds", list_job_annotations),
    route("POST", _OF_JOB, "write_builds", create_job_annotation),
    route("DELETE", under(_OF_JOB, "/{annotation}"), "write_builds", delete_job_annotation),
)
