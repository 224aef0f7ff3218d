"""All state in one place, with its indexes and the functions that add to it."""

from __future__ import annotations

import mimetypes
from bisect import bisect_left, insort
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from buildkite_orm.fake.arguments import (
    check_agent,
    check_annotation,
    check_artifact,
    check_build,
    check_pipeline,
    job_fields,
)
from buildkite_orm.fake.collections import Collections, Record
from buildkite_orm.fake.content import Content
from buildkite_orm.fake.ids import Ids, digest
from buildkite_orm.fake.records import (
    AgentRecord,
    AnnotationRecord,
    ArtifactRecord,
    BuildRecord,
    JobRecord,
    OrganizationRecord,
    PipelineRecord,
    QueueRecord,
    TokenRecord,
    UserRecord,
)
from buildkite_orm.fake.times import seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from buildkite_orm.fake.clock import Clock
    from buildkite_orm.fake.steps import Step

SCOPES = (
    "read_accounts",
    "read_agents",
    "write_agents",
    "read_teams",
    "view_teams",
    "write_teams",
    "read_artifacts",
    "write_artifacts",
    "read_audit_events",
    "read_builds",
    "write_builds",
    "read_build_logs",
    "write_build_logs",
    "read_job_env",
    "read_clusters",
    "write_clusters",
    "read_notification_services",
    "write_notification_services",
    "read_organizations",
    "write_organizations",
    "read_organization_invitations",
    "write_organization_invitations",
    "read_organization_repository_connections",
    "read_organization_settings",
    "write_organization_settings",
    "read_packages",
    "write_packages",
    "delete_packages",
    "read_pipelines",
    "write_pipelines",
    "read_pipeline_templates",
    "write_pipeline_templates",
    "read_portals",
    "write_portals",
    "read_registries",
    "write_registries",
    "delete_registries",
    "read_rules",
    "write_rules",
    "read_secret_details",
    "write_secrets",
    "read_suites",
    "write_suites",
    "read_user",
)
# the fields of new clusters and queues
NEW_CLUSTER = {
    "description": None,
    "emoji": None,
    "color": None,
    "default_queue_id": None,
    "hosted_git_mirror_enabled": False,
    "hosted_container_cache_enabled": False,
}
NEW_QUEUE = {"description": None, "retry_agent_affinity": "prefer-warmest"}
_DAY = 86400.0
_NEVER_RAN = frozenset({"creating", "scheduled", "skipped", "not_run"})
_RUNNING = frozenset({"running", "failing", "canceling"})
_BUILD_EVENTS = {
    "scheduled": "build.scheduled",
    "running": "build.running",
    "failing": "build.failing",
    "skipped": "build.skipped",
    **dict.fromkeys(("passed", "failed", "canceled", "not_run"), "build.finished"),
}


def listing_order(build: BuildRecord) -> tuple[float, int]:
    """Return the sort key of builds; listings begin with the greatest."""
    return (build.created_at, build.sequence)


class Store:
    """The records, and the indexes by which they are found."""

    def __init__(self, seed: int, clock: Clock) -> None:
        self.seed = seed
        self.clock = clock
        self.ids = Ids(seed)
        self.organizations: dict[str, OrganizationRecord] = {}
        self.tokens: dict[str, TokenRecord] = {}
        self.public_keys: dict[str, tuple[TokenRecord, str]] = {}
        self.builds: list[BuildRecord] = []
        self.jobs: dict[str, JobRecord] = {}
        self.artifacts: dict[str, ArtifactRecord] = {}
        self.collections = Collections()
        self.listeners: list[Callable[[str, Any], object]] = []
        self._sequence = 0

    def notify(self, event: str, record: Any) -> None:
        """Call the listeners: something has happened to a record, named as the event of webhooks."""
        for listener in self.listeners:
            listener(event, record)

    # -- users, tokens, organizations, clusters, agents

    def add_user(self, organization: OrganizationRecord, name: str, email: str) -> UserRecord:
        """Add a member to an organization; the first one is its administrator."""
        created_at = seconds(self.clock.now()) - 900 * _DAY
        role = "member" if organization.users else "admin"
        user = UserRecord(id=self.ids.uuid(), name=name, email=email, created_at=created_at, role=role)
        organization.users.append(user)
        return user

    def add_token(
        self,
        user: UserRecord,
        scopes: Iterable[str] = SCOPES,
        *,
        description: str = "Development Token",
        organizations: Iterable[str] | None = None,
        secret: str | None = None,
    ) -> TokenRecord:
        """Create a token for a user; its `secret` follows from the seed unless given."""
        created_at = seconds(self.clock.now()) - 9 * _DAY
        uuid, seeded = self.ids.uuid(), self.ids.token()
        token = TokenRecord(
            uuid=uuid,
            token=secret or seeded,
            user=user,
            scopes=tuple(scopes),
            description=description,
            created_at=created_at,
            expires_at=created_at + 365 * _DAY,
            organizations=None if organizations is None else frozenset(organizations),
        )
        self.tokens[token.token] = token
        return token

    def add_organization(self, slug: str, *, name: str | None = None) -> OrganizationRecord:
        """Add an organization with one cluster and its queue `default`."""
        organization = OrganizationRecord(
            id=self.ids.uuid(),
            slug=slug,
            name=name or slug.replace("-", " ").title(),
            created_at=seconds(self.clock.now()) - 1000 * _DAY,
            cluster_id=self.ids.uuid(),
            collections=self.collections,
        )
        self.organizations[slug] = organization
        cluster = self.add_cluster(organization, "Default cluster", cluster_id=organization.cluster_id)
        cluster.data["default_queue_id"] = self.add_queue(organization, "default").id
        return organization

    def add_cluster(self, organization: OrganizationRecord, name: str, *, cluster_id: str | None = None) -> Record:
        """Add a cluster to an organization, without queues."""
        cluster = Record(
            id=cluster_id or self.ids.uuid(),
            data={**NEW_CLUSTER, "name": name},
            created_at=organization.created_at,
            created_by=organization.users[0] if organization.users else None,
        )
        return self.collections.put("cluster", organization.id, cluster.id, cluster)

    def add_queue(
        self,
        organization: OrganizationRecord,
        key: str,
        *,
        paused: bool = False,
        cluster: Record | None = None,
        **fields: Any,
    ) -> QueueRecord:
        """Add a queue to a cluster (the default one unless given); `fields` are those of its record."""
        queue = QueueRecord(
            id=self.ids.uuid(),
            data={**NEW_QUEUE, "key": key},
            cluster_id=organization.cluster_id if cluster is None else cluster.id,
            created_at=organization.created_at,
            created_by=organization.users[0] if organization.users else None,
            paused_at=seconds(self.clock.now()) if paused else None,
            **fields,
        )
        self.collections.put("queue", queue.cluster_id, queue.id, queue)
        return queue

    def queues(self) -> list[QueueRecord]:
        """Return the queues of all clusters."""
        return [each for each in self.collections.all("queue") if isinstance(each, QueueRecord)]

    def add_agent(
        self,
        organization: OrganizationRecord,
        *,
        name: str | None = None,
        queue: QueueRecord | str = "default",
        **fields: Any,
    ) -> AgentRecord:
        """Add an agent, connected unless `fields` says otherwise; a string names a queue of the default cluster."""
        check_agent(fields)
        number = organization.next_agent_number
        since = seconds(self.clock.now()) - 3600
        if isinstance(queue, str):
            queue = organization.queues.get(queue) or self.add_queue(organization, queue)
        values: dict[str, Any] = {
            "id": self.ids.uuid(),
            "name": name or f"{queue.key}-{number}",
            "hostname": f"host-{number}.internal",
            "ip_address": f"192.0.2.{number % 255}",
            "version": "3.95.1",
            "os_id": "linux",
            "arch": "amd64",
            "creator": organization.users[0] if organization.users else None,
            "created_at": since,
            "connected_at": since,
            "meta_data": [f"queue={queue.key}", "os=linux"],
        } | fields
        agent = AgentRecord(organization=organization, queue=queue, **values)
        organization.agents[agent.id] = agent
        if agent.connection_state == "connected":
            self.notify("agent.connected", agent)
        return agent

    # -- pipelines and builds

    def add_pipeline(
        self, organization: OrganizationRecord, slug: str, plan: Sequence[Step], **fields: Any
    ) -> PipelineRecord:
        """Add a pipeline whose builds run `plan`."""
        check_pipeline(fields)
        values: dict[str, Any] = {
            "id": self.ids.uuid(),
            "name": slug.replace("-", " ").title(),
            "repository": f"git@github.com:{organization.slug}/{slug}.git",
            "created_at": seconds(self.clock.now()) - 400 * _DAY + len(organization.pipelines),
            "created_by": organization.users[0] if organization.users else None,
            "cluster_id": organization.cluster_id,
            "configuration": 'steps:\n  - command: "buildkite-agent pipeline upload"',
        } | fields
        pipeline = PipelineRecord(organization=organization, slug=slug, plan=list(plan), **values)
        organization.pipelines[slug] = pipeline
        return pipeline

    def remove_pipeline(self, pipeline: PipelineRecord) -> None:
        """Remove a pipeline with its builds and their contents."""
        organization = pipeline.organization
        del organization.pipelines[pipeline.slug]
        for listing in (self.builds, organization.builds):
            listing[:] = [each for each in listing if each.pipeline is not pipeline]
        self.jobs = {key: each for key, each in self.jobs.items() if each.build.pipeline is not pipeline}
        self.artifacts = {key: each for key, each in self.artifacts.items() if each.job.build.pipeline is not pipeline}

    def new_build(self, pipeline: PipelineRecord, *, created_at: float, **fields: Any) -> BuildRecord:
        """Add a build without jobs."""
        self._sequence += 1
        number = fields.pop("number", None) or pipeline.next_number
        commit = fields.pop("commit", None) or self.ids.commit()
        build = BuildRecord(
            id=self.ids.uuid(),
            sequence=self._sequence,
            pipeline=pipeline,
            number=number,
            commit=commit,
            created_at=created_at,
            **fields,
        )
        pipeline.next_number = max(pipeline.next_number, number + 1)
        pipeline.by_number[number] = build
        if build.unfinished:
            pipeline.active[build.id] = build
        order = listing_order(build)
        for listing in (self.builds, pipeline.organization.builds, pipeline.builds):
            if not listing or listing_order(listing[-1]) < order:
                listing.append(build)
            else:
                insort(listing, build, key=listing_order)
        return build

    def discard_build(self, build: BuildRecord) -> None:
        """Remove the newest build of a pipeline, which has no jobs."""
        pipeline = build.pipeline
        for listing in (self.builds, pipeline.organization.builds, pipeline.builds):
            listing.remove(build)
        del pipeline.by_number[build.number]
        pipeline.active.pop(build.id, None)
        pipeline.next_number = build.number

    def add_build(
        self,
        pipeline: PipelineRecord,
        *,
        state: str = "passed",
        created_at: datetime | float | None = None,
        jobs: int | Sequence[dict[str, Any]] = 0,
        **fields: Any,
    ) -> BuildRecord:
        """Add a build that is in `state` and stays there; see `FakeBuildkite.add_build`."""
        check_build(state, fields)
        now = seconds(self.clock.now())
        created = now if created_at is None else seconds(created_at)
        values: dict[str, Any] = {"state": state, "branch": "main", "message": "Add a build"}
        if state == "blocked":
            values |= {"state": "passed", "blocked": True}
        values |= build_times(values["state"], created, now)
        build = self.new_build(pipeline, created_at=created, **(values | fields))
        if isinstance(jobs, int):
            build.job_source = partial(self._make_jobs, jobs) if jobs else None
            return build
        for values in jobs:
            self.add_job(build, **values)
        return build

    def move(self, build: BuildRecord, state: str, *, notify: bool = True) -> None:
        """Set a build's state, update the pipeline's active builds, and notify of a new state."""
        before, build.state = build.state, state
        if build.unfinished:
            build.pipeline.active[build.id] = build
        else:
            build.pipeline.active.pop(build.id, None)
        if notify and state != before and state in _BUILD_EVENTS:
            self.notify(_BUILD_EVENTS[state], build)

    def set_state(self, build: BuildRecord, state: str) -> None:
        """Set a build's state, and times that fit it."""
        check_build(state, {})
        now = seconds(self.clock.now())
        build.blocked = state == "blocked"
        state = "passed" if build.blocked else state
        times = build_times(state, build.created_at, now, finished=now)
        build.scheduled_at = times["scheduled_at"] and (build.scheduled_at or times["scheduled_at"])
        build.started_at = times["started_at"] and (build.started_at or times["started_at"])
        build.failing_at = build.failing_at or times["failing_at"]
        build.finished_at = times["finished_at"]
        self.move(build, state)

    # -- contents of builds

    def add_job(self, build: BuildRecord, **fields: Any) -> JobRecord:
        """Add a job to a build; its state and times are derived from the build's unless given."""
        fields = job_fields(fields)
        kind = fields.get("type", "script")
        state = fields.get("state") or _job_state(build, kind)
        values: dict[str, Any] = {
            "id": self.ids.uuid(),
            "type": kind,
            "state": state,
            "created_at": build.created_at,
            "step_id": self.ids.uuid(),
            "name": None if kind == "waiter" else f"Job {len(build.jobs) + 1}",
            "command": "make" if kind == "script" else None,
        }
        if kind == "script":
            values |= _job_times(build, state) | {"agent_query_rules": ["queue=default"]}
            values["queue"] = build.organization.queues.get("default")
        job = JobRecord(build=build, **(values | fields))
        build.jobs.append(job)
        self.jobs[job.id] = job
        return job

    def _make_jobs(self, count: int, build: BuildRecord) -> list[JobRecord]:
        """Create a build's jobs on first access; the same ones in any order of access."""
        ids = Ids(digest(self.seed, build.sequence))
        queue = build.organization.queues.get("default")
        jobs: list[JobRecord] = []
        for number in range(count):
            state = _job_state(build) if number == count - 1 or build.state not in {"failed", "failing"} else "passed"
            job = JobRecord(
                id=ids.uuid(),
                build=build,
                type="script",
                state=state,
                created_at=build.created_at,
                step_id=ids.uuid(),
                **_job_texts(number + 1),
                agent_query_rules=["queue=default"],
                queue=queue,
                **_job_times(build, state),
            )
            jobs.append(job)
            self.jobs[job.id] = job
        return jobs

    def add_artifact(self, job: JobRecord, path: str, content: bytes | int, **fields: Any) -> ArtifactRecord:
        """Add an artifact; a number is the size of a content that is generated while it is read."""
        check_artifact(fields)
        values: dict[str, Any] = {"mime_type": mimetypes.guess_type(path)[0] or "application/octet-stream"} | fields
        identity = values.pop("id", None) or self.ids.uuid()
        artifact = ArtifactRecord(id=identity, job=job, path=path, content=Content(content, identity), **values)
        job.artifacts.append(artifact)
        self.artifacts[artifact.id] = artifact
        return artifact

    def add_artifacts(
        self,
        job: JobRecord,
        artifacts: Sequence[tuple[str, bytes | int | Callable[[JobRecord], bytes]]],
        ids: Ids | None = None,
    ) -> None:
        """Add the artifacts of a step to one of its jobs, which has ended."""
        for path, content in artifacts:
            self.add_artifact(job, path, content(job) if callable(content) else content, id=(ids or self.ids).uuid())

    def add_annotation(
        self, build: BuildRecord, *, body: str, context: str = "default", job: JobRecord | None = None, **fields: Any
    ) -> AnnotationRecord:
        """Add an annotation to a build, or to one of its jobs."""
        check_annotation(fields)
        now = seconds(self.clock.now())
        values: dict[str, Any] = {"style": "info", "priority": 3, "created_at": now, "updated_at": now} | fields
        annotation = AnnotationRecord(id=self.ids.uuid(), context=context, body=body, job=job, **values)
        (job.annotations if job else build.annotations).append(annotation)
        return annotation


def window(builds: list[BuildRecord], created_from: float | None, created_to: float | None) -> tuple[int, int]:
    """Return the bounds of a time window in a sorted list; `created_to` itself is excluded."""
    low = 0 if created_from is None else bisect_left(builds, (created_from, 0), key=listing_order)
    high = len(builds) if created_to is None else bisect_left(builds, (created_to, 0), key=listing_order)
    return low, max(low, high)


def build_times(state: str, created: float, now: float, finished: float | None = None) -> dict[str, float | None]:
    """Return the times of a build in `state`, none of them in the future."""
    latest = max(created, now)
    started = None if state in _NEVER_RAN else min(created + 2, latest)
    ended = None if state in _RUNNING or state in {"creating", "scheduled"} else finished or min(created + 62, latest)
    return {
        "scheduled_at": None if state == "creating" else created,
        "started_at": started,
        "failing_at": min(created + 30, latest) if state in {"failing", "failed"} else None,
        "finished_at": ended,
    }


@cache
def _job_texts(number: int) -> dict[str, Any]:
    """Return the texts of a build's job; cached, since many thousands of builds share them."""
    return {"name": f":hammer: Job {number}", "step_key": f"job-{number}", "command": f"make job-{number}"}


def _job_state(build: BuildRecord, kind: str = "script") -> str:
    if kind == "manual":
        return "blocked" if build.blocked else "unblocked"
    if build.state in {"creating", "failing"}:
        return {"creating": "pending", "failing": "failed"}[build.state]
    return "canceled" if build.state in {"skipped", "not_run"} else build.state


def _job_times(build: BuildRecord, state: str) -> dict[str, Any]:
    times: dict[str, Any] = {"scheduled_at": build.created_at}
    if state in {"pending", "waiting", "blocked"}:
        return times
    times["runnable_at"] = build.scheduled_at
    if state in {"passed", "failed", "timed_out", "running", "canceling", "timing_out"}:
        times["started_at"] = build.started_at or build.created_at
    if state in {"passed", "failed", "timed_out", "canceled"}:
        times["finished_at"] = build.finished_at or times.get("started_at")
    if state in {"passed", "failed", "timed_out"}:
        times["exit_status"] = 0 if state == "passed" else 1
    return times
