"""Pipelines."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from buildkite_orm.fake import audit
from buildkite_orm.fake.arguments import VISIBILITIES
from buildkite_orm.fake.configuration import plan_of, visual_steps
from buildkite_orm.fake.handlers import teams
from buildkite_orm.fake.handlers.organization_settings import PIPELINE_SETTINGS
from buildkite_orm.fake.handlers.route import ORGANIZATION, PIPELINE, route
from buildkite_orm.fake.handlers.schedules import SCHEDULES
from buildkite_orm.fake.handlers.templates import TEMPLATES
from buildkite_orm.fake.handlers.validation import (
    Check,
    are_objects,
    are_strings,
    is_color,
    is_uuid,
    require_valid,
    texts_of,
)
from buildkite_orm.fake.http import ApiError, InvalidError, Reply
from buildkite_orm.fake.ids import slug_of
from buildkite_orm.fake.paging import paged
from buildkite_orm.fake.payloads.pipelines import SETTINGS, pipeline, provider_of
from buildkite_orm.fake.pipeline_yaml import read_configuration
from buildkite_orm.fake.pipeline_yaml.errors import PipelineYamlError

if TYPE_CHECKING:
    from buildkite_orm.fake.http import ApiRequest
    from buildkite_orm.fake.pipeline_yaml import PipelineDefinition
    from buildkite_orm.fake.records import Json, OrganizationRecord, PipelineRecord


def list_pipelines(request: ApiRequest) -> Reply:
    """List an organization's pipelines; filters match substrings."""
    name, repository = (request.http.args.get(key, "").lower() for key in ("name", "repository"))
    found = [
        each
        for each in request.organization.pipelines.values()
        if name in each.name.lower() and repository in each.repository.lower()
    ]
    return paged(request, found, partial(pipeline, request.view))


def get_pipeline(request: ApiRequest) -> Reply:
    """Get a pipeline."""
    return Reply(payload=pipeline(request.view, request.pipeline))


def _warn(request: ApiRequest, record: PipelineRecord, definition: PipelineDefinition | None) -> None:
    """Warn of what the fake does not simulate."""
    if definition is not None:
        request.context.warn(definition.warning(record.slug))
    elif any("buildkite-agent" in (step.get("command") or "") for step in record.steps):
        request.context.warn(f"the fake does not simulate buildkite-agent in commands of the pipeline {record.slug}")


def _changed(request: ApiRequest, record: PipelineRecord, change: str, status: int = 200) -> Reply:
    """Add an event to the audit log, and return the pipeline."""
    audit.log_event(request, f"Pipeline{change}", audit.subject("Pipeline", record.id, record.name))
    return Reply(status, payload=pipeline(request.view, record))


# -- validation


def _is_plain(url: str) -> bool:
    """Return whether a URL has no credentials, query or fragment."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return not (parts.password or parts.query or parts.fragment or (parts.scheme != "ssh" and parts.username))


def _positive(value: int) -> bool:
    return value > 0


def _are_steps(steps: list[Any]) -> bool:
    return are_objects(steps) and all(map(_is_step, steps))


def _is_step(step: Json) -> bool:
    kind = step.get("type")
    has_target = kind != "trigger" or bool(step.get("trigger_project_slug"))
    return kind in _STEPS and has_target and all(check.problem(step, name) is None for name, check in _OF_STEPS.items())


def _are_settings(settings: Json) -> bool:
    """Return whether provider settings have the types of their defaults; unknown settings may have any type."""
    known = {**SETTINGS, "repository": ""}
    return all(value is None or isinstance(value, type(known.get(name, value))) for name, value in settings.items())


_STEPS = ("script", "waiter", "manual", "trigger")
_OF_STEPS = {
    **dict.fromkeys(("type", "name", "label", "command", "artifact_paths", "branch_configuration"), Check(str)),
    **{f"trigger_{name}": Check(str) for name in ("project_slug", "branch", "commit", "message")},
    **dict.fromkeys(("env", "trigger_env"), Check(dict)),
    **dict.fromkeys(("timeout_in_minutes", "concurrency", "parallelism"), Check(int)),
    "trigger_async": Check(bool),
    "agent_query_rules": Check(list, accepts=are_strings),
}
_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,99}").fullmatch
_NO_STEPS = 'Step configuration is missing, expected `steps: { yaml: "..." }`'

UPDATES = {
    "allow_rebuilds": Check(bool),
    "branch_configuration": Check(str),
    "cancel_running_branch_builds": Check(bool),
    "cancel_running_branch_builds_filter": Check(str),
    "clone_mirror_url": Check(str, accepts=_is_plain),
    "color": Check(str, accepts=is_color),
    "cluster_id": Check(str, accepts=is_uuid),
    "configuration": Check(str, filled=True),
    "default_branch": Check(str),
    "default_command_step_timeout": Check(int, accepts=_positive),
    "description": Check(str),
    "emoji": Check(str),
    "env": Check(dict),
    "maximum_command_step_timeout": Check(int, accepts=_positive),
    "name": Check(str, filled=True),
    "pipeline_template_uuid": Check(str, accepts=is_uuid),
    "provider_settings": Check(dict, accepts=_are_settings),
    "repository": Check(str, filled=True),
    "skip_queued_branch_builds": Check(bool),
    "skip_queued_branch_builds_filter": Check(str),
    "slug": Check(str, filled=True, accepts=lambda value: _SLUG(value) is not None),
    "steps": Check(list, accepts=_are_steps),
    "tags": Check(list, accepts=are_strings),
    "teams": Check(dict),
    "visibility": Check(str, filled=True, accepts=lambda value: value in VISIBILITIES),
}
CREATES = UPDATES | {
    "cluster_id": Check(str, required=True, filled=True, accepts=is_uuid),
    "configuration": Check(str),
    "name": Check(str, required=True, filled=True),
    "repository": Check(str, required=True, filled=True),
    "slug": Check(str, accepts=lambda value: _SLUG(value) is not None),
}
_SPECIAL_FIELDS = frozenset({"configuration", "env", "provider_settings", "slug", "steps", "tags", "teams"})


def _check_named(request: ApiRequest, body: Json) -> None:
    """Raise if a body references unknown records, or features that the organization does not have."""
    organization = request.organization
    clusters = organization.collections.of("cluster", organization.id)
    if body.get("cluster_id") and body["cluster_id"] not in clusters:
        raise InvalidError([("cluster_id", "invalid")])
    if body.get("pipeline_template_uuid") and body["pipeline_template_uuid"] not in TEMPLATES.records(request):
        raise InvalidError([("pipeline_template_uuid", "invalid")])
    if body.get("clone_mirror_url") and "clone_mirrors" in organization.missing_features:
        raise InvalidError([("clone_mirror_url", "invalid")])


# -- create


def create_pipeline(request: ApiRequest) -> Reply:
    """Create a pipeline from YAML steps, visual steps, or a template."""
    organization, body, store = request.organization, request.body(), request.context.store
    require_valid(body, CREATES)
    _check_named(request, body)
    _check_has_steps(body)
    definition = _definition(body)
    slug = body.get("slug") or slug_of(body["name"])
    _check_free(organization, slug, body["name"])
    identity = store.ids.uuid()
    _assign_teams(request, identity, body)
    record = store.add_pipeline(
        organization,
        slug,
        [],
        id=identity,
        repository=body["repository"],
        created_at=request.context.lifecycle.now,
        created_by=request.token.user,
        configuration=None,
        default_branch=PIPELINE_SETTINGS.of(organization)["default_branch"],
        env={},
    )
    _apply(record, body, definition)
    if not (body.get("configuration") or body.get("steps")):
        template = TEMPLATES.records(request)[body["pipeline_template_uuid"]]
        read_configuration(template.data["configuration"]).apply(record)
    _warn(request, record, definition)
    return _changed(request, record, "Created", 201)


def _check_has_steps(body: Json) -> None:
    configuration = body.get("configuration") or ""
    if not (configuration.strip() or body.get("steps") or body.get("pipeline_template_uuid")):
        raise InvalidError([("configuration", _NO_STEPS)])


def _definition(body: Json) -> PipelineDefinition | None:
    """Return what the `configuration` of a body says, or raise the documented 422."""
    if not body.get("configuration"):
        return None
    try:
        return read_configuration(body["configuration"])
    except PipelineYamlError as error:
        raise InvalidError([("configuration", str(error))]) from error


def _check_free(organization: OrganizationRecord, slug: str, name: str) -> None:
    if any(each.name == name for each in organization.pipelines.values()):
        raise InvalidError([("name", "already_exists")])
    if slug in organization.pipelines or not _SLUG(slug):
        raise InvalidError([("slug", "already_exists" if slug in organization.pipelines else "invalid")])


def _assign_teams(request: ApiRequest, identity: str, body: Json) -> None:
    if request.organization.teams_enabled and not body.get("teams") and request.token.user.role != "admin":
        raise InvalidError([("teams", "missing_field")])
    teams.assign(request, teams.PIPELINES, identity, body.get("teams") or {})


# -- update


def update_pipeline(request: ApiRequest) -> Reply:
    """Update a pipeline."""
    record, body = request.pipeline, request.body()
    require_valid(body, UPDATES)
    if record.archived_at is not None:
        raise ApiError(422, "Pipeline is archived")
    _check_named(request, body)
    _check_steps(record, body)
    definition = _definition(body)
    teams.assign(request, teams.PIPELINES, record.id, body.get("teams") or {})
    if "slug" in body or "name" in body:
        _rename(request.organization, record, body.get("slug") or slug_of(body["name"]))
    _apply(record, body, definition)
    if definition is not None or "steps" in body:
        _warn(request, record, definition)
    return _changed(request, record, "Updated")


def _check_steps(record: PipelineRecord, body: Json) -> None:
    if "steps" in body and record.configuration is not None and "configuration" not in body:
        raise ApiError(422, "Pipelines with YAML steps take `configuration`, not `steps`")


def _apply(record: PipelineRecord, body: Json, definition: PipelineDefinition | None) -> None:
    """Copy the fields of a body to the record."""
    for name in (UPDATES.keys() & body.keys()) - _SPECIAL_FIELDS:
        setattr(record, name, body[name])
    if "repository" in body:
        record.provider_id = provider_of(body["repository"])
    if "tags" in body:
        record.tags = body["tags"] or None
    record.provider_settings = record.provider_settings | (body.get("provider_settings") or {})
    if definition is not None:
        record.configuration, record.steps = definition.text, definition.visual_steps
        definition.apply(record)
    elif record.configuration is None:
        _apply_visual_steps(record, body)


def _apply_visual_steps(record: PipelineRecord, body: Json) -> None:
    """Apply `env` and `steps`, which only pipelines with visual steps have."""
    record.env = texts_of(body["env"]) if "env" in body else record.env
    if body.get("steps"):
        record.steps = visual_steps(body["steps"])
        record.plan = plan_of(record.steps)


def _rename(organization: OrganizationRecord, record: PipelineRecord, slug: str) -> None:
    if organization.pipelines.get(slug, record) is not record or not slug:
        raise InvalidError([("slug", "already_exists" if slug else "invalid")])
    # rebuilt, so that the pipeline keeps its position in the listing
    kept = list(organization.pipelines.values())
    record.slug = slug
    organization.pipelines.clear()
    organization.pipelines.update({each.slug: each for each in kept})


def archive_pipeline(request: ApiRequest) -> Reply:
    """Archive a pipeline."""
    record = request.pipeline
    if record.archived_at is not None:
        raise ApiError(422, "Pipeline could not be archived.")
    record.archived_at = request.context.lifecycle.now
    return _changed(request, record, "Archived")


def unarchive_pipeline(request: ApiRequest) -> Reply:
    """Unarchive a pipeline."""
    record = request.pipeline
    if record.archived_at is None:
        raise ApiError(422, "Pipeline could not be unarchived.")
    record.archived_at = None
    return _changed(request, record, "Unarchived")


def delete_pipeline(request: ApiRequest) -> Reply:
    """Delete a pipeline with its builds and schedules."""
    record = request.pipeline
    request.context.lifecycle.delete(record)
    request.organization.collections.of(SCHEDULES.kind, record.id).clear()
    _changed(request, record, "Deleted")
    return Reply(204)


# -- webhooks


def add_webhook(request: ApiRequest) -> Reply:
    """Add a webhook to the GitHub repository."""
    record = request.pipeline
    if record.provider_id != "github":
        raise ApiError(422, "Auto-creating webhooks is not supported for your repository.")
    if record.has_webhook:
        raise ApiError(422, "Webhooks could not be created for your repository.")
    record.has_webhook = True
    return Reply(201)


def _github_pipeline(request: ApiRequest) -> PipelineRecord:
    record = request.pipeline
    is_enrolled = "expanded_webhook_triggers" not in request.organization.missing_features
    if not is_enrolled or record.provider_id not in {"github", "github_enterprise"}:
        raise ApiError(404, "Not Found")
    return record


def get_github_webhooks(request: ApiRequest) -> Reply:
    """Get whether GitHub webhooks are enabled."""
    record = _github_pipeline(request)
    by = record.webhooks_disabled_by
    return Reply(
        payload={
            "url": f"{request.view.pipeline(record)}/github-webhooks",
            "enabled": by is None,
            "disabled_at": request.view.time(record.webhooks_disabled_at),
            "disabled_by": by and by.name,
        }
    )


def enable_github_webhooks(request: ApiRequest) -> Reply:
    """Enable GitHub webhooks; does nothing if they are enabled."""
    record = _github_pipeline(request)
    record.webhooks_disabled_at = record.webhooks_disabled_by = None
    return get_github_webhooks(request)


def disable_github_webhooks(request: ApiRequest) -> Reply:
    """Disable GitHub webhooks; does nothing if they are disabled."""
    record = _github_pipeline(request)
    if record.webhooks_disabled_by is None:
        record.webhooks_disabled_at, record.webhooks_disabled_by = request.context.lifecycle.now, request.token.user
    return get_github_webhooks(request)


_PIPELINES, _WEBHOOKS = ORGANIZATION + "/pipelines", PIPELINE + "/github-webhooks"
_READ, _WRITE = "read_pipelines", "write_pipelines"

ROUTES = (
    route("GET", _PIPELINES, _READ, list_pipelines),
    route("POST", _PIPELINES, _WRITE, create_pipeline),
    route("GET", PIPELINE, _READ, get_pipeline),
    route("PATCH", PIPELINE, _WRITE, update_pipeline),
    route("PUT", PIPELINE, _WRITE, update_pipeline),
    route("DELETE", PIPELINE, _WRITE, delete_pipeline),
    route("POST", PIPELINE + "/archive", _WRITE, archive_pipeline),
    route("POST", PIPELINE + "/unarchive", _WRITE, unarchive_pipeline),
    route("POST", PIPELINE + "/webhook", _WRITE, add_webhook),
    route("GET", _WEBHOOKS, _READ, get_github_webhooks),
    route("PUT", _WEBHOOKS, _WRITE, enable_github_webhooks),
    route("DELETE", _WEBHOOKS, _WRITE, disable_github_webhooks),
)
