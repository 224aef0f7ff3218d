"""Notification services."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm import NotFoundError, PermissionDeniedError, UnprocessableEntityError
from buildkite_orm.fake.seeds import organizations as seed
from buildkite_orm.resources.organizations.notification_service import (
    NotificationProvider,
    NotificationScope,
    NotificationService,
)

if TYPE_CHECKING:
    from buildkite_orm import Buildkite
    from buildkite_orm.fake import FakeBuildkite
    from buildkite_orm.resources.organizations.notification_service import NotificationServiceQuerySet
    from tests.conftest import Costs, Sent
    from tests.resources.conftest import Examples

SERVICES = "/v2/organizations/acme/services"
HOOK = {"url": "https://example.com/hook", "token": "hook-s3cret"}
EVENT_BRIDGE = {"aws_region": "us-east-1", "aws_account_id": "123456789012"}


@pytest.fixture
def services(bk: Buildkite) -> NotificationServiceQuerySet:
    """The listing of services."""
    return bk.organization("acme").notification_services()


@pytest.fixture
def hook(services: NotificationServiceQuerySet) -> NotificationService:
    """A webhook."""
    return services.create(provider="webhook", settings=HOOK)


def test_one_is_created_with_the_given_fields_only(
    services: NotificationServiceQuerySet, sent: Sent, costs: Costs
) -> None:
    with costs(1):
        hook = services.create(provider=NotificationProvider.WEBHOOK, settings=HOOK)
    assert sent() == (f"POST {SERVICES}", {"provider": "webhook", "settings": HOOK})
    assert hook.provider is not None
    assert (hook.provider.id, hook.provider.name) == (NotificationProvider.WEBHOOK, "Webhook")
    assert (hook.enabled, hook.description, hook.branch_configuration) == (True, None, "")
    assert (hook.scope, hook.scope_uuids) == (NotificationScope.ALL, [])
    assert set(hook.build_states.values()) == {False}
    assert hook.settings == {**HOOK, "version": 3, "token_mode": "token", "events": [], "tls_verify": True}
    assert hook.created_by is not None
    assert hook.graphql_id is not None


def test_a_new_one_accepts_every_field(
    services: NotificationServiceQuerySet, server: FakeBuildkite, sent: Sent
) -> None:
    options: dict[str, Any] = {
        "description": "Deploys",
        "branch_configuration": "main feature/*",
        "scope": "some_projects",
        "scope_uuids": [server.add_pipeline("web").id],
        "build_states": {"build_failed": True, "job_activated": True},
        "settings": {
            **HOOK,
            "token_mode": "signature",
            "version": 1,
            "events": ["build.finished"],
            "tls_verify": False,
        },
    }
    hook = services.create(provider="webhook", **options)
    assert sent() == (f"POST {SERVICES}", {"provider": "webhook", **options})
    payload = hook.dump()
    assert payload.pop("build_states").items() > options.pop("build_states").items()
    assert payload.items() >= options.items()


def test_they_are_listed_the_oldest_first_and_got(
    bk: Buildkite, services: NotificationServiceQuerySet, server: FakeBuildkite, sent: Sent, costs: Costs
) -> None:
    seed.populate(server.context, server.store.organizations["acme"])
    with costs(1):
        webhook, datadog, slack = services
    assert sent() == (f"GET {SERVICES}?per_page=100", None)
    assert (datadog.graphql_id, slack.graphql_id is None) == (None, False)
    with costs(3):
        assert list(services.per_page(1)) == [webhook, datadog, slack]
    with costs(1):
        assert bk.organization("acme").notification_service(slack.id).fetch() == slack
    assert sent() == (f"GET {SERVICES}/{slack.id}", None)
    assert slack.organization == bk.organization("acme")
    assert repr(webhook) == "NotificationService(webhook, Deploy notifications, enabled)"


def test_one_is_updated_and_the_rest_stays(
    hook: NotificationService, server: FakeBuildkite, sent: Sent, costs: Costs
) -> None:
    changes: dict[str, Any] = {
        "description": "Production",
        "branch_configuration": "main",
        "scope": NotificationScope.SOME_CLUSTERS,
        "scope_uuids": [server.store.organizations["acme"].cluster_id],
        "build_states": {"build_failed": True},
        "settings": {"tls_verify": False},
    }
    with costs(1):
        assert hook.update(**changes) is hook
    assert sent() == (f"PATCH {SERVICES}/{hook.id}", changes)
    hook.update(build_states={"build_fixed": True})
    assert {name for name, enabled in hook.build_states.items() if enabled} == {"build_failed", "build_fixed"}
    assert hook.settings.items() >= {**HOOK, "tls_verify": False}.items()
    assert hook.update(scope="all").scope_uuids == []


@pytest.mark.parametrize(
    ("field", "value"),
    [("description", None), ("description", ""), ("branch_configuration", ""), ("scope_uuids", [])],
)
def test_unset_null_and_empty_are_distinguished(
    hook: NotificationService, server: FakeBuildkite, sent: Sent, field: str, value: object
) -> None:
    pipeline = server.add_pipeline("web").id
    hook.update(description="Before", branch_configuration="main", scope="some_projects", scope_uuids=[pipeline])
    before = hook.dump()
    setattr(hook, field, value)
    assert hook.save().dump() == {**before, field: value}
    assert sent() == (f"PATCH {SERVICES}/{hook.id}", {field: value})


def test_false_and_changes_in_place_are_sent(hook: NotificationService, sent: Sent) -> None:
    hook.settings["tls_verify"] = False
    hook.save()
    assert sent()[1] == {"settings": {**hook.settings}}
    assert hook.reload().settings["tls_verify"] is False


def test_one_is_disabled_and_enabled(hook: NotificationService, sent: Sent, costs: Costs) -> None:
    with costs(1):
        assert hook.disable().enabled is False
    assert sent() == (f"PUT {SERVICES}/{hook.id}/disable", None)
    with costs(1):
        assert hook.enable().enabled is True
    assert sent() == (f"PUT {SERVICES}/{hook.id}/enable", None)


def test_one_is_deleted(
    hook: NotificationService, services: NotificationServiceQuerySet, sent: Sent, costs: Costs
) -> None:
    with costs(1):
        hook.delete()
    assert sent() == (f"DELETE {SERVICES}/{hook.id}", None)
    assert hook not in services
    for operation in (hook.reload, hook.update, hook.enable, hook.disable, hook.delete):
        with pytest.raises(NotFoundError, match="No notification service found"):
            operation()


# -- secrets


PROVIDERS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "slack": ({"url": "https://hooks.slack.com/s3cret", "theme": "emoji"}, {"theme": "emoji"}),
    "aws_event_bridge": (
        EVENT_BRIDGE,
        {"aws_region": "us-east-1", "aws_account_id": "XXXXXXXX9012", "include_build_meta_data": False},
    ),
    "datadog_pipeline_visibility": (
        {"api_key": "0123456789abcdef"},
        {"api_key": "XXXXXXXXXXXXcdef", "datadog_site": "datadoghq.com", "datadog_tags": None},
    ),
    "open_telemetry_tracing": (
        {"endpoint": "https://otel.example.com", "headers": {"Authorization": "s3cret"}},
        {"endpoint": "https://otel.example.com", "service_name": "buildkite", "resource_attributes": {}},
    ),
    "event_log_api": ({"events": ["job.started"]}, {"events": ["job.started"]}),
}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_each_provider_hides_its_secrets(services: NotificationServiceQuerySet, provider: Any) -> None:
    settings, shown = PROVIDERS[provider]
    assert services.create(provider=provider, settings=settings).settings == shown


def test_a_secret_is_shown_nowhere(
    hook: NotificationService, services: NotificationServiceQuerySet, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    assert hook.reload().settings["token"] == "hook-s3cret"
    hook.update(settings={"token": "hook-s3cret"})
    assert "s3cret" not in f"{hook!r} {hook} {[hook]} {services!r} {caplog.text}"


def test_a_secret_that_goes_back_masked_stays(services: NotificationServiceQuerySet, server: FakeBuildkite) -> None:
    datadog = services.create(provider="datadog_pipeline_visibility", settings={"api_key": "0123456789abcdef"})
    acme = server.store.organizations["acme"]
    kept = acme.collections.of("notification_service", acme.id)[datadog.id].data
    datadog.settings["datadog_site"] = "datadoghq.eu"
    datadog.save()
    assert (kept["settings"]["api_key"], datadog.settings["datadog_site"]) == ("0123456789abcdef", "datadoghq.eu")
    datadog.update(settings={"api_key": "another-key-9876"})
    assert kept["settings"] is not None
    assert datadog.settings["api_key"] == "XXXXXXXXXXXX9876"


# -- refused values


@pytest.mark.parametrize(
    ("problem", "fields"),
    [
        ("provider", {"provider": NotificationProvider("pager")}),
        ("provider", {"provider": NotificationProvider("slack_workspace")}),
        ("url", {"settings": {}}),
        ("settings.colour", {"settings": {**HOOK, "colour": "red"}}),
        ("token_mode", {"settings": {**HOOK, "token_mode": "plain"}}),
        ("aws_account_id", {"provider": "aws_event_bridge", "settings": {**EVENT_BRIDGE, "aws_account_id": "12"}}),
        ("headers", {"provider": "open_telemetry_tracing", "settings": {"endpoint": "x", "headers": {"a": 1}}}),
        ("build_states", {"build_states": {"build_burning": True}}),
        ("build_states", {"build_states": {"build_failed": "yes"}}),
        ("scope", {"scope": NotificationScope("none")}),
        ("Scope uuids must exist", {"scope": "some_teams", "scope_uuids": ["0191"]}),
        ("Scope uuids must be omitted", {"scope": "all", "scope_uuids": ["0191"]}),
    ],
)
def test_one_that_is_not_accepted_is_not_created(
    services: NotificationServiceQuerySet, problem: str, fields: dict[str, Any]
) -> None:
    given: dict[str, Any] = {"provider": "webhook", "settings": HOOK, **fields}
    with pytest.raises(UnprocessableEntityError, match=problem):
        services.create(**given)
    assert not services


@pytest.mark.parametrize(
    ("problem", "changes"),
    [
        ("settings.aws_region", {"settings": {"aws_region": "eu-west-1"}}),
        ("settings.aws_account_id", {"settings": {"aws_account_id": "210987654321"}}),
        ("scope", {"scope": None}),
    ],
)
def test_a_change_that_is_not_accepted_changes_nothing(
    services: NotificationServiceQuerySet, problem: str, changes: dict[str, Any]
) -> None:
    bridge = services.create(provider="aws_event_bridge", settings=EVENT_BRIDGE)
    before = bridge.dump()
    with pytest.raises(UnprocessableEntityError, match=problem):
        bridge.update(**changes)
    assert bridge.reload().dump() == before


def test_the_version_of_a_webhook_goes_up_only(services: NotificationServiceQuerySet) -> None:
    hook = services.create(provider="webhook", settings={**HOOK, "version": 2})
    assert hook.update(settings={"version": 3}).settings["version"] == 3
    with pytest.raises(UnprocessableEntityError, match="version"):
        hook.update(settings={"version": 2})


def test_a_provider_may_not_be_available(services: NotificationServiceQuerySet, server: FakeBuildkite) -> None:
    server.store.organizations["acme"].missing_features.add("event_log_api")
    with pytest.raises(UnprocessableEntityError, match="not available"):
        services.create(provider="event_log_api")


# -- permissions


def test_each_needs_its_scope(server: FakeBuildkite, hook: NotificationService) -> None:
    with server.client(token=server.make_token("read_notification_services")) as bk:
        ref = bk.organization("acme").notification_service(hook.id)
        assert ref.fetch() == hook
        for operation in (ref.update, ref.enable, ref.disable, ref.delete):
            with pytest.raises(PermissionDeniedError, match="write_notification_services"):
                operation()
    token = server.make_token("write_notification_services")
    with server.client(token=token) as bk, pytest.raises(PermissionDeniedError, match="read_notification_services"):
        list(bk.organization("acme").notification_services())


def test_members_manage_them_if_they_may(server: FakeBuildkite) -> None:
    member = server.add_user("Grace Hopper", "grace@acme.example")
    with server.client(token=server.make_token("read_notification_services", user=member)) as bk:
        services = bk.organization("acme").notification_services()
        with pytest.raises(PermissionDeniedError, match="administrator"):
            list(services)
        server.store.organizations["acme"].members_manage_services = True
        assert list(services) == []


def test_documented_examples_load_and_dump_back(examples: Examples) -> None:
    examples(NotificationService, "organizations/notification_services/list-notification-services")
