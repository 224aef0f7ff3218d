"""The audit log: who has done what to which thing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from buildkite_orm.fake.collections import Thing

if TYPE_CHECKING:
    from buildkite_orm.fake.http import Call
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


def note(call: Call, event: str, about: Json, **data: Any) -> None:
    """Write down what whoever asks has done."""
    request, store = call.request, call.world.store
    context = {
        "type": "APIContext",
        "request_ip": request.remote_addr,
        "request_user_agent": request.headers.get("User-Agent"),
    }
    thing = Thing(
        id=store.ids.uuid(),
        data={"type": f"{event}Event", "subject": about, "context": context, "data": data},
        created_at=call.world.lifecycle.now,
        created_by=call.token.user,
    )
    store.shelves.put(KIND, call.organization.id, thing.id, thing)


def note_of_organization(call: Call, event: str, **data: Any) -> None:
    """Write down what was done to the organization itself."""
    note(call, event, subject("Organization", call.organization.id, call.organization.slug), **data)


def note_of_thing(call: Call, kind: str, change: str, thing: Thing) -> None:
    """Write down what was done to a thing on a shelf, if the log tells of its kind."""
    if (named := SUBJECTS.get(kind)) is not None:
        name = thing.data.get("name") or thing.data.get("label") or thing.data.get("description")
        note(call, f"{named}{change}", subject(named, thing.id, name))
