"""The types of waiting and failures, for type checkers. Never run."""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
from __future__ import annotations

from datetime import timedelta
from typing import Any, assert_type

from buildkite_orm import (
    Build,
    BuildChange,
    Buildkite,
    BuildRef,
    FailedJob,
    FailureSummary,
    Job,
    JobFailure,
    JobRef,
    PipelineRef,
    WaitTimeoutError,
)


def waits(bk: Buildkite, ref: BuildRef, build: Build, pipeline: PipelineRef) -> None:
    assert_type(ref.wait(), Build)
    assert_type(build.wait(timeout=60, on_blocked="raise", cancel_on_timeout=True, on_change=print), Build)
    assert_type(pipeline.wait_for(commit="a" * 40, timeout=60), Build)
    for change in build.watch(on_blocked="wait"):
        assert_type(change, BuildChange)
        assert_type(change.job, Job | None)
    assert_type(bk.current_build(), BuildRef)
    assert_type(bk.current_job(), JobRef)
    try:
        build.wait()
    except WaitTimeoutError as error:
        assert_type(error.build, Build | None)


def failures(build: Build, job: Job) -> None:
    assert_type(build.failed_jobs(), list[Job])
    assert_type(build.failure_summary(), FailureSummary)
    assert_type(build.failure_summary().failed, tuple[FailedJob, ...])
    assert_type(build.failure_summary().dump(), dict[str, Any])
    assert_type(job.failure, JobFailure | None)
    assert_type(job.attempts(), list[Job])
    assert_type(job.latest_attempt(), Job)
    assert_type(build.unblock_all(fields={"a": "b"}), list[Job])
    assert_type((build.duration, job.queue_time), tuple[timedelta | None, timedelta | None])


def refused(build: Build) -> None:
    build.wait(on_blocked="hope")  # type: ignore[arg-type]
    build.wait(60)  # type: ignore[call-arg]
