"""The audit log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from buildkite_orm.fake.collections import Record

if TYPE_CHECKING:
    from buildkite_orm.fake.http import ApiRequest
    from buildkite_orm.fake.records import Json

KIND: Final = "audit_event"
# the names of kinds in the log; other kinds are not logged
SUBJECTS: Final = {
    "cluster": "Cluster",
    "notification_service": "NotificationService",
    "pipeline_schedule": "PipelineSchedule",
    "pipeline_template": "PipelineTemplate",
    "portal": "Portal",
    "rule": "Rule",
    "suite": "Suite",
    "team": "Team",
    "team_member": "TeamMember",
    "team_pipeline": "TeamPipeline",
    "team_suite": "TeamSuite",
}


def subject(kind: str, uuid: str, name: str | None) -> Json:
    """Return the subject of an event."""
    return {"type": kind, "uuid": uuid, "name": name}


def log_event(request: ApiRequest, event: str, about: Json, **data: Any) -> None:
    """Add an event by the user of the request."""
    incoming, store = request.http, request.context.store
    context = {
        "type": "APIContext",
        "request_ip": incoming.remote_addr,
        "request_user_agent": incoming.headers.get("User-Agent"),
    }
    record = Record(
        id=store.ids.uuid(),
        data={"type": f"{event}Event", "subject": about, "context": context, "data": data},
        created_at=request.context.lifecycle.now,
        created_by=request.token.user,
    )
    store.collections.put(KIND, request.organization.id, record.id, record)


def log_organization_event(request: ApiRequest, event: str, **data: Any) -> None:
    """Add an event about the organization."""
    log_event(request, event, subject("Organization", request.organization.id, request.organization.slug), **data)


def log_change(request: ApiRequest, kind: str, change: str, record: Record) -> None:
    """Add an event about a record, if its kind is logged."""
    if (named := SUBJECTS.get(kind)) is not None:
        name = record.data.get("name") or record.data.get("label") or record.data.get("description")
        log_event(request, f"{named}{change}", subject(named, record.id, name))
