"""The change feed: what a run reports, what it costs, and what it refuses."""

from __future__ import annotations

import json
import pickle
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import pytest

from buildkite_orm import (
    Cache,
    Change,
    Changes,
    Checkpoint,
    ConfigurationError,
    Gone,
    PermissionDeniedError,
    ResponseError,
)
from buildkite_orm.fake import CommandStep
from tests.helpers import ids, newest_first

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from buildkite_orm import Build, Buildkite, BuildQuerySet, PipelineRef
    from buildkite_orm.fake import FakeBuildkite
    from tests.conftest import Costs

SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def builds(web: PipelineRef) -> BuildQuerySet:
    """The builds of `acme/web`, of which there are none yet."""
    return web.builds()


def items(changes: Changes[Any]) -> list[Build]:
    return [change.item for change in changes]


def described(changes: Changes[Any]) -> list[tuple[str, int, str]]:
    return [(change.kind, change.item.number, str(change.item.state)) for change in changes]


def first_run(builds: BuildQuerySet) -> Checkpoint:
    changes = builds.changed_since(None)
    items(changes)
    return changes.checkpoint


def test_the_first_run_lists_everything(server: FakeBuildkite, builds: BuildQuerySet) -> None:
    records = server.add_builds("web", 250)
    changes = builds.changed_since(None)
    assert {change.kind for change in builds.changed_since(None)} == {"new"}
    assert ids(items(changes)) == newest_first(records)


@pytest.mark.filterwarnings("ignore::buildkite_orm.DriftWarning")
@pytest.mark.parametrize("state", [None, 5, ["passed"], {"name": "passed"}], ids=str)
def test_a_build_whose_state_is_no_text_is_reported_in_each_run(
    server: FakeBuildkite, builds: BuildQuerySet, state: object
) -> None:
    server.add_build("web", state="running")

    def change(payload: Any) -> Any:
        for build in payload:
            build["state"] = state
        return payload

    server.settings.drift = change
    checkpoint = first_run(builds)
    server.clock.advance(3600)
    assert len(items(builds.changed_since(checkpoint))) == 1


def test_a_feed_sends_nothing_before_it_is_iterated(server: FakeBuildkite, builds: BuildQuerySet, costs: Costs) -> None:
    server.add_builds("web", 3)
    with costs(0):
        changes = builds.changed_since(None)
        assert repr(changes) == "<Changes organizations/acme/pipelines/web/builds not complete>"
        assert not changes.checkpoint.is_complete
    with costs(1):
        items(changes)
    with costs(0):
        assert items(changes) == []
        assert repr(changes) == "<Changes organizations/acme/pipelines/web/builds complete>"


def test_a_run_reports_what_is_open_and_what_has_finished_since(
    server: FakeBuildkite, builds: BuildQuerySet, costs: Costs
) -> None:
    server.add_builds("web", 150, newest=server.clock.now() - 3600)
    created = server.clock.now() - 60
    running, waiting = (server.add_build("web", state=state, created_at=created) for state in ("running", "scheduled"))
    checkpoint = first_run(builds)
    server.clock.advance(3600)
    server.set_state(running, "failed")
    server.add_build("web", state="passed")
    with costs(3):
        found = described(builds.changed_since(checkpoint))
    assert sorted(found) == [
        ("changed", running.number, "failed"),
        ("changed", waiting.number, "scheduled"),
        ("new", running.number + 2, "passed"),
    ]  # fmt: skip


def test_a_queued_build_that_is_skipped_is_reported_even_without_a_time(
    server: FakeBuildkite, builds: BuildQuerySet
) -> None:
    hour_ago = server.clock.now() - 3600
    record = server.add_build("web", state="scheduled", created_at=hour_ago)
    checkpoint = first_run(builds)
    server.clock.advance(600)
    server.set_state(record, "skipped")
    record.finished_at = None
    assert described(builds.changed_since(checkpoint)) == [("changed", 1, "skipped")]


def test_the_second_run_of_a_pipeline_without_builds_costs_three_requests(builds: BuildQuerySet, costs: Costs) -> None:
    checkpoint = first_run(builds)
    with costs(3):
        assert items(builds.changed_since(checkpoint)) == []


def test_an_organization_s_builds_are_followed_too(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_build("web", state="running")
    server.add_build("docs", state="running")
    builds = bk.organization("acme").builds(branch="main", created_from=datetime(2026, 1, 1, tzinfo=UTC))
    checkpoint = first_run(builds)
    assert len(items(builds.changed_since(checkpoint))) == 2


# -- checkpoints


def test_a_checkpoint_is_a_small_json_text(server: FakeBuildkite, builds: BuildQuerySet) -> None:
    server.add_builds("web", 500, state="running")
    checkpoint = first_run(builds)
    assert str(checkpoint) == checkpoint
    assert len(checkpoint) < 500
    assert server.token not in checkpoint
    assert json.loads(checkpoint)["query"]["organization"] == "acme"
    assert pickle.loads(pickle.dumps(checkpoint)) == checkpoint  # noqa: S301
    assert repr(checkpoint) == f"Checkpoint({str(checkpoint)!r})"


def through_json(checkpoint: Checkpoint) -> Any:
    return json.loads(json.dumps(checkpoint))


@pytest.mark.parametrize("convert", [str, json.loads, Checkpoint, through_json])
def test_a_checkpoint_is_accepted_in_any_form(
    builds: BuildQuerySet, web: PipelineRef, convert: Callable[[Checkpoint], Any]
) -> None:
    checkpoint = first_run(builds)
    assert items(web.builds().changed_since(convert(checkpoint))) == []


def test_a_run_continues_after_the_builds_that_were_processed(
    server: FakeBuildkite, web: PipelineRef, builds: BuildQuerySet
) -> None:
    records = server.add_builds("web", 250, spacing=0.2)
    changes = builds.changed_since(None)
    processed: list[str] = []
    for change in changes:
        if len(processed) == 120:
            break
        processed.append(change.item.id)
    checkpoint = changes.checkpoint
    assert (checkpoint.is_complete, checkpoint.started_at) == (False, None)
    assert len(checkpoint) < 1000
    server.clock.advance(86400)
    resumed = web.builds().changed_since(checkpoint)
    assert processed + ids(items(resumed)) == newest_first(records)
    started_at = resumed.checkpoint.started_at
    assert started_at is not None
    assert started_at.timestamp() == server.clock.now() - 86400


def test_a_loop_that_failed_continues_when_it_is_repeated(server: FakeBuildkite, builds: BuildQuerySet) -> None:
    records = server.add_builds("web", 250)
    changes = builds.changed_since(None)
    server.faults.add("error", status=403, message="Not now", after=1)
    found: list[str] = []
    for _ in range(2):
        try:
            found.extend(change.item.id for change in changes)
        except PermissionDeniedError:
            assert found
    assert found == newest_first(records)


@pytest.mark.parametrize(
    ("checkpoint", "problem"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "not a checkpoint"),
        ("{}", "query: Field required"),
        ('{"version": 2}', "version 2, and this library reads version 1"),
        ({"version": 1, "query": {"api": "x", "path": "y"}, "odd": 1}, "odd: Extra inputs"),
        ({"query": {"api": "x", "path": "y"}, "started_at": "noon"}, "started_at"),
        ({"query": {"api": "x", "path": "y"}, "started_at": "2026-08-01T12:00:00"}, "timezone"),
    ],
)
def test_what_is_not_a_checkpoint_is_refused(builds: BuildQuerySet, checkpoint: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        builds.changed_since(checkpoint)


@pytest.mark.parametrize("checkpoint", [Path("checkpoint.json"), 5, b"{}", [1]])
def test_what_is_neither_text_nor_mapping_is_no_checkpoint(builds: BuildQuerySet, checkpoint: Any) -> None:
    with pytest.raises(TypeError, match="the checkpoint of the last run, its text, or None"):
        builds.changed_since(checkpoint)


def test_a_checkpoint_continues_no_other_query(server: FakeBuildkite, bk: Buildkite, web: PipelineRef) -> None:
    checkpoint = first_run(web.builds(branch="main"))
    others = {
        "filters": web.builds(branch="next"),
        "filters ": web.builds(branch="main", with_jobs=True),
        "path": bk.organization("acme").pipeline("docs").builds(branch="main"),
        "organization": bk.organization("other").builds(branch="main"),
        "api": server.client(base_url="https://elsewhere.example").organization("acme").builds(branch="main"),
    }
    for name, other in others.items():
        with pytest.raises(ValueError, match=f"another query: its {name.strip()} is"):
            other.changed_since(checkpoint)
    assert items(web.builds(branch=["main"], with_jobs=False).changed_since(checkpoint)) == []


# -- filters


@pytest.mark.parametrize(
    ("filters", "problem"),
    [
        ({"state": "running"}, "not state: a build that stops matching would never be reported"),
        ({"meta_data": {"a": "b"}}, "not meta_data"),
        ({"created_to": datetime(2026, 8, 1, tzinfo=UTC)}, "not created_to"),
        ({"finished_from": datetime(2026, 8, 1, tzinfo=UTC)}, "not finished_from"),
        ({"include_paused": False}, "not include_paused"),
        ({"commit": "HEAD"}, "commit='HEAD': changed_since.. takes a full SHA"),
        ({"commit": [SHA, SHA[:7]]}, "takes a full SHA"),
        ({"commit": [SHA, SHA[:12]]}, "by the full SHA only"),
        ({"with_jobs": True, "include_retried_jobs": False}, "lists all attempts"),
    ],
)
def test_a_filter_that_a_build_can_leave_is_refused(web: PipelineRef, filters: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        web.builds(**filters).changed_since(None)


def test_a_limit_is_refused(builds: BuildQuerySet) -> None:
    with pytest.raises(ValueError, match=r"limit\(5\)"):
        builds.limit(5).changed_since(None)


def test_filters_apply_to_every_window(server: FakeBuildkite, web: PipelineRef) -> None:
    now = server.clock.now()
    user = server.add_user("Grace", "grace@acme.example")
    wanted: dict[str, Any] = {"branch": "next", "commit": SHA, "creator": user, "created_at": now - 60}
    others: dict[str, Any] = {"branch": "main", "commit": "f" * 40, "creator": None, "created_at": now - 9000}
    for field, value in others.items():
        for state in ("running", "passed", "skipped", "canceled"):
            server.add_build("web", state=state, **{**wanted, field: value})
    kept = [server.add_build("web", state=state, **wanted) for state in ("running", "passed", "skipped")]
    builds = web.builds(
        branch="next", commit=SHA, creator=user.id, created_from=datetime.fromtimestamp(now - 3600, UTC)
    )
    changes = builds.changed_since(None)
    assert ids(items(changes)) == newest_first(kept)
    again = ids(items(builds.changed_since(changes.checkpoint)))
    assert sorted(again) == sorted(newest_first(kept))


def test_all_attempts_of_jobs_are_listed(server: FakeBuildkite) -> None:
    server.add_pipeline("app", steps=[CommandStep(exits=(1, 0), automatic_retries=1)])
    app = server.client().organization("acme").pipeline("app")
    app.builds().create(commit="HEAD", branch="main")
    builds = app.builds(with_jobs=True)
    checkpoint = first_run(builds)
    server.run(120)
    (build,) = items(builds.changed_since(checkpoint))
    assert [job.state for job in build.jobs(include_retried_jobs=True)] == ["failed", "passed"]
    lines = [request.line for request in server.requests if "/builds?" in request.line]
    assert all("include_retried_jobs=true" in line for line in lines)


# -- time


def test_the_clock_of_the_client_does_not_matter(server: FakeBuildkite) -> None:
    class Slow:
        def now(self) -> float:
            return float(server.clock.now()) - 86400

        monotonic = sleep = wait_until = staticmethod(server.clock.now)

    server.add_pipeline("web")
    off = server.client(clock=Slow()).organization("acme").pipeline("web").builds()
    checkpoint = first_run(off)
    assert checkpoint.started_at is not None
    assert checkpoint.started_at.timestamp() == server.clock.now()


def test_a_server_without_a_date_is_refused(builds: BuildQuerySet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("buildkite_orm.fake.app.http_date", str)
    with pytest.raises(ResponseError, match="no Date header"):
        items(builds.changed_since(None))


# -- reconciling


def gone(changes: Iterable[Change | Gone]) -> list[str]:
    return [change.id for change in changes if isinstance(change, Gone)]


def test_reconciling_reports_what_differs_and_what_is_gone(server: FakeBuildkite, bk: Buildkite) -> None:
    for slug, count in (("web", 3), ("docs", 2)):
        server.add_builds(slug, count, newest=server.clock.now() - 3600)
    old = server.add_build("web", created_at=server.clock.now() - 8 * 86400)
    builds = bk.organization("acme").builds()
    changes = builds.changed_since(None)
    mirror = {change.item.id: change.item for change in changes}
    server.clock.advance(3600)
    hidden = server.add_build("web", created_at=server.clock.now() - 3000)  # finished long before the last run
    hidden.finished_at = server.clock.now() - 9000
    removed = ids(server.store.organizations["acme"].pipelines["docs"].builds)
    bk.organization("acme").pipeline("docs").delete()
    week = timedelta(days=7)
    found = list(builds.changed_since(changes.checkpoint, reconcile=week, known=mirror))
    assert gone(found) == sorted(removed)
    assert [change.item.id for change in found if isinstance(change, Change)] == [hidden.id]
    recent = [key for key in mirror if key != old.id]
    found = list(builds.changed_since(changes.checkpoint, reconcile=week, known=recent))
    assert gone(found) == sorted(removed)
    assert {(each.item.id, each.kind) for each in found if isinstance(each, Change)} == {
        (hidden.id, "new"),
        *((record.id, "changed") for record in server.store.builds if record is not hidden and record is not old),
    }
    times = {UUID(key): build.created_at for key, build in mirror.items()}
    assert gone(builds.changed_since(changes.checkpoint, reconcile=week, known=cast("Any", times))) == sorted(removed)


def test_reconciling_repeats_nothing_that_the_run_has_reported(server: FakeBuildkite, builds: BuildQuerySet) -> None:
    checkpoint = first_run(builds)
    server.add_build("web", state="running")
    server.add_build("web", state="passed")
    found = described(builds.changed_since(checkpoint, reconcile=timedelta(days=7)))
    assert sorted(found) == [("new", 1, "running"), ("new", 2, "passed")]


@pytest.mark.parametrize(
    ("checkpoint", "options", "error"),
    [
        (None, {"reconcile": timedelta(days=1)}, "lists everything"),
        ("kept", {"reconcile": timedelta()}, "a positive timedelta"),
        ("kept", {"known": ["a"]}, "add reconcile="),
        ("kept", {"reconcile": timedelta(days=1), "known": "abc"}, "the ids of several builds"),
        ("kept", {"reconcile": timedelta(days=1), "known": [5]}, "ids, or a mapping from ids"),
        ("kept", {"reconcile": timedelta(days=1), "known": {"a": 5}}, "builds, or the times"),
        ("kept", {"reconcile": timedelta(days=1), "known": {"a": datetime(2026, 8, 1)}}, "no time zone"),  # noqa: DTZ001
    ],
)
def test_arguments_that_make_no_sense_are_refused(
    builds: BuildQuerySet, checkpoint: Any, options: dict[str, Any], error: str
) -> None:
    with pytest.raises((ValueError, TypeError), match=error):
        builds.changed_since(checkpoint and first_run(builds), **options)


def test_any_period_can_be_reconciled(server: FakeBuildkite, builds: BuildQuerySet) -> None:
    server.add_build("web", created_at=server.clock.now() - 10_000 * 86400)
    checkpoint = first_run(builds)
    assert len(items(builds.changed_since(checkpoint, reconcile=timedelta.max))) == 1


# -- with a cache


def test_the_jobs_of_finished_builds_come_from_the_cache(server: FakeBuildkite, tmp_path: Path) -> None:
    server.add_builds("web", 5, jobs=2, newest=server.clock.now() - 3600)
    with server.client(cache=Cache(tmp_path)) as client:
        builds = client.organization("acme").pipeline("web").builds(with_jobs=True)
        checkpoint = first_run(builds)
        found = items(builds.changed_since(checkpoint, reconcile=timedelta(days=1)))
        assert [len(build.embedded_jobs or []) for build in found] == [2] * 5
        assert all(build.from_cache for build in found)


def test_a_cache_alone_has_no_changes(server: FakeBuildkite, tmp_path: Path) -> None:
    server.add_builds("web", 5, newest=server.clock.now() - 3600)
    with server.client(cache=Cache(tmp_path)) as client:
        builds = client.organization("acme").pipeline("web").builds()
        items(builds.changed_since(None))
        with pytest.raises(ConfigurationError, match="needs the server"):
            items(builds.filter(cache="only").changed_since(None))
