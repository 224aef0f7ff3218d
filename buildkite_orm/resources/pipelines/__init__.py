"""What belongs to pipelines: their providers, schedules and templates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkite_orm.utils.lazy import lazy_names

if TYPE_CHECKING:
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

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "github_webhooks": ("GitHubWebhooks", "GitHubWebhooksRef"),
        "schedule": (
            "PipelineSchedule",
            "PipelineScheduleChanges",
            "PipelineScheduleOptions",
            "PipelineScheduleQuerySet",
            "PipelineScheduleRef",
            "ScheduledPipeline",
        ),
        "template": (
            "PipelineTemplate",
            "PipelineTemplateChanges",
            "PipelineTemplateOptions",
            "PipelineTemplateQuerySet",
            "PipelineTemplateRef",
        ),
    },
)
