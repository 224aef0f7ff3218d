"""Webhooks by the control API, and by the command line, for services in any language."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import pytest
import requests

import buildkite_orm.fake
from buildkite_orm import webhooks
from buildkite_orm.fake.__main__ import main
from buildkite_orm.webhooks import AgentLost, BuildFinished, SeenInMemory, WorkflowAlarm
from tests.fake.control_client import Control
from tests.fake.webhook_service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildkite_orm.fake import FakeBuildkite
    from buildkite_orm.webhooks import WebhookEvent

SECRET = "the token of the webhook"
WEBHOOKS = "/organizations/acme/webhooks"


@pytest.fixture
def control(server: FakeBuildkite) -> Iterator[Control]:
    with Control(server) as session:
        yield session


class Receiver:
    """A service that verifies what it receives, and responds with the next of some statuses."""

    def __init__(self, *statuses: int) -> None:
        self.events: SimpleQueue[WebhookEvent] = SimpleQueue()
        self.statuses = list(statuses)
        self._seen = SeenInMemory()

    def __call__(self, body: bytes, headers: dict[str, str]) -> int:
        self.events.put(webhooks.receive(body, headers, secret=SECRET, seen=self._seen))
        return self.statuses.pop(0) if self.statuses else 204

    def received(self) -> list[WebhookEvent]:
        return [self.events.get() for _ in range(self.events.qsize())]


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def service(receiver: Receiver) -> Iterator[Service]:
    with Service(receiver) as running:
        yield running


def start(server: FakeBuildkite, control: Control) -> None:
    control.do("POST", "/organizations/acme/pipelines", {"slug": "web"})
    requests.post(
        f"{server.url}/v2/organizations/acme/pipelines/web/builds",
        json={"commit": "HEAD", "branch": "main"},
        headers={"Authorization": f"Bearer {server.token}"},
        timeout=30,
    ).raise_for_status()


def test_a_test_in_another_language_adds_a_webhook(
    server: FakeBuildkite, control: Control, service: Service, receiver: Receiver
) -> None:
    body = {"url": service.url, "secret": SECRET, "events": ["build.finished"], "delay": 60}
    assert control.do("POST", WEBHOOKS, body) is None
    start(server, control)
    control.do("POST", "/clock", {"advance": 60})
    assert receiver.received() == []
    control.do("POST", "/clock", {"advance": 60})
    (event,) = receiver.received()
    assert isinstance(event, BuildFinished)
    assert event.build.url.startswith(server.url)
    (delivery,) = control.do("GET", "/webhooks/deliveries")["deliveries"]
    assert (delivery["event"], delivery["attempt"], delivery["status"]) == ("build.finished", 1, 204)
    assert delivery["payload"] == event.dump()


def test_what_failed_is_sent_again_and_each_attempt_is_listed(
    control: Control, service: Service, receiver: Receiver
) -> None:
    receiver.statuses += [500, 503]
    control.do("POST", WEBHOOKS, {"url": service.url, "secret": SECRET, "attempts": 3, "retry_after": 10})
    control.do("POST", "/webhooks/deliveries", {"event": "ping"})
    for _ in range(3):
        control.do("POST", "/clock", {"advance": 10})
    sent = control.do("GET", "/webhooks/deliveries")["deliveries"]
    assert [(each["attempt"], each["status"]) for each in sent] == [(1, 500), (2, 503), (3, 204)]
    assert SECRET not in str(sent)


def test_any_event_is_sent_on_demand(control: Control, service: Service, receiver: Receiver) -> None:
    control.do("POST", WEBHOOKS, {"url": service.url, "secret": SECRET})
    agent = {"id": "1", "name": "mac-1", "connection_state": "lost"}
    control.do("POST", "/webhooks/deliveries", {"event": "agent.lost", "payload": {"agent": agent}})
    control.do("POST", "/webhooks/deliveries", {"event": "workflow.alarm", "payload": {"subject": {"type": "test"}}})
    lost, alarm = receiver.received()
    assert isinstance(lost, AgentLost)
    assert lost.agent.name == "mac-1"
    assert isinstance(alarm, WorkflowAlarm)
    assert alarm.subject is not None
    control.do("DELETE", "/webhooks")
    control.do("POST", "/webhooks/deliveries", {"event": "ping"})
    control.do("POST", "/organizations/acme/agents", {})
    assert receiver.received() == []


def test_a_service_that_does_not_respond_is_listed_with_the_reason(control: Control, service: Service) -> None:
    service.close()
    control.do("POST", WEBHOOKS, {"url": service.url, "secret": SECRET})
    control.do("POST", "/webhooks/deliveries", {"event": "ping"})
    (delivery,) = control.do("GET", "/webhooks/deliveries")["deliveries"]
    assert delivery["status"] is None
    assert delivery["error"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"secret": SECRET}, "url"),
        ({"url": "http://127.0.0.1", "secret": ""}, "secret"),
        ({"url": "http://127.0.0.1", "secret": SECRET, "events": ["build.started"]}, "events[0]"),
        ({"url": "http://127.0.0.1", "secret": SECRET, "token_mode": "both"}, "token_mode"),
        ({"url": "http://127.0.0.1", "secret": SECRET, "copies": 0}, "copies"),
        ({"url": "http://127.0.0.1", "secret": SECRET, "shufle": True}, "shufle"),
    ],
)
def test_a_wrong_webhook_is_a_422_that_names_the_field(control: Control, body: dict[str, Any], field: str) -> None:
    assert control.refused("POST", WEBHOOKS, body)["errors"][0]["field"] == field


def test_a_url_that_is_none_is_a_422(control: Control) -> None:
    assert "http or https" in control.refused("POST", WEBHOOKS, {"url": "example.com", "secret": SECRET})["message"]


def test_the_command_line_sends_webhooks_as_time_passes(service: Service, receiver: Receiver) -> None:
    options = ["--port", "0", "--clock", "1000x", "--webhook-url", service.url, "--webhook-token", SECRET]
    command = [sys.executable, "-m", "buildkite_orm.fake", *options]
    place = Path(buildkite_orm.fake.__file__).parents[2]
    with subprocess.Popen(command, cwd=place, stdout=subprocess.PIPE, text=True) as process:
        try:
            events: set[str | None] = set()
            while not events >= {"build.running", "build.finished"}:
                events.add(receiver.events.get(timeout=60).event)
        finally:
            process.terminate()
    assert process.returncode == 0


def test_a_webhook_of_the_command_line_needs_a_token(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--port", "0", "--webhook-url", "http://127.0.0.1:1/"])
    assert "secret= is the token of the webhook" in capsys.readouterr().err
