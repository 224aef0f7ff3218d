"""Calls that type checkers must reject, each with its error in a comment. Never run."""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
from __future__ import annotations

from buildkite_orm import Artifact, Build, Buildkite, BuildState, Job, Pipeline, RequestEvent, ScriptJob


def filters(bk: Buildkite) -> None:
    org = bk.organization("acme")
    pipeline = org.pipeline("web")
    pipeline.builds(stat="passed")  # type: ignore[call-arg]
    pipeline.builds(branch=3)  # type: ignore[arg-type]
    pipeline.builds(state="pased")  # type: ignore[arg-type]
    pipeline.builds(created_from="2026-07-01")  # type: ignore[arg-type]
    pipeline.builds().filter(brnch="main")  # type: ignore[call-arg]
    pipeline.builds().filter(with_jobs="yes")  # type: ignore[arg-type]
    pipeline.builds("passed")  # type: ignore[call-arg]
    pipeline.build("42")  # type: ignore[arg-type]
    org.pipelines(slug="web")  # type: ignore[call-arg]
    org.agents(state="lost")  # type: ignore[call-arg]
    org.job("a").artifacts(state="gone")  # type: ignore[arg-type]
    bk.organizations(name="acme")  # type: ignore[call-arg]


def refs_have_no_data(bk: Buildkite) -> None:
    org = bk.organization("acme")
    _ = org.name  # type: ignore[attr-defined]
    _ = org.pipeline("web").repository  # type: ignore[attr-defined]
    _ = org.pipeline("web").build(1).state  # type: ignore[attr-defined]
    org.pipeline("web").name = "x"  # type: ignore[attr-defined]
    org.pipeline("web").save()  # type: ignore[attr-defined]
    org.job("a").reload()  # type: ignore[attr-defined]


def misspelt(build: Build, job: Job, artifact: Artifact) -> None:
    build.jobz()  # type: ignore[attr-defined]
    build.jobs().frist()  # type: ignore[attr-defined]
    _ = build.stat  # type: ignore[attr-defined]
    _ = job.matrix  # type: ignore[attr-defined]
    _ = artifact.size  # type: ignore[attr-defined]
    artifact.download(streem=True)  # type: ignore[call-overload]
    _ = BuildState.FINISHED  # type: ignore[attr-defined]


def what_may_be_missing(build: Build, job: ScriptJob) -> None:
    _ = build.finished_at - build.created_at  # type: ignore[operator]
    _ = build.jobs().first().state  # type: ignore[union-attr]
    _ = job.agent.name  # type: ignore[union-attr]


def writes(pipeline: Pipeline, build: Build) -> None:
    pipeline.update(desciption="x")  # type: ignore[call-arg]
    pipeline.update(tags="x")  # this is a sequence of strings, as Python sees it
    pipeline.update(allow_rebuilds="yes")  # type: ignore[arg-type]
    pipeline.desciption = "x"  # type: ignore[attr-defined]
    pipeline.description = 5  # type: ignore[assignment]
    pipeline.builds().create(branch="main")  # type: ignore[call-arg]
    pipeline.builds().create(commit="a", branch="b", mesage="c")  # type: ignore[call-arg]
    build.pipeline = pipeline  # type: ignore[misc]
    build.retry_failed_jobs(states=["passed"])  # type: ignore[list-item]
    build.fetch(with_job=True)  # type: ignore[call-arg]
    build.save()  # type: ignore[attr-defined]
    Buildkite(tokn="x")  # type: ignore[call-arg]
    Buildkite("x", "acme")  # type: ignore[call-arg]


def options() -> None:
    Buildkite(verify=False)  # type: ignore[arg-type]
    Buildkite(cert=["client.pem", "client.key"])  # type: ignore[arg-type]
    Buildkite(proxies="http://proxy.example:3128")  # type: ignore[arg-type]
    Buildkite(on_response=_takes_requests)  # type: ignore[arg-type]
    Buildkite(limits=10**9)  # type: ignore[arg-type]


def _takes_requests(_event: RequestEvent) -> None: ...
