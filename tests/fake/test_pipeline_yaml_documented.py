"""Pipelines in YAML against the documentation's own lists: keys of steps, fields, rules, and variables.

`tests/data/make_pipeline_facts.py` takes them from the pages `step-types`, `retry`, `conditionals` and others.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm.fake import environments
from buildkite_orm.fake.pipeline_yaml import checks, is_pipeline
from buildkite_orm.fake.pipeline_yaml.conditionals import VARIABLES, parse
from buildkite_orm.fake.pipeline_yaml.keys import PIPELINE, STEPS, table
from tests.fake.yaml_runs import Run

if TYPE_CHECKING:
    from requests import Session

    from buildkite_orm.fake import FakeBuildkite

FACTS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "data" / "pipelines.json").read_text())
# keys that the lists of the pages lack, and other pages use
ELSEWHERE = {
    "command": {"adjustments", "cache", "metadata", "notify", "signature"},
    "wait": {"waiter"},
    "block": {"label", "name"},
    "input": {"label", "name", "submit"},
    "trigger": set[str](),
    "group": {"concurrency", "concurrency_group", "concurrency_method"},
}
ONLY_IN_NOTIFICATIONS = {"pipeline.started_failing", "pipeline.started_passing"}


@pytest.mark.parametrize("kind", STEPS)
def test_the_keys_of_a_step_are_those_of_its_page(kind: str) -> None:
    documented = {name for key, aliases in FACTS["steps"][kind].items() for name in (key, *aliases)}
    assert len(documented) > 5
    assert {name for key in STEPS[kind] for name in key.names} == documented | ELSEWHERE[kind]


@pytest.mark.parametrize("kind", STEPS)
def test_the_aliases_of_a_key_are_those_of_its_page(kind: str) -> None:
    keys = {key.name: set(key.aliases) for key in STEPS[kind]}
    documented = {name: set(aliases) for name, aliases in FACTS["steps"][kind].items() if aliases}
    assert {name: keys[name] for name in documented} == documented


def test_the_keys_of_the_top_level_are_simulated() -> None:
    simulated = {key.name for key in PIPELINE if key.treatment == "simulated"}
    assert simulated == set(FACTS["pipeline"])


def test_each_documented_key_is_in_the_table() -> None:
    lines = "\n".join(table())
    for kind, keys in FACTS["steps"].items():
        for key in keys:
            assert f"| {kind} | `{key}`" in lines


@pytest.mark.parametrize("key", ["concurrency", "concurrency_group", "concurrency_method"])
def test_a_group_step_has_no_concurrency(key: str) -> None:
    assert not is_pipeline(f"steps: [{{group: a, {key}: 1, steps: [wait]}}]")


def test_the_attributes_of_a_triggered_build_are_accepted() -> None:
    for name in FACTS["build"]:
        value: Any = {"A": "b"} if name in {"env", "meta_data"} else "x"
        assert checks.build({name: value}) is None
    assert checks.build({"brunch": "x"}) is not None


def test_the_attributes_of_fields_are_accepted() -> None:
    values: dict[str, Any] = {"required": False, "multiple": False, "options": [{"label": "A", "value": "a"}]}
    assert FACTS["fields"]["options"] == ["label", "value"]
    for kind in ("text", "select"):
        names = {*FACTS["fields"][kind], kind}
        field = {name: values.get(name, "a") for name in names}
        assert checks.fields([field]) is None
        assert checks.fields([{**field, "colour": "red"}]) is not None


def test_the_attributes_of_retries_are_accepted() -> None:
    for name in FACTS["retry"]["automatic"]:
        assert checks.retry({"automatic": {name: 2 if name == "limit" else "*"}}) is None
    for reason in FACTS["retry"]["signal_reasons"]:
        assert checks.retry({"automatic": [{"signal_reason": reason}]}) is None
    for name in FACTS["retry"]["manual"]:
        assert checks.retry({"manual": {name: "why" if name == "reason" else True}}) is None
    assert len(FACTS["retry"]["signal_reasons"]) == 9
    assert checks.retry({"automatic": {"signal_reason": "bad_luck"}}) is not None


def test_the_attributes_of_a_matrix_are_accepted() -> None:
    assert FACTS["matrix"] == ["adjustments", "setup"]
    assert checks.matrix({"setup": {"a": ["b"]}, "adjustments": [{"with": {"a": "b"}, "skip": True}]}) is None


def test_conditions_know_the_documented_variables() -> None:
    assert set(FACTS["conditionals"]["variables"]) - ONLY_IN_NOTIFICATIONS == VARIABLES
    for name in VARIABLES:
        parse(f"{name} == null")


def test_conditions_and_substitutions_read_the_documented_variables(server: FakeBuildkite, api: Session) -> None:
    run = Run(server, api)
    server.add_pipeline("deploy", yaml="steps: [{command: 'echo $BUILDKITE_TRIGGERED_FROM_BUILD_NUMBER'}]")
    run.finish("steps: [{trigger: deploy}]", pull_request_id=7, pull_request_base_branch="main", message="Hi")
    triggered = server.build("deploy", 1)
    triggered.merge_queue = {"base_branch": "main", "base_commit": "abc"}
    triggered.rebuilt_from, triggered.tag = server.build("app", 1), "v1"
    triggered.pull_request = {"id": "7", "base": "main", "repository": "git://x"}
    known = environments.variables_of(triggered)
    without = {name for name in FACTS["conditionals"]["env"] if name.startswith("BUILDKITE_GITHUB_")}
    assert known.keys() == set(FACTS["conditionals"]["env"]) - without
    assert triggered.jobs[0].command == "echo 1"


def test_the_variables_of_a_job_are_documented(server: FakeBuildkite, api: Session) -> None:
    run = Run(server, api)
    run.finish("steps: [{block: Go}, {group: G, key: g, steps: [{label: A, key: a, command: a, timeout: 5}]}]")
    run.api.put(run.jobs[0]["unblock_url"], json={})
    run.wait()
    env = run.env(run.job("A"))
    assert env.keys() - set(FACTS["environment"]) == {"BUILDKITE_REPO_SSH_HOST", "BUILDKITE_AGENT_META_DATA_LOCAL"}
    assert (env["BUILDKITE_LABEL"], env["BUILDKITE_TIMEOUT"], env["BUILDKITE_RETRY_COUNT"]) == ("A", "5", "0")
    assert (env["BUILDKITE_GROUP_KEY"], env["BUILDKITE_GROUP_LABEL"]) == ("g", "G")
    assert (env["BUILDKITE_UNBLOCKER"], env["BUILDKITE_SOURCE"]) == ("Ada Lovelace", "api")
