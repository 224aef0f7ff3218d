"""Agents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkite_orm.fake.handlers.route import ORGANIZATION, route
from buildkite_orm.fake.handlers.validation import Check, require_valid
from buildkite_orm.fake.http import ApiError, Reply
from buildkite_orm.fake.lifecycle import CANCELABLE
from buildkite_orm.fake.paging import paged
from buildkite_orm.fake.payloads import accounts
from buildkite_orm.fake.payloads.jobs import job_of_agent

if TYPE_CHECKING:
    from buildkite_orm.fake.http import ApiRequest
    from buildkite_orm.fake.records import AgentRecord, Json

_SECONDS = 60


def list_agents(request: ApiRequest) -> Reply:
    """List the agents that are connected or stopping."""
    params = request.http.args
    wanted = {name: params.get(name) for name in ("name", "hostname", "version")}
    queue = params.get("cluster_queue_id")
    found = [
        each
        for each in request.organization.agents.values()
        if each.is_connected
        and all(value is None or getattr(each, name) == value for name, value in wanted.items())
        and queue in {None, each.queue.id}
    ]
    return paged(request, found, lambda each: _payload(request, each))


def _payload(request: ApiRequest, record: AgentRecord) -> Json:
    view = request.view
    return accounts.agent(view, record, None if record.job is None else job_of_agent(view, record.job))


def get_agent(request: ApiRequest) -> Reply:
    """Get an agent, in any connection state."""
    return Reply(payload=_payload(request, request.agent))


def stop_agent(request: ApiRequest) -> Reply:
    """Stop an agent: at once, or after its job if `force` is false."""
    record, body = request.agent, request.body()
    require_valid(body, {"force": Check(bool)})
    if record.connection_state != "connected":
        raise ApiError(400, "Can only stop connected agents")
    record.connection_state = "stopping"
    request.context.store.notify("agent.stopping", record)
    lifecycle = request.context.lifecycle
    if record.job is None:
        lifecycle.disconnect(record)
    elif body.get("force", True) and record.job.build.state in CANCELABLE:
        lifecycle.cancel(record.job.build)
    return Reply(204)


_PAUSE = {"note": Check(str), "timeout_in_minutes": Check(int, accepts=lambda value: value > 0)}


def pause_agent(request: ApiRequest) -> Reply:
    """Pause an agent, so that it accepts no jobs."""
    record, body = request.agent, request.body()
    require_valid(body, _PAUSE)
    if record.connection_state != "connected":
        raise ApiError(422, "Only connected agents may be paused")
    if record.paused_at is not None:
        raise ApiError(422, "Agent is already paused")
    now = request.context.lifecycle.now
    record.paused_at, record.paused_by, record.paused_note = now, request.token.user, body.get("note")
    record.paused_timeout_in_minutes = body.get("timeout_in_minutes")
    if record.paused_timeout_in_minutes is not None:
        request.context.lifecycle.at(now + record.paused_timeout_in_minutes * _SECONDS, lambda: _resume(record, now))
    return Reply(204)


def resume_agent(request: ApiRequest) -> Reply:
    """Resume a paused agent."""
    record = request.agent
    if record.paused_at is None:
        raise ApiError(422, "Agent is not paused")
    _resume(record, record.paused_at)
    return Reply(204)


def _resume(record: AgentRecord, paused_at: float) -> None:
    if record.paused_at == paused_at:
        record.paused_at = record.paused_by = record.paused_note = record.paused_timeout_in_minutes = None


_ITEM = ORGANIZATION + "/agents/{agent}"

ROUTES = (
    route("GET", ORGANIZATION + "/agents", "read_agents", list_agents),
    route("GET", _ITEM, "read_agents", get_agent),
    route("PUT", _ITEM + "/stop", "write_agents", stop_agent),
    route("PUT", _ITEM + "/pause", "write_agents", pause_agent),
    route("PUT", _ITEM + "/resume", "write_agents", resume_agent),
)
