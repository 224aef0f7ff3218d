"""The repr of every object is one line, made from its data alone, even if the data is not as documented."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings

from buildkite_orm import Build, Job, ManualJob, Pipeline, ScriptJob, TriggerJob, WaiterJob
from buildkite_orm.models.resource import repr_fields
from buildkite_orm.resources.test_engine.run import SuiteRun
from tests.reliability.models import RESOURCES
from tests.views.display.odd import odd_objects

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from buildkite_orm import Buildkite, QuerySet, Resource
    from buildkite_orm.fake import FakeBuildkite

API = "https://api.buildkite.com/v2/organizations/acme"
BUILD = {
    "id": "1",
    "url": f"{API}/pipelines/web/builds/42",
    "number": 42,
    "state": "passed",
    "commit": "HEAD",
    "branch": "main",
    "message": "Fix the flaky test\n\nIt was the clock.",
    "created_at": "2026-03-04T05:00:00Z",
    "started_at": "2026-03-04T05:00:05Z",
    "finished_at": "2026-03-04T05:03:17Z",
}
TIMES = {"started_at": "2026-03-04T05:00:05Z", "finished_at": "2026-03-04T05:02:15Z"}


# -- what they say


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, 'Build(acme/web #42 passed on main, 3m 12s, "Fix the flaky test")'),
        ({"blocked": True}, 'Build(acme/web #42 blocked on main, 3m 12s, "Fix the flaky test")'),
        ({"state": "running", "finished_at": None}, 'Build(acme/web #42 running on main, "Fix the flaky test")'),
        ({"message": None, "branch": None}, "Build(acme/web #42 passed, 3m 12s)"),
        ({"message": "\n  \n :rocket: Go\u202e"}, 'Build(acme/web #42 passed on main, 3m 12s, ":rocket: Go\\u202e")'),
        ({"message": "x" * 99}, f'Build(acme/web #42 passed on main, 3m 12s, "{"x" * 59}…")'),
        ({"state": "brand-new", "message": ""}, "Build(acme/web #42 brand-new on main, 3m 12s)"),
    ],
)
def test_a_build(changes: dict[str, Any], line: str) -> None:
    assert repr(Build.model_validate(BUILD | changes)) == line


@pytest.mark.parametrize(
    ("job", "line"),
    [
        ({"name": ":rspec: Tests", "state": "passed"}, "ScriptJob(:rspec: Tests passed, 2m 10s)"),
        ({"command": "make\ntest", "state": "running", "finished_at": None}, "ScriptJob(make running)"),
        ({"name": "T", "state": "failed", "exit_status": 2}, "ScriptJob(T failed, exit status 2, 2m 10s)"),
        (
            {"name": "T", "state": "failed", "exit_status": -1, "soft_failed": True, "retried": True},
            "ScriptJob(T soft failed, exit status -1, 2m 10s, retried)",
        ),
        (
            {"name": "T", "state": "passed", "parallel_group_index": 1, "parallel_group_total": 5},
            "ScriptJob(T 2/5 passed, 2m 10s)",
        ),
    ],
)
def test_a_job(job: dict[str, Any], line: str) -> None:
    assert repr(ScriptJob.model_validate({"id": "a", "type": "script", **TIMES, **job})) == line


def test_jobs_of_other_kinds() -> None:
    assert repr(WaiterJob.model_validate({"id": "a", "type": "waiter"})) == "WaiterJob(waiter)"
    block = {"id": "a", "type": "manual", "label": "Ship?", "state": "blocked"}
    assert repr(ManualJob.model_validate(block)) == "ManualJob(Ship? blocked)"
    trigger = {"id": "a", "type": "trigger", "name": "Deploy", "state": "passed"}
    assert repr(TriggerJob.model_validate(trigger)) == "TriggerJob(Deploy passed)"
    assert repr(Job.model_validate({"id": "a", "type": "brand-new", "step_key": "x"})) == "Job(x)"


def test_a_pipeline() -> None:
    web = {"id": "1", "url": f"{API}/pipelines/web", "name": "Web", "slug": "web"}
    assert repr(Pipeline.model_validate(web)) == "Pipeline(acme/web)"
    old = web | {"name": "Web app", "archived_at": "2026-03-04T05:00:00Z"}
    assert repr(Pipeline.model_validate(old)) == "Pipeline(acme/web, Web app, archived)"


def test_a_run_of_a_suite_that_has_no_result_yet() -> None:
    url = "https://api.buildkite.com/v2/analytics/organizations/acme/suites/rspec/runs/7"
    run = SuiteRun.model_validate({"id": "7", "url": url, "state": "running", "branch": None})
    assert repr(run) == "SuiteRun(acme/suites/rspec/runs/7 running)"


def test_a_field_that_is_true_appears_as_its_name(acme: FakeBuildkite) -> None:
    with acme.client() as bk:
        teams = {repr(team) for team in bk.organization("acme").teams()}
    assert teams == {
        "Team(Everyone, visible, default)",
        "Team(Fearless Frontenders, visible)",
        "Team(Release Engineers, secret)",
    }


def seen(bk: Buildkite) -> Iterator[Resource]:
    """Return some objects of each kind that the seeded organization has."""
    org = bk.organization("acme")
    yield from (org.fetch(), bk.user(), bk.access_token(), bk.meta(), org.rate_limits().fetch())
    build = org.pipeline("web").builds(state="failed")[0]
    yield from (build, build.jobs()[0].log().fetch())
    cluster, suite = org.clusters()[0], org.suites()[0]
    listings: list[QuerySet[Any]] = [
        build.jobs(), build.artifacts(), build.annotations(), build.step_uploads(), org.pipelines(), org.agents(),
        org.teams(), org.registries(), org.suites(), org.clusters(), org.members(), org.audit_events(), org.emojis(),
        org.portals(), org.rules(), cluster.queues(), cluster.secrets(), suite.runs(),
    ]  # fmt: skip
    yield from chain.from_iterable(listings)


def test_the_repr_of_every_object_is_one_line(acme: FakeBuildkite) -> None:
    with acme.client() as bk:
        lines = {repr(resource): type(resource).__name__ for resource in seen(bk)}
    assert len(set(lines.values())) > 20
    for line, kind in lines.items():
        assert line.startswith(f"{kind}(")
        assert "None" not in line
        assert len(line) < 200


def test_the_repr_of_a_report_is_one_line(acme: FakeBuildkite, tmp_path: Path) -> None:
    with acme.client() as bk:
        web = bk.organization("acme").pipeline("web")
        report = web.build(123).artifacts().save_all(tmp_path)
        summary = web.build(119).failure_summary()
    assert repr(report) == f"<DownloadReport 1 saved (58 bytes), 0 skipped, 0 failed: {tmp_path}>"
    assert repr(summary) == "<FailureSummary acme/web #119 failed on main: 1 failed job>"
    (failed,) = summary.failed
    assert repr(failed).startswith("<FailedJob :rspec: RSpec: failed, exit status 1")
    assert len(repr(failed).splitlines()) == 1


# -- what they are made of


@pytest.mark.parametrize("kind", RESOURCES, ids=lambda kind: kind.__name__)
def test_the_fields_of_a_repr_exist(kind: type[Resource]) -> None:
    assert set(repr_fields(kind)) <= kind.model_fields.keys()


@settings(deadline=None)
@given(odd_objects)
def test_the_repr_of_any_payload_is_one_line_of_printable_characters(resource: Resource) -> None:
    line = repr(resource)
    assert line.startswith(f"{type(resource).__name__}(")
    assert len(line.splitlines()) == 1
    assert not set(line) & set("\x1b\u202e\u200b\n")
