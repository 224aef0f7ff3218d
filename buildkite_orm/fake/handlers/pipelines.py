"""Pipelines."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from buildkite_orm.fake.handlers import teams
from buildkite_orm.fake.handlers.checks import Check, require_valid
from buildkite_orm.fake.handlers.route import ORGANIZATION, PIPELINE, route
from buildkite_orm.fake.http import ApiError, InvalidError, Reply
from buildkite_orm.fake.ids import slug_of
from buildkite_orm.fake.paging import paged
from buildkite_orm.fake.payloads.pipelines import pipeline, visual_step

if TYPE_CHECKING:
    from buildkite_orm.fake.http import Call
    from buildkite_orm.fake.records import Json, OrganizationRecord, PipelineRecord


def list_pipelines(call: Call) -> Reply:
    """List an organization's pipelines; filters match parts of what they name."""
    name, repository = (call.request.args.get(key, "").lower() for key in ("name", "repository"))
    found = [
        each
        for each in call.organization.pipelines.values()
        if name in each.name.lower() and repository in each.repository.lower()
    ]
    return paged(call, found, partial(pipeline, call.view))


def get_pipeline(call: Call) -> Reply:
    """Get one."""
    return Reply(payload=pipeline(call.view, call.pipeline))


def _strings(value: Any) -> bool:
    return all(isinstance(each, str) for each in value)


def _is_plain(url: str) -> bool:
    """Tell whether a URL is free of credentials, query and fragment."""
    parts = urlsplit(url)
    return not (parts.password or parts.query or parts.fragment or (parts.scheme != "ssh" and parts.username))


def _positive(value: int) -> bool:
    return value > 0


_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*").fullmatch
_COLOR = re.compile(r"#[0-9A-Fa-f]{6}").fullmatch
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch

UPDATES = {
    "allow_rebuilds": Check(bool),
    "branch_configuration": Check(str),
    "cancel_running_branch_builds": Check(bool),
    "cancel_running_branch_builds_filter": Check(str),
    "clone_mirror_url": Check(str, accepts=_is_plain),
    "color": Check(str, accepts=lambda value: _COLOR(value) is not None),
    "cluster_id": Check(str, accepts=lambda value: _UUID(value) is not None),
    "configuration": Check(str, filled=True),
    "default_branch": Check(str),
    "default_command_step_timeout": Check(int, accepts=_positive),
    "description": Check(str),
    "emoji": Check(str),
    "env": Check(dict),
    "maximum_command_step_timeout": Check(int, accepts=_positive),
    "name": Check(str, filled=True),
    "pipeline_template_uuid": Check(str, accepts=lambda value: _UUID(value) is not None),
    "provider_settings": Check(dict),
    "repository": Check(str, filled=True),
    "skip_queued_branch_builds": Check(bool),
    "skip_queued_branch_builds_filter": Check(str),
    "slug": Check(str, filled=True, accepts=lambda value: _SLUG(value) is not None),
    "steps": Check(list),
    "tags": Check(list, accepts=_strings),
    "teams": Check(dict),
    "visibility": Check(str, filled=True, accepts=lambda value: value in {"private", "public"}),
}
_APART = frozenset({"configuration", "env", "provider_settings", "slug", "steps", "tags", "teams"})


def update_pipeline(call: Call) -> Reply:
    """Change some properties."""
    record, body = call.pipeline, call.body()
    require_valid(body, UPDATES)
    _check_steps(record, body)
    teams.assign(call, teams.PIPELINES, record.id, body.get("teams") or {})
    if "slug" in body or "name" in body:
        _rename(call.organization, record, body.get("slug") or slug_of(body["name"]))
    for name in (UPDATES.keys() & body.keys()) - _APART:
        setattr(record, name, body[name])
    if "tags" in body:
        record.tags = body["tags"] or None
    record.provider_settings = record.provider_settings | (body.get("provider_settings") or {})
    _apply_steps(record, body)
    return Reply(payload=pipeline(call.view, record))


def _check_steps(record: PipelineRecord, body: Json) -> None:
    if "steps" in body and record.configuration is not None and "configuration" not in body:
        raise ApiError(422, "Pipelines with YAML steps take `configuration`, not `steps`")


def _apply_steps(record: PipelineRecord, body: Json) -> None:
    """Take `configuration`, or what only visual steps have: `env` and `steps`."""
    if "configuration" in body:
        record.configuration = body["configuration"]
        record.steps = [
            visual_step(command) for command in re.findall(r"command: *\"?([^\"\n]+)", body["configuration"])
        ]
    elif record.configuration is None:
        record.env = body.get("env", record.env)
        record.steps = body.get("steps", record.steps)


def _rename(organization: OrganizationRecord, record: PipelineRecord, slug: str) -> None:
    if organization.pipelines.get(slug, record) is not record or not slug:
        raise InvalidError([("slug", "already_exists" if slug else "invalid")])
    # rebuilt whole, so that it keeps its place in the listing
    kept = list(organization.pipelines.values())
    record.slug = slug
    organization.pipelines.clear()
    organization.pipelines.update({each.slug: each for each in kept})


ROUTES = (
    route("GET", ORGANIZATION + "/pipelines", "read_pipelines", list_pipelines),
    route("GET", PIPELINE, "read_pipelines", get_pipeline),
    route("PATCH", PIPELINE, "write_pipelines", update_pipeline),
    route("PUT", PIPELINE, "write_pipelines", update_pipeline),
)
