"""The schedules of pipelines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm import NotFoundError, UnprocessableEntityError
from buildkite_orm.resources.pipelines.schedule import PipelineSchedule, PipelineScheduleOptions

if TYPE_CHECKING:
    from buildkite_orm import Buildkite, PipelineRef
    from buildkite_orm.fake import FakeBuildkite
    from tests.conftest import Costs, Sent
    from tests.resources.conftest import Examples

SCHEDULES = "/v2/organizations/acme/pipelines/web/schedules"
HOUR = 3600
OPTIONS: dict[str, Any] = {
    "label": "Nachtlauf",
    "message": "Über Nacht",
    "commit": "abcd0b72a1e580e90712cdd9eb26d3fb41cd09c8",
    "branch": "größe",
    "env": {"DEPLOY_ENV": "staging"},
    "enabled": False,
}


@pytest.fixture
def pipeline(server: FakeBuildkite, bk: Buildkite) -> PipelineRef:
    server.add_pipeline("web", default_branch="trunk")
    return bk.organization("acme").pipeline("web")


def test_a_schedule_is_created_with_the_given_fields_only(pipeline: PipelineRef, sent: Sent, costs: Costs) -> None:
    with costs(1):
        schedule = pipeline.schedules().create(cronline="@daily")
    assert sent() == (f"POST {SCHEDULES}", {"cronline": "@daily"})
    assert (type(schedule), schedule.commit, schedule.branch, schedule.enabled) == (
        PipelineSchedule,
        "HEAD",
        "trunk",
        True,
    )
    assert schedule.next_build_at is not None
    assert schedule.next_build_at.isoformat() == "2026-08-02T00:00:00+00:00"
    assert schedule.embedded_pipeline is not None
    assert (schedule.embedded_pipeline.slug, schedule.pipeline) == ("web", pipeline)


def test_a_new_one_accepts_every_field(pipeline: PipelineRef, sent: Sent) -> None:
    schedule = pipeline.schedules().create(cronline="0 8 * * 1-5 +02:00", **OPTIONS)
    assert sent() == (f"POST {SCHEDULES}", {"cronline": "0 8 * * 1-5 +02:00", **OPTIONS})
    assert schedule.dump().items() >= OPTIONS.items()
    assert schedule.next_build_at is None
    assert OPTIONS.keys() == PipelineScheduleOptions.__annotations__.keys()


def test_schedules_are_listed_the_newest_first_and_got(pipeline: PipelineRef, sent: Sent, costs: Costs) -> None:
    first = pipeline.schedules().create(cronline="@daily", label="Nightly")
    second = pipeline.schedules().create(cronline="@hourly")
    with costs(2):
        assert list(pipeline.schedules()) == [second, first]
        assert pipeline.schedule(first.id).fetch() == first
    assert sent() == (f"GET {SCHEDULES}/{first.id}", None)
    assert repr(first) == "PipelineSchedule(Nightly, @daily, trunk, enabled)"


def test_one_that_is_not_there_is_not_found(pipeline: PipelineRef, bk: Buildkite) -> None:
    with pytest.raises(NotFoundError, match="No pipeline schedule found"):
        pipeline.schedule("0191").fetch()
    with pytest.raises(NotFoundError, match="No pipeline found"):
        list(bk.organization("acme").pipeline("nothing").schedules())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("label", None),
        ("label", ""),
        ("message", None),
        ("message", ""),
        ("env", {}),
        ("env", None),
        ("enabled", False),
    ],
)
def test_unset_null_and_empty_are_distinguished(pipeline: PipelineRef, sent: Sent, field: str, value: object) -> None:
    schedule = pipeline.schedules().create(cronline="@daily", label="Before", message="x", env={"A": "1"})
    setattr(schedule, field, value)
    schedule.save()
    assert sent() == (f"PUT {SCHEDULES}/{schedule.id}", {field: value})
    assert getattr(schedule, field) == value


@pytest.mark.parametrize("field", ["commit", "branch"])
@pytest.mark.parametrize("value", [None, ""])
def test_null_and_empty_are_sent_for_fields_with_a_default(
    pipeline: PipelineRef, sent: Sent, field: str, value: str | None
) -> None:
    schedule = pipeline.schedules().create(cronline="@daily", commit="abcd0b7", branch="main")
    change: Any = {field: value}
    schedule.update(**change)
    assert sent() == (f"PUT {SCHEDULES}/{schedule.id}", {field: value})
    assert getattr(schedule, field) == {"commit": "HEAD", "branch": "trunk"}[field]


@pytest.mark.parametrize("fields", [{"label": None, "env": None}, {"label": "", "env": {}}, {"enabled": False}])
def test_null_empty_and_false_are_sent_for_a_new_one(pipeline: PipelineRef, sent: Sent, fields: Any) -> None:
    schedule = pipeline.schedules().create(cronline="@daily", **fields)
    assert sent() == (f"POST {SCHEDULES}", {"cronline": "@daily", **fields})
    assert schedule.dump().items() >= fields.items()


def test_everything_can_be_changed(pipeline: PipelineRef, sent: Sent) -> None:
    schedule = pipeline.schedules().create(cronline="@daily")
    assert schedule.update(cronline="@weekly", **OPTIONS) is schedule
    assert sent() == (f"PUT {SCHEDULES}/{schedule.id}", {"cronline": "@weekly", **OPTIONS})
    assert (schedule.enabled, schedule.next_build_at) == (False, None)


@pytest.mark.parametrize("cronline", ["", "whenever", "* * *", "0 ~ * * *", "61 * * * *", "0 0 * * * Mars/Base"])
def test_invalid_intervals_are_refused(pipeline: PipelineRef, cronline: str) -> None:
    schedule = pipeline.schedules().create(cronline="@daily")
    with pytest.raises(UnprocessableEntityError):
        pipeline.schedules().create(cronline=cronline)
    with pytest.raises(UnprocessableEntityError):
        schedule.update(cronline=cronline)
    assert (schedule.reload().cronline, len(list(pipeline.schedules()))) == ("@daily", 1)


def test_a_schedule_creates_builds(server: FakeBuildkite, pipeline: PipelineRef) -> None:
    schedule = pipeline.schedules().create(cronline="@hourly", message="Again", env={"A": "1"})
    server.clock.advance(2 * HOUR + 60)
    latest, before = pipeline.builds()
    assert (latest.source, latest.message, latest.branch, latest.env) == ("schedule", "Again", "trunk", {"A": "1"})
    assert (before.created_at.isoformat(), latest.created_at.hour) == ("2026-08-01T13:00:00+00:00", 14)
    following = schedule.reload().next_build_at
    assert following is not None
    assert following.hour == 15


@pytest.mark.parametrize("way", ["disabled", "deleted", "moved"])
def test_no_build_starts_from_a_schedule_that_is_off(
    server: FakeBuildkite, pipeline: PipelineRef, sent: Sent, way: str
) -> None:
    schedule = pipeline.schedules().create(cronline="@hourly")
    if way == "disabled":
        schedule.update(enabled=False)
        assert sent()[1] == {"enabled": False}
    elif way == "deleted":
        schedule.delete()
        assert sent() == (f"DELETE {SCHEDULES}/{schedule.id}", None)
        assert schedule not in pipeline.schedules()
    else:
        schedule.update(cronline="@monthly")
    server.clock.advance(2 * HOUR)
    assert list(pipeline.builds()) == []


def test_one_that_fails_says_why_until_it_is_enabled_again(
    server: FakeBuildkite, pipeline: PipelineRef, sent: Sent
) -> None:
    schedule = pipeline.schedules().create(cronline="@hourly", branch="feature/x")
    pipeline.update(branch_configuration="trunk")
    server.clock.advance(HOUR)
    schedule.reload()
    assert (schedule.enabled, schedule.next_build_at) == (False, None)
    assert "feature/x is not configured" in (schedule.failed_message or "")
    assert schedule.failed_at is not None
    assert sent()[0] == f"GET {SCHEDULES}/{schedule.id}"
    enabled = pipeline.schedule(schedule.id).update(enabled=True)
    assert (enabled.enabled, enabled.failed_message, enabled.failed_at) == (True, None, None)
    pipeline.archive()
    server.clock.advance(HOUR)
    assert schedule.reload().failed_message == "Pipeline is archived"
    assert list(pipeline.builds()) == []


def test_the_documented_examples_load_and_dump(examples: Examples) -> None:
    verbs = ("list-pipeline-schedules", *(f"{verb}-a-pipeline-schedule" for verb in ("get", "create", "update")))
    examples(PipelineSchedule, *(f"pipeline_schedules/{verb}" for verb in verbs))
