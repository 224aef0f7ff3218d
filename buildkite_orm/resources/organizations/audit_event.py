"""Audit events of an organization."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from buildkite_orm.models.resource import Fetchable, Model, Timestamp
from buildkite_orm.querysets.queryset import QuerySet
from buildkite_orm.resources.parents import InOrganization

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "AuditContext",
    "AuditEvent",
    "AuditEventQuerySet",
    "AuditEventRef",
    "AuditParty",
]


class AuditEventRef(InOrganization):
    """The ref of an audit event; only administrators reach it."""

    _kind = "audit_event"
    _paths = ("organizations/{organization}/audit_events/{uuid}",)

    if TYPE_CHECKING:
        uuid: str

    def fetch(self) -> AuditEvent:
        """Fetch the audit event.

        Raises:
            NotFoundError: The organization has none with this UUID.
            PermissionDeniedError: The user is not an administrator, or the plan does not include the audit log.

        Documentation: https://buildkite.com/docs/apis/rest-api/organizations/audit-events#get-an-audit-event
        """
        return self._request(AuditEvent)


class AuditParty(Model):
    """The actor or the subject of an event."""

    type: str | None = None
    uuid: str | None = None
    name: str | None = None


class AuditContext(Model):
    """The context of an event; fields other than `type` differ by type."""

    type: str | None = None
    request_ip: str | None = None
    request_user_agent: str | None = None


class AuditEvent(AuditEventRef, Fetchable):
    """An audit event.

    Attributes:
        type: The type of event, as `OrganizationUpdatedEvent`.
        actor: The actor; None if the system acted by itself.
        subject: The resource that was changed.
        context: The context of the event.
        data: The data of this type of event.

    Documentation: https://buildkite.com/docs/apis/rest-api/organizations/audit-events#response-fields
    """

    uuid: str
    graphql_id: str | None = None
    type: str
    occurred_at: Timestamp | None = None
    actor: AuditParty | None = None
    subject: AuditParty | None = None
    context: AuditContext | None = None
    data: dict[str, Any] = Field(default_factory=dict[str, Any])
    url: str

    def _summary(self) -> Iterable[object]:
        by = f" by {self.actor.name}" if self.actor and self.actor.name else ""
        yield f"{self.type}{by}"
        yield self.occurred_at


class AuditEventQuerySet(QuerySet[AuditEvent]):
    """The audit events of an organization, newest first."""

    _model = AuditEvent
    _is_numbered = False
