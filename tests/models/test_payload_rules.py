"""Payloads: what listings leave out by default, and where a build's jobs are loaded from."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import pytest

from buildkite_orm import ManyRequestsWarning
from tests.helpers import ids

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildkite_orm import Buildkite, BuildQuerySet
    from buildkite_orm.fake import FakeBuildkite
    from buildkite_orm.fake.records import BuildRecord
    from buildkite_orm.resources.pipelines.ref import PipelineRef
    from tests.conftest import Costs


def sent(server: FakeBuildkite) -> dict[str, str]:
    """Return the query of the last request."""
    return dict(server.requests[-1].query)


def with_a_retry(server: FakeBuildkite) -> BuildRecord:
    """Add a build with three jobs, one of them a second attempt."""
    build = server.add_build("web", jobs=[{"name": "lint"}])
    again = server.add_job(build, name="test", state="passed")
    server.add_job(build, name="test", state="failed", retried_in=again)
    server.add_job(build, type="waiter")
    return build


# -- listings


def test_a_pipeline_s_builds_leave_out_jobs_and_pipeline(server: FakeBuildkite, web: PipelineRef) -> None:
    server.add_build("web", jobs=3)
    build = web.builds()[0]
    assert {name: sent(server).get(name) for name in ("exclude_jobs", "exclude_pipeline")} == {
        "exclude_jobs": "true",
        "exclude_pipeline": "true",
    }
    assert (build.embedded_jobs, build.embedded_pipeline) == (None, None)


@pytest.mark.parametrize("where", ["organization", "top"])
def test_builds_of_several_pipelines_include_their_pipeline(server: FakeBuildkite, bk: Buildkite, where: str) -> None:
    server.add_build("web", jobs=3)
    build = (bk.builds() if where == "top" else bk.organization("acme").builds())[0]
    assert sent(server)["exclude_jobs"] == "true"
    assert "exclude_pipeline" not in sent(server)
    assert build.embedded_jobs is None
    assert build.embedded_pipeline is not None


def test_wanted_parts_are_requested(server: FakeBuildkite, web: PipelineRef) -> None:
    server.add_build("web", jobs=3)
    build = web.builds(with_jobs=True, with_pipeline=True)[0]
    assert sent(server).keys() == {"per_page"}
    assert build.embedded_jobs is not None
    assert build.embedded_pipeline is not None


def test_unrequested_parts_are_left_out(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_build("web", jobs=3)
    list(bk.builds(with_jobs=False, with_pipeline=False))
    assert sent(server) == {"exclude_jobs": "true", "exclude_pipeline": "true", "per_page": "100"}


def test_every_page_leaves_out_the_same(server: FakeBuildkite, web: PipelineRef) -> None:
    server.add_builds("web", 7)
    builds = web.builds().per_page(2)
    list(builds)
    builds.all()
    builds.fresh().all()
    builds.page(2)
    builds.count()
    assert {dict(request.query).get("exclude_jobs") for request in server.requests} == {"true"}


def test_retried_jobs_are_refused_for_builds_without_jobs(web: PipelineRef, costs: Costs) -> None:
    with costs(0), pytest.raises(ValueError, match="with_jobs=True"):
        web.builds(include_retried_jobs=True)


def test_one_build_includes_its_jobs(server: FakeBuildkite, web: PipelineRef, costs: Costs) -> None:
    record = server.add_build("web", jobs=3)
    with costs(1):
        build = web.build(record.number).fetch()
        assert ids(build.jobs()) == [job.id for job in record.jobs]


# -- the source of a build's jobs


def test_a_hundred_builds_and_their_jobs_are_one_request(server: FakeBuildkite, web: PipelineRef, costs: Costs) -> None:
    records = server.add_builds("web", 100, jobs=3)
    with costs(1):
        found = {build.number: ids(build.jobs()) for build in web.builds(with_jobs=True)}
    assert found == {record.number: [job.id for job in record.jobs] for record in records}


def test_jobs_that_are_not_loaded_are_requested_once(server: FakeBuildkite, web: PipelineRef, costs: Costs) -> None:
    server.add_build("web", jobs=3)
    build = web.builds()[0]
    with costs(0):
        jobs = build.jobs()
    with costs(1):
        assert len(list(jobs)) == 3
        assert len(list(jobs)) == 3


def test_jobs_are_requested_in_pages_of_one_hundred(server: FakeBuildkite, web: PipelineRef, costs: Costs) -> None:
    server.add_build("web", jobs=250)
    with costs(3):
        assert len(list(web.build(1).jobs())) == 250


def test_both_ways_give_the_latest_attempt_of_each_step(server: FakeBuildkite, web: PipelineRef, costs: Costs) -> None:
    record = with_a_retry(server)
    latest = [job.id for job in record.jobs if job.retried_in is None]
    embedded, bare = web.builds(with_jobs=True)[0], web.builds()[0]
    with costs(0):
        assert ids(embedded.jobs()) == latest
    with costs(1):
        assert ids(bare.jobs()) == latest
    assert sent(server)["include_retried_jobs"] == "false"


def test_both_ways_give_equal_jobs(server: FakeBuildkite, web: PipelineRef) -> None:
    with_a_retry(server)
    embedded, bare = web.builds(with_jobs=True)[0], web.builds()[0]
    assert list(embedded.jobs()) == list(bare.jobs())
    assert [type(job) for job in embedded.jobs()] == [type(job) for job in bare.jobs()]


def test_all_attempts_are_requested_if_only_the_latest_are_loaded(
    server: FakeBuildkite, web: PipelineRef, costs: Costs
) -> None:
    record = with_a_retry(server)
    build = web.builds(with_jobs=True)[0]
    with costs(1):
        assert ids(build.jobs(include_retried_jobs=True)) == [job.id for job in record.jobs]
    assert sent(server)["include_retried_jobs"] == "true"


def test_all_attempts_are_returned_if_all_are_loaded(server: FakeBuildkite, web: PipelineRef, costs: Costs) -> None:
    record = with_a_retry(server)
    build = web.builds(with_jobs=True, include_retried_jobs=True)[0]
    assert sent(server)["include_retried_jobs"] == "true"
    with costs(0):
        assert ids(build.jobs(include_retried_jobs=True)) == [job.id for job in record.jobs]
        assert ids(build.jobs()) == [job.id for job in record.jobs if job.retried_in is None]


def test_all_attempts_of_a_fetched_build_are_returned_if_all_are_loaded(
    server: FakeBuildkite, web: PipelineRef, costs: Costs
) -> None:
    record = with_a_retry(server)
    build = web.build(record.number).fetch(include_retried_jobs=True)
    with costs(0):
        assert ids(build.jobs(include_retried_jobs=True)) == [job.id for job in record.jobs]


def test_loaded_jobs_are_as_old_as_their_build_and_fresh_ones_are_requested(
    server: FakeBuildkite, web: PipelineRef, costs: Costs
) -> None:
    record = server.add_build("web", state="running", jobs=[{"state": "running"}])
    build = web.builds(with_jobs=True)[0]
    record.jobs[0].state = "passed"
    with costs(0):
        assert [job.state for job in build.jobs()] == ["running"]
    with costs(1):
        assert [job.state for job in build.jobs().fresh()] == ["passed"]


def test_no_part_of_the_loaded_jobs_is_requested(server: FakeBuildkite, web: PipelineRef, costs: Costs) -> None:
    record = server.add_build("web", jobs=5)
    jobs = web.builds(with_jobs=True)[0].jobs()
    every = [job.id for job in record.jobs]
    with costs(0):
        assert jobs.count() == 5
        assert jobs[-1].id == every[-1]
        assert ids(jobs[1:3]) == every[1:3]
        assert ids(jobs.limit(2)) == every[:2]
        assert ids(jobs.per_page(2)) == every
        assert ids(jobs.iterator()) == every
        assert "[5 loaded]" in repr(jobs)


def test_a_build_without_jobs_has_none_without_a_request(server: FakeBuildkite, web: PipelineRef, costs: Costs) -> None:
    server.add_build("web")
    build = web.builds(with_jobs=True)[0]
    with costs(0):
        assert list(build.jobs()) == []


def test_jobs_are_requested_if_some_were_left_out(server: FakeBuildkite, web: PipelineRef, costs: Costs) -> None:
    """`include_paused=False` leaves out jobs on paused queues, and `job_states` those in other states."""
    record = server.add_build("web", jobs=[{"state": "passed"}, {"state": "failed"}])
    for build in (
        web.builds(with_jobs=True, include_paused=False)[0],
        web.build(record.number).fetch(job_states="failed"),
    ):
        with costs(1):
            assert len(list(build.jobs())) == 2


# -- the warning


def warnings_of(do: Callable[[], object]) -> list[str]:
    """Return the warnings about many requests that a function causes."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        do()
    return [str(each.message) for each in caught if each.category is ManyRequestsWarning]


def list_jobs_of_each(builds: BuildQuerySet, most: int = 100) -> Callable[[], None]:
    def loop() -> None:
        for build in builds.limit(most):
            list(build.jobs())

    return loop


def test_listing_the_jobs_of_each_build_warns_once(server: FakeBuildkite, web: PipelineRef) -> None:
    server.add_builds("web", 10, jobs=1)
    (warning,) = warnings_of(list_jobs_of_each(web.builds()))
    assert "with_jobs=True" in warning


def test_the_warning_is_issued_at_the_third_build(server: FakeBuildkite, web: PipelineRef) -> None:
    server.add_builds("web", 10, jobs=1)
    builds = list(web.builds())
    for number, expected in enumerate([0, 0, 1, 0, 0]):
        assert len(warnings_of(lambda build=builds[number]: list(build.jobs()))) == expected  # type: ignore[misc]


def test_the_warning_counts_builds_across_pages(server: FakeBuildkite, web: PipelineRef) -> None:
    server.add_builds("web", 10, jobs=1)
    assert len(warnings_of(list_jobs_of_each(web.builds().per_page(1), 5))) == 1


def test_the_warning_points_at_the_line_that_lists_the_jobs(server: FakeBuildkite, web: PipelineRef) -> None:
    server.add_builds("web", 5, jobs=1)
    with pytest.warns(ManyRequestsWarning) as caught:
        list_jobs_of_each(web.builds())()
    assert caught[0].filename == __file__


def test_listing_the_jobs_of_two_builds_causes_no_warning(server: FakeBuildkite, web: PipelineRef) -> None:
    server.add_builds("web", 10, jobs=1)
    assert warnings_of(list_jobs_of_each(web.builds(), 2)) == []


def test_listing_the_jobs_of_one_build_repeatedly_causes_no_warning(server: FakeBuildkite, web: PipelineRef) -> None:
    server.add_builds("web", 3, jobs=1)
    build = web.builds()[0]

    def follow() -> None:
        for _ in range(5):
            list(build.jobs().fresh())
            list(build.jobs())

    assert warnings_of(follow) == []


def test_jobs_that_are_loaded_cause_no_warning(server: FakeBuildkite, web: PipelineRef) -> None:
    server.add_builds("web", 5, jobs=1)
    assert warnings_of(list_jobs_of_each(web.builds(with_jobs=True))) == []


def test_jobs_that_are_not_read_cause_no_warning(server: FakeBuildkite, web: PipelineRef) -> None:
    server.add_builds("web", 5, jobs=1)
    assert warnings_of(lambda: [build.jobs() for build in web.builds()]) == []


def test_builds_that_are_fetched_one_by_one_cause_no_warning(server: FakeBuildkite, web: PipelineRef) -> None:
    server.add_builds("web", 5, jobs=1)

    def loop() -> None:
        for number in range(1, 6):
            list(web.build(number).fetch(with_jobs=False).jobs())

    assert warnings_of(loop) == []


def test_each_listing_is_warned_of_for_itself(server: FakeBuildkite, web: PipelineRef) -> None:
    server.add_builds("web", 5, jobs=1)
    builds = web.builds()
    assert len(warnings_of(list_jobs_of_each(builds.fresh()))) == 1
    assert len(warnings_of(list_jobs_of_each(builds.fresh()))) == 1
