"""Pipelines: created, archived and deleted; the webhooks of GitHub."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm import NotFoundError, Pipeline, UnprocessableEntityError
from buildkite_orm.resources.pipelines.github_webhooks import GitHubWebhooks
from buildkite_orm.resources.pipelines.pipeline import IgnoredChangeWarning, PipelineOptions

if TYPE_CHECKING:
    from buildkite_orm import Buildkite
    from buildkite_orm.fake import FakeBuildkite
    from tests.conftest import Costs, Sent
    from tests.resources.conftest import Examples

PIPELINES = "/v2/organizations/acme/pipelines"
WEB = f"{PIPELINES}/web"
YAML = 'env:\n  "FOO": "bar"\nsteps:\n  - command: "script/release.sh"\n    label: "Build :package:"\n  - wait\n'
VISUAL: list[dict[str, Any]] = [
    {"type": "script", "name": "Build", "command": "make", "env": {"A": "1"}, "agent_query_rules": ["aws=true"]},
    {"type": "waiter"},
    {"type": "manual", "label": "Deploy"},
    {
        "type": "trigger",
        "label": "Ship",
        "trigger_project_slug": "deploy",
        "trigger_commit": "HEAD",
        "trigger_branch": "main",
        "trigger_async": True,
    },
]
NO_PIPELINES = ("steps: []", "steps:", "a: [", "null", "steps: x", " \n")
OPTIONS: dict[str, Any] = {
    "allow_rebuilds": False,
    "branch_configuration": "main feature/*",
    "cancel_running_branch_builds": True,
    "cancel_running_branch_builds_filter": "!main",
    "clone_mirror_url": "git@mirror.acme.example:acme/web.git",
    "color": "#FF5733",
    "configuration": YAML,
    "default_branch": "trunk",
    "default_command_step_timeout": 30,
    "description": "",
    "emoji": ":rocket:",
    "maximum_command_step_timeout": 120,
    "skip_queued_branch_builds": True,
    "skip_queued_branch_builds_filter": "!main",
    "slug": "shop",
    "tags": ["größe", ":terraform:"],
    "visibility": "public",
}


@pytest.fixture
def cluster_id(server: FakeBuildkite) -> str:
    """The id of the cluster of `acme`."""
    return server.store.organizations["acme"].cluster_id


@pytest.fixture
def needed(cluster_id: str) -> dict[str, Any]:
    """The required fields of a new pipeline."""
    return {"name": "The Shop", "cluster_id": cluster_id, "repository": "git@github.com:acme/shop.git"}


@pytest.fixture
def pipeline(server: FakeBuildkite, bk: Buildkite) -> Pipeline:
    """A pipeline with steps as YAML."""
    server.add_pipeline("web")
    return bk.organization("acme").pipeline("web").fetch()


# -- creating


def test_a_yaml_pipeline_is_created_with_the_given_fields_only(
    bk: Buildkite, sent: Sent, costs: Costs, needed: dict[str, Any]
) -> None:
    with costs(1):
        pipeline = bk.organization("acme").pipelines().create(**needed, configuration=YAML)
    assert sent() == (f"POST {PIPELINES}", {**needed, "configuration": YAML})
    assert (type(pipeline), pipeline.slug, pipeline.configuration) == (Pipeline, "the-shop", YAML)
    assert (pipeline.env, [step.type for step in pipeline.steps]) == ({"FOO": "bar"}, ["script", "waiter"])
    assert pipeline in bk.organization("acme").pipelines(name="SHOP", repository="acme/shop")
    assert pipeline.cluster is not None
    assert pipeline.cluster.fetch().id == needed["cluster_id"]


def test_a_new_pipeline_accepts_every_field(
    server: FakeBuildkite, bk: Buildkite, sent: Sent, needed: dict[str, Any]
) -> None:
    org = bk.organization("acme")
    template = org.pipeline_templates().create(name="Shared", configuration=YAML)
    team = org.teams().create(
        name="Ops",
        description="",
        privacy="visible",
        is_default_team=False,
        default_member_role="member",
        members_can_create_pipelines=True,
        members_can_create_suites=True,
        members_can_create_registries=True,
        members_can_destroy_registries=True,
        members_can_destroy_packages=True,
    )
    more: dict[str, Any] = {
        "pipeline_template_uuid": template.uuid,
        "provider_settings": {"build_tags": True},
        "teams": {team.id: "build_and_read"},
    }
    pipeline = org.pipelines().create(**needed, **OPTIONS, **more)
    assert sent() == (f"POST {PIPELINES}", {**needed, **OPTIONS, **more})
    assert pipeline.dump().items() >= OPTIONS.items()
    assert pipeline.pipeline_template == template
    assert [each.pipeline for each in team.pipelines()] == [pipeline]
    assert OPTIONS.keys() | more.keys() | {"env", "steps"} == PipelineOptions.__annotations__.keys()
    assert server.store.organizations["acme"].pipelines["shop"].provider_settings == {"build_tags": True}


def test_a_visual_pipeline_is_created(bk: Buildkite, sent: Sent, needed: dict[str, Any]) -> None:
    pipeline = bk.organization("acme").pipelines().create(**needed, steps=VISUAL, env={"KEY": "värde"})
    assert sent() == (f"POST {PIPELINES}", {**needed, "steps": VISUAL, "env": {"KEY": "värde"}})
    assert (pipeline.configuration, pipeline.env) == (None, {"KEY": "värde"})
    script, waiter, manual, trigger = pipeline.steps
    assert (script.command, script.env, script.agent_query_rules) == ("make", {"A": "1"}, ["aws=true"])
    assert (waiter.dump(), manual.label) == ({"type": "waiter"}, "Deploy")
    assert (trigger.pipeline, trigger.async_) == ("deploy", True)
    assert trigger.build == {"message": None, "branch": "main", "commit": "HEAD", "env": None}


def test_a_step_can_be_changed_in_place(bk: Buildkite, sent: Sent, needed: dict[str, Any]) -> None:
    pipeline = bk.organization("acme").pipelines().create(**needed, steps=VISUAL[:1])
    pipeline.steps[0].command = "make all"
    pipeline.save()
    assert sent()[1]["steps"][0]["command"] == "make all"
    assert pipeline.steps[0].command == "make all"


def test_a_new_pipeline_can_be_built(server: FakeBuildkite, bk: Buildkite, needed: dict[str, Any]) -> None:
    pipeline = bk.organization("acme").pipelines().create(**needed, configuration=YAML)
    build = pipeline.builds().create(commit="HEAD", branch="main")
    server.clock.advance(120)
    assert build.reload().state == "passed"
    assert [job.type for job in build.jobs()] == ["script", "waiter"]


def test_a_template_may_have_the_steps(server: FakeBuildkite, bk: Buildkite, needed: dict[str, Any]) -> None:
    org = bk.organization("acme")
    template = org.pipeline_templates().create(name="Shared", configuration=YAML)
    pipeline = org.pipelines().create(**needed, pipeline_template_uuid=template.uuid)
    assert pipeline.pipeline_template == template
    assert len(server.store.organizations["acme"].pipelines["the-shop"].plan) == 2
    pipeline.pipeline_template_uuid = None
    assert pipeline.save().pipeline_template is None


@pytest.mark.parametrize(
    ("fields", "at_fault"),
    [
        ({}, "configuration"),
        ({"configuration": ""}, "configuration"),
        *(({"configuration": each}, "configuration") for each in NO_PIPELINES),
        ({"steps": []}, "configuration"),
        ({"configuration": YAML, "name": ""}, "name"),
        ({"configuration": YAML, "name": "Web"}, "name"),
        ({"configuration": YAML, "slug": "web"}, "slug"),
        ({"configuration": YAML, "slug": "-x"}, "slug"),
        ({"configuration": YAML, "name": "機能"}, "slug"),
        ({"configuration": YAML, "cluster_id": "01234567-89ab-cdef-0123-456789abcdef"}, "cluster_id"),
        ({"pipeline_template_uuid": "01234567-89ab-cdef-0123-456789abcdef"}, "pipeline_template_uuid"),
        ({"steps": [{"type": "carrier_pigeon"}]}, "steps"),
        ({"steps": [{"type": "trigger"}]}, "steps"),
        ({"steps": ["make"]}, "steps"),
    ],
)
def test_a_pipeline_that_cannot_be_is_not_made(
    bk: Buildkite, pipeline: Pipeline, needed: dict[str, Any], fields: dict[str, Any], at_fault: str
) -> None:
    with pytest.raises(UnprocessableEntityError) as caught:
        bk.organization("acme").pipelines().create(**(needed | fields))
    assert [error["field"] for error in caught.value.errors] == [at_fault]
    assert list(bk.organization("acme").pipelines()) == [pipeline]


def test_without_steps_the_error_names_the_missing_field(bk: Buildkite, needed: dict[str, Any]) -> None:
    with pytest.raises(UnprocessableEntityError) as caught:
        bk.organization("acme").pipelines().create(**needed)
    assert caught.value.errors[0]["code"].startswith("Step configuration is missing")


def test_with_teams_only_administrators_create_pipelines_without_one(
    server: FakeBuildkite, bk: Buildkite, needed: dict[str, Any]
) -> None:
    organization = server.store.organizations["acme"]
    organization.teams_enabled = True
    another: dict[str, Any] = {**needed, "name": "Another"}
    bk.organization("acme").pipelines().create(**another, configuration=YAML)
    organization.users[0].role = "member"
    with pytest.raises(UnprocessableEntityError, match="teams"):
        bk.organization("acme").pipelines().create(**needed, configuration=YAML)


def test_clone_mirrors_must_be_enabled(server: FakeBuildkite, bk: Buildkite, pipeline: Pipeline) -> None:
    server.store.organizations["acme"].missing_features.add("clone_mirrors")
    assert "clone_mirror_url" not in pipeline.reload().dump()
    with pytest.raises(UnprocessableEntityError, match="clone_mirror_url"):
        pipeline.update(clone_mirror_url="git@mirror.acme.example:acme/web.git")
    assert bk.organization("acme").pipeline("web").update(clone_mirror_url=None) == pipeline


# -- changes


@pytest.mark.parametrize("value", [None, "", "The shop"])
def test_unset_null_and_empty_are_distinguished(pipeline: Pipeline, sent: Sent, value: str | None) -> None:
    pipeline.update(description="Before", branch_configuration="main")
    pipeline.description = value
    pipeline.save()
    assert sent() == (f"PATCH {WEB}", {"description": value})
    assert (pipeline.description, pipeline.branch_configuration) == (value, "main")


def test_false_is_sent(pipeline: Pipeline, sent: Sent) -> None:
    assert pipeline.update(allow_rebuilds=False) is pipeline
    assert sent() == (f"PATCH {WEB}", {"allow_rebuilds": False})


def test_a_change_that_yaml_pipelines_ignore_is_warned_of(bk: Buildkite, pipeline: Pipeline) -> None:
    with pytest.warns(IgnoredChangeWarning, match="a pipeline has .* ignored env$"):
        bk.organization("acme").pipeline("web").update(env={"A": "1"})
    with pytest.warns(IgnoredChangeWarning, match="ignored env and steps$"):
        pipeline.update(env={}, steps=[], configuration=YAML)
    pipeline.env = {"A": "1"}
    with pytest.warns(IgnoredChangeWarning, match="ignored env$") as caught:
        pipeline.save()
    assert caught[0].filename == __file__
    assert pipeline.env == {"FOO": "bar"}


def test_a_change_that_is_ignored_is_warned_of_in_the_same_words_for_each_pipeline(
    server: FakeBuildkite, bk: Buildkite
) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for number in range(5):
            server.add_pipeline(f"web-{number}", configuration=YAML)
            bk.organization("acme").pipeline(f"web-{number}").update(env={"A": str(number)})
    assert {str(warning.message) for warning in caught} == {"a pipeline has its steps as YAML: the server ignored env"}
    assert len(caught) == 5


@pytest.mark.parametrize("configuration", NO_PIPELINES)
def test_an_invalid_configuration_changes_no_pipeline(pipeline: Pipeline, configuration: str) -> None:
    before = pipeline.dump()
    with pytest.raises(UnprocessableEntityError) as caught:
        pipeline.update(name="Changed", configuration=configuration)
    assert [error["field"] for error in caught.value.errors] == ["configuration"]
    assert pipeline.reload().dump() == before


@pytest.mark.parametrize(
    ("configuration", "jobs"), [("- command: make\n- wait", 2), ("steps:\n  - wait", 1), ("steps: [wait]", 1)]
)
def test_steps_are_read_in_each_form_of_yaml(
    server: FakeBuildkite, bk: Buildkite, needed: dict[str, Any], configuration: str, jobs: int
) -> None:
    pipeline = bk.organization("acme").pipelines().create(**needed, configuration=configuration)
    assert pipeline.update(configuration=configuration).configuration == configuration
    build = pipeline.builds().create(commit="HEAD", branch="main")
    server.clock.advance(120)
    assert (build.reload().state, build.jobs().count()) == ("passed", jobs)


def test_visual_steps_for_a_yaml_pipeline_are_refused(pipeline: Pipeline) -> None:
    with pytest.raises(UnprocessableEntityError, match="configuration"):
        pipeline.update(steps=VISUAL)


# -- the archive


def test_a_pipeline_is_archived_and_unarchived(bk: Buildkite, pipeline: Pipeline, sent: Sent, costs: Costs) -> None:
    ref = bk.organization("acme").pipeline("web")
    with costs(1):
        archived = ref.archive()
    assert sent() == (f"POST {WEB}/archive", None)
    assert archived == pipeline
    assert archived.archived_at is not None
    with costs(1):
        assert ref.unarchive().archived_at is None
    assert sent() == (f"POST {WEB}/unarchive", None)


def test_an_archived_pipeline_takes_no_builds_and_no_changes(bk: Buildkite, pipeline: Pipeline) -> None:
    build = pipeline.builds().create(commit="HEAD", branch="main")
    pipeline.archive()
    with pytest.raises(UnprocessableEntityError, match="archived"):
        pipeline.builds().create(commit="HEAD", branch="main")
    with pytest.raises(UnprocessableEntityError, match="archived"):
        build.rebuild()
    with pytest.raises(UnprocessableEntityError, match="archived"):
        pipeline.update(description="x")
    assert list(pipeline.builds()) == [build]
    assert pipeline in bk.organization("acme").pipelines()


def test_it_is_archived_once(pipeline: Pipeline) -> None:
    with pytest.raises(UnprocessableEntityError, match=r"Pipeline could not be unarchived\."):
        pipeline.unarchive()
    pipeline.archive()
    with pytest.raises(UnprocessableEntityError, match=r"Pipeline could not be archived\."):
        pipeline.archive()


def test_a_trigger_of_an_archived_pipeline_fails(server: FakeBuildkite, bk: Buildkite, pipeline: Pipeline) -> None:
    record = server.add_pipeline("starter", configuration=None)
    starter = bk.organization("acme").pipeline("starter")
    starter.update(steps=[{"type": "trigger", "trigger_project_slug": "web"}])
    pipeline.archive()
    build = starter.builds().create(commit="HEAD", branch="main")
    server.clock.advance(60)
    assert (build.reload().state, record.plan[0].key) == ("failed", None)


# -- deleting


def test_deleting_a_pipeline_deletes_its_builds(
    server: FakeBuildkite, bk: Buildkite, pipeline: Pipeline, sent: Sent
) -> None:
    org = bk.organization("acme")
    build = pipeline.builds().create(commit="HEAD", branch="main")
    server.clock.advance(4)
    job = next(iter(build.jobs()))
    schedule = pipeline.schedules().create(cronline="@hourly")
    pipeline.delete()
    assert sent() == (f"DELETE {WEB}", None)
    for gone in (pipeline, build, org.job(job.id), schedule):
        with pytest.raises(NotFoundError):
            gone.fetch()
    server.clock.advance(7200)
    assert (list(org.pipelines()), list(org.builds())) == ([], [])
    assert [agent.embedded_job for agent in org.agents()] == []


def test_builds_that_wait_for_a_deleted_pipeline_fail(server: FakeBuildkite, bk: Buildkite, pipeline: Pipeline) -> None:
    server.add_pipeline("starter", configuration=None)
    starter = bk.organization("acme").pipeline("starter")
    starter.update(steps=[{"type": "trigger", "trigger_project_slug": "web"}])
    build = starter.builds().create(commit="HEAD", branch="main")
    server.clock.advance(5)
    pipeline.delete()
    assert build.reload().state == "failed"


def test_a_pipeline_that_is_not_there_cannot_be_deleted(bk: Buildkite) -> None:
    with pytest.raises(NotFoundError, match="No pipeline found"):
        bk.organization("acme").pipeline("nothing").delete()


def test_the_audit_log_records_it(bk: Buildkite, needed: dict[str, Any]) -> None:
    org = bk.organization("acme")
    pipeline = org.pipelines().create(**needed, configuration=YAML)
    pipeline.archive().unarchive().delete()
    kinds = [event.type for event in org.audit_events()]
    assert kinds == [f"Pipeline{each}Event" for each in ("Deleted", "Unarchived", "Archived", "Created")]


# -- webhooks


def test_a_webhook_is_added_once(bk: Buildkite, pipeline: Pipeline, sent: Sent, costs: Costs) -> None:
    with costs(1):
        bk.organization("acme").pipeline("web").add_webhook()
    assert sent() == (f"POST {WEB}/webhook", None)
    with pytest.raises(UnprocessableEntityError, match="could not be created for your repository"):
        pipeline.add_webhook()


def test_a_webhook_is_for_github_alone(pipeline: Pipeline) -> None:
    pipeline.update(repository="git@gitlab.com:acme/web.git")
    with pytest.raises(UnprocessableEntityError, match="not supported for your repository"):
        pipeline.add_webhook()


def test_the_webhooks_of_github_are_taken_or_not(bk: Buildkite, pipeline: Pipeline, sent: Sent, costs: Costs) -> None:
    hooks = bk.organization("acme").pipeline("web").github_webhooks()
    with costs(1):
        state = hooks.fetch()
    assert sent() == (f"GET {WEB}/github-webhooks", None)
    assert (type(state), state.enabled, state.disabled_at, state.disabled_by) == (GitHubWebhooks, True, None, None)
    with costs(1):
        disabled = state.disable()
    assert sent() == (f"DELETE {WEB}/github-webhooks", None)
    assert (disabled.enabled, disabled.disabled_by, state.enabled) == (False, "Ada Lovelace", True)
    assert disabled.disable().disabled_at == disabled.disabled_at
    with costs(1):
        assert disabled.enable().enabled
    assert sent() == (f"PUT {WEB}/github-webhooks", None)
    assert state.reload() == hooks
    assert (state.pipeline, state.organization) == (pipeline, bk.organization("acme"))


@pytest.mark.parametrize("lacks", ["the feature", "the provider"])
def test_without_the_feature_or_github_there_are_no_repositories(
    server: FakeBuildkite, pipeline: Pipeline, lacks: str
) -> None:
    if lacks == "the feature":
        server.store.organizations["acme"].missing_features.add("expanded_webhook_triggers")
    else:
        pipeline.update(repository="ssh://git@git.acme.example/web.git")
    hooks = pipeline.github_webhooks()
    for operation in (hooks.fetch, hooks.enable, hooks.disable):
        with pytest.raises(NotFoundError):
            operation()


# -- the documented examples


def test_the_documented_examples_load_and_dump(examples: Examples) -> None:
    names = ("list-pipelines", "get-a-pipeline", "create-a-yaml-pipeline", "update-a-pipeline", "archive-a-pipeline")
    examples(Pipeline, *(f"pipelines/{name}" for name in (*names, "unarchive-a-pipeline")))
    examples(GitHubWebhooks, *(f"pipelines/{verb}-github-webhook-processing" for verb in ("enable", "disable")))
    examples(GitHubWebhooks, "pipelines/get-github-webhook-processing-state")
