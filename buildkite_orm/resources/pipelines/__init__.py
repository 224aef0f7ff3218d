"""What belongs to pipelines: their providers, schedules and templates."""

from __future__ import annotations

from buildkite_orm.resources.pipelines.github_webhooks import GitHubWebhooks, GitHubWebhooksRef
from buildkite_orm.resources.pipelines.provider import (
    AnyProvider,
    BitbucketProvider,
    BitbucketServerProvider,
    BitbucketServerSettings,
    BitbucketSettings,
    CommentMatchMode,
    GitHubEnterpriseProvider,
    GitHubEnterpriseSettings,
    GitHubProvider,
    GitHubSettings,
    GitLabProvider,
    GitLabSettings,
    OriginProvider,
    OriginSettings,
    Provider,
    ProviderSettings,
    TriggerMode,
)
from buildkite_orm.resources.pipelines.schedule import (
    PipelineSchedule,
    PipelineScheduleChanges,
    PipelineScheduleOptions,
    PipelineScheduleQuerySet,
    PipelineScheduleRef,
    ScheduledPipeline,
)
from buildkite_orm.resources.pipelines.template import (
    PipelineTemplate,
    PipelineTemplateChanges,
    PipelineTemplateOptions,
    PipelineTemplateQuerySet,
    PipelineTemplateRef,
)

__all__ = [
    "AnyProvider",
    "BitbucketProvider",
    "BitbucketServerProvider",
    "BitbucketServerSettings",
    "BitbucketSettings",
    "CommentMatchMode",
    "GitHubEnterpriseProvider",
    "GitHubEnterpriseSettings",
    "GitHubProvider",
    "GitHubSettings",
    "GitHubWebhooks",
    "GitHubWebhooksRef",
    "GitLabProvider",
    "GitLabSettings",
    "OriginProvider",
    "OriginSettings",
    "PipelineSchedule",
    "PipelineScheduleChanges",
    "PipelineScheduleOptions",
    "PipelineScheduleQuerySet",
    "PipelineScheduleRef",
    "PipelineTemplate",
    "PipelineTemplateChanges",
    "PipelineTemplateOptions",
    "PipelineTemplateQuerySet",
    "PipelineTemplateRef",
    "Provider",
    "ProviderSettings",
    "ScheduledPipeline",
    "TriggerMode",
]
