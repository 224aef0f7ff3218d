"""What the fake reads of a pipeline's steps."""

from __future__ import annotations

from buildkite_orm.fake.configuration import env_of, plan_of, steps_of, visual_steps
from buildkite_orm.fake.steps import BlockStep, CommandStep, TriggerStep, WaitStep

YAML = """\
env:
  "FOO": "bar"
  N: 1

steps:
  - label: ":hammer: Größe"
    command: "make all"
    agents:
      - "queue=big"
  - wait: ~
  - block: "Ship?"
    key: ship
  - "wait"
  - group: Tests
    steps:
      - command: make test
  - trigger: deploy
    label: Deploy
agents:
  queue: big
"""


def test_the_environment_is_read() -> None:
    assert env_of(YAML) == {"FOO": "bar", "N": "1"}
    assert env_of("steps:\n  - command: make") == {}


def test_steps_are_read_one_by_one_and_none_that_is_nested_deeper() -> None:
    steps = steps_of(YAML)
    assert [each["type"] for each in steps] == ["script", "waiter", "manual", "waiter", "trigger"]
    assert (steps[0]["name"], steps[0]["command"], steps[2]["label"]) == (":hammer: Größe", "make all", "Ship?")
    assert [each["command"] for each in steps_of("steps:\n- command: a\n- name: B\n  command: 'b'\n")] == ["a", "b"]
    assert steps_of("") == steps_of("steps: []") == []


def test_builds_do_what_the_steps_say() -> None:
    command, wait, block, _, trigger = plan_of(steps_of(YAML))
    assert command == CommandStep(label=":hammer: Größe", command="make all", artifact_paths=None)
    assert (wait, block) == (WaitStep(), BlockStep(label="Ship?"))
    assert trigger == TriggerStep(pipeline="deploy", label="Deploy")


def test_visual_steps_are_told_with_all_they_have() -> None:
    given = [{"type": "script", "command": "make", "parallelism": 2}, {"type": "manual", "label": "Ship?", "odd": 1}]
    script, manual = visual_steps(given)
    assert (script["parallelism"], script["env"], script["agent_query_rules"]) == (2, {}, [])
    assert manual == {"type": "manual", "label": "Ship?"}
    assert plan_of([script])[0] == CommandStep(command="make", artifact_paths=None)
