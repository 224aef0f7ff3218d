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


def _event(request: ApiRequest, record: Record) -> Json:
    actor = record.created_by
    return {
        "uuid": record.id,
        "graphql_id": graphql_id("AuditEvent", record.id),
        "type": record.data["type"],
        "occurred_at": request.view.time(record.created_at),
        "actor": actor and audit.subject("User", actor.id, actor.name),
        "subject": record.data["subject"],
        "context": record.data["context"],
        "data": record.data["data"],
        "url": f"{request.view.organization(request.organization)}/audit_events/{record.id}",
    }


def _organization_id(request: ApiRequest) -> str:
    require_administrator(request)
    if "audit_log" in request.organization.missing_features:
        raise ApiError(403, "Your plan doesn't include the audit log")
    return request.organization.id


AUDIT_EVENTS = Collection(
    kind=audit.KIND,
    path=ORGANIZATION + "/audit_events",
    key="event",
    read="read_audit_events",
    write="",
    render=_event,
    owner=_organization_id,
    paging="newest",
)

ROUTES = AUDIT_EVENTS.routes("list", "get")
