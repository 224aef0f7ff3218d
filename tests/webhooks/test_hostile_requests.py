"""Bodies and headers of any kind: nothing but a WebhookError comes out."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from buildkite_orm import webhooks
from buildkite_orm.fake import ManualClock
from buildkite_orm.webhooks import SeenInMemory, WebhookError, WebhookEvent
from buildkite_orm.webhooks.events.loading import CLASSES
from tests.webhooks.signing import SECRET, signed

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
NAMES = st.sampled_from(
    ["X-Buildkite-Token", "x-buildkite-signature", "HTTP_X_BUILDKITE_TOKEN", "Content-Type", "X-Buildkite-Event"]
)
TEXT = st.text() | st.sampled_from(["\ud800", "timestamp=1,signature=2", "charset=x", SECRET])
VALUES = TEXT | st.binary() | st.none() | st.integers() | st.lists(TEXT | st.binary())
PAIRS = st.tuples(NAMES | TEXT | st.binary(), VALUES)
KEYS = st.sampled_from(
    [
        *("event", "type", "build", "job", "pipeline", "agent", "package", "sender", "workflow_event"),
        *("cluster_token", "id", "url", "number", "state", "created_at", "steps", "async", "retry_source", "provider"),
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | TEXT | st.sampled_from(["script", "trigger", *CLASSES]),
    lambda inner: st.lists(inner) | st.dictionaries(KEYS | TEXT, inner),
    max_leaves=20,
)


@UNHURRIED
@given(body=st.binary() | TEXT, headers=st.lists(PAIRS) | st.dictionaries(NAMES | TEXT, VALUES))
def test_any_body_and_headers_are_an_event_or_a_webhook_error(body: Any, headers: Any) -> None:
    with suppress(WebhookError):
        assert isinstance(webhooks.receive(body, headers, secret=SECRET, seen=SeenInMemory()), WebhookEvent)


@UNHURRIED
@given(
    payload=st.dictionaries(KEYS | TEXT, JSON),
    name=st.sampled_from([*CLASSES, "build.started", "", None]),
)
def test_any_json_object_is_an_event_that_is_kept_whole(payload: dict[str, Any], name: str | None) -> None:
    payload = payload | ({} if name is None else {"event": name})
    try:
        body = json.dumps(payload, allow_nan=False).encode()
    except ValueError:
        return
    event = webhooks.receive(body, signed(body), secret=SECRET, clock=ManualClock(), seen=None)
    assert event.dump() == json.loads(body)
    assert repr(event)
    assert isinstance(event, CLASSES.get(name or "", WebhookEvent))


@UNHURRIED
@given(body=st.binary())
def test_a_signed_body_of_any_bytes_is_an_event_or_a_webhook_error(body: bytes) -> None:
    with suppress(WebhookError):
        webhooks.receive(body, signed(body), secret=SECRET, clock=ManualClock(), seen=None)
