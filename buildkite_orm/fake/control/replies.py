"""The JSON that the control API returns."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypedDict

from buildkite_orm.fake.times import iso

if TYPE_CHECKING:
    from collections.abc import Iterable

    from buildkite_orm.fake.faults import Fault, RecordedRequest
    from buildkite_orm.fake.records import (
        AgentRecord,
        ArtifactRecord,
        BuildRecord,
        JobRecord,
        OrganizationRecord,
        PipelineRecord,
    )
    from buildkite_orm.fake.server import FakeBuildkite
    from buildkite_orm.fake.settings import Settings

_SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "x-api-key"})
_SECRET_PARAMETERS = frozenset({"access_token", "token", "x-amz-signature", "signature"})
_TOKEN = re.compile(r"\b(bk[a-z]{1,3}_)\w+")
_LONGEST_BODY = 1 << 16
MASK = "[redacted]"


class EndpointReply(TypedDict):
    """An endpoint."""

    method: str
    path: str
    summary: str


class IndexReply(TypedDict):
    """All endpoints."""

    endpoints: list[EndpointReply]


class ClockReply(TypedDict):
    """The clock. `speed` is null if it only moves when it is advanced."""

    now: str
    speed: float | None


class CreatedReply(TypedDict):
    """The id of the new object."""

    id: str


class OrganizationReply(TypedDict):
    """An organization."""

    id: str
    slug: str
    name: str


class AgentReply(TypedDict):
    """An agent."""

    id: str
    name: str
    queue: str
    connection_state: str


class PipelineReply(TypedDict):
    """A pipeline."""

    id: str
    organization: str
    slug: str


class JobReply(TypedDict):
    """A job."""

    id: str
    type: str
    label: str | None
    step_key: str | None
    state: str
    exit_status: int | None


class BuildReply(TypedDict):
    """A build with its jobs. `state` is `blocked` if it waits for a block step."""

    id: str
    organization: str
    pipeline: str
    number: int
    state: str
    jobs: list[JobReply]


class BuildsReply(TypedDict):
    """The numbers of the builds that were added."""

    first: int
    last: int


class JobsReply(TypedDict):
    """The jobs of the steps that were added."""

    jobs: list[JobReply]


class WarningsReply(TypedDict):
    """Warnings of what the fake does not simulate, the latest ones last."""

    warnings: list[str]


class ArtifactReply(TypedDict):
    """An artifact."""

    id: str
    path: str
    size: int
    state: str


class FaultReply(TypedDict):
    """A fault, how many requests it matched (`seen`), and how many it was applied to (`used`)."""

    kind: str
    match: str | None
    times: int | None
    after: int
    origin: str | None
    options: dict[str, Any]
    seen: int
    used: int


class FaultsReply(TypedDict):
    """All faults."""

    faults: list[FaultReply]


class TokenReply(TypedDict):
    """An access token, for the API."""

    token: str
    scopes: list[str]
    organizations: list[str] | None


class RequestReply(TypedDict):
    """A request. `status` is 0 if no response was sent. `body` has up to 65,536 characters; null if it is not text."""

    number: int
    origin: str
    method: str
    path: str
    query: list[list[str]]
    headers: list[list[str]]
    body: str | None
    status: int


class RequestsReply(TypedDict):
    """Requests, without tokens; `last` is the number of the last one that was received."""

    requests: list[RequestReply]
    last: int


class DeliveryReply(TypedDict):
    """A request of a webhook. `status` is null if there was no response; `error` is the reason."""

    event: str | None
    attempt: int
    status: int | None
    error: str | None
    payload: Any


class DeliveriesReply(TypedDict):
    """The requests that webhooks have sent; at most the last 10,000 of each webhook."""

    deliveries: list[DeliveryReply]


class ResetReply(TypedDict):
    """The token for the API, which is the same as before."""

    token: str
    now: str


def deliveries(server: FakeBuildkite) -> DeliveriesReply:
    """Return what the webhooks have sent, without secrets."""
    sent = [each for webhook in server.context.webhooks for each in webhook.deliveries]
    return {
        "deliveries": [
            {
                "event": each.event,
                "attempt": each.attempt,
                "status": each.status,
                "error": None if each.error is None else str(each.error),
                "payload": each.payload,
            }
            for each in sent
        ]
    }


def clock(server: FakeBuildkite) -> ClockReply:
    """Return the clock."""
    return {"now": iso(server.clock.now()), "speed": getattr(server.clock, "speed", None)}


def organization(record: OrganizationRecord) -> OrganizationReply:
    """Return an organization."""
    return {"id": record.id, "slug": record.slug, "name": record.name}


def agent(record: AgentRecord) -> AgentReply:
    """Return an agent."""
    return {
        "id": record.id,
        "name": record.name,
        "queue": record.queue.key,
        "connection_state": record.connection_state,
    }


def pipeline(record: PipelineRecord) -> PipelineReply:
    """Return a pipeline."""
    return {"id": record.id, "organization": record.organization.slug, "slug": record.slug}


def job(record: JobRecord) -> JobReply:
    """Return a job."""
    return {
        "id": record.id,
        "type": record.type,
        "label": record.name,
        "step_key": record.step_key,
        "state": record.state,
        "exit_status": record.exit_status,
    }


def build(record: BuildRecord) -> BuildReply:
    """Return a build with its jobs."""
    return {
        "id": record.id,
        "organization": record.organization.slug,
        "pipeline": record.pipeline.slug,
        "number": record.number,
        "state": "blocked" if record.blocked else record.state,
        "jobs": [job(each) for each in record.jobs],
    }


def artifact(record: ArtifactRecord) -> ArtifactReply:
    """Return an artifact."""
    return {"id": record.id, "path": record.path, "size": record.content.size, "state": record.state}


def fault(rule: Fault) -> FaultReply:
    """Return a fault; a pattern or predicate of Python is described."""
    return {
        "kind": rule.kind,
        "match": rule.match if rule.match is None else getattr(rule.match, "pattern", str(rule.match)),
        "times": rule.times,
        "after": rule.after,
        "origin": rule.origin,
        "options": rule.options,
        "seen": rule.seen,
        "used": rule.used,
    }


def settings(current: Settings) -> dict[str, Any]:
    """Return the settings, but for the ones that are functions."""
    fields = asdict(current)
    return {name: value for name, value in fields.items() if name not in {"drift", "public_urls"}}


def requests(server: FakeBuildkite, after: int, limit: int) -> RequestsReply:
    """Return the requests behind a number, the earliest first."""
    with server.context.lock:
        last, kept = server.context.request_count, list(server.requests)
    first = last - len(kept) + 1
    numbered = [(number, each) for number, each in enumerate(kept, first) if number > after]
    return {"requests": [_request(number, each) for number, each in numbered[:limit]], "last": last}


def _request(number: int, record: RecordedRequest) -> RequestReply:
    return {
        "number": number,
        "origin": record.origin,
        "method": record.method,
        "path": mask_tokens(record.path),
        "query": _masked(record.query, _SECRET_PARAMETERS),
        "headers": _masked(record.headers, _SECRET_HEADERS),
        "body": _body(record.body),
        "status": record.status,
    }


def _masked(pairs: Iterable[tuple[str, str]], secret: frozenset[str]) -> list[list[str]]:
    return [[name, MASK if name.lower() in secret else mask_tokens(value)] for name, value in pairs]


def _body(body: bytes) -> str | None:
    try:
        return mask_tokens(body.decode()[:_LONGEST_BODY])
    except UnicodeDecodeError:
        return None


def mask_tokens(text: str) -> str:
    """Return a text with the tokens in it masked."""
    return _TOKEN.sub(rf"\1{MASK}", text)
