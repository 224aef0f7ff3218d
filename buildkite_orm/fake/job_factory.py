"""Create jobs from steps: for a new build, for a build that finished in the past, and for a retry."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from buildkite_orm.fake.ids import Ids, digest
from buildkite_orm.fake.records import JobRecord
from buildkite_orm.fake.steps import BlockStep, CommandStep, TriggerStep, WaitStep

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from buildkite_orm.fake.records import AgentRecord, BuildRecord, Json, QueueRecord
    from buildkite_orm.fake.steps import Step
    from buildkite_orm.fake.store import Store

_FIELDS_SIGNED = ["command", "env", "matrix", "plugins", "repository_url"]


def create_jobs(store: Store, build: BuildRecord, ids: Ids | None = None) -> list[JobRecord]:
    """Create a build's jobs, all of them waiting."""
    ids = ids or store.ids
    jobs = [
        JobRecord(id=ids.uuid(), build=build, state="waiting", created_at=build.created_at, **values)
        for step in build.pipeline.plan
        for values in _values(step, build, ids)
    ]
    for job in jobs:
        store.jobs[job.id] = job
    return jobs


def _values(step: Step, build: BuildRecord, ids: Ids) -> Iterator[dict[str, Any]]:
    common = {"step": step, "step_id": ids.uuid(), "step_key": step.key, "group_key": step.group}
    if isinstance(step, WaitStep):
        yield common | {"type": "waiter"}
    elif isinstance(step, BlockStep):
        yield common | {"type": "manual", "name": step.label}
    elif isinstance(step, TriggerStep):
        yield common | {"type": "trigger", "name": step.label or f"Trigger {step.pipeline}"}
    else:
        yield from _script_values(step, build, common)


def _script_values(step: CommandStep, build: BuildRecord, common: dict[str, Any]) -> Iterator[dict[str, Any]]:
    values = common | {
        "type": "script",
        "name": step.label,
        "command": step.command,
        "agent_query_rules": list(step.agents),
        "queue": _queue(step.agents, build),
        "artifact_paths": step.artifact_paths,
        "env": dict(step.env),
        "signature": _signature(common["step_id"]) if step.signed else None,
    }
    if step.matrix is not None:
        for cell in step.matrix:
            yield values | {"matrix": dict(cell), "name": f"{step.label} {' '.join(cell.values())}"}
    elif step.parallelism is not None:
        for index in range(step.parallelism):
            yield values | {"parallel_group_index": index, "parallel_group_total": step.parallelism}
    else:
        yield values


def _queue(rules: Sequence[str], build: BuildRecord) -> QueueRecord | None:
    organization = build.organization
    queues = organization.queues_of(build.pipeline.cluster_id or "") or organization.queues
    for rule in rules:
        name, _, value = rule.partition("=")
        if name == "queue" and value in queues:
            return queues[value]
    return queues.get("default")


def _signature(step_id: str) -> Json:
    return {
        "value": f"eyJhbGciOiJFZERTQSJ9..{digest(step_id)}",
        "algorithm": "EdDSA",
        "signed_fields": list(_FIELDS_SIGNED),
    }


def create_retry(store: Store, job: JobRecord, now: float, ids: Ids | None = None) -> JobRecord:
    """Create the next attempt of a job; the caller adds it to the build."""
    retry = replace(
        job,
        id=(ids or store.ids).uuid(),
        state="scheduled",
        created_at=now,
        attempt=job.attempt + 1,
        retry_source=job,
        retry_type=None,
        retried_by=None,
        retried_in=None,
        retry_pending=False,
        agent=None,
        soft_failed=False,
        exit_status=None,
        signal=None,
        signal_reason=None,
        promised_exit_status=None,
        promised_exit_status_at=None,
        runnable_at=None,
        started_at=None,
        finished_at=None,
        log=None,
        artifacts=[],
        annotations=[],
        triggered_build=None,
    )
    store.jobs[retry.id] = retry
    return retry


def create_finished_jobs(store: Store, build: BuildRecord) -> list[JobRecord]:
    """Create the jobs of a finished build, in states that fit the build's; the same ones every time."""
    ids = Ids(digest(store.seed, build.sequence))
    jobs = create_jobs(store, build, ids)
    script_jobs = [job for job in jobs if job.type == "script"]
    has_failed = build.state == "failed" and bool(script_jobs)
    failing_job = script_jobs[ids.random.randrange(len(script_jobs))] if has_failed else None
    finished: list[JobRecord] = []
    moment = build.started_at or build.created_at
    failed = False
    for job in jobs:
        job.scheduled_at = build.created_at
        if job.type == "script":
            job.agent = _agent(job, ids)
        finished.extend(_finish_job(store, job, moment, ids, stopped=failed, fails=job is failing_job))
        if job.type in {"waiter", "manual"}:
            failed = failed or (failing_job is not None and failing_job in finished)
            moment = min(moment + 20, build.finished_at or moment)
    return finished


def _agent(job: JobRecord, ids: Ids) -> AgentRecord | None:
    every = job.build.organization.agents.values()
    agents = [agent for agent in every if agent.queue is job.queue and not agent.ephemeral]
    return ids.random.choice(agents) if agents else None


def _finish_job(
    store: Store, job: JobRecord, moment: float, ids: Ids, *, stopped: bool, fails: bool
) -> list[JobRecord]:
    build = job.build
    if stopped or build.state in {"canceled", "skipped", "not_run"}:
        _mark_not_run(job, build.state)
        return [job]
    if job.type in {"waiter", "manual"}:
        _pass_gate(job, moment)
        return [job]
    _run(store, job, moment, ids, 1 if fails else 0)
    step = job.step
    if not isinstance(step, CommandStep) or fails:
        return [job]
    if not step.condition:
        job.state, job.broken_reason, job.agent = "broken", "conditional_failed", None
        job.exit_status = job.started_at = job.finished_at = job.runnable_at = None
        return [job]
    if step.soft_fail and step.exits[-1]:
        job.state, job.exit_status, job.soft_failed = "failed", step.exits[-1], True
        return [job]
    return [job] if step.exits[0] == 0 else [*_retry_once(store, job, moment, ids, step.exits[0])]


def _retry_once(store: Store, job: JobRecord, moment: float, ids: Ids, status: int) -> tuple[JobRecord, JobRecord]:
    job.state, job.exit_status, job.retry_type = "failed", status, "automatic"
    retry = create_retry(store, job, moment + 8, ids)
    job.retried_in, retry.agent = retry, job.agent
    _run(store, retry, moment + 8, ids, 0)
    return job, retry


def _mark_not_run(job: JobRecord, state: str) -> None:
    job.agent = None
    if state == "failed":
        job.state = "blocked_failed" if job.type == "manual" else "waiting_failed"
    else:
        job.state = "canceled" if state == "canceled" else "skipped"
        job.finished_at = job.build.finished_at


def _pass_gate(job: JobRecord, moment: float) -> None:
    job.finished_at = moment
    if job.type == "waiter":
        job.state = "passed"
        return
    job.state = "unblocked"
    job.unblocked_at, job.unblocked_by = moment, job.build.creator


def _run(store: Store, job: JobRecord, moment: float, ids: Ids, status: int) -> None:
    job.runnable_at = moment
    job.started_at = round(moment + 1.5, 3)
    job.finished_at = round(moment + 7.25, 3)
    if job.type == "trigger":
        job.state = "passed"
        return
    job.state, job.exit_status = ("failed", status) if status else ("passed", 0)
    if isinstance(job.step, CommandStep):
        job.concurrency_wait_time_ms = job.step.concurrency_wait_ms
        for path, content in job.step.artifacts:
            store.add_artifact(job, path, content, id=ids.uuid())
