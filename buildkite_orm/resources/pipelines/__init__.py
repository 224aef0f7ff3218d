"""What belongs to pipelines: their providers, schedules and templates."""

from __future__ import annotations

from buildkite_orm.resources.pipelines.github_webhooks import GitHubWebhooks, GitHubWebhooksRef
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
    "GitHubWebhooks",
    "GitHubWebhooksRef",
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
    "ScheduledPipeline",
]
