"""The state: plain records that reference each other. Times are seconds since the epoch, to the millisecond."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from buildkite_orm.fake.collections import Collections, Record, ShortRepr
from buildkite_orm.fake.steps import absorbs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from buildkite_orm.fake.content import Content
    from buildkite_orm.fake.pipeline_yaml.schedule import Need
    from buildkite_orm.fake.steps import RetryRule, Step

Json = dict[str, Any]

BUILD_STATES = frozenset(
    {
        "creating",
        "scheduled",
        "running",
        "passed",
        "failing",
        "failed",
        "blocked",
        "canceling",
        "canceled",
        "skipped",
        "not_run",
    }
)
UNFINISHED_BUILD = frozenset({"creating", "scheduled", "running", "failing", "canceling"})
UNFINISHED_JOB = frozenset(
    {"pending", "scheduled", "assigned", "accepted", "running", "limited", "canceling", "timing_out"}
)
JOB_STATES = frozenset(
    {
        "pending",
        "waiting",
        "waiting_failed",
        "blocked",
        "blocked_failed",
        "unblocked",
        "unblocked_failed",
        "scheduled",
        "assigned",
        "accepted",
        "running",
        "passed",
        "failed",
        "timed_out",
        "timing_out",
        "canceled",
        "canceling",
        "skipped",
        "broken",
        "expired",
        "limited",
    }
)
FAILED_WAITING = frozenset({"waiting_failed", "blocked_failed"})
HARD_FAILURES = frozenset({"failed", "timed_out", "canceled", "expired"})


@dataclass(slots=True, eq=False, kw_only=True, repr=False)
class UserRecord(ShortRepr):
    """A person."""

    id: str
    name: str
    email: str
    created_at: float
    role: str = "member"
    sso_mode: str = "required"

    @property
    def title(self) -> str:
        """Its name."""
        return self.name


@dataclass(slots=True, eq=False, kw_only=True, repr=False)
class TokenRecord(ShortRepr):
    """An access token: its user, its scopes, and the organizations that it can access."""

    uuid: str
    token: str
    user: UserRecord
    scopes: tuple[str, ...]
    description: str
    created_at: float
    expires_at: float | None = None
    organizations: frozenset[str] | None = None

    @property
    def title(self) -> str:
        """Its description, without its secret."""
        return f"{self.description} {self.uuid}"

    def reaches(self, organization: OrganizationRecord) -> bool:
        """Return whether the token can access an organization."""
        return self.organizations is None or organization.slug in self.organizations


@dataclass(slots=True, eq=False, kw_only=True, repr=False)
class QueueRecord(Record):
    """A queue of a cluster; one with an `instance_shape` is hosted by Buildkite."""

    cluster_id: str
    paused_at: float | None = None
    paused_by: UserRecord | None = None
    paused_note: str | None = None
    instance_shape: str | None = None
    agent_image_ref: str | None = None

    @property
    def title(self) -> str:
        """Its key."""
        return self.key

    @property
    def key(self) -> str:
        """The key that jobs use to select it."""
        return str(self.data["key"])

    @property
    def paused(self) -> bool:
        """Whether dispatch is paused, so that its agents receive no jobs."""
        return self.paused_at is not None


@dataclass(slots=True, eq=False, kw_only=True, repr=False)
class OrganizationRecord(ShortRepr):
    """An organization and its contents; `missing_features` names what its plan does not include, such as `teams`.

    `cluster_id` is the cluster of new pipelines and agents; `collections` are those of the store. `past_agents` are the
    disconnected ones that ran one job each: they are found by id, and are kept apart since there is one for each job.
    """

    id: str
    slug: str
    name: str
    created_at: float
    cluster_id: str
    collections: Collections
    users: list[UserRecord] = field(default_factory=list[UserRecord])
    missing_features: set[str] = field(default_factory=set[str])
    teams_enabled: bool = False
    sso_enabled: bool = False
    members_manage_services: bool = False
    pipelines: dict[str, PipelineRecord] = field(default_factory=dict[str, "PipelineRecord"])
    agents: dict[str, AgentRecord] = field(default_factory=dict[str, "AgentRecord"])
    past_agents: dict[str, AgentRecord] = field(default_factory=dict[str, "AgentRecord"])
    builds: list[BuildRecord] = field(default_factory=list["BuildRecord"])

    @property
    def title(self) -> str:
        """Its slug."""
        return self.slug

    @property
    def next_agent_number(self) -> int:
        """The number of the next agent."""
        return len(self.agents) + len(self.past_agents) + 1

    def agent(self, identity: str) -> AgentRecord | None:
        """Return an agent in any connection state, or None."""
        return self.agents.get(identity) or self.past_agents.get(identity)

    @property
    def queues(self) -> dict[str, QueueRecord]:
        """The queues of the default cluster, by key."""
        return self.queues_of(self.cluster_id)

    def queues_of(self, cluster_id: str) -> dict[str, QueueRecord]:
        """Return the queues of a cluster, by key."""
        records = self.collections.of("queue", cluster_id).values()
        return {each.key: each for each in records if isinstance(each, QueueRecord)}


@dataclass(slots=True, eq=False, kw_only=True, repr=False)
class PipelineRecord(ShortRepr):
    """A pipeline; `plan` has the steps that its builds run.

    With `variable_yaml`, its builds run the steps of that text, with their variables in place of `$NAME`.
    """

    id: str
    organization: OrganizationRecord
    slug: str
    name: str
    repository: str
    created_at: float
    created_by: UserRecord | None
    plan: list[Step]
    configuration: str | None = None
    variable_yaml: str | None = None
    steps: list[Json] = field(default_factory=list[Json])
    description: str | None = None
    default_branch: str | None = "main"
    branch_configuration: str | None = None
    skip_queued_branch_builds: bool = False
    skip_queued_branch_builds_filter: str | None = None
    cancel_running_branch_builds: bool = False
    cancel_running_branch_builds_filter: str | None = None
    allow_rebuilds: bool = True
    provider_id: str = "github"
    provider_settings: Json = field(default_factory=Json)
    env: Json | None = None
    visibility: str = "private"
    archived_at: float | None = None
    tags: list[str] | None = None
    emoji: str | None = None
    color: str | None = None
    clone_mirror_url: str | None = None
    cluster_id: str | None = None
    pipeline_template_uuid: str | None = None
    default_command_step_timeout: int | None = None
    maximum_command_step_timeout: int | None = None
    has_webhook: bool = False
    webhooks_disabled_at: float | None = None
    webhooks_disabled_by: UserRecord | None = None
    builds: list[BuildRecord] = field(default_factory=list["BuildRecord"])
    by_number: dict[int, BuildRecord] = field(default_factory=dict[int, "BuildRecord"])
    active: dict[str, BuildRecord] = field(default_factory=dict[str, "BuildRecord"])
    next_number: int = 1

    @property
    def title(self) -> str:
        """Its organization and slug."""
        return f"{self.organization.slug}/{self.slug}"


@dataclass(slots=True, eq=False, kw_only=True, repr=False)
class BuildRecord(ShortRepr):
    """A build. Its jobs may be created lazily, on first access (`job_source`)."""

    id: str
    sequence: int
    pipeline: PipelineRecord
    number: int
    state: str
    created_at: float
    branch: str
    commit: str
    message: str | None = None
    blocked: bool = False
    scheduled_at: float | None = None
    started_at: float | None = None
    failing_at: float | None = None
    finished_at: float | None = None
    cancel_reason: str | None = None
    tag: str | None = None
    env: Json | None = field(default_factory=Json)
    source: str = "webhook"
    creator: UserRecord | None = None
    author: Json | None = None
    meta_data: dict[str, str] = field(default_factory=dict[str, str])
    pull_request: Json | None = None
    merge_queue: Json | None = None
    rebuilt_from: BuildRecord | None = None
    triggered_from: JobRecord | None = None
    clean_checkout: bool = False
    test_engine: Json | None = None
    annotations: list[AnnotationRecord] = field(default_factory=list["AnnotationRecord"])
    job_list: list[JobRecord] = field(default_factory=list["JobRecord"])
    job_source: Callable[[BuildRecord], list[JobRecord]] | None = None

    @property
    def title(self) -> str:
        """Its pipeline, number and state."""
        return f"{self.pipeline.title} #{self.number} {self.state}"

    @property
    def jobs(self) -> list[JobRecord]:
        """All jobs in order, including attempts that were retried."""
        if self.job_source is not None:
            source, self.job_source = self.job_source, None
            self.job_list = source(self)
        return self.job_list

    @property
    def organization(self) -> OrganizationRecord:
        """The organization of its pipeline."""
        return self.pipeline.organization

    @property
    def unfinished(self) -> bool:
        """Whether it has not reached a final state."""
        return self.state in UNFINISHED_BUILD


@dataclass(slots=True, eq=False, kw_only=True, repr=False)
class JobRecord(ShortRepr):
    """A job of any type.

    Attributes:
        step: The step that it was created from.
        needs: The steps that must end before it starts.
        uploaded_by: The id of the step that uploaded its step.
    """

    id: str
    build: BuildRecord
    type: str
    state: str
    created_at: float
    step_id: str
    step: Step | None = None
    needs: tuple[Need, ...] = ()
    uploaded_by: str | None = None
    name: str | None = None
    step_key: str | None = None
    group_key: str | None = None
    command: str | None = None
    agent_query_rules: list[str] = field(default_factory=list[str])
    signature: Json | None = None
    soft_failed: bool = False
    exit_status: int | None = None
    signal: str | None = None
    signal_reason: str | None = None
    broken_reason: str | None = None
    promised_exit_status: int | None = None
    promised_exit_status_at: float | None = None
    artifact_paths: str | None = ""
    agent: AgentRecord | None = None
    scheduled_at: float | None = None
    runnable_at: float | None = None
    started_at: float | None = None
    finished_at: float | None = None
    expired_at: float | None = None
    concurrency_wait_time_ms: int | None = None
    attempt: int = 0
    retry_pending: bool = False
    retried_in: JobRecord | None = None
    retry_source: JobRecord | None = None
    retry_type: str | None = None
    retried_by: UserRecord | None = None
    parallel_group_index: int | None = None
    parallel_group_total: int | None = None
    matrix: Json | None = None
    priority: int = 0
    queue: QueueRecord | None = None
    env: dict[str, str] = field(default_factory=dict[str, str])
    log: bytes | None = None
    artifacts: list[ArtifactRecord] = field(default_factory=list["ArtifactRecord"])
    annotations: list[AnnotationRecord] = field(default_factory=list["AnnotationRecord"])
    triggered_build: BuildRecord | None = None
    unblocked_by: UserRecord | None = None
    unblocked_at: float | None = None
    field_values: Json = field(default_factory=Json)

    @property
    def title(self) -> str:
        """Its name and state."""
        return f"{self.name or self.type} {self.state}"

    @property
    def retried(self) -> bool:
        """Whether a later attempt replaced it."""
        return self.retried_in is not None

    @property
    def unfinished(self) -> bool:
        """Whether it runs, will run, or is about to be retried automatically."""
        return self.retry_pending or self.state in UNFINISHED_JOB

    @property
    def promised_failure(self) -> bool:
        """Whether it is running, and has declared a failure that neither a retry nor a soft failure will absorb."""
        if self.state != "running" or not self.promised_exit_status:
            return False
        return not absorbs(getattr(self.step, "soft_fail", False), self.promised_exit_status) and not self.will_retry(
            self.promised_exit_status
        )

    @property
    def ending(self) -> tuple[int | None, str | None, str | None]:
        """The end of the job: its exit status, signal, and the reason of the signal."""
        return self.exit_status, self.signal, self.signal_reason

    def will_retry(self, status: int | None, signal: str | None = None, reason: str | None = None) -> bool:
        """Return whether it is retried automatically if it fails in this way; each rule counts its own retries."""
        rules: Sequence[RetryRule] = getattr(self.step, "rules", ())
        rule = next((each for each in rules if each.matches(status, signal, reason)), None)
        if rule is None:
            return False
        used, attempt = 0, self.retry_source
        while attempt is not None:
            first = next((each for each in rules if each.matches(*attempt.ending)), None)
            used += attempt.retry_type == "automatic" and first is rule
            attempt = attempt.retry_source
        return used < rule.limit

    @property
    def failed_hard(self) -> bool:
        """Whether it fails its build."""
        if self.promised_failure or (self.state in FAILED_WAITING and any(need.missing for need in self.needs)):
            return True
        return self.state in HARD_FAILURES and not self.soft_failed and not self.retry_pending


@dataclass(slots=True, eq=False, kw_only=True, repr=False)
class AgentRecord(ShortRepr):
    """An agent, connected or not."""

    id: str
    organization: OrganizationRecord
    name: str
    hostname: str
    ip_address: str
    version: str
    os_id: str
    arch: str
    queue: QueueRecord
    creator: UserRecord | None
    created_at: float
    connected_at: float
    connection_state: str = "connected"
    disconnected_at: float | None = None
    lost_at: float | None = None
    stopped_at: float | None = None
    last_job_finished_at: float | None = None
    priority: int | None = None
    meta_data: list[str] = field(default_factory=list[str])
    job: JobRecord | None = None
    paused_at: float | None = None
    paused_by: UserRecord | None = None
    paused_note: str | None = None
    paused_timeout_in_minutes: int | None = None
    ephemeral: bool = False

    @property
    def title(self) -> str:
        """Its name and state."""
        return f"{self.name} {self.connection_state}"

    @property
    def is_connected(self) -> bool:
        """Whether it is connected, including an agent that is stopping."""
        return self.connection_state in {"connected", "stopping"}


@dataclass(slots=True, eq=False, kw_only=True, repr=False)
class ArtifactRecord(ShortRepr):
    """A file that a job uploaded; each of the last four fields that is not None replaces the true value in payloads."""

    id: str
    job: JobRecord
    path: str
    content: Content
    state: str = "finished"
    mime_type: str = "application/octet-stream"
    file_size: int | None = None
    sha1sum: str | None = None
    sha256sum: str | None = None
    download_url: str | None = None

    @property
    def title(self) -> str:
        """Its path and state."""
        return f"{self.path} {self.state}"


@dataclass(slots=True, eq=False, kw_only=True, repr=False)
class AnnotationRecord(ShortRepr):
    """An annotation of a build (`job` is None) or of a job."""

    id: str
    context: str
    style: str
    body: str
    priority: int
    created_at: float
    updated_at: float
    job: JobRecord | None = None

    @property
    def title(self) -> str:
        """Its context and style."""
        return f"{self.context} {self.style}"
