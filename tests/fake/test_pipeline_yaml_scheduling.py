"""Concurrency groups, priorities and agents: when the jobs of pipelines in YAML start. By plain HTTP.

Documentation: https://buildkite.com/docs/pipelines/configure/workflows/controlling-concurrency
and https://buildkite.com/docs/pipelines/configure/workflows/job-priority
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.fake.yaml_runs import ACME, APP, Run

if TYPE_CHECKING:
    from requests import Session

    from buildkite_orm.fake import FakeBuildkite


@pytest.fixture
def run(server: FakeBuildkite, api: Session) -> Run:
    return Run(server, api)


def spans(run: Run, *numbers: int) -> list[tuple[str, str]]:
    """Return the start and the end of the named jobs of some builds, in the order of their start."""
    jobs = [job for number in numbers for job in run.build_number(number)["jobs"] if job.get("name")]
    return sorted((job["started_at"], job["finished_at"]) for job in jobs)


def most_at_once(found: list[tuple[str, str]]) -> int:
    return max(sum(start <= each < end for start, end in found) for each, _ in found)


# -- concurrency groups


def test_concurrency_limits_the_jobs_of_a_step(run: Run) -> None:
    yaml = "steps: [{label: A, command: a, parallelism: 5, concurrency: 2, concurrency_group: g}]"
    assert run.finish(yaml) == "passed"
    assert most_at_once(spans(run, 1)) == 2


def test_a_job_that_waits_for_its_group_is_limited_and_listed_as_scheduled(run: Run) -> None:
    run.start("steps: [{label: A, command: a, parallelism: 2, concurrency: 1, concurrency_group: g}]")
    run.server.run(10)
    assert [job.state for job in run.server.build("app", 1).jobs] == ["running", "limited"]
    assert [job["state"] for job in run.jobs] == ["running", "scheduled"]
    listed = run.api.get(f"{APP}/builds/1/jobs?state[]=limited").json()["items"]
    assert [job["id"] for job in listed] == [run.jobs[1]["id"]]
    run.wait()
    first, second = run.server.build("app", 1).jobs
    assert first.concurrency_wait_time_ms == 0
    assert second.concurrency_wait_time_ms == round((first.finished_at or 0) * 1000 - (second.scheduled_at or 0) * 1000)


def test_a_group_is_shared_by_the_pipelines_of_an_organization(run: Run, server: FakeBuildkite) -> None:
    yaml = "steps: [{label: A, command: a, concurrency: 1, concurrency_group: our/deploy}]"
    run.start(yaml)
    server.add_pipeline("other", yaml=yaml)
    server.add_organization("umbrella")
    server.add_pipeline("third", yaml=yaml, organization="umbrella")
    run.api.post(f"{ACME}/pipelines/other/builds", json={"commit": "HEAD", "branch": "main"})
    run.api.post("/organizations/umbrella/pipelines/third/builds", json={"commit": "HEAD", "branch": "main"})
    server.run(10)
    assert server.build("other", 1).jobs[0].state == "limited"
    assert server.build("third", 1, organization="umbrella").jobs[0].state == "running"
    server.run(60)
    assert server.build("other", 1).state == "passed"


GATE = """
steps:
  - {label: Open, command: open, concurrency: 1, concurrency_group: gate}
  - wait
  - {label: Work, command: work, parallelism: 2}
  - wait
  - {label: Close, command: close, concurrency: 1, concurrency_group: gate}
"""


def test_a_concurrency_gate_lets_one_build_through_at_a_time(run: Run) -> None:
    run.start(GATE)
    for _ in range(2):
        run.create()
    assert run.wait() == "passed"
    first, second, third = (spans(run, number) for number in (1, 2, 3))
    assert first[-1][1] <= second[0][0]
    assert second[-1][1] <= third[0][0]


def test_a_gate_without_its_closing_step_does_not_hold(run: Run) -> None:
    run.start(GATE.rpartition("  - wait")[0])
    run.create()
    assert run.wait() == "passed"
    assert spans(run, 1)[-1][1] > spans(run, 2)[0][0]


def test_eager_jobs_do_not_wait_for_older_ones_that_cannot_start(run: Run) -> None:
    yaml = """
    steps:
      - {label: Slow, key: slow, command: slow}
      - {label: A, command: a, depends_on: slow, concurrency: 1, concurrency_group: g}
      - {label: B, command: b, concurrency: 1, concurrency_group: g, concurrency_method: METHOD}
    """
    run.server.set_outcome(step_key="slow", seconds=100)
    run.start(yaml.replace("METHOD", "eager"))
    run.server.run(60)
    assert run.states()["B"] == "passed"
    run.server.add_pipeline("ordered", yaml=yaml.replace("METHOD", "ordered").replace(": g", ": h"))
    run.api.post(f"{ACME}/pipelines/ordered/builds", json={"commit": "HEAD", "branch": "main"})
    run.server.run(60)
    assert [job.state for job in run.server.build("ordered", 1).jobs] == ["running", "waiting", "limited"]
    run.server.run(300)
    assert run.server.build("ordered", 1).state == "passed"


def test_eager_jobs_of_a_higher_priority_come_first(run: Run) -> None:
    common = "concurrency: 1, concurrency_group: g, concurrency_method: eager"
    run.finish(f"steps: [{{label: A, command: a, {common}}}, {{label: B, command: b, {common}}}, "
               f"{{label: C, command: c, priority: 5, {common}}}]")  # fmt: skip
    ordered = sorted(run.jobs, key=lambda job: job["started_at"])
    assert [job["name"] for job in ordered] == ["C", "A", "B"]


def test_a_job_behind_a_block_step_has_not_joined_its_group(run: Run) -> None:
    run.start("steps: [{block: Go}, {label: A, command: a, concurrency: 1, concurrency_group: g}]")
    run.server.run(10)
    run.create()
    run.server.add_pipeline("other", yaml="steps: [{label: B, command: b, concurrency: 1, concurrency_group: g}]")
    run.api.post(f"{ACME}/pipelines/other/builds", json={"commit": "HEAD", "branch": "main"})
    run.server.run(100)
    assert run.server.build("other", 1).state == "passed"


def test_a_job_with_a_higher_limit_may_start_before_one_with_a_lower_limit(run: Run) -> None:
    run.start("""
    steps:
      - {label: A, command: a, parallelism: 2, concurrency: 2, concurrency_group: g}
      - {label: B, command: b, concurrency: 1, concurrency_group: g}
      - {label: C, command: c, concurrency: 5, concurrency_group: g}
    """)
    run.server.run(5)
    assert [job.state for job in run.server.build("app", 1).jobs] == ["running", "running", "limited", "running"]
    assert run.wait() == "passed"


def test_a_canceled_build_frees_its_group(run: Run) -> None:
    run.start("steps: [{label: A, command: a, parallelism: 3, concurrency: 1, concurrency_group: g}]")
    run.server.run(5)
    run.create()
    run.api.put(f"{APP}/builds/1/cancel")
    run.server.run(100)
    assert [run.build_number(number)["state"] for number in (1, 2)] == ["canceled", "passed"]


def test_a_retried_job_waits_for_its_group_again(run: Run) -> None:
    run.server.set_outcome(step_key="a", exit_status=[1, 0])
    run.start("steps: [{key: a, label: A, command: a, retry: {automatic: true}, concurrency: 1, concurrency_group: g}]")
    run.create()
    run.server.run(600)
    assert [run.build_number(number)["state"] for number in (1, 2)] == ["passed", "passed"]
    assert most_at_once(spans(run, 1, 2)) == 1


@pytest.mark.parametrize(
    "keys",
    [
        "concurrency: 1",
        "concurrency_group: g",
        "concurrency_method: eager",
        "concurrency: 0, concurrency_group: g",
        "concurrency: 1, concurrency_group: ''",
        f"concurrency: 1, concurrency_group: {'g' * 201}",
        "concurrency: 1, concurrency_group: g, concurrency_method: greedy",
    ],
)
def test_invalid_concurrency_is_refused(run: Run, keys: str) -> None:
    with pytest.raises(ValueError, match="concurrency"):
        run.server.add_pipeline("app", yaml=f"steps: [{{command: a, {keys}}}]")


# -- priority, agents and queues


def add_agents(run: Run, *names: str, **fields: Any) -> None:
    run.server.settings.elastic_agents = False
    for name in names:
        run.server.add_agent(name, **fields)


def test_the_highest_priority_gets_the_next_agent(run: Run) -> None:
    add_agents(run, "only")
    assert run.finish("""
    priority: 2
    steps:
      - {label: Last, command: a, priority: -1}
      - {label: Whole build, command: b}
      - {label: First, command: c, priority: 3}
      - {label: Second of the build, command: d}
    """) == "passed"  # fmt: skip
    ordered = sorted(run.jobs, key=lambda job: job["started_at"])
    assert [job["name"] for job in ordered] == ["First", "Whole build", "Second of the build", "Last"]
    assert [job["priority"]["number"] for job in run.jobs] == [-1, 2, 3, 2]
    assert {job["agent"]["name"] for job in run.jobs} == {"only"}


def test_of_the_same_priority_the_older_build_comes_first(run: Run) -> None:
    add_agents(run, "only")
    run.start("steps: [{label: A, command: a, parallelism: 2}]")
    run.server.run(0.5)
    run.create()
    run.wait()
    assert spans(run, 1)[-1] < spans(run, 2)[0]


def test_a_reprioritized_job_comes_first(run: Run) -> None:
    add_agents(run, "only")
    run.start("steps: [{label: A, command: a}, {label: B, command: b}, {label: C, command: c}]")
    run.server.run(4)
    assert run.api.put(f"{ACME}/jobs/{run.job('C')['id']}/reprioritize", json={"priority": 9}).status_code == 200
    run.wait()
    assert not run.overlaps("C", "B")


def test_jobs_of_a_paused_queue_start_by_priority_when_it_is_resumed(run: Run) -> None:
    add_agents(run, "only")
    cluster, queue = run.server.store.organizations["acme"].cluster_id, run.server.store.queues()[0].id
    path = f"{ACME}/clusters/{cluster}/queues/{queue}"
    run.api.post(f"{path}/pause_dispatch", json={})
    run.start("steps: [{label: A, command: a}, {label: B, command: b, priority: 1}]")
    run.server.run(60)
    assert set(run.states().values()) == {"scheduled"}
    run.api.post(f"{path}/resume_dispatch")
    assert run.wait() == "passed"
    assert not run.overlaps("B", "A")


def test_a_job_waits_for_an_agent_with_its_tags(run: Run) -> None:
    add_agents(run, "small", meta_data=["queue=default", "size=small"])
    run.start("steps: [{label: A, command: a, agents: {size: large}}, {label: B, command: b, agents: {size: '*'}}]")
    run.server.run(100)
    assert run.states() == {"A": "scheduled", "B": "passed"}
    add_agents(run, "large", meta_data=["queue=default", "size=large"])
    assert run.wait() == "passed"


def test_a_job_whose_queue_does_not_exist_waits_for_it(run: Run) -> None:
    assert run.finish("steps: [{label: A, command: a, agents: {queue: nowhere}}]") == "scheduled"
    assert run.jobs[0]["cluster_queue_id"] is None
    assert run.jobs[0]["agent_query_rules"] == ["queue=nowhere"]
    cluster = run.server.store.organizations["acme"].cluster_id
    assert run.api.post(f"{ACME}/clusters/{cluster}/queues", json={"key": "nowhere"}).status_code == 201
    assert run.wait() == "passed"
