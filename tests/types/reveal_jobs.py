"""The types of jobs, as scripts use them: no `isinstance`, no cast and no ignore."""

# ruff: noqa: T201
# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, assert_type

from buildkite_orm import Build, BuildRef, Job, JobQuerySet, ManualJob, ScriptJob, TriggerJob
from buildkite_orm.resources.embedded import EmbeddedAgent

if TYPE_CHECKING:
    from buildkite_orm import Buildkite


def readme(bk: Buildkite) -> None:
    web = bk.organization("acme").pipeline("web")
    for build in web.builds(state="failed", branch="main", with_jobs=True).limit(3):
        print(build)
        for job in build.failed_jobs():
            print("   ", job.name, "exit status", job.exit_status)
            print("   ", job.web_url)


def kinds(build: Build, ref: BuildRef) -> None:
    assert_type(build.jobs(), JobQuerySet)
    assert_type(build.jobs(kind=ScriptJob), JobQuerySet[ScriptJob])
    assert_type(ref.jobs(kind=ManualJob, state="blocked").first(), ManualJob | None)
    assert_type([job.matrix for job in build.jobs(kind=ScriptJob, state="failed")], list[Any])
    assert_type(build.jobs(kind=ScriptJob).limit(5).filter(step_key="a")[0], ScriptJob)
    assert_type([job.triggered_build for job in build.jobs(kind=TriggerJob)], list[BuildRef | None])
    build.jobs(kind=str)  # type: ignore[type-var]
    build.jobs(kind="script")  # type: ignore[call-overload]
    build.jobs(kind=ScriptJob, stat="failed")  # type: ignore[call-overload]


def fields(build: Build, job: Job) -> None:
    assert_type([each.name for each in build.jobs()], list[str | None])
    assert_type({each.step_key: each.exit_status for each in build.jobs()}, dict[str | None, int | None])
    assert_type(job.label, str | None)
    assert_type(job.command, str | None)
    assert_type(job.soft_failed, bool | None)
    assert_type(job.agent, EmbeddedAgent | None)
    assert_type(job.agent.name if job.agent else "none", str)
    assert_type(job.created_at, datetime | None)
    assert_type(job.scheduled_at, datetime | None)
    assert_type(job.runnable_at, datetime | None)
    assert_type(job.started_at, datetime | None)
    assert_type(job.finished_at, datetime | None)
    failed = [each for each in build.jobs() if each.exit_status and not each.soft_failed]
    print(sorted(each.name or each.command or str(each.type) for each in failed))


def waiting(bk: Buildkite, build: Build, ref: BuildRef, job: Job) -> None:
    assert_type(job.wait(timeout=60), Job)
    assert_type(ref.job("a").wait(), Job)
    assert_type(bk.wait_all([build, build]), list[Build])
    assert_type(bk.wait_all([ref]), list[Build])
    assert_type(bk.wait_all(build.jobs(), timeout=5), list[Job])
    assert_type(bk.wait_all([build, job], on_blocked="raise"), list[Build | Job])
    bk.wait_all(["a"])  # type: ignore[list-item]
