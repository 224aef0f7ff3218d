"""The events of Pipelines: of builds, jobs, agents and agent tokens, and `ping`."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from buildkite_orm.models.resource import Model
from buildkite_orm.resources.agent import Agent
from buildkite_orm.resources.builds.build import Build
from buildkite_orm.resources.builds.job import Job
from buildkite_orm.resources.clusters.agent_token import AgentToken
from buildkite_orm.resources.organizations.organization import Organization
from buildkite_orm.resources.pipelines.pipeline import Pipeline
from buildkite_orm.webhooks.events.base import WebhookEvent


class WebhookService(Model):
    """The notification service that sent a webhook.

    Attributes:
        id: Its id.
        provider: Its kind: `webhook`.
        settings: Its settings, as the URL. They show in no repr.
    """

    id: str
    provider: str | None = None
    settings: dict[str, Any] = Field(default_factory=dict[str, Any], repr=False)


class Ping(WebhookEvent):
    """The settings of the webhook have changed.

    Attributes:
        service: The notification service that sent it.
        organization: The organization of the service.

    Documentation: https://buildkite.com/docs/apis/webhooks/pipelines/ping-events
    """

    kinds: ClassVar[frozenset[str]] = frozenset({"ping"})

    service: WebhookService
    organization: Organization


class BuildEvent(WebhookEvent):
    """An event of a build.

    Attributes:
        build: The build, without its jobs: `bk.bind(event.build).jobs()` requests them. A blocked build is finished
            too: look at `is_blocked`.
        pipeline: Its pipeline.

    Documentation: https://buildkite.com/docs/apis/webhooks/pipelines/build-events
    """

    build: Build
    pipeline: Pipeline


class BuildScheduled(BuildEvent):
    """A build was scheduled."""

    kinds: ClassVar[frozenset[str]] = frozenset({"build.scheduled"})


class BuildRunning(BuildEvent):
    """A build has started running."""

    kinds: ClassVar[frozenset[str]] = frozenset({"build.running"})


class BuildFailing(BuildEvent):
    """A build is failing: a job has failed, and others still run."""

    kinds: ClassVar[frozenset[str]] = frozenset({"build.failing"})


class BuildFinished(BuildEvent):
    """A build has finished, or is blocked."""

    kinds: ClassVar[frozenset[str]] = frozenset({"build.finished"})


class BuildSkipped(BuildEvent):
    """A build was skipped."""

    kinds: ClassVar[frozenset[str]] = frozenset({"build.skipped"})


class JobEvent(WebhookEvent):
    """An event of a job.

    Attributes:
        job: The job; `job.build` is the ref of its build.
        build: Its build, without its jobs.
        pipeline: Its pipeline.

    Documentation: https://buildkite.com/docs/apis/webhooks/pipelines/job-events
    """

    job: Job
    build: Build
    pipeline: Pipeline


class JobScheduled(JobEvent):
    """A command job waits for an agent."""

    kinds: ClassVar[frozenset[str]] = frozenset({"job.scheduled"})


class JobStarted(JobEvent):
    """A command job has started running on an agent."""

    kinds: ClassVar[frozenset[str]] = frozenset({"job.started"})


class JobFinished(JobEvent):
    """A job has finished."""

    kinds: ClassVar[frozenset[str]] = frozenset({"job.finished"})


class JobActivated(JobEvent):
    """A block step was unblocked."""

    kinds: ClassVar[frozenset[str]] = frozenset({"job.activated"})


class JobPromisedExitStatus(JobEvent):
    """A running job has declared the exit status that it will have; `job.finished` follows.

    Attributes:
        promised_exit_status_reason: The reason to expect that, if one was declared.
    """

    kinds: ClassVar[frozenset[str]] = frozenset({"job.promised_exit_status"})

    promised_exit_status_reason: str | None = None


class AgentEvent(WebhookEvent):
    """An event of an agent.

    Attributes:
        agent: The agent.

    Documentation: https://buildkite.com/docs/apis/webhooks/pipelines/agent-events
    """

    agent: Agent


class AgentConnected(AgentEvent):
    """An agent has connected."""

    kinds: ClassVar[frozenset[str]] = frozenset({"agent.connected"})


class AgentLost(AgentEvent):
    """An agent is lost: Buildkite receives no pings from it any more."""

    kinds: ClassVar[frozenset[str]] = frozenset({"agent.lost"})


class AgentDisconnected(AgentEvent):
    """An agent has shut down and disconnected."""

    kinds: ClassVar[frozenset[str]] = frozenset({"agent.disconnected"})


class AgentStopping(AgentEvent):
    """An agent was told to stop, and finishes its job first."""

    kinds: ClassVar[frozenset[str]] = frozenset({"agent.stopping"})


class AgentStopped(AgentEvent):
    """An agent that was told to stop has stopped."""

    kinds: ClassVar[frozenset[str]] = frozenset({"agent.stopped"})


class AgentBlocked(AgentEvent):
    """An agent is blocked: its address is no longer one that its agent token allows.

    Attributes:
        blocked_ip: The address.
        cluster_token: The agent token.
    """

    kinds: ClassVar[frozenset[str]] = frozenset({"agent.blocked"})

    blocked_ip: str | None = None
    cluster_token: AgentToken


class ClusterTokenRegistrationBlocked(WebhookEvent):
    """An agent could not register: its address is not one that its agent token allows.

    Attributes:
        blocked_ip: The address.
        cluster_token: The agent token.

    Documentation: https://buildkite.com/docs/apis/webhooks/pipelines/agent-token-events
    """

    kinds: ClassVar[frozenset[str]] = frozenset({"cluster_token.registration_blocked"})

    blocked_ip: str | None = None
    cluster_token: AgentToken
