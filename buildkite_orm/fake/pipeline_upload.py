"""Pipeline uploads: steps that a running job adds to its build, as `buildkite-agent pipeline upload` does.

Documentation: https://buildkite.com/docs/agent/cli/reference/pipeline
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkite_orm.fake.job_factory import upload_jobs
from buildkite_orm.fake.pipeline_yaml.errors import PipelineYamlError
from buildkite_orm.fake.pipeline_yaml.schedule import Section
from buildkite_orm.fake.progress import needs_step
from buildkite_orm.fake.steps import CommandStep, is_gate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from buildkite_orm.fake.records import BuildRecord, JobRecord, Json
    from buildkite_orm.fake.steps import Step
    from buildkite_orm.fake.store import Store

_MOST_UPLOADED = 500
_MOST_JOBS = 4000
_NOT_STARTED = frozenset({"pending", "waiting", "blocked", "limited", "scheduled"})


def insert_steps(
    store: Store, job: JobRecord, plan: Sequence[Step], env: Json, now: float, *, replace: bool
) -> list[JobRecord]:
    """Insert the jobs of steps after the job that uploads them; see `Lifecycle.upload`."""
    build = job.build
    if not build.unfinished or job.state != "running":
        raise PipelineYamlError(f"You can only change the pipeline of a running build; the job is {job.state}")
    kept = [each for each in build.jobs if not (replace and each.state in _NOT_STARTED)]
    _check_keys(kept, plan)
    jobs = upload_jobs(store, job, plan, now, others=kept, section=_section(kept, job))
    try:
        _check_jobs(build, kept, job, jobs)
    except PipelineYamlError:
        for each in jobs:
            del store.jobs[each.id]
        raise
    for each in build.jobs:
        if replace and each.state in _NOT_STARTED:
            each.state = "canceled"
            store.jobs.pop(each.id, None)
    place = kept.index(job) + 1
    build.jobs[:] = [*kept[:place], *jobs, *kept[place:]]
    for each in build.jobs:
        _set_env(each, env)
    return jobs


def _check_keys(kept: Sequence[JobRecord], plan: Sequence[Step]) -> None:
    used = {key for each in kept for key in (each.step_key, each.group_key)}
    for step in plan:
        for key in (step.key, step.group):
            if key is not None and key in used:
                raise PipelineYamlError(f'The key "{key}" has already been used by another step in this build')


def _check_jobs(build: BuildRecord, kept: Sequence[JobRecord], job: JobRecord, jobs: Sequence[JobRecord]) -> None:
    if len(jobs) > _MOST_UPLOADED:
        raise PipelineYamlError(f"an upload creates at most {_MOST_UPLOADED} jobs, this one {len(jobs)}")
    if len(kept) + len(jobs) > _MOST_JOBS:
        raise PipelineYamlError(f"a build has at most {_MOST_JOBS} jobs")
    uploaders = list(_uploaders(kept, job))
    if any(needs_step(build, each, step_id) for each in jobs for step_id in uploaders):
        raise PipelineYamlError("an uploaded step depends on a step that waits for it")


def _section(kept: Sequence[JobRecord], job: JobRecord) -> Section:
    """Return what is before the steps that a job uploads: they take their place after the job."""
    uploaders = tuple(_uploaders(kept, job))
    before = kept[: kept.index(job) + 1]
    gates = [each for each in before if each.step is not None and is_gate(each.step) and not each.step.scope]
    included = [each.step_id for each in gates if each.state != "broken"]
    others = dict.fromkeys(each.step_id for each in before if each.step_id not in uploaders)
    return Section(included[-1] if included else None, list(others), uploaders)


def _uploaders(jobs: Sequence[JobRecord], job: JobRecord) -> Iterator[str]:
    """Yield the id of a job's step, of the step that uploaded it, and so on."""
    uploaded_by = {each.step_id: each.uploaded_by for each in jobs}
    step_id: str | None = job.step_id
    while step_id is not None:
        yield step_id
        step_id = uploaded_by.get(step_id)


def _set_env(job: JobRecord, env: Json) -> None:
    """Set the variables at the top level of an upload for a job that has not started; its step's own ones win."""
    if env and isinstance(job.step, CommandStep) and job.state in _NOT_STARTED:
        job.env = {**job.env, **env, **{name: job.env[name] for name in job.step.env if name in job.env}}
