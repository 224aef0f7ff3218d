"""Audit events."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from buildkite_orm import NotFoundError, PermissionDeniedError
from buildkite_orm.resources.organizations.audit_event import AuditEvent

if TYPE_CHECKING:
    from collections.abc import Iterable

    from buildkite_orm import Buildkite
    from buildkite_orm.fake import FakeBuildkite
    from buildkite_orm.resources.organizations.audit_event import AuditEventQuerySet
    from tests.conftest import Costs, Sent
    from tests.resources.conftest import Examples

EVENTS = "/v2/organizations/acme/audit_events"


@pytest.fixture
def events(bk: Buildkite) -> AuditEventQuerySet:
    """The listing of five events, of clusters that were created."""
    for number in range(5):
        bk.organization("acme").clusters().create(name=f"Cluster {number}")
    return bk.organization("acme").audit_events()


def names(events: Iterable[AuditEvent]) -> list[str | None]:
    return [each.subject.name if each.subject else None for each in events]


def test_events_are_listed_the_newest_first(events: AuditEventQuerySet, sent: Sent, costs: Costs) -> None:
    with costs(1):
        assert names(events) == [f"Cluster {number}" for number in (4, 3, 2, 1, 0)]
    assert sent() == (f"GET {EVENTS}?per_page=100", None)


def test_they_are_loaded_page_by_page_without_repeats_while_others_are_added(
    bk: Buildkite, events: AuditEventQuerySet, server: FakeBuildkite, costs: Costs
) -> None:
    seen: list[str] = []
    for page in events.per_page(2).pages():
        seen += [each.uuid for each in page.items]
        bk.organization("acme").clusters().create(name="One more")
    assert len(seen) == len(set(seen)) == 5
    listings = [request for request in server.requests if request.path == EVENTS]
    assert [[name for name, _ in request.query] for request in listings] == [
        ["per_page"],
        ["after", "per_page"],
        ["after", "per_page"],
    ]
    with costs(2):
        assert len(events.per_page(5).all()) == 8


def test_one_is_fetched_with_its_actor_and_subject(
    bk: Buildkite, events: AuditEventQuerySet, sent: Sent, costs: Costs
) -> None:
    first = events[0]
    with costs(1):
        event = bk.organization("acme").audit_event(first.uuid).fetch()
    assert sent() == (f"GET {EVENTS}/{first.uuid}", None)
    assert event == first
    assert event.organization == bk.organization("acme")
    assert event.type == "ClusterCreatedEvent"
    assert event.actor is not None
    assert (event.actor.type, event.actor.name) == ("User", "Ada Lovelace")
    assert event.context is not None
    assert event.context.type == "APIContext"
    assert (event.context.request_user_agent or "").startswith("buildkite-orm/")
    assert event.data == {}
    assert repr(event) == "AuditEvent(ClusterCreatedEvent by Ada Lovelace, 2026-08-01 12:00:00 UTC)"


def test_actions_are_logged(bk: Buildkite) -> None:
    org = bk.organization("acme")
    service = org.notification_services().create(provider="webhook", settings={"url": "https://example.com"})
    service.update(description="Hook")
    service.disable()
    service.enable()
    service.delete()
    org.api_settings().update(restrict_user_api_token_creation=True)
    org.pipeline_settings().update(default_branch="trunk")
    org.pipeline_settings().disable_build_export()
    logged = list(org.audit_events())
    assert [event.type.removesuffix("Event") for event in reversed(logged)] == [
        "NotificationServiceCreated",
        "NotificationServiceUpdated",
        "NotificationServiceDisabled",
        "NotificationServiceEnabled",
        "NotificationServiceDeleted",
        "OrganizationSecuritySettingsUpdated",
        "OrganizationUpdated",
        "OrganizationBuildExportUpdated",
    ]
    assert names(logged[-2:]) == ["Hook", None]
    assert logged[1].data == {"changed": ["default_branch"]}


def test_one_that_is_not_there_is_not_found(bk: Buildkite) -> None:
    with pytest.raises(NotFoundError, match="No audit event found"):
        bk.organization("acme").audit_event("0191").fetch()


def test_pages_have_no_numbers(events: AuditEventQuerySet) -> None:
    with pytest.raises(TypeError, match="cursors"):
        events.page(1)
    assert events.count() == 5


def test_members_and_tokens_without_the_scope_see_no_events(server: FakeBuildkite) -> None:
    member = server.add_user("Grace Hopper", "grace@acme.example")
    for token, problem in (
        (server.make_token("read_organizations"), "read_audit_events"),
        (server.make_token("read_audit_events", user=member), "administrator"),
    ):
        with server.client(token=token) as bk, pytest.raises(PermissionDeniedError, match=problem):
            list(bk.organization("acme").audit_events())


def test_the_log_is_for_some_plans_only(bk: Buildkite, server: FakeBuildkite) -> None:
    server.store.organizations["acme"].missing_features.add("audit_log")
    with pytest.raises(PermissionDeniedError, match="audit log"):
        list(bk.organization("acme").audit_events())
    with pytest.raises(PermissionDeniedError, match="audit log"):
        bk.organization("acme").audit_event("0191").fetch()


def test_documented_examples_load_and_dump_back(examples: Examples) -> None:
    names = ("list-audit-events", "get-an-audit-event")
    examples(AuditEvent, *(f"organizations/audit_events/{name}" for name in names))
