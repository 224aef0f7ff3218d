"""Receive Buildkite's webhooks: requests that it sends when builds, jobs, agents and packages change.

    from buildkite_orm import Buildkite, webhooks
    from buildkite_orm.webhooks import BuildFinished

    match webhooks.receive(body, headers, secret="…"):
        case BuildFinished(build=build):
            print(bk.bind(build).failure_summary())

No framework is needed, and any will do.
"""

from __future__ import annotations

from buildkite_orm.webhooks.errors import (
    RepeatedWebhookError,
    StaleWebhookError,
    UnsignedWebhookError,
    WebhookCharsetError,
    WebhookError,
    WebhookFormatError,
    WebhookSignatureError,
    WebhookTooLargeError,
)
from buildkite_orm.webhooks.events.base import UnknownEvent, WebhookEvent
from buildkite_orm.webhooks.events.packages import PackageCreated
from buildkite_orm.webhooks.events.pipelines import (
    AgentBlocked,
    AgentConnected,
    AgentDisconnected,
    AgentEvent,
    AgentLost,
    AgentStopped,
    AgentStopping,
    BuildEvent,
    BuildFailing,
    BuildFinished,
    BuildRunning,
    BuildScheduled,
    BuildSkipped,
    ClusterTokenRegistrationBlocked,
    JobActivated,
    JobEvent,
    JobFinished,
    JobPromisedExitStatus,
    JobScheduled,
    JobStarted,
    Ping,
    WebhookService,
)
from buildkite_orm.webhooks.events.workflows import (
    MonitorEvent,
    PassedOnRetry,
    ProbabilisticFlakiness,
    TransitionCount,
    WorkflowAlarm,
    WorkflowEvent,
    WorkflowRecover,
    WorkflowSubject,
)
from buildkite_orm.webhooks.receiver import parse, receive
from buildkite_orm.webhooks.replays import SeenInMemory

__all__ = [
    "AgentBlocked",
    "AgentConnected",
    "AgentDisconnected",
    "AgentEvent",
    "AgentLost",
    "AgentStopped",
    "AgentStopping",
    "BuildEvent",
    "BuildFailing",
    "BuildFinished",
    "BuildRunning",
    "BuildScheduled",
    "BuildSkipped",
    "ClusterTokenRegistrationBlocked",
    "JobActivated",
    "JobEvent",
    "JobFinished",
    "JobPromisedExitStatus",
    "JobScheduled",
    "JobStarted",
    "MonitorEvent",
    "PackageCreated",
    "PassedOnRetry",
    "Ping",
    "ProbabilisticFlakiness",
    "RepeatedWebhookError",
    "SeenInMemory",
    "StaleWebhookError",
    "TransitionCount",
    "UnknownEvent",
    "UnsignedWebhookError",
    "WebhookCharsetError",
    "WebhookError",
    "WebhookEvent",
    "WebhookFormatError",
    "WebhookService",
    "WebhookSignatureError",
    "WebhookTooLargeError",
    "WorkflowAlarm",
    "WorkflowEvent",
    "WorkflowRecover",
    "WorkflowSubject",
    "parse",
    "receive",
]
