"""How the fake reads a pipeline's steps."""

from __future__ import annotations

import pytest

from buildkite_orm.fake.configuration import env_of, has_steps, plan_of, steps_of, visual_steps
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


def test_builds_run_as_their_steps_declare() -> None:
    command, wait, block, _, trigger = plan_of(steps_of(YAML))
    assert command == CommandStep(label=":hammer: Größe", command="make all", artifact_paths=None)
    assert (wait, block) == (WaitStep(), BlockStep(label="Ship?"))
    assert trigger == TriggerStep(pipeline="deploy", label="Deploy")


def test_visual_steps_have_all_fields() -> None:
    given = [{"type": "script", "command": "make", "parallelism": 2}, {"type": "manual", "label": "Ship?", "odd": 1}]
    script, manual = visual_steps(given)
    assert (script["parallelism"], script["env"], script["agent_query_rules"]) == (2, {}, [])
    assert manual == {"type": "manual", "label": "Ship?"}
    assert plan_of([script])[0] == CommandStep(command="make", artifact_paths=None)


@pytest.mark.parametrize(
    "configuration",
    [
        YAML,
        "- wait",
        "- command: make\n- wait\n",
        "# Mine\n---\nsteps: # all of them\n- command: make",
        "  steps:\n    - wait\n",
        "steps:\r\n  - wait\r\n",
        "'steps' :\n  -\n    command: make",
        "steps: [wait]",
        "env: {\nA: 1\n}\nsteps: [\nwait\n]",
        "steps:\n  [\n    { command: 'a ] b', key: x },\n  ]\n",
        "base: &base\n  - wait\nsteps: *base",
        "steps: &all\n  - wait",
        "base: &base { steps: [wait] }\n<<: *base",
        "env: { A: 1 }\nsteps:\n  - group: Tests\n    steps:\n      - wait\n",
        'steps:\n  - command: |\n      echo "["\n      # {\n',
        '{"steps": [{"command": "make [all"}]}',
        '[{"command": "make"}]',
    ],
)
def test_a_configuration_with_unread_steps_is_a_pipeline(configuration: str) -> None:
    assert has_steps(configuration)


NO_PIPELINES = [
    " \n", "null", "~", "wait", "steps: []", "steps: [ ]", "steps:", "steps: ~", "steps: x", "steps:\n  a: 1",
    "steps: {}", "steps: [wait", "a: [", "a: [\nsteps:\n  - wait", "env:\n  A: 1", "[]", "{}", '{"steps": []}',
    "# steps:\n#  - wait", "env:\n  steps:\n    - wait",
]  # fmt: skip


@pytest.mark.parametrize("configuration", NO_PIPELINES)
def test_a_configuration_without_steps_is_not_a_pipeline(configuration: str) -> None:
    assert not has_steps(configuration)


def test_a_bare_list_is_one_of_steps() -> None:
    assert [each["type"] for each in steps_of("- command: make\n- wait\n")] == ["script", "waiter"]
    assert env_of("- command: make\n") == {}
