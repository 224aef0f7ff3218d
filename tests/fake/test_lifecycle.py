"""The lifecycle of builds and their jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm.fake import BlockStep, CommandStep, TriggerStep, WaitStep

if TYPE_CHECKING:
    from collections.abc import Sequence

    from requests import Session

    from buildkite_orm.fake import FakeBuildkite, Step

PIPELINES = "/organizations/acme/pipelines"


class Story:
    """A pipeline's builds as their payloads change over time."""

    def __init__(self, server: FakeBuildkite, api: Session) -> None:
        self.server = server
        self.api = api

    def begin(self, *steps: Step, pipeline: str = "web", **fields: Any) -> None:
        """Add a pipeline and create a build of it."""
        self.server.add_pipeline(pipeline, steps=steps, **fields)
        self.create(pipeline)

    def create(self, pipeline: str = "web", branch: str = "main") -> None:
        """Create a build."""
        response = self.api.post(f"{PIPELINES}/{pipeline}/builds", json={"commit": "HEAD", "branch": branch})
        assert response.status_code == 201

    def build(self, number: int = 1, pipeline: str = "web") -> Any:
        """Return the payload of a build with all attempts of its jobs."""
        return self.api.get(f"{PIPELINES}/{pipeline}/builds/{number}?include_retried_jobs=true").json()

    def state(self, number: int = 1, pipeline: str = "web") -> str:
        """Return a build's state."""
        return str(self.build(number, pipeline)["state"])

    def jobs(self, number: int = 1, pipeline: str = "web") -> list[str]:
        """Return the states of a build's jobs, including waiters."""
        return [job.state for job in self.server.build(pipeline, number).jobs]

    def states_until(self, seconds: int) -> list[str]:
        """Return the states of a build, sampled every half second."""
        seen = [self.state()]
        for _ in range(seconds * 2):
            self.server.run(0.5)
            if (state := self.state()) != seen[-1]:
                seen.append(state)
        return seen


@pytest.fixture
def story(server: FakeBuildkite, api: Session) -> Story:
    return Story(server, api)


@pytest.mark.parametrize(
    ("steps", "states"),
    [
        ([CommandStep()], ["creating", "scheduled", "running", "passed"]),
        ([CommandStep(exits=(1,))], ["creating", "scheduled", "running", "failed"]),
        (
            [CommandStep(exits=(1,), duration=5), CommandStep()],
            ["creating", "scheduled", "running", "failing", "failed"],
        ),
        ([CommandStep(exits=(1,), soft_fail=True), CommandStep()], ["creating", "scheduled", "running", "passed"]),
        ([CommandStep(exits=(1, 0), automatic_retries=1)], ["creating", "scheduled", "running", "passed"]),
        ([CommandStep(condition=False)], ["creating", "not_run"]),
        ([], ["creating", "passed"]),
    ],
)
def test_a_build_moves_through_its_states(story: Story, steps: Sequence[Step], states: list[str]) -> None:
    story.begin(*steps)
    assert story.states_until(60) == states
    assert story.build()["finished_at"] is not None


def test_times_follow_the_way(story: Story) -> None:
    story.begin(CommandStep(duration=10))
    story.server.run(60)
    payload = story.build()
    job = payload["jobs"][0]
    names = ("created_at", "scheduled_at", "started_at", "finished_at")
    assert [payload[name][14:] for name in names] == ["00:00.000Z", "00:01.000Z", "00:03.000Z", "00:13.000Z"]
    assert [job[name][14:] for name in names] == ["00:00.000Z", "00:01.000Z", "00:03.000Z", "00:13.000Z"]
    assert (job["exit_status"], job["state"]) == (0, "passed")


def test_a_wait_step_delays_the_steps_after_it(story: Story) -> None:
    story.begin(CommandStep(), CommandStep(duration=40), WaitStep(), CommandStep())
    story.server.run(30)
    assert story.jobs() == ["passed", "running", "waiting", "waiting"]
    story.server.run(15)
    assert story.jobs() == ["passed", "passed", "passed", "running"]
    story.server.run(60)
    assert story.state() == "passed"


def test_nothing_runs_after_a_failure(story: Story) -> None:
    story.begin(CommandStep(exits=(1,)), WaitStep(), CommandStep(), BlockStep(), CommandStep())
    story.server.run(60)
    assert story.jobs() == ["failed", "waiting_failed", "waiting_failed", "blocked_failed", "waiting_failed"]
    assert (story.state(), story.build()["blocked"]) == ("failed", False)


def test_a_wait_step_may_go_on_after_a_failure(story: Story) -> None:
    story.begin(CommandStep(exits=(1,)), WaitStep(continue_on_failure=True), CommandStep())
    story.server.run(60)
    assert story.jobs() == ["failed", "passed", "passed"]
    assert story.state() == "failed"


@pytest.mark.parametrize("kept", ["passed", "failed"])
def test_a_block_step_blocks_the_build_which_keeps_a_state(story: Story, kept: str) -> None:
    story.begin(CommandStep(), BlockStep(label="Go?", blocked_state=kept), CommandStep())
    story.server.run(60)
    payload = story.build()
    assert (payload["state"], payload["blocked"], payload["blocked_state"]) == (kept, True, kept)
    assert [job["state"] for job in payload["jobs"]] == ["passed", "blocked", "waiting"]
    assert payload["finished_at"] is not None


def test_unblocking_continues_the_build(story: Story) -> None:
    story.begin(CommandStep(), BlockStep(), CommandStep(), BlockStep(), CommandStep())
    for jobs in (["passed", "blocked"], ["passed", "unblocked", "passed", "blocked"]):
        story.server.run(60)
        payload = story.build()
        assert [job["state"] for job in payload["jobs"]][: len(jobs)] == jobs
        gate = payload["jobs"][len(jobs) - 1]
        story.api.put(gate["unblock_url"], json={})
        assert (story.state(), story.build()["finished_at"]) == ("running", None)
    story.server.run(60)
    assert (story.state(), story.build()["blocked"]) == ("passed", False)


def test_a_block_step_may_be_first(story: Story) -> None:
    story.begin(BlockStep(), CommandStep())
    story.server.run(10)
    assert (story.state(), story.build()["blocked"]) == ("passed", True)
    story.api.put(story.build()["jobs"][0]["unblock_url"], json={})
    assert story.state() == "scheduled"
    story.server.run(60)
    assert story.state() == "passed"


def test_a_step_may_have_many_jobs(story: Story) -> None:
    story.begin(
        CommandStep(label="Test", parallelism=2, group="tests"),
        CommandStep(label="Node", matrix=({"node": "20"}, {"node": "22"})),
        CommandStep(label="Bad", exits=(3,), signal="SIGKILL", times_out=True),
    )
    story.server.run(60)
    jobs = story.build()["jobs"]
    assert [(job["parallel_group_index"], job["parallel_group_total"]) for job in jobs[:3]] == [
        (0, 2),
        (1, 2),
        (None, None),
    ]
    assert [job.get("group_key") for job in jobs[:3]] == ["tests", "tests", None]
    assert [(job["name"], job["matrix"]) for job in jobs[2:4]] == [
        ("Node 20", {"node": "20"}),
        ("Node 22", {"node": "22"}),
    ]
    assert (jobs[4]["state"], jobs[4]["exit_status"], jobs[4]["signal"]) == ("timed_out", 3, "SIGKILL")


def test_an_automatic_retry_starts_after_a_delay_and_hides_the_failure(story: Story) -> None:
    story.begin(CommandStep(exits=(1, 1, 0), automatic_retries=2, duration=4), CommandStep(duration=60))
    story.server.run(8)
    assert (story.jobs(), story.state()) == (["failed", "running"], "running")
    story.server.run(60)
    payload = story.build()
    assert [job["state"] for job in payload["jobs"]] == ["failed", "failed", "passed", "passed"]
    assert [job["retry_type"] for job in payload["jobs"]] == ["automatic", "automatic", None, None]
    assert [job["retries_count"] for job in payload["jobs"]] == [None, 1, 2, None]
    assert (payload["state"], payload["failing_at"]) == ("passed", None)


def test_failing_at_stays_though_a_retry_passes(story: Story) -> None:
    story.begin(CommandStep(exits=(1, 0), duration=2), CommandStep(duration=60))
    story.server.run(20)
    assert story.state() == "failing"
    story.api.put(f"/organizations/acme/jobs/{story.build()['jobs'][0]['id']}/retry")
    assert story.state() == "running"
    story.server.run(60)
    payload = story.build()
    assert payload["state"] == "passed"
    assert payload["failing_at"] == "2026-08-01T12:00:05.000Z"


@pytest.mark.parametrize(
    ("step", "state"),
    [
        (CommandStep(duration=40, exits=(1,), promised_exit_status=1), "failing"),
        (CommandStep(duration=40, exits=(1,), promised_exit_status=1, soft_fail=True), "running"),
        (CommandStep(duration=40, exits=(1, 0), promised_exit_status=1, automatic_retries=1), "running"),
    ],
)
def test_a_promised_failure_fails_the_build_before_the_job_ends(story: Story, step: CommandStep, state: str) -> None:
    story.begin(step)
    story.server.run(30)
    payload = story.build()
    assert (payload["state"], payload["jobs"][0]["state"]) == (state, "running")
    assert payload["jobs"][0]["promised_exit_status"] == 1
    assert payload["jobs"][0]["promised_exit_status_at"] == "2026-08-01T12:00:23.000Z"


def test_a_step_whose_condition_fails_is_broken(story: Story) -> None:
    story.begin(CommandStep(condition=False), CommandStep())
    story.server.run(60)
    job = story.build()["jobs"][0]
    assert (job["state"], job["broken_reason"], job["exit_status"]) == ("broken", "conditional_failed", None)
    assert story.state() == "passed"


def test_artifacts_arrive_when_a_job_ends(story: Story) -> None:
    story.begin(CommandStep(duration=10, artifacts=(("a.txt", b"hello"), ("b.bin", 100))))
    artifacts = f"{PIPELINES}/web/builds/1/artifacts"
    assert story.api.get(artifacts).json() == []
    story.server.run(60)
    payload = story.api.get(artifacts).json()
    assert [(each["path"], each["file_size"]) for each in payload] == [("a.txt", 5), ("b.bin", 100)]
    assert story.api.get(payload[0]["download_url"]).content == b"hello"


# -- triggers


@pytest.mark.parametrize(("exits", "state"), [((0,), "passed"), ((1,), "failed")])
def test_a_trigger_starts_a_build_and_ends_with_it(story: Story, exits: tuple[int, ...], state: str) -> None:
    story.server.add_pipeline("docs", steps=[CommandStep(exits=exits)])
    story.begin(TriggerStep(pipeline="docs"))
    story.server.run(10)
    job = story.build()["jobs"][0]
    below = story.build(1, "docs")
    assert job["state"] == "running"
    assert job["triggered_build"] == {name: below[name] for name in ("id", "number", "url", "web_url")}
    assert below["source"] == "trigger_job"
    assert below["triggered_from"] == {
        "build_id": story.build()["id"],
        "build_number": 1,
        "build_pipeline_slug": "web",
    }
    story.server.run(60)
    assert [story.state(), story.build()["jobs"][0]["state"], story.state(1, "docs")] == [state] * 3


def test_an_asynchronous_trigger_does_not_wait(story: Story) -> None:
    story.server.add_pipeline("docs", steps=[CommandStep(exits=(1,))])
    story.begin(TriggerStep(pipeline="docs", async_=True, branch="gh-pages"))
    story.server.run(60)
    assert (story.state(), story.state(1, "docs")) == ("passed", "failed")
    assert story.build(1, "docs")["branch"] == "gh-pages"


def test_a_trigger_without_a_target_fails(story: Story) -> None:
    story.begin(TriggerStep(pipeline="nothing"))
    story.server.run(10)
    assert (story.state(), story.build()["jobs"][0]["triggered_build"]) == ("failed", None)


def test_a_trigger_fails_when_its_build_is_canceled(story: Story) -> None:
    story.server.add_pipeline("docs", steps=[CommandStep()])
    story.begin(TriggerStep(pipeline="docs"))
    story.server.run(10)
    story.api.put(f"{PIPELINES}/docs/builds/1/cancel")
    story.server.run(10)
    assert (story.state(), story.state(1, "docs")) == ("failed", "canceled")


# -- builds that make others needless


def test_older_builds_of_a_branch_may_be_skipped(story: Story) -> None:
    story.server.add_agent("ci-1", paused_at=1.0)
    story.begin(CommandStep(), WaitStep(), CommandStep(), skip_queued_branch_builds=True)
    story.server.run(5)
    story.create(branch="other")
    story.create()
    assert [story.state(number) for number in (1, 2, 3)] == ["skipped", "creating", "creating"]
    assert story.jobs(1) == ["skipped", "skipped", "skipped"]
    assert story.build(1)["finished_at"] is not None


def test_older_builds_of_a_branch_may_be_canceled(story: Story) -> None:
    story.begin(CommandStep(duration=60), cancel_running_branch_builds=True)
    story.server.run(10)
    story.create()
    assert story.state(1) == "canceling"
    story.server.run(10)
    assert story.state(1) == "canceled"


def test_filters_limit_canceling_to_matching_branches(story: Story) -> None:
    story.begin(
        CommandStep(duration=60), cancel_running_branch_builds=True, cancel_running_branch_builds_filter="!main"
    )
    story.create(branch="fix/x")
    story.server.run(10)
    story.create()
    story.create(branch="fix/x")
    assert [story.state(number) for number in (1, 2)] == ["running", "canceling"]


@pytest.mark.parametrize(
    "fields", [{"cancel_running_branch_builds": True}, {"skip_queued_branch_builds": True}], ids=["cancel", "skip"]
)
def test_a_trigger_job_is_skipped_with_its_build(story: Story, fields: dict[str, Any]) -> None:
    story.server.add_pipeline("docs", steps=[CommandStep(duration=60)], **fields)
    story.begin(TriggerStep(pipeline="docs"))
    story.server.run(2.5 if "skip_queued_branch_builds" in fields else 10)
    story.create("docs")
    story.server.run(1)
    assert story.build()["jobs"][0]["state"] == "skipped"


def test_a_skipped_build_releases_its_agent(story: Story) -> None:
    agent = story.server.add_agent("ci-1")
    story.begin(CommandStep(), skip_queued_branch_builds=True)
    story.server.run(2)
    assert agent.job is not None
    story.create()
    assert agent.job is None


# -- agents


def test_jobs_run_on_an_agent_of_their_queue(story: Story) -> None:
    story.server.add_agent("ci-1")
    mac = story.server.add_agent("mac-1", queue="macos")
    story.begin(CommandStep(duration=60, agents=("queue=macos",)))
    story.server.run(10)
    assert story.build()["jobs"][0]["agent"]["id"] == mac.id
    assert story.build()["jobs"][0]["agent_query_rules"] == ["queue=macos"]


def test_agents_are_added_if_all_are_busy(story: Story) -> None:
    story.server.add_agent("ci-1")
    story.begin(CommandStep(parallelism=3, duration=60))
    story.server.run(10)
    names = [job["agent"]["name"] for job in story.build()["jobs"]]
    assert names[0] == "ci-1"
    assert len(set(names)) == 3
    story.server.run(60)
    assert [each["name"] for each in story.api.get("/organizations/acme/agents").json()] == ["ci-1"]


def test_a_pipeline_can_be_built_again_and_again(story: Story) -> None:
    story.server.add_pipeline("web", default_branch="trunk")
    story.server.build_every(600, "web")
    story.server.run(1900)
    payload = story.api.get(f"{PIPELINES}/web/builds").json()
    assert [(each["branch"], each["source"]) for each in payload] == [("trunk", "schedule")] * 3
