"""Audit events: who has done what in an organization."""

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
    """Where an audit event is; only administrators reach it."""

    _kind = "audit_event"
    _paths = ("organizations/{organization}/audit_events/{uuid}",)

    def fetch(self) -> AuditEvent:
        """Ask for the audit event.

        Raises:
            NotFoundError: There is none of this UUID in the organization.
            PermissionDeniedError: The user is no administrator, or the plan does not include the audit log.

        Documentation: https://buildkite.com/docs/apis/rest-api/organizations/audit-events#get-an-audit-event
        """
        return self._request(AuditEvent)


class AuditParty(Model):
    """Who has done something, or what it was done to."""

    type: str | None = None
    uuid: str | None = None
    name: str | None = None


class AuditContext(Model):
    """How something came to be done; what there is beyond `type` differs by that."""

    type: str | None = None
    request_ip: str | None = None
    request_user_agent: str | None = None


class AuditEvent(AuditEventRef, Fetchable):
    """An audit event.

    Attributes:
        type: What was done, as `OrganizationUpdatedEvent`.
        actor: Who did it; None where the system did it by itself.
        subject: What it was done to.
        context: How it came to be done.
        data: What there is to tell of this type of event.

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
