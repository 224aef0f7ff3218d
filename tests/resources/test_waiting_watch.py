"""Watching a build: each change of it and of its jobs, once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from buildkite_orm import BuildBlockedError, WaitTimeoutError
from buildkite_orm.fake import BlockStep, CommandStep, WaitStep
from buildkite_orm.resources.builds.wait_state import wait_state

if TYPE_CHECKING:
    from buildkite_orm import Build, BuildChange, Buildkite
    from buildkite_orm.fake import FakeBuildkite
    from buildkite_orm.fake.steps import Step


def new_build(server: FakeBuildkite, bk: Buildkite, *steps: Step) -> Build:
    server.add_pipeline("web", steps=steps)
    return bk.organization("acme").pipeline("web").builds().create(commit="HEAD", branch="main")


def changes_of(changes: list[BuildChange], job: str | None) -> list[tuple[str | None, str]]:
    """Return the state changes of one job, or of the build."""
    names = [getattr(change.job, "name", None) if change.job else None for change in changes]
    return [(change.before, change.after) for name, change in zip(names, changes, strict=True) if name == job]


def test_each_change_is_yielded_once_and_changes_are_consecutive(server: FakeBuildkite, bk: Buildkite) -> None:
    build = new_build(
        server,
        bk,
        CommandStep(label="Test", duration=100),
        CommandStep(label="Lint", duration=300, exits=(1,), soft_fail=True),
        WaitStep(),
        CommandStep(label="Package", duration=50),
    )
    changes = list(build.watch())
    assert len(set(map(str, changes))) == len(changes)
    for job in ("Test", "Lint", "Package", None):
        steps = changes_of(changes, job)
        assert steps[0][0] is None
        assert [before for before, _ in steps[1:]] == [after for _, after in steps[:-1]]
    assert changes_of(changes, "Test")[-1] == ("running", "passed")
    assert changes_of(changes, "Lint")[-1] == ("running", "failed")
    assert (changes[-1].job, changes[-1].after) == (None, "passed")


def test_changes_are_reported_as_they_happen(server: FakeBuildkite, bk: Buildkite) -> None:
    build = new_build(server, bk, CommandStep(label="Test", duration=100))
    for change in build.watch():
        assert change.build.state == server.build("web", 1).state
        if change.job is not None:
            assert change.job.state == change.after == server.build("web", 1).jobs[0].state


def test_an_attempt_that_was_retried_between_two_polls_is_reported(server: FakeBuildkite, bk: Buildkite) -> None:
    server.settings.pace.retrying = 0.1
    build = new_build(server, bk, CommandStep(label="Flaky", duration=20, exits=(1, 0), automatic_retries=1))
    changes = list(build.watch())
    ends = [change.after for change in changes if change.job is not None and change.after in {"failed", "passed"}]
    assert ends == ["failed", "passed"]
    assert len({change.job.id for change in changes if change.job is not None}) == 2


def test_a_finished_build_is_watched_with_one_request(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_build("web", state="failed", jobs=[{"name": "Test", "state": "failed"}])
    changes = list(bk.organization("acme").pipeline("web").build(1).watch())
    assert [str(change) for change in changes] == ["Test: failed", "acme/web #1: failed"]
    assert len(server.requests) == 1


def test_one_look_is_one_request(server: FakeBuildkite, bk: Buildkite) -> None:
    build = new_build(server, bk, *[CommandStep(label=f"Test {number}", duration=50) for number in range(120)])
    server.requests.clear()
    assert len(list(build.watch())) > 240
    assert len(server.requests) < 30
    assert {request.path for request in server.requests} == {"/v2/organizations/acme/pipelines/web/builds/1"}


def test_a_block_step_may_be_unblocked_during_a_watch(server: FakeBuildkite, bk: Buildkite) -> None:
    build = new_build(server, bk, BlockStep(label="Deploy?"), CommandStep(label="Deploy", duration=20))
    states: list[str] = []
    for change in build.watch():
        if change.job is None:
            states.append(change.after)
        if change.job is None and change.after == "blocked":
            build.unblock_all()
    assert states[-1] == "passed"
    assert "blocked" in states


def test_a_blocked_build_ends_a_watch_unless_on_blocked_is_wait(server: FakeBuildkite, bk: Buildkite) -> None:
    build = new_build(server, bk, BlockStep(label="Deploy?"))
    assert list(build.watch())[-1].after == "blocked"
    with pytest.raises(BuildBlockedError):
        list(build.watch(on_blocked="raise"))
    with pytest.raises(WaitTimeoutError):
        list(build.watch(on_blocked="wait", timeout=60))


def test_temporary_errors_repeat_no_change(server: FakeBuildkite, bk: Buildkite) -> None:
    build = new_build(server, bk, CommandStep(label="Test", duration=100))
    server.faults.add("html", times=20, after=3)
    changes = list(build.watch())
    assert len(set(map(str, changes))) == len(changes)
    assert changes[-1].after == "passed"


def test_an_abandoned_watch_does_not_count_as_a_wait(server: FakeBuildkite, bk: Buildkite) -> None:
    build = new_build(server, bk, CommandStep(duration=1000))
    for _ in build.watch():
        break
    sent = len(server.requests)
    assert wait_state(bk.session).min_interval("organizations/acme") == 0
    assert len(server.requests) == sent
