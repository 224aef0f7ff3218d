"""Dispatch: the jobs that wait for an agent, and the agents that they get."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkite_orm.fake.agents import disconnect, free_agent

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildkite_orm.fake.events import Events
    from buildkite_orm.fake.records import AgentRecord, JobRecord
    from buildkite_orm.fake.settings import Settings
    from buildkite_orm.fake.store import Store

_AGENT_RETRY = 5.0


class Dispatcher:
    """Assigns agents to scheduled jobs: those of the highest priority first, then the oldest.

    Documentation: https://buildkite.com/docs/pipelines/configure/workflows/job-priority
    """

    def __init__(self, store: Store, settings: Settings, events: Events, assigned: Callable[[JobRecord], None]) -> None:
        self._store = store
        self._settings = settings
        self._events = events
        self._assigned = assigned
        self._waiting: dict[str, tuple[float, JobRecord]] = {}
        self._is_polling = False

    def add(self, job: JobRecord) -> None:
        """Add a job that has been scheduled; it may be assigned after a moment."""
        self._store.notify("job.scheduled", job)
        delay = self._settings.pace.assigning
        self._waiting[job.id] = (round(self._events.now + delay, 3), job)
        self._events.later(delay, self.dispatch)

    def dispatch(self) -> None:
        """Assign agents to the jobs that wait for one."""
        if not self._waiting:
            return
        now = self._events.now
        due = [job for moment, job in self._waiting.values() if moment <= now]
        for job in sorted(due, key=_precedence):
            agent = self._agent_for(job)
            if agent is not None:
                agent.job, job.agent = job, agent
                job.state = "assigned"
                self._assigned(job)
            if job.state != "scheduled":
                del self._waiting[job.id]
        if not self._is_polling and any(job.id in self._waiting for job in due):
            self._is_polling = True
            self._events.later(_AGENT_RETRY, self._poll)

    def _poll(self) -> None:
        """Dispatch again: a queue may have been resumed, or an agent may have been added."""
        self._is_polling = False
        self.dispatch()

    def _agent_for(self, job: JobRecord) -> AgentRecord | None:
        if job.state != "scheduled":
            return None
        return free_agent(self._store, job, self._events.now, elastic=self._settings.elastic_agents)

    def free(self, job: JobRecord) -> None:
        """Free the agent of a job that has ended, and give it to the next one."""
        agent = job.agent
        if agent is None or agent.job is not job:
            return
        agent.job, agent.last_job_finished_at = None, self._events.now
        if agent.ephemeral or agent.connection_state == "stopping":
            disconnect(self._store, agent, self._events.now)
        self.dispatch()


def _precedence(job: JobRecord) -> tuple[int, float, int]:
    """Return the key by which jobs are sorted; those with the same key stay in the order of their steps."""
    return (-job.priority, job.created_at, job.build.sequence)
