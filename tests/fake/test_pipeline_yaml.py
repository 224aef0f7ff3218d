"""Builds of pipelines in YAML, by plain HTTP, in the order of the documentation's pages.

Documentation: https://buildkite.com/docs/pipelines/configure/step-types
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fake.yaml_runs import ACME, APP, Run

if TYPE_CHECKING:
    from requests import Session

    from buildkite_orm.fake import FakeBuildkite


@pytest.fixture
def run(server: FakeBuildkite, api: Session) -> Run:
    return Run(server, api)


# -- command_step


def test_command_step_attributes(run: Run) -> None:
    yaml = """
        env: {BOTH: pipeline, TOP: pipeline}
        agents: {os: linux}
        steps:
          - label: ":hammer: Build"
            key: build
            commands: [make, make test]
            env: {BOTH: step, N: 1}
            artifact_paths: ["log/**/*", "out/*"]
            priority: 7
          - {name: Named, id: named, command: make, agents: ["queue=default", "gpu=true"], artifacts: "a;b"}
    """
    assert run.finish(yaml, env={"TOP": "build", "BOTH": "build"}) == "passed"
    first, second = run.jobs
    assert (first["name"], first["step_key"], first["command"]) == (":hammer: Build", "build", "make\nmake test")
    assert (first["artifact_paths"], first["priority"]) == ("log/**/*;out/*", {"number": 7})
    assert (first["agent_query_rules"], second["agent_query_rules"]) == (["os=linux"], ["queue=default", "gpu=true"])
    assert (second["name"], second["step_key"], second["artifact_paths"]) == ("Named", "named", "a;b")
    env = run.env(first)
    assert (env["BOTH"], env["TOP"], env["N"], env["BUILDKITE_STEP_KEY"]) == ("step", "build", "1", "build")


def test_agents_decide_in_which_queue_a_job_waits(run: Run) -> None:
    cluster = run.server.store.organizations["acme"].cluster_id
    queues = f"{ACME}/clusters/{cluster}/queues"
    queue = run.api.post(queues, json={"key": "big"}).json()
    run.api.post(f"{queues}/{queue['id']}/pause_dispatch", json={"dispatch_paused_note": "x"})
    assert run.finish("steps: [{label: A, command: a, agents: {queue: big}}, {label: B, command: b}]") == "running"
    assert run.states() == {"A": "scheduled", "B": "passed"}
    assert run.jobs[0]["cluster_queue_id"] == queue["id"]
    run.api.post(f"{queues}/{queue['id']}/resume_dispatch")
    assert run.wait() == "passed"


def test_parallelism_makes_jobs_that_know_their_place(run: Run) -> None:
    assert run.finish("steps: [{label: Test, command: a, parallelism: 3}]") == "passed"
    assert [(job["parallel_group_index"], job["parallel_group_total"]) for job in run.jobs] == [(0, 3), (1, 3), (2, 3)]
    env = run.env(run.jobs[2])
    assert (env["BUILDKITE_PARALLEL_JOB"], env["BUILDKITE_PARALLEL_JOB_COUNT"]) == ("2", "3")


def test_skip_with_and_without_a_reason(run: Run) -> None:
    steps = "{label: A, command: a, skip: true}, {label: B, command: b, skip: Later}, {label: C, command: c, skip: ''}"
    yaml = f"steps: [{steps}]"
    assert run.finish(yaml) == "passed"
    assert run.states() == {"A": "broken", "B": "broken", "C": "passed"}
    assert [job["broken_reason"] for job in run.jobs] == [None, "Later", None]


def test_a_timeout_ends_a_job(run: Run) -> None:
    run.server.set_outcome(seconds=600)
    assert run.finish("steps: [{label: Slow, command: a, timeout_in_minutes: 2}]") == "failed"
    job = run.jobs[0]
    assert (job["state"], job["exit_status"], job["signal_reason"]) == ("timed_out", -1, "cancel")


# -- build_matrix


def test_a_matrix_of_one_dimension_fills_in_its_elements(run: Run) -> None:
    yaml = """
        steps:
          - label: "{{matrix}} build"
            command: "GOOS={{ matrix }} go build"
            env: {os: "{{matrix}}"}
            agents: {os: "{{matrix}}"}
            matrix: [darwin, Linux]
    """
    assert run.finish(yaml) == "passed"
    assert [(job["name"], job["command"], job["agent_query_rules"]) for job in run.jobs] == [
        ("darwin build", "GOOS=darwin go build", ["os=darwin"]),
        ("Linux build", "GOOS=Linux go build", ["os=Linux"]),
    ]
    assert run.env(run.jobs[0])["os"] == "darwin"


def test_adjustments_add_exclude_and_soften_combinations(run: Run) -> None:
    yaml = """
        steps:
        - label: "{{matrix.os}} {{matrix.arch}}"
          command: "echo {{matrix.os}}"
          matrix:
            setup: {arch: [amd64, arm64], os: [windows, linux]}
            adjustments:
              - {with: {os: windows, arch: arm64}, soft_fail: true}
              - {with: {os: linux, arch: arm64}, skip: true}
              - {with: {os: Plan 9, arch: arm64}}
    """
    run.start(yaml)
    assert [job["matrix"] for job in run.jobs] == [
        {"arch": "amd64", "os": "windows"},
        {"arch": "amd64", "os": "linux"},
        {"arch": "arm64", "os": "windows"},
        {"arch": "arm64", "os": "Plan 9"},
    ]
    run.server.run(2)
    run.server.finish_job(run.server.store.jobs[run.jobs[2]["id"]], 1)
    assert (run.wait(), run.jobs[2]["soft_failed"]) == ("passed", True)


# -- wait_step


@pytest.mark.parametrize(
    ("gates", "states"),
    [
        (["wait", "wait"], ["failed", "waiting_failed", "waiting_failed"]),
        (["{wait: ~, continue_on_failure: true}", "wait"], ["failed", "passed", "waiting_failed"]),
        (["wait", "{wait: ~, continue_on_failure: true}"], ["failed", "waiting_failed", "waiting_failed"]),
        (["{wait: ~, continue_on_failure: true}"] * 2, ["failed", "passed", "passed"]),
    ],
)
def test_wait_steps_after_a_failure(run: Run, gates: list[str], states: list[str]) -> None:
    run.start(f"steps: [{{command: a}}, {gates[0]}, {{command: b}}, {gates[1]}, {{command: c}}]")
    run.server.run(2)
    run.server.finish_job(run.server.store.jobs[run.jobs[0]["id"]], 1)
    assert run.wait() == "failed"
    assert [job["state"] for job in run.jobs if job["type"] == "script"] == states


def test_a_wait_step_whose_condition_is_false_holds_back_nothing(run: Run) -> None:
    assert run.finish("steps: [{label: A, command: a}, {wait: ~, if: 'false'}, {label: B, command: b}]") == "passed"
    assert run.overlaps("A", "B")


# -- block_step and input_step


BLOCK = """
steps:
  - block: Release
    key: release
    blocked_state: failed
    fields:
      - {text: Name, key: name, format: "[a-z]+"}
      - {select: Stream, key: stream, required: false, options: [{label: Beta, value: beta}, {label: Old, value: old}]}
  - {label: Ship, command: make ship}
"""


def test_a_block_step_takes_its_fields(run: Run) -> None:
    assert run.finish(BLOCK) == "failed"
    job = run.jobs[0]
    assert (job["state"], job["label"], job["step_key"], run.build["blocked"]) == (
        "blocked",
        "Release",
        "release",
        True,
    )
    for fields in ({}, {"name": ""}, {"name": "UPPER"}, {"name": "ok", "stream": "new"}):
        assert run.api.put(job["unblock_url"], json={"fields": fields}).status_code == 422
    assert run.api.put(job["unblock_url"], json={"fields": {"name": "ok", "stream": "beta"}}).status_code == 200
    assert run.wait() == "passed"
    assert run.build["meta_data"] == {"name": "ok", "stream": "beta"}


def test_an_input_step_does_not_hold_back_the_steps_after_it(run: Run) -> None:
    assert run.finish("steps: [{input: Who, key: who}, {label: A, command: a}]") == "passed"
    assert (run.states(), run.build["blocked"]) == ({"Who": "blocked", "A": "passed"}, True)


def test_a_step_after_a_block_step_runs_if_it_depends_on_nothing(run: Run) -> None:
    run.finish("steps: [{block: Go}, {label: A, command: a, depends_on: ~}, {label: B, command: b}]")
    assert run.states() == {"Go": "blocked", "A": "passed", "B": "waiting"}


# -- trigger_step


def test_a_trigger_step_starts_the_build_that_it_describes(run: Run) -> None:
    run.server.add_pipeline("deploy", yaml="steps: [{command: make}]", default_branch="trunk")
    yaml = """
        steps:
          - trigger: deploy
            label: Deploy
            build: {branch: prod, commit: abc, message: Ship it, env: {A: 1}, meta_data: {version: "1.1"}}
          - {trigger: deploy, label: Later, async: true, parallelism: 2}
    """
    assert run.finish(yaml) == "passed"
    builds = run.api.get(f"{ACME}/pipelines/deploy/builds").json()[::-1]
    found = [tuple(each[name] for name in ("branch", "commit", "message", "env", "meta_data")) for each in builds]
    assert found[0] == ("prod", "abc", "Ship it", {"A": "1"}, {"version": "1.1"})
    assert [each[:3] for each in found[1:]] == [("trunk", "HEAD", "Later")] * 2
    assert [each[3]["BUILDKITE_PARALLEL_JOB"] for each in found[1:]] == ["0", "1"]
    assert [job["async"] for job in run.jobs] == [False, True, True]


@pytest.mark.parametrize(("soft_fail", "state"), [("false", "failed"), ("true", "passed")])
def test_the_failure_of_a_triggered_build(run: Run, soft_fail: str, state: str) -> None:
    run.start(f"steps: [{{trigger: nowhere, soft_fail: {soft_fail}}}]")
    assert run.wait() == state


def test_a_chain_of_triggered_builds_has_an_end(run: Run) -> None:
    assert run.finish("steps: [{trigger: app, label: Again}]") == "failed"
    assert len(run.api.get(f"{APP}/builds").json()) == 11


def test_a_triggered_build_has_the_author_and_knows_what_triggered_it(run: Run) -> None:
    yaml = """
        steps:
          - label: A
            command: a
            if: |
              build.source == 'trigger_job' &&
                build.env('BUILDKITE_TRIGGERED_FROM_BUILD_PIPELINE_SLUG') == 'app'
          - {label: B, command: b, if: build.source != 'trigger_job'}
    """
    run.server.add_pipeline("deploy", yaml=yaml)
    assert run.finish("steps: [{trigger: deploy, label: Ship}]", author="Ada <ada@acme.example>") == "passed"
    build = run.api.get(f"{ACME}/pipelines/deploy/builds/1").json()
    assert [job["state"] for job in build["jobs"]] == ["passed", "broken"]
    assert (build["author"]["name"], build["message"]) == ("Ada", "Ship")


# -- group_step


def test_groups_run_concurrently_and_wait_inside(run: Run) -> None:
    yaml = """
        steps:
          - group: First
            key: first
            steps: [{label: "1", command: a}, wait, {label: "2", command: b}]
          - group: ~
            label: Second
            steps: [{label: "3", command: c}, wait, {label: "4", command: d}]
          - {label: "5", command: e, depends_on: first}
    """
    assert run.finish(yaml) == "passed"
    assert [job.get("group_key") for job in run.jobs] == ["first"] * 3 + [None] * 4
    assert run.overlaps("1", "3")
    assert run.overlaps("2", "4")
    assert not run.overlaps("1", "2")
    assert not run.overlaps("2", "5")


def test_conditions_and_dependencies_of_a_group_are_those_of_its_steps(run: Run) -> None:
    yaml = """
        steps:
          - {label: A, key: a, command: a}
          - {group: G, if: build.branch == "x", steps: [{label: B, command: b}]}
          - {group: H, skip: Not now, steps: [{label: C, command: c}]}
          - {group: I, depends_on: a, steps: [{label: D, command: d}]}
    """
    assert run.finish(yaml) == "passed"
    assert run.states() == {"A": "passed", "B": "broken", "C": "broken", "D": "passed"}
    assert not run.overlaps("A", "D")


def test_wait_steps_work_inside_a_group_with_dependencies(run: Run) -> None:
    yaml = """
        steps:
          - {label: T, key: tests, command: t}
          - {group: Group01, depends_on: tests, steps: [{label: A, command: a}, wait, {label: B, command: b}]}
          - group: Group02
            depends_on: tests
            id: toast
            steps: [{label: C, command: c}, wait, {label: D, command: d}]
          - {label: Y, command: yay, depends_on: toast}
    """
    run.server.set_outcome(command="a", seconds=300)
    assert run.finish(yaml) == "passed"
    assert not any(run.overlaps(*pair) for pair in ("TA", "TC", "AB", "CD", "DY"))
    assert run.overlaps("A", "D")
    assert run.overlaps("A", "Y")


@pytest.mark.parametrize(("allowed", "states"), [("true", ["passed", "failed"]), ("false", ["waiting_failed"] * 2)])
def test_a_group_may_allow_that_what_it_depends_on_fails(run: Run, allowed: str, states: list[str]) -> None:
    run.server.set_outcome(command="bad", exit_status=1)
    run.finish(f"""
        steps:
          - {{label: T, key: t, command: bad}}
          - wait
          - group: G
            depends_on: t
            allow_dependency_failure: {allowed}
            steps: [{{label: A, command: a}}, {{label: B, command: bad}}]
    """)
    assert [run.states()[name] for name in "AB"] == states


def test_a_group_without_dependencies_ignores_the_wait_step_before_it(run: Run) -> None:
    group = "{group: G, depends_on: ~, steps: [{label: B, command: b}, wait, {label: C, command: c}]}"
    yaml = f"steps: [{{label: A, command: a}}, wait, {group}]"
    assert run.finish(yaml) == "passed"
    assert run.overlaps("A", "B")
    assert not run.overlaps("B", "C")


# -- depends_on


def test_a_step_runs_as_soon_as_what_it_depends_on_has_passed(run: Run) -> None:
    yaml = """
        steps:
          - {label: A, key: a, command: a}
          - wait
          - {label: B, command: b}
          - {label: C, command: c, depends_on: []}
          - {label: D, command: d, depends_on: [{step: a}, {step: e}]}
          - {label: E, key: e, command: e, depends_on: a}
    """
    assert run.finish(yaml) == "passed"
    assert run.overlaps("A", "C")
    assert not any(run.overlaps(*pair) for pair in ("AB", "AD", "AE", "ED"))


@pytest.mark.parametrize(
    ("dependency", "state"),
    [
        ("depends_on: a", "waiting_failed"),
        ("depends_on: a, allow_dependency_failure: true", "passed"),
        ("depends_on: [{step: a, allow_failure: true}]", "passed"),
        ("depends_on: [{step: a, allow_failure: false}], allow_dependency_failure: true", "waiting_failed"),
    ],
)
def test_a_dependency_may_fail_if_that_is_allowed(run: Run, dependency: str, state: str) -> None:
    run.start(f"steps: [{{label: A, key: a, command: a}}, {{label: B, key: b, command: b, {dependency}}}, "
              "{label: C, command: c, depends_on: [{step: b, allow_failure: true}]}]")  # fmt: skip
    run.server.run(2)
    run.server.finish_job(run.server.store.jobs[run.jobs[0]["id"]], 1)
    assert run.wait() == "failed"
    assert run.states() == {"A": "failed", "B": state, "C": "passed"}


def test_a_dependency_that_does_not_exist_fails_the_build(run: Run) -> None:
    assert run.finish("steps: [{label: A, command: a, depends_on: nothing}, {label: B, command: b}]") == "failed"
    assert run.states() == {"A": "waiting_failed", "B": "passed"}


def test_a_dependency_that_is_left_out_is_satisfied(run: Run) -> None:
    yaml = "steps: [{label: A, key: a, command: a, if: 'false'}, {label: B, command: b, depends_on: a}]"
    assert run.finish(yaml) == "passed"
    assert run.states() == {"A": "broken", "B": "passed"}


# -- conditionals and branch_configuration


@pytest.mark.parametrize(
    ("condition", "branch", "state"),
    [
        ('build.branch == "main"', "main", "passed"),
        ('build.branch == "main"', "x", "not_run"),
        ('build.env("FOO") == "1" && build.creator.name == "Ada Lovelace"', "x", "passed"),
        ('build.source == "api" && pipeline.slug == "app" && build.number == 1', "x", "passed"),
        ("build.message !~ /skip/i", "x", "not_run"),
        ("build.pull_request.id == null && !build.pull_request.draft", "x", "passed"),
    ],
)
def test_a_condition_leaves_out_a_step(run: Run, condition: str, branch: str, state: str) -> None:
    yaml = f"env: {{FOO: 1}}\nsteps:\n  - command: a\n    if: '{condition}'"
    assert run.finish(yaml, branch=branch, message="Skip me") == state
    assert run.jobs[0]["broken_reason"] == ("conditional_failed" if state == "not_run" else None)


@pytest.mark.parametrize(("branch", "state"), [("main", "passed"), ("stages/a", "passed"), ("stages/prod", "not_run")])
def test_branches_leave_out_a_step(run: Run, branch: str, state: str) -> None:
    yaml = "steps: [{command: a, branches: 'main stages/* !stages/prod'}]"
    assert run.finish(yaml, branch=branch) == state
    assert run.jobs[0]["broken_reason"] == ("branch_mismatch" if state == "not_run" else None)


def test_a_parallelism_of_zero_leaves_out_a_step(run: Run) -> None:
    assert run.finish("steps: [{command: a, parallelism: 0}]") == "not_run"
    assert run.jobs[0]["broken_reason"] == "parallelism_zero"


def test_conditions_know_the_teams_of_people(seeded: FakeBuildkite, seeded_api: Session) -> None:
    run = Run(seeded, seeded_api)
    condition = "build.creator.teams includes 'everyone' && build.author.teams includes 'everyone'"
    yaml = f'steps: [{{label: A, command: a, if: "{condition}"}}]'
    assert run.finish(yaml, author={"name": "Ada", "email": "ada@acme.example"}) == "passed"


def test_conditions_know_a_pull_request(run: Run) -> None:
    conditions = [
        "build.pull_request.id == '7'",
        "build.pull_request.base_branch == 'main'",
        "build.pull_request.labels includes 'bug'",
        "build.pull_request.repository =~ /fork/",
        "build.env('BUILDKITE_PULL_REQUEST') == '7'",
    ]
    yaml = "steps:\n" + "\n".join(f'  - {{command: a, if: "{each}"}}' for each in conditions)
    fields = {
        "pull_request_base_branch": "main",
        "pull_request_labels": ["bug"],
        "pull_request_repository": "git://fork",
    }
    assert run.finish(yaml, pull_request_id=7, **fields) == "passed"
    assert {job["state"] for job in run.jobs} == {"passed"}


# -- retry and soft_fail


@pytest.mark.parametrize(
    ("retry", "attempts"),
    [
        ("automatic: true", 3),
        ("automatic: false", 1),
        ("automatic: {exit_status: 5, limit: 1}", 2),
        ("automatic: [{exit_status: 1, limit: 4}, {exit_status: '*', limit: 3}]", 4),
        ("automatic: {exit_status: [4, 6]}", 1),
        ("automatic: {signal: kill}", 1),
        ("automatic: {signal: none, signal_reason: none, limit: 1}", 2),
        ("manual: true", 1),
    ],
)
def test_automatic_retries(run: Run, retry: str, attempts: int) -> None:
    run.start(f"steps: [{{command: a, retry: {{{retry}}}}}]")
    for _ in range(6):
        run.server.run(4)
        last = run.server.store.jobs[run.jobs[-1]["id"]]
        if last.state == "running":
            run.server.finish_job(last, 5)
    assert (run.build["state"], len(run.jobs)) == ("failed", attempts)


def test_manual_retries_may_be_forbidden(run: Run) -> None:
    yaml = "steps: [{command: a, retry: {manual: {allowed: false, reason: Never again}}}]"
    run.start(yaml)
    run.server.run(2)
    run.server.finish_job(run.server.store.jobs[run.jobs[0]["id"]], 1)
    response = run.api.put(f"{APP}/builds/1/jobs/{run.jobs[0]['id']}/retry")
    assert (response.status_code, response.json()["message"]) == (422, "Never again")


@pytest.mark.parametrize(
    ("soft_fail", "state"),
    [
        ("true", "passed"),
        ("[{exit_status: 5}]", "passed"),
        ("[{exit_status: '*'}]", "passed"),
        ("[{exit_status: 1}]", "failed"),
    ],
)
def test_soft_failures(run: Run, soft_fail: str, state: str) -> None:
    run.start(f"steps: [{{command: a, soft_fail: {soft_fail}}}, wait, {{command: b}}]")
    run.server.run(2)
    run.server.finish_job(run.server.store.jobs[run.jobs[0]["id"]], 5)
    assert (run.wait(), run.jobs[0]["soft_failed"]) == (state, state == "passed")


def test_a_failing_build_cancels_the_jobs_that_want_it(run: Run) -> None:
    run.start(
        "steps: [{label: A, command: a}, {label: B, command: b, cancel_on_build_failing: true}, {label: C, command: c}]"
    )
    run.server.run(2.5)
    run.server.finish_job(run.server.store.jobs[run.jobs[0]["id"]], 1)
    assert run.wait() == "failed"
    assert run.states() == {"A": "failed", "B": "canceled", "C": "passed"}


# -- what a job does


def test_a_step_key_counts_more_than_a_command_and_that_more_than_all(run: Run) -> None:
    run.server.set_outcome(exit_status=1, step_key="a", log=b"boom\r\n")
    run.server.set_outcome(exit_status=2, command="make *", artifacts=[("junit.xml", b"<testsuite/>")])
    run.server.set_outcome(exit_status=3, seconds=100)
    assert run.finish("steps: [{key: a, command: make a}, {command: make b}, {command: c}]") == "failed"
    assert [job["exit_status"] for job in run.jobs] == [1, 2, 3]
    assert run.api.get(f"{ACME}/jobs/{run.jobs[0]['id']}/log").json()["content"] == "boom\r\n"
    artifacts = run.api.get(f"{APP}/builds/1/jobs/{run.jobs[1]['id']}/artifacts").json()
    assert [each["path"] for each in artifacts] == ["junit.xml"]


def test_each_attempt_has_its_exit_status(run: Run) -> None:
    run.server.set_outcome(exit_status=[1, 0])
    assert run.finish("steps: [{command: a, retry: {automatic: true}}]") == "passed"
    assert [(job["exit_status"], job["retried"]) for job in run.jobs] == [(1, True), (0, False)]


# -- uploads


UPLOAD = """
env: {FROM: upload}
steps:
  - {label: C, key: c, command: c}
  - {label: D, command: d, depends_on: [a, c]}
"""


def test_uploaded_steps_run_before_what_waits_for_the_job(run: Run) -> None:
    run.start("steps: [{label: A, key: a, command: a}, {label: U, key: u, command: u}, wait, {label: B, command: b}]")
    run.server.run(4)
    jobs = run.server.upload_steps(run.server.store.jobs[run.jobs[1]["id"]], UPLOAD)
    assert [job.name for job in jobs] == ["C", "D"]
    assert run.wait() == "passed"
    assert [job.get("name") for job in run.jobs] == ["A", "U", "C", "D", None, "B"]
    assert not any(run.overlaps(*pair) for pair in ("CD", "CB", "DB"))
    assert run.env(run.jobs[2])["FROM"] == "upload"
    upload = run.api.get(f"{APP}/builds/1/step-uploads").json()["items"][0]
    assert (upload["created_jobs_count"], upload["source_job_id"]) == (2, run.jobs[1]["id"])


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("steps: [{command: c, key: a}]", 'The key "a" has already been used by another step in this build'),
        ("steps: [{command: c, depends_on: b}]", "waits for it"),
        ("steps: []", "at least one step"),
    ],
)
def test_an_upload_that_does_not_fit_is_refused(run: Run, yaml: str, message: str) -> None:
    run.start("steps: [{key: a, command: a}, wait, {key: b, command: b}]")
    job = run.server.build("app", 1).jobs[0]
    with pytest.raises(ValueError, match="You can only change the pipeline of a running build; the job is waiting"):
        run.server.upload_steps(job, "steps: [wait]")
    run.server.run(4)
    with pytest.raises(ValueError, match=message):
        run.server.upload_steps(job, yaml)
    assert run.wait() == "passed"
    assert len(run.jobs) == 3
