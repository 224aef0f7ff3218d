"""Settings, notification services, repository connections, emoji and audit events of the organization."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkite_orm.fake import audit
from buildkite_orm.fake.collections import Record
from buildkite_orm.fake.handlers.notification_services import PROVIDERS, SERVICES, STATES
from buildkite_orm.fake.handlers.organization_settings import API_SETTINGS, PIPELINE_SETTINGS, turned_on
from buildkite_orm.fake.handlers.repository_connections import CONNECTIONS
from buildkite_orm.fake.times import seconds

if TYPE_CHECKING:
    from buildkite_orm.fake.context import Context
    from buildkite_orm.fake.records import Json, OrganizationRecord
    from buildkite_orm.fake.store import Store

_DAY = 86400.0
_WEB: Json = {"type": "WebContext", "request_ip": "192.0.2.1", "request_user_agent": "Mozilla/5.0"}
_SERVICES: tuple[Json, ...] = (
    {
        "provider": "webhook",
        "description": "Deploy notifications",
        "settings": {
            "url": "https://example.com/buildkite-webhook",
            "token": "not-a-secret",
            "events": ["build.finished"],
        },
        "build_states": {"build_failed": True},
    },
    {
        "provider": "datadog_pipeline_visibility",
        "description": "Pipeline visibility",
        "settings": {"api_key": "0123456789abcdef"},
        "build_states": {"build_passed": True, "build_fixed": True, "build_failed": True},
    },
    {
        "provider": "slack_workspace",
        "description": "Überraschungen nach #ci",
        "enabled": False,
        "branch_configuration": "main feature/*",
        "settings": {"access_token": "kept-to-itself"},
    },
)
_CONNECTIONS: tuple[Json, ...] = (
    {
        "type": "github_code_access_app",
        "display_name": "GitHub (acme)",
        "service_account": {"login": "acme"},
        "host": {"type": "github", "url": "https://github.com"},
        "rate_limit": {"limit": 5000, "used": 42, "remaining": 4958, "reset_at": "2026-08-01T12:30:00Z"},
    },
    {
        "type": "gitlab_self_managed",
        "display_name": "GitLab Self-Managed",
        "service_account": None,
        "host": {"type": "gitlab", "url": "https://gitlab.acme.example", "verify_server_cert": True},
        "rate_limit": None,
    },
)


def populate(context: Context, acme: OrganizationRecord) -> None:
    """Add them."""
    store = context.store
    now = seconds(store.clock.now())
    admin = acme.users[0]
    API_SETTINGS.of(acme).update(revoke_inactive_tokens_after_days=90)
    PIPELINE_SETTINGS.of(acme).update(
        default_timeout_in_minutes=60,
        maximum_timeout_in_minutes=120,
        hosted_agents_terminal_access=turned_on(now - 60 * _DAY, admin),
        build_exports={"location": "acme-builds", "strategy_id": "s3"},
    )
    for fields in _SERVICES:
        _put(store, acme, SERVICES.kind, _service(fields), now - 30 * _DAY)
    for fields in _CONNECTIONS:
        _put(store, acme, CONNECTIONS.kind, {**fields, "repositories": _repositories(acme)}, now - 400 * _DAY)
    emoji: Json = {"name": "acme", "url": "https://buildkiteassets.com/emojis/acme/acme.png", "aliases": ["anvil"]}
    _put(store, acme, "emoji", emoji, now - 90 * _DAY)
    _log(store, acme, now)


def _service(fields: Json) -> Json:
    provider = PROVIDERS[fields["provider"]]
    return {
        **SERVICES.defaults,
        **fields,
        "settings": {**provider.defaults, **fields["settings"]},
        "build_states": {**dict.fromkeys(STATES, False), **fields.get("build_states", {})},
    }


def _repositories(acme: OrganizationRecord) -> list[Json]:
    return [
        {
            "full_name": f"acme/{each.slug}",
            "html_url": f"https://github.com/acme/{each.slug}",
            "clone_url": f"https://github.com/acme/{each.slug}.git",
            "default_branch": each.default_branch,
        }
        for each in acme.pipelines.values()
    ]


def _log(store: Store, acme: OrganizationRecord, now: float) -> None:
    """Add audit events for the creation of the pipelines, and for a service that broke."""
    organization = audit.subject("Organization", acme.id, acme.slug)
    broken = list(store.collections.of(SERVICES.kind, acme.id).values())[-1]
    events: tuple[tuple[str, Json, Json | None], ...] = (
        ("OrganizationCreated", organization, _WEB),
        ("OrganizationUpdated", organization, _WEB),
        *(("PipelineCreated", audit.subject("Pipeline", each.id, each.name), _WEB) for each in acme.pipelines.values()),
        (
            "NotificationServiceBroken",
            audit.subject("NotificationService", broken.id, broken.data["description"]),
            None,
        ),
    )
    for place, (event, about, context) in enumerate(events):
        data = {"type": f"{event}Event", "subject": about, "context": context, "data": {}}
        record = _put(store, acme, audit.KIND, data, now - (len(events) - place) * _DAY)
        record.created_by = record.created_by if context else None


def _put(store: Store, acme: OrganizationRecord, kind: str, data: Json, created_at: float) -> Record:
    record = Record(id=store.ids.uuid(), data=data, created_at=created_at, created_by=acme.users[0])
    return store.collections.put(kind, acme.id, record.id, record)
