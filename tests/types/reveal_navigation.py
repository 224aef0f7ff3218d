"""The types from the client down to an artifact's path, for type checkers. Never run."""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, assert_type

from buildkite_orm import (
    AccessToken,
    Agent,
    AgentQuerySet,
    Annotation,
    AnyRef,
    Artifact,
    ArtifactQuerySet,
    ArtifactRef,
    ArtifactStream,
    Build,
    Buildkite,
    BuildQuerySet,
    BuildRef,
    BuildState,
    Drift,
    Job,
    JobQuerySet,
    JobRef,
    JobState,
    JobType,
    LoadedPage,
    Log,
    LogRef,
    ManualJob,
    Meta,
    NotFoundError,
    Organization,
    OrganizationQuerySet,
    OrganizationRef,
    Page,
    Pipeline,
    PipelineBuildQuerySet,
    PipelineQuerySet,
    PipelineRef,
    ScriptJob,
    TriggerJob,
    User,
)


def down(bk: Buildkite) -> None:
    org = bk.organization("acme")
    assert_type(org, OrganizationRef)
    assert_type(org.fetch(), Organization)
    assert_type(bk.organizations(), OrganizationQuerySet)
    assert_type(org.pipelines(), PipelineQuerySet)
    pipeline = org.pipeline("web")
    assert_type(pipeline, PipelineRef)
    assert_type(pipeline.builds(), PipelineBuildQuerySet)
    assert_type(org.builds(), BuildQuerySet)
    assert_type(bk.builds(), BuildQuerySet)
    assert_type(pipeline.build(42), BuildRef)
    assert_type(pipeline.slug, str)
    assert_type(pipeline.build(42).number, int)
    assert_type(org.job("a").build.pipeline.slug, str)
    build = pipeline.builds()[0]
    assert_type(build, Build)
    assert_type(build.jobs(), JobQuerySet)
    assert_type(build.jobs().first(), Job | None)
    assert_type(build.artifacts(), ArtifactQuerySet)
    assert_type(pipeline.builds()[0].artifacts()[0].path, str)
    assert_type(build.annotations()[0], Annotation)
    assert_type(org.job("a"), JobRef)
    assert_type(org.job("a").fetch(), Job)
    assert_type(org.job("a").artifact("b"), ArtifactRef)
    assert_type(org.agents(), AgentQuerySet)
    assert_type(org.agent("a").fetch(), Agent)
    assert_type(bk.from_url("https://buildkite.com/acme"), AnyRef)
    for job in build.jobs():
        assert_type(job, Job)
        for artifact in job.artifacts():
            assert_type(artifact, Artifact)


def up(*, build: Build, job: Job, artifact: Artifact, pipeline: Pipeline, agent: Agent, log: Log) -> None:
    assert_type(build.pipeline, PipelineRef)
    assert_type(build.organization, OrganizationRef)
    assert_type(pipeline.organization, OrganizationRef)
    assert_type(job.build, BuildRef)
    assert_type(artifact.job, JobRef)
    assert_type(artifact.job.build.pipeline.organization, OrganizationRef)
    assert_type(agent.job, JobRef | None)
    assert_type(log.job, JobRef)


def data(build: Build, job: Job, artifact: Artifact, pipeline: Pipeline, log: Log) -> None:
    assert_type(build.number, int)
    assert_type(build.state, BuildState)
    assert_type(build.created_at, datetime)
    assert_type(build.finished_at, datetime | None)
    assert_type(build.meta_data, dict[str, str])
    assert_type(build.embedded_jobs, list[Job] | None)
    assert_type(build.drift, tuple[Drift, ...])
    assert_type(build.dump(), dict[str, Any])
    assert_type(job.type, JobType)
    assert_type(job.state, JobState | None)
    assert_type(artifact.file_size, int | None)
    assert_type(pipeline.tags, list[str] | None)
    assert_type(log.text, str)


def kinds(job: Job) -> None:
    if isinstance(job, ScriptJob):
        assert_type(job.exit_status, int | None)
        assert_type(job.command, str | None)
    if isinstance(job, ManualJob):
        assert_type(job.label, str | None)
        assert_type(job.unblock(fields={"a": "b"}), Job)
    if isinstance(job, TriggerJob):
        assert_type(job.async_, bool | None)
        assert_type(job.triggered_build, BuildRef | None)


def querysets(builds: BuildQuerySet, jobs: JobQuerySet, pipelines: PipelineQuerySet) -> None:
    assert_type(builds[0], Build)
    assert_type(builds[-1], Build)
    assert_type(builds[2:5], list[Build])
    assert_type(builds.first(), Build | None)
    assert_type(builds.one(), Build)
    assert_type(builds.all(workers=4), list[Build])
    assert_type(builds.count(), int)
    assert_type(builds.page(2), Page[Build])
    assert_type(builds.page(2).items, list[Build])
    assert_type(builds.page(2).next_page, int | None)
    assert_type(builds.pages(), Iterator[LoadedPage[Build]])
    assert_type(builds.iterator(), Iterator[Build])
    assert_type(builds.filter(state="failed"), BuildQuerySet)
    assert_type(builds.limit(5).per_page(10).fresh(), BuildQuerySet)
    assert_type(builds.partitions(), list[BuildQuerySet])
    assert_type(jobs.filter(state=[JobState.FAILED, "timed_out"])[0], Job)
    assert_type(pipelines.filter(name="web").limit(1), PipelineQuerySet)
    assert_type(list(pipelines), list[Pipeline])
    assert_type({build.number: build for build in builds}, dict[int, Build])
    assert_type({builds[0], builds[1]}, set[Build])
    assert_type({job: job.id for job in jobs}, dict[Job, str])
    assert_type({pipelines[0]: 1, **dict.fromkeys(pipelines, 2)}, dict[Pipeline, int])


def filters(bk: Buildkite, moment: datetime) -> None:
    bk.builds(state="running")
    bk.builds(state=BuildState.RUNNING, branch=["main", "release"], commit="abc", creator="0190")
    bk.builds(state=["failed", BuildState.CANCELED, "finished"], created_from=moment, created_to=moment)
    bk.builds(finished_from=moment, meta_data={"a": "b"}, include_paused=False, with_jobs=True, with_pipeline=False)
    bk.organization("acme").pipelines(name="web", repository="git")
    bk.organization("acme").agents(name="a", hostname="b", version="c")


def verbs(bk: Buildkite, build: Build, pipeline: Pipeline, artifact: Artifact, log: LogRef) -> None:
    made = pipeline.builds().create(commit="HEAD", branch="main", message="x", env={"A": "b"}, author={"name": "Ada"})
    assert_type(made, Build)
    assert_type(build.cancel(), Build)
    assert_type(build.rebuild(), Build)
    assert_type(build.retry_failed_jobs(states=["failed"]), Build)
    assert_type(build.fetch(with_jobs=False), Build)
    assert_type(build.reload(), Build)
    assert_type(build.jobs()[0].retry(), Job)
    assert_type(build.jobs()[0].environment(), dict[str, str])
    assert_type(pipeline.update(description=None, tags=["a"]), Pipeline)
    pipeline.description = None
    pipeline.tags = ["a"]
    assert_type(pipeline.save(), Pipeline)
    assert_type(pipeline.changes(), dict[str, Any])
    assert_type(log.fetch(), Log)
    assert_type(log.fetch_size(), int)
    assert_type(log.tail(), str)
    assert_type(log.tail(lines=10), str)
    assert_type(log.tail_bytes(10), str)
    assert_type(log.save_to("x"), Path)
    assert_type(artifact.save_to(Path("x")), Path)
    assert_type(artifact.text(), str)
    assert_type(bk.user(), User)
    assert_type(bk.user().name, str)
    assert_type(bk.access_token(), AccessToken)
    assert_type(bk.access_token().scopes, list[str])
    assert_type(bk.meta(), Meta)
    assert_type(bk.bind(build), Build)
    assert_type(bk.bind(build.pipeline), PipelineRef)
    assert_type(bk.bind(build.jobs(kind=ScriptJob)), JobQuerySet[ScriptJob])
    assert_type(bk.bind(build.pipeline.builds()), PipelineBuildQuerySet)
    assert_type(build.pipeline.builds().partitions(by=timedelta(hours=6)), list[PipelineBuildQuerySet])


def downloads(artifact: Artifact, flag: bool) -> None:  # noqa: FBT001 - a case
    assert_type(artifact.download(), bytes)
    assert_type(artifact.download(stream=False), bytes)
    assert_type(artifact.download(stream=True), ArtifactStream)
    assert_type(artifact.download(stream=flag), bytes | ArtifactStream)
    with artifact.download(stream=True) as chunks:
        assert_type(chunks, ArtifactStream)
        for chunk in chunks:
            assert_type(chunk, bytes)


def client() -> None:
    with Buildkite("token", organization="acme", timeout=(1, 2), reserve=0.5, strict=True) as bk:
        assert_type(bk, Buildkite)
    try:
        bk.user()
    except NotFoundError as error:
        assert_type(error.status, int | None)
        assert_type(error.outcome_unknown, bool)
