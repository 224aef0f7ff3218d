"""Agents: listings, payloads, stop and pause."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm.fake import CommandStep

if TYPE_CHECKING:
    from requests import Session

    from buildkite_orm.fake import AgentRecord, FakeBuildkite

AGENTS = "/organizations/acme/agents"


@pytest.fixture
def agent(server: FakeBuildkite) -> AgentRecord:
    return server.add_agent("ci-1")


def names(api: Session, **params: Any) -> list[str]:
    return [each["name"] for each in api.get(AGENTS, params=params).json()]


def busy(server: FakeBuildkite, api: Session, agent: AgentRecord) -> int:
    """Start a long job on an agent; return the number of its build."""
    server.add_pipeline("web", steps=[CommandStep(duration=600)])
    payload = api.post("/organizations/acme/pipelines/web/builds", json={"commit": "HEAD", "branch": "main"}).json()
    server.run(10)
    assert agent.job is not None
    return int(payload["number"])


def state(api: Session, number: int) -> str:
    return str(api.get(f"/organizations/acme/pipelines/web/builds/{number}").json()["state"])


def test_connected_and_stopping_agents_are_listed(server: FakeBuildkite, api: Session) -> None:
    for each in ("connected", "stopping", "stopped", "lost", "disconnected", "never_connected"):
        server.add_agent(each, connection_state=each)
    assert names(api) == ["connected", "stopping"]


def test_filters_match_whole(server: FakeBuildkite, api: Session) -> None:
    server.add_agent("one", hostname="a.internal", version="3.1.0")
    server.add_agent("two", hostname="b.internal", version="3.2.0", queue="gpu")
    gpu = server.store.organizations["acme"].queues["gpu"].id
    assert names(api, name="one") == ["one"]
    assert names(api, name="on") == []
    assert names(api, hostname="b.internal") == ["two"]
    assert names(api, version="3.1.0") == ["one"]
    assert names(api, cluster_queue_id=gpu) == ["two"]
    assert names(api, cluster_queue_id=gpu, name="one") == []


def test_an_agent_is_found_in_any_state(server: FakeBuildkite, api: Session) -> None:
    agent = server.add_agent("gone", connection_state="lost", lost_at=server.clock.now())
    payload = api.get(f"{AGENTS}/{agent.id}").json()
    assert (payload["connection_state"], payload["lost_at"]) == ("lost", "2026-08-01T12:00:00.000Z")
    assert payload["url"].endswith(f"{AGENTS}/{agent.id}")
    assert (payload["job"], payload["queue"], payload["paused"]) == (None, "default", False)


def test_an_agent_embeds_its_job_and_the_job_its_agent(server: FakeBuildkite, api: Session, agent: AgentRecord) -> None:
    busy(server, api, agent)
    payload = api.get(f"{AGENTS}/{agent.id}").json()
    job = api.get(f"/organizations/acme/jobs/{payload['job']['id']}").json()
    assert job["agent"]["id"] == agent.id
    assert job["agent"]["job"] is None


def test_an_idle_agent_stops_at_once(api: Session, agent: AgentRecord) -> None:
    assert api.put(f"{AGENTS}/{agent.id}/stop").status_code == 204
    assert api.get(f"{AGENTS}/{agent.id}").json()["connection_state"] == "stopped"


def test_stopping_by_force_cancels_the_build(server: FakeBuildkite, api: Session, agent: AgentRecord) -> None:
    number = busy(server, api, agent)
    api.put(f"{AGENTS}/{agent.id}/stop", json={})
    assert state(api, number) == "canceling"
    server.run(10)
    assert state(api, number) == "canceled"
    assert agent.connection_state == "stopped"


def test_stopping_gently_waits_for_the_job(server: FakeBuildkite, api: Session, agent: AgentRecord) -> None:
    number = busy(server, api, agent)
    api.put(f"{AGENTS}/{agent.id}/stop", json={"force": False})
    assert (state(api, number), agent.connection_state) == ("running", "stopping")
    assert names(api) == ["ci-1"]
    server.run(700)
    assert (state(api, number), agent.connection_state) == ("passed", "stopped")


def test_only_connected_agents_stop(server: FakeBuildkite, api: Session) -> None:
    agent = server.add_agent("gone", connection_state="lost")
    response = api.put(f"{AGENTS}/{agent.id}/stop")
    assert (response.status_code, response.json()) == (400, {"message": "Can only stop connected agents"})


def test_a_paused_agent_takes_no_job(server: FakeBuildkite, api: Session, agent: AgentRecord) -> None:
    assert api.put(f"{AGENTS}/{agent.id}/pause", json={"note": "lunch"}).status_code == 204
    payload = api.get(f"{AGENTS}/{agent.id}").json()
    assert (payload["paused"], payload["paused_note"], payload["paused_by"]["name"]) == (True, "lunch", "Ada Lovelace")
    server.add_pipeline("web")
    api.post("/organizations/acme/pipelines/web/builds", json={"commit": "HEAD", "branch": "main"})
    server.run(120)
    assert state(api, 1) == "scheduled"
    assert api.put(f"{AGENTS}/{agent.id}/resume").status_code == 204
    server.run(60)
    assert state(api, 1) == "passed"


def test_a_pause_may_end_by_itself(server: FakeBuildkite, api: Session, agent: AgentRecord) -> None:
    api.put(f"{AGENTS}/{agent.id}/pause", json={"timeout_in_minutes": 5})
    server.run(299)
    assert agent.paused_at is not None
    server.run(1)
    assert agent.paused_at is None


def test_pausing_and_resuming_go_in_turns(server: FakeBuildkite, api: Session, agent: AgentRecord) -> None:
    path = f"{AGENTS}/{agent.id}"
    assert api.put(f"{path}/resume").json() == {"message": "Agent is not paused"}
    api.put(f"{path}/pause")
    response = api.put(f"{path}/pause")
    assert (response.status_code, response.json()) == (422, {"message": "Agent is already paused"})
    lost = server.add_agent("lost", connection_state="lost")
    assert api.put(f"{AGENTS}/{lost.id}/pause").json() == {"message": "Only connected agents may be paused"}


class CountedAgents(dict[str, Any]):
    """Agents that count how many of them are looked at."""

    seen = 0

    def values(self) -> Any:
        self.seen += len(self)
        return super().values()


# https://buildkite.com/docs/apis/rest-api/agents#list-agents
def test_agents_for_one_job_are_not_listed_after_it_and_are_found_by_id(server: FakeBuildkite, api: Session) -> None:
    server.add_pipeline("web", steps=[CommandStep(duration=60)])
    build = api.post("/organizations/acme/pipelines/web/builds", json={"commit": "HEAD", "branch": "main"}).json()
    server.run(10)
    assert names(api) == ["elastic-default-1"]
    server.run(100)
    assert names(api) == []
    agent = api.get(build["url"]).json()["jobs"][0]["agent"]
    payload = api.get(f"{AGENTS}/{agent['id']}").json()
    assert (payload["name"], payload["connection_state"]) == ("elastic-default-1", "disconnected")


def test_finding_an_agent_takes_no_longer_after_many_builds(server: FakeBuildkite) -> None:
    acme = server.store.organizations["acme"]
    acme.agents = agents = CountedAgents()
    server.add_pipeline("web", steps=[CommandStep(duration=60)])
    server.build_every(600, "web")
    seen: list[int] = []
    for _ in range(3):
        agents.seen = 0
        server.run(100 * 600)
        seen.append(agents.seen)
    assert len(acme.past_agents) > 290
    assert len(agents) <= 1
    assert seen[2] <= seen[0] + 10
    assert len({agent.name for agent in acme.past_agents.values()}) == len(acme.past_agents)
