"""The past of the seed: durations, failures, an incident, flaky jobs and reports that agree with each other."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from tests.helpers import web_pipeline

if TYPE_CHECKING:
    from buildkite_orm import Build, Buildkite
    from buildkite_orm.fake import FakeBuildkite


def web_builds(bk: Buildkite, **filters: Any) -> list[Build]:
    return list(web_pipeline(bk).builds(with_jobs=True, include_retried_jobs=True, **filters))


def test_the_jobs_of_a_build_fit_into_it(acme: FakeBuildkite) -> None:
    with acme.client() as bk:
        for build in bk.organization("acme").builds(with_jobs=True, include_retried_jobs=True, state="passed"):
            ran = [job for job in build.jobs(include_retried_jobs=True) if job.finished_at and job.type != "waiter"]
            if not ran or build.number > 120:  # newer ones are simulated
                continue
            assert build.finished_at is not None
            assert all(job.finished_at <= build.finished_at for job in ran if job.finished_at), build
            assert all(job.started_at >= build.started_at for job in ran if job.started_at and build.started_at), build
            assert all(job.duration.total_seconds() > 0 for job in ran if job.duration), build


def test_a_failed_build_has_a_failed_job(acme: FakeBuildkite) -> None:
    with acme.client() as bk:
        builds = list(bk.organization("acme").builds(with_jobs=True, state="failed"))
        assert len(builds) > 40
        for build in builds:
            assert len(build.failed_jobs()) == 1, build


def test_builds_take_longer_from_week_to_week(acme: FakeBuildkite) -> None:
    with acme.client() as bk:
        seconds = [build.duration.total_seconds() for build in web_builds(bk, state="passed") if build.duration]
    assert median(seconds[:20]) > 1.15 * median(seconds[-20:])
    assert len(set(seconds)) > 50


def test_an_incident_delays_and_fails_builds(acme: FakeBuildkite) -> None:
    with acme.client() as bk:
        history = web_pipeline(bk).history(days=9)
        slow = [build for build in history.builds if build.queue_time and build.queue_time.total_seconds() > 500]
        stopped = [
            job for build in web_builds(bk, state="failed") for job in build.failed_jobs() if job.exit_status == -1
        ]
    assert 3 <= len(slow) <= 12
    assert {build.created_at.date().isoformat() for build in slow} == {"2026-07-28"}
    assert {job.signal_reason for job in stopped} == {"agent_stop"}  # type: ignore[attr-defined]


def test_a_job_is_flaky_in_some_builds(acme: FakeBuildkite) -> None:
    with acme.client() as bk:
        builds = web_builds(bk, state="passed")
        retried = [build for build in builds if len(list(build.jobs(step_key="flaky", include_retried_jobs=True))) == 2]
    assert 0.15 * len(builds) < len(retried) < 0.6 * len(builds)


def test_reports_agree_with_their_jobs(acme: FakeBuildkite) -> None:
    with acme.client() as bk:
        build = web_pipeline(bk).build(119).fetch()
        jobs = {job.id: job for job in build.jobs()}
        for artifact in build.artifacts(path="**/junit.xml"):
            suite, job = ET.fromstring(artifact.text()), jobs[artifact.job_id or ""]  # noqa: S314 - the fake's
            assert suite.get("name") == job.name
            assert len(suite.findall("testcase/failure")) == int(suite.get("failures", "")) == (job.state == "failed")
            assert job.duration is not None
            assert abs(float(suite.get("time", "")) - job.duration.total_seconds()) < 0.01
