"""Agents on the wire: what each operation sends, and how it uses the response."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from buildkite_orm import Agent, AgentConnectionState, BadRequestError, NotFoundError, UnprocessableEntityError

if TYPE_CHECKING:
    from buildkite_orm import Buildkite
    from buildkite_orm.fake import FakeBuildkite


def test_a_listing_sends_every_filter(server: FakeBuildkite, bk: Buildkite) -> None:
    record = server.add_agent("größe #1", hostname="a+b.local", version="3.90.0")
    server.add_agent("other", hostname="a+b.local", version="3.90.0")
    agents = bk.organization("acme").agents(
        name="größe #1", hostname="a+b.local", version="3.90.0", cluster_queue_id=record.queue.id
    )
    (agent,) = agents
    (request,) = server.requests
    assert (request.method, request.path, request.body) == ("GET", "/v2/organizations/acme/agents", b"")
    assert sorted(request.query) == [
        ("cluster_queue_id", record.queue.id),
        ("hostname", "a+b.local"),
        ("name", "größe #1"),
        ("per_page", "100"),
        ("version", "3.90.0"),
    ]
    assert (type(agent), agent.id) == (Agent, record.id)


def test_an_agent_is_fetched_by_its_id(server: FakeBuildkite, bk: Buildkite) -> None:
    record = server.add_agent(connection_state="lost", lost_at=server.clock.now())
    agent = bk.organization("acme").agent(record.id).fetch()
    (request,) = server.requests
    assert (request.method, request.path, request.query) == ("GET", f"/v2/organizations/acme/agents/{record.id}", [])
    assert (type(agent), agent.connection_state) == (Agent, AgentConnectionState.LOST)
    assert agent.job is None
    assert agent.organization == bk.organization("acme")


def test_an_agent_at_work_leads_to_its_job(server: FakeBuildkite, bk: Buildkite) -> None:
    build = server.add_build("web", state="running", jobs=[{"state": "running"}])
    record = server.add_agent()
    record.job = build.jobs[0]
    agent = bk.organization("acme").agent(record.id).fetch()
    assert agent.job == bk.organization("acme").job(build.jobs[0].id)


def test_an_agent_that_is_not_there_is_not_found(bk: Buildkite) -> None:
    with pytest.raises(NotFoundError, match="No agent found"):
        bk.organization("acme").agent("0190-unknown").fetch()


@pytest.mark.parametrize("force", [True, False])
def test_stopping_says_whether_by_force(server: FakeBuildkite, bk: Buildkite, *, force: bool) -> None:
    record = server.add_agent()
    bk.organization("acme").agent(record.id).stop(force=force)
    (request,) = server.requests
    assert (request.method, request.path) == ("PUT", f"/v2/organizations/acme/agents/{record.id}/stop")
    assert json.loads(request.body) == {"force": force}
    assert record.connection_state != "connected"


def test_an_agent_that_is_not_connected_cannot_be_stopped(server: FakeBuildkite, bk: Buildkite) -> None:
    record = server.add_agent(connection_state="lost")
    with pytest.raises(BadRequestError, match="Can only stop connected agents"):
        bk.organization("acme").agent(record.id).stop()


def test_pausing_says_why_and_for_how_long(server: FakeBuildkite, bk: Buildkite) -> None:
    record = server.add_agent()
    ref = bk.organization("acme").agent(record.id)
    ref.pause(note="Größeres Update", timeout_in_minutes=60)
    (request,) = server.requests
    assert (request.method, request.path) == ("PUT", f"/v2/organizations/acme/agents/{record.id}/pause")
    assert json.loads(request.body) == {"note": "Größeres Update", "timeout_in_minutes": 60}
    agent = ref.fetch()
    assert (agent.paused, agent.paused_note, agent.paused_timeout_in_minutes) == (True, "Größeres Update", 60)


def test_pausing_without_a_word_sends_an_empty_object(server: FakeBuildkite, bk: Buildkite) -> None:
    record = server.add_agent()
    bk.organization("acme").agent(record.id).pause()
    assert server.requests[-1].body == b"{}"


def test_an_agent_is_not_paused_twice(server: FakeBuildkite, bk: Buildkite) -> None:
    ref = bk.organization("acme").agent(server.add_agent().id)
    ref.pause()
    with pytest.raises(UnprocessableEntityError, match="already paused"):
        ref.pause()


def test_an_agent_that_is_not_connected_cannot_be_paused(server: FakeBuildkite, bk: Buildkite) -> None:
    record = server.add_agent(connection_state="disconnected")
    with pytest.raises(UnprocessableEntityError, match="Only connected agents"):
        bk.organization("acme").agent(record.id).pause()


def test_resuming_ends_the_pause(server: FakeBuildkite, bk: Buildkite) -> None:
    record = server.add_agent()
    ref = bk.organization("acme").agent(record.id)
    ref.pause()
    ref.resume()
    request = server.requests[-1]
    assert (request.method, request.path, request.body) == (
        "PUT",
        f"/v2/organizations/acme/agents/{record.id}/resume",
        b"{}",
    )
    assert ref.fetch().paused is False


def test_an_agent_that_is_not_paused_cannot_resume(server: FakeBuildkite, bk: Buildkite) -> None:
    with pytest.raises(UnprocessableEntityError, match="not paused"):
        bk.organization("acme").agent(server.add_agent().id).resume()


def test_an_agent_that_is_not_there_can_be_neither_paused_nor_resumed(bk: Buildkite) -> None:
    missing = bk.organization("acme").agent("0190-unknown")
    with pytest.raises(NotFoundError, match="No agent found"):
        missing.pause()
    with pytest.raises(NotFoundError, match="No agent found"):
        missing.resume()
