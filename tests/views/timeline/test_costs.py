"""The requests of a timeline: none if the build has its jobs, else one for any number of jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from buildkite_orm import Build, ManyRequestsWarning, UnboundError
from buildkite_orm.fake import CommandStep
from tests.views.timeline.builds import mimebundle, payload

if TYPE_CHECKING:
    from buildkite_orm import Buildkite, BuildRef
    from buildkite_orm.fake import FakeBuildkite
    from tests.conftest import Costs


@pytest.fixture
def ref(server: FakeBuildkite, bk: Buildkite) -> BuildRef:
    """A build of 151 jobs, one of which was retried."""
    flaky = CommandStep(label="Flaky", duration=5, exits=(1, 0), automatic_retries=1)
    server.add_pipeline("web", steps=[flaky, *(CommandStep(label=f"Job {each}", duration=5) for each in range(150))])
    bk.organization("acme").pipeline("web").builds().create(commit="HEAD", branch="main")
    server.run(100)
    return bk.organization("acme").pipeline("web").build(1)


def test_a_timeline_of_a_ref_is_one_request_with_all_attempts(ref: BuildRef, costs: Costs) -> None:
    with costs(1):
        timeline = ref.timeline()
    assert len(timeline.rows) == 152
    assert timeline.missing_attempts == 0


def test_a_timeline_with_embedded_jobs_sends_no_request(ref: BuildRef, costs: Costs) -> None:
    build = ref.fetch()
    with costs(0):
        timeline = build.timeline()
    assert timeline.build is build
    assert len(timeline.rows) == 151
    assert timeline.missing_attempts == 1


def test_attempts_that_are_missing_cost_one_more_request(ref: BuildRef, costs: Costs) -> None:
    build = ref.fetch()
    with costs(1):
        assert len(build.timeline(include_retried_jobs=True).rows) == 152


def test_embedded_attempts_cost_no_request(ref: BuildRef, costs: Costs) -> None:
    build = ref.fetch(include_retried_jobs=True)
    with costs(0):
        assert len(build.timeline(include_retried_jobs=True).rows) == 152
        assert len(build.timeline().rows) == 152


def test_a_listing_with_jobs_has_all_timelines(ref: BuildRef, costs: Costs) -> None:
    with costs(1):
        rows = [len(build.timeline().rows) for build in ref.pipeline.builds(with_jobs=True)]
    assert rows == [151]


def test_a_timeline_with_incomplete_jobs_is_one_request(ref: BuildRef, costs: Costs) -> None:
    build = ref.fetch(job_states="failed")
    with costs(1):
        assert len(build.timeline().rows) == 152


def test_one_build_after_the_other_is_warned_of(server: FakeBuildkite, bk: Buildkite, costs: Costs) -> None:
    server.add_builds("web", 3, jobs=1)
    builds = list(bk.organization("acme").pipeline("web").builds())
    with costs(3), pytest.warns(ManyRequestsWarning, match="with_jobs=True"):
        assert [len(build.timeline().rows) for build in builds] == [1, 1, 1]


def test_rendering_sends_no_request(ref: BuildRef, costs: Costs) -> None:
    timeline = ref.timeline()
    with costs(0):
        repr(timeline)
        str(timeline)
        timeline.html()
        mimebundle(timeline)
        assert timeline == timeline.build.timeline()
        assert timeline.rows[0].running
        assert timeline.critical_times.running


def test_the_timeline_of_an_unbound_build_has_its_embedded_jobs() -> None:
    assert Build.model_validate(payload()).timeline().rows == ()
    with pytest.raises(UnboundError):
        Build.model_validate({**payload(), "jobs": None}).timeline()
