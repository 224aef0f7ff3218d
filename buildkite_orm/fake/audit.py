"""The audit log: who has done what to which thing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from buildkite_orm.fake.collections import Record

if TYPE_CHECKING:
    from buildkite_orm.fake.http import ApiRequest
    from buildkite_orm.fake.records import Json

KIND: Final = "audit_event"
# What the log calls the things that it tells of.
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
    """Say what an event is about."""
    return {"type": kind, "uuid": uuid, "name": name}


def note(request: ApiRequest, event: str, about: Json, **data: Any) -> None:
    """Write down what whoever asks has done."""
    incoming, store = request.http, request.context.store
    context = {
        "type": "APIContext",
        "request_ip": incoming.remote_addr,
        "request_user_agent": incoming.headers.get("User-Agent"),
    }
    thing = Record(
        id=store.ids.uuid(),
        data={"type": f"{event}Event", "subject": about, "context": context, "data": data},
        created_at=request.context.lifecycle.now,
        created_by=request.token.user,
    )
    store.shelves.put(KIND, request.organization.id, thing.id, thing)


def note_of_organization(request: ApiRequest, event: str, **data: Any) -> None:
    """Write down what was done to the organization itself."""
    note(request, event, subject("Organization", request.organization.id, request.organization.slug), **data)


def note_of_thing(request: ApiRequest, kind: str, change: str, thing: Record) -> None:
    """Write down what was done to a thing on a shelf, if the log tells of its kind."""
    if (named := SUBJECTS.get(kind)) is not None:
        name = thing.data.get("name") or thing.data.get("label") or thing.data.get("description")
        note(request, f"{named}{change}", subject(named, thing.id, name))
