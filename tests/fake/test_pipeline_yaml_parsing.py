"""Pipelines in YAML: what is accepted, what is refused, and what is only warned of."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm.fake.pipeline_yaml import is_pipeline, read_pipeline
from buildkite_orm.fake.pipeline_yaml.errors import IgnoredStepKeysWarning, PipelineYamlError
from buildkite_orm.fake.pipeline_yaml.keys import table

if TYPE_CHECKING:
    from requests import Session

    from buildkite_orm.fake import FakeBuildkite

PIPELINES = "/organizations/acme/pipelines"


def command(yaml: str) -> Any:
    return read_pipeline(yaml).plan[0]


@pytest.mark.parametrize(
    "configuration",
    [
        "- wait",
        "- command: make\n- wait\n",
        "# Mine\n---\nsteps: # all of them\n- command: make",
        "steps:\r\n  - wait\r\n",
        "'steps' :\n  -\n    command: make",
        "steps: [wait]",
        "env: {\nA: 1\n}\nsteps: [\nwait\n]",
        "base: &base\n  - wait\nsteps: *base",
        "base: &base { steps: [wait] }\n<<: *base",
        'steps:\n  - command: |\n      echo "["\n      # {\n',
        '{"steps": [{"command": "make [all"}]}',
        '[{"command": "make"}]',
        "steps:\n  - block\n  - input\n  - waiter",
        "steps:\n  - type: script\n    command: make\n  - type: wait\n    wait: ~",
    ],
)
def test_each_form_of_a_pipeline_is_accepted(configuration: str) -> None:
    assert is_pipeline(configuration)


@pytest.mark.parametrize(
    ("configuration", "message"),
    [
        (" \n", "list of at least one step"),
        ("null", "list of at least one step"),
        ("steps: []", "list of at least one step"),
        ("steps: x", "list of at least one step"),
        ("env:\n  A: 1", "list of at least one step"),
        ("steps: [wait", "invalid YAML: line 1"),
        ("a: b: c", "mapping values are not allowed"),
        ("--- 1\n--- 2", "invalid YAML"),
        ("steps: [!ruby/object {}]", "could not determine a constructor"),
        ("steps: &a [*a]", "contains its own alias"),
        ("[" * 5000, "nested too deeply|invalid YAML"),
        ("steps:\n- command: a\n  command: b", "line 3: 'command' is given twice"),
        ("steps: [1]", r"steps\[0\]: a step is a map"),
        ("steps: [{}]", "exactly one of the keys"),
        ("steps: [{label: x}]", "none of them"),
        ("steps: [{command: a, trigger: b}]", "command, trigger"),
        ("steps: [{command: a, lable: b}]", r"steps\[0\]: unknown key 'lable' of a command step, expected "),
        ("steps: [{wait: ~, label: b}]", "unknown key 'label' of a wait step"),
        ("steps: [{group: a, steps: [wait], concurrency: 1}]", "unknown key 'concurrency' of a group step"),
        ("steps: [{group: a}]", "a group has `steps`"),
        ("steps: [{group: a, steps: [{group: b, steps: [wait]}]}]", "cannot be inside another group"),
        ("steps: [{command: a, parallelism: x}]", "parallelism must be an integer from 0 to 1000"),
        ("steps: [{command: a, parallelism: 2, matrix: [b]}]", "cannot be used together"),
        ("steps: [{command: a, if: 'true', branches: main}]", "if and branches cannot be used together"),
        ("steps: [{command: a, if: 'build.brunch == 1'}]", "unknown variable build.brunch"),
        ("steps: [{command: a, key: 12345678-1234-1234-1234-123456789012}]", "not a UUID"),
        ("steps: [{command: a, key: k}, {command: b, key: k}]", "'k' is used by more than one step"),
        ("steps: [{command: a, key: k, depends_on: l}, {command: b, key: l, depends_on: k}]", "in a circle"),
        ("steps: [{command: a, skip: " + "x" * 71 + "}]", "at most 70 characters"),
        ("steps: [{command: a, soft_fail: [{status: 1}]}]", "soft_fail must be true, false, or a list"),
        ("steps: [{command: a, retry: {auto: true}}]", "retry must be a map with automatic or manual"),
        ("steps: [{command: a, retry: {automatic: {limit: 11}}}]", r"limit \(0 to 10\)"),
        ("steps: [{command: a, concurrency: 1}]", "must be used together"),
        ("steps: [{command: a, matrix: {setup: {a: [b]}, adjustments: [{with: {c: d}}]}}]", "each dimension"),
        (f"steps: [{{command: a, matrix: {list(range(26))}}}]", "at most 25 values"),
        (f"steps: [{{command: a, matrix: {{setup: {{a: {list(range(8))}, b: {list(range(8))}}}}}}}]", "most 50"),
        ("steps: [{trigger: ~}]", "the slug of a pipeline"),
        ("steps: [{trigger: a, build: {brunch: b}}]", "unknown key brunch"),
        ("steps: [{block: a, blocked_state: green}]", "one of passed, failed, running"),
        ("steps: [{block: a, fields: [{text: b}]}]", "a key of each field"),
        ("steps: [{block: a, fields: [{select: b, key: c}]}]", "options with label and value"),
        ("steps: [{block: a, fields: [{text: b, key: c, format: '['}]}]", "a regular expression"),
    ],
)  # fmt: skip
def test_an_invalid_pipeline_is_refused_with_a_message(configuration: str, message: str) -> None:
    with pytest.raises(PipelineYamlError, match=message):
        read_pipeline(configuration)


def test_expansion_of_aliases_is_bounded() -> None:
    levels = "\n".join(f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, 10))
    with pytest.raises(PipelineYamlError, match="expand to more than"):
        read_pipeline(f"a0: &a0 [x]\n{levels}\nsteps: [wait]")


def test_merge_keys_work_and_the_step_wins() -> None:
    step = command("base: &base {env: {A: 1}, command: a}\nsteps:\n  - <<: *base\n    command: b")
    assert (step.command, step.env) == ("b", {"A": "1"})


def test_values_become_the_strings_that_were_meant() -> None:
    env = command("steps: [{command: a, env: {DAY: 2026-01-02, ON: true, N: 1.5, EMPTY: ~}}]").env
    assert env == {"DAY": "2026-01-02", "ON": "true", "N": "1.5", "EMPTY": ""}


def test_one_warning_names_what_is_not_simulated(server: FakeBuildkite) -> None:
    step = "{command: buildkite-agent pipeline upload, plugins: [a#v1]}"
    yaml = f"notify: []\nsteps:\n- {step}\n- plugins: [b#v1]\n  cache: x"
    with pytest.warns(IgnoredStepKeysWarning) as caught:
        server.add_pipeline("app", yaml=yaml)
    assert len(caught) == 1
    assert str(caught[0].message) == (
        "the fake does not simulate these parts of the pipeline app: notify (pipeline), plugins (command), "
        "buildkite-agent in commands, cache (command)"
    )
    assert caught[0].filename == __file__


def test_invalid_yaml_is_the_documented_422(server: FakeBuildkite, api: Session) -> None:
    cluster = server.store.organizations["acme"].cluster_id
    body = {"name": "App", "repository": "git@github.com:acme/app.git", "cluster_id": cluster}
    response = api.post(PIPELINES, json=body | {"configuration": "steps: [{comand: a}]"})
    assert (response.status_code, response.json()["message"]) == (422, "Validation Failed")
    assert response.json()["errors"][0]["field"] == "configuration"
    assert "exactly one of the keys" in response.json()["errors"][0]["code"]
    assert api.post(PIPELINES, json=body | {"configuration": "steps: [{command: a}]"}).status_code == 201
    response = api.patch(f"{PIPELINES}/app", json={"configuration": "steps: [{command: a, matrix: 1}]"})
    assert (response.status_code, api.get(f"{PIPELINES}/app").json()["configuration"]) == (422, "steps: [{command: a}]")


def test_a_pipeline_has_either_steps_or_yaml(server: FakeBuildkite) -> None:
    with pytest.raises(ValueError, match="either steps or yaml"):
        server.add_pipeline("app", steps=[], yaml="steps: [wait]")


def test_the_table_of_the_documentation_is_that_of_the_code() -> None:
    page = Path(__file__).parents[2].joinpath("docs", "testing.md").read_text()
    lines = re.findall(r"^\| (?:step|---|pipeline|command|wait|block|input|trigger|group) \|.*$", page, re.MULTILINE)
    assert lines == list(table())
