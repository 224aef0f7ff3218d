"""The webhooks that the fake sends: which events, their payloads and signatures, and how they arrive."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import ExitStack
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

import pytest

from buildkite_orm import webhooks
from buildkite_orm.fake import BlockStep, CommandStep, FakeBuildkite, ManualClock, TriggerStep, WaitStep
from buildkite_orm.fake.webhooks.payloads import EVENTS
from buildkite_orm.utils.json_types import as_array, as_object
from buildkite_orm.webhooks import (
    AgentConnected,
    AgentLost,
    BuildFinished,
    BuildRunning,
    JobFinished,
    JobStarted,
    PassedOnRetry,
    Ping,
    RepeatedWebhookError,
    SeenInMemory,
    WebhookEvent,
)
from tests.documented import DATA
from tests.fake.webhook_service import Service
from tests.helpers import web_build, web_pipeline

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildkite_orm import Buildkite
    from buildkite_orm.fake import Step

SECRET: Final = "the token of the webhook"
FACTS: Final[Any] = json.loads((DATA / "webhooks.json").read_text(encoding="utf-8"))


class Inbox:
    """A receiver that verifies what it receives."""

    def __init__(self) -> None:
        self.events: list[WebhookEvent] = []
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.seen = SeenInMemory()

    def __call__(self, body: bytes, headers: dict[str, str]) -> None:
        self.bodies.append(body)
        self.headers.append(headers)
        event = webhooks.receive(body, headers, secret=SECRET, seen=self.seen)
        assert event.drift == ()
        assert json.loads(body) == event.dump()
        self.events.append(event)

    @property
    def names(self) -> list[str | None]:
        return [event.event for event in self.events]


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


def create(bk: Buildkite, branch: str = "main") -> None:
    web_pipeline(bk).builds().create(commit="HEAD", branch=branch)


# -- which events ------------------------------------------------------------------------------------------------------


def test_a_build_sends_what_happens_to_it(server: FakeBuildkite, bk: Buildkite, inbox: Inbox) -> None:
    server.deliver_webhooks(inbox, secret=SECRET)
    server.add_pipeline("web")
    create(bk)
    server.run(600)
    assert inbox.names == [
        "build.scheduled",
        "job.scheduled",
        "agent.connected",
        "build.running",
        "job.started",
        "job.finished",
        "agent.disconnected",
        "build.finished",
    ]
    states = [event.build.state for event in inbox.events if isinstance(event, BuildRunning | BuildFinished)]
    assert states == ["running", "passed"]


def everything(server: FakeBuildkite, bk: Buildkite) -> None:
    """Make each event happen that the lifecycle produces."""
    org = bk.organization("acme")
    server.add_pipeline("deploy", steps=[CommandStep(label="Deploy")])
    steps: list[Step] = [
        CommandStep(label="Test", duration=60, exits=(1, 0), automatic_retries=1, promised_exit_status=1),
        CommandStep(label="Slow", duration=300),
        WaitStep(),
        BlockStep(label="Ship it?"),
        TriggerStep(pipeline="deploy", async_=True),
    ]
    server.add_pipeline("web", steps=steps, skip_queued_branch_builds=True)
    create(bk)
    create(bk)
    server.run(600)
    web_build(bk, 2).unblock_all()
    server.run(600)
    server.add_pipeline("fails", steps=[CommandStep(exits=(1,)), CommandStep(label="Slow", duration=300)])
    build = org.pipeline("fails").builds().create(commit="HEAD", branch="main")
    server.run(600)
    build.retry_failed_jobs()
    server.run(600)
    agent = server.add_agent("mac-1")
    org.agent(agent.id).stop()
    server.store.notify("agent.lost", agent)
    org.registries().create(name="files", ecosystem="files")
    org.registry("files").packages().publish(BytesIO(b"hello"), filename="greeting-1.0.0.txt")
    server.run()


def test_each_documented_event_is_sent_or_can_be(server: FakeBuildkite, bk: Buildkite, inbox: Inbox) -> None:
    sender = server.deliver_webhooks(inbox, secret=SECRET)
    everything(server, bk)
    sender.ping()
    agent, token = server.add_agent(), {"id": "1", "url": "https://api.buildkite.com/v2/organizations/acme/x"}
    sender.send("agent.blocked", agent, blocked_ip="192.0.2.1", cluster_token=token)
    sender.send("cluster_token.registration_blocked", blocked_ip="192.0.2.1", cluster_token=token)
    documented = {name for names in FACTS["events"].values() for name in names} | {"package.created"}
    assert documented == EVENTS
    assert set(inbox.names) == EVENTS
    assert [each.error for each in sender.deliveries] == [None] * len(inbox.events)


def keys_of(place: str) -> set[str]:
    return {"event", *FACTS["properties"][place]}


SHAPES: Final = {
    "build.": keys_of("pipelines/build-events#request-body-data"),
    "job.": keys_of("pipelines/job-events#request-body-data"),
    "job.promised": keys_of("pipelines/job-events#request-body-data") | {"promised_exit_status_reason"},
    "agent.": keys_of("pipelines/agent-events#common-event-data"),
    "package.": {"event", "package", "sender"},
    "ping": keys_of("pipelines/ping-events#request-body-data"),
}


def test_payloads_have_the_documented_shape(server: FakeBuildkite, bk: Buildkite, inbox: Inbox) -> None:
    server.deliver_webhooks(inbox, secret=SECRET).ping()
    everything(server, bk)
    for body, headers in zip(inbox.bodies, inbox.headers, strict=True):
        payload = json.loads(body)
        shape = max((start for start in SHAPES if payload["event"].startswith(start)), key=len)
        assert payload.keys() == SHAPES[shape], payload["event"]
        assert payload["sender"].keys() == {"id", "name"}
        assert "jobs" not in payload.get("build", {})
        assert headers["X-Buildkite-Event"] == payload["event"]
        assert headers["Content-Type"] == "application/json"


def documented(heading: str) -> dict[str, Any]:
    (payload,) = [each["payload"] for each in FACTS["examples"] if each["place"].endswith(heading)][:1]
    return {key: value for key, value in payload.items() if isinstance(value, dict)}


@pytest.mark.parametrize(
    ("heading", "event"),
    [
        ("job-events#trigger-job-events", "job.finished"),
        ("job-events#retry-source-in-job-events", "job.finished"),
        ("job-events#promised-exit-status-events", "job.promised_exit_status"),
        ("build-events#trigger-steps-in-build-events", "build.finished"),
        ("build-events#finding-out-if-a-build-is-blocked", "build.finished"),
        ("package-registries#package-created", "package.created"),
        ("ping-events#request-body-data", "ping"),
    ],
)
def test_some_payload_has_all_that_an_example_has(
    server: FakeBuildkite, bk: Buildkite, inbox: Inbox, heading: str, event: str
) -> None:
    server.deliver_webhooks(inbox, secret=SECRET).ping()
    everything(server, bk)
    wanted = keys_within(documented(heading))
    found = [json.loads(body) for body in inbox.bodies]
    assert any(wanted <= keys_within(each) for each in found if each["event"] == event), wanted


def keys_within(value: Any, path: str = "") -> set[str]:
    """Return the paths of all keys in an object, without placeholders."""
    keys: set[str] = set()
    for item in as_array(value) or []:
        keys |= keys_within(item, f"{path}[]")
    for key, item in (as_object(value) or {}).items():
        keys |= {f"{path}.{key}"} | keys_within(item, f"{path}.{key}")
    return {each for each in keys if not each.endswith("....")}


def test_times_are_in_the_old_format(server: FakeBuildkite, bk: Buildkite, inbox: Inbox) -> None:
    server.deliver_webhooks(inbox, secret=SECRET)
    server.add_pipeline("web")
    create(bk)
    server.run(600)
    payload = json.loads(inbox.bodies[-1])
    assert payload["build"]["created_at"] == "2026-08-01 12:00:00 UTC"
    assert "2026-08-01T" not in inbox.bodies[-1].decode()


def test_only_the_events_of_the_webhook_are_sent(server: FakeBuildkite, bk: Buildkite, inbox: Inbox) -> None:
    server.add_organization("umbrella")
    server.add_pipeline("web")
    server.deliver_webhooks(inbox, secret=SECRET, events=["build.finished"])
    other = server.deliver_webhooks(inbox, secret=SECRET, organization="umbrella")
    create(bk)
    server.run(600)
    assert inbox.names == ["build.finished"]
    assert not other.deliveries


@pytest.mark.parametrize("state", ["passed", "failed", "running"])
def test_a_blocked_build_is_finished_whatever_its_state(
    server: FakeBuildkite, bk: Buildkite, inbox: Inbox, state: str
) -> None:
    server.deliver_webhooks(inbox, secret=SECRET, events=["build.finished"])
    server.add_pipeline("web", steps=[CommandStep(), BlockStep(label="Ship it?", blocked_state=state)])
    create(bk)
    server.run(600)
    (event,) = inbox.events
    assert isinstance(event, BuildFinished)
    assert (event.build.is_blocked, event.build.state) == (True, state)


def test_deleting_a_pipeline_finishes_no_builds(server: FakeBuildkite, bk: Buildkite, inbox: Inbox) -> None:
    server.add_build("web", state="passed")
    server.deliver_webhooks(inbox, secret=SECRET)
    web_pipeline(bk).delete()
    assert inbox.names == []


def test_a_canceled_build_sends_how_its_jobs_ended(server: FakeBuildkite, bk: Buildkite, inbox: Inbox) -> None:
    server.add_pipeline("web", steps=[CommandStep(duration=600), WaitStep(), CommandStep()])
    create(bk)
    server.run(60)
    server.deliver_webhooks(inbox, secret=SECRET, events=["job.finished", "build.finished"])
    web_build(bk).cancel()
    server.run(60)
    assert inbox.names == ["job.finished", "job.finished", "build.finished"]
    assert [event.job.state for event in inbox.events if isinstance(event, JobFinished)] == ["canceled", "canceled"]


def test_a_state_that_a_test_sets_is_sent_with_its_times(server: FakeBuildkite, inbox: Inbox) -> None:
    build = server.add_build("web", state="running")
    server.deliver_webhooks(inbox, secret=SECRET)
    server.set_state(build, "failed")
    (event,) = inbox.events
    assert isinstance(event, BuildFinished)
    assert event.build.finished_at is not None


# -- how they arrive ---------------------------------------------------------------------------------------------------


def passed_build(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_pipeline("web")
    create(bk)
    server.run(600)


def test_the_token_itself_is_sent_instead_of_a_signature(server: FakeBuildkite, bk: Buildkite, inbox: Inbox) -> None:
    server.deliver_webhooks(inbox, secret=SECRET, token_mode="token")
    passed_build(server, bk)
    assert len(inbox.events) == 8
    assert {headers["X-Buildkite-Token"] for headers in inbox.headers} == {SECRET}
    assert not any("X-Buildkite-Signature" in headers for headers in inbox.headers)


def test_twice_is_recognized(server: FakeBuildkite, bk: Buildkite, inbox: Inbox) -> None:
    sender = server.deliver_webhooks(inbox, secret=SECRET, copies=2)
    passed_build(server, bk)
    errors = [type(each.error) for each in sender.deliveries]
    assert errors == [type(None), RepeatedWebhookError] * 8
    first, second = list(sender.deliveries)[:2]
    assert (first.body, first.headers) == (second.body, second.headers)


def test_a_recorded_request_is_recognized_later(server: FakeBuildkite, bk: Buildkite, inbox: Inbox) -> None:
    sender = server.deliver_webhooks(inbox, secret=SECRET)
    passed_build(server, bk)
    assert isinstance(sender.resend(sender.deliveries[3]).error, RepeatedWebhookError)
    assert len(inbox.events) == 8


def test_out_of_order_is_another_order_of_the_same(server: FakeBuildkite, bk: Buildkite, inbox: Inbox) -> None:
    in_order = Inbox()
    server.deliver_webhooks(in_order, secret=SECRET)
    server.deliver_webhooks(inbox, secret=SECRET, shuffle=True)
    passed_build(server, bk)
    assert inbox.names != in_order.names
    assert sorted(map(str, inbox.names)) == sorted(map(str, in_order.names))


def test_late_is_after_a_delay_of_the_clock(server: FakeBuildkite, bk: Buildkite, inbox: Inbox) -> None:
    server.deliver_webhooks(inbox, secret=SECRET, delay=3600, events=["build.running"])
    passed_build(server, bk)
    server.run(2990)
    assert inbox.events == []
    server.run(60)
    (event,) = inbox.events
    assert isinstance(event, BuildRunning)
    assert event.build.state == "running"


def test_a_late_payload_may_show_a_later_state(server: FakeBuildkite, bk: Buildkite, inbox: Inbox) -> None:
    server.deliver_webhooks(inbox, secret=SECRET, delay=3600, current_state=True, events=["build.running"])
    passed_build(server, bk)
    server.run(3600)
    (event,) = inbox.events
    assert isinstance(event, BuildRunning)
    assert event.build.state == "passed"


def test_what_failed_is_sent_again_with_another_signature(server: FakeBuildkite, bk: Buildkite, inbox: Inbox) -> None:
    answers = iter([500, None])

    def receiver(body: bytes, headers: dict[str, str]) -> int:
        inbox(body, headers)
        return next(answers) or 200

    sender = server.deliver_webhooks(receiver, secret=SECRET, events=["build.finished"], attempts=3)
    passed_build(server, bk)
    assert [each.status for each in sender.deliveries] == [500]
    server.run(60)
    assert [(each.attempt, each.status) for each in sender.deliveries] == [(1, 500), (2, 200)]
    assert inbox.names == ["build.finished"] * 2
    assert inbox.headers[0]["X-Buildkite-Signature"] != inbox.headers[1]["X-Buildkite-Signature"]


def test_attempts_end_and_other_statuses_are_final(server: FakeBuildkite, bk: Buildkite) -> None:
    always = server.deliver_webhooks(lambda _body, _headers: 503, secret=SECRET, events=["build.finished"], attempts=3)
    final = server.deliver_webhooks(lambda _body, _headers: 401, secret=SECRET, events=["build.finished"], attempts=3)
    passed_build(server, bk)
    for _ in range(9):
        server.run(60)
    assert [each.status for each in always.deliveries] == [503, 503, 503]
    assert [each.status for each in final.deliveries] == [401]


def test_a_receiver_that_raises_is_a_500(server: FakeBuildkite, caplog: pytest.LogCaptureFixture) -> None:
    def fail(_body: bytes, _headers: dict[str, str]) -> None:
        raise RuntimeError("the handler is broken")

    sender = server.deliver_webhooks(fail, secret=SECRET)
    sender.ping()
    (delivery,) = sender.deliveries
    assert (delivery.status, str(delivery.error)) == (500, "the handler is broken")
    assert "the handler is broken" in caplog.text
    assert SECRET not in repr(delivery) + repr(sender) + caplog.text


def test_a_receiver_may_use_the_api(server: FakeBuildkite, bk: Buildkite) -> None:
    rebuilt: list[int] = []

    def rebuild(body: bytes, headers: dict[str, str]) -> None:
        event = webhooks.receive(body, headers, secret=SECRET)
        if isinstance(event, BuildFinished) and event.build.number < 3:
            rebuilt.append(bk.bind(event.build).rebuild().number)

    server.deliver_webhooks(rebuild, secret=SECRET)
    passed_build(server, bk)
    for _ in range(3):
        server.run(600)
    assert rebuilt == [2, 3]


def test_a_reset_ends_webhooks(server: FakeBuildkite, inbox: Inbox) -> None:
    server.deliver_webhooks(inbox, secret=SECRET)
    server.reset()
    server.add_agent()
    assert inbox.events == []


def test_the_ids_of_a_build_do_not_depend_on_webhooks(inbox: Inbox) -> None:
    with FakeBuildkite(populate=False) as plain, FakeBuildkite(populate=False) as with_webhooks:
        with_webhooks.deliver_webhooks(inbox, secret=SECRET)
        assert plain.add_build("web").id == with_webhooks.add_build("web").id


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"secret": ""}, "at least one character"),
        ({"secret": "line\nbreak"}, "printable ASCII"),
        ({"events": ["build.started"]}, "no event build.started; choose from agent.blocked"),
        ({"token_mode": "both"}, "choose signature or token"),
        ({"copies": 0}, "copies=0"),
        ({"copies": 1000}, "at most 100"),
        ({"delay": -1}, "delay=-1"),
        ({"delay": float("inf")}, "delay=inf"),
        ({"retry_after": "soon"}, "retry_after='soon'"),
        ({"organization": "umbrella"}, "no organization 'umbrella'; choose from acme"),
        ({"receiver": "ftp://example.com"}, "an http or https URL"),
        ({"receiver": ""}, "an http or https URL"),
    ],
)
def test_an_impossible_option_is_refused(server: FakeBuildkite, options: dict[str, Any], problem: str) -> None:
    arguments: dict[str, Any] = {"receiver": Inbox(), "secret": SECRET}
    with pytest.raises(ValueError, match=problem):
        server.deliver_webhooks(**(arguments | options))


def test_an_unknown_option_is_refused_with_the_choices(server: FakeBuildkite) -> None:
    unknown: Any = {"reverse": True}
    with pytest.raises(TypeError, match="no option reverse; choose from events, token_mode"):
        server.deliver_webhooks(Inbox(), secret=SECRET, **unknown)


# -- any event, on demand ----------------------------------------------------------------------------------------------


def test_any_event_is_sent_on_demand(server: FakeBuildkite, inbox: Inbox) -> None:
    sender = server.deliver_webhooks(inbox, secret=SECRET, clock=None)
    job = server.add_build("web", jobs=1).jobs[0]
    sender.ping()
    sender.send("agent.lost", server.add_agent("lost-1", connection_state="lost"))
    sender.send("job.started", job)
    sender.send("job.started", job, build={"id": "another"}, sender={"name": "Grace"})
    lost, started = inbox.events[1:3]
    assert isinstance(inbox.events[0], Ping)
    assert isinstance(lost, AgentLost)
    assert lost.agent.connection_state == "lost"
    assert isinstance(started, JobStarted)
    assert started.job.id == job.id


def test_webhooks_of_test_engine_are_sent_on_demand(server: FakeBuildkite, inbox: Inbox) -> None:
    payload: dict[str, Any] = {"type": "passed_on_retry", "commit_count": 1}
    server.deliver_webhooks(inbox, secret=SECRET).send(None, **payload)
    (event,) = inbox.events
    assert isinstance(event, PassedOnRetry)
    assert event.dump() == payload
    assert "X-Buildkite-Event" not in inbox.headers[0]


def test_a_test_decides_what_time_is_signed(server: FakeBuildkite) -> None:
    headers: list[dict[str, str]] = []
    clock = ManualClock(1000)
    sender = server.deliver_webhooks(lambda _body, sent: headers.append(sent), secret=SECRET, clock=clock)
    sender.ping()
    assert headers[0]["X-Buildkite-Signature"].startswith("timestamp=1000,signature=")


def test_events_are_sent_at_once_whatever_fraction_of_a_second_it_is(inbox: Inbox) -> None:
    with FakeBuildkite(populate=False, clock=ManualClock(1_785_585_600.0006)) as server:
        server.deliver_webhooks(inbox, secret=SECRET)
        server.add_agent()
    assert inbox.names == ["agent.connected"]


# -- over HTTP ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[bytes, dict[str, str]], int]], str]]:
    """Serve a function on loopback; return its URL."""
    with ExitStack() as running:
        yield lambda handle: running.enter_context(Service(handle)).url


Serve = Callable[[Callable[[bytes, dict[str, str]], int]], str]


def test_webhooks_are_posted_to_a_url(server: FakeBuildkite, bk: Buildkite, inbox: Inbox, serve: Serve) -> None:
    def handle(body: bytes, headers: dict[str, str]) -> int:
        inbox(body, headers)
        return 204

    sender = server.deliver_webhooks(serve(handle), secret=SECRET)
    passed_build(server, bk)
    assert len(inbox.events) == 8
    assert {each.status for each in sender.deliveries} == {204}


def test_a_service_may_use_the_api_while_it_responds(server: FakeBuildkite, serve: Serve) -> None:
    states: list[str] = []

    def handle(body: bytes, headers: dict[str, str]) -> int:
        with server.client(http=True) as bk:
            event = bk.bind(webhooks.receive(body, headers, secret=SECRET))
            if isinstance(event, BuildFinished):
                states.append(event.build.fetch().state)
        return 200

    with server.client(http=True) as bk:
        server.deliver_webhooks(serve(handle), secret=SECRET)
        server.add_pipeline("web")
        create(bk)
        server.clock.advance(600)
        web_build(bk).fetch()
    assert states == ["passed"]


def test_a_url_that_does_not_respond_is_tried_again(server: FakeBuildkite) -> None:
    service = Service(lambda _body, _headers: 200)
    service.close()
    sender = server.deliver_webhooks(service.url, secret=SECRET, attempts=2)
    sender.ping()
    server.run(60)
    assert [(each.attempt, each.status) for each in sender.deliveries] == [(1, None), (2, None)]
    assert isinstance(sender.deliveries[0].error, OSError)


def test_threads_deliver_each_event_once(server: FakeBuildkite, inbox: Inbox) -> None:
    sender = server.deliver_webhooks(inbox, secret=SECRET)
    threads = [threading.Thread(target=lambda: [server.add_agent() for _ in range(20)]) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    server.run()
    assert len(sender.deliveries) == 160
    assert len({event.agent.id for event in inbox.events if isinstance(event, AgentConnected)}) == 160
