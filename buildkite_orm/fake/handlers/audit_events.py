"""Audit events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkite_orm.fake import audit
from buildkite_orm.fake.handlers.collection import Collection
from buildkite_orm.fake.handlers.route import ORGANIZATION
from buildkite_orm.fake.handlers.validation import require_administrator
from buildkite_orm.fake.http import ApiError
from buildkite_orm.fake.ids import graphql_id

if TYPE_CHECKING:
    from buildkite_orm.fake.collections import Record
    from buildkite_orm.fake.http import ApiRequest
    from buildkite_orm.fake.records import Json


def _event(request: ApiRequest, thing: Record) -> Json:
    actor = thing.created_by
    return {
        "uuid": thing.id,
        "graphql_id": graphql_id("AuditEvent", thing.id),
        "type": thing.data["type"],
        "occurred_at": request.view.time(thing.created_at),
        "actor": actor and audit.subject("User", actor.id, actor.name),
        "subject": thing.data["subject"],
        "context": thing.data["context"],
        "data": thing.data["data"],
        "url": f"{request.view.organization(request.organization)}/audit_events/{thing.id}",
    }


def _of_organization(request: ApiRequest) -> str:
    require_administrator(request)
    if "audit_log" in request.organization.plan_lacks:
        raise ApiError(403, "Your plan doesn't include the audit log")
    return request.organization.id


AUDIT_EVENTS = Collection(
    kind=audit.KIND,
    path=ORGANIZATION + "/audit_events",
    key="event",
    read="read_audit_events",
    write="",
    tell=_event,
    owner=_of_organization,
    paging="newest",
)

ROUTES = AUDIT_EVENTS.routes("list", "get")
