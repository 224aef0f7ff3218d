"""The operations on a lifelike organization, whose responses have every documented field; none has drift."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from buildkite_orm import BuildState, ScriptJob
from buildkite_orm.fake import Pace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildkite_orm import Build, Buildkite, OrganizationRef, Resource
    from buildkite_orm.fake import FakeBuildkite

AT_ONCE = Pace(creating=0, assigning=0, accepting=0, starting=0, retrying=0)


@pytest.fixture
def org(acme: FakeBuildkite) -> Iterator[OrganizationRef]:
    with acme.client() as bk:
        yield bk.organization("acme")


def commands(build: Build) -> list[ScriptJob]:
    return [job for job in build.embedded_jobs or [] if isinstance(job, ScriptJob)]


def ended(org: OrganizationRef, state: BuildState) -> Build:
    """Return a finished build of the web application that has a creator and its jobs."""
    builds = org.pipeline("web").builds(state=state, with_jobs=True)
    return next(build for build in builds if build.creator and build.blocked is False)


def test_agents_name_the_jobs_that_they_run(org: OrganizationRef) -> None:
    busy = [agent for agent in org.agents() if agent.embedded_job]
    assert busy
    for agent in busy:
        assert agent.job is not None
        job = agent.job.fetch()
        assert isinstance(job, ScriptJob)
        assert job.agent is not None
        assert job.agent.id == agent.id


def test_listed_builds_have_all_of_their_jobs(org: OrganizationRef) -> None:
    builds = list(org.pipeline("web").builds(with_jobs=True, with_pipeline=True, include_retried_jobs=True))
    jobs = [job for build in builds for job in commands(build)]
    assert {str(job.type) for build in builds for job in build.embedded_jobs or []} == {"script", "waiter"}
    assert any(job.group_key for job in jobs)
    assert any(job.matrix for job in jobs)
    assert any(job.step and job.step.signature for job in jobs)
    assert any(job.agent and job.agent.creator for job in jobs)
    assert any(build.pull_request and build.pull_request.id for build in builds)
    assert all(build.embedded_pipeline and build.embedded_pipeline.slug == "web" for build in builds)


def test_a_build_names_the_jobs_that_replaced_others(org: OrganizationRef) -> None:
    build = ended(org, BuildState.PASSED).reload(include_retried_jobs=True)
    retried = {job.id: job.retried_in_job_id for job in commands(build) if job.was_retried}
    sources = {job.id: job.retry_source.job_id for job in commands(build) if job.retry_source}
    assert retried
    assert {new: old for old, new in retried.items()} == sources


def test_a_build_names_the_build_that_it_repeats(org: OrganizationRef) -> None:
    rebuilt = next(build for build in org.pipeline("mobile").builds(state="running") if build.rebuilt_from)
    assert rebuilt.rebuilt_from is not None
    original = org.pipeline("mobile").build(rebuilt.rebuilt_from.number).fetch()
    assert original.id == rebuilt.fetch(with_jobs=False).rebuilt_from.id  # type: ignore[union-attr]  # pyright: ignore[reportOptionalMemberAccess]


def test_a_created_build_may_be_on_its_agents_already(acme: FakeBuildkite, org: OrganizationRef) -> None:
    acme.settings.pace = AT_ONCE
    build = org.pipeline("web").builds().create(commit="HEAD", branch="main")
    assert build.state == BuildState.RUNNING
    (upload, *_) = commands(build)
    assert upload.agent is not None
    assert upload.step is not None
    assert upload.step.signature is not None


def test_a_rebuilt_build_may_be_on_its_agents_already(acme: FakeBuildkite, org: OrganizationRef) -> None:
    acme.settings.pace = AT_ONCE
    build = ended(org, BuildState.FAILED).rebuild()
    assert any(job.agent for job in commands(build))


def test_a_canceled_build_still_lists_its_agents(acme: FakeBuildkite, org: OrganizationRef) -> None:
    running = next(build for build in org.pipeline("web").builds(state="running") if build.creator)
    build = running.cancel()
    assert build.state == BuildState.CANCELING
    assert any(job.agent for job in commands(build))
    acme.run(60)
    assert build.reload().state == BuildState.CANCELED


def test_a_failed_build_whose_jobs_are_retried_tells_them(acme: FakeBuildkite, org: OrganizationRef) -> None:
    build = ended(org, BuildState.FAILED).retry_failed_jobs()
    assert build.creator is not None
    assert any(job.agent for job in commands(build))
    assert build.retried_jobs_count
    acme.run(10)
    assert build.reload().state == BuildState.RUNNING


def test_everything_that_can_be_listed_is_as_documented(acme: FakeBuildkite) -> None:
    """Undocumented values would be warnings, which are errors in tests."""
    with acme.client(strict=True) as bk:
        resources = [*bk.organizations(), *every_resource(bk)]
    assert {type(resource).__name__ for resource in resources} >= {
        "Pipeline",
        "Build",
        "Agent",
        "Artifact",
        "Annotation",
    }
    assert [resource for resource in resources if resource.drift] == []


def every_resource(bk: Buildkite) -> Iterator[Resource]:
    organization = bk.organization("acme")
    yield from organization.pipelines()
    yield from organization.agents()
    yield from organization.builds(with_jobs=True).limit(100)
    for build in organization.pipeline("web").builds().limit(2):
        yield from build.jobs(include_retried_jobs=True)
        yield from build.artifacts()
        yield from build.annotations(scope="all")
