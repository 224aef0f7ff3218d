"""Create jobs from steps, for a new build and for a retry."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from buildkite_orm.fake.agents import queue_of
from buildkite_orm.fake.ids import digest
from buildkite_orm.fake.pipeline_yaml import plan_of_build
from buildkite_orm.fake.pipeline_yaml.schedule import needs_of
from buildkite_orm.fake.pipeline_yaml.variables import omission
from buildkite_orm.fake.records import JobRecord
from buildkite_orm.fake.steps import BlockStep, CommandStep, TriggerStep, WaitStep

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from buildkite_orm.fake.ids import Ids
    from buildkite_orm.fake.pipeline_yaml.schedule import Section
    from buildkite_orm.fake.records import BuildRecord, Json
    from buildkite_orm.fake.steps import Step
    from buildkite_orm.fake.store import Store

_ELEMENT = re.compile(r"\{\{\s*matrix(?:\.([\w-]+))?\s*\}\}")
_FIELDS_SIGNED = ["command", "env", "matrix", "plugins", "repository_url"]


def create_jobs(store: Store, build: BuildRecord, ids: Ids | None = None) -> list[JobRecord]:
    """Create a build's jobs: those that the build includes wait, the others are broken or skipped."""
    plan, env = plan_of_build(build)
    return _jobs_of(store, build, plan, env, ids=ids or store.ids, created_at=build.created_at)


def upload_jobs(
    store: Store, job: JobRecord, plan: Sequence[Step], now: float, *, others: Sequence[JobRecord], section: Section
) -> list[JobRecord]:
    """Create the jobs of steps that a job uploads, which may depend on all `others` of its build."""
    known: dict[str, tuple[str, ...]] = {}
    for each in others:
        for key in {each.step_key, each.group_key} - {None}:
            known[str(key)] = tuple(dict.fromkeys((*known.get(str(key), ()), each.step_id)))
    env, build = job.build.pipeline.env or {}, job.build
    more: dict[str, Any] = {"known": known, "section": section, "uploaded_by": job.step_id}
    return _jobs_of(store, build, plan, env, ids=store.ids, created_at=now, **more)


def _jobs_of(
    store: Store,
    build: BuildRecord,
    plan: Sequence[Step],
    env: Json,
    *,
    ids: Ids,
    created_at: float,
    known: Mapping[str, tuple[str, ...]] | None = None,
    section: Section | None = None,
    **fields: Any,
) -> list[JobRecord]:
    """Create the jobs of some steps of a build.

    `env` are the variables of the pipeline, `known` the ids of the other steps of the build by key, and `section` has
    the steps before these.
    """
    shared = _env(build, env)
    made = [_made(step, build, ids, shared) for step in plan]
    omissions = [omission(step, build, env) for step in plan]
    steps = [(step_id, step, why is None) for (step_id, _), step, why in zip(made, plan, omissions, strict=True)]
    jobs: list[JobRecord] = []
    for (_, rows), why, needs in zip(made, omissions, needs_of(steps, known or {}, section), strict=True):
        state = "waiting" if why is None else "broken"
        common: dict[str, Any] = {"state": state, "broken_reason": why or None, "needs": needs, **fields}
        jobs.extend(JobRecord(build=build, created_at=created_at, **row, **common) for row in rows)
    for job in jobs:
        store.jobs[job.id] = job
    return jobs


def _made(step: Step, build: BuildRecord, ids: Ids, env: dict[str, str]) -> tuple[str, list[dict[str, Any]]]:
    """Return the id of a step, and the fields of its jobs."""
    step_id = ids.uuid()
    return step_id, [{"id": ids.uuid(), **values} for values in _values(step, build, step_id, env)]


def _values(step: Step, build: BuildRecord, step_id: str, env: dict[str, str]) -> Iterator[dict[str, Any]]:
    common = {"step": step, "step_id": step_id, "step_key": step.key, "group_key": step.group}
    if isinstance(step, WaitStep):
        yield common | {"type": "waiter"}
    elif isinstance(step, BlockStep):
        yield common | {"type": "manual", "name": step.label}
    elif isinstance(step, TriggerStep):
        values = common | {"type": "trigger", "name": step.label or f"Trigger {step.pipeline}"}
        yield from _parallel(values, step.parallelism)
    else:
        yield from _script_values(step, build, common, env)


def _script_values(
    step: CommandStep, build: BuildRecord, common: dict[str, Any], env: dict[str, str]
) -> Iterator[dict[str, Any]]:
    values = common | {
        "type": "script",
        "name": step.label,
        "command": step.command,
        "agent_query_rules": list(step.agents),
        "queue": queue_of(step.agents, build),
        "artifact_paths": step.artifact_paths,
        "env": env | dict(step.env),
        "priority": step.priority,
        "signature": _signature(common["step_id"]) if step.signed else None,
    }
    if step.matrix is not None:
        for cell in step.matrix:
            yield values | _cell_values(step, build, cell, env)
    else:
        yield from _parallel(values, step.parallelism)


def _parallel(values: dict[str, Any], total: int | None) -> Iterator[dict[str, Any]]:
    """Yield the values of each parallel job, or those of the only one."""
    if not total:  # none, or a step that is left out because it is zero
        yield dict(values)
        return
    for index in range(total):
        variables = {"BUILDKITE_PARALLEL_JOB": str(index), "BUILDKITE_PARALLEL_JOB_COUNT": str(total)}
        yield values | {
            "parallel_group_index": index,
            "parallel_group_total": total,
            "env": values.get("env", {}) | variables,
        }


def _cell_values(step: CommandStep, build: BuildRecord, cell: Mapping[str, str], env: dict[str, str]) -> dict[str, Any]:
    """Return the values of a job of a matrix, with its elements in place of `{{matrix.name}}`."""

    def filled(text: str) -> str:
        return _ELEMENT.sub(lambda found: cell.get(found[1] or "", found[0]), text)

    label = step.label or ""
    name = filled(label) if not label or _ELEMENT.search(label) else f"{label} {' '.join(cell.values())}"
    agents = [filled(rule) for rule in step.agents]
    soft_fail = next((each for combination, each in step.matrix_soft_fail if combination == cell), step.soft_fail)
    return {
        "step": step if soft_fail == step.soft_fail else replace(step, soft_fail=soft_fail),
        "matrix": dict(cell),
        "name": name or None,
        "command": filled(step.command),
        "agent_query_rules": agents,
        "queue": queue_of(agents, build),
        "env": env | {key: filled(value) for key, value in step.env.items()},
    }


def _env(build: BuildRecord, env: Json) -> dict[str, str]:
    """Return the variables of a pipeline and a build, which all jobs have; those of the build win."""
    return {name: str(value) for name, value in {**env, **(build.env or {})}.items()}


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
