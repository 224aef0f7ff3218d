"""Waiting for a job, and for several builds and jobs at once; requests are counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm import BuildBlockedError, NotFoundError, WaitTimeoutError
from buildkite_orm.fake import BlockStep, CommandStep, WaitStep

if TYPE_CHECKING:
    from buildkite_orm import Build, Buildkite
    from buildkite_orm.fake import FakeBuildkite, RecordedRequest


def new_builds(server: FakeBuildkite, bk: Buildkite, count: int, *steps: Any, apart: float = 0) -> list[Build]:
    """Create builds of pipelines `p0`, `p1`, …, whose commands take longer from one to the next."""
    builds: list[Build] = []
    for number in range(count):
        slug = f"p{number}"
        server.add_pipeline(slug, steps=list(steps) or [CommandStep(duration=20 + number)])
        builds.append(bk.organization("acme").pipeline(slug).builds().create(commit="HEAD", branch="main"))
        server.run(apart)
    server.requests.clear()
    return builds


def paths(server: FakeBuildkite) -> list[str]:
    return [request.path.removeprefix("/v2/organizations/acme/") for request in server.requests]


def test_one_listing_a_poll_serves_all_builds(server: FakeBuildkite, bk: Buildkite) -> None:
    builds = new_builds(server, bk, 10)
    server.add_builds("other", 150, jobs=0, newest=server.clock.now() - 3600)
    done = bk.wait_all(builds)
    assert [build.state for build in done] == ["passed"] * 10
    assert all(one is other for one, other in zip(done, builds, strict=True))
    listings = [path for path in paths(server) if path == "builds"]
    single = [path for path in paths(server) if path != "builds"]
    polls = len(listings) + len(single)
    assert len(listings) >= 5
    assert len(single) <= 3  # the last unfinished build is requested by itself
    assert polls <= 20


def test_builds_of_one_pipeline_are_listed_in_it(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_pipeline("web", steps=[CommandStep(duration=20)])
    listing = bk.organization("acme").pipeline("web").builds()
    builds = [listing.create(commit="HEAD", branch="main") for _ in range(3)]
    server.requests.clear()
    bk.wait_all(builds)
    assert set(paths(server)) == {"pipelines/web/builds"}


def test_builds_with_many_others_between_them_are_requested_one_by_one(server: FakeBuildkite, bk: Buildkite) -> None:
    builds = new_builds(server, bk, 3, CommandStep(duration=5000), apart=1000)
    for _ in range(4):
        server.add_builds("other", 100, jobs=0, newest=server.clock.now() - 1100)
    bk.wait_all(builds)
    assert paths(server).count("builds") == 1  # shows that a listing takes several pages
    assert {path for path in paths(server) if path != "builds"} == {f"pipelines/p{n}/builds/1" for n in range(3)}


def test_refs_are_requested_once_and_then_listed(server: FakeBuildkite, bk: Buildkite) -> None:
    builds = new_builds(server, bk, 4, CommandStep(duration=60))
    refs = [bk.organization("acme").pipeline(f"p{number}").build(1) for number in range(4)]
    done = bk.wait_all(refs)
    assert [build.state for build in done] == ["passed"] * 4
    assert done == builds
    assert sum(path != "builds" for path in paths(server)) == 4


def test_builds_and_jobs_are_awaited_together(server: FakeBuildkite, bk: Buildkite) -> None:
    first, second = new_builds(server, bk, 2, CommandStep(duration=20), WaitStep(), CommandStep(duration=30))
    job = first.jobs()[0]
    done = bk.wait_all([first, job, second.job(second.jobs()[2].id), second.job(second.jobs()[1].id)])
    assert [type(each).__name__ for each in done] == ["Build", "ScriptJob", "ScriptJob", "WaiterJob"]
    assert done[0] is first
    assert done[1] is job
    assert first.is_finished
    assert job.is_finished


def test_the_jobs_of_one_build_share_its_requests(server: FakeBuildkite, bk: Buildkite) -> None:
    steps = [CommandStep(duration=20 + number) for number in range(5)]
    (build,) = new_builds(server, bk, 1, *steps)
    jobs = build.jobs().all()
    server.requests.clear()
    assert [job.state for job in bk.wait_all(jobs)] == ["passed"] * 5
    assert set(paths(server)) == {"pipelines/p0/builds/1"}
    assert len(server.requests) <= 20


def test_one_job_is_requested_without_its_build(server: FakeBuildkite, bk: Buildkite) -> None:
    (build,) = new_builds(server, bk, 1, CommandStep(duration=20), WaitStep(), CommandStep(duration=500))
    job = build.jobs()[0]
    server.requests.clear()
    assert job.wait(timeout=300) is job
    assert job.state == "passed"
    assert set(paths(server)) == {f"pipelines/p0/builds/1/jobs/{job.id}"}
    assert not build.reload().is_finished
    ref = bk.organization("acme").job(build.jobs()[2].id)
    assert ref.wait().state == "passed"


def test_a_wait_step_is_finished_with_its_build(server: FakeBuildkite, bk: Buildkite) -> None:
    (build,) = new_builds(server, bk, 1, CommandStep(duration=20), WaitStep(), CommandStep(duration=20))
    wait = build.jobs()[1]
    wait.wait(timeout=300)
    assert build.reload().is_finished


def test_a_job_that_takes_too_long_is_an_error_that_names_it(server: FakeBuildkite, bk: Buildkite) -> None:
    (build,) = new_builds(server, bk, 1, CommandStep(duration=500))
    job = build.jobs()[0]
    with pytest.raises(WaitTimeoutError, match=rf"{job.id[:4]}.* is still running after 30 s"):
        job.wait(timeout=30)
    assert job.state == "running"
    with pytest.raises(ValueError, match="timeout=-1"):
        job.wait(timeout=-1)


def test_builds_that_take_too_long_are_an_error_and_the_others_are_updated(
    server: FakeBuildkite, bk: Buildkite
) -> None:
    builds = new_builds(server, bk, 2, CommandStep(duration=10))
    server.add_pipeline("p2", steps=[CommandStep(duration=500)])
    builds.append(bk.organization("acme").pipeline("p2").builds().create(commit="HEAD", branch="main"))
    with pytest.raises(
        WaitTimeoutError, match=r"^1 of 3 builds and jobs are not finished: acme/p2 #1 is still running, .* after 25 s"
    ) as caught:
        bk.wait_all(builds, timeout=25)
    assert [build.state for build in builds] == ["passed", "passed", "running"]
    assert caught.value.build == builds[2]


def test_a_blocked_build_ends_the_wait_or_is_an_error(server: FakeBuildkite, bk: Buildkite) -> None:
    builds = new_builds(server, bk, 2, CommandStep(duration=5), BlockStep(key="ask"))
    assert all(build.is_blocked for build in bk.wait_all(builds))
    with pytest.raises(BuildBlockedError, match=r"acme/p\d #1 is blocked"):
        bk.wait_all(builds, on_blocked="raise")
    with pytest.raises(WaitTimeoutError):
        bk.wait_all(builds, on_blocked="wait", timeout=60)


def test_an_outage_is_tolerated_and_a_missing_build_is_not(server: FakeBuildkite, bk: Buildkite) -> None:
    builds = new_builds(server, bk, 3)
    server.faults.add("error", status=503, times=8)
    assert [build.state for build in bk.wait_all(builds)] == ["passed"] * 3
    with pytest.raises(NotFoundError):
        bk.wait_all([*builds, bk.organization("acme").pipeline("p0").build(9)])
    with pytest.raises(NotFoundError):
        bk.wait_all([builds[0], builds[0].job("0190aaaa-0000-0000-0000-000000000000")])


def test_a_rebuild_is_followed_as_by_wait(server: FakeBuildkite, bk: Buildkite) -> None:
    builds = new_builds(server, bk, 2)
    bk.wait_all(builds)
    builds[0].rebuild()
    done = bk.wait_all(builds)
    assert [build.number for build in done] == [2, 1]
    assert [build.state for build in done] == ["passed", "passed"]


def test_the_same_build_twice_and_nothing_at_all(server: FakeBuildkite, bk: Buildkite) -> None:
    (build,) = new_builds(server, bk, 1)
    ref = bk.organization("acme").pipeline("p0").build(1)
    assert bk.wait_all([build, ref]) == [build, build]
    server.requests.clear()
    empty: list[Build] = []
    assert bk.wait_all(empty) == []
    assert server.requests == []


def test_what_is_not_a_build_or_a_job_is_rejected(bk: Buildkite) -> None:
    with pytest.raises(TypeError, match="is neither a build nor a job"):
        bk.wait_all([bk.organization("acme").pipeline("web")])  # type: ignore[list-item]


def test_jobs_of_awaited_builds_give_no_warning(server: FakeBuildkite, bk: Buildkite) -> None:
    for build in bk.wait_all(new_builds(server, bk, 4)):
        assert len(build.jobs().all()) == 1


# -- changes, and the end of the time


def test_on_change_is_called_with_each_build_and_job_when_its_state_changes(
    server: FakeBuildkite, bk: Buildkite
) -> None:
    *builds, third = new_builds(server, bk, 3)
    job = third.jobs()[0]
    seen: list[tuple[str, str]] = []
    bk.wait_all([*builds, job], on_change=lambda item: seen.append((item.api_path.rpartition("/")[0], str(item.state))))
    for build in builds:
        states = [state for path, state in seen if path == build.api_path.rpartition("/")[0]]
        assert states == sorted(set(states), key=states.index)
        assert states[-1] == "passed"
        assert len(states) > 1
    of_job = [state for path, state in seen if path.endswith("/jobs")]
    assert of_job[-1] == "passed"
    assert len(of_job) == len(set(of_job))


def test_an_error_of_on_change_ends_the_wait(server: FakeBuildkite, bk: Buildkite) -> None:
    def fail(build: Build) -> None:
        raise LookupError(build.number)

    builds = new_builds(server, bk, 2)
    with pytest.raises(LookupError):
        bk.wait_all(builds, on_change=fail)


def test_unfinished_builds_are_canceled_when_the_time_is_up(server: FakeBuildkite, bk: Buildkite) -> None:
    short, long, longer = new_builds(server, bk, 3, CommandStep(duration=5000))
    server.set_state(server.build("p0", 1), "passed")
    with pytest.raises(WaitTimeoutError, match=r"2 of 3 .* acme/p1 #1: it is being canceled; acme/p2 #1: it is being"):
        bk.wait_all([short, long, longer], timeout=30, cancel_on_timeout=True)
    assert (long.state, longer.state) == ("canceling", "canceling")
    canceled = [request.path for request in server.requests if request.path.endswith("/cancel")]
    assert canceled == [f"/v2/{build.api_path}/cancel" for build in (long, longer)]
    server.run(60)
    assert [build.reload().state for build in (short, long, longer)] == ["passed", "canceled", "canceled"]


def test_nothing_is_canceled_unless_requested_and_no_job(server: FakeBuildkite, bk: Buildkite) -> None:
    builds = new_builds(server, bk, 2, CommandStep(duration=5000))
    with pytest.raises(WaitTimeoutError):
        bk.wait_all(builds, timeout=30)
    with pytest.raises(WaitTimeoutError, match="jobs are not canceled"):
        bk.wait_all([builds[0].jobs()[0]], timeout=30, cancel_on_timeout=True)
    assert [request for request in server.requests if request.method != "GET"] == []


def test_a_build_that_finishes_before_it_is_canceled_is_finished(server: FakeBuildkite, bk: Buildkite) -> None:
    builds = new_builds(server, bk, 2, CommandStep(duration=5000))

    def finish(request: RecordedRequest) -> bool:
        is_cancel = request.path.endswith("/cancel")
        if is_cancel:
            server.set_state(server.build(request.path.split("/")[5], 1), "passed")
        return is_cancel

    server.faults.add("error", match=finish, status=422, message="Build is already finished", times=None)
    assert [build.state for build in bk.wait_all(builds, timeout=30, cancel_on_timeout=True)] == ["passed", "passed"]
