"""The agents of a queue: which of them runs a job, and how they disconnect."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildkite_orm.fake.records import AgentRecord, BuildRecord, JobRecord, QueueRecord
    from buildkite_orm.fake.store import Store


def queue_of(rules: Sequence[str], build: BuildRecord) -> QueueRecord | None:
    """Return the queue that the agent query rules of a job name; None if the cluster does not have it."""
    organization = build.organization
    queues = organization.queues_of(build.pipeline.cluster_id or "") or organization.queues
    named = (rule.removeprefix("queue=") for rule in rules if rule.startswith("queue="))
    return queues.get(next(named, "default"))


def free_agent(store: Store, job: JobRecord, now: float, *, elastic: bool) -> AgentRecord | None:
    """Return an agent of a job's queue that is idle and has the tags of the job.

    If there is none, return a new agent if `elastic` is true. Return None if the queue is paused or does not exist, or
    if it has agents and none of them may run jobs.
    """
    if job.queue is None:
        job.queue = queue_of(job.agent_query_rules, job.build)
    organization, queue = job.build.organization, job.queue
    if queue is None or queue.paused or queue.id not in store.collections.of("queue", queue.cluster_id):
        return None
    mine = [agent for agent in organization.agents.values() if agent.queue is queue and not agent.ephemeral]
    ready = [agent for agent in mine if agent.connection_state == "connected" and agent.paused_at is None]
    if mine and not ready:
        return None
    idle = next((agent for agent in ready if agent.job is None and _has_tags(agent, job)), None)
    if idle is not None or not elastic:
        return idle
    name = f"elastic-{queue.key}-{organization.next_agent_number}"
    return store.add_agent(organization, name=name, queue=queue, ephemeral=True, created_at=now, connected_at=now)


def _has_tags(agent: AgentRecord, job: JobRecord) -> bool:
    """Return whether an agent of a job's queue has the other tags that the job asks for."""
    rules = [rule for rule in job.agent_query_rules if not rule.startswith("queue=")]
    return all(rule in agent.meta_data or _is_any(rule, agent.meta_data) for rule in rules)


def _is_any(rule: str, tags: list[str]) -> bool:
    name, _, value = rule.partition("=")
    return value == "*" and any(tag.startswith(f"{name}=") for tag in tags)


def disconnect(store: Store, agent: AgentRecord, now: float) -> None:
    """Disconnect an agent; one that was stopping has stopped."""
    stopping = agent.connection_state == "stopping"
    agent.connection_state = "stopped" if stopping else "disconnected"
    agent.disconnected_at = now
    agent.stopped_at = now if stopping else None
    if agent.ephemeral:
        organization = agent.organization
        organization.past_agents[agent.id] = organization.agents.pop(agent.id)
    store.notify(f"agent.{agent.connection_state}", agent)
