"""Calls of the operations on pipelines, their schedules and templates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tests.operations.stage import Call, Stage

YAML: Final = 'steps:\n  - command: "make"\n'
STEPS: Final = [{"type": "script", "name": "Test", "command": "make"}]
SCHEDULE: Final[Any] = {
    "cronline": "@daily",
    "label": "l",
    "message": "m",
    "commit": "HEAD",
    "branch": "main",
    "env": {"A": "1"},
    "enabled": True,
}
TEMPLATE: Final[Any] = {"name": "n", "configuration": YAML, "description": "d", "available": True}
COMMON: Final[Any] = {
    "branch_configuration": "main",
    "cancel_running_branch_builds": True,
    "cancel_running_branch_builds_filter": "!main",
    "clone_mirror_url": None,
    "default_branch": "main",
    "description": "d",
    "provider_settings": {},
    "skip_queued_branch_builds": True,
    "skip_queued_branch_builds_filter": "!main",
    "slug": "new",
    "tags": ["t"],
}
YAML_ONLY: Final[Any] = {
    "allow_rebuilds": False,
    "color": "#14CC80",
    "default_command_step_timeout": 10,
    "emoji": ":rocket:",
    "maximum_command_step_timeout": 20,
    "visibility": "private",
}


def needed(stage: Stage, **fields: Any) -> Any:
    """Return what every new pipeline needs, with its team, and `fields`."""
    where = {"cluster_id": stage.default_cluster_id, "repository": "git@git.example:acme/new.git"}
    teams = {stage.team_id: "manage_build_and_read"}
    template = first_uuid(stage.admin.pipeline_templates())
    return {"name": "New", **where, "teams": teams, "pipeline_template_uuid": template, **COMMON, **fields}


def first_uuid(items: Any) -> str:
    return str(items.first().uuid)


def update_pipeline(stage: Stage) -> object:
    """Update a pipeline whose steps are YAML, and one with visual steps."""
    return (
        stage.web.update(**needed(stage, **YAML_ONLY, configuration=YAML)),
        stage.org.pipeline("infra").update(env={"A": "1"}, steps=STEPS),
    )


def github(stage: Stage) -> Any:
    return stage.web.github_webhooks()


def schedule(stage: Stage) -> Any:
    record = stage.admin.pipeline("web").schedules().create(cronline="@daily")
    return stage.web.schedule(record.id)


def template(stage: Stage) -> Any:
    return stage.org.pipeline_template(first_uuid(stage.admin.pipeline_templates()))


CALLS: Final[dict[str, Call]] = {
    "pipeline_schedules.create-a-pipeline-schedule": lambda s: s.web.schedules().create(**SCHEDULE),
    "pipeline_schedules.delete-a-pipeline-schedule": lambda s: schedule(s).delete(),
    "pipeline_schedules.get-a-pipeline-schedule": lambda s: schedule(s).fetch(),
    "pipeline_schedules.list-pipeline-schedules": lambda s: s.web.schedules(),
    "pipeline_schedules.update-a-pipeline-schedule": lambda s: schedule(s).update(**SCHEDULE),
    "pipeline_templates.create-a-pipeline-template": lambda s: s.org.pipeline_templates().create(**TEMPLATE),
    "pipeline_templates.delete-a-pipeline-template": lambda s: template(s).delete(),
    "pipeline_templates.get-a-pipeline-template": lambda s: template(s).fetch(),
    "pipeline_templates.list-pipeline-templates": lambda s: s.org.pipeline_templates(),
    "pipeline_templates.update-a-pipeline-template": lambda s: template(s).update(**TEMPLATE),
    "pipelines.add-a-webhook": lambda s: s.web.add_webhook(),
    "pipelines.archive-a-pipeline": lambda s: s.org.pipeline("hello").archive(),
    "pipelines.create-a-visual-step-pipeline": lambda s: s.org.pipelines().create(
        **needed(s, steps=STEPS, env={"A": "1"})
    ),
    "pipelines.create-a-yaml-pipeline": lambda s: s.org.pipelines().create(
        **needed(s, **YAML_ONLY, configuration=YAML)
    ),
    "pipelines.delete-a-pipeline": lambda s: s.org.pipeline("hello").delete(),
    "pipelines.disable-github-webhook-processing": lambda s: github(s).disable(),
    "pipelines.enable-github-webhook-processing": lambda s: github(s).enable(),
    "pipelines.get-a-pipeline": lambda s: s.web.fetch(),
    "pipelines.get-github-webhook-processing-state": lambda s: github(s).fetch(),
    "pipelines.list-pipelines": lambda s: s.org.pipelines(name="n", repository="r"),
    "pipelines.unarchive-a-pipeline": lambda s: s.org.pipeline("legacy").unarchive(),
    "pipelines.update-a-pipeline": update_pipeline,
}
