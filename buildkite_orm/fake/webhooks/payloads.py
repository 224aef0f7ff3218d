"""The payloads of webhooks. Documentation: https://buildkite.com/docs/apis/webhooks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from buildkite_orm.fake import times
from buildkite_orm.fake.ids import graphql_id
from buildkite_orm.fake.payloads import accounts, builds, jobs
from buildkite_orm.fake.payloads.pipelines import pipeline
from buildkite_orm.fake.payloads.view import WEB, View
from buildkite_orm.fake.records import AgentRecord, BuildRecord, JobRecord
from buildkite_orm.fake.steps import TriggerStep

if TYPE_CHECKING:
    from buildkite_orm.fake.collections import Record
    from buildkite_orm.fake.records import Json, OrganizationRecord

# every event of Pipelines and Package Registries that is documented
EVENTS = frozenset(
    {
        "ping",
        "build.scheduled",
        "build.running",
        "build.failing",
        "build.finished",
        "build.skipped",
        "job.scheduled",
        "job.started",
        "job.finished",
        "job.activated",
        "job.promised_exit_status",
        "agent.connected",
        "agent.lost",
        "agent.disconnected",
        "agent.stopping",
        "agent.stopped",
        "agent.blocked",
        "cluster_token.registration_blocked",
        "package.created",
    }
)
_WITHOUT_JOBS = builds.BuildFields(jobs=False, pipeline=False)


@dataclass(slots=True)
class WebhookView(View):
    """Renders payloads for webhooks, whose times are in the old format."""

    def time(self, moment: float | None) -> str | None:
        """Return a time in the old format."""
        return None if moment is None else times.legacy(moment)


@dataclass(frozen=True, slots=True)
class PublishedPackage:
    """A package, with the registry and the organization that it was published in."""

    organization: OrganizationRecord
    registry: Record
    package: Record


Subject = BuildRecord | JobRecord | AgentRecord | PublishedPackage


def organization_of(subject: Subject) -> OrganizationRecord:
    """Return the organization of what an event is about."""
    return subject.build.organization if isinstance(subject, JobRecord) else subject.organization


def payload_of(view: WebhookView, event: str | None, subject: Subject | None) -> Json:
    """Return the payload of an event, without its sender.

    Args:
        view: How to render it.
        event: The name of the event; None if it has none.
        subject: What it is about, if that is not in fields of its own.
    """
    head: Json = {} if event is None else {"event": event}
    if subject is None:
        return head
    payload = head | _parts(view, subject)
    if event == "job.promised_exit_status":
        payload["promised_exit_status_reason"] = None
    return payload


def _parts(view: WebhookView, subject: Subject) -> Json:
    if isinstance(subject, JobRecord):
        return {"job": _job(view, subject), **_parts(view, subject.build)}
    if isinstance(subject, BuildRecord):
        return {"build": _build(view, subject), "pipeline": pipeline(view, subject.pipeline)}
    if isinstance(subject, AgentRecord):
        job = None if subject.job is None else jobs.job_of_agent(view, subject.job)
        return {"agent": accounts.agent(view, subject, job)}
    return {"package": _package(view, subject)}


def _build(view: WebhookView, record: BuildRecord) -> Json:
    payload = builds.build(view, record, _WITHOUT_JOBS)
    triggers = [step for step in record.pipeline.plan if isinstance(step, TriggerStep)]
    if triggers and record.finished_at is not None:
        payload["steps"] = [{"type": "trigger", "async": step.async_} for step in triggers]
    return payload


def _job(view: WebhookView, record: JobRecord) -> Json:
    payload = jobs.job(view, record)
    if record.promised_exit_status_at is not None:  # as in the documented example
        payload["promised_exit_status_at"] = times.iso(record.promised_exit_status_at)
    source = record.retry_source
    if source is not None and record.type == "script":
        by = source.retried_by
        payload["retry_source"]["retried_by"] = by and {"name": by.name, "email": by.email}
    return payload


def _package(view: WebhookView, subject: PublishedPackage) -> Json:
    slug, registry = subject.organization.slug, subject.registry
    url = f"{view.base}/packages/organizations/{slug}/registries/{registry.data['slug']}"
    web_url = f"{WEB}/organizations/{slug}/packages/registries/{registry.data['slug']}"
    return {
        "id": subject.package.id,
        "url": f"{url}/packages/{subject.package.id}",
        "web_url": f"{web_url}/packages/{subject.package.id}",
        "name": subject.package.data["name"],
        "organization": {
            "id": subject.organization.id,
            "slug": slug,
            "url": view.organization(subject.organization),
            "web_url": f"{WEB}/{slug}",
        },
        "registry": {
            "id": registry.id,
            "graphql_id": graphql_id("Registry", registry.id),
            "slug": registry.data["slug"],
            "url": url,
            "web_url": web_url,
        },
    }


def ping(view: WebhookView, organization: OrganizationRecord, service: Json) -> dict[str, Any]:
    """Return the fields of a ping."""
    return {"service": service, "organization": accounts.organization(view, organization)}
