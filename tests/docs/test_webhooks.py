"""The services of docs/webhooks.md, run by FastAPI, Flask and Django, with the webhooks that the fake sends."""

from __future__ import annotations

import sys
import threading
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, cast

import pytest
from werkzeug.serving import make_server

from buildkite_orm.fake import CommandStep
from buildkite_orm.webhooks import BuildFinished, WebhookEvent
from tests.docs.page import NAMED, ROOT, blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from buildkite_orm.fake import FakeBuildkite

    Post = Callable[[bytes, dict[str, str]], object]

TOKEN: Final = "309c9c842g8565adecpd7469x6005989"
MODULES: Final = ("react", "hooks_fastapi", "hooks_flask", "hooks_django")


@pytest.fixture
def reacted(server: FakeBuildkite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[WebhookEvent]]:
    """The events that the services of the page react to; its files can be imported."""
    page = (ROOT / "docs" / "webhooks.md").read_text(encoding="utf-8")
    for block in blocks(page):
        if named := NAMED.match(block.text):
            (tmp_path / named[1]).write_text(block.text, encoding="utf-8")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setenv("BUILDKITE_WEBHOOK_TOKEN", TOKEN)
    monkeypatch.setenv("BUILDKITE_API_TOKEN", server.token)
    monkeypatch.setenv("BUILDKITE_REST_API_ENDPOINT", server.url)
    events: list[WebhookEvent] = []

    def record(_: object, event: WebhookEvent) -> None:
        events.append(event)

    monkeypatch.setattr(import_module("react"), "react", record)
    yield events
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.fixture
def serve() -> Iterator[Callable[[Any], str]]:
    """Serve a WSGI application on loopback; return the URL of its webhooks."""
    running: list[tuple[Any, threading.Thread]] = []

    def start(app: Any) -> str:
        server = make_server("127.0.0.1", 0, app, threaded=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        running.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}/buildkite"

    yield start
    for server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()


def check(server: FakeBuildkite, receiver: str | Post, reacted: list[WebhookEvent], *, largest: int) -> None:
    """Check what a service responds to the webhooks of a build, good and bad ones."""
    sender = server.deliver_webhooks(receiver, secret=TOKEN)
    server.add_pipeline("web", steps=[CommandStep(label="Test", exits=(1,))])
    with server.client() as bk:
        bk.organization("acme").pipeline("web").builds().create(commit="HEAD", branch="main")
        server.run(600)
    assert [event.event for event in reacted] == [delivery.event for delivery in sender.deliveries]
    assert {delivery.status for delivery in sender.deliveries} == {204}
    assert [event.build.state for event in reacted if isinstance(event, BuildFinished)] == ["failed"]
    first = sender.deliveries[0]
    assert sender.resend(first).status == 409
    wrong = server.deliver_webhooks(receiver, secret="another")
    wrong.ping()
    assert wrong.deliveries[0].status == 401
    sender.send("ping", text="x" * 6_000_000)
    assert sender.deliveries[-1].status == largest
    assert len(reacted) == len(sender.deliveries) - 2


def test_fastapi_reacts_to_webhooks(server: FakeBuildkite, reacted: list[WebhookEvent]) -> None:
    testclient: Any = pytest.importorskip("fastapi.testclient", reason="install the extra check")
    with testclient.TestClient(import_module("hooks_fastapi").app) as client:

        def post(body: bytes, headers: dict[str, str]) -> object:
            return client.post("/buildkite", content=body, headers=headers)

        check(server, post, reacted, largest=413)


def test_flask_reacts_to_webhooks(
    server: FakeBuildkite, reacted: list[WebhookEvent], serve: Callable[[Any], str]
) -> None:
    pytest.importorskip("flask", reason="install the extra check")
    check(server, serve(import_module("hooks_flask").app), reacted, largest=413)


def test_django_reacts_to_webhooks(
    server: FakeBuildkite, reacted: list[WebhookEvent], serve: Callable[[Any], str]
) -> None:
    pytest.importorskip("django", reason="install the extra check")
    configuration = cast("Any", import_module("django.conf")).settings
    if not configuration.configured:
        configuration.configure(ROOT_URLCONF="hooks_django", SECRET_KEY="for a test", ALLOWED_HOSTS=["127.0.0.1"])
    import_module("django").setup()
    check(server, serve(import_module("django.core.wsgi").get_wsgi_application()), reacted, largest=400)


def test_a_plain_wsgi_application_passes_its_environment(server: FakeBuildkite, serve: Callable[[Any], str]) -> None:
    events: list[WebhookEvent] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        events.append(import_module("buildkite_orm.webhooks").receive(body, environ, secret=TOKEN))
        start_response("204 No Content", [])
        return []

    server.deliver_webhooks(serve(app), secret=TOKEN).ping()
    assert [event.event for event in events] == ["ping"]
