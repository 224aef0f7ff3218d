"""Agents, which run jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self, TypedDict

from pydantic import Field

from buildkite_orm.http.encoding import encode_body
from buildkite_orm.models.enums import AgentConnectionState, JobState, JobType
from buildkite_orm.models.resource import Fetchable, Model, Timestamp
from buildkite_orm.querysets.queryset import QuerySet
from buildkite_orm.resources.builds.status import job_title
from buildkite_orm.resources.embedded import EmbeddedAgent, EmbeddedUser
from buildkite_orm.resources.parents import InOrganization

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Unpack

    from buildkite_orm.resources.builds.job import JobRef


class AgentFilters(TypedDict, total=False):
    """Filters for agents.

    Attributes:
        name: The name, exactly.
        hostname: The host's name, exactly.
        version: The agent's version, exactly.
        cluster_queue_id: The id of a queue of a cluster.
    """

    name: str
    hostname: str
    version: str
    cluster_queue_id: str


class AgentRef(InOrganization):
    """The ref of an agent."""

    _kind = "agent"
    _paths = ("organizations/{organization}/agents/{id}",)

    if TYPE_CHECKING:
        id: str

    def fetch(self) -> Agent:
        """Fetch the agent, in any connection state.

        Raises:
            NotFoundError: Nothing has this id.

        Documentation: https://buildkite.com/docs/apis/rest-api/agents#get-an-agent
        """
        return self._request(Agent)

    def stop(self, *, force: bool = True) -> None:
        """Stop the agent.

        Args:
            force: Whether its running job is canceled; else it stops when that job is finished.

        Raises:
            BadRequestError: It is not connected.

        Documentation: https://buildkite.com/docs/apis/rest-api/agents#stop-an-agent
        """
        self._execute("PUT", "stop", body={"force": force}, idempotent=False)

    def pause(self, *, note: str | None = None, timeout_in_minutes: int | None = None) -> None:
        """Pause the agent: it accepts no more jobs.

        Args:
            note: The reason, for other users.
            timeout_in_minutes: After how many minutes it resumes by itself; the server has a default.

        Raises:
            UnprocessableEntityError: It is not connected, or paused already.

        Documentation: https://buildkite.com/docs/apis/rest-api/agents#pause-an-agent
        """
        options = {"note": note, "timeout_in_minutes": timeout_in_minutes}
        body = encode_body({name: value for name, value in options.items() if value is not None})
        self._execute("PUT", "pause", body=body, idempotent=False)

    def resume(self) -> None:
        """Resume the agent: it accepts jobs again.

        Raises:
            UnprocessableEntityError: It is not paused.

        Documentation: https://buildkite.com/docs/apis/rest-api/agents#resume-an-agent
        """
        self._execute("PUT", "resume", body={}, idempotent=False)


class AgentJob(Model):
    """The job that an agent is running."""

    id: str
    graphql_id: str | None = None
    type: JobType
    name: str | None = None
    state: JobState | None = None
    agent_query_rules: list[str] = Field(default_factory=list[str])
    build_url: str | None = None
    web_url: str | None = None
    log_url: str | None = None
    raw_log_url: str | None = None
    artifacts_url: str | None = None
    script_path: str | None = None
    command: str | None = None
    soft_failed: bool | None = None
    exit_status: int | None = None
    artifact_paths: str | None = None
    agent: EmbeddedAgent | None = None
    created_at: Timestamp | None = None
    scheduled_at: Timestamp | None = None
    started_at: Timestamp | None = None
    finished_at: Timestamp | None = None


class Agent(AgentRef, Fetchable):
    """An agent.

    Documentation: https://buildkite.com/docs/apis/rest-api/agents#agent-data-model
    """

    id: str
    graphql_id: str | None = None
    url: str | None = None
    web_url: str | None = None
    name: str
    connection_state: AgentConnectionState
    hostname: str | None = None
    ip_address: str | None = None
    user_agent: str | None = None
    version: str | None = None
    os_id: str | None = None
    arch: str | None = None
    queue: str | None = None
    creator: EmbeddedUser | None = None
    created_at: Timestamp | None = None
    connected_at: Timestamp | None = None
    disconnected_at: Timestamp | None = None
    lost_at: Timestamp | None = None
    stopped_at: Timestamp | None = None
    embedded_job: AgentJob | None = Field(default=None, alias="job")
    last_job_finished_at: Timestamp | None = None
    priority: int | None = None
    meta_data: list[str] = Field(default_factory=list[str])
    paused: bool | None = None
    paused_at: Timestamp | None = None
    paused_by: EmbeddedUser | None = None
    paused_note: str | None = None
    paused_timeout_in_minutes: int | None = None

    @property
    def job(self) -> JobRef | None:
        """The job that it is running, if any."""
        from buildkite_orm.resources.builds.job import JobRef

        job = self.embedded_job
        return None if job is None else self._sibling(JobRef, getattr(job, "id", None))

    def _summary(self) -> Iterable[object]:
        data = self.__dict__
        yield f"{self.name} {data.get('connection_state') or ''}"
        yield f"queue {data['queue']}" if data.get("queue") else None
        yield "paused" if data.get("paused") is True else None
        yield f"running {job_title(self.embedded_job)}" if self.embedded_job else None


class AgentQuerySet(QuerySet[Agent]):
    """The agents of an organization that are connected or stopping."""

    _model = Agent
    _filters_type = AgentFilters

    def filter(self, **filters: Unpack[AgentFilters]) -> Self:
        """Return a queryset with more filters; see `AgentFilters`."""
        return self._filtered(filters)
