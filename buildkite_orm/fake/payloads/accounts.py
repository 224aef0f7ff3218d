"""Users, tokens, organizations and agents."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from buildkite_orm.fake.ids import graphql_id
from buildkite_orm.fake.payloads.view import WEB
from buildkite_orm.fake.serialization import to_bytes

if TYPE_CHECKING:
    from buildkite_orm.fake.payloads.view import View
    from buildkite_orm.fake.records import (
        AgentRecord,
        JobRecord,
        Json,
        OrganizationRecord,
        TokenRecord,
        UserRecord,
    )


def user(view: View, record: UserRecord) -> Json:
    """Return the payload of a user."""
    face = hashlib.md5(to_bytes(record.email), usedforsecurity=False).hexdigest()
    return {
        "id": record.id,
        "graphql_id": graphql_id("User", record.id),
        "name": record.name,
        "email": record.email,
        "avatar_url": f"https://www.gravatar.com/avatar/{face}",
        "created_at": view.time(record.created_at),
    }


def user_or_none(view: View, record: UserRecord | None) -> Json | None:
    """Return the payload of a user, or None."""
    return None if record is None else user(view, record)


def access_token(view: View, record: TokenRecord) -> Json:
    """Return the payload of a token, without its secret."""
    return {
        "uuid": record.uuid,
        "scopes": list(record.scopes),
        "description": record.description,
        "created_at": view.old_time(record.created_at),
        "expires_at": view.old_time(record.expires_at),
        "user": {"email": record.user.email, "name": record.user.name},
    }


def organization(view: View, record: OrganizationRecord) -> Json:
    """Return the payload of an organization."""
    url = view.organization(record)
    return {
        "id": record.id,
        "graphql_id": graphql_id("Organization", record.id),
        "url": url,
        "web_url": f"{WEB}/{record.slug}",
        "name": record.name,
        "slug": record.slug,
        "pipelines_url": f"{url}/pipelines",
        "agents_url": f"{url}/agents",
        "emojis_url": f"{url}/emojis",
        "created_at": view.time(record.created_at),
    }


def _agent_web_url(record: AgentRecord) -> str:
    place = f"clusters/{record.queue.cluster_id}/queues/{record.queue.id}"
    return f"{WEB}/organizations/{record.organization.slug}/{place}/agents/{record.id}"


def agent(view: View, record: AgentRecord, job: Json | None) -> Json:
    """Return the payload of an agent; the caller renders its current job."""
    return {
        "id": record.id,
        "graphql_id": graphql_id("Agent", record.id),
        "url": f"{view.organization(record.organization)}/agents/{record.id}",
        "web_url": _agent_web_url(record),
        "name": record.name,
        "connection_state": record.connection_state,
        "hostname": record.hostname,
        "ip_address": record.ip_address,
        "user_agent": f"buildkite-agent/{record.version} ({record.os_id}; {record.arch})",
        "version": record.version,
        "os_id": record.os_id,
        "arch": record.arch,
        "queue": record.queue.key,
        "creator": user_or_none(view, record.creator),
        "created_at": view.time(record.created_at),
        "connected_at": view.time(record.connected_at),
        "disconnected_at": view.time(record.disconnected_at),
        "lost_at": view.time(record.lost_at),
        "stopped_at": view.time(record.stopped_at),
        "job": job,
        "last_job_finished_at": view.time(record.last_job_finished_at),
        "priority": record.priority,
        "meta_data": record.meta_data,
        **_paused(view, record),
    }


def _paused(view: View, record: AgentRecord) -> Json:
    return {
        "paused": record.paused_at is not None,
        "paused_at": view.time(record.paused_at),
        "paused_by": user_or_none(view, record.paused_by),
        "paused_note": record.paused_note,
        "paused_timeout_in_minutes": record.paused_timeout_in_minutes,
    }


def embedded_agent(view: View, job: JobRecord) -> Json | None:
    """Return the payload of the agent that a job embeds."""
    record = job.agent
    if record is None:
        return None
    key = ("agent", record.id)
    if key not in view.shared:
        payload = agent(view, record, None)
        view.shared[key] = {name: value for name, value in payload.items() if not name.startswith("paused")}
    return dict(view.shared[key])
