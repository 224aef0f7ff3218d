"""The events: one class for each that is documented, and what their objects can do."""

from __future__ import annotations

import copy
import json
import pickle
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, assert_type

import pytest

from buildkite_orm import Build, BuildRef, Model, ScriptJob, TriggerJob, UnboundError, webhooks
from buildkite_orm.utils.json_types import as_array, as_object
from buildkite_orm.webhooks import (
    AgentBlocked,
    BuildFinished,
    JobFinished,
    JobPromisedExitStatus,
    MonitorEvent,
    PackageCreated,
    PassedOnRetry,
    Ping,
    ProbabilisticFlakiness,
    TransitionCount,
    UnknownEvent,
    WebhookEvent,
    WorkflowAlarm,
    WorkflowRecover,
)
from buildkite_orm.webhooks.events.loading import CLASSES
from tests.documented import DATA, example

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildkite_orm import Buildkite
    from buildkite_orm.fake import FakeBuildkite
    from tests.conftest import Costs

FACTS: Final[Any] = json.loads((DATA / "webhooks.json").read_text(encoding="utf-8"))
EXAMPLES: Final[list[tuple[str, dict[str, Any]]]] = [
    (each["place"], each["payload"]) for each in FACTS["examples"] if each["payload"].keys() != {"retry_source"}
]
NAMES: Final = {name for names in FACTS["events"].values() for name in names} | {"package.created"}


def load(**payload: Any) -> WebhookEvent:
    """Return the event of a payload."""
    return webhooks.parse(json.dumps(payload))


# -- the documentation -------------------------------------------------------------------------------------------------


def test_each_documented_event_has_a_class_of_its_own() -> None:
    assert CLASSES.keys() - {"workflow.alarm", "workflow.recover"} == NAMES
    assert len(set(CLASSES.values())) == len(CLASSES)
    for name, kind in CLASSES.items():
        words = re.split(r"[._]", name)
        assert kind.__name__ == "".join(word.title() for word in words)
        assert kind.__name__ in webhooks.__all__


@pytest.mark.parametrize(("place", "payload"), EXAMPLES)
def test_a_documented_example_is_kept_whole(place: str, payload: dict[str, Any]) -> None:
    event = load(**payload)
    assert event.dump() == payload
    is_known = place != "pipelines#http-request-body"  # it has `build.started`, which no list has
    assert isinstance(event, UnknownEvent) is not is_known
    missing = {each.field for each in event.drift if each.problem == "is missing"}
    assert {each.field for each in event.drift} == missing, "only what the example leaves out differs"


@pytest.mark.parametrize(("place", "payload"), EXAMPLES)
def test_each_documented_property_is_a_field(place: str, payload: dict[str, Any]) -> None:
    event = load(**payload)
    if not isinstance(event, UnknownEvent):
        named: list[str] = [] if "retry" in place else FACTS["properties"].get(place, [])
        assert {*payload, *named} <= set(type(event).model_fields)


WHOLE: Final[dict[str, dict[str, Any]]] = {
    "build": example("builds/get-a-build"),
    "job": example("jobs/get-a-job"),
    "pipeline": example("pipelines/get-a-pipeline"),
    "agent": example("agents/get-an-agent"),
    "organization": example("organizations/get-an-organization"),
    "cluster_token": example("clusters/agent_tokens/get-a-token"),
}


def in_old_format(value: Any) -> Any:
    """Return a payload with its times as webhooks have them."""
    if (known := as_object(value)) is not None:
        return {key: in_old_format(item) for key, item in known.items()}
    if (several := as_array(value)) is not None:
        return [in_old_format(item) for item in several]
    if isinstance(value, str):
        return re.sub(r"^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)\.\d+Z$", r"\1 \2 UTC", value)
    return value


def whole() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each documented event, with the documented objects of the REST API in it."""
    for name in sorted(NAMES - {"package.created"}):
        parts = {part: in_old_format(value) for part, value in WHOLE.items() if part in CLASSES[name].model_fields}
        if "build" in parts:
            del parts["build"]["jobs"]
        if name == "ping":
            parts["service"] = {"id": "1", "provider": "webhook", "settings": {"url": "https://example.com"}}
        yield name, {"event": name, **parts, "sender": {"id": "2", "name": "Ada"}}


@pytest.mark.parametrize(("name", "payload"), list(whole()))
def test_the_objects_in_an_event_are_our_own_and_as_documented(name: str, payload: dict[str, Any]) -> None:
    event = load(**payload)
    assert type(event) is CLASSES[name]
    assert event.drift == ()
    assert event.dump() == payload
    for part in payload.keys() - {"event"}:
        assert isinstance(getattr(event, part), Model), part


def test_all_documented_events_are_tested_with_whole_objects() -> None:
    assert {name for name, _ in whole()} | {"package.created"} == NAMES


# -- times, objects ----------------------------------------------------------------------------------------------------

URL: Final = "https://api.buildkite.com/v2/organizations/acme/pipelines/web/builds/42"
BUILD: Final = {
    "id": "b",
    "url": URL,
    "number": 42,
    "state": "passed",
    "commit": "HEAD",
    "created_at": "2019-08-11 06:01:14 UTC",
}
PIPELINE: Final = {
    "id": "p",
    "url": URL.partition("/builds")[0],
    "name": "Web",
    "slug": "web",
}
JOB: Final = {"id": "01234567-89ab-cdef-0123-456789abcdef", "type": "script", "name": "Test", "state": "failed"}


def test_times_are_read_as_webhooks_write_them() -> None:
    event = load(event="build.finished", build=BUILD, pipeline=PIPELINE)
    assert isinstance(event, BuildFinished)
    assert event.build.created_at == datetime(2019, 8, 11, 6, 1, 14, tzinfo=UTC)
    assert event.dump()["build"]["created_at"] == "2019-08-11 06:01:14 UTC"


def test_an_event_is_matched_by_its_class() -> None:
    match load(event="build.finished", build=BUILD | {"blocked": True}, pipeline=PIPELINE):
        case BuildFinished(build=build):
            assert_type(build, Build)
            assert build.is_blocked
        case event:
            pytest.fail(repr(event))


def test_a_bound_event_has_bound_objects(server: FakeBuildkite, bk: Buildkite, costs: Costs) -> None:
    server.add_build("web", number=42, state="failed", jobs=[{"id": JOB["id"], "state": "failed"}])
    event = load(event="job.finished", job=JOB, build=BUILD, pipeline=PIPELINE)
    assert isinstance(event, JobFinished)
    with pytest.raises(UnboundError, match=r"bk\.bind"):
        event.build.fetch()
    with costs(0):
        bound = bk.bind(event)
        assert_type(bound, JobFinished)
    assert bound is event
    with costs(1):
        assert event.build.fetch().state == "failed"
    with costs(1):
        assert event.job.fetch().id == JOB["id"]
    with costs(1):
        assert event.pipeline.fetch().slug == "web"
    with costs(1):
        assert [job.id for job in event.build.jobs()] == [JOB["id"]]


def test_an_object_of_an_event_is_bound_alone(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_build("web", number=42, state="failed")
    event = load(event="build.finished", build=BUILD, pipeline=PIPELINE)
    assert isinstance(event, BuildFinished)
    assert bk.bind(event.build).fetch().state == "failed"
    with pytest.raises(UnboundError):
        event.pipeline.fetch()


@pytest.mark.parametrize("kind", ["script", "trigger", "manual", "waiter", "brand-new"])
def test_a_job_of_any_kind_knows_its_build(bk: Buildkite, kind: str) -> None:
    event = load(event="job.finished", job={"id": JOB["id"], "type": kind}, build=BUILD, pipeline=PIPELINE)
    assert isinstance(event, JobFinished)
    job = bk.bind(event).job
    assert job.build == event.build
    assert job.api_path == f"organizations/acme/pipelines/web/builds/42/jobs/{JOB['id']}"
    assert isinstance(job.build, BuildRef)


def test_a_job_of_a_build_without_a_url_is_an_event_all_the_same() -> None:
    event = load(event="job.finished", job=JOB, build={"number": 42}, pipeline={})
    assert isinstance(event, JobFinished)
    assert event.job.id == JOB["id"]
    assert {each.field for each in event.drift} >= {"build.url", "pipeline.slug"}


def test_a_build_with_an_empty_list_of_jobs_requests_them(server: FakeBuildkite, bk: Buildkite, costs: Costs) -> None:
    server.add_build("web", number=42, jobs=2)
    event = load(event="build.finished", build=BUILD | {"jobs": []}, pipeline=PIPELINE)
    assert isinstance(event, BuildFinished)
    with costs(1):
        assert len(list(bk.bind(event.build).jobs())) == 2


def test_a_later_state_than_that_of_the_event_is_normal() -> None:
    event = load(event="build.running", build=BUILD | {"state": "passed"}, pipeline=PIPELINE)
    assert event.drift == ()


def test_an_event_survives_pickle_and_copy(bk: Buildkite) -> None:
    event = load(event="job.finished", job=JOB, build=BUILD, pipeline=PIPELINE)
    bk.bind(event)
    for twin in (pickle.loads(pickle.dumps(event)), copy.deepcopy(event)):  # noqa: S301
        assert isinstance(twin, JobFinished)
        assert twin.dump() == event.dump()
        assert bk.bind(twin).job.build == twin.build


def test_the_repr_names_the_objects() -> None:
    event = load(event="job.finished", job=JOB, build=BUILD, pipeline=PIPELINE)
    assert repr(event) == "JobFinished(ScriptJob(Test failed), Build(acme/web #42 passed), Pipeline(acme/web))"
    assert repr(load(event="build.started", build={})) == "UnknownEvent('build.started')"


def test_no_repr_shows_what_may_be_secret() -> None:
    token = WHOLE["cluster_token"] | {"token": "bkct_secret", "description": "Default"}
    shown = repr(load(event="agent.blocked", agent=WHOLE["agent"], cluster_token=token, blocked_ip="192.0.2.1"))
    service = {"id": "1", "provider": "webhook", "settings": {"url": "https://user:bkct_secret@example.com"}}
    ping = load(event="ping", service=service, organization=WHOLE["organization"])
    assert isinstance(ping, Ping)
    assert "secret" not in shown + repr(ping) + repr(ping.service)


# -- parts -------------------------------------------------------------------------------------------------------------


def test_a_retried_job_names_who_retried_it() -> None:
    source = {"job_id": "1", "retry_type": "manual", "retried_by": {"name": "Ada", "email": "ada@example.com"}}
    event = load(event="job.finished", job=JOB | {"retry_source": source}, build=BUILD, pipeline=PIPELINE)
    assert isinstance(event, JobFinished)
    assert isinstance(event.job, ScriptJob)
    assert event.job.retry_source is not None
    assert event.job.retry_source.retried_by is not None
    assert event.job.retry_source.retried_by.email == "ada@example.com"


def test_trigger_steps_say_whether_they_wait() -> None:
    steps = [{"type": "trigger", "async": True, "label": "Deploy"}]
    event = load(event="build.finished", build=BUILD | {"steps": steps}, pipeline=PIPELINE)
    assert isinstance(event, BuildFinished)
    assert event.build.steps is not None
    assert [step.async_ for step in event.build.steps] == [True]
    job = load(event="job.finished", job=JOB | {"type": "trigger", "async": False}, build=BUILD, pipeline=PIPELINE)
    assert isinstance(job, JobFinished)
    assert isinstance(job.job, TriggerJob)
    assert job.job.async_ is False


def test_a_promised_exit_status_has_its_reason() -> None:
    job = JOB | {"promised_exit_status": 1, "promised_exit_status_at": "2026-06-03T04:15:41.618Z", "state": "running"}
    fields = {"job": job, "build": BUILD, "pipeline": PIPELINE}
    event = load(event="job.promised_exit_status", promised_exit_status_reason="2 failed", **fields)
    assert isinstance(event, JobPromisedExitStatus)
    assert event.promised_exit_status_reason == "2 failed"
    assert isinstance(event.job, ScriptJob)
    assert event.job.promised_exit_status_at == datetime(2026, 6, 3, 4, 15, 41, 618_000, tzinfo=UTC)
    assert event.drift == ()


def test_a_blocked_agent_has_its_token() -> None:
    event = load(event="agent.blocked", agent=WHOLE["agent"], cluster_token=WHOLE["cluster_token"], blocked_ip="::1")
    assert isinstance(event, AgentBlocked)
    assert (event.blocked_ip, event.cluster_token.id) == ("::1", WHOLE["cluster_token"]["id"])


def test_a_package_is_bound_to_its_registry(bk: Buildkite) -> None:
    (payload,) = [payload for place, payload in EXAMPLES if place.startswith("package-registries")]
    event = bk.bind(load(**payload))
    assert isinstance(event, PackageCreated)
    assert event.package.registry.slug == "my-registry"
    assert event.package.organization.slug == "my_great_org"


# -- Test Engine -------------------------------------------------------------------------------------------------------


def workflow(heading: str) -> dict[str, Any]:
    """Return the documented example of a kind of monitor."""
    (payload,) = [payload for place, payload in EXAMPLES if place.endswith(f"actions#{heading}")]
    return payload


def test_the_events_of_test_engine_have_three_shapes() -> None:
    alarm = load(**workflow("transition-count"))
    assert isinstance(alarm, WorkflowAlarm)
    assert alarm.subject is not None
    assert alarm.subject.test_full_name == "Enumerated spec 1"
    assert type(alarm.workflow_event) is TransitionCount
    retried, flaky = load(**workflow("passed-on-retry")), load(**workflow("probabilistic-flakiness"))
    assert isinstance(retried, PassedOnRetry)
    assert (retried.event, retried.commit_count, retried.timestamp) == (
        None,
        1,
        datetime(2025, 9, 22, 5, 0, 14, 650_000, tzinfo=UTC),
    )
    assert isinstance(flaky, ProbabilisticFlakiness)
    assert flaky.score == 0.2


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("passed-on-retry", PassedOnRetry),
        ("probabilistic-flakiness", ProbabilisticFlakiness),
        (None, MonitorEvent),
    ],
)
def test_a_measurement_is_read_inside_of_a_workflow_event_too(kind: str | None, expected: type[MonitorEvent]) -> None:
    inner = {"type": "brand_new", "score": 1} if kind is None else workflow(kind)
    payload = workflow("transition-count") | {"event": "workflow.recover", "workflow_event": inner}
    event = load(**payload)
    assert isinstance(event, WorkflowRecover)
    assert type(event.workflow_event) is expected
    assert (event.drift, event.dump()) == ((), payload)


# -- unknown -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "payload",
    [
        {"event": "build.started", "build": {"keys": "vals"}, "sender": {"name": "Ada"}},
        {"event": "workflow.paused", "workflow_id": "1"},
        {"event": None, "build": BUILD},
        {"event": 7},
        {"event": ["build.finished"]},
        {"type": "brand_new"},
        {},
    ],
)
def test_an_unknown_event_is_kept_whole(payload: dict[str, Any]) -> None:
    event = load(**payload)
    assert isinstance(event, UnknownEvent)
    assert event.dump() == payload


def test_unknown_fields_and_odd_values_are_kept() -> None:
    build = BUILD | {"number": "forty-two", "brand_new": [1]}
    payload = {"event": "build.finished", "build": build, "pipeline": PIPELINE, "attempt": 2, "sender": "Ada"}
    event = load(**payload)
    assert isinstance(event, BuildFinished)
    assert event.dump() == payload
    assert {each.field for each in event.drift} == {"build.number", "sender"}
    assert event.build.drift[0].problem == "received as string"
