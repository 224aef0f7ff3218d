"""The schedules of pipelines, which create builds as the clock moves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from buildkite_orm.fake import cron
from buildkite_orm.fake.handlers.collection import Collection
from buildkite_orm.fake.handlers.route import PIPELINE, route
from buildkite_orm.fake.handlers.validation import Check, texts_of
from buildkite_orm.fake.http import ApiError
from buildkite_orm.fake.ids import graphql_id
from buildkite_orm.fake.payloads.accounts import user_or_none
from buildkite_orm.fake.pipeline_yaml.errors import PipelineYamlError
from buildkite_orm.fake.wildcards import allows

if TYPE_CHECKING:
    from buildkite_orm.fake.collections import Record
    from buildkite_orm.fake.http import ApiRequest, Reply
    from buildkite_orm.fake.lifecycle import Lifecycle
    from buildkite_orm.fake.records import Json, PipelineRecord

_FIELDS = ("label", "cronline", "message", "commit", "branch", "env", "enabled")


def pipeline_id_of(request: ApiRequest) -> str:
    """Return the id of the pipeline in the path."""
    return request.pipeline.id


def _schedule(request: ApiRequest, record: Record) -> Json:
    view, data, pipeline = request.view, record.data, request.pipeline
    url = view.pipeline(pipeline)
    return {
        "id": record.id,
        "graphql_id": graphql_id("PipelineSchedule", record.id),
        "url": f"{url}/schedules/{record.id}",
        **{name: data[name] for name in _FIELDS},
        "next_build_at": view.time(data["next_build_at"]),
        "failed_message": data["failed_message"],
        "failed_at": view.time(data["failed_at"]),
        "created_at": view.time(record.created_at),
        "created_by": user_or_none(view, record.created_by),
        "pipeline": {"id": pipeline.id, "slug": pipeline.slug, "url": url},
    }


def _is_cronline(line: str) -> bool:
    try:
        cron.read(line)
    except ValueError:
        return False
    return True


def _validate(request: ApiRequest, record: Record, body: Json) -> None:
    data, pipeline = record.data, request.pipeline
    if not _is_cronline(data["cronline"]):
        raise ApiError(422, "Validation failed: Cronline is not a valid interval")
    data["commit"] = data["commit"] or "HEAD"
    data["branch"] = data["branch"] or pipeline.default_branch
    data["env"] = data["env"] and texts_of(data["env"])
    if body.get("enabled"):
        data["failed_message"] = data["failed_at"] = None
    plan(request.context.lifecycle, pipeline, record)


def plan(lifecycle: Lifecycle, pipeline: PipelineRecord, record: Record) -> None:
    """Plan a schedule's next build, if it is enabled; an earlier plan is dropped."""
    data = record.data
    moment = cron.read(data["cronline"]).after(lifecycle.now) if data["enabled"] else None
    data["next_build_at"] = moment
    if moment is not None:
        lifecycle.at(moment, lambda: _fire(lifecycle, pipeline, record, moment))


def _fire(lifecycle: Lifecycle, pipeline: PipelineRecord, record: Record, moment: float) -> None:
    kept = pipeline.organization.collections.of(SCHEDULES.kind, pipeline.id)
    if kept.get(record.id) is not record or record.data["next_build_at"] != moment:
        return
    problem = _problem(pipeline, record.data)
    if problem is None:
        try:
            lifecycle.create(pipeline, **_build(record))
        except PipelineYamlError as error:
            problem = str(error)
    if problem is not None:
        record.data |= {"enabled": False, "failed_message": problem, "failed_at": moment}
    plan(lifecycle, pipeline, record)


def _problem(pipeline: PipelineRecord, data: Json) -> str | None:
    """Return why a schedule cannot create a build, or None."""
    if pipeline.archived_at is not None:
        return "Pipeline is archived"
    allowed = allows(pipeline.branch_configuration, data["branch"])
    return None if allowed else f"Branch {data['branch']} is not configured to be built by this pipeline"


def _build(record: Record) -> dict[str, Any]:
    data = record.data
    fields = {name: data[name] for name in ("commit", "branch", "message")}
    return {**fields, "env": dict(data["env"] or {}), "source": "schedule", "creator": record.created_by}


_OPTIONS = {
    "label": Check(str),
    "message": Check(str),
    "commit": Check(str),
    "branch": Check(str),
    "env": Check(dict),
    "enabled": Check(bool, filled=True),
}
SCHEDULES = Collection(
    kind="pipeline_schedule",
    path=PIPELINE + "/schedules",
    key="schedule",
    read="read_pipelines",
    write="write_pipelines",
    render=_schedule,
    create={"cronline": Check(str, required=True, filled=True), **_OPTIONS},
    update={"cronline": Check(str, filled=True), **_OPTIONS},
    defaults={
        "label": None,
        "message": None,
        "commit": "HEAD",
        "branch": None,
        "env": {},
        "enabled": True,
        "next_build_at": None,
        "failed_message": None,
        "failed_at": None,
    },
    owner=pipeline_id_of,
    validate=_validate,
)


def list_schedules(request: ApiRequest) -> Reply:
    """List the schedules, newest first."""
    return SCHEDULES.list_response(request, list(reversed(SCHEDULES.records(request).values())))


ROUTES = (
    route("GET", SCHEDULES.path, SCHEDULES.read, list_schedules),
    *SCHEDULES.routes("create", "get", "update", "delete"),
)
