"""Step uploads: steps that jobs added to their builds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from buildkite_orm.fake.collections import Record
from buildkite_orm.fake.handlers.collection import Collection
from buildkite_orm.fake.handlers.route import BUILD, route
from buildkite_orm.fake.handlers.validation import is_uuid
from buildkite_orm.fake.http import ApiError, Reply
from buildkite_orm.fake.ids import graphql_id

if TYPE_CHECKING:
    from buildkite_orm.fake.http import ApiRequest
    from buildkite_orm.fake.records import JobRecord, Json
    from buildkite_orm.fake.store import Store

_LIFETIME = 30 * 86400.0
_LARGEST = 2 * 1024 * 1024
_FILTER = "filter[source_job_id]"


def _step_upload(request: ApiRequest, record: Record) -> Json:
    """Return the payload of an upload without its definition."""
    view, data = request.view, record.data
    fields = {name: value for name, value in data.items() if name not in {"definition", "processed_at"}}
    return {
        "uuid": record.id,
        "graphql_id": graphql_id("BuildStepUpload", record.id),
        **fields,
        "url": f"{view.build(request.build)}/step-uploads/{record.id}",
        "created_at": view.time(record.created_at),
        "processed_at": view.time(data["processed_at"]),
    }


def _build_id(request: ApiRequest) -> str:
    build = request.build
    if build.created_at < request.context.lifecycle.now - _LIFETIME:
        raise ApiError(410, "Step uploads are no longer available for this build")
    return build.id


UPLOADS = Collection(
    kind="step_upload",
    path=BUILD + "/step-uploads",
    key="step_upload",
    read="read_builds",
    write="write_builds",
    render=_step_upload,
    owner=_build_id,
    paging="newest",
)


def list_step_uploads(request: ApiRequest) -> Reply:
    """List a build's uploads, newest first; with a filter, only those of one job."""
    records = list(UPLOADS.records(request).values())
    if any(name.startswith("filter[") and name != _FILTER for name in request.http.args):
        raise ApiError(422, "Unsupported filter")
    job_id = request.http.args.get(_FILTER)
    if job_id is not None and not is_uuid(job_id):
        raise ApiError(422, f"{_FILTER} must be a UUID")
    return UPLOADS.list_response(request, [each for each in records if job_id in {None, each.data["source_job_id"]}])


def get_step_upload(request: ApiRequest) -> Reply:
    """Get an upload, with its definition unless that is too large."""
    record = UPLOADS.find(request)
    definition: str = record.data["definition"]
    size = len(definition.encode())
    omitted = size > _LARGEST
    yaml = {
        "definition_bytes": size,
        "definition_yaml": None if omitted else definition,
        "definition_yaml_omitted": omitted,
    }
    return Reply(payload=_step_upload(request, record) | yaml)


def add_step_upload(store: Store, job: JobRecord, definition: str, **fields: Any) -> Record:
    """Add an upload of a job to its build, applied one second later unless `fields` says otherwise."""
    created_at = (job.started_at or job.created_at) + 1
    data = {
        "state": "applied",
        "source": "job",
        "source_job_id": job.id,
        "replace_existing_steps": False,
        "created_jobs_count": 0,
        "rejection_type": None,
        "message": None,
        "processed_at": created_at + 1,
        "definition": definition,
    }
    record = Record(id=store.ids.uuid(), data=data | fields, created_at=created_at)
    return store.collections.put(UPLOADS.kind, job.build.id, record.id, record)


ROUTES = (
    route("GET", UPLOADS.path, UPLOADS.read, list_step_uploads),
    route("GET", UPLOADS.path + "/{step_upload}", UPLOADS.read, get_step_upload),
)
