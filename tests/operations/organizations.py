"""Calls of the operations on organizations, their settings, members, portals and rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tests.operations.clusters import first_id

if TYPE_CHECKING:
    from tests.operations.stage import Call, Stage

SERVICE: Final[Any] = {
    "description": "d",
    "scope": "some_projects",
    "build_states": {"build_failed": True},
}
PORTAL: Final[Any] = {
    "name": "n",
    "slug": "s",
    "description": "d",
    "query": "query { viewer { id } }",
    "allowed_ip_addresses": "0.0.0.0/0",
    "user_invokable": True,
}


def pipeline_id(stage: Stage) -> str:
    return stage.server.store.organizations["acme"].pipelines["web"].id


def service(stage: Stage) -> Any:
    (first, *_) = stage.admin.notification_services()
    return stage.org.notification_service(first.id)


def invitation(stage: Stage) -> Any:
    pending = next(each for each in stage.admin.invitations() if each.state == "pending")
    return stage.org.invitation(pending.id)


def audit_event(stage: Stage) -> Any:
    (event, *_) = stage.admin.audit_events()
    return stage.org.audit_event(event.uuid)


def connection(stage: Stage) -> Any:
    return stage.org.repository_connection(first_id(stage.admin.repository_connections()))


def rule(stage: Stage) -> Any:
    (first, *_) = stage.admin.rules()
    return stage.org.rule(first.uuid)


def create_rule(stage: Stage) -> object:
    pipelines = stage.server.store.organizations["acme"].pipelines
    value: Any = {"source_pipeline": pipelines["docs"].id, "target_pipeline": pipelines["web"].id}
    return stage.org.rules().create(type="pipeline.artifacts_read.pipeline", value=value)


CALLS: Final[dict[str, Call]] = {
    "organizations.get-an-organization": lambda s: s.org.fetch(),
    "organizations.list-organizations": lambda s: s.bk.organizations(),
    "organizations/api_settings.get-api-settings": lambda s: s.org.api_settings().fetch(),
    "organizations/api_settings.update-api-settings": lambda s: s.org.api_settings().update(
        allowed_ip_addresses="0.0.0.0/0", revoke_inactive_tokens_after_days=90, restrict_user_api_token_creation=True
    ),
    "organizations/audit_events.get-an-audit-event": lambda s: audit_event(s).fetch(),
    "organizations/audit_events.list-audit-events": lambda s: s.org.audit_events(),
    "organizations/invitations.create-organization-invitations": lambda s: s.org.invitations().create(
        emails=["new@acme.example"],
        role="member",
        sso_mode="optional",
        teams=[{"id": s.team_id, "role": "member"}],
    ),
    "organizations/invitations.get-an-organization-invitation": lambda s: invitation(s).fetch(),
    "organizations/invitations.list-organization-invitations": lambda s: s.org.invitations(),
    "organizations/invitations.revoke-an-organization-invitation": lambda s: invitation(s).revoke(),
    "organizations/members.get-an-organization-member": lambda s: s.org.member(s.user_id).fetch(),
    "organizations/members.list-organization-members": lambda s: s.org.members(),
    "organizations/members.remove-an-organization-member": lambda s: s.org.member(s.user_id).delete(),
    "organizations/members.update-an-organization-member": lambda s: s.org.member(s.user_id).update(
        role="admin", sso_mode="optional"
    ),
    "organizations/notification_services.create-a-notification-service": (
        lambda s: s.org.notification_services().create(
            provider="webhook",
            branch_configuration="main",
            settings={"url": "https://hooks.example", "events": ["build.finished"]},
            scope_uuids=[pipeline_id(s)],
            **SERVICE,
        )
    ),
    "organizations/notification_services.delete-a-notification-service": lambda s: service(s).delete(),
    "organizations/notification_services.disable-a-notification-service": lambda s: service(s).disable(),
    "organizations/notification_services.enable-a-notification-service": lambda s: service(s).enable(),
    "organizations/notification_services.get-a-notification-service": lambda s: service(s).fetch(),
    "organizations/notification_services.list-notification-services": lambda s: s.org.notification_services(),
    "organizations/notification_services.update-a-notification-service": lambda s: service(s).update(
        scope_uuids=[pipeline_id(s)], **SERVICE
    ),
    "organizations/pipeline_settings.configure-build-export": (
        lambda s: s.org.pipeline_settings().configure_build_export(location="bucket", strategy_id="s3")
    ),
    "organizations/pipeline_settings.disable-build-export": lambda s: s.org.pipeline_settings().disable_build_export(),
    "organizations/pipeline_settings.disable-hosted-agents-remote-access": (
        lambda s: s.org.pipeline_settings().disable_hosted_agents_ssh()
    ),
    "organizations/pipeline_settings.disable-public-pipeline-creation": (
        lambda s: s.org.pipeline_settings().disable_public_pipelines()
    ),
    "organizations/pipeline_settings.enable-advanced-queue-metrics": (
        lambda s: s.org.pipeline_settings().enable_advanced_queue_metrics()
    ),
    "organizations/pipeline_settings.enable-hosted-agents-remote-access": (
        lambda s: s.org.pipeline_settings().enable_hosted_agents_ssh()
    ),
    "organizations/pipeline_settings.enable-public-pipeline-creation": (
        lambda s: s.org.pipeline_settings().enable_public_pipelines()
    ),
    "organizations/pipeline_settings.get-pipeline-settings": lambda s: s.org.pipeline_settings().fetch(),
    "organizations/pipeline_settings.update-pipeline-settings": lambda s: s.org.pipeline_settings().update(
        default_branch="main",
        default_cluster_id=s.default_cluster_id,
        default_timeout_in_minutes=10,
        maximum_timeout_in_minutes=20,
        scheduled_job_expiry_in_minutes=1440,
    ),
    "organizations/rate_limits.get-rate-limits": lambda s: s.org.rate_limits().fetch(),
    "organizations/repository_connections.get-a-repository-connection": lambda s: connection(s).fetch(),
    "organizations/repository_connections.list-repository-connections": lambda s: s.org.repository_connections(),
    "portals.create-a-portal": lambda s: s.org.portals().create(**PORTAL),
    "portals.delete-a-portal": lambda s: s.org.portal("trigger-main-build").delete(),
    "portals.get-a-portal": lambda s: s.org.portal("trigger-main-build").fetch(),
    "portals.list-portals": lambda s: s.org.portals(),
    "portals.update-a-portal": lambda s: s.org.portal("trigger-main-build").update(**PORTAL),
    "repository_connections.list-repositories": lambda s: connection(s).repositories(),
    "rules.create-a-rule": create_rule,
    "rules.delete-a-rule": lambda s: rule(s).delete(),
    "rules.get-a-rule": lambda s: rule(s).fetch(),
    "rules.list-rules": lambda s: s.org.rules(),
}
