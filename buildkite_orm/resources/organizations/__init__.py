"""What is set up for an organization as a whole, and who belongs to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkite_orm.utils.lazy import lazy_names

if TYPE_CHECKING:
    from buildkite_orm.resources.organizations.api_settings import (
        ApiFeatures,
        ApiSettings,
        ApiSettingsChanges,
        ApiSettingsRef,
    )
    from buildkite_orm.resources.organizations.audit_event import (
        AuditContext,
        AuditEvent,
        AuditEventQuerySet,
        AuditEventRef,
        AuditParty,
    )
    from buildkite_orm.resources.organizations.emoji import Emoji, EmojiQuerySet
    from buildkite_orm.resources.organizations.invitation import (
        Invitation,
        InvitationOptions,
        InvitationQuerySet,
        InvitationRef,
        InvitationState,
        InvitationTeam,
        InvitedTeam,
    )
    from buildkite_orm.resources.organizations.member import (
        OrganizationMember,
        OrganizationMemberChanges,
        OrganizationMemberQuerySet,
        OrganizationMemberRef,
        OrganizationRole,
        SsoMode,
    )
    from buildkite_orm.resources.organizations.notification_service import (
        NotificationProvider,
        NotificationScope,
        NotificationService,
        NotificationServiceOptions,
        NotificationServiceProvider,
        NotificationServiceQuerySet,
        NotificationServiceRef,
    )
    from buildkite_orm.resources.organizations.pipeline_settings import (
        BuildExports,
        BuildExportStrategy,
        OneWaySetting,
        OnOffSetting,
        PipelineSettings,
        PipelineSettingsChanges,
        PipelineSettingsRef,
    )
    from buildkite_orm.resources.organizations.rate_limits import RateLimit, RateLimits, RateLimitScopes, RateLimitsRef
    from buildkite_orm.resources.organizations.repository_connection import (
        ProviderRateLimit,
        Repository,
        RepositoryConnection,
        RepositoryConnectionQuerySet,
        RepositoryConnectionRef,
        RepositoryConnectionType,
        RepositoryFilters,
        RepositoryHost,
        RepositoryQuerySet,
        ServiceAccount,
    )

__all__ = [
    "ApiFeatures",
    "ApiSettings",
    "ApiSettingsChanges",
    "ApiSettingsRef",
    "AuditContext",
    "AuditEvent",
    "AuditEventQuerySet",
    "AuditEventRef",
    "AuditParty",
    "BuildExportStrategy",
    "BuildExports",
    "Emoji",
    "EmojiQuerySet",
    "Invitation",
    "InvitationOptions",
    "InvitationQuerySet",
    "InvitationRef",
    "InvitationState",
    "InvitationTeam",
    "InvitedTeam",
    "NotificationProvider",
    "NotificationScope",
    "NotificationService",
    "NotificationServiceOptions",
    "NotificationServiceProvider",
    "NotificationServiceQuerySet",
    "NotificationServiceRef",
    "OnOffSetting",
    "OneWaySetting",
    "OrganizationMember",
    "OrganizationMemberChanges",
    "OrganizationMemberQuerySet",
    "OrganizationMemberRef",
    "OrganizationRole",
    "PipelineSettings",
    "PipelineSettingsChanges",
    "PipelineSettingsRef",
    "ProviderRateLimit",
    "RateLimit",
    "RateLimitScopes",
    "RateLimits",
    "RateLimitsRef",
    "Repository",
    "RepositoryConnection",
    "RepositoryConnectionQuerySet",
    "RepositoryConnectionRef",
    "RepositoryConnectionType",
    "RepositoryFilters",
    "RepositoryHost",
    "RepositoryQuerySet",
    "ServiceAccount",
    "SsoMode",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "api_settings": ("ApiFeatures", "ApiSettings", "ApiSettingsChanges", "ApiSettingsRef"),
        "audit_event": ("AuditContext", "AuditEvent", "AuditEventQuerySet", "AuditEventRef", "AuditParty"),
        "emoji": ("Emoji", "EmojiQuerySet"),
        "invitation": (
            "Invitation",
            "InvitationOptions",
            "InvitationQuerySet",
            "InvitationRef",
            "InvitationState",
            "InvitationTeam",
            "InvitedTeam",
        ),
        "member": (
            "OrganizationMember",
            "OrganizationMemberChanges",
            "OrganizationMemberQuerySet",
            "OrganizationMemberRef",
            "OrganizationRole",
            "SsoMode",
        ),
        "notification_service": (
            "NotificationProvider",
            "NotificationScope",
            "NotificationService",
            "NotificationServiceOptions",
            "NotificationServiceProvider",
            "NotificationServiceQuerySet",
            "NotificationServiceRef",
        ),
        "pipeline_settings": (
            "BuildExports",
            "BuildExportStrategy",
            "OneWaySetting",
            "OnOffSetting",
            "PipelineSettings",
            "PipelineSettingsChanges",
            "PipelineSettingsRef",
        ),
        "rate_limits": ("RateLimit", "RateLimits", "RateLimitScopes", "RateLimitsRef"),
        "repository_connection": (
            "ProviderRateLimit",
            "Repository",
            "RepositoryConnection",
            "RepositoryConnectionQuerySet",
            "RepositoryConnectionRef",
            "RepositoryConnectionType",
            "RepositoryFilters",
            "RepositoryHost",
            "RepositoryQuerySet",
            "ServiceAccount",
        ),
    },
)
