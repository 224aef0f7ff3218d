"""The substitution of variables in pipelines.

Documentation: https://buildkite.com/docs/agent/cli/reference/pipeline#environment-variable-substitution
and https://buildkite.com/docs/pipelines/configure/environment-variables#variable-interpolation
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildkite_orm.fake.pipeline_yaml import read_pipeline
from buildkite_orm.fake.pipeline_yaml.errors import PipelineYamlError
from buildkite_orm.fake.pipeline_yaml.substitution import substitute
from tests.fake.yaml_runs import ACME, APP, Run

if TYPE_CHECKING:
    from requests import Session

    from buildkite_orm.fake import FakeBuildkite

COMMIT = "83a20ec058e2fb00e7fa4558c4c6e81e2dcf253d"


@pytest.fixture
def run(server: FakeBuildkite, api: Session) -> Run:
    return Run(server, api)


def text(value: str, **variables: str) -> Any:
    return substitute({"a": value}, variables, block_wins=True)["a"]


@pytest.mark.parametrize(
    ("written", "variables", "result"),
    [
        ("$A", {"A": "1"}, "1"),
        ("${A}b", {"A": "1"}, "1b"),
        ("$A_B-$A.", {"A_B": "1", "A": "2"}, "1-2."),
        ("[$MISSING]", {}, "[]"),
        ("$$USD and \\$USD", {"USD": "x"}, "$USD and $USD"),
        ("$$$$", {}, "$$"),
        ("${SERVER:-staging}", {}, "staging"),
        ("${SERVER:-staging}", {"SERVER": ""}, "staging"),
        ("${SERVER:-staging}", {"SERVER": "staging-5"}, "staging-5"),
        ("${SERVER-staging}", {}, "staging"),
        ("${SERVER-staging}", {"SERVER": ""}, ""),
        ("${SERVER-staging}", {"SERVER": "staging-5"}, "staging-5"),
        ("${A:-${B:-c}}", {}, "c"),
        ("${A:-$B}", {"B": "b"}, "b"),
        ("${A?}", {"A": ""}, ""),
        ("${BUILDKITE_COMMIT:0:7}", {"BUILDKITE_COMMIT": COMMIT}, "83a20ec"),
        ("${BUILDKITE_COMMIT:33}", {"BUILDKITE_COMMIT": COMMIT}, "dcf253d"),
        ("${BUILDKITE_COMMIT: -7:3}", {"BUILDKITE_COMMIT": COMMIT}, "dcf"),
        ("${MISSING:0:7}", {}, ""),
        ("costs 5$, $(date) and $1", {}, "costs 5$, $(date) and $1"),
        ("/release$/", {}, "/release$/"),
    ],
)
def test_a_text_has_the_values_of_its_variables(written: str, variables: dict[str, str], result: str) -> None:
    assert text(written, **variables) == result


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("${SERVER?}", "SERVER: not set"),
        ("${SERVER?is not set. Please specify a server}", "SERVER: is not set. Please specify a server"),
        ("${SERVER:?is empty}", "SERVER: is empty"),
        ("${SERVER", "is not closed"),
        ("${}", "is not a variable"),
        ("${A B}", "is not a variable"),
        ("${A:-" * 60 + "x" + "}" * 60, "nested too deeply"),
    ],
)
def test_a_text_that_cannot_be_substituted_is_refused(written: str, message: str) -> None:
    with pytest.raises(PipelineYamlError, match=message):
        text(written, SERVER="") if ":?" in written else text(written)


def test_what_the_variables_expand_to_is_bounded() -> None:
    with pytest.raises(PipelineYamlError, match="expand to more than"):
        substitute(["$A"] * 20, {"A": "x" * 1_000_000}, block_wins=True)


@given(st.text(st.sampled_from("$\\{}A:-?0 1"), max_size=20))
def test_any_text_is_substituted_or_refused(written: str) -> None:
    try:
        assert isinstance(text(written, A="a"), str)
    except PipelineYamlError:
        assert "${" in written


def test_keys_and_values_below_are_substituted_and_the_top_level_env_is_known() -> None:
    document = {"env": {"A": "a", "B": "$A-b", "N": 1}, "steps": [{"env": {"$A": ["$B", 1, None, "$N"]}}]}
    steps = substitute(document, {"A": "outer"}, block_wins=True)["steps"]
    assert steps == [{"env": {"a": ["a-b", 1, None, "1"]}}]
    steps = substitute(document, {"A": "outer"}, block_wins=False)["steps"]
    assert steps == [{"env": {"outer": ["outer-b", 1, None, "1"]}}]


# -- in builds


def test_a_configuration_has_the_variables_of_each_of_its_builds(run: Run) -> None:
    yaml = """
        env: {WHERE: "$BUILDKITE_BRANCH/$STAGE", STAGE: dev}
        steps:
          - label: "$BUILDKITE_MESSAGE"
            command: "echo $$STAGE ${BUILDKITE_COMMIT:0:3} $STAGE"
            if: build.branch =~ /^$BUILDKITE_BRANCH$$/
    """
    run.start(yaml, branch="one", message="First", commit="abcdef", env={"STAGE": "prod"})
    run.create(branch="two", message="Second", commit="fedcba")
    run.wait()
    first, second = (run.build_number(number)["jobs"][0] for number in (1, 2))
    assert (first["name"], first["command"], first["state"]) == ("First", "echo $STAGE abc prod", "passed")
    assert (second["name"], second["command"], second["state"]) == ("Second", "echo $STAGE fed dev", "passed")
    assert (run.env(first)["WHERE"], run.env(first)["STAGE"]) == ("one/prod", "prod")
    pipeline = run.api.get(APP).json()
    assert pipeline["steps"][0]["name"] == "$BUILDKITE_MESSAGE"
    assert "$BUILDKITE_BRANCH" in pipeline["configuration"]


def test_a_trigger_step_passes_the_variables_of_its_build_on(run: Run) -> None:
    run.server.add_pipeline("deploy", yaml="steps: [{command: a}]")
    yaml = """
        steps:
          - trigger: deploy
            build:
              message: "${BUILDKITE_MESSAGE}"
              commit: "${BUILDKITE_COMMIT}"
              branch: "${BUILDKITE_BRANCH}"
              env: {STREAM: "${RELEASE_STREAM:-stable}"}
    """
    assert run.finish(yaml, message="Ship", commit="abc", branch="x") == "passed"
    build = run.api.get(f"{ACME}/pipelines/deploy/builds/1").json()
    found = (build["message"], build["commit"], build["branch"], build["env"])
    assert found == ("Ship", "abc", "x", {"STREAM": "stable"})


def test_a_build_whose_variables_make_its_steps_invalid_is_a_422(run: Run) -> None:
    run.server.add_pipeline("app", yaml='steps: [{command: a, parallelism: "${N:-2}"}]')
    body = {"commit": "HEAD", "branch": "main"}
    response = run.api.post(f"{APP}/builds", json={**body, "env": {"N": "many"}})
    assert response.status_code == 422
    assert "parallelism must be an integer" in response.json()["message"]
    assert run.api.get(f"{APP}/builds").json() == []
    assert run.create()["number"] == 1
    assert run.wait() == "passed"
    assert len(run.jobs) == 2
    run.server.add_pipeline("parent", yaml="steps: [{trigger: app, build: {env: {N: many}}}]")
    run.api.post(f"{ACME}/pipelines/parent/builds", json=body)
    run.server.run(60)
    assert run.server.build("parent", 1).state == "failed"


def test_a_configuration_that_no_variable_makes_valid_is_refused() -> None:
    assert len(read_pipeline("steps: [{command: a, priority: '$N'}]", {"N": "3"}).plan) == 1
    with pytest.raises(ValueError, match="unknown key"):
        read_pipeline("steps: [{command: '$A', b: 1}]", {})


# -- in uploads


def test_an_upload_has_the_variables_of_its_job(run: Run) -> None:
    run.start("steps: [{key: u, label: U, command: u, env: {MINE: 'yes'}}]")
    run.server.run(4)
    step = "{label: '$BUILDKITE_STEP_KEY $MINE $BUILDKITE_BUILD_NUMBER', command: 'c $$MINE'}"
    yaml = f"env: {{MINE: uploaded}}\nsteps: [{step}]"
    jobs = run.server.upload_steps(run.record("U"), yaml)
    assert (jobs[0].name, jobs[0].command) == ("u uploaded 1", "c $MINE")
    jobs = run.server.upload_steps(run.record("U"), "steps: [{label: $X, command: c $$X}]", substitute=False)
    assert (jobs[0].name, jobs[0].command) == ("$X", "c $$X")
    with pytest.raises(ValueError, match="SERVER: not set"):
        run.server.upload_steps(run.record("U"), "steps: [{command: '${SERVER?}'}]")
