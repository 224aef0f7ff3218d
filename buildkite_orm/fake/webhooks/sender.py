"""A webhook: it sends the events of an organization to one receiver."""

from __future__ import annotations

import heapq
import itertools
import json
import threading
from collections import deque
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, TypedDict

from buildkite_orm.fake.clock import SystemClock
from buildkite_orm.fake.ids import Ids
from buildkite_orm.fake.serialization import to_json
from buildkite_orm.fake.webhooks.payloads import EVENTS, WebhookView, organization_of, payload_of, ping
from buildkite_orm.fake.webhooks.receivers import post_to
from buildkite_orm.fake.webhooks.signing import headers_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from buildkite_orm.fake.clock import Clock
    from buildkite_orm.fake.context import Context
    from buildkite_orm.fake.records import AgentRecord, BuildRecord, JobRecord, Json, UserRecord
    from buildkite_orm.fake.webhooks.payloads import Subject
    from buildkite_orm.fake.webhooks.receivers import Receiver
    from buildkite_orm.fake.webhooks.signing import TokenMode

_URL_OF_A_FUNCTION = "https://example.com/webhook"
_MILLISECOND = 0.001
_MOST_DELIVERIES = 10_000
MOST_COPIES = 100
_SHORTEST_FAILURE = 500


class WebhookOptions(TypedDict, total=False):
    """Options of the delivery of events.

    Attributes:
        events: The names of the events; all by default.
        token_mode: `signature` signs each request with the secret; `token` sends the secret itself.
        delay: Seconds, on the clock of the fake, from the event to its delivery.
        copies: How many times each request is sent, with the same bytes and headers.
        shuffle: Whether the events that are due at one time are sent in a random order.
        attempts: How many times at most a request is sent, if the response is a 5xx or if there is none; 1 by default.
        retry_after: Seconds, on the clock of the fake, to the next attempt, 60 by default. It is signed anew.
        current_state: Whether a payload shows the state at its delivery, instead of that at its event.
        clock: The clock whose time is signed. By default, the machine's, since receivers compare with theirs.
    """

    events: Iterable[str] | None
    token_mode: TokenMode
    delay: float
    copies: int
    shuffle: bool
    attempts: int
    retry_after: float
    current_state: bool
    clock: Clock | None


@dataclass(frozen=True, slots=True)
class WebhookDelivery:
    """A request that was sent.

    Attributes:
        event: The name of the event; None if it has none.
        body: Its body.
        headers: Its headers.
        attempt: 1 for the first attempt to send it.
        status: The status of the response; None if there was none.
        error: The exception of the receiver, or of the connection.
    """

    event: str | None
    body: bytes = field(repr=False)
    headers: dict[str, str] = field(repr=False)
    attempt: int
    status: int | None
    error: BaseException | None = None

    @property
    def payload(self) -> dict[str, Any]:
        """The body, parsed."""
        payload: dict[str, Any] = json.loads(self.body)
        return payload


@dataclass(slots=True, eq=False)
class _Pending:
    """An event that is to be delivered; its payload is rendered at once, or when it is."""

    event: str | None
    render: Callable[[], bytes]
    body: bytes | None = None
    attempt: int = 1
    signed_at: int = 0


@dataclass(frozen=True, slots=True)
class WebhookService:
    """The settings of a webhook: its receiver, its token, its organization and the user who created it."""

    receiver: Receiver
    secret: str = field(repr=False)
    organization: str
    creator: UserRecord

    @property
    def url(self) -> str:
        """The URL in its settings."""
        return self.receiver if isinstance(self.receiver, str) else _URL_OF_A_FUNCTION


class Webhooks:
    """The events of an organization, sent to one receiver, in the order in which they happen.

    Events are sent when the state is not in use: after the request, or the call, that they happened in, and before
    its result is returned. So a receiver may call the API.

    Attributes:
        deliveries: The requests that were sent, the oldest first; the last 10,000 of them.
    """

    def __init__(
        self,
        context: Context,
        base: Callable[[], str],
        service: WebhookService,
        options: WebhookOptions,
    ) -> None:
        _check(service.secret, options)
        known = context.store.organizations
        if service.organization not in known:
            raise ValueError(f"no organization {service.organization!r}; choose from {', '.join(known)}")
        self._organization = known[service.organization]
        # not from the sequence of the seed: the ids of builds are the same with and without webhooks
        self._id = Ids(f"webhook {len(context.webhooks)}").uuid()
        self._context, self._base, self._service = context, base, service
        self._post = post_to(service.receiver)
        self._options = options
        chosen = options.get("events")
        self._events = EVENTS if chosen is None else frozenset(chosen)
        self._clock = options.get("clock") or SystemClock()
        self._random = Random(self._id)
        self._queue: list[tuple[float, int, _Pending]] = []
        self._order = itertools.count()
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self.deliveries: deque[WebhookDelivery] = deque(maxlen=_MOST_DELIVERIES)

    def __repr__(self) -> str:
        return f"<Webhooks to {self._service.url}: {len(self.deliveries)} sent, {len(self._queue)} waiting>"

    # -- events

    def notify(self, event: str, subject: Subject) -> None:
        """Deliver an event, if it is one that this webhook is for; the lock of the state is held."""
        if event in self._events and organization_of(subject) is self._organization:
            self._add(event, subject, {}, at_once=not self._options.get("current_state", False))

    def send(
        self, event: str | None, record: BuildRecord | JobRecord | AgentRecord | None = None, /, **fields: Any
    ) -> None:
        """Send any event now, also one that the lifecycle does not produce.

        Args:
            event: Its name, as `agent.lost`; None for a webhook of Test Engine that has none.
            record: The build, job or agent that it is about.
            fields: Fields that are added to the payload, or replace those in it.
        """
        with self._context.lock:
            self._add(event, record, fields, at_once=True)

    def ping(self) -> None:
        """Send a `ping`, as Buildkite does when the settings of a webhook have changed."""
        service: Json = {"id": self._id, "provider": "webhook", "settings": {"url": self._service.url}}
        with self._context.lock:
            self.send("ping", **ping(self._view(), self._organization, service))

    def resend(self, delivery: WebhookDelivery) -> WebhookDelivery:
        """Send the same bytes and headers once more, as someone does who has recorded them."""
        return self._deliver(delivery.event, delivery.body, delivery.headers, delivery.attempt)

    def _add(self, event: str | None, subject: Subject | None, fields: Json, *, at_once: bool) -> None:
        creator = self._service.creator

        def render() -> bytes:
            with self._context.lock:
                sender = {} if event is None else {"sender": {"id": creator.id, "name": creator.name}}
                return to_json(payload_of(self._view(), event, subject) | sender | fields)

        self._wait(_Pending(event, render, render() if at_once else None), self._options.get("delay", 0.0))

    def _view(self) -> WebhookView:
        context = self._context
        return WebhookView(context.settings, f"{self._base()}/v2", context.clock.now(), may_edit=False, shared={})

    def _wait(self, pending: _Pending, seconds: float) -> None:
        with self._lock:
            heapq.heappush(self._queue, (self._context.lifecycle.now + seconds, next(self._order), pending))

    # -- deliveries

    def deliver(self) -> None:
        """Send what is due. One thread sends; others, and calls of a receiver, leave what is new to it."""
        while self._is_due() and self._sending.acquire(blocking=False):
            try:
                for pending in self._take():
                    self._send(pending)
            finally:
                self._sending.release()

    def _is_due(self) -> bool:
        with self._lock:
            return bool(self._queue) and self._queue[0][0] <= self._now

    @property
    def _now(self) -> float:
        """The time, to the end of the millisecond: the times of events are rounded."""
        return self._context.clock.now() + _MILLISECOND

    def _take(self) -> list[_Pending]:
        now, due = self._now, list[_Pending]()
        with self._lock:
            while self._queue and self._queue[0][0] <= now:
                due.append(heapq.heappop(self._queue)[2])
        if self._options.get("shuffle", False) and len(due) > 1:
            before = list(due)
            while due == before:
                self._random.shuffle(due)
        return due

    def _send(self, pending: _Pending) -> None:
        pending.body = pending.render() if pending.body is None else pending.body
        # another attempt is made later, so that its signature is another one, too
        pending.signed_at = max(int(self._clock.now()), pending.signed_at + 1)
        mode = self._options.get("token_mode", "signature")
        headers = headers_of(pending.body, pending.event, self._service.secret, mode, pending.signed_at)
        sent = [
            self._deliver(pending.event, pending.body, dict(headers), pending.attempt)
            for _ in range(self._options.get("copies", 1))
        ]
        has_failed = all(each.status is None or each.status >= _SHORTEST_FAILURE for each in sent)
        if has_failed and pending.attempt < self._options.get("attempts", 1):
            pending.attempt += 1
            self._wait(pending, self._options.get("retry_after", 60.0))

    def _deliver(self, event: str | None, body: bytes, headers: dict[str, str], attempt: int) -> WebhookDelivery:
        status, error = self._post(body, dict(headers))
        delivery = WebhookDelivery(event, body, headers, attempt, status, error)
        self.deliveries.append(delivery)
        return delivery


def add_webhooks(
    context: Context, base: Callable[[], str], service: WebhookService, options: WebhookOptions
) -> Webhooks:
    """Make the webhook of an organization; see `FakeBuildkite.deliver_webhooks`."""
    with context.lock:
        webhooks = Webhooks(context, base, service, options)
        context.store.listeners.append(webhooks.notify)
        context.webhooks.append(webhooks)
        context.lock.on_release = context.deliver_webhooks
    return webhooks


def _check(secret: str, options: WebhookOptions) -> None:
    """Check the arguments of `FakeBuildkite.deliver_webhooks`.

    Raises:
        ValueError: One of them is not possible.
        TypeError: One of them does not exist.
    """
    known = WebhookOptions.__annotations__
    if unknown := [name for name in options if name not in known]:
        raise TypeError(f"webhooks have no option {', '.join(unknown)}; choose from {', '.join(known)}")
    if not secret or not secret.isprintable() or not secret.isascii():
        raise ValueError("secret= is the token of the webhook: printable ASCII, at least one character")
    if unknown := sorted(set(options.get("events") or ()) - EVENTS):
        raise ValueError(f"no event {', '.join(unknown)}; choose from {', '.join(sorted(EVENTS))}")
    if (mode := options.get("token_mode", "signature")) not in {"signature", "token"}:
        raise ValueError(f"token_mode={mode!r}: choose signature or token")
    for name, least in (("copies", 1), ("attempts", 1), ("delay", 0), ("retry_after", 0)):
        value = options.get(name, least)
        if not isinstance(value, int | float) or not least <= value < float("inf"):
            raise ValueError(f"{name}={value!r}: a number, {least} or more")
    if options.get("copies", 1) > MOST_COPIES or options.get("attempts", 1) > MOST_COPIES:
        raise ValueError(f"copies and attempts are at most {MOST_COPIES}")
