"""Waiting for a build that is not there yet, then until it has ended."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from buildkite_orm import WaitTimeoutError
from buildkite_orm.fake import CommandStep

if TYPE_CHECKING:
    from buildkite_orm import Buildkite
    from buildkite_orm.fake import FakeBuildkite
    from buildkite_orm.fake.records import PipelineRecord


def pushed(server: FakeBuildkite, pipeline: PipelineRecord, seconds: float, *, branch: str, commit: str) -> None:
    """Create a build some seconds from now."""

    def push() -> None:
        server.context.lifecycle.create(pipeline, branch=branch, commit=commit)

    server.context.lifecycle.at(server.clock.now() + seconds, push)


def test_wait_for_waits_for_the_build_of_a_commit_and_for_its_end(server: FakeBuildkite, bk: Buildkite) -> None:
    pipeline = server.add_pipeline("web", steps=[CommandStep(duration=60)])
    server.add_build(pipeline, commit="b" * 40)
    pushed(server, pipeline, 100, branch="main", commit="a" * 40)
    states: list[str] = []
    build = (
        bk.organization("acme")
        .pipeline("web")
        .wait_for(commit="a" * 40, timeout=600, on_change=lambda seen: states.append(str(seen.state)))
    )
    assert (build.number, build.state, states[-1]) == (2, "passed", "passed")
    assert {request.path for request in server.requests} == {
        "/v2/organizations/acme/pipelines/web/builds",
        "/v2/organizations/acme/pipelines/web/builds/2",
    }


def test_of_several_builds_the_newest_is_taken_and_one_that_has_ended_costs_one_request(
    server: FakeBuildkite, bk: Buildkite
) -> None:
    for state in ("failed", "passed"):
        server.add_build("web", state=state, commit="a" * 40)
    build = bk.organization("acme").pipeline("web").wait_for(commit="a" * 40)
    assert (build.number, build.state) == (2, "passed")
    assert len(server.requests) == 1


def test_older_builds_can_be_excluded(server: FakeBuildkite, bk: Buildkite) -> None:
    pipeline = server.add_pipeline("web", steps=[CommandStep(duration=60)])
    server.add_build(pipeline, branch="dev", created_at=server.clock.now() - 60)
    pushed(server, pipeline, 30, branch="dev", commit="HEAD")
    now = datetime.fromtimestamp(server.clock.now(), UTC)
    assert bk.organization("acme").pipeline("web").wait_for(branch="dev", created_from=now).number == 2


def test_a_build_that_does_not_appear_is_a_timeout_that_names_the_filters(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_pipeline("web")
    began = server.clock.now()
    with pytest.raises(
        WaitTimeoutError, match=r"acme/web: a build of commit (deadbeef){5} and branch main has not appeared after 60 s"
    ) as caught:
        bk.organization("acme").pipeline("web").wait_for(commit="deadbeef" * 5, branch="main", timeout=60)
    assert caught.value.build is None
    assert server.clock.now() == began + 60


def test_the_timeout_is_for_both_the_appearance_and_the_end(server: FakeBuildkite, bk: Buildkite) -> None:
    pipeline = server.add_pipeline("web", steps=[CommandStep(duration=1000)])
    pushed(server, pipeline, 80, branch="main", commit="HEAD")
    began = server.clock.now()
    with pytest.raises(WaitTimeoutError, match="is still running after 120 s; it is being canceled"):
        bk.organization("acme").pipeline("web").wait_for(branch="main", timeout=120, cancel_on_timeout=True)
    assert server.clock.now() == began + 120


def test_temporary_errors_do_not_end_the_wait_for_a_build(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_build("web", commit="a" * 40)
    server.faults.add("html", times=20)
    assert bk.organization("acme").pipeline("web").wait_for(commit="a" * 40, timeout=600).number == 1
